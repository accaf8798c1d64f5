#include "model/root.h"

#include <stddef.h>

/* X(class, its counters): they lie side by side, in the order of their rows in stat.def. */
#define CLASSES(X)                                                                               \
    X(CLS_DOORBELL, root_dn_tlps_doorbell, root_dn_payload_doorbell, root_dn_bytes_doorbell)     \
    X(CLS_WQE, root_dn_tlps_wqe, root_dn_payload_wqe, root_dn_bytes_wqe)                         \
    X(CLS_CONTEXT, root_dn_tlps_context, root_dn_payload_context, root_dn_bytes_context)         \
    X(CLS_XLAT, root_dn_tlps_xlat, root_dn_payload_xlat, root_dn_bytes_xlat)                     \
    X(CLS_PAYLOAD, root_dn_tlps_payload, root_dn_payload_payload, root_dn_bytes_payload)         \
    X(CLS_GRH, root_dn_tlps_payload, root_dn_payload_payload, root_dn_bytes_payload)             \
    X(CLS_CQE, root_dn_tlps_cqe, root_dn_payload_cqe, root_dn_bytes_cqe)                         \
    X(CLS_INTERRUPT, root_dn_tlps_interrupt, root_dn_payload_interrupt, root_dn_bytes_interrupt) \
    X(CLS_ATOMIC, root_dn_tlps_atomic, root_dn_payload_atomic, root_dn_bytes_atomic)             \
    X(CLS_EVENT, root_dn_tlps_event, root_dn_payload_event, root_dn_bytes_event)                 \
    X(CLS_HEAD, root_dn_tlps_head, root_dn_payload_head, root_dn_bytes_head)                     \
    X(CLS_COMMAND, root_dn_tlps_command, root_dn_payload_command, root_dn_bytes_command)

enum { TLPS, PAYLOAD, BYTES };
#define AT(row)                          (offsetof(struct hca_stat, row) / sizeof(uint64_t))
#define FIRST(cls, tlps, payload, bytes) [cls] = AT(tlps),
#define SIDE_BY_SIDE(cls, tlps, payload, bytes) \
    _Static_assert(AT(payload) == AT(tlps) + PAYLOAD && AT(bytes) == AT(tlps) + BYTES, #cls);
CLASSES(SIDE_BY_SIDE)

void root_count(struct hca_stat *s, unsigned cls, uint64_t n, uint64_t payload, uint64_t bytes)
{
    static const uint16_t first[CLS_COUNT] = {CLASSES(FIRST)};
    uint64_t *const count = (uint64_t *)(void *)s + first[cls];

    count[TLPS] += n;
    count[PAYLOAD] += payload;
    count[BYTES] += bytes;
}
