/* pcap writer: ns time stamps, little-endian, temporary name until closed. */
#include "model/assert.h"
#include "traces/pcap.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { STREAM_BUFFER = 1 << 17, SUFFIX_ROOM = 32 };

struct capture_writer {
    FILE *f;
    uint64_t frames;
    int error; /* errno of the first failed write, 0: none */
    char *path;
    char *temporary;
};

static enum capture_status host_error(struct capture_error *err, const char *path,
                                      const char *action, int code)
{
    snprintf(err->text, sizeof err->text, "%.300s: %s: %s", path, action, strerror(code));
    return CAPTURE_HOST;
}

static void writer_free(struct capture_writer *w)
{
    free(w->path);
    free(w->temporary);
    free(w);
}

/* Keeps the first error; all later writes are dropped. */
static void put(struct capture_writer *w, const void *p, size_t n)
{
    if (w->error == 0 && n > 0 && fwrite(p, 1, n, w->f) != n) {
        w->error = errno != 0 ? errno : EIO;
    }
}

static struct capture_writer *writer_new(const char *path)
{
    const size_t n = strlen(path);
    struct capture_writer *w = calloc(1, sizeof *w);
    if (w == NULL) {
        return NULL;
    }
    w->path = malloc(n + 1);
    w->temporary = malloc(n + SUFFIX_ROOM);
    if (w->path == NULL || w->temporary == NULL) {
        writer_free(w);
        return NULL;
    }
    memcpy(w->path, path, n + 1);
    snprintf(w->temporary, n + SUFFIX_ROOM, "%s.%ld.tmp", path, (long)getpid());
    return w;
}

enum capture_status capture_writer_open(const char *path, uint16_t link_type,
                                        struct capture_writer **out, struct capture_error *err)
{
    hca_assert(link_type == CAPTURE_ETHERNET || link_type == CAPTURE_INFINIBAND);
    const uint32_t head[6] = {0xA1B23C4D, 2 | 4 << 16, 0, 0, CAPTURE_RECORD_MAX, link_type};
    *out = NULL;
    struct capture_writer *w = writer_new(path);
    if (w == NULL) {
        return host_error(err, path, "no memory for a writer", ENOMEM);
    }
    w->f = fopen(w->temporary, "wb");
    if (w->f == NULL) {
        const enum capture_status s = host_error(err, w->temporary, "cannot create", errno);
        writer_free(w);
        return s;
    }
    setvbuf(w->f, NULL, _IOFBF, STREAM_BUFFER);
    put(w, head, sizeof head);
    *out = w;
    return CAPTURE_OK;
}

void capture_write(struct capture_writer *w, uint64_t time_ns, const uint8_t *data, uint32_t caplen,
                   uint32_t wirelen)
{
    const uint64_t seconds = time_ns / 1000000000u;
    hca_assert(caplen <= CAPTURE_RECORD_MAX && caplen <= wirelen && seconds <= UINT32_MAX);
    const uint32_t head[4] = {(uint32_t)seconds, (uint32_t)(time_ns % 1000000000u), caplen,
                              wirelen};
    put(w, head, sizeof head);
    put(w, data, caplen);
    w->frames++;
}

uint64_t capture_writer_frames(const struct capture_writer *w)
{
    return w->frames;
}

enum capture_status capture_writer_close(struct capture_writer *w, struct capture_error *err)
{
    enum capture_status s = CAPTURE_OK;
    if (fclose(w->f) != 0 && w->error == 0) {
        w->error = errno;
    }
    if (w->error != 0) {
        s = host_error(err, w->temporary, "cannot write", w->error);
    } else if (rename(w->temporary, w->path) != 0) {
        s = host_error(err, w->path, "cannot rename to this name", errno);
    }
    if (s != CAPTURE_OK) {
        unlink(w->temporary);
    }
    writer_free(w);
    return s;
}

void capture_writer_abort(struct capture_writer *w)
{
    if (w == NULL) {
        return;
    }
    fclose(w->f);
    unlink(w->temporary);
    writer_free(w);
}
