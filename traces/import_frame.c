/* From capture record to transport packet: tunnels, headers, ICRC, mirrored copies, addresses.
 * Frames that end here have been counted. */
#include "traces/import_i.h"

#include <stdio.h>
#include <string.h>

enum { TUNNELS_DEEP = 4, MIRROR_FRAMES_ID = 16384, MIRROR_FRAMES_NO_ID = 64, NO_ID_SHARE = 5000 };
#define MIRROR_WINDOW_NS 100000000u

static bool counted(struct import *im, enum import_count what)
{
    count(im, what, 1);
    return false;
}

static enum import_count count_of(enum pkt_result r)
{
    switch (r) {
    case PKT_CNP: return IMPORT_COUNT_cnp;
    case PKT_PFC: return IMPORT_COUNT_pfc;
    case PKT_NOT_RDMA: return IMPORT_COUNT_not_rdma;
    case PKT_TRUNCATED: return IMPORT_COUNT_truncated;
    case PKT_IP_FRAGMENT: return IMPORT_COUNT_fragment;
    case PKT_UNKNOWN_OPCODE: return IMPORT_COUNT_unknown_opcode;
    default: return IMPORT_COUNT_malformed;
    }
}

/* Parses the frame, taking tunnels off until there is a transport packet. */
static bool parse(struct import *im, const struct capture_record *rec, struct shell *s,
                  struct frame *f)
{
    const enum pkt_link link =
        rec->link_type == CAPTURE_INFINIBAND ? PKT_LINK_INFINIBAND : PKT_LINK_ETHERNET;
    *s = (struct shell){rec->data, rec->caplen, rec->wirelen, TUNNEL_KINDS};
    for (int depth = 0;; depth++) {
        const enum pkt_result r =
            pkt_parse_captured(s->data, s->caplen, s->wirelen, link, &f->hdr, &f->view);
        if (r == PKT_OK) {
            return true;
        }
        enum tunnel_result t = TUNNEL_NONE;
        if (r == PKT_NOT_RDMA && link == PKT_LINK_ETHERNET) {
            t = tunnel_strip(s, im->scratch);
        }
        if (t == TUNNEL_STRIPPED && depth == TUNNELS_DEEP) {
            s->kind = TUNNEL_NESTED;
            t = TUNNEL_REFUSED;
        }
        if (t == TUNNEL_REFUSED) {
            im->tunnel[s->kind][1]++;
            return counted(im, IMPORT_COUNT_tunnel);
        }
        if (t == TUNNEL_NONE) {
            return counted(im, count_of(r));
        }
    }
}

/* Identity of what the sender wrote: everything that no switch changes (what the ICRC covers). */
static uint64_t identity(const struct frame *f, const struct shell *s, uint32_t icrc)
{
    const struct pkt_hdr *h = &f->hdr;
    uint64_t a =
        (uint64_t)h->psn << 40 | (uint64_t)h->dqpn << 16 | (uint64_t)h->opcode << 8 | h->wire;
    uint64_t part[5] = {h->ip_id, h->udp_sport, (uint64_t)h->slid << 16 | h->dlid, 0, 0};
    if (!f->view.icrc_captured) { /* the ICRC stands for all of it otherwise */
        icrc = (uint32_t)hash_mix((uint64_t)h->syndrome << 24 | h->msn, h->va ^ h->rkey);
        for (uint32_t i = 0; i < f->view.payload_captured; i += 8) {
            uint64_t word = 0;
            const uint32_t left = f->view.payload_captured - i;
            memcpy(&word, s->data + f->view.payload_offset + i, left < 8 ? left : 8);
            part[4] = hash_mix(part[4], word);
        }
    }
    memcpy(&part[3], h->sgid + 8, 8);
    for (size_t i = 0; i < 5; i++) {
        a = hash_mix(a, part[i]);
    }
    memcpy(&part[3], h->dgid + 8, 8);
    return hash_mix(a, part[3] ^ (uint64_t)icrc << 32 ^ (uint64_t)f->view.payload_len << 8 ^ h->se);
}

/* Was the same frame seen a moment ago? With an IPv4 identification, which a sender counts up,
 * equal bytes are the same frame unless the counter went round; without one only closeness tells a
 * copy from a retransmission. */
static bool is_mirrored(struct import *im, const struct frame *f, uint64_t id)
{
    struct mirror_entry *e = &im->mirror[id % im->table_sets];
    /* A datagram is never sent again: its PSN counts like an identification. */
    const bool counts =
        (f->hdr.wire == PKT_ROCE2_V4 && f->hdr.ip_id != 0) || f->hdr.opcode >> 5 == PKT_UD;
    const uint64_t window_ns =
        im->opt.mirror_window_ns != 0 ? im->opt.mirror_window_ns : MIRROR_WINDOW_NS;
    const uint64_t most_ns = counts ? window_ns : window_ns / NO_ID_SHARE;
    const uint64_t most_frames = counts ? MIRROR_FRAMES_ID : MIRROR_FRAMES_NO_ID;
    const uint64_t pass = (uint64_t)im->pass + 1; /* entries of earlier passes do not count */
    if (e->hash == id && e->pass == pass && f->number - e->number <= most_frames &&
        f->time_ns - e->time_ns <= most_ns) {
        return true;
    }
    *e = (struct mirror_entry){id, f->time_ns, f->number, pass};
    return false;
}

/* Checks the ICRC if the capture holds it. */
static bool icrc_wrong(struct import *im, const struct frame *f, const struct shell *s,
                       uint32_t *icrc)
{
    uint32_t got;
    *icrc = 0;
    if (!f->view.icrc_captured) {
        return false;
    }
    im->sum.icrc_checked++;
    *icrc = pkt_icrc(s->data, &f->view);
    memcpy(&got, s->data + f->view.icrc_offset, sizeof got);
    return got != *icrc && !im->opt.keep_bad_icrc;
}

static uint32_t node_of(struct import *im, const uint8_t gid[16], uint16_t lid, bool by_lid)
{
    uint64_t key[2] = {lid, UINT64_MAX}; /* no GID of a sender ends in 64 ones */
    if (!by_lid) {
        memcpy(key, gid, 16);
    }
    const uint32_t known = map_find(&im->node_map, key[0], key[1]);
    if (known != HCT_NONE) {
        return known;
    }
    if (im->nodes == IMPORT_NODES_MAX) {
        import_fail(im, HCT_BAD,
                    "more than %u addresses talk; import part of the capture (for example with "
                    "tshark -Y 'ip.addr == ...' -w)",
                    IMPORT_NODES_MAX);
        return HCT_NONE;
    }
    if (!grow(&im->node, &im->node_room, im->nodes, sizeof *im->node) ||
        !map_add(&im->node_map, key[0], key[1], im->nodes)) {
        import_no_memory(im);
        return HCT_NONE;
    }
    struct node *n = &im->node[im->nodes];
    *n = (struct node){.host = HCT_NONE, .lid = lid, .by_lid = by_lid};
    if (!by_lid) {
        memcpy(n->gid, gid, 16);
    }
    return im->nodes++;
}

const char *node_text(const struct import *im, uint32_t node, char *buf, size_t size)
{
    static const uint8_t mapped[12] = {[10] = 0xFF, [11] = 0xFF};
    const struct node *n = &im->node[node];
    const uint8_t *g = n->gid;
    if (n->by_lid) {
        (void)snprintf(buf, size, "lid %u", n->lid);
    } else if (memcmp(g, mapped, sizeof mapped) == 0) {
        (void)snprintf(buf, size, "%u.%u.%u.%u", g[12], g[13], g[14], g[15]);
    } else {
        size_t at = 0;
        for (size_t i = 0; i < 16 && at < size; i += 2) {
            at += (size_t)snprintf(buf + at, size - at, i == 0 ? "%x" : ":%x",
                                   (unsigned)(g[i] << 8 | g[i + 1]));
        }
    }
    return buf;
}

static bool is_multicast(const struct pkt_hdr *h, bool ib)
{
    if (h->dqpn == 0xFFFFFF || (ib && h->dlid >= 0xC000 && h->dlid != 0xFFFF)) {
        return true;
    }
    return !ib && (h->dgid[0] == 0xFF || (h->wire == PKT_ROCE2_V4 && h->dgid[12] >> 4 == 0xE));
}

/* Packets that no trace holds. */
static bool is_foreign(struct import *im, const struct frame *f, bool ib)
{
    if (f->op->service == PKT_XRC) {
        return !counted(im, IMPORT_COUNT_xrc);
    }
    if (f->op->service == PKT_UD && (f->hdr.dqpn <= 1 || f->hdr.sqpn <= 1)) {
        return !counted(im, IMPORT_COUNT_management);
    }
    if (f->hdr.dqpn <= 1) {
        return !counted(im, IMPORT_COUNT_malformed);
    }
    if (is_multicast(&f->hdr, ib)) {
        return !counted(im, IMPORT_COUNT_multicast);
    }
    return false;
}

/* Time never goes back: what was written later happened no earlier. */
static uint64_t time_of(struct import *im, const struct capture_record *rec)
{
    if (rec->time_known && rec->time_ns >= im->now_ns) {
        im->now_ns = rec->time_ns;
    } else {
        im->sum.time_steps_back += rec->time_known;
    }
    if (rec->number == 1) {
        im->first_ns = im->now_ns;
    }
    return im->now_ns;
}

bool frame_take(struct import *im, const struct capture_record *rec, struct frame *f)
{
    struct shell s;
    uint32_t icrc;
    f->number = rec->number;
    f->time_ns = time_of(im, rec);
    im->sum.frames++;
    if (!parse(im, rec, &s, f)) {
        return false;
    }
    if (s.kind != TUNNEL_KINDS) {
        im->tunnel[s.kind][0]++;
        im->sum.stripped++;
    }
    if (icrc_wrong(im, f, &s, &icrc)) {
        return counted(im, IMPORT_COUNT_icrc);
    }
    if (is_mirrored(im, f, identity(f, &s, icrc))) {
        return counted(im, IMPORT_COUNT_mirrored);
    }
    const bool ib = f->hdr.wire >= PKT_IB_LOCAL;
    f->op = pkt_opcode(f->hdr.opcode);
    f->payload = s.data + f->view.payload_offset;
    if (is_foreign(im, f, ib)) {
        return false;
    }
    im->wire[f->hdr.wire]++;
    f->src = node_of(im, f->hdr.sgid, f->hdr.slid, ib);
    f->dst = f->src == HCT_NONE ? HCT_NONE : node_of(im, f->hdr.dgid, f->hdr.dlid, ib);
    return f->dst != HCT_NONE;
}
