/* hca_i.h: the inside of an adapter, for hca.c and for tests that run single units. */
#pragma once
#include "model/system.h"

#include "model/arbiter.h"
#include "model/bench.h"
#include "model/check.h"
#include "model/command.h"
#include "model/complete.h"
#include "model/context.h"
#include "model/dma_read.h"
#include "model/dma_write.h"
#include "model/doorbell.h"
#include "model/event.h"
#include "model/mac_rx.h"
#include "model/mac_tx.h"
#include "model/mmio.h"
#include "model/packet_build.h"
#include "model/packet_parse.h"
#include "model/pcie.h"
#include "model/requester.h"
#include "model/respond.h"
#include "model/wqe_fetch.h"
#include "model/xlat.h"

/* The edge has one member per wire that ends there, so that one macro wires everything. */
#define UNIT(name, side, rtl, doc) UNIT_##side(name)
#define UNIT_host(name)
#define WIRE(name, msg, side, from, to, depth) WIRE_##side(name, msg, from, to, depth)
#define BACK(name, msg, side, from, to, depth) WIRE_##side(name, msg, from, to, depth)
#define WIRE_host(name, msg, from, to, depth)

struct hca_edge {
#define UNIT_hca(name)
#define WIRE_hca(name, msg, from, to, depth) struct wire_##msg *name;
#include "model/spec/wire.def"
#undef WIRE_hca
#undef UNIT_hca
};

struct hca {
    struct system y;
    struct store store;
    struct ctx_store ctx;
#define WIRE_hca(name, msg, from, to, depth) struct wire_##msg name;
#include "model/spec/wire.def"
#undef WIRE_hca
#define UNIT_hca(name) struct name u_##name;
#include "model/spec/unit.def"
#undef UNIT_hca
    struct hca_edge u_edge;
};

#undef UNIT
#undef UNIT_host
#undef WIRE
#undef BACK
#undef WIRE_host

extern tick_fn *const hca_ticks[UNITS];
uint64_t hca_unit_state(const void *h, uint32_t unit); /* hash of the registers of a unit */
