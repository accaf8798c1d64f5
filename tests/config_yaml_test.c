/* Configuration files: what is accepted, and each kind of refusal with its exact message. */
#include "sim/config/yaml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define LENGTH(a) (sizeof(a) / sizeof *(a))
#define SEE       "; see docs/reference/params.md#"

/* Presets of the tests: base, one on top of it, a broken one, and two that extend each other. */
static const char base[] = "hca:\n  qp_max: 100\n  cq_max: 200\n"
                           "sources:\n  hca.qp_max: \"MEASURED: a log\"\n";
static const char upper[] = "extends: base\nabout: one on top\nhca:\n  cq_max: 300\n";
static const char broken[] = "about: x\nhca:\n  qp_max: 0\n";
static const char ping[] = "extends: pong\n";
static const char pong[] = "extends: ping\n";
static const struct preset rows[] = {
    {"base", base, sizeof base - 1},    {"broken", broken, sizeof broken - 1},
    {"ping", ping, sizeof ping - 1},    {"pong", pong, sizeof pong - 1},
    {"upper", upper, sizeof upper - 1},
};
static const struct preset_table presets = {rows, LENGTH(rows)};

static struct hca_config config;
static struct hca_error err;

static int fresh(void **state)
{
    (void)state;
    hca_config_default(&config);
    memset(&err, 0, sizeof err);
    return 0;
}

static const char *load_bytes(const char *text, size_t size)
{
    const enum config_result result =
        config_load_text(&config, "lab.yaml", text, size, &presets, NULL, &err);
    assert_int_not_equal(result, CONFIG_HOST);
    return result == CONFIG_OK ? "" : err.text;
}

static const char *load(const char *text)
{
    return load_bytes(text, strlen(text));
}

static void groups_and_dotted_keys_set_values_with_file_and_line(void **state)
{
    (void)state;
    assert_string_equal(load("# lab\nhca:\n  qp_max: 0x10\n  relaxed_ordering: true\n"
                             "port: {wire: ib, mtu_bytes: 2048}\npcie.gen: 2\n"
                             "port.ip: 6\n\"iommu\":\n  mode: 'pass'\n"),
                        "");
    assert_int_equal(config.value.hca_qp_max, 16);
    assert_int_equal(config.value.hca_relaxed_ordering, 1);
    assert_int_equal(config.value.port_wire, HCA_PORT_WIRE_IB);
    assert_int_equal(config.value.port_mtu_bytes, 2048);
    assert_int_equal(config.value.pcie_gen, 2);
    assert_int_equal(config.value.port_ip, 6);
    assert_int_equal(config.value.iommu_mode, HCA_IOMMU_MODE_PASS);
    assert_string_equal(config.origin[HCA_PARAM_hca_qp_max].place, "lab.yaml:3");
    assert_string_equal(config.origin[HCA_PARAM_port_wire].place, "lab.yaml:5");
    assert_string_equal(config.origin[HCA_PARAM_iommu_mode].place, "lab.yaml:9");
    assert_string_equal(config.origin[HCA_PARAM_pcie_lanes].place, "default");
}

static const struct {
    const char *text, *message;
} refused[] = {
    /* structure */
    {"", "lab.yaml:1: no configuration in it; write a group such as hca:"},
    {"# only a comment\n", "lab.yaml:2: no configuration in it; write a group such as hca:"},
    {"---\n", "lab.yaml:2: no configuration in it; write a group such as hca:"},
    {"- hca\n", "lab.yaml:1: must hold groups such as hca:, not a list or a value"},
    {"hca\n", "lab.yaml:1: must hold groups such as hca:, not a list or a value"},
    {"hca:\n", "lab.yaml:1: hca must hold a mapping; indent its keys below it"},
    {"hca: 3\n", "lab.yaml:1: hca must hold a mapping; indent its keys below it"},
    {"hca: [qp_max]\n", "lab.yaml:1: hca must hold a mapping; indent its keys below it"},
    {"sources: x\n", "lab.yaml:1: sources must hold a mapping; indent its keys below it"},
    {"hca:\n  qp_max: [1, 2]\n", "lab.yaml:2: hca.qp_max: a list where one value is expected"},
    {"hca:\n  qp_max: [[1], [2]]\n", "lab.yaml:2: hca.qp_max: a list where one value is expected"},
    {"hca:\n  qp_max:\n    - 1\n", "lab.yaml:2: hca.qp_max: a list where one value is expected"},
    {"hca:\n  qp_max: {a: 1}\n", "lab.yaml:2: hca.qp_max: a mapping where one value is expected"},
    {"? [hca]\n: 3\n", "lab.yaml:1: a key must be a plain word, not a list or a mapping"},
    {"hca:\n  ? {a: 1}\n  : 3\n",
     "lab.yaml:2: a key must be a plain word, not a list or a mapping"},
    {"hca:\n  qp_max: 1\n---\nhca:\n  qp_max: 2\n",
     "lab.yaml:3: a second document; one file holds one configuration"},
    /* names */
    {"hca:\n  qp_redy_max: 4\n",
     "lab.yaml:2: unknown parameter 'hca.qp_redy_max'; did you mean 'hca.qp_max'?"},
    {"hca:\n  colour: 4\n", "lab.yaml:2: unknown parameter 'hca.colour'; hcasim params lists all"},
    {"hca:\n  colour: [4]\n",
     "lab.yaml:2: unknown parameter 'hca.colour'; hcasim params lists all"},
    {"hca:\n  hca.qp_max: 4\n",
     "lab.yaml:2: unknown parameter 'hca.hca.qp_max'; did you mean 'hca.qp_max'?"},
    {"port.mtu_byte: 4\n",
     "lab.yaml:1: unknown parameter 'port.mtu_byte'; did you mean 'port.mtu_bytes'?"},
    {"hcca:\n  qp_max: 4\n", "lab.yaml:1: unknown key 'hcca'; did you mean 'hca'?"},
    {"iomu:\n  mode: off\n", "lab.yaml:1: unknown key 'iomu'; did you mean 'iommu'?"},
    {"qp_max: 4\n", "lab.yaml:1: unknown key 'qp_max'; did you mean 'hca.qp_max'?"},
    {"colour: red\n", "lab.yaml:1: unknown key 'colour'; hcasim params lists all"},
    {"<<: {qp_max: 1}\n", "lab.yaml:1: unknown key '<<'; hcasim params lists all"},
    /* twice */
    {"hca:\n  qp_max: 1\n  cq_max: 1\n  qp_max: 2\n",
     "lab.yaml:4: hca.qp_max is given again (first in line 2); keep one"},
    {"hca:\n  qp_max: 1\nhca.qp_max: 2\n",
     "lab.yaml:3: hca.qp_max is given again (first in line 2); keep one"},
    {"hca:\n  qp_max: 1\nhca:\n  cq_max: 2\n",
     "lab.yaml:3: hca is given again (first in line 1); keep one"},
    {"about: a\nabout: b\n", "lab.yaml:2: about is given again (first in line 1); keep one"},
    {"pcie.gen: 2\nsources: {pcie.gen: \"SPEC: x\"}\nsources: {}\n",
     "lab.yaml:3: sources is given again (first in line 2); keep one"},
    /* types and ranges */
    {"hca:\n  qp_max: 0\n",
     "lab.yaml:2: hca.qp_max = 0: minimum is 1 (QPs per function, in QPs)" SEE "hca-qp_max"},
    {"hca:\n\n  qp_max: 70000\n", "lab.yaml:3: hca.qp_max = 70000: maximum is 65535 (QPs per "
                                  "function, in QPs)" SEE "hca-qp_max"},
    {"hca:\n  qp_max: -5\n",
     "lab.yaml:2: hca.qp_max = -5: minimum is 1 (QPs per function, in QPs)" SEE "hca-qp_max"},
    {"hca:\n  qp_max: 012\n",
     "lab.yaml:2: hca.qp_max = 012: leading zero: write decimal without it or hexadecimal with "
     "0x (an integer in QPs)" SEE "hca-qp_max"},
    {"hca:\n  qp_max: 64k\n",
     "lab.yaml:2: hca.qp_max = 64k: suffixes are not read: write the whole number (an integer in "
     "QPs)" SEE "hca-qp_max"},
    {"hca:\n  qp_max:\n",
     "lab.yaml:2: hca.qp_max = : no value (an integer in QPs)" SEE "hca-qp_max"},
    {"hca:\n  qp_max: ~\n",
     "lab.yaml:2: hca.qp_max = ~: not a number: write decimal digits, or 0x and hexadecimal "
     "digits (an integer in QPs)" SEE "hca-qp_max"},
    {"hca:\n  qp_max: \"4\"\n",
     "lab.yaml:2: hca.qp_max = '4': quoted text where a number is expected; remove the quotes"},
    {"hca:\n  qp_max: |\n    4\n",
     "lab.yaml:2: hca.qp_max = '4?': quoted text where a number is expected; remove the quotes"},
    {"sim:\n  payload: 'true'\n", "lab.yaml:2: sim.payload = 'true': quoted text where true or "
                                  "false is expected; remove the quotes"},
    {"pcie:\n  ecrc: maybe\n",
     "lab.yaml:2: pcie.ecrc = maybe: must be false|true (TLPs carry the 4-byte ECRC)" SEE
     "pcie-ecrc"},
    {"port:\n  wire: ethernet\n",
     "lab.yaml:2: port.wire = ethernet: must be roce2|roce1|ib (RoCE v2, RoCE v1 or "
     "InfiniBand)" SEE "port-wire"},
    {"pcie:\n  lanes: 3\n",
     "lab.yaml:2: pcie.lanes = 3: must be 1|2|4|8|16 (link widths of the specification)" SEE
     "pcie-lanes"},
    /* parts of YAML that have no use here */
    {"hca: &a\n  qp_max: 1\n",
     "lab.yaml:1: anchors (&name) are not read here; write the value itself"},
    {"hca:\n  qp_max: &a 1\n",
     "lab.yaml:2: anchors (&name) are not read here; write the value itself"},
    {"hca:\n  qp_max: *a\n",
     "lab.yaml:2: aliases (*name) are not read here; write the value itself"},
    {"hca:\n  qp_max: !!int 4\n",
     "lab.yaml:2: tags (!name) are not read here; write the value itself"},
    {"!x\nhca:\n  qp_max: 4\n",
     "lab.yaml:1: tags (!name) are not read here; write the value itself"},
    {"hca:\n  qp_max: &a [1]\n",
     "lab.yaml:2: anchors (&name) are not read here; write the value itself"},
    {"hca:\n  qp_max: \"1\\02\"\n", "lab.yaml:2: a value holds a zero byte; remove it"},
    {"hca:\n  \"qp\\0max\": 2\n", "lab.yaml:2: a value holds a zero byte; remove it"},
    /* not YAML */
    {"hca:\n\tqp_max: 1\n", "lab.yaml:2: not YAML: found character that cannot start any token"},
    {"hca: {qp_max: 1\n", "lab.yaml:2: not YAML: did not find expected ',' or '}'"},
    {"hca:\n  qp_max: 1\n cq_max: 1\n", "lab.yaml:3: not YAML: did not find expected key"},
    {"%YAML 1.3\n---\nhca: {qp_max: 1}\n",
     "lab.yaml:1: not YAML: found incompatible YAML document"},
    {"hca:\n  qp_max: 4\x01\n", "lab.yaml: byte 16: not YAML: control characters are not allowed"},
    {"hca:\n  qp_max: \xff\n", "lab.yaml: byte 15: not YAML: invalid leading UTF-8 octet"},
    /* presets and sources */
    {"extends: nope\n",
     "lab.yaml:1: unknown preset 'nope'; there are: base, broken, ping, pong, upper"},
    {"extends: [base]\n", "lab.yaml:1: extends: a list where one value is expected"},
    {"hca:\n  qp_max: 1\nextends: base\n",
     "lab.yaml:3: extends must be the first key, as the rest is set on top of it"},
    {"extends: base\nextends: upper\n",
     "lab.yaml:2: extends must be the first key, as the rest is set on top of it"},
    {"extends: broken\n",
     "preset broken:3: hca.qp_max = 0: minimum is 1 (QPs per function, in QPs)" SEE "hca-qp_max"},
    {"extends: ping\n", "preset pong:1: 'ping' is extended more than 8 presets deep; is there a "
                        "cycle?"},
    {"sources:\n  hca.qp_max: \"SPEC: x\"\n",
     "lab.yaml:2: source of hca.qp_max: this file sets no value above"},
    {"extends: base\nsources:\n  hca.qp_max: \"SPEC: x\"\n",
     "lab.yaml:3: source of hca.qp_max: this file sets no value above"},
    {"pcie.gen: 2\nsources:\n  pcie.gin: \"SPEC: x\"\n",
     "lab.yaml:3: unknown parameter 'pcie.gin'; did you mean 'pcie.gen'?"},
    {"pcie.gen: 2\nsources:\n  pcie.gen: lspci\n",
     "lab.yaml:3: source of pcie.gen = 'lspci': must be 'SPEC: document, clause', 'MEASURED: file "
     "or publication' or 'ASSUMED: why'"},
    {"pcie.gen: 2\nsources:\n  pcie.gen: [x]\n",
     "lab.yaml:3: pcie.gen: a list where one value is expected"},
};

static void each_kind_of_wrong_input_has_its_message(void **state)
{
    (void)state;
    for (size_t i = 0; i < LENGTH(refused); i++) {
        (void)fresh(NULL);
        assert_string_equal(load(refused[i].text), refused[i].message);
    }
}

static void every_cut_of_a_file_is_read_or_refused_by_name(void **state)
{
    (void)state;
    static const char text[] = "extends: upper\nabout: 'cut me'\nhca: {qp_max: 0x1f, cq_max: 7}\n"
                               "port:\n  wire: \"ib\"\nsources: {hca.qp_max: 'SPEC: x, 1'}\n";
    for (size_t size = 0; size < sizeof text; size++) {
        (void)fresh(NULL);
        const char *message = load_bytes(text, size);
        assert_true(message[0] == '\0' || strncmp(message, "lab.yaml:", 9) == 0);
    }
}

static void deep_nesting_is_refused_not_followed(void **state)
{
    (void)state;
    static char text[100000];
    static const char opener[] = "[{";
    for (int i = 0; i < 2; i++) {
        memset(text, opener[i], sizeof text);
        memcpy(text, "hca: ", 5);
        assert_string_not_equal(load_bytes(text, sizeof text), "");
        memcpy(text, "hca.qp_max: ", 12);
        assert_string_not_equal(load_bytes(text, sizeof text), "");
    }
}

static void later_files_and_arguments_win(void **state)
{
    (void)state;
    assert_int_equal(config_load_preset(&config, "upper", &presets, NULL, &err), CONFIG_OK);
    assert_string_equal(load("hca:\n  cq_max: 400\n"), "");
    assert_int_equal(config.value.hca_cq_max, 400);
    assert_string_equal(config.origin[HCA_PARAM_hca_cq_max].place, "lab.yaml:2");
    assert_string_equal(load("hca:\n\n  cq_max: 500\n"), "");
    assert_int_equal(config.value.hca_cq_max, 500);
    assert_string_equal(config.origin[HCA_PARAM_hca_cq_max].place, "lab.yaml:3");
    assert_true(hca_config_set_argument(&config, "hca.cq_max=600", &err));
    assert_int_equal(config.value.hca_cq_max, 600);
    assert_string_equal(config.origin[HCA_PARAM_hca_cq_max].place, "--set");
    assert_int_equal(config.value.hca_qp_max, 100);
    assert_string_equal(config.origin[HCA_PARAM_hca_qp_max].place, "preset base");
}

static void presets_extend_presets_and_bring_their_sources(void **state)
{
    (void)state;
    struct config_info info = {.about = ""};
    assert_int_equal(config_load_preset(&config, "upper", &presets, &info, &err), CONFIG_OK);
    assert_string_equal(info.extends, "base");
    assert_string_equal(info.about, "one on top");
    assert_int_equal(config.value.hca_cq_max, 300);
    assert_string_equal(config.origin[HCA_PARAM_hca_cq_max].place, "preset upper");
    assert_string_equal(config.origin[HCA_PARAM_hca_cq_max].source, "set by preset upper");
    assert_int_equal(config.origin[HCA_PARAM_hca_cq_max].source_class, HCA_SOURCE_ASSUMED);
    assert_int_equal(config.origin[HCA_PARAM_hca_qp_max].source_class, HCA_SOURCE_MEASURED);
    assert_string_equal(config.origin[HCA_PARAM_hca_qp_max].source, "a log");
    assert_int_equal(config_load_preset(&config, "lower", &presets, NULL, &err), CONFIG_BAD);
    assert_string_equal(err.text, "--preset: unknown preset 'lower'; there are: base, broken, "
                                  "ping, pong, upper");
}

static void setting_a_value_anew_drops_the_source_of_the_old_one(void **state)
{
    (void)state;
    assert_string_equal(load("extends: base\nhca:\n  qp_max: 101\n"), "");
    assert_int_equal(config.origin[HCA_PARAM_hca_qp_max].source_class, HCA_SOURCE_ASSUMED);
    assert_string_equal(config.origin[HCA_PARAM_hca_qp_max].source, "set by lab.yaml:3");
}

/* A temporary file of size bytes of comment behind text. */
static void write_file(char *path, const char *text, size_t comment)
{
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    FILE *file = fdopen(fd, "w");
    assert_non_null(file);
    (void)fputs(text, file);
    for (size_t i = 0; i < comment; i++) {
        (void)fputs(i % 64 == 0 ? "\n#" : "x", file);
    }
    assert_int_equal(fclose(file), 0);
}

static void a_file_is_read_like_its_text(void **state)
{
    (void)state;
    char path[] = HCA_TMP_DIR "/hcasim_config_XXXXXX";
    char place[64];
    write_file(path, "hca:\n  qp_max: 77\n", 0);
    assert_int_equal(config_load_file(&config, path, &err), CONFIG_OK);
    assert_int_equal(config.value.hca_qp_max, 77);
    (void)snprintf(place, sizeof place, "%s:2", path);
    assert_string_equal(config.origin[HCA_PARAM_hca_qp_max].place, place);
    (void)unlink(path);
}

static void files_that_cannot_be_configurations_are_named(void **state)
{
    (void)state;
    char path[] = HCA_TMP_DIR "/hcasim_config_XXXXXX";
    char expected[128];
    write_file(path, "hca: {qp_max: 1}\n", CONFIG_FILE_MAX);
    (void)snprintf(expected, sizeof expected, "%s: larger than 1048576 bytes, not a configuration",
                   path);
    assert_int_equal(config_load_file(&config, path, &err), CONFIG_BAD);
    assert_string_equal(err.text, expected);
    (void)unlink(path);
    (void)snprintf(expected, sizeof expected, "%s: cannot be opened: No such file or directory",
                   path);
    assert_int_equal(config_load_file(&config, path, &err), CONFIG_BAD);
    assert_string_equal(err.text, expected);
    assert_int_equal(config_load_file(&config, "/tmp", &err), CONFIG_BAD);
    assert_string_equal(err.text, "/tmp: cannot be read: Is a directory");
    assert_int_equal(config_load_file(&config, "/dev/zero", &err), CONFIG_BAD);
    assert_string_equal(err.text,
                        "/dev/zero: byte 0: not YAML: control characters are not allowed");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(groups_and_dotted_keys_set_values_with_file_and_line, fresh),
        cmocka_unit_test_setup(each_kind_of_wrong_input_has_its_message, fresh),
        cmocka_unit_test_setup(every_cut_of_a_file_is_read_or_refused_by_name, fresh),
        cmocka_unit_test_setup(deep_nesting_is_refused_not_followed, fresh),
        cmocka_unit_test_setup(later_files_and_arguments_win, fresh),
        cmocka_unit_test_setup(presets_extend_presets_and_bring_their_sources, fresh),
        cmocka_unit_test_setup(setting_a_value_anew_drops_the_source_of_the_old_one, fresh),
        cmocka_unit_test_setup(a_file_is_read_like_its_text, fresh),
        cmocka_unit_test_setup(files_that_cannot_be_configurations_are_named, fresh),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
