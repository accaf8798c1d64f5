/* context_cache.c: the entries of the three caches and their bytes. */
#include "model/context.h"

uint32_t context_bytes(unsigned kind)
{
    return kind == CTX_QP ? QPC_BYTES : kind == CTX_CQ ? CQC_BYTES : SRQC_BYTES;
}

static void open_cache(struct ctx_cache *c, struct opening *o, uint64_t entries, uint64_t ways,
                       uint32_t reserve)
{
    const uint32_t all = (uint32_t)entries + reserve;

    c->entries = (uint32_t)entries;
    c->ways = (uint32_t)(ways < entries ? ways : entries);
    c->set_mask = c->entries / c->ways - 1; /* param_rule.def: a power of two of sets */
    c->reserve = reserve;
    c->tag = arena_take(o->a, all * sizeof *c->tag);
    c->used = arena_take(o->a, all * sizeof *c->used);
    c->pins = arena_take(o->a, all * sizeof *c->pins);
    c->flags = arena_take(o->a, all * sizeof *c->flags);
}

void context_cache_open(struct context *u, struct opening *o)
{
    const struct hca_param *const p = o->p;

    open_cache(&u->cache[CTX_QP], o, p->hca_qp_cache_entries, p->hca_qp_cache_ways, CTX_RESERVE);
    open_cache(&u->cache[CTX_CQ], o, p->hca_cq_cache_entries, p->hca_cq_cache_ways, 0);
    open_cache(&u->cache[CTX_SRQ], o, p->hca_srq_cache_entries, p->hca_srq_cache_ways, 0);
    o->ctx->qp = arena_take(o->a, (p->hca_qp_cache_entries + CTX_RESERVE) * sizeof *o->ctx->qp);
    o->ctx->cq = arena_take(o->a, p->hca_cq_cache_entries * sizeof *o->ctx->cq);
    o->ctx->srq = arena_take(o->a, p->hca_srq_cache_entries * sizeof *o->ctx->srq);
    u->write = store_take(o, CTX_WRITES * QPC_BYTES);
    if (p->hca_context_store == HCA_HCA_CONTEXT_STORE_ONBOARD) {
        u->board = arena_take(o->a, ctx_bus(p, CTX_MPT, 0, 0) - CTX_BUS);
        u->board_cycles = (uint32_t)ns_cycles(p, p->hca_onboard_read_ns);
    }
}

static uint32_t set_of(const struct ctx_cache *c, uint32_t number)
{
    /* functions use the same low handles: an odd stride keeps them apart */
    return ((number + number / QP_ROUND * 37) & c->set_mask) * c->ways;
}

uint32_t context_find(const struct context *u, unsigned kind, uint32_t number)
{
    const struct ctx_cache *const c = &u->cache[kind];
    const uint32_t set = set_of(c, number);

    for (uint32_t cx = set; cx < set + c->ways; cx++) {
        if (c->tag[cx] == number + 1) {
            return cx;
        }
    }
    for (uint32_t cx = c->entries; cx < c->entries + c->reserve; cx++) {
        if (c->tag[cx] == number + 1) {
            return cx;
        }
    }
    return NO_CX;
}

/* Empty entry, else the unpinned one that was pinned longest ago, of [from, from + n). */
static uint32_t oldest(const struct ctx_cache *c, uint32_t from, uint32_t n)
{
    uint32_t best = NO_CX;

    for (uint32_t cx = from; cx < from + n; cx++) {
        if (c->tag[cx] == 0) {
            return cx;
        }
        if (c->pins[cx] == 0 && (c->flags[cx] & (CTX_EXCL | CTX_BUSY)) == 0 &&
            (best == NO_CX || c->used[cx] < c->used[best])) {
            best = cx;
        }
    }
    return best;
}

static void *bytes_of(const struct tick *t, unsigned kind, uint32_t cx, size_t *size)
{
    switch (kind) {
    case CTX_QP: *size = sizeof *t->ctx->qp; return &t->ctx->qp[cx];
    case CTX_CQ: *size = sizeof *t->ctx->cq; return &t->ctx->cq[cx];
    default: *size = sizeof *t->ctx->srq; return &t->ctx->srq[cx];
    }
}

void context_load(const struct tick *t, unsigned kind, uint32_t cx, const uint8_t *image)
{
    size_t size;
    void *const bytes = bytes_of(t, kind, cx, &size);

    if (image == NULL) {
        memset(bytes, 0, size);
    } else {
        memcpy(bytes, image, size);
    }
}

bool context_exists(const struct tick *t, unsigned kind, uint32_t cx)
{
    switch (kind) {
    case CTX_QP: return t->ctx->qp[cx].s.type != 0;
    case CTX_CQ: return t->ctx->cq[cx].s.ring.entries != 0;
    default: return t->ctx->srq[cx].s.ring.entries != 0;
    }
}

uint8_t *context_board(const struct context *u, const struct tick *t, unsigned kind,
                       uint32_t number)
{
    return u->board + (ctx_bus(t->p, kind, number / QP_ROUND, number % QP_ROUND) - CTX_BUS);
}

bool context_writing(const struct context *u, unsigned kind, uint32_t number)
{
    for (uint32_t i = 0; i < CTX_WRITES; i++) {
        if (u->s.write_number[i] == number + 1 && u->s.write_kind[i] == kind) {
            return true;
        }
    }
    return false;
}

/* Starts the write-back of entry cx; false: no place for it now. */
static bool write_back(struct context *u, const struct tick *t, unsigned kind, uint32_t cx)
{
    const uint32_t number = u->cache[kind].tag[cx] - 1;
    const uint32_t len = context_bytes(kind);
    size_t size;
    const void *const bytes = bytes_of(t, kind, cx, &size);
    uint32_t slot = 0;

    if (u->board != NULL) {
        memcpy(context_board(u, t, kind, number), bytes, size);
        t->s->context_written++;
        return true;
    }
    while (slot < CTX_WRITES && u->s.write_number[slot] != 0) {
        slot++;
    }
    if (slot == CTX_WRITES || !READY(t, u->wr_ctx) || u->wr_ctx->ctl.pushed == t->now + 1) {
        return false;
    }
    const uint32_t data = u->write + slot * QPC_BYTES;
    memset(store_at(t->store, data), 0, len);
    memcpy(store_at(t->store, data), bytes, size);
    u->s.write_number[slot] = number + 1;
    u->s.write_kind[slot] = (uint8_t)kind;
    PUSH(t, u->wr_ctx, wr_req, 0, .addr = ctx_bus(t->p, kind, number / QP_ROUND, number % QP_ROUND),
         .len = len, .cookie = slot, .flags = WR_NOTIFY, .fn = FN_ADAPTER, .cls = CLS_CONTEXT,
         .data = data, .slot = NO_SLOT);
    t->s->context_written++;
    return true;
}

uint32_t context_victim(struct context *u, const struct tick *t, const struct ctx_miss *m)
{
    struct ctx_cache *const c = &u->cache[m->kind];
    uint32_t cx = oldest(c, set_of(c, m->number), c->ways);

    if (cx == NO_CX && m->urgent) {
        cx = oldest(c, c->entries, c->reserve);
    }
    if (cx == NO_CX) {
        return NO_CX;
    }
    if ((c->flags[cx] & CTX_DIRTY) != 0 && !write_back(u, t, m->kind, cx)) {
        return NO_CX;
    }
    c->tag[cx] = 0;
    c->flags[cx] = 0;
    return cx;
}
