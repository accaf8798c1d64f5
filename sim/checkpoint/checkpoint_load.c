/* checkpoint_load.c: reads a checkpoint. Every section is checked and unpacked before it is looked
 * at; how much it may unpack to is bounded by what the run can hold. */
#include "sim/checkpoint/checkpoint_i.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

/* zlib packs no better than 1032 : 1. */
enum { PACK_MAX = 1040 };

struct source {
    FILE *f;
    const char *path;
    struct hct_error *err;
    uint64_t at, bytes; /* of the file */
};

static const char *const section_name[] = {"",    "host",   "driver", "adapter",
                                           "net", "replay", "stamps", "report"};

static bool get(struct source *s, void *to, size_t n)
{
    if (n > s->bytes - s->at) {
        return checkpoint_fail(s->err, HCT_BAD,
                               "%s: ends at byte %" PRIu64 ", %zu more belong to it", s->path,
                               s->bytes, n - (size_t)(s->bytes - s->at));
    }
    if (fread(to, 1, n, s->f) != n) {
        return checkpoint_fail(s->err, HCT_SYS, "%s: cannot be read at byte %" PRIu64, s->path,
                               s->at);
    }
    s->at += n;
    return true;
}

/* --- head ---------------------------------------------------------------------------------------
 */

static bool other(struct source *s, const char *what)
{
    return checkpoint_fail(s->err, HCT_USAGE,
                           "%s: was written %s; resume with the program, trace and options of that "
                           "run",
                           s->path, what);
}

static bool head_fits(struct source *s, const struct checkpoint_head *h,
                      const struct checkpoint_head *own)
{
    if (h->version != own->version || h->build != own->build) {
        return other(s, "by another version of hcasim");
    }
    if (h->config != own->config || h->hosts != own->hosts || h->hcas != own->hcas) {
        return other(s, "with another configuration");
    }
    if (h->trace_bytes != own->trace_bytes || h->trace_crc != own->trace_crc) {
        return other(s, "with another trace");
    }
    if (h->timing != own->timing || h->scale_ppm != own->scale_ppm || h->flags != own->flags) {
        return other(s, "with another --timing or --no-check");
    }
    return true;
}

static bool get_head(struct source *s, const struct checkpoint_run *x, struct checkpoint_head *h)
{
    struct checkpoint_head own = {0};

    if (s->bytes < sizeof *h) {
        return checkpoint_fail(s->err, HCT_BAD, "%s: %" PRIu64 " bytes are no checkpoint", s->path,
                               s->bytes);
    }
    if (!get(s, h, sizeof *h)) {
        return false;
    }
    if (h->magic != CHECKPOINT_MAGIC) {
        return checkpoint_fail(s->err, HCT_BAD, "%s: not a checkpoint of hcasim", s->path);
    }
    if (h->crc != checkpoint_crc(h, offsetof(struct checkpoint_head, crc))) {
        return checkpoint_fail(s->err, HCT_BAD, "%s: damaged in its first %zu bytes", s->path,
                               sizeof *h);
    }
    if (!checkpoint_identity(x, &own, s->err) || !head_fits(s, h, &own)) {
        return false;
    }
    return h->sections == checkpoint_sections(h) ||
           checkpoint_fail(s->err, HCT_BAD, "%s: says it has %" PRIu32 " sections, needs %" PRIu32,
                           s->path, h->sections, checkpoint_sections(h));
}

/* --- sections -----------------------------------------------------------------------------------
 */

static bool section_bad(struct source *s, uint64_t at, uint32_t kind, uint32_t index,
                        const char *why)
{
    return checkpoint_fail(s->err, HCT_BAD, "%s: section %s %" PRIu32 " at byte %" PRIu64 ": %s",
                           s->path, section_name[kind], index, at, why);
}

/* Unpacks the next section, which must be this one; the caller frees *raw. */
static bool get_section(struct source *s, uint32_t kind, uint32_t index, uint8_t **raw, size_t *n)
{
    struct checkpoint_section h = {0};
    const uint64_t at = s->at;

    *raw = NULL;
    if (!get(s, &h, sizeof h)) {
        return false;
    }
    if (h.head_crc != checkpoint_crc(&h, offsetof(struct checkpoint_section, head_crc)) ||
        h.kind != kind || h.index != index) {
        return section_bad(s, at, kind, index, "its head is damaged");
    }
    if (h.stored_bytes > s->bytes - s->at || h.raw_bytes / PACK_MAX > h.stored_bytes) {
        return section_bad(s, at, kind, index, "it is longer than the file holds");
    }
    uint8_t *const stored = malloc(h.stored_bytes + 1);
    uint8_t *const to = malloc(h.raw_bytes + 1);
    uLongf got = h.raw_bytes;
    bool good = stored != NULL && to != NULL;
    if (!good) {
        checkpoint_fail(s->err, HCT_NOMEM, "%s: no memory for a section", s->path);
    }
    good = good && get(s, stored, h.stored_bytes);
    if (good && (checkpoint_crc(stored, h.stored_bytes) != h.crc ||
                 uncompress(to, &got, stored, h.stored_bytes) != Z_OK || got != h.raw_bytes)) {
        good = section_bad(s, at, kind, index, "its bytes are damaged");
    }
    free(stored);
    if (!good) {
        free(to);
        return false;
    }
    *raw = to;
    *n = h.raw_bytes;
    return true;
}

static const char *load_host(const struct checkpoint_run *x, uint32_t i, const void *raw, size_t n)
{
    const char *why = NULL;

    return host_load(world_host(x->w, i), raw, n, &why) == HCA_OK ? NULL : why;
}

static const char *load_driver(const struct checkpoint_run *x, uint32_t i, const void *raw,
                               size_t n)
{
    return machine_load(replay_machine(x->y, i), raw, n) ? NULL : "it has another layout";
}

static const char *load_hca(const struct checkpoint_run *x, uint32_t i, const void *raw, size_t n)
{
    const uint32_t hcas = world_hcas(x->w);
    const char *why = NULL;

    return hca_load(world_hca(x->w, i / hcas, i % hcas), raw, n, &why) == HCA_OK ? NULL : why;
}

static const char *load_rest(const struct checkpoint_run *x, uint32_t kind, const void *raw,
                             size_t n)
{
    struct bytes_in i = {.b = raw, .n = n};
    bool good = true;

    switch (kind) {
    case SECTION_NET: good = net_load(world_net(x->w), &i); break;
    case SECTION_REPLAY: good = replay_load(x->y, &i); break;
    case SECTION_STAMPS: good = stamps_load(replay_stamps(x->y), &i); break;
    default: good = report_load(x->r, &i); break;
    }
    return good ? NULL : i.why == NULL ? "it cannot be" : i.why;
}

static bool load_section(struct source *s, const struct checkpoint_run *x, uint32_t kind,
                         uint32_t index)
{
    const uint64_t at = s->at;
    uint8_t *raw;
    size_t n = 0;

    if (!get_section(s, kind, index, &raw, &n)) {
        return false;
    }
    const char *const why = kind == SECTION_HOST     ? load_host(x, index, raw, n)
                            : kind == SECTION_DRIVER ? load_driver(x, index, raw, n)
                            : kind == SECTION_HCA    ? load_hca(x, index, raw, n)
                                                     : load_rest(x, kind, raw, n);
    free(raw);
    if (why != NULL && strcmp(why, NET_OTHER_AIMS) == 0) {
        return checkpoint_fail(s->err, HCT_USAGE, "%s: %s", s->path, why);
    }
    return why == NULL || section_bad(s, at, kind, index, why);
}

/* Replay comes before the world's clock is set: it compares the end of its set-up with it. */
static bool load_all(struct source *s, const struct checkpoint_run *x,
                     const struct checkpoint_head *h)
{
    const struct world_figures f = {.windows = h->windows, .frames = h->frames};

    for (uint32_t i = 0; i < h->hosts; i++) {
        if (!load_section(s, x, SECTION_HOST, i) || !load_section(s, x, SECTION_DRIVER, i)) {
            return false;
        }
        for (uint32_t a = 0; a < h->hcas; a++) {
            if (!load_section(s, x, SECTION_HCA, i * h->hcas + a)) {
                return false;
            }
        }
    }
    if (!load_section(s, x, SECTION_NET, 0) || !load_section(s, x, SECTION_REPLAY, 0) ||
        (replay_stamps(x->y) != NULL && !load_section(s, x, SECTION_STAMPS, 0)) ||
        !load_section(s, x, SECTION_REPORT, 0)) {
        return false;
    }
    if (s->at != s->bytes) {
        return checkpoint_fail(s->err, HCT_BAD, "%s: %" PRIu64 " bytes behind its last section",
                               s->path, s->bytes - s->at);
    }
    world_continue(x->w, h->now_ps, &f);
    return true;
}

bool checkpoint_load(const char *path, const struct checkpoint_run *x, struct hct_error *err)
{
    struct checkpoint_head h = {0};
    struct source s = {.f = fopen(path, "rb"), .path = path, .err = err};

    if (s.f == NULL) {
        return checkpoint_fail(err, HCT_SYS, "%s: %s", path, strerror(errno));
    }
    off_t size = -1;
    if (fseeko(s.f, 0, SEEK_END) == 0) {
        size = ftello(s.f);
    }
    bool good = size >= 0 && fseeko(s.f, 0, SEEK_SET) == 0;
    if (!good) {
        checkpoint_fail(err, HCT_SYS, "%s: %s", path, strerror(errno));
    }
    s.bytes = good ? (uint64_t)size : 0;
    good = good && get_head(&s, x, &h) && load_all(&s, x, &h);
    (void)fclose(s.f);
    return good;
}
