/* BTH opcodes: printed from model/spec/opcode.def into one constant table. */
#pragma once

#include <stdint.h>

/* Transport service: bits 7-5 of an opcode. */
enum pkt_service { PKT_RC = 0, PKT_UC = 1, PKT_UD = 3, PKT_NO_SERVICE = 4, PKT_XRC = 5 };

/* What a packet does; together with the position it names the operation. */
enum pkt_kind {
    PKT_SEND,
    PKT_WRITE,
    PKT_READ_REQUEST,
    PKT_READ_RESPONSE,
    PKT_ACK, /* ACK, NAK, RNR NAK: the syndrome tells */
    PKT_ATOMIC_ACK,
    PKT_COMPARE_SWAP,
    PKT_FETCH_ADD,
    PKT_NOTIFY /* CNP */
};

/* Place of a packet in its message. */
enum pkt_position { PKT_FIRST, PKT_MIDDLE, PKT_LAST, PKT_ONLY };

enum pkt_role { PKT_REQUEST, PKT_RESPONSE };

/* Payload of a correct packet: none, 0 bytes to one MTU, at least 1 byte. */
enum pkt_payload { PKT_PAYLOAD_NONE, PKT_PAYLOAD_ANY, PKT_PAYLOAD_SOME };

/* Extended headers, in the order in which they follow the BTH. */
enum pkt_ext {
    PKT_DETH = 1,
    PKT_XRCETH = 2,
    PKT_RETH = 4,
    PKT_ATOMICETH = 8,
    PKT_AETH = 16,
    PKT_ATOMICACKETH = 32,
    PKT_IMM = 64,
    PKT_IETH = 128
};

struct pkt_opcode {
    const char *name;  /* e.g. "RC_WRITE_ONLY_IMM"; NULL: no such opcode */
    uint8_t ext;       /* enum pkt_ext, or-ed */
    uint8_t ext_bytes; /* bytes of these headers together */
    uint8_t service;   /* enum pkt_service */
    uint8_t kind;      /* enum pkt_kind */
    uint8_t position;  /* enum pkt_position */
    uint8_t role;      /* enum pkt_role */
    uint8_t payload;   /* enum pkt_payload: what a correct packet carries */
};

/* One constant per row: PKT_OP_RC_SEND_FIRST = 0x00 and so on. */
enum pkt_op {
#define OPCODE(value, name, kind, position, payload, ext) PKT_OP_##name = (value),
#include "model/spec/opcode.def"
#undef OPCODE
};

/* Row of an opcode, NULL when opcode.def has none. */
const struct pkt_opcode *pkt_opcode(uint8_t opcode);
