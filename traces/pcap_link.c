/* Link types: names, and how raw IP and Linux cooked frames become Ethernet frames. */
#include "traces/pcap_internal.h"

#include <string.h>

enum {
    LINK_RAW = 101,
    LINK_SLL = 113,
    LINK_IPV4 = 228,
    LINK_IPV6 = 229,
    LINK_SLL2 = 276,
    SLL_BYTES = 16,
    SLL2_BYTES = 20,
    ETH_BYTES = 14
};

static const struct {
    uint16_t type;
    bool known;
    const char *name;
} links[] = {
    {0, false, "BSD loopback"},
    {CAPTURE_ETHERNET, true, "Ethernet"},
    {6, false, "IEEE 802.5 token ring"},
    {9, false, "PPP"},
    {LINK_RAW, true, "raw IP"},
    {105, false, "IEEE 802.11"},
    {108, false, "OpenBSD loopback"},
    {LINK_SLL, true, "Linux cooked v1"},
    {119, false, "Prism"},
    {127, false, "IEEE 802.11 with radiotap"},
    {147, false, "user 0"},
    {187, false, "Bluetooth HCI"},
    {189, false, "USB (Linux)"},
    {195, false, "IEEE 802.15.4"},
    {197, false, "ERF (Endace)"},
    {LINK_IPV4, true, "raw IPv4"},
    {LINK_IPV6, true, "raw IPv6"},
    {239, false, "NFLOG"},
    {242, false, "IP over InfiniBand"},
    {CAPTURE_INFINIBAND, true, "InfiniBand"},
    {253, false, "netlink"},
    {LINK_SLL2, true, "Linux cooked v2"},
};

const char *capture_link_name(uint32_t link_type)
{
    for (size_t i = 0; i < sizeof links / sizeof links[0]; i++) {
        if (links[i].type == link_type) {
            return links[i].name;
        }
    }
    return "unknown";
}

bool capture_link_known(uint32_t link_type)
{
    for (size_t i = 0; i < sizeof links / sizeof links[0]; i++) {
        if (links[i].type == link_type) {
            return links[i].known;
        }
    }
    return false;
}

/* Ethernet type of a raw IP packet; 0 when the link type leaves it to a first byte that is not
 * there or not of IP. */
static uint16_t ip_type(uint16_t link_type, const uint8_t *data, uint32_t caplen)
{
    uint32_t version = caplen > 0 ? data[0] >> 4 : 0;
    if (link_type != LINK_RAW) {
        version = link_type == LINK_IPV4 ? 4 : 6;
    }
    return version == 4 ? 0x0800 : version == 6 ? 0x86DD : 0;
}

/* Replaces the first `drop` bytes of the frame by an Ethernet header. */
static void put_ethernet(struct capture_record *rec, uint8_t *data, uint32_t drop,
                         const uint8_t smac[6], uint16_t type)
{
    uint8_t head[ETH_BYTES] = {0};
    memcpy(head + 6, smac, 6);
    head[12] = (uint8_t)(type >> 8);
    head[13] = (uint8_t)type;
    memcpy(data + drop - ETH_BYTES, head, ETH_BYTES);
    rec->data = data + drop - ETH_BYTES;
    rec->caplen = rec->caplen - drop + ETH_BYTES;
    rec->wirelen = rec->wirelen - drop + ETH_BYTES;
}

/* Cooked header: packet type, ARP hardware, address length, address 8, protocol. */
static void from_sll(struct capture_record *rec, uint8_t *data, bool v2)
{
    const uint32_t bytes = v2 ? SLL2_BYTES : SLL_BYTES;
    uint8_t smac[6] = {0};
    if (rec->caplen < bytes) { /* the protocol is unknown: nothing can be told of the frame */
        rec->wirelen = (rec->wirelen > bytes ? rec->wirelen - bytes : 0) + ETH_BYTES;
        rec->caplen = 0;
        return;
    }
    const uint8_t *type = v2 ? data : data + 14;
    const uint32_t address_bytes = v2 ? data[11] : (uint32_t)(data[4] << 8 | data[5]);
    if (address_bytes == sizeof smac) {
        memcpy(smac, v2 ? data + 12 : data + 6, sizeof smac);
    }
    put_ethernet(rec, data, bytes, smac, (uint16_t)(type[0] << 8 | type[1]));
}

void capture_normalise(struct capture *c, struct capture_record *rec)
{
    static const uint8_t no_mac[6] = {0};
    uint8_t *data = c->buf + CAPTURE_HEAD_ROOM;
    const uint16_t type = rec->file_link_type;
    rec->data = data;
    rec->link_type = type == CAPTURE_INFINIBAND ? CAPTURE_INFINIBAND : CAPTURE_ETHERNET;
    if (type == LINK_SLL || type == LINK_SLL2) {
        from_sll(rec, data, type == LINK_SLL2);
    } else if (type != CAPTURE_ETHERNET && type != CAPTURE_INFINIBAND) {
        put_ethernet(rec, data, 0, no_mac, ip_type(type, data, rec->caplen));
    }
}
