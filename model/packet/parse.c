/* Frame to header and view. */
#include "model/packet/wire_format.h"

#include <string.h>

/* Largest length whose offsets fit pkt_view; longer frames are cut to it, which no header of 16
 * bits can tell apart. */
#define FRAME_LIMIT ((size_t)1 << 24)

static size_t at_most(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* View fields that depend on how much of the frame was captured. */
static void view_fill(const struct cursor *c, const struct pkt_hdr *h, enum pkt_link link,
                      struct pkt_view *v)
{
    const size_t captured = c->cap - v->payload_offset;
    v->wire = h->wire;
    v->payload_captured = (uint32_t)at_most(captured, v->payload_len);
    v->icrc_offset = (uint32_t)c->end - ICRC_BYTES;
    v->end_offset = (uint32_t)c->end;
    v->icrc_captured = c->end <= c->cap;
    if (link == PKT_LINK_INFINIBAND && c->wire - c->end >= VCRC_BYTES) {
        v->vcrc_offset = (uint32_t)c->end;
        v->end_offset += VCRC_BYTES;
        v->vcrc_captured = v->end_offset <= c->cap;
    }
}

enum pkt_result pkt_parse_captured(const uint8_t *frame, size_t caplen, size_t wirelen,
                                   enum pkt_link link, struct pkt_hdr *out, struct pkt_view *view)
{
    struct cursor c = {.frame = frame};
    c.wire = at_most(wirelen, FRAME_LIMIT);
    c.cap = at_most(caplen, c.wire);
    memset(out, 0, sizeof *out);
    memset(view, 0, sizeof *view);

    enum pkt_result r = link == PKT_LINK_ETHERNET ? eth_get(&c, out, view) : lrh_get(&c, out);
    if (r == PKT_OK) {
        r = bth_get(&c, out, view);
    }
    if (r == PKT_OK || r == PKT_CNP) {
        view_fill(&c, out, link, view);
    }
    if (r == PKT_PFC) {
        memset(view, 0, sizeof *view);
    }
    return r;
}

enum pkt_result pkt_parse(const uint8_t *frame, size_t len, enum pkt_link link, struct pkt_hdr *out,
                          struct pkt_view *view)
{
    const enum pkt_result r = pkt_parse_captured(frame, len, len, link, out, view);
    if ((r == PKT_OK || r == PKT_CNP) && link == PKT_LINK_INFINIBAND && view->vcrc_offset == 0) {
        return PKT_TRUNCATED;
    }
    return r;
}

const char *pkt_result_text(enum pkt_result r)
{
    static const char *const text[PKT_RESULTS] = {
        [PKT_OK] = "transport packet",
        [PKT_CNP] = "congestion notification packet",
        [PKT_PFC] = "priority pause frame",
        [PKT_NOT_RDMA] = "not RDMA",
        [PKT_TRUNCATED] = "truncated frame",
        [PKT_BAD_IP_VERSION] = "bad IP or GRH version",
        [PKT_BAD_IP_HEADER] = "IPv4 header with options or bad header length",
        [PKT_BAD_IP_CHECKSUM] = "bad IPv4 header checksum",
        [PKT_IP_FRAGMENT] = "IPv4 fragment",
        [PKT_BAD_GRH] = "bad GRH next header",
        [PKT_BAD_LRH] = "bad LRH link version",
        [PKT_BAD_LENGTH] = "header lengths disagree",
        [PKT_BAD_TVER] = "bad transport header version",
        [PKT_UNKNOWN_OPCODE] = "unknown opcode",
        [PKT_BAD_PAD] = "bad pad count",
    };
    return (unsigned)r < PKT_RESULTS ? text[r] : "unknown result";
}
