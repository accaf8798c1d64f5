/* sweep_cmd.c: hcasim sweep: one process per point, results in a CSV that can be resumed. */
#include "sim/cli/cli.h"
#include "sim/cli/progress.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char help[] =
    "usage: hcasim sweep KEY=A,B,C [KEY2=...] --trace T.hct -o R.csv [-j N] [--keep DIR]\n"
    "                    [options of hcasim run: --preset --config --set --timing --seed ...]\n\n"
    "Runs the trace once per combination of values (all of KEY x all of KEY2 ...), N at a time, "
    "and\n"
    "writes a line per run: the values, exit status, times and hashes, latency of the largest "
    "group.\n"
    "A point that stands in R.csv already is not run again; a failed run is a line with its "
    "status.\n"
    "--keep DIR keeps every run's report under DIR/<point>/.\n";

enum { KEYS_MAX = 8, VALUES_MAX = 256, PASS_MAX = 64, JOBS_MAX = 64 };

struct sweep {
    struct {
        const char *key;
        char *value[VALUES_MAX];
        unsigned n;
    } key[KEYS_MAX];
    unsigned keys, jobs;
    const char *out, *keep;
    const char *pass[PASS_MAX];
    unsigned passes;
    uint64_t points;
    struct job {
        pid_t pid;
        uint64_t point;
        char dir[1024];
    } job[JOBS_MAX];
    unsigned running;
    FILE *csv;
    uint64_t failed, skipped, done;
    char *old; /* text of an earlier R.csv */
};

static bool add_key(struct sweep *s, char *text)
{
    char *const eq = strchr(text, '=');
    char *rest, *v;

    if (eq == NULL || s->keys == KEYS_MAX) {
        return false;
    }
    *eq = '\0';
    s->key[s->keys].key = text;
    for (v = strtok_r(eq + 1, ",", &rest); v != NULL; v = strtok_r(NULL, ",", &rest)) {
        if (s->key[s->keys].n == VALUES_MAX) {
            return false;
        }
        s->key[s->keys].value[s->key[s->keys].n++] = v;
    }
    s->points = s->points == 0 ? s->key[s->keys].n : s->points * s->key[s->keys].n;
    return s->key[s->keys++].n > 0;
}

static const char *value_of(const struct sweep *s, uint64_t point, unsigned key)
{
    for (unsigned k = s->keys; k-- > key + 1;) {
        point /= s->key[k].n;
    }
    return s->key[key].value[point % s->key[key].n];
}

/* The columns that name a point: "64,4096,". */
static void point_text(const struct sweep *s, uint64_t point, char *text, size_t size)
{
    size_t at = 0;

    text[0] = '\0';
    for (unsigned k = 0; k < s->keys && at < size; k++) {
        at += (size_t)snprintf(text + at, size - at, "%s,", value_of(s, point, k));
    }
}

static bool known(const struct sweep *s, uint64_t point)
{
    char text[1024];
    const size_t n = (point_text(s, point, text, sizeof text), strlen(text));

    for (const char *line = s->old; line != NULL && *line != '\0';) {
        if (strncmp(line, text, n) == 0) {
            return true;
        }
        line = strchr(line, '\n');
        line = line == NULL ? NULL : line + 1;
    }
    return false;
}

static bool start(struct sweep *s, struct job *j, uint64_t point)
{
    const char *argv[2 * KEYS_MAX + PASS_MAX + 8];
    char set[KEYS_MAX][512], text[256];
    unsigned n = 0;

    point_text(s, point, text, sizeof text);
    for (char *c = text; *c != '\0'; c++) {
        *c = *c == ',' || *c == '/' ? '_' : *c;
    }
    j->point = point;
    if (s->keep != NULL) {
        snprintf(j->dir, sizeof j->dir, "%s/%s", s->keep, text);
    } else {
        snprintf(j->dir, sizeof j->dir, "/tmp/hcasim-sweep-XXXXXX");
        if (mkdtemp(j->dir) == NULL) {
            return false;
        }
    }
    argv[n++] = "hcasim";
    argv[n++] = "run";
    for (unsigned i = 0; i < s->passes; i++) {
        argv[n++] = s->pass[i];
    }
    for (unsigned k = 0; k < s->keys; k++) {
        snprintf(set[k], sizeof set[k], "%s=%s", s->key[k].key, value_of(s, point, k));
        argv[n++] = "--set";
        argv[n++] = set[k];
    }
    argv[n++] = "--quiet";
    argv[n++] = "--out";
    argv[n++] = j->dir;
    argv[n] = NULL;
    j->pid = fork();
    if (j->pid == 0) {
        const int nothing = open("/dev/null", O_WRONLY);
        (void)dup2(nothing, STDOUT_FILENO);
        execv("/proc/self/exe", (char *const *)(uintptr_t)argv);
        _exit(EXIT_HOST);
    }
    return j->pid > 0;
}

static json_t *largest(const json_t *report)
{
    json_t *best = NULL, *g;
    size_t i;

    json_array_foreach(json_object_get(report, "groups"), i, g)
    {
        const json_int_t n = json_integer_value(json_object_get(g, "count"));
        const bool recv = strcmp(json_string_value(json_object_get(g, "opcode")), "recv") == 0;
        if (!recv && (best == NULL || n > json_integer_value(json_object_get(best, "count")))) {
            best = g;
        }
    }
    return best;
}

static void put_latency(struct sweep *s, const json_t *g, const char *key)
{
    fprintf(s->csv, ",%" JSON_INTEGER_FORMAT,
            json_integer_value(json_object_get(json_object_get(g, "latency_ps"), key)));
}

static void collect(struct sweep *s, const struct job *j, int status)
{
    char text[1024], path[1100];
    json_error_t e;

    snprintf(path, sizeof path, "%s/report.json", j->dir);
    json_t *const r = json_load_file(path, 0, &e);
    point_text(s, j->point, text, sizeof text);
    fprintf(s->csv, "%s%d", text, status);
    if (r != NULL) {
        const json_t *const g = largest(r);
        const json_int_t ps = json_integer_value(json_object_get(r, "sim_time_ps"));
        const json_int_t bytes = json_integer_value(json_object_get(r, "message_bytes"));
        const json_int_t ops = json_integer_value(json_object_get(r, "ops_completed"));
        fprintf(s->csv,
                ",%" JSON_INTEGER_FORMAT ",%" JSON_INTEGER_FORMAT ",%" JSON_INTEGER_FORMAT
                ",%.4f,%.6f",
                ops, json_integer_value(json_object_get(r, "ops_failed")), ps,
                ps == 0 ? 0.0 : (double)bytes * 8000.0 / (double)ps,
                ps == 0 ? 0.0 : (double)ops * 1e6 / (double)ps);
        put_latency(s, g, "p50");
        put_latency(s, g, "p99");
        put_latency(s, g, "max");
        fprintf(s->csv, ",%s", json_string_value(json_object_get(r, "timing_hash")));
    }
    fputc('\n', s->csv);
    fflush(s->csv);
    json_decref(r);
    s->failed += status != EXIT_OK;
    s->done++;
    if (s->keep == NULL) {
        static const char *const names[] = {"report.json", "report.txt", "run.json"};
        for (unsigned i = 0; i < 3; i++) {
            snprintf(path, sizeof path, "%s/%s", j->dir, names[i]);
            unlink(path);
        }
        rmdir(j->dir);
    }
}

static void reap(struct sweep *s)
{
    int raw;
    const pid_t pid = wait(&raw);

    for (unsigned i = 0; i < s->running; i++) {
        if (s->job[i].pid == pid) {
            collect(s, &s->job[i], WIFEXITED(raw) ? WEXITSTATUS(raw) : 128 + WTERMSIG(raw));
            s->job[i] = s->job[--s->running];
            return;
        }
    }
}

static char *slurp(const char *path)
{
    FILE *const f = fopen(path, "rb");
    char *text = NULL;
    size_t size = 0;

    if (f == NULL) {
        return NULL;
    }
    FILE *const to = open_memstream(&text, &size);
    for (int c; to != NULL && (c = getc(f)) != EOF;) {
        putc(c, to);
    }
    if (to != NULL) {
        fclose(to);
    }
    fclose(f);
    return text;
}

static int run_all(struct sweep *s)
{
    s->old = slurp(s->out);
    s->csv = fopen(s->out, "ab");
    if (s->csv == NULL || (s->keep != NULL && mkdir(s->keep, 0777) != 0 && errno != EEXIST)) {
        fprintf(stderr, "hcasim: %s: %s\n", s->csv == NULL ? s->out : s->keep, strerror(errno));
        return EXIT_HOST;
    }
    if (s->old == NULL || s->old[0] == '\0') {
        for (unsigned k = 0; k < s->keys; k++) {
            fprintf(s->csv, "%s,", s->key[k].key);
        }
        fputs("exit_status,ops,ops_failed,sim_time_ps,goodput_gbps,ops_per_us,p50_ps,p99_ps,max_ps,"
              "timing_hash\n",
              s->csv);
    }
    for (uint64_t p = 0; p < s->points; p++) {
        if (known(s, p)) {
            s->skipped++;
            continue;
        }
        while (s->running == s->jobs) {
            reap(s);
        }
        if (!start(s, &s->job[s->running], p)) {
            fprintf(stderr, "hcasim: sweep: cannot start a run: %s\n", strerror(errno));
            return EXIT_HOST;
        }
        s->running++;
        if (isatty(STDERR_FILENO)) {
            fprintf(stderr, "\r\033[K%" PRIu64 " of %" PRIu64 " points", s->done + s->skipped,
                    s->points);
        }
    }
    while (s->running > 0) {
        reap(s);
    }
    if (isatty(STDERR_FILENO)) {
        fputs("\r\033[K", stderr);
    }
    printf("%" PRIu64 " points: %" PRIu64 " run, %" PRIu64 " taken from %s, %" PRIu64
           " with failures\n",
           s->points, s->done, s->skipped, s->out, s->failed);
    free(s->old);
    return fclose(s->csv) == 0 ? s->failed == 0 ? EXIT_OK : EXIT_OPS_FAILED : EXIT_HOST;
}

/* Options of run that take a value are passed on with it, flags without. */
static bool pass_on(struct sweep *s, char **argv, int argc, int *i)
{
    static const char *const flags[] = {"--pcap", "--events", "--no-check"};
    bool flag = false;

    for (unsigned k = 0; k < sizeof flags / sizeof flags[0]; k++) {
        flag |= strcmp(argv[*i], flags[k]) == 0;
    }
    if (s->passes + 2 > PASS_MAX || (!flag && *i + 1 >= argc)) {
        return false;
    }
    s->pass[s->passes++] = argv[*i];
    if (!flag) {
        s->pass[s->passes++] = argv[++*i];
    }
    return true;
}

int cli_sweep(int argc, char **argv)
{
    static struct sweep s;
    bool good = true;

    s = (struct sweep){.jobs = 1};
    for (int i = 1; i < argc && good; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            fputs(help, stdout);
            return EXIT_OK;
        }
        if ((strcmp(argv[i], "-j") == 0 || strcmp(argv[i], "-o") == 0 ||
             strcmp(argv[i], "--keep") == 0) &&
            i + 1 < argc) {
            const char *const v = argv[i + 1];
            if (argv[i][1] == 'j') {
                s.jobs = (unsigned)strtoul(v, NULL, 10);
                good = s.jobs >= 1 && s.jobs <= JOBS_MAX;
            } else if (argv[i][1] == 'o') {
                s.out = v;
            } else {
                s.keep = v;
            }
            i++;
        } else if (argv[i][0] == '-') {
            good = pass_on(&s, argv, argc, &i);
        } else {
            good = add_key(&s, argv[i]);
        }
    }
    if (!good || s.keys == 0 || s.out == NULL) {
        return complain(EXIT_USAGE,
                        "sweep wants KEY=A,B --trace T.hct -o R.csv; hcasim sweep --help");
    }
    for (unsigned k = 0; k < s.keys; k++) {
        if (hca_param_find(s.key[k].key, strlen(s.key[k].key)) == NULL) {
            const struct hca_param_row *const near = hca_param_nearest(s.key[k].key);
            fprintf(stderr, "hcasim: sweep: unknown parameter '%s'%s%s%s\n", s.key[k].key,
                    near == NULL ? "" : "; did you mean '", near == NULL ? "" : near->key,
                    near == NULL ? "" : "'?");
            return EXIT_USAGE;
        }
    }
    return run_all(&s);
}
