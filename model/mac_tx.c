#include "model/mac_tx.h"

#include "model/packet/fc.h"
#include "model/packet/framing.h"

#include <string.h>

enum { LINK_LANES = 4 /* ASSUMED: 4x ports; symbol times count per lane */ };

void mac_tx_open(struct mac_tx *u, struct opening *o)
{
    const struct hca_param *const p = o->p;
    const uint64_t num = 8 * p->core_clock_khz;
    const uint16_t limit = (uint16_t)(p->port_vl_credits_bytes / FC_BLOCK);

    u->latency = ns_cycles(p, p->port_mac_latency_ns);
    u->loop_latency = ns_cycles(p, p->hca_loopback_latency_ns);
    u->lanes = p->port_wire == HCA_PORT_WIRE_IB ? (uint32_t)p->port_vl_count : 0;
    u->fc_interval =
        p->port_fc_interval_symbols * LINK_LANES * num / (p->port_rate_mbps * 1000) + 1;
    memset(&u->s, 0, sizeof u->s);
    u->s.line = (struct serial){.num = num, .den = p->port_rate_mbps * 1000};
    u->s.ring = (struct serial){.num = num, .den = p->hca_loopback_mbps * 1000};
    for (uint32_t v = 0; v < MAC_LANES; v++) { /* both ends were brought up with empty buffers */
        u->s.fccl[v] = u->s.grant[v] = limit;
        u->s.fc_at[v] = HCA_NEVER;
    }
    mac_lane_open(u, o);
}

/* Bytes of the place of net_out that the next push fills. */
static uint32_t out_place(const struct mac_tx *u, const struct tick *t)
{
    return t->store->net_out + (u->net_out->ctl.tail & u->net_out->ctl.mask) * t->store->slot_bytes;
}

/* Cycles from this one to the edge for a frame whose last bit has left by cycle end. */
static uint64_t until_edge(const struct mac_tx *u, const struct tick *t, uint64_t end)
{
    return end + u->latency - t->now - 1; /* end > now: a frame has at least one byte */
}

static void take_credit(struct mac_tx *u, const struct tick *t)
{
    const struct link_fc *const m = POP(t, u->rx_credit);
    const uint64_t bits = (uint64_t)m->fctbs * PFC_QUANTUM_BITS;

    switch (m->op) {
    case LFC_PEER: u->s.fccl[m->vl] = m->fccl & (FC_BLOCKS_ROUND - 1); break;
    case LFC_GRANT:
        u->s.grant[m->vl] = (uint16_t)m->fccl;
        u->s.grants |= 1U << m->vl;
        break;
    case LFC_PAUSED:
        u->s.paused_until =
            t->now + (bits * t->p->core_clock_khz + t->p->port_rate_mbps * 1000 - 1) /
                         (t->p->port_rate_mbps * 1000);
        break;
    default: /* LFC_PAUSE */
        u->s.quanta = (uint16_t)m->fctbs;
        u->s.pause = 1;
        break;
    }
}

/* Sends a flow control packet for lane v. */
static void send_grant(struct mac_tx *u, const struct tick *t, uint32_t v)
{
    const struct fc_packet f = {.fctbs = u->s.fctbs[v], .fccl = u->s.grant[v], .vl = (uint8_t)v};
    const uint32_t at = out_place(u, t);
    const uint64_t end = serial_take(&u->s.line, t->now, line_bytes(true, FC_PACKET_BYTES));

    fc_build(&f, store_at(t->store, at));
    PUSH(t, u->net_out, frame, until_edge(u, t, end), .len = FC_PACKET_BYTES, .vl = f.vl, .fc = 1,
         .off = at, .captured = FC_PACKET_BYTES, .slot = NO_SLOT);
    u->s.grants &= ~(1U << v);
    t->s->mac_tx_fc_packets++;
}

/* Nobody answers a pause frame, so its source address is a constant of this model. */
static void send_pause(struct mac_tx *u, const struct tick *t)
{
    const uint32_t class = (uint32_t)t->p->port_vlan_priority;
    struct pkt_hdr h = {.pfc_enable = (uint8_t)(1U << class)};
    const uint32_t at = out_place(u, t);
    const uint64_t end = serial_take(&u->s.line, t->now, line_bytes(false, PKT_PFC_BYTES));

    h.pfc_quanta[class] = u->s.quanta;
    h.smac[0] = 2; /* locally administered */
    pkt_build_pfc(&h, store_at(t->store, at));
    PUSH(t, u->net_out, frame, until_edge(u, t, end), .len = PKT_PFC_BYTES, .off = at,
         .captured = PKT_PFC_BYTES, .slot = NO_SLOT);
    u->s.pause = 0;
    t->s->mac_tx_pauses++;
}

static void give(const struct tick *t, const struct frame *f)
{
    pool_give(f->pool == POOL_ACK ? &t->store->ack_pool : &t->store->tx_pool, t->k, f->slot);
}

static void stamp(const struct tick *t, const struct frame *f, uint64_t when)
{
    if (f->source == SRC_REQUESTER) {
        STAMP(t, mac_tx, wire_out, f->mid, when);
        STAMP(t, mac_tx, first_out, f->mid_first, when);
    } else {
        STAMP(t, mac_tx, rsp_out, f->mid, when);
    }
}

static void copy_out(struct mac_tx *u, const struct tick *t, const struct frame *f, uint64_t delay)
{
    const uint32_t place = out_place(u, t);

    memcpy(store_at(t->store, place), store_at(t->store, f->off), f->captured);
    PASS_EDIT(t, u->net_out, frame, delay, f, (slot_->off = place, slot_->slot = NO_SLOT));
}

static void send_data(struct mac_tx *u, const struct tick *t, const struct frame *f)
{
    const uint32_t bytes = line_bytes(u->lanes != 0, f->len);
    const uint64_t end = serial_take(&u->s.line, t->now, bytes);

    if (u->lanes != 0) {
        u->s.fctbs[f->vl] = (uint16_t)((u->s.fctbs[f->vl] + fc_blocks(f->len)) % FC_BLOCKS_ROUND);
        u->s.fc_at[f->vl] = HCA_NEVER;
    }
    copy_out(u, t, f, until_edge(u, t, end));
    give(t, f);
    stamp(t, f, end + u->latency);
    t->s->mac_tx_frames++;
    t->s->mac_tx_bytes += f->len;
    t->s->mac_tx_line_bytes += bytes;
}

/* The frame keeps its slot until mac_rx has copied it. */
static void send_back(struct mac_tx *u, const struct tick *t, const struct frame *f)
{
    const uint64_t end = serial_take(&u->s.ring, t->now, f->len);
    const uint64_t at = end + u->loop_latency;

    copy_out(u, t, f, at - t->now - 1);
    PASS(t, u->loop, frame, at - t->now - 1, f);
    stamp(t, f, end);
    t->s->mac_tx_looped++;
    t->s->mac_tx_looped_bytes += f->len;
}

/* The oldest frame, if it may leave now; *wake: the cycle at which time alone changes the answer.
 */
static bool serve_frame(struct mac_tx *u, const struct tick *t, uint64_t *wake)
{
    const struct frame *const f = PEEK(u->tx_frame);

    *wake = HCA_NEVER;
    if (f->loop) {
        if (u->s.ring.free_at > t->now) {
            *wake = u->s.ring.free_at;
        } else if (READY(t, u->loop)) {
            send_back(u, t, POP(t, u->tx_frame));
            return true;
        }
        return false;
    }
    const uint64_t free_at =
        u->s.line.free_at > u->s.paused_until ? u->s.line.free_at : u->s.paused_until;
    if (free_at > t->now) {
        *wake = free_at;
        return false;
    }
    if (mac_may_send(u, f)) {
        send_data(u, t, POP(t, u->tx_frame));
        return true;
    }
    return false;
}

/* A frame waits for credits: tell the peer from time to time how much was sent, since packets that
 * got lost on the way hold credits until then. source: IBTA vol. 1, 7.9.4 (every 65,536 symbols) */
static struct act wait_credits(struct mac_tx *u, const struct tick *t, uint32_t lane)
{
    uint64_t *const at = &u->s.fc_at[lane];

    if (*at == HCA_NEVER) {
        *at = t->now + u->fc_interval;
        t->s->mac_tx_credit_waits++;
        return (struct act){true, *at};
    }
    if (*at > t->now) {
        return WAKE_AT(*at);
    }
    u->s.grants |= 1U << lane;
    *at = HCA_NEVER;
    return AGAIN(t);
}

/* Flow control and pause frames go before data as soon as the line is free. */
static bool serve_control(struct mac_tx *u, const struct tick *t)
{
    if (u->s.line.free_at > t->now || (u->s.grants == 0 && !u->s.pause)) {
        return false;
    }
    if (u->s.grants != 0) {
        send_grant(u, t, (uint32_t)__builtin_ctz(u->s.grants));
    } else {
        send_pause(u, t);
    }
    return true;
}

static struct act serve_line(struct mac_tx *u, const struct tick *t)
{
    if (!READY(t, u->net_out)) {
        return IDLE;
    }
    const bool control = serve_control(u, t);
    const bool pending = u->s.grants != 0 || u->s.pause;
    const uint64_t line = u->s.line.free_at;
    if (control) {
        return (struct act){true, pending || ANY(u->tx_frame) ? line : HCA_NEVER};
    }
    uint64_t wake = HCA_NEVER;
    const bool waiting = VALID(t, u->tx_frame);
    const bool moved = waiting && serve_frame(u, t, &wake);
    if (waiting && !moved && wake == HCA_NEVER && !PEEK(u->tx_frame)->loop) {
        return wait_credits(u, t, PEEK(u->tx_frame)->vl);
    }
    if (pending && u->s.line.free_at < wake) {
        wake = u->s.line.free_at;
    }
    return (struct act){moved, wake};
}

/* What the tick of several parts answers. */
static void merge(struct act *a, struct act b)
{
    a->moved |= b.moved;
    a->wake = b.wake < a->wake ? b.wake : a->wake;
}

/* Lanes whose oldest frame waits for credits, whether or not others send meanwhile. */
static struct act blocked_lanes(struct mac_tx *u, const struct tick *t)
{
    struct act a = IDLE;

    for (uint32_t v = 0; v < u->lanes; v++) {
        const struct frame *const f = mac_lane_peek(u, v);
        if (f != NULL && !mac_may_send(u, f)) {
            merge(&a, wait_credits(u, t, v));
        }
    }
    return a;
}

/* A frame that stays inside, if it may leave now. */
static bool serve_loop(struct mac_tx *u, const struct tick *t, struct act *a)
{
    const struct frame *const f = mac_lane_peek(u, MAC_LOOP);

    if (f == NULL || !READY(t, u->loop)) {
        return false;
    }
    if (u->s.ring.free_at > t->now) {
        merge(a, WAKE_AT(u->s.ring.free_at));
        return false;
    }
    send_back(u, t, f);
    mac_lane_remove(u, MAC_LOOP);
    return true;
}

/* Several lanes: one frame of the queues, if net_out has room. */
static struct act serve_queues(struct mac_tx *u, const struct tick *t)
{
    struct act a = blocked_lanes(u, t);

    if (!READY(t, u->net_out)) {
        return a;
    }
    if (serve_control(u, t) || serve_loop(u, t, &a)) {
        return AGAIN(t);
    }
    if (u->s.line.free_at > t->now) {
        merge(&a, WAKE_AT(u->s.line.free_at));
        return a;
    }
    const uint32_t v = mac_lane_choose(u);
    if (v == MAC_LANES) {
        return a;
    }
    send_data(u, t, mac_lane_peek(u, v));
    mac_lane_remove(u, v);
    return AGAIN(t);
}

static struct act serve_lanes(struct mac_tx *u, const struct tick *t)
{
    const bool taken = VALID(t, u->tx_frame);

    if (taken) {
        mac_lane_append(u, POP(t, u->tx_frame));
    }
    struct act a = serve_queues(u, t);
    a.moved |= taken;
    return a;
}

struct act mac_tx_tick(struct mac_tx *u, const struct tick *t)
{
    const bool credit = VALID(t, u->rx_credit);

    if (credit) {
        take_credit(u, t);
    }
    const struct act a = u->lanes > 1 ? serve_lanes(u, t) : serve_line(u, t);
    if (!credit) {
        return a;
    }
    return a.moved ? a : (struct act){true, a.wake};
}
