/* Faults of the first cable: by probability from a stream per port, or aimed at named packets. */
#include "model/packet/headers.h"
#include "sim/link/net_i.h"

#define MILLION 1000000u

/* splitmix64; constants of its author S. Vigna, published into the public domain. */
static uint64_t draw(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15ULL;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
    return z ^ z >> 31;
}

void fault_seed(struct net *n)
{
    for (uint32_t i = 0; i < n->ports; i++) {
        uint64_t state = n->p.sim_seed + (uint64_t)(i + 1) * 0xd6e8feb86659fd93ULL;
        n->port[i].random = draw(&state);
    }
}

/* Below bound, without the bias of a remainder worth mention: bound is far below 2^32. */
static uint64_t below(struct net *n, uint32_t port, uint64_t bound)
{
    return (draw(&n->port[port].random) >> 32) * bound >> 32;
}

bool fault_chance(struct net *n, uint32_t port, uint64_t ppm)
{
    return ppm != 0 && below(n, port, MILLION) < ppm;
}

static uint32_t aimed(struct net *n, const struct cell *c)
{
    struct pkt_hdr h;
    struct pkt_view v;
    uint32_t hit = 0;
    const enum pkt_result r = pkt_parse_captured(
        c->bytes, c->captured, c->len, n->ib ? PKT_LINK_INFINIBAND : PKT_LINK_ETHERNET, &h, &v);

    if (r != PKT_OK && r != PKT_CNP) {
        return 0;
    }
    for (uint32_t i = 0; i < n->aims; i++) {
        struct net_aim *const a = &n->aim[i];
        if ((a->port >= 0 && (uint32_t)a->port != c->src) ||
            (a->qpn >= 0 && (uint32_t)a->qpn != h.dqpn) ||
            (a->opcode >= 0 && a->opcode != h.opcode)) {
            continue;
        }
        a->seen++;
        if (a->seen >= a->nth && a->seen - a->nth < a->count) {
            hit |= 1U << a->what;
        }
    }
    return hit;
}

uint32_t fault_draw(struct net *n, const struct cell *c)
{
    const uint64_t ppm[NET_FAULTS] = {
        [NET_LOSE] = n->p.link_loss_ppm,       [NET_DUPLICATE] = n->p.link_dup_ppm,
        [NET_REORDER] = n->p.link_reorder_ppm, [NET_CORRUPT] = n->p.link_corrupt_ppm,
        [NET_MARK] = n->p.link_ecn_ppm,
    };
    uint32_t hit = n->aims != 0 ? aimed(n, c) : 0;

    for (uint32_t f = 0; f < NET_FAULTS; f++) {
        hit |= (uint32_t)fault_chance(n, c->src, ppm[f]) << f;
    }
    return hit;
}

void fault_corrupt(struct net *n, struct cell *c)
{
    if (c->captured != 0) {
        const uint64_t bit = below(n, c->src, (uint64_t)c->captured * 8);
        c->bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
}

/* Offset of the IP header; 0: not IP. */
static uint32_t ip_offset(const struct cell *c, bool *v6)
{
    uint32_t at = 12;

    while (at + 6 <= c->captured) {
        const uint32_t type = (uint32_t)c->bytes[at] << 8 | c->bytes[at + 1];
        if (type != 0x8100 && type != 0x88A8) {
            *v6 = type == 0x86DD;
            return type == 0x0800 || *v6 ? at + 2 : 0;
        }
        at += 4;
    }
    return 0;
}

/* IPv4 header checksum after a change of the 16-bit word at p (RFC 1624, equation 3). */
static void checksum_update(uint8_t *sum, uint32_t before, uint32_t after)
{
    uint32_t s = (~((uint32_t)sum[0] << 8 | sum[1]) & 0xFFFF) + (~before & 0xFFFF) + after;

    s = (s & 0xFFFF) + (s >> 16);
    s = (s & 0xFFFF) + (s >> 16);
    sum[0] = (uint8_t)(~s >> 8);
    sum[1] = (uint8_t)~s;
}

/* The ICRC masks these bits, the checksum of UDP over IPv6 does not cover them. */
bool fault_mark(struct cell *c)
{
    bool v6 = false;
    const uint32_t at = ip_offset(c, &v6);

    if (at == 0 || at + 20 > c->captured) {
        return false;
    }
    uint8_t *const ip = c->bytes + at;
    const uint32_t ecn = v6 ? ip[1] >> 4 & 3 : ip[1] & 3;
    if (ecn == 0) {
        return false;
    }
    if (v6) {
        ip[1] |= 0x30;
    } else {
        const uint32_t before = (uint32_t)ip[0] << 8 | ip[1];
        ip[1] |= 3;
        checksum_update(ip + 10, before, (uint32_t)ip[0] << 8 | ip[1]);
    }
    return true;
}
