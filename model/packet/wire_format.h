/* Layers of a frame; private to model/packet. Each layer writes at its own address and reads from
 * a cursor; build.c and parse.c put them together. */
#pragma once

#include "model/packet/headers.h"

enum {
    ETH_BYTES = 14,
    VLAN_BYTES = 4,
    IPV4_BYTES = 20,
    IPV6_BYTES = 40,
    UDP_BYTES = 8,
    LRH_BYTES = 8,
    GRH_BYTES = 40,
    BTH_BYTES = 12,
    ICRC_BYTES = 4,
    VCRC_BYTES = 2
};

/* Where parsing stands. `at` <= cap <= wire. */
struct cursor {
    const uint8_t *frame;
    size_t cap;  /* bytes that exist */
    size_t wire; /* bytes the frame had on the wire */
    size_t at;   /* next byte to read */
    size_t end;  /* end of ICRC, once the network header told it */
};

static inline bool cursor_has(const struct cursor *c, size_t bytes)
{
    return c->cap - c->at >= bytes;
}

/* Sets the end of the ICRC `bytes` behind `from`; false when the wire frame ended before. */
static inline bool cursor_set_end(struct cursor *c, size_t from, size_t bytes)
{
    c->end = from + bytes;
    return c->end <= c->wire;
}

/* Ethernet header with h->vlan_tags tags. put writes ETH_BYTES + tags; get also decodes PFC. */
void eth_put(uint8_t *p, const struct pkt_hdr *h);
enum pkt_result eth_get(struct cursor *c, struct pkt_hdr *h, struct pkt_view *v);

/* IPv4 or IPv6 header and UDP; `udp_bytes` is the UDP length field (UDP header to ICRC). The UDP
 * checksum is written as 0. */
void ip_udp_put(uint8_t *p, const struct pkt_hdr *h, uint32_t udp_bytes);
enum pkt_result ipv4_udp_get(struct cursor *c, struct pkt_hdr *h);
enum pkt_result ipv6_udp_get(struct cursor *c, struct pkt_hdr *h);

/* Writes the UDP checksum over IPv6 once everything up to the ICRC is in place. */
void udp6_checksum_put(uint8_t *ip, uint32_t udp_bytes);

/* GRH; `bytes` is PayLen: BTH to ICRC. */
void grh_put(uint8_t *p, const struct pkt_hdr *h, uint32_t bytes);
enum pkt_result grh_get(struct cursor *c, struct pkt_hdr *h);

/* LRH; `words` is PktLen. */
void lrh_put(uint8_t *p, const struct pkt_hdr *h, uint32_t words);
enum pkt_result lrh_get(struct cursor *c, struct pkt_hdr *h);

/* BTH and the extended headers of op. */
void bth_put(uint8_t *p, const struct pkt_hdr *h, const struct pkt_opcode *op, uint32_t pad);
enum pkt_result bth_get(struct cursor *c, struct pkt_hdr *h, struct pkt_view *v);
