/* dma_read: read requests to PCIe. */
#include "model/dma_read.h"

/* Inputs with a request that may leave now. */
static uint32_t eligible(const struct dma_read *u, const struct tick *t)
{
    uint32_t ready = 0;

    for (uint32_t set = u->s.issue_set; set != 0; set &= set - 1) {
        const uint32_t i = (uint32_t)__builtin_ctz(set);
        ready |= (uint32_t)(u->job[u->s.issuing[i].first].ready_at <= t->now) << i;
    }
    return ready;
}

/* Requests of one entry: one, or a train as long as tags and train_tlps_max allow while nobody
 * else waits (docs/adr/0006-trains.md). */
static uint32_t train(const struct dma_read *u, uint32_t ready)
{
    if ((ready & (ready - 1)) != 0) {
        return 1;
    }
    return u->train_most < u->s.tags_free ? u->train_most : u->s.tags_free;
}

static uint32_t take_tag(struct dma_read *u, uint16_t job, uint32_t bytes, uint32_t tlps)
{
    const uint32_t i = u->free_tag[u->s.tag_head];

    u->s.tag_head = u->s.tag_head + 1 == u->tags ? 0 : u->s.tag_head + 1;
    u->s.tag_numbers--;
    u->s.tags_free -= tlps;
    u->tag[i] = (struct dma_read_tag){.left = bytes, .job = job, .tlps = (uint16_t)tlps};
    return i;
}

static void stamp_issued(const struct dma_read *u, const struct tick *t,
                         const struct dma_read_job *j)
{
    if (j->client != DMA_READ_PACKETS) {
        return;
    }
    if (u->packet[j->packet].p.source == SRC_RESPONDER) {
        STAMP(t, dma_read, rsp_issued, j->mid, t->now);
    } else {
        STAMP(t, dma_read, dma_issued, j->mid, t->now);
    }
}

/* Sends the next entry of the oldest read of input i, at most n requests. */
static void send(struct dma_read *u, const struct tick *t, uint32_t i, uint32_t n)
{
    const uint16_t job = u->s.issuing[i].first;
    struct dma_read_job *const j = &u->job[job];
    const uint32_t most = n << u->mrrs_shift;
    const uint32_t page = PAGE_BYTES - (uint32_t)(j->addr % PAGE_BYTES);
    uint32_t bytes = j->left < most ? j->left : most;

    bytes = bytes < page ? bytes : page;
    const uint32_t tlps = (bytes + (1U << u->mrrs_shift) - 1) >> u->mrrs_shift;
    PUSH(t, u->up_rd, tlp, 0, .addr = j->addr, .len = bytes, .left = bytes,
         .tag = (uint16_t)(u->tag_base + take_tag(u, job, bytes, tlps)), .tlps = (uint16_t)tlps,
         .fn = j->fn, .type = TLP_MRD, .cls = j->cls, .t_in = t->now, .data = j->data,
         .slot = NO_SLOT);
    t->s->dma_read_tlps += tlps;
    t->s->dma_read_bytes += bytes;
    (void)serial_take(&u->s.issue, t->now, tlps);
    j->addr += bytes;
    j->data += bytes;
    j->left -= bytes;
    j->open++;
    if (j->left == 0) {
        stamp_issued(u, t, j);
        (void)dma_read_remove(u, u->s.issuing, &u->s.issue_set, i);
    }
}

bool dma_read_issue(struct dma_read *u, const struct tick *t)
{
    if (u->s.issue_set == 0 || u->s.tags_free == 0 || t->now < u->s.issue.free_at ||
        !READY(t, u->up_rd)) {
        return false;
    }
    const uint32_t ready = eligible(u, t);
    if (ready == 0) {
        return false;
    }
    const uint32_t i = dma_read_turn(ready, u->s.next_issue);
    send(u, t, i, train(u, ready));
    u->s.next_issue = i + 1 == DMA_READ_INPUTS ? 0 : i + 1;
    return true;
}
