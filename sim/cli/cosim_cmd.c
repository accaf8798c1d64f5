/* cosim_cmd.c: hcasim cosim. */
#include "sim/cli/cli.h"
#include "sim/cli/out_file.h"
#include "sim/cosim/cosim.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "usage: hcasim cosim --config HOSTS.yaml [options]\n"
    "\n"
    "Serves virtual machines of stock QEMU (10.1 or later) a simulated adapter each: their\n"
    "vfio-user-pci devices connect to sockets of this process, unmodified drivers and verbs\n"
    "programs run on it. Runs until it is interrupted, then writes the report.\n"
    "\n"
    "  --config FILE      hosts, VMs and uplinks (docs/COSIM.md)\n"
    "  --out DIR          folder of report.txt and report.json (default: hcasim-out), and of the\n"
    "                     sockets unless the file names another one\n"
    "  --set KEY=VALUE    one parameter, wins over the file (hcasim params lists all)\n"
    "  --factor X         simulated time per wall time at most (default 1)\n"
    "  --quiet            no messages about guests that come and go\n"
    "\n"
    "Time in the guests is wall time; only simulated times of the device are meaningful.\n"
    "Exit status: 0 ended by SIGINT or SIGTERM, report written; 2 usage or configuration; 4 the\n"
    "machine.\n"
    "\n"
    "Example: scripts/cosim-demo shows the whole of it. One VM by hand:\n"
    "  echo 'hosts: {one: {a: {}}}' >one.yaml; hcasim cosim --config one.yaml --out /tmp/one &\n"
    "  scripts/guest boot --hca /tmp/one/a.hca\n";

struct args {
    const char *config, *out, *set[128];
    unsigned sets;
    double factor;
    bool quiet;
};

static volatile sig_atomic_t stop;

static void on_signal(int sig)
{
    (void)sig;
    stop = 1;
}

static void catch_signals(void)
{
    struct sigaction a = {.sa_handler = on_signal};

    sigemptyset(&a.sa_mask);
    a.sa_flags = (int)SA_RESETHAND; /* a second Ctrl-C ends the program at once */
    sigaction(SIGINT, &a, NULL);
    sigaction(SIGTERM, &a, NULL);
}

static bool take(struct args *a, int option)
{
    switch (option) {
    case 'c': a->config = optarg; return true;
    case 'o': a->out = optarg; return true;
    case 'q': a->quiet = true; return true;
    case 's': a->set[a->sets] = optarg; return a->sets++ < sizeof a->set / sizeof a->set[0] - 1;
    case 'f': {
        char *end;
        a->factor = strtod(optarg, &end);
        return end != optarg && *end == '\0' && a->factor >= 1e-6 && a->factor <= 1000;
    }
    default: return false;
    }
}

static bool parse(struct args *a, int argc, char **argv, int *status)
{
    static const struct option options[] = {{"config", 1, NULL, 'c'}, {"out", 1, NULL, 'o'},
                                            {"set", 1, NULL, 's'},    {"factor", 1, NULL, 'f'},
                                            {"quiet", 0, NULL, 'q'},  {"help", 0, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    int o;

    *a = (struct args){.out = "hcasim-out", .factor = 1};
    *status = EXIT_USAGE;
    optind = 1;
    while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (o == 'h') {
            fputs(help, stdout);
            *status = EXIT_OK;
            return false;
        }
        if (!take(a, o)) {
            if (o == 'f') {
                fprintf(stderr, "hcasim: --factor %s: 0.000001 to 1000\n", optarg);
            } else if (o == 's') {
                fprintf(stderr, "hcasim: --set: at most 128; put them into the file\n");
            }
            return false;
        }
    }
    if (optind != argc || a->config == NULL) {
        fprintf(stderr, "hcasim: %s; see hcasim cosim --help\n",
                optind != argc ? argv[optind] : "--config HOSTS.yaml is missing");
        return false;
    }
    return true;
}

static int load(struct hosts *h, const struct args *a)
{
    struct hca_error err;
    bool host_failed = false;

    if (!hosts_load(h, a->config, &err, &host_failed)) {
        return complain(host_failed ? EXIT_HOST : EXIT_USAGE, err.text);
    }
    for (unsigned i = 0; i < a->sets; i++) {
        if (!hca_config_set_argument(&h->config, a->set[i], &err)) {
            return complain(EXIT_USAGE, err.text);
        }
    }
    return hosts_fit(h, &err) ? EXIT_OK : complain(EXIT_USAGE, err.text);
}

static int write_report(struct cosim *c, const char *dir)
{
    static const struct {
        const char *name;
        bool (*write)(struct cosim *c, FILE *out);
    } files[] = {{"report.txt", cosim_text}, {"report.json", cosim_json}};

    for (unsigned i = 0; i < sizeof files / sizeof files[0]; i++) {
        struct out_file o = out_open(dir, files[i].name);
        const bool good = o.f != NULL && files[i].write(c, o.f);
        if (o.f == NULL || !out_close(&o, good) || !good) {
            fprintf(stderr, "hcasim: %s/%s: %s\n", dir, files[i].name, strerror(errno));
            return EXIT_HOST;
        }
    }
    return EXIT_OK;
}

static int serve(struct hosts *h, const struct args *a)
{
    const struct cosim_options o = {.folder = h->folder[0] != '\0' ? h->folder : a->out,
                                    .log = a->quiet ? NULL : stderr,
                                    .factor_ppm = (uint64_t)(a->factor * 1e6 + 0.5)};
    struct hca_error err;
    int status = EXIT_OK;

    if (!out_dir(a->out) || !out_dir(o.folder)) {
        fprintf(stderr, "hcasim: %s: %s\n", a->out, strerror(errno));
        return EXIT_HOST;
    }
    struct cosim *const c = cosim_open(h, &o, &err, &status);
    if (c == NULL) {
        return complain(status, err.text);
    }
    catch_signals();
    if (!a->quiet) {
        fprintf(stderr, "hcasim: serving %u VMs on %u hosts in %s\n", h->vms, h->hosts, o.folder);
    }
    if (!cosim_run(c, &stop, &err)) {
        status = complain(EXIT_HOST, err.text);
    }
    const int wrote = write_report(c, a->out);
    cosim_close(c);
    return status == EXIT_OK ? wrote : status;
}

int cli_cosim(int argc, char **argv)
{
    struct args a;
    int status;

    if (!parse(&a, argc, argv, &status)) {
        return status;
    }
    struct hosts *const h = calloc(1, sizeof *h);
    if (h == NULL) {
        return complain(EXIT_HOST, "no memory");
    }
    status = load(h, &a);
    status = status == EXIT_OK ? serve(h, &a) : status;
    free(h);
    return status;
}
