/* net.h: what lies between the ports: cables, and one switch or none.
 *
 * A frame leaves a port at a time (last bit), travels a cable, waits in the output queue of the
 * switch, and arrives (last bit) at the port that its destination address names. Faults hit frames
 * on the first cable; flow control and pause frames suffer none. Without a switch exactly two ports
 * are joined.
 * The switch cuts through: with an idle output the last bit leaves link.switch_latency_ns after it
 * came in. Ethernet queues drop above link.queue_bytes and mark CE above link.ecn_threshold_bytes;
 * with port.pause the switch pauses the senders of a queue that is half full and lets them go on
 * when it is a quarter full. InfiniBand queues stop by credits: the switch grants each port
 * port.vl_credits_bytes per lane and needs credits of the port it sends to; a credit counts one
 * switch latency after its arrival.
 * The same seed and the same frames give the same faults, whatever the steps of net_settle.
 *
 * NOT MODELLED: FECN marks on InfiniBand; more than one switch; address learning (addresses are
 * told by net_address). */
#pragma once
#include "model/param.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct net;

enum net_fault { NET_LOSE, NET_DUPLICATE, NET_REORDER, NET_CORRUPT, NET_MARK, NET_FAULTS };

/* A fault aimed at named packets: the n-th to n + count - 1 that match. */
struct net_aim {
    enum net_fault what;
    int32_t port, qpn, opcode; /* -1: any; port: the sender; qpn: destination QP of the BTH */
    uint64_t nth, count;       /* from 1                                                    */
    uint64_t seen;             /* state                                                     */
};

enum { NET_AIMS_MAX = 64, NET_PORTS_MAX = 512 };

struct net_figures {
    uint64_t frames, bytes; /* accepted from this port                                   */
    uint64_t wire_bytes;    /* the same with preamble, FCS and gap (Ethernet)            */
    uint64_t fault[NET_FAULTS];
    uint64_t dropped_queue;   /* of this sender: output queue or memory full              */
    uint64_t dropped_address; /* of this sender: no such port                             */
    uint64_t overruns;        /* of this sender: sent without credits (InfiniBand)        */
    uint64_t delivered;       /* to this port, control frames not counted                 */
    uint64_t queue_max_bytes; /* of the output queue to this port                         */
    uint64_t pauses;          /* pause frames the switch took from and sent to this port  */
};

/* A frame as a pcap tap or a report sees it. */
enum net_place {
    NET_LEFT,    /* its last bit left `port`, the sender                                        */
    NET_ARRIVED, /* its last bit reached `port`, the receiver                                   */
    NET_LOOPED,  /* it went round inside the adapter of `port`                                  */
    NET_SETTLED  /* no frame: none with an earlier at_ps than this one's will be shown any more */
};
struct net_frame {
    uint64_t at_ps;
    uint32_t port, len;
    uint32_t captured; /* bytes that exist and would be on the wire */
    enum net_place place;
    bool fc; /* InfiniBand flow control packet */
    const uint8_t *bytes;
};
/* NET_LEFT frames come in order of time, NET_ARRIVED frames too, but not one among the other. */
typedef void net_tap(void *arg, const struct net_frame *f);

/* Opens a network of `ports` ports. NULL: *why says what is missing (no memory; two ports that are
 * joined directly and ports > 2). A single port without a switch is left open: frames are lost. */
struct net *net_open(const struct hca_param *p, uint32_t ports, const char **why);
void net_close(struct net *n);
bool net_aim(struct net *n, const struct net_aim *a);     /* false: NET_AIMS_MAX reached */
void net_set_tap(struct net *n, net_tap *tap, void *arg); /* NULL: none */

/* Tells which port owns a MAC address (Ethernet) or a LID (InfiniBand); a port may own several. The
 * last call for an address counts. LID 0 and the MAC address 0 are no addresses. */
void net_address(struct net *n, uint32_t port, const uint8_t mac[6], uint16_t lid);

/* A frame left a port at out_ps (last bit). Frames of one port come in order of time. captured: the
 * bytes that exist; with payload off headers and their seal (model/packet/framing.h). side: passed
 * through to delivery. False: dropped, 256 MiB of frames are under way (counted in dropped_queue).
 */
struct net_side {
    uint32_t mid, mid_first;
    uint8_t source;
};
bool net_send(struct net *n, uint32_t port, uint64_t out_ps, const uint8_t *bytes, uint32_t len,
              uint32_t captured, bool fc, const struct net_side *side);

/* A frame went round inside an adapter: shown to the tap, nothing else. */
void net_loop(struct net *n, uint32_t port, uint64_t at_ps, const uint8_t *bytes, uint32_t len,
              uint32_t captured);

/* All frames that will ever reach the far end of their first cable before safe_ps have been sent:
 * works out the switch up to there. */
void net_settle(struct net *n, uint64_t safe_ps);

/* Oldest arrival before until_ps; false: none. Order: time, sending port, sequence. bytes lives
 * until the next call. */
struct net_arrival {
    uint64_t at_ps;
    uint32_t port, len, captured;
    const uint8_t *bytes;
    bool fc;
    struct net_side side;
};
bool net_arrive(struct net *n, uint64_t until_ps, struct net_arrival *out);

uint64_t net_next(const struct net *n);      /* ps of the earliest thing under way, or UINT64_MAX */
uint64_t net_lookahead(const struct net *n); /* ps from the end of a frame at its port to arrival */
uint64_t net_cable_ps(const struct net *n);
const struct net_figures *net_figures(const struct net *n, uint32_t port);
size_t net_memory(const struct net *n); /* bytes of simulator memory */

/* State of all ports, of what is under way and of aimed faults, for a checkpoint; addresses are not
 * part of it. Load into a network opened with equal parameters and aims. False: i->why, and n is of
 * no use any more. */
struct bytes_out;
struct bytes_in;
#define NET_OTHER_AIMS "the aimed faults are others: give --fault as the run did that wrote it"
void net_save(const struct net *n, struct bytes_out *o);
bool net_load(struct net *n, struct bytes_in *i);
