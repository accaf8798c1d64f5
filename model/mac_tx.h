/* mac_tx: serialises frames onto the port at its exact rate, or back into the adapter.
 *
 * Timing   line_bytes(len) at port.rate_mbps; a frame is at the edge when its last bit has left,
 *          port.mac_latency_ns later. Loopback: hca.loopback_mbps, hca.loopback_latency_ns.
 * Control  InfiniBand: a packet waits until its lane has credits; flow control packets go first.
 *          Ethernet: pause frames go first; a received pause holds data frames.
 * Source   docs/units/mac_tx.md; IBTA vol. 1, 7.9.4; IEEE 802.1Q-2018, 36
 * NOT MODELLED: virtual lane arbitration (frames leave in the order of their building, so a lane
 * without credits holds the others), the periodic credit update of an idle lane. */
#pragma once
#include "model/spec.h"

enum { MAC_LANES = 16 };

struct mac_tx {
    struct wire_frame *tx_frame;    /* in,  from packet_build */
    struct wire_link_fc *rx_credit; /* in,  from mac_rx       */
    struct wire_frame *net_out;     /* out, to edge           */
    struct wire_frame *loop;        /* out, to mac_rx         */
    uint64_t latency, loop_latency; /* cycles                 */
    uint64_t fc_interval; /* cycles between two updates of a lane that waits for credits */
    uint32_t lanes;       /* 0: Ethernet            */
    struct {
        struct serial line, ring; /* the port; the way back into the adapter                     */
        uint64_t paused_until;    /* cycle                                                        */
        uint64_t fc_at;           /* a waiting lane tells its FCTBS then; HCA_NEVER: none waits   */
        uint16_t fctbs[MAC_LANES]; /* blocks sent, modulo 4096 */
        uint16_t fccl[MAC_LANES]; /* the peer's limit                                             */
        uint16_t grant[MAC_LANES]; /* limit that we grant: what the next packet says */
        uint32_t grants; /* lanes with a flow control packet to send                     */
        uint16_t quanta; /* pause to send                                                */
        uint8_t pause;   /* 1: a pause frame is to be sent                               */
        uint8_t pad;
    } s;
};

void mac_tx_open(struct mac_tx *u, struct opening *o);
struct act mac_tx_tick(struct mac_tx *u, const struct tick *t);
