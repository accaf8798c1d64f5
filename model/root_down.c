#include "model/root.h"

#include "model/tlp.h"

/* Outputs already used in this cycle: a wire takes one entry per cycle, whatever its adapter. */
struct used {
    bool tlp, mmio;
};

static const struct tlp *front(const struct root *u, uint32_t h)
{
    return &u->queue[h * u->queue_max + (u->s.port[h].head & (u->queue_max - 1))];
}

/* Cycle from which the oldest MMIO access may use the link; cpu_mmio must hold one. */
static uint64_t mmio_at(const struct root *u)
{
    const struct mmio_req *const m = PEEK(u->cpu_mmio);

    return m->at + (m->write != 0 ? u->write_delay : u->read_delay);
}

/* Delay after which the adapter sees an entry that starts now or when the line is free. */
static uint64_t occupy(struct root *u, const struct tick *t, uint32_t h, uint32_t bytes)
{
    return serial_take(&u->s.port[h].line, t->now, bytes) + u->latency - t->now - 1;
}

/* Bytes of the next completion: the first ends on a boundary, later ones are whole blocks. */
static uint32_t chunk(const struct hca_param *p, uint64_t addr, uint32_t left)
{
    const uint64_t most =
        p->pcie_cpl_chunk == HCA_PCIE_CPL_CHUNK_RCB ? p->pcie_rcb_bytes : p->pcie_mps_bytes;
    const uint64_t room = most - (addr & (p->pcie_rcb_bytes - 1));

    return left < room ? left : (uint32_t)room;
}

/* Bytes and packets of the next entry: one completion, or in a train several of one read. */
static uint32_t cut(const struct hca_param *p, const struct tlp *m, uint32_t sent, uint16_t *tlps)
{
    uint32_t len = 0;

    *tlps = 0;
    do {
        len += chunk(p, m->addr + sent + len, m->len - sent - len);
        ++*tlps;
    } while (sent + len < m->len && *tlps < p->sim_train_tlps_max);
    return len;
}

static void complete(struct root *u, const struct tick *t, uint32_t h)
{
    struct root_port *const q = &u->s.port[h];
    const struct tlp *const m = front(u, h);
    const bool ok = m->status == DMA_OK;
    const uint32_t sent = q->sent;
    uint16_t tlps = 1;
    const uint32_t len = ok ? cut(t->p, m, sent, &tlps) : 0;
    const struct tlp cost = {
        .type = ok ? TLP_CPLD : TLP_CPL, .addr = m->addr + sent, .len = len, .tlps = tlps};
    const uint32_t bytes = tlp_link_bytes(t->p, &cost);

    q->sent += len;
    if (!ok || q->sent == m->len) {
        q->head++;
        q->sent = 0;
    }
    q->mmio_last = 0;
    t->s->root_completions++;
    t->s->root_refusals += !ok;
    root_count(t->s, m->cls, tlps, tlp_payload_bytes(&cost), bytes);
    PUSH(t, u->dn_tlp, tlp, occupy(u, t, h, bytes), .addr = m->addr + sent, .len = len,
         .left = m->len - sent, .tag = m->tag, .rid = m->rid, .tlps = tlps, .fn = m->fn,
         .type = cost.type, .cls = m->cls, .status = m->status, .attr = m->attr, .t_in = m->t_in,
         .mid = m->mid, .data = m->data + sent, .slot = NO_SLOT, .hca = m->hca);
}

/* Doorbells and WQEs go to BAR 2, registers to the others. */
static unsigned mmio_class(const struct mmio_req *m)
{
    if (m->bar != 2 || m->write == 0) {
        return CLS_COMMAND;
    }
    return m->len > sizeof m->d0 ? CLS_WQE : CLS_DOORBELL;
}

static void access(struct root *u, const struct tick *t)
{
    const struct mmio_req *const m = POP(t, u->cpu_mmio);
    const unsigned cls = mmio_class(m);
    /* BARs lie above 4 GiB: 64-bit headers. */
    const struct tlp cost = {
        .type = m->write != 0 ? TLP_MWR : TLP_MRD, .addr = UINT64_C(1) << 32, .len = m->len};
    const uint32_t bytes = tlp_link_bytes(t->p, &cost);

    t->s->root_mmio_writes += m->write != 0;
    t->s->root_mmio_reads += m->write == 0;
    u->s.port[m->hca].mmio_last = 1;
    root_mmio_spend(u, m);
    root_count(t->s, cls, 1, tlp_payload_bytes(&cost), bytes);
    PASS(t, u->dn_mmio, mmio_req, occupy(u, t, m->hca, bytes), m);
}

static void sooner(uint64_t *wake, uint64_t at)
{
    *wake = at < *wake ? at : *wake;
}

/* Nobody claims it: a write is lost, a read gives all ones. */
static bool unclaimed(struct root *u, const struct tick *t, struct used *used, uint64_t *wake)
{
    if (!VALID(t, u->cpu_mmio) || PEEK(u->cpu_mmio)->hca < u->ports) {
        return false;
    }
    const struct mmio_req *const m = PEEK(u->cpu_mmio);
    if (mmio_at(u) > t->now) {
        sooner(wake, mmio_at(u));
        return false;
    }
    if (m->write == 0 && u->cpu_rd->ctl.pushed == t->now + 1) { /* an adapter's answer this cycle */
        sooner(wake, t->now);
        return false;
    }
    if (m->write == 0 && !READY(t, u->cpu_rd)) {
        return false;
    }
    used->mmio = true;
    t->s->root_mmio_unclaimed++;
    if (m->write == 0) {
        PUSH(t, u->cpu_rd, mmio_rsp, 0, .data = UINT64_MAX, .tag = m->tag, .hca = m->hca,
             .fn = m->fn, .len = m->len, .mid = m->mid);
    }
    (void)POP(t, u->cpu_mmio);
    return true;
}

/* What port h starts now. No completion passes an older MMIO access; a younger one takes turns. */
static bool start(struct root *u, const struct tick *t, uint32_t h, struct used *used,
                  uint64_t *wake)
{
    const struct root_port *const q = &u->s.port[h];
    const bool here = VALID(t, u->cpu_mmio) && PEEK(u->cpu_mmio)->hca == h &&
                      root_mmio_enough(u, PEEK(u->cpu_mmio));
    const uint64_t mmio = here ? mmio_at(u) : HCA_NEVER;
    const uint64_t cpl = q->head != q->tail ? front(u, h)->at : HCA_NEVER;

    if (mmio == HCA_NEVER && cpl == HCA_NEVER) {
        return false;
    }
    if (q->line.free_at > t->now) {
        sooner(wake, q->line.free_at);
        return false;
    }
    const bool may_mmio = mmio <= t->now && !used->mmio && READY(t, u->dn_mmio);
    const bool may_cpl = cpl <= t->now && mmio > cpl && !used->tlp && READY(t, u->dn_tlp);
    if (may_cpl && !(may_mmio && q->mmio_last == 0)) {
        used->tlp = true;
        complete(u, t, h);
        return true;
    }
    if (may_mmio) {
        used->mmio = true;
        access(u, t);
        return true;
    }
    if (mmio > t->now) {
        sooner(wake, mmio);
    }
    return false;
}

bool root_down(struct root *u, const struct tick *t, uint64_t *wake)
{
    struct used used = {false, false};
    bool moved = unclaimed(u, t, &used, wake);

    for (uint32_t i = 0, h = u->s.first; i < u->ports; i++, h = h + 1 < u->ports ? h + 1 : 0) {
        moved |= start(u, t, h, &used, wake);
    }
    if (!moved) {
        return false;
    }
    u->s.first = u->s.first + 1 < u->ports ? u->s.first + 1 : 0;
    for (uint32_t h = 0; h < u->ports; h++) { /* lines that go on, or had to let others go first */
        if (u->s.port[h].head != u->s.port[h].tail || VALID(t, u->cpu_mmio)) {
            sooner(wake, u->s.port[h].line.free_at);
        }
    }
    return true;
}
