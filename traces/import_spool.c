/* Payload of messages that are not finished: chunks in memory up to 64 MiB, then in a file without
 * a name beside the trace. A message refers to its bytes by a list of chunks in order of offset. */
#include "traces/import_i.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    CHUNK_BYTES = 2048,
    MEMORY_CHUNKS = 32768, /* 64 MiB */
    WALK_MAX = 4096        /* chunks passed to find the place of a late READ response */
};

struct chunk {
    uint64_t off;
    uint32_t next;
    uint32_t len;
};

struct spool {
    struct chunk *chunk;
    uint32_t room, chunks, free;
    uint8_t *memory[MEMORY_CHUNKS]; /* taken when a chunk is used first */
    int fd;                         /* -1: not needed so far */
};

bool spool_open(struct import *im)
{
    im->spool = calloc(1, sizeof *im->spool);
    if (im->spool == NULL) {
        return import_no_memory(im);
    }
    im->spool->fd = -1;
    im->spool->free = HCT_NONE;
    return true;
}

void spool_close(struct spool *s)
{
    if (s == NULL) {
        return;
    }
    for (uint32_t i = 0; i < MEMORY_CHUNKS && i < s->chunks; i++) {
        free(s->memory[i]);
    }
    if (s->fd >= 0) {
        (void)close(s->fd);
    }
    free(s->chunk);
    free(s);
}

static bool failed(struct import *im, const char *what)
{
    return import_fail(im, HCT_SYS, "%s: cannot %s the temporary file for payload beside it: %s",
                       im->path, what, strerror(errno));
}

static bool open_file(struct import *im)
{
    struct spool *s = im->spool;
    const size_t size = strlen(im->path) + 16;
    char *name = malloc(size);
    if (name == NULL) {
        return import_no_memory(im);
    }
    (void)snprintf(name, size, "%s.XXXXXX", im->path);
    s->fd = mkstemp(name);
    if (s->fd >= 0) {
        (void)unlink(name);
    }
    free(name);
    return s->fd >= 0 || failed(im, "create");
}

static off_t place(uint32_t c, uint64_t at)
{
    return (off_t)((uint64_t)(c - MEMORY_CHUNKS) * CHUNK_BYTES + at);
}

static bool write_at(struct import *im, uint32_t c, uint32_t at, const uint8_t *bytes, uint32_t n)
{
    struct spool *s = im->spool;
    if (c < MEMORY_CHUNKS) {
        memcpy(s->memory[c] + at, bytes, n);
        return true;
    }
    while (n > 0) {
        const ssize_t done = pwrite(s->fd, bytes, n, place(c, at));
        if (done <= 0) {
            return failed(im, "write");
        }
        bytes += done;
        at += (uint32_t)done;
        n -= (uint32_t)done;
    }
    return true;
}

static const uint8_t *read_all(struct import *im, uint32_t c, uint8_t buf[CHUNK_BYTES])
{
    struct spool *s = im->spool;
    if (c < MEMORY_CHUNKS) {
        return s->memory[c];
    }
    for (uint32_t at = 0; at < s->chunk[c].len;) {
        const ssize_t got = pread(s->fd, buf + at, s->chunk[c].len - at, place(c, at));
        if (got <= 0) {
            errno = got == 0 ? EIO : errno;
            failed(im, "read");
            return NULL;
        }
        at += (uint32_t)got;
    }
    return buf;
}

/* A free chunk, HCT_NONE after a failure. */
static uint32_t take(struct import *im, uint64_t off)
{
    struct spool *s = im->spool;
    uint32_t c = s->free;
    if (c != HCT_NONE) {
        s->free = s->chunk[c].next;
    } else {
        c = s->chunks;
        if (!grow(&s->chunk, &s->room, c, sizeof *s->chunk)) {
            import_no_memory(im);
            return HCT_NONE;
        }
        if (c < MEMORY_CHUNKS) {
            s->memory[c] = malloc(CHUNK_BYTES);
            if (s->memory[c] == NULL) {
                import_no_memory(im);
                return HCT_NONE;
            }
        }
        if (c >= MEMORY_CHUNKS && s->fd < 0 && !open_file(im)) {
            return HCT_NONE;
        }
        s->chunks++;
    }
    s->chunk[c] = (struct chunk){.off = off, .next = HCT_NONE};
    return c;
}

/* Links chunk c into a list: at the end, or where its offset belongs. False: too far to find. */
static bool link_in(struct spool *s, struct piece_list *list, uint32_t c)
{
    const uint64_t off = s->chunk[c].off;
    if (list->first == HCT_NONE) {
        list->first = list->last = list->fill = c;
        return true;
    }
    if (off >= s->chunk[list->last].off) {
        s->chunk[list->last].next = c;
        list->last = c;
        return true;
    }
    if (off < s->chunk[list->first].off) {
        s->chunk[c].next = list->first;
        list->first = list->fill = c;
        return true;
    }
    uint32_t at = s->chunk[list->fill].off <= off ? list->fill : list->first;
    for (int steps = 0; s->chunk[s->chunk[at].next].off < off; steps++) {
        if (steps == WALK_MAX) {
            return false;
        }
        at = s->chunk[at].next;
    }
    s->chunk[c].next = s->chunk[at].next;
    s->chunk[at].next = c;
    list->fill = c;
    return true;
}

void spool_put(struct import *im, struct piece_list *to, uint64_t off, const uint8_t *bytes,
               uint32_t n, uint64_t *spooled)
{
    struct spool *s = im->spool;
    if (im->opt.no_payload || n == 0) {
        return;
    }
    *spooled += n;
    im->spooled += n;
    if (im->pass != PASS_WRITE || im->path == NULL) {
        return;
    }
    while (n > 0 && im->status == HCT_OK) {
        uint32_t c = to->last;
        const bool room = c != HCT_NONE && s->chunk[c].off + s->chunk[c].len == off &&
                          s->chunk[c].len < CHUNK_BYTES;
        if (!room) {
            c = take(im, off);
            if (c == HCT_NONE) {
                return;
            }
            if (!link_in(s, to, c)) {
                s->chunk[c].next = s->free;
                s->free = c;
                return;
            }
        }
        const uint32_t left = CHUNK_BYTES - s->chunk[c].len;
        const uint32_t part = n < left ? n : left;
        if (!write_at(im, c, s->chunk[c].len, bytes, part)) {
            return;
        }
        s->chunk[c].len += part;
        off += part;
        bytes += part;
        n -= part;
    }
}

void spool_drop(struct import *im, struct piece_list *list, uint64_t *spooled)
{
    struct spool *s = im->spool;
    im->spooled -= *spooled;
    *spooled = 0;
    if (list->first != HCT_NONE) {
        s->chunk[list->last].next = s->free;
        s->free = list->first;
    }
    list->first = list->last = list->fill = HCT_NONE;
}

void spool_move(struct import *im, struct piece_list *from, struct piece_list *to, uint64_t off)
{
    struct spool *s = im->spool;
    for (uint32_t c = from->first; c != HCT_NONE; c = s->chunk[c].next) {
        s->chunk[c].off += off;
    }
    if (from->first != HCT_NONE && to->first != HCT_NONE) {
        s->chunk[to->last].next = from->first;
        to->last = from->last;
    } else if (from->first != HCT_NONE) {
        *to = *from;
    }
    from->first = from->last = from->fill = HCT_NONE;
}

bool spool_each(struct import *im, const struct piece_list *list,
                bool (*each)(struct import *im, uint64_t off, const void *bytes, uint32_t n))
{
    uint8_t buf[CHUNK_BYTES];
    for (uint32_t c = list->first; c != HCT_NONE; c = im->spool->chunk[c].next) {
        const uint8_t *bytes = read_all(im, c, buf);
        if (bytes == NULL || !each(im, im->spool->chunk[c].off, bytes, im->spool->chunk[c].len)) {
            return false;
        }
    }
    return true;
}
