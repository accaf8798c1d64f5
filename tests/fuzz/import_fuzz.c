/* Capture importer. Byte 0 picks the options and what the rest is: bytes of a capture file, or
 * descriptions of packets (8 bytes each) that are built with right lengths and ICRCs, so that
 * sequencing, reassembly and pairing are reached.
 * An import must end, count every frame once, and its trace must pass the checks of the reader. */
#include "model/packet/headers.h"
#include "traces/import.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PACKETS_MAX = 256, IMAGE_MAX = 24 + PACKETS_MAX * (16 + 256 + 128), OPS = 32 };

static void require(int condition)
{
    if (!condition) {
        abort();
    }
}

struct image {
    uint8_t data[IMAGE_MAX];
    size_t bytes;
    uint64_t t_ns;
    uint32_t psn[8];
};

static void put32(struct image *m, uint64_t v)
{
    const uint32_t word = (uint32_t)v;
    memcpy(m->data + m->bytes, &word, 4);
    m->bytes += 4;
}

static const uint8_t ops[OPS] = {PKT_OP_RC_SEND_FIRST,
                                 PKT_OP_RC_SEND_MIDDLE,
                                 PKT_OP_RC_SEND_LAST,
                                 PKT_OP_RC_SEND_LAST_IMM,
                                 PKT_OP_RC_SEND_ONLY,
                                 PKT_OP_RC_SEND_ONLY_INV,
                                 PKT_OP_RC_WRITE_FIRST,
                                 PKT_OP_RC_WRITE_MIDDLE,
                                 PKT_OP_RC_WRITE_LAST,
                                 PKT_OP_RC_WRITE_LAST_IMM,
                                 PKT_OP_RC_WRITE_ONLY,
                                 PKT_OP_RC_WRITE_ONLY_IMM,
                                 PKT_OP_RC_READ_REQUEST,
                                 PKT_OP_RC_READ_RESPONSE_FIRST,
                                 PKT_OP_RC_READ_RESPONSE_MIDDLE,
                                 PKT_OP_RC_READ_RESPONSE_LAST,
                                 PKT_OP_RC_READ_RESPONSE_ONLY,
                                 PKT_OP_RC_ACK,
                                 PKT_OP_RC_ACK,
                                 PKT_OP_RC_ACK,
                                 PKT_OP_RC_ATOMIC_ACK,
                                 PKT_OP_RC_COMPARE_SWAP,
                                 PKT_OP_RC_FETCH_ADD,
                                 PKT_OP_UC_SEND_FIRST,
                                 PKT_OP_UC_SEND_LAST,
                                 PKT_OP_UC_SEND_ONLY,
                                 PKT_OP_UC_WRITE_FIRST,
                                 PKT_OP_UC_WRITE_LAST,
                                 PKT_OP_UD_SEND_ONLY,
                                 PKT_OP_UD_SEND_ONLY_IMM,
                                 PKT_OP_RC_SEND_LAST_INV,
                                 PKT_OP_CNP};

/* Description: opcode; flow (bits 0-2) and direction of PSN; PSN distance; payload; time; address
 * and length of a RETH; syndrome; bytes captured. */
static void put_packet(struct image *m, const uint8_t d[8])
{
    static uint8_t buf[PKT_HEADROOM + PKT_PAYLOAD_MAX + PKT_TAILROOM];
    static const uint8_t syndromes[8] = {0x1F, 0x1F, 0x1F, 0x60, 0x20, 0x61, 0x62, 0x00};
    const uint8_t flow = d[1] & 7, op = ops[d[0] % OPS];
    const bool back = flow & 1;
    struct pkt_hdr h = {.wire = PKT_ROCE2_V4, .opcode = op, .ttl = 64, .udp_sport = 0xC000};
    m->psn[flow] += d[2] < 128 ? d[2] : d[2] == 255 ? 0x123456u : d[2] - 256u;
    h.psn = m->psn[flow] & 0xFFFFFF;
    h.dqpn = 2u + (flow >> 1);
    h.sqpn = 2u + (flow & 3);
    h.qkey = d[5] >> 6;
    h.sgid[10] = h.sgid[11] = h.dgid[10] = h.dgid[11] = 0xFF;
    h.sgid[15] = back ? 2 : 1;
    h.dgid[15] = back ? 1 : 2;
    h.va = d[5] == 255 ? UINT64_MAX - 100 : (uint64_t)(d[5] & 63) << 10;
    h.rkey = d[5] & 3;
    h.dma_len = d[3] == 255 ? 0xFFFFFFFF : d[3] == 254 ? 1u << 31 : d[3] * 64u;
    h.inv_rkey = d[6] & 3;
    h.imm = d[6];
    h.syndrome = syndromes[d[6] & 7];
    h.msn = d[6] >> 3;
    h.ip_id = (uint16_t)(d[7] & 0x40 ? 7 : m->bytes);
    const bool some = pkt_opcode(op)->payload != PKT_PAYLOAD_NONE;
    const uint32_t len = op == PKT_OP_CNP ? 16 : some ? (d[3] & 3 ? d[3] & 255 : 256) : 0;
    memset(buf + PKT_HEADROOM, d[3], len);
    const struct pkt_frame f = pkt_build(&h, buf, len);
    require(f.len != 0 && f.len <= 256 + 128);
    const uint32_t cap = d[7] & 0x80 ? f.len * (d[7] & 63u) / 63 : f.len;
    m->t_ns += (uint64_t)d[4] * d[4] * d[4] * 1000;
    put32(m, m->t_ns / 1000000000);
    put32(m, m->t_ns % 1000000000);
    put32(m, cap);
    put32(m, f.len);
    memcpy(m->data + m->bytes, buf + f.offset, cap);
    m->bytes += cap;
}

static void build(struct image *m, const uint8_t *data, size_t size)
{
    static const uint32_t header[6] = {0xA1B23C4D, 0x00040002, 0, 0, 65535, 1};
    memcpy(m->data, header, sizeof header);
    m->bytes = sizeof header;
    for (size_t i = 0; i + 8 <= size && i / 8 < PACKETS_MAX; i += 8) {
        put_packet(m, data + i);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct image m;
    char path[512];
    if (size == 0) {
        return 0;
    }
    const uint8_t mode = data[0];
    const struct import_options opt = {.keep_bad_icrc = !(mode & 1),
                                       .no_payload = mode & 2,
                                       .no_sequence = mode & 4,
                                       .spool_bytes_max = mode & 8 ? 1000 : 0};
    const void *capture = data + 1;
    size_t bytes = size - 1;
    if (mode & 1) {
        m.bytes = 0;
        m.t_ns = 0;
        memset(m.psn, 0, sizeof m.psn);
        build(&m, data + 1, size - 1);
        capture = m.data;
        bytes = m.bytes;
    }
    (void)snprintf(path, sizeof path, HCA_TMP_DIR "/hcasim-fuzz-%ld.hct", (long)getpid());
    const bool file = (mode & 0xF0) == 0xF0; /* seldom: a file takes as long as many imports */
    struct import_summary sum;
    struct hct_error err;
    const enum hct_status st =
        hct_import_memory(capture, bytes, "fuzz", file ? path : NULL, &opt, &sum, NULL, &err);
    if (st != HCT_OK) {
        require(st == HCT_BAD && err.text[0] != 0);
        return 0;
    }
    uint64_t counted = 0;
    for (int i = 0; i < IMPORT_COUNTS; i++) {
        counted += sum.count[i];
    }
    require(counted == sum.frames);
    if (file) {
        require(hct_validate(path, &err) == HCT_OK);
        (void)unlink(path);
    }
    return 0;
}
