/* Where a capture's bytes come from, and what to say when they end. */
#include "traces/pcap_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t take_gz(struct capture *c, uint8_t *p, size_t n)
{
    size_t done = 0;
    while (done < n) {
        const size_t want = n - done < INT32_MAX ? n - done : INT32_MAX;
        const int got = gzread(c->gz, p + done, (unsigned)want);
        if (got <= 0) {
            break;
        }
        done += (size_t)got;
    }
    return done;
}

size_t capture_take(struct capture *c, void *p, size_t n)
{
    size_t got = n;
    if (c->gz != NULL) {
        got = take_gz(c, p, n);
    } else {
        if (c->mem_bytes - c->offset < got) {
            got = c->mem_bytes - (size_t)c->offset;
        }
        if (got > 0) {
            memcpy(p, c->mem + c->offset, got);
        }
    }
    c->offset += got;
    return got;
}

/* Makes room for a frame, doubling from 2 KiB; false: no memory. */
static bool grow_frame(struct capture *c, uint32_t caplen)
{
    uint32_t room = 2048;
    while (room < caplen) {
        room *= 2;
    }
    if (room <= c->frame_room) {
        return true;
    }
    uint8_t *p = realloc(c->buf, CAPTURE_HEAD_ROOM + room);
    if (p == NULL) {
        return false;
    }
    c->buf = p;
    c->frame_room = room;
    return true;
}

enum capture_status capture_take_frame(struct capture *c, uint32_t caplen)
{
    if (caplen > CAPTURE_RECORD_MAX) {
        return capture_fail(c, CAPTURE_BAD, c->record_start,
                            "frame of %" PRIu32 " bytes, at most %u are possible; the file is "
                            "damaged here: %" PRIu64 " whole records were read",
                            caplen, CAPTURE_RECORD_MAX, c->number);
    }
    if (!grow_frame(c, caplen)) {
        return capture_fail(c, CAPTURE_HOST, c->record_start,
                            "no memory for a frame of %" PRIu32 " bytes", caplen);
    }
    if (capture_take(c, c->buf + CAPTURE_HEAD_ROOM, caplen) != caplen) {
        return capture_ended(c);
    }
    return CAPTURE_OK;
}

struct capture_interface *capture_add_interface(struct capture *c)
{
    if (c->interfaces == CAPTURE_INTERFACES_MAX) {
        capture_fail(c, CAPTURE_UNSUPPORTED, c->record_start,
                     "more than %u pcapng interfaces; split the file by interface",
                     CAPTURE_INTERFACES_MAX);
        return NULL;
    }
    if (c->interfaces == c->interface_room) {
        const uint32_t room = c->interface_room == 0 ? 4 : 2 * c->interface_room;
        struct capture_interface *p = realloc(c->interface, room * sizeof *p);
        if (p == NULL) {
            capture_fail(c, CAPTURE_HOST, c->record_start,
                         "no memory for %" PRIu32 " pcapng interfaces", room);
            return NULL;
        }
        c->interface = p;
        c->interface_room = room;
    }
    struct capture_interface *i = &c->interface[c->interfaces++];
    memset(i, 0, sizeof *i);
    return i;
}

bool capture_skip(struct capture *c, uint64_t n)
{
    uint8_t scratch[4096];
    while (n > 0) {
        const size_t step = n < sizeof scratch ? (size_t)n : sizeof scratch;
        if (capture_take(c, scratch, step) != step) {
            return false;
        }
        n -= step;
    }
    return true;
}

enum capture_status capture_fail(struct capture *c, enum capture_status status, uint64_t offset,
                                 const char *format, ...)
{
    va_list args;
    const int n =
        snprintf(c->err.text, sizeof c->err.text, "%.200s: byte %" PRIu64 ": ", c->name, offset);
    const size_t used = n < 0 ? 0 : (size_t)n;
    va_start(args, format);
    vsnprintf(c->err.text + used, sizeof c->err.text - used, format, args);
    va_end(args);
    c->final = status;
    return status;
}

enum capture_status capture_source_failed(struct capture *c)
{
    int code = Z_OK;
    const char *text = c->gz != NULL ? gzerror(c->gz, &code) : "";
    switch (code) {
    case Z_OK:
    case Z_STREAM_END: return CAPTURE_OK;
    case Z_ERRNO: return capture_fail(c, CAPTURE_HOST, c->offset, "read: %s", strerror(errno));
    case Z_MEM_ERROR: return capture_fail(c, CAPTURE_HOST, c->offset, "no memory to decompress");
    case Z_BUF_ERROR:
        return capture_fail(c, CAPTURE_TRUNCATED, c->offset,
                            "compressed file ends early; %" PRIu64
                            " whole records were read; copy it again to get the rest",
                            c->number);
    default:
        return capture_fail(c, CAPTURE_BAD, c->offset,
                            "compressed data is damaged (%.100s); %" PRIu64
                            " whole records were read; copy it again to get the rest",
                            text, c->number);
    }
}

enum capture_status capture_ended(struct capture *c)
{
    const enum capture_status s = capture_source_failed(c);
    if (s != CAPTURE_OK) {
        return s;
    }
    return capture_fail(c, CAPTURE_TRUNCATED, c->record_start,
                        "file ends at byte %" PRIu64 " inside the record or block that starts "
                        "here; %" PRIu64 " whole records were read",
                        c->offset, c->number);
}

enum capture_status capture_ended_between(struct capture *c)
{
    const enum capture_status s = capture_source_failed(c);
    if (s == CAPTURE_OK) {
        c->final = CAPTURE_END;
        return CAPTURE_END;
    }
    return s;
}

uint16_t capture_u16(const struct capture *c, const uint8_t *p)
{
    uint16_t v;
    memcpy(&v, p, sizeof v);
    return c->swapped ? __builtin_bswap16(v) : v;
}

uint32_t capture_u32(const struct capture *c, const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return c->swapped ? __builtin_bswap32(v) : v;
}
