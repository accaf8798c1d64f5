/* list_cmd.c: hcasim params and hcasim presets. */
#include "sim/cli/cli.h"
#include "sim/cli/params.h"

#include <getopt.h>
#include <stdio.h>

static const char params_help[] =
    "usage: hcasim params [--json] [--preset NAME] [--config FILE] [--set KEY=VALUE]\n\n"
    "Every parameter with unit, range, default, value, origin and source.\n\n"
    "Example: hcasim params --preset generic100 --set hca.qp_max=64 | grep '^hca.qp'\n";
static const char presets_help[] = "usage: hcasim presets [--json]\n\n"
                                   "Every preset, what it extends and what its values rest on.\n\n"
                                   "Example: hcasim presets\n";

static const struct option options[] = {{"json", 0, NULL, 'j'},   {"preset", 1, NULL, 'p'},
                                        {"config", 1, NULL, 'c'}, {"set", 1, NULL, 's'},
                                        {"help", 0, NULL, 'h'},   {NULL, 0, NULL, 0}};

int cli_params(int argc, char **argv)
{
    static struct config_args a;
    static struct hca_config c;
    struct hca_error err;
    bool json = false;
    int opt;

    while ((opt = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        bool good = true;
        switch (opt) {
        case 'j': json = true; break;
        case 'p': good = config_arg(&a, CONFIG_ARG_PRESET, optarg); break;
        case 'c': good = config_arg(&a, CONFIG_ARG_FILE, optarg); break;
        case 's': good = config_arg(&a, CONFIG_ARG_SET, optarg); break;
        case 'h': fputs(params_help, stdout); return EXIT_OK;
        default: return EXIT_USAGE;
        }
        if (!good) {
            return complain(EXIT_USAGE, "more than 256 configuration options");
        }
    }
    if (optind < argc) {
        return complain(EXIT_USAGE, "hcasim params takes options only; see --help");
    }
    const int status = config_resolve(&a, &c, &err);
    if (status != EXIT_OK) {
        return complain(status, err.text);
    }
    if (!hca_config_check(&c, &err)) {
        return complain(EXIT_USAGE, err.text);
    }
    return hcasim_params(stdout, &c, json) ? EXIT_OK : EXIT_HOST;
}

int cli_presets(int argc, char **argv)
{
    struct hca_error err;
    bool json = false;
    int opt;

    while ((opt = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        if (opt == 'h') {
            fputs(presets_help, stdout);
            return EXIT_OK;
        }
        if (opt != 'j') {
            return complain(EXIT_USAGE, "hcasim presets takes --json only");
        }
        json = true;
    }
    if (optind < argc) {
        return complain(EXIT_USAGE, "hcasim presets takes --json only");
    }
    return hcasim_presets(stdout, &preset_embedded, json, &err) ? EXIT_OK
                                                                : complain(EXIT_HOST, err.text);
}
