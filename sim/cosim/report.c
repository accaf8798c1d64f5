/* report.c: what the guests did and what it cost the device. */
#include "sim/cosim/cosim_i.h"

#include "model/meta.h"

#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#define HEADING                                                                                    \
    "mode direct: each function reads its guest's rings itself (no hypervisor in the data path)\n" \
    "time: simulated, of the device alone, UNSYNCHRONISED with the guests. A guest's own clock\n"  \
    "is the wall clock of this machine: latencies and bandwidths that programs in a guest print\n" \
    "are not meaningful, and no CPU utilisation of a guest is given.\n"

static unsigned number(const struct cosim *c, const struct hosts_vm *v)
{
    const struct hca_param *const p = &c->h->config.value;

    return (unsigned)((v->host * p->host_hcas + v->adapter) * p->hca_fn_max + v->fn);
}

static double us(uint64_t ps)
{
    return (double)ps / 1e6;
}

/* --- text ------------------------------------------------------------------------------------- */

static void text_vms(struct cosim *c, FILE *out)
{
    fprintf(out, "\nVMs\n  %-12s %-10s %9s %9s %10s %8s %7s %7s %8s\n", "VM", "host", "reads",
            "writes", "interrupts", "connects", "resets", "maps", "faults");
    for (unsigned i = 0; i < c->h->vms; i++) {
        const struct function *const f = &c->function[i];
        fprintf(out,
                "  %-12s %-10s %9" PRIu64 " %9" PRIu64 " %10" PRIu64 " %8" PRIu64 " %7" PRIu64
                " %7" PRIu64 " %8" PRIu64 "\n",
                f->vm->name, c->h->host[f->vm->host], f->f.reads, f->f.writes, f->f.interrupts,
                f->f.connections, f->f.resets, f->f.maps, f->f.faults);
    }
}

static void text_ops(struct cosim *c, FILE *out)
{
    fprintf(out,
            "\nOperations, doorbell at the adapter to CQE in guest memory (unsignalled: to\n"
            "retirement), simulated us\n  %-12s %-10s %9s %7s %14s %10s %10s %10s %10s\n",
            "VM", "opcode", "count", "failed", "bytes", "mean", "p50", "p99", "max");
    for (unsigned i = 0; i < c->h->vms; i++) {
        for (unsigned op = 0; op < OPS_OPCODES; op++) {
            const struct ops_row *const r = ops_row(c->ops, number(c, &c->h->vm[i]), op);
            const struct hist *const h = &r->latency_ps;
            if (r->count != 0) {
                fprintf(out,
                        "  %-12s %-10s %9" PRIu64 " %7" PRIu64 " %14" PRIu64
                        " %10.3f %10.3f %10.3f %10.3f\n",
                        c->h->vm[i].name, ops_opcode_name(op), r->count, r->failed, r->bytes,
                        us(hist_mean(h)), us(hist_percentile(h, 500000)),
                        us(hist_percentile(h, 990000)), us(h->max));
            }
        }
    }
    if (ops_lost(c->ops) != 0) {
        fprintf(out, "  %" PRIu64 " operations were not followed: too many under way\n",
                ops_lost(c->ops));
    }
}

static void text_stages(struct cosim *c, FILE *out)
{
    static const char *const name[] = {
#define STAGE(n, unit, doc) #n,
#include "model/spec/stage.def"
#undef STAGE
    };
    static const char *const doc[] = {
#define STAGE(n, unit, d) d,
#include "model/spec/stage.def"
#undef STAGE
    };

    fprintf(out, "\nWhere the time went: mean of all VMs per operation, simulated us\n");
    for (unsigned op = 0; op < OPS_OPCODES; op++) {
        uint64_t n = 0, sum[OPS_STAGES] = {0};
        for (unsigned i = 0; i < c->h->vms; i++) {
            const struct ops_row *const r = ops_row(c->ops, number(c, &c->h->vm[i]), op);
            n += r->count;
            for (unsigned s = 0; s < STAGES; s++) {
                sum[s] += r->stage_ps[s];
            }
        }
        if (n == 0) {
            continue;
        }
        fprintf(out, "  %s, %" PRIu64 " operations\n", ops_opcode_name(op), n);
        for (unsigned s = 0; s < STAGES; s++) {
            if (sum[s] != 0) {
                fprintf(out, "    %-12s %10.3f  %s\n", name[s], us(sum[s]) / (double)n, doc[s]);
            }
        }
    }
}

static void text_vtd(struct cosim *c, FILE *out)
{
    struct host_fn_figures f;

    if (c->h->config.value.iommu_mode != HCA_IOMMU_MODE_ON) {
        fprintf(out, "\nVT-d is not translating (iommu.mode)\n");
        return;
    }
    fprintf(out, "\nVT-d\n  %-12s %12s %12s %12s %12s\n", "VM", "IOTLB hits", "misses",
            "table reads", "faults");
    for (unsigned i = 0; i < c->h->vms; i++) {
        const struct function *const x = &c->function[i];
        if (host_iommu_fn_figures(world_host(c->w, x->vm->host), x->rid, &f)) {
            fprintf(out, "  %-12s %12" PRIu64 " %12" PRIu64 " %12" PRIu64 " %12" PRIu64 "\n",
                    x->vm->name, f.hits, f.misses, f.walk_reads, f.faults);
        }
    }
}

/* --- counters --------------------------------------------------------------------------------- */

/* Value of counter i of the adapter hca of a host, or (hca < 0) of the host itself. */
static uint64_t counter(struct cosim *c, unsigned host, int hca, unsigned i)
{
    const struct hca_stat *const s = hca < 0 ? host_stats(world_host(c->w, host))
                                             : hca_stats(world_hca(c->w, host, (unsigned)hca));
    uint64_t value;

    memcpy(&value, (const char *)s + meta_stats[i].offset, sizeof value);
    return value;
}

static bool belongs(unsigned i, int hca)
{
    return (meta_stats[i].side == META_HOST) == (hca < 0);
}

static void text_counters(struct cosim *c, FILE *out)
{
    fprintf(out, "\nCounters that are not 0, since the start\n");
    for (unsigned h = 0; h < c->h->hosts; h++) {
        for (int a = -1; a < (int)world_hcas(c->w); a++) {
            for (unsigned i = 0; i < meta_stat_count; i++) {
                const uint64_t n = belongs(i, a) ? counter(c, h, a, i) : 0;
                if (n != 0) {
                    fprintf(out, "  %s%s%.0d %s.%s %" PRIu64 " %s\n", c->h->host[h],
                            a < 0 ? "" : " adapter ", a < 0 ? 0 : a, meta_stats[i].unit,
                            meta_stats[i].name, n, meta_stats[i].measure);
                }
            }
        }
    }
}

bool cosim_text(struct cosim *c, FILE *out)
{
    fprintf(out, "hcasim cosim: %u hosts, %u VMs, %.6f s simulated\n%s", c->h->hosts, c->h->vms,
            (double)world_now(c->w) / 1e12, HEADING);
    text_vms(c, out);
    text_ops(c, out);
    text_stages(c, out);
    text_vtd(c, out);
    text_counters(c, out);
    return fflush(out) == 0 && !ferror(out);
}

/* --- JSON ------------------------------------------------------------------------------------- */

static json_t *json_op(const struct ops_row *r)
{
    const struct hist *const h = &r->latency_ps;

    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "count", (json_int_t)r->count, "failed",
                     (json_int_t)r->failed, "bytes", (json_int_t)r->bytes, "mean_ps",
                     (json_int_t)hist_mean(h), "p50_ps", (json_int_t)hist_percentile(h, 500000),
                     "p99_ps", (json_int_t)hist_percentile(h, 990000), "max_ps",
                     (json_int_t)h->max);
}

static json_t *json_vm(struct cosim *c, unsigned i)
{
    const struct function *const f = &c->function[i];
    json_t *const ops = json_object();

    for (unsigned op = 0; op < OPS_OPCODES; op++) {
        const struct ops_row *const r = ops_row(c->ops, number(c, f->vm), op);
        if (r->count != 0) {
            json_object_set_new(ops, ops_opcode_name(op), json_op(r));
        }
    }
    return json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "name", f->vm->name,
                     "host", c->h->host[f->vm->host], "reads", (json_int_t)f->f.reads, "writes",
                     (json_int_t)f->f.writes, "interrupts", (json_int_t)f->f.interrupts,
                     "connections", (json_int_t)f->f.connections, "resets", (json_int_t)f->f.resets,
                     "odd_accesses", (json_int_t)f->f.odd, "faults", (json_int_t)f->f.faults,
                     "operations", ops);
}

bool cosim_json(struct cosim *c, FILE *out)
{
    json_t *const vms = json_array();
    json_t *const all =
        json_pack("{s:s, s:b, s:s, s:I, s:o}", "mode", "direct", "synchronised", 0, "time",
                  "simulated, device only; guest-visible time is not meaningful", "simulated_ps",
                  (json_int_t)world_now(c->w), "vms", vms);

    for (unsigned i = 0; i < c->h->vms; i++) {
        json_array_append_new(vms, json_vm(c, i));
    }
    const bool good = all != NULL && json_dumpf(all, out, JSON_INDENT(2)) == 0;
    json_decref(all);
    return good && fputc('\n', out) != EOF && fflush(out) == 0;
}
