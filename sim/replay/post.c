/* post.c: hands operations to the driver (or to the DMA bench of the adapter). */
#include "sim/replay/replay_i.h"

#include "model/defs.h"

static const uint8_t wr_opcode[HCT_KIND_COUNT] = {
    [HCT_SEND] = WR_SEND,
    [HCT_SEND_IMM] = WR_SEND_IMM,
    [HCT_SEND_INV] = WR_SEND_INV,
    [HCT_WRITE] = WR_WRITE,
    [HCT_WRITE_IMM] = WR_WRITE_IMM,
    [HCT_READ] = WR_READ,
    [HCT_CAS] = WR_CAS,
    [HCT_FAA] = WR_FAA,
    [HCT_LOCAL_INV] = WR_LOCAL_INV,
    [HCT_FAST_REG] = WR_FAST_REG,
    [HCT_RECV] = DRIVER_WR_RECV,
};

static uint8_t wr_flags(const struct hct_op *op)
{
    return (uint8_t)(((op->flags & HCT_SIGNALED) != 0 ? WRF_SIGNALED : 0) |
                     ((op->flags & HCT_SOLICITED) != 0 ? WRF_SOLICITED : 0) |
                     ((op->flags & HCT_FENCE) != 0 ? WRF_FENCE : 0) |
                     ((op->flags & HCT_INLINE) != 0 ? WRF_INLINE : 0));
}

static void remote(const struct replay *r, const struct hct_op *op, struct driver_wr *w)
{
    if (op->remote_mr != HCT_NONE) {
        const struct machine *const m = r->machine[host_of_mr(r, op->remote_mr)];
        w->rkey = driver_mr_key(m, r->mr_of[op->remote_mr]);
        w->raddr = driver_mr_va(m, r->mr_of[op->remote_mr]) + op->remote_off_bytes;
    }
    if (op->key_mr != HCT_NONE) {
        const struct machine *const m = r->machine[host_of_mr(r, op->key_mr)];
        if (op->kind == HCT_FAST_REG) {
            w->key_mr = r->mr_of[op->key_mr];
            w->key_access = op->key_access;
        } else {
            w->rkey = driver_mr_key(m, r->mr_of[op->key_mr]);
        }
    }
    if (op->ud_qp != HCT_NONE) {
        w->remote_qpn = r->qp[op->ud_qp].qpn;
        w->qkey = r->res->qp[op->ud_qp].qkey;
        w->ah = r->ah_of[op->ah];
    }
}

static void fill(const struct replay *r, const struct slot *s, struct driver_wr *w)
{
    const struct hct_op *const op = &s->op;

    *w = (struct driver_wr){.wr_id = op->id + 1,
                            .qp = DRIVER_NONE,
                            .srq = DRIVER_NONE,
                            .opcode = wr_opcode[op->kind],
                            .flags = wr_flags(op),
                            .more = (op->flags & HCT_MORE) != 0,
                            .imm = op->imm,
                            .compare = op->compare,
                            .swap_add = op->swap_add};
    if (op->qp != HCT_NONE) {
        w->qp = r->qp_of[op->qp];
    }
    if (op->srq != HCT_NONE) {
        w->srq = r->srq_of[op->srq];
    }
    remote(r, op, w);
    w->nsge = 0;
    for (unsigned i = 0; i < op->sge_count; i++) {
        if (op->sge[i].mr == HCT_NONE) { /* no bytes and no MR: nothing for the adapter to do */
            continue;
        }
        w->sge[w->nsge].mr = r->mr_of[op->sge[i].mr];
        w->sge[w->nsge].len = op->sge[i].len_bytes;
        w->sge[w->nsge].off = op->sge[i].off_bytes;
        w->nsge++;
    }
}

/* The next operation may share the doorbell only if it is posted in the same call. */
static bool next_follows(struct replay *r, const struct slot *s, uint64_t now_ps)
{
    if (s->next == NO_OP) {
        return false;
    }
    const struct slot *const n = slot_of(r, s->next);
    return allowed(r, n) && ready_at(r, n) <= now_ps;
}

static void expect_receive(struct replay *r, struct slot *s)
{
    struct qp_sent *const q = &r->qp[s->op.qp];

    if (q->sent_first == NO_OP) {
        q->sent_first = s->op.id;
    } else {
        slot_of(r, q->sent_last)->next_sent = s->op.id;
    }
    q->sent_last = s->op.id;
}

static bool post_bench(struct replay *r, const struct queue *u, struct slot *s, uint64_t now_ps)
{
    const struct hct_op *const op = &s->op;
    const struct hct_fn *const f = &r->res->fn[op->fn];
    uint64_t run;
    const uint64_t bus =
        driver_mr_bus(r->machine[u->host], r->mr_of[op->sge[0].mr], op->sge[0].off_bytes, &run);
    const struct bench_op b = {.addr = bus,
                               .len = op->sge[0].len_bytes,
                               .cookie = (uint32_t)(op->id % WINDOW),
                               .fn = (uint8_t)f->index,
                               .kind = op->kind == HCT_DMA_READ    ? BENCH_READ
                                       : op->kind == HCT_DMA_WRITE ? BENCH_WRITE
                                                                   : BENCH_WRRD};

    if (bus == 0 || run < b.len) {
        op_ended(r, op->id, now_ps, now_ps, HCT_WC_LOC_PROT_ERR, false);
        return true;
    }
    world_bench(r->w, u->host, f->hca, now_ps, &b);
    return true;
}

static bool post_verbs(struct replay *r, const struct queue *u, struct slot *s, uint64_t now_ps)
{
    struct machine *const m = r->machine[u->host];
    const struct hct_op *const op = &s->op;
    struct driver_wr w;
    const uint32_t room = u->kind == Q_SEND ? driver_room_send(m, r->qp_of[u->object])
                          : u->kind == Q_RECV
                              ? driver_room_recv(m, r->qp_of[u->object], DRIVER_NONE)
                              : driver_room_recv(m, DRIVER_NONE, r->srq_of[u->object]);

    if (room == 0) {
        return false;
    }
    fill(r, s, &w);
    w.more = w.more && room > 1 && next_follows(r, s, now_ps);
    if (op->kind != HCT_RECV) {
        race_post(r, s);
    }
    place_source(r, s);
    if (op->kind == HCT_RECV && op->qp != HCT_NONE && r->res->qp[op->qp].type == HCT_QP_UD) {
        note_grh(r, op);
    }
    if (!driver_post(m, now_ps, &w)) { /* what a verbs library refuses never reaches the device */
        op_ended(r, op->id, now_ps, now_ps, HCT_WC_LOC_QP_OP_ERR, false);
        return true;
    }
    if (consumes_recv(op->kind)) {
        expect_receive(r, s);
    }
    return true;
}

/* Posts the head of a queue and its followers in the same call; false: the ring is full. */
static bool post_queue(struct replay *r, uint32_t q, uint64_t now_ps)
{
    struct queue *const u = &r->queue[q];

    while (u->first != NO_OP) {
        struct slot *const s = slot_of(r, u->first);
        if (!allowed(r, s) || ready_at(r, s) > now_ps) {
            return true;
        }
        const uint64_t next = s->next;
        s->post_ps = now_ps;
        s->state = OP_POSTED;
        if (!(u->kind == Q_BENCH ? post_bench : post_verbs)(r, u, s, now_ps)) {
            s->state = OP_READY;
            return false;
        }
        r->f.posted++;
        u->first = next;
        if (u->kind != Q_RECV && u->kind != Q_SRQ && (s->op.flags & HCT_MORE) == 0) {
            return true; /* one post call at a time: the core spends cycles on each */
        }
    }
    return true;
}

void post_ready(struct replay *r, uint32_t host, uint64_t now_ps)
{
    while (ready_top(r, host) <= now_ps) {
        const uint32_t q = ready_pop(r, host);
        if (post_queue(r, q, now_ps)) {
            arm(r, q, now_ps);
        } else {
            r->queue[q].blocked = true;
            r->queue[q].next_blocked = r->blocked[host];
            r->blocked[host] = q;
        }
    }
}

void post_bench_queue(struct replay *r, uint32_t q, uint64_t now_ps)
{
    struct queue *const u = &r->queue[q];

    while (u->first != NO_OP && u->key_ps == NEVER) {
        struct slot *const s = slot_of(r, u->first);
        if (!allowed(r, s) || ready_at(r, s) > now_ps) {
            break;
        }
        u->first = s->next;
        s->post_ps = now_ps;
        s->state = OP_POSTED;
        (void)post_bench(r, u, s, now_ps);
        r->f.posted++;
    }
    arm(r, q, now_ps);
}
