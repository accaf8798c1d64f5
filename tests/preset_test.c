/* The shipped presets, and what hcasim params and hcasim presets print of them. */
#include "sim/cli/params.h"
#include "sim/config/yaml.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

static struct hca_config config;
static struct hca_error err;
static char page[400000];

static void load(const char *name)
{
    hca_config_default(&config);
    err.text[0] = '\0';
    (void)config_load_preset(&config, name, &preset_embedded, NULL, &err);
    assert_string_equal(err.text, "");
}

static bool is_set(int i)
{
    return strcmp(config.origin[i].place, "default") != 0;
}

static void every_shipped_preset_loads_and_passes_all_checks(void **state)
{
    (void)state;
    static const char *const names[] = {"generic100", "mlx4_qdr", "nfp6000_bdw", "odd", "small"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        assert_non_null(preset_find(&preset_embedded, names[i]));
    }
    for (size_t i = 0; i < preset_embedded.count; i++) {
        load(preset_embedded.rows[i].name);
        assert_string_equal(hca_config_check(&config, &err) ? "" : err.text, "");
    }
}

static void the_embedded_text_is_the_file(void **state)
{
    (void)state;
    for (size_t i = 0; i < preset_embedded.count; i++) {
        const struct preset *preset = &preset_embedded.rows[i];
        char path[512];
        (void)snprintf(path, sizeof path, "%s/presets/%s.yaml", HCA_SOURCE_DIR, preset->name);
        FILE *file = fopen(path, "rb");
        assert_non_null(file);
        assert_int_equal(fread(page, 1, sizeof page, file), preset->size);
        assert_memory_equal(page, preset->text, preset->size);
        (void)fclose(file);
    }
}

static void presets_of_real_hardware_give_each_value_a_source(void **state)
{
    (void)state;
    static const char *const names[] = {"generic100", "mlx4_qdr", "nfp6000_bdw"};
    for (size_t n = 0; n < sizeof names / sizeof *names; n++) {
        load(names[n]);
        for (int i = 0; i < HCA_PARAM_COUNT; i++) {
            if (is_set(i)) {
                assert_memory_not_equal(config.origin[i].source, "set by", 6);
            }
        }
    }
}

/* The class in the comment behind a value ("  gen: 3  # MEASURED") is the one of its source. */
static void comments_in_presets_name_the_class_of_the_source(void **state)
{
    (void)state;
    unsigned compared = 0;
    for (size_t n = 0; n < preset_embedded.count; n++) {
        const struct preset *preset = &preset_embedded.rows[n];
        char group[64] = "";
        load(preset->name);
        (void)snprintf(page, sizeof page, "%.*s", (int)preset->size, preset->text);
        char *save = NULL;
        for (char *line = strtok_r(page, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
            char name[64];
            char class[16];
            char key[160];
            if (sscanf(line, "%63[a-z0-9_]:", group) == 1 ||
                sscanf(line, "  %63[a-z0-9_]: %*s # %15s", name, class) != 2) {
                continue;
            }
            (void)snprintf(key, sizeof key, "%s.%s", group, name);
            const struct hca_param_row *row = hca_param_find(key, strlen(key));
            assert_non_null(row);
            const struct hca_origin *o = &config.origin[hca_param_index(row)];
            assert_string_equal(class, hca_source_name(o->source_class));
            compared++;
        }
    }
    assert_true(compared > 80);
}

/* Parses the page as JSON; the caller frees. */
static json_t *parse(void)
{
    json_error_t why;
    json_t *root = json_loads(page, 0, &why);
    assert_string_equal(root != NULL ? "" : why.text, "");
    return root;
}

static void params_json_holds_every_parameter_with_value_and_origin(void **state)
{
    (void)state;
    load("mlx4_qdr");
    FILE *out = fmemopen(page, sizeof page, "w");
    assert_true(hcasim_params(out, &config, true));
    (void)fclose(out);
    json_t *root = parse();
    json_t *params = json_object_get(root, "params");
    assert_int_equal(json_array_size(params), HCA_PARAM_COUNT);
    for (int i = 0; i < HCA_PARAM_COUNT; i++) {
        const struct hca_param_row *row = hca_param_row((enum hca_param_id)i);
        const json_t *p = json_array_get(params, (size_t)i);
        const json_t *value = json_object_get(p, "value");
        const uint64_t want = hca_param_get(&config.value, row);
        char text[32];
        hca_param_text(&config.value, row, text, sizeof text);
        assert_string_equal(json_string_value(json_object_get(p, "key")), row->key);
        assert_string_equal(json_string_value(json_object_get(p, "origin")),
                            config.origin[i].place);
        assert_string_equal(json_string_value(json_object_get(p, "source")),
                            config.origin[i].source);
        assert_string_equal(json_string_value(json_object_get(p, "unit")), row->unit);
        switch (row->kind) {
        case HCA_PARAM_INT: assert_int_equal(json_integer_value(value), want); break;
        case HCA_PARAM_ENUM: assert_string_equal(json_string_value(value), text); break;
        case HCA_PARAM_BOOL: assert_int_equal(json_is_true(value), want); break;
        }
    }
    json_decref(root);
}

static void params_json_survives_hostile_origins(void **state)
{
    (void)state;
    hca_config_default(&config);
    static const char place[] = "a\"b\\c\n\x01.yaml:1";
    assert_true(hca_config_set(&config, "hca.qp_max", "7", place, place, &err));
    FILE *out = fmemopen(page, sizeof page, "w");
    assert_true(hcasim_params(out, &config, true));
    (void)fclose(out);
    json_t *root = parse();
    const json_t *p = json_array_get(json_object_get(root, "params"), HCA_PARAM_hca_qp_max);
    assert_string_equal(json_string_value(json_object_get(p, "origin")), place);
    json_decref(root);
}

static void params_text_names_range_default_origin_and_source(void **state)
{
    (void)state;
    hca_config_default(&config);
    assert_true(hca_config_set_argument(&config, "pcie.lanes=8", &err));
    FILE *out = fmemopen(page, sizeof page, "w");
    assert_true(hcasim_params(out, &config, false));
    (void)fclose(out);
    assert_non_null(strstr(page, "\npcie:\n"));
    assert_non_null(strstr(page, "  pcie.lanes                   8 lanes\n      link width\n"
                                 "      range 1 .. 16, 1|2|4|8|16; default 16; from --set\n"
                                 "      ASSUMED: set by --set\n"));
    assert_non_null(strstr(page, "      range roce2|roce1|ib; default roce2; from default\n"));
}

static void presets_json_counts_the_values_of_each_preset(void **state)
{
    (void)state;
    FILE *out = fmemopen(page, sizeof page, "w");
    assert_true(hcasim_presets(out, &preset_embedded, true, &err));
    (void)fclose(out);
    json_t *root = parse();
    const json_t *rows = json_object_get(root, "presets");
    assert_int_equal(json_array_size(rows), preset_embedded.count);
    for (size_t i = 0; i < preset_embedded.count; i++) {
        const json_t *row = json_array_get(rows, i);
        json_int_t want = 0;
        load(preset_embedded.rows[i].name);
        for (int p = 0; p < HCA_PARAM_COUNT; p++) {
            want += is_set(p);
        }
        assert_string_equal(json_string_value(json_object_get(row, "name")),
                            preset_embedded.rows[i].name);
        assert_true(json_string_length(json_object_get(row, "about")) > 0);
        assert_int_equal(json_integer_value(json_object_get(row, "spec")) +
                             json_integer_value(json_object_get(row, "measured")) +
                             json_integer_value(json_object_get(row, "assumed")),
                         want);
    }
    json_decref(root);
}

static void a_full_device_is_reported(void **state)
{
    (void)state;
    FILE *out = fopen("/dev/full", "w");
    assert_non_null(out);
    assert_false(hcasim_params(out, NULL, true));
    assert_false(hcasim_presets(out, &preset_embedded, false, &err));
    assert_string_equal(err.text, "presets: output could not be written");
    (void)fclose(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_shipped_preset_loads_and_passes_all_checks),
        cmocka_unit_test(the_embedded_text_is_the_file),
        cmocka_unit_test(presets_of_real_hardware_give_each_value_a_source),
        cmocka_unit_test(comments_in_presets_name_the_class_of_the_source),
        cmocka_unit_test(params_json_holds_every_parameter_with_value_and_origin),
        cmocka_unit_test(params_json_survives_hostile_origins),
        cmocka_unit_test(params_text_names_range_default_origin_and_source),
        cmocka_unit_test(presets_json_counts_the_values_of_each_preset),
        cmocka_unit_test(a_full_device_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
