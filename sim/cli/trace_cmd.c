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
    "usage: hcasim trace VERB ...     hcasim trace VERB --help explains each\n"
    "\n"
    "  import CAPTURE -o T.hct      a pcap or pcapng capture becomes a workload trace\n"
    "  gen SPEC.yaml -o T.hct       makes a workload from a specification\n"
    "  info T.hct                   what a trace holds\n"
    "  show T.hct                   its records, one per line\n"
    "  diff A.hct B.hct             compares two traces record by record\n"
    "  check T.hct                  reads everything and checks every rule\n"
    "\n"
    "Exit status: 0; 1 traces differ; 2 usage or specification; 3 bad trace or capture; 4 the\n"
    "machine. Example: hcasim trace import capture.pcap.gz -o t.hct && hcasim trace info t.hct\n";

static const char import_help[] =
    "usage: hcasim trace import CAPTURE[.gz] -o T.hct [--no-payload] [--keep-bad-icrc]\n"
    "                           [--no-sequence]\n"
    "\n"
    "A pcap or pcapng capture of RoCE v1, v2 or InfiniBand becomes a workload trace. Prints what\n"
    "was recorded, what is assumed, and what could not be placed, by reason.\n"
    "  --no-payload      leave message bytes out of the trace\n"
    "  --keep-bad-icrc   take packets whose ICRC is wrong (a tap that rewrote headers)\n"
    "  --no-sequence     connections do not wait for the one that ended before them\n"
    "\n"
    "Example: hcasim trace import traces/captures/softroce-perftest.pcap.gz -o t.hct\n";
static const char gen_help[] =
    "usage: hcasim trace gen SPEC.yaml -o T.hct [--seed N]\n"
    "\n"
    "Makes a workload from a specification: patterns, sizes, arrivals, QPs, memory. The same seed\n"
    "makes the same trace. traces/specs/ has commented examples.\n"
    "\n"
    "Example: printf 'flows: [{op: write, ops: 1000, size: 4096}]' >w.yaml\n"
    "         hcasim trace gen w.yaml -o w.hct\n";
static const char info_help[] =
    "usage: hcasim trace info T.hct [--json]\n\n"
    "What a workload or event trace holds: resources, operations by kind, sizes, provenance.\n\n"
    "Example: hcasim trace info t.hct\n";
static const char show_help[] = "usage: hcasim trace show T.hct [--json] [--from N] [--count N]\n\n"
                                "Records of a workload or event trace, one per line.\n\n"
                                "Example: hcasim trace show r/events.hct --from 100 --count 20\n";
static const char diff_help[] = "usage: hcasim trace diff A.hct B.hct [--json]\n\n"
                                "Exit status 0: equal; 1: different, the first differences are "
                                "listed.\n\n"
                                "Example: hcasim trace diff a/events.hct b/events.hct\n";
static const char check_help[] = "usage: hcasim trace check T.hct\n\n"
                                 "Reads everything and checks every rule of traces/FORMAT.md.\n\n"
                                 "Example: hcasim trace check t.hct\n";

struct args {
    const char *path[2], *out;
    unsigned paths;
    bool json, no_payload, keep_bad_icrc, no_sequence;
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
                                     .keep_bad_icrc = a->keep_bad_icrc,
                                     .no_sequence = a->no_sequence};

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

static const struct verb {
    const char *name, *help;
    int (*run)(const struct args *a);
    unsigned paths;
    bool needs_out;
} verbs[] = {
    {"import", import_help, do_import, 1, true}, {"gen", gen_help, do_gen, 1, true},
    {"info", info_help, do_info, 1, false},      {"show", show_help, do_show, 1, false},
    {"diff", diff_help, do_diff, 2, false},      {"check", check_help, do_check, 1, false},
};

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
    case 'q': return a->no_sequence = true;
    case 'f': return number(v, &a->from);
    case 'c': return number(v, &a->count);
    case 's': return a->has_seed = number(v, &a->seed);
    default: return false;
    }
}

static int parse(int argc, char **argv, const struct verb *v, struct args *a)
{
    static const struct option options[] = {
        {"json", 0, NULL, 'j'}, {"no-payload", 0, NULL, 'p'},  {"keep-bad-icrc", 0, NULL, 'k'},
        {"from", 1, NULL, 'f'}, {"count", 1, NULL, 'c'},       {"seed", 1, NULL, 's'},
        {"out", 1, NULL, 'o'},  {"no-sequence", 0, NULL, 'q'}, {"help", 0, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int opt;

    while ((opt = getopt_long(argc, argv, "o:h", options, NULL)) != -1) {
        if (opt == 'h') {
            fputs(v->help, stdout);
            return -1;
        }
        if (!take(a, opt, optarg)) {
            fprintf(stderr, "hcasim: trace %s --help lists its options\n", v->name);
            return EXIT_USAGE;
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
        int status = parse(argc - 1, argv + 1, &verbs[i], &a);
        if (status != EXIT_OK) {
            return status < 0 ? EXIT_OK : status;
        }
        if (a.paths != verbs[i].paths) {
            fprintf(stderr, "hcasim: trace %s takes %u file%s; see --help\n", verbs[i].name,
                    verbs[i].paths, verbs[i].paths == 1 ? "" : "s");
            return EXIT_USAGE;
        }
        if (verbs[i].needs_out && a.out == NULL) {
            return complain(EXIT_USAGE, "trace: -o T.hct is missing");
        }
        for (unsigned n = 0; n < a.paths && status == EXIT_OK; n++) {
            status = readable(a.path[n], verbs[i].run == do_gen ? EXIT_USAGE : EXIT_TRACE);
        }
        return status == EXIT_OK ? verbs[i].run(&a) : status;
    }
    fprintf(stderr, "hcasim trace: '%s' is not a verb; hcasim trace --help lists them\n", argv[1]);
    return EXIT_USAGE;
}
