/* packet_build: turns a packet's fields into a frame: headers, padding, ICRC (and VCRC).
 *
 * Timing   one packet per max(1, ceil(payload / 64)) cycles, 64 bytes per cycle through the CRC;
 *          hca.packet_build_ns from input to output. Data packets and acknowledgements take turns.
 * Source   docs/units/packet_build.md; header rules: model/packet/headers.h
 * NOT MODELLED: XRC, multicast, partition keys other than the default one. */
#pragma once
#include "model/gid_table.h"
#include "model/spec.h"

struct packet_build {
    struct wire_gid_set *gid_build; /* in,  from command   */
    struct wire_pkt *rd_done;       /* in,  from dma_read  */
    struct wire_pkt *ack_job;       /* in,  from respond   */
    struct wire_frame *tx_frame;    /* out, to mac_tx      */
    struct wire_pkt *tx_error;      /* out, to requester   */
    struct wire_pkt *rsp_error;     /* out, to respond     */
    struct wire_pkt *rsp_sent;      /* out, to respond     */
    struct wire_pkt *tx_sent;       /* out, to requester   */
    struct gid_table gids;
    uint16_t *ip_id;  /* [fn_max] IPv4 identification of the next packet */
    uint64_t latency; /* cycles                                          */
    struct {
        uint64_t free_at;  /* first cycle in which another packet may start   */
        uint8_t acks_next; /* whose turn it is                                */
        uint8_t pad[7];
    } s;
};

void packet_build_open(struct packet_build *u, struct opening *o);
struct act packet_build_tick(struct packet_build *u, const struct tick *t);
