/* requester_timer.c: one timer per QP in a heap that is ordered by the deadline it was entered
 * under. */
#include "model/requester.h"

static uint64_t key(const struct requester *u, uint32_t at)
{
    return u->qp[u->heap[at]].heap_key;
}

static void place(struct requester *u, uint32_t at, uint32_t row)
{
    u->heap[at] = row;
    u->qp[row].heap_at = at + 1;
}

static void sift_up(struct requester *u, uint32_t at)
{
    const uint32_t row = u->heap[at];

    while (at != 0 && key(u, (at - 1) / 2) > u->qp[row].heap_key) {
        place(u, at, u->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    place(u, at, row);
}

static void sift_down(struct requester *u, uint32_t at)
{
    const uint32_t row = u->heap[at], n = u->s.heap_n;

    for (uint32_t child; (child = 2 * at + 1) < n; at = child) {
        child += child + 1 < n && key(u, child + 1) < key(u, child);
        if (key(u, child) >= u->qp[row].heap_key) {
            break;
        }
        place(u, at, u->heap[child]);
    }
    place(u, at, row);
}

void req_timer_set(struct requester *u, struct req_qp *r, uint64_t deadline)
{
    r->deadline = deadline;
    if (deadline == 0 || (r->heap_at != 0 && r->heap_key <= deadline)) {
        return; /* the entry in the heap comes first and will find the new deadline */
    }
    r->heap_key = deadline;
    u->s.progress++;
    if (r->heap_at == 0) {
        const uint32_t at = u->s.heap_n++;
        u->heap[at] = (uint32_t)(r - u->qp);
        sift_up(u, at);
    } else {
        sift_up(u, r->heap_at - 1);
    }
}

uint64_t req_timer_next(const struct requester *u)
{
    return u->s.heap_n == 0 ? HCA_NEVER : key(u, 0);
}

static void remove_top(struct requester *u)
{
    u->qp[u->heap[0]].heap_at = 0;
    u->s.heap_n--;
    if (u->s.heap_n != 0) {
        u->heap[0] = u->heap[u->s.heap_n];
        sift_down(u, 0);
    }
}

struct req_qp *req_timer_take(struct requester *u, uint64_t now)
{
    struct req_qp *const r = &u->qp[u->heap[0]];

    u->s.progress++;
    if (r->deadline > now) {
        r->heap_key = r->deadline;
        sift_down(u, 0);
        return NULL;
    }
    remove_top(u);
    if (r->deadline == 0) {
        return NULL;
    }
    r->deadline = 0;
    return r;
}

/* Whole milliseconds apart: 2^31 * 4.096 us in cycles of 4 GHz would overflow 64 bits on the way.
 */
static uint64_t long_cycles(const struct hca_param *p, uint64_t ns)
{
    return ns / 1000000 * p->core_clock_khz + ns_cycles(p, ns % 1000000);
}

uint64_t req_ack_cycles(const struct hca_param *p, unsigned code)
{
    const uint64_t ns = 4096ULL << (code & 31); /* IBTA vol. 1, 9.7.6.1.3 */

    return (code & 31) == 0 ? 0
                            : long_cycles(p, ns / 100 * p->hca_ack_timeout_percent +
                                                 ns % 100 * p->hca_ack_timeout_percent / 100);
}

/* Units of 10 us. source: IBTA vol. 1, table "Encoding for RNR NAK timer field" */
static const uint16_t rnr_10us[32] = {[0] = 0, /* 655.36 ms: 65536 units do not fit */
                                      1,       2,    3,     4,     6,     8,     12,   16,
                                      24,      32,   48,    64,    96,    128,   192,  256,
                                      384,     512,  768,   1024,  1536,  2048,  3072, 4096,
                                      6144,    8192, 12288, 16384, 24576, 32768, 49152};

uint64_t req_rnr_cycles(const struct hca_param *p, unsigned code)
{
    const uint64_t units = (code & 31) == 0 ? 65536 : rnr_10us[code & 31];

    return long_cycles(p, units * 10000);
}
