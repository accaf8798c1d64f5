/* rx_respond.h: check and respond with a log of the frames and CQEs that leave. */
#pragma once
#include "tests/rx_world.h"

enum { LOG = 4096, PSN0 = 0x100 };

static struct {
    struct pkt m;
    uint8_t first; /* byte of payload */
    uint64_t cycle;
} sent[LOG];
static struct cqe cqes[LOG];
static uint32_t sents, cqe_count;

static inline void log_frame(struct world *w, const struct pkt *m, const uint8_t *payload)
{
    sent[sents % LOG].m = *m;
    sent[sents % LOG].first = payload == NULL ? 0 : payload[0];
    sent[sents++ % LOG].cycle = w->h->y.k.now;
}

static inline void log_cqe(struct world *w, const struct cqe *m)
{
    (void)w;
    cqes[cqe_count++ % LOG] = *m;
}

static inline struct world *fresh_with(struct hca_param *p)
{
    p->hca_qp_max = W_QPS;
    struct world *const w = w_open(p);

    sents = cqe_count = 0;
    w->frame = log_frame;
    w->cqe = log_cqe;
    for (uint32_t q = 0; q < W_QPS; q++) {
        w->h->ctx.qp[q].s.rq_psn = PSN0;
    }
    return w;
}

static inline struct world *fresh(void)
{
    struct hca_param p = unit_param();

    return fresh_with(&p);
}

/* Request psn of QP q at its own region with its own key, len bytes, AckReq. */
static inline struct rxp rx(uint32_t q, int32_t psn, uint8_t opcode, uint32_t len)
{
    return (struct rxp){.qn = q,
                        .psn = (uint32_t)(PSN0 + psn) & PSN_MASK,
                        .opcode = opcode,
                        .raddr = 0x10000 * (q + 1ULL),
                        .rkey = 0x100 + q,
                        .plen = len,
                        .dlen = len,
                        .flags = RXP_ACKREQ};
}

static inline void request(struct world *w, struct rxp m, uint8_t fill)
{
    uint8_t payload[4096];

    memset(payload, fill, sizeof payload);
    w_send(w, m, payload);
}

/* READ of len bytes by QP q as its request number psn. */
static inline void read_request(struct world *w, uint32_t q, int32_t psn, uint32_t len)
{
    struct rxp m = rx(q, psn, PKT_OP_RC_READ_REQUEST, 0);

    m.dlen = len;
    request(w, m, 0);
}

/* The only frame of a QP. */
static inline const struct pkt *frame_of(uint32_t q)
{
    const struct pkt *found = NULL;

    for (uint32_t i = 0; i < sents; i++) {
        if (sent[i].m.qn == q) {
            assert_null(found);
            found = &sent[i].m;
        }
    }
    assert_non_null(found);
    return found;
}
