/* Makes another capture out of an Ethernet capture of RoCE v2 over IPv4, the same each time:
 * connections moved against each other in time, QPs renumbered (the two ends of a connection get
 * different numbers), ICRCs computed anew, beginning and end cut off.
 *
 * A connection is told by its two addresses and by QP numbers that are equal at both ends, as they
 * are in traces/captures/softroce-perftest.pcap.gz. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/packet/headers.h"
#include "traces/pcap.h"

struct remix_options {
    uint32_t seed;
    uint64_t shift_ns_max; /* each connection starts later by 0..shift_ns_max               */
    uint32_t cut_first, cut_last; /* frames dropped after sorting                            */
    uint32_t snap;     /* bytes kept of each frame; 0: all                              */
    bool keep_numbers; /* QP numbers stay                                               */
    uint8_t only_from; /* frames of the address with this last byte; 0: all             */
};

struct remix_frame {
    uint64_t t_ns;
    uint32_t at, len, order; /* bytes in the pool; place in the input */
};

static inline uint32_t remix_hash(uint32_t seed, uint32_t a)
{
    uint32_t h = (a + seed) * 0x9E3779B1u;
    h = (h ^ h >> 15) * 0x85EBCA77u;
    return h ^ h >> 13;
}

/* The new number of QP `qpn` at the address whose last byte is `host`: one to one per host; never a
 * number with a meaning of its own. */
static inline uint32_t remix_qpn(const struct remix_options *o, uint8_t host, uint32_t qpn)
{
    const uint32_t x = (qpn * 0x2545F5u + remix_hash(o->seed, host)) & 0xFFFFFF;
    return o->keep_numbers || qpn <= 1 ? qpn : x <= 1 || x == 0xFFFFFF ? x ^ 0x800000 : x;
}

static inline void remix_put_qpn(uint8_t *p, uint32_t qpn)
{
    p[0] = (uint8_t)(qpn >> 16);
    p[1] = (uint8_t)(qpn >> 8);
    p[2] = (uint8_t)qpn;
}

/* Renumbers one frame in place; returns the delay of its connection. Other frames stay. */
static inline uint64_t remix_one(const struct remix_options *o, uint8_t *frame, uint32_t len)
{
    struct pkt_hdr h;
    struct pkt_view v;
    const enum pkt_result r = pkt_parse(frame, len, PKT_LINK_ETHERNET, &h, &v);
    if ((r != PKT_OK && r != PKT_CNP) || h.wire != PKT_ROCE2_V4) {
        return 0;
    }
    const uint8_t src = h.sgid[15], dst = h.dgid[15];
    const uint32_t who = h.dqpn * 65536 + (src < dst ? src * 256u + dst : dst * 256u + src);
    remix_put_qpn(frame + v.bth_offset + 5, remix_qpn(o, dst, h.dqpn));
    if (pkt_opcode(h.opcode)->ext & PKT_DETH) {
        remix_put_qpn(frame + v.bth_offset + 17, remix_qpn(o, src, h.sqpn));
    }
    const uint32_t icrc = pkt_icrc(frame, &v);
    memcpy(frame + v.icrc_offset, &icrc, sizeof icrc);
    return o->shift_ns_max == 0 ? 0 : remix_hash(o->seed, who) * 1000ull % o->shift_ns_max;
}

static inline int remix_before(const void *x, const void *y)
{
    const struct remix_frame *a = x;
    const struct remix_frame *b = y;
    if (a->t_ns != b->t_ns) {
        return a->t_ns < b->t_ns ? -1 : 1;
    }
    return (a->order > b->order) - (a->order < b->order);
}

/* Reads all of `from`; the frames lie one behind the other in *pool. Returns how many, 0: failed.
 */
static inline uint32_t remix_read(const char *from, const struct remix_options *o,
                                  struct remix_frame **frame, uint8_t **pool)
{
    struct capture *c;
    struct capture_error err;
    struct capture_record r;
    uint32_t n = 0, room = 0;
    size_t used = 0, size = 0;
    if (capture_open(from, &c, &err) != CAPTURE_OK) {
        return 0;
    }
    while (capture_next(c, &r) == CAPTURE_OK) {
        if (n == room) {
            room = room == 0 ? 1024 : 2 * room;
            *frame = realloc(*frame, room * sizeof **frame);
        }
        if (used + r.caplen > size) {
            size = 2 * size + r.caplen + 65536;
            *pool = realloc(*pool, size);
        }
        if (*frame == NULL || *pool == NULL) {
            abort();
        }
        memcpy(*pool + used, r.data, r.caplen);
        if (o->only_from != 0 && (r.caplen < 30 || r.data[29] != o->only_from)) {
            continue; /* last byte of the IPv4 source address */
        }
        const uint64_t delay = remix_one(o, *pool + used, r.caplen);
        (*frame)[n] = (struct remix_frame){r.time_ns + delay, (uint32_t)used, r.caplen, n};
        used += r.caplen;
        n++;
    }
    capture_close(c);
    return n;
}

/* Returns the frames written to `to`, 0: reading or writing failed. */
static inline uint32_t remix(const char *from, const char *to, const struct remix_options *o)
{
    struct remix_frame *frame = NULL;
    uint8_t *pool = NULL;
    struct capture_writer *w;
    struct capture_error err;
    uint32_t n = remix_read(from, o, &frame, &pool);
    uint32_t written = 0;
    if (n != 0) {
        qsort(frame, n, sizeof *frame, remix_before);
    }
    if (n != 0 && capture_writer_open(to, CAPTURE_ETHERNET, &w, &err) == CAPTURE_OK) {
        for (uint32_t i = o->cut_first; i + o->cut_last < n; i++) {
            const uint32_t len = frame[i].len;
            const uint32_t cap = o->snap != 0 && o->snap < len ? o->snap : len;
            capture_write(w, frame[i].t_ns, pool + frame[i].at, cap, len);
            written++;
        }
        written = capture_writer_close(w, &err) == CAPTURE_OK ? written : 0;
    }
    free(frame);
    free(pool);
    return written;
}
