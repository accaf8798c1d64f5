/* Frame parser: byte 0 picks link and how much of the frame is captured, the rest is the frame.
 * An accepted frame must keep the promises of pkt_view. */
#include "model/packet/headers.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
    if (!condition) {
        abort();
    }
}

/* What is built from the parsed header parses to the same header. */
static void build_again(const struct pkt_hdr *h, const struct pkt_view *v)
{
    static uint8_t buf[PKT_HEADROOM + PKT_PAYLOAD_MAX + PKT_TAILROOM];
    struct pkt_hdr h2;
    struct pkt_view v2;
    const struct pkt_frame f = pkt_build(h, buf, v->payload_len);
    if (f.len == 0) { /* longer than an MTU, or payload where the opcode has none */
        return;
    }
    const enum pkt_link link = h->wire >= PKT_IB_LOCAL ? PKT_LINK_INFINIBAND : PKT_LINK_ETHERNET;
    const enum pkt_result r = pkt_parse(buf + f.offset, f.len, link, &h2, &v2);
    require(r == PKT_OK || r == PKT_CNP);
    require(v2.payload_len == v->payload_len && pkt_icrc_ok(buf + f.offset, &v2));
    h2.pad = h->pad; /* a sender may pad more than it must */
    h2.pktlen = h->pktlen;
    require(memcmp(h, &h2, sizeof h2) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pkt_hdr h;
    struct pkt_view v;
    if (size == 0) {
        return 0;
    }
    const enum pkt_link link = data[0] & 1 ? PKT_LINK_INFINIBAND : PKT_LINK_ETHERNET;
    const size_t cap = size - 1;
    const size_t wire = cap + (data[0] >> 1 & 63) * 32u;
    const enum pkt_result r = pkt_parse_captured(data + 1, cap, wire, link, &h, &v);
    require(r < PKT_RESULTS && pkt_result_text(r) != NULL);
    if (r != PKT_OK && r != PKT_CNP) {
        return 0;
    }
    require(v.end_offset <= wire && v.payload_offset <= cap);
    require(v.payload_offset + v.payload_len + h.pad == v.icrc_offset);
    require(v.payload_offset + v.payload_captured <= cap);
    require(!v.icrc_captured || v.icrc_offset + 4 <= cap);
    require(!v.vcrc_captured || v.vcrc_offset + 2 <= cap);
    (void)pkt_icrc_ok(data + 1, &v);
    (void)pkt_vcrc_ok(data + 1, &v);
    build_again(&h, &v);
    return 0;
}
