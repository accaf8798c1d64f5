/* driver_vec.c: growable arrays, the machine as a whole, saving. */
#include "sim/host/driver_i.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static const uint32_t entry_bytes[VECS] = {
    [V_VM] = sizeof(struct vm),
    [V_BLOCK] = sizeof(struct block),
    [V_DRIVER] = sizeof(struct drv),
    [V_PD] = sizeof(struct pd),
    [V_MR] = sizeof(struct mr),
    [V_CQ] = sizeof(struct cq),
    [V_SRQ] = sizeof(struct srq),
    [V_QP] = sizeof(struct qp),
    [V_AH] = sizeof(struct ah),
    [V_HANDLE] = sizeof(uint32_t),
    [V_WRID] = sizeof(uint64_t),
    [V_PAGE] = sizeof(struct page),
    [V_FULL] = sizeof(uint32_t),
    [V_JOB] = sizeof(struct job),
    [V_STEP] = sizeof(struct step),
    [V_SENT] = sizeof(struct sent),
    [V_VISIBLE] = sizeof(struct visible),
    [V_MMIO] = sizeof(struct mmio_out),
    [V_DONE] = sizeof(struct driver_completion),
    [V_STAMP] = sizeof(struct driver_stamp),
    [V_ASYNC] = sizeof(struct driver_async),
};

/* --- arrays ----------------------------------------------------------------------------------- */

static bool grow(struct machine *m, struct vec *v, uint32_t n)
{
    uint64_t cap = v->cap == 0 ? 16 : v->cap;

    while (cap < (uint64_t)v->n + n) {
        cap *= 2;
    }
    if (cap <= v->cap) {
        return true;
    }
    void *const p = cap >= UINT32_MAX ? NULL : realloc(v->p, cap * v->size);
    if (p == NULL) {
        m->f.oom = 1;
        return false;
    }
    v->p = p;
    v->cap = (uint32_t)cap;
    return true;
}

uint32_t vec_more(struct machine *m, enum vec_id id, uint32_t n)
{
    struct vec *const v = &m->v[id];

    if ((uint64_t)v->n + n > v->cap && !grow(m, v, n)) {
        return DRIVER_NONE;
    }
    memset((uint8_t *)v->p + (size_t)v->n * v->size, 0, (size_t)n * v->size);
    v->n += n;
    return v->n - n;
}

void *vec_add(struct machine *m, enum vec_id id)
{
    const uint32_t i = vec_more(m, id, 1);

    return i == DRIVER_NONE ? NULL : vec_at(m, id, i);
}

bool vec_take(struct machine *m, enum vec_id id, void *out)
{
    struct vec *const v = &m->v[id];

    if (v->head == v->n) {
        return false;
    }
    memcpy(out, vec_at(m, id, v->head++), v->size);
    if (v->head == v->n) {
        v->head = v->n = 0;
    }
    return true;
}

uint32_t pool_new(struct machine *m, enum vec_id id)
{
    struct vec *const v = &m->v[id];
    uint32_t link = v->head;

    if (link != 0) {
        memcpy(&v->head, vec_at(m, id, link - 1), sizeof v->head);
        memset(vec_at(m, id, link - 1), 0, v->size);
        return link;
    }
    link = vec_more(m, id, 1);
    return link == DRIVER_NONE ? 0 : link + 1;
}

void pool_free(struct machine *m, enum vec_id id, uint32_t link)
{
    memcpy(vec_at(m, id, link - 1), &m->v[id].head, sizeof link);
    m->v[id].head = link;
}

/* --- messages --------------------------------------------------------------------------------- */

uint32_t driver_refuse(struct hca_error *err, const char *format, ...)
{
    va_list args;

    if (err != NULL) {
        va_start(args, format);
        (void)vsnprintf(err->text, sizeof err->text, format, args);
        va_end(args);
    }
    return DRIVER_NONE;
}

void machine_fail(struct machine *m, const char *format, ...)
{
    va_list args;

    if (!m->f.failed) {
        m->f.failed = 1;
        va_start(args, format);
        (void)vsnprintf(m->f.text, sizeof m->f.text, format, args);
        va_end(args);
    }
}

bool machine_failed(struct machine *m, struct hca_error *err)
{
    if (m->f.oom) {
        hca_error_set(err, "no memory for the state of the drivers");
        return true;
    }
    if (!m->f.failed) {
        return false;
    }
    hca_error_set(err, "%s", m->f.text);
    m->f.failed = 0;
    return true;
}

/* --- open and close --------------------------------------------------------------------------- */

struct machine *machine_open(const struct hca_param *p, host *h, uint32_t host_index,
                             struct hca_error *err)
{
    struct machine *const m = calloc(1, sizeof *m);

    if (m == NULL) {
        (void)driver_refuse(err, "no memory for the drivers of a host");
        return NULL;
    }
    m->p = p;
    m->h = h;
    m->index = host_index;
    m->f.cores = (uint32_t)(p->cpu_cores < CORES_MAX ? p->cpu_cores : CORES_MAX);
    m->f.recheck_at = m->f.next_due = m->f.held_until = UINT64_MAX;
    for (unsigned v = 0; v < VECS; v++) {
        m->v[v].size = entry_bytes[v];
    }
    if (!mem_open(m, err)) {
        machine_close(m);
        return NULL;
    }
    return m;
}

void machine_close(struct machine *m)
{
    if (m == NULL) {
        return;
    }
    for (unsigned v = 0; v < VECS; v++) {
        free(m->v[v].p);
    }
    free(m);
}

/* --- queues of the public interface ----------------------------------------------------------- */

bool machine_mmio(struct machine *m, uint64_t *at_ps, struct mmio_req *out)
{
    if (!vec_take(m, V_MMIO, &m->f.taken)) {
        return false;
    }
    *at_ps = m->f.taken.at_ps;
    *out = m->f.taken.m;
    return true;
}

void machine_mmio_refused(struct machine *m, uint64_t retry_ps)
{
    struct vec *const v = &m->v[V_MMIO];

    if (v->head != 0) {
        v->head--;
    } else {
        struct mmio_out *const o = vec_add(m, V_MMIO);
        if (o != NULL) {
            *o = m->f.taken;
        }
    }
    m->f.held_until = retry_ps;
}

bool machine_completion(struct machine *m, struct driver_completion *out)
{
    return vec_take(m, V_DONE, out);
}

bool machine_stamp(struct machine *m, struct driver_stamp *out)
{
    return vec_take(m, V_STAMP, out);
}

bool machine_async(struct machine *m, struct driver_async *out)
{
    return vec_take(m, V_ASYNC, out);
}

bool machine_pending(const struct machine *m)
{
    return m->f.pending != 0;
}

uint64_t machine_commands(const struct machine *m, uint64_t *last_ps)
{
    *last_ps = m->f.last_ps;
    return m->f.commands;
}

/* --- save and load ---------------------------------------------------------------------------- */

/* Image: magic, then the fixed part, then each array as {n, head} and its entries. */
static const uint64_t magic = 0x3152445648434148ULL; /* "HACHVDR1" */

static size_t image_bytes(const struct machine *m)
{
    size_t n = sizeof magic + sizeof m->f;

    for (unsigned v = 0; v < VECS; v++) {
        n += 2 * sizeof(uint32_t) + (size_t)m->v[v].n * m->v[v].size;
    }
    return n;
}

size_t machine_save(const struct machine *m, void *buf, size_t size)
{
    const size_t need = image_bytes(m);
    uint8_t *to = buf;

    if (size < need) {
        return need;
    }
    memcpy(to, &magic, sizeof magic);
    memcpy(to + sizeof magic, &m->f, sizeof m->f);
    to += sizeof magic + sizeof m->f;
    for (unsigned v = 0; v < VECS; v++) {
        const struct vec *const x = &m->v[v];
        memcpy(to, &x->n, sizeof x->n);
        memcpy(to + sizeof x->n, &x->head, sizeof x->head);
        to += 2 * sizeof x->n;
        if (x->n != 0) {
            memcpy(to, x->p, (size_t)x->n * x->size);
        }
        to += (size_t)x->n * x->size;
    }
    return need;
}

/* True when the counts in an image fit its size. */
static bool image_ok(const struct machine *m, const uint8_t *from, size_t size)
{
    size_t at = sizeof magic + sizeof m->f;
    uint32_t n[2];

    if (size < at || memcmp(from, &magic, sizeof magic) != 0) {
        return false;
    }
    for (unsigned v = 0; v < VECS; v++) {
        if (size - at < sizeof n) {
            return false;
        }
        memcpy(n, from + at, sizeof n);
        at += sizeof n;
        if (n[1] > n[0] || (size - at) / m->v[v].size < n[0]) {
            return false;
        }
        at += (size_t)n[0] * m->v[v].size;
    }
    return at == size;
}

bool machine_load(struct machine *m, const void *buf, size_t size)
{
    const uint8_t *from = buf;
    uint32_t n[2];

    if (!image_ok(m, from, size)) {
        return false;
    }
    const uint8_t *const fixed = from + sizeof magic;
    from = fixed + sizeof m->f;
    for (unsigned v = 0; v < VECS; v++) {
        memcpy(n, from, sizeof n);
        m->v[v].n = m->v[v].head = 0;
        from += sizeof n;
        if (n[0] == 0) {
            continue;
        }
        if (vec_more(m, v, n[0]) == DRIVER_NONE) {
            return false;
        }
        m->v[v].head = n[1];
        memcpy(m->v[v].p, from, (size_t)n[0] * m->v[v].size);
        from += (size_t)n[0] * m->v[v].size;
    }
    memcpy(&m->f, fixed, sizeof m->f);
    return true;
}
