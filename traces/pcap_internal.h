/* Shared by the capture readers; private to traces/pcap*.c. */
#pragma once

#include "traces/pcap.h"

#include <zlib.h>

enum { CAPTURE_HEAD_ROOM = 16, PCAPNG_SECTION_TYPE = 0x0A0D0D0A };

/* One pcapng interface, or the only one of a pcap file. */
struct capture_interface {
    int64_t offset_s;   /* added to every time */
    uint32_t snaplen;   /* 0: no limit */
    uint16_t link_type; /* as in the file */
    uint8_t resolution; /* if_tsresol: bit 7 set: 2^-n s, else 10^-n s */
};

struct capture {
    char *name;
    gzFile gz; /* NULL: memory */
    const uint8_t *mem;
    size_t mem_bytes;
    uint64_t offset;       /* bytes taken so far */
    uint64_t record_start; /* offset of the record or block being read */
    uint64_t number;       /* records delivered */
    enum capture_status final;
    bool swapped; /* the file's byte order is not ours */
    bool ng;
    uint32_t interfaces;
    uint32_t interface_room; /* interfaces that fit */
    struct capture_interface *interface;
    uint32_t frame_room; /* bytes that fit behind the head room */
    uint8_t *buf;        /* head room, then the frame */
    struct capture_error err;
};

/* Reads up to n bytes; fewer only at the end of the data or on a read error (see capture_ended). */
size_t capture_take(struct capture *c, void *p, size_t n);

/* Reads the frame of caplen bytes to buf + CAPTURE_HEAD_ROOM, which grows up to the record limit.
 * Any status but CAPTURE_OK has been noted: too long, no memory, data ended. */
enum capture_status capture_take_frame(struct capture *c, uint32_t caplen);

/* Appends an interface, all zero; NULL has been noted: limit of the section, or no memory. */
struct capture_interface *capture_add_interface(struct capture *c);

/* Reads and drops n bytes; false when the data ends before. */
bool capture_skip(struct capture *c, uint64_t n);

/* Ends the reading: keeps status and text ("<name>: byte <offset>: ...") and returns status. */
enum capture_status capture_fail(struct capture *c, enum capture_status status, uint64_t offset,
                                 const char *format, ...) __attribute__((format(printf, 4, 5)));

/* A failure of zlib or of the file below it, CAPTURE_OK when there is none. */
enum capture_status capture_source_failed(struct capture *c);

/* To call after a short capture_take: the status of data that ends inside a record or block,
 * unless a read or decompression error is the reason. */
enum capture_status capture_ended(struct capture *c);

/* As capture_ended for data that ends between records: CAPTURE_END when that is regular. */
enum capture_status capture_ended_between(struct capture *c);

/* The number at p in the file's byte order. */
uint16_t capture_u16(const struct capture *c, const uint8_t *p);
uint32_t capture_u32(const struct capture *c, const uint8_t *p);

/* True where the link type is one of those a record can be made of. */
bool capture_link_known(uint32_t link_type);

/* Turns the frame at c->buf + CAPTURE_HEAD_ROOM into Ethernet or InfiniBand: sets data, caplen,
 * wirelen, link_type of rec from its file_link_type and lengths. */
void capture_normalise(struct capture *c, struct capture_record *rec);

/* pcapng: first header (the block type has been read) and next record. */
enum capture_status pcapng_section(struct capture *c);
enum capture_status pcapng_next(struct capture *c, struct capture_record *rec);
