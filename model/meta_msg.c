/* meta_msg.c: messages as bit vectors, for RTL bridges, waveforms and the package printer. */
#include "model/meta.h"

#include <string.h>

/* Walks the fields of a message; offset: where the current one lies in the C struct. */
struct walk {
    unsigned row, offset;
};

static struct walk first(unsigned msg)
{
    return (struct walk){msg, sizeof(uint64_t)}; /* `at` comes first */
}

static const struct meta_msg_field *next(struct walk *w)
{
    const struct meta_msg_field *const old = &meta_msg_fields[w->row];

    w->offset += old->bytes;
    if (++w->row == meta_msg_field_count || meta_msg_fields[w->row].msg != NULL) {
        return NULL;
    }
    const struct meta_msg_field *const f = &meta_msg_fields[w->row];
    w->offset = (w->offset + f->bytes - 1U) / f->bytes * f->bytes;
    return f;
}

unsigned meta_msg_find(const char *name)
{
    unsigned i = 0;

    while (i < meta_msg_field_count &&
           (meta_msg_fields[i].msg == NULL || strcmp(meta_msg_fields[i].msg, name) != 0)) {
        i++;
    }
    return i;
}

unsigned meta_msg_bits(unsigned msg)
{
    struct walk w = first(msg);
    unsigned bits = 0;

    for (const struct meta_msg_field *f; (f = next(&w)) != NULL;) {
        bits += f->bits;
    }
    return bits;
}

static uint64_t mask(unsigned bits)
{
    return bits == 64 ? ~0ULL : (1ULL << bits) - 1;
}

void meta_msg_pack(unsigned msg, const void *entry, uint32_t words[META_MSG_WORDS])
{
    struct walk w = first(msg);
    unsigned at = meta_msg_bits(msg);

    memset(words, 0, META_MSG_WORDS * sizeof *words);
    for (const struct meta_msg_field *f; (f = next(&w)) != NULL;) {
        uint64_t v = 0;
        memcpy(&v, (const uint8_t *)entry + w.offset, f->bytes);
        v &= mask(f->bits);
        at -= f->bits;
        for (unsigned bit = at, left = f->bits; left > 0;) {
            const unsigned n = left < 32 - bit % 32 ? left : 32 - bit % 32;
            words[bit / 32] |= (uint32_t)((v & mask(n)) << bit % 32);
            v = n == 64 ? 0 : v >> n;
            bit += n;
            left -= n;
        }
    }
}

void meta_msg_unpack(unsigned msg, const uint32_t words[META_MSG_WORDS], void *entry)
{
    struct walk w = first(msg);
    unsigned at = meta_msg_bits(msg);

    memset(entry, 0, sizeof(uint64_t));
    for (const struct meta_msg_field *f; (f = next(&w)) != NULL;) {
        uint64_t v = 0;
        at -= f->bits;
        for (unsigned bit = at, done = 0; done < f->bits;) {
            const unsigned left = f->bits - done;
            const unsigned n = left < 32 - bit % 32 ? left : 32 - bit % 32;
            v |= (words[bit / 32] >> bit % 32 & mask(n)) << done;
            bit += n;
            done += n;
        }
        memcpy((uint8_t *)entry + w.offset, &v, f->bytes);
    }
}
