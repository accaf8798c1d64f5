#define _GNU_SOURCE /* MAP_ANONYMOUS, MAP_NORESERVE */
#include "model/host_mem.h"

#include "model/ctx.h"
#include "model/host.h"
#include "model/vtd.h"

#include <sys/mman.h>

static const uint64_t hyp_base = (uint64_t)HOST_HYP_BASE_GIB << 30;
enum { HYP_GIB = 8, HOST_PAGE = 4096, BLOCK_BYTES = 2 << 20 };

static uint64_t reserved(const struct host_mem *m)
{
    return m->hyp_bytes + m->vms * m->vm_bytes + m->ctx_bytes;
}

bool host_mem_open(struct host_mem *m, const struct hca_param *p)
{
    *m = (struct host_mem){
        .hyp_bytes = (uint64_t)HYP_GIB << 30, .vm_bytes = p->host_mem_bytes, .vms = p->host_vms};
    if (p->iommu_mode != HCA_IOMMU_MODE_ON) { /* whole 2 MiB blocks, as the driver maps them */
        m->ctx_bytes = (ctx_bus_bytes(p) + BLOCK_BYTES - 1) / BLOCK_BYTES * BLOCK_BYTES;
    }
    void *const b = mmap(NULL, reserved(m), PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    m->block = b == MAP_FAILED ? NULL : b;
    if (m->block == NULL) {
        return false;
    }
    m->inv_queue = host_mem_take(m, (uint64_t)VTD_QUEUE_ENTRIES * VTD_DESCRIPTOR_BYTES, HOST_PAGE);
    m->domain_last = VTD_DOMAIN_FIRST - 1;
    return true;
}

void host_mem_close(struct host_mem *m)
{
    if (m->block != NULL) {
        munmap(m->block, reserved(m));
        m->block = NULL;
    }
}

uint8_t *host_mem_at(const struct host_mem *m, uint64_t phys, uint64_t len)
{
    const uint64_t vm = phys >> HOST_VM_SHIFT;

    if (vm == 0 && phys >= CTX_BUS && phys - CTX_BUS < m->ctx_bytes) {
        const uint64_t in = phys - CTX_BUS;
        return len > m->ctx_bytes - in ? NULL : m->block + m->hyp_bytes + m->vms * m->vm_bytes + in;
    }
    if (vm == 0 && phys < m->low_bytes) {
        return len > m->low_bytes - phys ? NULL : m->block + m->hyp_bytes + phys;
    }
    if (vm == 0) {
        const uint64_t off = phys - hyp_base;
        return phys < hyp_base || off > m->hyp_bytes || len > m->hyp_bytes - off ? NULL
                                                                                 : m->block + off;
    }
    const uint64_t off = phys - (vm << HOST_VM_SHIFT);
    if (vm > m->vms || off > m->vm_bytes || len > m->vm_bytes - off) {
        return NULL;
    }
    return m->block + m->hyp_bytes + (vm - 1) * m->vm_bytes + off;
}

uint64_t host_mem_take(struct host_mem *m, uint64_t bytes, uint64_t align)
{
    const uint64_t mask = (align > HOST_PAGE ? align : HOST_PAGE) - 1;

    if (bytes > m->hyp_bytes || mask > m->hyp_bytes) {
        return 0;
    }
    const uint64_t at = ((hyp_base + m->hyp_next + mask) & ~mask) - hyp_base;
    const uint64_t whole = (bytes + HOST_PAGE - 1) / HOST_PAGE * HOST_PAGE;
    if (at > m->hyp_bytes || whole > m->hyp_bytes - at) {
        return 0;
    }
    m->hyp_next = at + whole;
    return hyp_base + at;
}

static void *vm_block(const struct host_mem *m, unsigned vm)
{
    return m->block + m->hyp_bytes + vm * m->vm_bytes;
}

/* The reservation stays as it is: the file takes the place of pages, and zeroed ones that of the
 * file, so every address that was good before remains one that can be touched. */
bool host_mem_share(struct host_mem *m, unsigned vm, uint64_t len, int fd)
{
    return vm < m->vms && len > 0 && len <= m->vm_bytes &&
           mmap(vm_block(m, vm), len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) !=
               MAP_FAILED;
}

bool host_mem_unshare(struct host_mem *m, unsigned vm)
{
    return vm < m->vms &&
           mmap(vm_block(m, vm), m->vm_bytes, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) != MAP_FAILED;
}

bool host_mem_low(struct host_mem *m, uint64_t bytes)
{
    if (m->vms != 1 || bytes > m->vm_bytes || bytes > HOST_MSI_BASE || bytes > CTX_BUS) {
        return false;
    }
    m->low_bytes = bytes;
    return true;
}
