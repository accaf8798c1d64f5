#include "tests/lockstep/lockstep.h"

rtl_new_fn rtl_new_doorbell, rtl_new_doorbell_m1, rtl_new_doorbell_m2, rtl_new_doorbell_m3,
    rtl_new_doorbell_m4, rtl_new_doorbell_m5;

/* The RTL build has the default configuration; others come with generated parameters. */
static void param(struct hca_param *p, unsigned config)
{
    (void)p;
    (void)config;
}

/* Numbers on both sides of each maximum, all kinds with two that do not exist. */
static void input(struct rng *r, const struct hca_param *p, unsigned port, void *msg)
{
    struct db_write *const m = msg;
    const uint64_t around[] = {p->hca_qp_max, p->hca_srq_max, p->hca_cq_max, 1, 1 << 16, 1 << 23};

    (void)port;
    m->number = (uint32_t)(around[rng_below(r, 6)] + rng_below(r, 3) - 1) & 0xffffff;
    if (rng_below(r, 2) != 0) {
        m->number = (uint32_t)rng_below(r, 1024);
    }
    m->tail = (uint16_t)rng_next(r);
    m->fn = (uint8_t)rng_next(r);
    m->kind = (uint8_t)rng_below(r, 8);
    m->native = (uint8_t)rng_below(r, 2);
}

int main(int argc, char **argv)
{
    static const struct lockstep l = {
        .unit = "doorbell",
        .param = param,
        .input = input,
        .module = {{"doorbell", rtl_new_doorbell},
                   {"doorbell_m1", rtl_new_doorbell_m1},
                   {"doorbell_m2", rtl_new_doorbell_m2},
                   {"doorbell_m3", rtl_new_doorbell_m3},
                   {"doorbell_m4", rtl_new_doorbell_m4},
                   {"doorbell_m5", rtl_new_doorbell_m5}},
    };
    return lockstep_main(&l, argc, argv);
}
