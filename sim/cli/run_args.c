/* run_args.c: the command line of hcasim run. */
#include "sim/cli/run_checkpoint.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "usage: hcasim run --trace T.hct [options]\n"
    "\n"
    "Replays a workload trace through the cycle-level model and reports where the time goes.\n"
    "\n"
    "  --trace FILE       workload trace (hcasim trace import | gen make one)\n"
    "  --out DIR          folder of report.txt, report.json, run.json (default: hcasim-out)\n"
    "\n"
    "What is simulated\n"
    "  --preset NAME      start from a preset (hcasim presets lists them)\n"
    "  --config FILE      YAML file; may be given again, later files win\n"
    "  --set KEY=VALUE    one parameter, wins over files (hcasim params lists all)\n"
    "  --seed N           seed of all randomness, same as --set sim.seed=N\n"
    "  --payload on|off   real bytes in messages (off: lengths only, same times)\n"
    "  --timing asap | captured | scale=X\n"
    "                     asap: as soon as dependencies hold (default); captured: not before the\n"
    "                     recorded time; scale=X: not before X times the recorded time\n"
    "  --fault WHAT:KEY=N,...   aim a fault at named packets. WHAT: drop dup reorder corrupt "
    "mark;\n"
    "                     KEY: port (sender), qpn (destination), opcode (BTH), nth, count\n"
    "\n"
    "How long\n"
    "  --max-time T       stop at this simulated time, e.g. 10us, 1.5ms, 2s\n"
    "  --max-wall T       stop after this time on the clock\n"
    "\n"
    "In two parts (docs/CHECKPOINT.md)\n"
    "  --checkpoint-at T --checkpoint FILE\n"
    "                     write the whole state to FILE at this simulated time, and go on\n"
    "  --resume FILE      go on from there: same trace and options, same report\n"
    "\n"
    "What is written besides\n"
    "  --pcap [WHAT]      DIR/net.pcap: every frame as it left its port, ns stamps; WHAT: loop\n"
    "                     (also what went round inside an adapter), ports (DIR/port<n>.pcap, what\n"
    "                     left and what reached each port) or loop,ports. InfiniBand: see README\n"
    "  --events           DIR/events.hct: every typed event (hcasim trace show reads it)\n"
    "  --no-check         do not compare received bytes with the trace\n"
    "  --quiet            no progress line\n"
    "\n"
    "Exit status: 0 all operations ended as expected; 1 some did not, or a limit struck; 2 usage "
    "or\n"
    "configuration; 3 bad trace; 4 the machine (disk, memory); 130 interrupted, report written.\n"
    "\n"
    "Example: hcasim run --trace t.hct --preset generic100 --set iommu.iotlb_4k_entries=256 \\\n"
    "             --out r && less r/report.txt\n";

enum {
    OPT_TRACE = 256,
    OPT_OUT,
    OPT_PRESET,
    OPT_CONFIG,
    OPT_SET,
    OPT_SEED,
    OPT_PAYLOAD,
    OPT_TIMING,
    OPT_FAULT,
    OPT_MAX_TIME,
    OPT_MAX_WALL,
    OPT_CHECKPOINT_AT,
    OPT_CHECKPOINT,
    OPT_RESUME,
    OPT_PCAP,
    OPT_EVENTS,
    OPT_NO_CHECK,
    OPT_QUIET,
    OPT_MODE,
    OPT_HELP
};

static const struct option options[] = {
    {"trace", 1, NULL, OPT_TRACE},
    {"out", 1, NULL, OPT_OUT},
    {"preset", 1, NULL, OPT_PRESET},
    {"config", 1, NULL, OPT_CONFIG},
    {"set", 1, NULL, OPT_SET},
    {"seed", 1, NULL, OPT_SEED},
    {"payload", 1, NULL, OPT_PAYLOAD},
    {"timing", 1, NULL, OPT_TIMING},
    {"fault", 1, NULL, OPT_FAULT},
    {"max-time", 1, NULL, OPT_MAX_TIME},
    {"max-wall", 1, NULL, OPT_MAX_WALL},
    {"pcap", 2, NULL, OPT_PCAP},
    {"events", 0, NULL, OPT_EVENTS},
    {"no-check", 0, NULL, OPT_NO_CHECK},
    {"quiet", 0, NULL, OPT_QUIET},
    {"mode", 1, NULL, OPT_MODE},
    {"checkpoint-at", 1, NULL, OPT_CHECKPOINT_AT},
    {"checkpoint", 1, NULL, OPT_CHECKPOINT},
    {"resume", 1, NULL, OPT_RESUME},
    {"help", 0, NULL, OPT_HELP},
    {NULL, 0, NULL, 0},
};

bool parse_time(const char *text, uint64_t *ps)
{
    static const struct {
        const char *unit;
        double ps;
    } units[] = {{"", 1e3}, {"ps", 1}, {"ns", 1e3}, {"us", 1e6}, {"ms", 1e9}, {"s", 1e12}};
    char *end;
    const double v = strtod(text, &end);

    if (end == text || !(v >= 0)) {
        return false;
    }
    end += strspn(end, " ");
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (strcmp(end, units[i].unit) == 0 && v * units[i].ps < 1e19) {
            *ps = (uint64_t)(v * units[i].ps);
            return true;
        }
    }
    return false;
}

static bool parse_timing(struct run_options *o, const char *text)
{
    o->timing_text = text;
    o->scale_ppm = 1000000;
    if (strcmp(text, "asap") == 0) {
        o->timing = REPLAY_ASAP;
        return true;
    }
    o->timing = REPLAY_CAPTURED;
    if (strncmp(text, "scale=", 6) == 0) {
        char *end;
        const double x = strtod(text + 6, &end);
        o->scale_ppm = (uint64_t)(x * 1e6 + 0.5);
        return end != text + 6 && *end == '\0' && x >= 0 && x <= 1e6;
    }
    return strcmp(text, "captured") == 0;
}

static bool aim_key(struct net_aim *a, const char *key, size_t len, long long v)
{
    const struct {
        const char *name;
        long long min, max;
    } keys[] = {{"port", 0, 511},
                {"qpn", 0, 0xffffff},
                {"opcode", 0, 255},
                {"nth", 1, 1LL << 40},
                {"count", 1, 1LL << 40}};

    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        if (strlen(keys[i].name) == len && strncmp(keys[i].name, key, len) == 0) {
            if (v < keys[i].min || v > keys[i].max) {
                return false;
            }
            switch (i) {
            case 0: a->port = (int32_t)v; break;
            case 1: a->qpn = (int32_t)v; break;
            case 2: a->opcode = (int32_t)v; break;
            case 3: a->nth = (uint64_t)v; break;
            default: a->count = (uint64_t)v; break;
            }
            return true;
        }
    }
    return false;
}

bool parse_aim(const char *text, struct net_aim *out, struct hca_error *err)
{
    static const char *const what[NET_FAULTS] = {"drop", "dup", "reorder", "corrupt", "mark"};
    const size_t n = strcspn(text, ":");
    unsigned w = 0;

    *out = (struct net_aim){.port = -1, .qpn = -1, .opcode = -1, .nth = 1, .count = 1};
    while (w < NET_FAULTS && (strlen(what[w]) != n || strncmp(what[w], text, n) != 0)) {
        w++;
    }
    out->what = (enum net_fault)w;
    const char *at = text[n] == ':' ? text + n + 1 : text + n;
    bool good = w < NET_FAULTS;
    while (good && *at != '\0') {
        const size_t k = strcspn(at, "=");
        char *end = NULL;
        const long long v = at[k] == '=' ? strtoll(at + k + 1, &end, 0) : 0;
        good = end != NULL && end != at + k + 1 && (*end == ',' || *end == '\0') &&
               aim_key(out, at, k, v);
        at = end == NULL ? "" : *end == ',' ? end + 1 : end;
    }
    if (!good) {
        snprintf(err->text, sizeof err->text,
                 "--fault %.200s: write drop|dup|reorder|corrupt|mark:port=N,qpn=N,opcode=N,nth=N,"
                 "count=N",
                 text);
    }
    return good;
}

static bool parse_pcap(struct run_options *o, const char *what)
{
    o->pcap = true;
    while (what != NULL && *what != '\0') {
        const size_t n = strcspn(what, ",");
        if (n == 4 && strncmp(what, "loop", n) == 0) {
            o->pcap_loop = true;
        } else if (n == 5 && strncmp(what, "ports", n) == 0) {
            o->pcap_ports = true;
        } else {
            return false;
        }
        what += n + (what[n] == ',');
    }
    return true;
}

static int bad_value(const char *option, const char *value, const char *want)
{
    fprintf(stderr, "hcasim run: %s %s: write %s\n", option, value, want);
    return EXIT_USAGE;
}

static int set_text(struct run_options *o, const char *key, const char *value)
{
    static char text[8][128]; /* one command line, read once */
    static unsigned n;
    char *const t = text[n++ % 8];

    snprintf(t, sizeof text[0], "%s=%s", key, value);
    return config_arg(&o->config, CONFIG_ARG_SET, t) ? EXIT_OK : EXIT_USAGE;
}

static int take(struct run_options *o, int opt, const char *v)
{
    struct hca_error err;
    uint64_t ps;

    switch (opt) {
    case OPT_TRACE: o->trace = v; return EXIT_OK;
    case OPT_OUT: o->out = v; return EXIT_OK;
    case OPT_PRESET: return config_arg(&o->config, CONFIG_ARG_PRESET, v) ? EXIT_OK : EXIT_USAGE;
    case OPT_CONFIG: return config_arg(&o->config, CONFIG_ARG_FILE, v) ? EXIT_OK : EXIT_USAGE;
    case OPT_SET: return config_arg(&o->config, CONFIG_ARG_SET, v) ? EXIT_OK : EXIT_USAGE;
    case OPT_SEED: return set_text(o, "sim.seed", v);
    case OPT_PAYLOAD:
        if (strcmp(v, "on") != 0 && strcmp(v, "off") != 0) {
            return bad_value("--payload", v, "on or off");
        }
        return set_text(o, "sim.payload", strcmp(v, "on") == 0 ? "true" : "false");
    case OPT_TIMING:
        return parse_timing(o, v) ? EXIT_OK
                                  : bad_value("--timing", v, "asap, captured or scale=0.001..10^6");
    case OPT_FAULT:
        if (o->aims == NET_AIMS_MAX || !parse_aim(v, &o->aim[o->aims], &err)) {
            return complain(EXIT_USAGE, o->aims == NET_AIMS_MAX ? "--fault: at most 64" : err.text);
        }
        o->aims++;
        return EXIT_OK;
    case OPT_MAX_TIME:
        return parse_time(v, &o->max_time_ps) ? EXIT_OK : bad_value("--max-time", v, "10us or 2s");
    case OPT_MAX_WALL:
        if (!parse_time(v, &ps) || ps < 1000000000) {
            return bad_value("--max-wall", v, "1ms or more, e.g. 30s");
        }
        o->max_wall_ms = ps / 1000000000;
        return EXIT_OK;
    case OPT_PCAP:
        return parse_pcap(o, v) ? EXIT_OK : bad_value("--pcap", v, "loop, ports or loop,ports");
    case OPT_CHECKPOINT_AT:
        return parse_time(v, &o->checkpoint_ps) ? EXIT_OK
                                                : bad_value("--checkpoint-at", v, "10us or 2s");
    case OPT_CHECKPOINT: o->checkpoint = v; return EXIT_OK;
    case OPT_RESUME: o->resume = v; return EXIT_OK;
    case OPT_EVENTS: o->events = true; return EXIT_OK;
    case OPT_NO_CHECK: o->no_check = true; return EXIT_OK;
    case OPT_QUIET: o->quiet = true; return EXIT_OK;
    case OPT_MODE: o->mode = (unsigned)strtoul(v, NULL, 0); return EXIT_OK;
    default: return EXIT_USAGE;
    }
}

int cli_run(int argc, char **argv)
{
    static struct run_options o;
    int opt;

    o = (struct run_options){.out = "hcasim-out",
                             .timing = REPLAY_ASAP,
                             .timing_text = "asap",
                             .scale_ppm = 1000000,
                             .max_time_ps = UINT64_MAX,
                             .checkpoint_ps = UINT64_MAX};
    while ((opt = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        if (opt == OPT_HELP || opt == 'h') {
            fputs(help, stdout);
            return EXIT_OK;
        }
        if (opt == '?') {
            return complain(EXIT_USAGE, "hcasim run --help lists the options");
        }
        if (opt == OPT_PCAP && optarg == NULL && optind < argc && argv[optind][0] != '-') {
            optarg = argv[optind++]; /* getopt knows --pcap=WHAT only */
        }
        const int status = take(&o, opt, optarg);
        if (status != EXIT_OK) {
            return status;
        }
    }
    if (optind < argc) {
        fprintf(stderr, "hcasim run: '%s': not an option; did you mean --trace %s?\n", argv[optind],
                argv[optind]);
        return EXIT_USAGE;
    }
    if (o.trace == NULL) {
        return complain(EXIT_USAGE, "run: --trace FILE is missing; hcasim run --help explains");
    }
    const int status = run_checkpoint_check(&o);
    return status == EXIT_OK ? run_trace(&o) : status;
}
