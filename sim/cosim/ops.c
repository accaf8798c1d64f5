#include "sim/cosim/ops.h"

#include "model/defs.h"
#include "sim/report/stamps.h"

#include <stdlib.h>
#include <string.h>

_Static_assert((int)OPS_STAGES == (int)STAMP_STAGES && (int)STAGES <= (int)OPS_STAGES, "stages");

/* An operation under way; mid 0: free. Open addressing, the table is at most half full. */
struct op {
    uint64_t from_ps;
    uint32_t mid, function, len;
    uint8_t opcode, failed, ended, pad; /* ended: retired, its CQE is on its way */
};

struct ops {
    unsigned hosts, hcas, fns;
    uint64_t cycle_ps;
    struct stamps *stamps;
    struct ops_row *row; /* [hosts * hcas * fns][OPS_OPCODES] */
    struct op *op;       /* [size] */
    uint32_t size, n;
    uint64_t lost;
};

static uint32_t place(const struct ops *o, uint32_t mid)
{
    return mid * 2654435761U & (o->size - 1); /* Knuth: golden ratio * 2^32 */
}

static struct op *find(struct ops *o, uint32_t mid)
{
    uint32_t i = place(o, mid);

    while (o->op[i].mid != 0 && o->op[i].mid != mid) {
        i = (i + 1) & (o->size - 1);
    }
    return &o->op[i];
}

/* Closes the gap that an entry leaves, so that find() needs no marks of deleted ones. */
static void drop(struct ops *o, struct op *x)
{
    uint32_t gap = (uint32_t)(x - o->op);

    for (uint32_t i = (gap + 1) & (o->size - 1); o->op[i].mid != 0; i = (i + 1) & (o->size - 1)) {
        const uint32_t home = place(o, o->op[i].mid);
        if (((i - home) & (o->size - 1)) >= ((i - gap) & (o->size - 1))) {
            o->op[gap] = o->op[i];
            gap = i;
        }
    }
    o->op[gap].mid = 0;
    o->n--;
}

struct ops *ops_open(const struct hca_param *p)
{
    struct ops *const o = calloc(1, sizeof *o);

    if (o == NULL) {
        return NULL;
    }
    o->hosts = (unsigned)p->host_count;
    o->hcas = (unsigned)p->host_hcas;
    o->fns = (unsigned)p->hca_fn_max;
    o->cycle_ps = 1000000000 / p->core_clock_khz;
    o->size = 2 * OPS_UNDER_WAY_MAX;
    o->op = calloc(o->size, sizeof *o->op); /* pages come when touched */
    o->row = calloc((size_t)o->hosts * o->hcas * o->fns * OPS_OPCODES, sizeof *o->row);
    o->stamps = stamps_open();
    if (o->op == NULL || o->row == NULL || o->stamps == NULL) {
        ops_close(o);
        return NULL;
    }
    return o;
}

void ops_close(struct ops *o)
{
    if (o == NULL) {
        return;
    }
    for (size_t i = 0; o->row != NULL && i < (size_t)o->hosts * o->hcas * o->fns * OPS_OPCODES;
         i++) {
        hist_free(&o->row[i].latency_ps);
    }
    stamps_close(o->stamps);
    free(o->op);
    free(o->row);
    free(o);
}

/* Charges what the stamps say and forgets the operation. */
static void end(struct ops *o, struct op *x, uint64_t to_ps, uint8_t last)
{
    struct ops_row *const r = &o->row[(size_t)x->function * OPS_OPCODES + x->opcode];
    struct stage_times s;

    stamps_take(o->stamps, x->mid, x->from_ps, to_ps, last, &s);
    r->count++;
    r->failed += x->failed;
    r->bytes += x->len;
    (void)hist_add(&r->latency_ps, to_ps - x->from_ps);
    for (unsigned i = 0; i < STAGES; i++) {
        r->stage_ps[i] += s.ps[i];
    }
    drop(o, x);
}

/* from_ps: of its doorbell. */
static void begin(struct ops *o, unsigned host, unsigned hca, uint64_t from_ps,
                  const struct ev_wqe *e)
{
    if (o->n == OPS_UNDER_WAY_MAX || e->fn >= o->fns || e->opcode >= OPS_OPCODES || e->mid == 0) {
        o->lost++;
        return;
    }
    struct op *const x = find(o, e->mid);
    if (x->mid != 0) { /* its end was never seen */
        o->lost++;
        drop(o, x);
        begin(o, host, hca, from_ps, e);
        return;
    }
    *x = (struct op){.from_ps = from_ps,
                     .mid = e->mid,
                     .function = (host * o->hcas + hca) * o->fns + e->fn,
                     .len = e->len,
                     .opcode = e->opcode};
    o->n++;
}

void ops_event(void *ops, unsigned host, int hca, uint64_t at_ps, const struct trace_rec *rec)
{
    struct ops *const o = ops;

    if (rec->id == EV_stage) {
        struct ev_stage e;
        memcpy(&e, rec->args, sizeof e);
        struct op *const x = find(o, e.mid);
        if (x->mid == 0) {
            return;
        }
        const uint64_t stamp = at_ps + (e.at - rec->cycle) * o->cycle_ps; /* may lie before */
        (void)stamps_add(o->stamps, e.mid, e.stage, stamp);
        if (e.stage == STAGE_cqe_visible && x->ended) {
            end(o, x, stamp, STAGE_cqe_visible);
        }
    } else if (rec->id == EV_wqe && hca >= 0) {
        struct ev_wqe e;
        memcpy(&e, rec->args, sizeof e);
        begin(o, host, (unsigned)hca, at_ps + (e.at - rec->cycle) * o->cycle_ps, &e);
    } else if (rec->id == EV_wqe_done && hca >= 0) {
        struct ev_wqe_done e;
        memcpy(&e, rec->args, sizeof e);
        struct op *const x = find(o, e.mid);
        if (x->mid != 0) {
            x->failed = e.status != WC_OK;
            x->ended = 1;
            if (e.silent != 0) {
                end(o, x, at_ps, STAGE_retired);
            }
        }
    }
}

const struct ops_row *ops_row(const struct ops *o, unsigned function, unsigned opcode)
{
    return &o->row[(size_t)function * OPS_OPCODES + opcode];
}

uint64_t ops_lost(const struct ops *o)
{
    return o->lost;
}

const char *ops_opcode_name(unsigned opcode)
{
    static const char *const names[OPS_OPCODES] = {
        "WRITE", "WRITE_IMM", "SEND",     "SEND_IMM", "READ",      "CAS",
        "FAA",   NULL,        "SEND_INV", NULL,       "LOCAL_INV", "FAST_REG"};

    return opcode < OPS_OPCODES && names[opcode] != NULL ? names[opcode] : "other";
}
