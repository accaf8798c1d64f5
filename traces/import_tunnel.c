/* Tunnels: takes one encapsulation off an Ethernet frame, or names the one it cannot.
 *
 * Sources: RFC 7348 (VXLAN), draft-ietf-nvo3-vxlan-gpe, RFC 8926 (GENEVE), RFC 2784 and 2890 (GRE),
 * draft-foschiano-erspan (ERSPAN), RFC 3032 and 4385 (MPLS, control word), RFC 7510 (MPLS in UDP),
 * RFC 8086 (GRE in UDP), RFC 3378 (EtherIP). */
#include "model/packet/bytes.h"
#include "traces/import_i.h"

enum {
    ETH = 14,
    TYPE_IPV4 = 0x0800,
    TYPE_IPV6 = 0x86DD,
    TYPE_BRIDGED = 0x6558, /* an Ethernet frame inside */
    TYPE_ERSPAN2 = 0x88BE,
    TYPE_ERSPAN3 = 0x22EB,
    GRE_C = 0x8000,
    GRE_R = 0x4000,
    GRE_K = 0x2000,
    GRE_S = 0x1000
};

/* Where reading stands. Every read is preceded by has(). */
struct at {
    struct shell *s;
    uint8_t *scratch;
    uint32_t off;
};

static bool has(const struct at *a, uint32_t bytes)
{
    return a->off <= a->s->caplen && a->s->caplen - a->off >= bytes;
}

static const uint8_t *here(const struct at *a)
{
    return a->s->data + a->off;
}

static enum tunnel_result refuse(struct at *a, enum tunnel_kind kind)
{
    a->s->kind = kind;
    return TUNNEL_REFUSED;
}

/* The inner frame starts here. */
static enum tunnel_result inner_ethernet(struct at *a, enum tunnel_kind kind)
{
    if (!has(a, ETH)) {
        return refuse(a, TUNNEL_SHORT);
    }
    *a->s = (struct shell){here(a), a->s->caplen - a->off, a->s->wirelen - a->off, kind};
    return TUNNEL_STRIPPED;
}

/* An IP packet starts here: it gets an Ethernet header without addresses. */
static enum tunnel_result inner_ip(struct at *a, enum tunnel_kind kind)
{
    if (!has(a, 1)) {
        return refuse(a, TUNNEL_SHORT);
    }
    const uint8_t version = *here(a) >> 4;
    if (version != 4 && version != 6) {
        return refuse(a, TUNNEL_UNKNOWN_INNER);
    }
    const uint32_t caplen = a->s->caplen - a->off;
    memset(a->scratch, 0, ETH);
    be16_put(a->scratch + 12, version == 4 ? TYPE_IPV4 : TYPE_IPV6);
    memmove(a->scratch + ETH, here(a), caplen);
    *a->s = (struct shell){a->scratch, caplen + ETH, a->s->wirelen - a->off + ETH, kind};
    return TUNNEL_STRIPPED;
}

static enum tunnel_result mpls(struct at *a)
{
    for (bool last = false; !last; a->off += 4) {
        if (!has(a, 4)) {
            return refuse(a, TUNNEL_SHORT);
        }
        last = (here(a)[2] & 1) != 0; /* bottom of stack */
    }
    if (!has(a, 1)) {
        return refuse(a, TUNNEL_SHORT);
    }
    const uint8_t nibble = *here(a) >> 4;
    if (nibble == 4 || nibble == 6) {
        return inner_ip(a, TUNNEL_MPLS);
    }
    a->off += nibble == 0 ? 4 : 0; /* pseudo-wire control word */
    return inner_ethernet(a, TUNNEL_MPLS);
}

static enum tunnel_result erspan(struct at *a, uint16_t type, bool sequence)
{
    if (type == TYPE_ERSPAN2) { /* type I has neither sequence number nor header */
        a->off += sequence ? 8 : 0;
        return inner_ethernet(a, sequence ? TUNNEL_ERSPAN2 : TUNNEL_ERSPAN1);
    }
    if (!has(a, 12)) {
        return refuse(a, TUNNEL_SHORT);
    }
    a->off += here(a)[11] & 1 ? 20 : 12; /* O: a platform specific subheader follows */
    return inner_ethernet(a, TUNNEL_ERSPAN3);
}

static enum tunnel_result gre(struct at *a)
{
    if (!has(a, 4)) {
        return refuse(a, TUNNEL_SHORT);
    }
    const uint16_t flags = be16_get(here(a));
    const uint16_t type = be16_get(here(a) + 2);
    if ((flags & 7) == 1) {
        return refuse(a, TUNNEL_PPTP);
    }
    if ((flags & (GRE_R | 7)) != 0) {
        return refuse(a, TUNNEL_GRE);
    }
    a->off += 4u + (flags & GRE_C ? 4 : 0) + (flags & GRE_K ? 4 : 0) + (flags & GRE_S ? 4 : 0);
    switch (type) {
    case TYPE_IPV4:
    case TYPE_IPV6: return inner_ip(a, TUNNEL_GRE);
    case TYPE_BRIDGED: return inner_ethernet(a, TUNNEL_GRE);
    case TYPE_ERSPAN2:
    case TYPE_ERSPAN3: return erspan(a, type, (flags & GRE_S) != 0);
    case 0x8847:
    case 0x8848: return mpls(a);
    case 0x894F: return refuse(a, TUNNEL_NSH);
    default: return refuse(a, TUNNEL_UNKNOWN_INNER);
    }
}

static enum tunnel_result geneve(struct at *a)
{
    if (!has(a, 8)) {
        return refuse(a, TUNNEL_SHORT);
    }
    const uint8_t *p = here(a);
    const uint16_t type = be16_get(p + 2);
    a->off += 8u + (p[0] & 63u) * 4;
    if (p[0] >> 6 != 0) {
        return refuse(a, TUNNEL_UNKNOWN_INNER);
    }
    if (type == TYPE_BRIDGED) {
        return inner_ethernet(a, TUNNEL_GENEVE);
    }
    return type == TYPE_IPV4 || type == TYPE_IPV6 ? inner_ip(a, TUNNEL_GENEVE)
                                                  : refuse(a, TUNNEL_UNKNOWN_INNER);
}

static enum tunnel_result vxlan(struct at *a, bool gpe)
{
    if (!has(a, 8)) {
        return refuse(a, TUNNEL_SHORT);
    }
    const uint8_t next = here(a)[3];
    a->off += 8;
    if (!gpe || next == 3) {
        return inner_ethernet(a, gpe ? TUNNEL_VXLAN_GPE : TUNNEL_VXLAN);
    }
    return next == 1 || next == 2 ? inner_ip(a, TUNNEL_VXLAN_GPE)
                                  : refuse(a, next == 4 ? TUNNEL_NSH : TUNNEL_UNKNOWN_INNER);
}

/* UDP header at the cursor; ports by IANA, 8472 is the one Linux used for VXLAN before. */
static enum tunnel_result udp(struct at *a)
{
    if (!has(a, 8)) {
        return TUNNEL_NONE;
    }
    const uint16_t port = be16_get(here(a) + 2);
    a->off += 8;
    switch (port) {
    case 4789:
    case 8472: return vxlan(a, false);
    case 4790: return vxlan(a, true);
    case 6081: return geneve(a);
    case 4754: return gre(a);
    case 6635: return mpls(a);
    case 1701: return refuse(a, TUNNEL_L2TP);
    case 2152: return refuse(a, TUNNEL_GTP);
    case 4500: return refuse(a, TUNNEL_ESP);
    case 37008: return refuse(a, TUNNEL_TZSP);
    default: return TUNNEL_NONE;
    }
}

static enum tunnel_result ip_protocol(struct at *a, uint8_t protocol)
{
    switch (protocol) {
    case 4:
    case 41: return inner_ip(a, TUNNEL_IP_IN_IP);
    case 17: return udp(a);
    case 47: return gre(a);
    case 50: return refuse(a, TUNNEL_ESP);
    case 51: return refuse(a, TUNNEL_AH);
    case 97: a->off += 2; return inner_ethernet(a, TUNNEL_ETHER_IP);
    case 115: return refuse(a, TUNNEL_L2TP);
    case 137: return mpls(a);
    default: return TUNNEL_NONE;
    }
}

static enum tunnel_result ipv4(struct at *a)
{
    if (!has(a, 20)) {
        return TUNNEL_NONE;
    }
    const uint8_t *p = here(a);
    const uint16_t fragment = be16_get(p + 6) & 0x3FFF;
    const uint8_t protocol = p[9];
    a->off += (p[0] & 15u) * 4;
    if (fragment != 0) {
        const bool known = protocol == 47 || protocol == 4 || protocol == 41 || protocol == 97;
        return known ? refuse(a, TUNNEL_FRAGMENT) : TUNNEL_NONE;
    }
    return ip_protocol(a, protocol);
}

static enum tunnel_result ipv6(struct at *a)
{
    if (!has(a, 40)) {
        return TUNNEL_NONE;
    }
    const uint8_t protocol = here(a)[6];
    a->off += 40;
    return ip_protocol(a, protocol);
}

/* Tags that the packet parser does not take: more than two, or with an old type of QinQ. */
static enum tunnel_result untag(struct at *a)
{
    const uint32_t caplen = a->s->caplen - a->off;
    memmove(a->scratch, a->s->data, 12); /* the addresses */
    memmove(a->scratch + 12, here(a), caplen);
    *a->s = (struct shell){a->scratch, caplen + 12, a->s->wirelen - a->off + 12, TUNNEL_VLAN_STACK};
    return TUNNEL_STRIPPED;
}

static enum tunnel_result by_type(struct at *a, uint16_t type)
{
    switch (type) {
    case TYPE_IPV4: return ipv4(a);
    case TYPE_IPV6: return ipv6(a);
    case 0x8847:
    case 0x8848: return mpls(a);
    case TYPE_BRIDGED: return inner_ethernet(a, TUNNEL_GRE);
    case 0x88E5: return refuse(a, TUNNEL_MACSEC);
    case 0x88E7: return refuse(a, TUNNEL_PBB);
    case 0x8863:
    case 0x8864: return refuse(a, TUNNEL_PPPOE);
    case 0x22F3: return refuse(a, TUNNEL_TRILL);
    case 0x8903: return refuse(a, TUNNEL_FABRICPATH);
    case 0x894F: return refuse(a, TUNNEL_NSH);
    case 0x8926: return refuse(a, TUNNEL_VNTAG);
    case 0x892F:
    case 0x88FB: return refuse(a, TUNNEL_HSR);
    default: return TUNNEL_NONE;
    }
}

enum tunnel_result tunnel_strip(struct shell *s, uint8_t *scratch)
{
    struct at a = {s, scratch, 12};
    uint32_t tags = 0;
    bool old_type = false;
    for (; has(&a, 4); a.off += 4, tags++) {
        const uint16_t type = be16_get(here(&a));
        if (type == 0x9100 || type == 0x9200) {
            old_type = true;
        } else if (type != 0x8100 && type != 0x88A8) {
            break;
        }
    }
    if (!has(&a, 2)) {
        return TUNNEL_NONE;
    }
    if (tags > 2 || old_type) {
        return untag(&a);
    }
    a.off += 2;
    return by_type(&a, be16_get(here(&a) - 2));
}

const char *tunnel_text(enum tunnel_kind kind)
{
    static const char *const text[TUNNEL_KINDS] = {
#define TUNNEL(name, words) [TUNNEL_##name] = (words),
#include "traces/import_tunnel.def"
#undef TUNNEL
    };
    return text[kind];
}
