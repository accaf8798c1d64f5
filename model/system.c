#include "model/system_run.h"

#include <stdio.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "host structures are little-endian and used in place (decisions 9)");

__extension__ typedef unsigned __int128 u128;

void system_open(struct system *y, const struct hca_param *p)
{
    kern_init(&y->k);
    y->p = *p;
    y->cycle_ps = 1000000000 % p->core_clock_khz == 0 ? 1000000000 / p->core_clock_khz : 0;
    y->trace.ring = arena_take(&y->arena, TRACE_RING * sizeof *y->trace.ring);
    y->t = (struct tick){.k = &y->k, .p = &y->p, .s = &y->s, .trace = &y->trace};
    y->shuffle = 0x9e3779b97f4a7c15ULL;
}

void *system_wire(struct system *y, uint32_t id, struct fifo *f, uint32_t stride, uint32_t depth,
                  uint8_t from, uint8_t to)
{
    uint32_t slots = 2;

    while (slots < depth) {
        slots *= 2;
    }
    *f = (struct fifo){.depth = depth,
                       .mask = slots - 1,
                       .head_at = HCA_NEVER,
                       .from_set = from == EDGE ? 0 : 1ULL << from,
                       .to_set = to == EDGE ? 0 : 1ULL << to,
                       .from = from,
                       .to = to,
                       .id = (uint8_t)id};
    y->wire[id] = (struct wire_ref){f, arena_take(&y->arena, (size_t)slots * stride), stride};
    if (to == EDGE) {
        hca_assert(y->outs < OUTS_MAX);
        y->out[y->outs++] = (uint16_t)id;
    }
    return y->wire[id].slots;
}

uint64_t system_odd_ps(const struct system *y, uint64_t cycle)
{
    return (uint64_t)((u128)cycle * 1000000000 / y->p.core_clock_khz);
}

uint64_t system_odd_cycle(const struct system *y, uint64_t ps)
{
    return (uint64_t)(((u128)ps * y->p.core_clock_khz + 999999999) / 1000000000);
}

/* A wake that lay beyond the wheel may have hidden a later one of the same unit: announce the
 * oldest entries of its inputs again. */
void system_rewake(struct system *y, uint64_t far)
{
    for (uint32_t w = 0; w < WIRES; w++) {
        const struct fifo *const f = y->wire[w].ctl;
        if (f != NULL && f->to != EDGE && (far >> f->to & 1) != 0 && f->head != f->tail) {
            kern_wake(&y->k, f->to, f->head_at);
        }
    }
}

static uint32_t pick(struct system *y, uint64_t set)
{
    if ((y->mode & HCA_MODE_REVERSE) != 0) {
        return 63 - (uint32_t)__builtin_clzll(set);
    }
    if ((y->mode & HCA_MODE_SHUFFLE) != 0) {
        y->shuffle = y->shuffle * 6364136223846793005ULL + 1442695040888963407ULL;
        for (uint64_t n = y->shuffle >> 33; n % (uint64_t)__builtin_popcountll(set) != 0; n--) {
            set &= set - 1;
        }
    }
    return (uint32_t)__builtin_ctzll(set);
}

static void check_asleep(struct system *y, uint32_t unit, struct act a)
{
    if (a.moved) {
        fprintf(stderr, "cycle %llu: %s moved, but nothing had woken it\n",
                (unsigned long long)y->k.now, meta_units[unit].name);
        hca_assert(0 && "late wake");
    }
}

static void run_cycle(struct system *y, void *handle, tick_fn *const *tick, state_hash_fn *state,
                      uint64_t set)
{
    const bool check = (y->mode & (HCA_MODE_CHECK | HCA_MODE_CHECK_DUE)) != 0;
    const uint64_t asleep = check ? y->only & ~set : 0;

    if (check || (y->mode & HCA_MODE_ALL) != 0) {
        set = y->only;
    }
    while (set != 0) {
        const uint32_t unit = pick(y, set);
        set &= ~(1ULL << unit);
        const uint64_t before = check ? state(handle, unit) : 0;
        const struct act a = tick[unit](handle, &y->t);
        y->k.activations++;
        if (check) {
            hca_assert(a.moved || state(handle, unit) == before); /* moved, but did not say so */
            if ((asleep >> unit & 1) != 0) {
                check_asleep(y, unit, a);
                continue; /* what it answers must not repair a wake that it forgot */
            }
        }
        system_moved(y, 1ULL << unit, a);
    }
}

void system_run_checked(struct system *y, void *handle, tick_fn *const *tick, state_hash_fn *state,
                        uint64_t until)
{
    const bool every = (y->mode & (HCA_MODE_NOSKIP | HCA_MODE_CHECK)) != 0;

    while (!y->k.drain) {
        const uint64_t now = every ? y->k.now + 1 : kern_next(&y->k);
        if (now >= until) {
            return;
        }
        run_cycle(y, handle, tick, state, system_begin(y, now));
    }
}

void system_stop_on(struct system *y, uint32_t wire)
{
    y->wire[wire].ctl->stop = true;
}

uint64_t system_head(const struct system *y, uint32_t wire)
{
    const struct fifo *const f = y->wire[wire].ctl;

    return f->head == f->tail ? HCA_NEVER : system_ps(y, f->head_at);
}

/* Whether something outside must be emptied before another cycle may run. Pushes and events keep
 * the answer up to date during a run (fifo_push, TRACE); what the caller took out since shows
 * here. */
bool system_must_drain(const struct system *y)
{
    if (trace_near_full(&y->trace)) {
        return true;
    }
    for (uint32_t i = 0; i < y->outs; i++) {
        if (fifo_full_outside(y->wire[y->out[i]].ctl)) {
            return true;
        }
    }
    return false;
}

bool system_event(struct system *y, struct trace_rec *out)
{
    if (y->trace.head == y->trace.tail) {
        return false;
    }
    *out = y->trace.ring[y->trace.head++ % TRACE_RING];
    return true;
}

uint64_t system_hash(const struct system *y)
{
    uint64_t h = hash_words(0, 0, &y->s, sizeof y->s);

    for (uint32_t w = 0; w < WIRES; w++) {
        if (y->wire[w].ctl != NULL) {
            h = hash_words(h, w, &y->wire[w].ctl->hash, sizeof(uint64_t));
        }
    }
    return h;
}

/* Sum over the entries of the cycle up to which they have stayed, + 1: now. One from outside that
 * is not there yet has stayed for no time. */
static uint64_t stayed(const struct system *y, const struct wire_ref *w)
{
    const struct fifo *const f = w->ctl;
    uint64_t sum = 0;

    for (uint32_t i = f->head; i != f->tail; i++) {
        uint64_t at = 0;
        if (f->from == EDGE) {
            memcpy(&at, w->slots + (size_t)(i & f->mask) * w->stride, sizeof at);
        }
        sum += (at > y->k.now ? at : y->k.now) + 1;
    }
    return sum;
}

struct wire_figures system_figures(const struct system *y, uint32_t wire)
{
    const struct fifo *const f = y->wire[wire].ctl;

    if (f == NULL) {
        return (struct wire_figures){0};
    }
    const uint32_t level = f->tail - f->head;
    const bool full = level == f->depth;
    return (struct wire_figures){
        .pushes = f->tail,
        .entry_cycles = f->entry_cycles + stayed(y, &y->wire[wire]),
        .full_cycles = f->full_cycles + (full ? y->k.now + 1 - f->pushed : 0),
        .depth = f->depth,
        .level = level,
    };
}
