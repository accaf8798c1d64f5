#include "model/pcie.h"

#include <stddef.h>

/* CLASS(class, name of its counters): which follow each other in stat.def. */
#define CLASSES                     \
    CLASS(CLS_DOORBELL, doorbell)   \
    CLASS(CLS_WQE, wqe)             \
    CLASS(CLS_CONTEXT, context)     \
    CLASS(CLS_XLAT, xlat)           \
    CLASS(CLS_PAYLOAD, payload)     \
    CLASS(CLS_CQE, cqe)             \
    CLASS(CLS_INTERRUPT, interrupt) \
    CLASS(CLS_COMMAND, command)     \
    CLASS(CLS_ATOMIC, atomic)       \
    CLASS(CLS_EVENT, event)         \
    CLASS(CLS_HEAD, head)           \
    CLASS(CLS_GRH, payload)

#define PLACE(name) (offsetof(struct hca_stat, pcie_up_##name) / sizeof(uint64_t))
#define CLASS(class, name)                                            \
    _Static_assert(PLACE(payload_##name) == PLACE(tlps_##name) + 1 && \
                       PLACE(bytes_##name) == PLACE(tlps_##name) + 2, \
                   #name ": counters of a class follow each other");
CLASSES
#undef CLASS

void pcie_count(struct hca_stat *s, unsigned cls, uint64_t n, uint64_t payload, uint64_t bytes)
{
#define CLASS(class, name) [class] = PLACE(tlps_##name),
    static const uint16_t first[CLS_COUNT] = {CLASSES};
#undef CLASS
    hca_assert(cls < CLS_COUNT);
    uint64_t *const count = (uint64_t *)(void *)s + first[cls];

    count[0] += n;
    count[1] += payload;
    count[2] += bytes;
}
