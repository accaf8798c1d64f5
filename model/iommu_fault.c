#include "model/iommu.h"

static void count(const struct tick *t, uint8_t reason)
{
    struct hca_stat *const s = t->s;

    switch (reason) {
    case VTD_FAULT_ROOT: s->iommu_fault_root++; break;
    case VTD_FAULT_CONTEXT: s->iommu_fault_context++; break;
    case VTD_FAULT_INVALID: s->iommu_fault_invalid++; break;
    case VTD_FAULT_WIDTH: s->iommu_fault_width++; break;
    case VTD_FAULT_WRITE: s->iommu_fault_write++; break;
    case VTD_FAULT_READ: s->iommu_fault_read++; break;
    case VTD_FAULT_TABLE: s->iommu_fault_table++; break;
    case VTD_FAULT_ROOT_TABLE: s->iommu_fault_root_table++; break;
    case VTD_FAULT_CONTEXT_TABLE: s->iommu_fault_context_table++; break;
    default: s->iommu_fault_reserved++; break;
    }
}

void iommu_record(struct iommu *u, const struct tick *t, const struct tlp *m, uint8_t reason,
                  bool silent)
{
    const bool read = m->type == TLP_MRD;
    uint64_t *const rec = &u->fault[(size_t)u->s.fault_next * 2];

    count(t, reason);
    iommu_figures(u, m)->faults++;
    TRACE(t, iommu, iommu_fault, .addr = m->addr, .rid = m->rid, .reason = reason, .read = read);
    if (silent) {
        t->s->iommu_fault_silent++;
        return;
    }
    if ((rec[1] & VTD_FAULT_F) != 0) { /* software has not read the register: FSTS.PFO */
        t->s->iommu_fault_lost++;
        return;
    }
    rec[0] = m->addr >> VTD_PAGE_SHIFT << VTD_PAGE_SHIFT;
    rec[1] = m->rid | (uint64_t)reason << 32 | (read ? VTD_FAULT_IS_READ : 0) | VTD_FAULT_F;
    u->s.fault_next = u->s.fault_next + 1 < u->faults ? u->s.fault_next + 1 : 0;
}
