/* packet_parse: checks a received frame and finds the function and QP it is for.
 *
 * Timing   one packet per max(1, ceil(len / 64)) cycles; hca.packet_parse_ns to rx_look
 * Order    headers, ICRC and VCRC, destination address, partition key, QP number; the first that
 *          fails drops the frame, silently towards the sender (IBTA vol. 1, 9.6)
 * Source   docs/units/packet_parse.md; decoder: model/packet/headers.h
 * NOT MODELLED: multicast, partition tables (the default key only), CNPs are counted only. */
#pragma once
#include "model/gid_table.h"
#include "model/packet/headers.h"
#include "model/spec.h"

enum parse_drop_reason {
    PARSE_FOREIGN,
    PARSE_HEADER,
    PARSE_OPCODE,
    PARSE_CRC,
    PARSE_ADDRESS,
    PARSE_PKEY,
    PARSE_QPN,
    PARSE_CNP,
    PARSE_OK
};

struct packet_parse {
    struct wire_gid_set *gid_parse; /* in,  from command */
    struct wire_frame *rx_frame;    /* in,  from mac_rx  */
    struct wire_rxp *rx_look;       /* out, to context   */
    struct gid_table gids;
    uint64_t latency; /* cycles            */
    struct {
        uint64_t free_at; /* first cycle in which another packet may start */
    } s;
};

void packet_parse_open(struct packet_parse *u, struct opening *o);
struct act packet_parse_tick(struct packet_parse *u, const struct tick *t);
