/* replay.h: runs a workload trace in a world: creates its resources through the control path, posts
 * its operations when their dependencies hold, checks bytes and status, and tells a sink of each
 * finished operation.
 *
 * Order of use: replay_open, replay_setup, replay_run (again after a limit), replay_close. */
#pragma once
#include "sim/host/driver.h"
#include "sim/report/stamps.h"
#include "sim/system/world.h"
#include "traces/hct.h"

enum replay_timing { REPLAY_ASAP, REPLAY_CAPTURED };

struct replay_options {
    enum replay_timing timing;
    uint64_t scale_ppm;   /* captured times are multiplied by this / 10^6                   */
    uint64_t max_time_ps; /* simulated, after set-up; UINT64_MAX: none                      */
    bool check_payload;   /* compare written bytes with what the trace says                 */
    bool want_stages;     /* collect stage stamps                                           */
};

/* A finished operation. Times are ps after the end of set-up. */
struct replay_done {
    const struct hct_op *op;
    uint32_t host, fn; /* that posted it                                               */
    uint64_t bytes;
    uint64_t t_post, t_doorbell, t_first_wire, t_last_wire, t_visible, t_polled;
    uint64_t latency_ps; /* decisions 19; recv: first packet in to CQE                    */
    uint8_t status, silent, as_expected;
    struct stage_times stages; /* of want_stages, of everything but recv and dma_*          */
};
typedef void replay_sink(void *arg, const struct replay_done *d);

struct replay_figures {
    uint64_t ops, failed;     /* finished; of them with another status than expected        */
    uint64_t expected_errors; /* finished with the error status the trace expects           */
    uint64_t bytes;           /* of messages that succeeded                                 */
    uint64_t checked, mismatches, unchecked; /* payloads compared; wrong; not comparable     */
    uint64_t unused_receives; /* of UC, UD and SRQs, never matched by a message             */
    uint64_t posted, read;    /* operations posted, read from the trace                     */
    uint64_t setup_ps, setup_commands;
    uint64_t last_ps; /* end of the last operation, after set-up                    */
    uint64_t timing_hash;
    char first_failure[256]; /* text of the first unexpected status or wrong payload        */
};

struct replay;

/* Opens a trace for a world. NULL: *err says why (exit status of *status: 2, 3 or 4). */
struct replay *replay_open(struct world *w, const struct hca_param *p, const char *path,
                           const struct replay_options *o, struct hct_error *err, int *status);
void replay_close(struct replay *r);

/* Hosts and adapters per host that the trace needs; for host.count and host.hcas before the world
 * is opened. False: *err. */
bool replay_needs(const char *path, uint64_t *hosts, uint64_t *hcas, uint64_t *fns, uint64_t *vms,
                  struct hct_error *err, int *status);

/* Creates every resource and posts the receives that belong to set-up. */
bool replay_setup(struct replay *r, struct hct_error *err);

/* End of a run: everything done; a limit struck; asked to stop; nothing moves any more though
 * operations wait; the trace ended in damage. */
enum replay_end { REPLAY_DONE, REPLAY_LIMIT, REPLAY_STOPPED, REPLAY_STUCK, REPLAY_BAD_TRACE };

/* stop: asked once per window, may be NULL. sink gets each operation once, in order of completion.
 */
enum replay_end replay_run(struct replay *r, replay_sink *sink, void *arg, bool (*stop)(void *),
                           void *stop_arg);

const struct replay_figures *replay_figures(const struct replay *r);
const struct hct_resources *replay_resources(const struct replay *r);
hct_reader *replay_reader(const struct replay *r);
struct machine *replay_machine(const struct replay *r, unsigned host);

/* Hash of the bytes of every MR of a host in the order of trace ids, GRH areas left out. */
uint64_t replay_memory_hash(const struct replay *r, unsigned host);

/* Text of what is waited for when nothing moves: operation, queue, dependency. */
const char *replay_waiting(const struct replay *r, char *buf, size_t size);

/* Events of the world go here first (stages are collected). */
void replay_event(struct replay *r, unsigned host, int hca, uint64_t at_ps,
                  const struct trace_rec *rec);

/* State of a run under way for a checkpoint, drivers and stamps not included. Load into a replay of
 * the same trace with equal options whose set-up is done: operations and their bytes are read from
 * the trace again, up to where the reader stood. False: i->why, and r is of no use any more. */
struct bytes_out;
struct bytes_in;
bool replay_can_save(const struct replay *r); /* false: the trace is damaged, or set-up not done */
void replay_save(const struct replay *r, struct bytes_out *o);
bool replay_load(struct replay *r, struct bytes_in *i);
struct stamps *replay_stamps(const struct replay *r); /* NULL: none are collected */
