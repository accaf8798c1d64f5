/* wqe_fetch_buf.c: runs of WQEs: page lookup, read, replacement. */
#include "model/wqe_fetch.h"

enum { BUFS_MIN = 32, BUFS_MAX = 0x4000 }; /* cookies of buffers have 14 bits */

static void link_newest(struct wqe_fetch *u, uint32_t i)
{
    u->buf[i].newer = 0;
    u->buf[i].older = u->s.newest;
    if (u->s.newest != 0) {
        u->buf[u->s.newest - 1].newer = i + 1;
    } else {
        u->s.oldest = i + 1;
    }
    u->s.newest = i + 1;
}

static void unlink_buf(struct wqe_fetch *u, uint32_t i)
{
    const struct wqe_buf *const b = &u->buf[i];

    if (b->newer != 0) {
        u->buf[b->newer - 1].older = b->older;
    } else {
        u->s.newest = b->older;
    }
    if (b->older != 0) {
        u->buf[b->older - 1].newer = b->newer;
    } else {
        u->s.oldest = b->newer;
    }
}

void wqe_buf_open(struct wqe_fetch *u, struct opening *o)
{
    const struct hca_param *const p = o->p;
    const uint64_t want = p->hca_wqe_window_entries / p->hca_wqe_prefetch_entries;

    u->bufs = (uint32_t)(want < BUFS_MIN ? BUFS_MIN : want > BUFS_MAX ? BUFS_MAX : want);
    u->buf = arena_take(o->a, u->bufs * sizeof *u->buf);
    u->fetching = arena_take(o->a, u->bufs * sizeof *u->fetching);
    u->qps = (uint32_t)(p->hca_fn_max * p->hca_qp_max);
    u->ring = arena_take(o->a, (2ULL * u->qps + p->hca_fn_max * p->hca_srq_max) * sizeof *u->ring);
    u->data = store_take(o, u->bufs * WQE_BUF_BYTES);
    u->fetch_max = (uint32_t)p->hca_wqe_fetch_inflight;
    if (u->buf == NULL) {
        return;
    }
    for (uint32_t i = 0; i < u->bufs; i++) {
        link_newest(u, i);
    }
}

/* Reads are under way or about to start. */
static bool flying(const struct wqe_buf *b)
{
    return b->state > BUF_FREE && b->state < BUF_MMIO;
}

void wqe_buf_touch(struct wqe_fetch *u, struct wqe_buf *b)
{
    const uint32_t i = (uint32_t)(b - u->buf);

    if (u->s.newest != i + 1) {
        unlink_buf(u, i);
        link_newest(u, i);
    }
}

static bool holds(const struct wqe_buf *b, uint32_t index, bool units)
{
    if (b->mmio) {
        return units && (uint16_t)(index - b->first) < b->count;
    }
    return index - b->first < b->count;
}

struct wqe_buf *wqe_buf_find(const struct wqe_fetch *u, uint32_t ring, uint32_t index, bool units)
{
    for (unsigned i = 0; i < WQE_RUNS; i++) {
        const uint32_t b = u->ring[ring].buf[i];
        if (b != 0 && holds(&u->buf[b - 1], index, units)) {
            return &u->buf[b - 1];
        }
    }
    return NULL;
}

bool wqe_buf_flying(const struct wqe_fetch *u, uint32_t ring)
{
    for (uint32_t i = 0; i < u->bufs && u->s.flying != 0; i++) {
        const struct wqe_buf *const b = &u->buf[i];
        if (b->ring == ring + 1 && flying(b)) {
            return true;
        }
    }
    return false;
}

static void free_buf(struct wqe_buf *b)
{
    b->state = BUF_FREE;
    b->ring = 0;
}

/* A buffer that is being read keeps its ring number until the answer, for wqe_buf_flying. */
void wqe_buf_drop(struct wqe_fetch *u, struct wqe_buf *b)
{
    const uint16_t i = (uint16_t)(b - u->buf + 1);
    struct wqe_ring *const r = &u->ring[b->ring - 1];

    unsigned kept = 0;
    for (unsigned k = 0; k < WQE_RUNS; k++) {
        const uint16_t buf = r->buf[k];
        r->buf[k] = 0;
        if (buf != i) {
            r->buf[kept++] = buf;
        }
    }
    u->s.live -= r->buf[0] == 0;
    b->hold = 0;
    b->count = 0;
    u->s.progress++;
    if (!flying(b)) {
        free_buf(b);
    }
}

void wqe_buf_drop_ring(struct wqe_fetch *u, uint32_t ring)
{
    for (uint32_t b; (b = u->ring[ring].buf[0]) != 0;) {
        wqe_buf_drop(u, &u->buf[b - 1]);
    }
}

/* The buffer that was used longest ago and that nobody waits for, linked to ring; NULL: none. */
static struct wqe_buf *take_buf(struct wqe_fetch *u, uint32_t ring)
{
    uint32_t i = u->s.oldest;

    while (i != 0 && (u->buf[i - 1].hold || flying(&u->buf[i - 1]))) {
        i = u->buf[i - 1].newer;
    }
    if (i == 0) {
        return NULL;
    }
    struct wqe_buf *const b = &u->buf[i - 1];
    struct wqe_ring *const r = &u->ring[ring];
    if (b->state != BUF_FREE) {
        wqe_buf_drop(u, b);
    }
    if (r->buf[WQE_RUNS - 1] != 0) {
        wqe_buf_drop(u, &u->buf[r->buf[WQE_RUNS - 1] - 1]);
    }
    u->s.live += r->buf[0] == 0;
    memmove(r->buf + 1, r->buf, (WQE_RUNS - 1) * sizeof r->buf[0]);
    r->buf[0] = (uint16_t)i;
    *b = (struct wqe_buf){.ring = ring + 1, .newer = b->newer, .older = b->older};
    wqe_buf_touch(u, b);
    return b;
}

bool wqe_ring_valid(uint32_t entries, uint32_t stride, bool contiguous)
{
    const bool power2 = (stride & (stride - 1)) == 0;

    if (entries == 0 || (entries & (entries - 1)) != 0 || stride < 16 || stride > PAGE_BYTES) {
        return false;
    }
    return contiguous ? stride <= WQE_BUF_BYTES : power2;
}

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* Native rings are contiguous; a run may wrap, then it is read in two parts. */
static void place_contiguous(struct wqe_buf *b, const struct wqe_run *r)
{
    const uint32_t slot = r->index & (r->geo->entries - 1);
    const uint32_t most = least(r->entries_max, WQE_BUF_BYTES / r->stride);

    b->count = least(most, r->tail - r->index);
    b->page_bus = r->geo->pdir;
    b->off = slot * r->stride;
    b->len = least(b->count, r->geo->entries - slot) * r->stride;
    b->len2 = b->count * r->stride - b->len;
    b->state = BUF_READ;
}

/* The run ends at the page, the ring or the producer index, whichever comes first. */
static void place_pages(struct wqe_buf *b, const struct wqe_run *r)
{
    const struct ring *const g = r->geo;
    const uint32_t slot = r->index & (g->entries - 1);
    const uint32_t at = slot * r->stride;

    b->page = g->page0 + at / PAGE_BYTES;
    b->off = at % PAGE_BYTES;
    uint32_t n = least(r->entries_max, WQE_BUF_BYTES / r->stride);
    n = n == 0 ? 1 : n;
    n = least(n, (PAGE_BYTES - b->off) / r->stride);
    n = least(n, g->entries - slot);
    b->count = least(n, r->tail - r->index);
    b->len = least(b->count * r->stride, WQE_BUF_BYTES);
    b->state = BUF_PAGE;
    if (r->page == b->page + 1) {
        b->page_bus = r->page_bus;
        b->state = BUF_READ;
    }
}

struct wqe_buf *wqe_buf_start(struct wqe_fetch *u, const struct tick *t, const struct wqe_run *r)
{
    if (u->s.flying >= u->fetch_max) {
        return NULL;
    }
    struct wqe_buf *const b = take_buf(u, r->ring);
    if (b == NULL) {
        return NULL;
    }
    b->first = r->index;
    b->pdir = r->geo->pdir;
    b->fn = r->fn;
    b->units = r->units;
    if (r->contiguous) {
        place_contiguous(b, r);
    } else {
        place_pages(b, r);
    }
    u->s.flying++;
    u->s.progress++;
    u->fetching[u->s.fetching++] = (uint16_t)(b - u->buf);
    t->s->wqe_fetch_runs++;
    return b;
}

void wqe_buf_ahead(struct wqe_fetch *u, const struct tick *t, struct wqe_run *r,
                   const struct wqe_buf *b)
{
    const uint32_t most = u->s.live * WQE_RUNS <= u->bufs ? WQE_RUNS - 1 : 1;

    r->index = b->first + b->count;
    for (uint32_t ahead = 0; ahead < most && !b->mmio; ahead++) {
        if ((int32_t)(r->tail - r->index) <= 0) {
            return;
        }
        b = wqe_buf_find(u, r->ring, r->index, r->units);
        if (b == NULL) {
            (void)wqe_buf_start(u, t, r);
            return;
        }
        if (b->units && flying(b)) { /* where its last whole WQE ends is not known yet */
            return;
        }
        r->index = b->first + b->count;
    }
}

const uint8_t *wqe_buf_at(const struct wqe_fetch *u, const struct tick *t, const struct wqe_buf *b,
                          uint32_t index, uint32_t stride)
{
    const uint32_t n = b->mmio ? (uint16_t)(index - b->first) : index - b->first;

    return store_at(t->store, u->data + (uint32_t)(b - u->buf) * WQE_BUF_BYTES + n * stride);
}

void wqe_buf_page(struct wqe_fetch *u, uint32_t i, const struct ring_got *m)
{
    struct wqe_buf *const b = &u->buf[i];

    hca_assert(b->state == BUF_PAGE_WAIT);
    if (b->count == 0) { /* dropped meanwhile */
        free_buf(b);
        u->s.flying--;
    } else if (m->status != 0) {
        b->state = BUF_FAILED;
        u->s.flying--;
    } else {
        b->page_bus = m->addr;
        b->state = BUF_READ;
        u->fetching[u->s.fetching++] = (uint16_t)i;
    }
}

/* WQEs that the end of a native run cuts off are left to the next run. */
static void trim_units(struct wqe_buf *b, const uint8_t *bytes)
{
    uint32_t at = 0;

    while (at < b->count) {
        const uint32_t units = bytes[at * WQE_UNIT + 3];
        if (units == 0 || units > b->count - at) {
            break;
        }
        at += units;
    }
    b->count = at == 0 ? b->count : at;
}

void wqe_buf_data(struct wqe_fetch *u, const struct tick *t, uint32_t i, uint8_t status)
{
    struct wqe_buf *const b = &u->buf[i];

    hca_assert(b->reads != 0);
    b->reads--;
    b->failed |= status != DMA_OK;
    if (b->reads != 0 || b->state != BUF_WAIT) {
        return;
    }
    b->state = b->failed ? BUF_FAILED : BUF_READY;
    u->s.flying--;
    if (b->count == 0) {
        free_buf(b);
    } else if (b->units && b->state == BUF_READY) {
        trim_units(b, store_at(t->store, u->data + i * WQE_BUF_BYTES));
    }
}

void wqe_buf_mmio(struct wqe_fetch *u, const struct tick *t, const struct wqe_mmio *m)
{
    const uint32_t row = dense_row(m->fn * (uint32_t)QP_ROUND + m->number, t->p->hca_qp_max);
    struct wqe_buf *b = NULL;

    if (m->number >= t->p->hca_qp_max || row >= u->qps || m->parts == 0 ||
        m->parts > WQE_BUF_BYTES / WQE_UNIT || m->part >= m->parts) {
        t->s->wqe_fetch_mmio_dropped++;
        return;
    }
    if (m->part == 0) {
        b = take_buf(u, row);
        if (b != NULL) {
            b->state = BUF_MMIO;
            b->mmio = 1;
            b->units = 1;
            b->first = m->index;
        }
    } else {
        b = wqe_buf_find(u, row, m->index + m->part - 1U, true);
        b = b != NULL && b->state == BUF_MMIO && (uint16_t)b->first == m->index ? b : NULL;
    }
    if (b == NULL || b->count != m->part) { /* the ring holds the WQE too and will be read */
        t->s->wqe_fetch_mmio_dropped++;
        return;
    }
    const uint32_t at = u->data + (uint32_t)(b - u->buf) * WQE_BUF_BYTES + m->part * WQE_UNIT;
    memcpy(store_at(t->store, at), &m->d0, WQE_UNIT);
    b->count++;
    b->state = b->count == m->parts ? BUF_READY : BUF_MMIO;
}

static bool push_page(struct wqe_fetch *u, const struct tick *t, struct wqe_buf *b)
{
    if (!wqe_out(t, &u->ring_get_wqe->ctl)) {
        return false;
    }
    PUSH(t, u->ring_get_wqe, ring_get, 0, .pdir = b->pdir, .page = b->page,
         .cookie = (uint16_t)(b - u->buf), .fn = b->fn);
    b->state = BUF_PAGE_WAIT;
    return true;
}

static bool push_read(struct wqe_fetch *u, const struct tick *t, struct wqe_buf *b)
{
    const bool second = b->state == BUF_READ2;

    if (!wqe_out(t, &u->rd_req_wqe->ctl)) {
        return false;
    }
    PUSH(t, u->rd_req_wqe, rd_req, 0, .addr = b->page_bus + (second ? 0 : b->off),
         .len = second ? b->len2 : b->len, .cookie = (uint16_t)(b - u->buf), .fn = b->fn,
         .cls = CLS_WQE,
         .data = u->data + (uint32_t)(b - u->buf) * WQE_BUF_BYTES + (second ? b->len : 0));
    b->reads++;
    b->state = !second && b->len2 != 0 ? BUF_READ2 : BUF_WAIT;
    return true;
}

/* Takes back what a dropped buffer has not asked for yet; true: it needs no output any more. */
static bool cancel(struct wqe_fetch *u, struct wqe_buf *b)
{
    if (b->count != 0) {
        return false;
    }
    b->state = BUF_WAIT;
    if (b->reads == 0) {
        free_buf(b);
        u->s.flying--;
    }
    return true;
}

void wqe_buf_step(struct wqe_fetch *u, const struct tick *t, bool *left)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < u->s.fetching; i++) {
        struct wqe_buf *const b = &u->buf[u->fetching[i]];
        const bool did =
            cancel(u, b) || (b->state == BUF_PAGE ? push_page(u, t, b) : push_read(u, t, b));
        u->s.progress += did;
        if (b->state == BUF_PAGE || b->state == BUF_READ || b->state == BUF_READ2) {
            u->fetching[kept++] = u->fetching[i];
            *left = true;
        }
    }
    u->s.fetching = kept;
}
