/* host.h: one host without its adapters, public API: root ports, VT-d, memory. Its cores are the
 * caller: they write memory directly and push MMIO. See hca.h for the rules that both share.
 *
 * Physical address map (decisions 9): MSI window at 0xFEE00000; hypervisor area (VT-d tables,
 * invalidation queue, adapter contexts) from 4 GiB; RAM of VM v from (v + 1) << 38. */
#pragma once
#include "model/hca.h"

typedef struct host host;

enum host_port {
    HOST_MMIO_IN,     /* struct mmio_req  a core's access to a BAR                             */
    HOST_UP_TLP_IN,   /* struct tlp       what an adapter sent; bytes of a TLP_MWR with it     */
    HOST_UP_MMIO_IN,  /* struct mmio_rsp  an adapter's answer to an MMIO read                  */
    HOST_FC_IN,       /* struct credit    an adapter gives back for MMIO                       */
    HOST_MMIO_OUT,    /* struct mmio_rsp  the same, at the core                                */
    HOST_DN_MMIO_OUT, /* struct mmio_req  on its way to an adapter                             */
    HOST_DN_TLP_OUT,  /* struct tlp       completion; its bytes are in the adapter already     */
    HOST_FC_OUT,      /* struct credit    for the adapter                                      */
    HOST_SEEN_OUT,    /* struct seen      a write of a watched class became visible            */
    HOST_IRQ_OUT      /* struct irq       an MSI reached the cores                             */
};

enum { HOST_HYP_BASE_GIB = 4, HOST_VM_SHIFT = 38 };

enum hca_status host_open(const struct hca_param *p, host **out, const char **why);
void host_close(host *h);
void host_set_mode(host *h, unsigned mode);
void host_set_trace(host *h, uint64_t mask);

/* Where the beat store of adapter i is: read completions are written there. */
void host_attach(host *h, unsigned i, uint8_t *store_base);

/* As hca_push, hca_pop, hca_take, hca_run ...; a run also ends right after a cycle in which
 * HOST_MMIO_OUT, HOST_SEEN_OUT or HOST_IRQ_OUT got an entry, so that a core can react in time. */
bool host_push(host *h, enum host_port port, uint64_t at_ps, const void *msg, const void *bytes);
bool host_pop(host *h, enum host_port port, uint64_t *at_ps, void *msg);
void *host_take(host *h, enum host_port port, uint64_t *at_ps);
uint64_t host_run(host *h, uint64_t until_ps);
uint64_t host_now(const host *h);
uint64_t host_wake(const host *h);
bool host_event(host *h, struct trace_rec *out);
uint64_t host_ps(const host *h, uint64_t cycle);
const struct hca_stat *host_stats(const host *h);
struct wire_figures host_wire_figures(const host *h, unsigned wire);
struct kern_figures host_kern_figures(const host *h);
uint64_t host_hash(const host *h);
size_t host_save(const host *h, void *buf, size_t size);
enum hca_status host_load(host *h, const void *buf, size_t size, const char **why);
size_t host_memory(const host *h); /* bytes of simulator memory beside simulated RAM */

/* --- memory as the cores see it; takes effect at host_now --------------------------------------
 */

/* Pointer to [phys, phys + len), which may not cross the end of its region; NULL: no memory there.
 * Regions: the hypervisor area and the RAM of each VM. */
void *host_mem(host *h, uint64_t phys, uint64_t len);
uint64_t host_hyp_bytes(const host *h);

/* Puts a file (fd, from its begin; a guest's memfd) in the place of the first len bytes of a VM's
 * RAM, or zeroed pages in the place of all of it. What the file's owner writes is seen at once, and
 * memory may change while it is read. The fd may be closed. A file that shrinks later makes an
 * access raise SIGBUS: the caller handles that. False: no such VM, len 0 or beyond host.mem_bytes,
 * or the system refuses (errno). Checkpoints do not go with it. */
bool host_share(host *h, unsigned vm, uint64_t len, int fd);
bool host_unshare(host *h, unsigned vm);

/* Shows the first bytes of VM 0's RAM at physical address 0 too: a guest whose bus addresses are
 * not translated (iommu.mode off or pass). False: more than one VM, or more bytes than lie below
 * the adapter contexts and the interrupt window. */
bool host_low_window(host *h, uint64_t bytes);

/* Takes bytes of the hypervisor area, zeroed and never given back, aligned to a power of two
 * (>= 4 KiB): physical address, 0 when the area is exhausted. VT-d tables come from it too. */
uint64_t host_hyp_take(host *h, uint64_t bytes, uint64_t align);

/* A core has read or written [phys, phys + len): the last-level cache now holds these lines. */
void host_touch(host *h, uint64_t phys, uint64_t len);

/* VT-d set-up and change, as a driver would do it: entries are written into the tables in simulated
 * memory in their real format. rid: requester id (bus << 8 | devfn). With iommu.mode off nothing is
 * written; with pass the context entry alone (translation type 2). Nothing here invalidates caches.
 * host_map: maps [iova, iova + len) to phys with rights (1 read, 2 write) in the domain of rid,
 * with pages of page_bytes (4 KiB, 2 MiB, 1 GiB); addresses and len are multiples of it. The first
 * map of a rid makes its context entry; host_same_domain lets rid share the tables of other.
 * False: table memory or domain ids are exhausted, or an argument is not as said. host_unmap clears
 * what is mapped in the range, large pages are split first; tables are kept. */
bool host_map(host *h, uint16_t rid, uint64_t iova, uint64_t phys, uint64_t len, unsigned rights,
              uint64_t page_bytes);
bool host_unmap(host *h, uint16_t rid, uint64_t iova, uint64_t len);
bool host_same_domain(host *h, uint16_t rid, uint16_t other);

/* Domain id of a requester in its context entry; 0: it has none. host_block clears (or sets again)
 * the present bit of that entry: every request of rid faults. False: rid has no entry. */
uint16_t host_domain(const host *h, uint16_t rid);
bool host_block(host *h, uint16_t rid, bool blocked);

/* Queues an invalidation descriptor (128 bits, VT-d format) and moves the tail; false: queue full.
 */
bool host_invalidate(host *h, const uint64_t descriptor[2]);

/* Queues what makes the IOMMU forget a requester (context entry, IOTLB of its domain) and then
 * write status to status_phys, 4-byte aligned. False: no domain, nothing to forget; or no room for
 * three descriptors. */
bool host_invalidate_rid(host *h, uint16_t rid, uint64_t status_phys, uint32_t status);

/* True once after a bad descriptor has stopped the queue: it is copied out and skipped, and the
 * queue runs on. */
bool host_invalidate_error(host *h, uint64_t descriptor[2]);

/* Oldest unread fault record (128 bits, VT-d format); false: none. Clears it. */
bool host_fault(host *h, uint64_t record[2]);

/* The same, decoded. */
struct host_fault_info {
    uint64_t addr; /* of the page */
    uint16_t rid;
    uint8_t reason, read; /* reason: fault reason of VT-d */
};
bool host_fault_next(host *h, struct host_fault_info *out);

/* IOTLB figures of one function since host_open. */
struct host_fn_figures {
    uint64_t hits, misses; /* requests; misses that joined another walk included */
    uint64_t merged;       /* misses that joined another walk                    */
    uint64_t walk_reads;   /* table entries read by walks that it started        */
    uint64_t faults;
};

/* rid: bus << 8 | function that asked, whatever requester id its TLPs carry. False: it belongs to
 * no adapter of this host (bus 1 .. adapters). */
bool host_iommu_fn_figures(const host *h, uint16_t rid, struct host_fn_figures *out);
