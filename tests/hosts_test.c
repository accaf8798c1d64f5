/* hosts_test.c: the hosts file of hcasim cosim: what it gives, and what is refused by place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sim/cosim/hosts.h"

#include <stdlib.h>
#include <string.h>

static struct hosts *h;
static struct hca_error err;

static bool load(const char *text)
{
    bool host_failed = true;
    const bool good = hosts_load_text(h, "t.yaml", text, strlen(text), &err, &host_failed);

    assert_false(host_failed);
    return good;
}

static void functions_are_numbered_per_adapter(void **state)
{
    (void)state;
    assert_true(
        load("memory: 64M\nhosts:\n"
             "  left:\n    a: {mac: \"52:54:00:00:00:0a\"}\n    b: {adapter: 1}\n    c: {}\n"
             "  right:\n    d: {net: none, hca: /run/x}\n"));
    assert_int_equal(h->hosts, 2);
    assert_int_equal(h->vms, 4);
    assert_int_equal(h->vm[0].mac[5], 0x0a);
    assert_int_equal(h->vm[1].adapter, 1);
    assert_int_equal(h->vm[1].fn, 0);
    assert_int_equal(h->vm[2].fn, 1); /* the second of adapter 0 */
    assert_int_equal(h->vm[2].vm, 2); /* the third of its host   */
    assert_int_equal(h->vm[3].host, 1);
    assert_string_equal(h->vm[2].hca, "c.hca");
    assert_string_equal(h->vm[3].hca, "/run/x");
    assert_string_equal(h->vm[3].net, "");
    assert_true(hosts_fit(h, &err));
    assert_int_equal(h->config.value.host_count, 2);
    assert_int_equal(h->config.value.host_hcas, 2);
    assert_int_equal(h->config.value.host_vms, 3);
    assert_int_equal(h->config.value.hca_fn_max, 2);
    assert_int_equal(h->config.value.host_mem_bytes, 64 << 20);
}

static void parameters_and_uplinks(void **state)
{
    (void)state;
    assert_true(load("config: generic100\nset:\n  link.loss_ppm: 1000\nhosts: {l: {a: {}}}\n"
                     "uplinks:\n  out: {kind: udp, path: 4000, peer: 4001}\n"));
    assert_int_equal(h->config.value.link_loss_ppm, 1000);
    assert_int_equal(h->uplinks, 1);
    assert_int_equal(h->uplink[0].kind, UPLINK_UDP);
    assert_string_equal(h->uplink[0].peer, "4001");
}

static void what_is_wrong_is_named(void **state)
{
    static const struct {
        const char *text, *why;
    } rows[] = {
        {"memory: 1M\nhosts: {l: {a: {}}}\n", "t.yaml:1: memory '1M': 16M to 128G"},
        {"memory: 63M\nhosts: {l: {a: {}}}\n", "in whole 2M blocks"},
        {"memory: 99999999999999999999G\nhosts: {l: {a: {}}}\n", "t.yaml:1: memory"},
        {"hosts: {}\n", "no VM in it"},
        {"host: {}\n", "t.yaml:1: unknown key 'host'"},
        {"hosts:\n  l:\n    a: {mac: 1}\n", "t.yaml:3: mac '1'"},
        {"hosts:\n  l:\n    a: {mac: \"01:00:00:00:00:01\"}\n", "unicast"},
        {"hosts:\n  l:\n    a: {}\n  r:\n    a: {}\n", "VM a has the name of VM a"},
        {"hosts:\n  l:\n    a: {mac: \"52:54:00:00:00:0a\"}\n    b: {mac: \"52:54:00:00:00:0a\"}\n",
         "VM b has the mac of VM a"},
        {"hosts:\n  l: {a: {}}\n  l: {b: {}}\n", "t.yaml:3: host l is given again"},
        {"hosts:\n  l:\n    a/b: {}\n", "letters, digits"},
        {"hosts:\n  l:\n    a: {adapter: 8}\n", "adapter '8': 0 to 7"},
        {"hosts:\n  l:\n    a: {hca: x, hca: y}\n", "hca is given twice"},
        {"hosts: {l: {a: {}}}\nuplinks: {u: {kind: wire}}\n", "kind 'wire'"},
        {"hosts: {l: {a: {}}}\nuplinks: {u: {kind: udp, path: 1}}\n", "peer is missing"},
        {"hosts: {l: {a: {}}}\nset: {no.such: 1}\n", "t.yaml:2: "},
        {"set: {hca.qp_max: 5}\nconfig: generic100\nhosts: {l: {a: {}}}\n", "above set"},
        {"hosts: [1]\n", "hosts must hold a mapping"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_false(load(rows[i].text));
        if (strstr(err.text, rows[i].why) == NULL) {
            fail_msg("row %zu: '%s' does not say '%s'", i, err.text, rows[i].why);
        }
    }
}

static void a_value_against_the_file_is_refused(void **state)
{
    (void)state;
    assert_true(load("set: {host.count: 3}\nhosts: {l: {a: {}}}\n"));
    assert_false(hosts_fit(h, &err));
    assert_non_null(strstr(err.text, "host.count is 3, hosts and VMs of the file make it 1"));
}

static void many_vms_are_bounded(void **state)
{
    char *const text = calloc(HOSTS_VMS_MAX + 2, 64);
    size_t n = (size_t)sprintf(text, "hosts:\n  l:\n");

    (void)state;
    for (int i = 0; i <= HOSTS_VMS_MAX; i++) {
        n += (size_t)sprintf(text + n, "    v%d: {}\n", i);
    }
    assert_false(load(text));
    assert_non_null(strstr(err.text, "at most 256"));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(functions_are_numbered_per_adapter),
        cmocka_unit_test(parameters_and_uplinks),
        cmocka_unit_test(what_is_wrong_is_named),
        cmocka_unit_test(a_value_against_the_file_is_refused),
        cmocka_unit_test(many_vms_are_bounded),
    };

    h = calloc(1, sizeof *h);
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    free(h);
    return failed;
}
