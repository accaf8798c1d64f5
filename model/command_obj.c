/* command_obj.c: object tables: handles, references, sweeping. */
#include "model/command_i.h"

enum { SWEEP_PER_CYCLE = 64 };

/* Handles start where no guest or wire number is reserved: context 0 is the kernel, key index 0
 * would make key 0, QP 0 and 1 are SMI and GSI on the wire. */
void cmd_obj_open(struct command *u, struct opening *o)
{
    const uint64_t max[OBJ_KINDS] = {
        [OBJ_PD] = o->p->hca_pd_max, [OBJ_UC] = o->p->hca_uar_max,  [OBJ_MR] = o->p->hca_mr_max,
        [OBJ_CQ] = o->p->hca_cq_max, [OBJ_SRQ] = o->p->hca_srq_max, [OBJ_QP] = o->p->hca_qp_max};
    const uint32_t first[OBJ_KINDS] = {[OBJ_UC] = 1, [OBJ_MR] = 1, [OBJ_QP] = 2};

    for (unsigned k = 0; k < OBJ_KINDS; k++) {
        u->max[k] = (uint32_t)max[k];
        u->first[k] = first[k];
        u->obj[k] = arena_take(o->a, o->p->hca_fn_max * max[k] * sizeof *u->obj[k]);
        for (uint64_t f = 0; u->fn != NULL && f < o->p->hca_fn_max; f++) {
            u->fn[f].list[k].fresh = first[k];
        }
    }
}

static struct cmd_obj *at(const struct command *u, enum cmd_kind kind, uint32_t handle)
{
    return &u->obj[kind][(uint64_t)u->s.fn * u->max[kind] + handle];
}

struct cmd_obj *cmd_find(const struct command *u, enum cmd_kind kind, uint32_t handle)
{
    return handle < u->max[kind] && at(u, kind, handle)->used ? at(u, kind, handle) : NULL;
}

struct cmd_obj *cmd_named(struct command *u, const struct tick *t, enum cmd_kind kind)
{
    const struct pv_req_one *const r = cmd_req(u, t);
    struct cmd_obj *const x = cmd_find(u, kind, r->handle);

    u->s.handle = r->handle;
    if (x == NULL) {
        cmd_fail(u, PV_INVALID);
    }
    return x;
}

bool cmd_idle(struct command *u, const struct tick *t, enum cmd_kind kind)
{
    const struct cmd_obj *const x = cmd_named(u, t, kind);

    if (x == NULL) {
        return false;
    }
    if (x->refs != 0) {
        cmd_fail(u, PV_IN_USE);
    }
    return x->refs == 0;
}

/* The GSI QP has handle 1, the number it has on the wire. */
static uint32_t handle_of(struct command *u, enum cmd_kind kind)
{
    struct cmd_list *const l = &cmd_fn(u)->list[kind];

    if (l->fresh < u->max[kind]) {
        return l->fresh++;
    }
    if (l->head == 0) {
        return NO_NUMBER + 1;
    }
    const uint32_t handle = l->head - 1;
    l->head = at(u, kind, handle)->next;
    l->tail = l->head == 0 ? 0 : l->tail;
    return handle;
}

struct cmd_obj *cmd_make(struct command *u, enum cmd_kind kind)
{
    const uint32_t handle = handle_of(u, kind);

    if (handle > NO_NUMBER) {
        return NULL;
    }
    cmd_fn(u)->list[kind].used++;
    return cmd_take(u, kind, handle);
}

struct cmd_obj *cmd_take(struct command *u, enum cmd_kind kind, uint32_t handle)
{
    struct cmd_obj *const x = at(u, kind, handle);

    *x = (struct cmd_obj){.used = 1, .gen = (uint8_t)(x->gen + 1), .srq = NO_NUMBER};
    u->s.made = u->s.handle = handle;
    u->s.made_kind = (uint8_t)kind;
    return x;
}

static void unref(struct command *u, enum cmd_kind kind, uint32_t handle)
{
    struct cmd_obj *const x = cmd_find(u, kind, handle);

    if (x != NULL) {
        hca_assert(x->refs > 0);
        x->refs--;
    }
}

void cmd_forget(struct command *u, enum cmd_kind kind, uint32_t handle)
{
    struct cmd_obj *const x = at(u, kind, handle);
    struct cmd_list *const l = &cmd_fn(u)->list[kind];

    if (kind == OBJ_MR || kind == OBJ_SRQ || kind == OBJ_QP) {
        unref(u, OBJ_PD, x->pd);
    } else if (kind != OBJ_UC && x->pd != 0) {
        unref(u, OBJ_UC, x->pd);
    }
    if (kind == OBJ_QP) {
        unref(u, OBJ_CQ, x->cq[0]);
        unref(u, OBJ_CQ, x->cq[1]);
        if (x->srq != NO_NUMBER) {
            unref(u, OBJ_SRQ, x->srq);
        }
    }
    *x = (struct cmd_obj){.gen = x->gen};
    if (kind == OBJ_UC || handle < u->first[kind]) {
        return; /* chosen by software, or the GSI QP: not handed out by a list */
    }
    l->used--;
    if (l->tail != 0) {
        at(u, kind, l->tail - 1)->next = handle + 1;
    } else {
        l->head = handle + 1;
    }
    l->tail = handle + 1;
}

/* --- reset ------------------------------------------------------------------------------------ */

/* In the order in which objects name each other; GIDs last, numbered OBJ_KINDS. */
static const uint8_t order[] = {OBJ_QP, OBJ_SRQ, OBJ_CQ, OBJ_MR, OBJ_PD, OBJ_UC, OBJ_KINDS};

static void end_object(struct command *u, const struct tick *t, unsigned kind, uint32_t handle)
{
    switch (kind) {
    case OBJ_QP: cmd_end_qp(u, handle); break;
    case OBJ_SRQ: cmd_end_srq(u, handle); break;
    case OBJ_CQ: cmd_end_cq(u, handle); break;
    case OBJ_MR: cmd_end_mr(u, handle); break;
    case OBJ_KINDS: cmd_end_gid(u, t, handle); break;
    default: cmd_forget(u, kind, handle); break;
    }
}

/* Finds the next object of the function and appends the steps that end it, then itself. */
void cmd_sweep(struct command *u, const struct tick *t, void *ctx)
{
    const struct cmd_gid *const gid = &u->gid[u->s.fn * t->p->hca_gid_max];

    (void)ctx;
    u->s.pc = u->s.ops = 0;
    u->s.made_kind = OBJ_KINDS; /* nothing to take back */
    for (unsigned n = 0; n < SWEEP_PER_CYCLE && u->s.sweep_kind < sizeof order; n++) {
        const unsigned kind = order[u->s.sweep_kind];
        const uint64_t end = kind == OBJ_KINDS ? t->p->hca_gid_max
                             : kind == OBJ_UC  ? u->max[kind]
                                               : cmd_fn(u)->list[kind].fresh;
        const uint32_t handle = u->s.sweep++;
        if (handle >= end) {
            u->s.sweep = 0;
            u->s.sweep_kind++;
        } else if (kind == OBJ_KINDS ? gid[handle].type != 0 : at(u, kind, handle)->used) {
            t->s->command_swept += kind != OBJ_KINDS;
            end_object(u, t, kind, handle);
            break;
        }
    }
    if (u->s.sweep_kind < sizeof order) {
        ADD(u, .kind = OP_CALL, .call = CALL_SWEEP);
    }
}
