/* tap.h: pcap files of what crossed the links; ns stamps, in order of time.
 *
 * Ethernet frames (link type 1) have no FCS and no padding; InfiniBand packets (247) run from LRH
 * to VCRC, flow control packets are left out because the link type has no room for them. With
 * payload off a record holds the headers (caplen < wirelen). A frame that a fault then hits was on
 * the cable and is shown as it left its port. */
#pragma once
#include "model/param.h"
#include "sim/link/net.h"

struct tap;

/* One file for the network: every frame as it left its port, and those that went round inside an
 * adapter. NULL: why (size bytes) says what failed. The file gets its name at tap_close. */
struct tap *tap_open(const char *path, const struct hca_param *p, char *why, size_t size);

/* One file per port, FOLDER/port<n>.pcap: what left it, what reached it, what went round. */
struct tap *tap_open_ports(const char *folder, const struct hca_param *p, uint32_t ports, char *why,
                           size_t size);

/* Leaves out what went round inside an adapter: that crossed no link. */
void tap_links_only(struct tap *t);

/* True: a record could not be kept; tap_close will fail. */
bool tap_failed(const struct tap *t);

net_tap tap_frame; /* for net_set_tap, with the tap as arg */

/* Writes what is left and closes. False: why says what failed, no file is left under its name.
 * The tap is freed in both cases. */
bool tap_close(struct tap *t, char *why, size_t size);
void tap_abort(struct tap *t); /* drops the files; NULL is allowed */
