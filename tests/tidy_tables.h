/* tidy_tables.h: the rows of model/spec/ and whether anything uses them, for tests/tidy_test.c. */
#pragma once

#include "tests/tidy_tree.h"

enum { ROWS_MAX = 1024, ARGS_MAX = 5, ARG_LEN = 64 };

/* One row of a table in model/spec: its first arguments. */
struct row {
    char arg[ARGS_MAX][ARG_LEN];
    int line;
};

static struct row rows[ROWS_MAX];

/* Fills rows[] with the lines of a table that start with `macro(`; returns how many. */
static int read_rows(const struct tree *t, const char *path, const char *macro)
{
    const struct file *f = find_file(t, path);
    int n = 0;
    for (const char *s = f == NULL ? NULL : find_word(f->code, macro); s != NULL && n < ROWS_MAX;
         s = find_word(s + 1, macro)) {
        const char *at = s + strlen(macro);
        if ((s != f->code && s[-1] != '\n') || *at != '(') {
            continue;
        }
        rows[n] = (struct row){.line = line_of(f->code, s)};
        for (int a = 0; a < ARGS_MAX && (*at == '(' || *at == ','); a++) {
            at += 1 + strspn(at + 1, " \n");
            const int len = (int)strcspn(at, ",() \n");
            snprintf(rows[n].arg[a], ARG_LEN, "%.*s", len, at);
            at += strcspn(at, ",()");
        }
        n++;
    }
    return n;
}

/* Does any C file of the folders (a list "model/ sim/"; tables do not count) satisfy `used`? */
static bool anywhere(const struct tree *t, const char *folders,
                     bool (*used)(const char *code, const struct row *r), const struct row *r)
{
    char folder[PATH_LEN];
    for (int i = 0; i < t->files; i++) {
        const struct file *f = &t->file[i];
        snprintf(folder, sizeof folder, "%.*s/", (int)strcspn(f->path, "/"), f->path);
        if (ends(f->path, " c h ") && strstr(folders, folder) != NULL && used(f->code, r)) {
            return true;
        }
    }
    return false;
}

/* `unit_name` counted up, or COUNT(t, unit, name...). */
static bool stat_counted(const char *code, const struct row *r)
{
    char name[2 * ARG_LEN + 8];
    snprintf(name, sizeof name, "%s_%s", r->arg[0], r->arg[1]);
    for (const char *s = code; (s = find_word(s, name)) != NULL; s++) {
        const char *after = s + strlen(name) + strspn(s + strlen(name), " ");
        /* A bare name, so no use of the member: in a table of counters. */
        const bool listed = s > code && s[-1] == ' ' && (*after == ',' || *after == ')');
        if (listed || strncmp(after, "++", 2) == 0 || strncmp(after, "+=", 2) == 0) {
            return true;
        }
    }
    snprintf(name, sizeof name, "%s, %s", r->arg[0], r->arg[1]);
    return find_word(code, name) != NULL;
}

static bool param_read(const char *code, const struct row *r)
{
    char name[2 * ARG_LEN + 2];
    snprintf(name, sizeof name, "%s_%s", r->arg[0], r->arg[1]);
    return find_word(code, name) != NULL;
}

/* Is `name` the third argument of a call of the macro? TRACE(t, unit, event, ...) and STAMP. */
static bool third_argument(const char *code, const char *macro, const char *name)
{
    const size_t n = strlen(name);
    for (const char *s = code; (s = find_word(s, macro)) != NULL; s++) {
        const char *arg = s + strlen(macro);
        for (int commas = 0; commas < 2 && *arg != '\0'; commas++) {
            arg += strcspn(arg, ",;");
            arg += *arg == ',' ? 1 + strspn(arg + 1, " \n") : strlen(arg);
        }
        if (strncmp(arg, name, n) == 0 && !is_word(arg[n])) {
            return true;
        }
    }
    return false;
}

static bool event_traced(const char *code, const struct row *r)
{
    char name[ARG_LEN + 4];
    snprintf(name, sizeof name, "EV_%s", r->arg[0]);
    return find_word(code, name) != NULL || third_argument(code, "TRACE", r->arg[0]);
}

static bool stage_stamped(const char *code, const struct row *r)
{
    char name[ARG_LEN + 8];
    snprintf(name, sizeof name, "STAGE_%s", r->arg[0]);
    return find_word(code, name) != NULL || third_argument(code, "STAMP", r->arg[0]);
}

/* The name as such, or after the prefix that its enumeration gives it. */
static bool error_used(const char *code, const struct row *r)
{
    const size_t n = strlen(r->arg[0]);
    for (const char *s = code; (s = strstr(s, r->arg[0])) != NULL; s++) {
        if (!is_word(s[n]) && (s == code || s[-1] == '_' || !is_word(s[-1]))) {
            return true;
        }
    }
    return false;
}

static void rule_tables_used(struct tree *t)
{
    static const struct {
        const char *path, *macro, *folders, *fix;
        bool (*used)(const char *code, const struct row *r);
    } table[] = {
        {"stat.def", "STAT", "model/", "count it up in its unit, or drop the row", stat_counted},
        {"param.def", "PARAM", "model/ sim/ bench/", "read it, or drop the row", param_read},
        {"param.def", "PARAM_ENUM", "model/ sim/ bench/", "read it, or drop the row", param_read},
        {"param.def", "PARAM_BOOL", "model/ sim/ bench/", "read it, or drop the row", param_read},
        {"event.def", "EVENT", "model/", "trace it, or drop the row", event_traced},
        {"stage.def", "STAGE", "model/ sim/", "stamp it, or drop the row", stage_stamped},
        {"error.def", "ERROR", "model/ sim/ traces/", "return it, or drop the row", error_used},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        char path[PATH_LEN];
        snprintf(path, sizeof path, "model/spec/%s", table[i].path);
        if (find_file(t, path) == NULL) {
            printf("%s: no %s, its rule is skipped\n", t->root, path);
        }
        const int n = read_rows(t, path, table[i].macro);
        for (int r = 0; r < n; r++) {
            if (!anywhere(t, table[i].folders, table[i].used, &rows[r])) {
                report(t, path, rows[r].line, "unused row", "%s(%s, %s): %s", table[i].macro,
                       rows[r].arg[0], rows[r].arg[1], table[i].fix);
            }
        }
    }
}
