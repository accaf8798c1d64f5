/* dma_read: new reads and pieces of packets. */
#include "model/dma_read.h"

#include "model/packet/headers.h"

static uint16_t new_job(struct dma_read *u, const struct tick *t)
{
    const uint16_t job = (uint16_t)u->s.job_free;

    u->s.job_free = u->job[job].next;
    u->s.jobs_free--;
    u->job[job] = (struct dma_read_job){.ready_at = t->now + u->engine_cycles};
    return job;
}

static void take_request(struct dma_read *u, const struct tick *t, uint32_t c)
{
    const struct rd_req *const m = POP(t, u->req[c]);
    const uint16_t job = new_job(u, t);
    struct dma_read_job *const j = &u->job[job];

    j->addr = m->addr;
    j->left = m->len;
    j->bytes = m->len;
    j->data = m->data;
    j->cookie = m->cookie;
    j->client = (uint8_t)c;
    j->fn = m->fn;
    j->cls = m->cls;
    u->s.out[c]++;
    t->s->dma_read_requests++;
    if (m->len == 0) { /* nothing to read: answered without a TLP */
        dma_read_append(u, u->s.answering, &u->s.answer_set, c, job);
    } else {
        dma_read_append(u, u->s.issuing, &u->s.issue_set, c, job);
    }
}

/* Whether the bytes of a piece come over PCIe. */
static bool is_read(const struct pkt *m)
{
    return m->status == 0 && m->len != 0 &&
           (m->flags & (TXF_INLINE | TXF_NO_PAYLOAD | TXF_FENCE)) == 0;
}

static bool ends_packet(const struct pkt *m)
{
    return (m->flags & (TXF_LAST_PIECE | TXF_NO_PAYLOAD | TXF_FENCE)) != 0;
}

static bool can_take_piece(const struct dma_read *u, const struct tick *t)
{
    const struct pkt *const m = PEEK(u->rd_job);

    if (is_read(m) && u->s.jobs_free == 0) {
        return false;
    }
    if (u->s.inside != 0) {
        return true;
    }
    return u->s.tail - u->s.head < u->packets &&
           ((m->flags & TXF_FENCE) != 0 || pool_ready(&t->store->tx_pool, t->now));
}

static struct dma_read_packet *start_packet(struct dma_read *u, const struct tick *t,
                                            const struct pkt *m)
{
    struct dma_read_packet *const p = &u->packet[u->s.tail++ & (u->packets - 1)];

    *p = (struct dma_read_packet){.p = *m};
    p->p.slot = (m->flags & TXF_FENCE) != 0 ? NO_SLOT : pool_take(&t->store->tx_pool, t->k);
    t->s->dma_read_packets++;
    return p;
}

/* Store offset of a byte of the payload of a packet. */
static uint32_t payload_at(const struct store *s, const struct dma_read_packet *p,
                           const struct pkt *m)
{
    hca_assert(m->off + m->len <= s->slot_bytes - PKT_HEADROOM - PKT_TAILROOM);
    return s->tx + p->p.slot * s->slot_bytes + PKT_HEADROOM + m->off;
}

static void read_piece(struct dma_read *u, const struct tick *t, struct dma_read_packet *p,
                       const struct pkt *m)
{
    const uint16_t job = new_job(u, t);
    struct dma_read_job *const j = &u->job[job];

    j->addr = m->addr;
    j->left = m->len;
    j->bytes = m->len;
    j->data = payload_at(t->store, p, m);
    j->packet = (uint32_t)(p - u->packet);
    j->mid = ends_packet(m) ? p->p.mid : 0;
    j->client = DMA_READ_PACKETS;
    j->fn = m->fn;
    j->cls = CLS_PAYLOAD;
    p->open++;
    p->read = 1;
    dma_read_append(u, u->s.issuing, &u->s.issue_set, DMA_READ_PACKETS, job);
}

/* The record holds the bytes of all packets of its message: the last packet gives it back. */
static void copy_piece(const struct tick *t, struct dma_read_packet *p, const struct pkt *m)
{
    if (m->status == 0 && t->p->sim_payload) {
        memcpy(store_at(t->store, payload_at(t->store, p, m)),
               store_at(t->store, t->store->wqe_raw + m->rec * WQE_RAW_MAX + (uint32_t)m->addr),
               m->len);
    }
    if ((m->flags & TXF_LAST_OF_MSG) != 0) {
        pool_give(&t->store->wqe_pool, t->k, m->rec);
    }
    p->p.rec = NO_SLOT;
}

static void take_piece(struct dma_read *u, const struct tick *t)
{
    const struct pkt *const m = POP(t, u->rd_job);
    struct dma_read_packet *const p =
        u->s.inside != 0 ? &u->packet[(u->s.tail - 1) & (u->packets - 1)] : start_packet(u, t, m);

    p->p.mid = p->p.mid > m->mid ? p->p.mid : m->mid;
    p->p.mid_first = p->p.mid_first > m->mid_first ? p->p.mid_first : m->mid_first;
    p->p.flags |= m->flags;
    p->p.status = p->p.status != 0 ? p->p.status : m->status;
    if (is_read(m)) {
        read_piece(u, t, p, m);
    } else if ((m->flags & TXF_INLINE) != 0) {
        copy_piece(t, p, m);
    }
    p->whole = ends_packet(m);
    u->s.inside = !ends_packet(m);
}

/* Inputs with a message to be seen. Collected as bits of those without one, from the last on: fewer
 * instructions than a shift for each. */
static uint32_t visible(const struct dma_read *u, const struct tick *t)
{
    uint32_t empty = 0;

    for (uint32_t i = DMA_READ_INPUTS; i-- > 0;) {
        empty = 2 * empty + (t->now < u->in[i]->head_at);
    }
    return empty ^ ((1U << DMA_READ_INPUTS) - 1);
}

/* The response wire bounds what a client may have under way. */
static bool can_take(const struct dma_read *u, const struct tick *t, uint32_t i)
{
    return i == DMA_READ_PACKETS ? can_take_piece(u, t)
                                 : u->s.jobs_free != 0 && u->s.out[i] < u->rsp[i]->ctl.depth;
}

/* Takes the first message that can be taken, round robin. *more: another one can be next cycle. */
bool dma_read_accept(struct dma_read *u, const struct tick *t, bool *more)
{
    uint32_t set = visible(u, t);
    bool taken = false;

    *more = false;
    for (uint32_t from = u->s.next_accept; set != 0 && !*more;) {
        const uint32_t i = dma_read_turn(set, from);
        set &= ~(1U << i);
        if (!can_take(u, t, i)) {
            continue;
        }
        if (taken) {
            *more = true;
        } else if (i == DMA_READ_PACKETS) {
            take_piece(u, t);
        } else {
            take_request(u, t, i);
        }
        from = (i + 1) % DMA_READ_INPUTS;
        u->s.next_accept = taken ? u->s.next_accept : from;
        taken = true;
    }
    return taken;
}
