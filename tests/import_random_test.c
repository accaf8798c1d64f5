/* The importer against a small model of reliable connections: go-back-N with loss on both sides of
 * the tap, READs asked again from the middle, mirrored copies, many QPs that start from the same
 * PSN. Whatever the wire did, the trace must hold exactly the messages that were posted. */
#include "tests/import_make.h"

enum { CONNS = 6, MESSAGES = 24, QUEUE = 4096, WINDOW_PSNS = 40 };

static uint64_t rng;

static uint32_t below(uint32_t n)
{
    rng ^= rng << 13;
    rng ^= rng >> 7;
    rng ^= rng << 17;
    return (uint32_t)(rng >> 33) % n;
}

static bool percent(uint32_t p)
{
    return below(100) < p;
}

/* One direction: side `from` of a connection requests. PSNs count from 0. */
struct way {
    struct conn *c;
    int from;
    struct message m[MESSAGES];
    uint32_t first[MESSAGES + 1]; /* PSN of each message; the last is the end */
    uint32_t next, una, expected; /* requester: to send, to be confirmed; responder */
    bool nak_sent;
    uint32_t to_responder[QUEUE], to_requester[QUEUE]; /* PSN; responses: kind in the top bits */
    uint32_t in_r, out_r, in_q, out_q;
};

enum { IS_ACK = 1 << 28, IS_NAK = 2 << 28, IS_DATA = 3 << 28, PSN_MASK = (1 << 28) - 1 };

static struct talk talk;
static struct conn conn[CONNS];
static struct way way[2 * CONNS];
static uint32_t loss_percent, mirror_percent;

static uint32_t message_at(const struct way *w, uint32_t psn)
{
    uint32_t i = 0;
    while (w->first[i + 1] <= psn) {
        i++;
    }
    return i;
}

/* Before the tap, then behind it. Returns whether the packet arrives. */
static bool passes(void)
{
    talk.lose = percent(loss_percent);
    talk.twice = !talk.lose && percent(mirror_percent);
    return !talk.lose && !percent(loss_percent);
}

static bool is_answered(const struct message *m)
{
    return m->kind == HCT_READ || m->kind == HCT_CAS || m->kind == HCT_FAA;
}

static void send_next(struct way *w)
{
    const uint32_t i = message_at(w, w->next), n = w->next - w->first[i];
    const bool arrives = passes();
    put_request(&talk, w->c, w->from, &w->m[i], w->c->psn[w->from] + w->first[i], n);
    if (arrives) {
        w->to_responder[w->in_r++ % QUEUE] = w->next;
    }
    w->next = is_answered(&w->m[i]) ? w->first[i + 1] : w->next + 1;
}

static void answer(struct way *w, uint32_t psn, uint32_t what)
{
    w->to_requester[w->in_q++ % QUEUE] = what | psn;
}

static void respond_ack(struct way *w, uint32_t psn, bool nak)
{
    const bool arrives = passes();
    put_ack(&talk, w->c, !w->from, w->c->psn[w->from] + psn, nak ? 0x60 : 0x1F);
    if (arrives) {
        answer(w, psn, nak ? IS_NAK : IS_ACK);
    }
}

/* All responses to a READ or atomic from PSN psn on. */
static void respond_data(struct way *w, uint32_t i, uint32_t psn)
{
    const struct message *m = &w->m[i];
    for (uint32_t p = psn; p < w->first[i + 1]; p++) {
        const bool arrives = passes();
        const uint32_t wire = w->c->psn[w->from] + w->first[i];
        if (m->kind == HCT_READ) {
            put_response(&talk, w->c, !w->from, m, wire, p - w->first[i], psn - w->first[i]);
        } else {
            put_atomic_ack(&talk, w->c, !w->from, m, wire);
        }
        if (arrives) {
            answer(w, p, IS_DATA);
        }
    }
}

static void responder(struct way *w)
{
    const uint32_t psn = w->to_responder[w->out_r++ % QUEUE], i = message_at(w, psn);
    if (psn > w->expected) {
        if (!w->nak_sent) {
            w->nak_sent = true;
            respond_ack(w, w->expected, true);
        }
        return;
    }
    const bool fresh = psn == w->expected;
    if (fresh) {
        w->expected = is_answered(&w->m[i]) ? w->first[i + 1] : psn + 1;
        w->nak_sent = false;
        w->c->msn[!w->from] += w->expected == w->first[i + 1];
    }
    if (is_answered(&w->m[i])) {
        respond_data(w, i, psn);
    } else if (w->expected == w->first[i + 1] || !fresh) {
        respond_ack(w, w->expected - 1, false);
    }
}

static void requester(struct way *w)
{
    const uint32_t what = w->to_requester[w->out_q++ % QUEUE], psn = what & PSN_MASK;
    const uint32_t i = message_at(w, w->una);
    if ((what & ~(uint32_t)PSN_MASK) == IS_DATA) {
        w->una = psn == w->una ? psn + 1 : w->una; /* else out of order: dropped */
        return;
    }
    const uint32_t up_to = (what & ~(uint32_t)PSN_MASK) == IS_NAK ? psn : psn + 1;
    if (is_answered(&w->m[i]) && w->una < w->first[MESSAGES]) {
        return; /* data must come first; the timer helps */
    }
    uint32_t una = up_to > w->una ? up_to : w->una;
    for (uint32_t k = i; k < MESSAGES && w->first[k] < una; k++) { /* not past an open READ */
        una = is_answered(&w->m[k]) ? w->first[k] : una;
    }
    w->una = una;
    if ((what & ~(uint32_t)PSN_MASK) == IS_NAK || w->next < w->una) {
        w->next = w->una;
    }
}

/* One random step; false when this direction has finished. */
static bool step(struct way *w)
{
    if (w->una == w->first[MESSAGES]) {
        return false; /* what is still on its way changes nothing */
    }
    if (w->in_r != w->out_r && percent(50)) {
        responder(w);
    } else if (w->in_q != w->out_q && percent(60)) {
        requester(w);
    } else if (w->next < w->first[MESSAGES] && w->next - w->una < WINDOW_PSNS) {
        send_next(w);
    } else if (w->in_r == w->out_r && w->in_q == w->out_q) {
        talk.t_ns += 5000000; /* the ACK timer */
        w->next = w->una;
    }
    return true;
}

static struct message random_message(uint64_t seed)
{
    static const uint8_t kinds[] = {HCT_SEND,  HCT_SEND_IMM, HCT_WRITE, HCT_WRITE_IMM,
                                    HCT_WRITE, HCT_READ,     HCT_CAS,   HCT_FAA};
    const uint32_t shape = below(4);
    return (struct message){.kind = kinds[below(sizeof kinds)],
                            .len = shape == 0   ? 1 + below(64)
                                   : shape == 1 ? 256 * (1 + below(4))
                                                : 1 + below(2500),
                            .rkey = 0x100 + below(3),
                            .imm = (uint32_t)seed,
                            .va = 0x10000 + 8 * (uint64_t)below(4096),
                            .seed = seed,
                            .swap_add = seed * 3,
                            .compare = seed,
                            .orig = seed << 32};
}

static void make_ways(bool same_psn, bool same_qpn, bool same_port)
{
    for (uint32_t i = 0; i < CONNS; i++) {
        conn[i] = (struct conn){.host = {1, (uint8_t)(2 + i % 2)},
                                .qpn = {0x100 + i, same_qpn ? 0x100 + i : 0x300 - 7 * i},
                                .sport = (uint16_t)(same_port ? 0xC000 : 0xC000 + i)};
        for (int d = 0; d < 2; d++) {
            struct way *w = &way[2 * i + (uint32_t)d];
            *w = (struct way){.c = &conn[i], .from = d};
            conn[i].psn[d] = same_psn ? 0xFFFFF0 : below(1 << 24);
            for (uint32_t n = 0; n < MESSAGES; n++) {
                w->m[n] = random_message(((uint64_t)i * 2 + (uint64_t)d) * 1000 + n + 1);
                w->first[n + 1] = w->first[n] + packets_of(&w->m[n], talk.mtu);
            }
        }
    }
}

static void check_ways(const struct got *g)
{
    for (uint32_t i = 0; i < 2 * CONNS; i++) {
        const struct way *w = &way[i];
        char host[32];
        (void)snprintf(host, sizeof host, "10.0.0.%u", w->c->host[w->from]);
        assert_int_equal(posted_count(g, host, w->c->qpn[w->from]), MESSAGES);
        for (uint32_t n = 0; n < MESSAGES; n++) {
            const struct got_op *x = posted(g, host, w->c->qpn[w->from], n);
            const bool atomic = w->m[n].kind == HCT_CAS || w->m[n].kind == HCT_FAA;
            check_message(g, x, &w->m[n], atomic ? 8 : w->m[n].len);
            const struct hct_qp *q = &g->res->qp[x->op.qp];
            assert_int_equal(g->res->qp[q->peer].captured_qpn, w->c->qpn[!w->from]);
        }
    }
}

/* Dependencies hold in the capture: what an operation waits for started earlier. */
static void check_order(const struct got *g)
{
    uint64_t t_ps = 0;
    for (uint32_t i = 0; i < g->ops; i++) {
        const struct hct_op *op = &g->op[i].op;
        assert_true(op->t_ps == 0 || op->t_ps >= t_ps);
        t_ps = op->t_ps != 0 ? op->t_ps : t_ps;
        for (uint32_t d = 0; d < op->dep_count; d++) {
            assert_true(op->dep[d].op < op->id);
        }
    }
}

static void run(uint64_t seed, uint32_t loss, uint32_t mirror, bool same_psn, bool same_qpn,
                bool same_port)
{
    struct got g;
    rng = seed * 0x9E3779B97F4A7C15u + 1;
    loss_percent = loss;
    mirror_percent = mirror;
    talk_open(&talk, PKT_ROCE2_V4);
    talk.mtu = 256;
    make_ways(same_psn, same_qpn, same_port);
    for (bool more = true; more;) {
        more = false;
        for (uint32_t i = 0; i < 2 * CONNS; i++) {
            const uint32_t burst = 1 + below(6);
            for (uint32_t k = 0; k < burst; k++) {
                more |= step(&way[i]);
            }
        }
    }
    talk.lose = talk.twice = false;
    import_talk(&talk, NULL, &g);
    if (g.sum.pairs_by_ack + g.sum.pairs_assumed != CONNS) {
        print_message("seed %llu: %s", (unsigned long long)seed, g.report);
    }
    assert_int_equal(g.sum.messages_left_out, 0);
    check_ways(&g);
    check_order(&g);
    got_close(&g);
}

static uint64_t seeds(void)
{
    const char *n = getenv("HCASIM_SEEDS");
    return n != NULL ? strtoull(n, NULL, 10) : 4;
}

static void lossless_traffic_is_rebuilt(void **state)
{
    (void)state;
    for (uint64_t s = 1; s <= seeds(); s++) {
        run(s, 0, 0, false, false, true);
    }
}

static void loss_before_and_behind_the_tap_changes_no_message(void **state)
{
    (void)state;
    for (uint64_t s = 1; s <= seeds(); s++) {
        run(100 + s, 1 + (uint32_t)(s % 8), 0, false, false, true);
    }
}

static void mirrored_copies_change_no_message(void **state)
{
    (void)state;
    for (uint64_t s = 1; s <= seeds(); s++) {
        run(200 + s, 3, 30, false, false, true);
    }
}

static void equal_first_psns_and_qp_numbers_do_not_confuse_pairs(void **state)
{
    (void)state;
    for (uint64_t s = 1; s <= seeds(); s++) {
        run(300 + s, 2, 0, true, s & 1, s & 2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lossless_traffic_is_rebuilt),
        cmocka_unit_test(loss_before_and_behind_the_tap_changes_no_message),
        cmocka_unit_test(mirrored_copies_change_no_message),
        cmocka_unit_test(equal_first_psns_and_qp_numbers_do_not_confuse_pairs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
