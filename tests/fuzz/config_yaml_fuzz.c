/* Configuration files and --set arguments of any bytes: accepted in range, or refused by one line.
 */
#include "sim/config/yaml.h"

#include <stdlib.h>
#include <string.h>

static const char base[] = "about: base\nhca:\n  qp_max: 5\n";
static const char ping[] = "extends: ping\n";
static const struct preset rows[] = {{"base", base, sizeof base - 1},
                                     {"ping", ping, sizeof ping - 1}};
static const struct preset_table presets = {rows, 2};

static struct hca_config config, defaults;

static void need(bool ok)
{
    if (!ok) {
        abort();
    }
}

/* Whatever was read, each value stands within the range of its row and prints as text. */
static void need_ranges(void)
{
    for (int i = 0; i < HCA_PARAM_COUNT; i++) {
        const struct hca_param_row *row = hca_param_row((enum hca_param_id)i);
        const uint64_t value = hca_param_get(&config.value, row);
        char text[32];
        if (strcmp(config.origin[i].place, "default") == 0) {
            need(value == hca_param_get(&defaults.value, row));
            continue;
        }
        hca_param_text(&config.value, row, text, sizeof text);
        need(text[0] != '\0');
        need(row->kind != HCA_PARAM_INT || (row->min <= value && value <= row->max));
        need(row->kind != HCA_PARAM_BOOL || value <= 1);
        need(memchr(config.origin[i].place, 0, HCA_PLACE_MAX) != NULL);
    }
}

/* A refusal is one printable line that begins with its place. */
static void need_message(const struct hca_error *err, const char *place)
{
    need(strncmp(err->text, place, strlen(place)) == 0 || strncmp(err->text, "preset ", 7) == 0);
    for (const char *c = err->text; *c != '\0'; c++) {
        need(*c >= ' ' && *c <= '~');
    }
}

static void load_whole(const char *text, size_t size)
{
    struct config_info info = {.about = ""};
    struct hca_error err = {""};
    if (defaults.origin[0].place[0] == '\0') {
        hca_config_default(&defaults);
    }
    config = defaults;
    const enum config_result result =
        config_load_text(&config, "lab.yaml", text, size, &presets, &info, &err);
    need(result != CONFIG_HOST);
    if (result == CONFIG_BAD) {
        need_message(&err, "lab.yaml:");
    } else if (!hca_config_check(&config, &err)) {
        need(strlen(err.text) > 0);
    }
    need_ranges();
}

/* The first line of the input as the argument of --set. */
static void set_line(const char *text, size_t size)
{
    static char line[4096];
    struct hca_error err = {""};
    size = size < sizeof line ? size : sizeof line - 1;
    memcpy(line, text, size);
    line[size] = '\0';
    line[strcspn(line, "\n")] = '\0';
    if (!hca_config_set_argument(&config, line, &err)) {
        need_message(&err, "--set: ");
    }
    need_ranges();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    load_whole((const char *)data, size);
    if (size > 0) {
        set_line((const char *)data, size);
    }
    return 0;
}
