/* Names of numbers, and the small helpers of an op. */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "traces/hct_schema.h"

#define ENUM(list)              const char hct_text_##list[] = "enum"
#define E(name, word, doc)      " " #word
#define ENUM_END(list, count)   ;
#define BITS(list)              const char hct_text_##list[] = "bits"
#define B(name, bit, word, doc) " " #word
#define BITS_END(list)          ;
#include "traces/names.def"
#undef ENUM
#undef E
#undef ENUM_END
#undef BITS
#undef B
#undef BITS_END

/* Steps to the next word of a schema text; NULL after the last. */
static const char *next_word(const char *at, size_t *len)
{
    at += strcspn(at, " ");
    at += strspn(at, " ");
    *len = strcspn(at, " ");
    return *len ? at : NULL;
}

static size_t append(char *buf, size_t size, size_t at, const char *text, size_t len)
{
    if (at + len < size) {
        memcpy(buf + at, text, len);
        buf[at + len] = 0;
        return at + len;
    }
    return at;
}

/* The schema text is the table: the same words stand in the header of each file, so `show` names
 * the numbers of newer versions, too. */
const char *hct_name(const char *schema_text, uint64_t value, char *buf, size_t size)
{
    const bool bits = strncmp(schema_text, "bits", 4) == 0;
    uint64_t left = value;
    size_t at = 0;
    size_t len = 0;

    buf[0] = 0;
    const char *word = next_word(schema_text, &len);
    for (uint64_t n = 0; word; word = next_word(word, &len), n++) {
        if (bits && n < 64 && value >> n & 1) {
            at = append(buf, size, at, "+", at > 0);
            at = append(buf, size, at, word, len);
            left &= ~(1ull << n);
        } else if (!bits && n == value) {
            append(buf, size, 0, word, len);
            return buf;
        }
    }
    if (!bits) {
        (void)snprintf(buf, size, "%" PRIu64, value);
    } else if (left) {
        (void)snprintf(buf + at, size - at, "%s0x%" PRIx64, at ? "+" : "", left);
    } else if (value == 0) {
        append(buf, size, 0, "0", 1);
    }
    return buf;
}

int64_t hct_number(const char *schema_text, const char *word)
{
    const bool bits = strncmp(schema_text, "bits", 4) == 0;
    size_t len = 0;

    const char *w = next_word(schema_text, &len);
    for (uint32_t n = 0; w && n < 62; w = next_word(w, &len), n++) {
        if (strlen(word) == len && memcmp(w, word, len) == 0) {
            return bits ? (int64_t)(1ull << n) : (int64_t)n;
        }
    }
    return -1;
}

struct hct_op hct_op_none(void)
{
    return (struct hct_op){.qp = HCT_NONE,
                           .srq = HCT_NONE,
                           .fn = HCT_NONE,
                           .remote_mr = HCT_NONE,
                           .key_mr = HCT_NONE,
                           .ud_qp = HCT_NONE,
                           .ah = HCT_NONE};
}

uint64_t hct_op_bytes(const struct hct_op *op)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < op->sge_count && i < HCT_SGE_MAX; i++) {
        sum += op->sge[i].len_bytes;
    }
    return sum;
}

/* A field that a kind does not have is neither recorded nor assumed. */
uint32_t hct_op_fields(const struct hct_op *op)
{
    const uint32_t always = HCT_REC_TIME | HCT_REC_KIND | HCT_REC_QP | HCT_REC_EXPECT;
    const uint32_t data = HCT_REC_LOCAL | HCT_REC_LEN;
    const uint32_t wire = always | HCT_REC_FLAGS | (op->dep_count ? HCT_REC_DEP : 0u);

    switch (op->kind) {
    case HCT_SEND: return wire | data | HCT_REC_PAYLOAD;
    case HCT_SEND_IMM: return wire | data | HCT_REC_PAYLOAD | HCT_REC_IMM;
    case HCT_SEND_INV: return wire | data | HCT_REC_PAYLOAD | HCT_REC_KEY;
    case HCT_WRITE: return wire | data | HCT_REC_PAYLOAD | HCT_REC_REMOTE;
    case HCT_WRITE_IMM: return wire | data | HCT_REC_PAYLOAD | HCT_REC_REMOTE | HCT_REC_IMM;
    case HCT_READ: return wire | data | HCT_REC_PAYLOAD | HCT_REC_REMOTE;
    case HCT_CAS:
    case HCT_FAA: return wire | data | HCT_REC_PAYLOAD | HCT_REC_REMOTE | HCT_REC_ATOMIC;
    case HCT_LOCAL_INV:
    case HCT_FAST_REG: return wire | HCT_REC_KEY;
    default: return (wire & ~(uint32_t)HCT_REC_FLAGS) | data;
    }
}

/* splitmix64 by S. Vigna (public domain), made to start at any output: the state only counts. */
static uint64_t splitmix(uint64_t seed, uint64_t n)
{
    uint64_t z = seed + (n + 1) * 0x9e3779b97f4a7c15ull;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return z ^ z >> 31;
}

/* One draw for a block of 8 words, which differ by a constant: additions are cheap, and all bytes
 * of a block and of neighbours still differ. Pairs of words, as gcc does not find them itself. */
enum { BLOCK_WORDS = 8, BLOCK_BYTES = 64 };
typedef uint64_t pair __attribute__((vector_size(16)));
#define STEP(n) (n) * 0xa0761d6478bd642full

static void block(uint64_t seed, uint64_t n, uint8_t to[BLOCK_BYTES])
{
    static const pair step[BLOCK_WORDS / 2] = {
        {STEP(0), STEP(1)}, {STEP(2), STEP(3)}, {STEP(4), STEP(5)}, {STEP(6), STEP(7)}};
    const uint64_t first = splitmix(seed, n);
    const pair both = {first, first};

    for (unsigned i = 0; i < BLOCK_WORDS / 2; i++) {
        const pair word = both + step[i];
        memcpy(to + i * sizeof word, &word, sizeof word);
    }
}

void hct_pattern(uint64_t seed, uint64_t off_bytes, void *to, size_t len_bytes)
{
    uint8_t *p = to, part[BLOCK_BYTES];
    uint64_t n = off_bytes / BLOCK_BYTES;
    size_t skip = off_bytes % BLOCK_BYTES;

    while (len_bytes > 0) {
        for (; skip == 0 && len_bytes >= BLOCK_BYTES; len_bytes -= BLOCK_BYTES, p += BLOCK_BYTES) {
            block(seed, n++, p);
        }
        const size_t room = BLOCK_BYTES - skip, took = room < len_bytes ? room : len_bytes;
        if (took != 0) {
            block(seed, n++, part);
            memcpy(p, part + skip, took);
        }
        p += took;
        len_bytes -= took;
        skip = 0;
    }
}

uint32_t hct_qp_fn(const struct hct_resources *res, uint32_t qp)
{
    return res->pd[res->qp[qp].pd].fn;
}

uint32_t hct_mr_fn(const struct hct_resources *res, uint32_t mr)
{
    return res->pd[res->mr[mr].pd].fn;
}

uint32_t hct_op_fn(const struct hct_resources *res, const struct hct_op *op)
{
    if (op->qp != HCT_NONE) {
        return hct_qp_fn(res, op->qp);
    }
    return op->srq != HCT_NONE ? res->pd[res->srq[op->srq].pd].fn : op->fn;
}

uint32_t hct_op_peer(const struct hct_resources *res, const struct hct_op *op)
{
    if (op->kind >= HCT_LOCAL_INV) {
        return HCT_NONE;
    }
    return res->qp[op->qp].type == HCT_QP_UD ? op->ud_qp : res->qp[op->qp].peer;
}

int hct_exit_status(enum hct_status status)
{
    switch (status) {
    case HCT_OK:
    case HCT_END: return 0;
    case HCT_DAMAGED:
    case HCT_BAD: return 3;
    case HCT_USAGE: return 2;
    default: return 4;
    }
}

enum hct_status hct_fail(struct hct_error *err, enum hct_status status, const char *format, ...)
{
    const int no = errno;
    if (err) {
        va_list args;
        va_start(args, format);
        err->status = status;
        err->sys_errno = status == HCT_SYS ? no : 0;
        (void)vsnprintf(err->text, sizeof err->text, format, args);
        va_end(args);
        for (char *c = err->text; *c; c++) { /* names from files must not steer the terminal */
            *c = (unsigned char)*c < 0x20 || *c == 0x7f ? '?' : *c;
        }
    }
    return status;
}
