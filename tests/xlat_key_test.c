/* xlat: creation, change and destruction of memory keys, and pages of rings. */
#include "tests/xlat_rig.h"

enum { KEY = 5 << 8 | 0x77, OTHER = 6 << 8 | 1, WHOLE = TXF_FIRST_PIECE | TXF_LAST_PIECE };
enum { LW = ACC_LOCAL_WRITE, RW = ACC_REMOTE_WRITE, RR = ACC_REMOTE_READ };
#define BASE 0x4000000000ULL /* of the pages of a region */
#define VA   0x7f0000000123ULL

static struct rig fresh(void)
{
    const struct hca_param p = unit_param();

    return rig_open(&p, 1);
}

/* A key cache of one entry: whatever is used next evicts it. */
static struct rig forgetful(void)
{
    struct hca_param p = unit_param();

    p.hca_mpt_cache_entries = 1;
    p.hca_mpt_cache_ways = 1;
    return rig_open(&p, 1);
}

static struct mpt in_memory(const struct rig *x, uint32_t key)
{
    struct mpt e;

    memcpy(&e, rig_at(x, FN_ADAPTER, ctx_bus(&x->h->y.p, CTX_MPT, 0, key >> 8), sizeof e),
           sizeof e);
    return e;
}

/* Status of a change through the port of the requester or of the responder. */
static uint8_t by_requester(struct rig *x, struct mpt_set m)
{
    struct mpt_done d;

    x->h->y.t.now = x->h->y.k.now;
    PASS(&x->h->y.t, &x->h->mpt_req, mpt_set, 0, &m);
    RIG_POP(x, mpt_req_done, &d);
    return d.status;
}

static uint8_t by_responder(struct rig *x, struct mpt_set m)
{
    struct mpt_done d;

    x->h->y.t.now = x->h->y.k.now;
    PASS(&x->h->y.t, &x->h->mpt_rsp, mpt_set, 0, &m);
    RIG_POP(x, mpt_rsp_done, &d);
    return d.status;
}

static uint8_t send_status(struct rig *x, uint32_t key, uint64_t va)
{
    return rig_send(x, key, va, 8).status;
}

static uint8_t create_fast(struct rig *x, uint32_t key, uint32_t pages)
{
    return rig_change(
        x,
        (struct mpt_set){.op = MPT_CREATE, .key = key, .pd = 1, .pages = pages, .flags = MPT_FAST});
}

/* ---- life of a key ----------------------------------------------------------------------------
 */

static void a_key_works_from_creation_to_destruction_and_memory_follows(void **state)
{
    (void)state;
    struct rig x = forgetful();

    assert_int_equal(send_status(&x, KEY, VA), WC_LOC_PROT);
    const uint64_t dir = rig_register(&x, KEY, VA, 64, LW, BASE);
    const struct mpt e = in_memory(&x, KEY);
    assert_int_equal(e.state, MPT_VALID);
    assert_int_equal(e.va, VA);
    assert_int_equal(e.len, 64);
    assert_int_equal(e.pdir, dir);
    assert_int_equal(e.key, KEY);
    assert_int_equal(e.access, LW);
    assert_int_equal(send_status(&x, KEY, VA), 0);
    (void)rig_register(&x, OTHER, VA, 64, 0, BASE); /* evicts it */
    assert_int_equal(send_status(&x, KEY, VA), 0);
    assert_int_equal(rig_change(&x, (struct mpt_set){.op = MPT_DESTROY, .key = KEY}), MPT_DONE);
    assert_int_equal(send_status(&x, KEY, VA), WC_LOC_PROT);
    (void)send_status(&x, OTHER, VA);
    assert_int_equal(send_status(&x, KEY, VA), WC_LOC_PROT);
    assert_int_equal(in_memory(&x, KEY).state, MPT_FREE);
    assert_int_equal(x.h->y.s.xlat_changes, 3);
    rig_close(&x);
}

static void keys_beyond_the_table_and_unknown_changes_are_refused(void **state)
{
    (void)state;
    struct rig x = fresh();
    static const struct mpt_set bad[] = {
        {.op = MPT_CREATE, .key = 65536U << 8, .cookie = 1},
        {.op = MPT_DESTROY, .key = 0xffffffff, .cookie = 2},
        {.op = MPT_INVALIDATE, .key = 65536U << 8, .cookie = 3},
        {.op = MPT_FLUSH + 1, .key = KEY, .cookie = 4},
        {.op = 15, .key = KEY, .cookie = 5},
    };

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(rig_change(&x, bad[i]), MPT_BAD_KEY);
    }
    assert_int_equal(x.writes, 0);
    assert_int_equal(x.key_reads, 0);
    assert_int_equal(x.h->y.s.xlat_changes_refused, 5);
    rig_close(&x);
}

static void a_new_registration_never_meets_pages_of_the_old_one(void **state)
{
    (void)state;
    struct hca_param p = unit_param();
    p.hca_mtt_cache_entries = 64; /* one set: an old line would be found */
    p.hca_mtt_cache_ways = 64;
    struct rig x = rig_open(&p, 1);
    const uint64_t dir = rig_register(&x, KEY, 0, 8192, 0, BASE);
    uint64_t table;

    assert_int_equal(rig_send(&x, KEY, 0, 8).addr, rig_page(BASE, 0));
    memcpy(&table, x.ram + dir, 8);
    rig_store(&x, table, 0x9000); /* the guest lays the same directory out anew */
    assert_int_equal(rig_change(&x, (struct mpt_set){.op = MPT_DESTROY, .key = KEY}), MPT_DONE);
    assert_int_equal(
        rig_change(
            &x, (struct mpt_set){.op = MPT_CREATE, .key = KEY, .len = 8192, .pdir = dir, .pd = 1}),
        MPT_DONE);
    assert_int_equal(rig_send(&x, KEY, 0, 8).addr, 0x9000);
    rig_close(&x);
}

/* ---- fast registration ------------------------------------------------------------------------
 */

static void fast_registration_takes_an_invalid_key_made_for_it(void **state)
{
    (void)state;
    struct rig x = fresh();
    const uint64_t dir = rig_directory(&x, 4, BASE);
    const struct mpt_set good = {.op = MPT_FAST_REG,
                                 .key = KEY + 1,
                                 .va = VA,
                                 .len = 8192,
                                 .pdir = dir,
                                 .pd = 1,
                                 .access = LW | RW,
                                 .pages = 3};
    struct mpt_set m;

    assert_int_equal(by_requester(&x, good), MPT_BAD_KEY); /* no such key   */
    assert_int_equal(create_fast(&x, KEY, 4), MPT_DONE);
    assert_int_equal(send_status(&x, KEY, VA), WC_LOC_PROT);
    m = good;
    m.pd = 2;
    assert_int_equal(by_requester(&x, m), MPT_BAD_KEY);
    m = good;
    m.pages = 5;
    assert_int_equal(by_requester(&x, m), MPT_BAD_STATE); /* more than made for */
    m.pages = 0;
    assert_int_equal(by_requester(&x, m), MPT_BAD_STATE);
    m.pages = 2;
    assert_int_equal(by_requester(&x, m), MPT_BAD_STATE); /* 8192 bytes from 0x123 on need 3 */
    m.pages = 0xffffffff;
    assert_int_equal(by_requester(&x, m), MPT_BAD_STATE);
    assert_int_equal(by_requester(&x, good), MPT_DONE);
    assert_int_equal(by_requester(&x, good), MPT_BAD_STATE); /* valid already */
    assert_int_equal(send_status(&x, KEY, VA), WC_LOC_PROT); /* the old key byte */
    assert_int_equal(rig_send(&x, KEY + 1, VA + 8184, 8).addr, rig_bus(VA + 8184, VA, BASE));
    assert_int_equal(
        rig_place(&x, (struct place){.key = KEY + 1, .pd = 1, .addr = VA, .len = 8, .access = RW})
            .status,
        0);
    assert_int_equal(in_memory(&x, KEY).key, KEY + 1);
    rig_close(&x);
}

static void ordinary_keys_are_neither_fast_registered_nor_invalidated(void **state)
{
    (void)state;
    struct rig x = fresh();

    (void)rig_register(&x, KEY, VA, 64, RW, BASE);
    assert_int_equal(
        by_requester(&x, (struct mpt_set){.op = MPT_FAST_REG, .key = KEY, .pd = 1, .pages = 1}),
        MPT_BAD_KEY);
    assert_int_equal(by_requester(&x, (struct mpt_set){.op = MPT_INVALIDATE, .key = KEY, .pd = 1}),
                     MPT_BAD_KEY);
    assert_int_equal(by_responder(&x, (struct mpt_set){.op = MPT_INVALIDATE, .key = KEY, .pd = 1}),
                     MPT_BAD_KEY);
    assert_int_equal(send_status(&x, KEY, VA), 0);
    rig_close(&x);
}

static void invalidation_needs_the_whole_key_the_domain_and_remotely_a_remote_right(void **state)
{
    (void)state;
    static const struct {
        uint32_t access, key, pd;
        bool remote;
        uint8_t status;
    } rows[] = {
        {LW, KEY, 1, false, MPT_DONE},
        {LW, KEY ^ 1, 1, false, MPT_BAD_KEY},
        {LW, KEY, 2, false, MPT_BAD_KEY},
        {LW, OTHER, 1, false, MPT_BAD_KEY},
        {LW, KEY, 1, true, MPT_BAD_KEY},
        {RR, KEY, 1, true, MPT_DONE},
        {RW, KEY, 1, true, MPT_DONE},
        {RW, KEY, 2, true, MPT_BAD_KEY},
        {ACC_REMOTE_ATOMIC, KEY, 1, true, MPT_DONE},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rig x = fresh();
        const struct mpt_set inv = {.op = MPT_INVALIDATE, .key = rows[i].key, .pd = rows[i].pd};
        const bool done = rows[i].status == MPT_DONE;
        const uint64_t dir = rig_directory(&x, 1, BASE);
        const struct mpt_set reg = {.op = MPT_FAST_REG,
                                    .key = KEY,
                                    .len = 64,
                                    .pdir = dir,
                                    .pd = 1,
                                    .access = rows[i].access,
                                    .pages = 1};
        assert_int_equal(create_fast(&x, KEY, 1), MPT_DONE);
        assert_int_equal(by_requester(&x, reg), MPT_DONE);
        assert_int_equal(rows[i].remote ? by_responder(&x, inv) : by_requester(&x, inv),
                         rows[i].status);
        assert_int_equal(send_status(&x, KEY, 0), done ? WC_LOC_PROT : 0);
        if (done) { /* once is enough, and then the key may be used again */
            assert_int_equal(by_requester(&x, inv), MPT_BAD_STATE);
            assert_int_equal(by_requester(&x, reg), MPT_DONE);
            assert_int_equal(send_status(&x, KEY, 0), 0);
        }
        rig_close(&x);
    }
}

static void a_change_of_an_uncached_key_reads_it_first(void **state)
{
    (void)state;
    struct rig x = forgetful();
    const struct mpt_set reg = {.op = MPT_FAST_REG, .key = KEY + 3, .len = 64, .pd = 1, .pages = 1};

    assert_int_equal(create_fast(&x, KEY, 1), MPT_DONE);
    (void)rig_register(&x, OTHER, VA, 64, 0, BASE);
    assert_int_equal(by_requester(&x, reg), MPT_DONE);
    assert_int_equal(x.key_reads, 1);
    (void)send_status(&x, OTHER, VA);
    x.no_keys = true;
    assert_int_equal(
        by_requester(&x, (struct mpt_set){.op = MPT_INVALIDATE, .key = KEY + 3, .pd = 1}),
        MPT_FAULT);
    x.no_keys = false;
    assert_int_equal(
        by_requester(&x, (struct mpt_set){.op = MPT_INVALIDATE, .key = KEY + 3, .pd = 1}),
        MPT_DONE);
    rig_close(&x);
}

/* ---- order ------------------------------------------------------------------------------------
 */

static void a_key_is_not_read_again_before_its_change_is_on_the_link(void **state)
{
    (void)state;
    struct rig x = forgetful();
    struct pkt m;

    (void)rig_register(&x, KEY, VA, 64, 0, BASE);
    x.hold_writes = true;
    assert_int_equal(rig_change(&x, (struct mpt_set){.op = MPT_DESTROY, .key = KEY}), MPT_DONE);
    (void)rig_plant(&x, OTHER, VA, 64, 0, BASE);
    assert_int_equal(send_status(&x, OTHER, VA), 0); /* others are read meanwhile */
    RIG_PUSH(&x, tx_job, pkt, .lkey = KEY, .pd = 1, .addr = VA, .len = 8, .flags = WHOLE);
    rig_run(&x, 100);
    assert_int_equal(x.key_reads, 1);
    assert_true(!UNIT_POP(x.h, rd_job, &m));
    x.hold_writes = false;
    RIG_POP(&x, rd_job, &m);
    assert_int_equal(m.status, WC_LOC_PROT);
    rig_close(&x);
}

static void a_read_under_way_does_not_bring_back_the_state_before_a_change(void **state)
{
    (void)state;
    struct rig x = fresh();
    const uint64_t dir = rig_directory(&x, 1, BASE);
    struct mpt_done d;
    struct pkt m;

    x.hold = true;
    x.early = true;
    RIG_PUSH(&x, tx_job, pkt, .lkey = KEY, .pd = 1, .len = 8, .flags = WHOLE);
    rig_run(&x, 20);
    RIG_PUSH(&x, mpt_cmd, mpt_set, .op = MPT_CREATE, .key = KEY, .len = 64, .pd = 1, .pdir = dir);
    rig_run(&x, 50);
    x.hold = false;
    RIG_POP(&x, rd_job, &m);
    assert_int_equal(m.status, WC_LOC_PROT);
    RIG_POP(&x, mpt_cmd_done, &d);
    rig_run(&x, 50);
    assert_int_equal(send_status(&x, KEY, 0), 0);
    rig_close(&x);
}

static void changes_beyond_the_write_buffer_wait_and_all_arrive(void **state)
{
    (void)state;
    struct rig x = fresh();
    struct mpt_done d;
    uint32_t done = 0;

    x.hold_writes = true;
    for (uint32_t k = 1; k <= 4 + 4; k++) {
        RIG_PUSH(&x, mpt_cmd, mpt_set, .op = MPT_CREATE, .key = k << 8, .len = 64,
                 .cookie = (uint16_t)k);
        rig_run(&x, 20);
        done += UNIT_POP(x.h, mpt_cmd_done, &d) ? 1 : 0;
    }
    assert_int_equal(done, XLAT_WRITES);
    x.hold_writes = false;
    for (; done < 8; done++) {
        RIG_POP(&x, mpt_cmd_done, &d);
        assert_int_equal(d.cookie, done + 1);
    }
    rig_run(&x, 50);
    for (uint32_t k = 1; k <= 8; k++) {
        assert_int_equal(in_memory(&x, k << 8).state, MPT_VALID);
    }
    rig_close(&x);
}

static void a_destroyed_key_reads_no_page_directory_after_the_answer(void **state)
{
    (void)state;
    struct rig x = fresh();
    struct mpt_done d;
    struct pkt m;

    (void)rig_register(&x, KEY, VA, 64, 0, BASE);
    x.hold = true;
    RIG_PUSH(&x, tx_job, pkt, .lkey = KEY, .pd = 1, .addr = VA, .len = 8, .flags = WHOLE);
    rig_run(&x, 20); /* past the key, waits for the directory */
    RIG_PUSH(&x, mpt_cmd, mpt_set, .op = MPT_DESTROY, .key = KEY);
    rig_run(&x, 20);
    RIG_PUSH(&x, tx_job, pkt, .lkey = KEY, .pd = 1, .addr = VA, .len = 8, .psn = 1, .flags = WHOLE);
    rig_run(&x, 100);
    assert_true(!UNIT_POP(x.h, mpt_cmd_done, &d));
    x.hold = false;
    RIG_POP(&x, mpt_cmd_done, &d);
    const uint64_t reads = x.page_reads;
    RIG_POP(&x, rd_job, &m);
    assert_int_equal(m.status, 0); /* it was there before the change */
    RIG_POP(&x, rd_job, &m);
    assert_int_equal(m.status, WC_LOC_PROT);
    assert_int_equal(x.page_reads, reads);
    rig_close(&x);
}

static void changes_of_one_key_from_two_sides_follow_each_other(void **state)
{
    (void)state;
    struct rig x = forgetful();
    struct mpt_done d[2];

    for (uint32_t i = 0; i < 20; i++) {
        assert_int_equal(create_fast(&x, KEY, 1), MPT_DONE);
        assert_int_equal(
            by_requester(
                &x,
                (struct mpt_set){
                    .op = MPT_FAST_REG, .key = KEY, .pd = 1, .len = 8, .access = RR, .pages = 1}),
            MPT_DONE);
        (void)rig_register(&x, OTHER, VA, 64, 0, BASE);
        RIG_PUSH(&x, mpt_req, mpt_set, .op = MPT_INVALIDATE, .key = KEY, .pd = 1);
        rig_run(&x, i);
        RIG_PUSH(&x, mpt_rsp, mpt_set, .op = MPT_INVALIDATE, .key = KEY, .pd = 1);
        RIG_POP(&x, mpt_req_done, &d[0]);
        RIG_POP(&x, mpt_rsp_done, &d[1]);
        assert_int_equal(d[0].status + d[1].status, MPT_DONE + MPT_BAD_STATE);
    }
    rig_close(&x);
}

/* ---- rings ------------------------------------------------------------------------------------
 */

static uint64_t ring_page(struct rig *x, uint64_t pdir, uint16_t page, uint8_t fn)
{
    struct ring_got got;

    RIG_PUSH(x, ring_get_wqe, ring_get, .pdir = pdir, .page = page, .fn = fn, .cookie = page);
    RIG_POP(x, ring_got_wqe, &got);
    assert_int_equal(got.cookie, page);
    assert_int_equal(got.status, DMA_OK);
    return got.addr;
}

static void pages_of_rings_are_cached_until_they_are_forgotten(void **state)
{
    (void)state;
    struct hca_param p = unit_param();
    p.hca_fn_max = 2;
    struct rig x = rig_open(&p, 1);
    const uint64_t dir = rig_directory(&x, 20, BASE);
    const uint64_t near = rig_directory(&x, 20, 2 * BASE);
    uint64_t table;

    assert_int_equal(ring_page(&x, dir, 3, 0), rig_page(BASE, 3));
    assert_int_equal(ring_page(&x, near, 3, 0), rig_page(2 * BASE, 3));
    assert_int_equal(x.page_reads, 4);
    assert_int_equal(ring_page(&x, dir, 3, 1), rig_page(BASE, 3)); /* another address space */
    assert_int_equal(x.page_reads, 6);
    memcpy(&table, x.ram + dir, 8);
    rig_store(&x, table + 3 * 8, 0x5000);
    assert_int_equal(ring_page(&x, dir, 3, 0), rig_page(BASE, 3));
    assert_int_equal(rig_change(&x, (struct mpt_set){.op = MPT_FLUSH, .pdir = dir}), MPT_DONE);
    assert_int_equal(ring_page(&x, dir, 3, 0), 0x5000);
    assert_int_equal(x.page_reads, 8);
    (void)ring_page(&x, near, 3, 0);
    assert_int_equal(x.page_reads, 8); /* the neighbour is still there */
    rig_close(&x);
}

static void each_ring_port_answers_on_its_own_wire(void **state)
{
    (void)state;
    struct rig x = fresh();
    const uint64_t dir = rig_directory(&x, 3, BASE);
    struct ring_got got;

    RIG_PUSH(&x, ring_get_wqe, ring_get, .pdir = dir, .page = 0, .cookie = 10);
    RIG_PUSH(&x, ring_get_cq, ring_get, .pdir = dir, .page = 1, .cookie = 11);
    RIG_PUSH(&x, ring_get_ev, ring_get, .pdir = dir, .page = 2, .cookie = 12);
    RIG_POP(&x, ring_got_wqe, &got);
    assert_int_equal(got.cookie, 10);
    RIG_POP(&x, ring_got_cq, &got);
    assert_int_equal(got.cookie, 11);
    assert_int_equal(got.addr, rig_page(BASE, 1));
    RIG_POP(&x, ring_got_ev, &got);
    assert_int_equal(got.cookie, 12);
    rig_close(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_works_from_creation_to_destruction_and_memory_follows),
        cmocka_unit_test(keys_beyond_the_table_and_unknown_changes_are_refused),
        cmocka_unit_test(a_new_registration_never_meets_pages_of_the_old_one),
        cmocka_unit_test(fast_registration_takes_an_invalid_key_made_for_it),
        cmocka_unit_test(ordinary_keys_are_neither_fast_registered_nor_invalidated),
        cmocka_unit_test(invalidation_needs_the_whole_key_the_domain_and_remotely_a_remote_right),
        cmocka_unit_test(a_change_of_an_uncached_key_reads_it_first),
        cmocka_unit_test(a_key_is_not_read_again_before_its_change_is_on_the_link),
        cmocka_unit_test(a_read_under_way_does_not_bring_back_the_state_before_a_change),
        cmocka_unit_test(changes_beyond_the_write_buffer_wait_and_all_arrive),
        cmocka_unit_test(a_destroyed_key_reads_no_page_directory_after_the_answer),
        cmocka_unit_test(changes_of_one_key_from_two_sides_follow_each_other),
        cmocka_unit_test(pages_of_rings_are_cached_until_they_are_forgotten),
        cmocka_unit_test(each_ring_port_answers_on_its_own_wire),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
