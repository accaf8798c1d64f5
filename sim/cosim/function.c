/* function.c: one PVRDMA function and its client: accesses become MMIO of the host's cores, MSI of
 * the model become eventfds, a reset is CTL = RESET and the read of ERR that ends when all DMA has.
 *
 * The MSI-X table belongs to QEMU, whose own vectors point at the guest; the model's are set here,
 * as a hypervisor would, to the interrupt window with the number of the vector as data. */
#include "sim/cosim/cosim_i.h"

#include "model/spec/pvrdma.h"

#include <stdlib.h>
#include <string.h>

enum { VECTORS = 3, VECTOR_BYTES = 16, MSIX_END = 0x2000 };
#define MSI_ADDRESS UINT64_C(0xfee00000)

static void write_bar(struct function *f, uint8_t bar, uint32_t offset, uint8_t len, uint64_t value,
                      const struct todo *todo)
{
    const struct mmio_req m = {.d0 = value,
                               .offset = offset,
                               .hca = (uint8_t)f->vm->adapter,
                               .fn = (uint8_t)f->vm->fn,
                               .bar = bar,
                               .len = len,
                               .write = 1};
    cores_push(f->cores, &m, todo);
}

static void read_bar(struct function *f, uint8_t bar, uint32_t offset, uint8_t len,
                     const struct todo *todo)
{
    const struct mmio_req m = {.offset = offset,
                               .hca = (uint8_t)f->vm->adapter,
                               .fn = (uint8_t)f->vm->fn,
                               .bar = bar,
                               .len = len};
    cores_push(f->cores, &m, todo);
}

/* --- set-up by the hypervisor ----------------------------------------------------------------- */

static void set_up(struct function *f)
{
    const struct todo none = {.f = f};
    const uint8_t *const m = f->vm->mac;

    write_bar(f, 1, PV_REG_MACL * 4, 4,
              m[0] | (uint64_t)m[1] << 8 | (uint64_t)m[2] << 16 | (uint64_t)m[3] << 24, &none);
    write_bar(f, 1, PV_REG_MACH * 4, 4, m[4] | (uint64_t)m[5] << 8, &none);
    for (uint32_t v = 0; v < VECTORS; v++) {
        write_bar(f, 0, v * VECTOR_BYTES, 8, MSI_ADDRESS, &none);
        write_bar(f, 0, v * VECTOR_BYTES + 8, 8, v, &none); /* data, and control 0: not masked */
    }
}

static void reset(struct function *f, bool tell)
{
    const struct todo none = {.f = f}, ended = {.f = f, .kind = TODO_RESET};

    f->tell_reset |= tell;
    if (f->resetting) {
        return;
    }
    f->resetting = true;
    f->f.resets++;
    write_bar(f, 1, PV_REG_CTL * 4, 4, PV_CTL_RESET, &none);
    read_bar(f, 1, PV_REG_ERR * 4, 4, &ended);
}

/* Inside of the world's loop: nothing here may run it again. */
static void reset_ended(struct function *f)
{
    const struct todo told = {.f = f, .kind = TODO_TOLD};

    f->resetting = false;
    set_up(f);
    if (f->tell_reset) {
        f->tell_reset = false;
        cosim_todo(f->c, &told);
    }
}

static bool is_reset(const void *arg)
{
    return !((const struct function *)arg)->resetting;
}

/* --- what the model says ---------------------------------------------------------------------- */

void function_answer(struct function *f, const struct mmio_rsp *a)
{
    for (unsigned i = 0; i < CORES_READS; i++) {
        if (f->read[i].used && f->read[i].tag == a->tag) {
            f->read[i].used = false;
            f->read[i].todo.value = a->data;
            if (f->read[i].todo.kind == TODO_RESET) {
                reset_ended(f);
            } else {
                cosim_todo(f->c, &f->read[i].todo);
            }
            return;
        }
    }
}

void function_irq(struct function *f, const struct irq *q)
{
    if (q->data < VECTORS && f->connected) {
        f->f.interrupts++;
        vfu_irq(f->v, q->data);
    }
}

void function_done(struct function *f, const struct todo *t)
{
    const uint64_t mask = t->len >= 8 ? UINT64_MAX : (UINT64_C(1) << 8 * t->len) - 1;

    if (t->kind == TODO_ANSWER) {
        vfu_answer(f->v, t->value >> 8 * t->shift & mask);
    } else if (t->kind == TODO_TOLD) {
        vfu_reset_done(f->v);
    }
}

/* --- what the client says --------------------------------------------------------------------- */

/* After these the model has more to do than take the value: the driver looks at memory, or frees
 * it, as soon as the write has ended (PVRDMA ABI: DSRHIGH, CTL). */
static bool ends_late(const struct vfu_access *a)
{
    return a->bar == 1 && a->len == 4 && a->offset % 4 == 0 &&
           (a->offset / 4 == PV_REG_DSRHIGH || a->offset / 4 == PV_REG_CTL);
}

static void on_write(struct function *f, const struct vfu_access *a)
{
    const struct todo none = {.f = f};
    const struct todo told = {.f = f, .kind = TODO_ANSWER, .len = 8};

    f->f.writes++;
    if ((a->len != 4 && a->len != 8) || a->offset % a->len != 0 ||
        (a->bar == 0 && a->offset < MSIX_END)) { /* the table is QEMU's */
        f->f.odd++;
        cosim_todo(f->c, &told);
        return;
    }
    write_bar(f, a->bar, (uint32_t)a->offset, a->len, a->value, ends_late(a) ? &none : &told);
    if (ends_late(a)) {
        read_bar(f, 1, PV_REG_ERR * 4, 4, &told);
    }
}

/* Registers are 32 bits wide: a smaller read gets its bytes of one, a larger one two. */
static void on_read(struct function *f, const struct vfu_access *a)
{
    struct todo told = {.f = f, .kind = TODO_ANSWER, .len = a->len};

    f->f.reads++;
    if ((a->offset & 3) + a->len > 4 && (a->len != 8 || a->offset % 8 != 0)) {
        f->f.odd++;
        told.value = UINT64_MAX; /* crosses a register: not supported */
        cosim_todo(f->c, &told);
        return;
    }
    told.shift = (uint8_t)(a->offset & 3);
    read_bar(f, a->bar, (uint32_t)a->offset & ~3U, a->len == 8 ? 8 : 4, &told);
}

static void on_access(void *arg, const struct vfu_access *a)
{
    struct function *const f = arg;

    if (a->write) {
        on_write(f, a);
    } else {
        on_read(f, a);
    }
}

static void on_reset(void *arg)
{
    reset(arg, true);
}

static void on_master(void *arg, bool on)
{
    function_master(arg, on);
}

static void on_log(void *arg, const char *text)
{
    const struct function *const f = arg;

    cosim_log(f->c, "%s: %s", f->vm->name, text);
}

static void on_connected(void *arg)
{
    struct function *const f = arg;

    f->connected = true;
    f->f.connections++;
    cosim_log(f->c, "%s: QEMU has connected", f->vm->name);
}

/* All DMA into the guest's memory must have ended before that memory goes. */
static void on_gone(void *arg)
{
    struct function *const f = arg;

    f->connected = false;
    reset(f, false);
    f->tell_reset = false;
    cosim_settle(f->c, is_reset, f);
    function_forget(f);
}

bool function_open(struct function *f, struct cosim *c, const struct hosts_vm *vm,
                   struct hca_error *err)
{
    static const struct vfu_ops ops = {.access = on_access,
                                       .map = function_map,
                                       .unmap = function_unmap,
                                       .reset = on_reset,
                                       .master = on_master,
                                       .connected = on_connected,
                                       .gone = on_gone,
                                       .log = on_log};
    f->c = c;
    f->vm = vm;
    f->cores = &c->cores[vm->host];
    f->rid = (uint16_t)((vm->adapter + 1) << 8 | vm->fn);
    net_address(world_net(c->w), vm->host * world_hcas(c->w) + vm->adapter, vm->mac, 0);
    set_up(f);
    char path[HOSTS_PATH_MAX];
    if (!cosim_path(c, vm->hca, path, err)) {
        return false;
    }
    const struct vfu_config config = {.path = path, .ops = &ops, .arg = f, .poll = c->poll};
    f->v = vfu_open(&config, err);
    return f->v != NULL;
}
