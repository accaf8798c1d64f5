#include "model/wqe_fetch.h"

void wqe_fetch_open(struct wqe_fetch *u, struct opening *o)
{
    wqe_buf_open(u, o);
    wqe_send_open(u, o);
    wqe_recv_open(u, o);
}

static void sink_page(struct wqe_fetch *u, const struct tick *t)
{
    const struct ring_got *const m = POP(t, u->ring_got_wqe);

    if (m->cookie >= RECV_COOKIE) {
        wqe_recv_page(u, t, m->cookie, m);
    } else if (m->cookie >= SEND_COOKIE) {
        wqe_send_page(u, t, m->cookie, m);
    } else {
        wqe_buf_page(u, m->cookie, m);
    }
}

static void sink_data(struct wqe_fetch *u, const struct tick *t)
{
    const struct rd_rsp *const m = POP(t, u->rd_rsp_wqe);

    if (m->cookie >= RECV_COOKIE) {
        wqe_recv_data(u, t, m->cookie, m->status);
    } else if (m->cookie >= SEND_COOKIE) {
        wqe_send_data(u, t, m->cookie, m->status);
    } else {
        wqe_buf_data(u, t, m->cookie, m->status);
    }
}

/* Takes every answer that is there: nothing of this may wait for an output. */
static void sink(struct wqe_fetch *u, const struct tick *t)
{
    if (VALID(t, u->ring_got_wqe)) {
        sink_page(u, t);
        u->s.progress++;
    }
    if (VALID(t, u->rd_rsp_wqe)) {
        sink_data(u, t);
        u->s.progress++;
    }
    if (VALID(t, u->ctx_got_wqe)) {
        wqe_recv_got(u, POP(t, u->ctx_got_wqe));
        u->s.progress++;
    }
    if (VALID(t, u->wqe_mmio)) {
        wqe_buf_mmio(u, t, POP(t, u->wqe_mmio));
        u->s.progress++;
    }
}

struct act wqe_fetch_tick(struct wqe_fetch *u, const struct tick *t)
{
    const uint64_t before = u->s.progress;
    bool left = false;

    sink(u, t);
    wqe_send_take(u, t, &left);
    wqe_recv_take(u, t, &left);
    wqe_recv_step(u, t, &left);
    wqe_send_step(u, t, &left);
    wqe_buf_step(u, t, &left);
    if (u->s.progress == before) {
        return IDLE;
    }
    return left ? AGAIN(t) : MOVED;
}
