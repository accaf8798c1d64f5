/* xlat: misses under way, their reads, and the walk from page directory to page table.
 *
 * A miss keeps its bytes until every waiter has looked at them, so a waiter makes progress however
 * small the caches are. */
#include "model/xlat.h"

void xlat_miss_open(struct xlat *u, struct opening *o)
{
    const struct hca_param *const p = o->p;
    const size_t n = p->hca_xlat_miss_entries;

    u->misses = (uint32_t)n;
    u->miss = arena_take(o->a, n * sizeof *u->miss);
    u->free_miss = arena_take(o->a, n * sizeof *u->free_miss);
    u->to_read = arena_take(o->a, n * sizeof *u->to_read);
    u->on_board = arena_take(o->a, n * sizeof *u->on_board);
    u->fill_bytes = u->fetch * 8 > MPT_BYTES ? u->fetch * 8 : MPT_BYTES;
    u->fill = store_take(o, (uint32_t)n * u->fill_bytes);
    u->onboard_cycles = (uint32_t)ns_cycles(p, p->hca_onboard_read_ns);
    u->s.misses_free = u->misses;
    for (uint32_t i = 0; i < u->misses && u->free_miss != NULL; i++) {
        u->free_miss[i] = (uint16_t)(u->misses - 1 - i);
    }
    if (p->hca_context_store == HCA_HCA_CONTEXT_STORE_ONBOARD) {
        u->onboard = arena_take(o->a, p->hca_fn_max * p->hca_mr_max * sizeof *u->onboard);
    }
}

static void append(const struct xlat *u, uint16_t *ring, uint32_t head, uint32_t *count, uint16_t m)
{
    const uint32_t at = head + (*count)++;

    ring[at < u->misses ? at : at - u->misses] = m;
}

static uint16_t first(const struct xlat *u, const uint16_t *ring, uint32_t *head, uint32_t *count)
{
    const uint16_t m = ring[*head];

    *head = *head + 1 == u->misses ? 0 : *head + 1;
    (*count)--;
    return m;
}

static uint16_t begin(struct xlat *u, const struct xlat_miss *fresh)
{
    const uint16_t m = u->free_miss[--u->s.misses_free];

    u->miss[m] = *fresh;
    u->miss[m].waiters = 1;
    return m;
}

const uint8_t *xlat_miss_bytes(const struct xlat *u, const struct tick *t, uint16_t m)
{
    return store_at(t->store, u->fill + m * u->fill_bytes);
}

void xlat_miss_leave(struct xlat *u, uint16_t m)
{
    if (--u->miss[m].waiters == 0) {
        u->miss[m].state = XLAT_MISS_FREE;
        u->free_miss[u->s.misses_free++] = m;
    }
}

/* --- keys --------------------------------------------------------------------------------------
 */

uint16_t xlat_find_key_miss(const struct xlat *u, uint8_t fn, uint32_t index)
{
    for (uint16_t m = 0; m < u->misses && u->s.misses_free != u->misses; m++) {
        const struct xlat_miss *const x = &u->miss[m];
        if (x->state != XLAT_MISS_FREE && x->tag.space == 0 && x->index == index && x->fn == fn) {
            return m;
        }
    }
    return XLAT_NO_MISS;
}

/* A read must not be sent while a change of the same entry is on its way to memory. */
bool xlat_can_miss_key(const struct xlat *u, uint8_t fn, uint32_t index)
{
    return xlat_find_key_miss(u, fn, index) != XLAT_NO_MISS ||
           (u->s.misses_free != 0 && !xlat_writing(u, fn, index));
}

uint16_t xlat_miss_key(struct xlat *u, const struct tick *t, uint8_t fn, uint32_t index)
{
    uint16_t m = xlat_find_key_miss(u, fn, index);

    if (m != XLAT_NO_MISS) {
        u->miss[m].waiters++;
        return m;
    }
    if (!xlat_can_miss_key(u, fn, index)) {
        return XLAT_NO_MISS;
    }
    m = begin(u, &(struct xlat_miss){.state = XLAT_MISS_MPT,
                                     .fn = fn,
                                     .index = index,
                                     .ready_at = t->now + u->onboard_cycles});
    if (u->onboard != NULL) {
        append(u, u->on_board, u->s.board_head, &u->s.boards, m);
    } else {
        append(u, u->to_read, u->s.read_head, &u->s.reads_due, m);
    }
    return m;
}

/* --- pages -------------------------------------------------------------------------------------
 */

static uint16_t find_page_miss(const struct xlat *u, const struct xlat_tag *tag)
{
    for (uint16_t m = 0; m < u->misses && u->s.misses_free != u->misses; m++) {
        const struct xlat_tag *const x = &u->miss[m].tag;
        if (u->miss[m].state != XLAT_MISS_FREE && x->line == tag->line && x->reg == tag->reg &&
            x->space == tag->space && x->pdir == tag->pdir) {
            return m;
        }
    }
    return XLAT_NO_MISS;
}

bool xlat_can_miss_page(const struct xlat *u, const struct xlat_tag *tag)
{
    return u->s.misses_free != 0 || find_page_miss(u, tag) != XLAT_NO_MISS;
}

uint16_t xlat_miss_page(struct xlat *u, const struct xlat_req *r, const struct xlat_tag *tag)
{
    uint16_t m = find_page_miss(u, tag);

    if (m != XLAT_NO_MISS) {
        u->miss[m].waiters++;
        return m;
    }
    if (u->s.misses_free == 0) {
        return XLAT_NO_MISS;
    }
    m = begin(
        u, &(struct xlat_miss){.state = XLAT_MISS_DIR, .fn = r->fn, .tag = *tag, .page = r->page});
    append(u, u->to_read, u->s.read_head, &u->s.reads_due, m);
    return m;
}

/* Where the page table of a page lies: the directory entry; its low 12 bits carry nothing. */
static uint64_t table_of(const struct xlat *u, uint32_t page, const void *line)
{
    uint64_t entry;

    memcpy(&entry, (const uint8_t *)line + (size_t)(page >> 9 & (u->fetch - 1)) * 8, sizeof entry);
    return entry & ~(uint64_t)(PAGE_BYTES - 1);
}

/* The directory line may have come since for a neighbour. */
static void skip_directory(struct xlat *u, struct xlat_miss *x)
{
    const struct xlat_tag tag = xlat_dir_tag(u, &x->tag, x->page);
    const uint64_t *const line = x->state == XLAT_MISS_DIR ? xlat_mtt_find(u, &tag) : NULL;

    if (line != NULL) {
        x->table = table_of(u, x->page, line);
        x->state = XLAT_MISS_TABLE;
    }
}

/* --- reads -------------------------------------------------------------------------------------
 */

static bool can_read(const struct xlat *u)
{
    return u->s.reads_due != 0 && u->s.reads < u->rd_rsp_xlat->ctl.depth;
}

bool xlat_read(struct xlat *u, const struct tick *t)
{
    if (!can_read(u) || !READY(t, u->rd_req_xlat)) {
        return false;
    }
    const uint16_t m = first(u, u->to_read, &u->s.read_head, &u->s.reads_due);
    struct xlat_miss *const x = &u->miss[m];
    const uint32_t line_bytes = u->fetch * 8;
    const uint64_t in_line = ~(uint64_t)(line_bytes - 1);
    uint64_t addr;

    skip_directory(u, x);
    if (x->state == XLAT_MISS_MPT) {
        addr = ctx_bus(t->p, CTX_MPT, x->fn, x->index);
    } else if (x->state == XLAT_MISS_DIR) {
        addr =
            (x->tag.pdir & ~(uint64_t)(PAGE_BYTES - 1)) + ((uint64_t)(x->page >> 9) * 8 & in_line);
        t->s->xlat_walks++;
    } else {
        addr = x->table + ((uint64_t)(x->page & 511) * 8 & in_line);
    }
    const bool key = x->state == XLAT_MISS_MPT;
    PUSH(t, u->rd_req_xlat, rd_req, 0, .addr = addr, .len = key ? MPT_BYTES : line_bytes,
         .cookie = m, .fn = key ? FN_ADAPTER : x->fn, .cls = CLS_XLAT,
         .data = u->fill + m * u->fill_bytes);
    u->s.reads++;
    return true;
}

static void filled(struct xlat *u, const struct tick *t, uint16_t m, uint8_t status)
{
    struct xlat_miss *const x = &u->miss[m];
    const uint8_t *const bytes = xlat_miss_bytes(u, t, m);

    if (status != DMA_OK) {
        x->state = XLAT_MISS_FILLED;
        x->status = status;
    } else if (x->state == XLAT_MISS_MPT) {
        struct mpt e;
        memcpy(&e, bytes, sizeof e);
        xlat_mpt_put(u, x->fn, x->index, &e);
        x->state = XLAT_MISS_FILLED;
    } else if (x->state == XLAT_MISS_DIR) {
        const struct xlat_tag tag = xlat_dir_tag(u, &x->tag, x->page);
        xlat_mtt_put(u, &tag, bytes);
        x->table = table_of(u, x->page, bytes);
        x->state = XLAT_MISS_TABLE;
        append(u, u->to_read, u->s.read_head, &u->s.reads_due, m);
    } else {
        xlat_mtt_put(u, &x->tag, bytes);
        x->state = XLAT_MISS_FILLED;
    }
}

static bool board_ready(const struct xlat *u, const struct tick *t)
{
    return u->s.boards != 0 && u->miss[u->on_board[u->s.board_head]].ready_at <= t->now;
}

bool xlat_fill(struct xlat *u, const struct tick *t)
{
    bool moved = false;

    if (VALID(t, u->rd_rsp_xlat)) {
        const struct rd_rsp *const m = POP(t, u->rd_rsp_xlat);
        u->s.reads--;
        filled(u, t, m->cookie, m->status);
        moved = true;
    }
    if (board_ready(u, t)) {
        const uint16_t m = first(u, u->on_board, &u->s.board_head, &u->s.boards);
        const struct xlat_miss *const x = &u->miss[m];
        memcpy(store_at(t->store, u->fill + m * u->fill_bytes),
               &u->onboard[x->fn * t->p->hca_mr_max + x->index], sizeof *u->onboard);
        filled(u, t, m, DMA_OK);
        moved = true;
    }
    return moved;
}

uint64_t xlat_miss_wake(const struct xlat *u, const struct tick *t)
{
    if (can_read(u) && fifo_level(&u->rd_req_xlat->ctl) < u->rd_req_xlat->ctl.depth) {
        return t->now + 1;
    }
    if (u->s.boards == 0) {
        return HCA_NEVER;
    }
    const uint64_t at = u->miss[u->on_board[u->s.board_head]].ready_at;
    return at <= t->now ? t->now + 1 : at;
}
