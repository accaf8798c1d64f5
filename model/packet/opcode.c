#include "model/packet/opcode.h"

#include <stddef.h>

/* Bytes on the wire of a set of extended headers. */
#define EXT_BYTES(e)                                                                          \
    (((e)&PKT_DETH ? 8 : 0) + ((e)&PKT_XRCETH ? 4 : 0) + ((e)&PKT_RETH ? 16 : 0) +            \
     ((e)&PKT_ATOMICETH ? 28 : 0) + ((e)&PKT_AETH ? 4 : 0) + ((e)&PKT_ATOMICACKETH ? 8 : 0) + \
     ((e)&PKT_IMM ? 4 : 0) + ((e)&PKT_IETH ? 4 : 0))

#define ROLE(kind)                                                                               \
    ((kind) == PKT_READ_RESPONSE || (kind) == PKT_ACK || (kind) == PKT_ATOMIC_ACK ? PKT_RESPONSE \
                                                                                  : PKT_REQUEST)

static const struct pkt_opcode table[256] = {
#define OPCODE(value, name_, kind_, position_, payload_, ext_) \
    [value] = {.name = #name_,                                 \
               .ext = (ext_),                                  \
               .ext_bytes = EXT_BYTES(ext_),                   \
               .service = (value) >> 5,                        \
               .kind = PKT_##kind_,                            \
               .position = PKT_##position_,                    \
               .role = ROLE(PKT_##kind_),                      \
               .payload = PKT_PAYLOAD_##payload_},
#include "model/spec/opcode.def"
#undef OPCODE
};

const struct pkt_opcode *pkt_opcode(uint8_t opcode)
{
    return table[opcode].name != NULL ? &table[opcode] : NULL;
}
