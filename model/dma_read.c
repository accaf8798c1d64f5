#include "model/dma_read.h"

static void open_wires(struct dma_read *u)
{
    struct wire_rd_req *const req[DMA_READ_CLIENTS] = {
        u->rd_req_cmd, u->rd_req_ctx, u->rd_req_wqe, u->rd_req_xlat,
        u->rd_req_rsp, u->rd_req_cq,  u->rd_req_ev,  u->rd_req_bench};
    struct wire_rd_rsp *const rsp[DMA_READ_CLIENTS] = {
        u->rd_rsp_cmd, u->rd_rsp_ctx, u->rd_rsp_wqe, u->rd_rsp_xlat,
        u->rd_rsp_rsp, u->rd_rsp_cq,  u->rd_rsp_ev,  u->rd_rsp_bench};

    memcpy(u->req, req, sizeof req);
    memcpy(u->rsp, rsp, sizeof rsp);
    for (uint32_t i = 0; i < DMA_READ_CLIENTS; i++) {
        u->in[i] = &req[i]->ctl;
    }
    u->in[DMA_READ_PACKETS] = &u->rd_job->ctl;
}

/* 10-bit tags do not use the values below 256. Source: PCIe Base 4.0, 2.2.6.2 */
static void open_tags(struct dma_read *u, struct opening *o)
{
    const uint64_t tags = o->p->hca_dma_read_tags;

    u->tags = (uint32_t)(tags < o->p->pcie_tags ? tags : o->p->pcie_tags);
    u->tag_base = u->tags > 256 ? 256 : 0;
    u->tag = arena_take(o->a, u->tags * sizeof *u->tag);
    u->free_tag = arena_take(o->a, u->tags * sizeof *u->free_tag);
    u->s.tags_free = u->tags;
    u->s.tag_numbers = u->tags;
    for (uint32_t i = 0; i < u->tags && u->free_tag != NULL; i++) {
        u->free_tag[i] = (uint16_t)i;
    }
}

static void open_jobs(struct dma_read *u, struct opening *o)
{
    u->jobs = (uint32_t)o->p->hca_dma_read_jobs;
    u->job = arena_take(o->a, u->jobs * sizeof *u->job);
    u->s.jobs_free = u->jobs;
    for (uint32_t i = 0; i < u->jobs && u->job != NULL; i++) {
        u->job[i].next = (uint16_t)(i + 1);
    }
}

/* A packet for each slot, and room for packets that need none. */
static void open_packets(struct dma_read *u, struct opening *o)
{
    u->packets = 16;
    while (u->packets < 2 * o->store->tx_pool.n) {
        u->packets *= 2;
    }
    u->packet = arena_take(o->a, u->packets * sizeof *u->packet);
}

void dma_read_open(struct dma_read *u, struct opening *o)
{
    const uint64_t clock_khz = o->p->core_clock_khz;

    open_wires(u);
    open_tags(u, o);
    open_jobs(u, o);
    open_packets(u, o);
    u->mrrs_shift = (uint32_t)__builtin_ctzll(o->p->pcie_mrrs_bytes);
    hca_assert(o->p->pcie_mrrs_bytes == 1ULL << u->mrrs_shift);
    u->train_most = (uint32_t)o->p->sim_train_tlps_max;
    u->engine_cycles =
        (uint32_t)ns_cycles(o->p, o->p->hca_dma_engine_ns + o->p->hca_dma_read_extra_ns);
    u->s.issue.num = o->p->hca_dma_issue_interval_ps * clock_khz;
    u->s.issue.den = 1000000000;
    u->s.hand.num = o->p->hca_dma_store_mbps == 0 ? 0 : 8 * clock_khz;
    u->s.hand.den = o->p->hca_dma_store_mbps == 0 ? 1 : 1000 * o->p->hca_dma_store_mbps;
}

void dma_read_append(struct dma_read *u, struct dma_read_list *l, uint32_t *set, uint32_t i,
                     uint16_t job)
{
    if ((*set >> i & 1) == 0) {
        l[i].first = job;
    } else {
        u->job[l[i].last].next = job;
    }
    l[i].last = job;
    *set |= 1U << i;
}

uint16_t dma_read_remove(struct dma_read *u, struct dma_read_list *l, uint32_t *set, uint32_t i)
{
    const uint16_t job = l[i].first;

    if (job == l[i].last) {
        *set &= ~(1U << i);
    }
    l[i].first = u->job[job].next;
    return job;
}

void dma_read_free(struct dma_read *u, uint16_t job)
{
    u->job[job].next = (uint16_t)u->s.job_free;
    u->s.job_free = job;
    u->s.jobs_free++;
}

static bool full(const struct fifo *f)
{
    return fifo_level(f) == f->depth;
}

/* Cycle from which a request could leave without any event on a wire. */
static uint64_t issue_wake(const struct dma_read *u, const struct tick *t)
{
    uint64_t at = HCA_NEVER;

    if (u->s.issue_set == 0 || u->s.tags_free == 0 || full(&u->up_rd->ctl)) {
        return HCA_NEVER;
    }
    for (uint32_t set = u->s.issue_set; set != 0; set &= set - 1) {
        const struct dma_read_job *const j = &u->job[u->s.issuing[__builtin_ctz(set)].first];
        at = j->ready_at < at ? j->ready_at : at;
    }
    at = at < u->s.issue.free_at ? u->s.issue.free_at : at;
    return at <= t->now ? t->now + 1 : at;
}

static bool can_deliver(const struct dma_read *u)
{
    if (dma_read_gathered(u) && !full(&u->rd_done->ctl)) {
        return true;
    }
    for (uint32_t set = u->s.answer_set; set != 0; set &= set - 1) {
        if (!full(&u->rsp[__builtin_ctz(set)]->ctl)) {
            return true;
        }
    }
    return false;
}

struct act dma_read_tick(struct dma_read *u, const struct tick *t)
{
    bool more;
    bool moved = dma_read_complete(u, t);
    const bool finished = u->s.answer_set != 0 || dma_read_gathered(u);

    if (finished) {
        moved |= dma_read_deliver(u, t);
    }
    moved |= dma_read_issue(u, t);
    const bool taken = dma_read_accept(u, t, &more);
    moved |= taken;
    if (more || ((finished || taken) && can_deliver(u))) { /* nothing else finishes a read */
        return (struct act){moved, t->now + 1};
    }
    return (struct act){moved, issue_wake(u, t)};
}
