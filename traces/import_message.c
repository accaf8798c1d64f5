/* Messages between first packet and trace: one list in order of start, from whose head they are
 * emitted, and one list per half of those that wait for their acknowledgement.
 *
 * A message is emitted when it is complete and acknowledged (or no acknowledgement can come), so a
 * refusal by the responder is known in time and operations stand in the trace in order of start. */
#include "model/assert.h"
#include "traces/import_i.h"

#include <string.h>

#define SPOOL_BYTES_MAX (8ull << 30)

static bool is_answered(uint8_t kind)
{
    return kind == HCT_READ || kind == HCT_CAS || kind == HCT_FAA;
}

static void release(struct import *im, uint32_t m)
{
    im->msg[m].order_next = im->msg_free;
    im->msg_free = m;
    im->msgs--;
}

static void emit(struct import *im, const struct msg *m)
{
    count(im, IMPORT_COUNT_request, m->used);
    count(im, IMPORT_COUNT_response, m->answered);
    im->sum.messages[m->kind]++;
    im->sum.message_bytes += m->len;
    if (!im->t0_known) {
        im->t0_ns = m->start_ns;
        im->t0_known = true;
    }
    im->qp[m->poster].unacked += m->half != HCT_NONE && !m->acked;
    if (im->pass == PASS_COUNT) {
        plan_message(im, m);
    } else {
        write_message(im, m);
    }
}

/* Takes the head of a lane's waiting list off. */
static void unwait(struct import *im, struct lane *lane)
{
    struct msg *m = &im->msg[lane->wait_first];
    const uint32_t index = lane->wait_first;
    m->waiting = false;
    lane->wait_first = m->wait_next;
    lane->wait_last = lane->wait_first == HCT_NONE ? HCT_NONE : lane->wait_last;
    lane->wait_n--;
    if (m->dropped && m->order_next == index) { /* left the order list before */
        release(im, index);
    }
}

static void unwait_dropped(struct import *im, struct lane *lane)
{
    while (lane->wait_first != HCT_NONE && im->msg[lane->wait_first].dropped) {
        unwait(im, lane);
    }
}

/* Gives up on the head of the order list: a limit struck. */
static void force(struct import *im, uint32_t index)
{
    struct msg *m = &im->msg[index];
    if (m->half == HCT_NONE) { /* UD: complete from the start */
        return;
    }
    struct lane *lane = &im->lane[m->half];
    while (m->waiting) {
        unwait(im, lane);
    }
    if (m->complete) {
        return;
    }
    if (lane->orphan == index) {
        lane->orphan = HCT_NONE;
    } else if (is_answered(m->kind)) {
        m->complete = true;
        return;
    } else {
        lane->open = HCT_NONE;
        lane->skip = true;
        lane->skip_reason = IMPORT_COUNT_no_room;
    }
    msg_drop(im, index, IMPORT_COUNT_no_room);
}

static bool over_limit(const struct import *im)
{
    const uint64_t most = im->opt.spool_bytes_max != 0 ? im->opt.spool_bytes_max : SPOOL_BYTES_MAX;
    return im->msgs == IMPORT_MESSAGES_MAX || im->spooled > most;
}

/* Pops the head of the order list. */
static void pop(struct import *im)
{
    const uint32_t index = im->order_first;
    struct msg *m = &im->msg[index];
    im->order_first = m->order_next;
    im->order_last = im->order_first == HCT_NONE ? HCT_NONE : im->order_last;
    if (m->waiting) {
        m->order_next = index; /* marks that it is in no order list */
    } else {
        release(im, index);
    }
}

void msg_emit_ready(struct import *im)
{
    while (im->order_first != HCT_NONE && im->status == HCT_OK) {
        const uint32_t index = im->order_first;
        struct msg *m = &im->msg[index];
        if (!m->dropped && (!m->complete || m->waiting)) {
            if (!over_limit(im)) {
                return;
            }
            force(im, index);
        }
        if (!m->dropped) {
            emit(im, m);
        }
        spool_drop(im, &m->pieces, &m->spooled);
        pop(im);
    }
}

static uint32_t take(struct import *im)
{
    if (over_limit(im)) {
        msg_emit_ready(im);
    }
    uint32_t index = im->msg_free;
    if (index != HCT_NONE) {
        im->msg_free = im->msg[index].order_next;
    } else {
        index = im->msgs;
        if (!grow(&im->msg, &im->msg_room, index, sizeof *im->msg)) {
            import_no_memory(im);
            return HCT_NONE;
        }
    }
    im->msgs++;
    return index;
}

/* A new message at the end of the order list. */
static uint32_t start(struct import *im, uint32_t half, uint32_t poster, uint32_t target,
                      uint8_t kind, uint64_t time_ns)
{
    const uint32_t index = take(im);
    if (index == HCT_NONE) {
        return HCT_NONE;
    }
    struct msg *m = &im->msg[index];
    *m = (struct msg){.start_ns = time_ns,
                      .half = half,
                      .poster = poster,
                      .target = target,
                      .kind = kind,
                      .arrival = UINT64_MAX,
                      .order_next = HCT_NONE,
                      .wait_next = HCT_NONE,
                      .pieces = {HCT_NONE, HCT_NONE, HCT_NONE}};
    if (im->order_last != HCT_NONE) {
        im->msg[im->order_last].order_next = index;
    } else {
        im->order_first = index;
    }
    im->order_last = index;
    rule_started(im, m);
    return index;
}

uint32_t msg_start(struct import *im, uint32_t half, uint8_t kind, uint64_t time_ns)
{
    struct lane *lane = &im->lane[half];
    const uint32_t index = start(im, half, im->half[half].peer, half, kind, time_ns);
    if (index == HCT_NONE || !lane->answers) {
        return index;
    }
    if (lane->wait_n == UNANSWERED_PER_HALF_MAX) {
        msg_forget_wait(im, half);
    }
    im->msg[index].waiting = true;
    if (lane->wait_last != HCT_NONE) {
        im->msg[lane->wait_last].wait_next = index;
    } else {
        lane->wait_first = index;
    }
    lane->wait_last = index;
    lane->wait_n++;
    return index;
}

uint32_t msg_start_ud(struct import *im, uint32_t poster, uint32_t target, uint64_t time_ns)
{
    return start(im, HCT_NONE, poster, target, HCT_SEND, time_ns);
}

void msg_complete(struct import *im, uint32_t index)
{
    struct msg *m = &im->msg[index];
    m->complete = true;
    if (!is_answered(m->kind)) {
        rule_arrived(im, m);
    }
    if (m->half == HCT_NONE || !im->lane[m->half].answers) {
        msg_emit_ready(im);
    }
}

void msg_acknowledged(struct import *im, uint32_t index)
{
    struct msg *m = &im->msg[index];
    struct lane *lane = &im->lane[m->half];
    hca_assert(lane->wait_first == index);
    m->complete = true; /* a READ with missing responses has had them all, too */
    m->acked = lane->confirmed = true;
    rule_completed(im, m);
    unwait(im, lane);
    unwait_dropped(im, lane);
}

/* The oldest message of a half is not waited for any longer. */
void msg_forget_wait(struct import *im, uint32_t half)
{
    struct lane *lane = &im->lane[half];
    struct msg *m = &im->msg[lane->wait_first];
    m->complete = m->complete || is_answered(m->kind);
    if (!m->dropped) {
        rule_completed(im, m);
    }
    unwait(im, lane);
    unwait_dropped(im, lane);
}

void msg_drop(struct import *im, uint32_t index, enum import_count reason)
{
    struct msg *m = &im->msg[index];
    hca_assert(!m->dropped);
    m->dropped = true;
    im->sum.messages_left_out++;
    count(im, reason, (uint64_t)m->used + m->answered);
    spool_drop(im, &m->pieces, &m->spooled);
    rule_completed(im, m);
    if (m->half != HCT_NONE) {
        unwait_dropped(im, &im->lane[m->half]);
    }
}

void msg_finish(struct import *im)
{
    for (uint32_t h = 0; h < im->halves && im->status == HCT_OK; h++) {
        request_finish(im, h);
        response_finish(im, h);
        while (im->lane[h].wait_first != HCT_NONE) {
            msg_forget_wait(im, h);
        }
    }
    msg_emit_ready(im);
    hca_assert(im->status != HCT_OK || (im->order_first == HCT_NONE && im->msgs == 0));
}
