#include "sim/cosim/hosts_i.h"

#include "sim/config/yaml.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- values ----------------------------------------------------------------------------------- */

/* The value of key as a text of at most size - 1 bytes. */
bool hosts_text(struct hosts_parse *x, const char *key, size_t line, char *to, size_t size)
{
    if (!reader_scalar(&x->r, key, line)) {
        return false;
    }
    if (strlen(reader_text(&x->r)) >= size) {
        return reader_fail(&x->r, line, "%s: %zu bytes, at most %zu fit; shorten it", key,
                           strlen(reader_text(&x->r)), size - 1);
    }
    (void)snprintf(to, size, "%s", reader_text(&x->r));
    return true;
}

/* Letters, digits, - and _: a name becomes part of file names and of report keys. */
bool hosts_name(struct hosts_parse *x, const char *key, size_t line, const char *what)
{
    const size_t n = strlen(key);

    if (n == 0 || n >= HOSTS_NAME_MAX || strspn(key, HOSTS_NAME_BYTES) != n) {
        char shown[READER_QUOTE_ROOM];
        return reader_fail(&x->r, line, "%s '%s': 1 to %d letters, digits, - or _ are a name here",
                           what, hca_quote(key, shown, sizeof shown), HOSTS_NAME_MAX - 1);
    }
    return true;
}

static bool read_memory(struct hosts_parse *x, size_t line)
{
    static const struct {
        char letter;
        unsigned shift;
    } units[] = {{'K', 10}, {'M', 20}, {'G', 30}};
    char text[32], *end = NULL;
    unsigned shift = 0;

    if (!hosts_text(x, "memory", line, text, sizeof text)) {
        return false;
    }
    errno = 0;
    const uint64_t n = text[0] == '-' ? 0 : strtoull(text, &end, 10);
    for (unsigned i = 0; i < 3 && n != 0; i++) {
        if (*end == units[i].letter && end[1] == '\0') {
            shift = units[i].shift;
            end++;
        }
    }
    if (n == 0 || errno != 0 || *end != '\0' || n > HOSTS_MEMORY_MAX >> shift ||
        (n << shift) % HOSTS_MEMORY_UNIT != 0 || n << shift < HOSTS_MEMORY_MIN) {
        return reader_fail(&x->r, line,
                           "memory '%s': 16M to 128G in whole 2M blocks, as in 512M; give QEMU the "
                           "same -m",
                           text);
    }
    x->h->memory_bytes = n << shift;
    return true;
}

/* --- mappings --------------------------------------------------------------------------------- */

/* Hands each key of the mapping that key holds to one(). */
bool hosts_each(struct hosts_parse *x, const char *key, size_t line,
                bool one(struct hosts_parse *x, const char *key, size_t line))
{
    if (!reader_mapping(&x->r, key, line)) {
        return false;
    }
    for (;;) {
        char name[READER_KEY_ROOM];
        bool end = false;
        size_t at = 0;
        if (!reader_key(&x->r, name, sizeof name, &at, &end)) {
            return false;
        }
        if (end || !one(x, name, at)) {
            return end;
        }
    }
}

static bool read_set(struct hosts_parse *x, const char *key, size_t line)
{
    char place[READER_PLACE_ROOM];

    (void)snprintf(place, sizeof place, "%s:%zu", x->r.name, line);
    if (!reader_scalar(&x->r, key, line)) {
        return false;
    }
    if (!hca_config_set(&x->h->config, key, reader_text(&x->r), place, place, x->r.err)) {
        x->r.result = CONFIG_BAD;
        return false;
    }
    return true;
}

static bool read_config(struct hosts_parse *x, size_t line)
{
    char name[HOSTS_PATH_MAX];

    if (x->keys[HOSTS_KEY_SET] != 0) {
        return reader_fail(&x->r, line, "config must stand above set, which changes it");
    }
    if (!hosts_text(x, "config", line, name, sizeof name)) {
        return false;
    }
    const bool file = strchr(name, '/') != NULL || strstr(name, ".yaml") != NULL;
    x->r.result = file ? config_load_file(&x->h->config, name, x->r.err)
                       : config_load_preset(&x->h->config, name, &preset_embedded, NULL, x->r.err);
    return x->r.result == CONFIG_OK;
}

static bool read_top(struct hosts_parse *x, const char *key, size_t line)
{
    static const char *const names[HOSTS_KEYS] = {"about",  "config", "set",    "folder",
                                                  "memory", "hosts",  "uplinks"};
    unsigned k = 0;

    while (k < HOSTS_KEYS && strcmp(names[k], key) != 0) {
        k++;
    }
    if (k == HOSTS_KEYS) {
        char shown[READER_QUOTE_ROOM];
        return reader_fail(&x->r, line,
                           "unknown key '%s'; there are about, config, set, folder, memory, hosts, "
                           "uplinks",
                           hca_quote(key, shown, sizeof shown));
    }
    if (x->keys[k] != 0) {
        return reader_fail(&x->r, line, "%s is given again (first in line %zu); keep one", key,
                           x->keys[k]);
    }
    x->keys[k] = line;
    switch (k) {
    case HOSTS_KEY_ABOUT: return hosts_text(x, key, line, x->h->about, sizeof x->h->about);
    case HOSTS_KEY_CONFIG: return read_config(x, line);
    case HOSTS_KEY_SET: return hosts_each(x, key, line, read_set);
    case HOSTS_KEY_FOLDER: return hosts_text(x, key, line, x->h->folder, sizeof x->h->folder);
    case HOSTS_KEY_MEMORY: return read_memory(x, line);
    case HOSTS_KEY_HOSTS: return hosts_each(x, key, line, hosts_read_host);
    default: return hosts_each(x, key, line, hosts_read_uplink);
    }
}

static bool bind(struct reader *r)
{
    struct hosts_parse *const x = (struct hosts_parse *)r;

    for (;;) {
        char key[READER_KEY_ROOM];
        bool end = false;
        size_t line = 0;
        if (!reader_key(r, key, sizeof key, &line, &end)) {
            return false;
        }
        if (end && x->h->vms == 0) {
            return reader_fail(r, line, "no VM in it; write hosts: {left: {a: {}}}");
        }
        if (end || !read_top(x, key, line)) {
            return end;
        }
    }
}

static bool load(struct hosts *h, const char *name, const char *text, size_t size, FILE *file,
                 struct hca_error *err, bool *host_failed)
{
    struct hosts_parse x = {.r = {.name = name, .err = err}, .h = h};

    *h = (struct hosts){.memory_bytes = HOSTS_MEMORY_DEFAULT};
    hca_config_default(&h->config);
    const enum config_result result = reader_run(&x.r, text, size, file, bind);
    *host_failed = result == CONFIG_HOST;
    return result == CONFIG_OK;
}

bool hosts_load(struct hosts *h, const char *path, struct hca_error *err, bool *host_failed)
{
    FILE *const file = fopen(path, "rb");

    *host_failed = false;
    if (file == NULL) {
        hca_error_set(err, "%s: cannot be opened: %s", path, strerror(errno));
        return false;
    }
    const bool good = load(h, path, NULL, 0, file, err, host_failed);
    (void)fclose(file);
    return good;
}

bool hosts_load_text(struct hosts *h, const char *name, const char *text, size_t size,
                     struct hca_error *err, bool *host_failed)
{
    return load(h, name, text, size, NULL, err, host_failed);
}

/* --- what follows ----------------------------------------------------------------------------- */

/* The file's shape wins over defaults and presets; a value set elsewhere must equal it. */
static bool put(struct hosts *h, const char *key, uint64_t value, struct hca_error *err)
{
    const struct hca_param_row *const row = hca_param_find(key, strlen(key));
    const char *const place = h->config.origin[hca_param_index(row)].place;
    const uint64_t have = hca_param_get(&h->config.value, row);
    char text[32];

    if (have != value && strcmp(place, "default") != 0 && strncmp(place, "preset ", 7) != 0) {
        hca_error_set(err,
                      "%s: %s is %" PRIu64 ", hosts and VMs of the file make it %" PRIu64
                      "; leave it out",
                      place, key, have, value);
        return false;
    }
    (void)snprintf(text, sizeof text, "%" PRIu64, value);
    return hca_config_set(&h->config, key, text, "hosts", "hosts", err);
}

bool hosts_fit(struct hosts *h, struct hca_error *err)
{
    unsigned hcas = 1, fns = 1, vms = 1;

    for (unsigned i = 0; i < h->vms; i++) {
        const struct hosts_vm *const v = &h->vm[i];
        hcas = v->adapter + 1 > hcas ? v->adapter + 1 : hcas;
        fns = v->fn + 1 > fns ? v->fn + 1 : fns;
        vms = v->vm + 1 > vms ? v->vm + 1 : vms;
    }
    return put(h, "host.count", h->hosts, err) && put(h, "host.hcas", hcas, err) &&
           put(h, "host.vms", vms, err) && put(h, "hca.fn_max", fns, err) &&
           put(h, "host.mem_bytes", h->memory_bytes, err) && hca_config_check(&h->config, err);
}
