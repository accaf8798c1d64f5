/* Capture import: `hcasim trace import CAPTURE.pcap[.gz] -o T.hct`.
 *
 * Reads RoCE v1 and v2 and InfiniBand traffic, rebuilds queue pairs, memory regions, messages and
 * what each message waited for, and writes a workload trace. Rules: docs/IMPORT.md. The capture is
 * read three times (who talks, what they say, write it down), so it must be a regular file; memory
 * does not grow with its length. */
#pragma once

#include "traces/hct.h"

/* Limits; what exceeds the first four ends the import with HCT_BAD and a text that says how to
 * select less. */
enum {
    IMPORT_NODES_MAX = 65536,     /* addresses (GIDs, LIDs) that send or receive RC, UC, UD       */
    IMPORT_HALVES_MAX = 131072,   /* directions of RC and UC connections: source, destination,
                                     QP, and one more each time a QP number is used again */
    IMPORT_UD_QPS_MAX = 65536,    /* UD queue pairs                                               */
    IMPORT_MRS_MAX = 262144,      /* remote memory regions                                        */
    IMPORT_MESSAGES_MAX = 262144, /* messages at once between first packet and end                */
    IMPORT_HELD_MAX = 65536,      /* packets at once that came before an earlier PSN              */
    IMPORT_HELD_PER_HALF_MAX = 512 /* of them of one direction; more: the PSN is taken for lost */
};

/* All zero is the default. */
struct import_options {
    bool no_payload;           /* store no message bytes                                         */
    bool keep_bad_icrc;        /* take packets whose ICRC is wrong (a tap that rewrote headers)  */
    bool no_sequence;          /* do not make a connection wait for the one that ended before it */
    uint64_t mirror_window_ns; /* how far apart mirrored copies may be; 0: 100 ms. Frames without
                                  an IPv4 identification: 1/5000 of it */
    uint64_t spool_bytes_max;  /* payload of unfinished messages; 0: 8 GiB */
    const char *creator;       /* note "creator" of the trace; NULL: "hcasim trace import" */
};

enum import_count {
#define COUNT(name, group, text) IMPORT_COUNT_##name,
#include "traces/import_count.def"
#undef COUNT
    IMPORT_COUNTS
};

enum import_group { IMPORT_USED, IMPORT_CONTROL, IMPORT_REPEAT, IMPORT_LEFT_OUT, IMPORT_GROUPS };

struct import_count_row {
    const char *name, *text;
    enum import_group group;
};
extern const struct import_count_row import_count_rows[IMPORT_COUNTS];

struct import_summary {
    uint64_t frames;               /* of the capture = sum of count[]                          */
    uint64_t count[IMPORT_COUNTS]; /* each frame once, import_count_rows says what they are     */
    uint64_t messages[HCT_KIND_COUNT];     /* imported operations by kind     */
    uint64_t message_bytes, payload_bytes; /* of messages; of them recorded in the trace */
    uint64_t messages_left_out; /* messages whose start was seen, but not imported             */
    uint64_t messages_cut;      /* WRITEs imported by the length in their RETH, end not seen   */
    uint64_t stripped;          /* frames taken out of a tunnel (they are counted by content)  */
    uint64_t header_only;       /* used packets whose payload the capture does not hold        */
    uint64_t icrc_checked;      /* frames whose ICRC was there to be checked                   */
    uint64_t time_steps_back;   /* frames stamped earlier than one before: taken as that late  */
    uint32_t hosts, qps, mrs;   /* resources of the trace                                      */
    uint32_t pairs_by_ack;      /* connections paired by responses                             */
    uint32_t pairs_assumed;     /* by equal UDP source port, or as the only candidates         */
    uint32_t pairs_one_sided;   /* one direction only is in the capture                        */
    uint32_t reused;            /* times a QP number was found used again                      */
    uint64_t fields_recorded, fields_assumed; /* provenance of all fields of all operations */
    uint64_t ops;   /* operations of the trace, receives and all          */
    bool truncated; /* the capture ends inside a record                   */
};

/* Imports the capture file at `capture` into a trace at `path`; NULL: checks all and writes none.
 *
 * sum     filled on HCT_OK, may be NULL
 * report  summary for people is printed there, may be NULL
 * result  HCT_OK; HCT_BAD: not a capture, malformed, a limit, or no message in it; HCT_USAGE: not a
 *         regular file; HCT_SYS, HCT_NOMEM. err may be NULL. Nothing stands under `path` then */
enum hct_status hct_import(const char *capture, const char *path, const struct import_options *opt,
                           struct import_summary *sum, FILE *report, struct hct_error *err);

/* The same for an uncompressed capture in memory. */
enum hct_status hct_import_memory(const void *data, size_t bytes, const char *name,
                                  const char *path, const struct import_options *opt,
                                  struct import_summary *sum, FILE *report, struct hct_error *err);
