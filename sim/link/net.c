#include "sim/link/net_i.h"

#include "model/packet/framing.h"
#include "model/packet/headers.h"

#include <stdlib.h>
#include <string.h>

enum { MM_PS = 5, NS_PS = 1000, CELL_ALIGN = 64, TYPE_MAC_CONTROL = 0x8808 };

/* --- open, close --------------------------------------------------------------------------------
 */

static void set_lanes(struct net *n)
{
    const struct hca_param *const p = &n->p;
    const uint32_t packet = (uint32_t)(p->port_mtu_bytes + PKT_HEADROOM) / FC_BLOCK + 1;
    const uint32_t blocks = (uint32_t)p->port_vl_credits_bytes / FC_BLOCK;
    const uint32_t spare = blocks > packet ? blocks - packet : 1;

    n->lanes = n->ib ? (uint32_t)p->port_vl_count : 1;
    n->lane_blocks = blocks;
    n->threshold = blocks / 4 < spare ? blocks / 4 : spare; /* as in mac_rx */
    for (uint32_t i = 0; i < n->ports; i++) {
        for (uint32_t v = 0; v < NET_LANES; v++) {
            n->port[i].limit[v] = n->port[i].told[v] = blocks % FC_BLOCKS_ROUND;
        }
        n->port[i].armed = NET_NEVER;
    }
}

static bool fill(struct net *n)
{
    const size_t frame = PKT_HEADROOM + n->p.port_mtu_bytes + PKT_TAILROOM;

    n->cell_bytes = (sizeof(struct cell) + frame + CELL_ALIGN - 1) / CELL_ALIGN * CELL_ALIGN;
    n->chunks_max =
        (uint32_t)((size_t)NET_MEMORY_MAX_MIB * 1024 * 1024 / (n->cell_bytes * NET_CHUNK_CELLS));
    n->chunk = calloc(n->chunks_max, sizeof *n->chunk);
    n->port = calloc(n->ports, sizeof *n->port);
    if (n->chunk == NULL || n->port == NULL || !address_open(n)) {
        return false;
    }
    set_lanes(n);
    fault_seed(n);
    return true;
}

struct net *net_open(const struct hca_param *p, uint32_t ports, const char **why)
{
    if (ports == 0 || ports > NET_PORTS_MAX || (!p->link_switch && ports > 2)) {
        *why = ports == 0 || ports > NET_PORTS_MAX
                   ? "a network has 1 to 512 ports"
                   : "link.switch is false: one cable joins two ports, not more";
        return NULL;
    }
    struct net *const n = calloc(1, sizeof *n);
    *why = "no memory for the network";
    if (n == NULL) {
        return NULL;
    }
    n->p = *p;
    n->ports = ports;
    n->ib = p->port_wire == HCA_PORT_WIRE_IB;
    n->switched = p->link_switch != 0;
    n->cable_ps = p->link_length_mm * MM_PS + p->link_extra_latency_ns * NS_PS;
    n->switch_ps = n->switched ? p->link_switch_latency_ns * NS_PS : 0;
    n->hold_ps = (uint64_t)NET_HOLD_NS * NS_PS;
    if (!fill(n)) {
        net_close(n);
        return NULL;
    }
    return n;
}

void net_close(struct net *n)
{
    if (n == NULL) {
        return;
    }
    for (uint32_t i = 0; i < n->chunks; i++) {
        free(n->chunk[i]);
    }
    free(n->chunk);
    free(n->port);
    free(n->events.e);
    free(n->arrivals.e);
    free(n->mac);
    free(n->mac_port);
    free(n->lid);
    free(n);
}

bool net_aim(struct net *n, const struct net_aim *a)
{
    if (n->aims == NET_AIMS_MAX) {
        return false;
    }
    n->aim[n->aims++] = *a;
    return true;
}

void net_set_tap(struct net *n, net_tap *tap, void *arg)
{
    n->tap = tap;
    n->tap_arg = arg;
}

/* --- events -------------------------------------------------------------------------------------
 */

/* Without memory for an event its frame is lost and counted; a credit or an armed output is made up
 * for by the next one. */
void net_event(struct net *n, const struct event *e)
{
    if (!heap_push(&n->events, e) && e->cell != NULL) {
        n->port[e->cell->src].f.dropped_queue++;
        cell_give(n, e->cell);
    }
}

void net_deliver(struct net *n, struct cell *c, uint64_t at_ps)
{
    const struct event e = {.at = at_ps, .seq = c->seq, .port = c->src, .cell = c};

    if (!heap_push(&n->arrivals, &e)) {
        n->port[c->dst].f.dropped_queue++;
        cell_give(n, c);
    }
}

static void show(const struct net *n, const struct cell *c, uint64_t at, enum net_place place)
{
    if (n->tap != NULL) {
        const struct net_frame f = {
            .at_ps = at,
            .port = place == NET_ARRIVED ? c->dst : c->src,
            .len = c->len,
            .captured = c->captured < c->len ? c->captured - SEAL_BYTES : c->captured,
            .place = place,
            .fc = c->fc,
            .bytes = c->bytes,
        };
        n->tap(n->tap_arg, &f);
    }
}

static void enter(struct net *n, struct cell *c)
{
    if (n->switched) {
        switch_in(n, c);
    } else if (c->dst == NET_NOBODY) {
        n->port[c->src].f.dropped_address++;
        cell_give(n, c);
    } else {
        n->port[c->dst].f.delivered++;
        net_deliver(n, c, c->in_ps);
    }
}

static void control(struct net *n, struct cell *c, uint64_t now)
{
    if (n->switched) {
        switch_control(n, c, now);
    } else if (c->dst == NET_NOBODY) {
        cell_give(n, c);
    } else {
        net_deliver(n, c, now);
    }
}

static void handle(struct net *n, const struct event *e)
{
    struct port *const p = e->port < n->ports ? &n->port[e->port] : NULL;

    switch ((enum event_kind)e->kind) {
    case EV_SHOW:
        show(n, e->cell, e->cell->out_ps, NET_LEFT);
        cell_give(n, e->cell);
        break;
    case EV_LEFT: switch_left(n, e); break;
    case EV_HELD:
        if (p != NULL && p->held != NULL && p->held_until == e->at) {
            struct cell *const c = p->held;
            p->held = NULL;
            c->in_ps = e->at;
            enter(n, c);
        }
        break;
    case EV_IN:
        if (e->cell->control) {
            control(n, e->cell, e->at);
        } else {
            enter(n, e->cell);
        }
        break;
    case EV_FREE: switch_free(n, e->port, e->at); break;
    }
}

void net_settle(struct net *n, uint64_t safe_ps)
{
    const uint64_t until =
        safe_ps > UINT64_MAX - n->switch_ps ? UINT64_MAX : safe_ps + n->switch_ps;
    while (n->events.n != 0 && n->events.e[0].at < until) {
        const struct event e = heap_pop(&n->events);
        handle(n, &e);
    }
    if (n->tap != NULL) {
        const uint64_t left = safe_ps > n->cable_ps ? safe_ps - n->cable_ps : 0;
        const uint64_t at = left < n->arrived_ps ? left : n->arrived_ps;
        n->tap(n->tap_arg, &(struct net_frame){.at_ps = at, .place = NET_SETTLED});
    }
}

/* --- sending ------------------------------------------------------------------------------------
 */

static bool is_control(const struct net *n, const uint8_t *b, uint32_t captured, bool fc)
{
    return fc || (!n->ib && captured >= 14 && (b[12] << 8 | b[13]) == TYPE_MAC_CONTROL);
}

static uint32_t destination(const struct net *n, const struct cell *c)
{
    if (!n->switched) {
        return n->ports == 2 ? 1 - c->src : NET_NOBODY;
    }
    const uint32_t port = address_find(n, c->bytes, c->captured);
    return port == c->src ? NET_NOBODY : port; /* never back where it came from */
}

static void enter_later(struct net *n, struct cell *c)
{
    net_event(n, &(struct event){
                     .at = c->in_ps, .seq = c->seq, .kind = EV_IN, .port = c->src, .cell = c});
}

/* Sends c on; first c when a held frame of the port waits for a successor, then that one. */
static void enter_or_hold(struct net *n, struct cell *c, bool hold)
{
    struct port *const p = &n->port[c->src];
    struct cell *const held = p->held;

    if (held == NULL && hold) {
        p->held = c;
        p->held_until = c->in_ps + n->hold_ps;
        net_event(n, &(struct event){
                         .at = p->held_until, .seq = c->seq, .kind = EV_HELD, .port = c->src});
        p->f.fault[NET_REORDER]++;
        return;
    }
    const uint64_t in_ps = c->in_ps;
    enter_later(n, c);
    if (held != NULL && in_ps < p->held_until) {
        p->held = NULL;
        held->in_ps = in_ps;
        held->seq = p->seq++;
        enter_later(n, held);
    }
}

/* A data frame: the faults of the first cable. */
static void send_data(struct net *n, struct cell *c)
{
    struct port *const p = &n->port[c->src];
    const uint32_t hit = fault_draw(n, c);

    if ((hit >> NET_LOSE & 1) != 0) {
        p->f.fault[NET_LOSE]++;
        cell_give(n, c);
        return;
    }
    if ((hit >> NET_MARK & 1) != 0 && fault_mark(c)) {
        p->f.fault[NET_MARK]++;
    }
    c->dst = destination(n, c);
    c->lane = n->ib && c->captured != 0 ? c->bytes[0] >> 4 : 0;
    if ((hit >> NET_CORRUPT & 1) != 0) {
        fault_corrupt(n, c);
        p->f.fault[NET_CORRUPT]++;
    }
    struct cell *const twin = (hit >> NET_DUPLICATE & 1) != 0 ? cell_copy(n, c) : NULL;
    enter_or_hold(n, c, (hit >> NET_REORDER & 1) != 0);
    if (twin != NULL) {
        p->f.fault[NET_DUPLICATE]++;
        twin->seq = p->seq++;
        enter_later(n, twin);
    }
}

static void show_later(struct net *n, const struct cell *c)
{
    struct cell *const copy = n->tap != NULL ? cell_copy(n, c) : NULL;

    if (copy != NULL) {
        net_event(
            n, &(struct event){
                   .at = c->in_ps, .seq = c->seq, .kind = EV_SHOW, .port = c->src, .cell = copy});
    }
}

bool net_send(struct net *n, uint32_t port, uint64_t out_ps, const uint8_t *bytes, uint32_t len,
              uint32_t captured, bool fc, const struct net_side *side)
{
    struct port *const p = &n->port[port];
    struct cell *const c = cell_take(n);

    if (c == NULL || captured > n->cell_bytes - sizeof *c) {
        p->f.dropped_queue++;
        if (c != NULL) {
            cell_give(n, c);
        }
        return false;
    }
    *c = (struct cell){.out_ps = out_ps,
                       .in_ps = out_ps + n->cable_ps + n->switch_ps,
                       .seq = p->seq++,
                       .len = len,
                       .captured = captured,
                       .src = port,
                       .dst = NET_NOBODY,
                       .fc = fc,
                       .side = *side};
    memcpy(c->bytes, bytes, captured);
    c->control = is_control(n, bytes, captured, fc);
    p->f.frames++;
    p->f.bytes += len;
    p->f.wire_bytes += line_bytes(n->ib, len);
    show_later(n, c);
    if (c->control) {
        c->dst = n->switched ? NET_NOBODY : destination(n, c);
        enter_later(n, c);
    } else {
        send_data(n, c);
    }
    return true;
}

void net_loop(struct net *n, uint32_t port, uint64_t at_ps, const uint8_t *bytes, uint32_t len,
              uint32_t captured)
{
    if (n->tap != NULL) {
        const struct net_frame f = {
            .at_ps = at_ps,
            .port = port,
            .len = len,
            .captured = captured < len ? captured - SEAL_BYTES : captured,
            .place = NET_LOOPED,
            .bytes = bytes,
        };
        n->tap(n->tap_arg, &f);
    }
}

/* --- arrival ------------------------------------------------------------------------------------
 */

bool net_arrive(struct net *n, uint64_t until_ps, struct net_arrival *out)
{
    if (n->shown != NULL) {
        cell_give(n, n->shown);
        n->shown = NULL;
    }
    if (n->arrivals.n == 0 || n->arrivals.e[0].at >= until_ps) {
        n->arrived_ps = until_ps > n->arrived_ps ? until_ps : n->arrived_ps;
        return false;
    }
    const struct event e = heap_pop(&n->arrivals);
    struct cell *const c = e.cell;
    show(n, c, e.at, NET_ARRIVED);
    *out = (struct net_arrival){.at_ps = e.at,
                                .port = c->dst,
                                .len = c->len,
                                .captured = c->captured,
                                .bytes = c->bytes,
                                .fc = c->fc,
                                .side = c->side};
    n->shown = c;
    return true;
}

uint64_t net_next(const struct net *n)
{
    const uint64_t event = n->events.n != 0 ? n->events.e[0].at : NET_NEVER;
    const uint64_t arrival = n->arrivals.n != 0 ? n->arrivals.e[0].at : NET_NEVER;

    return event < arrival ? event : arrival;
}

uint64_t net_lookahead(const struct net *n)
{
    return n->switched ? 2 * n->cable_ps + n->switch_ps : n->cable_ps;
}

uint64_t net_cable_ps(const struct net *n)
{
    return n->cable_ps;
}

const struct net_figures *net_figures(const struct net *n, uint32_t port)
{
    return &n->port[port].f;
}

size_t net_memory(const struct net *n)
{
    return sizeof *n + n->ports * sizeof *n->port +
           n->chunks * (size_t)NET_CHUNK_CELLS * n->cell_bytes +
           (n->events.size + n->arrivals.size) * sizeof(struct event);
}
