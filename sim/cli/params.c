/* hcasim params and hcasim presets. */
#include "sim/cli/params.h"
#include "sim/config/yaml.h"

#include <inttypes.h>
#include <string.h>

/* A JSON string. */
static void put_string(FILE *out, const char *text)
{
    (void)fputc('"', out);
    for (; *text != '\0'; text++) {
        const unsigned char ch = (unsigned char)*text;
        if (ch == '"' || ch == '\\') {
            (void)fprintf(out, "\\%c", ch);
        } else if (ch < 0x20) {
            (void)fprintf(out, "\\u%04x", ch);
        } else {
            (void)fputc(ch, out);
        }
    }
    (void)fputc('"', out);
}

static void put_field(FILE *out, const char *name, const char *text)
{
    (void)fprintf(out, ", \"%s\": ", name);
    put_string(out, text);
}

/* A value as JSON: number, true, false, or a token as string. */
static void put_value(FILE *out, const char *name, const struct hca_param_row *row, uint64_t value)
{
    char text[32];
    hca_param_value_text(row, value, text, sizeof text);
    (void)fprintf(out, ", \"%s\": ", name);
    if (row->kind == HCA_PARAM_ENUM) {
        put_string(out, text);
    } else {
        (void)fputs(text, out);
    }
}

static void put_range(FILE *out, const struct hca_param_row *row)
{
    const char *allowed = hca_param_allowed(row);
    if (row->kind == HCA_PARAM_INT) {
        (void)fprintf(out, ", \"min\": %" PRIu64 ", \"max\": %" PRIu64, row->min, row->max);
        if (allowed != NULL) {
            put_field(out, "allowed", allowed);
        }
    } else {
        put_field(out, "allowed", row->tokens);
    }
}

static void params_json(FILE *out, const struct hca_config *c, const struct hca_param *defaults)
{
    static const char *const kinds[] = {"integer", "enum", "bool"};
    (void)fprintf(out, "{\"params\": [");
    for (int i = 0; i < HCA_PARAM_COUNT; i++) {
        const struct hca_param_row *row = hca_param_row((enum hca_param_id)i);
        const struct hca_origin *o = &c->origin[i];
        (void)fprintf(out, "%s\n  {\"key\": \"%s\"", i == 0 ? "" : ",", row->key);
        put_field(out, "type", kinds[row->kind]);
        put_field(out, "unit", row->unit);
        put_range(out, row);
        put_value(out, "default", row, hca_param_get(defaults, row));
        put_value(out, "value", row, hca_param_get(&c->value, row));
        put_field(out, "origin", o->place);
        put_field(out, "source_class", hca_source_name(o->source_class));
        put_field(out, "source", o->source);
        put_field(out, "doc", row->doc);
        (void)fputc('}', out);
    }
    (void)fprintf(out, "\n]}\n");
}

static void params_text(FILE *out, const struct hca_config *c, const struct hca_param *defaults)
{
    const char *group = "";
    for (int i = 0; i < HCA_PARAM_COUNT; i++) {
        const struct hca_param_row *row = hca_param_row((enum hca_param_id)i);
        const struct hca_origin *o = &c->origin[i];
        const char *allowed = row->kind == HCA_PARAM_INT ? hca_param_allowed(row) : row->tokens;
        char value[32];
        char def[32];
        if (strcmp(group, row->group) != 0) {
            group = row->group;
            (void)fprintf(out, "%s%s:\n", i == 0 ? "" : "\n", group);
        }
        (void)fprintf(out, "  %-28s %s%s%s\n", row->key,
                      hca_param_text(&c->value, row, value, sizeof value),
                      row->unit[0] != '\0' ? " " : "", row->unit);
        (void)fprintf(out, "      %s\n", row->doc);
        (void)fprintf(out, "      range ");
        if (row->kind == HCA_PARAM_INT) {
            (void)fprintf(out, "%" PRIu64 " .. %" PRIu64 "%s", row->min, row->max,
                          allowed != NULL ? ", " : "");
        }
        (void)fprintf(out, "%s; default %s; from %s\n", allowed != NULL ? allowed : "",
                      hca_param_text(defaults, row, def, sizeof def), o->place);
        (void)fprintf(out, "      %s: %s\n", hca_source_name(o->source_class), o->source);
    }
}

bool hcasim_params(FILE *out, const struct hca_config *c, bool json)
{
    struct hca_config defaults;
    hca_config_default(&defaults);
    (json ? params_json : params_text)(out, c != NULL ? c : &defaults, &defaults.value);
    return fflush(out) == 0 && !ferror(out);
}

static void preset_json(FILE *out, const char *name, const struct config_info *info,
                        const unsigned count[HCA_SOURCES])
{
    (void)fprintf(out, "  {\"name\": ");
    put_string(out, name);
    put_field(out, "extends", info->extends);
    put_field(out, "about", info->about);
    (void)fprintf(out, ", \"spec\": %u, \"measured\": %u, \"assumed\": %u}", count[HCA_SOURCE_SPEC],
                  count[HCA_SOURCE_MEASURED], count[HCA_SOURCE_ASSUMED]);
}

static void preset_text(FILE *out, const char *name, const struct config_info *info,
                        const unsigned count[HCA_SOURCES])
{
    (void)fprintf(out, "%s%s%s\n    %s\n    sets %u values: %u SPEC, %u MEASURED, %u ASSUMED\n",
                  name, info->extends[0] != '\0' ? ", extends " : "", info->extends, info->about,
                  count[HCA_SOURCE_SPEC] + count[HCA_SOURCE_MEASURED] + count[HCA_SOURCE_ASSUMED],
                  count[HCA_SOURCE_SPEC], count[HCA_SOURCE_MEASURED], count[HCA_SOURCE_ASSUMED]);
}

/* Counts the values that do not stand at their default origin. */
static void count_set(const struct hca_config *c, unsigned count[HCA_SOURCES])
{
    memset(count, 0, HCA_SOURCES * sizeof *count);
    for (int i = 0; i < HCA_PARAM_COUNT; i++) {
        count[c->origin[i].source_class] += strcmp(c->origin[i].place, "default") != 0;
    }
}

bool hcasim_presets(FILE *out, const struct preset_table *presets, bool json, struct hca_error *err)
{
    (void)fputs(json ? "{\"presets\": [\n" : "", out);
    for (size_t i = 0; i < presets->count; i++) {
        struct hca_config c;
        struct config_info info = {.about = ""};
        unsigned count[HCA_SOURCES];
        const char *name = presets->rows[i].name;
        hca_config_default(&c);
        if (config_load_preset(&c, name, presets, &info, err) != CONFIG_OK ||
            !hca_config_check(&c, err)) {
            return false;
        }
        count_set(&c, count);
        (json ? preset_json : preset_text)(out, name, &info, count);
        (void)fputs(json && i + 1 < presets->count ? ",\n" : json ? "\n" : "", out);
    }
    (void)fputs(json ? "]}\n" : "", out);
    if (fflush(out) != 0 || ferror(out)) {
        hca_error_set(err, "presets: output could not be written");
        return false;
    }
    return true;
}
