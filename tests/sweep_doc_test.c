/* docs/SWEEP.md: its commands run as they stand there, and what it says of them holds.
 *
 * Each ```sh block is taken from the page. Commands of hcasim run inside this program; lists of a
 * sweep keep their first and last value and the trace has fewer operations, else nothing changes.
 * hcasim sweep starts its own program again with `run`: main() answers to that. */
#include "sim/cli/cli.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { LINE = 2048, WORDS = 64 };
static char folder[400];
static unsigned commands, sweeps;

static void shell(const char *command)
{
    const int status = system(command); /* NOLINT(cert-env33-c): fixed texts and a page of docs/ */

    if (status != 0) {
        fail_msg("%s: status %d", command, status);
    }
}

static int set_up(void **state)
{
    (void)state;
    char command[1024];

    snprintf(folder, sizeof folder, HCA_TMP_DIR "/hcasim-sweep-doc-XXXXXX");
    if (mkdtemp(folder) == NULL || chdir(folder) != 0) {
        return -1;
    }
    snprintf(command, sizeof command,
             "mkdir -p build traces && cp -r '%s/traces/specs' traces/ && "
             "sed -i 's/ops: 20000/ops: 1000/' traces/specs/iotlb_reach.yaml",
             HCA_SOURCE_DIR);
    shell(command);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    char command[700];

    snprintf(command, sizeof command, "cd / && rm -rf '%s'", folder);
    shell(command);
    return 0;
}

/* KEY=A,B,C becomes KEY=A,C. */
static void reduce(char *word)
{
    char *const eq = strchr(word, '='), *const last = strrchr(word, ',');
    char *const first = eq == NULL ? NULL : strchr(eq, ',');

    if (first != NULL && first != last) {
        memmove(first, last, strlen(last) + 1);
    }
}

static void hcasim(char *line)
{
    char *word[WORDS], *rest = NULL;
    int n = 0, status;

    for (char *w = strtok_r(line, " ", &rest); w != NULL; w = strtok_r(NULL, " ", &rest)) {
        assert_true(n < WORDS - 1);
        word[n++] = w;
    }
    word[n] = NULL;
    const bool sweep = n > 1 && strcmp(word[1], "sweep") == 0;
    for (int i = 2; sweep && i < n; i++) {
        reduce(word[i]);
    }
    fflush(NULL);
    const pid_t pid = fork();
    if (pid == 0) {
        if (freopen("/dev/null", "w", stdout) == NULL) {
            _exit(99);
        }
        _exit(sweep                           ? cli_sweep(n - 1, word + 1)
              : strcmp(word[1], "trace") == 0 ? cli_trace(n - 1, word + 1)
                                              : 98);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (status != 0) {
        fail_msg("command %u of the page (%s %s): status %d", commands, word[1], word[2], status);
    }
    sweeps += sweep;
}

static void run_line(char *line)
{
    commands++;
    if (strncmp(line, "$h ", 3) == 0) {
        hcasim(line);
    } else if (strncmp(line, "h=", 2) != 0) {
        char command[LINE + 32];
        snprintf(command, sizeof command, "%s >/dev/null", line);
        shell(strchr(line, '>') != NULL ? line : command);
    }
}

static void commands_of_the_page_run_as_they_stand(void **state)
{
    (void)state;
    FILE *const f = fopen(HCA_SOURCE_DIR "/docs/SWEEP.md", "r");
    char part[LINE], line[LINE] = "";
    bool inside = false;

    assert_non_null(f);
    while (fgets(part, sizeof part, f) != NULL) {
        part[strcspn(part, "\n")] = '\0';
        if (strncmp(part, "```", 3) == 0) {
            inside = strcmp(part, "```sh") == 0;
            continue;
        }
        if (!inside) {
            continue;
        }
        const size_t at = strlen(line), n = strlen(part);
        assert_true(at + n + 1 < sizeof line);
        memcpy(line + at, part, n + 1);
        if (n > 0 && part[n - 1] == '\\') {
            line[at + n - 1] = ' ';
            continue;
        }
        if (line[0] != '\0') {
            run_line(line);
        }
        line[0] = '\0';
    }
    fclose(f);
    assert_int_equal(sweeps, 3);
    assert_true(commands >= 8);
}

struct point {
    unsigned walkers, entries;
    int status;
    double gbps;
};

/* Column of a name in the header of a CSV, from 0. */
static unsigned column(const char *header, const char *name)
{
    const size_t n = strlen(name);
    unsigned c = 0;

    for (const char *s = header; *s != '\0'; s++) {
        if (strncmp(s, name, n) == 0 && (s[n] == ',' || s[n] == '\n')) {
            return c;
        }
        s += strcspn(s, ",");
        c++;
        if (*s == '\0') {
            break;
        }
    }
    fail_msg("no column %s in %s", name, header);
    return 0;
}

static double value(const char *line, unsigned at)
{
    for (; at > 0; at--) {
        line += strcspn(line, ",");
        assert_int_equal(*line, ',');
        line++;
    }
    return strtod(line, NULL);
}

/* The four points of a reduced sweep, by walkers, then entries. */
static void load(const char *path, struct point p[4])
{
    FILE *const f = fopen(path, "r");
    char header[512], line[512];
    unsigned n = 0;

    assert_non_null(f);
    assert_non_null(fgets(header, sizeof header, f));
    while (fgets(line, sizeof line, f) != NULL) {
        const struct point q = {.walkers = (unsigned)value(line, column(header, "iommu.walkers")),
                                .entries =
                                    (unsigned)value(line, column(header, "iommu.iotlb_4k_entries")),
                                .status = (int)value(line, column(header, "exit_status")),
                                .gbps = value(line, column(header, "goodput_gbps"))};
        assert_int_equal(q.status, 0);
        p[(q.walkers > 1 ? 2 : 0) + (q.entries > 16 ? 1 : 0)] = q;
        n++;
    }
    fclose(f);
    assert_int_equal(n, 4);
}

/* One walker: few entries starve the port. Six: 1 KiB and 4 KiB messages do not notice. */
static void one_walker_needs_entries_and_six_do_not(void **state)
{
    (void)state;
    struct point kib[4], page[4];

    load("build/reach.csv", kib);
    load("build/reach4096.csv", page);
    assert_true(kib[1].gbps > 1.5 * kib[0].gbps);
    assert_true(kib[2].gbps > 0.97 * kib[3].gbps && kib[3].gbps > kib[1].gbps);
    assert_true(page[2].gbps > 0.99 * page[3].gbps);
}

static void kept_reports_lie_where_the_page_says(void **state)
{
    (void)state;
    struct stat s;

    assert_int_equal(stat("build/reach/1_16_/report.txt", &s), 0);
    assert_int_equal(stat("build/reach/6_2048_/report.txt", &s), 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commands_of_the_page_run_as_they_stand),
        cmocka_unit_test(one_walker_needs_entries_and_six_do_not),
        cmocka_unit_test(kept_reports_lie_where_the_page_says),
    };

    if (argc > 1 && strcmp(argv[1], "run") == 0) {
        return cli_run(argc - 1, argv + 1);
    }
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
