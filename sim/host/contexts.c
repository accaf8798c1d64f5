#include "sim/host/contexts.h"

#include "model/ctx.h"
#include "model/defs.h"

#include <inttypes.h>

enum { ADAPTER_DEVFN = 255, RIGHTS = 3, BLOCK_BYTES = 2 << 20 };

static uint16_t rid_of(uint32_t hca)
{
    return (uint16_t)((hca + 1) << 8 | ADAPTER_DEVFN);
}

/* Contexts of adapter i: in its own domain, or where its bus addresses are physical ones. */
static bool map_one(const struct hca_param *p, host *h, uint32_t hca, struct hca_error *err)
{
    const uint64_t bytes = (ctx_bus_bytes(p) + BLOCK_BYTES - 1) / BLOCK_BYTES * BLOCK_BYTES;

    if (p->hca_context_store == HCA_HCA_CONTEXT_STORE_ONBOARD) {
        return true;
    }
    if (p->iommu_mode != HCA_IOMMU_MODE_ON) {
        if (host_mem(h, CTX_BUS, bytes) != NULL && p->host_hcas == 1) {
            return host_map(h, rid_of(hca), CTX_BUS, CTX_BUS, bytes, RIGHTS, BLOCK_BYTES);
        }
        hca_error_set(err, "contexts of several adapters in host memory need iommu.mode = on; set "
                           "hca.context_store = onboard, or host.hcas = 1");
        return false;
    }
    const uint64_t phys = host_hyp_take(h, bytes, BLOCK_BYTES);
    if (phys == 0 || !host_map(h, rid_of(hca), CTX_BUS, phys, bytes, RIGHTS, BLOCK_BYTES)) {
        hca_error_set(err,
                      "%" PRIu64 " bytes of adapter contexts do not fit the hypervisor area of "
                      "%" PRIu64 " bytes; lower hca.qp_max, cq_max, srq_max or mr_max",
                      bytes, host_hyp_bytes(h));
        return false;
    }
    return true;
}

bool contexts_map(const struct hca_param *p, host *h, struct hca_error *err)
{
    for (uint32_t hca = 0; hca < p->host_hcas; hca++) {
        if (!map_one(p, h, hca, err)) {
            return false;
        }
    }
    return true;
}
