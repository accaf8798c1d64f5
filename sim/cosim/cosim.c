#include "sim/cosim/cosim_i.h"

#include "sim/cli/cli.h"
#include "sim/host/contexts.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void cosim_log(struct cosim *c, const char *format, ...)
{
    va_list args;

    if (c->o.log == NULL) {
        return;
    }
    fprintf(c->o.log, "hcasim: [%.6f s simulated] ", (double)world_now(c->w) / 1e12);
    va_start(args, format);
    vfprintf(c->o.log, format, args);
    va_end(args);
    fputc('\n', c->o.log);
    fflush(c->o.log);
}

bool cosim_path(const struct cosim *c, const char *name, char to[HOSTS_PATH_MAX],
                struct hca_error *err)
{
    const bool whole = strchr(name, '/') != NULL;
    const int n =
        snprintf(to, HOSTS_PATH_MAX, "%s%s%s", whole ? "" : c->o.folder, whole ? "" : "/", name);

    if (n >= HOSTS_PATH_MAX) {
        hca_error_set(err,
                      "%s/%s: the path of a socket has at most %d bytes; choose a shorter "
                      "folder:",
                      c->o.folder, name, HOSTS_PATH_MAX - 1);
    }
    return n < HOSTS_PATH_MAX;
}

/* Operations are numbered by the adapters, each its own sequence. */
static void follow_ops(struct cosim *c)
{
    const unsigned hosts = world_hosts(c->w), hcas = world_hcas(c->w);

    for (unsigned i = 0; i < hosts * hcas; i++) {
        hca_set_marks(world_hca(c->w, i / hcas, i % hcas), i + 1, hosts * hcas);
    }
    world_set_trace(c->w, 1ULL << EV_stage | 1ULL << EV_wqe | 1ULL << EV_wqe_done, ops_event,
                    c->ops);
}

static bool open_hosts(struct cosim *c, struct hca_error *err)
{
    const struct hca_param *const p = &c->h->config.value;

    for (unsigned i = 0; i < c->h->hosts; i++) {
        struct host *const h = world_host(c->w, i);
        if (!contexts_map(p, h, err)) {
            return false;
        }
        if (p->iommu_mode != HCA_IOMMU_MODE_ON && !host_low_window(h, p->host_mem_bytes)) {
            hca_error_set(err,
                          "host %s: without VT-d (iommu.mode off or pass) bus addresses of the "
                          "guest are physical ones: one VM per host with at most 2G of memory",
                          c->h->host[i]);
            return false;
        }
        for (unsigned v = 0; v < p->host_vms; v++) {
            const uint64_t phys = (uint64_t)(v + 1) << HOST_VM_SHIFT;
            bus_error_region(host_mem(h, phys, p->host_mem_bytes), p->host_mem_bytes);
        }
        if (!cores_open(&c->cores[i], c, i)) {
            hca_error_set(err, "host %s: no memory in the hypervisor area", c->h->host[i]);
            return false;
        }
    }
    return true;
}

static bool open_functions(struct cosim *c, struct hca_error *err)
{
    for (unsigned i = 0; i < c->h->vms; i++) {
        if (!function_open(&c->function[i], c, &c->h->vm[i], err)) {
            return false;
        }
    }
    return true;
}

/* Parameters that a guest's driver cannot do with. */
static bool suits(const struct hca_param *p, struct hca_error *err)
{
    if (p->hca_uar_max != VFU_UAR_PAGES) {
        hca_error_set(err,
                      "hca.uar_max is %" PRIu64 ", BAR2 of the function has %d pages; leave "
                      "it out",
                      p->hca_uar_max, VFU_UAR_PAGES);
        return false;
    }
    if (p->port_wire == HCA_PORT_WIRE_IB) {
        hca_error_set(err, "port.wire is ib: the guest's driver knows RoCE only; choose roce2 or "
                           "roce1");
        return false;
    }
    if (p->host_vm_requester == HCA_HOST_VM_REQUESTER_SHARED) {
        hca_error_set(err, "host.vm_requester is shared: each guest has a function of its own "
                           "here; leave it out");
        return false;
    }
    if (p->sim_payload == 0) {
        hca_error_set(err, "sim.payload is off: guests need their bytes; leave it out");
        return false;
    }
    return true;
}

static struct cosim *fail(struct cosim *c, int *status, int why)
{
    cosim_close(c);
    *status = why;
    return NULL;
}

struct cosim *cosim_open(const struct hosts *h, const struct cosim_options *o,
                         struct hca_error *err, int *status)
{
    struct cosim *const c = calloc(1, sizeof *c);
    const char *why = "no memory";

    hca_error_set(err, "no memory");
    if (c == NULL) {
        return fail(c, status, EXIT_HOST);
    }
    c->h = h;
    c->o = *o;
    if (!suits(&h->config.value, err)) {
        return fail(c, status, EXIT_USAGE);
    }
    c->done_max = (h->vms + 1) * CORES_READS * 2;
    c->done = calloc(c->done_max, sizeof *c->done);
    c->cores = calloc(h->hosts, sizeof *c->cores);
    c->function = calloc(h->vms, sizeof *c->function);
    c->w = world_open(&h->config.value, &why);
    c->ops = ops_open(&h->config.value);
    if (c->done == NULL || c->ops == NULL || c->cores == NULL || c->function == NULL ||
        c->w == NULL) {
        hca_error_set(err, "%s", why);
        return fail(c, status, EXIT_HOST);
    }
    c->poll = poll_open(err);
    if (c->poll == NULL || !bus_error_catch()) {
        return fail(c, status, EXIT_HOST);
    }
    follow_ops(c);
    return open_hosts(c, err) && open_functions(c, err) ? c : fail(c, status, EXIT_USAGE);
}

void cosim_close(struct cosim *c)
{
    if (c == NULL) {
        return;
    }
    for (unsigned i = 0; c->function != NULL && i < c->h->vms; i++) {
        vfu_close(c->function[i].v);
    }
    poll_close(c->poll);
    world_close(c->w);
    ops_close(c->ops);
    free(c->done);
    free(c->cores);
    free(c->function);
    free(c);
}

struct world *cosim_world(struct cosim *c)
{
    return c->w;
}

const struct ops *cosim_ops(const struct cosim *c)
{
    return c->ops;
}

const struct function *cosim_function(const struct cosim *c, unsigned vm)
{
    return &c->function[vm];
}

const struct hosts *cosim_hosts(const struct cosim *c)
{
    return c->h;
}
