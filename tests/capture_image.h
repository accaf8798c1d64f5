/* Builds captures in memory, in either byte order, for tests of their readers. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* A capture under construction, in either byte order. */
struct image {
    bool big;
    size_t bytes;
    uint8_t data[4096];
};

static inline void put(struct image *m, uint64_t v, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        m->data[m->bytes++] = (uint8_t)(v >> 8 * (m->big ? bytes - 1 - i : i));
    }
}

static inline void put_bytes(struct image *m, const void *p, size_t bytes)
{
    memcpy(m->data + m->bytes, p, bytes);
    m->bytes += bytes;
}

static inline void put_pcap_header(struct image *m, uint32_t magic, uint32_t link)
{
    put(m, magic, 4);
    put(m, 2, 2);
    put(m, 4, 2);
    put(m, 0, 8);
    put(m, 65535, 4);
    put(m, link, 4);
}

static inline void put_record(struct image *m, uint32_t s, uint32_t fraction, const void *p,
                              uint32_t caplen, uint32_t wirelen)
{
    put(m, s, 4);
    put(m, fraction, 4);
    put(m, caplen, 4);
    put(m, wirelen, 4);
    put_bytes(m, p, caplen);
}

static inline void put_section(struct image *m)
{
    put(m, 0x0A0D0D0A, 4);
    put(m, 28, 4);
    put(m, 0x1A2B3C4D, 4);
    put(m, 1, 2);
    put(m, 0, 2);
    put(m, UINT64_MAX, 8);
    put(m, 28, 4);
}

/* Interface with a comment option, if_tsresol and if_tsoffset. */
static inline void put_interface(struct image *m, uint16_t link, uint32_t snaplen,
                                 uint8_t resolution, int64_t offset_s)
{
    put(m, 1, 4);
    put(m, 68, 4);
    put(m, link, 2);
    put(m, 0, 2);
    put(m, snaplen, 4);
    put(m, 1, 2);
    put(m, 9, 2);
    put_bytes(m, "a comment\0\0\0", 12);
    put(m, 9, 2);
    put(m, 1, 2);
    put(m, resolution, 1);
    put_bytes(m, "\0\0\0", 3);
    put(m, 14, 2);
    put(m, 8, 2);
    put(m, (uint64_t)offset_s, 8);
    put(m, 0, 4);
    put(m, 9, 2); /* behind the end of the options: not one of them */
    put(m, 1, 2);
    put(m, 77, 4);
    put(m, 68, 4);
}

/* Enhanced packet (type 6) or obsolete packet (type 2) with an option behind the frame. */
static inline void put_packet(struct image *m, uint32_t type, uint32_t interface, uint64_t ticks,
                              const void *p, uint32_t caplen, uint32_t wirelen)
{
    const uint32_t padded = (caplen + 3) & ~3u;
    put(m, type, 4);
    put(m, 12 + 20 + padded + 8, 4);
    if (type == 2) {
        put(m, interface, 2);
        put(m, 0xFFFF, 2); /* frames dropped before this one */
    } else {
        put(m, interface, 4);
    }
    put(m, ticks >> 32, 4);
    put(m, ticks & 0xFFFFFFFF, 4);
    put(m, caplen, 4);
    put(m, wirelen, 4);
    put_bytes(m, p, caplen);
    put(m, 0, padded - caplen);
    put(m, 2, 2);
    put(m, 4, 2);
    put(m, 0, 4);
    put(m, 12 + 20 + padded + 8, 4);
}

static inline void put_simple(struct image *m, const void *p, uint32_t caplen, uint32_t wirelen)
{
    const uint32_t padded = (caplen + 3) & ~3u;
    put(m, 3, 4);
    put(m, 16 + padded, 4);
    put(m, wirelen, 4);
    put_bytes(m, p, caplen);
    put(m, 0, padded - caplen);
    put(m, 16 + padded, 4);
}

/* A block that readers skip. */
static inline void put_other(struct image *m, uint32_t type)
{
    put(m, type, 4);
    put(m, 20, 4);
    put(m, UINT64_MAX, 8);
    put(m, 20, 4);
}
