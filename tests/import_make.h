/* Captures for the importer's tests, made packet by packet, and traces read back whole. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "model/packet/headers.h"
#include "traces/import.h"
#include "traces/pcap.h"

/* ---- a capture being made ---- */

struct talk {
    struct capture_writer *w;
    char path[512];
    uint64_t t_ns;
    uint32_t step_ns, mtu, snap; /* time per frame; snap 0: whole frames */
    uint16_t ip_id;              /* 0: the sender does not count */
    uint8_t wire, vlan_tags, ttl;
    bool lose, twice, corrupt; /* of the frames to come: not captured; mirrored; ICRC wrong */
    uint64_t frames;           /* written */
    /* Wraps a frame into something else; writes to `to` (8 KiB), returns its length. */
    uint32_t (*wrap)(uint8_t *to, const uint8_t *frame, uint32_t len);
};

/* A connection between two hosts; index 0 is the side that usually requests. */
struct conn {
    uint8_t host[2], service; /* 10.0.0.host, LID host */
    uint32_t qpn[2], psn[2], msn[2];
    uint16_t sport;
};

static inline void talk_open(struct talk *k, uint8_t wire)
{
    struct capture_error err;
    static int n;
    *k = (struct talk){.t_ns = 1700000000000000000,
                       .step_ns = 1000,
                       .mtu = 1024,
                       .ip_id = 1,
                       .wire = wire,
                       .ttl = 64};
    (void)snprintf(k->path, sizeof k->path, HCA_TMP_DIR "/hcasim-import-%ld-%d.pcap",
                   (long)getpid(), n++);
    const uint16_t link = wire >= PKT_IB_LOCAL ? CAPTURE_INFINIBAND : CAPTURE_ETHERNET;
    assert_int_equal(capture_writer_open(k->path, link, &k->w, &err), CAPTURE_OK);
}

static inline void talk_close(struct talk *k)
{
    struct capture_error err;
    assert_int_equal(capture_writer_close(k->w, &err), CAPTURE_OK);
}

static inline void talk_write(struct talk *k, const uint8_t *frame, uint32_t len)
{
    const uint32_t cap = k->snap != 0 && k->snap < len ? k->snap : len;
    k->t_ns += k->step_ns;
    if (!k->lose) {
        capture_write(k->w, k->t_ns, frame, cap, len);
        k->frames++;
    }
}

/* Builds and writes one packet; h needs everything but the addresses' family. */
static inline void talk_packet(struct talk *k, const struct pkt_hdr *h, const uint8_t *payload,
                               uint32_t len)
{
    static uint8_t buf[PKT_HEADROOM + PKT_PAYLOAD_MAX + PKT_TAILROOM], wrapped[8192];
    struct pkt_hdr x = *h;
    if (len != 0) {
        memcpy(buf + PKT_HEADROOM, payload, len);
    }
    for (int copy = 0; copy < (k->twice ? 2 : 1); copy++) {
        struct pkt_frame f =
            x.opcode == PKT_OP_CNP ? pkt_build_cnp(&x, buf) : pkt_build(&x, buf, len);
        assert_int_not_equal(f.len, 0);
        const uint8_t *frame = buf + f.offset;
        if (k->corrupt) {
            buf[f.offset + f.len - (x.wire >= PKT_IB_LOCAL ? 3 : 1)] ^= 1;
        }
        if (k->wrap != NULL) {
            f.len = k->wrap(wrapped, frame, f.len);
            frame = wrapped;
        }
        talk_write(k, frame, f.len);
        x.ttl--; /* the second mirror port is behind a router, and without the tags */
        x.vlan_tags = 0;
    }
}

/* Header of a packet of side `from` of a connection. */
static inline struct pkt_hdr head(struct talk *k, const struct conn *c, int from, uint8_t opcode,
                                  uint32_t psn)
{
    struct pkt_hdr h = {.wire = k->wire,
                        .opcode = opcode,
                        .psn = psn & 0xFFFFFF,
                        .dqpn = c->qpn[!from],
                        .pkey = 0xFFFF,
                        .udp_sport = c->sport,
                        .ttl = k->ttl,
                        .ip_df = 1,
                        .vlan_tags = k->vlan_tags,
                        .vlan_tci = 0x600A,
                        .svlan_tci = 0x0014,
                        .ip_id = k->ip_id,
                        .dlid = c->host[!from],
                        .slid = c->host[from]};
    h.sgid[15] = c->host[from];
    h.dgid[15] = c->host[!from];
    h.smac[5] = c->host[from];
    h.dmac[5] = c->host[!from];
    if (k->wire == PKT_ROCE2_V4) {
        h.sgid[10] = h.sgid[11] = h.dgid[10] = h.dgid[11] = 0xFF;
        h.sgid[12] = h.dgid[12] = 10;
    } else {
        h.sgid[0] = h.dgid[0] = 0xFD;
    }
    if (k->ip_id != 0) {
        k->ip_id = k->ip_id == 0xFFFF ? 1 : (uint16_t)(k->ip_id + 1);
    }
    return h;
}

/* ---- messages ---- */

struct message {
    uint8_t kind; /* enum hct_names_kind */
    uint32_t len, rkey, imm;
    uint64_t va, seed, swap_add, compare, orig;
};

static inline uint32_t packets_of(const struct message *m, uint32_t mtu)
{
    return m->len == 0 || m->kind == HCT_CAS || m->kind == HCT_FAA ? 1 : (m->len + mtu - 1) / mtu;
}

static inline bool is_write(uint8_t kind)
{
    return kind == HCT_WRITE || kind == HCT_WRITE_IMM;
}

/* Opcode of packet n of a SEND or WRITE. */
static inline uint8_t opcode_of(const struct message *m, uint32_t n, uint32_t packets)
{
    const bool w = is_write(m->kind), first = n == 0, last = n + 1 == packets;
    uint8_t op = 0;
    if (first && last) {
        op = w ? PKT_OP_RC_WRITE_ONLY : PKT_OP_RC_SEND_ONLY;
    } else if (first) {
        op = w ? PKT_OP_RC_WRITE_FIRST : PKT_OP_RC_SEND_FIRST;
    } else if (last) {
        op = w ? PKT_OP_RC_WRITE_LAST : PKT_OP_RC_SEND_LAST;
    } else {
        op = w ? PKT_OP_RC_WRITE_MIDDLE : PKT_OP_RC_SEND_MIDDLE;
    }
    if (last && (m->kind == HCT_SEND_IMM || m->kind == HCT_WRITE_IMM)) {
        op++;
    } else if (last && m->kind == HCT_SEND_INV) {
        op = first ? PKT_OP_RC_SEND_ONLY_INV : PKT_OP_RC_SEND_LAST_INV;
    }
    return op;
}

/* Request packet n of a message whose first PSN is psn. */
static inline void put_request(struct talk *k, const struct conn *c, int from,
                               const struct message *m, uint32_t psn, uint32_t n)
{
    uint8_t bytes[PKT_PAYLOAD_MAX];
    const uint32_t packets = packets_of(m, k->mtu);
    const uint32_t base = c->service == PKT_UC ? 0x20 : 0;
    uint32_t len = 0;
    struct pkt_hdr h = head(k, c, from, 0, psn + n);
    h.va = m->va;
    h.rkey = m->rkey;
    h.dma_len = m->len;
    h.imm = h.inv_rkey = m->imm;
    h.atomic_swap_add = m->swap_add;
    h.atomic_compare = m->compare;
    h.ackreq = n + 1 == packets;
    h.se = n + 1 == packets && m->kind == HCT_SEND_IMM;
    if (m->kind == HCT_READ) {
        h.opcode = PKT_OP_RC_READ_REQUEST;
        h.va += (uint64_t)n * k->mtu; /* a READ may be asked again from any packet on */
        h.dma_len -= n * k->mtu;
    } else if (m->kind == HCT_CAS || m->kind == HCT_FAA) {
        h.opcode = m->kind == HCT_CAS ? PKT_OP_RC_COMPARE_SWAP : PKT_OP_RC_FETCH_ADD;
    } else {
        h.opcode = (uint8_t)(base + opcode_of(m, n, packets));
        len = n + 1 < packets ? k->mtu : m->len - n * k->mtu;
        hct_pattern(m->seed, (uint64_t)n * k->mtu, bytes, len);
    }
    talk_packet(k, &h, bytes, len);
}

static inline void put_ack(struct talk *k, const struct conn *c, int from, uint32_t psn,
                           uint8_t syndrome)
{
    struct pkt_hdr h = head(k, c, from, PKT_OP_RC_ACK, psn);
    h.syndrome = syndrome;
    h.msn = c->msn[from];
    talk_packet(k, &h, NULL, 0);
}

/* Response packet n to a READ, of a run of responses that began with packet `first`. */
static inline void put_response(struct talk *k, const struct conn *c, int from,
                                const struct message *m, uint32_t psn, uint32_t n, uint32_t first)
{
    uint8_t bytes[PKT_PAYLOAD_MAX];
    const uint32_t packets = packets_of(m, k->mtu);
    const bool last = n + 1 == packets;
    const uint8_t op = n == first
                           ? (last ? PKT_OP_RC_READ_RESPONSE_ONLY : PKT_OP_RC_READ_RESPONSE_FIRST)
                           : (last ? PKT_OP_RC_READ_RESPONSE_LAST : PKT_OP_RC_READ_RESPONSE_MIDDLE);
    const uint32_t len = last ? m->len - n * k->mtu : k->mtu;
    struct pkt_hdr h = head(k, c, from, op, psn + n);
    h.syndrome = 0x1F;
    h.msn = c->msn[from];
    hct_pattern(m->seed, (uint64_t)n * k->mtu, bytes, len);
    talk_packet(k, &h, bytes, len);
}

static inline void put_atomic_ack(struct talk *k, const struct conn *c, int from,
                                  const struct message *m, uint32_t psn)
{
    struct pkt_hdr h = head(k, c, from, PKT_OP_RC_ATOMIC_ACK, psn);
    h.syndrome = 0x1F;
    h.msn = c->msn[from];
    h.atomic_orig = m->orig;
    talk_packet(k, &h, NULL, 0);
}

/* A whole message of side `from`, without loss, and its answer. */
static inline void put_message(struct talk *k, struct conn *c, int from, const struct message *m)
{
    const uint32_t psn = c->psn[from], packets = packets_of(m, k->mtu);
    const bool answered = m->kind == HCT_READ || m->kind == HCT_CAS || m->kind == HCT_FAA;
    for (uint32_t n = 0; n < (answered ? 1 : packets); n++) {
        put_request(k, c, from, m, psn, n);
    }
    c->psn[from] = (psn + packets) & 0xFFFFFF;
    c->msn[!from]++;
    if (c->service == PKT_UC) {
        return;
    }
    if (m->kind == HCT_READ) {
        for (uint32_t n = 0; n < packets; n++) {
            put_response(k, c, !from, m, psn, n, 0);
        }
    } else if (answered) {
        put_atomic_ack(k, c, !from, m, psn);
    } else {
        put_ack(k, c, !from, psn + packets - 1, 0x1F);
    }
}

/* ---- a trace read back ---- */

struct got_op {
    struct hct_op op;
    uint8_t *bytes; /* hct_op_bytes, zero where the trace has none */
    uint64_t held;  /* payload bytes in the trace */
};

struct got {
    hct_reader *r;
    const struct hct_resources *res;
    struct got_op *op;
    uint32_t ops, room;
    struct import_summary sum;
    char report[16384];
    char path[512];
};

static inline void got_close(struct got *g)
{
    for (uint32_t i = 0; i < g->ops; i++) {
        free(g->op[i].bytes);
    }
    free(g->op);
    hct_close(g->r);
    (void)unlink(g->path);
    memset(g, 0, sizeof *g);
}

static inline uint64_t counted_all(const struct import_summary *s)
{
    uint64_t n = 0;
    for (int i = 0; i < IMPORT_COUNTS; i++) {
        n += s->count[i];
    }
    return n;
}

static inline void got_read(struct got *g)
{
    struct hct_error err;
    uint64_t off;
    const void *bytes;
    uint32_t n;
    struct hct_op op;
    assert_int_equal(hct_validate(g->path, &err), HCT_OK);
    assert_int_equal(hct_open(g->path, &g->r, &err), HCT_OK);
    g->res = hct_resources(g->r);
    while (hct_next_op(g->r, &op) == HCT_OK) {
        if (g->ops == g->room) {
            g->room = g->room == 0 ? 64 : 2 * g->room;
            g->op = realloc(g->op, g->room * sizeof *g->op);
            assert_non_null(g->op);
        }
        assert_int_equal(hct_op_warn(g->r), 0);
        struct got_op *x = &g->op[g->ops++];
        *x = (struct got_op){.op = op, .bytes = calloc(1, hct_op_bytes(&op) + 8)};
        while (hct_next_payload(g->r, &off, &bytes, &n) == HCT_OK) {
            assert_true(off + n <= hct_op_bytes(&op));
            memcpy(x->bytes + off, bytes, n);
            x->held += n;
        }
    }
}

/* Every message that needs a receive must find one of its own, earlier in the trace. */
static inline void check_receives(const struct got *g)
{
    int64_t *posted = calloc(g->res->qps + 1, sizeof *posted);
    for (uint32_t i = 0; i < g->ops; i++) {
        const struct hct_op *op = &g->op[i].op;
        if (op->kind == HCT_RECV) {
            posted[op->qp]++;
        } else if (op->kind <= HCT_SEND_INV || op->kind == HCT_WRITE_IMM) {
            assert_true(--posted[hct_op_peer(g->res, op)] >= 0);
        }
    }
    for (uint32_t i = 0; i < g->res->qps; i++) {
        assert_int_equal(posted[i], 0); /* and none is left over */
    }
    free(posted);
}

/* Imports, checks what must hold of every import, reads the trace. */
static inline void import_file(const char *capture, const struct import_options *opt, struct got *g)
{
    static int n;
    struct hct_error err = {0};
    FILE *report = tmpfile();
    memset(g, 0, sizeof *g);
    (void)snprintf(g->path, sizeof g->path, HCA_TMP_DIR "/hcasim-import-%ld-%d.hct", (long)getpid(),
                   n++);
    if (hct_import(capture, g->path, opt, &g->sum, report, &err) != HCT_OK) {
        fail_msg("%s", err.text);
    }
    rewind(report);
    (void)!fread(g->report, 1, sizeof g->report - 1, report);
    (void)fclose(report);
    assert_int_equal(counted_all(&g->sum), g->sum.frames);
    got_read(g);
    check_receives(g);
    assert_int_equal(g->ops, g->sum.ops);
    assert_int_equal(g->res->qps, g->sum.qps);
}

static inline void import_talk(struct talk *k, const struct import_options *opt, struct got *g)
{
    talk_close(k);
    import_file(k->path, opt, g);
    assert_int_equal(g->sum.frames, k->frames);
    (void)unlink(k->path);
}

/* Message number n that the QP with this captured number (host: its address) posted. */
static inline const struct got_op *posted(const struct got *g, const char *host, uint32_t qpn,
                                          uint32_t n)
{
    for (uint32_t i = 0; i < g->ops; i++) {
        const struct hct_op *op = &g->op[i].op;
        if (op->kind == HCT_RECV || op->kind == HCT_FAST_REG) {
            continue;
        }
        const struct hct_qp *q = &g->res->qp[op->qp];
        if (q->captured_qpn == qpn && strcmp(g->res->host[q->pd].name, host) == 0 && n-- == 0) {
            return &g->op[i];
        }
    }
    return NULL;
}

static inline uint32_t posted_count(const struct got *g, const char *host, uint32_t qpn)
{
    uint32_t n = 0;
    while (posted(g, host, qpn, n) != NULL) {
        n++;
    }
    return n;
}

/* The operation says what the message is; `held`: bytes of payload it must have. */
static inline void check_message(const struct got *g, const struct got_op *x,
                                 const struct message *m, uint64_t held)
{
    assert_non_null(x);
    const bool atomic = m->kind == HCT_CAS || m->kind == HCT_FAA;
    assert_int_equal(x->op.kind, m->kind);
    assert_int_equal(hct_op_bytes(&x->op), atomic ? 8 : m->len);
    if (g->res->qp[x->op.qp].type == HCT_QP_RC) { /* put_request sets it on these */
        assert_int_equal(!!(x->op.flags & HCT_SOLICITED), m->kind == HCT_SEND_IMM);
    }
    if (m->kind == HCT_SEND_IMM || m->kind == HCT_WRITE_IMM) {
        assert_int_equal(x->op.imm, m->imm);
    }
    if (x->op.remote_mr != HCT_NONE && (m->len != 0 || atomic)) {
        assert_int_equal(g->res->mr[x->op.remote_mr].va + x->op.remote_off_bytes, m->va);
    }
    if (atomic) {
        assert_int_equal(x->op.swap_add, m->swap_add);
        assert_memory_equal(x->bytes, &m->orig, 8);
    } else if (held == m->len) {
        uint8_t *want = malloc(m->len + 1);
        hct_pattern(m->seed, 0, want, m->len);
        assert_memory_equal(x->bytes, want, m->len);
        free(want);
    }
    assert_int_equal(x->held, held);
}
