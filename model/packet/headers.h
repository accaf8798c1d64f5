/* Packet headers of RoCE v2, RoCE v1 and InfiniBand: build, parse, check.
 *
 * A packet in memory:   buf                buf + PKT_HEADROOM
 *                       | free | headers   | payload | pad 0-3 | ICRC 4 | [VCRC 2] |
 *
 * Frames carry no Ethernet preamble or FCS and are not padded to 60 bytes by pkt_build; pkt_parse
 * trusts the length in the IP header, GRH or LRH, so padding behind it does no harm.
 *
 * Source   InfiniBand Architecture vol. 1 (transport and link headers), annexes A16 (RoCE) and
 *          A17 (RoCE v2); opcodes: model/spec/opcode.def
 * NOT MODELLED: RD service (RDETH), raw packets (LNH 0 and 1), IPv4 options, IPv6 extension
 * headers, IP fragments. Each is refused by its own result or as PKT_NOT_RDMA. */
#pragma once

#include "model/packet/opcode.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PKT_HEADROOM    128u  /* bytes in front of the payload; the longest header stack is 114 */
#define PKT_TAILROOM    16u   /* bytes behind the payload: pad, ICRC, VCRC are at most 9 */
#define PKT_PAYLOAD_MAX 4096u /* bytes: the largest path MTU */
#define PKT_FRAME_MIN   60u   /* bytes of the shortest Ethernet frame without FCS */
#define PKT_CNP_PAYLOAD 16u   /* reserved zero bytes behind the BTH of a CNP */
#define PKT_PFC_BYTES   60u   /* a PFC frame, padded */
#define PKT_UDP_PORT    4791u /* RoCE v2 */

/* How the transport packet is wrapped. */
enum pkt_wire {
    PKT_ROCE2_V4,  /* Ethernet, IPv4, UDP, BTH */
    PKT_ROCE2_V6,  /* Ethernet, IPv6, UDP, BTH */
    PKT_ROCE1,     /* Ethernet type 8915, GRH, BTH */
    PKT_IB_LOCAL,  /* LRH, BTH */
    PKT_IB_GLOBAL, /* LRH, GRH, BTH */
    PKT_WIRES
};

/* What the first byte of a frame is. */
enum pkt_link {
    PKT_LINK_ETHERNET,  /* destination MAC           (pcap link type 1) */
    PKT_LINK_INFINIBAND /* LRH, frame ends with VCRC (pcap link type 247) */
};

/* One decoded packet. Which extended headers exist follows from the opcode (pkt_opcode()->ext);
 * fields of absent headers are 0 after parse and ignored by build. Integers are in host order.
 * Members are ordered so that there is no padding: two parsed headers compare with memcmp. */
struct pkt_hdr {
    uint64_t va;              /* RETH, AtomicETH: virtual address */
    uint64_t atomic_swap_add; /* AtomicETH */
    uint64_t atomic_compare;  /* AtomicETH */
    uint64_t atomic_orig;     /* AtomicAckETH */
    uint32_t rkey;            /* RETH, AtomicETH */
    uint32_t dma_len;         /* RETH: bytes of the whole message */
    uint32_t imm;             /* ImmDt: the four bytes read as a big-endian number */
    uint32_t inv_rkey;        /* IETH: key to invalidate */
    uint32_t qkey;            /* DETH */
    uint32_t sqpn;            /* DETH: source QP, 24 bits */
    uint32_t xrc_srqn;        /* XRCETH: 24 bits */
    uint32_t msn;             /* AETH: 24 bits */
    uint32_t dqpn;            /* BTH: destination QP, 24 bits */
    uint32_t psn;             /* BTH: 24 bits */
    uint32_t flow_label;      /* IPv6, GRH: 20 bits */
    uint8_t sgid[16];         /* IPv6 or GID; IPv4 a.b.c.d as ::ffff:a.b.c.d */
    uint8_t dgid[16];
    uint8_t dmac[6]; /* Ethernet wires */
    uint8_t smac[6];
    uint16_t vlan_tci;      /* 802.1Q tag next to the packet, when vlan_tags >= 1 */
    uint16_t svlan_tci;     /* outer (802.1ad) tag, when vlan_tags == 2 */
    uint16_t udp_sport;     /* RoCE v2, see pkt_udp_sport() */
    uint16_t ip_id;         /* IPv4 identification: covered by the ICRC */
    uint16_t pkey;          /* BTH */
    uint16_t dlid;          /* LRH */
    uint16_t slid;          /* LRH */
    uint16_t pktlen;        /* LRH: words of 4 bytes, LRH to ICRC; parse only, build computes */
    uint16_t pfc_quanta[8]; /* PFC: pause time per priority, units of 512 bit times */
    uint8_t pfc_enable;     /* PFC: bit per priority */
    uint8_t wire;           /* enum pkt_wire */
    uint8_t vlan_tags;      /* 0, 1, 2 */
    uint8_t dscp;           /* IPv4, IPv6, GRH: 6 bits (GRH: TClass is dscp << 2 | ecn) */
    uint8_t ecn;            /* IPv4, IPv6, GRH: 2 bits */
    uint8_t ttl;            /* IPv4 TTL, IPv6 and GRH hop limit */
    uint8_t ip_df;          /* IPv4: do not fragment; RoCE senders set it */
    uint8_t udp6_zero_csum; /* RoCE v2 over IPv6: 1 = checksum field 0, as soft-RoCE sends */
    uint8_t vl;             /* LRH: 4 bits */
    uint8_t sl;             /* LRH: 4 bits */
    uint8_t lnh;            /* LRH: 2 = BTH next, 3 = GRH next; parse only, build computes */
    uint8_t opcode;         /* BTH */
    uint8_t se;             /* BTH: solicited event */
    uint8_t migreq;         /* BTH */
    uint8_t pad;            /* BTH: 0..3 bytes; parse only, build computes */
    uint8_t tver;           /* BTH: 4 bits; parse accepts 0 only */
    uint8_t fecn;           /* BTH */
    uint8_t becn;           /* BTH */
    uint8_t ackreq;         /* BTH */
    uint8_t syndrome;       /* AETH */
    uint8_t reserved[4];    /* 0 */
};

_Static_assert(sizeof(struct pkt_hdr) == 176,
               "pkt_hdr: 172 bytes of members, 4 reserved, no padding");

/* Where things lie in a parsed frame; offsets from the first byte of the frame. Offsets of parts
 * that a short capture does not hold point where they would be. */
struct pkt_view {
    uint32_t net_offset; /* IP header or GRH; LRH (0) on InfiniBand: start of the ICRC */
    uint32_t bth_offset;
    uint32_t payload_offset;
    uint32_t payload_len;      /* bytes on the wire, pad not counted */
    uint32_t payload_captured; /* bytes of it that are in the capture */
    uint32_t icrc_offset;
    uint32_t vcrc_offset;  /* 0: none (Ethernet, or capture without it) */
    uint32_t end_offset;   /* end of ICRC, or of VCRC when there is one */
    uint8_t wire;          /* enum pkt_wire */
    uint8_t icrc_captured; /* 1: payload, pad and ICRC are all in the capture */
    uint8_t vcrc_captured; /* 1: the VCRC too */
    uint8_t reserved;
};

/* Outcome of a parse. Values from PKT_NOT_RDMA on leave *out and *view without meaning. */
enum pkt_result {
    PKT_OK,              /* a transport packet */
    PKT_CNP,             /* congestion notification (opcode 81); *out and *view are valid */
    PKT_PFC,             /* priority pause; MACs and pfc_* of *out are valid, *view is zero */
    PKT_NOT_RDMA,        /* neither RoCE v1/v2 nor an InfiniBand transport packet */
    PKT_TRUNCATED,       /* fewer bytes than the headers need or announce */
    PKT_BAD_IP_VERSION,  /* IP version or GRH version does not fit the Ethernet type or LNH */
    PKT_BAD_IP_HEADER,   /* IPv4 options */
    PKT_BAD_IP_CHECKSUM, /* IPv4 header checksum */
    PKT_IP_FRAGMENT,     /* first fragment of a fragmented datagram */
    PKT_BAD_GRH,         /* next header is not 1B */
    PKT_BAD_LRH,         /* link version is not 0 */
    PKT_BAD_LENGTH,      /* lengths of two headers disagree, or too short for the opcode */
    PKT_BAD_TVER,        /* BTH transport version is not 0 */
    PKT_UNKNOWN_OPCODE,  /* not in opcode.def */
    PKT_BAD_PAD,         /* pad exceeds the payload, or payload and pad are not 4n bytes */
    PKT_RESULTS
};

/* Extent of a built frame inside its buffer. */
struct pkt_frame {
    uint32_t offset; /* of the first frame byte from buf */
    uint32_t len;    /* bytes from there to the end of ICRC (VCRC on InfiniBand); 0 = refused */
};

/* Writes headers in front of a payload, pad, ICRC and (InfiniBand) VCRC behind it.
 *
 * h            fields; lengths, checksums, pad, pktlen, lnh are computed. Bits beyond a field's
 *              width are dropped
 * buf          PKT_HEADROOM bytes, payload_len payload bytes, PKT_TAILROOM bytes; any alignment
 * payload_len  bytes, 0..PKT_PAYLOAD_MAX; 0 where the opcode carries no payload; 16 for a CNP
 * return       frame buf + offset, len bytes, Ethernet padding and FCS not included
 * errors       len = 0 and buf untouched: unknown opcode or wire, vlan_tags > 2, or payload_len
 *              out of range for the opcode */
struct pkt_frame pkt_build(const struct pkt_hdr *h, uint8_t *buf, uint32_t payload_len);

/* As pkt_build, but the payload does not exist (payload off): writes the headers only and leaves
 * everything from buf + PKT_HEADROOM on alone. len is the length the whole frame would have; the
 * bytes that exist are PKT_HEADROOM - offset. The UDP checksum over IPv6 is 0. */
struct pkt_frame pkt_build_headers(const struct pkt_hdr *h, uint8_t *buf, uint32_t payload_len);

/* Builds a CNP: as pkt_build with 16 zero bytes as payload, written here. Sets opcode 81, BECN 1
 * and FECN, SE, AckReq, MigReq, PSN 0 whatever h says; addresses, pkey, dqpn, dscp are h's.
 * buf holds PKT_HEADROOM + PKT_CNP_PAYLOAD + PKT_TAILROOM bytes. source: annex A17 */
struct pkt_frame pkt_build_cnp(const struct pkt_hdr *h, uint8_t *buf);

/* Writes a PFC frame of PKT_PFC_BYTES at buf from smac, pfc_enable, pfc_quanta of h; the
 * destination is 01:80:C2:00:00:01 and there is no VLAN tag. source: IEEE 802.1Q clause 36 */
void pkt_build_pfc(const struct pkt_hdr *h, uint8_t *buf);

/* Decodes a whole frame from the wire; `len` bytes at `frame`, any content. Reads no byte outside,
 * does not check CRCs. Result: enum pkt_result; *view and *out as said there. */
enum pkt_result pkt_parse(const uint8_t *frame, size_t len, enum pkt_link link, struct pkt_hdr *out,
                          struct pkt_view *view);

/* As pkt_parse for a capture that may hold the first bytes of the frame only.
 *
 * caplen   bytes at `frame`; must reach to the end of the extended headers, else PKT_TRUNCATED
 * wirelen  bytes the frame had on the wire, >= caplen
 * Payload length comes from the IP header, GRH or LRH; view says what of it was captured. An
 * InfiniBand capture without VCRC is accepted (vcrc_offset 0). */
enum pkt_result pkt_parse_captured(const uint8_t *frame, size_t caplen, size_t wirelen,
                                   enum pkt_link link, struct pkt_hdr *out, struct pkt_view *view);

/* Text of a result for reports, e.g. "bad IPv4 header checksum"; never NULL. */
const char *pkt_result_text(enum pkt_result r);

/* ICRC value of the bytes from net_offset to icrc_offset (v says where); v->icrc_captured must be
 * 1. On the wire it stands least significant byte first. source: annexes A16, A17; vol. 1 ICRC */
uint32_t pkt_icrc(const uint8_t *frame, const struct pkt_view *v);

/* True iff the ICRC in the frame is right; false too when the capture does not hold it. */
bool pkt_icrc_ok(const uint8_t *frame, const struct pkt_view *v);

/* True iff the VCRC in the frame is right; false when there is none. InfiniBand only. */
bool pkt_vcrc_ok(const uint8_t *frame, const struct pkt_view *v);

/* Bytes of all headers of h (frame start to payload), 0 where pkt_build would refuse it. */
uint32_t pkt_header_bytes(const struct pkt_hdr *h);

/* UDP source port for a flow: from the flow label, or from the two QP numbers when it is 0.
 * Result 0xC000..0xFFFF; a receiver must not depend on it. source: annex A17; Linux 6.1 rdma_udp */
uint16_t pkt_udp_sport(uint32_t flow_label, uint32_t lqpn, uint32_t rqpn);
