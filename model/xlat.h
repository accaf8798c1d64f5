/* xlat: checks memory keys and turns virtual into bus addresses.
 *
 * Keys     MPT entries (struct mpt) in a set-associative cache; a miss reads the entry from the
 *          adapter's own tables, a change is written through.
 * Pages    Lines of page directories and page tables in one set-associative cache (MTT). A line is
 *          named by its registration, so that a new registration never meets an old line.
 * Ports    Seven streams with a queue of XLAT_QUEUE each: order is kept within a stream, misses of
 *          one do not stop another, later requests of a stream look up while its oldest waits.
 * Timing   1 request per stream and cycle, hca.xlat_hit_ns + 1 cycle when both caches hit.
 * Source   docs/units/xlat.md; page directories: PVRDMA ABI (dir, table, page)
 * NOT MODELLED: zero-based keys, on-demand paging, memory windows, page sizes other than 4 KiB. */
#pragma once
#include "model/spec.h"

enum mpt_state { MPT_FREE, MPT_INVALID, MPT_VALID };
enum mpt_kind { MPT_USER, MPT_ADDRESS, MPT_FAST }; /* flags of CREATE_MR: ADDRESS is a DMA MR */

/* Entry of a memory key as it lies in the cache and, byte for byte, in host memory. */
struct mpt {
    uint64_t va, len; /* [va, va + len) may be used            */
    uint64_t pdir;    /* bus address of its page directory     */
    uint32_t key;     /* index << 8 | generation byte          */
    uint32_t pd, access;
    uint32_t pages; /* of the directory; MPT_FAST: the most  */
    uint32_t reg;   /* number of the registration            */
    uint8_t state, kind, pad[18];
};
_Static_assert(sizeof(struct mpt) == MPT_BYTES, "an MPT entry fills its place in host memory");

enum xlat_port {
    XLAT_TX,  /* tx_job       -> rd_job       */
    XLAT_RSP, /* rsp_job      -> rd_job       */
    XLAT_RX,  /* rx_place     -> rx_placed    */
    XLAT_ACK, /* ack_place    -> ack_placed   */
    XLAT_WQE, /* ring_get_wqe -> ring_got_wqe */
    XLAT_CQ,  /* ring_get_cq  -> ring_got_cq  */
    XLAT_EV,  /* ring_get_ev  -> ring_got_ev  */
    XLAT_PORTS
};
enum {
    XLAT_QUEUE = 8,      /* requests per port; a power of two                        */
    XLAT_OPS = 3,        /* ports that change keys: command, requester, respond      */
    XLAT_WRITES = 4,     /* changes on their way to memory                           */
    XLAT_REG_ROWS = 1024 /* registration numbers of ring pages; a power of two       */
};
#define XLAT_NO_LINE UINT32_MAX

/* KEY, PAGE: to be looked up; KEY_MISS, PAGE_MISS: waits for the miss. */
enum xlat_state { XLAT_KEY, XLAT_KEY_MISS, XLAT_PAGE, XLAT_PAGE_MISS, XLAT_DONE };

struct xlat_req {
    uint64_t addr; /* virtual, then bus address          */
    uint64_t pdir;
    uint32_t key, pd, len, access;
    uint32_t page, reg;
    uint16_t miss, cookie;
    uint8_t fn, state, status, check_only;
};

/* Name of a line of the MTT cache. level 1: of a page directory, 0: of a page table. */
struct xlat_tag {
    uint64_t pdir;
    uint32_t reg;
    uint32_t line;  /* number of the line << 1 | level          */
    uint16_t space; /* 1 + fn: memory, 257 + fn: rings; 0: none */
};

enum xlat_miss_state {
    XLAT_MISS_FREE,
    XLAT_MISS_MPT,   /* reads the entry of a key               */
    XLAT_MISS_DIR,   /* reads a line of the page directory     */
    XLAT_MISS_TABLE, /* reads the line of the page table       */
    XLAT_MISS_FILLED /* bytes or status are there for waiters  */
};
struct xlat_miss {
    struct xlat_tag tag; /* page table line wanted; space 0: a key */
    uint64_t table;      /* bus address of the page table          */
    uint64_t ready_at;   /* on-board store: cycle of the answer    */
    uint32_t page;       /* first page asked for                   */
    uint32_t index;      /* of the key                             */
    uint16_t waiters;
    uint8_t fn, state, status, pad[3];
};

enum xlat_op_state { XLAT_OP_NONE, XLAT_OP_CLAIMED, XLAT_OP_MISS };
struct xlat_op {
    uint32_t index; /* of the key that is being changed */
    uint16_t miss;
    uint8_t fn, state;
};
struct xlat_write {
    uint32_t index;
    uint8_t fn, busy, pad[2];
};

struct xlat {
    struct wire_mpt_set *mpt_cmd;                  /* in,  from command   */
    struct wire_ring_get *ring_get_wqe;            /* in,  from wqe_fetch */
    struct wire_pkt *tx_job;                       /* in,  from requester */
    struct wire_pkt *rsp_job;                      /* in,  from respond   */
    struct wire_rd_rsp *rd_rsp_xlat;               /* in,  from dma_read  */
    struct wire_wr_done *wr_done_xlat;             /* in,  from dma_write */
    struct wire_mpt_set *mpt_req;                  /* in,  from requester */
    struct wire_place *rx_place;                   /* in,  from check     */
    struct wire_place *ack_place;                  /* in,  from requester */
    struct wire_mpt_set *mpt_rsp;                  /* in,  from respond   */
    struct wire_ring_get *ring_get_cq;             /* in,  from complete  */
    struct wire_ring_get *ring_get_ev;             /* in,  from event     */
    struct wire_mpt_done *mpt_cmd_done;            /* out, to command     */
    struct wire_ring_got *ring_got_wqe;            /* out, to wqe_fetch   */
    struct wire_pkt *rd_job;                       /* out, to dma_read    */
    struct wire_rd_req *rd_req_xlat;               /* out, to dma_read    */
    struct wire_wr_req *wr_xlat;                   /* out, to dma_write   */
    struct wire_mpt_done *mpt_req_done;            /* out, to requester   */
    struct wire_place *rx_placed;                  /* out, to respond     */
    struct wire_wr_req *ack_placed;                /* out, to dma_write   */
    struct wire_mpt_done *mpt_rsp_done;            /* out, to respond     */
    struct wire_ring_got *ring_got_cq;             /* out, to complete    */
    struct wire_ring_got *ring_got_ev;             /* out, to event       */
    struct fifo *in[XLAT_PORTS], *out[XLAT_PORTS]; /* the same by port          */
    struct wire_ring_get *ring_in[3];
    struct wire_ring_got *ring_out[3];
    struct wire_mpt_set *op_in[XLAT_OPS];
    struct wire_mpt_done *op_out[XLAT_OPS];
    struct pkt *job;          /* [2 * XLAT_QUEUE] messages of XLAT_TX, XLAT_RSP    */
    struct place *place;      /* [2 * XLAT_QUEUE] messages of XLAT_RX, XLAT_ACK    */
    struct mpt *mpt;          /* [mpt_sets * mpt_ways] the key cache               */
    uint32_t *mpt_tag;        /* fn << 24 | index, + 1; 0: empty                   */
    uint64_t *mpt_used;       /* larger: used later                                */
    uint64_t *mtt;            /* [lines * fetch] entries of the page cache         */
    struct xlat_tag *mtt_tag; /* [mtt_sets * mtt_ways]                             */
    uint64_t *mtt_used;
    struct mpt *onboard;    /* [fn_max * mr_max] context_store onboard, else NULL */
    uint32_t *ring_reg;     /* [XLAT_REG_ROWS]                                   */
    struct xlat_miss *miss; /* [misses]                                          */
    uint16_t *free_miss;    /* [misses] stack                                    */
    uint16_t *to_read;      /* [misses] ring of misses whose read is to be sent  */
    uint16_t *on_board;     /* [misses] ring of misses the on-board store serves */
    uint32_t mpt_sets, mpt_ways, mtt_sets, mtt_ways, misses;
    uint32_t fetch, fetch_shift; /* entries of an MTT line, and its logarithm             */
    uint32_t fill, fill_bytes;   /* store offset and size of the bytes of a miss      */
    uint32_t change;             /* store offset of MPT_BYTES per change              */
    uint32_t hit_cycles, onboard_cycles;
    struct {
        struct xlat_req req[XLAT_PORTS][XLAT_QUEUE];
        struct xlat_op op[XLAT_OPS];
        struct xlat_write write[XLAT_WRITES];
        uint64_t used;                               /* count of cache accesses                 */
        uint32_t head[XLAT_PORTS], tail[XLAT_PORTS]; /* of req, free running           */
        uint32_t busy;                               /* bit per port whose queue is not empty   */
        uint32_t reg;                                /* registration numbers given out          */
        uint32_t reads;                              /* in flight                               */
        uint32_t misses_free;
        uint32_t read_head, reads_due; /* ring to_read                            */
        uint32_t board_head, boards;   /* ring on_board                           */
        uint32_t first_port, first_op; /* whose turn it is                        */
        uint8_t owner, inside;         /* port whose packet is on rd_job; middle of it */
        uint8_t failed;                /* status that its pieces have had so far  */
        uint8_t pad[5];
    } s;
};

void xlat_open(struct xlat *u, struct opening *o);
struct act xlat_tick(struct xlat *u, const struct tick *t);

/* --- caches (xlat_cache.c) ------------------------------------------------------------------- */
void xlat_cache_open(struct xlat *u, struct opening *o);
/* Entry of a key, or NULL; its line counts as used. */
const struct mpt *xlat_mpt_find(struct xlat *u, uint8_t fn, uint32_t index);
bool xlat_mpt_holds(const struct xlat *u, uint8_t fn, uint32_t index);
/* Puts an entry in, in place of the same key or of the least recently used of its set. */
void xlat_mpt_put(struct xlat *u, uint8_t fn, uint32_t index, const struct mpt *e);
void xlat_mpt_drop(struct xlat *u, uint8_t fn, uint32_t index);
/* Entries of a line of page table or directory, NULL when absent. */
const uint64_t *xlat_mtt_find(struct xlat *u, const struct xlat_tag *tag);
bool xlat_mtt_holds(const struct xlat *u, const struct xlat_tag *tag);
void xlat_mtt_put(struct xlat *u, const struct xlat_tag *tag, const uint8_t *bytes);

/* --- misses (xlat_miss.c) -------------------------------------------------------------------- */
enum { XLAT_NO_MISS = 0xffff };
void xlat_miss_open(struct xlat *u, struct opening *o);
/* Joins the miss of a key or page, or begins one; XLAT_NO_MISS: not possible now. */
uint16_t xlat_miss_key(struct xlat *u, const struct tick *t, uint8_t fn, uint32_t index);
uint16_t xlat_miss_page(struct xlat *u, const struct xlat_req *r, const struct xlat_tag *tag);
bool xlat_can_miss_key(const struct xlat *u, uint8_t fn, uint32_t index);
bool xlat_can_miss_page(const struct xlat *u, const struct xlat_tag *tag);
uint16_t xlat_find_key_miss(const struct xlat *u, uint8_t fn, uint32_t index);
/* Bytes of a filled miss; and: one waiter has got them. */
const uint8_t *xlat_miss_bytes(const struct xlat *u, const struct tick *t, uint16_t m);
void xlat_miss_leave(struct xlat *u, uint16_t m);
bool xlat_fill(struct xlat *u, const struct tick *t); /* takes an answer      */
bool xlat_read(struct xlat *u, const struct tick *t); /* sends a read         */
uint64_t xlat_miss_wake(const struct xlat *u, const struct tick *t);

/* --- requests (xlat_look.c) ------------------------------------------------------------------ */
/* Name of the directory line that leads to a line of a page table. */
struct xlat_tag xlat_dir_tag(const struct xlat *u, const struct xlat_tag *table, uint32_t page);
/* One lookup for port p: the oldest request that is not done and can go on. */
bool xlat_look(struct xlat *u, const struct tick *t, uint32_t p);
bool xlat_can_look(const struct xlat *u, uint32_t p);

/* --- ports (xlat_port.c) --------------------------------------------------------------------- */
bool xlat_can_take(const struct xlat *u, const struct tick *t, uint32_t p);
bool xlat_take(struct xlat *u, const struct tick *t, uint32_t p); /* input to queue   */
bool xlat_give(struct xlat *u, const struct tick *t, uint32_t p); /* queue to output  */
bool xlat_give_job(struct xlat *u, const struct tick *t);         /* XLAT_TX, XLAT_RSP */
bool xlat_can_give(const struct xlat *u, uint32_t p);

/* Pages of a ring's directory are to be read again. */
void xlat_forget_ring(struct xlat *u, uint8_t fn, uint64_t pdir);

/* --- changes of keys (xlat_key.c) ------------------------------------------------------------ */
bool xlat_change(struct xlat *u, const struct tick *t, bool *more);
bool xlat_written(struct xlat *u, const struct tick *t); /* takes a wr_done  */
bool xlat_claimed(const struct xlat *u, uint8_t fn, uint32_t index);
bool xlat_writing(const struct xlat *u, uint8_t fn, uint32_t index);
