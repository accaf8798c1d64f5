/* Trace generator: `hcasim trace gen SPEC.yaml -o T.hct`.
 *
 * A specification names hosts and flows; a flow makes its own queue pairs, memory regions and a
 * stream of operations. Keys: traces/specs/README.md, which a test compares with gen_spec.c.
 * One seed gives the same bytes on every machine; memory does not grow with the number of
 * operations (at most 64 MiB for windows, 8 MiB per Zipf table). */
#pragma once

#include "traces/gen_math.h"
#include "traces/hct.h"

enum {
    GEN_FLOWS_MAX = 64,
    GEN_HOSTS_MAX = 1024,
    GEN_ADAPTERS_MAX = 8,
    GEN_FUNCTIONS_MAX = 256, /* per adapter: devfn has 8 bits */
    GEN_VMS_MAX = 64,        /* behind one function           */
    GEN_QPS_MAX = 524288,    /* pairs of one flow             */
    GEN_SLOTS_MAX = 8388608, /* window and receive slots of all flows, 8 bytes each */
    GEN_USES_MAX = 64,
    GEN_FAST_BYTES_MAX = 2097152, /* 512 pages: longest page list of a FAST_REG (PVRDMA caps) */
    GEN_MR_BYTES_MAX = 1073741824 /* one page directory of the PVRDMA ABI, 512 * 512 pages */
};
#define GEN_OPS_MAX 1000000000000ull

enum gen_pattern { GEN_BW, GEN_LAT, GEN_DMA, GEN_REG };
enum gen_arrivals { GEN_ASAP, GEN_EVERY, GEN_POISSON };
enum gen_offsets { GEN_FIXED, GEN_SEQUENTIAL, GEN_RANDOM, GEN_ZIPF };

/* All numbers are u64: one reader for all of them. */
struct gen_memory {
    uint64_t mrs, mr_bytes; /* per function; bytes 0: as large as `fixed` needs, else 1 MiB */
    uint64_t mr_zipf_q32;   /* 0: in turn for fixed and sequential, else uniform            */
    uint64_t offsets;       /* enum gen_offsets                                             */
    uint64_t stride, align; /* stride 0: the size of the operation, rounded up to align     */
    uint64_t page_zipf_q32;
    uint64_t layout, layout_arg; /* enum hct_names_layout */
};

struct gen_flow {
    char name[HCT_TEXT_BYTES];
    unsigned line;
    uint64_t pattern, transport, from, to, qps, ops, bidirectional;
    uint64_t window; /* 0: 64 in flight with arrivals asap, else no bound but the queue */
    uint64_t weight[HCT_KIND_COUNT], weight_sum; /* of the kinds in `op` or `mix` */
    uint64_t arrivals, rate_per_s, every_ps, start_ps, think_ps;
    uint64_t signal_every, fence_every, batch, inline_max, solicited, payload, depend;
    uint64_t sges[2], recv_sges, sge_zero_q32; /* pieces of a message lo..hi, of a receive;
                                                  share of pieces without bytes */
    uint64_t uses, request_bytes, local_inv;   /* pattern register */
    uint64_t mtu, format, notify, srq, cq_per_qp, cores;
    uint64_t sq_depth, rq_depth, rd_atomic, timeout, retry_cnt, rnr_retry, min_rnr_timer;
    uint64_t arbitration_weight, sl, traffic_class;
    struct sizes size;
    struct gen_memory memory;
};

struct gen_spec {
    uint64_t seed, hosts, adapters, functions, vms;
    uint32_t flows;
    struct gen_flow *flow;
    char *text; /* the specification itself, kept as a note of the trace */
};

struct gen_result {
    uint64_t ops, recvs, bytes; /* operations without recvs; recvs; message bytes */
    uint32_t mrs, qps;
};

/* Reads a specification. `folder` is where CDF files are looked for ("" or ending in '/'; NULL: no
 * file is opened). HCT_OK,
 * or HCT_USAGE, HCT_SYS, HCT_NOMEM with err ("file:line: key = value: bound, remedy"). */
enum hct_status gen_parse(const char *file, const char *text, size_t bytes, const char *folder,
                          struct gen_spec *out, struct hct_error *err);
void gen_spec_free(struct gen_spec *spec);

/* Writes the trace of a specification. */
enum hct_status gen_write(const struct gen_spec *spec, const char *path, struct gen_result *result,
                          struct hct_error *err);

/* Both, from files. `seed` replaces the one of the specification unless NULL; result may be NULL.
 */
enum hct_status gen_run(const char *spec_path, const char *path, const uint64_t *seed,
                        struct gen_result *result, struct hct_error *err);
