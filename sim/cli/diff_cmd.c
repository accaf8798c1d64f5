/* diff_cmd.c: hcasim diff RUN RUN: two reports side by side. */
#include "sim/cli/cli.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static const char help[] =
    "usage: hcasim diff RUN_A RUN_B [--json]\n\n"
    "Compares two run folders (or report.json files): hashes, changed parameters, and per opcode,\n"
    "transport, function and size the latency and goodput of both.\n"
    "Exit status: 0 the same in every number; 1 different; 3 not a report.\n\n"
    "Example: hcasim diff run1 run2\n";

static json_t *load(const char *path)
{
    char file[1200];
    struct stat s;
    json_error_t e;

    snprintf(file, sizeof file, "%s%s", path,
             stat(path, &s) == 0 && S_ISDIR(s.st_mode) ? "/report.json" : "");
    if (readable(file, EXIT_TRACE) != EXIT_OK) {
        return NULL;
    }
    json_t *const o = json_load_file(file, 0, &e);
    if (o == NULL || !json_is_object(o) || json_object_get(o, "groups") == NULL) {
        fprintf(stderr, "hcasim: %s:%d: not a report: %s\n", file, o == NULL ? e.line : 1,
                o == NULL ? e.text : "no key \"groups\"");
        json_decref(o);
        return NULL;
    }
    return o;
}

static bool equal(const json_t *a, const json_t *b, const char *key)
{
    return json_equal(json_object_get(a, key), json_object_get(b, key)) != 0;
}

static json_t *match(const json_t *groups, const json_t *g)
{
    static const char *const keys[] = {"opcode", "transport", "host", "fn", "size_min_bytes"};
    size_t i;
    json_t *x;

    json_array_foreach(groups, i, x)
    {
        bool same = true;
        for (size_t k = 0; k < sizeof keys / sizeof keys[0]; k++) {
            same = same && equal(x, g, keys[k]);
        }
        if (same) {
            return x;
        }
    }
    return NULL;
}

static json_int_t latency(const json_t *g, const char *key)
{
    return json_integer_value(json_object_get(json_object_get(g, "latency_ps"), key));
}

static json_int_t number(const json_t *g, const char *key)
{
    return json_integer_value(json_object_get(g, key));
}

static void change(FILE *out, json_int_t a, json_int_t b)
{
    fprintf(out, " %12.2f %12.2f %+8.2f %%", (double)a / 1e3, (double)b / 1e3,
            a == 0 ? 0.0 : 100.0 * (double)(b - a) / (double)a);
}

static void show_group(FILE *out, const json_t *a, const json_t *b)
{
    fprintf(out, "%-10s %-4s %3d:%-3d %9d %8d %8d", json_string_value(json_object_get(a, "opcode")),
            json_string_value(json_object_get(a, "transport")), (int)number(a, "host"),
            (int)number(a, "fn"), (int)number(a, "size_max_bytes"), (int)number(a, "count"),
            (int)number(b, "count"));
    change(out, latency(a, "p50"), latency(b, "p50"));
    change(out, latency(a, "p99"), latency(b, "p99"));
    fputc('\n', out);
}

static unsigned show_config(FILE *out, json_t *a, const json_t *b)
{
    const char *key;
    json_t *v;
    unsigned changed = 0;

    json_object_foreach(json_object_get(a, "config"), key, v)
    {
        const json_t *const w = json_object_get(json_object_get(b, "config"), key);
        if (!equal(v, w, "value")) {
            fprintf(out, "  %s: %s -> %s\n", key, json_string_value(json_object_get(v, "value")),
                    json_string_value(json_object_get(w, "value")));
            changed++;
        }
    }
    return changed;
}

static void compare_text(json_t *a, json_t *b, FILE *out)
{
    static const char *const keys[] = {"state_hash",    "timing_hash", "memory_hash", "sim_time_ps",
                                       "ops_completed", "ops_failed",  "packets"};
    json_t *const ga = json_object_get(a, "groups"), *const gb = json_object_get(b, "groups");
    size_t i;
    json_t *g;

    fputs("changed parameters\n", out);
    if (show_config(out, a, b) == 0) {
        fputs("  none\n", out);
    }
    for (size_t k = 0; k < sizeof keys / sizeof keys[0]; k++) {
        char *const x = json_dumps(json_object_get(a, keys[k]), JSON_ENCODE_ANY | JSON_COMPACT);
        char *const y = json_dumps(json_object_get(b, keys[k]), JSON_ENCODE_ANY | JSON_COMPACT);
        fprintf(out, "%-14s %s %s %s\n", keys[k], x == NULL ? "-" : x,
                equal(a, b, keys[k]) ? "=" : "->", y == NULL ? "-" : y);
        free(x);
        free(y);
    }
    fputs("\nopcode     qp   fn         bytes  count A  count B     p50 A ns     p50 B ns   change "
          "    p99 A ns     p99 B ns   change\n",
          out);
    json_array_foreach(ga, i, g)
    {
        const json_t *const o = match(gb, g);
        if (o != NULL) {
            show_group(out, g, o);
        } else {
            fprintf(out, "%-10s only in A\n", json_string_value(json_object_get(g, "opcode")));
        }
    }
    json_array_foreach(gb, i, g)
    {
        if (match(ga, g) == NULL) {
            fprintf(out, "%-10s only in B\n", json_string_value(json_object_get(g, "opcode")));
        }
    }
}

static json_t *compare_json(json_t *a, json_t *b)
{
    json_t *const o = json_object(), *const groups = json_array();
    json_t *const ga = json_object_get(a, "groups"), *const gb = json_object_get(b, "groups");
    size_t i;
    json_t *g;

    json_array_foreach(ga, i, g)
    {
        json_t *const m = match(gb, g);
        json_t *const x = json_object();
        json_object_set(x, "a", g);
        if (m != NULL) {
            json_object_set(x, "b", m);
        }
        json_array_append_new(groups, x);
    }
    json_object_set_new(o, "timing_equal", json_boolean(equal(a, b, "timing_hash")));
    json_object_set_new(o, "memory_equal", json_boolean(equal(a, b, "memory_hash")));
    json_object_set_new(o, "state_equal", json_boolean(equal(a, b, "state_hash")));
    json_object_set_new(o, "groups", groups);
    return o;
}

int cli_diff(int argc, char **argv)
{
    const char *path[2] = {NULL, NULL};
    unsigned n = 0;
    bool as_json = false;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            fputs(help, stdout);
            return EXIT_OK;
        }
        if (strcmp(argv[i], "--json") == 0) {
            as_json = true;
        } else if (n < 2 && argv[i][0] != '-') {
            path[n++] = argv[i];
        } else {
            return complain(EXIT_USAGE, "diff takes two run folders; hcasim diff --help");
        }
    }
    if (n != 2) {
        return complain(EXIT_USAGE, "diff takes two run folders; hcasim diff --help");
    }
    json_t *const a = load(path[0]), *const b = a == NULL ? NULL : load(path[1]);
    if (b == NULL) {
        json_decref(a);
        return EXIT_TRACE;
    }
    const bool same = json_equal(a, b) != 0;
    if (as_json) {
        json_t *const o = compare_json(a, b);
        json_object_set_new(o, "equal", json_boolean(same));
        json_dumpf(o, stdout, JSON_INDENT(1));
        putchar('\n');
        json_decref(o);
    } else {
        compare_text(a, b, stdout);
    }
    json_decref(a);
    json_decref(b);
    return same ? EXIT_OK : EXIT_OPS_FAILED;
}
