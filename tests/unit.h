/* unit.h: bench for one or a few units inside an otherwise silent adapter or host.
 *
 *   struct hca *h = unit_hca(&p, 1ULL << U_doorbell);
 *   UNIT_PUSH(h, db_write, db_write, .number = 7);      waits until the wire has room
 *   unit_run(h, 3);                                     three cycles
 *   struct qp_ready m;
 *   assert_true(UNIT_POP(h, qp_ready, &m));             takes what is visible now
 * Every run is in check mode: sleeping units are ticked too and must not move. */
#pragma once
#include "model/hca_i.h"
#include "model/host_i.h"
#include "model/system_run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static inline struct hca_param unit_param(void)
{
    struct hca_param p;

    hca_param_default(&p);
    return p;
}

static inline struct hca *unit_hca(const struct hca_param *p, uint64_t units)
{
    struct hca *h;
    const char *why;

    assert_int_equal(hca_open(p, &h, &why), HCA_OK);
    h->y.only = units;
    h->y.mode = HCA_MODE_CHECK;
    h->y.trace.mask = ~0ULL;
    return h;
}

static inline struct host *unit_host(const struct hca_param *p, uint64_t units)
{
    struct host *h;
    const char *why;

    assert_int_equal(host_open(p, &h, &why), HCA_OK);
    h->y.only = units;
    h->y.mode = HCA_MODE_CHECK;
    return h;
}

static inline void unit_drain(struct system *y)
{
    y->trace.head = y->trace.tail;
}

static inline void unit_run(struct hca *h, uint64_t cycles)
{
    const uint64_t until = h->y.k.now + 1 + cycles;

    while (system_run(&h->y, h, hca_ticks, hca_unit_state, until) < until) {
        unit_drain(&h->y);
        if (fifo_full_outside(&h->mmio_fc.ctl)) { /* no root port is here to use the credits */
            h->mmio_fc.ctl.head = h->mmio_fc.ctl.tail;
            h->mmio_fc.ctl.head_at = HCA_NEVER;
        }
    }
}

static inline void unit_run_host(struct host *h, uint64_t cycles)
{
    const uint64_t until = h->y.k.now + 1 + cycles;

    while (system_run(&h->y, h, host_ticks, host_unit_state, until) < until) {
        unit_drain(&h->y);
    }
}

#define UNIT_PUSH_WITH(run, h, wire, msg, ...)              \
    do {                                                    \
        while (!fifo_ready(&(h)->wire.ctl, (h)->y.k.now) || \
               (h)->wire.ctl.pushed == (h)->y.k.now + 1) {  \
            run((h), 1);                                    \
        }                                                   \
        (h)->y.t.now = (h)->y.k.now;                        \
        PUSH(&(h)->y.t, &(h)->wire, msg, 0, __VA_ARGS__);   \
    } while (0)
#define UNIT_PUSH(h, wire, msg, ...)      UNIT_PUSH_WITH(unit_run, h, wire, msg, __VA_ARGS__)
#define UNIT_PUSH_HOST(h, wire, msg, ...) UNIT_PUSH_WITH(unit_run_host, h, wire, msg, __VA_ARGS__)

/* Takes the oldest entry visible in the cycle that ran last (or the next one); false: nothing. Runs
 * one cycle first when this cycle's pop is already used up. */
#define UNIT_POP_WITH(run, h, wire, out)                               \
    ((h)->wire.ctl.popped == (h)->y.k.now + 1 ? run((h), 1) : (void)0, \
     (h)->y.t.now = (h)->y.k.now,                                      \
     VALID(&(h)->y.t, &(h)->wire) ? (*(out) = *POP(&(h)->y.t, &(h)->wire), true) : false)
#define UNIT_POP(h, wire, out)      UNIT_POP_WITH(unit_run, h, wire, out)
#define UNIT_POP_HOST(h, wire, out) UNIT_POP_WITH(unit_run_host, h, wire, out)
