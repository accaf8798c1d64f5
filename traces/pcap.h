/* Capture files: reads pcap and pcapng, plain or gzip; writes pcap.
 *
 * Reading is streaming: memory is one record (256 KiB) plus zlib's window, whatever the file.
 * Source   IETF draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng; link types: tcpdump.org list
 * NOT MODELLED: pcapng name resolution, statistics, decryption and custom blocks (skipped),
 * the "modified" pcap of libpcap patches (refused by name). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CAPTURE_RECORD_MAX     262144u /* bytes of one captured frame */
#define CAPTURE_INTERFACES_MAX 1024u   /* per pcapng section */

/* Link types a record can have: all others are turned into these or refused. */
#define CAPTURE_ETHERNET   1u
#define CAPTURE_INFINIBAND 247u

enum capture_status {
    CAPTURE_OK,
    CAPTURE_END,         /* no more records */
    CAPTURE_TRUNCATED,   /* file ends inside a record; all whole records were delivered */
    CAPTURE_BAD,         /* not a capture, or malformed from here on */
    CAPTURE_UNSUPPORTED, /* well formed, but of a kind this reader refuses, named in the text */
    CAPTURE_HOST         /* operating system: cannot open, read, write, rename; no memory */
};

/* Text of a failure: path, byte offset (of the uncompressed data), value, bound, remedy. */
struct capture_error {
    char text[512];
};

struct capture; /* an open capture */

/* One frame. `data` is valid until the next call on the same capture. */
struct capture_record {
    uint64_t time_ns;        /* since 1970-01-01 UTC */
    uint64_t number;         /* 1 for the first frame of the file */
    uint64_t offset;         /* byte offset of the record or block in the uncompressed data */
    const uint8_t *data;     /* caplen bytes */
    uint32_t caplen;         /* 0..CAPTURE_RECORD_MAX + 14 */
    uint32_t wirelen;        /* >= caplen: a smaller value in the file is raised; <= 2^31 + 14 */
    uint32_t interface;      /* pcapng interface in its section; 0 in pcap */
    uint16_t link_type;      /* CAPTURE_ETHERNET or CAPTURE_INFINIBAND */
    uint16_t file_link_type; /* as in the file: 1, 101, 113, 228, 229, 247, 276. Raw IP and
                                Linux cooked frames get an Ethernet header: destination MAC 0,
                                source MAC as far as known; lengths count it */
    bool time_known;         /* false: the file has no time for it (pcapng simple packet) */
};

/* Opens a capture file and reads its first header.
 * Result CAPTURE_OK and *out, or a failure with *out NULL and err->text. */
enum capture_status capture_open(const char *path, struct capture **out, struct capture_error *err);

/* The same for an uncompressed capture in memory; `name` stands for the path in messages. The
 * bytes must stay until capture_close. */
enum capture_status capture_open_memory(const void *data, size_t bytes, const char *name,
                                        struct capture **out, struct capture_error *err);

/* Next record. CAPTURE_OK fills *rec. Any other status is final: every further call returns it
 * again; capture_why tells the reason (empty after CAPTURE_END). */
enum capture_status capture_next(struct capture *c, struct capture_record *rec);

/* Text of the last failure of this capture, "" if none. */
const char *capture_why(const struct capture *c);

/* Name of a link type, e.g. 105 -> "IEEE 802.11"; "unknown" when not in the table. */
const char *capture_link_name(uint32_t link_type);

void capture_close(struct capture *c); /* NULL is allowed */

struct capture_writer; /* a pcap file being written */

/* Starts a pcap file with ns time stamps, little-endian, under the temporary name
 * "<path>.<pid>.tmp"; it gets its final name at close.
 *
 * link_type  CAPTURE_ETHERNET or CAPTURE_INFINIBAND (asserted)
 * errors     CAPTURE_HOST: cannot create, no memory */
enum capture_status capture_writer_open(const char *path, uint16_t link_type,
                                        struct capture_writer **out, struct capture_error *err);

/* Appends a frame. caplen bytes at data, 0..CAPTURE_RECORD_MAX; wirelen >= caplen; time_ns below
 * 2^32 seconds (year 2106): all asserted. A write error is kept and told by close; later frames
 * are then dropped. */
void capture_write(struct capture_writer *w, uint64_t time_ns, const uint8_t *data, uint32_t caplen,
                   uint32_t wirelen);

/* Frames written so far. */
uint64_t capture_writer_frames(const struct capture_writer *w);

/* Flushes and gives the file its final name. On failure CAPTURE_HOST, the temporary file is
 * removed and nothing stands under the final name. w is freed in both cases. */
enum capture_status capture_writer_close(struct capture_writer *w, struct capture_error *err);

/* Drops the file: removes the temporary name, frees w. NULL is allowed. */
void capture_writer_abort(struct capture_writer *w);
