/* hcasim_gen: prints what follows from the tables.
 *
 *   hcasim_gen --write ROOT   writes the files below ROOT that differ
 *   hcasim_gen --check ROOT   exit 1 and their names when one is stale
 * An ordinary build never runs it: the files are committed and tests hold them fresh. */
#include "model/gen.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* sim/report/report_schema.c: this program links all libraries, model/ sees no header of sim/. */
gen_fn report_schema;

static const struct {
    const char *path;
    gen_fn *print;
} files[] = {
    {"rtl/hca_pkg.sv", gen_package},
    {"rtl/bridge/units.hpp", gen_bridge},
    {"docs/reference/params.md", param_print_markdown},
    {"docs/reference/units.md", gen_units},
    {"docs/reference/wires.md", gen_wires},
    {"docs/reference/messages.md", gen_messages},
    {"docs/reference/statistics.md", gen_stats},
    {"docs/reference/events.md", gen_events},
    {"docs/reference/stages.md", gen_stages},
    {"docs/reference/errors.md", gen_errors},
    {"docs/reference/registers.md", gen_registers},
    {"docs/report.schema.json", report_schema},
};

/* Whole file as text, NULL when it cannot be read. */
static char *slurp(const char *path, size_t *size)
{
    FILE *const f = fopen(path, "rb");

    if (f == NULL) {
        return NULL;
    }
    char *text = NULL;
    FILE *const to = open_memstream(&text, size);
    char part[4096];
    for (size_t n; (n = fread(part, 1, sizeof part, f)) > 0;) {
        fwrite(part, 1, n, to);
    }
    fclose(to);
    fclose(f);
    return text;
}

static bool put(const char *path, const char *text, size_t size)
{
    char temporary[4200];

    snprintf(temporary, sizeof temporary, "%s.new", path);
    FILE *const f = fopen(temporary, "wb");
    if (f == NULL) {
        perror(temporary);
        return false;
    }
    const bool whole = fwrite(text, 1, size, f) == size;
    return fclose(f) == 0 && whole && rename(temporary, path) == 0;
}

/* False: the file is stale (check) or could not be written (write). */
static bool one(size_t i, const char *root, bool write)
{
    char path[4096];
    char *fresh = NULL;
    size_t fresh_size = 0, old_size = 0;
    FILE *const to = open_memstream(&fresh, &fresh_size);

    files[i].print(to);
    fclose(to);
    snprintf(path, sizeof path, "%s/%s", root, files[i].path);
    char *const old = slurp(path, &old_size);
    const bool same = old != NULL && old_size == fresh_size && memcmp(old, fresh, old_size) == 0;
    bool good = same;
    if (!same && write) {
        good = put(path, fresh, fresh_size);
        printf("%s %s\n", good ? "wrote" : "cannot write", path);
    } else if (!same) {
        printf("%s is stale: run hcasim_gen --write ROOT and commit it\n", path);
    }
    free(old);
    free(fresh);
    return good;
}

int main(int argc, char **argv)
{
    if (argc != 3 || (strcmp(argv[1], "--write") != 0 && strcmp(argv[1], "--check") != 0)) {
        fprintf(stderr, "usage: hcasim_gen --write|--check ROOT\n");
        return 2;
    }
    bool good = true;
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        good &= one(i, argv[2], strcmp(argv[1], "--write") == 0);
    }
    return good ? 0 : 1;
}
