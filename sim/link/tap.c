#include "sim/link/tap.h"

#include "traces/pcap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PS_PER_NS = 1000, PATH_BYTES = 4096 };

/* A frame that waits for earlier ones. */
struct record {
    uint64_t at_ps, number;
    uint32_t file, len, captured;
    uint8_t bytes[];
};

struct tap {
    struct capture_writer **file;
    uint32_t files;
    bool by_port, links_only;
    bool failed; /* no memory for a record */
    uint64_t number;
    struct record **heap;
    size_t n, size;
};

static bool before(const struct record *a, const struct record *b)
{
    return a->at_ps != b->at_ps ? a->at_ps < b->at_ps : a->number < b->number;
}

static bool put(struct tap *t, struct record *r)
{
    if (t->n == t->size) {
        const size_t size = t->size != 0 ? t->size * 2 : 256;
        struct record **const more = realloc(t->heap, size * sizeof(struct record *));
        if (more == NULL) {
            return false;
        }
        t->heap = more;
        t->size = size;
    }
    size_t i = t->n++;
    for (; i > 0 && before(r, t->heap[(i - 1) / 2]); i = (i - 1) / 2) {
        t->heap[i] = t->heap[(i - 1) / 2];
    }
    t->heap[i] = r;
    return true;
}

static struct record *take(struct tap *t)
{
    struct record *const first = t->heap[0], *const last = t->heap[--t->n];
    size_t i = 0;

    for (size_t child; (child = 2 * i + 1) < t->n; i = child) {
        if (child + 1 < t->n && before(t->heap[child + 1], t->heap[child])) {
            child++;
        }
        if (!before(t->heap[child], last)) {
            break;
        }
        t->heap[i] = t->heap[child];
    }
    t->heap[i] = last;
    return first;
}

static void write_before(struct tap *t, uint64_t at_ps)
{
    while (t->n != 0 && t->heap[0]->at_ps < at_ps) {
        struct record *const r = take(t);
        capture_write(t->file[r->file], r->at_ps / PS_PER_NS, r->bytes, r->captured, r->len);
        free(r);
    }
}

void tap_frame(void *arg, const struct net_frame *f)
{
    struct tap *const t = arg;

    if (f->place == NET_SETTLED) {
        write_before(t, f->at_ps);
        return;
    }
    if (f->fc || (t->links_only && f->place == NET_LOOPED) ||
        (!t->by_port && f->place == NET_ARRIVED) || (t->by_port && f->port >= t->files)) {
        return;
    }
    struct record *const r = malloc(sizeof *r + f->captured);
    if (r == NULL) {
        t->failed = true;
        return;
    }
    *r = (struct record){.at_ps = f->at_ps,
                         .number = t->number++,
                         .len = f->len,
                         .file = t->by_port ? f->port : 0,
                         .captured = f->captured};
    memcpy(r->bytes, f->bytes, f->captured);
    if (!put(t, r)) {
        t->failed = true;
        free(r);
    }
}

void tap_links_only(struct tap *t)
{
    t->links_only = true;
}

bool tap_failed(const struct tap *t)
{
    return t->failed;
}

static struct tap *tap_new(uint32_t files)
{
    struct tap *const t = calloc(1, sizeof *t);

    if (t == NULL) {
        return NULL;
    }
    t->file = calloc(files, sizeof(struct capture_writer *));
    if (t->file == NULL) {
        free(t);
        return NULL;
    }
    t->files = files;
    return t;
}

static bool open_file(struct tap *t, uint32_t i, const char *path, const struct hca_param *p,
                      char *why, size_t size)
{
    const bool ib = p->port_wire == HCA_PORT_WIRE_IB;
    struct capture_error err;

    if (capture_writer_open(path, ib ? CAPTURE_INFINIBAND : CAPTURE_ETHERNET, &t->file[i], &err) ==
        CAPTURE_OK) {
        return true;
    }
    snprintf(why, size, "%s", err.text);
    t->file[i] = NULL;
    return false;
}

struct tap *tap_open(const char *path, const struct hca_param *p, char *why, size_t size)
{
    struct tap *const t = tap_new(1);

    if (t == NULL) {
        snprintf(why, size, "%s: no memory for a pcap file", path);
        return NULL;
    }
    if (!open_file(t, 0, path, p, why, size)) {
        tap_abort(t);
        return NULL;
    }
    return t;
}

struct tap *tap_open_ports(const char *folder, const struct hca_param *p, uint32_t ports, char *why,
                           size_t size)
{
    struct tap *const t = tap_new(ports);
    char path[PATH_BYTES];

    if (t == NULL) {
        snprintf(why, size, "%s: no memory for pcap files", folder);
        return NULL;
    }
    t->by_port = true;
    for (uint32_t i = 0; i < ports; i++) {
        const int n = snprintf(path, sizeof path, "%s/port%u.pcap", folder, i);
        if (n < 0 || (size_t)n >= sizeof path) {
            snprintf(why, size, "path of %zu bytes is too long for a pcap file", strlen(folder));
            tap_abort(t);
            return NULL;
        }
        if (!open_file(t, i, path, p, why, size)) {
            tap_abort(t);
            return NULL;
        }
    }
    return t;
}

static void tap_free(struct tap *t)
{
    for (size_t i = 0; i < t->n; i++) {
        free(t->heap[i]);
    }
    free(t->heap);
    free(t->file);
    free(t);
}

bool tap_close(struct tap *t, char *why, size_t size)
{
    struct capture_error err;
    bool good = !t->failed;

    if (!good) {
        snprintf(why, size, "no memory for a pcap record");
        tap_abort(t);
        return false;
    }
    write_before(t, UINT64_MAX);
    for (uint32_t i = 0; i < t->files; i++) {
        if (capture_writer_close(t->file[i], &err) != CAPTURE_OK && good) {
            snprintf(why, size, "%s", err.text);
            good = false;
        }
    }
    tap_free(t);
    return good;
}

void tap_abort(struct tap *t)
{
    if (t == NULL) {
        return;
    }
    for (uint32_t i = 0; i < t->files; i++) {
        capture_writer_abort(t->file[i]);
    }
    tap_free(t);
}
