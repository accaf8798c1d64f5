#include "model/event_i.h"

/* Ring-state page of the PVRDMA ABI: the device writes the tail, software the head. */
enum { STATE_TAIL = 8, STATE_HEAD = 12, ASYNC_BYTES = 8, NOTIFY_BYTES = 4, FIRST_PAGE = 1 };

static uint32_t element_bytes(uint32_t which)
{
    return which == RING_ASYNC ? ASYNC_BYTES : NOTIFY_BYTES;
}

/* The driver computes n = 3 * 4096 / 8 or / 4 and masks with n - 1 and 2n - 1 although n is no
 * power of two; only the low run of ones of these masks has an effect (PVRDMA ABI, section 7). */
static uint32_t slots_in_effect(uint32_t n)
{
    return n == 0 ? 0 : 1U << __builtin_ctz(~(n - 1));
}

/* Page of the directory that holds the next element. */
static uint32_t page_of(const struct event_ring *r, uint32_t which)
{
    return FIRST_PAGE + (r->tail & (r->n - 1)) * element_bytes(which) / PAGE_BYTES;
}

static uint32_t used(const struct event_ring *r)
{
    return (r->tail - r->head) & (2 * r->slots - 1);
}

static void forget_kept(struct event *u, uint32_t fn)
{
    memset(&u->kept[(size_t)fn * u->words], 0, u->words * sizeof *u->kept);
    u->fn[fn].kept = 0;
}

void event_ring_set(struct event *u, const struct tick *t, const struct ring_set *m)
{
    const uint32_t which = m->which != 0 ? RING_CQ : RING_ASYNC;
    const uint32_t bytes = element_bytes(which);
    const uint32_t n = m->pages > 1 ? (m->pages - 1U) * (PAGE_BYTES / bytes) : 0;

    (void)t;
    u->fn[m->fn].ring[which] =
        (struct event_ring){.pdir = m->pdir, .n = n, .slots = slots_in_effect(n), .on = n != 0};
    if (which == RING_CQ) {
        forget_kept(u, m->fn);
    }
    if (u->s.j.state != EVENT_NONE && u->s.j.fn == m->fn && u->s.j.which == which) {
        u->s.j.dead = 1;
    }
    if (n == 0) {
        event_quiet(u, m->fn);
    }
}

/* --- notifications that found the ring full ------------------------------------------------------
 */

static void list_fn(struct event *u, const struct tick *t, uint32_t fn)
{
    u->fn[fn].ring[RING_CQ].retry_at = t->now + u->retry;
    if (u->fn[fn].listed == 0) {
        u->fn[fn].listed = 1;
        u->list[u->s.list_tail++ & u->list_mask] = (uint16_t)fn;
    }
}

static void keep(struct event *u, const struct tick *t)
{
    uint64_t *const word = &u->kept[(size_t)u->s.j.fn * u->words + u->s.j.number / 64];
    const uint64_t bit = 1ULL << u->s.j.number % 64;

    u->fn[u->s.j.fn].kept += (*word & bit) == 0;
    *word |= bit;
    t->s->event_kept++;
}

static bool take_kept(struct event *u, uint32_t fn, uint32_t *number)
{
    uint64_t *const words = &u->kept[(size_t)fn * u->words];

    for (uint32_t w = 0; u->fn[fn].kept != 0 && w < u->words; w++) {
        if (words[w] != 0) {
            *number = w * 64 + (uint32_t)__builtin_ctzll(words[w]);
            words[w] &= words[w] - 1;
            u->fn[fn].kept--;
            return true;
        }
    }
    return false;
}

static bool begin_kept(struct event *u, uint32_t fn)
{
    uint32_t number;

    if (!take_kept(u, fn, &number)) {
        return false;
    }
    memset(&u->s.j, 0, sizeof u->s.j);
    u->s.j.state = EVENT_LOOK;
    u->s.j.fn = (uint8_t)fn;
    u->s.j.which = RING_CQ;
    u->s.j.vector = u->fn[fn].cq_vector;
    u->s.j.number = number;
    u->s.j.info = number;
    return true;
}

/* --- the event under way
 * -------------------------------------------------------------------------- */

static void end(struct event *u)
{
    u->s.j.state = EVENT_NONE;
}

/* No room after all. A ring that stays full is not read again for a while. */
static void give_up(struct event *u, const struct tick *t)
{
    struct event_ring *const r = event_ring_of(u);

    if (u->s.j.which == RING_CQ) {
        keep(u, t);
        list_fn(u, t, u->s.j.fn);
    } else {
        r->retry_at = t->now + u->retry;
        t->s->event_dropped++;
    }
    end(u);
}

/* The page directory cannot be read: the ring is of no use. */
static void lose_ring(struct event *u, const struct tick *t)
{
    event_ring_of(u)->on = 0;
    t->s->event_dropped++;
    end(u);
}

static bool ask_page(struct event *u, const struct tick *t, uint32_t page, uint8_t next)
{
    if (!READY(t, u->ring_get_ev)) {
        return false;
    }
    PUSH(t, u->ring_get_ev, ring_get, 0, .pdir = event_ring_of(u)->pdir, .page = page,
         .fn = u->s.j.fn);
    u->s.j.state = next;
    return true;
}

void event_ring_got(struct event *u, const struct tick *t, const struct ring_got *m)
{
    struct event_ring *const r = event_ring_of(u);

    hca_assert(u->s.j.state == EVENT_STATE || u->s.j.state == EVENT_PAGE);
    if (u->s.j.dead != 0) {
        end(u);
        return;
    }
    if (m->status != DMA_OK) {
        lose_ring(u, t);
        return;
    }
    if (u->s.j.state == EVENT_STATE) {
        r->state_bus = m->addr;
        r->known = 1;
    } else {
        r->page_bus = m->addr;
        r->page = page_of(r, u->s.j.which);
    }
    u->s.j.state = EVENT_LOOK;
}

static bool ask_head(struct event *u, const struct tick *t)
{
    if (!READY(t, u->rd_req_ev)) {
        return false;
    }
    PUSH(t, u->rd_req_ev, rd_req, 0, .addr = event_ring_of(u)->state_bus + STATE_HEAD, .len = 4,
         .fn = u->s.j.fn, .cls = CLS_EVENT, .data = u->head);
    u->s.j.state = EVENT_HEAD;
    return true;
}

/* A head outside of its range makes the ring look full. */
void event_head_got(struct event *u, const struct tick *t, const struct rd_rsp *m)
{
    struct event_ring *const r = event_ring_of(u);
    uint32_t head;

    hca_assert(u->s.j.state == EVENT_HEAD);
    memcpy(&head, store_at(t->store, u->head), sizeof head);
    u->s.j.head_read = 1;
    u->s.j.state = u->s.j.dead != 0 ? EVENT_NONE : EVENT_LOOK;
    if (u->s.j.dead == 0 && m->status == DMA_OK && head < 2 * r->slots &&
        ((r->tail - head) & (2 * r->slots - 1)) <= r->slots) {
        r->head = head;
    }
}

static bool write_element(struct event *u, const struct tick *t)
{
    struct event_ring *const r = event_ring_of(u);
    const uint32_t slot = r->tail & (r->n - 1);
    const uint32_t bytes = element_bytes(u->s.j.which);
    const uint32_t word[2] = {u->s.j.type, u->s.j.info};

    if (!event_can_write(u, t)) {
        return false;
    }
    memcpy(event_buf(u, t), u->s.j.which == RING_ASYNC ? &word[0] : &word[1], bytes);
    event_write(u, t, u->s.j.fn, r->page_bus + slot * bytes % PAGE_BYTES, bytes, CLS_EVENT);
    r->tail = (r->tail + 1) & (2 * r->n - 1);
    u->s.j.state = EVENT_TAIL;
    return true;
}

/* Where the element goes is found out step by step; then it is written. */
static bool look(struct event *u, const struct tick *t)
{
    struct event_ring *const r = event_ring_of(u);

    if (u->s.j.dead != 0 || r->on == 0) {
        t->s->event_dropped++;
        end(u);
        return true;
    }
    if (r->known == 0) {
        return ask_page(u, t, 0, EVENT_STATE);
    }
    if (used(r) == r->slots && (u->s.j.head_read != 0 || t->now < r->retry_at)) {
        give_up(u, t);
        return true;
    }
    if (used(r) == r->slots) {
        return ask_head(u, t);
    }
    if (r->page != page_of(r, u->s.j.which)) {
        return ask_page(u, t, page_of(r, u->s.j.which), EVENT_PAGE);
    }
    r->retry_at = 0;
    return write_element(u, t);
}

static bool write_tail(struct event *u, const struct tick *t)
{
    struct event_ring *const r = event_ring_of(u);

    if (u->s.j.dead != 0) {
        end(u);
        return true;
    }
    if (!event_can_write(u, t)) {
        return false;
    }
    memcpy(event_buf(u, t), &r->tail, sizeof r->tail);
    event_write(u, t, u->s.j.fn, r->state_bus + STATE_TAIL, 4, CLS_EVENT);
    event_raise(u, t, u->s.j.fn, u->s.j.vector, u->s.j.which == RING_CQ);
    t->s->event_async += u->s.j.which == RING_ASYNC;
    t->s->event_notified += u->s.j.which == RING_CQ;
    end(u);
    if (u->s.j.which == RING_CQ && used(r) < r->slots) { /* go on as long as there is room */
        (void)begin_kept(u, u->s.j.fn);
    }
    return true;
}

/* The function that waits longest, when its time has come. */
bool event_retry(struct event *u, const struct tick *t)
{
    if (u->s.j.state != EVENT_NONE || u->s.list_head == u->s.list_tail) {
        return false;
    }
    const uint32_t fn = u->list[u->s.list_head & u->list_mask];

    if (u->fn[fn].ring[RING_CQ].retry_at > t->now) {
        return false;
    }
    u->s.list_head++;
    u->fn[fn].listed = 0;
    (void)begin_kept(u, fn);
    return true;
}

bool event_job(struct event *u, const struct tick *t)
{
    switch (u->s.j.state) {
    case EVENT_LOOK: return look(u, t);
    case EVENT_TAIL: return write_tail(u, t);
    default: return false;
    }
}
