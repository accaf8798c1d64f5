#include "sim/system/world_i.h"

enum { FN_ADAPTER_DEVFN = 255 };

static bool open_host(struct world *w, unsigned i, const char **why)
{
    if (host_open(&w->p, &w->host[i], why) != HCA_OK) {
        return false;
    }
    for (unsigned a = 0; a < w->hcas; a++) {
        if (hca_open(&w->p, &w->hca[i][a], why) != HCA_OK) {
            return false;
        }
        host_attach(w->host[i], a, hca_dma_place(w->hca[i][a], 0));
    }
    return true;
}

/* No message crosses faster than this; one cycle at least, because every wire is registered. */
static void set_lookahead(struct world *w)
{
    const uint64_t cycle = 1000000000 / w->p.core_clock_khz;
    const uint64_t pcie = least(w->p.pcie_latency_up_ns, w->p.pcie_latency_down_ns) * 1000;

    w->pcie_up_ps = w->p.pcie_latency_up_ns * 1000;
    w->port_ps = w->p.port_mac_latency_ns * 1000;
    w->lookahead_ps = most(least(pcie, w->port_ps + net_lookahead(w->net)), cycle);
}

struct world *world_open(const struct hca_param *p, const char **why)
{
    struct world *const w = calloc(1, sizeof *w);

    *why = "no memory";
    if (w == NULL) {
        return NULL;
    }
    w->p = *p;
    w->hosts = (unsigned)p->host_count;
    w->hcas = (unsigned)p->host_hcas;
    w->actor = calloc(WORLD_ACTORS_MAX, sizeof *w->actor);
    bool good = w->actor != NULL;
    for (unsigned i = 0; good && i < w->hosts; i++) {
        good = open_host(w, i, why);
    }
    w->net = good ? net_open(p, w->hosts * w->hcas, why) : NULL;
    if (w->net == NULL) {
        world_close(w);
        return NULL;
    }
    set_lookahead(w);
    return w;
}

void world_close(struct world *w)
{
    if (w == NULL) {
        return;
    }
    for (unsigned i = 0; i < w->hosts; i++) {
        for (unsigned a = 0; a < w->hcas; a++) {
            hca_close(w->hca[i][a]);
        }
        host_close(w->host[i]);
    }
    net_close(w->net);
    free(w->actor);
    free(w);
}

void world_set_mode(struct world *w, unsigned mode)
{
    for (unsigned i = 0; i < w->hosts; i++) {
        host_set_mode(w->host[i], mode);
        for (unsigned a = 0; a < w->hcas; a++) {
            hca_set_mode(w->hca[i][a], mode);
        }
    }
}

void world_set_trace(struct world *w, uint64_t mask, world_event *sink, void *arg)
{
    w->sink = sink;
    w->sink_arg = arg;
    for (unsigned i = 0; i < w->hosts; i++) {
        host_set_trace(w->host[i], mask);
        for (unsigned a = 0; a < w->hcas; a++) {
            hca_set_trace(w->hca[i][a], mask);
        }
    }
}

bool world_add(struct world *w, const struct actor *a)
{
    if (w->actors == WORLD_ACTORS_MAX) {
        return false;
    }
    w->actor[w->actors++] = *a;
    return true;
}

/* --- from adapters --- */

static void drain_hca_events(struct world *w, unsigned i, unsigned a)
{
    struct trace_rec r;

    while (hca_event(w->hca[i][a], &r)) {
        if (w->sink != NULL) {
            w->sink(w->sink_arg, i, (int)a, hca_ps(w->hca[i][a], r.cycle), &r);
        }
    }
}

static bool dma_to_host(struct world *w, unsigned i, unsigned a)
{
    const bool shared = w->p.host_vm_requester == HCA_HOST_VM_REQUESTER_SHARED;
    const uint8_t *bytes;
    uint64_t at;
    struct tlp *const m = hca_take(w->hca[i][a], HCA_DMA_OUT, &at, &bytes);

    if (m != NULL) {
        m->hca = (uint8_t)a;
        m->rid = (uint16_t)((a + 1) << 8 | (shared && m->fn != FN_ADAPTER_DEVFN ? 0 : m->fn));
        must(host_push(w->host[i], HOST_UP_TLP_IN, at, m, bytes), "up_tlp");
    }
    return m != NULL;
}

/* The adapter of host i whose oldest TLP is the first of all, if it is there before end; else -1.
 */
static int first_dma(const struct world *w, unsigned i, uint64_t end)
{
    int from = -1;

    for (unsigned a = 0; a < w->hcas; a++) {
        const uint64_t at = hca_head(w->hca[i][a], HCA_DMA_OUT);
        if (at < end) {
            end = at;
            from = (int)a;
        }
    }
    return from;
}

/* TLPs of several adapters enter the host in order of time. What leaves an adapter later than
 * reached arrives after reached + latency, so everything up to there is complete. */
static void dma_of_host(struct world *w, unsigned i, uint64_t reached)
{
    const uint64_t end = reached + w->pcie_up_ps + 1;
    int a = 0;

    while ((w->hcas == 1 || (a = first_dma(w, i, end)) >= 0) && dma_to_host(w, i, (unsigned)a)) {}
}

static void net_of_hca(struct world *w, unsigned i, unsigned a)
{
    const struct frame *f;
    const uint8_t *bytes;
    uint64_t at;

    while ((f = hca_take(w->hca[i][a], HCA_NET_OUT, &at, &bytes)) != NULL) {
        const struct net_side side = {f->mid, f->mid_first, f->source};
        if (f->loop) {
            net_loop(w->net, i * w->hcas + a, at, bytes, f->len, f->captured);
            continue;
        }
        net_send(w->net, i * w->hcas + a, at, bytes, f->len, f->captured, f->fc != 0, &side);
        w->f.frames++;
    }
}

static void rest_of_hca(struct world *w, unsigned i, unsigned a)
{
    struct mmio_rsp *rsp;
    const struct bench_res *res;
    struct credit *c;
    uint64_t at;

    while ((rsp = hca_take(w->hca[i][a], HCA_MMIO_OUT, &at, NULL)) != NULL) {
        rsp->hca = (uint8_t)a;
        must(host_push(w->host[i], HOST_UP_MMIO_IN, at, rsp, NULL), "up_mmio");
    }
    while ((c = hca_take(w->hca[i][a], HCA_FC_OUT, &at, NULL)) != NULL) {
        c->hca = (uint8_t)a;
        must(host_push(w->host[i], HOST_FC_IN, at, c, NULL), "dn_fc");
    }
    while ((res = hca_take(w->hca[i][a], HCA_BENCH_OUT, &at, NULL)) != NULL) {
        for (unsigned n = 0; n < w->actors; n++) {
            const struct actor *const x = &w->actor[n];
            if (x->host == i && x->bench != NULL) {
                x->bench(x->self, at, a, res);
            }
        }
    }
}

/* An adapter stops before `until` when something must be taken out of it; what it sends to the host
 * can be taken only up to where all adapters of the host have come. */
static void run_hcas(struct world *w, unsigned i, uint64_t until)
{
    uint64_t reached;

    do {
        reached = until;
        for (unsigned a = 0; a < w->hcas; a++) {
            reached = least(reached, hca_run(w->hca[i][a], until));
            drain_hca_events(w, i, a);
            net_of_hca(w, i, a);
            rest_of_hca(w, i, a);
        }
        dma_of_host(w, i, reached);
    } while (reached < until);
}

/* --- from hosts --- */

static void down_to_hcas(struct world *w, unsigned i)
{
    struct host *const h = w->host[i];
    const struct tlp *t;
    const struct mmio_req *m;
    const struct credit *c;
    uint64_t at;

    while ((t = host_take(h, HOST_DN_TLP_OUT, &at)) != NULL) {
        must(hca_push(w->hca[i][t->hca], HCA_DMA_IN, at, t, NULL), "pcie_in");
    }
    while ((m = host_take(h, HOST_DN_MMIO_OUT, &at)) != NULL) {
        must(hca_push(w->hca[i][m->hca], HCA_MMIO_IN, at, m, NULL), "mmio_in");
    }
    while ((c = host_take(h, HOST_FC_OUT, &at)) != NULL) {
        must(hca_push(w->hca[i][c->hca], HCA_FC_IN, at, c, NULL), "fc_in");
    }
}

static void drain_host_events(struct world *w, unsigned i)
{
    struct trace_rec r;

    while (host_event(w->host[i], &r)) {
        if (w->sink != NULL) {
            w->sink(w->sink_arg, i, -1, host_ps(w->host[i], r.cycle), &r);
        }
    }
}

/* The cores of a host act at their times: the host never runs past the next of them. */
static void run_host(struct world *w, unsigned i, uint64_t until)
{
    struct host *const h = w->host[i];

    for (uint64_t now; (now = host_now(h)) < until;) {
        const uint64_t action = world_next_action(w, i);
        if (action <= now) {
            world_act(w, i, now);
            continue;
        }
        host_run(h, least(until, action));
        drain_host_events(w, i);
        down_to_hcas(w, i);
        world_show_cores(w, i);
    }
}

/* --- the loop --- */

uint64_t world_next(const struct world *w)
{
    uint64_t next = net_next(w->net);

    for (unsigned i = 0; i < w->hosts; i++) {
        next = least(next, least(host_wake(w->host[i]), world_next_action(w, i)));
        for (unsigned a = 0; a < w->hcas; a++) {
            next = least(next, hca_wake(w->hca[i][a]));
            next = least(next, hca_head(w->hca[i][a], HCA_DMA_OUT));
        }
    }
    return next;
}

static void deliver(struct world *w, uint64_t from, uint64_t until)
{
    struct net_arrival f;

    net_settle(w->net, from + w->port_ps + net_cable_ps(w->net));
    while (net_arrive(w->net, until, &f)) {
        const struct frame m = {.len = f.len,
                                .captured = (uint16_t)f.captured,
                                .fc = f.fc,
                                .mid = f.side.mid,
                                .mid_first = f.side.mid_first,
                                .source = f.side.source};
        must(hca_push(w->hca[f.port / w->hcas][f.port % w->hcas], HCA_NET_IN, f.at_ps, &m, f.bytes),
             "net_in");
    }
}

static void window(struct world *w, uint64_t from, uint64_t until)
{
    deliver(w, from, until);
    for (unsigned i = 0; i < w->hosts; i++) {
        dma_of_host(w, i, from); /* left over: nothing that comes from now on is before it */
        run_host(w, i, until);
        run_hcas(w, i, until);
    }
    w->f.windows++;
}

enum world_end world_run(struct world *w, uint64_t until_ps, bool (*stop)(void *arg), void *arg)
{
    for (;;) {
        const uint64_t from = most(world_next(w), w->now);
        if (stop != NULL && stop(arg)) {
            return WORLD_STOPPED;
        }
        if (from == UINT64_MAX) {
            return WORLD_IDLE;
        }
        if (from >= until_ps) {
            return WORLD_LIMIT;
        }
        /* Windows end on a fixed grid: where they end must not depend on a needless wake. */
        const uint64_t until = least((from / w->lookahead_ps + 1) * w->lookahead_ps, until_ps);
        window(w, from, until);
        w->now = until;
    }
}

/* --- the rest --- */

bool world_mmio(struct world *w, unsigned host, uint64_t at_ps, const struct mmio_req *m)
{
    return host_push(w->host[host], HOST_MMIO_IN, at_ps, m, NULL);
}

void world_bench(struct world *w, unsigned host, unsigned hca, uint64_t at_ps,
                 const struct bench_op *m)
{
    must(hca_push(w->hca[host][hca], HCA_BENCH_IN, at_ps, m, NULL), "bench_in");
}

struct host *world_host(struct world *w, unsigned host)
{
    return w->host[host];
}

struct hca *world_hca(struct world *w, unsigned host, unsigned hca)
{
    return w->hca[host][hca];
}

struct net *world_net(struct world *w)
{
    return w->net;
}

unsigned world_hosts(const struct world *w)
{
    return w->hosts;
}

unsigned world_hcas(const struct world *w)
{
    return w->hcas;
}

uint64_t world_now(const struct world *w)
{
    return w->now;
}

uint64_t world_hash(const struct world *w)
{
    uint64_t h = 0;

    for (unsigned i = 0; i < w->hosts; i++) {
        const uint64_t of_host = host_hash(w->host[i]);
        h = hash_words(h, i, &of_host, sizeof of_host);
        for (unsigned a = 0; a < w->hcas; a++) {
            const uint64_t of_hca = hca_hash(w->hca[i][a]);
            h = hash_words(h, a, &of_hca, sizeof of_hca);
        }
    }
    return h;
}

size_t world_memory(const struct world *w)
{
    size_t n = 0;

    for (unsigned i = 0; i < w->hosts; i++) {
        n += host_memory(w->host[i]);
        for (unsigned a = 0; a < w->hcas; a++) {
            n += hca_memory(w->hca[i][a]);
        }
    }
    return n;
}

struct world_figures world_figures(const struct world *w)
{
    return w->f;
}

void world_continue(struct world *w, uint64_t now_ps, const struct world_figures *f)
{
    w->now = now_ps;
    w->f = *f;
}
