/* net_i.h: inside of the network. Time is ps.
 *
 * Events are worked out in the order (time, kind, port, sequence), which no stepping of net_settle
 * can change. The time of events is shifted by the latency of the switch: a frame whose last bit
 * comes in at t is an event at t + latency, the earliest time its last bit can go out; so all
 * events before safe_ps + latency are known once all frames before safe_ps are. */
#pragma once
#include "sim/link/net.h"

enum {
    NET_LANES = 16,
    NET_CHUNK_CELLS = 64,
    NET_MEMORY_MAX_MIB = 256,
    NET_LIDS = 65536,
    NET_HOLD_NS = 10000, /* ASSUMED: a packet to be overtaken waits no longer for a successor */
    NET_SWITCH = NET_PORTS_MAX /* sender of what the switch itself sends, + port */
};
#define NET_NEVER  UINT64_MAX
#define NET_NOBODY UINT32_MAX

/* A frame under way. */
struct cell {
    struct cell *next; /* in a queue or the free list */
    uint64_t out_ps;   /* left its port               */
    uint64_t in_ps;    /* event time, see above       */
    uint64_t seq;      /* per sender                  */
    uint32_t len, captured;
    uint32_t src, dst; /* NET_NOBODY: dropped         */
    uint8_t lane;
    bool fc, control; /* control: pause frame        */
    struct net_side side;
    uint8_t bytes[];
};

/* IN: data and control frames alike, since a flow control packet counts what was sent before it. */
enum event_kind { EV_SHOW, EV_LEFT, EV_HELD, EV_IN, EV_FREE };

struct event {
    uint64_t at, seq;
    struct cell *cell; /* NULL: EV_LEFT, EV_HELD, EV_FREE */
    uint32_t port, kind;
    uint32_t lane, blocks; /* EV_LEFT */
};

struct heap {
    struct event *e;
    size_t n, size;
};

struct queue {
    struct cell *head, *tail;
};

struct port {
    struct net_figures f;
    uint64_t random; /* state of its stream of faults                                 */
    uint64_t seq;
    struct cell *held; /* to be overtaken by its successor                              */
    uint64_t held_until;
    /* output of the switch towards this port */
    struct queue out[NET_LANES];
    uint64_t out_bytes;     /* waiting in all queues                                 */
    uint64_t free_at, frac; /* line is free: free_at + frac / rate ps                */
    uint64_t armed;         /* time of its pending EV_FREE                           */
    uint64_t paused_until;  /* pause of this port                                    */
    uint32_t next_lane;
    uint32_t sent[NET_LANES], limit[NET_LANES]; /* credits of this port, modulo 4096      */
    /* input of the switch from this port */
    uint32_t received[NET_LANES]; /* blocks, modulo 4096, adjusted by FCTBS               */
    uint32_t held_blocks[NET_LANES], told[NET_LANES];
    uint32_t pausers;                    /* output queues that keep this sender paused            */
    uint64_t pause_sent;                 /* when it was told so last                              */
    uint64_t pauses[NET_PORTS_MAX / 64]; /* senders that the queue to this port has paused */
};

struct net {
    struct hca_param p;
    uint32_t ports, lanes;
    bool ib, switched;
    uint64_t cable_ps, switch_ps, hold_ps;
    uint32_t lane_blocks, threshold;
    struct port *port;
    struct heap events, arrivals;
    struct cell *free, *shown; /* shown: given out by net_arrive, freed by the next call */
    void **chunk;
    uint32_t chunks, chunks_max;
    size_t cell_bytes;
    struct net_aim aim[NET_AIMS_MAX];
    uint32_t aims;
    net_tap *tap;
    void *tap_arg;
    uint64_t switch_seq;
    uint64_t arrived_ps; /* net_arrive has given out everything before this time */
    /* addresses: open addressing, key 0: empty */
    uint64_t *mac;
    uint32_t *mac_port, macs, mac_size;
    uint16_t *lid; /* [NET_LIDS] port + 1 */
};

/* net_cell.c */
bool heap_push(struct heap *h, const struct event *e); /* false: no memory */
struct event heap_pop(struct heap *h);
struct cell *cell_take(struct net *n); /* NULL: NET_MEMORY_MAX_MIB reached, or no memory */
void cell_give(struct net *n, struct cell *c);
struct cell *cell_copy(struct net *n, const struct cell *c);
void queue_put(struct queue *q, struct cell *c);
struct cell *queue_take(struct queue *q);

/* net_address.c */
bool address_open(struct net *n);
uint32_t address_find(const struct net *n, const uint8_t *frame, uint32_t captured);

/* net_fault.c */
void fault_seed(struct net *n);
/* Faults that hit c, as a set of 1 << enum net_fault. */
uint32_t fault_draw(struct net *n, const struct cell *c);
void fault_corrupt(struct net *n, struct cell *c);
bool fault_mark(struct cell *c); /* sets CE on an ECT packet; false: not ECT */
bool fault_chance(struct net *n, uint32_t port, uint64_t ppm);

/* net_switch.c */
void switch_control(struct net *n, struct cell *c, uint64_t now);
void switch_in(struct net *n, struct cell *c);
void switch_free(struct net *n, uint32_t port, uint64_t now);
void switch_left(struct net *n, const struct event *e);

/* net.c */
void net_deliver(struct net *n, struct cell *c, uint64_t at_ps);
void net_event(struct net *n, const struct event *e);
