/* net_save.c: what is under way on cables and in the switch, as bytes and back. A cell has one
 * owner, so it is written where its owner is; addresses are told anew at set-up. */
#include "sim/link/net_i.h"

#include "sim/checkpoint/bytes.h"

#include <string.h>

enum { NO_CELL, A_CELL };

/* --- saving -------------------------------------------------------------------------------------
 */

static void put_cell(struct bytes_out *o, const struct cell *c)
{
    bytes_put_u64(o, c == NULL ? NO_CELL : A_CELL);
    if (c != NULL) {
        struct cell plain = *c;
        plain.next = NULL;
        bytes_put(o, &plain, sizeof plain);
        bytes_put(o, c->bytes, c->captured);
    }
}

/* A copy that waits to be shown to a tap stays behind: captures begin where a run is resumed.
 * (Arrivals have no kind.) */
static bool stays(const struct net *n, const struct heap *h, const struct event *e)
{
    return h == &n->events && e->kind == EV_SHOW;
}

static void put_heap(struct bytes_out *o, const struct net *n, const struct heap *h)
{
    uint64_t many = 0;

    for (size_t i = 0; i < h->n; i++) {
        many += !stays(n, h, &h->e[i]);
    }
    bytes_put_u64(o, many);
    for (size_t i = 0; i < h->n; i++) {
        struct event e = h->e[i];
        if (!stays(n, h, &e)) {
            e.cell = NULL;
            bytes_put(o, &e, sizeof e);
            put_cell(o, h->e[i].cell);
        }
    }
}

static void put_port(struct bytes_out *o, const struct net *n, const struct port *p)
{
    struct port plain = *p;

    plain.held = NULL;
    memset(plain.out, 0, sizeof plain.out);
    bytes_put(o, &plain, sizeof plain);
    put_cell(o, p->held);
    for (uint32_t v = 0; v < n->lanes; v++) {
        const struct cell *c = p->out[v].head;
        for (; c != NULL; c = c->next) {
            put_cell(o, c);
        }
        put_cell(o, NULL);
    }
}

void net_save(const struct net *n, struct bytes_out *o)
{
    bytes_put_u64(o, n->aims);
    bytes_put(o, n->aim, n->aims * sizeof n->aim[0]);
    bytes_put_u64(o, n->switch_seq);
    bytes_put_u64(o, n->arrived_ps);
    for (uint32_t i = 0; i < n->ports; i++) {
        put_port(o, n, &n->port[i]);
    }
    put_heap(o, n, &n->events);
    put_heap(o, n, &n->arrivals);
}

/* --- loading ------------------------------------------------------------------------------------
 */

static bool port_ok(const struct net *n, uint32_t port)
{
    return port < n->ports || (port >= NET_SWITCH && port - NET_SWITCH < n->ports);
}

/* A cell, or NULL at the mark of none; i->why tells them from damage. Only what arrives may come
 * from the switch itself. */
static struct cell *get_cell(struct net *n, struct bytes_in *i, bool arrives)
{
    struct cell plain;

    if (bytes_get_u64(i, A_CELL, "a frame begins with neither 0 nor 1") != A_CELL ||
        !bytes_get(i, &plain, sizeof plain)) {
        return NULL;
    }
    if (plain.captured > n->cell_bytes - sizeof plain || plain.captured > plain.len ||
        !(arrives ? port_ok(n, plain.src) : plain.src < n->ports) ||
        (plain.dst != NET_NOBODY && plain.dst >= n->ports) || plain.lane >= NET_LANES ||
        !bytes_bool(&plain.fc) || !bytes_bool(&plain.control)) {
        (void)bytes_bad(i, "a frame has a length, a port or a lane that cannot be");
        return NULL;
    }
    const void *const bytes = bytes_at(i, plain.captured);
    struct cell *const c = bytes == NULL ? NULL : cell_take(n);
    if (c == NULL) {
        (void)bytes_bad(i, "more frames are under way than the network holds");
        return NULL;
    }
    *c = plain;
    memcpy(c->bytes, bytes, plain.captured);
    return c;
}

static bool event_ok(const struct net *n, const struct event *e)
{
    const bool carries = e->kind == EV_IN;

    return e->kind > EV_SHOW && e->kind <= EV_FREE && (e->cell != NULL) == carries &&
           e->lane < NET_LANES && (port_ok(n, e->port) && (carries || e->port < n->ports));
}

static bool get_heap(struct net *n, struct heap *h, struct bytes_in *i)
{
    const uint64_t many = bytes_get_u64(i, SIZE_MAX, "");

    while (h->n != 0) {
        const struct event e = heap_pop(h);
        if (e.cell != NULL) {
            cell_give(n, e.cell);
        }
    }
    for (uint64_t k = 0; k < many && i->why == NULL; k++) {
        struct event e;
        if (!bytes_get(i, &e, sizeof e)) {
            return false;
        }
        e.cell = get_cell(n, i, h == &n->arrivals);
        if (i->why == NULL &&
            (h == &n->arrivals ? e.cell == NULL || e.cell->dst >= n->ports : !event_ok(n, &e))) {
            return bytes_bad(i, "an event of the network names a port, a lane or a frame that "
                                "cannot be");
        }
        if (i->why == NULL && !heap_push(h, &e)) {
            return bytes_bad(i, "no memory for the events of the network");
        }
    }
    return i->why == NULL;
}

/* Nobody is paused who does not exist. */
static bool port_state_ok(const struct net *n, const struct port *p)
{
    for (uint32_t b = n->ports; b < NET_PORTS_MAX; b++) {
        if ((p->pauses[b / 64] >> b % 64 & 1) != 0) {
            return false;
        }
    }
    return p->next_lane <= NET_LANES && p->pausers <= n->ports;
}

static void drop_port(struct net *n, struct port *p)
{
    if (p->held != NULL) {
        cell_give(n, p->held);
    }
    for (uint32_t v = 0; v < n->lanes; v++) {
        while (p->out[v].head != NULL) {
            cell_give(n, queue_take(&p->out[v]));
        }
    }
}

static bool get_port(struct net *n, struct port *p, struct bytes_in *i)
{
    struct port plain;

    if (!bytes_get(i, &plain, sizeof plain)) {
        return false;
    }
    if (!port_state_ok(n, &plain)) {
        return bytes_bad(i, "a port has a lane or a count of pauses that cannot be");
    }
    drop_port(n, p);
    memset(plain.out, 0, sizeof plain.out);
    plain.held = NULL;
    *p = plain;
    p->held = get_cell(n, i, false);
    for (uint32_t v = 0; v < n->lanes && i->why == NULL; v++) {
        struct cell *c;
        while ((c = get_cell(n, i, false)) != NULL) {
            queue_put(&p->out[v], c);
            if (c->dst != (uint32_t)(p - n->port)) {
                return bytes_bad(i, "a frame waits at a port it does not go to");
            }
        }
    }
    return i->why == NULL;
}

bool net_load(struct net *n, struct bytes_in *i)
{
    struct net_aim aim[NET_AIMS_MAX];
    const uint64_t aims = bytes_get_u64(i, NET_AIMS_MAX, "it has more than 64 aimed faults");

    if (!bytes_get(i, aim, aims * sizeof aim[0])) {
        return false;
    }
    bool same = aims == n->aims;
    for (uint32_t a = 0; same && a < aims; a++) {
        const struct net_aim *const x = &aim[a], *const y = &n->aim[a];
        same = x->what == y->what && x->port == y->port && x->qpn == y->qpn &&
               x->opcode == y->opcode && x->nth == y->nth && x->count == y->count;
    }
    if (!same) {
        return bytes_bad(i, NET_OTHER_AIMS);
    }
    memcpy(n->aim, aim, aims * sizeof aim[0]);
    n->switch_seq = bytes_get_u64(i, UINT64_MAX, "");
    n->arrived_ps = bytes_get_u64(i, UINT64_MAX, "");
    if (n->shown != NULL) {
        cell_give(n, n->shown);
        n->shown = NULL;
    }
    for (uint32_t p = 0; p < n->ports && i->why == NULL; p++) {
        (void)get_port(n, &n->port[p], i);
    }
    return i->why == NULL && get_heap(n, &n->events, i) && get_heap(n, &n->arrivals, i) &&
           bytes_end(i);
}
