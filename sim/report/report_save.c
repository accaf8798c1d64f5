/* report_save.c: what a report has gathered since set-up, as bytes and back. Figures at the end of
 * set-up are taken again by report_start. */
#include "sim/report/report_i.h"

#include "sim/checkpoint/bytes.h"

#include <string.h>

struct sums { /* the scalars of struct report that operations change */
    uint64_t groups, ungrouped, messages, message_bytes, staged, fields_recorded, fields_assumed,
        failures;
};

static void put_group(const struct group *g, struct bytes_out *o)
{
    struct group plain = *g;
    uint64_t used = 0;

    plain.latency.bucket = NULL;
    bytes_put(o, &plain, sizeof plain);
    for (uint32_t b = 0; g->latency.bucket != NULL && b < HIST_BUCKETS; b++) {
        used += g->latency.bucket[b] != 0;
    }
    bytes_put_u64(o, used);
    for (uint32_t b = 0; g->latency.bucket != NULL && b < HIST_BUCKETS; b++) {
        if (g->latency.bucket[b] != 0) {
            bytes_put_u64(o, b);
            bytes_put_u64(o, g->latency.bucket[b]);
        }
    }
}

void report_save(const struct report *r, struct bytes_out *o)
{
    const struct sums s = {.groups = r->groups,
                           .ungrouped = r->ungrouped,
                           .messages = r->messages,
                           .message_bytes = r->message_bytes,
                           .staged = r->staged,
                           .fields_recorded = r->fields_recorded,
                           .fields_assumed = r->fields_assumed,
                           .failures = r->failures};

    bytes_put(o, &s, sizeof s);
    bytes_put(o, r->stage_ps, sizeof r->stage_ps);
    bytes_put(o, r->failed, sizeof r->failed);
    for (unsigned i = 0; i < r->groups; i++) {
        put_group(&r->group[i], o);
    }
}

/* Gives h its buckets, all empty, by adding a value. */
static bool get_hist(struct hist *h, const struct hist *sums, struct bytes_in *i)
{
    const uint64_t used = bytes_get_u64(i, HIST_BUCKETS, "a histogram has too many buckets");
    uint64_t count = 0;

    if (i->why == NULL && used != 0) {
        if (!hist_add(h, 0)) {
            return bytes_bad(i, "no memory for a histogram");
        }
        h->bucket[0] = 0;
    }
    for (uint64_t k = 0; k < used && i->why == NULL; k++) {
        const uint64_t b = bytes_get_u64(i, HIST_BUCKETS - 1, "a bucket that does not exist");
        h->bucket[b] = bytes_get_u64(i, UINT64_MAX, "");
        count += h->bucket[b];
    }
    h->count = sums->count;
    h->min = sums->min;
    h->max = sums->max;
    h->sum_lo = sums->sum_lo;
    h->sum_hi = sums->sum_hi;
    return count == sums->count || bytes_bad(i, "a histogram holds another number than it says");
}

static bool group_ok(const struct report *r, const struct group *g)
{
    return g->kind < HCT_KIND_COUNT && g->transport <= HCT_QP_COUNT && g->size_class <= 65 &&
           g->host < r->p.host_count && g->fn < r->res->fns && g->kept_n <= KEPT &&
           g->seen >= g->kept_n;
}

static bool get_group(struct report *r, struct bytes_in *i)
{
    struct group plain;

    if (!bytes_get(i, &plain, sizeof plain)) {
        return false;
    }
    if (!group_ok(r, &plain)) {
        return bytes_bad(i,
                         "a group of operations has a kind, a function or a size that cannot be");
    }
    struct group *const g = &r->group[r->groups++];
    const struct hist sums = plain.latency;
    *g = plain;
    g->latency = (struct hist){0};
    return get_hist(&g->latency, &sums, i);
}

bool report_load(struct report *r, struct bytes_in *i)
{
    struct sums s;

    if (!bytes_get(i, &s, sizeof s) || !bytes_get(i, r->stage_ps, sizeof r->stage_ps) ||
        !bytes_get(i, r->failed, sizeof r->failed)) {
        return false;
    }
    if (s.groups > GROUPS_MAX || r->groups != 0) {
        return bytes_bad(i, "it has more groups of operations than a report");
    }
    for (unsigned k = 0; k < FAILED_LISTED && k < s.failures; k++) {
        if (r->failed[k].kind >= HCT_KIND_COUNT) {
            return bytes_bad(i, "a failed operation is of a kind that cannot be");
        }
    }
    for (uint64_t k = 0; k < s.groups; k++) {
        if (!get_group(r, i)) {
            return false;
        }
    }
    r->ungrouped = s.ungrouped;
    r->messages = s.messages;
    r->message_bytes = s.message_bytes;
    r->staged = s.staged;
    r->fields_recorded = s.fields_recorded;
    r->fields_assumed = s.fields_assumed;
    r->failures = s.failures;
    return bytes_end(i);
}
