/* Responses: acknowledgements, refusals, READ data, atomic results. They go through half `h` and
 * answer requests of its peer. */
#include "traces/import_i.h"

/* AETH syndrome (IBA vol. 1, 9.7.5.2.1). */
enum { SYNDROME_KIND = 0x60, IS_ACK = 0x00, IS_RNR = 0x20, IS_NAK = 0x60, NAK_SEQUENCE = 0x60 };

static bool has_answer(const struct msg *m)
{
    switch (m->kind) {
    case HCT_READ: return m->got == m->span && m->holes == 0;
    case HCT_CAS:
    case HCT_FAA: return m->answer_seen;
    default: return true;
    }
}

/* Something behind a READ or atomic is answered, but it is not: the requester will ask again, or
 * the capture lost the answer. True when it has had time enough to ask. */
static bool is_overdue(const struct import *im, struct msg *m)
{
    if (m->overdue_ns == 0) {
        m->overdue_ns = im->now_ns + GAP_WAIT_NS;
    }
    return im->now_ns >= m->overdue_ns;
}

/* All requests up to psn have been executed. */
static void acknowledge(struct import *im, uint32_t half, uint32_t psn)
{
    struct lane *lane = &im->lane[half];
    if (!lane->started) {
        return;
    }
    request_received(im, half, psn);
    while (lane->wait_first != HCT_NONE) {
        struct msg *m = &im->msg[lane->wait_first];
        const bool open = m->span == 0 || lane->wait_first == lane->open;
        if (open || psn_diff(psn, psn_add(m->psn, m->span - 1)) < 0 ||
            (!has_answer(m) && !is_overdue(im, m))) {
            break;
        }
        msg_acknowledged(im, lane->wait_first);
    }
    msg_emit_ready(im);
}

/* The request with this PSN failed at the responder; the connection ends with it. */
static void refuse(struct import *im, uint32_t half, uint32_t psn)
{
    struct lane *lane = &im->lane[half];
    for (uint32_t m = lane->wait_first, next; m != HCT_NONE; m = next) {
        const struct msg *x = &im->msg[m];
        next = x->wait_next;
        if (!x->dropped && (x->span == 0 || psn_diff(psn, psn_add(x->psn, x->span - 1)) <= 0)) {
            lane->open = m == lane->open ? HCT_NONE : lane->open;
            lane->dead = true;
            msg_drop(im, m, IMPORT_COUNT_refused);
        }
    }
    msg_emit_ready(im);
}

static void ack(struct import *im, uint32_t half, const struct frame *f)
{
    const struct lane *lane = &im->lane[half];
    const uint8_t syndrome = f->hdr.syndrome;
    const uint32_t before = psn_add(f->hdr.psn, 0xFFFFFF);
    if (lane->started && psn_diff(f->hdr.psn, lane->next_psn) > PSN_JUMP) {
        count(im, IMPORT_COUNT_psn_jump, 1);
        return;
    }
    switch (syndrome & (SYNDROME_KIND | 0x80)) {
    case IS_ACK:
        count(im, IMPORT_COUNT_ack, 1);
        acknowledge(im, half, f->hdr.psn);
        break;
    case IS_RNR:
        count(im, IMPORT_COUNT_nak_rnr, 1);
        acknowledge(im, half, before);
        break;
    case IS_NAK:
        count(im, syndrome == NAK_SEQUENCE ? IMPORT_COUNT_nak_sequence : IMPORT_COUNT_nak_error, 1);
        acknowledge(im, half, before);
        if (syndrome != NAK_SEQUENCE) {
            refuse(im, half, f->hdr.psn);
        }
        break;
    default: count(im, IMPORT_COUNT_malformed, 1); break;
    }
}

/* The READ or atomic that this PSN answers, HCT_NONE: there is none waiting. */
static uint32_t asked(struct import *im, uint32_t half, uint32_t psn)
{
    for (uint32_t m = im->lane[half].wait_first; m != HCT_NONE; m = im->msg[m].wait_next) {
        const struct msg *x = &im->msg[m];
        const int32_t d = psn_diff(psn, x->psn);
        if (d < 0) {
            break;
        }
        if (!x->dropped && x->span != 0 && (uint32_t)d < x->span) {
            return x->kind == HCT_READ || x->kind == HCT_CAS || x->kind == HCT_FAA ? m : HCT_NONE;
        }
    }
    return HCT_NONE;
}

static void not_asked(struct import *im, uint32_t half, const struct frame *f)
{
    const struct lane *lane = &im->lane[half];
    const bool again = lane->started && psn_diff(f->hdr.psn, lane->first_psn) >= 0 &&
                       psn_diff(f->hdr.psn, lane->next_psn) < 0;
    count(im, again ? IMPORT_COUNT_response_again : IMPORT_COUNT_orphan_response, 1);
}

static void atomic_ack(struct import *im, uint32_t half, const struct frame *f)
{
    const uint32_t index = asked(im, half, f->hdr.psn);
    if (index == HCT_NONE || im->msg[index].kind == HCT_READ) {
        not_asked(im, half, f);
        return;
    }
    struct msg *m = &im->msg[index];
    m->orig = f->hdr.atomic_orig;
    m->answer_seen = true;
    m->answered++;
    acknowledge(im, half, f->hdr.psn);
}

/* ---- READ ---- */

/* True when response `at` of a READ is new; keeps account of what is missing. */
static bool read_takes(struct msg *m, uint32_t at)
{
    if (at >= m->got) {
        if (at > m->got && m->holes < READ_HOLES) {
            m->hole[m->holes].first = m->got;
            m->hole[m->holes++].last = at - 1;
        }
        m->got = at + 1;
        return true;
    }
    for (uint32_t i = 0; i < m->holes; i++) {
        if (at < m->hole[i].first || at > m->hole[i].last) {
            continue;
        }
        if (at == m->hole[i].first) {
            m->hole[i].first++;
        } else if (at == m->hole[i].last) {
            m->hole[i].last--;
        } else if (m->holes < READ_HOLES) {
            m->hole[m->holes].first = at + 1;
            m->hole[m->holes++].last = m->hole[i].last;
            m->hole[i].last = at - 1;
        } else { /* give up what comes before it */
            m->hole[i].first = at + 1;
        }
        if (m->hole[i].first > m->hole[i].last) {
            m->hole[i] = m->hole[--m->holes];
        }
        return true;
    }
    return false;
}

static void read_response(struct import *im, uint32_t half, const struct frame *f)
{
    const uint32_t index = asked(im, half, f->hdr.psn);
    if (index == HCT_NONE || im->msg[index].kind != HCT_READ) {
        not_asked(im, half, f);
        return;
    }
    struct msg *m = &im->msg[index];
    const uint32_t mtu = im->half[half].mtu_bytes;
    const uint32_t at = (f->hdr.psn - m->psn) & 0xFFFFFF;
    const uint64_t off = (uint64_t)at * mtu;
    const uint64_t left = m->len - off;
    if (f->view.payload_len != (left < mtu ? left : mtu)) {
        count(im, IMPORT_COUNT_bad_payload, 1);
        return;
    }
    if (!read_takes(m, at)) {
        count(im, IMPORT_COUNT_response_again, 1);
        return;
    }
    m->answered++;
    m->answer_seen = true;
    im->sum.header_only += f->view.payload_captured < f->view.payload_len;
    spool_put(im, &m->pieces, off, f->payload, f->view.payload_captured, &m->spooled);
    acknowledge(im, half, psn_add(m->psn, has_answer(m) ? m->span - 1 : 0xFFFFFF));
}

/* ---- READ data without any request in the capture ---- */

static void orphan_drop(struct import *im, uint32_t half, enum import_count reason)
{
    const uint32_t index = im->lane[half].orphan;
    im->lane[half].orphan = HCT_NONE;
    msg_drop(im, index, reason);
}

static void orphan_start(struct import *im, uint32_t half, const struct frame *f)
{
    struct lane *lane = &im->lane[half];
    lane->started = true;
    lane->orphan = msg_start(im, half, HCT_READ, f->time_ns);
    if (lane->orphan == HCT_NONE) {
        return;
    }
    struct msg *m = &im->msg[lane->orphan];
    m->psn = m->next_psn = lane->first_psn = f->hdr.psn;
    m->remote_assumed = true;
    m->answer_seen = true;
}

/* Packets of READs in one direction only: sizes are those of the data. */
static void orphan_response(struct import *im, uint32_t half, const struct frame *f)
{
    struct lane *lane = &im->lane[half];
    const uint32_t mtu = im->half[half].mtu_bytes;
    const uint32_t n = f->view.payload_len;
    const bool first = f->op->position == PKT_FIRST || f->op->position == PKT_ONLY;
    const bool last = f->op->position == PKT_LAST || f->op->position == PKT_ONLY;
    const int32_t d = lane->started ? psn_diff(f->hdr.psn, lane->next_psn) : 0;
    if (d < 0 && d >= -PSN_JUMP) {
        count(im, IMPORT_COUNT_response_again, 1);
        return;
    }
    lane->next_psn = psn_add(f->hdr.psn, 1);
    if (lane->orphan != HCT_NONE && (first || d > PSN_JUMP || d < 0)) {
        orphan_drop(im, half, IMPORT_COUNT_cut_middle);
    }
    if (first) {
        orphan_start(im, half, f);
    }
    if (lane->orphan == HCT_NONE) {
        count(im, first ? IMPORT_COUNT_no_room : IMPORT_COUNT_orphan_response, 1);
        return;
    }
    struct msg *m = &im->msg[lane->orphan];
    const uint64_t off = (uint64_t)((f->hdr.psn - m->psn) & 0xFFFFFF) * mtu;
    m->answered++;
    if (n > mtu || (!last && n != mtu) || off + n > HCT_MSG_BYTES_MAX) {
        orphan_drop(im, half, IMPORT_COUNT_bad_payload);
        return;
    }
    im->sum.header_only += f->view.payload_captured < n;
    spool_put(im, &m->pieces, off, f->payload, f->view.payload_captured, &m->spooled);
    if (last) {
        const uint32_t index = lane->orphan;
        m->len = off + n;
        lane->orphan = HCT_NONE;
        msg_complete(im, index);
    }
}

void response_frame(struct import *im, uint32_t half, const struct frame *f)
{
    const uint32_t peer = im->half[half].peer;
    if (f->op->kind == PKT_ACK && peer == HCT_NONE) {
        count(im, IMPORT_COUNT_ack, 1); /* of requests that the capture does not hold */
    } else if (peer == HCT_NONE) {
        count(im, IMPORT_COUNT_orphan_response, 1);
    } else if (f->op->kind == PKT_ACK) {
        ack(im, peer, f);
    } else if (f->op->kind == PKT_ATOMIC_ACK) {
        atomic_ack(im, peer, f);
    } else if (im->half[peer].virtual) {
        orphan_response(im, peer, f);
    } else {
        read_response(im, peer, f);
    }
}

void response_finish(struct import *im, uint32_t half)
{
    if (im->lane[half].orphan != HCT_NONE && im->status == HCT_OK) {
        orphan_drop(im, half, IMPORT_COUNT_cut_end);
    }
}
