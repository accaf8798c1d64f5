/* Pass 1: which directions and QPs there are, when a QP number comes to a new life, what tells the
 * path MTU. Passes 2 and 3 find their halves here too. */
#include "traces/import_i.h"

/* One acknowledgement may stand for a message of 2^31 bytes: 2^21 PSNs at an MTU of 1024. */
enum { MSN_RESTART = 8, RESPONSE_JUMP = 1 << 22, READ_PSNS_MAX = 1 << 22 };

/* Service level, or the priority in the VLAN tag. */
static uint8_t sl_of(const struct frame *f)
{
    return f->hdr.vlan_tags != 0 ? (uint8_t)(f->hdr.vlan_tci >> 13) : f->hdr.sl;
}

static struct half *new_half(struct import *im, const struct frame *f, uint32_t *index)
{
    if (im->halves == IMPORT_HALVES_MAX) {
        import_fail(im, HCT_BAD,
                    "frame %llu: more than %u directions (source, destination, QP) of connections; "
                    "import part of the capture",
                    (unsigned long long)f->number, IMPORT_HALVES_MAX);
        return NULL;
    }
    if (!grow(&im->half, &im->half_room, im->halves, sizeof *im->half)) {
        import_no_memory(im);
        return NULL;
    }
    *index = im->halves++;
    im->half[*index] = (struct half){.first_frame = f->number,
                                     .first_ns = f->time_ns,
                                     .last_ns = f->time_ns,
                                     .src = f->src,
                                     .dst = f->dst,
                                     .dqpn = f->hdr.dqpn,
                                     .current = *index,
                                     .newer = HCT_NONE,
                                     .peer = HCT_NONE,
                                     .suitor = HCT_NONE,
                                     .udp_sport = f->hdr.udp_sport,
                                     .service = f->op->service,
                                     .sl = sl_of(f),
                                     .traffic_class = (uint8_t)(f->hdr.dscp << 2 | f->hdr.ecn),
                                     .mtu_mask = (1 << MTU_COUNT) - 1};
    for (int i = 0; i < PAIR_CANDIDATES; i++) {
        im->half[*index].candidate[i].half = HCT_NONE;
    }
    return &im->half[*index];
}

static uint64_t flow_key_a(const struct frame *f)
{
    return (uint64_t)f->src << 32 | f->dst;
}

static uint64_t flow_key_b(const struct frame *f)
{
    return (uint64_t)f->op->service << 32 | f->hdr.dqpn;
}

/* Index of the first half of a flow; adds it when it is new. */
static uint32_t flow_of(struct import *im, const struct frame *f)
{
    uint32_t first = map_find(&im->flow_map, flow_key_a(f), flow_key_b(f));
    if (first != HCT_NONE) {
        return first;
    }
    if (new_half(im, f, &first) == NULL) {
        return HCT_NONE;
    }
    if (!map_add(&im->flow_map, flow_key_a(f), flow_key_b(f), first)) {
        import_no_memory(im);
        return HCT_NONE;
    }
    return first;
}

struct half *half_of(struct import *im, const struct frame *f)
{
    const uint32_t first = map_find(&im->flow_map, flow_key_a(f), flow_key_b(f));
    if (first == HCT_NONE) { /* cannot be: pass 1 saw the same frames */
        import_fail(im, HCT_BAD, "the capture changed while it was read");
        return NULL;
    }
    uint32_t *at = &im->half[first].current;
    while (im->half[*at].newer != HCT_NONE &&
           im->half[im->half[*at].newer].first_frame <= f->number) {
        *at = im->half[*at].newer;
    }
    return &im->half[*at];
}

/* ---- path MTU ---- */

static void learn_mtu(struct half *h, const struct frame *f)
{
    const uint32_t n = f->view.payload_len;
    const bool full = f->op->position == PKT_FIRST || f->op->position == PKT_MIDDLE;
    h->payload_max = n > h->payload_max ? n : h->payload_max;
    if (full && n >= 256 && n <= 4096 && (n & (n - 1)) == 0 && n > h->mtu_bytes) {
        h->mtu_bytes = n;
        h->mtu_proved = true;
    }
}

/* A READ of read_len bytes took `psns` PSNs: that leaves some MTUs. */
static void learn_mtu_from_read(struct half *h, uint32_t psns)
{
    uint8_t left = 0;
    for (uint32_t i = 0; i < MTU_COUNT; i++) {
        if (h->mtu_mask >> i & 1 && read_span(h->read_len, 256u << i) == psns) {
            left |= (uint8_t)(1u << i);
        }
    }
    h->mtu_mask = left != 0 ? left : h->mtu_mask;
}

/* ---- PSNs ---- */

static bool starts_message(const struct frame *f)
{
    return f->op->position == PKT_FIRST || f->op->position == PKT_ONLY;
}

/* Could this request belong to the connection that h has known so far? A READ may take many PSNs
 * at once, and start again from any of them. */
static bool request_fits(const struct half *h, uint32_t psn)
{
    const int32_t d = psn_diff(psn, h->req_next);
    const int32_t far = PSN_JUMP + (int32_t)h->read_psns;
    /* What was sent before the capture began can only come again near the beginning. */
    const bool before_first = psn_diff(psn, h->req_first) < -PSN_JUMP / 16;
    return d <= far && d >= -far && !before_first;
}

static bool response_fits(const struct half *h, const struct frame *f)
{
    const bool has_msn = (f->op->ext & PKT_AETH) != 0;
    const int32_t d = psn_diff(f->hdr.psn, h->rsp_last);
    if (h->rsp_seen && (d > RESPONSE_JUMP || d < -RESPONSE_JUMP)) {
        return false;
    }
    /* A message sequence number that starts again: the QP is a new one. */
    return !(h->msn_seen && has_msn && f->hdr.msn <= MSN_RESTART &&
             h->msn_last >= f->hdr.msn + MSN_RESTART);
}

static void request_seen(struct import *im, uint32_t half, const struct frame *f)
{
    struct half *h = &im->half[half];
    const uint32_t psn = f->hdr.psn;
    const int32_t d = h->req_seen ? psn_diff(psn, h->req_next) : 0;
    h->requests++;
    pair_request(im, half, psn);
    if (!h->req_seen || psn_diff(psn, h->req_first) < 0) {
        h->req_first = psn;
    }
    h->req_seen = true;
    if (h->read_open && d >= 0) {
        learn_mtu_from_read(h, (uint32_t)d + 1);
    }
    if (d < 0) {
        return;
    }
    h->req_next = psn_add(psn, 1);
    h->read_open = f->op->kind == PKT_READ_REQUEST;
    h->read_len = f->hdr.dma_len;
    if (h->read_open) {
        const uint32_t most = read_span(h->read_len, 256);
        h->read_psns = most > h->read_psns ? most : h->read_psns;
        h->read_psns = h->read_psns < READ_PSNS_MAX ? h->read_psns : READ_PSNS_MAX;
    }
    if (h->read_open && h->mtu_bytes != 0) {
        h->req_next = psn_add(psn, read_span(h->read_len, h->mtu_bytes));
        h->read_open = false;
    }
}

static void response_seen(struct import *im, uint32_t half, const struct frame *f)
{
    struct half *h = &im->half[half];
    const bool inside = f->op->kind == PKT_READ_RESPONSE &&
                        (f->op->position == PKT_MIDDLE || f->op->position == PKT_LAST);
    h->responses++;
    h->data_responses += f->op->kind == PKT_READ_RESPONSE;
    if (!inside) { /* their PSNs are those of no request packet */
        pair_response(im, half, f->hdr.psn);
    }
    h->rsp_seen = true;
    h->rsp_last = f->hdr.psn;
    if (f->op->ext & PKT_AETH) {
        h->msn_seen = true;
        h->msn_last = f->hdr.msn;
    }
}

/* ---- UD ---- */

static uint32_t ud_index(struct import *im, uint32_t node, uint32_t qpn, const struct frame *f)
{
    const uint32_t known = map_find(&im->ud_map, node, qpn);
    if (known != HCT_NONE) {
        return known;
    }
    if (im->uds == IMPORT_UD_QPS_MAX) {
        import_fail(im, HCT_BAD, "frame %llu: more than %u UD QPs; import part of the capture",
                    (unsigned long long)f->number, IMPORT_UD_QPS_MAX);
        return HCT_NONE;
    }
    if (!grow(&im->ud, &im->ud_room, im->uds, sizeof *im->ud) ||
        !map_add(&im->ud_map, node, qpn, im->uds)) {
        import_no_memory(im);
        return HCT_NONE;
    }
    im->ud[im->uds] =
        (struct ud_qp){.node = node, .qpn = qpn, .first_ns = f->time_ns, .sl = sl_of(f)};
    return im->uds++;
}

static void survey_ud(struct import *im, const struct frame *f)
{
    const uint32_t from = ud_index(im, f->src, f->hdr.sqpn, f);
    const uint32_t to = ud_index(im, f->dst, f->hdr.dqpn, f);
    if (from == HCT_NONE || to == HCT_NONE) {
        return;
    }
    im->ud[from].last_ns = im->ud[to].last_ns = f->time_ns;
    im->ud[from].traffic_class = (uint8_t)(f->hdr.dscp << 2 | f->hdr.ecn);
    if (f->view.payload_len > im->ud[from].payload_max) {
        im->ud[from].payload_max = f->view.payload_len;
    }
    if (!im->ud[to].qkey_seen) {
        im->ud[to].qkey = f->hdr.qkey;
        im->ud[to].qkey_seen = true;
    }
}

uint32_t ud_of(struct import *im, uint32_t node, uint32_t qpn)
{
    const uint32_t u = map_find(&im->ud_map, node, qpn);
    return u == HCT_NONE ? HCT_NONE : im->halves + u;
}

/* ---- one frame ---- */

/* Starts the next life of a QP number; the opposite direction, as far as it is known, follows with
 * its next packet. */
static uint32_t renew(struct import *im, uint32_t first, const struct frame *f)
{
    const uint32_t old = im->half[first].current;
    uint32_t fresh;
    if (new_half(im, f, &fresh) == NULL) {
        return HCT_NONE;
    }
    const uint32_t peer = im->half[old].suitor;
    im->half[old].newer = fresh;
    im->half[first].current = fresh;
    im->sum.reused++;
    if (peer != HCT_NONE && peer != old && im->half[peer].newer == HCT_NONE &&
        !im->half[old].renewed) {
        im->half[peer].renewed = true;
    }
    return fresh;
}

void survey_frame(struct import *im, const struct frame *f)
{
    if (f->op->service == PKT_UD) {
        survey_ud(im, f);
        return;
    }
    const uint32_t first = flow_of(im, f);
    if (first == HCT_NONE) {
        return;
    }
    uint32_t at = im->half[first].current;
    const struct half *h = &im->half[at];
    const bool request = f->op->role == PKT_REQUEST;
    const bool fits = request ? !h->req_seen || request_fits(h, f->hdr.psn) : response_fits(h, f);
    const bool silent = f->time_ns - h->last_ns >= REUSE_IDLE_NS;
    if (h->renewed || (!fits && silent && (!request || starts_message(f)))) {
        at = renew(im, first, f);
    } else if (!fits) {
        return; /* the later passes count it as psn_jump */
    }
    if (at == HCT_NONE) {
        return;
    }
    im->half[at].last_ns = f->time_ns;
    learn_mtu(&im->half[at], f);
    if (request) {
        request_seen(im, at, f);
    } else {
        response_seen(im, at, f);
    }
}
