#include "sim/replay/replay_i.h"

#include "model/defs.h"
#include "model/msg.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- the actor of a host: its machine and the queues posted there -------------------------------
 */

static uint64_t host_next(void *self)
{
    const struct actor_self *const a = self;
    const uint64_t m = a->stalled ? a->retry_ps : machine_next(a->r->machine[a->host]);
    const uint64_t q = a->r->phase != CREATING ? ready_top(a->r, a->host) : NEVER;

    return a->stalled || m < q ? m : q;
}

/* A link slower than the cores: those of the host stand still, as behind a full write buffer, until
 * the root complex takes the oldest access. */
static void drain_mmio(struct actor_self *a, uint64_t now)
{
    while (a->stalled || machine_mmio(a->r->machine[a->host], &a->access_ps, &a->access)) {
        const uint64_t at = a->access_ps < now ? now : a->access_ps;
        if (!world_mmio(a->r->w, a->host, at, &a->access)) {
            a->stalled = true;
            a->retry_ps = now + STALL_PS;
            return;
        }
        a->stalled = false;
    }
}

static void drain_stamps(struct actor_self *a)
{
    struct driver_stamp s;

    while (machine_stamp(a->r->machine[a->host], &s)) {
        if (a->r->stamps != NULL && s.mid != 0) {
            (void)stamps_add(a->r->stamps, s.mid - 1, s.stage, s.at_ps);
        }
    }
}

/* Oldest send of QP `from` whose message QP q may have received, taken off the list. */
static uint64_t take_sent(struct replay *r, uint32_t from, uint32_t q)
{
    struct qp_sent *const s = &r->qp[from];
    uint64_t *link = &s->sent_first, before = NO_OP;

    while (*link != NO_OP && slot_of(r, *link)->op.ud_qp != HCT_NONE &&
           slot_of(r, *link)->op.ud_qp != q) {
        before = *link;
        link = &slot_of(r, *link)->next_sent;
    }
    const uint64_t id = *link;
    if (id != NO_OP) {
        *link = slot_of(r, id)->next_sent;
        s->sent_last = s->sent_last == id ? before : s->sent_last;
    }
    return id;
}

/* The send whose message a receive completion of trace QP q brought. QP numbers repeat from host to
 * host: of UD QPs with the number, the sender is the one that has a datagram for q under way. */
static uint64_t sender_of(struct replay *r, uint32_t q, uint32_t src_qpn)
{
    uint64_t id = NO_OP;

    if (r->res->qp[q].type != HCT_QP_UD) {
        return r->res->qp[q].peer < r->res->qps ? take_sent(r, r->res->qp[q].peer, q) : NO_OP;
    }
    for (uint32_t from = 0; from < r->res->qps && id == NO_OP; from++) {
        if (r->res->qp[from].type == HCT_QP_UD && r->qp[from].qpn == src_qpn) {
            id = take_sent(r, from, q);
        }
    }
    return id;
}

static void received(struct replay *r, unsigned host, const struct driver_completion *c)
{
    const uint32_t q = r->qp_rev[host][c->qp];
    const uint64_t id = c->wr_id - 1;

    if (c->status == WC_OK && held(r, id)) {
        const uint64_t from = sender_of(r, q, c->src_qp);
        if (from != NO_OP && held(r, from)) {
            struct slot *const send = slot_of(r, from), *const recv = slot_of(r, id);
            send->raced |= may_lose(r, q); /* this may be the message of a later send */
            check_received(r, send, recv, c->byte_len, (c->wc_flags & CQE_GRH) != 0);
            if (r->stamps != NULL && send->first_in_ps == 0) {
                send->first_in_ps = stamps_last(r->stamps, from, STAGE_first_in);
            }
            recv->first_in_ps = send->first_in_ps;
            happen(r, from, HCT_DEP_RECV, c->polled_ps);
        }
    }
    op_ended(r, id, c->visible_ps, c->polled_ps, c->status, false);
}

static void drain_completions(struct actor_self *a)
{
    struct replay *const r = a->r;
    struct driver_completion c;

    while (machine_completion(r->machine[a->host], &c)) {
        if (c.recv) {
            received(r, a->host, &c);
            continue;
        }
        const uint64_t id = c.wr_id - 1;
        if (held(r, id) && c.status == WC_OK && slot_of(r, id)->op.kind == HCT_READ) {
            check_target(r, slot_of(r, id));
        }
        op_ended(r, id, c.visible_ps, c.polled_ps, c.status, c.silent != 0);
    }
}

static void after(struct actor_self *a, uint64_t now)
{
    struct driver_async async;

    drain_completions(a);
    if (a->r->phase != CREATING) {
        (void)read_ahead(a->r);
        unblock(a->r, a->host, now);
        post_ready(a->r, a->host, now);
    }
    while (machine_async(a->r->machine[a->host], &async)) {}
    drain_mmio(a, now);
    drain_stamps(a);
}

static void host_act(void *self, uint64_t now)
{
    struct actor_self *const a = self;

    if (a->stalled) {
        drain_mmio(a, now);
    }
    if (a->stalled) {
        return;
    }
    if (machine_next(a->r->machine[a->host]) <= now) {
        machine_act(a->r->machine[a->host], now);
    }
    after(a, now);
}

static void host_seen(void *self, uint64_t at, const struct seen *m)
{
    struct actor_self *const a = self;
    struct replay *const r = a->r;

    if (m->mid != 0 && m->cls == CLS_PAYLOAD && r->phase == RUNNING) {
        uint64_t id = (r->base & ~0xffffffffULL) + (m->mid - 1); /* low 32 bits of the id */
        id += id < r->base ? 1ULL << 32 : 0;
        struct slot *const s = held(r, id) ? slot_of(r, id) : NULL;
        if (s != NULL && s->happened[HCT_DEP_VISIBLE] == NEVER && writes_remote(s->op.kind)) {
            check_target(r, s);
        }
        happen(r, id, HCT_DEP_VISIBLE, at);
    }
    machine_seen(r->machine[a->host], at, m);
    after(a, host_now(world_host(r->w, a->host)));
}

static void host_irq_in(void *self, uint64_t at, const struct irq *m)
{
    struct actor_self *const a = self;

    machine_irq(a->r->machine[a->host], at, m);
    after(a, host_now(world_host(a->r->w, a->host)));
}

static void host_answer(void *self, uint64_t at, const struct mmio_rsp *m)
{
    struct actor_self *const a = self;

    machine_answer(a->r->machine[a->host], at, m);
    after(a, host_now(world_host(a->r->w, a->host)));
}

static void host_bench(void *self, uint64_t at, unsigned hca, const struct bench_res *m)
{
    struct actor_self *const a = self;
    struct replay *const r = a->r;
    uint64_t id = r->base - r->base % WINDOW + m->cookie;

    id += id < r->base ? WINDOW : 0;
    if (held(r, id) && slot_of(r, id)->queue >= r->bench0) {
        const uint32_t q = slot_of(r, id)->queue;
        slot_of(r, id)->post_ps = hca_ps(world_hca(r->w, a->host, hca), m->t_start);
        const uint64_t end = hca_ps(world_hca(r->w, a->host, hca), m->t_end);
        r->queue[q].direct = true; /* what becomes ready now is posted here, not by the cores */
        op_ended(r, id, end, at, m->status == DMA_OK ? HCT_WC_SUCCESS : HCT_WC_LOC_PROT_ERR, false);
        r->queue[q].direct = false;
        post_bench_queue(r, q, hca_now(world_hca(r->w, a->host, hca)));
    }
}

void replay_event(struct replay *r, unsigned host, int hca, uint64_t at_ps,
                  const struct trace_rec *rec)
{
    (void)host;
    (void)hca;
    if (rec->id == EV_stage && r->stamps != NULL) {
        struct ev_stage e;
        memcpy(&e, rec->args, sizeof e);
        const uint64_t when = at_ps + (e.at - rec->cycle) * r->cycle_ps; /* may lie before */
        (void)stamps_add(r->stamps, e.mid - 1, e.stage, when);
    }
}

/* --- open, set up, run, close -------------------------------------------------------------------
 */

static bool open_maps(struct replay *r)
{
    const struct hct_resources *const x = r->res;
    struct {
        uint32_t **map;
        uint32_t n;
    } maps[] = {{&r->driver_of, x->fns}, {&r->pd_of, x->pds},   {&r->mr_of, x->mrs},
                {&r->cq_of, x->cqs},     {&r->srq_of, x->srqs}, {&r->qp_of, x->qps},
                {&r->ah_of, x->ahs}};

    for (size_t i = 0; i < sizeof maps / sizeof maps[0]; i++) {
        *maps[i].map = calloc(maps[i].n + 1, sizeof(uint32_t));
        if (*maps[i].map == NULL) {
            return false;
        }
    }
    for (unsigned h = 0; h < r->hosts; h++) {
        r->qp_rev[h] = calloc(x->qps + 1, sizeof(uint32_t));
        if (r->qp_rev[h] == NULL) {
            return false;
        }
    }
    r->qp = calloc(x->qps + 1, sizeof *r->qp);
    r->slot = calloc(WINDOW, sizeof *r->slot);
    r->done = calloc(WINDOW, sizeof *r->done);
    r->stamps = r->o.want_stages ? stamps_open() : NULL;
    return r->qp != NULL && r->slot != NULL && r->done != NULL &&
           (r->stamps != NULL || !r->o.want_stages) && queues_open(r);
}

static bool open_machines(struct replay *r, struct hct_error *err)
{
    for (unsigned h = 0; h < r->hosts; h++) {
        struct hca_error why;
        r->machine[h] = machine_open(&r->p, world_host(r->w, h), h, &why);
        if (r->machine[h] == NULL) {
            snprintf(err->text, sizeof err->text, "host %u: %.340s", h, why.text);
            return false;
        }
        r->self[h] = (struct actor_self){.r = r, .host = h};
        const struct actor a = {.self = &r->self[h],
                                .host = h,
                                .next = host_next,
                                .act = host_act,
                                .seen = host_seen,
                                .irq = host_irq_in,
                                .answer = host_answer,
                                .bench = host_bench};
        if (!world_add(r->w, &a)) {
            return false;
        }
    }
    return true;
}

static const char *too_small(const struct replay *r)
{
    for (uint32_t i = 0; i < r->res->fns; i++) {
        const struct hct_fn *const f = &r->res->fn[i];
        if (f->host >= r->hosts) {
            return "host.count";
        }
        if (f->hca >= world_hcas(r->w)) {
            return "host.hcas";
        }
        if (f->index >= r->p.hca_fn_max) {
            return "hca.fn_max";
        }
        if (f->vm >= r->p.host_vms) {
            return "host.vms";
        }
    }
    return NULL;
}

struct replay *replay_open(struct world *w, const struct hca_param *p, const char *path,
                           const struct replay_options *o, struct hct_error *err, int *status)
{
    struct replay *const r = calloc(1, sizeof *r);

    *status = 4;
    snprintf(err->text, sizeof err->text, "no memory");
    if (r == NULL) {
        return NULL;
    }
    r->w = w;
    r->p = *p;
    r->o = *o;
    r->cycle_ps = 1000000000 / p->core_clock_khz;
    r->hosts = world_hosts(w);
    const enum hct_status s = hct_open(path, &r->reader, err);
    if (s != HCT_OK) {
        *status = hct_exit_status(s);
        replay_close(r);
        return NULL;
    }
    r->res = hct_resources(r->reader);
    const char *const key = too_small(r);
    if (key != NULL) {
        *status = 2;
        snprintf(err->text, sizeof err->text, "%s: the trace needs a larger %s; use --set %s=N",
                 path, key, key);
        replay_close(r);
        return NULL;
    }
    if (!open_maps(r) || !open_machines(r, err)) {
        replay_close(r);
        return NULL;
    }
    return r;
}

void replay_close(struct replay *r)
{
    if (r == NULL) {
        return;
    }
    uint32_t *const maps[] = {r->driver_of, r->pd_of, r->mr_of, r->cq_of,
                              r->srq_of,    r->qp_of, r->ah_of};
    for (size_t i = 0; i < sizeof maps / sizeof maps[0]; i++) {
        free(maps[i]);
    }
    for (unsigned h = 0; h < WORLD_HOSTS_MAX; h++) {
        machine_close(r->machine[h]);
        free(r->qp_rev[h]);
        free(r->heap[h].queue);
    }
    for (uint32_t i = 0; r->slot != NULL && i < WINDOW; i++) {
        free(r->slot[i].payload);
    }
    free(r->slot);
    free(r->done);
    free(r->queue);
    free(r->qp);
    free(r->atomic_seen);
    free(r->grh);
    stamps_close(r->stamps);
    hct_close(r->reader);
    free(r);
}

bool replay_setup(struct replay *r, struct hct_error *err)
{
    if (!setup_resources(r, err)) {
        return false;
    }
    r->phase = FILLING;
    (void)read_ahead(r);
    for (uint32_t q = r->recv0; q < r->bench0; q++) {
        arm(r, q, 0);
    }
    (void)world_run(r->w, UINT64_MAX, NULL, NULL);
    for (unsigned h = 0; h < r->hosts; h++) {
        uint64_t last;
        r->f.setup_commands += machine_commands(r->machine[h], &last);
        r->f.setup_ps = last > r->f.setup_ps ? last : r->f.setup_ps;
    }
    return true;
}

static bool heaps_empty(const struct replay *r)
{
    for (unsigned h = 0; h < r->hosts; h++) {
        if (r->heap[h].n > 0) {
            return false;
        }
    }
    return true;
}

struct watch {
    struct replay *r;
    bool (*stop)(void *);
    void *arg;
    bool stopped;
};

/* Once per window: everything before world_now has happened and every stamp of it is in. */
static bool each_window(void *arg)
{
    struct watch *const x = arg;

    finish_until(x->r, world_now(x->r->w));
    x->stopped = x->stop != NULL && x->stop(x->arg);
    return x->stopped;
}

static enum replay_end verdict(const struct replay *r, enum world_end end)
{
    if (end == WORLD_STOPPED) {
        return REPLAY_STOPPED;
    }
    if (end == WORLD_LIMIT) {
        return REPLAY_LIMIT;
    }
    if (r->base < r->next) {
        return REPLAY_STUCK;
    }
    return r->damaged ? REPLAY_BAD_TRACE : REPLAY_DONE;
}

enum replay_end replay_run(struct replay *r, replay_sink *sink, void *arg, bool (*stop)(void *),
                           void *stop_arg)
{
    struct watch x = {r, stop, stop_arg, false};

    r->sink = sink;
    r->sink_arg = arg;
    if (r->phase != RUNNING) {
        r->phase = RUNNING;
        r->start_ps = world_now(r->w);
        for (uint32_t q = 0; q < r->queues; q++) {
            arm(r, q, r->start_ps);
        }
    }
    const uint64_t limit =
        r->o.max_time_ps > UINT64_MAX - r->start_ps ? UINT64_MAX : r->start_ps + r->o.max_time_ps;
    for (;;) {
        const uint64_t read = r->f.read;
        const enum world_end end = world_run(r->w, limit, each_window, &x);
        finish_until(r, UINT64_MAX);
        (void)read_ahead(r);
        if (end == WORLD_IDLE && r->f.read == read && heaps_empty(r) && settle_lost(r)) {
            (void)read_ahead(r); /* there is room again */
            continue;
        }
        if (end != WORLD_IDLE || (r->f.read == read && heaps_empty(r))) {
            return verdict(r, end);
        }
    }
}

const struct replay_figures *replay_figures(const struct replay *r)
{
    return &r->f;
}

const struct hct_resources *replay_resources(const struct replay *r)
{
    return r->res;
}

hct_reader *replay_reader(const struct replay *r)
{
    return r->reader;
}

struct machine *replay_machine(const struct replay *r, unsigned host)
{
    return r->machine[host];
}

const char *replay_waiting(const struct replay *r, char *buf, size_t size)
{
    if (r->base == r->next) {
        snprintf(buf, size, "nothing");
        return buf;
    }
    const struct slot *const s = &r->slot[r->base % WINDOW];
    static const char *const state[] = {"ended", "waits for a dependency", "waits for its queue",
                                        "is posted and not completed", "is completed"};
    char kind[32];
    snprintf(buf, size, "op %llu (%s on QP %u) %s", (unsigned long long)r->base,
             hct_name(hct_text_kind, s->op.kind, kind, sizeof kind), s->op.qp, state[s->state]);
    return buf;
}
