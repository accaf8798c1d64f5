/* Every operation, size and queue on every wire and with every kind of remapping: memory ends with
 * the same bytes. */
#include "tests/trace_make.h"

static const uint8_t kinds[] = {HCT_WRITE, HCT_WRITE_IMM, HCT_READ, HCT_SEND, HCT_SEND_IMM};
static const uint32_t sizes[] = {0,   1,   3,    4,    63,   64,   65,  255,
                                 256, 257, 1023, 1024, 1025, 4096, 5000};

static bool takes_recv(uint8_t kind)
{
    return kind == HCT_SEND || kind == HCT_SEND_IMM || kind == HCT_WRITE_IMM ||
           kind == HCT_SEND_INV;
}

/* All sizes of all kinds over one pair, in both directions. */
static void all_sizes(struct make *m, uint32_t pair, bool srq, bool uc)
{
    for (unsigned k = 0; k < sizeof kinds; k++) {
        for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            const uint32_t q = pair + (i + k) % 2;
            if (uc && kinds[k] == HCT_READ) {
                continue;
            }
            if (takes_recv(kinds[k])) {
                make_recv(m, pair + 1 - q % 2, sizes[i] + 16, srq);
            }
            struct hct_op op = make_op(m, kinds[k], q, sizes[i], sizes[i] == 0 ? 0 : 1 + i % 3);
            op.flags |= (uint16_t)(i % 4 == 1 ? HCT_SOLICITED : 0);
            op.flags |= (uint16_t)(i % 5 == 2 ? HCT_FENCE : 0);
            (void)make_chain(m, &op);
        }
    }
}

static void sixteen_pieces_inline_and_unsignalled(struct make *m, uint32_t pair, bool native)
{
    for (unsigned k = 0; k < 3; k++) {
        struct hct_op op = make_op(m, kinds[k], pair, 3000, 16);
        if (takes_recv(kinds[k])) {
            make_recv(m, pair + 1, 16, false);
            op.id = m->ops;
        }
        (void)make_chain(m, &op);
    }
    for (unsigned i = 0; native && i < 4; i++) {
        struct hct_op op = make_op(m, HCT_WRITE, pair, 1 + i * 60, 1);
        op.flags |= HCT_INLINE;
        (void)make_chain(m, &op);
    }
    for (unsigned i = 0; i < 5; i++) { /* retire with the one behind them */
        struct hct_op op = make_op(m, HCT_WRITE, pair, 100, 1);
        op.flags = i == 4 ? HCT_SIGNALED : 0;
        (void)make_put(m, &op);
        m->last = op.id + 1;
    }
}

static void atomics(struct make *m, uint32_t pair)
{
    for (unsigned i = 0; i < 6; i++) {
        struct hct_op op = make_op(m, i % 2 == 0 ? HCT_FAA : HCT_CAS, pair + i / 3, 8, 1);
        op.remote_off_bytes = MAKE_SPACE - 64;
        (void)make_chain(m, &op);
    }
}

/* FAST_REG, use of the key by the peer, LOCAL_INV or SEND_INV; twice, as a program goes round. */
static void keys(struct make *m, uint32_t pair)
{
    for (unsigned i = 0; i < 4; i++) {
        struct hct_op reg = make_op(m, HCT_FAST_REG, pair, 0, 0);
        reg.key_mr = 2 * MR_FAST;
        reg.key_access = HCT_ACCESS_LOCAL_WRITE | HCT_ACCESS_REMOTE_WRITE;
        (void)make_chain(m, &reg);
        struct hct_op use = make_op(m, HCT_WRITE, pair + 1, 3000, 2);
        use.remote_mr = 2 * MR_FAST;
        use.remote_off_bytes = 100 + i * 4000;
        (void)make_chain(m, &use);
        if (i % 2 == 0) {
            struct hct_op inv = make_op(m, HCT_LOCAL_INV, pair, 0, 0);
            inv.key_mr = 2 * MR_FAST;
            (void)make_chain(m, &inv);
        } else {
            make_recv(m, pair, 64, false);
            struct hct_op inv = make_op(m, HCT_SEND_INV, pair + 1, 20, 1);
            inv.key_mr = 2 * MR_FAST;
            (void)make_chain(m, &inv);
        }
    }
}

static void datagrams(struct make *m, uint32_t pair)
{
    for (unsigned i = 0; i < 14; i++) {
        const uint32_t q = pair + i % 2, bytes = sizes[i] <= 1024 ? sizes[i] : 1000;
        make_recv(m, pair + 1 - i % 2, bytes + 40, false);
        struct hct_op op = make_op(m, i % 3 == 0 ? HCT_SEND_IMM : HCT_SEND, q, bytes, bytes != 0);
        op.ud_qp = pair + 1 - i % 2;
        op.ah = i % 2;
        (void)make_chain(m, &op);
    }
}

static struct make every(void)
{
    struct make m;

    make_open(&m);
    const uint32_t pvrdma = make_pair(&m, HCT_QP_RC, HCT_FORMAT_PVRDMA, false, NULL);
    const uint32_t native = make_pair(&m, HCT_QP_RC, HCT_FORMAT_PVRDMA, true, NULL);
    const uint32_t uc = make_pair(&m, HCT_QP_UC, HCT_FORMAT_PVRDMA, false, NULL);
    const uint32_t ud = make_pair(&m, HCT_QP_UD, HCT_FORMAT_PVRDMA, false, NULL);
    all_sizes(&m, pvrdma, false, false);
    all_sizes(&m, native, true, false);
    all_sizes(&m, uc, false, true);
    sixteen_pieces_inline_and_unsignalled(&m, pvrdma, false);
    atomics(&m, pvrdma);
    keys(&m, pvrdma);
    datagrams(&m, ud);
    make_done(&m);
    return m;
}

static struct make every_native(void)
{
    struct make m;

    make_open(&m);
    const uint32_t rc = make_pair(&m, HCT_QP_RC, HCT_FORMAT_NATIVE, false, NULL);
    const uint32_t uc = make_pair(&m, HCT_QP_UC, HCT_FORMAT_NATIVE, false, NULL);
    const uint32_t ud = make_pair(&m, HCT_QP_UD, HCT_FORMAT_NATIVE, false, NULL);
    all_sizes(&m, rc, false, false);
    all_sizes(&m, uc, false, true);
    sixteen_pieces_inline_and_unsignalled(&m, rc, true);
    atomics(&m, rc);
    keys(&m, rc);
    datagrams(&m, ud);
    make_done(&m);
    return m;
}

/* The last one has a port too small for the datagrams. */
enum { SETS = 9 };
static const char *const sets[SETS] = {
    "port.wire=roce2 iommu.mode=on",
    "port.wire=roce2 port.ip=6 iommu.mode=on iommu.levels=3",
    "port.wire=roce2 port.vlan_id=77 iommu.mode=pass",
    "port.wire=roce1 iommu.mode=off",
    "port.wire=ib iommu.mode=on host.layout=fragmented",
    "port.wire=ib port.ib_grh=true port.vl_count=4 iommu.mode=on iommu.levels=5",
    "port.wire=roce2 hca.context_store=onboard host.share_2m_percent=100",
    "port.wire=roce2 cpu.completion=interrupt cpu.doorbell_batch=4",
    "port.mtu_bytes=256 hca.max_rd_atomic=1 hca.mpt_cache_entries=1 hca.mpt_cache_ways=1",
};

static void same_memory_everywhere(struct make m, size_t of_sets)
{
    static struct played first, o;

    for (unsigned i = 0; i < of_sets; i++) {
        play_trace(m.path, &(struct play){.set = sets[i]}, i == 0 ? &first : &o);
        const struct played *const p = i == 0 ? &first : &o;
        play_good(p);
        assert_true(p->f.checked > 50);
        assert_int_equal(p->memory_hash[0], first.memory_hash[0]);
        assert_int_equal(p->memory_hash[1], first.memory_hash[1]);
    }
    unlink(m.path);
}

static void every_operation_leaves_the_same_bytes_on_every_wire(void **state)
{
    (void)state;
    same_memory_everywhere(every(), SETS - 1);
}

static void every_native_operation_leaves_the_same_bytes_on_every_wire(void **state)
{
    (void)state;
    same_memory_everywhere(every_native(), SETS - 1);
}

static void a_small_mtu_leaves_the_same_bytes(void **state)
{
    (void)state;
    struct make m;

    make_open(&m);
    all_sizes(&m, make_pair(&m, HCT_QP_RC, HCT_FORMAT_PVRDMA, false, NULL), false, false);
    sixteen_pieces_inline_and_unsignalled(&m, 0, false);
    make_done(&m);
    same_memory_everywhere(m, SETS);
}

static void loss_duplication_and_corruption_leave_the_same_bytes(void **state)
{
    (void)state;
    static struct played clean, o;
    struct make m;

    make_open(&m);
    all_sizes(&m, make_pair(&m, HCT_QP_RC, HCT_FORMAT_PVRDMA, false, NULL), false, false);
    atomics(&m, 0);
    keys(&m, 0);
    make_done(&m);
    play_trace(m.path, &(struct play){.set = ""}, &clean);
    play_good(&clean);
    for (unsigned seed = 1; seed <= 3; seed++) {
        char set[200];
        snprintf(set, sizeof set,
                 "sim.seed=%u link.loss_ppm=30000 link.dup_ppm=30000 link.corrupt_ppm=30000 "
                 "link.reorder_ppm=30000",
                 seed);
        play_trace(m.path, &(struct play){.set = set}, &o);
        play_good(&o);
        assert_true(o.stat[0].requester_retransmitted + o.stat[1].requester_retransmitted > 0);
        assert_int_equal(o.memory_hash[0], clean.memory_hash[0]);
        assert_int_equal(o.memory_hash[1], clean.memory_hash[1]);
    }
    unlink(m.path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_operation_leaves_the_same_bytes_on_every_wire),
        cmocka_unit_test(every_native_operation_leaves_the_same_bytes_on_every_wire),
        cmocka_unit_test(a_small_mtu_leaves_the_same_bytes),
        cmocka_unit_test(loss_duplication_and_corruption_leave_the_same_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
