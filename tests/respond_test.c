/* respond (with check): execution exactly once under loss, answers, errors, reset. */
#include "tests/rx_peer.h"

static struct hca_param small(void)
{
    struct hca_param p = unit_param();

    p.hca_qp_max = W_QPS;
    return p;
}

static void run(const struct hca_param *param, uint64_t seed, uint32_t ops, uint32_t drop,
                uint32_t dup, uint32_t reorder, uint32_t stall)
{
    struct peer *const p = p_open(param, 4, seed);

    p->drop = drop;
    p->dup = dup;
    p->reorder = reorder;
    p->w->stall_percent = stall;
    for (uint32_t q = 0; q < p->qps; q++) {
        p->w->rq[q].delay = q == 0 ? 150 : 5;
        for (uint32_t i = 0; i < ops; i++) {
            p_random_op(p, q);
        }
    }
    for (uint32_t n = 0; !p_all_done(p); n++) {
        assert_true(n < 3000000); /* progress */
        p_cycle(p);
    }
    p->drop = 0;
    for (uint32_t n = 0; n < 400; n++) {
        p_cycle(p);
    }
    p_verify(p);
    p_close(p);
}

static void a_perfect_network_executes_all_operations_in_order(void **state)
{
    (void)state;
    const struct hca_param param = small();

    for (uint64_t seed = 1; seed <= 3; seed++) {
        run(&param, seed, 100, 0, 0, 0, 0);
    }
}

static void loss_duplication_and_reordering_change_nothing_in_the_end(void **state)
{
    (void)state;
    const struct hca_param param = small();

    for (uint64_t seed = 1; seed <= 8; seed++) {
        run(&param, seed, 60, (uint32_t)seed % 4 * 3, (uint32_t)seed % 3 * 5,
            (uint32_t)seed % 5 * 5, (uint32_t)seed % 4 * 20);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loss_duplication_and_reordering_change_nothing_in_the_end),
        cmocka_unit_test(a_perfect_network_executes_all_operations_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
