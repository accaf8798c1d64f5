/* port.h: adapters whose ports alone live (packet_build, mac_tx, mac_rx, packet_parse), and packets
 * for them. */
#pragma once
#include "model/packet/bytes.h"
#include "model/packet/framing.h"
#include "tests/unit.h"

#define PORT_UNITS \
    (1ULL << U_packet_build | 1ULL << U_mac_tx | 1ULL << U_mac_rx | 1ULL << U_packet_parse)

/* Address of adapter `a` (from 1), function fn: IPv4-mapped when v4. */
static inline struct gid_set port_gid(unsigned a, unsigned fn, bool v4)
{
    return (struct gid_set){.gid_hi = v4 ? 0 : 0xfd00000000000000ULL + fn,
                            .gid_lo = v4 ? 0xffff0a000000ULL + fn * 256 + a : a,
                            .mac = 0x020000000000ULL + fn * 0x10000ULL + a,
                            .fn = (uint8_t)fn,
                            .kind = 2};
}

static inline void port_bind(struct hca *h, unsigned a, unsigned fn, bool v4)
{
    const struct gid_set g = port_gid(a, fn, v4);

    UNIT_PUSH(h, gid_build, gid_set, .gid_hi = g.gid_hi, .gid_lo = g.gid_lo, .mac = g.mac,
              .fn = g.fn, .kind = g.kind);
    UNIT_PUSH(h, gid_parse, gid_set, .gid_hi = g.gid_hi, .gid_lo = g.gid_lo, .mac = g.mac,
              .fn = g.fn, .kind = g.kind);
    unit_run(h, 3);
}

/* A packet to adapter a, function fn. */
static inline struct pkt port_pkt(unsigned a, unsigned fn, bool v4, uint8_t opcode, uint32_t plen)
{
    const struct gid_set g = port_gid(a, fn, v4);

    return (struct pkt){.raddr = 0x1122334455667788ULL,
                        .op1 = 0xa1a2a3a4a5a6a7a8ULL,
                        .op2 = 0xb1b2b3b4b5b6b7b8ULL,
                        .dgid_hi = g.gid_hi,
                        .dgid_lo = g.gid_lo,
                        .dmac = g.mac,
                        .dqpn = fn * QP_ROUND + 0x12,
                        .sqpn = 0x34,
                        .psn = 0xabcdef,
                        .rkey = 0xdeadbeef,
                        .imm = 0x04030201,
                        .plen = plen,
                        .len = plen,
                        .dlen = plen,
                        .aeth = 0x1f000001,
                        .qkey = 0x11111111,
                        .pkey = 0xffff,
                        .dlid = (uint16_t)a,
                        .opcode = opcode,
                        .mid = 7,
                        .mid_first = 9,
                        .flags = TXF_FIRST_PIECE | TXF_LAST_PIECE,
                        .slot = NO_SLOT,
                        .rec = NO_SLOT};
}

/* Takes a tx slot and fills its payload with a pattern that starts with seed. */
static inline uint16_t port_payload(struct hca *h, uint32_t bytes, uint8_t seed)
{
    const uint16_t slot = pool_take(&h->store.tx_pool, &h->y.k);
    uint8_t *const p = store_at(&h->store, h->store.tx + slot * h->store.slot_bytes + PKT_HEADROOM);

    for (uint32_t i = 0; i < bytes; i++) {
        p[i] = (uint8_t)(seed + i * 7);
    }
    return slot;
}

static inline bool port_payload_is(struct hca *h, uint32_t at, uint32_t bytes, uint8_t seed)
{
    const uint8_t *const p = store_at(&h->store, at);

    for (uint32_t i = 0; i < bytes; i++) {
        if (p[i] != (uint8_t)(seed + i * 7)) {
            return false;
        }
    }
    return true;
}

/* Pushes m, whose type is struct pkt, on rd_done or ack_job; waits for room. */
#define PORT_PUSH(h, wire, m)                               \
    do {                                                    \
        while (!fifo_ready(&(h)->wire.ctl, (h)->y.k.now) || \
               (h)->wire.ctl.pushed == (h)->y.k.now + 1) {  \
            unit_run((h), 1);                               \
        }                                                   \
        (h)->y.t.now = (h)->y.k.now;                        \
        PASS(&(h)->y.t, &(h)->wire, pkt, 0, (m));           \
    } while (0)
