#include "model/bench.h"

static bool any(const struct bench_queue *q)
{
    return q->head != q->tail;
}

static uint8_t front(const struct bench_queue *q)
{
    return q->op[q->head % BENCH_OPS];
}

static void append(struct bench_queue *q, uint8_t i)
{
    q->op[q->tail++ % BENCH_OPS] = i;
}

void bench_open(struct bench *u, struct opening *o)
{
    u->run = arena_take(o->a, BENCH_OPS * sizeof *u->run);
    u->data = store_take(o, BENCH_OPS * PAGE_BYTES);
    u->turn = ns_cycles(o->p, o->p->hca_bench_turn_ns);
    for (unsigned i = 0; i < BENCH_OPS; i++) {
        append(&u->s.free, (uint8_t)i);
    }
}

static uint32_t page_at(const struct bench *u, uint8_t i)
{
    return u->data + i * (uint32_t)PAGE_BYTES;
}

/* One direction of an operation has ended: the other follows, or the result. */
static void advance(struct bench *u, const struct tick *t, uint8_t i)
{
    struct bench_run *const r = &u->run[i];

    if (r->kind == BENCH_WRRD && r->reading == 0 && r->status == DMA_OK) {
        r->reading = 1;
        r->issued = 0;
        r->turned = t->now + u->turn;
        append(&u->s.turning, i);
    } else {
        append(&u->s.done, i);
    }
}

static void answered(struct bench *u, const struct tick *t, uint8_t i, uint8_t status)
{
    struct bench_run *const r = &u->run[i];

    r->status = status != DMA_OK ? status : r->status;
    r->outstanding--;
    if (r->outstanding == 0 && r->issued == r->len) {
        advance(u, t, i);
    }
}

/* Answers are always sunk. */
static bool sink(struct bench *u, const struct tick *t)
{
    bool moved = false;

    if (VALID(t, u->rd_rsp_bench)) {
        const struct rd_rsp *const m = POP(t, u->rd_rsp_bench);
        u->s.reads--;
        answered(u, t, (uint8_t)m->cookie, m->status);
        moved = true;
    }
    if (VALID(t, u->bench_written)) {
        const struct wr_done *const m = POP(t, u->bench_written);
        u->s.writes--;
        answered(u, t, (uint8_t)m->cookie, m->status);
        moved = true;
    }
    return moved;
}

/* Lets the reads go whose turn-around is over; all wait equally long, so the first is the oldest.
 * The cycle in which the next turn-around ends. */
static uint64_t turn(struct bench *u, const struct tick *t)
{
    while (any(&u->s.turning) && u->run[front(&u->s.turning)].turned <= t->now) {
        append(&u->s.read, front(&u->s.turning));
        u->s.turning.head++;
    }
    return any(&u->s.turning) ? u->run[front(&u->s.turning)].turned : HCA_NEVER;
}

static bool accept(struct bench *u, const struct tick *t)
{
    if (!VALID(t, u->bench_in) || !any(&u->s.free)) {
        return false;
    }
    const struct bench_op *const m = POP(t, u->bench_in);
    const uint8_t i = front(&u->s.free);

    u->s.free.head++;
    u->run[i] = (struct bench_run){.addr = m->addr,
                                   .start = t->now,
                                   .len = m->len,
                                   .cookie = m->cookie,
                                   .fn = m->fn,
                                   .kind = m->kind,
                                   .reading = m->kind == BENCH_READ};
    if (m->kind > BENCH_WRRD) {
        t->s->bench_refused++;
        u->run[i].status = DMA_CA;
        append(&u->s.done, i);
    } else if (m->len == 0) {
        append(&u->s.done, i);
    } else {
        append(m->kind == BENCH_READ ? &u->s.read : &u->s.write, i);
    }
    return true;
}

/* Bytes of the next request: up to the end of a 4 KiB page, so that no split is added to those that
 * one request for everything would have. */
static uint32_t slice(const struct bench_run *r)
{
    const uint64_t addr = r->addr + r->issued;
    const uint32_t room = PAGE_BYTES - (uint32_t)(addr % PAGE_BYTES), left = r->len - r->issued;

    return left < room ? left : room;
}

/* Time starts with the first request; the read of a write-then-read belongs to its operation. */
static void begin(struct bench_run *r, const struct tick *t)
{
    if (r->issued == 0 && (r->kind != BENCH_WRRD || r->reading == 0)) {
        r->start = t->now;
    }
}

static bool issue_read(struct bench *u, const struct tick *t)
{
    if (!any(&u->s.read) || !READY(t, u->rd_req_bench) ||
        u->s.reads == u->rd_rsp_bench->ctl.depth) {
        return false;
    }
    const uint8_t i = front(&u->s.read);
    struct bench_run *const r = &u->run[i];
    const uint32_t n = slice(r);
    const uint64_t addr = r->addr + r->issued;

    begin(r, t);
    PUSH(t, u->rd_req_bench, rd_req, 0, .addr = addr, .len = n, .cookie = i, .fn = r->fn,
         .cls = CLS_PAYLOAD, .data = page_at(u, i) + (uint32_t)(addr % PAGE_BYTES));
    r->issued += n;
    r->outstanding++;
    u->s.reads++;
    u->s.read.head += r->issued == r->len;
    return true;
}

static void fill(const struct bench *u, const struct tick *t, uint8_t i, uint64_t addr, uint32_t n)
{
    const uint32_t at = (uint32_t)(addr % PAGE_BYTES);
    uint8_t *const to = store_at(t->store, page_at(u, i) + at);

    for (uint32_t b = 0; b < n; b++) {
        to[b] = (uint8_t)(u->run[i].cookie + at + b);
    }
}

/* The pattern of a page does not depend on the slice, so slices may share the operation's page. */
static bool issue_write(struct bench *u, const struct tick *t)
{
    if (!any(&u->s.write) || !READY(t, u->wr_bench) || u->s.writes == u->bench_written->ctl.depth) {
        return false;
    }
    const uint8_t i = front(&u->s.write);
    struct bench_run *const r = &u->run[i];
    const uint32_t n = slice(r);
    const uint64_t addr = r->addr + r->issued;

    begin(r, t);
    fill(u, t, i, addr, n);
    PUSH(t, u->wr_bench, wr_req, 0, .addr = addr, .len = n, .cookie = i, .flags = WR_NOTIFY,
         .fn = r->fn, .cls = CLS_PAYLOAD, .data = page_at(u, i) + (uint32_t)(addr % PAGE_BYTES),
         .slot = NO_SLOT);
    r->issued += n;
    r->outstanding++;
    u->s.writes++;
    u->s.write.head += r->issued == r->len;
    return true;
}

static bool report(struct bench *u, const struct tick *t)
{
    if (!any(&u->s.done) || !READY(t, u->bench_out)) {
        return false;
    }
    const uint8_t i = front(&u->s.done);
    const struct bench_run *const r = &u->run[i];

    PUSH(t, u->bench_out, bench_res, 0, .cookie = r->cookie, .status = r->status,
         .t_start = r->start, .t_end = t->now);
    t->s->bench_ops++;
    u->s.done.head++;
    append(&u->s.free, i);
    return true;
}

struct act bench_tick(struct bench *u, const struct tick *t)
{
    bool moved = sink(u, t);
    const uint64_t turned = turn(u, t);

    moved |= accept(u, t);
    moved |= issue_read(u, t);
    moved |= issue_write(u, t);
    moved |= report(u, t);
    if (moved &&
        (any(&u->s.read) || any(&u->s.write) || any(&u->s.done) || VALID(t, u->bench_in))) {
        return AGAIN(t);
    }
    return (struct act){moved, turned};
}
