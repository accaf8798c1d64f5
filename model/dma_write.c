#include "model/dma_write.h"

static uint32_t longest_interval_ps(const struct hca_param *p)
{
    return (uint32_t)(p->hca_dma_write_interval_ps > p->hca_dma_issue_interval_ps
                          ? p->hca_dma_write_interval_ps
                          : p->hca_dma_issue_interval_ps);
}

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

void dma_write_open(struct dma_write *u, struct opening *o)
{
    struct wire_wr_req *const in[DMA_WRITE_CLIENTS] = {u->wr_cmd,  u->wr_ctx,     u->wr_wqe,
                                                       u->wr_xlat, u->ack_placed, u->rx_write,
                                                       u->wr_cqe,  u->wr_event,   u->wr_bench};
    struct wire_wr_done *const done[DMA_WRITE_CLIENTS] = {
        u->wr_done_cmd, u->wr_done_ctx, NULL,       u->wr_done_xlat, u->ack_done,
        u->rx_done,     u->cqe_done,    u->ev_done, u->bench_written};

    memcpy(u->in, in, sizeof in);
    memcpy(u->done, done, sizeof done);
    u->jobs = (uint32_t)o->p->hca_dma_write_jobs;
    u->job = arena_take(o->a, u->jobs * sizeof *u->job);
    u->mps_shift = (uint32_t)__builtin_ctzll(o->p->pcie_mps_bytes);
    hca_assert(o->p->pcie_mps_bytes == 1ULL << u->mps_shift);
    u->entry_most = least((uint32_t)o->p->sim_train_tlps_max << u->mps_shift, PAGE_BYTES);
    u->entry_bytes = o->p->sim_train_tlps_max > 1 ? PAGE_BYTES : (uint32_t)o->p->pcie_mps_bytes;
    u->copy = store_take(o, (u->up_wr->ctl.mask + 1) * u->entry_bytes);
    u->engine_cycles = (uint32_t)ns_cycles(o->p, o->p->hca_dma_engine_ns);
    u->s.issue.num = longest_interval_ps(o->p) * o->p->core_clock_khz;
    u->s.issue.den = 1000000000;
}

/* Bytes in a receive slot outlive the request: pcie frees the slot behind the last of them. */
static bool in_rx_slot(const struct store *s, uint32_t data)
{
    return data - s->rx < s->rx_pool.n * s->slot_bytes;
}

/* Store offset from which pcie will take the bytes of the entry about to be pushed. A place is used
 * again only after its entry left the wire. */
static uint32_t keep_bytes(struct dma_write *u, const struct tick *t, const struct dma_write_job *j,
                           uint32_t bytes)
{
    if (in_rx_slot(t->store, j->data) || (j->flags & WR_NO_DATA) != 0) {
        return j->data;
    }
    const uint32_t place = u->copy + (u->up_wr->ctl.tail & u->up_wr->ctl.mask) * u->entry_bytes;
    if (j->cls != CLS_PAYLOAD || t->p->sim_payload) {
        memcpy(store_at(t->store, place), store_at(t->store, j->data), bytes);
    }
    return place;
}

/* Bytes of the next entry: TLPs of MPS, up to train_tlps_max of them, within one 4 KiB page. */
static uint32_t cut(const struct dma_write *u, const struct dma_write_job *j)
{
    const uint32_t page = PAGE_BYTES - (uint32_t)(j->addr % PAGE_BYTES);

    return least(j->left, least(page, u->entry_most));
}

/* False: it retires without an entry. */
static bool writes(const struct dma_write_job *j)
{
    return j->status == 0 && j->left != 0;
}

static bool notifies(const struct dma_write *u, const struct dma_write_job *j)
{
    return (j->flags & WR_NOTIFY) != 0 && u->done[j->client] != NULL;
}

static void retire(struct dma_write *u, const struct tick *t, const struct dma_write_job *j)
{
    if (notifies(u, j)) {
        PUSH(t, u->done[j->client], wr_done, 0, .cookie = j->cookie, .status = j->status);
    }
    u->s.head = u->s.head + 1 == u->jobs ? 0 : u->s.head + 1;
    u->s.count--;
}

/* A request that writes nothing: zero length, or refused by the translation. Its slot is free once
 * pcie has taken the pieces before it. */
static bool retire_empty(struct dma_write *u, const struct tick *t, const struct dma_write_job *j)
{
    const bool frees = (j->flags & WR_FREE_RX) != 0;
    const struct fifo *const up = &u->up_wr->ctl;

    if (frees && fifo_level(up) + (up->popped == t->now + 1) != 0) {
        return false;
    }
    if (frees) {
        pool_give(&t->store->rx_pool, t->k, j->slot);
    }
    t->s->dma_write_refused += j->status != 0;
    retire(u, t, j);
    return true;
}

static void stamp_sent(const struct tick *t, const struct dma_write_job *j)
{
    if (j->cls == CLS_PAYLOAD || j->cls == CLS_ATOMIC) {
        STAMP(t, dma_write, placed, j->mid, t->now);
    } else if (j->cls == CLS_CQE) {
        STAMP(t, dma_write, cqe_sent, j->mid, t->now);
    }
}

static void send(struct dma_write *u, const struct tick *t, struct dma_write_job *j, uint32_t bytes)
{
    const uint32_t tlps = (bytes + (1U << u->mps_shift) - 1) >> u->mps_shift;
    const bool last = bytes == j->left;
    const bool message = j->cls == CLS_INTERRUPT;
    const bool relaxed = j->cls == CLS_PAYLOAD && (j->flags & WR_RO) != 0;
    const uint32_t data = keep_bytes(u, t, j, bytes);
    uint32_t value = 0;

    if (message) {
        memcpy(&value, store_at(t->store, j->data), sizeof value);
    }
    PUSH(t, u->up_wr, tlp, 0, .addr = j->addr, .value = value, .len = bytes, .tlps = (uint16_t)tlps,
         .fn = j->fn, .type = message ? TLP_MSI : TLP_MWR, .cls = j->cls,
         .attr = relaxed ? TLP_ATTR_RO : 0, .t_in = t->now, .mid = last ? j->mid : 0, .data = data,
         .slot = last && (j->flags & WR_FREE_RX) != 0 ? j->slot : NO_SLOT);
    t->s->dma_write_tlps += tlps;
    t->s->dma_write_bytes += bytes;
    (void)serial_take(&u->s.issue, t->now, tlps);
    j->addr += bytes;
    j->data += bytes;
    j->left -= bytes;
    if (last) {
        stamp_sent(t, j);
        retire(u, t, j);
    }
}

static bool issue(struct dma_write *u, const struct tick *t)
{
    struct dma_write_job *const j = &u->job[u->s.head];

    if (u->s.count == 0 || t->now < j->ready_at) {
        return false;
    }
    if (!writes(j)) {
        return (!notifies(u, j) || READY(t, u->done[j->client])) && retire_empty(u, t, j);
    }
    if (t->now < u->s.issue.free_at || !READY(t, u->up_wr)) {
        return false;
    }
    const uint32_t bytes = cut(u, j);
    if (bytes == j->left && notifies(u, j) && !READY(t, u->done[j->client])) {
        return false;
    }
    send(u, t, j, bytes);
    return true;
}

static void take(struct dma_write *u, const struct tick *t, uint32_t client)
{
    const struct wr_req *const m = POP(t, u->in[client]);
    const uint32_t at = u->s.head + u->s.count;

    u->job[at < u->jobs ? at : at - u->jobs] = (struct dma_write_job){
        .addr = m->addr,
        .ready_at = t->now + u->engine_cycles,
        .left = m->len,
        .data = m->data,
        .cookie = m->cookie,
        .mid = m->mid,
        .flags = m->flags,
        .slot = m->slot,
        .client = (uint8_t)client,
        .fn = m->fn,
        .cls = m->cls,
        .status = m->status,
    };
    u->s.count++;
    t->s->dma_write_requests++;
}

/* Clients with a request to be seen. Collected as bits of those without one, from the last on:
 * fewer instructions than a shift for each. */
static uint32_t visible(const struct dma_write *u, const struct tick *t)
{
    uint32_t empty = 0;

    for (uint32_t c = DMA_WRITE_CLIENTS; c-- > 0;) {
        empty = 2 * empty + (t->now < u->in[c]->ctl.head_at);
    }
    return empty ^ ((1U << DMA_WRITE_CLIENTS) - 1);
}

/* Takes one request, round robin. *more: another one can be taken next cycle. */
static bool accept(struct dma_write *u, const struct tick *t, bool *more)
{
    const uint32_t set = u->s.count < u->jobs ? visible(u, t) : 0;
    const uint32_t behind = set >> u->s.next << u->s.next;

    *more = false;
    if (set == 0) {
        return false;
    }
    const uint32_t c = (uint32_t)__builtin_ctz(behind != 0 ? behind : set);
    take(u, t, c);
    u->s.next = c + 1 == DMA_WRITE_CLIENTS ? 0 : c + 1;
    *more = u->s.count < u->jobs && (set & ~(1U << c)) != 0;
    return true;
}

static bool full(const struct fifo *f)
{
    return fifo_level(f) == f->depth;
}

/* Cycle from which the oldest job could go on by itself; a full wire wakes by its pop. */
static uint64_t job_wake(const struct dma_write *u, const struct tick *t)
{
    const struct dma_write_job *const j = &u->job[u->s.head];
    uint64_t at = t->now + 1;

    if (u->s.count == 0) {
        return HCA_NEVER;
    }
    if (writes(j) && full(&u->up_wr->ctl)) {
        return HCA_NEVER;
    }
    if (notifies(u, j) && full(&u->done[j->client]->ctl) && (!writes(j) || cut(u, j) == j->left)) {
        return HCA_NEVER;
    }
    at = writes(j) && at < u->s.issue.free_at ? u->s.issue.free_at : at;
    return at < j->ready_at ? j->ready_at : at;
}

struct act dma_write_tick(struct dma_write *u, const struct tick *t)
{
    bool more;
    const bool sent = issue(u, t);
    const bool taken = accept(u, t, &more);

    return (struct act){sent || taken, more ? t->now + 1 : job_wake(u, t)};
}
