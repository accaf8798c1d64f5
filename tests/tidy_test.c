/* The rules of the house, held over the whole tree: `path:line: rule: what to do instead`.
 *
 * The rules run three times: over tests/data/tidy/bad, where each message is known; over
 * tests/data/tidy/good, which looks like breaking rules and does not; and over the project. A rule
 * about a table is skipped only while the table does not exist.
 * Source: CONTRIBUTING.md, which gives the reasons. */
#include "tests/tidy_tables.h"

/* ---- size -------------------------------------------------------------------------------------
 */

static void rule_line_length(struct tree *t, const struct file *f)
{
    int line = 1, column = 0;
    for (const char *s = f->raw; is_source(f->path) && *s != '\0'; s++) {
        if (*s == '\n') {
            line++;
            column = 0;
        } else if (((unsigned char)*s & 0xC0) != 0x80 && ++column == t->limits->columns + 1) {
            report(t, f->path, line, "line", "break it before column %d", t->limits->columns + 1);
        }
    }
}

/* Files that hcasim_gen prints say so in their first line; they grow with the tables. */
static bool is_printed(const struct file *f)
{
    const char *mark = strstr(f->raw, "Printed by hcasim_gen");
    return mark != NULL && line_of(f->raw, mark) == 1;
}

static void rule_file_length(struct tree *t, const struct file *f)
{
    const int lines = line_of(f->raw, f->raw + strlen(f->raw)) - 1;
    if (is_source(f->path) && !is_printed(f) && lines > t->limits->file_lines) {
        report(t, f->path, lines, "file", "%d lines: split it, %d are the most", lines,
               t->limits->file_lines);
    }
}

/* A function starts where, outside of all braces, `)` comes before `{` in a statement without `=`.
 */
static void rule_function_length(struct tree *t, const struct file *f)
{
    const char *start = NULL, *s = f->code;
    char last = '\n';
    bool assigns = false, function = false;
    int depth = 0;
    for (bool fresh = true; ends(f->path, " c h cpp hpp ") && *s != '\0'; s++) {
        if (fresh && *s == '#') {
            for (; s[1] != '\0' && (s[1] != '\n' || *s == '\\'); s++) {}
            continue;
        }
        fresh = *s == '\n' || (fresh && isspace((unsigned char)*s));
        if (isspace((unsigned char)*s)) {
            continue;
        }
        if (depth == 0 && start == NULL) {
            start = s;
            assigns = false;
        }
        assigns |= *s == '=';
        if (*s == '{' && last != '"') { /* extern "C" { opens no depth */
            function = depth++ == 0 ? last == ')' && !assigns : function;
        } else if (*s == '}' && depth > 0 && --depth == 0 && function) {
            const int from = line_of(f->code, start), n = line_of(f->code, s) - from + 1;
            if (n > t->limits->function_lines) {
                report(t, f->path, from, "function", "%d lines: split it, %d are the most", n,
                       t->limits->function_lines);
            }
        }
        start = depth == 0 && strchr(";{}", *s) != NULL ? NULL : start;
        last = *s;
    }
}

/* ---- words ------------------------------------------------------------------------------------
 */

/* Words that model/ must not use; with `call`, only before an opening parenthesis. */
static const struct {
    const char *word, *fix;
    bool call;
} banned[] = {
    {"malloc", "take it from the arena (model/arena.h)", true},
    {"calloc", "take it from the arena (model/arena.h)", true},
    {"realloc", "take it from the arena (model/arena.h)", true},
    {"strdup", "take it from the arena (model/arena.h)", true},
    {"float", "use integers with the unit in the name", false},
    {"double", "use integers with the unit in the name", false},
    {"rand", "take random numbers in sim/, from the seed", true},
    {"random", "take random numbers in sim/, from the seed", true},
    {"time", "use the cycle in struct tick", true},
    {"clock_gettime", "use the cycle in struct tick", true},
};

static void rule_banned(struct tree *t, const struct file *f)
{
    if (!under(f->path, "model/") || !is_c(f->path)) {
        return;
    }
    for (size_t b = 0; b < sizeof banned / sizeof banned[0]; b++) {
        const bool allowed =
            strstr(banned[b].fix, "arena") != NULL && strcmp(f->path, "model/arena.c") == 0;
        const size_t n = strlen(banned[b].word);
        for (const char *s = f->code; !allowed && (s = find_word(s, banned[b].word)) != NULL; s++) {
            if (!banned[b].call || s[n + strspn(s + n, " ")] == '(') {
                report(t, f->path, line_of(f->code, s), "banned", "'%s' in model/: %s",
                       banned[b].word, banned[b].fix);
            }
        }
    }
}

static void rule_open_end(struct tree *t, const struct file *f)
{
    static const char *const words[] = {"TODO", "FIXME", "XXX"};
    for (size_t w = 0; w < 3 && is_source(f->path) && strstr(f->path, ".md") == NULL; w++) {
        for (const char *s = f->comment; (s = find_word(s, words[w])) != NULL; s++) {
            const char *number = s + strlen(words[w]);
            if (strncmp(number, "(#", 2) != 0 || !isdigit((unsigned char)number[2])) {
                report(t, f->path, line_of(f->comment, s), "open end",
                       "do it, or name the issue: %s(#7)", words[w]);
            }
        }
    }
}

static void rule_host_path(struct tree *t, const struct file *f)
{
    for (int p = 0; p < 2; p++) {
        const char *path = t->limits->host_paths[p], *s = f->raw;
        for (; (s = strstr(s, path)) != NULL; s++) {
            report(t, f->path, line_of(f->raw, s), "host path",
                   "'%s' exists on one machine only: write it relative to the root", path);
        }
    }
}

/* ---- units and layers -------------------------------------------------------------------------
 */

enum { UNITS_MAX = 64 };
static char units[UNITS_MAX][ARG_LEN];
static int unit_count;

static int unit_index(const char *name)
{
    for (int i = 0; i < unit_count; i++) {
        if (strcmp(units[i], name) == 0) {
            return i;
        }
    }
    return -1;
}

/* The unit that model/NAME.c, .h or model/NAME_part.c belongs to, -1 for the kernel and packets. */
static int owner_of(const char *path)
{
    int owner = -1;
    for (int i = 0; under(path, "model/") && i < unit_count; i++) {
        const size_t n = strlen(units[i]);
        if (under(path + 6, units[i]) && strchr("._/", path[6 + n]) != NULL &&
            (owner < 0 || n > strlen(units[owner]))) {
            owner = i;
        }
    }
    return owner;
}

/* A unit sees itself, model/spec.h and the kernel; never another unit. */
static void check_include(struct tree *t, const struct file *f, int line, const char *name)
{
    static const char *const public_headers[] = {"hca.h",  "host.h",  "config.h", "param.h",
                                                 "meta.h", "spec/",   "defs.h",   "msg.h",
                                                 "stat.h", "trace.h", "ctx.h",    "packet/"};
    if (under(f->path, "model/")) {
        char unit[ARG_LEN] = "";
        if (!under(name, "model/")) {
            report(t, f->path, line, "include", "\"%s\": model/ includes \"model/...\" only", name);
            return;
        }
        snprintf(unit, sizeof unit, "%.*s", (int)strcspn(name + 6, "."), name + 6);
        if (unit_index(unit) >= 0 && owner_of(f->path) >= 0 &&
            unit_index(unit) != owner_of(f->path)) {
            report(t, f->path, line, "include",
                   "\"%s\": another unit; ask it by a wire, share types in model/spec.h", name);
        }
    } else if (under(f->path, "sim/") && under(name, "model/")) {
        for (size_t i = 0; i < sizeof public_headers / sizeof public_headers[0]; i++) {
            if (under(name + 6, public_headers[i])) {
                return;
            }
        }
        report(t, f->path, line, "include", "\"%s\": sim/ includes public headers of model/ only",
               name);
    }
}

static void rule_includes(struct tree *t, const struct file *f)
{
    if (!ends(f->path, " c h cpp hpp ")) {
        return;
    }
    char name[PATH_LEN];
    for (const char *s = f->code; (s = find_word(s, "include")) != NULL; s++) {
        const char *raw = f->raw + (s - f->code);
        if (sscanf(raw, "include \"%255[^\"\n]\"", name) == 1) {
            check_include(t, f, line_of(f->code, s), name);
        }
    }
}

static void need_file(struct tree *t, int line, const char *why, const char *format,
                      const char *name)
{
    char path[PATH_LEN];
    snprintf(path, sizeof path, format, name);
    if (find_file(t, path) == NULL) {
        report(t, "model/spec/unit.def", line, "unit", "%s '%s': write %s", why, name, path);
    }
}

static void rule_units(struct tree *t)
{
    const int n = read_rows(t, "model/spec/unit.def", "UNIT");
    unit_count = n < UNITS_MAX ? n : UNITS_MAX;
    for (int i = 0; i < unit_count; i++) {
        memcpy(units[i], rows[i].arg[0], ARG_LEN);
        need_file(t, rows[i].line, "unit", "model/%s.c", units[i]);
        need_file(t, rows[i].line, "unit", "model/%s.h", units[i]);
        need_file(t, rows[i].line, "unit", "tests/%s_test.c", units[i]);
        need_file(t, rows[i].line, "unit", "docs/units/%s.md", units[i]);
        if (strcmp(rows[i].arg[2], "none") != 0) {
            need_file(t, rows[i].line, "RTL peer of", "rtl/%s.sv", units[i]);
        }
    }
}

/* WIRE(name, message, side, from, to) follows the order of unit.def, BACK goes against it. */
static void rule_wires(struct tree *t)
{
    static const char *const macros[] = {"WIRE", "BACK"};
    for (int back = 0; back < 2; back++) {
        const int n = read_rows(t, "model/spec/wire.def", macros[back]);
        for (int r = 0; r < n; r++) {
            const int from = unit_index(rows[r].arg[3]), to = unit_index(rows[r].arg[4]);
            if (from >= 0 && to >= 0 && (from > to) != back) {
                report(t, "model/spec/wire.def", rows[r].line, "wire", "'%s' goes %s: use %s",
                       rows[r].arg[0], back ? "forward" : "back", macros[!back]);
            }
        }
    }
}

static void rule_fuzz_corpus(struct tree *t)
{
    char folder[PATH_LEN];
    for (int i = 0; i < t->files; i++) {
        const char *path = t->file[i].path, *end = strstr(path, "_fuzz.c");
        bool found = !under(path, "tests/fuzz/") || end == NULL;
        if (!found) {
            snprintf(folder, sizeof folder, "tests/fuzz/corpus/%.*s/", (int)(end - path - 11),
                     path + 11);
        }
        for (int j = 0; j < t->files && !found; j++) {
            found = under(t->file[j].path, folder);
        }
        if (!found) {
            report(t, path, 1, "corpus", "put small seeds into %s", folder);
        }
    }
}

/* ---- runs -------------------------------------------------------------------------------------
 */

static int check_tree(const char *root, const struct limits *limits, FILE *out)
{
    static void (*const of_tree[])(struct tree *) = {rule_units, rule_wires, rule_tables_used,
                                                     rule_fuzz_corpus};
    static void (*const of_file[])(struct tree *, const struct file *) = {
        rule_line_length, rule_file_length, rule_function_length, rule_banned,
        rule_open_end,    rule_host_path,   rule_includes};
    static struct tree t;
    t = (struct tree){.root = root, .limits = limits, .out = out};
    walk(&t, "");
    for (size_t r = 0; r < sizeof of_tree / sizeof of_tree[0]; r++) {
        of_tree[r](&t);
    }
    for (int i = 0; i < t.files; i++) {
        for (size_t r = 0; t.file[i].raw != NULL && r < sizeof of_file / sizeof of_file[0]; r++) {
            of_file[r](&t, &t.file[i]);
        }
        free(t.file[i].raw);
        free(t.file[i].code);
        free(t.file[i].comment);
    }
    printf("%s: %d files, %d findings\n", root, t.files, t.findings);
    return t.findings;
}

/* The findings in a folder of snippets must be the lines of a file, no more and no fewer. */
static bool finds_exactly(const char *folder, const char *expected)
{
    static const struct limits small = {60, 8, 30, {"/srv/host-only", "/srv/scratch"}};
    char *got = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&got, &size);
    check_tree(folder, &small, out);
    fclose(out);
    char *want = contents(expected);
    const bool same = strcmp(got, want) == 0;
    if (!same) {
        printf("FAILED: findings differ from %s; got:\n%s", expected, got);
    }
    free(got);
    free(want);
    return same;
}

int main(void)
{
    /* In pieces, as this file is checked as well. */
    static const struct limits project = {100,
                                          70,
                                          500,
                                          {"/wo"
                                           "rk/",
                                           "/tmp/"
                                           "build"}};
    const bool bad = finds_exactly(HCA_SOURCE_DIR "/tests/data/tidy/bad",
                                   HCA_SOURCE_DIR "/tests/data/tidy/bad.expected");
    const bool good = finds_exactly(HCA_SOURCE_DIR "/tests/data/tidy/good",
                                    HCA_SOURCE_DIR "/tests/data/tidy/good.expected");
    const bool clean = check_tree(HCA_SOURCE_DIR, &project, stdout) == 0;
    return bad && good && clean ? 0 : 1;
}
