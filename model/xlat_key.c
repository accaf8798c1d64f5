/* xlat: creation, change and destruction of memory keys.
 *
 * A change claims its key: new lookups of it wait, those that have passed the check but still need
 * a page end first, so no page directory is read once the change is acknowledged. A change that has
 * to read the entry keeps others of the same key waiting by its miss. Changes are written through;
 * until one is on the link nothing reads the entry from memory. */
#include "model/xlat.h"

bool xlat_claimed(const struct xlat *u, uint8_t fn, uint32_t index)
{
    for (uint32_t i = 0; i < XLAT_OPS; i++) {
        const struct xlat_op *const o = &u->s.op[i];
        if (o->state != XLAT_OP_NONE && o->index == index && o->fn == fn) {
            return true;
        }
    }
    return false;
}

bool xlat_writing(const struct xlat *u, uint8_t fn, uint32_t index)
{
    for (uint32_t i = 0; i < XLAT_WRITES; i++) {
        const struct xlat_write *const w = &u->s.write[i];
        if (w->busy != 0 && w->index == index && w->fn == fn) {
            return true;
        }
    }
    return false;
}

bool xlat_written(struct xlat *u, const struct tick *t)
{
    if (!VALID(t, u->wr_done_xlat)) {
        return false;
    }
    u->s.write[POP(t, u->wr_done_xlat)->cookie % XLAT_WRITES].busy = 0;
    return true;
}

/* Some request has passed the check of the key and waits for its page. */
static bool in_use(const struct xlat *u, uint8_t fn, uint32_t index)
{
    for (uint32_t p = XLAT_TX; p <= XLAT_ACK; p++) {
        for (uint32_t i = u->s.head[p]; i != u->s.tail[p]; i++) {
            const struct xlat_req *const r = &u->s.req[p][i % XLAT_QUEUE];
            if ((r->state == XLAT_PAGE || r->state == XLAT_PAGE_MISS) && r->key >> 8 == index &&
                r->fn == fn) {
                return true;
            }
        }
    }
    return false;
}

/* --- what a change does to an entry ------------------------------------------------------------
 */

static uint8_t create(struct xlat *u, const struct mpt_set *m, struct mpt *e)
{
    const bool fast = (m->flags & MPT_FAST) != 0;

    *e = (struct mpt){.va = m->va,
                      .len = m->len,
                      .pdir = m->pdir,
                      .key = m->key,
                      .pd = m->pd,
                      .access = m->access,
                      .pages = m->pages,
                      .reg = ++u->s.reg,
                      .state = fast ? MPT_INVALID : MPT_VALID,
                      .kind = fast ? MPT_FAST : m->flags & MPT_ADDRESS};
    return MPT_DONE;
}

/* Only keys made for fast registration can be invalidated, the remote peer only those that it may
 * use. Source: IBTA Vol 1, 10.6.7.2.6 and 9.4.1.1.3; Linux rxe does the same (rxe_mr.c). */
static uint8_t invalidate(const struct mpt_set *m, bool remote, struct mpt *e)
{
    const uint32_t rights = ACC_REMOTE_WRITE | ACC_REMOTE_READ | ACC_REMOTE_ATOMIC;

    if (e->state == MPT_FREE || e->kind != MPT_FAST || e->key != m->key || e->pd != m->pd ||
        (remote && (e->access & rights) == 0)) {
        return MPT_BAD_KEY;
    }
    if (e->state != MPT_VALID) {
        return MPT_BAD_STATE;
    }
    e->state = MPT_INVALID;
    return MPT_DONE;
}

static uint8_t fast_register(struct xlat *u, const struct mpt_set *m, struct mpt *e)
{
    if (e->state == MPT_FREE || e->kind != MPT_FAST || e->pd != m->pd) {
        return MPT_BAD_KEY;
    }
    const uint64_t room = (uint64_t)m->pages * PAGE_BYTES - m->va % PAGE_BYTES;
    if (e->state != MPT_INVALID || m->pages > e->pages || m->pages == 0 || m->len > room) {
        return MPT_BAD_STATE;
    }
    e->va = m->va;
    e->len = m->len;
    e->pdir = m->pdir;
    e->key = m->key;
    e->access = m->access;
    e->reg = ++u->s.reg;
    e->state = MPT_VALID;
    return MPT_DONE;
}

static uint8_t apply(struct xlat *u, const struct mpt_set *m, uint32_t port, struct mpt *e)
{
    switch (m->op) {
    case MPT_CREATE: return create(u, m, e);
    case MPT_DESTROY: *e = (struct mpt){.state = MPT_FREE}; return MPT_DONE;
    case MPT_INVALIDATE: return invalidate(m, port == 2, e);
    default: return fast_register(u, m, e);
    }
}

/* --- steps of a change -------------------------------------------------------------------------
 */

static void finish(struct xlat *u, const struct tick *t, uint32_t port, uint8_t status)
{
    const struct mpt_set *const m = POP(t, u->op_in[port]);

    t->s->xlat_changes += status == MPT_DONE;
    t->s->xlat_changes_refused += status != MPT_DONE;
    PUSH(t, u->op_out[port], mpt_done, u->hit_cycles, .cookie = m->cookie, .status = status);
    u->s.op[port] = (struct xlat_op){.state = XLAT_OP_NONE};
    u->s.first_op = (port + 1) % XLAT_OPS;
}

static bool reads_entry(const struct mpt_set *m)
{
    return m->op == MPT_INVALIDATE || m->op == MPT_FAST_REG;
}

/* The key is not looked up by anybody any more. */
static bool is_quiet(const struct xlat *u, const struct xlat_op *o)
{
    if (o->state == XLAT_OP_MISS) {
        return u->miss[o->miss].state == XLAT_MISS_FILLED;
    }
    return xlat_find_key_miss(u, o->fn, o->index) == XLAT_NO_MISS && !in_use(u, o->fn, o->index);
}

/* Copies the entry as it is, or a fault status; false: it has to be read first, or a miss to be
 * free. */
static bool old_entry(struct xlat *u, const struct tick *t, struct xlat_op *o, struct mpt *e,
                      uint8_t *status)
{
    const struct mpt *const line =
        o->state == XLAT_OP_MISS ? NULL : xlat_mpt_find(u, o->fn, o->index);

    if (line != NULL) {
        *e = *line;
    } else if (o->state == XLAT_OP_MISS) {
        *status = u->miss[o->miss].status;
        memcpy(e, xlat_miss_bytes(u, t, o->miss), sizeof *e);
        xlat_miss_leave(u, o->miss);
    } else {
        const uint16_t m = xlat_miss_key(u, t, o->fn, o->index);
        if (m != XLAT_NO_MISS) {
            o->miss = m;
            o->state = XLAT_OP_MISS;
        }
        return false;
    }
    return true;
}

/* Row for a change on its way to memory, XLAT_WRITES: none free, or the wire cannot take it. */
static uint32_t free_write(const struct xlat *u, const struct tick *t)
{
    if (u->onboard != NULL) {
        return 0;
    }
    if (!READY(t, u->wr_xlat) || u->wr_xlat->ctl.pushed == t->now + 1) {
        return XLAT_WRITES;
    }
    uint32_t w = 0;
    while (w < XLAT_WRITES && u->s.write[w].busy != 0) {
        w++;
    }
    return w;
}

static void write_through(struct xlat *u, const struct tick *t, const struct xlat_op *o, uint32_t w,
                          const struct mpt *e)
{
    const uint32_t data = u->change + w * MPT_BYTES;

    if (e->state == MPT_FREE) {
        xlat_mpt_drop(u, o->fn, o->index);
    } else {
        xlat_mpt_put(u, o->fn, o->index, e);
    }
    if (u->onboard != NULL) {
        u->onboard[o->fn * t->p->hca_mr_max + o->index] = *e;
        return;
    }
    memcpy(store_at(t->store, data), e, sizeof *e);
    u->s.write[w] = (struct xlat_write){.index = o->index, .fn = o->fn, .busy = 1};
    PUSH(t, u->wr_xlat, wr_req, 0, .addr = ctx_bus(t->p, CTX_MPT, o->fn, o->index),
         .len = MPT_BYTES, .cookie = w, .flags = WR_NOTIFY, .fn = FN_ADAPTER, .cls = CLS_XLAT,
         .data = data, .slot = NO_SLOT);
}

/* The change under way at a port: one step. */
static bool step(struct xlat *u, const struct tick *t, uint32_t port)
{
    struct xlat_op *const o = &u->s.op[port];
    const struct mpt_set *const m = PEEK(u->op_in[port]);
    const uint32_t w = free_write(u, t);
    uint8_t status = DMA_OK;
    struct mpt e = {0};

    if (!is_quiet(u, o) || w == XLAT_WRITES || !READY(t, u->op_out[port])) {
        return false;
    }
    if (reads_entry(m) && !old_entry(u, t, o, &e, &status)) {
        return o->state == XLAT_OP_MISS; /* the read has just begun */
    }
    status = status != DMA_OK ? MPT_FAULT : apply(u, m, port, &e);
    if (status == MPT_DONE) {
        write_through(u, t, o, w, &e);
    }
    finish(u, t, port, status);
    return true;
}

/* A change that touches no entry. */
static bool trivial(struct xlat *u, const struct tick *t, uint32_t port, const struct mpt_set *m)
{
    if (m->op <= MPT_FAST_REG && m->key >> 8 < t->p->hca_mr_max) {
        return false;
    }
    if (READY(t, u->op_out[port])) {
        if (m->op == MPT_FLUSH) {
            xlat_forget_ring(u, m->fn, m->pdir);
        }
        finish(u, t, port, m->op == MPT_FLUSH ? MPT_DONE : MPT_BAD_KEY);
    }
    return true;
}

static bool change(struct xlat *u, const struct tick *t, uint32_t port)
{
    struct xlat_op *const o = &u->s.op[port];

    if (!VALID(t, u->op_in[port])) {
        return false;
    }
    const struct mpt_set *const m = PEEK(u->op_in[port]);
    if (trivial(u, t, port, m)) {
        return u->op_in[port]->ctl.popped == t->now + 1;
    }
    if (o->state != XLAT_OP_NONE) {
        return step(u, t, port);
    }
    *o = (struct xlat_op){.index = m->key >> 8, .fn = m->fn, .state = XLAT_OP_CLAIMED};
    (void)step(u, t, port);
    return true;
}

bool xlat_change(struct xlat *u, const struct tick *t, bool *more)
{
    bool moved = false;

    *more = false;
    for (uint32_t n = 0, p = u->s.first_op; n < XLAT_OPS; n++, p++) {
        p = p == XLAT_OPS ? 0 : p;
        moved |= change(u, t, p);
    }
    for (uint32_t p = 0; p < XLAT_OPS && moved; p++) {
        *more |= VALID(t, u->op_in[p]);
    }
    return moved;
}
