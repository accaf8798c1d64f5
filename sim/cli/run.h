/* run.h: one run of a trace, from options to report files. */
#pragma once
#include "sim/cli/cli.h"
#include "sim/link/net.h"
#include "sim/replay/replay.h"

struct run_options {
    const char *trace, *out;
    struct config_args config;
    enum replay_timing timing;
    uint64_t scale_ppm;
    const char *timing_text;
    uint64_t max_time_ps; /* UINT64_MAX: none */
    uint64_t max_wall_ms; /* 0: none          */
    bool pcap, pcap_loop, pcap_ports, events, no_check, quiet;
    unsigned mode;                   /* enum hca_mode, for proofs */
    const char *checkpoint, *resume; /* files; NULL: none */
    uint64_t checkpoint_ps;          /* after set-up; UINT64_MAX: not given */
    struct net_aim aim[NET_AIMS_MAX];
    unsigned aims;
};

/* Runs and writes DIR/report.txt, report.json, run.json (and captures, events). Exit status. */
int run_trace(const struct run_options *o);

/* "drop|dup|reorder|corrupt|mark:port=N,qpn=N,opcode=N,nth=N,count=N"; false: err says why. */
bool parse_aim(const char *text, struct net_aim *out, struct hca_error *err);
/* "10us", "1.5 ms", "3s", "7" (ns); false: not a time. */
bool parse_time(const char *text, uint64_t *ps);
