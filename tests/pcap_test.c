/* The capture reader on captures made in memory: formats, byte orders, times, link types, damage.
 */
#include "model/packet/headers.h"
#include "tests/capture_image.h"
#include "traces/pcap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct capture *opened(const struct image *m)
{
    struct capture *c;
    struct capture_error err;
    if (capture_open_memory(m->data, m->bytes, "image", &c, &err) != CAPTURE_OK) {
        fail_msg("%s", err.text);
    }
    return c;
}

static const char frame1[] = "first frame";
static const char frame2[] = "the second";

static void pcap_gives_the_same_in_both_byte_orders_and_resolutions(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        struct image m = {.big = i & 1};
        struct capture_record r;
        put_pcap_header(&m, i & 2 ? 0xA1B23C4D : 0xA1B2C3D4, 1);
        put_record(&m, 1700000000, i & 2 ? 123456000 : 123456, frame1, 11, 90);
        put_record(&m, 4294967295, i & 2 ? 999999000 : 999999, frame2, 10, 3);
        struct capture *c = opened(&m);
        assert_int_equal(capture_next(c, &r), CAPTURE_OK);
        assert_true(r.time_known && r.time_ns == 1700000000123456000);
        assert_int_equal(r.number, 1);
        assert_int_equal(r.offset, 24);
        assert_int_equal(r.caplen, 11);
        assert_int_equal(r.wirelen, 90);
        assert_int_equal(r.link_type, CAPTURE_ETHERNET);
        assert_memory_equal(r.data, frame1, 11);
        assert_int_equal(capture_next(c, &r), CAPTURE_OK);
        assert_true(r.time_ns == 4294967295999999000);
        assert_int_equal(r.wirelen, 10); /* raised to caplen */
        assert_int_equal(capture_next(c, &r), CAPTURE_END);
        assert_int_equal(capture_next(c, &r), CAPTURE_END);
        assert_string_equal(capture_why(c), "");
        capture_close(c);
    }
}

static void pcapng_gives_all_packet_blocks_of_all_interfaces_and_sections(void **state)
{
    (void)state;
    struct image m = {0};
    struct capture_record r;
    for (int section = 0; section < 2; section++) {
        m.big = section == 1;
        put_section(&m);
        put_other(&m, 4);
        put_interface(&m, 1, 8, 6, 0);
        put_interface(&m, 247, 0, 9, 100);
        put_packet(&m, 6, 1, 7000000001, frame1, 11, 200);
        put_other(&m, 0x80000001);
        put_packet(&m, 2, 0, 7000001, frame2, 10, 10);
        put_packet(&m, 2, 1, 0, frame2, 10, 10);
        put_simple(&m, frame1, 11, 300);
    }
    struct capture *c = opened(&m);
    for (uint64_t n = 0; n < 8; n += 4) {
        assert_int_equal(capture_next(c, &r), CAPTURE_OK);
        assert_true(r.time_ns == 107000000001 && r.interface == 1 && r.number == n + 1);
        assert_int_equal(r.link_type, CAPTURE_INFINIBAND);
        assert_int_equal(r.wirelen, 200);
        assert_memory_equal(r.data, frame1, 11);
        assert_int_equal(capture_next(c, &r), CAPTURE_OK);
        assert_true(r.time_ns == 7000001000 && r.interface == 0 && r.caplen == 10);
        assert_memory_equal(r.data, frame2, 10);
        assert_int_equal(capture_next(c, &r), CAPTURE_OK);
        assert_true(r.time_ns == 100000000000 && r.interface == 1 && r.caplen == 10);
        assert_int_equal(capture_next(c, &r), CAPTURE_OK);
        assert_false(r.time_known);
        assert_true(r.caplen == 8 && r.wirelen == 300 && r.link_type == CAPTURE_ETHERNET);
    }
    assert_int_equal(capture_next(c, &r), CAPTURE_END);
    capture_close(c);
}

static void pcapng_times_follow_the_resolution_of_the_interface(void **state)
{
    (void)state;
    static const struct {
        uint8_t resolution;
        int64_t offset_s;
        uint64_t ticks, want_ns;
    } rows[] = {
        {6, 0, 5, 5000},          {9, 0, 5, 5},
        {3, 0, 5, 5000000},       {0, 0, 5, 5000000000},
        {12, 0, 5999, 5},         {29, 0, UINT64_MAX, 0},
        {127, 0, UINT64_MAX, 0},  {0x80 | 10, 0, 1536, 1500000000},
        {0x80, 0, 3, 3000000000}, {0xFF, 0, UINT64_MAX, 0},
        {6, -1, 1000001, 1000},   {0, 1000, 0, 1000000000000},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct image m = {.big = i & 1};
        struct capture_record r;
        put_section(&m);
        put_interface(&m, 1, 0, rows[i].resolution, rows[i].offset_s);
        put_packet(&m, 6, 0, rows[i].ticks, frame1, 11, 11);
        struct capture *c = opened(&m);
        assert_int_equal(capture_next(c, &r), CAPTURE_OK);
        assert_true(r.time_ns == rows[i].want_ns);
        capture_close(c);
    }
}

static void raw_and_cooked_frames_become_ethernet_and_parse(void **state)
{
    (void)state;
    static const char sll4[] = "\0\0\0\1\0\6\2\0\0\0\0\7\0\0\x08\x00";
    static const char sll2_6[] = "\x86\xDD\0\0\0\0\0\3\0\1\0\6\2\0\0\0\0\7\0\0";
    static const struct {
        uint32_t link, head_bytes;
        const char *head;
        uint8_t wire, mac;
    } rows[] = {
        {101, 0, "", PKT_ROCE2_V4, 0},    {101, 0, "", PKT_ROCE2_V6, 0},
        {228, 0, "", PKT_ROCE2_V4, 0},    {229, 0, "", PKT_ROCE2_V6, 0},
        {113, 16, sll4, PKT_ROCE2_V4, 7}, {276, 20, sll2_6, PKT_ROCE2_V6, 7},
        {1, 0, "", PKT_ROCE2_V4, 9},      {247, 0, "", PKT_IB_GLOBAL, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct pkt_hdr want = {
            .wire = rows[i].wire, .opcode = 4, .dqpn = 0x77, .smac = {0, 0, 0, 0, 0, 9}};
        uint8_t buf[PKT_HEADROOM + 8 + PKT_TAILROOM] = {0};
        uint8_t cooked[256];
        const struct pkt_frame f = pkt_build(&want, buf, 8);
        const uint32_t cut = rows[i].link == 1 || rows[i].link == 247 ? 0 : 14;
        const uint32_t bytes = rows[i].head_bytes + f.len - cut;
        memcpy(cooked, rows[i].head, rows[i].head_bytes);
        memcpy(cooked + rows[i].head_bytes, buf + f.offset + cut, f.len - cut);
        struct image m = {0};
        struct capture_record r;
        struct pkt_hdr h;
        struct pkt_view v;
        put_pcap_header(&m, 0xA1B2C3D4, rows[i].link);
        put_record(&m, 0, 0, cooked, bytes, bytes + 5);
        put_record(&m, 0, 0, cooked, bytes, UINT32_MAX);
        struct capture *c = opened(&m);
        assert_int_equal(capture_next(c, &r), CAPTURE_OK);
        assert_int_equal(r.file_link_type, rows[i].link);
        assert_int_equal(r.caplen, f.len);
        assert_int_equal(r.wirelen, f.len + 5);
        assert_int_equal(pkt_parse(r.data, r.caplen,
                                   r.link_type == 1 ? PKT_LINK_ETHERNET : PKT_LINK_INFINIBAND, &h,
                                   &v),
                         PKT_OK);
        assert_true(h.dqpn == 0x77 && h.smac[5] == rows[i].mac && pkt_icrc_ok(r.data, &v));
        assert_int_equal(capture_next(c, &r), CAPTURE_OK);
        assert_true(r.wirelen > 1u << 30); /* no overflow by the header added */
        capture_close(c);
    }
}

static void cooked_frame_shorter_than_its_header_has_no_bytes(void **state)
{
    (void)state;
    for (uint32_t link = 113; link <= 276; link += 276 - 113) {
        struct image m = {0};
        struct capture_record r;
        put_pcap_header(&m, 0xA1B2C3D4, link);
        put_record(&m, 0, 0, "123456789012345", 15, UINT32_MAX);
        put_record(&m, 0, 0, "", 0, 0);
        struct capture *c = opened(&m);
        assert_int_equal(capture_next(c, &r), CAPTURE_OK);
        assert_true(r.caplen == 0 && r.wirelen > 1u << 30);
        assert_int_equal(capture_next(c, &r), CAPTURE_OK);
        assert_true(r.caplen == 0 && r.wirelen == 14);
        capture_close(c);
    }
}

/* Opens a prefix of m; counts records; the last status. */
static enum capture_status read_prefix(const struct image *m, size_t bytes, uint32_t *records,
                                       char why[512])
{
    struct capture *c;
    struct capture_error err;
    struct capture_record r;
    uint8_t exact[sizeof m->data]; /* bytes behind the prefix must not matter */
    memcpy(exact, m->data, bytes);
    memset(exact + bytes, 0xEE, sizeof exact - bytes);
    *records = 0;
    enum capture_status s = capture_open_memory(exact, bytes, "cut.pcap", &c, &err);
    if (s != CAPTURE_OK) {
        strcpy(why, err.text);
        return s;
    }
    while ((s = capture_next(c, &r)) == CAPTURE_OK) {
        ++*records;
    }
    strcpy(why, capture_why(c));
    assert_int_equal(capture_next(c, &r), s); /* final */
    capture_close(c);
    return s;
}

static void a_file_cut_anywhere_gives_all_whole_records_then_says_so(void **state)
{
    (void)state;
    for (int ng = 0; ng < 2; ng++) {
        struct image m = {0};
        size_t ends[5] = {0};
        if (ng) {
            put_section(&m);
            put_interface(&m, 1, 0, 9, 0);
        } else {
            put_pcap_header(&m, 0xA1B23C4D, 1);
        }
        ends[0] = m.bytes;
        for (size_t i = 1; i < 5; i++) {
            if (ng) {
                put_packet(&m, 6, 0, i, frame1, 11, 11);
            } else {
                put_record(&m, 0, 0, frame1, 11, 11);
            }
            ends[i] = m.bytes;
        }
        for (size_t cut = 4; cut <= m.bytes; cut++) {
            uint32_t records;
            char why[512];
            uint32_t want = 0;
            bool boundary = (ng && cut == 28) || cut == ends[0];
            for (size_t i = 1; i < 5; i++) {
                want += cut >= ends[i];
                boundary |= cut == ends[i];
            }
            const enum capture_status s = read_prefix(&m, cut, &records, why);
            assert_int_equal(records, want);
            assert_int_equal(s, boundary ? CAPTURE_END : CAPTURE_TRUNCATED);
            assert_true(boundary || strstr(why, "cut.pcap: byte ") != NULL);
        }
    }
}

static void damage_is_named_with_place_value_and_bound(void **state)
{
    (void)state;
    enum { NG = 28, INTERFACE = NG, PACKET = NG + 68 };
    static const struct {
        bool ng;
        size_t at;
        uint32_t value; /* 32 bits at `at` */
        enum capture_status want;
        const char *text;
    } rows[] = {
        {0, 0, 0x12345678, CAPTURE_BAD, "byte 0: magic 78563412"},
        {0, 0, 0xA1B2CD34, CAPTURE_UNSUPPORTED, "\"modified\" pcap"},
        {0, 0, 0xFD2FB528, CAPTURE_UNSUPPORTED, "compressed with zstd"},
        {0, 4, 0x00030002, CAPTURE_UNSUPPORTED, "byte 4: pcap version 2.3"},
        {0, 20, 105, CAPTURE_UNSUPPORTED, "byte 20: link type 105 (IEEE 802.11)"},
        {0, 20, 9999, CAPTURE_UNSUPPORTED, "link type 9999 (unknown)"},
        {0, 32, 262145, CAPTURE_BAD, "byte 24: frame of 262145 bytes, at most 262144"},
        {1, 8, 0x11111111, CAPTURE_BAD, "byte 8: pcapng byte-order magic 11111111"},
        {1, 12, 2, CAPTURE_UNSUPPORTED, "byte 12: pcapng version 2"},
        {1, 4, 16, CAPTURE_BAD, "byte 0: pcapng block of type 168627466 has 16 bytes"},
        {1, 24, 32, CAPTURE_BAD, "byte 24: pcapng block ends with length 32, it began with 28"},
        {1, INTERFACE + 4, 54, CAPTURE_BAD, "byte 32: pcapng block length 54, must be a multiple"},
        {1, INTERFACE + 4, 8, CAPTURE_BAD, "length 8, must be a multiple of 4 and at least 12"},
        {1, INTERFACE + 16, 0xFFF00001, CAPTURE_BAD, "byte 28: pcapng block of type 1 has 68"},
        {1, INTERFACE + 8, 105, CAPTURE_UNSUPPORTED, "interface 0 has link type 105 (IEEE 802.11)"},
        {1, PACKET + 8, 1, CAPTURE_BAD, "byte 96: packet of pcapng interface 1, the section has 1"},
        {1, PACKET + 12, 0x80000000, CAPTURE_BAD, "does not fit the years"},
        {1, PACKET + 20, 262145, CAPTURE_BAD, "byte 96: frame of 262145 bytes, at most 262144"},
        {1, PACKET + 20, 21, CAPTURE_BAD, "byte 96: pcapng block of type 6 has 52 bytes, too few"},
        {1, PACKET + 48, 56, CAPTURE_BAD, "byte 144: pcapng block ends with length 56"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct image m = {0};
        uint32_t records;
        char why[512];
        if (rows[i].ng) {
            put_section(&m);
            put_interface(&m, 1, 0, 3, 0);
            put_packet(&m, 6, 0, 1, frame1, 11, 11);
        } else {
            put_pcap_header(&m, 0xA1B2C3D4, 1);
            put_record(&m, 0, 0, frame1, 11, 11);
        }
        assert_int_equal(read_prefix(&m, m.bytes, &records, why), CAPTURE_END);
        memcpy(m.data + rows[i].at, &rows[i].value, 4);
        const enum capture_status s = read_prefix(&m, m.bytes, &records, why);
        if (s != rows[i].want || strstr(why, rows[i].text) == NULL) {
            fail_msg("row %zu: status %d, \"%s\" lacks \"%s\"", i, (int)s, why, rows[i].text);
        }
    }
}

static void packets_before_the_first_interface_of_their_section_are_refused(void **state)
{
    (void)state;
    for (int second = 0; second < 2; second++) {
        for (uint32_t type = 2; type <= 6; type++) {
            struct image m = {0};
            uint32_t records;
            char why[512];
            put_section(&m);
            if (second) { /* interfaces of an earlier section do not count */
                put_interface(&m, 1, 0, 6, 0);
                put_section(&m);
            }
            if (type == 3) {
                put_simple(&m, frame1, 11, 11);
            } else {
                put_packet(&m, type, 0, 1, frame1, 11, 11);
            }
            const bool skipped = type == 4 || type == 5; /* not packet blocks */
            assert_int_equal(read_prefix(&m, m.bytes, &records, why),
                             skipped ? CAPTURE_END : CAPTURE_BAD);
            assert_true(skipped || strstr(why, "interface 0, the section has 0") != NULL);
        }
    }
}

static void an_empty_or_tiny_file_is_not_a_capture(void **state)
{
    (void)state;
    struct image m = {0};
    put_pcap_header(&m, 0xA1B2C3D4, 1);
    for (size_t bytes = 0; bytes < 4; bytes++) {
        uint32_t records;
        char why[512];
        assert_int_equal(read_prefix(&m, bytes, &records, why), CAPTURE_BAD);
        assert_non_null(strstr(why, "a capture starts with a header of 24"));
    }
}

static void interfaces_beyond_the_limit_are_refused(void **state)
{
    (void)state;
    static uint8_t big[28 + 20 * (CAPTURE_INTERFACES_MAX + 1)];
    struct capture *c;
    struct capture_error err;
    struct capture_record r;
    struct image m = {0};
    put_section(&m);
    memcpy(big, m.data, m.bytes);
    for (size_t i = 0; i <= CAPTURE_INTERFACES_MAX; i++) {
        struct image b = {0};
        put(&b, 1, 4);
        put(&b, 20, 4);
        put(&b, 1, 8);
        put(&b, 20, 4);
        memcpy(big + 28 + 20 * i, b.data, 20);
    }
    assert_int_equal(capture_open_memory(big, sizeof big, "big", &c, &err), CAPTURE_OK);
    assert_int_equal(capture_next(c, &r), CAPTURE_UNSUPPORTED);
    assert_non_null(strstr(capture_why(c), "more than 1024 pcapng interfaces"));
    capture_close(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pcap_gives_the_same_in_both_byte_orders_and_resolutions),
        cmocka_unit_test(pcapng_gives_all_packet_blocks_of_all_interfaces_and_sections),
        cmocka_unit_test(pcapng_times_follow_the_resolution_of_the_interface),
        cmocka_unit_test(raw_and_cooked_frames_become_ethernet_and_parse),
        cmocka_unit_test(cooked_frame_shorter_than_its_header_has_no_bytes),
        cmocka_unit_test(a_file_cut_anywhere_gives_all_whole_records_then_says_so),
        cmocka_unit_test(damage_is_named_with_place_value_and_bound),
        cmocka_unit_test(packets_before_the_first_interface_of_their_section_are_refused),
        cmocka_unit_test(an_empty_or_tiny_file_is_not_a_capture),
        cmocka_unit_test(interfaces_beyond_the_limit_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
