#include "sim/cli/cli.h"
#include "sim/config/yaml.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

int complain(int status, const char *text)
{
    fprintf(stderr, "hcasim: %s\n", text);
    return status;
}

int readable(const char *path, int status)
{
    struct stat s;
    FILE *const f = fopen(path, "rb");

    if (f == NULL) {
        fprintf(stderr, "hcasim: %s: cannot be read: %s\n", path, strerror(errno));
        return status;
    }
    const bool folder = fstat(fileno(f), &s) == 0 && S_ISDIR(s.st_mode);
    fclose(f);
    if (folder) {
        fprintf(stderr, "hcasim: %s: a folder, not a file\n", path);
    }
    return folder ? status : EXIT_OK;
}

bool config_arg(struct config_args *a, enum config_arg_kind kind, const char *text)
{
    if (a->n == sizeof a->item / sizeof a->item[0]) {
        return false;
    }
    a->item[a->n].kind = kind;
    a->item[a->n++].text = text;
    return true;
}

static int apply(struct hca_config *c, enum config_arg_kind kind, const char *text,
                 struct hca_error *err)
{
    enum config_result r;

    if (kind == CONFIG_ARG_SET) {
        return hca_config_set_argument(c, text, err) ? EXIT_OK : EXIT_USAGE;
    }
    r = kind == CONFIG_ARG_FILE ? config_load_file(c, text, err)
                                : config_load_preset(c, text, &preset_embedded, NULL, err);
    return r == CONFIG_OK ? EXIT_OK : r == CONFIG_BAD ? EXIT_USAGE : EXIT_HOST;
}

int config_resolve(const struct config_args *a, struct hca_config *c, struct hca_error *err)
{
    int status = EXIT_OK;

    hca_config_default(c);
    for (int set = 0; set < 2; set++) { /* --set wins whatever the order */
        for (unsigned i = 0; i < a->n && status == EXIT_OK; i++) {
            if ((a->item[i].kind == CONFIG_ARG_SET) == (set == 1)) {
                status = apply(c, a->item[i].kind, a->item[i].text, err);
            }
        }
    }
    return status;
}

bool config_put(struct hca_config *c, const char *key, uint64_t value, const char *origin,
                struct hca_error *err)
{
    char text[32];

    snprintf(text, sizeof text, "%" PRIu64, value);
    return hca_config_set(c, key, text, origin, origin, err);
}
