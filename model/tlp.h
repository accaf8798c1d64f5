/* tlp.h: what a TLP costs on the link and in credits, the same at both ends of it.
 *
 * Source: PCIe Base 4.0, 2.2 (headers), 2.6.1 (credits), 3.5 and 4.2 (framing); the sums are those
 * of pcie-bench/pcie-model, which docs/units/pcie.md compares. */
#pragma once
#include "model/spec.h"

enum {
    TLP_FRAMING_BYTES = 8, /* framing token or STP and END, sequence number, LCRC  */
    TLP_HEADER_3DW = 12,   /* completions, and requests below 4 GiB                */
    TLP_HEADER_4DW = 16,   /* a 64-bit header is not allowed below 4 GiB           */
    TLP_ECRC_BYTES = 4,
    TLP_CREDIT_BYTES = 16, /* one data credit                                      */
    TLP_MSI_BYTES = 4
};

struct tlp_credits {
    uint32_t ph, pd, nph;
};

/* TLPs that an entry stands for: more than one in a train (sim.train_tlps_max). */
static inline uint32_t tlp_count(const struct tlp *m)
{
    return m->tlps > 1 ? m->tlps : 1;
}

/* Payload on the link in bytes: whole double words, the outer ones cut by byte enables. */
static inline uint32_t tlp_payload_bytes(const struct tlp *m)
{
    switch (m->type) {
    case TLP_MWR:
    case TLP_CPLD: return (((uint32_t)m->addr & 3) + m->len + 3) & ~3U;
    case TLP_MSI: return TLP_MSI_BYTES;
    default: return 0;
    }
}

/* Header, framing and ECRC of one TLP of the kind of m, bytes. */
static inline uint32_t tlp_overhead_bytes(const struct hca_param *p, const struct tlp *m)
{
    const bool completion = m->type == TLP_CPLD || m->type == TLP_CPL;
    const uint32_t header = completion || m->addr >> 32 == 0 ? TLP_HEADER_3DW : TLP_HEADER_4DW;

    return TLP_FRAMING_BYTES + header + (p->pcie_ecrc != 0 ? TLP_ECRC_BYTES : 0);
}

/* All bytes of the entry on the link. */
static inline uint32_t tlp_link_bytes(const struct hca_param *p, const struct tlp *m)
{
    return tlp_count(m) * tlp_overhead_bytes(p, m) + tlp_payload_bytes(m);
}

/* Whether bytes travel with the entry: without sim.payload, payload is lengths only. */
static inline bool tlp_has_bytes(const struct hca_param *p, const struct tlp *m)
{
    return p->sim_payload != 0 || m->cls != CLS_PAYLOAD;
}

/* Credits that a request takes and gives back. A train larger than all that the root port
 * advertises takes all of it. */
static inline struct tlp_credits tlp_credits(const struct hca_param *p, const struct tlp *m)
{
    const uint32_t n = tlp_count(m);

    if (m->type == TLP_MRD) {
        const uint64_t most = p->pcie_np_header_credits;
        return (struct tlp_credits){.nph = n < most ? n : (uint32_t)most};
    }
    const uint32_t pd = (tlp_payload_bytes(m) + TLP_CREDIT_BYTES - 1) / TLP_CREDIT_BYTES;
    const uint64_t ph_most = p->pcie_posted_header_credits, pd_most = p->pcie_posted_data_credits;
    return (struct tlp_credits){.ph = n < ph_most ? n : (uint32_t)ph_most,
                                .pd = pd < pd_most ? pd : (uint32_t)pd_most};
}

/* Credits of an access of the cores: they go by header and by 16 bytes of data of a write. */
static inline struct tlp_credits tlp_mmio_credits(const struct mmio_req *m)
{
    return m->write == 0 ? (struct tlp_credits){.nph = 1}
                         : (struct tlp_credits){
                               .ph = 1, .pd = (m->len + TLP_CREDIT_BYTES - 1U) / TLP_CREDIT_BYTES};
}

/* Credits of a kind that are given back at once. An eighth of what is advertised: small against the
 * share that a credit round trip needs. */
static inline uint32_t tlp_credits_due(uint64_t advertised)
{
    return advertised < 8 ? 1 : (uint32_t)advertised / 8;
}

/* Line of the link in one direction: cycles per byte, less what ACK and UpdateFC DLLPs and SKP
 * ordered sets take. The fraction is exact unless it needs more than 45 bits (odd clocks with odd
 * DLLP intervals); then it is off by less than 2^-40. */
struct serial tlp_line(const struct hca_param *p);
