/* needs.c: what a trace needs of the configuration, before a world is opened. */
#include "sim/replay/replay.h"

static uint64_t most(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

bool replay_needs(const char *path, uint64_t *hosts, uint64_t *hcas, uint64_t *fns, uint64_t *vms,
                  struct hct_error *err, int *status)
{
    hct_reader *r;
    const enum hct_status s = hct_open(path, &r, err);

    *hosts = *hcas = *fns = *vms = 1;
    if (s != HCT_OK) {
        *status = hct_exit_status(s);
        return false;
    }
    const struct hct_resources *const x = hct_resources(r);
    for (uint32_t i = 0; i < x->fns; i++) {
        *hosts = most(*hosts, x->fn[i].host + 1ULL);
        *hcas = most(*hcas, x->fn[i].hca + 1ULL);
        *fns = most(*fns, x->fn[i].index + 1ULL);
        *vms = most(*vms, x->fn[i].vm + 1ULL);
    }
    for (uint32_t i = 0; i < x->mrs; i++) {
        *vms = most(*vms, x->mr[i].vm + 1ULL);
    }
    hct_close(r);
    return true;
}
