/* hcasim: the command line. */
#include "sim/cli/cli.h"

#include "hcasim_version.h"

#include <errno.h>
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
    {"cosim", cli_cosim, "serve simulated adapters to virtual machines of QEMU"},
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
        "  hcasim run --trace t.hct --set pcie.lanes=8 --out r8   the same with another design\n"
        "  hcasim diff r r8                                what that changed\n",
        out);
}

/* What was printed must have reached its file; a reader that has seen enough is no failure. */
static int told(int status)
{
    const bool good = fflush(stdout) == 0 && !ferror(stdout);

    if (good || errno == EPIPE || status == EXIT_HOST) {
        return status;
    }
    fprintf(stderr, "hcasim: standard output: %s\n", strerror(errno));
    return EXIT_HOST;
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN); /* a closed pipe is an error of fwrite, not the end */
#ifdef SIGXFSZ
    signal(SIGXFSZ, SIG_IGN); /* so is a file size limit */
#endif
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
            return told(commands[i].run(argc - 1, argv + 1));
        }
    }
    fprintf(stderr, "hcasim: '%s' is not a command; hcasim --help lists them\n", argv[1]);
    return EXIT_USAGE;
}
