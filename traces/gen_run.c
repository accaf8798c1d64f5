/* The generator on files. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "traces/gen.h"
#include "traces/gen_yaml.h"
#include "traces/hct_schema.h"

/* Whole file, one byte more than allowed at most: the parser tells that it is too long. */
static enum hct_status read_text(const char *path, char **text, size_t *bytes,
                                 struct hct_error *err)
{
    FILE *f = fopen(path, "r");
    if (!f) {
        const int no = errno;
        return hct_fail(err, HCT_SYS, "cannot open specification %s: %s", path, strerror(no));
    }
    *text = malloc(GY_FILE_BYTES_MAX + 1);
    *bytes = *text ? fread(*text, 1, GY_FILE_BYTES_MAX + 1, f) : 0;
    const bool failed = ferror(f) != 0;
    const int no = errno;
    (void)fclose(f);
    if (!*text) {
        return hct_fail(err, HCT_NOMEM, "%s: no memory", path);
    }
    return failed ? hct_fail(err, HCT_SYS, "cannot read %s: %s", path, strerror(no)) : HCT_OK;
}

/* CDF files named by the specification are looked for in its own folder. */
enum hct_status gen_run(const char *spec_path, const char *path, const uint64_t *seed,
                        struct gen_result *result, struct hct_error *err)
{
    struct gen_spec spec;
    char *text = NULL;
    size_t bytes = 0;

    const char *slash = strrchr(spec_path, '/');
    char *folder = strndup(spec_path, slash ? (size_t)(slash - spec_path) + 1 : 0);
    enum hct_status st = folder ? read_text(spec_path, &text, &bytes, err)
                                : hct_fail(err, HCT_NOMEM, "%s: no memory", spec_path);
    if (st == HCT_OK) {
        st = gen_parse(spec_path, text, bytes, folder, &spec, err);
    }
    if (st == HCT_OK) {
        spec.seed = seed ? *seed : spec.seed;
        st = gen_write(&spec, path, result, err);
        gen_spec_free(&spec);
    }
    free(text);
    free(folder);
    return st;
}
