/* pcapng: sections, interfaces, packet blocks; all other blocks are skipped. */
#include "traces/pcap_internal.h"

#include <inttypes.h>
#include <string.h>

enum {
    BLOCK_INTERFACE = 1,
    BLOCK_PACKET = 2, /* obsolete, still found */
    BLOCK_SIMPLE = 3,
    BLOCK_ENHANCED = 6,
    OPTION_END = 0,
    OPTION_TSRESOL = 9,
    OPTION_TSOFFSET = 14,
    BLOCK_OVERHEAD = 12 /* type, length, length again */
};
#define ORDER_MAGIC 0x1A2B3C4Du
#define NS_PER_S    UINT64_C(1000000000)

__extension__ typedef unsigned __int128 u128;
__extension__ typedef __int128 i128;

/* The block being read. */
struct block {
    uint32_t type;
    uint32_t total; /* bytes */
    uint32_t left;  /* bytes of the body not yet taken */
};

/* Claims n bytes of the body; a failure has been noted when the result is not CAPTURE_OK. */
static enum capture_status claim(struct capture *c, struct block *b, uint32_t n)
{
    if (n > b->left) {
        return capture_fail(c, CAPTURE_BAD, c->record_start,
                            "pcapng block of type %" PRIu32 " has %" PRIu32
                            " bytes, too few for its content; the file is damaged here",
                            b->type, b->total);
    }
    b->left -= n;
    return CAPTURE_OK;
}

/* Takes n bytes of the body. */
static enum capture_status body(struct capture *c, struct block *b, void *p, uint32_t n)
{
    const enum capture_status s = claim(c, b, n);
    if (s != CAPTURE_OK) {
        return s;
    }
    return capture_take(c, p, n) == n ? CAPTURE_OK : capture_ended(c);
}

static enum capture_status body_skip(struct capture *c, struct block *b, uint32_t n)
{
    const enum capture_status s = claim(c, b, n);
    if (s != CAPTURE_OK) {
        return s;
    }
    return capture_skip(c, n) ? CAPTURE_OK : capture_ended(c);
}

static enum capture_status block_length(struct capture *c, struct block *b)
{
    if (b->total < BLOCK_OVERHEAD || b->total % 4 != 0) {
        return capture_fail(c, CAPTURE_BAD, c->record_start + 4,
                            "pcapng block length %" PRIu32
                            ", must be a multiple of 4 and at least 12; %" PRIu64
                            " whole records were read",
                            b->total, c->number);
    }
    b->left = b->total - BLOCK_OVERHEAD;
    return CAPTURE_OK;
}

/* Skips what is left and checks the second length. */
static enum capture_status block_end(struct capture *c, const struct block *b)
{
    uint8_t again[4];
    if (!capture_skip(c, b->left) || capture_take(c, again, sizeof again) != sizeof again) {
        return capture_ended(c);
    }
    if (capture_u32(c, again) != b->total) {
        return capture_fail(c, CAPTURE_BAD, c->offset - 4,
                            "pcapng block ends with length %" PRIu32 ", it began with %" PRIu32
                            "; %" PRIu64 " whole records were read",
                            capture_u32(c, again), b->total, c->number);
    }
    return CAPTURE_OK;
}

/* Section header behind its block type: tells the byte order of what follows. */
enum capture_status pcapng_section(struct capture *c)
{
    struct block b = {.type = PCAPNG_SECTION_TYPE};
    uint8_t head[12]; /* length, byte-order magic, version */
    if (capture_take(c, head, sizeof head) != sizeof head) {
        return capture_ended(c);
    }
    c->interfaces = 0;
    c->swapped = false;
    c->swapped = capture_u32(c, head + 4) != ORDER_MAGIC;
    if (capture_u32(c, head + 4) != ORDER_MAGIC) {
        return capture_fail(c, CAPTURE_BAD, c->record_start + 8,
                            "pcapng byte-order magic %02X%02X%02X%02X, must be 1A2B3C4D in either "
                            "order",
                            head[4], head[5], head[6], head[7]);
    }
    if (capture_u16(c, head + 8) != 1) {
        return capture_fail(c, CAPTURE_UNSUPPORTED, c->record_start + 12,
                            "pcapng version %u, supported is 1; convert it: editcap -F nsecpcap IN "
                            "OUT",
                            capture_u16(c, head + 8));
    }
    b.total = capture_u32(c, head);
    enum capture_status s = block_length(c, &b);
    s = s == CAPTURE_OK ? claim(c, &b, 8) : s; /* magic and version, taken already */
    return s == CAPTURE_OK ? block_end(c, &b) : s;
}

/* One option of an interface; value holds its first 8 bytes. */
static void interface_option(const struct capture *c, struct capture_interface *i, uint16_t code,
                             uint16_t bytes, const uint8_t value[8])
{
    if (code == OPTION_TSRESOL && bytes >= 1) {
        i->resolution = value[0];
    }
    if (code == OPTION_TSOFFSET && bytes >= 8) {
        const uint64_t a = capture_u32(c, value);
        const uint64_t b = capture_u32(c, value + 4);
        i->offset_s = (int64_t)(c->swapped ? a << 32 | b : b << 32 | a);
    }
}

static enum capture_status interface_options(struct capture *c, struct block *b,
                                             struct capture_interface *i)
{
    while (b->left >= 4) {
        uint8_t head[4];
        uint8_t value[8] = {0};
        enum capture_status s = body(c, b, head, sizeof head);
        if (s != CAPTURE_OK) {
            return s;
        }
        const uint16_t code = capture_u16(c, head);
        const uint16_t bytes = capture_u16(c, head + 2);
        const uint32_t padded = (bytes + 3u) & ~3u;
        if (code == OPTION_END) {
            break;
        }
        const uint32_t kept = padded < sizeof value ? padded : (uint32_t)sizeof value;
        s = body(c, b, value, kept);
        s = s == CAPTURE_OK ? body_skip(c, b, padded - kept) : s;
        if (s != CAPTURE_OK) {
            return s;
        }
        interface_option(c, i, code, bytes, value);
    }
    return CAPTURE_OK;
}

static enum capture_status interface_block(struct capture *c, struct block *b)
{
    uint8_t head[8]; /* link type, reserved, snaplen */
    const enum capture_status s = body(c, b, head, sizeof head);
    if (s != CAPTURE_OK) {
        return s;
    }
    struct capture_interface *i = capture_add_interface(c);
    if (i == NULL) {
        return c->final;
    }
    i->link_type = capture_u16(c, head);
    i->snaplen = capture_u32(c, head + 4);
    i->resolution = 6;
    return interface_options(c, b, i);
}

/* Ticks of the interface to ns since 1970; false when they do not fit 64 bits. */
static bool time_of(const struct capture_interface *i, uint64_t ticks, uint64_t *time_ns)
{
    const uint32_t n = i->resolution & 127u;
    u128 ns = ticks;
    if (i->resolution & 128) {
        ns = ns * NS_PER_S >> n;
    } else {
        for (uint32_t k = n; k < 9; k++) {
            ns *= 10;
        }
        for (uint32_t k = 9; k < n && ns != 0; k++) {
            ns /= 10;
        }
    }
    const i128 sum = (i128)ns + (i128)i->offset_s * (i128)NS_PER_S;
    *time_ns = (uint64_t)sum;
    return sum >= 0 && sum <= UINT64_MAX;
}

/* Checks interface and length, reads the frame itself. */
static enum capture_status frame(struct capture *c, struct block *b, uint32_t interface,
                                 struct capture_record *rec)
{
    if (interface >= c->interfaces) {
        return capture_fail(c, CAPTURE_BAD, c->record_start,
                            "packet of pcapng interface %" PRIu32 ", the section has %" PRIu32
                            "; the file is damaged here",
                            interface, c->interfaces);
    }
    const uint16_t link_type = c->interface[interface].link_type;
    if (!capture_link_known(link_type)) {
        return capture_fail(c, CAPTURE_UNSUPPORTED, c->record_start,
                            "pcapng interface %" PRIu32 " has link type %u (%s), not supported; "
                            "leave it out: tshark -r IN -Y 'frame.interface_id != %" PRIu32
                            "' -w OUT",
                            interface, link_type, capture_link_name(link_type), interface);
    }
    rec->interface = interface;
    rec->file_link_type = link_type;
    const enum capture_status s =
        rec->caplen > CAPTURE_RECORD_MAX ? CAPTURE_OK : claim(c, b, rec->caplen);
    return s == CAPTURE_OK ? capture_take_frame(c, rec->caplen) : s;
}

/* Enhanced packet, and the obsolete packet block, whose interface has 16 bits. */
static enum capture_status packet(struct capture *c, struct block *b, struct capture_record *rec)
{
    uint8_t h[20]; /* interface, time high, time low, captured, original length */
    enum capture_status s = body(c, b, h, sizeof h);
    if (s != CAPTURE_OK) {
        return s;
    }
    const uint32_t interface = b->type == BLOCK_PACKET ? capture_u16(c, h) : capture_u32(c, h);
    const uint64_t ticks = (uint64_t)capture_u32(c, h + 4) << 32 | capture_u32(c, h + 8);
    rec->caplen = capture_u32(c, h + 12);
    rec->wirelen = capture_u32(c, h + 16);
    s = frame(c, b, interface, rec);
    rec->time_known = true;
    if (s == CAPTURE_OK && !time_of(&c->interface[interface], ticks, &rec->time_ns)) {
        return capture_fail(c, CAPTURE_BAD, c->record_start,
                            "packet time %" PRIu64 " ticks does not fit the years 1970 to 2554; "
                            "the file is damaged here",
                            ticks);
    }
    return s;
}

/* Simple packet: interface 0, no time, captured length from snaplen. */
static enum capture_status simple(struct capture *c, struct block *b, struct capture_record *rec)
{
    uint8_t h[4];
    const enum capture_status s = body(c, b, h, sizeof h);
    if (s != CAPTURE_OK) {
        return s;
    }
    const uint32_t snaplen = c->interfaces > 0 ? c->interface[0].snaplen : 0;
    rec->wirelen = capture_u32(c, h);
    rec->caplen = rec->wirelen < b->left ? rec->wirelen : b->left;
    if (snaplen != 0 && rec->caplen > snaplen) {
        rec->caplen = snaplen;
    }
    return frame(c, b, 0, rec);
}

static bool is_packet(uint32_t type)
{
    return type == BLOCK_ENHANCED || type == BLOCK_PACKET || type == BLOCK_SIMPLE;
}

/* One block behind its type; a packet block fills rec. */
static enum capture_status block(struct capture *c, uint32_t type, struct capture_record *rec)
{
    struct block b = {.type = type};
    uint8_t total[4];
    if (capture_take(c, total, sizeof total) != sizeof total) {
        return capture_ended(c);
    }
    b.total = capture_u32(c, total);
    enum capture_status s = block_length(c, &b);
    if (s != CAPTURE_OK) {
        return s;
    }
    switch (type) {
    case BLOCK_INTERFACE: s = interface_block(c, &b); break;
    case BLOCK_SIMPLE: s = simple(c, &b, rec); break;
    case BLOCK_PACKET:
    case BLOCK_ENHANCED: s = packet(c, &b, rec); break;
    default: break;
    }
    return s == CAPTURE_OK ? block_end(c, &b) : s;
}

enum capture_status pcapng_next(struct capture *c, struct capture_record *rec)
{
    for (;;) {
        uint8_t head[4];
        c->record_start = c->offset;
        const size_t got = capture_take(c, head, sizeof head);
        if (got != sizeof head) {
            return got == 0 ? capture_ended_between(c) : capture_ended(c);
        }
        const uint32_t type = capture_u32(c, head);
        const enum capture_status s =
            type == PCAPNG_SECTION_TYPE ? pcapng_section(c) : block(c, type, rec);
        if (s != CAPTURE_OK || is_packet(type)) {
            return s;
        }
    }
}
