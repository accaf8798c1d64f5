#include "model/mac_rx.h"

#include "model/packet/fc.h"
#include "model/packet/framing.h"

enum { FRAMES_MAX = 60000, QUANTA_MAX = 0xffff, TYPE_MAC_CONTROL = 0x8808, LOOP_LANE = 15 };

/* Ethernet: what a frame counts at least, so that slots never run out before bytes do. */
static uint64_t charge_min(const struct hca_param *p)
{
    const uint64_t least = p->hca_rx_buffer_bytes / FRAMES_MAX + 1;

    return least > RX_SLOT_BYTES_MIN ? least : RX_SLOT_BYTES_MIN;
}

/* InfiniBand: all lanes, and as much again for the loop, which has no credits. */
uint64_t rx_frames_max(const struct hca_param *p)
{
    return p->port_wire == HCA_PORT_WIRE_IB
               ? (p->port_vl_count + 1) * p->port_vl_credits_bytes / FC_BLOCK
               : p->hca_rx_buffer_bytes / charge_min(p);
}

static void open_lanes(struct mac_rx *u, const struct hca_param *p)
{
    const uint32_t packet = (uint32_t)(p->port_mtu_bytes + PKT_HEADROOM) / FC_BLOCK + 1;
    const uint32_t blocks = (uint32_t)p->port_vl_credits_bytes / FC_BLOCK;
    const uint32_t spare = blocks > packet ? blocks - packet : 1;

    u->lanes = (uint32_t)p->port_vl_count;
    u->lane_bytes = blocks * FC_BLOCK;
    u->charge_min = FC_BLOCK;
    /* An empty buffer always leaves the peer credits for the largest packet. */
    u->threshold = blocks / 4 < spare ? blocks / 4 : spare;
    for (uint32_t v = 0; v < RX_LANES; v++) {
        u->s.told[v] = (uint16_t)(blocks % FC_BLOCKS_ROUND);
    }
}

void mac_rx_open(struct mac_rx *u, struct opening *o)
{
    const struct hca_param *const p = o->p;
    struct pool *const pool = &o->store->rx_pool;
    const uint64_t pause_bits = (uint64_t)QUANTA_MAX * PFC_QUANTUM_BITS;

    pool->meter = arena_take(o->a, sizeof *pool->meter + pool->n * sizeof pool->meter->slot[0]);
    memset(&u->s, 0, sizeof u->s);
    u->s.refresh_at = HCA_NEVER;
    u->latency = ns_cycles(p, p->port_fec_ns + p->port_mac_latency_ns);
    u->refresh = pause_bits * p->core_clock_khz / (p->port_rate_mbps * 1000) / 2 + 1;
    u->lanes = 0;
    u->lane_bytes = (uint32_t)p->hca_rx_buffer_bytes;
    u->charge_min = (uint32_t)charge_min(p);
    if (p->port_wire == HCA_PORT_WIRE_IB) {
        open_lanes(u, p);
        pool->taker = U_mac_rx; /* a slot given back is credit */
    }
}

static struct pool_meter *meter(const struct tick *t)
{
    return t->store->rx_pool.meter;
}

/* --- flow control, InfiniBand ------------------------------------------------------------------
 */

/* Limit that lane v can be granted now. source: IBTA vol. 1, 7.9.4 */
static uint32_t limit_of(const struct mac_rx *u, const struct tick *t, uint32_t v)
{
    const uint32_t free = (u->lane_bytes - meter_held(meter(t), t->now, v)) / FC_BLOCK;

    return (u->s.abr[v] + (free < FC_CREDIT_MAX ? free : FC_CREDIT_MAX)) % FC_BLOCKS_ROUND;
}

/* Grants the first lane whose limit has grown enough; true: rx_credit was used. */
static bool grant(struct mac_rx *u, const struct tick *t)
{
    for (uint32_t v = 0; v < u->lanes; v++) {
        const uint32_t limit = limit_of(u, t, v);
        if (((limit - u->s.told[v]) & (FC_BLOCKS_ROUND - 1)) >= u->threshold) {
            PUSH(t, u->rx_credit, link_fc, 0, .fccl = limit, .vl = (uint8_t)v, .op = LFC_GRANT);
            u->s.told[v] = (uint16_t)limit;
            return true;
        }
    }
    return false;
}

static void take_fc(struct mac_rx *u, const struct tick *t, const struct frame *f)
{
    struct fc_packet fc;

    if (!fc_parse(store_at(t->store, f->off), f->len, &fc) || fc.vl >= u->lanes) {
        t->s->mac_rx_bad_control++;
        return;
    }
    u->s.abr[fc.vl] = fc.fctbs; /* what got lost on the way no longer holds credits */
    PUSH(t, u->rx_credit, link_fc, 0, .fctbs = fc.fctbs, .fccl = fc.fccl, .vl = fc.vl,
         .op = LFC_PEER);
    t->s->mac_rx_fc_packets++;
}

/* --- pause, Ethernet ---------------------------------------------------------------------------
 */

static bool is_mac_control(const struct tick *t, const struct frame *f)
{
    const uint8_t *const b = store_at(t->store, f->off);

    return f->captured >= 14 && (b[12] << 8 | b[13]) == TYPE_MAC_CONTROL;
}

static void take_pause(struct mac_rx *u, const struct tick *t, const struct frame *f)
{
    const uint32_t class = (uint32_t)t->p->port_vlan_priority;
    struct pkt_hdr h;
    struct pkt_view v;

    if (pkt_parse(store_at(t->store, f->off), f->captured, PKT_LINK_ETHERNET, &h, &v) != PKT_PFC) {
        t->s->mac_rx_bad_control++;
        return;
    }
    t->s->mac_rx_pauses++;
    if (t->p->port_pause && (h.pfc_enable >> class & 1) != 0) {
        PUSH(t, u->rx_credit, link_fc, 0, .fctbs = h.pfc_quanta[class], .op = LFC_PAUSED);
    }
}

/* Sends, repeats or ends a pause; true: rx_credit was used. While a pause lasts, every slot given
 * back wakes this unit. */
static bool pause(struct mac_rx *u, const struct tick *t)
{
    struct pool *const pool = &t->store->rx_pool;
    const uint32_t held = meter_held(pool->meter, t->now, 0);
    const bool paused = u->s.refresh_at != HCA_NEVER;

    if (paused && held <= t->p->port_pause_xon_bytes) {
        PUSH(t, u->rx_credit, link_fc, 0, .fctbs = 0, .op = LFC_PAUSE);
        u->s.refresh_at = HCA_NEVER;
        pool->taker = U_edge;
        return true;
    }
    if (paused ? u->s.refresh_at <= t->now : held >= t->p->port_pause_xoff_bytes) {
        PUSH(t, u->rx_credit, link_fc, 0, .fctbs = QUANTA_MAX, .op = LFC_PAUSE);
        u->s.refresh_at = t->now + u->refresh;
        pool->taker = U_mac_rx;
        return true;
    }
    return false;
}

/* --- frames ------------------------------------------------------------------------------------
 */

static uint32_t charge_of(const struct mac_rx *u, const struct frame *f)
{
    if (u->lanes != 0) {
        return fc_blocks(f->len) * FC_BLOCK;
    }
    return f->len < u->charge_min ? u->charge_min : f->len;
}

static void stamp(const struct tick *t, const struct frame *f)
{
    if (f->source == SRC_REQUESTER) {
        STAMP(t, mac_rx, wire_in, f->mid, t->now);
        STAMP(t, mac_rx, first_in, f->mid_first, t->now);
    } else {
        STAMP(t, mac_rx, rsp_in, f->mid, t->now);
    }
}

/* Takes the frame, which lies in an rx slot, or drops it (false); lane: of the meter. */
static bool accept(struct mac_rx *u, const struct tick *t, const struct frame *f, uint32_t lane,
                   uint64_t latency)
{
    const uint32_t bytes = charge_of(u, f);

    stamp(t, f);
    if (meter_held(meter(t), t->now, lane) + bytes > u->lane_bytes) {
        t->s->mac_rx_dropped++;
        TRACE(t, mac_rx, rx_drop, .len = f->len, .lane = (uint8_t)lane);
        pool_give(&t->store->rx_pool, t->k, f->slot);
        return false;
    }
    meter_charge(meter(t), f->slot, lane, bytes);
    PASS(t, u->rx_frame, frame, latency, f);
    t->s->mac_rx_frames++;
    t->s->mac_rx_bytes += f->len;
    return true;
}

/* A frame from the line; false: there is none. Both wires always have room: rx_frame is as deep as
 * the buffer, mac_tx takes what rx_credit brings. */
static bool take_line(struct mac_rx *u, const struct tick *t)
{
    if (!VALID(t, u->net_in) || !READY(t, u->rx_frame) || !READY(t, u->rx_credit)) {
        return false;
    }
    const struct frame *const f = POP(t, u->net_in);
    if (f->fc || (u->lanes == 0 && is_mac_control(t, f))) {
        if (f->fc && u->lanes != 0) {
            take_fc(u, t, f);
        } else if (f->fc) {
            t->s->mac_rx_bad_control++;
        } else {
            take_pause(u, t, f);
        }
        pool_give(&t->store->rx_pool, t->k, f->slot);
        return true;
    }
    uint32_t lane = 0;
    if (u->lanes != 0) {
        lane = store_at(t->store, f->off)[0] >> 4;
        lane = lane < u->lanes ? lane : 0; /* a flipped bit: packet_parse will find it */
    }
    if (accept(u, t, f, lane, u->latency)) { /* what is dropped for want of room does not count */
        u->s.abr[lane] = (uint16_t)((u->s.abr[lane] + fc_blocks(f->len)) % FC_BLOCKS_ROUND);
    }
    return true;
}

/* A frame from this adapter: copied from its transmit slot. It never waits for buffer, or two
 * adapters' worth of traffic could wait for each other in a circle. */
static bool take_loop(struct mac_rx *u, const struct tick *t)
{
    struct pool *const pool = &t->store->rx_pool;

    if (!VALID(t, u->loop) || !READY(t, u->rx_frame)) {
        return false;
    }
    const struct frame from = *POP(t, u->loop);
    struct pool *const home = from.pool == POOL_ACK ? &t->store->ack_pool : &t->store->tx_pool;
    if (pool_ready(pool, t->now)) {
        struct frame f = from;
        f.slot = pool_take(pool, t->k);
        f.off = t->store->rx + f.slot * t->store->slot_bytes;
        memcpy(store_at(t->store, f.off), store_at(t->store, from.off), from.captured);
        (void)accept(u, t, &f, u->lanes != 0 ? (uint32_t)LOOP_LANE : 0, 0);
    } else {
        t->s->mac_rx_dropped++;
    }
    pool_give(home, t->k, from.slot);
    return true;
}

struct act mac_rx_tick(struct mac_rx *u, const struct tick *t)
{
    /* An update takes the place of a frame in this cycle only when both need rx_credit. */
    const bool wants = u->lanes != 0 || t->p->port_pause;
    const bool told =
        wants && READY(t, u->rx_credit) && (u->lanes != 0 ? grant(u, t) : pause(u, t));
    const bool taken = !told && (take_line(u, t) || take_loop(u, t));

    if (told || (taken && (wants || VALID(t, u->net_in) || VALID(t, u->loop)))) {
        return AGAIN(t);
    }
    return (struct act){taken, u->s.refresh_at > t->now ? u->s.refresh_at : HCA_NEVER};
}
