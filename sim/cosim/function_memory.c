/* function_memory.c: a guest's memory: its memfd is put in the place of the VM's simulated RAM, and
 * each DMA_MAP becomes entries of the function's VT-d tables. */
#include "sim/cosim/cosim_i.h"

#include "model/defs.h"
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

enum { BLOCK_BYTES = 2 << 20 };

static struct host *host_of(const struct function *f)
{
    return world_host(f->c->w, f->vm->host);
}

static const struct hca_param *param_of(const struct function *f)
{
    return &f->c->h->config.value;
}

/* Is [iova, + 2 MiB) mapped by one large page? host.share_2m_percent of the blocks, spread evenly.
 */
static bool large(const struct function *f, uint64_t iova, uint64_t phys, uint64_t len)
{
    const uint64_t percent = param_of(f)->host_share_2m_percent, i = iova / BLOCK_BYTES;

    return ((iova | phys) & (BLOCK_BYTES - 1)) == 0 && len >= BLOCK_BYTES &&
           (i + 1) * percent / 100 != i * percent / 100;
}

static bool map_pages(struct function *f, uint64_t iova, uint64_t phys, uint64_t len,
                      unsigned rights)
{
    for (uint64_t n; len > 0; iova += n, phys += n, len -= n) {
        const bool big = large(f, iova, phys, len);
        const uint64_t to_block = BLOCK_BYTES - iova % BLOCK_BYTES;
        n = big ? BLOCK_BYTES : len < to_block ? len : to_block;
        if (!host_map(host_of(f), f->rid, iova, phys, n, rights, big ? BLOCK_BYTES : PAGE_BYTES)) {
            return false;
        }
    }
    return true;
}

/* The first file of a connection is the guest's RAM. 0 or errno. */
static int take_ram(struct function *f, const struct stat *s, int fd)
{
    const uint64_t room = param_of(f)->host_mem_bytes;

    if (s->st_size <= 0 || (uint64_t)s->st_size > room) {
        cosim_log(f->c,
                  "%s: the guest's memory has %jd bytes, this host gives %" PRIu64
                  " to a VM; start QEMU with that -m, or change memory: in the hosts file",
                  f->vm->name, (intmax_t)s->st_size, room);
        return ENOMEM;
    }
    if (!host_share(host_of(f), f->vm->vm, (uint64_t)s->st_size, fd)) {
        cosim_log(f->c, "%s: the guest's memory cannot be mapped: %s", f->vm->name,
                  strerror(errno));
        return errno;
    }
    f->dev = s->st_dev;
    f->ino = s->st_ino;
    f->ram_bytes = (uint64_t)s->st_size;
    return 0;
}

int function_map(void *arg, uint64_t iova, uint64_t len, unsigned rights, int fd, uint64_t offset)
{
    struct function *const f = arg;
    const uint64_t base = (uint64_t)(f->vm->vm + 1) << HOST_VM_SHIFT;
    struct stat s;

    f->f.maps++;
    if (fd < 0 || fstat(fd, &s) != 0) {
        f->f.foreign++; /* ROM: nothing that a driver lets a device read */
        return 0;
    }
    if (f->ram_bytes == 0) {
        const int e = take_ram(f, &s, fd);
        if (e != 0) {
            return e;
        }
    }
    if (s.st_dev != f->dev || s.st_ino != f->ino || offset > f->ram_bytes ||
        len > f->ram_bytes - offset) {
        f->f.foreign++;
        cosim_log(f->c,
                  "%s: %" PRIu64 " bytes at 0x%" PRIx64 " are not of the guest's RAM: DMA "
                  "there will fault",
                  f->vm->name, len, iova);
        return 0;
    }
    if (param_of(f)->iommu_mode != HCA_IOMMU_MODE_ON && iova != offset) {
        f->f.foreign++; /* without translation a bus address is the place in RAM */
        return 0;
    }
    if (!map_pages(f, iova, base + offset, len, rights)) {
        cosim_log(f->c, "%s: no VT-d table memory left for 0x%" PRIx64, f->vm->name, iova);
        return ENOSPC;
    }
    if (iova + len > f->iova_end) {
        f->iova_end = iova + len;
    }
    if (!f->master) {
        (void)host_block(host_of(f), f->rid, true);
    }
    return 0;
}

int function_unmap(void *arg, uint64_t iova, uint64_t len)
{
    struct function *const f = arg;

    f->f.unmaps++;
    if (!host_unmap(host_of(f), f->rid, iova, len)) {
        return ENOSPC;
    }
    cores_invalidate(f->cores, f->rid);
    return 0;
}

/* A function that is no bus master may send nothing: its context entry is not present. Without
 * VT-d tables nothing holds it back but a reset, which the driver's own order implies. */
void function_master(struct function *f, bool on)
{
    f->master = on;
    if (host_block(host_of(f), f->rid, !on)) {
        cores_invalidate(f->cores, f->rid);
    }
}

void function_forget(struct function *f)
{
    if (f->iova_end != 0) {
        (void)host_unmap(host_of(f), f->rid, 0, f->iova_end);
        cores_invalidate(f->cores, f->rid);
    }
    f->master = false;
    (void)host_block(host_of(f), f->rid, true);
    if (f->ram_bytes != 0) {
        (void)host_unshare(host_of(f), f->vm->vm);
    }
    f->iova_end = f->ram_bytes = 0;
}
