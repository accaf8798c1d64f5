/* wqe_fetch_parse.c: bytes of a ring to struct wqe; every byte comes from the guest. */
#include "model/wqe_fetch.h"

#define MESSAGE_MAX 0x80000000ULL /* bytes: IBTA vol. 1, 9.7.5.1 (2^31) */

static uint16_t ld16(const uint8_t *p)
{
    uint16_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static uint32_t ld32(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static uint64_t ld64(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

bool wqe_ahead(uint32_t next, uint32_t entries, uint32_t head, uint32_t tail, uint32_t behind)
{
    return next - tail <= entries && next - head <= entries + behind;
}

bool wqe_index(uint32_t v, uint32_t entries, uint32_t head, uint32_t *tail, uint32_t behind)
{
    const uint32_t mask = 2 * entries - 1;
    const uint32_t next = *tail + ((v - *tail) & mask);

    if ((v & ~mask) != 0 || !wqe_ahead(next, entries, head, *tail, behind)) {
        return false;
    }
    *tail = next;
    return true;
}

enum wqe_kind {
    K_WRITE = 1,
    K_SEND = 2,
    K_READ = 4,
    K_ATOMIC = 8,
    K_INV = 16,
    K_REG = 32,
    K_IMM = 64
};

/* By opcode; 0: not supported. */
static const uint8_t kind_of[] = {
    [WR_WRITE] = K_WRITE,   [WR_WRITE_IMM] = K_WRITE | K_IMM,
    [WR_SEND] = K_SEND,     [WR_SEND_IMM] = K_SEND | K_IMM,
    [WR_READ] = K_READ,     [WR_CAS] = K_ATOMIC,
    [WR_FAA] = K_ATOMIC,    [WR_SEND_INV] = K_SEND | K_INV,
    [WR_LOCAL_INV] = K_INV, [WR_FAST_REG] = K_REG,
};

static uint8_t kind(uint32_t opcode)
{
    return opcode < sizeof kind_of ? kind_of[opcode] : 0;
}

static bool is_ud(const struct qp_static *s)
{
    return s->type == QPT_UD || s->type == QPT_GSI;
}

/* Opcodes a QP type may post. source: IBTA vol. 1, table "Transport service types" */
static bool allowed(const struct qp_static *s, uint32_t opcode)
{
    const uint8_t k = kind(opcode);

    if (k == 0 || (s->user && s->format == FORMAT_PVRDMA && opcode > WR_FAA)) {
        return false;
    }
    if (is_ud(s)) {
        return opcode == WR_SEND || opcode == WR_SEND_IMM;
    }
    if (s->type == QPT_UC) {
        return (k & (K_READ | K_ATOMIC)) == 0 && opcode != WR_SEND_INV;
    }
    return s->type == QPT_RC;
}

static enum work_status bad(struct wqe *w, enum wc_status status)
{
    w->bad = (uint8_t)status;
    w->nsge = 0;
    return WORK_BAD;
}

static void parse_av(const uint8_t *p, struct av *av)
{
    const uint32_t label = ld32(p + 4); /* sl 31:28, tclass 27:20, flow label 19:0 */

    *av = (struct av){
        .flow_label = label & 0xfffff,
        .tclass = (uint8_t)(label >> 20),
        .sl = (uint8_t)(label >> 28),
        .src_path_bits = p[24] & 0x7f,
        .sgid_index = p[25],
        .hop_limit = p[27],
        .dlid =
            ld16(p + 34), /* reserved bytes of the ABI; our own drivers on InfiniBand fill them */
        .is_global = 1,
    };
    memcpy(av->dgid, p + 8, sizeof av->dgid);
    memcpy(av->dmac, p + 28, sizeof av->dmac);
}

static enum work_status check_length(const struct tick *t, const struct qp_static *s, struct wqe *w,
                                     uint64_t len)
{
    if (len > MESSAGE_MAX || (is_ud(s) && len > t->p->port_mtu_bytes)) {
        return bad(w, WC_LOC_LEN);
    }
    w->len = (uint32_t)len;
    if ((kind(w->opcode) & K_ATOMIC) != 0 && len != 8) {
        return bad(w, WC_LOC_LEN);
    }
    return WORK_OK;
}

/* --- pvrdma ---------------------------------------------------------------------------------- */

enum { PVRDMA_HEADER = 80, PVRDMA_RECV_HEADER = 16, SGE_BYTES = 16 };

static void pvrdma_union(const struct qp_static *s, const uint8_t *raw, struct wqe *w)
{
    const uint8_t k = kind(w->opcode);

    w->raddr = ld64(raw + 32);
    w->imm = ld32(raw + 24);
    if ((k & (K_WRITE | K_READ)) != 0) {
        w->rkey = ld32(raw + 40);
    } else if ((k & K_ATOMIC) != 0) {
        const uint64_t compare_add = ld64(raw + 40);
        w->op1 = w->opcode == WR_CAS ? ld64(raw + 48) : compare_add;
        w->op2 = w->opcode == WR_CAS ? compare_add : 0;
        w->rkey = ld32(raw + 56);
    } else if ((k & K_REG) != 0) {
        w->fr_pdir = ld64(raw + 40);
        w->page_shift = (uint8_t)(ld32(raw + 48) > 255 ? 255 : ld32(raw + 48));
        w->pages = ld32(raw + 52);
        w->len = ld32(raw + 56);
        w->access = ld32(raw + 60);
        w->rkey = ld32(raw + 64);
    } else if ((k & K_INV) != 0) {
        w->rkey = w->imm;
    } else if (is_ud(s)) {
        w->remote_qpn = ld32(raw + 32) & 0xffffff;
        w->qkey = ld32(raw + 36);
        parse_av(raw + 40, &w->av);
    }
}

static uint64_t pvrdma_sges(const uint8_t *p, uint32_t n, struct sge *sge)
{
    uint64_t len = 0;

    for (uint32_t i = 0; i < n; i++, p += SGE_BYTES) {
        sge[i] = (struct sge){.addr = ld64(p), .len = ld32(p + 8), .lkey = ld32(p + 12)};
        len += sge[i].len;
    }
    return len;
}

static enum work_status parse_pvrdma(const struct tick *t, const struct qp_static *s,
                                     const uint8_t *raw, uint32_t bytes, struct wqe *w)
{
    const uint32_t n = ld32(raw + 8), opcode = ld32(raw + 16);

    *w = (struct wqe){
        .wr_id = ld64(raw),
        .opcode = (uint8_t)(opcode > 255 ? 255 : opcode),
        .flags = (uint8_t)(ld32(raw + 20) & (WRF_FENCE | WRF_SIGNALED | WRF_SOLICITED)),
        .format = FORMAT_PVRDMA,
        .units = 1,
    };
    if (!allowed(s, opcode)) {
        return bad(w, WC_LOC_QP_OP);
    }
    pvrdma_union(s, raw, w);
    if (opcode == WR_LOCAL_INV || opcode == WR_FAST_REG) {
        return WORK_OK;
    }
    if (n > s->max_send_sge || n > SGE_MAX || PVRDMA_HEADER + n * SGE_BYTES > bytes) {
        return bad(w, WC_LOC_QP_OP);
    }
    w->nsge = (uint8_t)n;
    return check_length(t, s, w, pvrdma_sges(raw + PVRDMA_HEADER, n, w->sge));
}

/* --- native ---------------------------------------------------------------------------------- */

enum {
    NATIVE_HEADER = 16,
    NATIVE_REMOTE = 16,
    NATIVE_ATOMIC = 16,
    NATIVE_UD = 48,
    NATIVE_REG = 48
};

/* Reads the parts in front of the data; bytes used, 0: the WQE is too short for them. One unit
 * holds all parts but those of a datagram. */
static uint32_t native_parts(const struct qp_static *s, const uint8_t *raw, uint32_t bytes,
                             struct wqe *w)
{
    const uint8_t k = kind(w->opcode);
    uint32_t at = NATIVE_HEADER;

    if ((k & K_REG) != 0) {
        w->raddr = ld64(raw + at);
        w->fr_pdir = ld64(raw + at + 8);
        w->page_shift = (uint8_t)(ld32(raw + at + 16) > 255 ? 255 : ld32(raw + at + 16));
        w->pages = ld32(raw + at + 20);
        w->len = ld32(raw + at + 24);
        w->access = ld32(raw + at + 28);
        w->rkey = ld32(raw + at + 32);
        return at + NATIVE_REG;
    }
    if ((k & (K_WRITE | K_READ | K_ATOMIC | K_IMM | K_INV)) != 0) {
        w->raddr = ld64(raw + at);
        w->rkey = ld32(raw + at + 8);
        w->imm = ld32(raw + at + 12);
        if ((k & K_INV) != 0) {
            w->rkey = w->imm;
        }
        at += NATIVE_REMOTE;
    }
    if ((k & K_ATOMIC) != 0) {
        w->op1 = ld64(raw + at);
        w->op2 = ld64(raw + at + 8);
        at += NATIVE_ATOMIC;
    }
    if (is_ud(s)) {
        if (at + NATIVE_UD > bytes) {
            return 0;
        }
        w->remote_qpn = ld32(raw + at) & 0xffffff;
        w->qkey = ld32(raw + at + 4);
        parse_av(raw + at + 8, &w->av);
        at += NATIVE_UD;
    }
    return at;
}

static enum work_status native_inline(const struct tick *t, const struct qp_static *s,
                                      const uint8_t *raw, uint32_t at, uint32_t bytes,
                                      struct wqe *w, uint32_t data)
{
    if (at + 4 > bytes || (kind(w->opcode) & (K_READ | K_ATOMIC)) != 0) {
        return bad(w, WC_LOC_QP_OP);
    }
    const uint32_t len = ld32(raw + at);
    if (len > bytes - at - 4 || len > t->p->hca_inline_max_bytes) {
        return bad(w, WC_LOC_LEN);
    }
    memcpy(store_at(t->store, data), raw + at + 4, len);
    w->raw = data;
    w->nsge = 0;
    return check_length(t, s, w, len);
}

static enum work_status parse_native(const struct tick *t, const struct qp_static *s,
                                     const uint8_t *raw, uint32_t bytes, uint32_t index,
                                     struct wqe *w, uint32_t data)
{
    const uint32_t n = raw[2], units = raw[3];

    *w = (struct wqe){
        .wr_id = ld64(raw + 8),
        .opcode = raw[0],
        .flags = raw[1] & (WRF_FENCE | WRF_SIGNALED | WRF_SOLICITED | WRF_INLINE),
        .format = FORMAT_NATIVE,
        .units = (uint8_t)(units == 0 ? 1 : units),
    };
    if (units == 0 || units * WQE_UNIT > bytes || !allowed(s, w->opcode) ||
        ld32(raw + 4) != ((s->handle & 0xffff) | (index & 0xffff) << 16)) {
        return bad(w, WC_LOC_QP_OP);
    }
    bytes = units * WQE_UNIT;
    uint32_t at = native_parts(s, raw, bytes, w);
    if (at == 0 || n > s->max_send_sge || n > SGE_MAX) {
        return bad(w, WC_LOC_QP_OP);
    }
    if (w->opcode == WR_LOCAL_INV || w->opcode == WR_FAST_REG) {
        w->flags &= (uint8_t)~WRF_INLINE;
        return WORK_OK;
    }
    if ((w->flags & WRF_INLINE) != 0) {
        return native_inline(t, s, raw, at, bytes, w, data);
    }
    if (at + n * SGE_BYTES > bytes) {
        return bad(w, WC_LOC_QP_OP);
    }
    uint64_t len = 0;
    for (uint32_t i = 0; i < n; i++, at += SGE_BYTES) {
        w->sge[i] = (struct sge){
            .len = ld32(raw + at), .lkey = ld32(raw + at + 4), .addr = ld64(raw + at + 8)};
        len += w->sge[i].len;
    }
    w->nsge = (uint8_t)n;
    return check_length(t, s, w, len);
}

enum work_status wqe_parse_send(const struct tick *t, const struct qp_static *s, const uint8_t *raw,
                                uint32_t bytes, uint32_t index, struct wqe *w, uint32_t data)
{
    return s->format == FORMAT_NATIVE ? parse_native(t, s, raw, bytes, index, w, data)
                                      : parse_pvrdma(t, s, raw, bytes, w);
}

/* --- receive --------------------------------------------------------------------------------- */

static uint64_t native_recv(const uint8_t *raw, uint32_t max_sge, struct wqe *w)
{
    uint64_t len = 0;

    for (uint32_t i = 0; i < max_sge && i < SGE_MAX; i++, raw += SGE_BYTES) {
        if (ld32(raw) == 0) {
            break;
        }
        w->sge[i] = (struct sge){.len = ld32(raw), .lkey = ld32(raw + 4), .addr = ld64(raw + 8)};
        len += w->sge[i].len;
        w->nsge++;
    }
    return len;
}

enum work_status wqe_parse_recv(const uint8_t *raw, uint32_t max_sge, bool native, uint32_t index,
                                struct wqe *w)
{
    uint64_t len;

    w->wr_id = native ? index : ld64(raw);
    w->nsge = 0;
    w->len = 0;
    w->bad = WC_LOC_QP_OP;
    if (native) {
        len = native_recv(raw, max_sge, w);
    } else {
        const uint32_t n = ld32(raw + 8);
        if (n > max_sge || n > SGE_MAX) {
            return WORK_BAD;
        }
        len = pvrdma_sges(raw + PVRDMA_RECV_HEADER, n, w->sge);
        w->nsge = (uint8_t)n;
    }
    if (len > MESSAGE_MAX) {
        w->bad = WC_LOC_LEN;
        w->nsge = 0;
        return WORK_BAD;
    }
    w->len = (uint32_t)len;
    return WORK_OK;
}
