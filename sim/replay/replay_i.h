/* replay_i.h: shared by the files of sim/replay. */
#pragma once
#include "model/msg.h"
#include "sim/replay/replay.h"

enum {
    WINDOW = 65536,           /* operations read ahead; ids map to slot id % WINDOW            */
    PAYLOAD_AHEAD = 64 << 20, /* bytes of recorded payload held                                */
    STALL_PS = 100000,        /* from one try of a stalled access to the next                 */
    POSTED_MAX = 512,         /* operations under way whose buffers are compared  */
    HAPPENINGS = HCT_DEP_COUNT
};
#define NEVER UINT64_MAX
#define NO_OP UINT64_MAX

enum op_state { OP_FREE, OP_WAITS, OP_READY, OP_POSTED, OP_DONE };

/* One operation between reading and its end. Links are op ids. */
struct slot {
    struct hct_op op;
    enum op_state state;
    uint8_t waits; /* dependencies that have not happened                           */
    uint8_t kept;  /* happenings that must come before the slot is freed             */
    uint32_t queue;
    uint64_t ready_ps;  /* post call not before this, from dependencies                  */
    uint64_t start_ps;  /* nor before this, from the end of set-up                       */
    uint64_t next;      /* behind it in its queue                                        */
    uint64_t next_sent; /* behind it among those of its QP that consume a receive         */
    uint64_t happened[HAPPENINGS]; /* ps, NEVER */
    uint64_t waiter[HAPPENINGS]; /* first waiter: id * HCT_DEP_MAX + dependency; NO_OP           */
    uint64_t dep_next[HCT_DEP_MAX];
    uint64_t post_ps, visible_ps, polled_ps, first_in_ps;
    uint8_t status, silent;
    bool raced;         /* shares buffers with another operation under way               */
    uint32_t posted_at; /* place in replay.posted                                        */
    uint8_t *payload;   /* recorded bytes, message order                                 */
    uint32_t payload_bytes;
};

enum queue_kind { Q_SEND, Q_RECV, Q_SRQ, Q_BENCH };

struct queue {
    enum queue_kind kind;
    uint32_t host, object; /* trace id of QP, SRQ or fn */
    uint64_t first, last;  /* op ids, NO_OP */
    uint64_t key_ps;       /* time in the heap, NEVER: not in it */
    bool blocked, direct;  /* ready, but the ring is full; bench that posts at adapter time */
    uint32_t next_blocked;
};

/* Min-heap of queues whose head may be posted, per host. */
struct heap {
    uint32_t *queue;
    uint32_t n;
};

struct qp_sent {
    uint64_t sent_first, sent_last; /* ops that consume a receive of the peer, not yet matched */
    uint32_t qpn;
};

/* Set-up posts only receives that wait for nothing, as programs do before they exchange addresses.
 */
enum phase { CREATING, FILLING, RUNNING };

/* An operation under way and the bytes it touches, if they are few pieces. Those that may share
 * bytes are found by cells of an MR that each touches: looking at all of them took 3 % of the
 * instructions of a 64 B message, with 64 under way. */
enum { UNDER_WAY_SPANS = 2, CELL_BYTES = 512, CELLS_EACH = 16, CELLS = 2048 };
struct under_way {
    uint64_t id;
    uint64_t from[UNDER_WAY_SPANS], to[UNDER_WAY_SPANS]; /* offsets in mr */
    uint32_t mr[UNDER_WAY_SPANS];
    bool exact; /* false: more pieces */
};

struct cells { /* of its pieces: [first, end) */
    uint32_t first[UNDER_WAY_SPANS], end[UNDER_WAY_SPANS];
    bool wide; /* too many, or not exact */
};

struct finished {
    uint64_t id, at_ps;
};

struct replay {
    struct world *w;
    struct hca_param p;
    struct replay_options o;
    uint64_t cycle_ps;
    hct_reader *reader;
    const struct hct_resources *res;
    struct machine *machine[WORLD_HOSTS_MAX];
    unsigned hosts;
    /* trace id -> id in its machine */
    uint32_t *driver_of, *pd_of, *mr_of, *cq_of, *srq_of, *qp_of, *ah_of;
    uint32_t *qp_rev[WORLD_HOSTS_MAX]; /* machine QP id -> trace id */
    struct qp_sent *qp;

    struct slot *slot;   /* [WINDOW] */
    uint64_t base, next; /* oldest op held, next op to be read */
    uint64_t payload_held;
    bool read_all, damaged;
    struct queue *queue;
    uint32_t queues, send0, recv0, srq0, bench0; /* first queue of each kind */
    struct heap heap[WORLD_HOSTS_MAX];
    uint32_t blocked[WORLD_HOSTS_MAX]; /* list of blocked queues, UINT32_MAX: end */
    struct finished *done;             /* completed, waiting for the stamps of their window: FIFO */
    uint32_t done_first, done_n;

    struct stamps *stamps;
    uint64_t start_ps; /* end of set-up = trace time 0 */
    enum phase phase;
    struct under_way posted[POSTED_MAX]; /* operations that race.c looks at */
    uint32_t posted_n, unlisted;         /* unlisted: under way, found no room there */
    struct cells cells[POSTED_MAX];
    /* Per 64 places in posted a bit each, by cell of an MR; the last: compared with all. */
    uint64_t users[POSTED_MAX / 64][CELLS + 1];
    replay_sink *sink;
    void *sink_arg;
    struct replay_figures f;
    uint64_t *atomic_seen, *grh; /* open-addressing sets of (mr, offset) + 1 */
    uint64_t atomic_n, atomic_room, grh_n, grh_room;
    struct actor_self {
        struct replay *r;
        unsigned host;
        bool stalled; /* the access below found no room at the root complex */
        struct mmio_req access;
        uint64_t access_ps, retry_ps;
    } self[WORLD_HOSTS_MAX];
};

static inline struct slot *slot_of(struct replay *r, uint64_t id)
{
    return &r->slot[id % WINDOW];
}

static inline bool held(const struct replay *r, uint64_t id)
{
    return id >= r->base && id < r->next;
}

static inline bool consumes_recv(uint8_t kind)
{
    return kind == HCT_SEND || kind == HCT_SEND_IMM || kind == HCT_SEND_INV ||
           kind == HCT_WRITE_IMM;
}

static inline bool writes_remote(uint8_t kind)
{
    return kind == HCT_WRITE || kind == HCT_WRITE_IMM;
}

/* setup.c */
bool setup_resources(struct replay *r, struct hct_error *err);
uint32_t host_of_pd(const struct replay *r, uint32_t pd);
uint32_t host_of_qp(const struct replay *r, uint32_t qp);
uint32_t host_of_mr(const struct replay *r, uint32_t mr);

static inline uint64_t ready_at(const struct replay *r, const struct slot *s)
{
    const uint64_t start = r->start_ps + s->start_ps;

    return s->ready_ps > start ? s->ready_ps : start;
}

/* May this operation be posted in this phase at all? */
static inline bool allowed(const struct replay *r, const struct slot *s)
{
    return s->state == OP_READY &&
           (r->phase == RUNNING || (r->phase == FILLING && s->op.kind == HCT_RECV &&
                                    s->op.dep_count == 0 && s->op.t_ps == 0));
}

/* queue.c */
bool queues_open(struct replay *r);
bool read_ahead(struct replay *r); /* false: the trace is bad, r->damaged                  */
void take_in(struct replay *r, const struct hct_op *op); /* op has just been read */
void happen(struct replay *r, uint64_t id, enum hct_names_dep what, uint64_t at_ps);
void arm(struct replay *r, uint32_t queue, uint64_t now_ps); /* head of queue changed           */
void unblock(struct replay *r, uint32_t host, uint64_t now_ps);
uint64_t ready_top(const struct replay *r, uint32_t host); /* ps, NEVER                       */
uint32_t ready_pop(struct replay *r, uint32_t host);
void op_ended(struct replay *r, uint64_t id, uint64_t visible_ps, uint64_t polled_ps,
              uint8_t status, bool silent);
void release(struct replay *r); /* frees slots at the base that nobody needs                     */

/* race.c */
void race_post(struct replay *r, struct slot *b); /* b is being posted */
void race_end(struct replay *r, struct slot *a);  /* a has ended       */
void race_index(struct replay *r);                /* posted was loaded */

/* lost.c: at the end, gives up receives that nothing will use; true: operations could be freed. */
bool settle_lost(struct replay *r);
bool may_lose(const struct replay *r, uint32_t qp); /* messages to it may vanish or change order */

/* finish.c: tells the sink of all operations that ended before now_ps, and frees them. */
void finish_until(struct replay *r, uint64_t now_ps);

/* post.c */
void post_ready(struct replay *r, uint32_t host, uint64_t now_ps);
/* Posts what a bench result made ready, at the adapter's own time. */
void post_bench_queue(struct replay *r, uint32_t q, uint64_t now_ps);

/* verify.c */
void place_source(struct replay *r, struct slot *s);
void check_target(struct replay *r, struct slot *s); /* at VISIBLE, LOCAL of reads */
void check_received(struct replay *r, struct slot *send, struct slot *recv, uint32_t byte_len,
                    bool grh);
void note_grh(struct replay *r, const struct hct_op *recv);
