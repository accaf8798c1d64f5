/* cosim_i.h: inside sim/cosim. */
#pragma once
#include "sim/cosim/cosim.h"
#include "sim/cosim/ops.h"
#include "sim/cosim/poll.h"
#include "sim/cosim/vfu.h"
#include "sim/system/world.h"

#include <sys/types.h>

/* --- clock.c: decisions 16 ---------------------------------------------------------------------
 */

/* The simulated clock may go up to limit_ps. */
struct clock {
    uint64_t factor_ppm;
    uint64_t limit_ps;
    uint64_t last_ns; /* wall clock of the last call */
};
uint64_t clock_wall_ns(void);
void clock_start(struct clock *k, uint64_t factor_ppm, uint64_t sim_ps);
/* Time has been spent on the model, which has come to sim_ps: the limit follows the wall clock, but
 * no further ahead than CLOCK_AHEAD_PS: a model slower than the wall clock stretches its timers. */
void clock_worked(struct clock *k, uint64_t sim_ps);
/* The same after a sleep, during which there was nothing to simulate. */
void clock_slept(struct clock *k);
/* Wall time until the limit reaches at_ps. */
uint64_t clock_until_ns(const struct clock *k, uint64_t at_ps);

/* --- cores.c: accesses of a host's cores on behalf of functions ------------------------------- */

struct function;

/* What happens when an access has ended: a write when the root complex has taken it, a read when
 * its answer has come. */
enum todo_kind {
    TODO_NONE,
    TODO_ANSWER, /* tell the client; a read:     the value shifted right, len bytes of it */
    TODO_RESET,  /* the function has been reset: set it up again, at once                 */
    TODO_TOLD    /* tell the client that it has been reset                                */
};
struct todo {
    struct function *f;
    uint64_t value;
    uint8_t kind, shift, len;
};

enum { CORES_QUEUE = 4096, CORES_READS = 16 };
struct cores {
    struct cosim *c;
    unsigned host;
    struct {
        struct mmio_req m;
        struct todo todo;
    } queue[CORES_QUEUE]; /* ring */
    unsigned first, n;
    uint64_t due_ps;      /* of the first one in the queue */
    uint64_t status_phys; /* where invalidations report, in the hypervisor area */
    uint32_t status;
};

bool cores_open(struct cores *k, struct cosim *c, unsigned host);
/* Queues an access; room is certain, since a function has few under way (functions * 16 < queue).
 */
void cores_push(struct cores *k, const struct mmio_req *m, const struct todo *todo);
/* Makes the IOMMU forget what it holds of a requester, and waits for it. */
void cores_invalidate(struct cores *k, uint16_t rid);

/* --- function.c, function_memory.c --------------------------------------------------------------
 */

struct function_figures {
    uint64_t reads, writes; /* BAR accesses                                      */
    uint64_t odd;           /* of a size or at an address that registers ignore  */
    uint64_t interrupts, resets, connections;
    uint64_t maps, unmaps, foreign; /* foreign: maps of memory that is no guest RAM  */
    uint64_t faults;                /* VT-d fault records of its requester               */
};

struct function {
    struct cosim *c;
    const struct hosts_vm *vm;
    struct cores *cores;
    struct vfu *v;
    uint16_t rid, tag;
    struct {
        struct todo todo; /* kind TODO_NONE: free */
        uint16_t tag;
        bool used;
    } read[CORES_READS];
    bool connected, resetting, master, tell_reset;
    uint64_t iova_end, ram_bytes; /* ram_bytes 0: no memory yet */
    dev_t dev;
    ino_t ino;
    struct function_figures f;
};

bool function_open(struct function *f, struct cosim *c, const struct hosts_vm *vm,
                   struct hca_error *err);
void function_answer(struct function *f, const struct mmio_rsp *a);
void function_irq(struct function *f, const struct irq *q);
void function_done(struct function *f, const struct todo *t); /* outside of the world's loop */
int function_map(void *arg, uint64_t iova, uint64_t len, unsigned rights, int fd, uint64_t offset);
int function_unmap(void *arg, uint64_t iova, uint64_t len);
void function_master(struct function *f, bool on);
void function_forget(struct function *f); /* all memory */

/* --- cosim.c, loop.c ------------------------------------------------------------------------- */

struct cosim {
    const struct hosts *h;
    struct cosim_options o;
    struct world *w;
    struct poll *poll;
    struct clock clock;
    struct cores *cores;       /* [hosts] */
    struct function *function; /* [vms]   */
    struct ops *ops;
    struct todo *done; /* ring [done_max] */
    unsigned done_first, done_n, done_max;
    uint64_t slice_ns; /* wall clock at which the slice of the model ends */
    uint32_t windows;
    uint64_t sigbus_seen;
};

/* One line of the log with the simulated time in front. */
__attribute__((format(printf, 2, 3))) void cosim_log(struct cosim *c, const char *format, ...);
/* Path of a socket: as it is with a slash in it, else in the folder. False: too long. */
bool cosim_path(const struct cosim *c, const char *name, char to[HOSTS_PATH_MAX],
                struct hca_error *err);
void cosim_todo(struct cosim *c, const struct todo *t);
/* Runs the world for a while: until something is done, the clock's limit or the end of a slice. */
enum world_end cosim_slice(struct cosim *c);
/* Runs the world until done(arg): for what must have ended before a client gets its answer. */
void cosim_settle(struct cosim *c, bool (*done)(const void *arg), const void *arg);

/* bus_error.c: a guest's memory file that shrinks must not end the simulator. Pages that are gone
 * read as zeros from then on; how often that was done. */
bool bus_error_catch(void);
void bus_error_region(void *from, uint64_t bytes);
uint64_t bus_error_count(void);
