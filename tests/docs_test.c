/* The pages of docs/ against the tables: what they name exists, and what exists they name. */
#include "model/meta.h"
#include "model/param.h"

#include <ctype.h>
#include <dirent.h>
#include <fnmatch.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

enum { PATH = 512 };

/* Text of a file below the root; NULL when there is none. To be freed. */
static char *slurp(const char *path)
{
    char full[PATH];
    char *text = NULL;
    size_t size = 0;

    snprintf(full, sizeof full, HCA_SOURCE_DIR "/%s", path);
    FILE *const f = fopen(full, "rb");
    if (f == NULL) {
        return NULL;
    }
    FILE *const to = open_memstream(&text, &size);
    for (int c; (c = getc(f)) != EOF;) {
        putc(c, to);
    }
    fclose(to);
    fclose(f);
    return text;
}

static char *must_slurp(const char *path)
{
    char *const text = slurp(path);

    if (text == NULL) {
        fail_msg("%s is missing", path);
    }
    return text;
}

/* Next word of letters, digits, _ and *; NULL: no more. *s moves on. */
static const char *word(const char **s, char *buf, size_t size)
{
    size_t n = 0;

    while (**s != '\0' && !isalnum((unsigned char)**s)) {
        (*s)++;
    }
    for (; isalnum((unsigned char)**s) || **s == '_' || **s == '*'; (*s)++) {
        if (n + 1 < size) {
            buf[n++] = **s;
        }
    }
    buf[n] = '\0';
    return n == 0 ? NULL : buf;
}

/* A word of the text that is the name, or a pattern such as rd_*_xlat that stands for it. */
static bool names(const char *text, const char *name)
{
    char w[64];

    for (const char *s = text; word(&s, w, sizeof w) != NULL;) {
        if (strchr(w, '_') != NULL ? fnmatch(w, name, 0) == 0 : strcmp(w, name) == 0) {
            return true;
        }
    }
    return false;
}

static void each_unit_page_names_all_wires_of_its_unit(void **state)
{
    (void)state;

    for (unsigned u = 0; u < meta_unit_count; u++) {
        char path[PATH];
        snprintf(path, sizeof path, "docs/units/%s.md", meta_units[u].name);
        char *const text = must_slurp(path);
        for (unsigned i = 0; i < meta_wire_count; i++) {
            const bool own = strcmp(meta_wires[i].from, meta_units[u].name) == 0 ||
                             strcmp(meta_wires[i].to, meta_units[u].name) == 0;
            if (own && !names(text, meta_wires[i].name)) {
                fail_msg("%s does not name the wire %s", path, meta_wires[i].name);
            }
        }
        assert_non_null(strstr(text, "NOT MODELLED"));
        free(text);
    }
}

/* What stands in an arrow, --name-->, is a wire; a pattern stands for one at least. */
static void check_arrows(const char *path, const char *text)
{
    for (const char *s = text; (s = strstr(s, "--")) != NULL;) {
        char w[64];
        s += strspn(s, "-");
        const char *end = s;
        if (!islower((unsigned char)*s) || word(&end, w, sizeof w) == NULL || *end != '-') {
            continue;
        }
        bool known = false;
        for (unsigned i = 0; i < meta_wire_count; i++) {
            known |= fnmatch(w, meta_wires[i].name, 0) == 0;
        }
        if (!known) {
            fail_msg("%s: the arrow %s is no wire", path, w);
        }
        s = end;
    }
}

static void arrows_of_the_unit_pages_are_wires(void **state)
{
    (void)state;

    for (unsigned u = 0; u < meta_unit_count; u++) {
        char path[PATH];
        snprintf(path, sizeof path, "docs/units/%s.md", meta_units[u].name);
        char *const text = must_slurp(path);
        check_arrows(path, text);
        free(text);
    }
}

static bool is_group(const char *key, size_t len)
{
    char group[64];

    snprintf(group, sizeof group, "%.*s", (int)len, key);
    return hca_param_group(group) != NULL;
}

/* `group.name` in back quotes is a parameter, when the group is one and it is no file. */
static void check_parameters(const char *path, const char *text)
{
    for (const char *s = text; (s = strchr(s, '`')) != NULL; s++) {
        const size_t group = strspn(s + 1, "abcdefghijklmnopqrstuvwxyz");
        if (group == 0 || s[1 + group] != '.' || !is_group(s + 1, group)) {
            continue;
        }
        const size_t len =
            group + 1 + strspn(s + 2 + group, "abcdefghijklmnopqrstuvwxyz0123456789_");
        const bool other =
            len <= group + 2 || strchr("*/", s[1 + len]) != NULL; /* `iommu.c`, `cpu.*` */
        if (!other && hca_param_find(s + 1, len) == NULL) {
            fail_msg("%s: there is no parameter %.*s", path, (int)len, s + 1);
        }
    }
}

/* Targets of [text](target) exist, seen from the folder of the page. */
static void check_links(const char *path, const char *text)
{
    const char *const slash = strrchr(path, '/');

    for (const char *s = text; (s = strstr(s, "](")) != NULL; s++) {
        char full[2 * PATH];
        struct stat st;
        const size_t n = strcspn(s + 2, ")#\n");
        if (n == 0 || strncmp(s + 2, "http", 4) == 0) {
            continue;
        }
        snprintf(full, sizeof full, HCA_SOURCE_DIR "/%.*s/%.*s",
                 slash == NULL ? 1 : (int)(slash - path), slash == NULL ? "." : path, (int)n,
                 s + 2);
        if (stat(full, &st) != 0) {
            fail_msg("%s: the link to %.*s leads nowhere", path, (int)n, s + 2);
        }
    }
}

/* `name_test` in back quotes is a test. */
static void check_tests(const char *path, const char *text)
{
    for (const char *s = text; (s = strchr(s, '`')) != NULL; s++) {
        const size_t n = strspn(s + 1, "abcdefghijklmnopqrstuvwxyz0123456789_");
        char full[PATH];
        struct stat st;
        if (n < 6 || s[1 + n] != '`' || strncmp(s + 1 + n - 5, "_test", 5) != 0) {
            continue;
        }
        snprintf(full, sizeof full, HCA_SOURCE_DIR "/tests/%.*s.c", (int)n, s + 1);
        if (stat(full, &st) != 0) {
            fail_msg("%s: there is no test %.*s", path, (int)n, s + 1);
        }
    }
}

typedef void page_fn(const char *path, const char *text);

static unsigned each_page(const char *folder, page_fn *check)
{
    char full[PATH];
    unsigned pages = 0;

    snprintf(full, sizeof full, HCA_SOURCE_DIR "/%s", folder);
    DIR *const d = opendir(full);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        const char *const dot = strrchr(e->d_name, '.');
        if (dot == NULL || strcmp(dot, ".md") != 0) {
            continue;
        }
        char path[PATH];
        const bool root = strcmp(folder, ".") == 0;
        snprintf(path, sizeof path, "%s%s%.200s", root ? "" : folder, root ? "" : "/", e->d_name);
        char *const text = must_slurp(path);
        check(path, text);
        free(text);
        pages++;
    }
    closedir(d);
    return pages;
}

static const char *const folders[] = {".", "docs", "docs/units", "docs/adr"};

static void parameters_named_in_pages_exist(void **state)
{
    (void)state;
    unsigned pages = 0;

    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        pages += each_page(folders[i], check_parameters);
    }
    assert_true(pages > 30);
}

static void links_of_pages_lead_somewhere_and_their_tests_exist(void **state)
{
    (void)state;

    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        (void)each_page(folders[i], check_links);
        (void)each_page(folders[i], check_tests);
    }
}

/* Calls of programs and files that the first hour is told to type. */
static void files_of_the_first_hour_exist(void **state)
{
    (void)state;
    char *const text = must_slurp("docs/HACKING.md");
    unsigned found = 0;

    for (const char *s = text; *s != '\0'; s++) {
        static const char *const roots[] = {"scripts/", "model/", "tests/", "docs/units/"};
        for (size_t i = 0; i < sizeof roots / sizeof roots[0]; i++) {
            const size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789_/.");
            const bool start = s == text || strchr(" `\n'(^", s[-1]) != NULL;
            if (!start || strncmp(s, roots[i], strlen(roots[i])) != 0 || s[n] == '<' ||
                s[n] == '*' || n == strlen(roots[i])) {
                continue;
            }
            char path[PATH], full[2 * PATH];
            struct stat st;
            snprintf(path, sizeof path, "%.*s", (int)(s[n - 1] == '.' ? n - 1 : n), s);
            snprintf(full, sizeof full, HCA_SOURCE_DIR "/%s", path);
            if (strchr(path, '.') != NULL && stat(full, &st) != 0) {
                fail_msg("docs/HACKING.md names %s, which is not there", path);
            }
            found++;
        }
    }
    assert_true(found > 10);
    free(text);
}

/* FIDELITY.md has a line for every unit and for every published point that is compared. */
static void the_fidelity_page_is_complete(void **state)
{
    (void)state;
    char *const page = must_slurp("docs/FIDELITY.md"), *const points =
                                                           must_slurp("bench/points.csv");

    for (unsigned u = 0; u < meta_unit_count; u++) {
        char link[128];
        snprintf(link, sizeof link, "[%s](units/%s.md)", meta_units[u].name, meta_units[u].name);
        if (strstr(page, link) == NULL) {
            fail_msg("docs/FIDELITY.md says nothing of the unit %s", meta_units[u].name);
        }
    }
    for (const char *s = points; *s != '\0'; s += strcspn(s, "\n"), s += *s == '\n') {
        char row[32];
        const size_t n = strcspn(s, ",");
        if (s[0] == 'C' && n < 16) {
            snprintf(row, sizeof row, "\n| %.*s |", (int)n, s);
            if (strstr(page, row) == NULL) {
                fail_msg("docs/FIDELITY.md has no row for %.*s", (int)n, s);
            }
        }
    }
    free(page);
    free(points);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_unit_page_names_all_wires_of_its_unit),
        cmocka_unit_test(arrows_of_the_unit_pages_are_wires),
        cmocka_unit_test(parameters_named_in_pages_exist),
        cmocka_unit_test(links_of_pages_lead_somewhere_and_their_tests_exist),
        cmocka_unit_test(files_of_the_first_hour_exist),
        cmocka_unit_test(the_fidelity_page_is_complete),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
