#include "tests/lockstep/lockstep.h"
#include "model/system_run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PORTS_MAX = 32, STATS_MAX = 32, EAGER_CYCLES = 48 };

struct port {
    uint32_t wire;
    unsigned msg;
};

struct run {
    const struct lockstep *l;
    struct hca *h;
    struct rtl_unit rtl;
    struct rng rng;
    uint32_t unit;
    struct port in[PORTS_MAX], out[PORTS_MAX];
    unsigned ins, outs, stats;
    size_t stat[STATS_MAX]; /* offsets into struct hca_stat */
    const char *stat_name[STATS_MAX];
    uint64_t moved;
    uint8_t eager[2 * PORTS_MAX]; /* of 4: how often each neighbour acts, drawn anew now and then */
};

uint64_t rng_next(struct rng *r)
{
    uint64_t z = r->x += 0x9e3779b97f4a7c15ULL;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
    return z ^ z >> 31;
}

uint64_t rng_below(struct rng *r, uint64_t n)
{
    return rng_next(r) % n;
}

static struct fifo *ctl(struct run *x, const struct port *p)
{
    return x->h->y.wire[p->wire].ctl;
}

static uint8_t *entry(struct run *x, const struct port *p, uint32_t index)
{
    const struct wire_ref *const w = &x->h->y.wire[p->wire];

    return w->slots + (size_t)(index & w->ctl->mask) * w->stride;
}

static void find_ports(struct run *x)
{
    for (uint32_t i = 0; i < meta_wire_count; i++) {
        const struct port p = {i, meta_msg_find(meta_wires[i].msg)};
        if (strcmp(meta_wires[i].to, x->l->unit) == 0) {
            x->in[x->ins++] = p;
        }
        if (strcmp(meta_wires[i].from, x->l->unit) == 0) {
            x->out[x->outs++] = p;
        }
    }
    for (unsigned i = 0; i < meta_stat_count; i++) {
        if (strcmp(meta_stats[i].unit, x->l->unit) == 0) {
            x->stat[x->stats] = meta_stats[i].offset;
            x->stat_name[x->stats++] = meta_stats[i].name;
        }
    }
    for (uint32_t u = 0; u < meta_unit_count; u++) {
        x->unit = strcmp(meta_units[u].name, x->l->unit) == 0 ? u : x->unit;
    }
}

/* The neighbours of this cycle: random pushes into the inputs, random pops of the outputs, each
 * neighbour in moods of its own so that every wire is full and empty for a while. They act through
 * the same registered wires, so the unit sees them one cycle later. */
static void neighbours(struct run *x)
{
    struct system *const y = &x->h->y;
    uint8_t msg[1024];

    if (y->k.now % EAGER_CYCLES == 0) {
        for (unsigned i = 0; i < 2 * PORTS_MAX; i++) {
            x->eager[i] = (uint8_t)rng_below(&x->rng, 5);
        }
    }
    for (unsigned i = 0; i < x->ins; i++) {
        struct fifo *const f = ctl(x, &x->in[i]);
        if (rng_below(&x->rng, 4) < x->eager[i] && fifo_ready(f, y->k.now)) {
            memset(msg, 0, sizeof msg);
            x->l->input(&x->rng, &y->p, i, msg);
            uint8_t *const to = entry(x, &x->in[i], fifo_push(f, &y->k, 0));
            memcpy(to, msg, y->wire[x->in[i].wire].stride);
            memcpy(to, &f->last_at, sizeof f->last_at);
        }
    }
    for (unsigned i = 0; i < x->outs; i++) {
        struct fifo *const f = ctl(x, &x->out[i]);
        if (rng_below(&x->rng, 4) < x->eager[PORTS_MAX + i] && fifo_valid(f, y->k.now)) {
            uint64_t next;
            memcpy(&next, entry(x, &x->out[i], f->head + 1), sizeof next);
            (void)fifo_pop(f, &y->k, next);
        }
    }
}

/* Shows the RTL what the C unit sees in cycle now. */
static void drive(struct run *x, uint64_t now)
{
    uint32_t words[META_MSG_WORDS];

    for (unsigned i = 0; i < x->ins; i++) {
        const struct fifo *const f = ctl(x, &x->in[i]);
        const bool valid = fifo_valid(f, now);
        memset(words, 0, sizeof words);
        if (valid) {
            meta_msg_pack(x->in[i].msg, entry(x, &x->in[i], f->head), words);
        }
        x->rtl.in(x->rtl.v, i, valid, words);
    }
    for (unsigned i = 0; i < x->outs; i++) {
        x->rtl.ready(x->rtl.v, i, fifo_ready(ctl(x, &x->out[i]), now));
    }
    x->rtl.eval(x->rtl.v);
}

static void print_words(const char *who, const uint32_t *words)
{
    printf("  %s", who);
    for (unsigned i = META_MSG_WORDS; i-- > 0;) {
        if (words[i] != 0 || i == 0) {
            printf(" %08x", words[i]);
        }
    }
    putchar('\n');
}

static bool inputs_differ(struct run *x, uint64_t now, const bool *valid)
{
    for (unsigned i = 0; i < x->ins; i++) {
        const bool c = ctl(x, &x->in[i])->popped == now + 1;
        const bool r = valid[i] && x->rtl.in_ready(x->rtl.v, i);
        if (c != r) {
            printf("cycle %llu: wire %s: taken by C %d, by RTL %d\n", (unsigned long long)now,
                   meta_wires[x->in[i].wire].name, c, r);
            return true;
        }
        x->moved += c;
    }
    return false;
}

static bool outputs_differ(struct run *x, uint64_t now, const bool *ready)
{
    for (unsigned i = 0; i < x->outs; i++) {
        uint32_t c_words[META_MSG_WORDS] = {0}, r_words[META_MSG_WORDS] = {0};
        const struct fifo *const f = ctl(x, &x->out[i]);
        const bool c = f->pushed == now + 1;
        const bool r = x->rtl.out(x->rtl.v, i, r_words) && ready[i];
        if (c) {
            meta_msg_pack(x->out[i].msg, entry(x, &x->out[i], f->tail - 1), c_words);
        }
        if (c != r || (c && memcmp(c_words, r_words, sizeof c_words) != 0)) {
            printf("cycle %llu: wire %s: given by C %d, by RTL %d\n", (unsigned long long)now,
                   meta_wires[x->out[i].wire].name, c, r);
            print_words("C  ", c_words);
            print_words("RTL", r_words);
            return true;
        }
    }
    return false;
}

static uint64_t stat_of(const struct hca_stat *s, size_t offset)
{
    uint64_t v;

    memcpy(&v, (const uint8_t *)s + offset, sizeof v);
    return v;
}

static bool stats_differ(struct run *x, uint64_t now, const struct hca_stat *before)
{
    for (unsigned i = 0; i < x->stats; i++) {
        const uint64_t c = stat_of(&x->h->y.s, x->stat[i]) - stat_of(before, x->stat[i]);
        const bool r = x->rtl.stat(x->rtl.v, i);
        if (c != r) {
            printf("cycle %llu: statistic %s: C %llu, RTL %d\n", (unsigned long long)now,
                   x->stat_name[i], (unsigned long long)c, r);
            return true;
        }
    }
    return false;
}

/* One cycle of both; true: they differ. */
static bool step(struct run *x)
{
    const uint64_t now = x->h->y.k.now + 1;
    const struct hca_stat before = x->h->y.s;
    bool valid[PORTS_MAX], ready[PORTS_MAX];

    for (unsigned i = 0; i < x->ins; i++) {
        valid[i] = fifo_valid(ctl(x, &x->in[i]), now);
    }
    for (unsigned i = 0; i < x->outs; i++) {
        ready[i] = fifo_ready(ctl(x, &x->out[i]), now);
    }
    drive(x, now);
    system_run(&x->h->y, x->h, hca_ticks, hca_unit_state, now + 1);
    const bool differ = inputs_differ(x, now, valid) || outputs_differ(x, now, ready) ||
                        stats_differ(x, now, &before);
    x->rtl.clock(x->rtl.v);
    x->h->y.trace.head = x->h->y.trace.tail;
    if (!differ) {
        neighbours(x);
    }
    return differ;
}

/* Cycles that agreed; cycles == the whole run: no difference. */
static uint64_t run_module(const struct lockstep *l, unsigned m, uint64_t cycles, uint64_t seed,
                           unsigned config)
{
    struct run x = {.l = l, .rng = {seed}};
    struct hca_param p;
    const char *why = "";
    uint64_t n = 0;

    hca_param_default(&p);
    l->param(&p, config);
    if (hca_open(&p, &x.h, &why) != HCA_OK) {
        fprintf(stderr, "lockstep: %s\n", why);
        exit(4);
    }
    find_ports(&x);
    x.h->y.only = 1ULL << x.unit;
    x.h->y.mode = HCA_MODE_CHECK;
    x.rtl = l->module[m].make();
    while (n < cycles && !step(&x)) {
        n++;
    }
    x.rtl.free(x.rtl.v);
    hca_close(x.h);
    printf("lockstep: %s, config %u, seed %llu: %llu of %llu cycles equal, %llu transfers in\n",
           l->module[m].name, config, (unsigned long long)seed, (unsigned long long)n,
           (unsigned long long)cycles, (unsigned long long)x.moved);
    return x.moved == 0 ? 0 : n;
}

static uint64_t number(const char *text)
{
    return strtoull(text, NULL, 0);
}

int lockstep_main(const struct lockstep *l, int argc, char **argv)
{
    uint64_t cycles = 100000, seed = 1;
    unsigned config = 0;
    const char *only = NULL;
    int failed = 0;

    for (int i = 1; i + 1 < argc; i += 2) {
        cycles = strcmp(argv[i], "--cycles") == 0 ? number(argv[i + 1]) : cycles;
        seed = strcmp(argv[i], "--seed") == 0 ? number(argv[i + 1]) : seed;
        config = strcmp(argv[i], "--config") == 0 ? (unsigned)number(argv[i + 1]) : config;
        only = strcmp(argv[i], "--module") == 0 ? argv[i + 1] : only;
    }
    for (unsigned m = 0; l->module[m].name != NULL; m++) {
        if (only == NULL || strcmp(only, l->module[m].name) == 0) {
            const bool same = run_module(l, m, cycles, seed, config) == cycles;
            const bool good = same == (m == 0);
            if (!good) {
                printf("lockstep: %s: %s\n", l->module[m].name,
                       m == 0 ? "RTL differs from C" : "mutant survived");
            }
            failed += !good;
        }
    }
    return failed == 0 ? 0 : 1;
}
