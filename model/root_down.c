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

/* Cycle from which an MMIO access may use the link. */
static uint64_t mmio_at(const struct root *u, const struct mmio_req *m)
{
    return m->at + (m->write != 0 ? u->write_delay : u->read_delay);
}

/* Delay after which the adapter sees an entry that starts now or when the line is free. */
static uint64_t occupy(struct root *u, const struct tick *t, uint32_t h, uint32_t bytes)
{
    return serial_take(&u->s.port[h].line, t->now, bytes) + u->latency - t->now - 1;
}

/* Bytes of the next completion: the first ends on a boundary, later ones are whole blocks. */
static uint32_t chunk(const struct root *u, uint64_t addr, uint32_t left)
{
    const uint32_t room = u->cpl_most - ((uint32_t)addr & (u->rcb - 1));

    return left < room ? left : room;
}

/* Bytes and packets of the next entry: one completion, or in a train several of one read. */
static uint32_t cut(const struct root *u, uint64_t addr, uint32_t left, uint16_t *tlps)
{
    uint32_t len = chunk(u, addr, left);

    for (*tlps = 1; len < left && *tlps < u->train; ++*tlps) {
        len += chunk(u, addr + len, left - len);
    }
    return len;
}

ROOT_RARE static void complete(struct root *u, const struct tick *t, uint32_t h)
{
    struct root_port *const q = &u->s.port[h];
    const struct tlp *const m = front(u, h);
    const bool ok = m->status == DMA_OK;
    const uint32_t sent = q->sent, left = m->len - sent;
    const uint64_t addr = m->addr + sent;
    uint16_t tlps = 1;
    const uint32_t len = ok ? cut(u, addr, left, &tlps) : 0;
    const struct tlp cost = {
        .type = ok ? TLP_CPLD : TLP_CPL, .addr = addr, .len = len, .tlps = tlps};
    const uint32_t bytes = tlp_link_bytes(t->p, &cost);

    q->sent = sent + len;
    if (!ok || len == left) {
        q->sent = 0;
        u->s.busy ^= (uint32_t)(++q->head == q->tail) << h;
    }
    q->mmio_last = 0;
    t->s->root_completions++;
    t->s->root_refusals += !ok;
    root_count(t->s, m->cls, tlps, tlp_payload_bytes(&cost), bytes);
    PASS_EDIT(t, u->dn_tlp, tlp, occupy(u, t, h, bytes), m, {
        slot_->type = cost.type;
        slot_->addr = addr;
        slot_->len = len;
        slot_->left = left;
        slot_->tlps = tlps;
        slot_->data += sent;
        slot_->value = 0;
        slot_->slot = NO_SLOT;
    });
}

/* Doorbells and WQEs go to BAR 2, registers to the others. */
static unsigned mmio_class(const struct mmio_req *m)
{
    if (m->bar != 2 || m->write == 0) {
        return CLS_COMMAND;
    }
    return m->len > sizeof m->d0 ? CLS_WQE : CLS_DOORBELL;
}

ROOT_RARE static void access(struct root *u, const struct tick *t)
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

/* The oldest MMIO access is for no adapter: a write is lost, a read gives all ones. */
ROOT_RARE static bool unclaimed(struct root *u, const struct tick *t, struct used *used,
                                uint64_t *wake)
{
    const struct mmio_req *const m = PEEK(u->cpu_mmio);

    if (mmio_at(u, m) > t->now) {
        sooner(wake, mmio_at(u, m));
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

/* What port h starts now: its oldest read, or the oldest MMIO access, which is ready at `mmio`. No
 * completion passes an older MMIO access; a younger one takes turns. */
static bool start(struct root *u, const struct tick *t, uint32_t h, uint64_t mmio,
                  struct used *used, uint64_t *wake)
{
    const struct root_port *const q = &u->s.port[h];

    if (q->line.free_at > t->now) {
        sooner(wake, q->line.free_at);
        return false;
    }
    const uint64_t cpl = q->head != q->tail ? front(u, h)->at : HCA_NEVER;
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
    bool moved = false;

    if (VALID(t, u->cpu_mmio) && PEEK(u->cpu_mmio)->hca >= u->ports) {
        moved = unclaimed(u, t, &used, wake);
    }
    for (uint32_t i = 0, h = u->s.first; i < u->ports; i++, h = h + 1 < u->ports ? h + 1 : 0) {
        const bool here = VALID(t, u->cpu_mmio) && PEEK(u->cpu_mmio)->hca == h &&
                          root_mmio_enough(u, PEEK(u->cpu_mmio));
        if (here || (u->s.busy >> h & 1) != 0) {
            const uint64_t mmio = here ? mmio_at(u, PEEK(u->cpu_mmio)) : HCA_NEVER;
            moved |= start(u, t, h, mmio, &used, wake);
        }
    }
    if (!moved) {
        return false;
    }
    u->s.first = u->s.first + 1 < u->ports ? u->s.first + 1 : 0;
    for (uint32_t h = 0; h < u->ports; h++) { /* lines that go on, or had to let others go first */
        if ((u->s.busy >> h & 1) != 0 || VALID(t, u->cpu_mmio)) {
            sooner(wake, u->s.port[h].line.free_at);
        }
    }
    return true;
}
