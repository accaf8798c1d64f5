#include "model/root.h"

#include "model/host_mem.h"

void root_open(struct root *u, struct opening *o)
{
    const struct hca_param *const p = o->p;

    u->ports = (uint32_t)p->host_hcas;
    hca_assert(u->ports <= ROOT_PORTS_MAX);
    u->queue_max = 2;
    while (u->queue_max < p->pcie_tags) {
        u->queue_max *= 2;
    }
    u->queue = arena_take(o->a, (size_t)u->ports * u->queue_max * sizeof *u->queue);
    u->latency = ns_cycles(p, p->pcie_latency_down_ns);
    u->write_delay = ns_cycles(p, p->pcie_mmio_write_ns);
    u->read_delay = ns_cycles(p, p->pcie_mmio_read_ns / 2);
    u->answer_delay = ns_cycles(p, p->pcie_mmio_read_ns - p->pcie_mmio_read_ns / 2);
    u->credit_delay = ns_cycles(p, p->pcie_credit_return_ns);
    u->fc_limit = hca_param_fc_limit_ps(p) * p->core_clock_khz / 1000000000;
    u->ph_due = tlp_credits_due(p->pcie_posted_header_credits);
    u->pd_due = tlp_credits_due(p->pcie_posted_data_credits);
    u->nph_due = tlp_credits_due(p->pcie_np_header_credits);
    u->rcb = (uint32_t)p->pcie_rcb_bytes;
    u->cpl_most =
        p->pcie_cpl_chunk == HCA_PCIE_CPL_CHUNK_RCB ? u->rcb : (uint32_t)p->pcie_mps_bytes;
    u->train = (uint32_t)p->sim_train_tlps_max;
    for (uint32_t h = 0; h < u->ports; h++) {
        u->s.port[h].line = tlp_line(p);
        u->s.port[h].fc_at = HCA_NEVER;
        u->s.port[h].mmio = root_mmio_credits(p);
    }
    u->s.fc_at = HCA_NEVER;
}

void root_queue(struct root *u, const struct tick *t, const struct tlp *m, uint8_t status)
{
    struct root_port *const q = &u->s.port[m->hca];
    struct tlp *const e = &u->queue[m->hca * u->queue_max + (q->tail++ & (u->queue_max - 1))];

    *e = *m;
    e->at = t->now;
    e->status = status;
    u->s.busy |= 1U << m->hca;
}

/* The answer to an MMIO read pushes older posted writes before it (PCIe Base 4.0, 2.4.1: no
 * completion passes a posted request), so it goes their way and comes back from memory. */
ROOT_RARE static void pass_answer(struct root *u, const struct tick *t)
{
    const struct mmio_rsp *const m = POP(t, u->up_mmio);

    PUSH(t, u->io_req, tlp, 0, .type = TLP_CPL, .addr = HOST_MSI_BASE, .value = m->data,
         .tag = m->tag, .len = m->len, .fn = m->fn, .hca = m->hca, .slot = NO_SLOT,
         .rid = (uint16_t)((m->hca + 1U) << 8 | m->fn), .mid = m->mid);
}

/* True: an answer waits and no older request of an adapter is before it. */
static bool answer_is_next(const struct root *u, const struct tick *t)
{
    return VALID(t, u->up_mmio) &&
           (!VALID(t, u->up_tlp) || PEEK(u->up_mmio)->at < PEEK(u->up_tlp)->at);
}

/* An answer that is back from memory. */
ROOT_RARE static void give_answer(struct root *u, const struct tick *t, const struct tlp *m)
{
    const uint64_t delay = u->answer_delay == 0 ? 0 : u->answer_delay - 1;

    PUSH(t, u->cpu_rd, mmio_rsp, delay, .data = m->value, .tag = m->tag, .hca = m->hca, .fn = m->fn,
         .len = (uint8_t)m->len, .mid = m->mid);
}

/* Completions are always sunk: an adapter has no more reads in flight than tags. */
static bool sink_done(struct root *u, const struct tick *t)
{
    const struct tlp *const m = PEEK(u->mem_done);
    const bool answer = m->type == TLP_CPL;

    if (answer ? !READY(t, u->cpu_rd) : !root_room(u, m->hca)) {
        return false;
    }
    (void)POP(t, u->mem_done);
    if (answer) {
        give_answer(u, t, m);
    } else {
        root_queue(u, t, m, m->status);
    }
    return true;
}

ROOT_RARE static bool sink_fault(struct root *u, const struct tick *t)
{
    if (!root_room(u, PEEK(u->io_fault)->hca)) {
        return false;
    }
    root_queue(u, t, POP(t, u->io_fault), DMA_UR);
    return true;
}

static bool malformed(const struct tlp *m)
{
    return m->type != TLP_MSI &&
           (m->len == 0 || (m->addr & (PAGE_BYTES - 1)) + m->len > PAGE_BYTES);
}

ROOT_RARE static void refuse(struct root *u, const struct tick *t, const struct tlp *m)
{
    t->s->root_malformed++;
    if (m->type == TLP_MRD) {
        root_queue(u, t, m, DMA_UR);
    } else if (m->slot != NO_SLOT) {
        pool_give(&t->store->rx_pool, t->k, m->slot);
    }
}

static void owe(struct root *u, const struct tick *t, const struct tlp *m)
{
    const struct tlp_credits c = tlp_credits(t->p, m);
    struct root_port *const q = &u->s.port[m->hca];
    bool much;

    if (m->type == TLP_MRD) {
        q->owed.nph += c.nph;
        much = q->owed.nph >= u->nph_due;
    } else {
        q->owed.ph += c.ph;
        q->owed.pd += c.pd;
        much = q->owed.ph >= u->ph_due || q->owed.pd >= u->pd_due;
    }
    if (q->fc_at > t->now) {
        q->fc_at = much ? t->now : q->fc_next;
        u->s.fc_at = q->fc_at < u->s.fc_at ? q->fc_at : u->s.fc_at;
    }
}

/* The receive buffer is up_tlp: what leaves it gives its credits back. */
static bool forward(struct root *u, const struct tick *t)
{
    if (!READY(t, u->io_req)) {
        return false;
    }
    if (answer_is_next(u, t)) {
        pass_answer(u, t);
        return true;
    }
    const struct tlp *const m = PEEK(u->up_tlp);
    hca_assert(m->hca < u->ports);
    const bool bad = malformed(m);
    if (bad && m->type == TLP_MRD && !root_room(u, m->hca)) {
        return false;
    }
    (void)POP(t, u->up_tlp);
    if (bad) {
        refuse(u, t, m);
    } else {
        t->s->root_up_requests++;
        PASS(t, u->io_req, tlp, 0, m);
    }
    owe(u, t, m);
    return true;
}

/* An UpdateFC gives back what was freed since the last one: at once when the last is long ago or
 * much is owed, else when the limit for it is reached. */
static void return_credits(struct root *u, const struct tick *t, uint32_t h)
{
    struct root_port *const q = &u->s.port[h];
    const uint64_t delay = u->credit_delay == 0 ? 0 : u->credit_delay - 1;

    PUSH(t, u->fc_out, credit, delay, .ph = (uint16_t)q->owed.ph, .pd = (uint16_t)q->owed.pd,
         .nph = (uint16_t)q->owed.nph, .hca = (uint8_t)h);
    q->owed = (struct tlp_credits){0, 0, 0};
    q->fc_next = t->now + u->fc_limit;
    q->fc_at = HCA_NEVER;
}

/* An UpdateFC is due: sends one; that of another port goes in the next cycle. */
ROOT_RARE static bool update_fc(struct root *u, const struct tick *t)
{
    bool sent = false;
    uint64_t at = HCA_NEVER;

    if (!READY(t, u->fc_out)) {
        return false;
    }
    for (uint32_t h = 0; h < u->ports; h++) {
        if (!sent && u->s.port[h].fc_at <= t->now) {
            return_credits(u, t, h);
            sent = true;
        }
        at = u->s.port[h].fc_at < at ? u->s.port[h].fc_at : at;
    }
    u->s.fc_at = at;
    return sent;
}

/* What a full queue of reads has kept back. What was taken in this cycle has announced its
 * successor already, so that one more wake costs nothing. */
static bool kept_back(const struct root *u, const struct tick *t)
{
    return VALID(t, u->mem_done) || VALID(t, u->io_fault) ||
           (VALID(t, u->up_tlp) && READY(t, u->io_req));
}

struct act root_tick(struct root *u, const struct tick *t)
{
    uint64_t wake = HCA_NEVER;
    bool moved = VALID(t, u->mem_done) && sink_done(u, t);

    if (VALID(t, u->io_fault)) {
        moved |= sink_fault(u, t);
    }
    if (VALID(t, u->dn_fc) || VALID(t, u->cpu_mmio)) {
        moved |= root_mmio_credit(u, t);
    }
    if ((VALID(t, u->up_tlp) || VALID(t, u->up_mmio)) && forward(u, t)) {
        moved = true;
        if (VALID(t, u->up_mmio) || VALID(t, u->up_tlp)) {
            wake = t->now; /* the other input may be next */
        }
    }
    if (u->s.fc_at <= t->now && update_fc(u, t)) {
        moved = true;
        wake = u->s.fc_at <= t->now ? t->now : wake; /* of another port */
    }
    if (u->s.fc_at > t->now && u->s.fc_at < wake) {
        wake = u->s.fc_at;
    }
    if ((u->s.busy != 0 || VALID(t, u->cpu_mmio)) && root_down(u, t, &wake)) {
        return (struct act){true, kept_back(u, t) ? t->now : wake};
    }
    return (struct act){moved, wake};
}
