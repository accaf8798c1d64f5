/* Requests: packets of a half in order of PSN, and the messages they make.
 *
 * A packet whose PSN comes too early waits for the missing ones, which were either lost on the wire
 * and will be sent again, or lost by the capture: an acknowledgement beyond them, too many packets
 * behind them, or a second of silence decide for the latter. */
#include "traces/import_i.h"

#include <string.h>

uint32_t read_span(uint64_t len, uint32_t mtu_bytes)
{
    return len == 0 ? 1 : (uint32_t)((len + mtu_bytes - 1) / mtu_bytes);
}

/* ---- messages out of packets in order ---- */

static void skip_rest(struct lane *lane, enum import_count reason)
{
    lane->open = HCT_NONE;
    lane->skip = true;
    lane->skip_reason = (uint8_t)reason;
}

/* The open message will not get its last packet, for the next one of the half has this PSN. A WRITE
 * is known by its RETH, a SEND is not. */
static void close_cut(struct import *im, struct lane *lane, uint32_t psn, enum import_count reason)
{
    const uint32_t index = lane->open;
    struct msg *m = &im->msg[index];
    lane->open = HCT_NONE;
    if (m->next_psn == psn) { /* nothing is missing: the sender itself broke it off */
        m->span = 1;
        msg_drop(im, index, IMPORT_COUNT_bad_payload);
    } else if (m->kind == HCT_WRITE && im->half[m->half].service == PKT_RC) {
        m->kind_assumed = true; /* an immediate would have been in the last packet */
        im->sum.messages_cut++;
        msg_complete(im, index);
    } else {
        m->span = 1; /* so that it does not block acknowledgements */
        msg_drop(im, index, reason);
    }
}

/* Keeps the payload of a packet, which is in the spool already when the packet had to wait. */
static void store(struct import *im, struct msg *m, uint64_t off, const struct frame *f,
                  struct held *held)
{
    im->sum.header_only += f->view.payload_captured < f->view.payload_len;
    if (held != NULL) {
        spool_move(im, &held->pieces, &m->pieces, off);
        m->spooled += held->spooled;
        held->spooled = 0;
    } else {
        spool_put(im, &m->pieces, off, f->payload, f->view.payload_captured, &m->spooled);
    }
}

/* Impossible addresses and lengths; the responder would refuse them. */
static bool address_bad(const struct frame *f)
{
    const uint64_t len = f->op->ext & PKT_ATOMICETH ? 8 : f->hdr.dma_len;
    return len > HCT_MSG_BYTES_MAX || f->hdr.va > UINT64_MAX - len - 4096;
}

static uint8_t kind_of(const struct frame *f)
{
    switch (f->op->kind) {
    case PKT_WRITE: return f->op->ext & PKT_IMM ? HCT_WRITE_IMM : HCT_WRITE;
    case PKT_READ_REQUEST: return HCT_READ;
    case PKT_COMPARE_SWAP: return HCT_CAS;
    case PKT_FETCH_ADD: return HCT_FAA;
    default:
        return f->op->ext & PKT_IMM    ? HCT_SEND_IMM
               : f->op->ext & PKT_IETH ? HCT_SEND_INV
                                       : HCT_SEND;
    }
}

/* Starts the message of a first or only packet; HCT_NONE: refused, counted. */
static uint32_t open_message(struct import *im, uint32_t half, const struct frame *f)
{
    struct lane *lane = &im->lane[half];
    const uint32_t mtu = im->half[half].mtu_bytes;
    if ((f->op->ext & (PKT_RETH | PKT_ATOMICETH)) != 0 && address_bad(f)) {
        count(im, IMPORT_COUNT_bad_address, 1);
        skip_rest(lane, IMPORT_COUNT_bad_address);
        return HCT_NONE;
    }
    const uint32_t index = msg_start(im, half, kind_of(f), f->time_ns);
    if (index == HCT_NONE) {
        return HCT_NONE;
    }
    struct msg *m = &im->msg[index];
    const bool atomic = m->kind == HCT_CAS || m->kind == HCT_FAA;
    m->psn = f->hdr.psn;
    m->next_psn = m->psn;
    m->va = f->hdr.va;
    m->rkey = f->hdr.rkey;
    m->swap_add = f->hdr.atomic_swap_add;
    m->compare = f->hdr.atomic_compare;
    m->len = atomic ? 8 : f->hdr.dma_len;
    if (f->op->kind != PKT_SEND) {
        m->span = atomic ? 1 : read_span(m->len, mtu);
    }
    return index;
}

/* Takes a packet of a SEND or WRITE; false: its payload contradicts what is known. */
static bool add_packet(struct import *im, uint32_t index, const struct frame *f, struct held *held)
{
    struct msg *m = &im->msg[index];
    const struct half *h = &im->half[m->half];
    const uint64_t off = (uint64_t)((f->hdr.psn - m->psn) & 0xFFFFFF) * h->mtu_bytes;
    const uint32_t n = f->view.payload_len;
    const bool last = f->op->position == PKT_LAST || f->op->position == PKT_ONLY;
    const bool sized = f->op->kind == PKT_WRITE;
    m->used++;
    m->next_psn = psn_add(f->hdr.psn, 1);
    if (n > h->mtu_bytes || (!last && n != h->mtu_bytes) || off + n > HCT_MSG_BYTES_MAX ||
        (sized && (last ? off + n != m->len : off + n >= m->len))) {
        return false;
    }
    store(im, m, off, f, held);
    if (!last) {
        return true;
    }
    m->len = off + n;
    m->span = ((f->hdr.psn - m->psn) & 0xFFFFFF) + 1;
    m->kind = kind_of(f);
    m->imm = f->op->ext & PKT_IMM ? f->hdr.imm : f->hdr.inv_rkey;
    m->solicited = f->hdr.se != 0;
    return true;
}

/* A READ or atomic request is a message by itself; its answer comes the other way. */
static void ask(struct import *im, uint32_t half, const struct frame *f)
{
    const uint32_t index = open_message(im, half, f);
    if (index == HCT_NONE) {
        return;
    }
    im->msg[index].used = 1;
    if (!im->lane[half].answers) {
        msg_complete(im, index);
    }
}

static void transfer(struct import *im, uint32_t half, const struct frame *f, struct held *held)
{
    struct lane *lane = &im->lane[half];
    const bool first = f->op->position == PKT_FIRST || f->op->position == PKT_ONLY;
    const bool last = f->op->position == PKT_LAST || f->op->position == PKT_ONLY;
    if (first) {
        lane->open = open_message(im, half, f);
        if (lane->open == HCT_NONE) { /* counted */
            return;
        }
    } else if (lane->open != HCT_NONE &&
               (im->msg[lane->open].kind == HCT_WRITE) != (f->op->kind == PKT_WRITE)) {
        close_cut(im, lane, f->hdr.psn, IMPORT_COUNT_cut_middle);
    }
    if (lane->open == HCT_NONE) {
        count(im, lane->skip ? lane->skip_reason : IMPORT_COUNT_cut_start, 1);
        return;
    }
    const uint32_t index = lane->open;
    if (!add_packet(im, index, f, held)) {
        skip_rest(lane, IMPORT_COUNT_bad_payload);
        im->msg[index].span = 1;
        msg_drop(im, index, IMPORT_COUNT_bad_payload);
        return;
    }
    if (last) {
        lane->open = HCT_NONE;
        msg_complete(im, index);
    }
}

/* A packet in its place in the order of PSNs. `held`: its payload, when it had to wait. */
static void deliver(struct import *im, uint32_t half, const struct frame *f, struct held *held)
{
    struct lane *lane = &im->lane[half];
    const bool first = f->op->position == PKT_FIRST || f->op->position == PKT_ONLY;
    if (first && lane->open != HCT_NONE) {
        close_cut(im, lane, f->hdr.psn, IMPORT_COUNT_cut_middle);
    }
    lane->skip = lane->skip && !first;
    lane->next_psn = psn_add(f->hdr.psn, 1);
    if (lane->dead) {
        count(im, IMPORT_COUNT_refused, 1);
        return;
    }
    if (f->op->kind == PKT_SEND || f->op->kind == PKT_WRITE) {
        transfer(im, half, f, held);
        return;
    }
    if (f->op->kind == PKT_READ_REQUEST) {
        lane->next_psn = psn_add(f->hdr.psn, read_span(f->hdr.dma_len, im->half[half].mtu_bytes));
    }
    ask(im, half, f);
}

/* `psns` packets are missing for good. */
static void gap(struct import *im, uint32_t half, uint32_t psns)
{
    struct lane *lane = &im->lane[half];
    lane->next_psn = psn_add(lane->next_psn, psns);
    if (lane->open == HCT_NONE) {
        lane->skip = false; /* the rest of what follows has no known first packet */
        return;
    }
    struct msg *m = &im->msg[lane->open];
    if (im->half[half].service == PKT_UC) { /* the responder drops the message, too */
        const uint32_t index = lane->open;
        skip_rest(lane, IMPORT_COUNT_cut_middle);
        msg_drop(im, index, IMPORT_COUNT_cut_middle);
        return;
    }
    if (m->kind == HCT_WRITE) {
        const uint32_t at = (m->next_psn - m->psn) & 0xFFFFFF;
        if (at + psns >= m->span) { /* its last packet is among the missing */
            close_cut(im, lane, lane->next_psn, IMPORT_COUNT_cut_middle);
        }
        return;
    }
    m->len_assumed = true; /* another SEND could have ended and begun in the gap */
}

/* ---- packets that wait ---- */

/* A free element of held[], HCT_NONE without memory. */
static uint32_t held_take(struct import *im)
{
    uint32_t index = im->held_free;
    if (index != HCT_NONE) {
        im->held_free = im->held[index].next;
    } else {
        index = im->helds;
        if (!grow(&im->held, &im->held_room, index, sizeof *im->held)) {
            import_no_memory(im);
            return HCT_NONE;
        }
    }
    im->helds++;
    return index;
}

static void repeated(struct import *im, struct lane *lane)
{
    count(im, IMPORT_COUNT_retransmitted, 1);
    lane->repeated++;
}

static void hold(struct import *im, struct lane *lane, const struct frame *f)
{
    uint32_t before = HCT_NONE;
    uint32_t at = lane->held_first;
    while (at != HCT_NONE && psn_diff(im->held[at].frame.hdr.psn, f->hdr.psn) < 0) {
        before = at;
        at = im->held[at].next;
    }
    if (at != HCT_NONE && im->held[at].frame.hdr.psn == f->hdr.psn) {
        repeated(im, lane);
        return;
    }
    const uint32_t index = held_take(im);
    if (index == HCT_NONE) {
        return;
    }
    struct held *h = &im->held[index];
    *h = (struct held){.frame = *f, .next = at, .pieces = {HCT_NONE, HCT_NONE, HCT_NONE}};
    *(before == HCT_NONE ? &lane->held_first : &im->held[before].next) = index;
    if (lane->held_n++ == 0) {
        lane->gap_since_ns = f->time_ns;
    }
    spool_put(im, &h->pieces, 0, f->payload, f->view.payload_captured, &h->spooled);
}

/* Delivers the waiting packets that are in order now. */
static void drain(struct import *im, uint32_t half)
{
    struct lane *lane = &im->lane[half];
    while (lane->held_first != HCT_NONE && im->status == HCT_OK) {
        const uint32_t index = lane->held_first;
        const int32_t d = psn_diff(im->held[index].frame.hdr.psn, lane->next_psn);
        if (d > 0) {
            return;
        }
        struct held h = im->held[index];
        lane->held_first = h.next;
        lane->held_n--;
        im->held[index].next = im->held_free;
        im->held_free = index;
        im->helds--;
        if (d == 0) {
            deliver(im, half, &h.frame, &h);
        } else { /* inside of the PSNs of a READ */
            repeated(im, lane);
        }
        spool_drop(im, &h.pieces, &h.spooled);
    }
}

/* Takes the PSNs before the first waiting packet for lost. */
static void release_gap(struct import *im, uint32_t half)
{
    struct lane *lane = &im->lane[half];
    const uint32_t psn = im->held[lane->held_first].frame.hdr.psn;
    gap(im, half, (psn - lane->next_psn) & 0xFFFFFF);
    drain(im, half);
    if (lane->held_first != HCT_NONE) {
        lane->gap_since_ns = im->now_ns;
    }
}

void request_received(struct import *im, uint32_t half, uint32_t psn)
{
    struct lane *lane = &im->lane[half];
    while (lane->held_first != HCT_NONE && im->status == HCT_OK) {
        const uint32_t last_missing = psn_add(im->held[lane->held_first].frame.hdr.psn, 0xFFFFFF);
        if (psn_diff(psn, last_missing) < 0) {
            return;
        }
        release_gap(im, half);
    }
}

/* The first packets of a half may be lost before the tap: then what was taken for the beginning is
 * refused by the responder, and comes again behind the true beginning. */
static bool begins_earlier(const struct import *im, uint32_t half, const struct frame *f)
{
    const struct lane *lane = &im->lane[half];
    const int32_t d = psn_diff(f->hdr.psn, lane->first_psn);
    const bool first = f->op->position == PKT_FIRST || f->op->position == PKT_ONLY;
    return d < 0 && d >= -IMPORT_HELD_PER_HALF_MAX && first && lane->answers && !lane->confirmed;
}

static void begin_again(struct import *im, struct lane *lane, uint32_t psn)
{
    for (uint32_t m = lane->wait_first, next; m != HCT_NONE; m = next) {
        next = im->msg[m].wait_next;
        if (!im->msg[m].dropped) {
            lane->repeated += im->msg[m].used;
            msg_drop(im, m, IMPORT_COUNT_retransmitted);
            im->sum.messages_left_out--;
        }
    }
    lane->open = HCT_NONE;
    lane->skip = false;
    lane->next_psn = lane->first_psn = psn;
}

void request_frame(struct import *im, uint32_t half, const struct frame *f)
{
    struct lane *lane = &im->lane[half];
    if (!lane->started) {
        lane->started = true;
        lane->next_psn = lane->first_psn = f->hdr.psn;
    } else if (begins_earlier(im, half, f)) {
        begin_again(im, lane, f->hdr.psn);
    }
    const int32_t d = psn_diff(f->hdr.psn, lane->next_psn);
    const int32_t back = PSN_JUMP + (int32_t)im->half[half].read_psns;
    if (d > PSN_JUMP || d < -back) {
        count(im, IMPORT_COUNT_psn_jump, 1);
    } else if (d < 0) {
        repeated(im, lane);
    } else if (d == 0) {
        deliver(im, half, f, NULL);
        drain(im, half);
    } else if (im->half[half].service == PKT_UC ||
               (im->helds == IMPORT_HELD_MAX && lane->held_n == 0)) {
        gap(im, half, (uint32_t)d);
        deliver(im, half, f, NULL);
    } else {
        hold(im, lane, f);
        if (im->helds == IMPORT_HELD_MAX || lane->held_n >= IMPORT_HELD_PER_HALF_MAX ||
            im->now_ns - lane->gap_since_ns > GAP_WAIT_NS) {
            release_gap(im, half);
        }
    }
}

void request_finish(struct import *im, uint32_t half)
{
    struct lane *lane = &im->lane[half];
    while (lane->held_first != HCT_NONE && im->status == HCT_OK) {
        release_gap(im, half);
    }
    if (lane->open != HCT_NONE && im->status == HCT_OK) {
        const uint32_t missing = psn_add(im->msg[lane->open].next_psn, 1);
        close_cut(im, lane, missing, IMPORT_COUNT_cut_end);
    }
}

/* ---- UD ---- */

void ud_frame(struct import *im, const struct frame *f)
{
    const uint32_t from = ud_of(im, f->src, f->hdr.sqpn);
    const uint32_t to = ud_of(im, f->dst, f->hdr.dqpn);
    if (from == HCT_NONE || to == HCT_NONE) {
        import_fail(im, HCT_BAD, "the capture changed while it was read");
        return;
    }
    if (f->hdr.qkey != im->ud[to - im->halves].qkey) {
        count(im, IMPORT_COUNT_qkey, 1);
        return;
    }
    if (f->view.payload_len > 4096) {
        count(im, IMPORT_COUNT_bad_payload, 1);
        return;
    }
    const uint32_t index = msg_start_ud(im, from, to, f->time_ns);
    if (index == HCT_NONE) {
        return;
    }
    struct msg *m = &im->msg[index];
    m->used = 1;
    m->len = f->view.payload_len;
    m->kind = kind_of(f);
    m->imm = f->hdr.imm;
    m->solicited = f->hdr.se != 0;
    m->rkey = f->hdr.qkey;
    store(im, m, 0, f, NULL);
    msg_complete(im, index);
}
