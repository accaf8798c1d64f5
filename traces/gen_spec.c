/* Reads the generator's specification. */
#include <stdlib.h>
#include <string.h>

#include "traces/gen.h"
#include "traces/gen_size.h"
#include "traces/gen_yaml.h"
#include "traces/hct_schema.h"

#define MANY   UINT32_MAX
#define NS_MAX 1000000000000ull /* 1000 s */

/* Reader of one specification: gy_row calls find it by the gy that it begins with. */
struct reader {
    struct gy y;
    struct gen_spec *spec;
    const char *folder;
};

/* {read: 60, write: 40}: weights need not add up to anything. */
static bool read_mix(struct gy *y, yaml_node_t *v, void *into)
{
    struct gen_flow *f = into;
    yaml_node_t *key = NULL;
    yaml_node_t *weight = NULL;

    memset(f->weight, 0, sizeof f->weight);
    for (size_t i = 0; gy_pair(y, v, i, &key, &weight); i++) {
        const struct gy_row row = {.key = "weight", .kind = GY_NUMBER, .hi = 1000000};
        const int64_t kind = gy_text(key) ? hct_number(hct_text_kind, gy_text(key)) : -1;
        if (kind < 0) {
            return gy_fail(y, key, "mix: %.40s: not one of:%s", gy_text(key) ? gy_text(key) : "?",
                           hct_text_kind + 4);
        }
        if (!gy_text(weight) || !gy_value(y, weight, &row, &f->weight[kind])) {
            return gy_text(weight) ? false : gy_fail(y, weight, "mix: a weight is a number");
        }
    }
    return v->type == YAML_MAPPING_NODE || gy_fail(y, v, "mix: write it as {write: 70, read: 30}");
}

/* One kind is a mix of one. */
static bool read_op(struct gy *y, yaml_node_t *v, void *into)
{
    struct gen_flow *f = into;
    uint64_t kind = 0;
    const struct gy_row row = {.key = "op", .kind = GY_WORD, .words = hct_text_kind};

    if (!gy_value(y, v, &row, &kind)) {
        return false;
    }
    memset(f->weight, 0, sizeof f->weight);
    f->weight[kind] = 1;
    return true;
}

/* The rate is that of the whole flow, so it does not change with the number of QPs. */
static bool read_arrivals(struct gy *y, yaml_node_t *v, void *into)
{
    static const struct gy_row rows[] = {
        {"poisson_per_s", GY_NUMBER, offsetof(struct gen_flow, rate_per_s), 1, 1000000000, 0, 0},
        {"every_ns", GY_NUMBER, offsetof(struct gen_flow, every_ps), 1, NS_MAX, 0, 0},
        {"start_ns", GY_NUMBER, offsetof(struct gen_flow, start_ps), 0, NS_MAX, 0, 0},
    };
    struct gen_flow *f = into;
    uint64_t seen = 0;

    if (gy_text(v)) {
        f->arrivals = GEN_ASAP;
        return strcmp(gy_text(v), "asap") == 0 ||
               gy_fail(y, v, "arrivals = %.40s: asap, {poisson_per_s: N} or {every_ns: N}",
                       gy_text(v));
    }
    if (!gy_map(y, v, rows, 3, f, &seen)) {
        return false;
    }
    if ((seen & 3) == 0 || (seen & 3) == 3) {
        return gy_fail(y, v, "arrivals: give one of poisson_per_s and every_ns");
    }
    f->every_ps *= 1000;
    f->start_ps *= 1000;
    f->arrivals = seen & 1 ? GEN_POISSON : GEN_EVERY;
    return true;
}

/* 4, or [1, 16]. */
static bool read_sges(struct gy *y, yaml_node_t *v, void *into)
{
    static const struct gy_row row = {.key = "sges", .kind = GY_NUMBER, .lo = 1, .hi = HCT_SGE_MAX};
    struct gen_flow *f = into;
    const bool range = gy_items(v) == 2;

    if (gy_items(v) && !range) {
        return gy_fail(y, v, "sges: write one number or [lowest, highest]");
    }
    if (!gy_value(y, range ? gy_item(y, v, 0) : v, &row, &f->sges[0]) ||
        !gy_value(y, range ? gy_item(y, v, 1) : v, &row, &f->sges[1])) {
        return false;
    }
    return f->sges[0] <= f->sges[1] ||
           gy_fail(y, v, "sges: %u is above %u: write [lowest, highest]", (unsigned)f->sges[0],
                   (unsigned)f->sges[1]);
}

static bool read_size(struct gy *y, yaml_node_t *v, void *into)
{
    const struct reader *r = (const struct reader *)(void *)y;
    return gen_read_size(y, v, r->folder, &((struct gen_flow *)into)->size);
}

/* Rows of `memory:`; stride and align are checked against each other in gen_check.c. */
static bool read_memory(struct gy *y, yaml_node_t *v, void *into)
{
#define AT(field) offsetof(struct gen_memory, field)
    static const struct gy_row rows[] = {
        {"mrs", GY_NUMBER, AT(mrs), 1, ZIPF_MAX, 0, 0},
        {"mr_bytes", GY_BYTES, AT(mr_bytes), 1, HCT_MR_BYTES_MAX, 0, 0},
        {"mr_zipf", GY_Q32, AT(mr_zipf_q32), 0, 8, 0, 0},
        {"offsets", GY_WORD, AT(offsets), 0, 0, "enum fixed sequential random zipf", 0},
        {"stride", GY_BYTES, AT(stride), 1, HCT_MR_BYTES_MAX, 0, 0},
        {"align", GY_BYTES, AT(align), 1, 1 << 30, 0, 0},
        {"page_zipf", GY_Q32, AT(page_zipf_q32), 0, 8, 0, 0},
        {"layout", GY_WORD, AT(layout), 0, 0, hct_text_layout, 0},
        {"layout_arg", GY_BYTES, AT(layout_arg), 0, HCT_MR_BYTES_MAX, 0, 0},
    };
#undef AT
    uint64_t seen = 0;
    return gy_map(y, v, rows, sizeof rows / sizeof *rows, &((struct gen_flow *)into)->memory,
                  &seen);
}

#define AT(field) offsetof(struct gen_flow, field)
static const struct gy_row flow_rows[] = {
    {"name", GY_TEXT, AT(name), 0, 0, 0, 0},
    {"pattern", GY_WORD, AT(pattern), 0, 0, "enum bw lat dma register", 0},
    {"transport", GY_WORD, AT(transport), 0, 0, hct_text_qp, 0},
    {"op", GY_CALL, 0, 0, 0, 0, read_op},
    {"mix", GY_CALL, 0, 0, 0, 0, read_mix},
    {"from", GY_NUMBER, AT(from), 0, GEN_HOSTS_MAX - 1, 0, 0},
    {"to", GY_NUMBER, AT(to), 0, GEN_HOSTS_MAX - 1, 0, 0},
    {"qps", GY_NUMBER, AT(qps), 1, GEN_QPS_MAX, 0, 0},
    {"ops", GY_NUMBER, AT(ops), 1, GEN_OPS_MAX, 0, 0},
    {"size", GY_CALL, 0, 0, 0, 0, read_size},
    {"window", GY_NUMBER, AT(window), 1, 65536, 0, 0},
    {"bidirectional", GY_BOOL, AT(bidirectional), 0, 0, 0, 0},
    {"arrivals", GY_CALL, 0, 0, 0, 0, read_arrivals},
    {"think_ns", GY_NUMBER, AT(think_ps), 0, NS_MAX, 0, 0},
    {"signal_every", GY_NUMBER, AT(signal_every), 1, 65536, 0, 0},
    {"fence_every", GY_NUMBER, AT(fence_every), 1, 65536, 0, 0},
    {"sges", GY_CALL, 0, 0, 0, 0, read_sges},
    {"recv_sges", GY_NUMBER, AT(recv_sges), 1, HCT_SGE_MAX, 0, 0},
    {"sge_zero", GY_Q32, AT(sge_zero_q32), 0, 1, 0, 0},
    {"uses", GY_NUMBER, AT(uses), 1, GEN_USES_MAX, 0, 0},
    {"request_bytes", GY_BYTES, AT(request_bytes), 0, 65536, 0, 0},
    {"invalidate", GY_WORD, AT(local_inv), 0, 0, "enum remote local", 0},
    {"batch", GY_NUMBER, AT(batch), 1, 65536, 0, 0},
    {"inline_max", GY_BYTES, AT(inline_max), 0, 4096, 0, 0},
    {"solicited", GY_BOOL, AT(solicited), 0, 0, 0, 0},
    {"payload", GY_WORD, AT(payload), 0, 0, hct_text_payload, 0},
    {"depend", GY_WORD, AT(depend), 0, 0, "enum auto local recv visible", 0},
    {"mtu", GY_NUMBER, AT(mtu), 256, 4096, 0, 0},
    {"format", GY_WORD, AT(format), 0, 0, hct_text_format, 0},
    {"notify", GY_WORD, AT(notify), 0, 0, hct_text_notify, 0},
    {"srq", GY_BOOL, AT(srq), 0, 0, 0, 0},
    {"cq_per_qp", GY_BOOL, AT(cq_per_qp), 0, 0, 0, 0},
    {"cores", GY_NUMBER, AT(cores), 1, 1024, 0, 0},
    {"sq_depth", GY_NUMBER, AT(sq_depth), 1, 65536, 0, 0},
    {"rq_depth", GY_NUMBER, AT(rq_depth), 1, 65536, 0, 0},
    {"rd_atomic", GY_NUMBER, AT(rd_atomic), 1, 128, 0, 0},
    {"timeout", GY_NUMBER, AT(timeout), 0, 31, 0, 0},
    {"retry_cnt", GY_NUMBER, AT(retry_cnt), 0, 7, 0, 0},
    {"rnr_retry", GY_NUMBER, AT(rnr_retry), 0, 7, 0, 0},
    {"min_rnr_timer", GY_NUMBER, AT(min_rnr_timer), 0, 31, 0, 0},
    {"weight", GY_NUMBER, AT(arbitration_weight), 1, 255, 0, 0},
    {"sl", GY_NUMBER, AT(sl), 0, 15, 0, 0},
    {"traffic_class", GY_NUMBER, AT(traffic_class), 0, 255, 0, 0},
    {"memory", GY_CALL, 0, 0, 0, 0, read_memory},
};
#undef AT
enum { FLOW_ROWS = sizeof flow_rows / sizeof *flow_rows };

/* Defaults: one QP, 1000 writes of 64 B, as ib_write_bw would with its own defaults else. */
static void flow_defaults(struct gen_flow *f, uint32_t number)
{
    *f = (struct gen_flow){.to = MANY,
                           .qps = 1,
                           .ops = 1000,
                           .signal_every = 1,
                           .batch = 1,
                           .sges = {1, 1},
                           .recv_sges = 1,
                           .uses = 1,
                           .request_bytes = 64,
                           .payload = HCT_PAYLOAD_PATTERN,
                           .mtu = 4096,
                           .cores = 1,
                           .rd_atomic = 16,
                           .timeout = 14,
                           .retry_cnt = 7,
                           .rnr_retry = 7,
                           .min_rnr_timer = 12,
                           .arbitration_weight = 1,
                           .size = {.points = 1, .bytes = {64}, .max = 64},
                           .memory = {.mrs = 1, .align = 64}};
    (void)snprintf(f->name, sizeof f->name, "flow %u", number);
}

/* Each flow is read on top of its defaults, so a row that is absent leaves its default. */
static bool read_flows(struct gy *y, yaml_node_t *v, void *into)
{
    struct gen_spec *spec = into;
    const size_t n = gy_items(v);

    if (n == 0 || n > GEN_FLOWS_MAX) {
        return gy_fail(y, v, "flows: a list of 1..%d flows is needed", GEN_FLOWS_MAX);
    }
    spec->flow = calloc(n, sizeof *spec->flow);
    if (!spec->flow) {
        (void)hct_fail(y->err, HCT_NOMEM, "%s: no memory for %zu flows", y->file, n);
        return false;
    }
    spec->flows = (uint32_t)n;
    for (size_t i = 0; i < n; i++) {
        struct gen_flow *f = &spec->flow[i];
        yaml_node_t *item = gy_item(y, v, i);
        uint64_t seen = 0;
        flow_defaults(f, (uint32_t)i);
        if (!gy_map(y, item, flow_rows, FLOW_ROWS, f, &seen)) {
            return false;
        }
        f->line = (unsigned)item->start_mark.line + 1;
        f->think_ps *= 1000;
        if (seen >> 3 & seen >> 4 & 1) {
            return gy_fail(y, item, "flow \"%s\": op and mix: give only one", f->name);
        }
        if (!(seen >> 3 & 3)) {
            f->weight[HCT_WRITE] = 1;
        }
    }
    return true;
}

static bool read_spec(struct reader *r)
{
#define AT(field) offsetof(struct gen_spec, field)
    static const struct gy_row rows[] = {
        {"seed", GY_NUMBER, AT(seed), 0, UINT64_MAX, 0, 0},
        {"hosts", GY_NUMBER, AT(hosts), 1, GEN_HOSTS_MAX, 0, 0},
        {"adapters", GY_NUMBER, AT(adapters), 1, GEN_ADAPTERS_MAX, 0, 0},
        {"functions", GY_NUMBER, AT(functions), 1, GEN_FUNCTIONS_MAX, 0, 0},
        {"vms", GY_NUMBER, AT(vms), 1, GEN_VMS_MAX, 0, 0},
        {"flows", GY_CALL, 0, 0, 0, 0, read_flows},
    };
#undef AT
    uint64_t seen = 0;
    if (!gy_map(&r->y, gy_root(&r->y), rows, sizeof rows / sizeof *rows, r->spec, &seen)) {
        return false;
    }
    return r->spec->flows || gy_fail(&r->y, NULL, "no flows: add a list \"flows:\"");
}

/* Errors go to `own` first: its status tells a bad specification (2) from a lack of memory (4). */
enum hct_status gen_parse(const char *file, const char *text, size_t bytes, const char *folder,
                          struct gen_spec *out, struct hct_error *err)
{
    struct hct_error own = {.status = HCT_USAGE};
    struct reader r = {.spec = out, .folder = folder};

    *out = (struct gen_spec){.seed = 1, .hosts = 2, .adapters = 1, .functions = 1, .vms = 1};
    bool ok = gy_open(&r.y, file, text, bytes, &own);
    if (ok) {
        ok = read_spec(&r) && gen_check(file, out, &own);
        gy_close(&r.y);
    }
    if (ok) {
        out->text = calloc(1, bytes + 1);
        ok = out->text != NULL;
        own.status = HCT_NOMEM;
    }
    if (!ok) {
        gen_spec_free(out);
        if (err) {
            *err = own;
        }
        return own.status;
    }
    memcpy(out->text, text, bytes);
    return HCT_OK;
}

void gen_spec_free(struct gen_spec *spec)
{
    free(spec->flow);
    free(spec->text);
    *spec = (struct gen_spec){0};
}
