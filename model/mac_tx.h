/* mac_tx: serialises frames onto the port at its exact rate, or back into the adapter.
 *
 * Timing   line_bytes(len) at port.rate_mbps; a frame is at the edge when its last bit has left,
 *          port.mac_latency_ns later. Loopback: hca.loopback_mbps, hca.loopback_latency_ns.
 * Control  InfiniBand: a packet waits until its lane has credits; flow control packets go first.
 *          Ethernet: pause frames go first; a received pause holds data frames.
 * Source   docs/units/mac_tx.md; IBTA vol. 1, 7.9.4; IEEE 802.1Q-2018, 36
 * Lanes    with port.vl_count > 1 each lane has a queue, and a lane that has no credits does not
 * hold the others (mac_tx_lane.c); otherwise frames leave in the order of their building. NOT
 * MODELLED: buffers of their own for lanes (a lane without credits can hold all of
 * hca.tx_buffer_packets), the periodic credit update of an idle lane. */
#pragma once
#include "model/spec.h"

enum { MAC_LANES = 16, MAC_LOOP = 15 /* queue of frames that stay inside */ };

/* One of the two tables of VL arbitration: the entry in turn and what it may still send. */
struct mac_arbiter {
    uint32_t left; /* blocks of 64 bytes */
    uint32_t at;
};
struct mac_queue {
    uint16_t head, tail; /* index of a frame, + 1; 0: none */
};

struct mac_tx {
    struct wire_frame *tx_frame;    /* in,  from packet_build */
    struct wire_link_fc *rx_credit; /* in,  from mac_rx       */
    struct wire_frame *net_out;     /* out, to edge           */
    struct wire_frame *loop;        /* out, to mac_rx         */
    uint64_t latency, loop_latency; /* cycles                 */
    uint64_t fc_interval;       /* cycles between two updates of a lane that waits for credits */
    uint32_t lanes;             /* 0: Ethernet            */
    uint32_t high;              /* lanes of the high-priority table                              */
    uint32_t high_limit;        /* blocks that it may send while a low one waits; UINT32_MAX: any */
    uint32_t tx_slots;          /* frames of tx_pool come first in frame[] and next[]            */
    uint32_t weight[MAC_LANES]; /* blocks per turn                                         */
    struct frame *frame;        /* [tx_slots + slots of ack_pool] waiting, lanes > 1       */
    uint16_t *next;             /* the same: behind it in its lane, + 1                    */
    struct {
        struct serial line, ring; /* the port; the way back into the adapter                     */
        uint64_t paused_until;    /* cycle                                                        */
        uint64_t fc_at[MAC_LANES]; /* a waiting lane tells its FCTBS then; HCA_NEVER: it does not */
        uint16_t fctbs[MAC_LANES]; /* blocks sent, modulo 4096 */
        uint16_t fccl[MAC_LANES]; /* the peer's limit                                             */
        uint16_t grant[MAC_LANES]; /* limit that we grant: what the next packet says */
        uint32_t grants; /* lanes with a flow control packet to send                     */
        struct mac_queue queue[MAC_LANES];
        struct mac_arbiter table[2]; /* low, high                                            */
        uint32_t high_left;          /* blocks until a low packet has its turn               */
        uint16_t quanta;             /* pause to send                                        */
        uint8_t pause;               /* 1: a pause frame is to be sent                       */
        uint8_t pad;
    } s;
};

void mac_tx_open(struct mac_tx *u, struct opening *o);
struct act mac_tx_tick(struct mac_tx *u, const struct tick *t);

/* --- mac_tx_lane.c: queues of lanes and their arbitration ------------------------------------ */

void mac_lane_open(struct mac_tx *u, struct opening *o);
void mac_lane_append(struct mac_tx *u, const struct frame *f);
/* Oldest frame of a lane (or of MAC_LOOP), NULL: none. */
const struct frame *mac_lane_peek(const struct mac_tx *u, uint32_t lane);
void mac_lane_remove(struct mac_tx *u, uint32_t lane);
/* Lane whose oldest frame leaves next, MAC_LANES: none may. Charges the tables for it. */
uint32_t mac_lane_choose(struct mac_tx *u);
bool mac_may_send(const struct mac_tx *u, const struct frame *f); /* its lane has credits */
