/* tidy_tree.h: the files of a project as texts, for tests/tidy_test.c. No library but C and POSIX.
 */
#pragma once

#include <ctype.h>
#include <dirent.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { FILES_MAX = 4096, PATH_LEN = 256 };

struct limits {
    int columns, function_lines, file_lines;
    const char *host_paths[2]; /* folders of the machine that the project was written on */
};

/* Three texts of equal length and equal line breaks, so that a place in one is a place in all. */
struct file {
    char path[PATH_LEN];
    char *raw;
    char *code;    /* comments and the inside of literals blanked (C and SystemVerilog) */
    char *comment; /* all but comments blanked                                          */
};

struct tree {
    const char *root;
    const struct limits *limits;
    FILE *out;
    int findings, files;
    struct file file[FILES_MAX];
};

static int line_of(const char *text, const char *at)
{
    int line = 1;
    for (; text < at; text++) {
        line += *text == '\n';
    }
    return line;
}

static void __attribute__((format(printf, 5, 6)))
report(struct tree *t, const char *path, int line, const char *rule, const char *fix, ...)
{
    va_list ap;
    va_start(ap, fix);
    fprintf(t->out, "%s:%d: %s: ", path, line, rule);
    vfprintf(t->out, fix, ap);
    fputc('\n', t->out);
    va_end(ap);
    t->findings++;
}

static bool under(const char *path, const char *folder)
{
    return strncmp(path, folder, strlen(folder)) == 0;
}

static bool ends(const char *path, const char *list)
{
    const char *dot = strrchr(path, '.');
    char want[16];
    snprintf(want, sizeof want, " %s ", dot != NULL && strchr(dot, '/') == NULL ? dot + 1 : "-");
    return strstr(list, want) != NULL;
}

static bool is_c(const char *path)
{
    return ends(path, " c h def cpp hpp sv svh ");
}

/* Sources, which have limits of size. */
static bool is_source(const char *path)
{
    return is_c(path) || ends(path, " cmake sh py ") || strstr(path, "CMakeLists.txt") != NULL ||
           under(path, "scripts/") || under(path, ".ci/");
}

static bool is_text(const char *path)
{
    return is_source(path) || ends(path, " md txt yaml yml json ");
}

/* Blanks n characters but keeps the line breaks. */
static void blank(char *text, size_t n)
{
    for (; n > 0; n--, text++) {
        *text = *text == '\n' ? '\n' : ' ';
    }
}

/* Length of the comment or literal at s, 0 when there is none; both delimiters included. */
static size_t token_length(const char *s, char *kind)
{
    *kind = *s;
    if (s[0] == '/' && s[1] == '*') {
        const char *end = strstr(s + 2, "*/");
        return end == NULL ? strlen(s) : (size_t)(end + 2 - s);
    }
    if (s[0] == '/' && s[1] == '/') {
        return strcspn(s, "\n");
    }
    if (s[0] != '"' && (s[0] != '\'' || (s[1] != '\\' && (s[1] == '\0' || s[2] != '\'')))) {
        return 0; /* 'x' is a literal, 8'hFF of SystemVerilog is none */
    }
    size_t n = 1;
    while (s[n] != '\0' && s[n] != '\n' && s[n] != s[0]) {
        n += s[n] == '\\' && s[n + 1] != '\0' ? 2 : 1;
    }
    return s[n] == s[0] ? n + 1 : n;
}

static void separate(struct file *f)
{
    size_t from = 0; /* end of the last comment */
    char kind;
    for (size_t i = 0, n; f->raw[i] != '\0'; i += n > 0 ? n : 1) {
        n = token_length(f->raw + i, &kind);
        if (n > 0 && kind == '/') {
            blank(f->code + i, n);
            blank(f->comment + from, i - from);
            from = i + n;
        } else if (n > 1) {
            blank(f->code + i + 1, n - 2);
        }
    }
    blank(f->comment + from, strlen(f->comment + from));
}

static char *contents(const char *path)
{
    FILE *in = fopen(path, "rb");
    if (in == NULL || fseek(in, 0, SEEK_END) != 0) {
        perror(path);
        exit(4);
    }
    const size_t size = (size_t)ftell(in);
    char *text = calloc(size + 1, 1);
    rewind(in);
    if (text == NULL || fread(text, 1, size, in) != size) {
        perror(path);
        exit(4);
    }
    fclose(in);
    return text;
}

static void add_file(struct tree *t, const char *path)
{
    struct file *f = &t->file[t->files++];
    char full[2 * PATH_LEN];
    snprintf(f->path, sizeof f->path, "%s", path);
    snprintf(full, sizeof full, "%s/%s", t->root, path);
    if (is_text(path)) {
        f->raw = contents(full);
        f->code = strdup(f->raw);
        f->comment = strdup(f->raw);
        if (is_c(path)) {
            separate(f);
        }
    }
}

/* Takes up all files below a folder in the order of their names; "" is the root. */
static void walk(struct tree *t, const char *folder)
{
    char full[2 * PATH_LEN], path[PATH_LEN];
    struct dirent **entry = NULL;
    struct stat st;
    snprintf(full, sizeof full, "%s/%s", t->root, folder);
    const int n = scandir(full, &entry, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        const char *name = entry[i]->d_name;
        const int len = snprintf(path, sizeof path, "%s%s", folder, name);
        snprintf(full, sizeof full, "%s/%s", t->root, path);
        const bool foreign = (name[0] == '.' && strcmp(name, ".ci") != 0) || under(path, "build") ||
                             strcmp(path, "tests/data/tidy") == 0;
        if (foreign || len >= PATH_LEN - 1 || lstat(full, &st) != 0) {
            /* not part of the project */
        } else if (S_ISDIR(st.st_mode)) {
            memcpy(path + len, "/", 2);
            walk(t, path);
        } else if (S_ISREG(st.st_mode) && t->files < FILES_MAX) {
            add_file(t, path);
        }
        free(entry[i]);
    }
    free(entry);
}

static const struct file *find_file(const struct tree *t, const char *path)
{
    for (int i = 0; i < t->files; i++) {
        if (strcmp(t->file[i].path, path) == 0) {
            return &t->file[i];
        }
    }
    return NULL;
}

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

/* Next place of `word` as a whole word in text, NULL when there is none. */
static const char *find_word(const char *text, const char *word)
{
    const size_t n = strlen(word);
    for (const char *s = strstr(text, word); s != NULL; s = strstr(s + 1, word)) {
        if ((s == text || !is_word(s[-1])) && !is_word(s[n])) {
            return s;
        }
    }
    return NULL;
}
