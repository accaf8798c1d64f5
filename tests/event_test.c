/* event: device rings with the driver's index arithmetic, masks, moderation, full rings. */
#include "tests/unit.h"

enum { PAGES = 64, FN_PAGES = 8, VECTOR_CMD, VECTOR_ASYNC = 1, VECTOR_CQ = 2, LOG = 8192 };

/* Pages on the bus: function f has page directory f + 1 whose page p is bus page f * FN_PAGES + p.
 */
static uint8_t bus[PAGES][PAGE_BYTES];
static struct wr_req wrote[LOG];
static uint32_t wrotes, irqs[8], irq_data;
static uint64_t rng;
static uint32_t stall_percent, bad_pdir;

static uint32_t dice(uint32_t n)
{
    rng = rng * 6364136223846793005ULL + 1442695040888963407ULL;
    return (uint32_t)(rng >> 33) % n;
}

static bool stalls(void)
{
    return dice(100) < stall_percent;
}

static uint8_t *at(uint64_t addr)
{
    return &bus[addr / PAGE_BYTES % PAGES][addr % PAGE_BYTES];
}

static uint32_t word(uint32_t page, uint32_t offset)
{
    uint32_t v;
    memcpy(&v, &bus[page][offset], 4);
    return v;
}

static void consume(uint32_t page, uint32_t head)
{
    memcpy(&bus[page][12], &head, 4);
}

static void write_path(struct hca *h)
{
    struct wr_req m;

    if (stalls() || !UNIT_POP(h, wr_event, &m)) {
        return;
    }
    wrote[wrotes++ % LOG] = m;
    if (m.cls == CLS_INTERRUPT) {
        irqs[m.addr % 8]++;
        memcpy(&irq_data, store_at(&h->store, m.data), 4);
    } else if (m.len != 0) {
        assert_int_equal(m.addr / PAGE_BYTES / (2 * FN_PAGES), m.fn); /* never elsewhere */
        memcpy(at(m.addr), store_at(&h->store, m.data), m.len);
    }
    if ((m.flags & WR_NOTIFY) != 0) {
        PUSH(&h->y.t, &h->ev_done, wr_done, dice(20), .cookie = m.cookie);
    }
}

static void peers(struct hca *h)
{
    struct ring_get g;
    struct rd_req r;

    write_path(h);
    if (!stalls() && UNIT_POP(h, ring_get_ev, &g)) {
        PUSH(&h->y.t, &h->ring_got_ev, ring_got, 5, .cookie = g.cookie,
             .addr = ((g.pdir - 1) * FN_PAGES + g.page) * PAGE_BYTES,
             .status = g.pdir == bad_pdir ? DMA_UR : DMA_OK);
    }
    if (!stalls() && UNIT_POP(h, rd_req_ev, &r)) {
        memcpy(store_at(&h->store, r.data), at(r.addr), r.len);
        PUSH(&h->y.t, &h->rd_rsp_ev, rd_rsp, 5, .cookie = r.cookie);
    }
}

static void cycles(struct hca *h, uint32_t n)
{
    while (n-- != 0) {
        peers(h);
        unit_run(h, 1);
    }
}

static void set_rings(struct hca *h, uint8_t fn)
{
    UNIT_PUSH(h, ring_set, ring_set, .pdir = fn * 2U + 1, .pages = 4, .fn = fn, .which = 0);
    UNIT_PUSH(h, ring_set, ring_set, .pdir = fn * 2U + 2, .pages = 4, .fn = fn, .which = 1);
}

static uint32_t async_page(uint8_t fn)
{
    return fn * 2U * FN_PAGES;
}

static uint32_t cq_page(uint8_t fn)
{
    return (fn * 2U + 1) * FN_PAGES;
}

static void unmask(struct hca *h, uint8_t fn, uint8_t vector)
{
    UNIT_PUSH(h, msix_set, msix_set, .addr = vector, .data = 0x40U + vector, .fn = fn,
              .vector = vector);
}

static struct hca *fresh_with(struct hca_param *p)
{
    p->hca_fn_max = 2;
    p->hca_cq_max = 2048;
    memset(bus, 0, sizeof bus);
    memset(irqs, 0, sizeof irqs);
    wrotes = 0;
    stall_percent = 0;
    bad_pdir = 0;
    rng = 1;
    struct hca *const h = unit_hca(p, 1ULL << U_event);
    for (uint8_t fn = 0; fn < 2; fn++) {
        set_rings(h, fn);
        for (uint8_t v = 0; v < 3; v++) {
            unmask(h, fn, v);
        }
    }
    cycles(h, 20);
    return h;
}

static struct hca *fresh(void)
{
    struct hca_param p = unit_param();

    return fresh_with(&p);
}

static void async(struct hca *h, uint8_t fn, uint8_t type, uint32_t info)
{
    while (!fifo_ready(&h->rsp_async.ctl, h->y.k.now) ||
           h->rsp_async.ctl.pushed == h->y.k.now + 1) {
        cycles(h, 1);
    }
    h->y.t.now = h->y.k.now;
    PUSH(&h->y.t, &h->rsp_async, async, 0, .info = info, .type = type, .fn = fn);
}

static void notify(struct hca *h, uint8_t fn, uint32_t cq)
{
    while (!fifo_ready(&h->cq_event.ctl, h->y.k.now) || h->cq_event.ctl.pushed == h->y.k.now + 1) {
        cycles(h, 1);
    }
    h->y.t.now = h->y.k.now;
    PUSH(&h->y.t, &h->cq_event, cq_event, 0, .cqn = fn * (uint32_t)QP_ROUND + cq, .fn = fn,
         .vector = VECTOR_CQ);
}

static void element_then_tail_then_interrupt_and_the_bytes_of_the_abi(void **state)
{
    (void)state;
    struct hca *const h = fresh();

    async(h, 1, ASYNC_QP_FATAL, 0x77);
    cycles(h, 60);
    assert_int_equal(wrotes, 3);
    assert_int_equal(wrote[0].addr, (async_page(1) + 1) * PAGE_BYTES);
    assert_int_equal(wrote[0].len, 8);
    assert_int_equal(wrote[0].fn, 1);
    assert_int_equal(word(async_page(1) + 1, 0), ASYNC_QP_FATAL);
    assert_int_equal(word(async_page(1) + 1, 4), 0x77);
    assert_int_equal(wrote[1].addr, async_page(1) * PAGE_BYTES + 8);
    assert_int_equal(word(async_page(1), 8), 1);
    assert_int_equal(wrote[2].cls, CLS_INTERRUPT);
    assert_int_equal(irqs[VECTOR_ASYNC], 1);
    assert_int_equal(irq_data, 0x41);
    notify(h, 0, 300);
    cycles(h, 60);
    assert_int_equal(word(cq_page(0) + 1, 0), 300);
    assert_int_equal(irqs[VECTOR_CQ], 1);
    hca_close(h);
}

/* The masks as the driver's ring macros have them, from n = 3 * 4096 / element size. */
static void both_rings_follow_the_masks_of_the_driver_over_two_rounds(void **state)
{
    (void)state;
    struct hca *const h = fresh();
    uint32_t cq_tail = 0, async_tail = 0;

    for (uint32_t i = 0; i < 4200; i++) {
        notify(h, 0, i % 2048);
        cycles(h, i == 0 ? 40 : 20);
        assert_int_equal(word(cq_page(0) + 1, (cq_tail & 0xbff) * 4), i % 2048);
        cq_tail = (cq_tail + 1) & 0x17ff;
        assert_int_equal(word(cq_page(0), 8), cq_tail);
        consume(cq_page(0), cq_tail);
    }
    for (uint32_t i = 0; i < 2100; i++) {
        async(h, 0, ASYNC_COMM_EST, i);
        cycles(h, i == 0 ? 40 : 20);
        assert_int_equal(word(async_page(0) + 1, (async_tail & 0x5ff) * 8 + 4), i);
        async_tail = (async_tail + 1) & 0xbff;
        assert_int_equal(word(async_page(0), 8), async_tail);
        consume(async_page(0), async_tail);
    }
    assert_int_equal(h->y.s.event_dropped + h->y.s.event_kept, 0);
    hca_close(h);
}

static void known_pages_give_the_element_one_cycle_after_the_event_is_seen(void **state)
{
    (void)state;
    struct hca *const h = fresh();

    notify(h, 0, 1);
    cycles(h, 60);
    h->y.t.now = h->y.k.now;
    PUSH(&h->y.t, &h->cq_event, cq_event, 0, .cqn = 2, .vector = VECTOR_CQ);
    unit_run(h, 1);
    h->y.t.now = h->y.k.now;
    assert_false(VALID(&h->y.t, &h->wr_event));
    unit_run(h, 1);
    h->y.t.now = h->y.k.now;
    assert_true(VALID(&h->y.t, &h->wr_event));
    hca_close(h);
}

static void a_stream_of_events_does_not_hold_interrupts_up(void **state)
{
    (void)state;
    struct hca *const h = fresh();
    uint32_t last = 0;

    notify(h, 0, 0);
    cycles(h, 60);
    for (uint32_t i = 0; i < 100; i++) {
        notify(h, 0, i);
        UNIT_PUSH(h, cmd_irq, cq_event, .fn = 1, .vector = 0);
        cycles(h, 1);
    }
    cycles(h, 200);
    for (uint32_t i = 0; i < wrotes; i++) {
        assert_true(wrote[i].cls == CLS_INTERRUPT || i - last <= 8);
        last = wrote[i].cls == CLS_INTERRUPT ? i : last;
    }
    hca_close(h);
}

static void a_masked_vector_raises_once_when_unmasked(void **state)
{
    (void)state;
    struct hca *const h = fresh();

    UNIT_PUSH(h, msix_set, msix_set, .addr = VECTOR_CQ, .vector = VECTOR_CQ, .masked = 1);
    notify(h, 0, 1);
    notify(h, 0, 2);
    cycles(h, 60);
    assert_int_equal(irqs[VECTOR_CQ], 0);
    assert_int_equal(word(cq_page(0), 8), 2);
    unmask(h, 0, VECTOR_CQ);
    cycles(h, 20);
    assert_int_equal(irqs[VECTOR_CQ], 1);
    unmask(h, 0, VECTOR_CQ);
    cycles(h, 20);
    assert_int_equal(irqs[VECTOR_CQ], 1);
    hca_close(h);
}

static void a_vector_that_was_never_programmed_sends_nothing(void **state)
{
    (void)state;
    struct hca *const h = fresh();

    UNIT_PUSH(h, cmd_irq, cq_event, .fn = 0, .vector = 5);
    cycles(h, 20);
    assert_int_equal(wrotes, 0);
    UNIT_PUSH(h, cmd_irq, cq_event, .fn = 0, .vector = 0);
    cycles(h, 20);
    assert_int_equal(irqs[0], 1);
    hca_close(h);
}

static void moderation_ends_by_count_or_exactly_at_its_deadline(void **state)
{
    (void)state;
    struct hca_param p = unit_param();
    p.hca_event_moderation_ns = 500;
    p.hca_event_moderation_count = 3;
    struct hca *const h = fresh_with(&p);

    notify(h, 0, 1);
    cycles(h, 60); /* pages known from here on */
    const uint64_t due = h->u_event.fn[0].vector[VECTOR_CQ].deadline;
    assert_true(due > h->y.k.now);
    cycles(h, (uint32_t)(due - h->y.k.now) - 1);
    assert_int_equal(h->y.s.event_interrupts, 0);
    cycles(h, 1);
    assert_int_equal(h->y.s.event_interrupts, 1);
    for (uint32_t i = 0; i < 3; i++) {
        notify(h, 0, i);
    }
    cycles(h, 30);
    assert_int_equal(h->y.s.event_interrupts, 2);
    cycles(h, 600);
    assert_int_equal(h->y.s.event_interrupts, 2);
    async(h, 0, ASYNC_COMM_EST, 1); /* asynchronous events never wait */
    cycles(h, 60);
    assert_int_equal(h->y.s.event_interrupts, 3);
    hca_close(h);
}

static void a_full_notification_ring_loses_no_cq(void **state)
{
    (void)state;
    struct hca *const h = fresh();
    static uint8_t seen[2048];
    uint32_t head = 0;

    memset(seen, 0, sizeof seen);
    stall_percent = 20;
    for (uint32_t i = 0; i < 2048; i++) {
        notify(h, 0, i);
    }
    cycles(h, 20000);
    assert_true(h->y.s.event_kept >= 1024);
    assert_int_equal(h->y.s.event_notified, 1024);
    for (uint32_t turn = 0; turn < 4; turn++) {
        for (; head != word(cq_page(0), 8); head = (head + 1) & 0x17ff) {
            seen[word(cq_page(0) + 1, (head & 0xbff) * 4)]++;
        }
        consume(cq_page(0), head);
        cycles(h, 25000);
    }
    for (uint32_t i = 0; i < 2048; i++) {
        assert_int_equal(seen[i], 1);
    }
    assert_int_equal(kern_next(&h->y.k), HCA_NEVER);
    hca_close(h);
}

static void a_full_asynchronous_ring_drops_and_another_function_is_not_held_up(void **state)
{
    (void)state;
    struct hca *const h = fresh();

    for (uint32_t i = 0; i < 600; i++) {
        async(h, 0, ASYNC_COMM_EST, i);
    }
    cycles(h, 100);
    assert_int_equal(h->y.s.event_async, 512);
    assert_int_equal(h->y.s.event_dropped, 88);
    async(h, 1, ASYNC_COMM_EST, 9);
    cycles(h, 60);
    assert_int_equal(word(async_page(1), 8), 1);
    consume(async_page(0), word(async_page(0), 8)); /* room again once the ring is read again */
    cycles(h, 10000);
    async(h, 0, ASYNC_COMM_EST, 1);
    cycles(h, 60);
    assert_int_equal(h->y.s.event_async, 514);
    hca_close(h);
}

static void a_consumer_index_outside_its_range_makes_the_ring_look_full(void **state)
{
    (void)state;
    struct hca *const h = fresh();

    for (uint32_t i = 0; i < 512; i++) {
        async(h, 0, ASYNC_COMM_EST, i);
    }
    cycles(h, 50);
    consume(async_page(0), 0xfffffff0);
    async(h, 0, ASYNC_COMM_EST, 1);
    cycles(h, 10100);
    consume(async_page(0), 1023); /* 512 - 1023 modulo 1024 would be more than the ring holds: no */
    async(h, 0, ASYNC_COMM_EST, 1);
    cycles(h, 50);
    assert_int_equal(h->y.s.event_async, 512);
    assert_int_equal(h->y.s.event_dropped, 2);
    hca_close(h);
}

static void an_unreadable_page_directory_costs_the_ring_and_nothing_else(void **state)
{
    (void)state;
    struct hca *const h = fresh();

    bad_pdir = 1;
    async(h, 0, ASYNC_COMM_EST, 1);
    async(h, 0, ASYNC_COMM_EST, 2);
    async(h, 1, ASYNC_COMM_EST, 3);
    cycles(h, 100);
    assert_int_equal(h->y.s.event_dropped, 2);
    assert_int_equal(h->y.s.event_async, 1);
    hca_close(h);
}

static void a_ring_that_is_taken_away_is_not_written_after_the_answer(void **state)
{
    (void)state;

    for (uint32_t wait = 0; wait < 60; wait++) {
        struct hca *const h = fresh();
        struct cq_event done;
        uint32_t told = 0;

        for (uint32_t i = 0; i < 4; i++) {
            notify(h, 1, i);
        }
        async(h, 1, ASYNC_COMM_EST, 1);
        cycles(h, wait < 30 ? 10 : 30);
        stall_percent = 100; /* the write wire fills up, wherever the event is */
        cycles(h, wait % 30);
        UNIT_PUSH(h, ring_set, ring_set, .pdir = 0, .pages = 0, .fn = 1, .which = 0);
        UNIT_PUSH(h, ring_set, ring_set, .pdir = 0, .pages = 0, .fn = 1, .which = 1);
        cycles(h, 20);
        stall_percent = 40;
        for (uint32_t i = 0; i < 300 && told < 2; i++) {
            cycles(h, 1);
            told += UNIT_POP(h, ring_done, &done) ? 1 : 0;
        }
        assert_int_equal(told, 2);
        assert_int_equal(fifo_level(&h->wr_event.ctl), 0);
        const uint32_t before = wrotes;
        notify(h, 1, 4);
        cycles(h, 100);
        assert_int_equal(wrotes, before);
        hca_close(h);
    }
}

static void random_stalls_lose_and_reorder_nothing(void **state)
{
    (void)state;
    struct hca *const h = fresh();

    stall_percent = 60;
    for (uint32_t i = 0; i < 500; i++) {
        async(h, (uint8_t)(i % 2), ASYNC_COMM_EST, i);
    }
    cycles(h, 200);
    for (uint32_t i = 0; i < 500; i++) {
        assert_int_equal(word(async_page((uint8_t)(i % 2)) + 1, i / 2 * 8 + 4), i);
    }
    assert_int_equal(kern_next(&h->y.k), HCA_NEVER);
    hca_close(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(element_then_tail_then_interrupt_and_the_bytes_of_the_abi),
        cmocka_unit_test(both_rings_follow_the_masks_of_the_driver_over_two_rounds),
        cmocka_unit_test(known_pages_give_the_element_one_cycle_after_the_event_is_seen),
        cmocka_unit_test(a_stream_of_events_does_not_hold_interrupts_up),
        cmocka_unit_test(a_masked_vector_raises_once_when_unmasked),
        cmocka_unit_test(a_vector_that_was_never_programmed_sends_nothing),
        cmocka_unit_test(moderation_ends_by_count_or_exactly_at_its_deadline),
        cmocka_unit_test(a_full_notification_ring_loses_no_cq),
        cmocka_unit_test(a_full_asynchronous_ring_drops_and_another_function_is_not_held_up),
        cmocka_unit_test(a_consumer_index_outside_its_range_makes_the_ring_look_full),
        cmocka_unit_test(an_unreadable_page_directory_costs_the_ring_and_nothing_else),
        cmocka_unit_test(a_ring_that_is_taken_away_is_not_written_after_the_answer),
        cmocka_unit_test(random_stalls_lose_and_reorder_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
