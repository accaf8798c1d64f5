/* The rows of param.def as data, and how a key finds its row. */
#include "model/param.h"

#include <string.h>

enum { KEY_MAX = 64 };

#define KEY_FITS(group, name) \
    _Static_assert(sizeof #group "." #name <= KEY_MAX + 1, #group "." #name ": key is too long");
#define PARAM(group, name, def, min, max, unit, source, doc)                                 \
    KEY_FITS(group, name)                                                                    \
    _Static_assert((uint64_t)(min) <= (uint64_t)(def) && (uint64_t)(def) <= (uint64_t)(max), \
                   #group "." #name ": default is outside its own range");
#define PARAM_ENUM(group, name, def, tokens, source, doc) KEY_FITS(group, name)
#define PARAM_BOOL(group, name, def, source, doc)         KEY_FITS(group, name)
#include "model/spec/param.def"
#undef PARAM
#undef PARAM_ENUM
#undef PARAM_BOOL

#define SPEC(text)     HCA_SOURCE_SPEC, text
#define MEASURED(text) HCA_SOURCE_MEASURED, text
#define ASSUMED(text)  HCA_SOURCE_ASSUMED, text
#define HEAD(group, name, kind) \
#group, #name, #group "." #name, kind, offsetof(struct hca_param, group##_##name)

static const struct hca_param_row rows[HCA_PARAM_COUNT] = {
#define PARAM(group, name, def, min, max, unit, source, doc) \
    {HEAD(group, name, HCA_PARAM_INT), def, min, max, "", "", unit, source, doc},
#define PARAM_ENUM(group, name, def, tokens, source, doc) \
    {HEAD(group, name, HCA_PARAM_ENUM), 0, 0, 0, #def, tokens, "", source, doc},
#define PARAM_BOOL(group, name, def, source, doc) \
    {HEAD(group, name, HCA_PARAM_BOOL), def, 0, 1, "", "false|true", "", source, doc},
#include "model/spec/param.def"
#undef PARAM
#undef PARAM_ENUM
#undef PARAM_BOOL
};

/* Length of the token at position index, its start in *at; 0 when there is none. */
static size_t token_at(const char *tokens, uint64_t index, const char **at)
{
    for (;; index--) {
        const size_t len = strcspn(tokens, "|");
        if (index == 0) {
            *at = tokens;
            return len;
        }
        if (tokens[len] == '\0') {
            return 0;
        }
        tokens += len + 1;
    }
}

bool hca_param_token(const struct hca_param_row *row, const char *text, uint64_t *value)
{
    const char *at;
    size_t len;
    for (uint64_t i = 0; (len = token_at(row->tokens, i, &at)) > 0; i++) {
        if (len == strlen(text) && memcmp(at, text, len) == 0) {
            *value = i;
            return true;
        }
    }
    return false;
}

void hca_param_put(struct hca_param *p, const struct hca_param_row *row, uint64_t value)
{
    memcpy((char *)p + row->offset, &value, sizeof value);
}

uint64_t hca_param_get(const struct hca_param *p, const struct hca_param_row *row)
{
    uint64_t value;
    memcpy(&value, (const char *)p + row->offset, sizeof value);
    return value;
}

void hca_param_default(struct hca_param *p)
{
    for (const struct hca_param_row *row = rows; row < rows + HCA_PARAM_COUNT; row++) {
        uint64_t value = row->def;
        if (row->kind == HCA_PARAM_ENUM) {
            (void)hca_param_token(row, row->def_token, &value);
        }
        hca_param_put(p, row, value);
    }
}

void hca_config_default(struct hca_config *c)
{
    memset(c, 0, sizeof *c);
    hca_param_default(&c->value);
    for (int i = 0; i < HCA_PARAM_COUNT; i++) {
        struct hca_origin *o = &c->origin[i];
        (void)snprintf(o->place, sizeof o->place, "default");
        o->source_class = rows[i].source_class;
        (void)snprintf(o->source, sizeof o->source, "%s", rows[i].source);
    }
}

const struct hca_param_row *hca_param_row(enum hca_param_id id)
{
    return &rows[id];
}

enum hca_param_id hca_param_index(const struct hca_param_row *row)
{
    return (enum hca_param_id)(row - rows);
}

const struct hca_param_row *hca_param_find(const char *key, size_t len)
{
    for (const struct hca_param_row *row = rows; row < rows + HCA_PARAM_COUNT; row++) {
        if (strlen(row->key) == len && memcmp(row->key, key, len) == 0) {
            return row;
        }
    }
    return NULL;
}

/* Levenshtein distance of two strings of at most KEY_MAX bytes. */
static unsigned distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
    unsigned line[KEY_MAX + 1];
    for (unsigned j = 0; j <= b_len; j++) {
        line[j] = j;
    }
    for (size_t i = 1; i <= a_len; i++) {
        unsigned corner = line[0];
        line[0] = (unsigned)i;
        for (size_t j = 1; j <= b_len; j++) {
            unsigned best = corner + (a[i - 1] != b[j - 1]);
            best = line[j] + 1 < best ? line[j] + 1 : best;
            best = line[j - 1] + 1 < best ? line[j - 1] + 1 : best;
            corner = line[j];
            line[j] = best;
        }
    }
    return line[b_len];
}

const struct hca_param_row *hca_param_nearest(const char *key)
{
    const size_t len = strlen(key);
    if (len > KEY_MAX) {
        return NULL;
    }
    const char *dot = strchr(key, '.');
    const struct hca_param_row *best = NULL;
    /* A third of the letters may be wrong; the right name in a wrong group counts as one error. */
    unsigned best_distance = (unsigned)len / 3 + 1;
    for (const struct hca_param_row *row = rows; row < rows + HCA_PARAM_COUNT; row++) {
        const size_t row_len = strlen(row->key);
        const size_t apart = row_len > len ? row_len - len : len - row_len;
        const bool same_name = strcmp(dot ? dot + 1 : key, row->name) == 0;
        if (!same_name && apart >= best_distance) {
            continue; /* the distance is at least the difference in length */
        }
        const unsigned d = same_name ? 1 : distance(key, len, row->key, row_len);
        if (d < best_distance) {
            best_distance = d;
            best = row;
        }
    }
    return best;
}

const struct hca_param_row *hca_param_group(const char *group)
{
    for (const struct hca_param_row *row = rows; row < rows + HCA_PARAM_COUNT; row++) {
        if (strcmp(row->group, group) == 0) {
            return row;
        }
    }
    return NULL;
}

const char *hca_param_group_nearest(const char *group)
{
    const size_t len = strlen(group);
    const char *best = NULL;
    unsigned best_distance = 3; /* two wrong letters at most */
    for (const struct hca_param_row *row = rows; row < rows + HCA_PARAM_COUNT; row++) {
        const unsigned d =
            len > KEY_MAX ? KEY_MAX : distance(group, len, row->group, strlen(row->group));
        if (d < best_distance && d < len) {
            best_distance = d;
            best = row->group;
        }
    }
    return best;
}

const char *hca_param_value_text(const struct hca_param_row *row, uint64_t value, char *buf,
                                 size_t size)
{
    const char *at = "";
    if (row->kind == HCA_PARAM_INT) {
        (void)snprintf(buf, size, "%llu", (unsigned long long)value);
    } else {
        const size_t len = token_at(row->tokens, value, &at);
        (void)snprintf(buf, size, "%.*s", (int)len, at);
    }
    return buf;
}

const char *hca_param_text(const struct hca_param *p, const struct hca_param_row *row, char *buf,
                           size_t size)
{
    return hca_param_value_text(row, hca_param_get(p, row), buf, size);
}

const char *hca_source_name(enum hca_source s)
{
    static const char *const names[HCA_SOURCES] = {"SPEC", "MEASURED", "ASSUMED"};
    return names[s];
}

void hca_config_evidence(const struct hca_config *c, unsigned count[HCA_SOURCES])
{
    memset(count, 0, HCA_SOURCES * sizeof *count);
    for (int i = 0; i < HCA_PARAM_COUNT; i++) {
        count[c->origin[i].source_class]++;
    }
}
