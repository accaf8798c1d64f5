/* dma_read: completions, and handing on what they finish. */
#include "model/dma_read.h"

/* Requester: the bytes cannot be sent, local protection error. Responder: remote operational
 * error. Source: IBTA Vol 1, 9.9.2.4.2 and 11.6.2; decisions 24 */
static uint8_t packet_status(const struct pkt *p)
{
    return p->source == SRC_RESPONDER ? WC_REM_OP : WC_LOC_PROT;
}

static void piece_complete(struct dma_read *u, const struct tick *t, const struct dma_read_job *j)
{
    struct dma_read_packet *const p = &u->packet[j->packet];

    p->open--;
    if (j->status != DMA_OK && p->p.status == 0) {
        p->p.status = packet_status(&p->p);
    }
    if (p->open == 0 && p->whole != 0) {
        if (p->p.source == SRC_RESPONDER) {
            STAMP(t, dma_read, rsp_read, p->p.mid, t->now);
        } else {
            STAMP(t, dma_read, dma_done, p->p.mid, t->now);
        }
    }
}

static void job_complete(struct dma_read *u, const struct tick *t, uint16_t job)
{
    const struct dma_read_job *const j = &u->job[job];

    if (j->client == DMA_READ_PACKETS) {
        piece_complete(u, t, j);
        dma_read_free(u, job);
    } else {
        dma_read_append(u, u->s.answering, &u->s.answer_set, j->client, job);
    }
}

static void free_tag(struct dma_read *u, uint32_t i)
{
    const uint32_t at = u->s.tag_head + u->s.tag_numbers;

    u->free_tag[at < u->tags ? at : at - u->tags] = (uint16_t)i;
    u->s.tag_numbers++;
    u->s.tags_free += u->tag[i].tlps;
    u->tag[i].left = 0;
}

/* Status of the completion; one whose sizes contradict the request ends it as an abort. */
static uint8_t judge(const struct dma_read_tag *tag, const struct tlp *m)
{
    if (m->status != DMA_OK) {
        return m->status;
    }
    return m->len == 0 || m->len > tag->left || m->left != tag->left ? DMA_CA : DMA_OK;
}

bool dma_read_complete(struct dma_read *u, const struct tick *t)
{
    if (!VALID(t, u->pcie_in)) {
        return false;
    }
    const struct tlp *const m = POP(t, u->pcie_in);
    const uint32_t i = m->tag - u->tag_base;

    if (i >= u->tags || u->tag[i].left == 0) {
        t->s->dma_read_unexpected++;
        return true;
    }
    struct dma_read_tag *const tag = &u->tag[i];
    struct dma_read_job *const j = &u->job[tag->job];
    const uint8_t status = judge(tag, m);
    t->s->dma_read_completions++;
    if (status != DMA_OK) {
        t->s->dma_read_errors++;
        j->status = j->status == DMA_OK ? status : j->status;
    } else if (m->len < tag->left) {
        tag->left -= m->len;
        return true;
    }
    free_tag(u, i);
    j->open--;
    if (j->open == 0 && j->left == 0) {
        job_complete(u, t, tag->job);
    }
    return true;
}

/* Cycles until a finished read of some bytes has been handed on. */
static uint64_t hand_on(struct dma_read *u, const struct tick *t, uint32_t bytes)
{
    return u->s.hand.num == 0 ? 0 : serial_take(&u->s.hand, t->now, bytes) - t->now;
}

static bool deliver_packet(struct dma_read *u, const struct tick *t)
{
    struct dma_read_packet *const p = &u->packet[u->s.head & (u->packets - 1)];

    if (!dma_read_gathered(u) || !READY(t, u->rd_done)) {
        return false;
    }
    PASS(t, u->rd_done, pkt, hand_on(u, t, p->read != 0 ? p->p.plen : 0), &p->p);
    u->s.head++;
    return true;
}

bool dma_read_deliver(struct dma_read *u, const struct tick *t)
{
    bool moved = deliver_packet(u, t);

    for (uint32_t set = u->s.answer_set; set != 0; set &= set - 1) {
        const uint32_t c = (uint32_t)__builtin_ctz(set);
        if (READY(t, u->rsp[c])) {
            const uint16_t job = dma_read_remove(u, u->s.answering, &u->s.answer_set, c);
            const struct dma_read_job *const j = &u->job[job];
            PUSH(t, u->rsp[c], rd_rsp, hand_on(u, t, j->bytes), .cookie = j->cookie,
                 .status = j->status);
            u->s.out[c]--;
            dma_read_free(u, job);
            moved = true;
        }
    }
    return moved;
}
