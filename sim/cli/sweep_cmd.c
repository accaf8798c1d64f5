/* sweep_cmd.c: hcasim sweep: one process per point, results in a CSV that can be resumed. */
#include "sim/cli/cli.h"
#include "sim/cli/sweep_csv.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char help[] =
    "usage: hcasim sweep KEY=A,B,C [KEY2=...] --trace T.hct -o R.csv [-j N] [--keep DIR]\n"
    "                    [options of hcasim run: --preset --config --set --timing --seed ...]\n\n"
    "Runs the trace once per combination of values (all of KEY x all of KEY2 ...), N at a time,\n"
    "and writes a line per run: the values, exit status, times, latency of the largest group,\n"
    "hash, and what a failed run said. A sweep that was stopped goes on where it was: points in\n"
    "R.csv are not run again, but for those that were interrupted or failed on the machine\n"
    "(status 4 or above 100). Points of another trace or other options are refused.\n"
    "--keep DIR keeps every run's report under DIR/<point>/.\n\n"
    "Exit status: 0 all runs ended with 0; 1 some did not; 2 usage; 4 the machine; 130\n"
    "interrupted.\n\n"
    "Example: hcasim sweep iommu.iotlb_4k_entries=64,256,1024 pcie.gen=2,3 --trace t.hct -j 2 \\\n"
    "             -o iotlb.csv\n";

enum { KEYS_MAX = 8, VALUES_MAX = 256, PASS_MAX = 64, JOBS_MAX = 64 };
#define SAID "said.txt" /* what a run printed, in its folder */

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
    struct sweep_csv csv;
    char setup[SWEEP_SETUP_ROOM]; /* column that tells sweeps of other traces and options apart */
    uint64_t failed, skipped, done;
    bool host_error;
};

static volatile sig_atomic_t interrupted;

static void on_signal(int sig)
{
    (void)sig;
    interrupted = 1;
}

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

static bool start(struct sweep *s, struct job *j, uint64_t point)
{
    const char *argv[2 * KEYS_MAX + PASS_MAX + 8];
    char set[KEYS_MAX][512], text[256], said[1100];
    unsigned n = 0;

    point_text(s, point, text, sizeof text);
    for (char *c = text; *c != '\0'; c++) {
        *c = *c == ',' || *c == '/' ? '_' : *c;
    }
    j->point = point;
    if (s->keep != NULL) {
        snprintf(j->dir, sizeof j->dir, "%s/%s", s->keep, text);
    } else {
        const char *const tmp = getenv("TMPDIR");
        snprintf(j->dir, sizeof j->dir, "%.900s/hcasim-sweep-XXXXXX",
                 tmp == NULL || *tmp == '\0' ? "/tmp" : tmp);
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
    if (s->keep != NULL && mkdir(j->dir, 0777) != 0 && errno != EEXIST) {
        return false;
    }
    snprintf(said, sizeof said, "%s/" SAID, j->dir);
    j->pid = fork();
    if (j->pid == 0) {
        const int out = open(said, O_WRONLY | O_CREAT | O_TRUNC, 0666);
        (void)dup2(out, STDOUT_FILENO);
        (void)dup2(out, STDERR_FILENO);
        /* execv takes char *const * and changes nothing (POSIX, exec, rationale). */
        execv("/proc/self/exe", (char *const *)argv);
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

static json_int_t latency(const json_t *g, const char *key)
{
    return json_integer_value(json_object_get(json_object_get(g, "latency_ps"), key));
}

/* The columns of figures; all empty when there is no report. */
static void put_figures(FILE *to, const json_t *r)
{
    if (r == NULL) {
        fputs(",,,,,,,,", to);
        return;
    }
    const json_t *const g = largest(r);
    const json_int_t ps = json_integer_value(json_object_get(r, "sim_time_ps"));
    const json_int_t bytes = json_integer_value(json_object_get(r, "message_bytes"));
    const json_int_t ops = json_integer_value(json_object_get(r, "ops_completed"));
    const char *const hash = json_string_value(json_object_get(r, "timing_hash"));

    fprintf(to, "%lld,%lld,%lld,%.4f,%.6f,%lld,%lld,%lld,%s", (long long)ops,
            (long long)json_integer_value(json_object_get(r, "ops_failed")), (long long)ps,
            ps == 0 ? 0.0 : (double)bytes * 8000.0 / (double)ps,
            ps == 0 ? 0.0 : (double)ops * 1e6 / (double)ps, (long long)latency(g, "p50"),
            (long long)latency(g, "p99"), (long long)latency(g, "max"), hash == NULL ? "" : hash);
}

/* The line in which a failed run said what was wrong, as a CSV field: the last one. */
static void put_said(FILE *to, const char *dir)
{
    char path[1100], line[400], last[400] = "";

    snprintf(path, sizeof path, "%s/" SAID, dir);
    FILE *const f = fopen(path, "r");
    while (f != NULL && fgets(line, sizeof line, f) != NULL) {
        memcpy(last, line, sizeof last);
    }
    if (f != NULL) {
        fclose(f);
    }
    last[strcspn(last, "\n")] = '\0';
    fputs(",\"", to);
    for (const char *c = last; *c != '\0'; c++) {
        if (*c == '"') {
            fputc('"', to);
        }
        fputc(*c, to);
    }
    fputc('"', to);
}

static void remove_run(const struct job *j)
{
    static const char *const names[] = {"report.json", "report.txt", "run.json",
                                        "net.pcap",    "events.hct", SAID};
    char path[1100];

    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", j->dir, names[i]);
        unlink(path);
    }
    rmdir(j->dir);
}

static void collect(struct sweep *s, const struct job *j, int status)
{
    char text[1024], path[1100], *row = NULL;
    size_t size = 0;
    json_error_t e;

    if (status != EXIT_INTERRUPTED) {
        snprintf(path, sizeof path, "%s/report.json", j->dir);
        json_t *const r = json_load_file(path, 0, &e);
        FILE *const to = open_memstream(&row, &size);
        if (to != NULL) {
            point_text(s, j->point, text, sizeof text);
            fprintf(to, "%s%s,%d,", text, s->setup, status);
            put_figures(to, r);
            if (status != EXIT_OK) {
                put_said(to, j->dir);
            } else {
                fputc(',', to);
            }
            fputc('\n', to);
        }
        const bool kept = to != NULL && fclose(to) == 0 && sweep_csv_add(&s->csv, row);
        s->host_error |= !kept;
        free(row);
        json_decref(r);
        s->failed += status != EXIT_OK;
        s->done++;
    }
    if (s->keep == NULL) {
        remove_run(j);
    }
}

/* Ctrl-C reaches the runs as well; each ends with a status of its own. */
static void reap(struct sweep *s)
{
    int raw;
    const pid_t pid = wait(&raw);

    if (interrupted != 0) {
        for (unsigned i = 0; i < s->running; i++) {
            if (s->job[i].pid != pid) {
                kill(s->job[i].pid, SIGTERM);
            }
        }
    }
    for (unsigned i = 0; i < s->running; i++) {
        if (s->job[i].pid == pid) {
            collect(s, &s->job[i], WIFEXITED(raw) ? WEXITSTATUS(raw) : 128 + WTERMSIG(raw));
            s->job[i] = s->job[--s->running];
            return;
        }
    }
}

static bool known(const struct sweep *s, uint64_t point)
{
    char text[1024];

    point_text(s, point, text, sizeof text);
    return sweep_csv_known(&s->csv, text);
}

/* Runs every point that is not known. False: the machine failed. */
static bool run_points(struct sweep *s)
{
    for (uint64_t p = 0; p < s->points && interrupted == 0 && !s->host_error; p++) {
        if (known(s, p)) {
            s->skipped++;
            continue;
        }
        while (s->running == s->jobs) {
            reap(s);
        }
        if (!start(s, &s->job[s->running], p)) {
            fprintf(stderr, "hcasim: sweep: cannot start a run: %s\n", strerror(errno));
            s->host_error = true;
            break;
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
    return !s->host_error;
}

/* The rows in the order of the points, whatever order the runs ended in. */
static bool sort_rows(struct sweep *s)
{
    char text[1024];

    for (uint64_t p = 0; p < s->points; p++) {
        point_text(s, p, text, sizeof text);
        sweep_csv_next(&s->csv, text);
    }
    return sweep_csv_sorted(&s->csv);
}

static int run_all(struct sweep *s)
{
    char head[1024], said[400];
    size_t at = 0;
    struct sigaction a = {.sa_handler = on_signal};

    for (unsigned k = 0; k < s->keys && at < sizeof head; k++) {
        at += (size_t)snprintf(head + at, sizeof head - at, "%s,", s->key[k].key);
    }
    const int status = sweep_csv_open(&s->csv, s->out, head, s->setup, said, sizeof said);
    if (status != EXIT_OK) {
        return complain(status, said);
    }
    if (s->keep != NULL && mkdir(s->keep, 0777) != 0 && errno != EEXIST) {
        fprintf(stderr, "hcasim: %s: %s\n", s->keep, strerror(errno));
        return EXIT_HOST;
    }
    sigemptyset(&a.sa_mask);
    a.sa_flags = (int)SA_RESETHAND;
    sigaction(SIGINT, &a, NULL);
    sigaction(SIGTERM, &a, NULL);
    const bool good = run_points(s) && (interrupted != 0 || sort_rows(s));
    if (!good) {
        fprintf(stderr, "hcasim: %s: %s\n", s->out, strerror(errno));
    }
    sweep_csv_close(&s->csv);
    printf("%" PRIu64 " points: %" PRIu64 " run, %" PRIu64 " taken from %s, %" PRIu64
           " with failures\n",
           s->points, s->done, s->skipped, s->out, s->failed);
    return !good              ? EXIT_HOST
           : interrupted != 0 ? EXIT_INTERRUPTED
           : s->failed != 0   ? EXIT_OPS_FAILED
                              : EXIT_OK;
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

static uint64_t mix(uint64_t h, const void *bytes, size_t n)
{
    const uint8_t *const b = bytes;

    for (size_t i = 0; i < n; i++) { /* FNV-1a */
        h = (h ^ b[i]) * 0x100000001b3u;
    }
    return h;
}

/* Size, beginning and end of a file tell two traces or configurations apart. */
static uint64_t mix_file(uint64_t h, const char *path)
{
    enum { PIECE = 1 << 20 };
    static uint8_t piece[PIECE];
    FILE *const f = fopen(path, "rb");

    if (f == NULL) {
        return h; /* the runs will say so */
    }
    h = mix(h, piece, fread(piece, 1, PIECE, f));
    if (fseek(f, 0, SEEK_END) == 0) {
        const long size = ftell(f);
        h = mix(h, &size, sizeof size);
        if (size > PIECE && fseek(f, -(long)PIECE, SEEK_END) == 0) {
            h = mix(h, piece, fread(piece, 1, PIECE, f));
        }
    }
    fclose(f);
    return h;
}

/* Everything but the keys that decides what a point gives. */
static bool set_setup(struct sweep *s)
{
    uint64_t h = 0xcbf29ce484222325u;
    bool trace = false;

    for (unsigned i = 0; i < s->passes; i++) {
        const bool is_trace = strcmp(s->pass[i], "--trace") == 0;
        const bool is_file = is_trace || strcmp(s->pass[i], "--config") == 0;
        trace |= is_trace && i + 1 < s->passes;
        h = mix(h, s->pass[i], strlen(s->pass[i]) + 1);
        if (is_file && i + 1 < s->passes) {
            h = mix_file(h, s->pass[++i]);
        }
    }
    snprintf(s->setup, sizeof s->setup, "%016" PRIx64, h);
    return trace;
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
    if (!good || s.keys == 0 || s.out == NULL || !set_setup(&s)) {
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
