/* Shared by traces/import*.c. How the parts follow each other:
 *
 *   capture record -> import_frame.c (tunnel, headers, ICRC, mirrored copies, addresses)
 *     pass 1  import_survey.c: directions, reuse of QP numbers, MTU; then import_pair.c
 *     pass 2  import_request.c, import_response.c: packets -> messages (import_message.c);
 *             counts, memory regions, what messages waited for (import_rule.c)
 *     then    import_plan.c: resources of the trace
 *     pass 3  as pass 2, and import_write.c writes each message
 *
 * Passes 2 and 3 run the same code on the same frames, so their decisions are equal. */
#pragma once

#include "model/packet/headers.h"
#include "traces/import.h"
#include "traces/pcap.h"

enum {
    PSN_JUMP = 65536,        /* PSNs further apart than this belong to different lives of a QP */
    REUSE_IDLE_NS = 1000000, /* a QP that comes to life again was silent for that long at least */
    TABLE_SETS_MAX = 65536,  /* frames remembered for finding mirrored copies                  */
    TABLE_SETS_MIN = 64,     /* for a short capture in memory */
    PAIR_CANDIDATES = 4,     /* directions that may be the peer of one, kept per direction    */
    ARRIVALS_KEPT = 64,      /* last arrivals of a QP that an operation may depend on         */
    READ_HOLES = 4,          /* runs of missing READ responses that may be filled later       */
    LEADS_KEPT = 4,
    MTU_COUNT = 5,            /* 256 << 0..4 */
    GAP_WAIT_NS = 1000000000, /* a missing packet that has not come after that long is lost    */
    UNANSWERED_PER_HALF_MAX = 8192 /* messages without acknowledgement that are waited for        */
};

enum import_pass { PASS_SURVEY, PASS_COUNT, PASS_WRITE };
enum pairing { PAIR_NONE, PAIR_ACK, PAIR_PORT, PAIR_ONLY, PAIR_VIRTUAL };
enum rule { RULE_NONE, RULE_LEAD, RULE_SHARE, RULE_REPLY };

/* ---- tables ---- */

/* Hash table from two numbers to an index. All zero is empty. */
struct map {
    struct map_slot {
        uint64_t a, b;
        uint32_t value;
    } * slot;
    uint32_t room, used;
};

uint32_t map_find(const struct map *m, uint64_t a, uint64_t b);      /* HCT_NONE: not there */
bool map_add(struct map *m, uint64_t a, uint64_t b, uint32_t value); /* false: no memory */
void map_set(struct map *m, uint64_t a, uint64_t b, uint32_t value); /* key must be there */
void map_free(struct map *m);
uint64_t hash_mix(uint64_t a, uint64_t b);

/* Makes room for element n of an array: *array may move, new elements are zero. */
bool grow(void *array, uint32_t *room, uint32_t n, size_t element_bytes);

static inline uint32_t psn_add(uint32_t a, uint32_t b)
{
    return (a + b) & 0xFFFFFF;
}

/* a - b in -2^23 .. 2^23-1 (IBA vol. 1, PSN arithmetic). */
static inline int32_t psn_diff(uint32_t a, uint32_t b)
{
    const int32_t d = (int32_t)((a - b) & 0xFFFFFF);
    return d < 0x800000 ? d : d - 0x1000000;
}

/* ---- frames ---- */

/* A transport packet of RC, UC or UD between two nodes. */
struct frame {
    uint64_t number, time_ns;
    const uint8_t *payload; /* view.payload_captured bytes */
    const struct pkt_opcode *op;
    uint32_t src, dst; /* nodes */
    struct pkt_hdr hdr;
    struct pkt_view view;
};

/* An address that sends or receives: a GID, or a LID on InfiniBand. */
struct node {
    uint8_t gid[16];
    uint32_t host; /* in the trace, HCT_NONE: not in it */
    uint16_t lid;
    bool by_lid;
};

enum tunnel_result { TUNNEL_NONE, TUNNEL_STRIPPED, TUNNEL_REFUSED };
enum tunnel_kind {
#define TUNNEL(name, text) TUNNEL_##name,
#include "traces/import_tunnel.def"
#undef TUNNEL
    TUNNEL_KINDS
};

/* An Ethernet frame that may be inside of tunnels. */
struct shell {
    const uint8_t *data;
    uint32_t caplen, wirelen;
    enum tunnel_kind kind; /* the last tunnel seen */
};

/* Takes one tunnel off. TUNNEL_STRIPPED: *s is the inner Ethernet frame, perhaps in `scratch`
 * (s->caplen bytes of room, may hold s->data already). Reads no byte outside of caplen. */
enum tunnel_result tunnel_strip(struct shell *s, uint8_t *scratch);
const char *tunnel_text(enum tunnel_kind kind);

/* ---- directions of connections ---- */

struct candidate {
    uint32_t half;
    uint32_t unique, shared; /* responses whose PSN only it, or it among others, had sent */
};

/* All RC or UC packets from one node to one QP of another, while that QP number means one QP.
 * Requests among them are posted by the source's QP, whose number only packets of the opposite
 * direction carry: the half `peer`. The QP at the destination has the index of its half. */
struct half {
    uint64_t first_frame, first_ns, last_ns;
    uint64_t requests, responses, data_responses;
    uint32_t src, dst, dqpn; /* dqpn HCT_NONE: virtual */
    uint32_t current, newer; /* first half of a flow: the one in use; next life of the QP number */
    uint32_t peer;
    uint32_t suitor; /* survey: half whose responses answered this one last */
    uint32_t req_first, req_next, read_len, read_psns; /* survey: PSN expected next */
    uint32_t rsp_last, msn_last;
    uint32_t evidence;  /* responses that proved the pair */
    uint32_t mtu_bytes; /* proved by a first or middle packet, 0: not; in the end the path MTU */
    uint32_t payload_max;
    struct candidate candidate[PAIR_CANDIDATES];
    uint16_t udp_sport;
    uint8_t service, pairing, sl, traffic_class;
    uint8_t mtu_mask; /* bit n: 256 << n is possible as far as READ requests tell */
    bool virtual, req_seen, read_open, rsp_seen, msn_seen, mtu_proved;
    bool renewed; /* survey: the next packet starts a new life */
};

struct ud_qp {
    uint32_t node, qpn, qkey, payload_max;
    uint64_t first_ns, last_ns;
    bool qkey_seen;
    uint8_t sl, traffic_class;
};

/* ---- messages ---- */

struct piece_list {
    uint32_t first, last, fill; /* chunks; fill: where the last insertion was */
};

struct msg {
    uint64_t start_ns;       /* first packet                                              */
    uint64_t index;          /* among the messages its QP started                         */
    uint64_t arrived_before; /* messages that had reached its QP when it started          */
    uint64_t arrival;        /* its number among those that reach the target; UINT64_MAX: none */
    uint64_t len, va, swap_add, compare, orig;
    uint64_t spooled;        /* bytes in the spool                                        */
    uint64_t overdue_ns;     /* READ, atomic: when its answer is taken for lost; 0: not yet */
    uint32_t half;           /* HCT_NONE: UD                                              */
    uint32_t poster, target; /* QPs */
    uint32_t psn, span;      /* first PSN, how many; span 0: not known yet                */
    uint32_t next_psn;       /* SEND, WRITE: of the packet behind the last one seen       */
    uint32_t rkey, imm;      /* imm: immediate, or the key to invalidate                  */
    uint32_t order_next, wait_next;
    uint32_t used, answered; /* request and response packets                              */
    uint32_t got;            /* READ: responses seen up to here                           */
    struct {
        uint32_t first, last; /* READ: missing before `got` */
    } hole[READ_HOLES];
    struct piece_list pieces;
    uint8_t kind; /* enum hct_names_kind */
    uint8_t holes;
    bool complete, waiting, acked, dropped, by_arrival, solicited, len_assumed, kind_assumed,
        answer_seen, remote_assumed;
};

/* A packet that came before an earlier PSN of its half. */
struct held {
    struct frame frame; /* payload points nowhere, it is in the spool */
    struct piece_list pieces;
    uint64_t spooled;
    uint32_t next;
};

/* Requests of one half while a pass runs. */
struct lane {
    uint32_t next_psn, first_psn;
    uint32_t held_first, held_n;
    uint64_t gap_since_ns;
    uint32_t open;                          /* message that lacks its last packet */
    uint32_t wait_first, wait_last, wait_n; /* messages not acknowledged, oldest first */
    uint32_t orphan;                        /* READ rebuilt from responses alone */
    uint64_t repeated;                      /* retransmissions, for the report */
    uint8_t skip_reason;                 /* what packets up to the next first one are counted as */
    bool answers;                        /* responses to it are in the capture */
    bool started, skip, dead, confirmed; /* confirmed: a message was acknowledged */
};

/* ---- queue pairs ---- */

struct ring_entry {
    uint64_t op;
    uint64_t place; /* among the operations of the queue */
};

/* A message that reached a QP. */
struct arrival {
    uint64_t number, op;
    uint8_t type; /* enum hct_names_dep, none: free */
};

/* What a QP posted and received in this pass, and what was found out about it. */
struct qp {
    uint32_t node, qpn, peer; /* peer: HCT_NONE for UD */
    uint32_t id;              /* in the trace, HCT_NONE: not in it */
    uint8_t type, rule, last_event;
    bool used;
    uint32_t mtu_bytes;
    uint64_t started, completed, arrived; /* this pass */
    /* evidence, pass 2 */
    uint64_t window, window_hits; /* most messages without completion; starts at it */
    int64_t lead, lead_least;     /* arrivals - messages started before: usual, least */
    uint64_t lead_hits, lead_of;  /* starts with the usual one, of those it binds   */
    struct lead_vote {
        int64_t lead;
        uint64_t hits;
    } vote[LEADS_KEPT];
    uint64_t by_arrival, by_completion; /* last thing seen before a start                 */
    uint64_t run, first_run, later_run; /* starts without an arrival between them         */
    int32_t share;                      /* operations per arrival, see import_rule.c      */
    uint64_t reads_max, reads;          /* outstanding READs and atomics                  */
    uint64_t kind[HCT_KIND_COUNT];      /* messages posted */
    uint64_t bytes, send_max, recv_max, consumed, unacked;
    /* plan */
    uint32_t mr_send, mr_recv, send_slots, recv_slots, window_used, sq_depth;
    uint64_t send_stride, recv_stride;
    uint32_t local_rights; /* of its peer on mr_send: operations whose key is not known */
    uint32_t before;       /* QP whose last operation the first one waits for */
    bool window_cut;       /* window made smaller to keep buffers apart */
    /* pass 3 */
    uint64_t posted, place, received, last_op; /* place: operations of the send queue */
    struct ring_entry *window_ring;
    struct arrival *arrival_ring;
    uint64_t *recv_ring;
};

/* A range of addresses of one node that packets named by one key. */
struct mr {
    uint64_t lo, hi;
    uint32_t node, rkey, next, id;
    uint32_t access;
    uint32_t owner; /* fast: QP that registers it */
    uint64_t reg_op, inv_op;
    bool fast, valid;
};

struct spool;

struct import {
    const char *capture, *path;
    const void *memory;
    size_t memory_bytes;
    struct import_options opt;
    enum import_pass pass;
    enum hct_status status;
    struct hct_error *err;
    FILE *report;

    /* frames */
    struct capture *in;
    uint8_t *scratch;
    struct mirror_entry {
        uint64_t hash, time_ns, number, pass;
    } * mirror;
    uint32_t table_sets; /* a power of two */
    uint64_t now_ns, first_ns, expect_frames;
    uint64_t tunnel[TUNNEL_KINDS][2]; /* stripped, refused */
    uint64_t wire[PKT_WIRES];
    struct import_summary sum;

    /* who talks */
    struct map node_map, flow_map, ud_map, mr_map, ah_map;
    struct node *node;
    struct half *half;
    struct ud_qp *ud;
    uint32_t nodes, node_room, halves, half_room, uds, ud_room;
    struct pair_entry *pair_table;
    struct qp *qp; /* halves, then UD */
    uint32_t qps, qps_used;

    /* messages */
    struct lane *lane;
    struct msg *msg;
    uint32_t msg_room, msgs, msg_free;
    struct held *held;
    uint32_t held_room, helds, held_free;
    uint32_t order_first, order_last, order_n;
    struct spool *spool;
    uint64_t spooled;

    /* trace */
    struct mr *mr;
    uint32_t mrs, mr_room;
    struct hct_ah *ah;
    uint32_t ahs, ah_room;
    uint64_t t0_ns;
    bool t0_known;
    hct_writer *writer;
    struct hct_resources check; /* of what would be written, without a path */
    uint64_t ops, ring_entries, last_t_ps;
};

/* Keeps the first failure; returns false. */
bool import_fail(struct import *im, enum hct_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
bool import_no_memory(struct import *im);

static inline void count(struct import *im, enum import_count what, uint64_t n)
{
    im->sum.count[what] += n;
}

/* import_frame.c: a record becomes a frame that the passes work on (true), or has been counted. */
bool frame_take(struct import *im, const struct capture_record *rec, struct frame *f);
const char *node_text(const struct import *im, uint32_t node, char *buf, size_t size);

/* import_survey.c */
void survey_frame(struct import *im, const struct frame *f);
struct half *half_of(struct import *im, const struct frame *f); /* passes 2 and 3 */
uint32_t ud_of(struct import *im, uint32_t node, uint32_t qpn); /* QP index      */

/* import_pair.c: evidence during the survey; then peers, path MTUs, queue pairs. */
bool pair_open(struct import *im);
void pair_request(struct import *im, uint32_t half, uint32_t psn);
void pair_response(struct import *im, uint32_t half, uint32_t psn);
bool pair_all(struct import *im);

/* import_spool.c: payload bytes of messages that are not finished. */
bool spool_open(struct import *im);
void spool_close(struct spool *s);
void spool_put(struct import *im, struct piece_list *to, uint64_t off, const uint8_t *bytes,
               uint32_t n, uint64_t *spooled);
void spool_drop(struct import *im, struct piece_list *list, uint64_t *spooled);
/* Moves the only packet of `from` to offset `off` of `to`. */
void spool_move(struct import *im, struct piece_list *from, struct piece_list *to, uint64_t off);
/* Gives all pieces in order; false: read error (import_fail was called) or `each` said so. */
bool spool_each(struct import *im, const struct piece_list *list,
                bool (*each)(struct import *im, uint64_t off, const void *bytes, uint32_t n));

/* import_message.c */
uint32_t msg_start(struct import *im, uint32_t half, uint8_t kind, uint64_t time_ns);
uint32_t msg_start_ud(struct import *im, uint32_t poster, uint32_t target, uint64_t time_ns);
void msg_complete(struct import *im, uint32_t m);
void msg_acknowledged(struct import *im, uint32_t m); /* first of its lane's waiting list */
void msg_forget_wait(struct import *im, uint32_t half);
void msg_drop(struct import *im, uint32_t m, enum import_count reason);
void msg_emit_ready(struct import *im);
void msg_finish(struct import *im); /* end of a pass */

/* import_request.c */
void request_frame(struct import *im, uint32_t half, const struct frame *f);
void ud_frame(struct import *im, const struct frame *f);
void request_received(struct import *im, uint32_t half, uint32_t psn); /* up to psn, says an ACK */
void request_finish(struct import *im, uint32_t half);
uint32_t read_span(uint64_t len, uint32_t mtu_bytes);

/* import_response.c */
void response_frame(struct import *im, uint32_t half, const struct frame *f);
void response_finish(struct import *im, uint32_t half);

/* import_rule.c */
void rule_started(struct import *im, struct msg *m);
void rule_arrived(struct import *im, struct msg *m);
void rule_completed(struct import *im, const struct msg *m);
void rule_decide(struct import *im);
const char *rule_text(const struct qp *q, char *buf, size_t size);

/* import_depend.c */
void rule_sequence(struct import *im); /* which QP ended before one began            */
bool rule_rings(struct import *im);    /* memory for pass 3, once windows are final  */
void rule_depend(struct import *im, const struct msg *m, struct hct_op *op);
void rule_written(struct import *im, const struct msg *m, const struct hct_op *op);

/* import_mr.c */
bool mr_touch(struct import *im, uint32_t node, uint32_t rkey, uint64_t va, uint64_t len,
              uint32_t access, uint32_t *out);
uint32_t mr_find(const struct import *im, uint32_t node, uint32_t rkey, uint64_t va, uint64_t len);
uint32_t mr_any(const struct import *im, uint32_t node, uint32_t rkey); /* newest of the key */

/* import_plan.c */
void plan_message(struct import *im, const struct msg *m); /* pass 2: what a message needs */
bool plan_queues(struct import *im);                       /* depths, buffers       */
bool plan_write(struct import *im);                        /* resources */

/* import_write.c */
void write_message(struct import *im, const struct msg *m);

/* import_report.c */
bool report_notes(struct import *im);
void report_print(struct import *im);
