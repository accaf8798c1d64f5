/* tap: pcap files of a network. */
#include "sim/link/tap.h"
#include "tests/net_drive.h"
#include "traces/pcap.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char folder[] = HCA_TMP_DIR "/net_test_XXXXXX";

static uint64_t records(const char *path, uint64_t *last_ns)
{
    struct capture *c;
    struct capture_error err;
    struct capture_record r;
    uint64_t count = 0;

    assert_int_equal(capture_open(path, &c, &err), CAPTURE_OK);
    *last_ns = 0;
    for (; capture_next(c, &r) == CAPTURE_OK; count++) {
        assert_true(r.time_ns >= *last_ns); /* in order of time */
        *last_ns = r.time_ns;
    }
    capture_close(c);
    return count;
}

static void taps_hold_every_frame_in_order_of_time_and_wireshark_accepts_them(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(folder));
    for (int wire = 0; wire < 2; wire++) {
        struct hca_param p = unit_param();
        p.port_wire = wire ? HCA_PORT_WIRE_IB : HCA_PORT_WIRE_ROCE2;
        p.link_reorder_ppm = 100000;
        p.link_loss_ppm = wire ? 0 : 100000;
        char path[256], command[600], why[600];
        uint64_t last;
        for (int by_port = 0; by_port < 2; by_port++) {
            struct net *const n = fresh(&p, 4);
            snprintf(path, sizeof path, "%s/net%d.pcap", folder, wire);
            struct tap *const t = by_port ? tap_open_ports(folder, &p, 4, why, sizeof why)
                                          : tap_open(path, &p, why, sizeof why);
            assert_non_null(t);
            net_set_tap(n, tap_frame, t);
            struct net_arrival a;
            uint64_t arrived[4] = {0}, sent[4] = {0};
            for (uint32_t i = 0; i < 400; i++) {
                const uint64_t at = i * 40000ULL;
                send_len(n, &p, i % 4, (i * 7 + 1) % 4 == i % 4 ? (i + 1) % 4 : (i * 7 + 1) % 4, at,
                         i, 1 + i % 50);
                sent[i % 4]++;
                net_settle(n, at + net_cable_ps(n));
                while (net_arrive(n, at, &a)) {
                    arrived[a.port] += !a.fc;
                }
            }
            net_settle(n, UINT64_MAX);
            while (net_arrive(n, UINT64_MAX, &a)) {
                arrived[a.port] += !a.fc;
            }
            assert_true(tap_close(t, why, sizeof why));
            for (uint32_t i = 0; by_port && i < 4; i++) {
                snprintf(path, sizeof path, "%s/port%u.pcap", folder, i);
                assert_int_equal(records(path, &last), sent[i] + arrived[i]);
                assert_int_equal(unlink(path), 0);
            }
            if (!by_port) {
                assert_int_equal(records(path, &last), 400);
                snprintf(command, sizeof command, "sh %s/tests/tshark_check.sh %s >%s/said 2>&1",
                         HCA_SOURCE_DIR, path, folder);
                const int code = system(command);
                assert_true(code == 0 || code == 77 << 8);
                assert_int_equal(unlink(path), 0);
                snprintf(path, sizeof path, "%s/said", folder);
                assert_int_equal(unlink(path), 0);
            }
            net_close(n);
        }
    }
    assert_int_equal(rmdir(folder), 0);
}

static void a_tap_that_cannot_be_written_says_so(void **state)
{
    (void)state;
    const struct hca_param p = unit_param();
    char why[600] = "";
    assert_null(tap_open("/nonexistent/folder/x.pcap", &p, why, sizeof why));
    assert_non_null(strstr(why, "/nonexistent/folder"));
    assert_null(tap_open_ports("/nonexistent", &p, 2, why, sizeof why));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(taps_hold_every_frame_in_order_of_time_and_wireshark_accepts_them),
        cmocka_unit_test(a_tap_that_cannot_be_written_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
