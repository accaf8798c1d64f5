/* Frames of every opcode on every wire, through the writer, as other programs see them: tshark's
 * dissector (tests/tshark_check.sh) and scapy's RoCE layer (tests/scapy_icrc.py). Skipped where
 * the program is missing. Each check must also fail on a file that is wrong. */
#include "model/packet/headers.h"
#include "traces/pcap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = HCA_TMP_DIR "/hcasim-peers-XXXXXX";
static char ethernet[128], infiniband[128], wrong[128];

/* A frame with plain addresses; tags 0 to 2 in turn on Ethernet. */
static struct pkt_hdr header(uint32_t wire, uint32_t opcode)
{
    struct pkt_hdr h = {.wire = (uint8_t)wire,
                        .opcode = (uint8_t)opcode,
                        .smac = {2, 0, 0, 0, 0, 1},
                        .dmac = {2, 0, 0, 0, 0, 2},
                        .vlan_tags = (uint8_t)(opcode % 3),
                        .vlan_tci = 0x6005,
                        .svlan_tci = 0x0007,
                        .sgid = {0x20, 1, 0x0D, 0xB8, [15] = 1},
                        .dgid = {0x20, 1, 0x0D, 0xB8, [15] = 2},
                        .ttl = 64,
                        .ip_df = 1,
                        .ip_id = (uint16_t)(opcode * 257),
                        .ecn = 2,
                        .flow_label = 0x12345,
                        .pkey = 0xFFFF,
                        .dqpn = 0x12,
                        .sqpn = 0x34,
                        .psn = 0xFFFF00 + opcode,
                        .va = 0x7F0012345678,
                        .rkey = 0x1234,
                        .dma_len = 4096,
                        .qkey = 0x11111111,
                        .xrc_srqn = 0x77,
                        .imm = 0xCAFEF00D,
                        .syndrome = 0x1F,
                        .dlid = 2,
                        .slid = 1};
    if (wire == PKT_ROCE2_V4) {
        memcpy(h.sgid, (uint8_t[16]){[10] = 255, 255, 192, 0, 2, 1}, 16);
        memcpy(h.dgid, (uint8_t[16]){[10] = 255, 255, 192, 0, 2, 2}, 16);
    }
    h.udp_sport = pkt_udp_sport(0, h.sqpn, h.dqpn);
    return h;
}

static void write_frames(struct capture_writer *w, uint32_t first_wire, uint32_t last_wire)
{
    static uint8_t buf[PKT_HEADROOM + PKT_PAYLOAD_MAX + PKT_TAILROOM];
    static const uint32_t lengths[] = {1, 2, 3, 64, 1024, 4095};
    uint64_t time_ns = 1700000000000000000;
    for (uint32_t i = 0; i < PKT_PAYLOAD_MAX; i++) {
        buf[PKT_HEADROOM + i] = (uint8_t)(i * 7);
    }
    for (uint32_t n = 0; n < 256 * PKT_WIRES; n++) {
        const uint32_t opcode = n / PKT_WIRES;
        const uint32_t wire = n % PKT_WIRES;
        const struct pkt_opcode *op = pkt_opcode((uint8_t)opcode);
        if (op == NULL || wire < first_wire || wire > last_wire) {
            continue;
        }
        const struct pkt_hdr h = header(wire, opcode);
        const bool none = op->payload == PKT_PAYLOAD_NONE;
        const struct pkt_frame f = op->kind == PKT_NOTIFY
                                       ? pkt_build_cnp(&h, buf)
                                       : pkt_build(&h, buf, none ? 0 : lengths[n % 6]);
        assert_int_not_equal(f.len, 0);
        capture_write(w, time_ns += 123, buf + f.offset, f.len, f.len);
        if (!none && op->kind != PKT_NOTIFY) { /* as written with payload off */
            const struct pkt_frame g = pkt_build_headers(&h, buf, 1024);
            const uint32_t headers = PKT_HEADROOM - g.offset;
            capture_write(w, time_ns += 123, buf + g.offset, headers, g.len);
        }
    }
}

static int set_up(void **state)
{
    (void)state;
    struct capture_writer *w;
    struct capture_error err;
    uint8_t pause[PKT_PFC_BYTES];
    const struct pkt_hdr pfc = {
        .smac = {2, 0, 0, 0, 0, 1}, .pfc_enable = 8, .pfc_quanta = {[3] = 9}};
    if (mkdtemp(folder) == NULL) {
        return -1;
    }
    snprintf(ethernet, sizeof ethernet, "%s/ethernet.pcap", folder);
    snprintf(infiniband, sizeof infiniband, "%s/infiniband.pcap", folder);
    snprintf(wrong, sizeof wrong, "%s/wrong.pcap", folder);
    assert_int_equal(capture_writer_open(ethernet, CAPTURE_ETHERNET, &w, &err), CAPTURE_OK);
    write_frames(w, PKT_ROCE2_V4, PKT_ROCE1);
    pkt_build_pfc(&pfc, pause);
    capture_write(w, 1700000001000000000, pause, sizeof pause, sizeof pause);
    assert_int_equal(capture_writer_close(w, &err), CAPTURE_OK);
    assert_int_equal(capture_writer_open(infiniband, CAPTURE_INFINIBAND, &w, &err), CAPTURE_OK);
    write_frames(w, PKT_IB_LOCAL, PKT_IB_GLOBAL);
    assert_int_equal(capture_writer_close(w, &err), CAPTURE_OK);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    unlink(ethernet);
    unlink(infiniband);
    unlink(wrong);
    return rmdir(folder);
}

/* Exit status of a script of tests/ on a file; skips the test when it says 77, or when there is no
 * Python to run it (127). */
static int run(const char *script, const char *file)
{
    char command[1024];
    snprintf(command, sizeof command, "'%s/tests/%s' '%s'", HCA_SOURCE_DIR, script, file);
    fflush(NULL);
    const int status = system(command); /* NOLINT(cert-env33-c): fixed scripts of this folder */
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77 || WEXITSTATUS(status) == 127) {
        skip();
    }
    return WEXITSTATUS(status);
}

/* One frame, built well, then one byte of it changed. */
static void write_wrong(uint32_t wire, uint32_t byte)
{
    uint8_t buf[PKT_HEADROOM + 64 + PKT_TAILROOM] = {0};
    struct capture_writer *w;
    struct capture_error err;
    struct pkt_hdr h = header(wire, PKT_OP_RC_SEND_ONLY);
    h.vlan_tags = 0;
    const struct pkt_frame f = pkt_build(&h, buf, 64);
    buf[f.offset + byte] ^= 1;
    assert_int_equal(capture_writer_open(wrong, CAPTURE_ETHERNET, &w, &err), CAPTURE_OK);
    capture_write(w, 0, buf + f.offset, f.len, f.len);
    assert_int_equal(capture_writer_close(w, &err), CAPTURE_OK);
}

static void tshark_accepts_every_opcode_on_every_wire(void **state)
{
    (void)state;
    assert_int_equal(run("tshark_check.sh", ethernet), 0);
    assert_int_equal(run("tshark_check.sh", infiniband), 0);
}

static void tshark_check_fails_on_a_wrong_checksum(void **state)
{
    (void)state;
    write_wrong(PKT_ROCE2_V6, 14 + 40 + 8 + 12 + 5); /* payload: UDP checksum is wrong */
    assert_int_equal(run("tshark_check.sh", wrong), 1);
    write_wrong(PKT_ROCE2_V4, 14 + 8); /* TTL: header checksum is wrong */
    assert_int_equal(run("tshark_check.sh", wrong), 1);
}

static void scapy_computes_the_same_icrc_for_every_opcode(void **state)
{
    (void)state;
    assert_int_equal(run("scapy_icrc.py", ethernet), 0);
}

static void scapy_check_fails_on_a_wrong_icrc(void **state)
{
    (void)state;
    write_wrong(PKT_ROCE2_V4, 14 + 20 + 8 + 12 + 5);
    assert_int_equal(run("scapy_icrc.py", wrong), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tshark_accepts_every_opcode_on_every_wire),
        cmocka_unit_test(tshark_check_fails_on_a_wrong_checksum),
        cmocka_unit_test(scapy_computes_the_same_icrc_for_every_opcode),
        cmocka_unit_test(scapy_check_fails_on_a_wrong_icrc),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
