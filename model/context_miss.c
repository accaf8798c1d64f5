/* context_miss.c: contexts on their way into the cache, or held exclusively, and who waits for
 * them. */
#include "model/context.h"

enum { WAITERS_PER_MISS = 8 };

void context_miss_open(struct context *u, struct opening *o)
{
    u->misses = (uint32_t)o->p->hca_context_miss_entries;
    u->waiters = u->misses * WAITERS_PER_MISS;
    u->miss = arena_take(o->a, u->misses * sizeof *u->miss);
    u->active = arena_take(o->a, u->misses * sizeof *u->active);
    u->free_miss = arena_take(o->a, u->misses * sizeof *u->free_miss);
    u->waiter = arena_take(o->a, u->waiters * sizeof *u->waiter);
    u->free_waiter = arena_take(o->a, u->waiters * sizeof *u->free_waiter);
    u->fill = store_take(o, u->misses * QPC_BYTES);
    if (u->free_waiter == NULL || u->free_miss == NULL) {
        return;
    }
    for (uint32_t i = 0; i < u->misses; i++) {
        u->free_miss[u->s.free_miss++] = (uint16_t)(u->misses - 1 - i);
    }
    for (uint32_t i = 0; i < u->waiters; i++) {
        u->free_waiter[u->s.free_waiter++] = (uint16_t)(u->waiters - 1 - i);
    }
}

struct ctx_miss *context_miss_find(const struct context *u, unsigned kind, uint32_t number)
{
    for (uint32_t i = 0; i < u->s.active; i++) {
        struct ctx_miss *const m = &u->miss[u->active[i]];
        if (m->number == number && m->kind == kind) {
            return m;
        }
    }
    return NULL;
}

struct ctx_miss *context_miss_new(struct context *u, unsigned kind, uint32_t number, uint32_t cx)
{
    if (u->s.free_miss == 0 || u->s.free_waiter == 0) {
        return NULL;
    }
    const uint16_t i = u->free_miss[--u->s.free_miss];
    u->active[u->s.active++] = i;
    if (cx != NO_CX) {
        u->cache[kind].flags[cx] |= CTX_BUSY;
    }
    u->miss[i] = (struct ctx_miss){
        .number = number,
        .kind = (uint8_t)kind,
        .cx = (uint16_t)cx,
        .state = cx == NO_CX ? MISS_VICTIM : MISS_SERVE,
    };
    return &u->miss[i];
}

struct ctx_waiter *context_wait(struct context *u, struct ctx_miss *m, unsigned client)
{
    if (u->s.free_waiter == 0) {
        return NULL;
    }
    const uint16_t i = u->free_waiter[--u->s.free_waiter];
    struct ctx_waiter *const w = &u->waiter[i];

    w->next = 0;
    w->client = (uint8_t)client;
    if (m->first == 0) {
        m->first = (uint16_t)(i + 1);
    } else {
        u->waiter[m->last - 1].next = (uint16_t)(i + 1);
    }
    m->last = (uint16_t)(i + 1);
    m->urgent |= client != CC_GRANT;
    return w;
}

static void forget_waiter(struct context *u, struct ctx_miss *m)
{
    const uint16_t i = (uint16_t)(m->first - 1);

    m->first = u->waiter[i].next;
    u->free_waiter[u->s.free_waiter++] = i;
}

/* The context has arrived (image NULL: it is being created) or could not be read. */
static void filled(struct context *u, const struct tick *t, struct ctx_miss *m,
                   const uint8_t *image)
{
    context_load(t, m->kind, m->cx, image);
    u->cache[m->kind].used[m->cx] = t->now;
    m->state = MISS_SERVE;
}

bool context_sink(struct context *u, const struct tick *t)
{
    bool moved = false;

    if (VALID(t, u->wr_done_ctx)) {
        u->s.write_number[POP(t, u->wr_done_ctx)->cookie] = 0;
        moved = true;
    }
    if (VALID(t, u->rd_rsp_ctx)) {
        const struct rd_rsp *const r = POP(t, u->rd_rsp_ctx);
        struct ctx_miss *const m = &u->miss[r->cookie];
        hca_assert(m->state == MISS_WAIT);
        t->s->context_faults += r->status != DMA_OK;
        filled(u, t, m,
               r->status == DMA_OK ? store_at(t->store, u->fill + r->cookie * QPC_BYTES) : NULL);
        moved = true;
    }
    return moved;
}

/* Finds an entry and starts the read into it. */
static bool allocate(struct context *u, const struct tick *t, struct ctx_miss *m)
{
    const uint32_t cx = context_victim(u, t, m);

    if (cx == NO_CX) {
        return false;
    }
    u->cache[m->kind].tag[cx] = m->number + 1;
    u->cache[m->kind].flags[cx] = CTX_BUSY;
    m->cx = (uint16_t)cx;
    if (m->create) {
        filled(u, t, m, NULL);
    } else if (u->board != NULL) {
        m->state = MISS_TIME;
        m->ready_at = t->now + u->board_cycles;
    } else {
        m->state = MISS_READ;
    }
    return true;
}

static bool read_memory(struct context *u, const struct tick *t, struct ctx_miss *m)
{
    if (context_writing(u, m->kind, m->number) || !READY(t, u->rd_req_ctx) ||
        u->rd_req_ctx->ctl.pushed == t->now + 1) {
        return false;
    }
    const uint32_t i = (uint32_t)(m - u->miss);
    PUSH(t, u->rd_req_ctx, rd_req, 0,
         .addr = ctx_bus(t->p, m->kind, m->number / QP_ROUND, m->number % QP_ROUND),
         .len = context_bytes(m->kind), .cookie = (uint16_t)i, .fn = FN_ADAPTER, .cls = CLS_CONTEXT,
         .data = u->fill + i * QPC_BYTES);
    m->state = MISS_WAIT;
    return true;
}

/* Answers waiters in their order as far as outputs and holders allow. */
static bool serve_waiters(struct context *u, const struct tick *t, struct ctx_miss *m)
{
    bool moved = false;

    while (m->first != 0) {
        const struct ctx_waiter *const w = &u->waiter[m->first - 1];
        if (context_serve(u, t, w->client, &w->m, m->cx) != CS_ANSWERED) {
            break;
        }
        forget_waiter(u, m);
        moved = true;
    }
    return moved;
}

static bool advance(struct context *u, const struct tick *t, struct ctx_miss *m)
{
    bool moved = false;

    if (m->state == MISS_VICTIM) {
        moved = allocate(u, t, m);
    }
    if (m->state == MISS_TIME && m->ready_at <= t->now) {
        filled(u, t, m, context_board(u, t, m->kind, m->number));
        moved = true;
    }
    if (m->state == MISS_READ) {
        moved |= read_memory(u, t, m);
    }
    if (m->state == MISS_SERVE) {
        moved |= serve_waiters(u, t, m);
    }
    return moved;
}

bool context_misses(struct context *u, const struct tick *t, uint32_t from, bool *left,
                    uint64_t *wake)
{
    uint32_t kept = from;
    bool moved = false;

    for (uint32_t i = from; i < u->s.active; i++) {
        const uint16_t index = u->active[i];
        struct ctx_miss *const m = &u->miss[index];
        moved |= advance(u, t, m);
        if (m->first == 0) {
            u->cache[m->kind].flags[m->cx] &= (uint8_t)~CTX_BUSY;
            u->free_miss[u->s.free_miss++] = index;
            continue;
        }
        u->active[kept++] = index;
        if (m->state == MISS_TIME) {
            *wake = m->ready_at < *wake ? m->ready_at : *wake;
        } else {
            *left |= m->state != MISS_WAIT;
        }
    }
    u->s.active = kept;
    return moved;
}
