#include "model/complete_i.h"

static struct cqc *context_of(const struct tick *t, const struct complete_job *j)
{
    return &t->ctx->cq[j->cx];
}

static uint32_t slot_of(const struct complete *u, const struct complete_job *j)
{
    return (uint32_t)(j - u->job);
}

static uint32_t buf_of(const struct complete *u, const struct complete_job *j)
{
    return u->bytes + (uint32_t)(j->number % COMPLETE_BUFS) * BUF_BYTES;
}

/* Indices run modulo 2n and name slot idx mod n: PVRDMA ABI, section 7. */
static uint32_t round_of(const struct cqc *c)
{
    return (2 * c->s.ring.entries - 1) & 0xffffff;
}

static bool full(const struct cqc *c)
{
    return ((c->c.tail - c->c.head) & round_of(c)) >= c->s.ring.entries;
}

static void set_flag(struct cqc *c, uint32_t set, uint32_t clear)
{
    c->c.flags = ((c->c.flags | set) & ~clear) & 0xff;
}

/* --- where things lie --------------------------------------------------------------------------
 */

static bool ask_page(struct complete *u, const struct tick *t, struct complete_job *j,
                     uint32_t page, uint8_t next)
{
    const struct cqc *const c = context_of(t, j);
    const uint64_t pdir = next == JOB_STATE ? c->s.state_page_pdir : c->s.ring.pdir;

    if (!READY(t, u->ring_get_cq)) {
        return false;
    }
    PUSH(t, u->ring_get_cq, ring_get, 0, .pdir = pdir, .page = page,
         .cookie = (uint16_t)slot_of(u, j), .fn = c->s.fn);
    j->state = next;
    return true;
}

/* The CQ cannot be used any more: what comes for it is lost (IBTA vol. 1, 11.6.3.1: CQ error). */
static bool break_cq(struct complete *u, const struct tick *t, struct complete_job *j)
{
    struct cqc *const c = context_of(t, j);

    if (!READY(t, u->cq_async)) {
        return false;
    }
    PUSH(t, u->cq_async, async, 0, .info = c->s.handle, .type = ASYNC_CQ_ERR, .fn = c->s.fn);
    set_flag(c, CQF_ERROR, 0);
    t->s->complete_errors++;
    j->state = JOB_READY;
    return true;
}

void complete_ring_got(struct complete *u, const struct tick *t, const struct ring_got *m)
{
    struct complete_job *const j = &u->job[m->cookie];
    struct cqc *const c = context_of(t, j);

    hca_assert(m->cookie < COMPLETE_JOBS && (j->state == JOB_STATE || j->state == JOB_PAGE));
    if (m->status != DMA_OK) {
        j->fault = 1;
    } else if (j->state == JOB_STATE) {
        c->c.state_bus = m->addr;
        set_flag(c, CQF_STATE, 0);
    } else {
        c->c.page_bus = m->addr;
        set_flag(c, CQF_PAGE, 0);
    }
    j->state = JOB_READY;
}

static bool ask_head(struct complete *u, const struct tick *t, struct complete_job *j)
{
    const struct cqc *const c = context_of(t, j);
    const bool native = c->s.format == FORMAT_NATIVE;

    if (!READY(t, u->rd_req_cq)) {
        return false;
    }
    PUSH(t, u->rd_req_cq, rd_req, 0,
         .addr = native ? c->s.state_page_pdir : c->c.state_bus + STATE_HEAD, .len = 4,
         .cookie = (uint16_t)slot_of(u, j), .fn = c->s.fn, .cls = CLS_CQE,
         .data = u->heads + slot_of(u, j) * 8);
    j->state = JOB_HEAD;
    return true;
}

/* Native software counts freely; a PVRDMA index outside its range makes the CQ look full. */
void complete_head_got(struct complete *u, const struct tick *t, const struct rd_rsp *m)
{
    struct complete_job *const j = &u->job[m->cookie];
    struct cqc *const c = context_of(t, j);
    uint32_t head;

    hca_assert(m->cookie < COMPLETE_JOBS && j->state == JOB_HEAD);
    memcpy(&head, store_at(t->store, u->heads + slot_of(u, j) * 8), sizeof head);
    const bool sane = c->s.format == FORMAT_NATIVE || (head & ~round_of(c)) == 0;
    const uint32_t used = (c->c.tail - head) & round_of(c);

    j->fault = m->status != DMA_OK || !sane || used > c->s.ring.entries;
    c->c.head = (j->fault != 0 ? c->c.head : head & round_of(c)) & 0xffffff;
    j->head_read = 1;
    j->state = JOB_READY;
}

/* --- bytes -------------------------------------------------------------------------------------
 */

static void put32(uint8_t *p, uint32_t v)
{
    memcpy(p, &v, sizeof v);
}

static void build_cqe(const struct cqc *c, const struct cqe *m, uint8_t *p)
{
    memset(p, 0, CQE_BYTES);
    memcpy(p, &m->wr_id, 8);
    put32(p + 8, m->handle);
    put32(p + 16, m->opcode);
    put32(p + 20, m->status);
    put32(p + 24, m->byte_len);
    put32(p + 28, m->imm);
    put32(p + 32, m->src_qp);
    put32(p + 36, m->flags & (CQE_GRH | CQE_IMM | CQE_INVALIDATE | CQE_NET));
    put32(p + 40, m->vendor_err);
    p[50] = 1; /* port */
    p[57] = m->net;
    if (c->s.format == FORMAT_NATIVE) {
        p[63] = (c->c.tail & c->s.ring.entries) == 0;
    }
}

static uint64_t address(const struct cqc *c)
{
    const uint32_t slot = c->c.tail & (c->s.ring.entries - 1);

    return c->s.format == FORMAT_NATIVE
               ? c->s.ring.pdir + (uint64_t)slot * CQE_BYTES
               : c->c.page_bus + (uint64_t)(slot % CQES_PER_PAGE) * CQE_BYTES;
}

static void advance(struct cqc *c)
{
    c->c.tail = (c->c.tail + 1) & round_of(c) & 0xffffff;
    if (c->c.tail % CQES_PER_PAGE == 0 || (c->c.tail & (c->s.ring.entries - 1)) == 0) {
        set_flag(c, 0, CQF_PAGE);
    }
}

/* --- writes ------------------------------------------------------------------------------------
 */

enum { WRITE_HEAD, WRITE_CQE, WRITE_TAIL };

static bool armed_for(const struct cqc *c, bool special)
{
    return (c->c.flags & CQF_ARMED) != 0 || (special && (c->c.flags & CQF_ARMED_SOLICITED) != 0);
}

/* Builds the CQE, moves the producer index, disarms when an event follows. */
static void commit(const struct tick *t, struct complete_job *j, uint8_t *buf)
{
    struct cqc *const c = context_of(t, j);
    const bool special = (j->m.flags & CQE_SOLICITED) != 0 || j->m.status != WC_OK;

    build_cqe(c, &j->m, buf);
    j->addr = address(c);
    advance(c);
    put32(buf + BUF_TAIL, c->c.tail);
    j->fires = armed_for(c, special);
    set_flag(c, special ? CQF_SOLICITED : 0, 0);
    if (j->fires != 0) {
        set_flag(c, 0, CQF_ARMED | CQF_ARMED_SOLICITED | CQF_SOLICITED);
    }
    j->writes |= 1U << WRITE_CQE;
    j->writes |= c->s.format == FORMAT_PVRDMA ? 1U << WRITE_TAIL : 0;
    STAMP(t, complete, cqe_built, j->m.mid, t->now);
    t->s->complete_cqes++;
}

/* Room for an event; a job that is writing has been promised one place. */
static bool fire_room(const struct complete *u)
{
    return u->s.fire_tail - u->s.fire_head + u->s.writing < COMPLETE_FIRES;
}

static void fire(struct complete *u, const struct cqc *c)
{
    u->s.fire[u->s.fire_tail++ % COMPLETE_FIRES] = (struct complete_fire){
        .number = u->s.wrote, .cqn = c->s.cqn, .fn = c->s.fn, .vector = c->s.vector};
}

/* One job writes at a time, so that numbers are done in order. cqe: not only the ring head. */
static bool begin_writes(struct complete *u, const struct tick *t, struct complete_job *j, bool cqe)
{
    if (!cqe && j->m.head_addr == 0) {
        j->state = JOB_PUT;
        return true;
    }
    if (u->s.writing != 0 || !fire_room(u) ||
        u->s.wrote - u->s.done >= COMPLETE_BUFS - NOTIFY_EVERY) {
        return false;
    }
    j->number = ++u->s.wrote;
    uint8_t *const buf = store_at(t->store, buf_of(u, j));
    put32(buf + BUF_RING_HEAD, j->m.head);
    j->writes = j->m.head_addr != 0 ? 1U << WRITE_HEAD : 0;
    if (cqe) {
        commit(t, j, buf);
    }
    u->s.writing = 1;
    j->state = JOB_WRITE;
    return true;
}

static struct wr_req write_of(const struct complete *u, const struct tick *t,
                              const struct complete_job *j, uint32_t write)
{
    const uint32_t buf = buf_of(u, j);
    struct wr_req m = {.cookie = (uint32_t)j->number, .fn = j->m.fn, .slot = NO_SLOT};

    switch (write) {
    case WRITE_HEAD:
        m.addr = j->m.head_addr;
        m.len = 4;
        m.cls = CLS_HEAD;
        m.data = buf + BUF_RING_HEAD;
        break;
    case WRITE_CQE:
        m.addr = j->addr;
        m.len = CQE_BYTES;
        m.cls = CLS_CQE;
        m.mid = j->writes == 0 ? j->m.mid : 0;
        m.data = buf;
        break;
    default:
        m.addr = context_of(t, j)->c.state_bus + STATE_TAIL;
        m.len = 4;
        m.cls = CLS_CQE;
        m.mid = j->m.mid;
        m.data = buf + BUF_TAIL;
        break;
    }
    return m;
}

static bool write_next(struct complete *u, const struct tick *t, struct complete_job *j)
{
    if (!READY(t, u->wr_cqe) || u->wr_cqe->ctl.pushed == t->now + 1) {
        return false;
    }
    const uint32_t write = (uint32_t)__builtin_ctz(j->writes);

    j->writes &= (uint8_t)(j->writes - 1);
    struct wr_req m = write_of(u, t, j, write);
    if (j->writes == 0) {
        const bool tell = j->fires != 0 || j->number - u->s.told >= NOTIFY_EVERY;
        m.flags = tell ? WR_NOTIFY : 0;
        u->s.told = tell ? j->number : u->s.told;
        if (j->fires != 0) {
            fire(u, context_of(t, j));
        }
        u->s.writing = 0;
        j->state = JOB_PUT;
    }
    PASS(t, u->wr_cqe, wr_req, u->delay, &m);
    return true;
}

/* --- jobs --------------------------------------------------------------------------------------
 */

/* A PVRDMA job needs the bus address of the ring state before it can touch its ring. */
static bool lacks_state(const struct cqc *c)
{
    return c->s.format == FORMAT_PVRDMA && (c->c.flags & CQF_STATE) == 0;
}

/* Software arms, then polls once more. A CQE on its way meanwhile is seen by neither poll nor arm,
 * so an arm that finds CQEs not consumed raises an event at once. */
static bool arm(struct complete *u, const struct tick *t, struct complete_job *j)
{
    struct cqc *const c = context_of(t, j);
    const bool any = j->arm == DB_CQ_ARM;

    if (c->c.tail != c->c.head && j->head_read == 0 && j->fault == 0 &&
        (c->c.flags & CQF_ERROR) == 0) {
        return lacks_state(c) ? ask_page(u, t, j, 0, JOB_STATE) : ask_head(u, t, j);
    }
    const bool left = j->fault == 0 && c->c.tail != c->c.head;
    if (left && (any || (c->c.flags & CQF_SOLICITED) != 0)) {
        if (!fire_room(u)) {
            return false;
        }
        fire(u, c);
        set_flag(c, 0, CQF_ARMED | CQF_ARMED_SOLICITED | CQF_SOLICITED);
        t->s->complete_late_arms++;
    } else {
        set_flag(c, any ? CQF_ARMED : CQF_ARMED_SOLICITED, left ? 0 : CQF_SOLICITED);
    }
    t->s->complete_arms++;
    j->state = JOB_PUT;
    return true;
}

static bool place_cqe(struct complete *u, const struct tick *t, struct complete_job *j)
{
    struct cqc *const c = context_of(t, j);
    const uint32_t slot = c->c.tail & (c->s.ring.entries - 1);
    const bool pvrdma = c->s.format == FORMAT_PVRDMA;

    if ((c->c.flags & CQF_ERROR) != 0) {
        if (!begin_writes(u, t, j, false)) {
            return false;
        }
        t->s->complete_lost++;
        return true;
    }
    if (j->fault != 0) {
        return break_cq(u, t, j);
    }
    if (lacks_state(c)) {
        return ask_page(u, t, j, 0, JOB_STATE);
    }
    if (full(c)) {
        return j->head_read != 0 ? break_cq(u, t, j) : ask_head(u, t, j);
    }
    if (pvrdma && (c->c.flags & CQF_PAGE) == 0) {
        return ask_page(u, t, j, c->s.ring.page0 + slot / CQES_PER_PAGE, JOB_PAGE);
    }
    return begin_writes(u, t, j, true);
}

/* Unsignalled: only the ring head moves, no context is needed. */
static bool move_head(struct complete *u, const struct tick *t, struct complete_job *j)
{
    if (!begin_writes(u, t, j, false)) {
        return false;
    }
    t->s->complete_silent++;
    return true;
}

bool complete_step(struct complete *u, const struct tick *t, struct complete_job *j)
{
    bool moved = false;

    if (j->state == JOB_READY) {
        moved = j->arm != 0                      ? arm(u, t, j)
                : (j->m.flags & CQE_SILENT) != 0 ? move_head(u, t, j)
                                                 : place_cqe(u, t, j);
    }
    if (j->state == JOB_WRITE) {
        moved |= write_next(u, t, j);
    }
    return moved;
}
