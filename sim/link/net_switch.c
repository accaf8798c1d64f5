/* The switch: cut-through, one output queue per port (InfiniBand: per port and lane). */
#include "model/packet/fc.h"
#include "model/packet/framing.h"
#include "model/packet/headers.h"
#include "sim/link/net_i.h"

#include <string.h>

enum { QUANTA_MAX = 0xffff };
#define BYTE_PS_MBPS 8000000u /* ps per byte at 1 Mb/s */

/* --- what the switch sends itself ---------------------------------------------------------------
 */

/* Occupies the line to p for a frame of len bytes from start on, or from when it is free; the time
 * its last bit is out. Rates are exact: frac / rate ps are kept. */
static uint64_t occupy(const struct net *n, struct port *p, uint32_t len, uint64_t start)
{
    const uint64_t rate = n->p.port_rate_mbps;

    if (p->free_at < start) {
        p->free_at = start;
        p->frac = 0;
    }
    const uint64_t sum = p->frac + (uint64_t)line_bytes(n->ib, len) * BYTE_PS_MBPS;
    p->free_at += sum / rate;
    p->frac = sum % rate;
    return p->free_at + (p->frac != 0);
}

/* It goes behind the frame that is on the line: what it says of blocks sent must have been sent. */
static void send_own(struct net *n, uint32_t port, const uint8_t *bytes, uint32_t len, bool fc,
                     uint64_t now)
{
    struct cell *const c = cell_take(n);

    if (c == NULL) {
        return; /* the next update says the same and more */
    }
    *c = (struct cell){.seq = n->switch_seq++,
                       .len = len,
                       .captured = len,
                       .src = NET_SWITCH + port,
                       .dst = port,
                       .fc = fc,
                       .control = true};
    memcpy(c->bytes, bytes, len);
    net_deliver(n, c, occupy(n, &n->port[port], len, now) + n->cable_ps);
}

/* Grants port the blocks that its lane has free by now, when that is worth a packet. */
static void grant(struct net *n, uint32_t port, uint32_t lane, uint64_t now)
{
    struct port *const p = &n->port[port];
    const uint32_t free = n->lane_blocks - p->held_blocks[lane];
    const uint32_t limit =
        (p->received[lane] + (free < FC_CREDIT_MAX ? free : FC_CREDIT_MAX)) % FC_BLOCKS_ROUND;
    uint8_t bytes[FC_PACKET_BYTES];

    if (((limit - p->told[lane]) & (FC_BLOCKS_ROUND - 1)) < n->threshold) {
        return;
    }
    p->told[lane] = limit;
    fc_build(&(struct fc_packet){.fctbs = (uint16_t)p->sent[lane],
                                 .fccl = (uint16_t)limit,
                                 .vl = (uint8_t)lane},
             bytes);
    send_own(n, port, bytes, sizeof bytes, true, now);
}

static void send_pause(struct net *n, uint32_t port, uint16_t quanta, uint64_t now)
{
    const uint32_t class = (uint32_t)n->p.port_vlan_priority;
    struct pkt_hdr h = {.pfc_enable = (uint8_t)(1U << class), .smac = {2}};
    uint8_t bytes[PKT_PFC_BYTES];

    h.pfc_quanta[class] = quanta;
    pkt_build_pfc(&h, bytes);
    n->port[port].pause_sent = now;
    n->port[port].f.pauses++;
    send_own(n, port, bytes, sizeof bytes, false, now);
}

static uint64_t quanta_ps(const struct net *n, uint64_t quanta)
{
    return quanta * PFC_QUANTUM_BITS * 1000000 / n->p.port_rate_mbps;
}

/* The queue to dst is half full because of src. A pause that has run half its time is repeated. */
static void pause_sender(struct net *n, uint32_t src, uint32_t dst, uint64_t now)
{
    struct port *const s = &n->port[src];
    uint64_t *const word = &n->port[dst].pauses[src / 64];
    const uint64_t bit = 1ULL << src % 64;

    if ((*word & bit) == 0) {
        *word |= bit;
        s->pausers++;
    } else if (now - s->pause_sent < quanta_ps(n, QUANTA_MAX) / 2) {
        return;
    }
    send_pause(n, src, QUANTA_MAX, now);
}

static void resume_senders(struct net *n, uint32_t dst, uint64_t now)
{
    for (uint32_t w = 0; w < NET_PORTS_MAX / 64; w++) {
        uint64_t set = n->port[dst].pauses[w];
        n->port[dst].pauses[w] = 0;
        for (; set != 0; set &= set - 1) {
            const uint32_t src = w * 64 + (uint32_t)__builtin_ctzll(set);
            if (--n->port[src].pausers == 0) {
                send_pause(n, src, 0, now);
            }
        }
    }
}

/* --- output ------------------------------------------------------------------------------------
 */

static void arm(struct net *n, uint32_t port, uint64_t at)
{
    struct port *const p = &n->port[port];

    if (at < p->armed) {
        p->armed = at;
        net_event(n, &(struct event){.at = at, .kind = EV_FREE, .port = port});
    }
}

/* Lane that may send next, NET_LANES: none. */
static uint32_t pick_lane(const struct net *n, const struct port *p)
{
    for (uint32_t i = 0; i < n->lanes; i++) {
        const uint32_t lane = (p->next_lane + i) % n->lanes;
        const struct cell *const c = p->out[lane].head;
        if (c != NULL &&
            (!n->ib || fc_may_send(p->sent[lane], p->limit[lane], fc_blocks(c->len)))) {
            return lane;
        }
    }
    return NET_LANES;
}

/* Puts c on the line to its port: not before the line is free, not before its first bit can be
 * there. */
static void transmit(struct net *n, struct port *p, struct cell *c, uint64_t now)
{
    const uint64_t rate = n->p.port_rate_mbps;
    const uint64_t ser = ((uint64_t)line_bytes(n->ib, c->len) * BYTE_PS_MBPS + rate - 1) / rate;
    uint64_t start = now;

    if (c->in_ps == now) { /* cut through: the first bit came in that much earlier */
        start = now > ser ? now - ser : 0;
        start = start < p->paused_until ? p->paused_until : start;
    }
    const uint64_t end = occupy(n, p, c->len, start);
    if (n->ib) {
        const uint32_t blocks = fc_blocks(c->len);
        p->sent[c->lane] = (p->sent[c->lane] + blocks) % FC_BLOCKS_ROUND;
        net_event(n, &(struct event){.at = end > now ? end : now,
                                     .kind = EV_LEFT,
                                     .port = c->src,
                                     .lane = c->lane,
                                     .blocks = blocks,
                                     .seq = c->seq});
    }
    p->f.delivered++;
    net_deliver(n, c, (end > now ? end : now) + n->cable_ps);
}

static void try_send(struct net *n, uint32_t port, uint64_t now)
{
    struct port *const p = &n->port[port];

    if (p->out_bytes == 0) {
        return;
    }
    const uint64_t ready = p->free_at > p->paused_until ? p->free_at : p->paused_until;
    if (now < ready) {
        arm(n, port, ready);
        return;
    }
    const uint32_t lane = pick_lane(n, p);
    if (lane == NET_LANES) {
        return; /* credits will call again */
    }
    struct cell *const c = queue_take(&p->out[lane]);
    p->next_lane = lane + 1;
    p->out_bytes -= c->len;
    transmit(n, p, c, now);
    if (n->p.port_pause && p->out_bytes <= n->p.link_queue_bytes / 4) {
        resume_senders(n, port, now);
    }
    if (p->out_bytes != 0) {
        arm(n, port, p->free_at > now ? p->free_at : now + 1);
    }
}

void switch_free(struct net *n, uint32_t port, uint64_t now)
{
    if (n->port[port].armed == now) {
        n->port[port].armed = NET_NEVER;
    }
    try_send(n, port, now);
}

/* --- input -------------------------------------------------------------------------------------
 */

/* False: dropped. A packet for nobody takes and gives its blocks at once. */
static bool enter_ib(struct net *n, struct cell *c)
{
    struct port *const s = &n->port[c->src];
    const uint32_t blocks = fc_blocks(c->len);

    if (c->lane >= n->lanes || s->held_blocks[c->lane] + blocks > n->lane_blocks) {
        s->f.overruns++;
        return false;
    }
    s->received[c->lane] = (s->received[c->lane] + blocks) % FC_BLOCKS_ROUND;
    if (c->dst == NET_NOBODY) {
        s->f.dropped_address++;
        grant(n, c->src, c->lane, c->in_ps);
        return false;
    }
    s->held_blocks[c->lane] += blocks;
    return true;
}

static bool enter_ethernet(struct net *n, struct cell *c)
{
    struct port *const s = &n->port[c->src];

    if (c->dst == NET_NOBODY) {
        s->f.dropped_address++;
        return false;
    }
    const uint64_t fill = n->port[c->dst].out_bytes;
    if (fill + c->len > n->p.link_queue_bytes) {
        s->f.dropped_queue++;
        return false;
    }
    const uint64_t threshold = n->p.link_ecn_threshold_bytes;
    if (threshold != 0 && fill >= threshold && fault_mark(c)) {
        s->f.fault[NET_MARK]++;
    }
    if (n->p.port_pause && fill + c->len > n->p.link_queue_bytes / 2) {
        pause_sender(n, c->src, c->dst, c->in_ps);
    }
    return true;
}

void switch_in(struct net *n, struct cell *c)
{
    if (!(n->ib ? enter_ib(n, c) : enter_ethernet(n, c))) {
        cell_give(n, c);
        return;
    }
    const uint32_t dst = c->dst;
    struct port *const d = &n->port[dst];
    const uint64_t now = c->in_ps;
    d->out_bytes += c->len;
    if (d->out_bytes > d->f.queue_max_bytes) {
        d->f.queue_max_bytes = d->out_bytes;
    }
    queue_put(&d->out[n->ib ? c->lane : 0], c);
    try_send(n, dst, now);
}

void switch_left(struct net *n, const struct event *e)
{
    n->port[e->port].held_blocks[e->lane] -= e->blocks;
    grant(n, e->port, e->lane, e->at);
}

static void take_fc(struct net *n, const struct cell *c, uint64_t now)
{
    struct port *const p = &n->port[c->src];
    struct fc_packet fc;

    if (!fc_parse(c->bytes, c->captured, &fc) || fc.vl >= n->lanes) {
        return;
    }
    p->received[fc.vl] = fc.fctbs; /* what got lost on the cable no longer holds credits */
    p->limit[fc.vl] = fc.fccl;
    grant(n, c->src, fc.vl, now);
    try_send(n, c->src, now);
}

void switch_control(struct net *n, struct cell *c, uint64_t now)
{
    struct port *const p = &n->port[c->src];
    struct pkt_hdr h;
    struct pkt_view v;

    if (c->fc) {
        take_fc(n, c, now);
    } else if (pkt_parse(c->bytes, c->captured, PKT_LINK_ETHERNET, &h, &v) == PKT_PFC) {
        const uint32_t class = (uint32_t)n->p.port_vlan_priority;
        if ((h.pfc_enable >> class & 1) != 0) {
            p->f.pauses++;
            p->paused_until = now + quanta_ps(n, h.pfc_quanta[class]);
            try_send(n, c->src, now);
        }
    }
    cell_give(n, c);
}
