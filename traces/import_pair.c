/* Which two directions are one connection: a QP's own number never stands in packets to its peer,
 * so responses of one direction are matched with the PSNs of requests of the other. */
#include "traces/import_i.h"

#include <stdlib.h>

/* Requests seen lately: sets of WAYS entries by (source, destination, PSN). */
enum {
    SETS_SHARE = 4, /* sets are table_sets / SETS_SHARE */
    PAIR_WAYS = 8,
    SHARE_OF_RESPONSES = 8, /* one in so many must prove a pair */
    SEVERAL = 0x7FFFFFFF,
    GUESS_APART_NS = 1000000000 /* between directions joined without proof */
};

struct pair_entry {
    uint64_t key; /* 0: free */
    uint32_t half, turn;
};

/* A possible connection. */
struct edge {
    uint32_t a, b; /* halves, a <= b */
    uint64_t unique, shared;
};

bool pair_open(struct import *im)
{
    im->pair_table =
        calloc((size_t)im->table_sets / SETS_SHARE * PAIR_WAYS, sizeof *im->pair_table);
    return im->pair_table != NULL || import_no_memory(im);
}

/* `port`: the UDP source port, or 0 for the entry that does not ask for it. */
static struct pair_entry *set_of(struct import *im, uint32_t src, uint32_t dst, uint32_t psn,
                                 uint16_t port, uint64_t *key)
{
    *key = hash_mix((uint64_t)src << 40 | (uint64_t)dst << 24 | psn, port) | 1;
    return &im->pair_table[(*key >> 20) % (im->table_sets / SETS_SHARE) * PAIR_WAYS];
}

static void remember(struct import *im, uint32_t half, uint32_t psn, uint16_t port)
{
    const struct half *h = &im->half[half];
    uint64_t key;
    struct pair_entry *set = set_of(im, h->src, h->dst, psn, port, &key);
    struct pair_entry *old = &set[0];
    uint32_t turn = 0;
    for (int i = 0; i < PAIR_WAYS; i++) {
        if (set[i].key == key && set[i].half == half) {
            return;
        }
        old = set[i].turn < old->turn ? &set[i] : old;
        turn = set[i].turn > turn ? set[i].turn : turn;
    }
    *old = (struct pair_entry){key, half, turn + 1};
}

void pair_request(struct import *im, uint32_t half, uint32_t psn)
{
    const uint16_t port = im->half[half].udp_sport;
    remember(im, half, psn, 0);
    if (port != 0) { /* tells QPs apart whose PSNs run side by side */
        remember(im, half, psn, port);
    }
}

/* Halves that sent this PSN lately, the opposite way of h. */
static uint32_t who_asked(struct import *im, const struct half *h, uint32_t psn, uint16_t port,
                          uint32_t found[PAIR_WAYS])
{
    uint64_t key;
    uint32_t n = 0;
    const struct pair_entry *set = set_of(im, h->dst, h->src, psn, port, &key);
    for (int i = 0; i < PAIR_WAYS; i++) {
        if (set[i].key == key && im->half[set[i].half].service == h->service) {
            found[n++] = set[i].half;
        }
    }
    return n;
}

static struct candidate *candidate_of(struct half *h, uint32_t half)
{
    struct candidate *least = &h->candidate[0];
    for (int i = 0; i < PAIR_CANDIDATES; i++) {
        struct candidate *c = &h->candidate[i];
        if (c->half == half) {
            return c;
        }
        least = c->unique * 16 + c->shared < least->unique * 16 + least->shared ? c : least;
    }
    *least = (struct candidate){.half = half};
    return least;
}

void pair_response(struct import *im, uint32_t half, uint32_t psn)
{
    struct half *h = &im->half[half];
    uint32_t found[PAIR_WAYS];
    uint32_t n = who_asked(im, h, psn, 0, found);
    const bool unique = n == 1;
    if (unique) {
        im->half[found[0]].suitor = half;
    } else if (h->udp_sport != 0) {
        uint32_t same_port[PAIR_WAYS];
        if (who_asked(im, h, psn, h->udp_sport, same_port) == 1) {
            found[0] = same_port[0];
            n = 1;
        }
    }
    for (uint32_t i = 0; i < n && i < PAIR_CANDIDATES; i++) {
        struct candidate *c = candidate_of(h, found[i]);
        c->unique += unique;
        c->shared += !unique;
    }
}

/* ---- decision ---- */

static int by_ends(const void *x, const void *y)
{
    const struct edge *a = x;
    const struct edge *b = y;
    return a->a != b->a ? (a->a > b->a) - (a->a < b->a) : (a->b > b->b) - (a->b < b->b);
}

/* Best evidence first: own PSNs, shared PSNs, order of appearance. */
static int by_evidence(const void *x, const void *y)
{
    const struct edge *a = x;
    const struct edge *b = y;
    if (a->unique != b->unique) {
        return a->unique < b->unique ? 1 : -1;
    }
    if (a->shared != b->shared) {
        return a->shared < b->shared ? 1 : -1;
    }
    return by_ends(x, y);
}

/* Fills edges from the candidates; returns how many. */
static uint32_t collect(const struct import *im, struct edge *edge)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < im->halves; i++) {
        const struct half *h = &im->half[i];
        for (int k = 0; k < PAIR_CANDIDATES; k++) {
            const struct candidate *c = &h->candidate[k];
            const uint64_t proof = (uint64_t)c->unique + c->shared;
            if (c->half == HCT_NONE ||
                proof * SHARE_OF_RESPONSES < h->responses - h->data_responses) {
                continue;
            }
            const uint32_t low = c->half < i ? c->half : i;
            const uint32_t high = c->half < i ? i : c->half;
            edge[n++] = (struct edge){low, high, c->unique, c->shared};
        }
    }
    qsort(edge, n, sizeof *edge, by_ends);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < n; i++) { /* evidence of both directions counts together */
        if (kept > 0 && by_ends(&edge[kept - 1], &edge[i]) == 0) {
            edge[kept - 1].unique += edge[i].unique;
            edge[kept - 1].shared += edge[i].shared;
        } else {
            edge[kept++] = edge[i];
        }
    }
    qsort(edge, kept, sizeof *edge, by_evidence);
    return kept;
}

static void join(struct import *im, uint32_t a, uint32_t b, enum pairing how, uint64_t evidence)
{
    im->half[a].peer = b;
    im->half[b].peer = a;
    im->half[a].pairing = im->half[b].pairing = (uint8_t)how;
    im->half[a].evidence = im->half[b].evidence =
        evidence < UINT32_MAX ? (uint32_t)evidence : UINT32_MAX;
}

static bool pair_by_evidence(struct import *im)
{
    struct edge *edge = malloc(((size_t)im->halves * PAIR_CANDIDATES + 1) * sizeof *edge);
    if (edge == NULL) {
        return import_no_memory(im);
    }
    const uint32_t n = collect(im, edge);
    for (uint32_t i = 0; i < n; i++) {
        const struct edge *e = &edge[i];
        if (im->half[e->a].peer == HCT_NONE && im->half[e->b].peer == HCT_NONE) {
            join(im, e->a, e->b, e->unique > 0 ? PAIR_ACK : PAIR_PORT, e->unique + e->shared);
        }
    }
    free(edge);
    return true;
}

static bool needs_guess(const struct half *h)
{
    return h->peer == HCT_NONE && h->requests > 0 && h->responses == 0;
}

/* Opposite directions that were in use at the same time, or nearly. */
static bool overlap(const struct half *a, const struct half *b)
{
    return a->src == b->dst && a->dst == b->src && a->first_ns <= b->last_ns + GUESS_APART_NS &&
           b->first_ns <= a->last_ns + GUESS_APART_NS;
}

/* Key of a direction that may be joined by guess: equal for both directions but for bit 0 of b. */
static bool guess_key(const struct half *h, enum pairing how, uint64_t *a, uint64_t *b)
{
    const uint32_t low = h->src < h->dst ? h->src : h->dst;
    const uint32_t high = h->src < h->dst ? h->dst : h->src;
    const uint64_t port = how == PAIR_PORT ? h->udp_sport : 0;
    *a = (uint64_t)low << 32 | high;
    *b = port << 16 | (uint64_t)h->service << 8 | (h->src < h->dst);
    return needs_guess(h) && (how != PAIR_PORT || port != 0);
}

/* Fills the map: the only half of a key, or SEVERAL. */
static bool guess_collect(const struct import *im, enum pairing how, struct map *map)
{
    uint64_t a, b;
    for (uint32_t i = 0; i < im->halves; i++) {
        if (!guess_key(&im->half[i], how, &a, &b)) {
            continue;
        }
        if (map_find(map, a, b) != HCT_NONE) {
            map_set(map, a, b, SEVERAL);
        } else if (!map_add(map, a, b, i)) {
            return false;
        }
    }
    return true;
}

/* Directions without responses (UC, or a cut): joined when exactly two fit each other, first by
 * UDP source port, which soft-RoCE and mlx5 compute from both QP numbers, then as the only ones
 * between two nodes. */
static bool pair_by_guess(struct import *im, enum pairing how)
{
    struct map map = {0};
    uint64_t a, b;
    if (!guess_collect(im, how, &map)) {
        map_free(&map);
        return import_no_memory(im);
    }
    for (uint32_t i = 0; i < im->halves; i++) {
        if (!guess_key(&im->half[i], how, &a, &b) || map_find(&map, a, b) != i) {
            continue;
        }
        const uint32_t p = map_find(&map, a, b ^ 1);
        if (p < SEVERAL && p != i && overlap(&im->half[i], &im->half[p])) {
            join(im, i, p, how, 0);
        }
    }
    map_free(&map);
    return true;
}

/* A direction whose opposite is not in the capture gets one that stands for it. */
static bool add_virtual(struct import *im)
{
    const uint32_t seen = im->halves;
    for (uint32_t i = 0; i < seen; i++) {
        if (im->half[i].peer != HCT_NONE ||
            (im->half[i].requests == 0 && im->half[i].data_responses == 0)) {
            continue;
        }
        if (!grow(&im->half, &im->half_room, im->halves, sizeof *im->half)) {
            return import_no_memory(im);
        }
        struct half *h = &im->half[i];
        im->half[im->halves] = (struct half){.first_frame = h->first_frame,
                                             .first_ns = h->first_ns,
                                             .last_ns = h->last_ns,
                                             .src = h->dst,
                                             .dst = h->src,
                                             .dqpn = HCT_NONE,
                                             .current = im->halves,
                                             .newer = HCT_NONE,
                                             .service = h->service,
                                             .sl = h->sl,
                                             .traffic_class = h->traffic_class,
                                             .mtu_mask = (1 << MTU_COUNT) - 1,
                                             .virtual = true};
        join(im, i, im->halves, PAIR_VIRTUAL, 0);
        im->halves++;
    }
    return true;
}

/* Path MTU of a connection: proved, else the most usual of those that nothing speaks against. */
static void settle_mtu(struct half *a, struct half *b)
{
    static const uint32_t usual[MTU_COUNT] = {1024, 4096, 2048, 512, 256};
    const uint32_t proved = a->mtu_bytes > b->mtu_bytes ? a->mtu_bytes : b->mtu_bytes;
    const uint32_t payload = a->payload_max > b->payload_max ? a->payload_max : b->payload_max;
    const uint32_t both = a->mtu_mask & b->mtu_mask;
    uint32_t mtu = 0;
    for (uint32_t i = 0; i < MTU_COUNT && mtu == 0; i++) {
        const uint32_t bit = (uint32_t)__builtin_ctz(usual[i] / 256);
        mtu = both >> bit & 1 && usual[i] >= payload ? usual[i] : 0;
    }
    mtu = mtu == 0 ? 4096 : mtu;
    a->mtu_proved = b->mtu_proved = proved != 0;
    a->mtu_bytes = b->mtu_bytes = proved != 0 ? proved : mtu;
}

static void set_qp(struct import *im, uint32_t index, uint32_t node, uint32_t qpn, uint8_t type)
{
    im->qp[index] = (struct qp){.node = node,
                                .qpn = qpn,
                                .type = type,
                                .id = HCT_NONE,
                                .peer = HCT_NONE,
                                .before = HCT_NONE,
                                .mr_send = HCT_NONE,
                                .mr_recv = HCT_NONE};
}

static bool make_qps(struct import *im)
{
    im->qps = im->halves + im->uds;
    im->qp = calloc((size_t)im->qps + 1, sizeof *im->qp);
    im->lane = calloc((size_t)im->halves + 1, sizeof *im->lane);
    if (im->qp == NULL || im->lane == NULL) {
        return import_no_memory(im);
    }
    for (uint32_t i = 0; i < im->halves; i++) {
        struct half *h = &im->half[i];
        set_qp(im, i, h->dst, h->dqpn, h->service == PKT_RC ? HCT_QP_RC : HCT_QP_UC);
        im->qp[i].peer = h->peer;
        if (h->peer != HCT_NONE && h->peer >= i) {
            settle_mtu(h, &im->half[h->peer]);
        }
        im->qp[i].mtu_bytes = h->mtu_bytes;
    }
    for (uint32_t i = 0; i < im->uds; i++) {
        set_qp(im, im->halves + i, im->ud[i].node, im->ud[i].qpn, HCT_QP_UD);
    }
    return true;
}

bool pair_all(struct import *im)
{
    free(im->pair_table);
    im->pair_table = NULL;
    return pair_by_evidence(im) && pair_by_guess(im, PAIR_PORT) && pair_by_guess(im, PAIR_ONLY) &&
           add_virtual(im) && make_qps(im);
}
