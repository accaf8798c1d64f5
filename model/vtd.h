/* vtd.h: VT-d structures in memory, legacy mode: bits of root, context and second-level entries,
 * invalidation descriptors and fault records. Used by the driver side (vtd_table.c) and the iommu.
 *
 * Source: docs/units/iommu.md; Linux 6.1 drivers/iommu/intel/{iommu.h,dmar.c}: layouts, codes */
#pragma once
#include <stdint.h>

enum {
    VTD_PAGE_SHIFT = 12,
    VTD_INDEX_BITS = 9,     /* of one level of the tables                     */
    VTD_ENTRY_BYTES = 8,    /* of a page table                                */
    VTD_CONTEXT_BYTES = 16, /* of a root or context entry                    */
    VTD_DESCRIPTOR_BYTES = 16,
    VTD_QUEUE_ENTRIES = 256, /* one page of 128-bit descriptors              */
    VTD_LEVELS_MIN = 3,
    VTD_LEVELS_MAX = 5,
    VTD_HAW = 48,        /* host address width: bits above it are reserved */
    VTD_DOMAIN_FIRST = 2 /* 0 and 1 are reserved: caching mode, pass-through */
};

#define VTD_ADDR UINT64_C(0x0000fffffffff000) /* HAW-1:12 of every entry                  */
#define VTD_HIGH UINT64_C(0x000f000000000000) /* reserved: 51:HAW                         */

/* Root entry: P, context table pointer; all else is reserved. */
#define VTD_ROOT_RESERVED (VTD_HIGH | UINT64_C(0xffe))
/* Context entry, low half: P, FPD, TT[3:2], table pointer; high half: AW[2:0], DID[23:8]. */
enum { VTD_PRESENT = 1, VTD_CTX_FPD = 2, VTD_CTX_TT_SHIFT = 2, VTD_CTX_DID_SHIFT = 8 };
enum { VTD_TT_SECOND_LEVEL, VTD_TT_DEVICE_TLB, VTD_TT_PASS };
#define VTD_CTX_RESERVED_LO (VTD_HIGH | UINT64_C(0xff0))
#define VTD_CTX_RESERVED_HI UINT64_C(0xffffffffff000080)
/* Second-level entry: R, W, page size, address. */
enum { VTD_R = 1, VTD_W = 2, VTD_RW = 3, VTD_PS = 0x80 };

/* Address bits that an entry of a level (1 = leaf of 4 KiB) translates start here. */
static inline unsigned vtd_shift(unsigned level)
{
    return VTD_PAGE_SHIFT + (level - 1) * VTD_INDEX_BITS;
}

static inline uint64_t vtd_index(uint64_t addr, unsigned level)
{
    return addr >> vtd_shift(level) & ((1U << VTD_INDEX_BITS) - 1);
}

/* First address that a domain of so many levels cannot hold. */
static inline uint64_t vtd_limit(unsigned levels)
{
    return UINT64_C(1) << vtd_shift(levels + 1);
}

enum vtd_fault {
#define ERROR(name, kind, value, doc) ERROR_##kind(name, value)
#define ERROR_completion(name, value)
#define ERROR_async(name, value)
#define ERROR_vtd(name, value) name = (value),
#include "model/spec/error.def"
#undef ERROR
#undef ERROR_completion
#undef ERROR_async
#undef ERROR_vtd
};

/* Fault record, low half: page address; high half: SID[15:0], reason[39:32], type, F. */
#define VTD_FAULT_IS_READ (UINT64_C(1) << 62)
#define VTD_FAULT_F       (UINT64_C(1) << 63)

/* Invalidation descriptors: type in [3:0]. */
enum { VTD_INV_CONTEXT = 1, VTD_INV_IOTLB, VTD_INV_DEVICE_TLB, VTD_INV_INTERRUPT, VTD_INV_WAIT };
enum { VTD_GLOBAL = 1, VTD_DOMAIN, VTD_SELECTIVE }; /* G[5:4]; selective: device or page */
enum { VTD_WAIT_IF = 0x10, VTD_WAIT_SW = 0x20, VTD_WAIT_FN = 0x40 };
