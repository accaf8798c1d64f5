/* pcie: the adapter's end of the link: credits, order, serialisation towards the root port.
 *
 * Timing   one TLP at a time occupies the line for its bytes at the exact rational rate; its entry
 *          is visible at the end of that plus pcie.latency_up_ns. A TLP may start in the cycle in
 *          which it becomes visible here.
 * Order    oldest first. No read or completion passes an older write; a write passes reads that
 *          wait for credits, a completion passes such reads too.
 * Source   docs/units/pcie.md; PCIe Base 4.0, 2.4 (order) and 2.6 (credits)
 * NOT MODELLED: replay, link training, power states, virtual channels. */
#pragma once
#include "model/spec.h"

struct pcie {
    struct wire_mmio_rsp *mmio_rd;  /* in, from mmio      */
    struct wire_tlp *up_rd;         /* in, from dma_read  */
    struct wire_tlp *up_wr;         /* in, from dma_write */
    struct wire_credit *fc_in;      /* in, from edge      */
    struct wire_tlp *pcie_out;      /* out, to edge       */
    struct wire_mmio_rsp *mmio_out; /* out, to edge       */
    uint64_t latency;               /* cycles             */
    uint32_t overhead[2]; /* bytes of a request on the link beside its payload; 1: from 4 GiB on */
    struct {
        struct serial line;
        uint32_t ph, pd, nph; /* credits left */
    } s;
};

void pcie_open(struct pcie *u, struct opening *o);
struct act pcie_tick(struct pcie *u, const struct tick *t);

/* pcie_count.c: adds n TLPs of a traffic class that left towards the host. */
void pcie_count(struct hca_stat *s, unsigned cls, uint64_t n, uint64_t payload, uint64_t bytes);
