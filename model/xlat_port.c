/* xlat: messages in and out of the queues of the ports. */
#include "model/xlat.h"

static struct xlat_req *append(struct xlat *u, uint32_t p)
{
    struct xlat_req *const r = &u->s.req[p][u->s.tail[p]++ % XLAT_QUEUE];

    u->s.busy |= 1U << p;
    *r = (struct xlat_req){.state = XLAT_KEY};
    return r;
}

/* Index of the message of the oldest or next request among those of a pair of ports. */
static uint32_t at(uint32_t p, uint32_t i)
{
    return (p & 1) * XLAT_QUEUE + i % XLAT_QUEUE;
}

/* --- in ----------------------------------------------------------------------------------------
 */

static void take_job(struct xlat *u, const struct tick *t, uint32_t p)
{
    struct pkt *const m = &u->job[at(p, u->s.tail[p])];
    struct xlat_req *const r = append(u, p);

    *m = *POP(t, p == XLAT_TX ? u->tx_job : u->rsp_job);
    r->addr = m->addr;
    r->key = m->lkey;
    r->pd = m->pd;
    r->len = m->len;
    r->access = m->source == SRC_RESPONDER ? ACC_REMOTE_READ : ACC_LOCAL_READ;
    r->fn = m->fn;
    r->status = m->status;
    if (m->len == 0 || m->status != 0 ||
        (m->flags & (TXF_NO_PAYLOAD | TXF_INLINE | TXF_FENCE)) != 0) {
        r->state = XLAT_DONE;
    }
}

static void take_place(struct xlat *u, const struct tick *t, uint32_t p)
{
    struct place *const m = &u->place[at(p, u->s.tail[p])];
    struct xlat_req *const r = append(u, p);

    *m = *POP(t, p == XLAT_RX ? u->rx_place : u->ack_place);
    r->addr = m->addr;
    r->key = m->key;
    r->pd = m->pd;
    r->len = m->len;
    r->access =
        m->access & (ACC_LOCAL_WRITE | ACC_REMOTE_WRITE | ACC_REMOTE_READ | ACC_REMOTE_ATOMIC);
    r->fn = m->fn;
    r->status = m->status;
    r->check_only = (m->flags & PLACE_CHECK_ONLY) != 0;
    if (m->len == 0 || m->status != 0) {
        r->state = XLAT_DONE;
    }
}

static uint32_t ring_row(uint8_t fn, uint64_t pdir)
{
    return ((uint32_t)(pdir / PAGE_BYTES) ^ fn * 37U) % XLAT_REG_ROWS;
}

static void take_ring(struct xlat *u, const struct tick *t, uint32_t p)
{
    struct xlat_req *const r = append(u, p);
    const struct ring_get *const m = POP(t, u->ring_in[p - XLAT_WQE]);

    r->state = XLAT_PAGE;
    r->pdir = m->pdir;
    r->page = m->page & 0x3ffff;
    r->reg = u->ring_reg[ring_row(m->fn, m->pdir)];
    r->cookie = m->cookie;
    r->fn = m->fn;
}

void xlat_forget_ring(struct xlat *u, uint8_t fn, uint64_t pdir)
{
    u->ring_reg[ring_row(fn, pdir)]++;
}

bool xlat_can_take(const struct xlat *u, const struct tick *t, uint32_t p)
{
    return fifo_valid(u->in[p], t->now) && u->in[p]->popped != t->now + 1 &&
           u->s.tail[p] - u->s.head[p] < XLAT_QUEUE;
}

bool xlat_take(struct xlat *u, const struct tick *t, uint32_t p)
{
    if (!xlat_can_take(u, t, p)) {
        return false;
    }
    if (p <= XLAT_RSP) {
        take_job(u, t, p);
    } else if (p <= XLAT_ACK) {
        take_place(u, t, p);
    } else {
        take_ring(u, t, p);
    }
    return true;
}

/* --- out ---------------------------------------------------------------------------------------
 */

static bool head_done(const struct xlat *u, uint32_t p)
{
    return u->s.head[p] != u->s.tail[p] &&
           u->s.req[p][u->s.head[p] % XLAT_QUEUE].state == XLAT_DONE;
}

static struct xlat_req *remove_head(struct xlat *u, uint32_t p)
{
    struct xlat_req *const r = &u->s.req[p][u->s.head[p]++ % XLAT_QUEUE];

    if (u->s.head[p] == u->s.tail[p]) {
        u->s.busy &= ~(1U << p);
    }
    return r;
}

bool xlat_can_give(const struct xlat *u, uint32_t p)
{
    return head_done(u, p) && fifo_level(u->out[p]) < u->out[p]->depth &&
           (p > XLAT_RSP || u->s.inside == 0 || u->s.owner == p);
}

/* Bytes that lie in no receive slot are the result of an atomic: real without sim.payload too. */
static uint8_t place_class(const struct store *s, const struct place *m)
{
    return m->data - s->rx < s->rx_pool.n * s->slot_bytes ? CLS_PAYLOAD : CLS_ATOMIC;
}

static void give_write(struct xlat *u, const struct tick *t, const struct place *m,
                       const struct xlat_req *r)
{
    uint16_t flags = t->p->hca_relaxed_ordering ? WR_RO : 0;

    flags |= (m->flags & PLACE_NOTIFY) != 0 ? WR_NOTIFY : 0;
    flags |= (m->flags & PLACE_FREE_RX) != 0 ? WR_FREE_RX : 0;
    PUSH(t, u->ack_placed, wr_req, u->hit_cycles, .addr = r->addr,
         .len = r->check_only != 0 ? 0 : m->len, .cookie = m->cookie, .flags = flags, .fn = m->fn,
         .cls = place_class(t->store, m), .status = r->status, .mid = m->mid, .data = m->data,
         .slot = m->slot);
}

static void give_place(struct xlat *u, const struct tick *t, uint32_t p)
{
    struct place *const m = &u->place[at(p, u->s.head[p])];
    const struct xlat_req *const r = remove_head(u, p);

    t->s->xlat_refused += r->status != 0;
    if (p == XLAT_ACK) {
        give_write(u, t, m, r);
        return;
    }
    m->addr = r->addr;
    m->status = r->status;
    PASS(t, u->rx_placed, place, u->hit_cycles, m);
}

bool xlat_give(struct xlat *u, const struct tick *t, uint32_t p)
{
    if (!head_done(u, p) || !fifo_ready(u->out[p], t->now)) {
        return false;
    }
    if (p <= XLAT_ACK) {
        give_place(u, t, p);
        return true;
    }
    const struct xlat_req *const r = remove_head(u, p);
    PUSH(t, u->ring_out[p - XLAT_WQE], ring_got, u->hit_cycles,
         .addr = r->status == DMA_OK ? r->addr : 0, .cookie = r->cookie, .status = r->status);
    return true;
}

/* The port whose piece goes to rd_job: packets are whole, the ports take turns by packet. */
static uint32_t next_job(const struct xlat *u)
{
    const uint32_t other = XLAT_RSP - u->s.owner;

    return u->s.inside == 0 && head_done(u, other) ? other : u->s.owner;
}

bool xlat_give_job(struct xlat *u, const struct tick *t)
{
    const uint32_t p = next_job(u);

    if (!head_done(u, p) || !READY(t, u->rd_job)) {
        return false;
    }
    struct pkt *const m = &u->job[at(p, u->s.head[p])];
    const struct xlat_req *const r = remove_head(u, p);
    const bool last = (m->flags & (TXF_LAST_PIECE | TXF_NO_PAYLOAD | TXF_FENCE)) != 0;
    t->s->xlat_refused += r->status != 0 && m->status == 0;
    u->s.failed = u->s.inside == 0 || u->s.failed == 0 ? r->status : u->s.failed;
    m->addr = r->addr;
    m->status = u->s.failed;
    if (last && m->source == SRC_REQUESTER) {
        STAMP(t, xlat, translated, m->mid, t->now + u->hit_cycles);
    }
    PASS(t, u->rd_job, pkt, u->hit_cycles, m);
    u->s.owner = (uint8_t)p;
    u->s.inside = !last;
    return true;
}
