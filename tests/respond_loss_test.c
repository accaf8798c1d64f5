/* respond with check: whatever the network does, each request is executed exactly once and in
 * order. */
#include "tests/rx_run.h"

#include <stdlib.h>

static struct hca_param small(void)
{
    struct hca_param p = unit_param();

    p.hca_qp_max = W_QPS;
    return p;
}

/* HCASIM_SEEDS runs more than the few of an ordinary test run. */
static uint64_t seeds(uint64_t few)
{
    const char *const n = getenv("HCASIM_SEEDS");

    return n == NULL ? few : strtoull(n, NULL, 10);
}

static void a_perfect_network_executes_all_operations_in_order(void **state)
{
    (void)state;
    const struct hca_param param = small();

    for (uint64_t seed = 1; seed <= seeds(3); seed++) {
        print_message("seed %llu\n", (unsigned long long)seed);
        (void)p_run(&param, seed, 100, (struct p_faults){0});
    }
}

static void loss_duplication_and_reordering_change_nothing_in_the_end(void **state)
{
    (void)state;
    const struct hca_param param = small();

    for (uint64_t seed = 1; seed <= seeds(10); seed++) {
        const uint32_t s = (uint32_t)seed;
        print_message("seed %u\n", s);
        (void)p_run(&param, seed, 60,
                    (struct p_faults){s % 4 * 3, s % 3 * 5, s % 5 * 5, s % 4 * 20, 0});
    }
}

static void every_parameter_of_the_responder_leaves_the_results_alone(void **state)
{
    (void)state;

    for (uint64_t seed = 1; seed <= seeds(10); seed++) {
        struct hca_param p = small();
        const uint32_t s = (uint32_t)seed;
        p.hca_check_ns = s % 3 * 5;
        p.hca_respond_ns = s % 4 * 4;
        p.hca_ack_coalesce_packets = 1 + s % 4;
        p.hca_ack_delay_ns = s % 2 * 700;
        p.hca_atomic_slots = s % 3 == 0 ? 1 : s % 3 == 1 ? 7 : 4096;
        p.hca_arbiter_quantum_bytes = s % 2 == 0 ? 64 : 4096;
        p.hca_relaxed_ordering = s % 2;
        print_message("seed %u\n", s);
        (void)p_run(&p, seed, 60,
                    (struct p_faults){s % 3 * 4, s % 4 * 4, s % 2 * 16, s % 5 * 15, 0});
    }
}

static void neither_the_order_of_ticks_nor_sleeping_units_change_anything(void **state)
{
    (void)state;
    const struct hca_param param = small();
    const struct p_faults f = {4, 4, 10, 20, 0};

    for (uint64_t seed = 1; seed <= seeds(2); seed++) {
        const uint64_t want = p_run(&param, seed, 50, f);
        const unsigned modes[] = {HCA_MODE_CHECK | HCA_MODE_REVERSE,
                                  HCA_MODE_CHECK | HCA_MODE_SHUFFLE, HCA_MODE_NOSKIP};
        for (uint32_t m = 0; m < 3; m++) {
            struct p_faults g = f;
            g.mode = modes[m];
            assert_true(p_run(&param, seed, 50, g) == want);
        }
    }
}

/* PSNs of what leaves for a QP never go back when nothing is sent twice. */
static uint32_t last_psn[W_QPS];
static uint64_t answers;

static void in_order(struct world *w, const struct pkt *m, const uint8_t *payload)
{
    assert_true(psn_diff(m->psn, last_psn[m->qn]) >= 0);
    last_psn[m->qn] = m->psn;
    answers++;
    p_frame(w, m, payload);
}

static void without_replays_packets_of_a_qp_leave_in_the_order_of_psns(void **state)
{
    (void)state;
    const struct hca_param param = small();

    for (uint64_t seed = 1; seed <= seeds(5); seed++) {
        struct peer *const p = p_open(&param, 4, seed);
        p->w->frame = in_order;
        p->w->stall_percent = (uint32_t)(seed % 6) * 10;
        p->w->read_delay = 400;
        p->timeout = 1000000; /* never */
        for (uint32_t q = 0; q < p->qps; q++) {
            last_psn[q] = (p_first_psn(p, q) - 1) & PSN_MASK;
            for (uint32_t i = 0; i < 100; i++) {
                p_random_op(p, q);
            }
        }
        for (uint32_t i = 0; i < P_SLOTS; i++) { /* receive buffers for a start: few RNR NAKs */
            p_post(p, i % 4);
        }
        for (uint32_t n = 0; !p_all_done(p); n++) {
            assert_true(n < 1000000);
            p_cycle(p);
        }
        assert_true(answers > 100);
        p_verify(p);
        p_close(p);
    }
}

/* Any header fields; QPs are reset now and then. Every receive WQE completes once, in order. */
static uint64_t next_id[W_QPS], posted[W_QPS];

static void counted(struct world *w, const struct cqe *m)
{
    (void)w;
    assert_int_equal(m->wr_id, next_id[m->qn]++);
}

static const uint8_t types[W_QPS] = {QPT_RC, QPT_RC, QPT_UC,  QPT_UD,
                                     QPT_RC, QPT_UC, QPT_GSI, QPT_RC};

static struct rxp hostile(struct world *w, uint32_t q)
{
    static const uint8_t ops[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0x13, 0x14, 0x16, 0x17};
    const struct qpc *const c = &w->h->ctx.qp[q];
    const uint8_t base = types[q] == QPT_RC ? 0 : types[q] == QPT_UC ? 0x20 : 0x60;
    const uint32_t psn = c->rx.ready != 0 ? c->rx.epsn : c->s.rq_psn;
    struct rxp m = {
        .qn = q,
        .psn = (psn + (w_dice(w, 10) < 8 ? 0 : w_dice(w, 5) - 2)) & PSN_MASK,
        .opcode = (uint8_t)(base == 0x60 ? 0x64 + w_dice(w, 2) : base + ops[w_dice(w, 17)]),
        .raddr = 0x10000 * (q + 1ULL) + w_dice(w, 0x12000),
        .rkey = w_dice(w, 10) != 0 ? 0x100 + q : w_dice(w, 0x400),
        .dlen = w_dice(w, 6) == 0 ? 0x80000000U - 2000 + w_dice(w, 4000) : w_dice(w, 9000),
        .plen = w_dice(w, 3) != 0 ? 1024 : w_dice(w, 4097),
        .qkey = w_dice(w, 5) != 0 ? 0x1111 : 3,
        .flags = (uint16_t)w_dice(w, 32),
        .net = (uint8_t)w_dice(w, 3),
    };
    if (w_dice(w, 20) == 0) {
        m.opcode = (uint8_t)w_dice(w, 256);
    } else if (base != 0x60 && c->rx.inside != RX_IDLE && w_dice(w, 10) < 7) {
        m.opcode = (uint8_t)(base + (c->rx.inside == RX_SEND ? 1 : 7) + (w_dice(w, 3) == 0));
    }
    const uint8_t op = m.opcode & 31;
    m.dlen = op == 10 && w_dice(w, 10) < 8 ? m.plen : m.dlen;
    m.plen = op >= 12 && op < 0x15 && w_dice(w, 10) < 8 ? 0 : m.plen;
    m.raddr &= op == 0x13 || op == 0x14 ? ~7ULL : ~0ULL;
    return m;
}

/* As command does it: nobody holds the context, state RESET, kick, wait, fresh context. */
static void reset(struct world *w, uint32_t q)
{
    const uint32_t was = w->drained;

    while (w->pins[q] != 0) {
        w_cycles(w, 1);
    }
    w->h->ctx.qp[q].s.state = QPS_RESET;
    UNIT_PUSH(w->h, cmd_rsp_kick, qp_event, .qn = q, .kind = KICK_RESET);
    for (uint32_t i = 0; w->drained == was || w->pins[q] != 0; i++) {
        assert_true(i < 100000);
        w_cycles(w, 1);
    }
    w->rq[q].head = w->rq[q].tail;
    w->rq[q].again = 0;
    next_id[q] = posted[q];
    w_qp(w, q, types[q])->s.rq_psn = w_dice(w, 1 << 24);
    w->h->ctx.qp[q].s.state = w_dice(w, 2) != 0 ? QPS_RTR : QPS_RTS;
}

static void kick_flush(struct world *w, uint32_t q)
{
    w->h->ctx.qp[q].s.state = QPS_ERR;
    UNIT_PUSH(w->h, cmd_rsp_kick, qp_event, .qn = q, .kind = KICK_FLUSH);
}

static void one_hostile_step(struct world *w, const uint8_t *payload)
{
    const uint32_t q = w_dice(w, W_QPS);
    const struct qpc *const c = &w->h->ctx.qp[q];

    w_send(w, hostile(w, q), payload);
    if (w_dice(w, 4) == 0 && posted[q] - next_id[q] < 100) {
        w_post(w, q, posted[q]++, w_dice(w, 20) != 0 ? 0x200 + q : 5,
               0x7000000 + q * 0x10000 + w_dice(w, 0x8000), w_dice(w, 6000));
    }
    w_cycles(w, w_dice(w, 8));
    if (w_dice(w, 100) == 0) {
        UNIT_PUSH(w->h, err_rsp, qp_event, .qn = q, .kind = KICK_ERROR);
    }
    if (w_dice(w, 150) == 0) {
        kick_flush(w, q);
    }
    if (w_dice(w, 60) == 0 || ((c->rx.error != 0 || c->s.state == QPS_ERR) && w_dice(w, 8) == 0)) {
        reset(w, q);
    }
}

static void hostile_packets_and_resets_lose_no_wqe_slot_record_or_pin(void **state)
{
    (void)state;
    static const uint8_t payload[4096];

    for (uint64_t seed = 1; seed <= seeds(6); seed++) {
        struct hca_param p = small();
        p.hca_ack_coalesce_packets = 1 + seed % 4;
        p.hca_ack_delay_ns = seed % 2 * 300;
        struct world *const w = w_open(&p);
        print_message("seed %llu\n", (unsigned long long)seed);
        memset(next_id, 0, sizeof next_id);
        memset(posted, 0, sizeof posted);
        w->cqe = counted;
        w->rng = seed;
        w->stall_percent = (uint32_t)(seed % 4 * 20);
        for (uint32_t q = 0; q < W_QPS; q++) {
            w_qp(w, q, types[q]);
        }
        for (uint32_t n = 0; n < 2500; n++) {
            one_hostile_step(w, payload);
        }
        w_cycles(w, 20000);
        for (uint32_t q = 0; q < W_QPS; q++) {
            kick_flush(w, q);
            w_cycles(w, 4000);
            assert_int_equal(next_id[q], posted[q]);
        }
        w_assert_empty(w);
        w_close(w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_perfect_network_executes_all_operations_in_order),
        cmocka_unit_test(loss_duplication_and_reordering_change_nothing_in_the_end),
        cmocka_unit_test(every_parameter_of_the_responder_leaves_the_results_alone),
        cmocka_unit_test(neither_the_order_of_ticks_nor_sleeping_units_change_anything),
        cmocka_unit_test(without_replays_packets_of_a_qp_leave_in_the_order_of_psns),
        cmocka_unit_test(hostile_packets_and_resets_lose_no_wqe_slot_record_or_pin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
