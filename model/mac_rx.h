/* mac_rx: receive side of the port: buffer accounting, flow control, FEC and MAC latency.
 *
 * Timing   one frame per cycle, the line before the loop; port.fec_ns + port.mac_latency_ns from
 *          the last bit at the port to rx_frame; frames of the loop skip both.
 * Buffer   a frame counts from its arrival until its slot of rx_pool is given back: on Ethernet in
 *          one buffer of hca.rx_buffer_bytes, dropped when that is full; on InfiniBand in blocks
 *          of 64 bytes per lane of port.vl_credits_bytes, where a peer that keeps its credits
 *          never finds it full.
 * Source   docs/units/mac_rx.md; IBTA vol. 1, 7.9.4; IEEE 802.1Q-2018, 36
 * NOT MODELLED: FCS errors (a corrupt frame is one that the FCS did not catch). */
#pragma once
#include "model/packet/headers.h"
#include "model/spec.h"

enum { RX_LANES = 16 };

struct mac_rx {
    struct wire_frame *net_in;      /* in,  from edge         */
    struct wire_frame *loop;        /* in,  from mac_tx       */
    struct wire_frame *rx_frame;    /* out, to packet_parse   */
    struct wire_link_fc *rx_credit; /* out, to mac_tx         */
    uint64_t latency;               /* cycles                 */
    uint64_t refresh;               /* cycles: half of the longest pause          */
    uint32_t lanes;                 /* 0: Ethernet                                */
    uint32_t lane_bytes;            /* buffer of a lane                           */
    uint32_t threshold;             /* blocks that are worth a credit update      */
    uint32_t charge_min;            /* bytes that a frame counts at least         */
    struct {
        uint64_t refresh_at;     /* cycle of the next pause frame, HCA_NEVER: not paused        */
        uint16_t abr[RX_LANES];  /* blocks received, modulo 4096 (adjusted by the peer's FCTBS) */
        uint16_t told[RX_LANES]; /* limit granted last                                          */
    } s;
};

/* Frames that the receive buffer holds at most: slots of rx_pool beside those of net_in. */
uint64_t rx_frames_max(const struct hca_param *p);

void mac_rx_open(struct mac_rx *u, struct opening *o);
struct act mac_rx_tick(struct mac_rx *u, const struct tick *t);
