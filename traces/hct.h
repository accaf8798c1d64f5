/* HCT traces: one container, two contents (workload, events). Format: traces/FORMAT.md.
 *
 * Reading a workload                        Writing one
 *   hct_open(path, &r, &err)                  hct_create(path, &opt, &w, &err)
 *   hct_resources(r)                          hct_put_host(w, &host) ... hct_put_qp(w, &qp)
 *   while (hct_next_op(r, &op) == HCT_OK) {   hct_put_op(w, &op)
 *       hct_next_payload(r, ...)              hct_put_payload(w, bytes, len)
 *   }                                         hct_finish(w, &err)    or    hct_abort(w)
 *   hct_close(r)
 * Memory: resources are held in arrays; ops, payload and events stream through one block each way
 * (1 MiB raw) plus an index of 24 bytes per block. Little-endian hosts only (checked at build). */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "traces/hct_op.h"

enum hct_status {
    HCT_OK,
    HCT_END,     /* nothing more */
    HCT_DAMAGED, /* blocks are missing here: told once per gap, the next call goes on after it */
    HCT_BAD,     /* not a trace, of a version that cannot be read, or content breaks a rule */
    HCT_USAGE,   /* a call or argument the interface does not allow */
    HCT_SYS,     /* the operating system failed; errno in hct_error */
    HCT_NOMEM
};

struct hct_error {
    enum hct_status status;
    int sys_errno;  /* HCT_SYS: errno of the failed call, else 0 */
    char text[400]; /* place, value, bound and remedy in one line without newline */
};

/* Exit status of the hcasim program for a status: 0, 3 (bad trace), 4 (host), 2 (usage). */
int hct_exit_status(enum hct_status status);

enum hct_content { HCT_WORKLOAD = 1, HCT_EVENTS = 2 };

/* Limits of a file; more is refused by writer and reader. */
enum {
    HCT_HOSTS_MAX = 65536,
    HCT_FNS_MAX = 65536,
    HCT_OBJECTS_MAX = 1048576, /* of each of pd, mr, cq, srq, qp, ah */
    HCT_NOTES_MAX = 256,
    HCT_NOTE_BYTES = 32768,        /* value of one note */
    HCT_RECORD_BYTES_MAX = 65532,  /* body of one record */
    HCT_BLOCK_BYTES_MAX = 1048576, /* raw bytes of a block */
    HCT_BLOCKS_MAX = 4194304,      /* blocks in a file (4 TiB raw) */
    HCT_CHUNK_BYTES_MAX = 32768,   /* bytes of one payload record */
    HCT_EVENT_TYPES_MAX = 1024,
    HCT_EVENT_FIELDS_MAX = 24,
    HCT_UNITS_MAX = 65536 /* units that an event trace may name */
};

/* ---- Reading ------------------------------------------------------------------------------ */

typedef struct hct_reader hct_reader;

/* A note (struct hct_note: key, value) says something about the file as a whole. Keys in use:
 *   origin    "capture", "generated" or "run"
 *   creator   program and version          seed      decimal number
 *   source    file that it was made from   spec      text of the generator's specification
 *   remark    anything, one per line; the importer's printed rules */

/* What a reader knows before the first op. */
struct hct_head {
    enum hct_content content;
    uint16_t version_major, version_minor; /* of the file */
    uint64_t file_bytes;
    uint64_t records;            /* from the trailer; UINT64_MAX when that is lost */
    uint32_t blocks;             /* from the trailer; UINT32_MAX when that is lost */
    const struct hct_note *note; /* value ends with a 0 that value_bytes does not count */
    uint32_t notes;
};

/* All resources of a workload. Record id of an array is its index. A pointer is NULL when the count
 * is 0. In a damaged file a resource that was lost has id HCT_NONE. */
struct hct_resources {
    const struct hct_host *host;
    const struct hct_fn *fn;
    const struct hct_pd *pd;
    const struct hct_mr *mr;
    const struct hct_cq *cq;
    const struct hct_srq *srq;
    const struct hct_qp *qp;
    const struct hct_ah *ah;
    uint32_t hosts, fns, pds, mrs, cqs, srqs, qps, ahs;
};

/* Opens a file and reads notes and resources up to the first op (or the units of an event trace).
 * HCT_OK, also for a damaged file of which something can be read (see hct_loss); else *out = NULL
 * and err says why. `err` may be NULL. */
enum hct_status hct_open(const char *path, hct_reader **out, struct hct_error *err);

/* The same from an open seekable stream, which it closes in hct_close (also when it fails); `name`
 * is used in messages. */
enum hct_status hct_open_stream(FILE *f, const char *name, hct_reader **out, struct hct_error *err);

void hct_close(hct_reader *r); /* NULL is allowed */

/* These three point into the reader and live until hct_close. */
const struct hct_head *hct_head(const hct_reader *r);
const struct hct_resources *hct_resources(const hct_reader *r); /* empty for an event trace */
const char *hct_note(const hct_reader *r, const char *key);     /* NULL when absent */

/* Function of an object; the id must be in range. */
uint32_t hct_qp_fn(const struct hct_resources *res, uint32_t qp);
uint32_t hct_mr_fn(const struct hct_resources *res, uint32_t mr);
/* Function that posts this (validated) op. */
uint32_t hct_op_fn(const struct hct_resources *res, const struct hct_op *op);
/* QP that receives this (validated) op: the peer, or ud_qp; HCT_NONE for recv, local_inv, ... */
uint32_t hct_op_peer(const struct hct_resources *res, const struct hct_op *op);

/* Next op, checked by hct_check_op. HCT_OK, HCT_END, HCT_DAMAGED (once per gap; call again to go
 * on), or a final error. Payload of the op before that was not fetched is skipped. */
enum hct_status hct_next_op(hct_reader *r, struct hct_op *op);

/* Next piece of the recorded payload of the last op: pieces come in order of offset, without
 * overlap, perhaps with holes (bytes the capture did not hold). What they are: send*, write*: the
 * gathered local bytes; read: the remote range; cas, faa: the 8 bytes found at the remote address.
 * *bytes lives until the next call on the reader. HCT_END after the last piece; HCT_DAMAGED is not
 * told here (hct_next_op tells it). */
enum hct_status hct_next_payload(hct_reader *r, uint64_t *off_bytes, const void **bytes,
                                 uint32_t *len_bytes);

/* What was lost so far; complete once HCT_END has come. All zero for a whole file. */
struct hct_loss {
    uint64_t gaps;             /* places where blocks are missing */
    uint64_t blocks;           /* known to be lost */
    uint64_t records;          /* known to be lost (sequence numbers that never came) */
    uint64_t bytes;            /* of the file that could not be used */
    uint64_t first_bad_offset; /* byte offset of the first gap, if there is one */
    bool truncated;            /* the end is missing: what followed is unknown */
    bool trailer_lost;         /* trailer or index damaged; no record lost by that */
    bool header_copy_used;     /* header damaged, its copy at the end read instead */
    uint64_t orphan_ops;       /* ops left out as they name a lost resource */
    uint64_t orphan_deps;      /* dependencies on lost ops, delivered as type none */
};
const struct hct_loss *hct_loss(const hct_reader *r);

/* Writes one line about the loss ("" when none) into buf and returns buf. */
const char *hct_loss_text(const hct_reader *r, char *buf, size_t size);

/* The last status of this reader that was not HCT_OK or HCT_END. */
const struct hct_error *hct_reader_error(const hct_reader *r);

/* Operations in a workload file, from its last block alone: for a progress display. 0 when that is
 * not known: the file is damaged at its end, has no operation, or cannot be read. */
uint64_t hct_count_ops(const char *path);

/* ---- Checking ----------------------------------------------------------------------------- */

/* Not errors of the trace: the simulated adapter will answer them with an error completion. */
enum hct_warn {
    HCT_WARN_LOCAL_BOUNDS = 1,  /* a piece of the local list lies outside its MR */
    HCT_WARN_REMOTE_BOUNDS = 2, /* the remote range lies outside its MR */
    HCT_WARN_ACCESS = 4,        /* an MR lacks the right that the op needs */
    HCT_WARN_DOMAIN = 8,        /* an MR belongs to another protection domain than its QP */
    HCT_WARN_KIND = 16,         /* the transport has no such operation (a READ on UC, ...) */
    HCT_WARN_SIZE = 32          /* a UD message above the MTU, more SGEs or inline bytes than the
                                   QP has, an atomic that is not 8 bytes */
};

/* Checks one op against the resources; `next_id` is the id it must have. HCT_OK with *warn (may be
 * NULL) set to HCT_WARN_* bits, or HCT_BAD with err: an absent object, a field out of range, a
 * dependency on itself, a later or an unknown op. hct_next_op and hct_put_op call it, and check the
 * order of t_ps as well. */
enum hct_status hct_check_op(const struct hct_resources *res, const struct hct_op *op,
                             uint64_t next_id, uint32_t *warn, struct hct_error *err);

/* HCT_WARN_* bits of the last op that hct_next_op gave. */
uint32_t hct_op_warn(const hct_reader *r);

/* Reads a whole file and checks every record of it. HCT_OK, HCT_DAMAGED, HCT_BAD, HCT_SYS,
 * HCT_NOMEM; err says the first thing found. */
enum hct_status hct_validate(const char *path, struct hct_error *err);

/* ---- Writing ------------------------------------------------------------------------------ */

typedef struct hct_writer hct_writer;

enum hct_width { HCT_U8 = 1, HCT_U16 = 2, HCT_U32 = 3, HCT_U64 = 4, HCT_I64 = 5 };

struct hct_event_field {
    const char *name;
    const char *unit; /* "", a unit, "enum a b c" or "bits a b c" */
    enum hct_width width;
};

struct hct_event_type {
    const char *name;
    const char *doc;
    const struct hct_event_field *field;
    uint32_t fields; /* 0..HCT_EVENT_FIELDS_MAX */
};

struct hct_create {
    enum hct_content content;
    int level;                         /* zlib level 1..9; 0 reads as 4 */
    uint32_t block_bytes;              /* raw bytes per block, 4096..1 MiB; 0: 1 MiB */
    const struct hct_event_type *type; /* HCT_EVENTS: event id = place in this array */
    uint32_t types;
};

/* Starts a trace under a temporary name in the folder of `path`; hct_finish renames it. After an
 * error of a put call the writer accepts only hct_abort. */
enum hct_status hct_create(const char *path, const struct hct_create *opt, hct_writer **out,
                           struct hct_error *err);

/* Notes come before everything else. Resources come before ops, ids dense from 0 per kind; they may
 * name objects that follow (a peer), which is checked when the first op is put or at the end. */
enum hct_status hct_put_note(hct_writer *w, const char *key, const char *value);
enum hct_status hct_put_host(hct_writer *w, const struct hct_host *x);
enum hct_status hct_put_fn(hct_writer *w, const struct hct_fn *x);
enum hct_status hct_put_pd(hct_writer *w, const struct hct_pd *x);
enum hct_status hct_put_mr(hct_writer *w, const struct hct_mr *x);
enum hct_status hct_put_cq(hct_writer *w, const struct hct_cq *x);
enum hct_status hct_put_srq(hct_writer *w, const struct hct_srq *x);
enum hct_status hct_put_qp(hct_writer *w, const struct hct_qp *x);
enum hct_status hct_put_ah(hct_writer *w, const struct hct_ah *x);
enum hct_status hct_put_op(hct_writer *w, const struct hct_op *op);

/* Payload of the op just put, whose payload field must be `recorded`: any number of pieces, offsets
 * rising, any length (the writer cuts), inside the message. */
enum hct_status hct_put_payload(hct_writer *w, uint64_t off_bytes, const void *bytes,
                                uint64_t len_bytes);

/* Writes the rest, the index and the trailer, and renames. Frees the writer in every case; on an
 * error nothing stands under the final name. */
enum hct_status hct_finish(hct_writer *w, struct hct_error *err);
void hct_abort(hct_writer *w); /* removes the temporary file and frees; NULL is allowed */
const struct hct_error *hct_writer_error(const hct_writer *w);

/* ---- Event traces ------------------------------------------------------------------------- */

struct hct_event {
    uint64_t t_ps;                        /* never less than in the event before */
    uint32_t unit;                        /* index of a named unit */
    uint32_t type;                        /* event id */
    uint32_t values;                      /* = fields of the type */
    uint64_t value[HCT_EVENT_FIELDS_MAX]; /* HCT_I64 as two's complement */
};

/* Units: before the first event, ids dense from 0. */
enum hct_status hct_put_unit(hct_writer *w, const char *name);
/* ev->values must be the number of fields of its type; a value must fit its field. */
enum hct_status hct_put_event(hct_writer *w, const struct hct_event *ev);

enum hct_status hct_next_event(hct_reader *r, struct hct_event *ev); /* as hct_next_op */
uint32_t hct_event_types(const hct_reader *r);
const struct hct_event_type *hct_event_type(const hct_reader *r, uint32_t type);
uint32_t hct_units(const hct_reader *r);
const char *hct_unit(const hct_reader *r, uint32_t unit);
