/* hosts.h: the file that `hcasim cosim` reads: hosts, their VMs, and what joins them to the
 * outside.
 *
 *   about: two hosts with a VM each       # optional
 *   config: mlx4_qdr                      # optional: a preset, or a file if the name has a / or
 * .yaml set:                                  # optional: parameters, as in a configuration file
 *     port.rate_mbps: 40000
 *   folder: /tmp/hcasim-me                # of the sockets; default: the folder of --out
 *   memory: 512M                          # RAM of each VM, as QEMU's -m; K, M or G
 *   hosts:
 *     left:
 *       a: {mac: "52:54:00:00:00:0a"}     # a VM and its MAC address, that of its vmxnet3 too
 *     right:
 *       b: {mac: "52:54:00:00:00:0b", hca: b.hca, net: b.net, adapter: 0}
 *   uplinks:                              # optional: Ethernet segments outside of the simulation
 *     peer: {kind: stream-listen, path: peer.net}
 *
 * A name stands once per kind. A VM's sockets are <folder>/<name>.hca (vfio-user) and <name>.net
 * (QEMU netdev stream) unless the file says otherwise; `net: none` leaves out the second. */
#pragma once
#include "model/param.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    HOSTS_MAX = 64,
    HOSTS_VMS_MAX = 256, /* of the file  */
    HOSTS_UPLINKS_MAX = 16,
    HOSTS_NAME_MAX = 32, /* with final zero */
    HOSTS_PATH_MAX = 108 /* sun_path of a UNIX socket address */
};

struct hosts_vm {
    char name[HOSTS_NAME_MAX];
    char hca[HOSTS_PATH_MAX], net[HOSTS_PATH_MAX]; /* as in the file; net "": none */
    uint8_t mac[6];
    unsigned host;    /* index of its host                                  */
    unsigned vm;      /* index of the VM in its host: whose RAM              */
    unsigned adapter; /* of the host                                         */
    unsigned fn;      /* function of that adapter                            */
};

enum hosts_uplink_kind {
    UPLINK_STREAM_LISTEN,  /* QEMU -netdev stream,server=off connects to it; another hcasim too */
    UPLINK_STREAM_CONNECT, /* to a stream-listen or to QEMU -netdev stream,server=on            */
    UPLINK_DGRAM,          /* UNIX datagrams: path is bound, peer is sent to                    */
    UPLINK_UDP             /* loopback: path and peer are port numbers                          */
};
struct hosts_uplink {
    char name[HOSTS_NAME_MAX];
    enum hosts_uplink_kind kind;
    char path[HOSTS_PATH_MAX], peer[HOSTS_PATH_MAX];
};

struct hosts {
    struct hca_config config; /* parameters of the file; hosts_fit adds what follows from it */
    char about[200], folder[HOSTS_PATH_MAX];
    uint64_t memory_bytes;
    unsigned hosts, vms, uplinks;
    char host[HOSTS_MAX][HOSTS_NAME_MAX];
    struct hosts_vm vm[HOSTS_VMS_MAX];
    struct hosts_uplink uplink[HOSTS_UPLINKS_MAX];
};

/* Reads the file. False: err holds one line that begins with the place; *host_failed tells a
 * failure of the machine (status 4) from one of the input (status 2). */
bool hosts_load(struct hosts *h, const char *path, struct hca_error *err, bool *host_failed);
bool hosts_load_text(struct hosts *h, const char *name, const char *text, size_t size,
                     struct hca_error *err, bool *host_failed);

/* Sets the parameters that the file decides: host.count, host.hcas, host.vms, host.mem_bytes,
 * hca.fn_max. False: err says which value stands against it. */
bool hosts_fit(struct hosts *h, struct hca_error *err);
