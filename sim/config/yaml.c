/* Binder from YAML events to the parameter table. */
#include "sim/config/yaml_reader.h"

#include <errno.h>
#include <string.h>

struct binder {
    struct reader r; /* first, so that reader_run's callback reaches the rest */
    struct hca_config *c;
    const char *preset; /* origin of the values; NULL: name:line */
    const struct preset_table *presets;
    struct config_info *info;
    unsigned depth; /* presets above this one */
    size_t keys;    /* top-level keys so far  */
    size_t about_line, sources_line;
    size_t line[HCA_PARAM_COUNT];       /* where a parameter was set, 0: not yet */
    size_t group_line[HCA_PARAM_COUNT]; /* the same for groups, by first row     */
};

/* What a preset is read for: the configuration it goes to and who asks. */
struct request {
    struct hca_config *c;
    const struct preset_table *presets;
    struct config_info *info;
    const char *place; /* front of a message about the name itself */
    unsigned depth;
};

static enum config_result load_preset(const char *name, const struct request *q,
                                      struct hca_error *err);

/* "lab.yaml:12" */
static const char *place_of(const struct binder *b, size_t line, char *buf)
{
    (void)snprintf(buf, READER_PLACE_ROOM, "%s:%zu", b->r.name, line);
    return buf;
}

/* Result of a setter that has filled err itself. */
static bool passed(struct binder *b, bool ok)
{
    b->r.result = ok ? CONFIG_OK : CONFIG_BAD;
    return ok;
}

/* A key that may stand once per file: notes its line, or refuses the second. */
static bool once(struct binder *b, const char *key, size_t line, size_t *first)
{
    if (*first != 0) {
        return reader_fail(&b->r, line, "%s is given again (first in line %zu); keep one", key,
                           *first);
    }
    *first = line;
    return true;
}

static bool read_value(struct binder *b, const char *key, size_t line)
{
    char place[READER_PLACE_ROOM];
    place_of(b, line, place);
    const struct hca_param_row *row = hca_param_find(key, strlen(key));
    if (row == NULL) {
        return passed(b, hca_config_set(b->c, key, "", place, place, b->r.err));
    }
    if (!once(b, key, line, &b->line[hca_param_index(row)]) || !reader_scalar(&b->r, key, line)) {
        return false;
    }
    const char *text = reader_text(&b->r);
    if (row->kind != HCA_PARAM_ENUM && reader_is_quoted(&b->r)) {
        char shown[READER_QUOTE_ROOM];
        return reader_fail(&b->r, line,
                           "%s = '%s': quoted text where %s is expected; remove the quotes", key,
                           hca_quote(text, shown, sizeof shown),
                           row->kind == HCA_PARAM_INT ? "a number" : "true or false");
    }
    const char *origin = b->preset != NULL ? b->preset : place;
    return passed(b, hca_config_set(b->c, key, text, place, origin, b->r.err));
}

static bool read_group(struct binder *b, const struct hca_param_row *first, size_t line)
{
    if (!once(b, first->group, line, &b->group_line[hca_param_index(first)]) ||
        !reader_mapping(&b->r, first->group, line)) {
        return false;
    }
    for (;;) {
        char name[READER_KEY_ROOM];
        char key[READER_KEY_ROOM * 2];
        bool end = false;
        size_t at = 0;
        if (!reader_key(&b->r, name, sizeof name, &at, &end)) {
            return false;
        }
        if (end) {
            return true;
        }
        (void)snprintf(key, sizeof key, "%s.%s", first->group, name);
        if (!read_value(b, key, at)) {
            return false;
        }
    }
}

static bool read_source(struct binder *b, const char *key, size_t line)
{
    char place[READER_PLACE_ROOM];
    const struct hca_param_row *row = hca_param_find(key, strlen(key));
    if (row != NULL && b->line[hca_param_index(row)] == 0) {
        return reader_fail(&b->r, line, "source of %s: this file sets no value above", key);
    }
    return reader_scalar(&b->r, key, line) &&
           passed(b, hca_config_source(b->c, key, reader_text(&b->r), place_of(b, line, place),
                                       b->r.err));
}

static bool read_sources(struct binder *b, size_t line)
{
    if (!once(b, "sources", line, &b->sources_line) || !reader_mapping(&b->r, "sources", line)) {
        return false;
    }
    for (;;) {
        char key[READER_KEY_ROOM];
        bool end = false;
        size_t at = 0;
        if (!reader_key(&b->r, key, sizeof key, &at, &end)) {
            return false;
        }
        if (end) {
            return true;
        }
        if (!read_source(b, key, at)) {
            return false;
        }
    }
}

static bool read_extends(struct binder *b, size_t line)
{
    if (b->keys > 1) {
        return reader_fail(&b->r, line,
                           "extends must be the first key, as the rest is set on top of it");
    }
    if (!reader_scalar(&b->r, "extends", line)) {
        return false;
    }
    if (b->info != NULL) {
        (void)snprintf(b->info->extends, sizeof b->info->extends, "%s", reader_text(&b->r));
    }
    char place[READER_PLACE_ROOM];
    const struct request q = {b->c, b->presets, NULL, place_of(b, line, place), b->depth + 1};
    b->r.result = load_preset(reader_text(&b->r), &q, b->r.err);
    return b->r.result == CONFIG_OK;
}

static bool read_about(struct binder *b, size_t line)
{
    if (!once(b, "about", line, &b->about_line) || !reader_scalar(&b->r, "about", line)) {
        return false;
    }
    if (b->info != NULL) {
        (void)snprintf(b->info->about, sizeof b->info->about, "%s", reader_text(&b->r));
    }
    return true;
}

static bool unknown_key(struct binder *b, const char *key, size_t line)
{
    char shown[READER_QUOTE_ROOM];
    hca_quote(key, shown, sizeof shown);
    const char *near = hca_param_group_nearest(key);
    const struct hca_param_row *row = hca_param_nearest(key);
    if (near == NULL && row != NULL) {
        near = row->key;
    }
    return near != NULL
               ? reader_fail(&b->r, line, "unknown key '%s'; did you mean '%s'?", shown, near)
               : reader_fail(&b->r, line, "unknown key '%s'; hcasim params lists all", shown);
}

static bool read_top_key(struct binder *b, const char *key, size_t line)
{
    b->keys++;
    if (strcmp(key, "extends") == 0) {
        return read_extends(b, line);
    }
    if (strcmp(key, "about") == 0) {
        return read_about(b, line);
    }
    if (strcmp(key, "sources") == 0) {
        return read_sources(b, line);
    }
    const struct hca_param_row *first = hca_param_group(key);
    if (first != NULL) {
        return read_group(b, first, line);
    }
    return strchr(key, '.') != NULL ? read_value(b, key, line) : unknown_key(b, key, line);
}

/* The callback of reader_run: all keys of the one mapping a file holds. */
static bool bind_top(struct reader *r)
{
    struct binder *b = (struct binder *)r;
    for (;;) {
        char key[READER_KEY_ROOM];
        bool end = false;
        size_t line = 0;
        if (!reader_key(r, key, sizeof key, &line, &end)) {
            return false;
        }
        if (end) {
            return true;
        }
        if (!read_top_key(b, key, line)) {
            return false;
        }
    }
}

enum config_result config_load_file(struct hca_config *c, const char *path, struct hca_error *err)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        hca_error_set(err, "%s: cannot be opened: %s", path, strerror(errno));
        return CONFIG_BAD;
    }
    struct binder b = {.r = {.name = path, .err = err}, .c = c, .presets = &preset_embedded};
    const enum config_result result = reader_run(&b.r, NULL, 0, file, bind_top);
    (void)fclose(file);
    return result;
}

enum config_result config_load_text(struct hca_config *c, const char *name, const char *text,
                                    size_t size, const struct preset_table *presets,
                                    struct config_info *info, struct hca_error *err)
{
    struct binder b = {.r = {.name = name, .err = err}, .c = c, .presets = presets, .info = info};
    return reader_run(&b.r, text, size, NULL, bind_top);
}

static enum config_result load_preset(const char *name, const struct request *q,
                                      struct hca_error *err)
{
    const struct preset *preset = preset_find(q->presets, name);
    if (preset == NULL) {
        char shown[READER_QUOTE_ROOM];
        char names[256];
        hca_error_set(err, "%s: unknown preset '%s'; there are: %s", q->place,
                      hca_quote(name, shown, sizeof shown),
                      preset_names(q->presets, names, sizeof names));
        return CONFIG_BAD;
    }
    if (q->depth > CONFIG_EXTENDS_MAX) {
        hca_error_set(err, "%s: '%s' is extended more than %d presets deep; is there a cycle?",
                      q->place, name, (int)CONFIG_EXTENDS_MAX);
        return CONFIG_BAD;
    }
    char origin[HCA_PLACE_MAX];
    (void)snprintf(origin, sizeof origin, "preset %s", name);
    struct binder b = {.r = {.name = origin, .err = err},
                       .c = q->c,
                       .preset = origin,
                       .presets = q->presets,
                       .info = q->info,
                       .depth = q->depth};
    return reader_run(&b.r, preset->text, preset->size, NULL, bind_top);
}

enum config_result config_load_preset(struct hca_config *c, const char *name,
                                      const struct preset_table *presets, struct config_info *info,
                                      struct hca_error *err)
{
    const struct request q = {c, presets, info, "--preset", 0};
    return load_preset(name, &q, err);
}
