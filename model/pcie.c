#include "model/pcie.h"

#include "model/tlp.h"

enum { MMIO_BUS = 1 }; /* bus of the first adapter; the runner sets the real one (decisions 9) */

void pcie_open(struct pcie *u, struct opening *o)
{
    u->latency = ns_cycles(o->p, o->p->pcie_latency_up_ns);
    u->s.line = tlp_line(o->p);
    u->s.ph = (uint32_t)o->p->pcie_posted_header_credits;
    u->s.pd = (uint32_t)o->p->pcie_posted_data_credits;
    u->s.nph = (uint32_t)o->p->pcie_np_header_credits;
}

static bool take_credits(struct pcie *u, const struct tick *t)
{
    if (!VALID(t, u->fc_in)) {
        return false;
    }
    const struct credit *const c = POP(t, u->fc_in);

    u->s.ph += c->ph;
    u->s.pd += c->pd;
    u->s.nph += c->nph;
    return true;
}

static bool enough(const struct pcie *u, const struct tick *t, const struct tlp *m)
{
    const struct tlp_credits need = tlp_credits(t->p, m);

    return need.ph <= u->s.ph && need.pd <= u->s.pd && need.nph <= u->s.nph;
}

/* Occupies the line; the delay after which the entry is to be seen at the other end. */
static uint64_t occupy(struct pcie *u, const struct tick *t, uint32_t bytes)
{
    return serial_take(&u->s.line, t->now, bytes) + u->latency - t->now - 1;
}

static void send(struct pcie *u, const struct tick *t, const struct tlp *m)
{
    struct store *const st = t->store;
    const uint32_t place = u->pcie_out->ctl.tail & u->pcie_out->ctl.mask;
    const uint32_t bytes = tlp_link_bytes(t->p, m);
    const struct tlp_credits need = tlp_credits(t->p, m);
    const uint16_t rid = (uint16_t)(MMIO_BUS << 8 | m->fn);

    u->s.ph -= need.ph;
    u->s.pd -= need.pd;
    u->s.nph -= need.nph;
    pcie_count(t->s, m->cls, tlp_count(m), tlp_payload_bytes(m), bytes);
    if (m->type == TLP_MWR && tlp_has_bytes(t->p, m)) {
        hca_assert(m->len <= st->pcie_out_bytes);
        memcpy(store_at(st, st->pcie_out + place * st->pcie_out_bytes), store_at(st, m->data),
               m->len);
    }
    if (m->type != TLP_MRD && m->slot != NO_SLOT) {
        pool_give(&st->rx_pool, t->k, m->slot);
    }
    PASS_EDIT(t, u->pcie_out, tlp, occupy(u, t, bytes), m,
              (slot_->slot = NO_SLOT, slot_->rid = rid));
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

enum pick { PICK_NONE, PICK_WRITE, PICK_READ, PICK_ANSWER };

/* The oldest entry that may leave now. Of equal age writes go first: nothing may pass them. */
static enum pick pick(const struct pcie *u, const struct tick *t)
{
    const uint64_t write_at = VALID(t, u->up_wr) ? PEEK(u->up_wr)->at : HCA_NEVER;
    uint64_t read_at = VALID(t, u->up_rd) ? PEEK(u->up_rd)->at : HCA_NEVER;
    uint64_t answer_at = VALID(t, u->mmio_rd) ? PEEK(u->mmio_rd)->at : HCA_NEVER;
    const bool out = READY(t, u->pcie_out);

    if (read_at != HCA_NEVER && (write_at <= read_at || !out || !enough(u, t, PEEK(u->up_rd)))) {
        read_at = HCA_NEVER;
    }
    if (write_at <= answer_at || !READY(t, u->mmio_out)) {
        answer_at = HCA_NEVER;
    }
    if (write_at != HCA_NEVER && out && enough(u, t, PEEK(u->up_wr)) && write_at <= read_at &&
        write_at <= answer_at) {
        return PICK_WRITE;
    }
    if (answer_at != HCA_NEVER && answer_at <= read_at) {
        return PICK_ANSWER;
    }
    return read_at != HCA_NEVER ? PICK_READ : PICK_NONE;
}

/* Something will want the line; what comes later wakes the unit itself. */
static bool more(const struct pcie *u)
{
    return ANY(u->up_wr) || ANY(u->up_rd) || ANY(u->mmio_rd);
}

struct act pcie_tick(struct pcie *u, const struct tick *t)
{
    const bool moved = take_credits(u, t);
    const bool waiting = VALID(t, u->up_wr) || VALID(t, u->up_rd) || VALID(t, u->mmio_rd);

    if (u->s.line.free_at > t->now) {
        return (struct act){moved, waiting ? u->s.line.free_at : HCA_NEVER};
    }
    const enum pick next = pick(u, t);
    if (next == PICK_NONE) {
        return moved ? MOVED : IDLE;
    }
    if (next == PICK_ANSWER) {
        answer(u, t);
    } else {
        t->s->pcie_up_writes += next == PICK_WRITE;
        t->s->pcie_up_reads += next == PICK_READ;
        send(u, t, next == PICK_WRITE ? POP(t, u->up_wr) : POP(t, u->up_rd));
    }
    return (struct act){true, more(u) ? u->s.line.free_at : HCA_NEVER};
}
