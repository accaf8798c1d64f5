/* verify.c: bytes of operations: put in place before they are read, compared after they were
 * written (decisions 21), hashed at the end. */
#include "sim/replay/replay_i.h"

#include "model/msg.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GRH_BYTES = 40, CHUNK = 4096 };

/* --- sets of places ----------------------------------------------------------------------------
 */

static uint64_t place_key(uint32_t mr, uint64_t off)
{
    return ((uint64_t)mr << 40 ^ off) + 1;
}

static bool set_has(const uint64_t *set, uint64_t room, uint64_t key, uint64_t *at)
{
    *at = room == 0 ? 0 : (key * 0x9e3779b97f4a7c15ULL >> 16) & (room - 1);
    while (room != 0 && set[*at] != 0 && set[*at] != key) {
        *at = (*at + 1) & (room - 1);
    }
    return room != 0 && set[*at] == key;
}

/* True: it was not there before. Without memory a place is treated as known. */
static bool set_add(uint64_t **set, uint64_t *n, uint64_t *room, uint64_t key)
{
    uint64_t at;

    if (set_has(*set, *room, key, &at)) {
        return false;
    }
    if (2 * (*n + 1) > *room) {
        const uint64_t old_room = *room, fresh_room = old_room == 0 ? 1024 : 2 * old_room;
        uint64_t *const fresh = calloc(fresh_room, sizeof *fresh);
        if (fresh == NULL) {
            return false;
        }
        for (uint64_t i = 0; i < old_room; i++) {
            if ((*set)[i] != 0) {
                (void)set_has(fresh, fresh_room, (*set)[i], &at);
                fresh[at] = (*set)[i];
            }
        }
        free(*set);
        *set = fresh;
        *room = fresh_room;
        (void)set_has(*set, *room, key, &at);
    }
    (*set)[at] = key;
    ++*n;
    return true;
}

void note_grh(struct replay *r, const struct hct_op *recv)
{
    if (recv->sge_count > 0) {
        (void)set_add(&r->grh, &r->grh_n, &r->grh_room,
                      place_key(recv->sge[0].mr, recv->sge[0].off_bytes));
    }
}

/* --- moving bytes ------------------------------------------------------------------------------
 */

static struct machine *machine_of_mr(const struct replay *r, uint32_t mr)
{
    return r->machine[host_of_mr(r, mr)];
}

/* Whether the trace knows bytes [off, off + len) of the message of an operation, and they have a
 * place in the MR. */
static bool placed(const struct replay *r, const struct slot *s, uint32_t mr, uint64_t mr_off,
                   uint64_t off, size_t len)
{
    const uint64_t bytes = r->res->mr[mr].len_bytes;

    return mr_off <= bytes && len <= bytes - mr_off &&
           (s->op.payload == HCT_PAYLOAD_PATTERN ||
            (s->payload != NULL && off + len <= s->payload_bytes));
}

static void put_chunk(struct replay *r, const struct slot *s, uint32_t mr, uint64_t mr_off,
                      uint64_t off, size_t len)
{
    while (len != 0) {
        size_t run = 0;
        uint8_t *const at = driver_mr_at(machine_of_mr(r, mr), r->mr_of[mr], mr_off, &run);
        const size_t n = run < len ? run : len;
        if (s->op.payload == HCT_PAYLOAD_PATTERN) {
            hct_pattern(s->op.payload_seed, off, at, n);
        } else {
            memcpy(at, s->payload + off, n);
        }
        mr_off += n;
        off += n;
        len -= n;
    }
}

static void put(struct replay *r, const struct slot *s, uint32_t mr, uint64_t mr_off, uint64_t off,
                uint64_t len)
{
    for (uint64_t done = 0; done < len;) {
        const size_t n = len - done < CHUNK ? (size_t)(len - done) : CHUNK;
        if (!placed(r, s, mr, mr_off + done, off + done, n)) {
            return; /* outside the MR: the adapter answers that */
        }
        put_chunk(r, s, mr, mr_off + done, off + done, n);
        done += n;
    }
}

static void put_list(struct replay *r, const struct slot *s)
{
    uint64_t off = 0;

    for (unsigned i = 0; i < s->op.sge_count; i++) {
        put(r, s, s->op.sge[i].mr, s->op.sge[i].off_bytes, off, s->op.sge[i].len_bytes);
        off += s->op.sge[i].len_bytes;
    }
}

void place_source(struct replay *r, struct slot *s)
{
    const struct hct_op *const op = &s->op;

    if (!r->o.check_payload || op->payload == HCT_PAYLOAD_ABSENT) {
        return;
    }
    if (op->kind == HCT_READ) {
        put(r, s, op->remote_mr, op->remote_off_bytes, 0, hct_op_bytes(op));
    } else if (op->kind == HCT_CAS || op->kind == HCT_FAA) {
        if (set_add(&r->atomic_seen, &r->atomic_n, &r->atomic_room,
                    place_key(op->remote_mr, op->remote_off_bytes))) {
            put(r, s, op->remote_mr, op->remote_off_bytes, 0, 8);
        }
    } else if (op->kind != HCT_RECV) {
        put_list(r, s);
    }
}

/* --- comparing ---------------------------------------------------------------------------------
 */

static void mismatch(struct replay *r, const struct slot *s, uint32_t mr, uint64_t at)
{
    r->f.mismatches++;
    if (r->f.first_failure[0] == '\0') {
        snprintf(r->f.first_failure, sizeof r->f.first_failure,
                 "op %llu: wrong byte in MR %u at offset %llu", (unsigned long long)s->op.id, mr,
                 (unsigned long long)at);
    }
}

/* Place of the first byte that is not as it should be; len: none. */
static size_t differs(struct replay *r, const struct slot *s, uint32_t mr, uint64_t mr_off,
                      uint64_t off, size_t len)
{
    uint8_t pattern[CHUNK];
    size_t done = 0;

    while (done < len) {
        size_t run = 0;
        const uint8_t *const got =
            driver_mr_at(machine_of_mr(r, mr), r->mr_of[mr], mr_off + done, &run);
        const uint8_t *want = pattern;
        const size_t n = run < len - done ? run : len - done;
        size_t i = 0;
        if (s->op.payload == HCT_PAYLOAD_PATTERN) {
            hct_pattern(s->op.payload_seed, off + done, pattern, n);
        } else {
            want = s->payload + off + done;
        }
        if (memcmp(want, got, n) != 0) {
            while (want[i] == got[i]) {
                i++;
            }
            return done + i;
        }
        done += n;
    }
    return len;
}

/* False: the bytes are not known or not there. */
static bool same(struct replay *r, const struct slot *s, uint32_t mr, uint64_t mr_off, uint64_t off,
                 uint64_t len)
{
    for (uint64_t done = 0; done < len;) {
        const size_t n = len - done < CHUNK ? (size_t)(len - done) : CHUNK;
        if (!placed(r, s, mr, mr_off + done, off + done, n)) {
            return false;
        }
        const size_t at = differs(r, s, mr, mr_off + done, off + done, n);
        if (at < n && (s->raced || r->p.hca_relaxed_ordering != 0)) {
            /* Another operation under way uses the same bytes; or writes pass each other, and what
             * is seen last is not the last. */
            return false;
        }
        if (at < n) {
            mismatch(r, s, mr, mr_off + done + at);
            return true;
        }
        done += n;
    }
    return true;
}

static void count(struct replay *r, bool known)
{
    r->f.checked += known;
    r->f.unchecked += !known;
}

void check_target(struct replay *r, struct slot *s)
{
    const struct hct_op *const op = &s->op;
    bool known = r->o.check_payload && op->payload != HCT_PAYLOAD_ABSENT;
    uint64_t off = 0;

    if (writes_remote(op->kind)) {
        known = known && same(r, s, op->remote_mr, op->remote_off_bytes, 0, hct_op_bytes(op));
    } else if (op->kind == HCT_READ) {
        for (unsigned i = 0; known && i < op->sge_count; i++) {
            known = same(r, s, op->sge[i].mr, op->sge[i].off_bytes, off, op->sge[i].len_bytes);
            off += op->sge[i].len_bytes;
        }
    } else {
        return;
    }
    count(r, known);
}

void check_received(struct replay *r, struct slot *send, struct slot *recv, uint32_t byte_len,
                    bool grh)
{
    const struct hct_op *const op = &recv->op;
    uint64_t skip = grh ? GRH_BYTES : 0, off = 0;
    uint64_t left = byte_len >= skip ? byte_len - skip : 0;
    bool known = r->o.check_payload && send->op.payload != HCT_PAYLOAD_ABSENT;
    const uint64_t next = recv->next;

    if (send->op.kind == HCT_WRITE_IMM) {
        return; /* compared as a write */
    }
    if (known && left != hct_op_bytes(&send->op)) {
        if (send->raced) {
            count(r, false);
            return;
        }
        mismatch(r, send, HCT_NONE, left);
    }
    /* A receive posted behind this one into the same bytes may have been filled already. */
    if (next != NO_OP && held(r, next) && op->sge_count > 0 && slot_of(r, next)->op.sge_count > 0 &&
        slot_of(r, next)->op.sge[0].mr == op->sge[0].mr &&
        slot_of(r, next)->op.sge[0].off_bytes == op->sge[0].off_bytes) {
        send->raced = true;
    }
    for (unsigned i = 0; known && i < op->sge_count && left > 0; i++) {
        const uint64_t gone = skip < op->sge[i].len_bytes ? skip : op->sge[i].len_bytes;
        const uint64_t room = op->sge[i].len_bytes - gone, n = room < left ? room : left;
        known = same(r, send, op->sge[i].mr, op->sge[i].off_bytes + gone, off, n);
        skip -= gone;
        off += n;
        left -= n;
    }
    count(r, known);
}

/* --- hash --------------------------------------------------------------------------------------
 */

static uint64_t hash_mr(const struct replay *r, uint64_t h, uint32_t mr)
{
    const struct hct_mr *const x = &r->res->mr[mr];
    struct machine *const m = machine_of_mr(r, mr);
    const bool alias = x->layout == HCT_LAYOUT_ALIAS;
    const uint64_t bytes = alias && x->layout_arg < x->len_bytes ? x->layout_arg : x->len_bytes;
    uint8_t chunk[CHUNK];

    for (uint64_t off = 0; off < bytes;) {
        size_t n = bytes - off < CHUNK ? (size_t)(bytes - off) : CHUNK;
        if (!driver_mr_read(m, r->mr_of[mr], off, chunk, n)) {
            break;
        }
        h = hash_words(h, off, chunk, n);
        off += n;
    }
    return h;
}

/* GRH areas hold addresses that depend on the wire: they are zeroed before the hash is taken, which
 * is the last thing done to simulated memory. */
static void clear_grh(const struct replay *r, uint32_t mr)
{
    static const uint8_t zero[GRH_BYTES];

    for (uint64_t i = 0; i < r->grh_room; i++) {
        const uint64_t key = r->grh[i] - 1;
        if (r->grh[i] != 0 && key >> 40 == mr) {
            (void)driver_mr_write(machine_of_mr(r, mr), r->mr_of[mr], key & ((1ULL << 40) - 1),
                                  zero, GRH_BYTES);
        }
    }
}

uint64_t replay_memory_hash(const struct replay *r, unsigned host)
{
    uint64_t h = 0;

    for (uint32_t mr = 0; mr < r->res->mrs; mr++) {
        if (host_of_mr(r, mr) == host && (r->res->mr[mr].flags & HCT_MR_PHYSICAL) == 0) {
            clear_grh(r, mr);
            h = hash_mr(r, hash_words(h, mr, "", 0), mr);
        }
    }
    return h;
}
