#include "model/pcie.h"

#include "model/tlp.h"

enum { MMIO_BUS = 1 }; /* bus of the first adapter; the runner sets the real one (decisions 9) */

/* Not drawn into the tick: four of ten ticks find the line busy, and paid for the registers of the
 * others. */
#define OWN_FRAME __attribute__((noinline))

void pcie_open(struct pcie *u, struct opening *o)
{
    const struct tlp low = {.type = TLP_MWR}, high = {.type = TLP_MWR, .addr = UINT64_MAX};

    u->overhead[0] = tlp_overhead_bytes(o->p, &low);
    u->overhead[1] = tlp_overhead_bytes(o->p, &high);
    u->latency = ns_cycles(o->p, o->p->pcie_latency_up_ns);
    u->s.line = tlp_line(o->p);
    u->s.ph = (uint32_t)o->p->pcie_posted_header_credits;
    u->s.pd = (uint32_t)o->p->pcie_posted_data_credits;
    u->s.nph = (uint32_t)o->p->pcie_np_header_credits;
}

static void take_credits(struct pcie *u, const struct tick *t)
{
    const struct credit *const c = POP(t, u->fc_in);

    u->s.ph += c->ph;
    u->s.pd += c->pd;
    u->s.nph += c->nph;
}

/* Occupies the line; the delay after which the entry is to be seen at the other end. */
static uint64_t occupy(struct pcie *u, const struct tick *t, uint32_t bytes)
{
    return serial_take(&u->s.line, t->now, bytes) + u->latency - t->now - 1;
}

/* What an entry takes of the link: computed once, asked for first and taken then. */
struct cost {
    struct tlp_credits credits;
    uint32_t payload;
};

/* Whether the oldest entry of q has its credits. */
static inline bool enough(const struct pcie *u, const struct tick *t, const struct wire_tlp *q,
                          struct cost *c)
{
    const struct tlp *const m = PEEK(q);

    c->credits = tlp_credits(t->p, m);
    c->payload = tlp_payload_bytes(m);
    return c->credits.ph <= u->s.ph && c->credits.pd <= u->s.pd && c->credits.nph <= u->s.nph;
}

/* The bytes of a write leave with it. */
static void copy_bytes(const struct pcie *u, const struct store *st, const struct tlp *m)
{
    const uint32_t place = u->pcie_out->ctl.tail & u->pcie_out->ctl.mask;

    hca_assert(m->len <= st->pcie_out_bytes);
    memcpy(store_at(st, st->pcie_out + place * st->pcie_out_bytes), store_at(st, m->data), m->len);
}

static void send(struct pcie *u, const struct tick *t, struct wire_tlp *q, const struct cost *c)
{
    const struct tlp *const m = POP(t, q);
    const uint32_t n = tlp_count(m);
    const uint32_t bytes = n * u->overhead[m->addr >> 32 != 0] + c->payload;

    u->s.ph -= c->credits.ph;
    u->s.pd -= c->credits.pd;
    u->s.nph -= c->credits.nph;
    pcie_count(t->s, m->cls, n, c->payload, bytes);
    if (m->type == TLP_MRD) {
        t->s->pcie_up_reads++;
    } else {
        t->s->pcie_up_writes++;
        if (m->type == TLP_MWR && tlp_has_bytes(t->p, m)) {
            copy_bytes(u, t->store, m);
        }
        if (m->slot != NO_SLOT) {
            pool_give(&t->store->rx_pool, t->k, m->slot);
        }
    }
    PASS_EDIT(t, u->pcie_out, tlp, occupy(u, t, bytes), m,
              (slot_->slot = NO_SLOT, slot_->rid = (uint16_t)(MMIO_BUS << 8 | slot_->fn)));
}

static void answer(struct pcie *u, const struct tick *t)
{
    const struct mmio_rsp *const m = POP(t, u->mmio_rd);
    const struct tlp cpl = {.type = TLP_CPLD, .len = m->len, .cls = CLS_COMMAND};
    const uint32_t bytes = tlp_link_bytes(t->p, &cpl);

    t->s->pcie_mmio_answers++;
    pcie_count(t->s, cpl.cls, 1, tlp_payload_bytes(&cpl), bytes);
    PASS(t, u->mmio_out, mmio_rsp, occupy(u, t, bytes), m);
}

/* Something waits for the line now. */
static bool waits(const struct pcie *u, const struct tick *t)
{
    return VALID(t, u->up_wr) || VALID(t, u->up_rd) || VALID(t, u->mmio_rd);
}

/* Something waits or will wait for the line: ANY of the inputs. */
static bool more(const struct pcie *u)
{
    return (u->up_wr->ctl.head_at & u->up_rd->ctl.head_at & u->mmio_rd->ctl.head_at) != HCA_NEVER;
}

/* Sends the oldest entry that may leave now. Of equal age writes go first: nothing may pass them.
 * A time beyond now is that of an entry that is not there yet. */
static bool send_oldest(struct pcie *u, const struct tick *t)
{
    const uint64_t write_at = u->up_wr->ctl.head_at, read_at = u->up_rd->ctl.head_at;
    const uint64_t answer_at = u->mmio_rd->ctl.head_at;
    const bool out = READY(t, u->pcie_out);
    const bool answers = answer_at <= t->now && answer_at < write_at && READY(t, u->mmio_out);
    const bool reads = out && read_at <= t->now && read_at < write_at;
    struct wire_tlp *q = NULL;
    struct cost c;

    if (reads && !(answers && answer_at <= read_at) && enough(u, t, u->up_rd, &c)) {
        q = u->up_rd;
    } else if (answers) {
        answer(u, t);
        return true;
    } else if (out && write_at <= t->now && enough(u, t, u->up_wr, &c)) {
        q = u->up_wr;
    } else {
        return false;
    }
    send(u, t, q, &c);
    return true;
}

OWN_FRAME static struct act serve(struct pcie *u, const struct tick *t)
{
    bool moved = VALID(t, u->fc_in);

    if (moved) {
        take_credits(u, t);
    }
    if (u->s.line.free_at > t->now) {
        return (struct act){moved, waits(u, t) ? u->s.line.free_at : HCA_NEVER};
    }
    if (send_oldest(u, t)) {
        return (struct act){true, more(u) ? u->s.line.free_at : HCA_NEVER};
    }
    return (struct act){moved, HCA_NEVER};
}

struct act pcie_tick(struct pcie *u, const struct tick *t)
{
    if (u->s.line.free_at > t->now && !VALID(t, u->fc_in)) {
        return (struct act){false, waits(u, t) ? u->s.line.free_at : HCA_NEVER};
    }
    return serve(u, t);
}
