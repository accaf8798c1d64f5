/* The longest message of verbs: 2^31 bytes. */
#include "tests/trace_make.h"

static void big_mtu(struct hct_qp *q)
{
    q->mtu_bytes = 4096;
    q->timeout = 0;
}

/* Two pieces of 1 GiB each (the longest region of the ABI), laid over the same MiB of RAM. Without
 * payload and with trains, or half a million packets would take too long; sanitizers get less. */
static void the_longest_message_arrives_whole(void **state)
{
    (void)state;
    const uint32_t half = PLAY_SLOW == 1 ? 1U << 30 : 1U << 24;
    static struct played o;
    struct make m;

    make_open(&m);
    const uint32_t pair = make_pair(&m, HCT_QP_RC, HCT_FORMAT_PVRDMA, false, big_mtu);
    const uint32_t mr = make_alias(&m, half);
    struct hct_op recv = hct_op_none(), send = make_op(&m, HCT_SEND, pair, 0, 0);
    recv.kind = HCT_RECV;
    recv.qp = pair + 1;
    for (uint32_t i = 0; i < 2; i++) {
        recv.sge[recv.sge_count++] = (struct hct_sge){.mr = mr + 1, .len_bytes = half};
        send.sge[send.sge_count++] = (struct hct_sge){.mr = mr, .len_bytes = half};
    }
    (void)make_put(&m, &recv);
    send.id = m.ops;
    (void)make_put(&m, &send);
    make_done(&m);
    play_trace(m.path,
               &(struct play){.set = "sim.payload=false sim.train_tlps_max=64 hca.window_packets="
                                     "4096 pcie.mps_bytes=4096 pcie.mrrs_bytes=4096"},
               &o);
    unlink(m.path);
    play_good(&o);
    assert_int_equal(o.f.bytes, 4 * (uint64_t)half); /* of the send and of the receive */
    assert_int_equal(o.stat[1].respond_executed, 2 * (uint64_t)half / 4096);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_longest_message_arrives_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
