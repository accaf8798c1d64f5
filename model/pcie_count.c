#include "model/pcie.h"

#include <stddef.h>

/* X(class, its counters): they lie side by side, in the order of their rows in stat.def. */
#define CLASSES(X)                                                                               \
    X(CLS_DOORBELL, pcie_up_tlps_doorbell, pcie_up_payload_doorbell, pcie_up_bytes_doorbell)     \
    X(CLS_WQE, pcie_up_tlps_wqe, pcie_up_payload_wqe, pcie_up_bytes_wqe)                         \
    X(CLS_CONTEXT, pcie_up_tlps_context, pcie_up_payload_context, pcie_up_bytes_context)         \
    X(CLS_XLAT, pcie_up_tlps_xlat, pcie_up_payload_xlat, pcie_up_bytes_xlat)                     \
    X(CLS_PAYLOAD, pcie_up_tlps_payload, pcie_up_payload_payload, pcie_up_bytes_payload)         \
    X(CLS_GRH, pcie_up_tlps_payload, pcie_up_payload_payload, pcie_up_bytes_payload)             \
    X(CLS_CQE, pcie_up_tlps_cqe, pcie_up_payload_cqe, pcie_up_bytes_cqe)                         \
    X(CLS_INTERRUPT, pcie_up_tlps_interrupt, pcie_up_payload_interrupt, pcie_up_bytes_interrupt) \
    X(CLS_ATOMIC, pcie_up_tlps_atomic, pcie_up_payload_atomic, pcie_up_bytes_atomic)             \
    X(CLS_EVENT, pcie_up_tlps_event, pcie_up_payload_event, pcie_up_bytes_event)                 \
    X(CLS_HEAD, pcie_up_tlps_head, pcie_up_payload_head, pcie_up_bytes_head)                     \
    X(CLS_COMMAND, pcie_up_tlps_command, pcie_up_payload_command, pcie_up_bytes_command)

enum { TLPS, PAYLOAD, BYTES };
#define AT(row)                          (offsetof(struct hca_stat, row) / sizeof(uint64_t))
#define FIRST(cls, tlps, payload, bytes) [cls] = AT(tlps),
#define SIDE_BY_SIDE(cls, tlps, payload, bytes) \
    _Static_assert(AT(payload) == AT(tlps) + PAYLOAD && AT(bytes) == AT(tlps) + BYTES, #cls);
CLASSES(SIDE_BY_SIDE)

void pcie_count(struct hca_stat *s, unsigned cls, uint64_t n, uint64_t payload, uint64_t bytes)
{
    static const uint16_t first[CLS_COUNT] = {CLASSES(FIRST)};
    uint64_t *const count = (uint64_t *)(void *)s + first[cls];

    count[TLPS] += n;
    count[PAYLOAD] += payload;
    count[BYTES] += bytes;
}
