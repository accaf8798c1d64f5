/* respond: what a request sees of those before it, and in which order answers leave. */
#include "tests/rx_respond.h"

static void a_read_sees_the_write_in_front_of_it_however_slow_that_is(void **state)
{
    (void)state;
    struct world *const w = fresh();

    w->write_delay = 800;
    for (uint32_t i = 0; i < 20; i++) {
        struct rxp m = rx(0, (int32_t)(2 * i), PKT_OP_RC_WRITE_ONLY, 8);
        m.flags = 0;
        request(w, m, (uint8_t)(i + 1));
        read_request(w, 0, (int32_t)(2 * i + 1), 8);
        w_cycles(w, 2000);
        assert_int_equal(sent[i].first, i + 1);
    }
    w_close(w);
}

static uint64_t word(struct world *w, uint64_t bus)
{
    uint64_t v;

    memcpy(&v, w_at(w, bus), 8);
    return v;
}

static void fetch_add(struct world *w, uint32_t q, int32_t psn, uint64_t add)
{
    struct rxp m = rx(q, psn, PKT_OP_RC_FETCH_ADD, 0);

    m.op1 = add;
    request(w, m, 0);
}

static void an_atomic_sees_the_write_in_front_of_it_and_a_read_the_atomic(void **state)
{
    (void)state;

    for (uint64_t seed = 1; seed <= 30; seed++) {
        struct world *const w = fresh();
        w->rng = seed;
        w->write_delay = 600;
        w->read_delay = 40;
        request(w, rx(0, 0, PKT_OP_RC_WRITE_ONLY, 8), 7);
        fetch_add(w, 0, 1, 1);
        read_request(w, 0, 2, 8);
        w_cycles(w, 4000);
        assert_int_equal(sents, 3); /* ACK, result, READ response with the sum */
        assert_int_equal(sent[1].m.op1, 0x0707070707070707);
        assert_int_equal(sent[2].first, 8);
        assert_int_equal(word(w, 0), 0x0707070707070708);
        w_assert_empty(w);
        w_close(w);
    }
}

static void a_send_is_completed_behind_its_last_payload_write_without_further_ones(void **state)
{
    (void)state;
    struct world *const w = fresh();

    w_post(w, 0, 1, 0x200, 0x7000000, 64);
    request(w, rx(0, 0, PKT_OP_RC_SEND_ONLY, 64), 1);
    w_cycles(w, 300);
    assert_int_equal(cqe_count, 1);
    assert_int_equal(w->wr_tail, 1);
    w_close(w);
}

/* The zero-length SEND itself writes nothing; an empty write behind the others tells when. */
static void an_empty_send_is_completed_behind_the_writes_before_it(void **state)
{
    (void)state;
    struct world *const w = fresh();

    w->write_delay = 500;
    w_post(w, 0, 1, 0x200, 0x7000000, 64);
    for (int32_t i = 0; i < 5; i++) {
        request(w, rx(0, i, PKT_OP_RC_WRITE_ONLY, 8), 3);
    }
    request(w, rx(0, 5, PKT_OP_RC_SEND_ONLY, 0), 0);
    while (cqe_count == 0) {
        w_cycles(w, 1);
    }
    assert_int_equal(word(w, 0), 0x0303030303030303);
    assert_int_equal(w->wr_head, 6);
    w_close(w);
}

static void an_ack_behind_a_read_of_its_qp_waits_for_the_response(void **state)
{
    (void)state;
    struct world *const w = fresh();

    w->read_delay = 1;
    read_request(w, 0, 0, 3072);
    request(w, rx(0, 3, PKT_OP_RC_WRITE_ONLY, 8), 7);
    w_cycles(w, 300);
    assert_int_equal(sents, 4);
    assert_int_equal(sent[2].m.opcode, PKT_OP_RC_READ_RESPONSE_LAST);
    assert_int_equal(sent[3].m.opcode, PKT_OP_RC_ACK);
    assert_int_equal(sent[3].m.psn, PSN0 + 3);
    w_close(w);
}

static void a_read_makes_an_ack_that_waits_in_front_of_it_void(void **state)
{
    (void)state;
    struct world *const w = fresh();

    w->hold_acks = true;
    for (int32_t i = 0; i < 12; i++) { /* eight fill the wire, one ACK stands for the rest */
        request(w, rx(0, i, PKT_OP_RC_WRITE_ONLY, 8), 1);
    }
    w_cycles(w, 100);
    assert_int_equal(fifo_level(&w->h->ack_job.ctl), 8);
    read_request(w, 0, 12, 8);
    w_cycles(w, 200);
    w->hold_acks = false;
    w_cycles(w, 200);
    assert_int_equal(sents, 9); /* the READ response acknowledges PSN 8 to 11 */
    uint32_t responses = 0;
    for (uint32_t i = 0; i < sents; i++) {
        responses += sent[i].m.opcode == PKT_OP_RC_READ_RESPONSE_ONLY;
    }
    assert_int_equal(responses, 1);
    w_assert_empty(w);
    w_close(w);
}

static void a_nak_that_could_not_leave_turns_into_an_ack_when_its_packet_comes(void **state)
{
    (void)state;
    struct world *const w = fresh();

    w->hold_acks = true;
    for (uint32_t q = 1; q < 8; q++) { /* the wire is full */
        request(w, rx(q, 0, PKT_OP_RC_WRITE_ONLY, 8), 1);
        request(w, rx(q, 1, PKT_OP_RC_WRITE_ONLY, 8), 1);
    }
    w_cycles(w, 200);
    request(w, rx(0, 1, PKT_OP_RC_WRITE_ONLY, 8), 1); /* gap */
    w_cycles(w, 50);
    request(w, rx(0, 0, PKT_OP_RC_WRITE_ONLY, 8), 1);
    request(w, rx(0, 1, PKT_OP_RC_WRITE_ONLY, 8), 1);
    w_cycles(w, 100);
    w->hold_acks = false;
    w_cycles(w, 300);
    assert_int_equal(frame_of(0)->aeth, 0x1f000002);
    assert_int_equal(frame_of(0)->psn, PSN0 + 1);
    w_assert_empty(w);
    w_close(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_read_sees_the_write_in_front_of_it_however_slow_that_is),
        cmocka_unit_test(an_atomic_sees_the_write_in_front_of_it_and_a_read_the_atomic),
        cmocka_unit_test(a_send_is_completed_behind_its_last_payload_write_without_further_ones),
        cmocka_unit_test(an_empty_send_is_completed_behind_the_writes_before_it),
        cmocka_unit_test(an_ack_behind_a_read_of_its_qp_waits_for_the_response),
        cmocka_unit_test(a_read_makes_an_ack_that_waits_in_front_of_it_void),
        cmocka_unit_test(a_nak_that_could_not_leave_turns_into_an_ack_when_its_packet_comes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
