#include "sim/checkpoint/checkpoint_i.h"

#include "hcasim_version.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

bool checkpoint_fail(struct hct_error *err, enum hct_status status, const char *format, ...)
{
    va_list args;

    err->status = status;
    err->sys_errno = status == HCT_SYS ? errno : 0;
    va_start(args, format);
    (void)vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    return false;
}

/* --- identity -----------------------------------------------------------------------------------
 */

static bool trace_identity(const char *path, uint64_t *bytes, uint32_t *crc, struct hct_error *err)
{
    uint8_t buf[65536];
    FILE *const f = fopen(path, "rb");
    size_t n;
    uLong c = crc32(0, NULL, 0);

    *bytes = 0;
    if (f == NULL) {
        return checkpoint_fail(err, HCT_SYS, "%s: %s", path, strerror(errno));
    }
    while ((n = fread(buf, 1, sizeof buf, f)) > 0) {
        c = crc32(c, buf, (uInt)n);
        *bytes += n;
    }
    const bool good = ferror(f) == 0;
    (void)fclose(f);
    *crc = (uint32_t)c;
    return good || checkpoint_fail(err, HCT_SYS, "%s: cannot be read", path);
}

bool checkpoint_identity(const struct checkpoint_run *x, struct checkpoint_head *h,
                         struct hct_error *err)
{
    static const char build[] = HCASIM_VERSION " " HCASIM_COMMIT;
    const uint64_t sizes[] = {sizeof(struct hca_param), sizeof(struct hca_stat),
                              sizeof(struct replay_figures), META_FIELDS};

    *h = (struct checkpoint_head){.magic = CHECKPOINT_MAGIC,
                                  .version = CHECKPOINT_VERSION,
                                  .config = hash_words(0, 0, x->p, sizeof *x->p),
                                  .scale_ppm = x->options->scale_ppm,
                                  .timing = x->options->timing,
                                  .flags = (uint32_t)x->options->check_payload |
                                           (uint32_t)x->options->want_stages << 1,
                                  .hosts = world_hosts(x->w),
                                  .hcas = world_hcas(x->w),
                                  .now_ps = world_now(x->w),
                                  .windows = world_figures(x->w).windows,
                                  .frames = world_figures(x->w).frames};
    h->build = hash_words(hash_words(0, 0, build, sizeof build), 1, sizes, sizeof sizes);
    return trace_identity(x->trace, &h->trace_bytes, &h->trace_crc, err);
}

uint32_t checkpoint_crc(const void *bytes, size_t n)
{
    uLong c = crc32(0, NULL, 0);
    const uint8_t *b = bytes;

    while (n > 0) {
        const uInt part = n < (1U << 30) ? (uInt)n : 1U << 30;
        c = crc32(c, b, part);
        b += part;
        n -= part;
    }
    return (uint32_t)c;
}

/* --- saving -------------------------------------------------------------------------------------
 */

struct sink {
    FILE *f;
    const char *path;
    struct hct_error *err;
    uint32_t sections;
};

/* Packs o as one section and frees it. */
static bool put_section(struct sink *s, uint32_t kind, uint32_t index, struct bytes_out *o)
{
    uLongf packed = compressBound(o->n);
    uint8_t *const to = o->failed ? NULL : malloc(packed);
    bool good = to != NULL && compress2(to, &packed, o->b, o->n, Z_BEST_SPEED) == Z_OK;

    if (!good) {
        checkpoint_fail(s->err, HCT_NOMEM, "%s: no memory for a section", s->path);
    } else {
        struct checkpoint_section h = {.kind = kind,
                                       .index = index,
                                       .raw_bytes = o->n,
                                       .stored_bytes = packed,
                                       .crc = checkpoint_crc(to, packed)};
        h.head_crc = checkpoint_crc(&h, offsetof(struct checkpoint_section, head_crc));
        good = fwrite(&h, sizeof h, 1, s->f) == 1 && fwrite(to, 1, packed, s->f) == packed;
        if (!good) {
            checkpoint_fail(s->err, HCT_SYS, "%s: cannot be written: %s", s->path, strerror(errno));
        }
    }
    free(to);
    bytes_free(o);
    s->sections++;
    return good;
}

static bool put_host(struct sink *s, const struct checkpoint_run *x, unsigned i)
{
    struct bytes_out o = {0};
    const struct host *const h = world_host(x->w, i);
    const struct machine *const m = replay_machine(x->y, i);
    const size_t host_bytes = host_save(h, NULL, 0), machine_bytes = machine_save(m, NULL, 0);
    void *to = bytes_room(&o, host_bytes);

    if (to != NULL) {
        (void)host_save(h, to, host_bytes);
    }
    if (!put_section(s, SECTION_HOST, i, &o)) {
        return false;
    }
    to = bytes_room(&o, machine_bytes);
    if (to != NULL) {
        (void)machine_save(m, to, machine_bytes);
    }
    if (!put_section(s, SECTION_DRIVER, i, &o)) {
        return false;
    }
    for (unsigned a = 0; a < world_hcas(x->w); a++) {
        const struct hca *const g = world_hca(x->w, i, a);
        const size_t n = hca_save(g, NULL, 0);
        to = bytes_room(&o, n);
        if (to != NULL) {
            (void)hca_save(g, to, n);
        }
        if (!put_section(s, SECTION_HCA, i * world_hcas(x->w) + a, &o)) {
            return false;
        }
    }
    return true;
}

static bool put_all(struct sink *s, const struct checkpoint_run *x)
{
    struct bytes_out o = {0};

    for (unsigned i = 0; i < world_hosts(x->w); i++) {
        if (!put_host(s, x, i)) {
            return false;
        }
    }
    net_save(world_net(x->w), &o);
    if (!put_section(s, SECTION_NET, 0, &o)) {
        return false;
    }
    replay_save(x->y, &o);
    if (!put_section(s, SECTION_REPLAY, 0, &o)) {
        return false;
    }
    if (replay_stamps(x->y) != NULL) {
        stamps_save(replay_stamps(x->y), &o);
        if (!put_section(s, SECTION_STAMPS, 0, &o)) {
            return false;
        }
    }
    report_save(x->r, &o);
    return put_section(s, SECTION_REPORT, 0, &o);
}

bool checkpoint_save(const char *path, const struct checkpoint_run *x, struct hct_error *err)
{
    struct checkpoint_head h;
    char part[4200];

    if (!replay_can_save(x->y)) {
        return checkpoint_fail(err, HCT_DAMAGED, "%s: a run of a damaged trace has no checkpoints",
                               x->trace);
    }
    if (!checkpoint_identity(x, &h, err)) {
        return false;
    }
    const int n = snprintf(part, sizeof part, "%s.part%ld", path, (long)getpid());
    if (n < 0 || (size_t)n >= sizeof part) {
        errno = ENAMETOOLONG;
        return checkpoint_fail(err, HCT_SYS, "%.200s...: %s", path, strerror(errno));
    }
    err->text[0] = '\0';
    struct sink s = {.f = fopen(part, "wb"), .path = path, .err = err};
    if (s.f == NULL) {
        return checkpoint_fail(err, HCT_SYS, "%s: %s", path, strerror(errno));
    }
    h.sections = checkpoint_sections(&h);
    h.crc = checkpoint_crc(&h, offsetof(struct checkpoint_head, crc));
    bool good = fwrite(&h, sizeof h, 1, s.f) == 1 && put_all(&s, x);
    good = fclose(s.f) == 0 && good && rename(part, path) == 0;
    if (!good) {
        if (err->text[0] == '\0') {
            checkpoint_fail(err, HCT_SYS, "%s: cannot be written: %s", path, strerror(errno));
        }
        (void)unlink(part);
    }
    return good;
}
