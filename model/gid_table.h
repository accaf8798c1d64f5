/* gid_table.h: the addresses of all functions of an adapter. packet_build and packet_parse hold a
 * copy each, kept equal by the same gid_set messages. In hardware: a CAM with one entry per
 * address.
 *
 * LIDs: a port has one; functions whose MAC addresses differ in the low 16 bits would be several.
 */
#pragma once
#include "model/spec.h"

struct gid_entry {
    uint64_t hi, lo; /* GID as two big-endian numbers; 0, 0 or kind 0: empty */
    uint64_t mac;    /* 48 bits                                             */
    uint32_t chain;  /* next entry + 1 of the same hash bucket              */
    uint16_t vlan;   /* 1..4094, or anything else for none                  */
    uint8_t fn, kind;
};

struct gid_table {
    uint32_t fns, per_fn, buckets; /* buckets: power of two */
    struct gid_entry *entry;       /* [fns * per_fn]        */
    uint32_t *bucket;              /* [buckets] entry + 1   */
    uint64_t *lid;                 /* bitmap of own LIDs    */
};

void gid_open(struct gid_table *g, struct opening *o);

/* Sets or (kind 0) removes an entry; one beyond the table is ignored. */
void gid_put(struct gid_table *g, const struct gid_set *m);

/* Entry index of fn; NULL when it is empty or beyond the table. */
const struct gid_entry *gid_get(const struct gid_table *g, uint32_t fn, uint32_t index);

/* An entry with this GID: that of fn if there is one, else of any function; NULL: not our own. */
const struct gid_entry *gid_find(const struct gid_table *g, uint64_t hi, uint64_t lo, uint32_t fn);

static inline bool gid_own_lid(const struct gid_table *g, uint32_t lid)
{
    return lid < 65536 && (g->lid[lid / 64] >> lid % 64 & 1) != 0;
}

static inline bool gid_is_v4(uint64_t hi, uint64_t lo)
{
    return hi == 0 && lo >> 32 == 0xFFFF;
}
