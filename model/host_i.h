/* host_i.h: the inside of a host, for host.c and for tests that run single units. */
#pragma once
#include "model/host.h"
#include "model/host_mem.h"
#include "model/system.h"

#include "model/iommu.h"
#include "model/memory.h"
#include "model/root.h"

#define UNIT(name, side, rtl, doc) UNIT_##side(name)
#define UNIT_hca(name)
#define WIRE(name, msg, side, from, to, depth) WIRE_##side(name, msg, from, to, depth)
#define BACK(name, msg, side, from, to, depth) WIRE_##side(name, msg, from, to, depth)
#define WIRE_hca(name, msg, from, to, depth)

struct host_edge {
#define WIRE_host(name, msg, from, to, depth) struct wire_##msg *name;
#include "model/spec/wire.def"
#undef WIRE_host
};

struct host {
    struct system y;
    struct store store; /* posted bytes that wait for the memory unit */
    struct host_mem mem;
#define WIRE_host(name, msg, from, to, depth) struct wire_##msg name;
#include "model/spec/wire.def"
#undef WIRE_host
#define UNIT_host(name) struct name u_##name;
#include "model/spec/unit.def"
#undef UNIT_host
    struct host_edge u_edge;
};

#undef UNIT
#undef UNIT_hca
#undef WIRE
#undef BACK
#undef WIRE_hca

extern tick_fn *const host_ticks[UNITS];
uint64_t host_unit_state(const void *h, uint32_t unit); /* hash of the registers of a unit */
