#include "sim/report/stamps.h"

#include "model/trace.h"
#include "sim/checkpoint/bytes.h"

#include <stdlib.h>
#include <string.h>

enum { PER_OP = 62, FIRST_SLOTS = 1024 };

struct op {
    uint64_t id; /* + 1; 0: free slot */
    uint32_t n, lost;
    struct {
        uint64_t at_ps;
        uint8_t stage;
    } s[PER_OP];
};

/* Open addressing over pointers to records; a free list keeps the records. */
struct stamps {
    struct op **slot;
    uint64_t slots, used;
    struct op **spare;
    uint64_t spares, spare_room;
};

struct stamps *stamps_open(void)
{
    struct stamps *const s = calloc(1, sizeof *s);

    if (s != NULL) {
        s->slots = FIRST_SLOTS;
        s->slot = calloc(s->slots, sizeof(struct op *));
    }
    if (s == NULL || s->slot == NULL) {
        free(s);
        return NULL;
    }
    return s;
}

void stamps_close(struct stamps *s)
{
    if (s == NULL) {
        return;
    }
    for (uint64_t i = 0; i < s->slots; i++) {
        free(s->slot[i]);
    }
    for (uint64_t i = 0; i < s->spares; i++) {
        free(s->spare[i]);
    }
    free(s->spare);
    free(s->slot);
    free(s);
}

static uint64_t home(const struct stamps *s, uint64_t id)
{
    return (id * 0x9e3779b97f4a7c15ULL >> 20) & (s->slots - 1);
}

static uint64_t find(const struct stamps *s, uint64_t id)
{
    uint64_t i = home(s, id);

    while (s->slot[i] != NULL && s->slot[i]->id != id + 1) {
        i = (i + 1) & (s->slots - 1);
    }
    return i;
}

static bool grow(struct stamps *s)
{
    struct op **const old = s->slot;
    const uint64_t n = s->slots;
    struct op **const fresh = n == 0 ? NULL : calloc(2 * n, sizeof(struct op *));

    if (fresh == NULL) {
        return false;
    }
    s->slot = fresh;
    s->slots = 2 * n;
    for (uint64_t i = 0; i < n; i++) {
        if (old[i] != NULL) {
            s->slot[find(s, old[i]->id - 1)] = old[i];
        }
    }
    free(old);
    return true;
}

static struct op *take_record(struct stamps *s)
{
    return s->spares > 0 ? s->spare[--s->spares] : malloc(sizeof(struct op));
}

static void give_record(struct stamps *s, struct op *o)
{
    if (s->spares == s->spare_room) {
        const uint64_t room = s->spare_room == 0 ? 64 : 2 * s->spare_room;
        struct op **const p = realloc(s->spare, room * sizeof(struct op *));
        if (p == NULL) {
            free(o);
            return;
        }
        s->spare = p;
        s->spare_room = room;
    }
    s->spare[s->spares++] = o;
}

/* Slot of an operation that has no stamp yet; NULL: no memory. */
__attribute__((noinline)) static struct op *begin(struct stamps *s, uint64_t id)
{
    if (2 * (s->used + 1) > s->slots && !grow(s)) {
        return NULL;
    }
    struct op *const fresh = take_record(s);
    if (fresh == NULL) {
        return NULL;
    }
    fresh->id = id + 1;
    fresh->n = fresh->lost = 0;
    s->slot[find(s, id)] = fresh;
    s->used++;
    return fresh;
}

bool stamps_add(struct stamps *s, uint64_t id, uint8_t stage, uint64_t at_ps)
{
    struct op *const had = s->slot[find(s, id)], *const o = had != NULL ? had : begin(s, id);

    if (o == NULL) {
        return false;
    }
    if (o->n == PER_OP) {
        o->lost++;
        return true;
    }
    uint32_t at = o->n++;
    for (; at > 0 && (o->s[at - 1].at_ps > at_ps ||
                      (o->s[at - 1].at_ps == at_ps && o->s[at - 1].stage > stage));
         at--) {
        o->s[at] = o->s[at - 1];
    }
    o->s[at].at_ps = at_ps;
    o->s[at].stage = stage;
    return true;
}

/* Removes slot i and moves the entries behind it up, so that searches still find them. */
static void remove_slot(struct stamps *s, uint64_t i)
{
    give_record(s, s->slot[i]);
    s->slot[i] = NULL;
    s->used--;
    for (uint64_t j = (i + 1) & (s->slots - 1); s->slot[j] != NULL; j = (j + 1) & (s->slots - 1)) {
        struct op *const o = s->slot[j];
        s->slot[j] = NULL;
        s->slot[find(s, o->id - 1)] = o;
    }
}

uint64_t stamps_last(struct stamps *s, uint64_t id, uint8_t stage)
{
    const struct op *const o = s->slot[find(s, id)];
    uint64_t t = 0;

    for (uint32_t n = 0; o != NULL && n < o->n; n++) {
        t = o->s[n].stage == stage ? o->s[n].at_ps : t;
    }
    return t;
}

void stamps_take(struct stamps *s, uint64_t id, uint64_t from_ps, uint64_t to_ps, uint8_t last,
                 struct stage_times *out)
{
    const uint64_t i = find(s, id);
    const struct op *const o = s->slot[i];
    uint64_t at = from_ps;

    memset(out, 0, sizeof *out);
    for (uint32_t n = 0; o != NULL && n < o->n; n++) {
        const uint64_t t = o->s[n].at_ps;
        const uint8_t stage = o->s[n].stage;
        if (stage == STAGE_first_out || stage == STAGE_first_in) {
            out->last[stage] = t;
        } else if (t >= from_ps && t <= to_ps) {
            out->ps[stage] += t - at;
            out->last[stage] = t;
            at = t;
        }
    }
    out->ps[last] += to_ps - at;
    out->last[last] = to_ps;
    if (o != NULL) {
        out->lost = o->lost;
        remove_slot(s, i);
    }
}

void stamps_drop(struct stamps *s, uint64_t below)
{
    for (uint64_t i = 0; i < s->slots; i++) {
        while (s->slot[i] != NULL && s->slot[i]->id <= below) {
            remove_slot(s, i);
        }
    }
}

void stamps_save(const struct stamps *s, struct bytes_out *o)
{
    bytes_put_u64(o, s->used);
    for (uint64_t i = 0; i < s->slots; i++) {
        const struct op *const p = s->slot[i];
        if (p != NULL) {
            bytes_put(o, p, offsetof(struct op, s));
            bytes_put(o, p->s, p->n * sizeof p->s[0]);
        }
    }
}

static struct op *load_op(struct bytes_in *i)
{
    struct op head, *p;

    if (!bytes_get(i, &head, offsetof(struct op, s))) {
        return NULL;
    }
    if (head.id == 0 || head.n > PER_OP) {
        (void)bytes_bad(i, "an operation has more stamps than are kept");
        return NULL;
    }
    p = malloc(sizeof *p);
    if (p == NULL || !bytes_get(i, p->s, head.n * sizeof p->s[0])) {
        (void)bytes_bad(i, "no memory for its stamps");
        free(p);
        return NULL;
    }
    p->id = head.id;
    p->n = head.n;
    p->lost = head.lost;
    for (uint32_t k = 0; k < p->n; k++) {
        if (p->s[k].stage >= STAMP_STAGES) {
            (void)bytes_bad(i, "a stamp names a stage that does not exist");
            free(p);
            return NULL;
        }
    }
    return p;
}

bool stamps_load(struct stamps *s, struct bytes_in *i)
{
    const uint64_t many = bytes_get_u64(i, SIZE_MAX, "");

    for (uint64_t k = 0; k < s->slots; k++) {
        free(s->slot[k]);
        s->slot[k] = NULL;
    }
    s->used = 0;
    for (uint64_t k = 0; k < many && i->why == NULL; k++) {
        if (2 * (s->used + 1) > s->slots && !grow(s)) {
            return bytes_bad(i, "no memory for its stamps");
        }
        struct op *const p = load_op(i);
        if (p == NULL) {
            return false;
        }
        const uint64_t at = find(s, p->id - 1);
        if (s->slot[at] != NULL) {
            free(p);
            return bytes_bad(i, "an operation has stamps twice");
        }
        s->slot[at] = p;
        s->used++;
    }
    return bytes_end(i);
}
