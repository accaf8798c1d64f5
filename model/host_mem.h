/* host_mem.h: simulated physical memory; address space is reserved, pages come when touched. */
#pragma once
#include "model/param.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HOST_HCAS_MAX = 8, HOST_VMS_MAX = 256 };

/* MSI window: not memory, not translated, writes are interrupts. */
#define HOST_MSI_BASE UINT64_C(0xfee00000)
#define HOST_MSI_END  UINT64_C(0xfef00000)

struct host_mem {
    uint8_t *block; /* one reservation: hypervisor area, then each VM's RAM */
    uint64_t hyp_bytes, vm_bytes, vms;
    uint64_t ctx_bytes; /* memory at CTX_BUS: adapter contexts when nothing is remapped, else 0 */
    uint64_t low_bytes; /* RAM of VM 0 is seen at physical address 0 too, up to here */
    uint8_t *sink[HOST_HCAS_MAX]; /* beat store of each adapter */
    uint64_t hyp_next;            /* bump allocator of the hypervisor area, bytes used */
    uint64_t root_table;          /* VT-d: physical address, 0: none yet               */
    uint64_t inv_queue;           /* VT-d: physical address of the invalidation queue  */
    uint32_t domain_last;         /* VT-d: domain id given out last                    */
};

/* Reserves the memory of p; false: no address space. */
bool host_mem_open(struct host_mem *m, const struct hca_param *p);
void host_mem_close(struct host_mem *m);

/* Pointer to [phys, phys + len) when it lies inside one region, else NULL. */
uint8_t *host_mem_at(const struct host_mem *m, uint64_t phys, uint64_t len);

/* host_share, host_unshare and host_low_window of host.h. */
bool host_mem_share(struct host_mem *m, unsigned vm, uint64_t len, int fd);
bool host_mem_unshare(struct host_mem *m, unsigned vm);
bool host_mem_low(struct host_mem *m, uint64_t bytes);

/* bytes of the hypervisor area, zeroed, aligned to a power of two >= 4 KiB: physical address, 0
 * when exhausted. */
uint64_t host_mem_take(struct host_mem *m, uint64_t bytes, uint64_t align);

static inline bool host_mem_is_msi(uint64_t phys)
{
    return phys >= HOST_MSI_BASE && phys < HOST_MSI_END;
}
