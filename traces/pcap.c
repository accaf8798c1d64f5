/* Capture reader: opening, and the classic pcap format. pcapng is in pcapng.c. */
#include "traces/pcap_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_HEADER = 24, RECORD_HEADER = 16, GZ_BUFFER = 1 << 17 };
/* Lengths beyond this mean nothing; cut to it, so that adding a header cannot overflow. */
#define CAPTURE_WIRE_MAX (UINT32_C(1) << 31)
#define MAGIC_US         0xA1B2C3D4u
#define MAGIC_NS         0xA1B23C4Du
#define MAGIC_MODIFIED   0xA1B2CD34u /* Kuznetsov's libpcap patch: longer record headers */

/* Files that are often given instead of a capture. */
static enum capture_status not_a_capture(struct capture *c, const uint8_t head[4])
{
    static const struct {
        const char *magic, *name, *remedy;
    } kinds[] = {
        {"\x28\xB5\x2F\xFD", "zstd", "unzstd"},
        {"\xFD\x37zX", "xz", "unxz"},
        {"BZh", "bzip2", "bunzip2"},
        {"PK\x03\x04", "zip", "unzip"},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (memcmp(head, kinds[i].magic, strlen(kinds[i].magic)) == 0) {
            return capture_fail(c, CAPTURE_UNSUPPORTED, 0,
                                "compressed with %s; read are plain and gzip: use %s first",
                                kinds[i].name, kinds[i].remedy);
        }
    }
    if (capture_u32(c, head) == MAGIC_MODIFIED ||
        __builtin_bswap32(capture_u32(c, head)) == MAGIC_MODIFIED) {
        return capture_fail(c, CAPTURE_UNSUPPORTED, 0,
                            "\"modified\" pcap (magic A1B2CD34); convert it: editcap -F nsecpcap "
                            "IN OUT");
    }
    return capture_fail(c, CAPTURE_BAD, 0,
                        "magic %02X%02X%02X%02X is neither pcap nor pcapng; convert other "
                        "capture formats: editcap -F nsecpcap IN OUT",
                        head[0], head[1], head[2], head[3]);
}

/* Header of a pcap file behind its magic number. */
static enum capture_status pcap_header(struct capture *c, uint32_t magic)
{
    uint8_t h[FILE_HEADER - 4];
    if (capture_take(c, h, sizeof h) != sizeof h) {
        return capture_ended(c);
    }
    const uint32_t major = capture_u16(c, h);
    const uint32_t minor = capture_u16(c, h + 2);
    if (major != 2 || minor != 4) {
        return capture_fail(c, CAPTURE_UNSUPPORTED, 4,
                            "pcap version %" PRIu32 ".%" PRIu32
                            ", supported is 2.4; convert it: editcap -F nsecpcap IN OUT",
                            major, minor);
    }
    /* Upper bits tell an FCS length; parsers trust the IP length, so an FCS does no harm. */
    const uint16_t link_type = (uint16_t)(capture_u32(c, h + 16) & 0xFFFF);
    if (!capture_link_known(link_type)) {
        return capture_fail(c, CAPTURE_UNSUPPORTED, 20,
                            "link type %u (%s) is not supported; capture on the Ethernet or "
                            "InfiniBand device itself",
                            link_type, capture_link_name(link_type));
    }
    struct capture_interface *i = capture_add_interface(c);
    if (i == NULL) {
        return c->final;
    }
    i->link_type = link_type;
    i->resolution = magic == MAGIC_NS ? 9 : 6;
    return CAPTURE_OK;
}

static enum capture_status read_header(struct capture *c)
{
    uint8_t head[4];
    const size_t got = capture_take(c, head, sizeof head);
    if (got != sizeof head) {
        const enum capture_status s = capture_source_failed(c);
        return s != CAPTURE_OK
                   ? s
                   : capture_fail(c, CAPTURE_BAD, 0,
                                  "file has %zu bytes; a capture starts with a header of 24", got);
    }
    const uint32_t magic = capture_u32(c, head);
    if (magic == PCAPNG_SECTION_TYPE) {
        c->ng = true;
        return pcapng_section(c);
    }
    c->swapped = magic != MAGIC_US && magic != MAGIC_NS;
    const uint32_t known = capture_u32(c, head);
    if (known != MAGIC_US && known != MAGIC_NS) {
        return not_a_capture(c, head);
    }
    return pcap_header(c, known);
}

static enum capture_status pcap_next(struct capture *c, struct capture_record *rec)
{
    uint8_t h[RECORD_HEADER];
    const size_t got = capture_take(c, h, sizeof h);
    if (got != sizeof h) {
        return got == 0 ? capture_ended_between(c) : capture_ended(c);
    }
    const uint32_t caplen = capture_u32(c, h + 8);
    const uint64_t fraction = capture_u32(c, h + 4);
    const enum capture_status s = capture_take_frame(c, caplen);
    if (s != CAPTURE_OK) {
        return s;
    }
    rec->time_ns = capture_u32(c, h) * UINT64_C(1000000000) +
                   fraction * (c->interface[0].resolution == 9 ? 1 : 1000);
    rec->time_known = true;
    rec->caplen = caplen;
    rec->wirelen = capture_u32(c, h + 12);
    rec->file_link_type = c->interface[0].link_type;
    return CAPTURE_OK;
}

enum capture_status capture_next(struct capture *c, struct capture_record *rec)
{
    if (c->final != CAPTURE_OK) {
        return c->final;
    }
    memset(rec, 0, sizeof *rec);
    c->record_start = c->offset;
    const enum capture_status s = c->ng ? pcapng_next(c, rec) : pcap_next(c, rec);
    if (s == CAPTURE_OK) {
        rec->number = ++c->number;
        rec->offset = c->record_start;
        rec->wirelen = rec->wirelen < CAPTURE_WIRE_MAX ? rec->wirelen : CAPTURE_WIRE_MAX;
        rec->wirelen = rec->wirelen < rec->caplen ? rec->caplen : rec->wirelen;
        capture_normalise(c, rec);
    }
    return s;
}

/* Takes over gz (may be NULL); reads the first header. */
static enum capture_status start(gzFile gz, const void *data, size_t bytes, const char *name,
                                 struct capture **out, struct capture_error *err)
{
    struct capture *c = calloc(1, sizeof *c);
    char *copy = malloc(strlen(name) + 1);
    *out = NULL;
    if (c == NULL || copy == NULL) {
        snprintf(err->text, sizeof err->text, "%.200s: no memory for a reader of %zu bytes", name,
                 sizeof *c);
        if (gz != NULL) {
            gzclose(gz);
        }
        free(copy);
        free(c);
        return CAPTURE_HOST;
    }
    c->name = strcpy(copy, name);
    c->gz = gz;
    c->mem = data;
    c->mem_bytes = bytes;
    const enum capture_status s = read_header(c);
    if (s != CAPTURE_OK) {
        *err = c->err;
        capture_close(c);
        return s;
    }
    *out = c;
    return CAPTURE_OK;
}

enum capture_status capture_open(const char *path, struct capture **out, struct capture_error *err)
{
    *out = NULL;
    errno = 0;
    gzFile gz = gzopen(path, "rb");
    if (gz == NULL) {
        snprintf(err->text, sizeof err->text, "%.200s: cannot open: %s", path,
                 errno != 0 ? strerror(errno) : "no memory");
        return CAPTURE_HOST;
    }
    gzbuffer(gz, GZ_BUFFER);
    return start(gz, NULL, 0, path, out, err);
}

enum capture_status capture_open_memory(const void *data, size_t bytes, const char *name,
                                        struct capture **out, struct capture_error *err)
{
    return start(NULL, data, bytes, name, out, err);
}

const char *capture_why(const struct capture *c)
{
    return c->err.text;
}

void capture_close(struct capture *c)
{
    if (c == NULL) {
        return;
    }
    if (c->gz != NULL) {
        gzclose(c->gz);
    }
    free(c->interface);
    free(c->buf);
    free(c->name);
    free(c);
}
