#include "sim/checkpoint/bytes.h"

#include <stdlib.h>
#include <string.h>

void *bytes_room(struct bytes_out *o, size_t n)
{
    if (!o->failed && n > o->room - o->n) {
        size_t room = o->room == 0 ? 4096 : o->room;
        while (room - o->n < n) {
            room += room / 2;
        }
        uint8_t *const more = realloc(o->b, room);
        o->failed = more == NULL;
        o->b = more == NULL ? o->b : more;
        o->room = more == NULL ? o->room : room;
    }
    if (o->failed) {
        return NULL;
    }
    o->n += n;
    return o->b + o->n - n;
}

void bytes_put(struct bytes_out *o, const void *from, size_t n)
{
    void *const to = n == 0 ? NULL : bytes_room(o, n);

    if (to != NULL) {
        memcpy(to, from, n);
    }
}

void bytes_put_u64(struct bytes_out *o, uint64_t v)
{
    bytes_put(o, &v, sizeof v);
}

void bytes_free(struct bytes_out *o)
{
    free(o->b);
    *o = (struct bytes_out){0};
}

bool bytes_bad(struct bytes_in *i, const char *why)
{
    i->why = i->why == NULL ? why : i->why;
    return false;
}

const void *bytes_at(struct bytes_in *i, size_t n)
{
    if (i->why != NULL || n > i->n - i->at) {
        (void)bytes_bad(i, "it ends too early");
        return NULL;
    }
    i->at += n;
    return i->b + i->at - n;
}

bool bytes_get(struct bytes_in *i, void *to, size_t n)
{
    const void *const from = bytes_at(i, n);

    if (from != NULL && n != 0) {
        memcpy(to, from, n);
    }
    return from != NULL;
}

uint64_t bytes_get_u64(struct bytes_in *i, uint64_t max, const char *why)
{
    uint64_t v;

    if (!bytes_get(i, &v, sizeof v)) {
        return 0;
    }
    if (v > max) {
        (void)bytes_bad(i, why);
        return 0;
    }
    return v;
}

bool bytes_bool(const bool *b)
{
    uint8_t v;

    memcpy(&v, b, sizeof v);
    return v <= 1;
}

bool bytes_end(struct bytes_in *i)
{
    return i->why == NULL && (i->at == i->n || bytes_bad(i, "bytes are left over at its end"));
}
