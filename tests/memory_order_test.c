/* memory order: what becomes visible when, per stream, and what reads see. */
#include "tests/memory_drive.h"

/* The older write misses (no DDIO: DRAM both), so latency differs by the socket of its memory. */
static void posted_writes_become_visible_in_order_unless_relaxed(void **state)
{
    (void)state;
    for (unsigned relaxed = 0; relaxed < 2; relaxed++) {
        struct hca_param p = plain();
        p.host_socket = HCA_HOST_SOCKET_REMOTE;
        struct host *const h = fresh(&p);
        const uint64_t local = host_hyp_take(h, 4096, 4096);

        write_value(h, (struct tlp){.addr = MEM_RAM}, 1);                                  /* 177 */
        write_value(h, (struct tlp){.addr = local, .attr = relaxed ? TLP_ATTR_RO : 0}, 2); /* 70 */
        drive(h, 120);
        assert_int_equal(value_at(h, local), relaxed ? 2 : 0);
        assert_int_equal(value_at(h, MEM_RAM), 0);
        drive(h, 100);
        assert_int_equal(value_at(h, local), 2);
        assert_int_equal(value_at(h, MEM_RAM), 1);
        host_close(h);
    }
}

static void a_read_is_served_after_older_writes_of_its_stream(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < 4; kind++) { /* same, other adapter, other function, with IDO */
        struct hca_param p = plain();
        p.host_hcas = 2;
        p.pcie_ido = kind == 3;
        struct host *const h = fresh(&p);
        struct tlp q = read_of(MEM_RAM + 64, 8), m;

        q.hca = kind == 1;
        q.rid = kind >= 2 ? 0x105 : 0x100;
        write_value(h, (struct tlp){.addr = MEM_RAM, .rid = 0x100}, 1);
        ask(h, &q);
        const uint64_t arrival = drive_now(h) + 1;
        DRIVE_UNTIL(h, mem_done, 1000);
        const bool waits = kind == 0 || kind == 2;
        assert_int_equal(drive_now(h), waits ? arrival - 1 + 70 + 70 : arrival + 70);
        drive(h, 1);
        assert_true(DRIVE_TAKE(h, mem_done, &m));
        host_close(h);
    }
}

static void interrupts_follow_all_older_writes(void **state)
{
    (void)state;
    const struct hca_param p = plain();
    struct host *const h = fresh(&p);
    struct irq q;
    const struct tlp m = {.type = TLP_MSI,
                          .addr = HOST_MSI_BASE + 16,
                          .value = 0x4021,
                          .rid = 0x103,
                          .slot = NO_SLOT};

    write_value(h, (struct tlp){.addr = MEM_RAM, .attr = TLP_ATTR_RO}, 1);
    const uint64_t arrival = drive_now(h) + 1;
    ask(h, &m);
    drive(h, arrival + 69 - drive_now(h));
    assert_true(DRIVE_AT(h, irq) > drive_now(h));
    drive(h, 1);
    assert_int_equal(value_at(h, MEM_RAM), 1);
    assert_true(DRIVE_TAKE(h, irq, &q));
    assert_true(q.addr == HOST_MSI_BASE + 16 && q.data == 0x4021 && q.rid == 0x103);
    /* a table entry that names memory is an ordinary 4-byte write */
    const struct tlp stray = {.type = TLP_MSI, .addr = MEM_RAM + 8, .value = 0x55, .slot = NO_SLOT};
    ask(h, &stray);
    drive(h, 10);
    assert_false(DRIVE_TAKE(h, irq, &q));
    assert_int_equal(value_at(h, MEM_RAM + 8), 0x55);
    host_close(h);
}

/* Two writes or a write and a read, any number of cycles apart. */
static void order_holds_at_every_distance(void **state)
{
    (void)state;
    for (unsigned gap = 0; gap < 190; gap++) {
        struct hca_param p = plain();
        p.host_socket = HCA_HOST_SOCKET_REMOTE;
        struct host *const h = fresh(&p);
        const uint64_t local = host_hyp_take(h, 4096, 4096);
        const struct tlp q = read_of(local, 8);

        write_value(h, (struct tlp){.addr = MEM_RAM}, 1); /* 177 */
        const uint64_t visible = drive_now(h) + 1 + 177;
        drive(h, gap);
        write_value(h, (struct tlp){.addr = local}, 2); /* 70 */
        ask(h, &q);
        const uint64_t arrival = drive_now(h) + 1;
        for (bool done = false; !done; drive(h, 1)) {
            done = value_at(h, local) == 2;
            assert_true(!done || value_at(h, MEM_RAM) == 1);
        }
        DRIVE_UNTIL(h, mem_done, 1000);
        const uint64_t second = arrival - 1 + 70, from = second > visible ? second : visible;
        assert_int_equal(drive_now(h), (from > arrival ? from : arrival) + 70);
        host_close(h);
    }
}

static void a_read_starts_in_the_cycle_in_which_the_older_write_is_visible(void **state)
{
    (void)state;
    for (unsigned gap = 0; gap < 80; gap++) {
        const struct hca_param p = plain();
        struct host *const h = fresh(&p);
        const struct tlp q = read_of(MEM_RAM + 512, 8);

        write_value(h, (struct tlp){.addr = MEM_RAM}, 1);
        const uint64_t visible = drive_now(h) + 1 + 70;
        drive(h, gap);
        ask(h, &q);
        const uint64_t arrival = drive_now(h) + 1;
        DRIVE_UNTIL(h, mem_done, 1000);
        assert_int_equal(drive_now(h), (arrival > visible ? arrival : visible) + 70);
        host_close(h);
    }
}

/* Interrupts need no server, so they fill the table of operations behind a slow write. A write of
 * another stream ends before: its place in the table must be used at once. */
static void a_flood_of_interrupts_behind_slow_writes_loses_none(void **state)
{
    (void)state;
    struct hca_param p = plain();
    struct irq q;
    uint32_t sent = 0, got[2] = {0, 0};

    p.host_mem_parallelism = 2;
    p.host_llc_hit_ns = p.host_dram_ns = 300;
    p.host_socket = HCA_HOST_SOCKET_REMOTE;
    p.host_remote_socket_ns = 150;
    p.host_hcas = 2;
    struct host *const h = fresh(&p);
    const uint64_t written[2] = {host_hyp_take(h, 4096, 4096), MEM_RAM};
    write_value(h, (struct tlp){.addr = written[0]}, 1);
    write_value(h, (struct tlp){.addr = written[1], .hca = 1}, 1);
    for (unsigned n = 0; n < 20000 && got[0] + got[1] < 200; n++) {
        const uint8_t hca = 1;
        const struct tlp m = {.type = TLP_MSI,
                              .addr = HOST_MSI_BASE,
                              .value = sent,
                              .hca = hca,
                              .rid = hca,
                              .slot = NO_SLOT};
        h->y.t.now = h->y.k.now;
        if (sent < 200 && READY(&h->y.t, &h->mem_io)) {
            ask(h, &m);
            sent++;
        }
        drive(h, 1);
        if (DRIVE_TAKE(h, irq, &q)) {
            assert_int_equal(q.data, got[q.rid]++);
            assert_int_equal(value_at(h, written[q.rid]), 1);
        }
    }
    assert_true(got[0] == 0 && got[1] == 200);
    host_close(h);
}

static void a_status_write_is_last_of_all_that_came_before(void **state)
{
    (void)state;
    struct hca_param p = plain();
    p.host_hcas = 4;
    p.host_socket = HCA_HOST_SOCKET_REMOTE;
    struct host *const h = fresh(&p);
    const uint64_t status = host_hyp_take(h, 4096, 4096);

    for (uint8_t i = 0; i < 4; i++) {
        write_value(h, (struct tlp){.addr = MEM_RAM + i * 64U, .hca = i}, 1);
    }
    const struct tlp m = {.type = TLP_SYNC, .addr = status, .value = 77, .slot = NO_SLOT};
    ask(h, &m);
    for (unsigned i = 0; i < 400; i++) {
        drive(h, 1);
        if (value_at(h, status) == 77) {
            for (unsigned w = 0; w < 4; w++) {
                assert_int_equal(value_at(h, MEM_RAM + w * 64), 1);
            }
        }
    }
    assert_int_equal(value_at(h, status), 77);
    host_close(h);
}

/* Reads and writes of several adapters, stalling sinks. Cells hold versions: a read may not miss a
 * write that is older; a younger one may pass it. */
static void a_read_never_misses_an_older_write_under_random_traffic(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        struct hca_param p = plain();
        p.host_hcas = 2;
        p.host_mem_parallelism = 1 + seed * 3;
        p.host_buffer_state = seed & 1;
        p.host_llc_bytes = 65536;
        struct host *const h = fresh(&p);
        static uint8_t sink[2][SINK_BYTES];
        static uint64_t want[2][4096], shadow[2][256];
        uint64_t r = seed;
        uint32_t asked = 0, got = 0;

        memset(shadow, 0, sizeof shadow);
        host_attach(h, 0, sink[0]);
        host_attach(h, 1, sink[1]);
        for (unsigned n = 0; n < 30000 || got < asked; n++) {
            const uint8_t hca = (uint8_t)drive_below(&r, 2);
            const uint64_t cell = drive_below(&r, 256), addr = MEM_RAM + hca * 65536U + cell * 8;
            struct tlp m;
            h->y.t.now = h->y.k.now;
            const bool room = READY(&h->y.t, &h->mem_io) && n < 20000;
            if (room && drive_below(&r, 3) == 0) {
                shadow[hca][cell]++;
                write_value(h, (struct tlp){.addr = addr, .hca = hca}, shadow[hca][cell]);
            } else if (room && drive_below(&r, 2) == 0 && asked - got < 1000) {
                struct tlp q = read_of(addr, 8);
                q.hca = hca;
                q.tag = (uint16_t)(asked++ % 4096);
                q.data = q.tag * 8U;
                q.value = cell;
                want[hca][q.tag] = shadow[hca][cell];
                ask(h, &q);
            }
            drive(h, 1);
            if (drive_below(&r, 3) != 0 && DRIVE_TAKE(h, mem_done, &m)) {
                uint64_t v;
                memcpy(&v, sink[m.hca] + m.tag * 8, 8);
                assert_true(v >= want[m.hca][m.tag] && v <= shadow[m.hca][m.value]);
                got++;
            }
            assert_true(n < 100000);
        }
        assert_true(asked > 300);
        for (uint8_t hca = 0; hca < 2; hca++) {
            for (uint64_t c = 0; c < 256; c++) {
                assert_true(value_at(h, MEM_RAM + hca * 65536U + c * 8) == shadow[hca][c]);
            }
        }
        assert_int_equal(h->store.rx_pool.free, h->store.rx_pool.n);
        host_close(h);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(posted_writes_become_visible_in_order_unless_relaxed),
        cmocka_unit_test(a_read_is_served_after_older_writes_of_its_stream),
        cmocka_unit_test(interrupts_follow_all_older_writes),
        cmocka_unit_test(a_read_starts_in_the_cycle_in_which_the_older_write_is_visible),
        cmocka_unit_test(order_holds_at_every_distance),
        cmocka_unit_test(a_flood_of_interrupts_behind_slow_writes_loses_none),
        cmocka_unit_test(a_status_write_is_last_of_all_that_came_before),
        cmocka_unit_test(a_read_never_misses_an_older_write_under_random_traffic),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
