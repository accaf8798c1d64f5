/* command.c: takes register writes and gives each function its turn. */
#include "model/command_i.h"

void command_open(struct command *u, struct opening *o)
{
    u->fn = arena_take(o->a, o->p->hca_fn_max * sizeof *u->fn);
    u->gid = arena_take(o->a, o->p->hca_fn_max * o->p->hca_gid_max * sizeof *u->gid);
    u->queue = arena_take(o->a, CMD_QUEUE);
    u->request = store_take(o, CMD_BUFFER);
    u->response = store_take(o, CMD_BUFFER);
    cmd_obj_open(u, o);
}

/* --- register writes -------------------------------------------------------------------------- */

/* reg_state takes one entry per cycle, from here or from the end of a command. */
static bool can_tell(const struct command *u, const struct tick *t)
{
    return READY(t, u->reg_state) && u->reg_state->ctl.pushed != t->now + 1;
}

static void tell(struct command *u, const struct tick *t, uint8_t fn, unsigned err)
{
    PUSH(t, u->reg_state, reg_write, 0, .data = err, .fn = fn, .index = PV_REG_ERR);
}

static void enqueue(struct command *u, uint8_t fn)
{
    if (!u->fn[fn].queued) {
        u->fn[fn].queued = 1;
        u->queue[u->s.tail++ % CMD_QUEUE] = fn;
    }
}

/* A write that makes work: queued, or refused at once when the function has some already. */
static void ask(struct command *u, const struct tick *t, const struct reg_write *m)
{
    struct cmd_fn *const f = &u->fn[m->fn];
    const bool reset = m->index == PV_REG_CTL && m->data == PV_CTL_RESET;
    const bool known = m->index == PV_REG_DSRHIGH || m->data == 0 ||
                       (m->index == PV_REG_CTL && m->data <= PV_CTL_RESET);

    if (!known || (reset ? f->reset : f->task) != 0) {
        t->s->command_busy += known;
        tell(u, t, m->fn, known ? PV_BUSY : PV_INVALID);
        return;
    }
    if (reset) {
        f->reset = 1;
    } else {
        f->task = m->index == PV_REG_REQUEST ? TASK_REQUEST
                  : m->index == PV_REG_CTL   ? TASK_CTL
                                             : TASK_DSR;
        f->ctl = m->index == PV_REG_CTL ? m->data : f->ctl;
        f->dsr_high = m->index == PV_REG_DSRHIGH ? m->data : f->dsr_high;
    }
    if (u->s.task == TASK_NONE || u->s.fn != m->fn) {
        enqueue(u, m->fn);
    }
}

/* MACL holds bytes 0 to 3, lowest first; the number has byte 0 on top. */
static void set_mac(struct cmd_fn *f, const struct reg_write *m)
{
    for (unsigned i = 0; i < (m->index == PV_REG_MACL ? 4 : 2); i++) {
        const unsigned shift = 8 * (5 - (m->index == PV_REG_MACL ? i : i + 4));
        f->mac = (f->mac & ~(0xffULL << shift)) | (uint64_t)(m->data >> 8 * i & 0xff) << shift;
    }
}

static bool take_register(struct command *u, const struct tick *t)
{
    if (!VALID(t, u->reg_write) || !can_tell(u, t)) {
        return false;
    }
    const struct reg_write *const m = POP(t, u->reg_write);

    if (m->index == PV_REG_DSRLOW) {
        u->fn[m->fn].dsr_low = m->data;
    } else if (m->index == PV_REG_MACL || m->index == PV_REG_MACH) {
        set_mac(&u->fn[m->fn], m);
    } else {
        ask(u, t, m);
    }
    return true;
}

/* --- turns ------------------------------------------------------------------------------------ */

static void begin(struct command *u, const struct tick *t)
{
    const uint8_t fn = u->queue[u->s.head++ % CMD_QUEUE];
    struct cmd_fn *const f = &u->fn[fn];

    f->queued = 0;
    u->s.fn = fn;
    u->s.task = f->task != TASK_NONE ? f->task : TASK_RESET;
    u->s.pc = u->s.ops = u->s.started = u->s.err = u->s.resp_err = 0;
    u->s.got = u->s.handle = u->s.cmd = 0;
    u->s.made_kind = OBJ_KINDS;
    if (u->s.task == TASK_DSR) {
        cmd_start_dsr(u, t);
    } else if (u->s.task == TASK_CTL) {
        cmd_start_ctl(u);
    } else if (u->s.task == TASK_RESET) {
        cmd_start_reset(u);
    } else if (f->state != FN_ACTIVE) {
        cmd_fail(u, PV_INACTIVE);
    } else {
        ADD(u, .kind = OP_READ, .addr = f->cmd_slot, .number = u->request, .len = PV_REQ_BYTES);
        ADD(u, .kind = OP_DELAY);
        ADD(u, .kind = OP_CALL, .call = CALL_DISPATCH);
    }
}

/* ERR is told when everything has taken effect: software reads it to know that. */
static bool finish(struct command *u, const struct tick *t)
{
    struct cmd_fn *const f = cmd_fn(u);

    if (!can_tell(u, t)) {
        return false;
    }
    if (u->s.err != PV_OK && u->s.made_kind != OBJ_KINDS) {
        cmd_forget(u, u->s.made_kind, u->s.made);
    }
    tell(u, t, u->s.fn, u->s.err);
    if (u->s.task == TASK_REQUEST) {
        const uint8_t err = u->s.err != PV_OK ? u->s.err : u->s.resp_err;
        t->s->command_done += err == PV_OK;
        t->s->command_failed += err != PV_OK;
        TRACE(t, command, command, .handle = u->s.handle, .fn = u->s.fn, .cmd = u->s.cmd,
              .err = err);
    }
    if (u->s.task == TASK_RESET) {
        t->s->command_resets++;
        f->reset = 0;
    } else {
        f->task = TASK_NONE;
    }
    if (f->task != TASK_NONE || f->reset) {
        enqueue(u, u->s.fn);
    }
    u->s.task = TASK_NONE;
    return true;
}

struct act command_tick(struct command *u, const struct tick *t)
{
    bool moved = cmd_answers(u, t);
    moved |= take_register(u, t);

    if (u->s.task == TASK_NONE) {
        if (u->s.head != u->s.tail) {
            begin(u, t);
            moved = true;
        }
    } else if (u->s.pc == u->s.ops) {
        moved |= finish(u, t);
    } else {
        moved |= cmd_step(u, t);
    }
    if (moved) {
        return AGAIN(t);
    }
    return u->s.until > t->now ? WAKE_AT(u->s.until) : IDLE;
}
