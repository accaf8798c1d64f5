/* Fuzzes the generator's specification. What it accepts and is small is also generated: every
 * operation must pass the writer's checks, and the trace must read back whole and without warnings.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "traces/gen.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* As assert, but also in release builds. */
#define MUST(condition) \
    if (!(condition)) { \
        abort();        \
    }

enum { SMALL_OPS = 300, SMALL_OBJECTS = 2000 };

static bool is_small(const struct gen_spec *spec)
{
    uint64_t ops = 0;
    uint64_t objects = spec->hosts * spec->adapters * spec->functions * spec->vms;
    for (uint32_t i = 0; i < spec->flows; i++) {
        const struct gen_flow *f = &spec->flow[i];
        ops += f->ops;
        objects += f->qps * (f->memory.mrs + f->window + f->rq_depth);
        objects += f->memory.offsets == GEN_ZIPF ? f->memory.mr_bytes / 4096 : 0;
    }
    return ops <= SMALL_OPS && objects <= SMALL_OBJECTS;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gen_spec spec;
    struct hct_error err;
    struct hct_op op;
    hct_reader *r = NULL;
    char path[64];

    if (gen_parse("input", (const char *)data, size, NULL, &spec, &err) != HCT_OK) {
        MUST(err.text[0] != 0);
        return 0;
    }
    if (is_small(&spec)) {
        (void)snprintf(path, sizeof path, "/dev/shm/hcasim-gen-fuzz-%ld.hct", (long)getpid());
        if (gen_write(&spec, path, NULL, &err) != HCT_OK) {
            (void)fprintf(stderr, "%s\n", err.text);
            abort(); /* what the parser accepts must be possible */
        }
        if (hct_open(path, &r, &err) != HCT_OK) {
            abort();
        }
        enum hct_status st = HCT_OK;
        while ((st = hct_next_op(r, &op)) == HCT_OK) {
            MUST(hct_op_warn(r) == 0);
        }
        MUST(st == HCT_END);
        hct_close(r);
        (void)unlink(path);
    }
    gen_spec_free(&spec);
    return 0;
}
