/* cosim.h: simulated hosts whose guests are virtual machines of QEMU.
 *
 *   hosts_load, hosts_fit        what is to be simulated
 *   cosim_open                   world, functions, sockets
 *   cosim_run                    serves until stop is set
 *   cosim_text, cosim_json, cosim_close
 *
 * One thread, one epoll set. A function's registers and doorbells are accesses of a core of its
 * host, its memory is the guest's own, mapped into simulated memory; everything else is the model.
 * docs/COSIM.md has the topology and the limits. */
#pragma once
#include "sim/cosim/hosts.h"

#include <signal.h>
#include <stdio.h>

struct cosim;

struct cosim_options {
    const char *folder;  /* of sockets whose path has no slash                              */
    FILE *log;           /* one line per event that a person should know of; NULL: none     */
    uint64_t factor_ppm; /* simulated time per wall time at most; 1000000: as fast         */
};

/* h has been fitted; it must outlive the cosim. NULL: err says why, *status is an exit status. */
struct cosim *cosim_open(const struct hosts *h, const struct cosim_options *o,
                         struct hca_error *err, int *status);
void cosim_close(struct cosim *c);

/* Serves guests until *stop is not 0. False: err says what failed. */
bool cosim_run(struct cosim *c, const volatile sig_atomic_t *stop, struct hca_error *err);

/* What happened, for people (text) and scripts (JSON). False: out failed, or no memory. */
bool cosim_text(struct cosim *c, FILE *out);
bool cosim_json(struct cosim *c, FILE *out);

struct world *cosim_world(struct cosim *c);
const struct hosts *cosim_hosts(const struct cosim *c);
