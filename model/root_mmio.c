/* root: flow control of the accesses of the cores.
 *
 * An access enters the root port when the adapter has credits for it; until then it is still with
 * the cores, and no completion waits behind it. (In the port it would: completions do not pass
 * posted requests, and an adapter that needs a completion to take more MMIO would stand still.) */
#include "model/root.h"

struct tlp_credits root_mmio_credits(const struct hca_param *p)
{
    return (struct tlp_credits){.ph = (uint32_t)p->pcie_mmio_posted_header_credits,
                                .pd = (uint32_t)p->pcie_mmio_posted_data_credits,
                                .nph = (uint32_t)p->pcie_mmio_np_header_credits};
}

static bool take(struct root *u, const struct tick *t)
{
    if (!VALID(t, u->dn_fc)) {
        return false;
    }
    const struct credit *const c = POP(t, u->dn_fc);
    hca_assert(c->hca < u->ports);
    struct tlp_credits *const has = &u->s.port[c->hca].mmio;

    has->ph += c->ph;
    has->pd += c->pd;
    has->nph += c->nph;
    return true;
}

/* Counts the oldest access once if it has to wait. */
static bool note(struct root *u, const struct tick *t)
{
    if (u->s.mmio_noted != 0 || !VALID(t, u->cpu_mmio) || PEEK(u->cpu_mmio)->hca >= u->ports ||
        root_mmio_enough(u, PEEK(u->cpu_mmio))) {
        return false;
    }
    t->s->root_mmio_waits++;
    u->s.mmio_noted = 1;
    return true;
}

bool root_mmio_credit(struct root *u, const struct tick *t)
{
    const bool taken = take(u, t);

    return note(u, t) || taken;
}

bool root_mmio_enough(const struct root *u, const struct mmio_req *m)
{
    const struct tlp_credits has = u->s.port[m->hca].mmio, c = tlp_mmio_credits(m);

    return c.ph <= has.ph && c.pd <= has.pd && c.nph <= has.nph;
}

void root_mmio_spend(struct root *u, const struct mmio_req *m)
{
    struct tlp_credits *const has = &u->s.port[m->hca].mmio;
    const struct tlp_credits c = tlp_mmio_credits(m);

    has->ph -= c.ph;
    has->pd -= c.pd;
    has->nph -= c.nph;
    u->s.mmio_noted = 0;
}
