/* hca.h: the adapter, public API. Everything outside model/ drives an adapter through this file
 * (and a host through host.h); nothing calls back.
 *
 * Order of use
 *   hca_open(&param, &h, &why)
 *   loop: hca_push(h, PORT_IN, at_ps, &msg, bytes)   messages that arrive at a time >= now
 *         hca_run(h, until_ps)
 *         while (hca_pop(h, PORT_OUT, &at_ps, &msg, &bytes)) deliver it at at_ps
 *         while (hca_event(h, &rec)) ...
 *   hca_close(h)
 * Messages are the structs of msg.h. Times are picoseconds, u64; a cycle c of the core clock begins
 * at floor(c * 10^9 / clock_khz) ps, a time between two cycles belongs to the later one.
 * An entry that is popped carries the time at which its receiver sees it (serialisation and
 * one-way latency included): that latency is the lookahead with which two handles may run apart. */
#pragma once
#include "model/meta.h"
#include "model/msg.h"
#include "model/param.h"
#include "model/stat.h"
#include "model/trace.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct hca hca;

enum hca_status { HCA_OK, HCA_NOMEM, HCA_BAD_PARAM, HCA_BAD_IMAGE };

enum hca_port {
    HCA_MMIO_IN,  /* struct mmio_req   CPU accesses, as they arrive at the BARs               */
    HCA_DMA_IN,   /* struct tlp        completions; bytes already in hca_dma_place            */
    HCA_FC_IN,    /* struct credit     flow-control credits of the root port                  */
    HCA_NET_IN,   /* struct frame      a frame; bytes are copied by the call                  */
    HCA_BENCH_IN, /* struct bench_op   DMA benches                                            */
    HCA_MMIO_OUT, /* struct mmio_rsp   answers to MMIO reads                                  */
    HCA_FC_OUT,   /* struct credit     given back for MMIO                                    */
    HCA_DMA_OUT,  /* struct tlp        reads, writes, interrupts; bytes of a write with it    */
    HCA_NET_OUT,  /* struct frame      with its bytes                                         */
    HCA_BENCH_OUT /* struct bench_res                                                         */
};

/* How units are ticked; all give the same results (tests/kernel_test.c), some only prove it. */
enum hca_mode {
    HCA_MODE_ALL = 1,     /* tick every unit in every executed cycle                          */
    HCA_MODE_NOSKIP = 2,  /* execute every cycle                                              */
    HCA_MODE_REVERSE = 4, /* reverse order of units                                           */
    HCA_MODE_SHUFFLE = 8, /* another order in each cycle                                      */
    HCA_MODE_CHECK = 16,  /* execute every cycle, tick sleeping units too, assert that none moves */
    HCA_MODE_CHECK_DUE = 32 /* the same in the cycles in which something is due: for whole runs  */
};

/* Opens an adapter. p: checked configuration (hca_config_check), copied. net_id: index of the port
 * in its network, used for MAC and GID defaults. *why: text of a failure, static. */
enum hca_status hca_open(const struct hca_param *p, hca **out, const char **why);
void hca_close(hca *h);

void hca_set_mode(hca *h, unsigned mode);  /* sum of enum hca_mode; default 0 */
void hca_set_trace(hca *h, uint64_t mask); /* bit per enum event_id; default 0 */

/* Stages of an operation carry a number: the low half of its wr_id (step 0, as opened), or, since
 * guests choose wr_ids as they like, one that the adapter gives when it begins the operation:
 * first, first + step ... (event wqe tells which is whose). Changes nothing else; may wrap. */
void hca_set_marks(hca *h, uint32_t first, uint32_t step);

/* Hands a message in. at_ps >= hca_now, not earlier than the message before it on the same port.
 * bytes: frame bytes of HCA_NET_IN (frame.len of them), else NULL. false: no room; run, then retry.
 */
bool hca_push(hca *h, enum hca_port port, uint64_t at_ps, const void *msg, const void *bytes);

/* Takes the oldest message that left; *bytes (may be NULL): its payload, valid until the next call
 * of hca_run. false: nothing there. */
bool hca_pop(hca *h, enum hca_port port, uint64_t *at_ps, void *msg, const uint8_t **bytes);

/* The same without a copy: the message in its place, which the caller may change; valid until the
 * next call of hca_run. NULL: nothing there. */
void *hca_take(hca *h, enum hca_port port, uint64_t *at_ps, const uint8_t **bytes);

/* Time of the oldest message of an OUT port, UINT64_MAX when there is none. */
uint64_t hca_head(const hca *h, enum hca_port port);

/* Where the bytes of a read completion belong: tlp.data of the request as popped, plus the offset
 * of the chunk in the request. To be filled before the completion is pushed. */
uint8_t *hca_dma_place(hca *h, uint32_t data);

/* Runs all cycles that begin before until_ps. Returns the time reached: less than until_ps when an
 * OUT port or the event ring wants to be emptied first. */
uint64_t hca_run(hca *h, uint64_t until_ps);
uint64_t hca_now(const hca *h);  /* ps: begin of the next cycle to be executed             */
uint64_t hca_wake(const hca *h); /* ps: nothing happens before this time without a push    */

bool hca_event(hca *h, struct trace_rec *out); /* oldest undrained event; cycles, see hca_ps */
uint64_t hca_ps(const hca *h, uint64_t cycle);

const struct hca_stat *hca_stats(const hca *h);
struct wire_figures hca_wire_figures(const hca *h, unsigned wire); /* wire: index into meta_wires */
uint64_t hca_hash(const hca *h); /* of every accepted push so far and all statistics */
struct kern_figures hca_kern_figures(const hca *h);

/* Whole state as bytes: size 0 asks for the size; buf is 8-byte aligned. Load into a handle opened
 * with equal parameters; anything else is refused with HCA_BAD_IMAGE, *why says why (static text),
 * and h is as it was. What the image holds is trusted otherwise: it is a checkpoint of this
 * program, not an exchange format. The event mask is part of the state, the mode is not. */
size_t hca_save(const hca *h, void *buf, size_t size);
enum hca_status hca_load(hca *h, const void *buf, size_t size, const char **why);
size_t hca_memory(const hca *h); /* bytes of simulator memory in use */
