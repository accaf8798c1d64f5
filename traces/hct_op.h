/* Workload content of an HCT trace: what the fields of traces/record.def may hold.
 *
 * Meaning of an op. The ops of one queue (send queue of a QP, receive queue of a QP or SRQ, DMA
 * bench of a function) are posted in file order, each when all its deps hold, the queue has room
 * and, with --timing captured or scale=X, its t_ps has come. A recv goes to the receive queue,
 * every other kind with a QP to the send queue. A recv without deps and with t_ps 0 belongs to the
 * set-up: it is posted before time 0, as programs do before they exchange their addresses.
 *
 * Happenings an op may depend on (dep.type), always of an op X earlier in the file:
 *   local     X's own completion is visible to the CPU that posted it: the poll or interrupt that
 *             shows its CQE; unsignalled: the CQE that proves it retired; recv: its CQE; dma_*: the
 *             end of the DMA.
 *   recv      X is a send* or write_imm: the CQE of the receive it consumed is visible at the
 *             receiving CPU.
 *   visible   X is a write* or a send*: its last byte is visible in the target's memory (a polling
 *             ping-pong). read, cas, faa: the result is visible in the requester's memory.
 *   window    as local, and says that X is the op window_ops earlier on the same queue: the slot
 *             that this op takes over.
 * The post call happens at the maximum over deps of (happening + think_ps). */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define HCT_NONE          UINT32_MAX /* no such object */
#define HCT_OP_NONE       UINT64_MAX /* no such op */
#define HCT_SGE_MAX       16         /* pieces of a local list */
#define HCT_DEP_MAX       4
#define HCT_TEXT_BYTES    64           /* a name with its final 0 */
#define HCT_MSG_BYTES_MAX (1ull << 31) /* verbs: longest message */
#define HCT_MR_BYTES_MAX  (1ull << 40)
#define HCT_TIME_PS_MAX   (1ull << 62) /* 53 days; of t_ps and think_ps */

/* Named numbers, from traces/names.def: enum hct_names_kind { HCT_SEND, ... }, ... */
#define ENUM(list)        \
    enum hct_names_##list \
    {
#define E(name, word, doc) name,
#define ENUM_END(list, count) \
    count                     \
    }                         \
    ;
#define BITS(list)        \
    enum hct_names_##list \
    {
#define B(name, bit, word, doc) name = 1 << (bit),
#define BITS_END(list) \
    }                  \
    ;
#include "traces/names.def"
#undef ENUM
#undef E
#undef ENUM_END
#undef BITS
#undef B
#undef BITS_END

/* Schema texts: "enum a b c" (the number is the place in the list), "bits a b c" (bit n). */
#define ENUM(list) extern const char hct_text_##list[];
#define E(name, word, doc)
#define ENUM_END(list, count)
#define BITS(list) extern const char hct_text_##list[];
#define B(name, bit, word, doc)
#define BITS_END(list)
#include "traces/names.def"
#undef ENUM
#undef E
#undef ENUM_END
#undef BITS
#undef B
#undef BITS_END

/* The structs: struct hct_host, hct_fn, hct_pd, hct_mr, hct_cq, hct_srq, hct_qp, hct_ah, hct_op. */
#define RECORD(r, id, doc)          struct hct_##r {
#define F(r, bits, name, unit, doc) uint##bits##_t name;
#define TEXT(r, name, doc)          char name[HCT_TEXT_BYTES];
#define BYTES(r, name, doc)                                             \
    const uint8_t *name; /* in the reader: lives until its next call */ \
    uint32_t name##_bytes;
#define LIST(r, name, element, max, doc) \
    uint16_t name##_count;               \
    struct hct_##element name[max];
#define END(r) \
    }          \
    ;
#include "traces/record.def"
#undef RECORD
#undef F
#undef TEXT
#undef BYTES
#undef LIST
#undef END

/* Text of number `value` in a schema text such as hct_text_kind: writes the word (enum), the words
 * joined by "+" (bits; "0" when none), or the number when the list has no name for it, and returns
 * buf. */
const char *hct_name(const char *schema_text, uint64_t value, char *buf, size_t size);

/* Number of a word in an enum text, mask of one word in a bits text; -1 when it is not there. */
int64_t hct_number(const char *schema_text, const char *word);

/* An op with every object field none, kind send, everything else 0. */
struct hct_op hct_op_none(void);

/* Sum of the local list in bytes: the message length (recv: room; dma_*: DMA length). */
uint64_t hct_op_bytes(const struct hct_op *op);

/* HCT_REC_* mask of the fields that mean something for this op: what provenance shares are of. */
uint32_t hct_op_fields(const struct hct_op *op);

/* Pattern payload: bytes [off, off + len) of the message whose payload_seed is seed. Byte i is byte
 * i % 8 (little-endian) of splitmix64 output number i / 8 of that seed: any part can be made alone.
 */
void hct_pattern(uint64_t seed, uint64_t off_bytes, void *to, size_t len_bytes);
