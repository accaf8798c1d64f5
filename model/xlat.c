#include "model/xlat.h"

static void open_wires(struct xlat *u)
{
    struct fifo *const in[XLAT_PORTS] = {
        &u->tx_job->ctl,       &u->rsp_job->ctl,     &u->rx_place->ctl,   &u->ack_place->ctl,
        &u->ring_get_wqe->ctl, &u->ring_get_cq->ctl, &u->ring_get_ev->ctl};
    struct fifo *const out[XLAT_PORTS] = {
        &u->rd_job->ctl,       &u->rd_job->ctl,      &u->rx_placed->ctl,  &u->ack_placed->ctl,
        &u->ring_got_wqe->ctl, &u->ring_got_cq->ctl, &u->ring_got_ev->ctl};

    memcpy(u->in, in, sizeof in);
    memcpy(u->out, out, sizeof out);
    u->ring_in[0] = u->ring_get_wqe;
    u->ring_in[1] = u->ring_get_cq;
    u->ring_in[2] = u->ring_get_ev;
    u->ring_out[0] = u->ring_got_wqe;
    u->ring_out[1] = u->ring_got_cq;
    u->ring_out[2] = u->ring_got_ev;
    u->op_in[0] = u->mpt_cmd;
    u->op_in[1] = u->mpt_req;
    u->op_in[2] = u->mpt_rsp;
    u->op_out[0] = u->mpt_cmd_done;
    u->op_out[1] = u->mpt_req_done;
    u->op_out[2] = u->mpt_rsp_done;
}

void xlat_open(struct xlat *u, struct opening *o)
{
    open_wires(u);
    xlat_cache_open(u, o);
    xlat_miss_open(u, o);
    u->job = arena_take(o->a, sizeof *u->job * 2 * XLAT_QUEUE);
    u->place = arena_take(o->a, sizeof *u->place * 2 * XLAT_QUEUE);
    u->ring_reg = arena_take(o->a, sizeof *u->ring_reg * XLAT_REG_ROWS);
    u->change = store_take(o, XLAT_WRITES * MPT_BYTES);
    u->hit_cycles = (uint32_t)ns_cycles(o->p, o->p->hca_xlat_hit_ns);
}

/* Ports with a message to be seen or requests in their queue. */
static uint32_t ports_with_work(const struct xlat *u, const struct tick *t)
{
    uint32_t set = u->s.busy;

    for (uint32_t p = 0; p < XLAT_PORTS; p++) {
        set |= (uint32_t)fifo_valid(u->in[p], t->now) << p;
    }
    return set;
}

static bool run_port(struct xlat *u, const struct tick *t, uint32_t p)
{
    bool moved = xlat_take(u, t, p);

    moved |= xlat_look(u, t, p);
    if (p > XLAT_RSP) {
        moved |= xlat_give(u, t, p);
    }
    return moved;
}

static bool run_ports(struct xlat *u, const struct tick *t, uint32_t set)
{
    bool moved = false;

    for (uint32_t p = u->s.first_port; set != 0; p = p + 1 == XLAT_PORTS ? 0 : p + 1) {
        if ((set >> p & 1) != 0) {
            moved |= run_port(u, t, p);
            set &= ~(1U << p);
        }
    }
    if ((u->s.busy & 3) != 0) {
        moved |= xlat_give_job(u, t);
    }
    return moved;
}

static bool can_go_on(const struct xlat *u, const struct tick *t, uint32_t set)
{
    for (; set != 0; set &= set - 1) {
        const uint32_t p = (uint32_t)__builtin_ctz(set);
        if (xlat_can_take(u, t, p) || xlat_can_give(u, p) || xlat_can_look(u, p)) {
            return true;
        }
    }
    return false;
}

struct act xlat_tick(struct xlat *u, const struct tick *t)
{
    bool more;
    bool moved = xlat_written(u, t);

    moved |= xlat_fill(u, t);
    const uint32_t ports = ports_with_work(u, t);
    moved |= run_ports(u, t, ports);
    moved |= xlat_change(u, t, &more);
    moved |= xlat_read(u, t);
    if (moved) { /* turns change with work, so idle cycles leave no trace */
        u->s.first_port = u->s.first_port + 1 == XLAT_PORTS ? 0 : u->s.first_port + 1;
    }
    if (more || can_go_on(u, t, ports)) {
        return (struct act){moved, t->now + 1};
    }
    return (struct act){moved, xlat_miss_wake(u, t)};
}
