/* vfu_hostile_test.c: the vfio-user server with clients that break the protocol, or come and go. */
#include "tests/vfu_client.h"

/* Each of these ends the connection with a reason, and the next client is served. */
static void bad_clients_end_alone(void **state)
{
    static const struct {
        struct vfu_head h;
        const char *why;
        unsigned fds;
    } rows[] = {
        {{1, VFU_GET_INFO, 8, 0, 0}, "message size", 0},
        {{1, VFU_GET_INFO, 70000, 0, 0}, "message size", 0},
        {{1, VFU_GET_INFO, 20, 1, 0}, "a reply", 0},
        {{1, VFU_GET_INFO, 16, 0, 0}, "shorter than its command", 0},
        {{1, VFU_DMA_MAP, 40, 0, 0}, "shorter than its command", 0},
        {{1, VFU_GET_INFO, 20, 0, 0}, "file descriptors than the command", 1},
        {{1, VFU_DMA_MAP, 48, 0, 0}, "file descriptors than the command", 2},
        {{1, VFU_SET_IRQS, 36, 0, 0}, "more file descriptors than 8", 9},
        {{1, 99, 16, 0, 0}, "a command that takes none", 1},
        {{1, VFU_VERSION, 21, 0, 0}, "a second VERSION", 0},
        {{1, VFU_WRITE, 32 + 5, 0, 0}, "count is not that", 0},
        {{1, VFU_WRITE_MULTI, 16 + 8 + 24, 0, 0}, "more entries than bytes", 0},
    };
    int fds[9];

    (void)state;
    for (unsigned i = 0; i < 9; i++) {
        fds[i] = client;
    }
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t body[64] = {rows[i].h.command == VFU_WRITE_MULTI ? 2 : 0};
        const uint32_t n = rows[i].h.size < 16 || rows[i].h.size > 80 ? 0 : rows[i].h.size - 16;
        const int old = client;
        struct vfu_head h = rows[i].h;
        if (rows[i].fds != 0) {
            send_fds(h.command, 0, body, n, fds, rows[i].fds);
        } else {
            assert_int_equal(send(client, &h, 16, 0), 16);
            assert_int_equal(send(client, body, n, 0), n);
        }
        serve();
        assert_int_equal(seen.gone, i + 1);
        if (strstr(seen.log, rows[i].why) == NULL) {
            fail_msg("row %zu: '%s' does not say '%s'", i, seen.log, rows[i].why);
        }
        close(old);
        client = connect_to(path);
        hello();
        for (unsigned k = 0; k < 9; k++) {
            fds[k] = client;
        }
        assert_int_equal(config_read(0, 2), 0x15ad);
    }
}

static void unknown_commands_are_refused(void **state)
{
    (void)state;
    send_it(14, NULL, 0);
    assert_int_equal(reply(NULL, 0), ENOTSUP);
    send_fds(6, VFU_NO_REPLY, NULL, 0, NULL, 0);
    serve();
    assert_int_equal(reply(NULL, 0), -1);
}

static void bytes_one_by_one(void **state)
{
    const struct {
        struct vfu_head h;
        struct vfu_io io;
    } m = {{77, VFU_READ, 32, 0, 0}, {0, 7, 4}};
    uint32_t value;
    uint8_t b[20];

    (void)state;
    for (size_t i = 0; i < sizeof m; i++) {
        assert_int_equal(send(client, (const char *)&m + i, 1, 0), 1);
        serve();
    }
    next_id = 77;
    assert_int_equal(reply(b, 20), 0);
    memcpy(&value, b + 16, 4);
    assert_int_equal(value, 0x082015ad);
}

static void one_client_at_a_time(void **state)
{
    char c;

    (void)state;
    const int second = connect_to(path);
    assert_int_equal(recv(second, &c, 1, 0), 0);
    assert_non_null(strstr(seen.log, "turned away"));
    close(second);
    assert_int_equal(config_read(0, 2), 0x15ad);
}

static void close_in_the_middle(void **state)
{
    const struct vfu_io io = {.offset = 0, .region = 1, .count = 4};

    (void)state;
    assert_int_equal(config_write(4, 2, 2), 0);
    send_it(VFU_READ, &io, sizeof io);
    close(client);
    serve();
    assert_int_equal(seen.gone, 1);
    vfu_answer(v, 1); /* comes too late */
    client = connect_to(path);
    hello();
    assert_int_equal(config_read(4, 2), 0); /* everything begins anew */
}

static void twenty_devices(void **state)
{
    struct vfu *many[20];
    struct hca_error err;
    char name[20][120];

    (void)state;
    for (int i = 0; i < 20; i++) {
        (void)snprintf(name[i], sizeof name[i], "%s%d", path, i);
        const struct vfu_config c = {.path = name[i], .ops = &ops, .poll = poll_set};
        many[i] = vfu_open(&c, &err);
        assert_non_null(many[i]);
    }
    const int first = client;
    for (int i = 0; i < 20; i++) {
        client = connect_to(name[i]);
        hello();
        assert_int_equal(config_read(0, 2), 0x15ad);
        close(client);
        serve();
    }
    assert_int_equal(seen.connected, 21);
    client = first;
    assert_int_equal(config_read(0, 2), 0x15ad);
    for (int i = 0; i < 20; i++) {
        vfu_close(many[i]);
    }
}

static void sockets_are_private(void **state)
{
    struct hca_error err;
    struct stat s;
    const struct vfu_config again = {.path = path, .ops = &ops, .poll = poll_set};
    const struct vfu_config open_to_all = {
        .path = "/tmp/hcasim-vfu", .ops = &ops, .poll = poll_set};

    (void)state;
    assert_int_equal(stat(path, &s), 0);
    assert_int_equal(s.st_mode & 0777, 0600);
    assert_null(vfu_open(&again, &err));
    assert_non_null(strstr(err.text, "another hcasim"));
    assert_null(vfu_open(&open_to_all, &err));
    assert_non_null(strstr(err.text, "writable by you alone"));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {T(bad_clients_end_alone), T(unknown_commands_are_refused),
                                       T(bytes_one_by_one),      T(one_client_at_a_time),
                                       T(close_in_the_middle),   T(twenty_devices),
                                       T(sockets_are_private)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
