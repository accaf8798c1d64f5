#include "model/memory.h"

#include "model/host.h"
#include "model/host_mem.h"
#include "model/tlp.h"

enum { OP_READ, OP_WRITE, OP_INTERRUPT, OP_SYNC, OP_WALK };
enum { SPARE_OPS = 64, KILO = 1000, BITS_PER_BYTE = 8, VALUE_BYTES = 4 };

uint32_t memory_ops(const struct hca_param *p)
{
    return 2 * (uint32_t)p->host_mem_parallelism + SPARE_OPS;
}

void memory_open(struct memory *u, struct opening *o)
{
    const struct hca_param *const p = o->p;
    const uint64_t sets = p->host_llc_bytes / MEM_SECTOR / MEM_WAYS;

    u->ops = memory_ops(p);
    u->runs = 1;
    while (u->runs < p->host_mem_parallelism) {
        u->runs *= 2;
    }
    u->fn_mask = p->pcie_ido != 0 ? MEM_STREAMS / HOST_HCAS_MAX - 1 : 0;
    u->ddio = p->host_ddio != 0;
    u->warm = p->host_buffer_state == HCA_HOST_BUFFER_STATE_WARM;
    u->sets = sets == 0 ? 1 : (uint32_t)sets;
    u->hit = ns_cycles(p, p->host_llc_hit_ns);
    u->miss = ns_cycles(p, p->host_dram_ns);
    u->remote =
        p->host_socket == HCA_HOST_SOCKET_REMOTE ? ns_cycles(p, p->host_remote_socket_ns) : 0;
    u->s.dram =
        (struct serial){.num = p->core_clock_khz * BITS_PER_BYTE, .den = p->host_mem_mbps * KILO};
    u->op = arena_take(o->a, u->ops * sizeof *u->op);
    u->servers = arena_take(o->a, u->runs * sizeof *u->servers);
    u->settled = arena_take(o->a, MEM_STREAMS * sizeof *u->settled);
    u->tag = arena_take(o->a, (size_t)u->sets * MEM_WAYS * sizeof *u->tag);
    u->s.first = u->s.last = MEM_NONE;
    u->s.due = HCA_NEVER;
    if (u->servers != NULL) {
        u->servers[u->s.tail++].n = (uint32_t)p->host_mem_parallelism; /* free from cycle 0 on */
    }
    if (u->op != NULL) {
        for (uint32_t i = 0; i < u->ops; i++) {
            u->op[i].next = i + 1 < u->ops ? i + 1 : MEM_NONE;
        }
    }
}

static uint64_t *settled(const struct memory *u, const struct tlp *m)
{
    const uint32_t fns = MEM_STREAMS / HOST_HCAS_MAX;

    return &u->settled[m->hca % HOST_HCAS_MAX * fns + (m->rid & u->fn_mask)];
}

/* Sorts a new operation in, behind all that are due no later. */
static void insert(struct memory *u, uint32_t i)
{
    uint32_t after = u->s.last;

    while (after != MEM_NONE && u->op[after].due > u->op[i].due) {
        after = u->op[after].prev;
    }
    const uint32_t before = after == MEM_NONE ? u->s.first : u->op[after].next;
    u->op[i].prev = after;
    u->op[i].next = before;
    *(after == MEM_NONE ? &u->s.first : &u->op[after].next) = i;
    *(before == MEM_NONE ? &u->s.last : &u->op[before].prev) = i;
    u->s.due = u->op[u->s.first].due;
    u->s.youngest = u->op[i].due > u->s.youngest ? u->op[i].due : u->s.youngest;
}

static struct mem_op *take(struct memory *u, uint32_t *i)
{
    *i = u->s.free;
    u->s.free = u->op[*i].next;
    return &u->op[*i];
}

/* Interrupts and status writes need no server. */
static bool can_accept(const struct memory *u, const struct tick *t, bool lines, uint64_t *wake)
{
    if (u->s.free == MEM_NONE) { /* until an operation ends: memory_tick comes back then */
        return false;
    }
    const uint64_t free_at = memory_next(u)->free_at;
    if (lines && free_at > t->now) {
        *wake = free_at < *wake ? free_at : *wake;
        return false;
    }
    return true;
}

static uint64_t later(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* A read starts when older writes are visible. */
static uint64_t due_of_read(struct memory *u, const struct tick *t, const struct tlp *m,
                            uint64_t old)
{
    const bool may_pass = (m->attr & TLP_ATTR_RO) != 0;
    const uint64_t from = may_pass || old < t->now ? t->now : old + 1;

    return memory_serve(u, t, from, m->addr, m->len, MEM_USE_READ);
}

static uint64_t due_of_write(struct memory *u, const struct tick *t, const struct tlp *m,
                             uint64_t *old)
{
    const uint64_t served = memory_serve(u, t, t->now, m->addr, m->len, MEM_USE_WRITE);
    const uint64_t due = (m->attr & TLP_ATTR_RO) != 0 ? served : later(served, *old);

    *old = later(due, *old);
    return due;
}

static bool accept_io(struct memory *u, const struct tick *t, uint64_t *wake)
{
    const struct tlp *const m = PEEK(u->mem_io);
    const unsigned type = m->type;
    uint32_t i;

    if (!can_accept(u, t, type == TLP_MRD || type == TLP_MWR, wake)) {
        return false;
    }
    struct mem_op *const op = take(u, &i);
    op->m = *m;
    (void)POP(t, u->mem_io);
    uint64_t *const old = settled(u, m);
    switch (type) {
    case TLP_MRD:
        op->kind = OP_READ;
        op->due = due_of_read(u, t, m, *old);
        break;
    case TLP_MWR:
        op->kind = OP_WRITE;
        op->due = due_of_write(u, t, m, old);
        break;
    case TLP_SYNC:
        op->kind = OP_SYNC;
        op->due = later(u->s.youngest, t->now);
        break;
    default:
        op->kind = OP_INTERRUPT;
        op->due = later(*old, t->now);
        break;
    }
    insert(u, i);
    return true;
}

static bool accept_walk(struct memory *u, const struct tick *t, uint64_t *wake)
{
    uint32_t i;

    if (!can_accept(u, t, true, wake)) {
        return false;
    }
    struct mem_op *const op = take(u, &i);
    const struct mem_req *const m = POP(t, u->mem_walk);
    op->m = (struct tlp){.addr = m->addr};
    op->cookie = m->cookie;
    op->len = m->len;
    op->kind = OP_WALK;
    op->due = memory_serve(u, t, t->now, m->addr, m->len, MEM_USE_WALK);
    t->s->memory_walk_reads++;
    insert(u, i);
    return true;
}

/* --- what happens when an operation is due; false: its output has no room in this cycle --- */

static bool free_output(const struct fifo *f, uint64_t now)
{
    return fifo_ready(f, now) && f->pushed != now + 1;
}

static bool finish_read(struct memory *u, const struct tick *t, struct tlp *m)
{
    if (!free_output(&u->mem_done->ctl, t->now)) {
        return false;
    }
    const uint8_t *const from = host_mem_at(t->mem, m->addr, m->len);
    uint8_t *const to = t->mem->sink[m->hca];

    if (from != NULL && to != NULL && tlp_has_bytes(t->p, m)) {
        memcpy(to + m->data, from, m->len);
    }
    m->status = from == NULL ? DMA_UR : DMA_OK;
    t->s->memory_reads++;
    t->s->memory_absent_reads += from == NULL;
    PASS(t, u->mem_done, tlp, 0, m);
    return true;
}

/* Whether the cores are told: what they wait for, and the last packet of a watched operation. */
static bool watched(const struct tlp *m)
{
    return m->cls == CLS_CQE || m->cls == CLS_EVENT || m->cls == CLS_COMMAND ||
           (m->mid != 0 && (m->cls == CLS_PAYLOAD || m->cls == CLS_ATOMIC));
}

static bool finish_write(struct memory *u, const struct tick *t, const struct tlp *m)
{
    uint8_t *const to = host_mem_at(t->mem, m->addr, m->len);

    if (watched(m) && to != NULL) {
        if (!free_output(&u->seen->ctl, t->now)) {
            return false;
        }
        PUSH(t, u->seen, seen, 0, .addr = m->addr, .len = m->len, .rid = m->rid, .cls = m->cls,
             .mid = m->mid);
    }
    if (to != NULL && m->slot != NO_SLOT) {
        memcpy(to, store_at(t->store, m->data), m->len);
    }
    if (m->slot != NO_SLOT) {
        pool_give(&t->store->rx_pool, t->k, m->slot);
    }
    if (m->cls == CLS_CQE) {
        STAMP(t, memory, cqe_visible, m->mid, t->now + 1);
    }
    t->s->memory_writes++;
    t->s->memory_absent_writes += to == NULL;
    return true;
}

/* The 4 bytes that a message carries itself: status of a wait, or MSI data outside the window. */
static void write_value(const struct tick *t, const struct tlp *m)
{
    uint8_t *const to = host_mem_at(t->mem, m->addr, VALUE_BYTES);

    t->s->memory_writes++;
    t->s->memory_absent_writes += to == NULL;
    if (to != NULL) {
        memcpy(to, &m->value, VALUE_BYTES);
    }
}

/* The answer to an MMIO read has waited for older writes and goes back to the root port. */
static bool finish_answer(struct memory *u, const struct tick *t, const struct tlp *m)
{
    if (!free_output(&u->mem_done->ctl, t->now)) {
        return false;
    }
    PASS(t, u->mem_done, tlp, 0, m);
    return true;
}

static bool finish_interrupt(struct memory *u, const struct tick *t, const struct tlp *m)
{
    if (m->type == TLP_CPL) {
        return finish_answer(u, t, m);
    }
    if (!host_mem_is_msi(m->addr)) { /* a table entry with the address of memory */
        write_value(t, m);
        return true;
    }
    if (!free_output(&u->irq->ctl, t->now)) {
        return false;
    }
    t->s->memory_interrupts++;
    PUSH(t, u->irq, irq, 0, .addr = m->addr, .data = (uint32_t)m->value, .rid = m->rid);
    return true;
}

static bool finish_walk(struct memory *u, const struct tick *t, const struct mem_op *op)
{
    uint64_t value[2] = {0, 0};

    if (!free_output(&u->mem_walked->ctl, t->now)) {
        return false;
    }
    hca_assert(op->len <= sizeof value);
    const uint8_t *const from = host_mem_at(t->mem, op->m.addr, op->len);
    if (from != NULL) {
        memcpy(value, from, op->len);
    }
    PUSH(t, u->mem_walked, mem_rsp, 0, .value = value[0], .value2 = value[1], .cookie = op->cookie,
         .status = from == NULL ? DMA_UR : DMA_OK);
    return true;
}

static bool finish(struct memory *u, const struct tick *t, struct mem_op *op)
{
    switch (op->kind) {
    case OP_READ: return finish_read(u, t, &op->m);
    case OP_WRITE: return finish_write(u, t, &op->m);
    case OP_INTERRUPT: return finish_interrupt(u, t, &op->m);
    case OP_SYNC: write_value(t, &op->m); return true;
    default: return finish_walk(u, t, op);
    }
}

/* Ends what is due, in order of due times. True: something ended. */
static bool finish_due(struct memory *u, const struct tick *t)
{
    bool moved = false;

    do {
        const uint32_t i = u->s.first;
        struct mem_op *const op = &u->op[i];
        if (!finish(u, t, op)) {
            break;
        }
        u->s.first = op->next;
        *(op->next == MEM_NONE ? &u->s.last : &u->op[op->next].prev) = MEM_NONE;
        u->s.due = op->next == MEM_NONE ? HCA_NEVER : u->op[op->next].due;
        op->next = u->s.free;
        u->s.free = i;
        moved = true;
    } while (u->s.due <= t->now);
    return moved;
}

struct act memory_tick(struct memory *u, const struct tick *t)
{
    const bool full = u->s.free == MEM_NONE;
    uint64_t wake = HCA_NEVER;
    bool moved = VALID(t, u->mem_walk) && accept_walk(u, t, &wake);

    if (VALID(t, u->mem_io)) {
        moved |= accept_io(u, t, &wake);
    }
    const bool ended = u->s.due <= t->now && finish_due(u, t);
    if (u->s.due < wake && (u->s.due > t->now || ended)) {
        wake = u->s.due;
    }
    if (ended && full) {
        wake = t->now;
    }
    return (struct act){moved || ended, wake};
}
