/* Captures as files: the shipped recordings, gzip, the writer, and what the system refuses. */
#include "model/packet/headers.h"
#include "traces/pcap.h"

#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <zlib.h>

static char folder[] = HCA_TMP_DIR "/hcasim-pcap-XXXXXX";

/* Path of a file in the folder of this run; two at a time. */
static const char *in_folder(const char *name)
{
    static char path[2][512];
    static int turn;
    turn ^= 1;
    snprintf(path[turn], sizeof path[turn], "%s/%s", folder, name);
    return path[turn];
}

static int set_up(void **state)
{
    (void)state;
    return mkdtemp(folder) == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
    (void)state;
    static const char *const names[] = {"a.pcap", "b.pcap", "cut.gz", "whole.gz"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        unlink(in_folder(names[i]));
    }
    return rmdir(folder); /* fails when a test left a file behind */
}

static int temporary_files(void)
{
    int n = 0;
    DIR *d = opendir(folder);
    assert_non_null(d);
    for (const struct dirent *e; (e = readdir(d)) != NULL;) {
        n += strstr(e->d_name, ".tmp") != NULL;
    }
    closedir(d);
    return n;
}

static struct capture *opened(const char *path)
{
    struct capture *c;
    struct capture_error err;
    if (capture_open(path, &c, &err) != CAPTURE_OK) {
        fail_msg("%s", err.text);
    }
    return c;
}

/* Frames of a recording whose CRCs must all be right, by result of the parser. */
static void count_frames(const char *name, uint32_t counts[PKT_RESULTS])
{
    char path[512];
    struct capture_record r;
    enum capture_status s;
    snprintf(path, sizeof path, "%s/%s", HCA_SOURCE_DIR, name);
    struct capture *c = opened(path);
    while ((s = capture_next(c, &r)) == CAPTURE_OK) {
        const bool ib = r.link_type == CAPTURE_INFINIBAND;
        struct pkt_hdr h;
        struct pkt_view v;
        const enum pkt_result result = pkt_parse_captured(
            r.data, r.caplen, r.wirelen, ib ? PKT_LINK_INFINIBAND : PKT_LINK_ETHERNET, &h, &v);
        counts[result]++;
        if ((result == PKT_OK || result == PKT_CNP) &&
            (!pkt_icrc_ok(r.data, &v) || (ib && !pkt_vcrc_ok(r.data, &v)))) {
            fail_msg("%s: frame %u: bad ICRC or VCRC", name, (unsigned)r.number);
        }
    }
    assert_int_equal(s, CAPTURE_END);
    capture_close(c);
}

static void every_frame_of_the_shipped_captures_has_right_crcs(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint32_t ok, cnp, pfc, other;
    } files[] = {
        {"tests/data/pcap/vec.pcap", 5, 1, 0, 0},
        {"tests/data/pcap/rxe.pcap", 44, 0, 0, 0},
        {"tests/data/pcap/ib.pcap", 3, 0, 0, 0},
        {"tests/data/pcap/pfc.pcap", 0, 0, 1, 0},
        {"traces/captures/softroce-perftest.pcap.gz", 7152, 0, 0, 0},
    };
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        uint32_t counts[PKT_RESULTS] = {0};
        count_frames(files[i].name, counts);
        assert_int_equal(counts[PKT_OK], files[i].ok);
        assert_int_equal(counts[PKT_CNP], files[i].cnp);
        assert_int_equal(counts[PKT_PFC], files[i].pfc);
        for (int r = PKT_NOT_RDMA + 1; r < PKT_RESULTS; r++) {
            assert_int_equal(counts[r], 0);
        }
    }
}

/* Three records: a whole one, a cut one, an empty one. */
static void write_three(const char *path, uint16_t link_type)
{
    static const uint8_t data[300] = {1, 2, 3, [299] = 9};
    struct capture_writer *w;
    struct capture_error err;
    assert_int_equal(capture_writer_open(path, link_type, &w, &err), CAPTURE_OK);
    capture_write(w, 1700000000123456789, data, 300, 300);
    capture_write(w, 1700000000123456790, data, 60, 4200);
    capture_write(w, 4294967295999999999, data, 0, 64);
    assert_int_equal(capture_writer_frames(w), 3);
    assert_int_equal(access(path, F_OK), -1); /* not before it is whole */
    assert_int_equal(capture_writer_close(w, &err), CAPTURE_OK);
}

static void what_was_written_is_read_back(void **state)
{
    (void)state;
    static const uint16_t links[] = {CAPTURE_ETHERNET, CAPTURE_INFINIBAND};
    for (size_t i = 0; i < 2; i++) {
        const char *path = in_folder("a.pcap");
        struct capture_record r;
        unlink(path);
        write_three(path, links[i]);
        struct capture *c = opened(path);
        assert_int_equal(capture_next(c, &r), CAPTURE_OK);
        assert_true(r.time_ns == 1700000000123456789 && r.caplen == 300 && r.wirelen == 300);
        assert_true(r.data[2] == 3 && r.data[299] == 9 && r.link_type == links[i]);
        assert_int_equal(capture_next(c, &r), CAPTURE_OK);
        assert_true(r.time_ns == 1700000000123456790 && r.caplen == 60 && r.wirelen == 4200);
        assert_int_equal(capture_next(c, &r), CAPTURE_OK);
        assert_true(r.time_ns == 4294967295999999999 && r.caplen == 0 && r.wirelen == 64);
        assert_int_equal(capture_next(c, &r), CAPTURE_END);
        capture_close(c);
    }
}

static void an_aborted_writer_leaves_no_file(void **state)
{
    (void)state;
    struct capture_writer *w;
    struct capture_error err;
    assert_int_equal(capture_writer_open(in_folder("b.pcap"), CAPTURE_ETHERNET, &w, &err),
                     CAPTURE_OK);
    capture_write(w, 0, (const uint8_t *)"abcd", 4, 4);
    capture_writer_abort(w);
    capture_writer_abort(NULL);
    assert_int_equal(access(in_folder("b.pcap"), F_OK), -1);
    assert_int_equal(temporary_files(), 0);
}

static void a_full_disk_is_told_at_close_and_leaves_no_file(void **state)
{
    (void)state;
    static const uint8_t data[1000] = {0};
    const struct rlimit limit = {.rlim_cur = 300000, .rlim_max = RLIM_INFINITY};
    const struct rlimit none = {.rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY};
    struct capture_writer *w;
    struct capture_error err;
    signal(SIGXFSZ, SIG_IGN); /* write then fails with EFBIG, as it would with ENOSPC */
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    assert_int_equal(capture_writer_open(in_folder("b.pcap"), CAPTURE_ETHERNET, &w, &err),
                     CAPTURE_OK);
    for (int i = 0; i < 1000; i++) {
        capture_write(w, 0, data, sizeof data, sizeof data);
    }
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0); /* what is lost stays lost */
    assert_int_equal(capture_writer_close(w, &err), CAPTURE_HOST);
    assert_non_null(strstr(err.text, "cannot write"));
    assert_non_null(strstr(err.text, strerror(EFBIG)));
    assert_int_equal(temporary_files(), 0);
    assert_int_equal(access(in_folder("b.pcap"), F_OK), -1);
}

static void what_the_system_refuses_is_a_host_error_with_the_path(void **state)
{
    (void)state;
    struct capture *c;
    struct capture_writer *w;
    struct capture_error err;
    assert_int_equal(capture_open(in_folder("absent.pcap"), &c, &err), CAPTURE_HOST);
    assert_null(c);
    assert_non_null(strstr(err.text, "absent.pcap: cannot open: No such file"));
    assert_int_equal(capture_open(folder, &c, &err), CAPTURE_HOST);
    assert_non_null(strstr(err.text, "directory"));
    assert_int_equal(capture_writer_open(in_folder("absent/x.pcap"), CAPTURE_ETHERNET, &w, &err),
                     CAPTURE_HOST);
    assert_non_null(strstr(err.text, "cannot create: No such file"));
    assert_int_equal(mkdir(in_folder("taken"), 0700), 0);
    assert_int_equal(capture_writer_open(in_folder("taken"), CAPTURE_ETHERNET, &w, &err),
                     CAPTURE_OK);
    assert_int_equal(temporary_files(), 1);
    assert_int_equal(capture_writer_close(w, &err), CAPTURE_HOST); /* the name is a folder */
    assert_non_null(strstr(err.text, "cannot rename"));
    assert_int_equal(temporary_files(), 0);
    assert_int_equal(rmdir(in_folder("taken")), 0);
}

/* Writes the bytes of a.pcap through gzip; returns the compressed bytes. */
static size_t gzip_copy(uint8_t *out, size_t room)
{
    uint8_t plain[1024];
    FILE *f = fopen(in_folder("a.pcap"), "rb");
    const size_t bytes = fread(plain, 1, sizeof plain, f);
    fclose(f);
    gzFile gz = gzopen(in_folder("whole.gz"), "wb");
    assert_int_equal(gzwrite(gz, plain, (unsigned)bytes), (int)bytes);
    gzclose(gz);
    f = fopen(in_folder("whole.gz"), "rb");
    const size_t packed = fread(out, 1, room, f);
    fclose(f);
    return packed;
}

static void write_file(const char *name, const uint8_t *p, size_t bytes)
{
    FILE *f = fopen(in_folder(name), "wb");
    assert_int_equal(fwrite(p, 1, bytes, f), bytes);
    fclose(f);
}

static enum capture_status read_all(const char *path, uint32_t *records, char why[512])
{
    struct capture *c;
    struct capture_error err;
    struct capture_record r;
    *records = 0;
    enum capture_status s = capture_open(path, &c, &err);
    if (s != CAPTURE_OK) {
        strcpy(why, err.text);
        return s;
    }
    while ((s = capture_next(c, &r)) == CAPTURE_OK) {
        ++*records;
    }
    strcpy(why, capture_why(c));
    capture_close(c);
    return s;
}

static void a_gzip_file_reads_like_the_plain_one(void **state)
{
    (void)state;
    uint8_t packed[1024];
    uint32_t records;
    char why[512];
    unlink(in_folder("a.pcap"));
    write_three(in_folder("a.pcap"), CAPTURE_ETHERNET);
    gzip_copy(packed, sizeof packed);
    assert_int_equal(read_all(in_folder("whole.gz"), &records, why), CAPTURE_END);
    assert_int_equal(records, 3);
}

static void a_gzip_file_cut_anywhere_is_never_taken_for_whole(void **state)
{
    (void)state;
    uint8_t packed[1024];
    uint32_t most = 0;
    char why[512];
    const size_t bytes = gzip_copy(packed, sizeof packed);
    for (size_t cut = 10; cut < bytes; cut++) {
        uint32_t records;
        write_file("cut.gz", packed, cut);
        assert_int_equal(read_all(in_folder("cut.gz"), &records, why), CAPTURE_TRUNCATED);
        assert_non_null(strstr(why, "ends early"));
        most = records > most ? records : most;
    }
    assert_int_equal(most, 3); /* only the check sum was missing */
}

static void a_damaged_gzip_file_is_told_apart_from_a_cut_one(void **state)
{
    (void)state;
    uint8_t packed[1024];
    uint32_t records;
    char why[512];
    const size_t bytes = gzip_copy(packed, sizeof packed);
    packed[bytes - 5] ^= 1; /* check sum */
    write_file("cut.gz", packed, bytes);
    assert_int_equal(read_all(in_folder("cut.gz"), &records, why), CAPTURE_BAD);
    assert_non_null(strstr(why, "compressed data is damaged"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_frame_of_the_shipped_captures_has_right_crcs),
        cmocka_unit_test(what_was_written_is_read_back),
        cmocka_unit_test(an_aborted_writer_leaves_no_file),
        cmocka_unit_test(a_full_disk_is_told_at_close_and_leaves_no_file),
        cmocka_unit_test(what_the_system_refuses_is_a_host_error_with_the_path),
        cmocka_unit_test(a_gzip_file_reads_like_the_plain_one),
        cmocka_unit_test(a_gzip_file_cut_anywhere_is_never_taken_for_whole),
        cmocka_unit_test(a_damaged_gzip_file_is_told_apart_from_a_cut_one),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
