/* hcasim: the command line. */
#include "sim/cli/cli.h"

#include "hcasim_version.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *doc;
} commands[] = {
    {"run", cli_run, "replay a workload trace and report where the time goes"},
    {"trace", cli_trace, "import a capture, generate, check, show and compare traces"},
    {"params", cli_params, "list every parameter with range, default and source"},
    {"presets", cli_presets, "list the presets"},
    {"diff", cli_diff, "compare two runs"},
    {"sweep", cli_sweep, "run a trace for many values of parameters"},
};

static void usage(FILE *out)
{
    fputs("hcasim: cycle-level simulator of an RDMA host channel adapter\n\n"
          "usage: hcasim COMMAND [options]     hcasim COMMAND --help explains each\n\n",
          out);
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        fprintf(out, "  %-9s%s\n", commands[i].name, commands[i].doc);
    }
    fputs(
        "\nFirst steps\n"
        "  hcasim trace import capture.pcap.gz -o t.hct    a recorded capture becomes a workload\n"
        "  hcasim run --trace t.hct --out r                replay it, report in r/report.txt\n"
        "  hcasim run --trace t.hct --set pcie.gen=4       the same with another design\n",
        out);
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN); /* a closed pipe is an error of fwrite, not the end */
    if (argc < 2) {
        usage(stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("hcasim %s (commit %s)\n", HCASIM_VERSION, HCASIM_COMMIT);
        return EXIT_OK;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0) {
        usage(stdout);
        return EXIT_OK;
    }
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (strcmp(argv[1], commands[i].name) == 0) {
            return commands[i].run(argc - 1, argv + 1);
        }
    }
    fprintf(stderr, "hcasim: '%s' is not a command; hcasim --help lists them\n", argv[1]);
    return EXIT_USAGE;
}
