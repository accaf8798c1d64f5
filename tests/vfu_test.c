/* vfu_test.c: the vfio-user server with a client that behaves as QEMU does. */
#include "tests/vfu_client.h"

static void start_up_in_qemus_order(void **state)
{
    struct vfu_region_info r = {.argsz = 32};
    struct vfu_irq_info q = {.argsz = 16, .index = 2};
    uint32_t info[4] = {16};
    static const uint64_t sizes[9] = {16384, 4096, 2 << 20, 0, 0, 0, 0, 256, 0};

    (void)state;
    assert_int_equal(map_it(0, 4096, &client), 0);
    send_it(VFU_GET_INFO, info, sizeof info);
    assert_int_equal(reply(info, sizeof info), 0);
    assert_int_equal(info[1], 3);
    assert_int_equal(info[2], 9);
    for (uint32_t i = 0; i < 9; i++) {
        r.index = i;
        send_it(VFU_GET_REGION, &r, sizeof r);
        struct vfu_region_info out;
        assert_int_equal(reply(&out, sizeof out), 0);
        assert_int_equal(out.size, sizes[i]);
        assert_int_equal(out.flags, sizes[i] != 0 ? 3 : 0);
    }
    r.index = 9;
    send_it(VFU_GET_REGION, &r, sizeof r);
    assert_int_equal(reply(NULL, 0), EINVAL);
    send_it(VFU_GET_IRQ, &q, sizeof q);
    assert_int_equal(reply(&q, sizeof q), 0);
    assert_int_equal(q.count, 3);
    assert_int_equal(config_read(0, 4), 0x082015ad);
    assert_int_equal(config_read(6, 2) & 0x10, 0x10);
    assert_int_equal(config_read(0x34, 1), 0x40);
    assert_int_equal(config_read(0x40, 1), 0x11);
    assert_int_equal(config_read(0x42, 2), 2);
    assert_int_equal(config_read(0x48, 4), 0x2000);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(config_write(0x10 + 4 * i, 4, 0xffffffff), 0);
        assert_int_equal(config_read(0x10 + 4 * i, 4), ~(pci_fn_bar_bytes[i] - 1));
    }
    assert_int_equal(config_write(0, 4, 0), 0); /* read-only */
    assert_int_equal(config_read(0, 4), 0x082015ad);
}

static void accesses_wait_for_their_answer(void **state)
{
    struct vfu_io io = {.offset = 0x14, .region = 1, .count = 4};
    uint8_t b[24];

    (void)state;
    send_it(VFU_READ, &io, sizeof io);
    assert_int_equal(reply(b, 20), 0); /* memory space is off: all ones, nobody asked */
    assert_int_equal(b[16] & b[19], 0xff);
    assert_int_equal(seen.accesses, 0);
    assert_int_equal(config_write(4, 2, 6), 0);
    assert_true(seen.master);
    send_it(VFU_READ, &io, sizeof io);
    assert_int_equal(seen.accesses, 1);
    assert_int_equal(reply(b, 20), -1);
    const uint16_t id = next_id;
    send_it(VFU_READ, &io, sizeof io); /* waits behind it */
    assert_int_equal(seen.accesses, 1);
    next_id = id;
    vfu_answer(v, 0x11223344);
    assert_int_equal(reply(b, 20), 0);
    assert_int_equal(b[16], 0x44);
    assert_int_equal(seen.accesses, 2);
    next_id++;
    vfu_answer(v, 5);
    assert_int_equal(reply(b, 20), 0);
    assert_int_equal(b[16], 5);
    vfu_answer(v, 6); /* nothing waits */
    assert_int_equal(reply(b, 20), -1);
}

static void odd_accesses_are_as_on_hardware(void **state)
{
    static const struct {
        uint64_t offset;
        uint32_t region, count;
        int error;
    } rows[] = {{4096, 1, 4, 0},
                {4094, 1, 4, 0},
                {UINT64_MAX, 1, 4, 0},
                {0, 1, 9, EINVAL},
                {0, 9, 4, EINVAL},
                {0, 3, 4, 0},
                {0, 7, 257, EINVAL},
                {255, 7, 2, 0},
                {0, 1, 0, 0},
                {0, UINT32_MAX, 4, EINVAL},
                {0, 1, UINT32_MAX, EINVAL}};
    uint8_t b[16];

    (void)state;
    assert_int_equal(config_write(4, 2, 2), 0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct vfu_io io = {rows[i].offset, rows[i].region, rows[i].count};
        send_it(VFU_READ, &io, sizeof io);
        assert_int_equal(reply(b, rows[i].error == 0 ? 16 : 0), rows[i].error);
        assert_int_equal(seen.accesses, 0);
    }
}

static void posted_writes_have_no_reply(void **state)
{
    uint8_t b[8 + 2 * 24] = {2};
    const struct vfu_io io = {.offset = 0, .region = 2, .count = 4};

    (void)state;
    assert_int_equal(config_write(4, 2, 2), 0);
    memcpy(b + 8, &io, 16);
    memcpy(b + 32, &io, 16);
    send_fds(VFU_WRITE_MULTI, VFU_NO_REPLY, b, sizeof b, NULL, 0);
    serve();
    assert_int_equal(seen.accesses, 1);
    vfu_answer(v, 0);
    assert_int_equal(seen.accesses, 2); /* the second only after the first */
    vfu_answer(v, 0);
    assert_int_equal(reply(b, 0), -1);
    assert_int_equal(config_read(0, 2), 0x15ad);
}

static void maps_are_checked(void **state)
{
    (void)state;
    assert_int_equal(map_it(0x1000, 0x3000, &client), 0);
    assert_true(seen.fd_given >= 0);
    assert_int_equal(map_it(0x3000, 0x1000, NULL), EEXIST);
    assert_int_equal(map_it(0x10000, 0x1001, NULL), EINVAL);
    assert_int_equal(map_it(0x10001, 0x1000, NULL), EINVAL);
    assert_int_equal(map_it(0x10000, 0, NULL), EINVAL);
    assert_int_equal(map_it(UINT64_MAX - 0xfff, 0x2000, NULL), EINVAL);
    assert_int_equal(map_it(0x100000, 0x1000, NULL), ENOMEM); /* the owner refuses */
    assert_int_equal(map_it(0x8000, 0x1000, NULL), 0);
    assert_int_equal(unmap_it(0x2000, 0x1000), EINVAL); /* cuts a map */
    assert_int_equal(seen.unmaps, 0);
    assert_int_equal(unmap_it(0, 0x10000), 0);
    assert_int_equal(seen.unmaps, 2);
    assert_int_equal(unmap_it(0, 0x10000), 0);
    for (uint64_t i = 0; i < VFU_MAPS_MAX; i++) {
        assert_int_equal(map_it((i + 1024) << 12, 0x1000, NULL), 0);
    }
    assert_int_equal(map_it(0, 0x1000, NULL), ENOSPC);
}

static void interrupts_reach_their_eventfd(void **state)
{
    struct vfu_set_irqs s = {.argsz = 20, .flags = 0x24, .index = 2, .start = 0, .count = 1};
    const int fd = eventfd(0, EFD_NONBLOCK);
    uint64_t n = 0;

    (void)state;
    send_it(VFU_SET_IRQS, &s, sizeof s); /* MSI-X on, vector 0 without eventfd */
    assert_int_equal(reply(NULL, 0), 0);
    vfu_irq(v, 0);
    s.start = 2;
    send_fds(VFU_SET_IRQS, 0, &s, sizeof s, &fd, 1);
    serve();
    assert_int_equal(reply(NULL, 0), 0);
    vfu_irq(v, 2);
    assert_int_equal(read(fd, &n, 8), 8);
    assert_int_equal(n, 1);
    s.start = 3;
    send_fds(VFU_SET_IRQS, 0, &s, sizeof s, &fd, 1);
    serve();
    assert_int_equal(reply(NULL, 0), EINVAL);
    s = (struct vfu_set_irqs){.argsz = 20, .flags = 0x21, .index = 2};
    send_it(VFU_SET_IRQS, &s, sizeof s);
    assert_int_equal(reply(NULL, 0), 0);
    vfu_irq(v, 2);
    assert_int_equal(read(fd, &n, 8), -1);
    assert_int_equal(vfu_figures(v)->interrupts, 1);
    assert_int_equal(vfu_figures(v)->interrupts_lost, 2);
    close(fd);
}

static void resets_wait_too(void **state)
{
    (void)state;
    assert_int_equal(config_write(4, 2, 6), 0);
    send_it(VFU_RESET, NULL, 0);
    assert_int_equal(seen.resets, 1);
    assert_false(seen.master);
    assert_int_equal(reply(NULL, 0), -1);
    vfu_reset_done(v);
    assert_int_equal(reply(NULL, 0), 0);
    assert_int_equal(config_write(0x54, 2, 3), 0); /* D3hot */
    assert_int_equal(config_read(0x54, 2), 3);
    assert_int_equal(config_write(0x54, 2, 0), -1); /* back: resets first */
    assert_int_equal(seen.resets, 2);
    vfu_reset_done(v);
    uint8_t b[16];
    assert_int_equal(reply(b, 16), 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {T(start_up_in_qemus_order),
                                       T(accesses_wait_for_their_answer),
                                       T(odd_accesses_are_as_on_hardware),
                                       T(posted_writes_have_no_reply),
                                       T(maps_are_checked),
                                       T(interrupts_reach_their_eventfd),
                                       T(resets_wait_too)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
