/* cli.h: the commands of hcasim. Each takes its own argc/argv (argv[0]: its name) and returns the
 * exit status of the program. */
#pragma once
#include "model/param.h"
#include "traces/hct.h"

enum {
    EXIT_OK = 0,
    EXIT_OPS_FAILED = 1,   /* operations failed, or a limit struck     */
    EXIT_USAGE = 2,        /* usage or configuration                   */
    EXIT_TRACE = 3,        /* bad trace or capture                     */
    EXIT_HOST = 4,         /* the machine: disk full, no memory        */
    EXIT_INTERRUPTED = 130 /* report of what ran so far                */
};

int cli_run(int argc, char **argv);
int cli_trace(int argc, char **argv);
int cli_params(int argc, char **argv);
int cli_presets(int argc, char **argv);
int cli_diff(int argc, char **argv);
int cli_sweep(int argc, char **argv);
int cli_cosim(int argc, char **argv);

/* Configuration of a command line: files, presets and --set in the order given. */
enum config_arg_kind { CONFIG_ARG_FILE, CONFIG_ARG_PRESET, CONFIG_ARG_SET };
struct config_args {
    struct {
        enum config_arg_kind kind;
        const char *text;
    } item[256];
    unsigned n;
};

/* False: more than fit. */
bool config_arg(struct config_args *a, enum config_arg_kind kind, const char *text);

/* Defaults, then files and presets in their order, then every --set. Exit status, *c and err. The
 * rules that join parameters are not checked yet. */
int config_resolve(const struct config_args *a, struct hca_config *c, struct hca_error *err);

/* --set for a number, with an origin of its own. */
bool config_put(struct hca_config *c, const char *key, uint64_t value, const char *origin,
                struct hca_error *err);

/* Says why and returns `status` when a file of the command line cannot be opened. */
int readable(const char *path, int status);

/* Prints "hcasim: text" to stderr and returns the status. */
int complain(int status, const char *text);
