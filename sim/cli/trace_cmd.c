/* trace_cmd.c: hcasim trace import | gen | info | show | diff | check. */
#include "sim/cli/cli.h"
#include "traces/diff.h"
#include "traces/gen.h"
#include "traces/import.h"
#include "traces/info.h"
#include "traces/show.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "usage: hcasim trace VERB ...\n"
    "\n"
    "  import CAPTURE[.gz] -o T.hct [--no-payload] [--keep-bad-icrc]\n"
    "        a pcap or pcapng capture of RoCE v1/v2 or InfiniBand becomes a workload trace; "
    "prints\n"
    "        what was recorded, what is assumed and what could not be placed\n"
    "  gen SPEC.yaml -o T.hct [--seed N]\n"
    "        makes a workload from a specification (traces/specs/ has examples)\n"
    "  info T.hct [--json]       what a trace holds\n"
    "  show T.hct [--json] [--from N] [--count N]\n"
    "        its records, one per line\n"
    "  diff A.hct B.hct [--json] exit status 0: equal, 1: different\n"
    "  check T.hct               reads everything and checks every rule\n";

struct args {
    const char *path[2], *out;
    unsigned paths;
    bool json, no_payload, keep_bad_icrc;
    uint64_t from, count, seed;
    bool has_seed;
};

static int report(enum hct_status s, const struct hct_error *err)
{
    return s == HCT_OK ? EXIT_OK : complain(hct_exit_status(s), err->text);
}

static int do_import(const struct args *a)
{
    struct hct_error err;
    const struct import_options o = {.no_payload = a->no_payload,
                                     .keep_bad_icrc = a->keep_bad_icrc};

    return report(hct_import(a->path[0], a->out, &o, NULL, stdout, &err), &err);
}

static int do_gen(const struct args *a)
{
    struct hct_error err;
    struct gen_result r;
    const enum hct_status s = gen_run(a->path[0], a->out, a->has_seed ? &a->seed : NULL, &r, &err);

    if (s == HCT_OK) {
        printf("%s: %" PRIu64 " operations, %" PRIu64 " receives, %" PRIu64 " bytes, %" PRIu32
               " QPs, %" PRIu32 " MRs\n",
               a->out, r.ops, r.recvs, r.bytes, r.qps, r.mrs);
    }
    return report(s, &err);
}

static int do_info(const struct args *a)
{
    struct hct_error err;
    const int status = hct_info(a->path[0], a->json, stdout, &err);

    return status == EXIT_OK ? status : complain(status, err.text);
}

static int do_show(const struct args *a)
{
    struct hct_error err;
    const int status = hct_show(a->path[0], a->json, a->from, a->count, stdout, &err);

    return status == EXIT_OK ? status : complain(status, err.text);
}

static int do_diff(const struct args *a)
{
    struct hct_error err;
    const int status = hct_diff(a->path[0], a->path[1], a->json, stdout, &err);

    return status <= 1 ? status : complain(status, err.text);
}

static int do_check(const struct args *a)
{
    struct hct_error err;
    const enum hct_status s = hct_validate(a->path[0], &err);

    if (s == HCT_OK) {
        printf("%s: whole and by the rules\n", a->path[0]);
    }
    return report(s, &err);
}

static const struct {
    const char *name;
    int (*run)(const struct args *a);
    unsigned paths;
    bool needs_out;
} verbs[] = {{"import", do_import, 1, true}, {"gen", do_gen, 1, true},
             {"info", do_info, 1, false},    {"show", do_show, 1, false},
             {"diff", do_diff, 2, false},    {"check", do_check, 1, false}};

static bool number(const char *text, uint64_t *out)
{
    char *end;

    *out = strtoull(text, &end, 0);
    return end != text && *end == '\0' && text[0] != '-';
}

static bool take(struct args *a, int opt, const char *v)
{
    switch (opt) {
    case 'o': a->out = v; return true;
    case 'j': return a->json = true;
    case 'p': return a->no_payload = true;
    case 'k': return a->keep_bad_icrc = true;
    case 'f': return number(v, &a->from);
    case 'c': return number(v, &a->count);
    case 's': return a->has_seed = number(v, &a->seed);
    default: return false;
    }
}

static int parse(int argc, char **argv, struct args *a)
{
    static const struct option options[] = {
        {"json", 0, NULL, 'j'}, {"no-payload", 0, NULL, 'p'}, {"keep-bad-icrc", 0, NULL, 'k'},
        {"from", 1, NULL, 'f'}, {"count", 1, NULL, 'c'},      {"seed", 1, NULL, 's'},
        {"out", 1, NULL, 'o'},  {"help", 0, NULL, 'h'},       {NULL, 0, NULL, 0},
    };
    int opt;

    while ((opt = getopt_long(argc, argv, "o:h", options, NULL)) != -1) {
        if (opt == 'h') {
            fputs(help, stdout);
            return -1;
        }
        if (!take(a, opt, optarg)) {
            return complain(EXIT_USAGE, "hcasim trace --help lists verbs and options");
        }
    }
    for (; optind < argc; optind++) {
        if (a->paths == 2) {
            return complain(EXIT_USAGE, "trace: more files than the verb takes");
        }
        a->path[a->paths++] = argv[optind];
    }
    return EXIT_OK;
}

int cli_trace(int argc, char **argv)
{
    struct args a = {.count = 0};

    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        fputs(help, argc < 2 ? stderr : stdout);
        return argc < 2 ? EXIT_USAGE : EXIT_OK;
    }
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        if (strcmp(argv[1], verbs[i].name) != 0) {
            continue;
        }
        const int status = parse(argc - 1, argv + 1, &a);
        if (status != EXIT_OK) {
            return status < 0 ? EXIT_OK : status;
        }
        if (a.paths != verbs[i].paths) {
            return complain(EXIT_USAGE, "trace: files are missing; hcasim trace --help");
        }
        if (verbs[i].needs_out && a.out == NULL) {
            return complain(EXIT_USAGE, "trace: -o T.hct is missing");
        }
        return verbs[i].run(&a);
    }
    fprintf(stderr, "hcasim trace: '%s' is not a verb; hcasim trace --help lists them\n", argv[1]);
    return EXIT_USAGE;
}
