#include "model/packet/fc.h"

#include "model/packet/bytes.h"
#include "model/packet/crc.h"

void fc_build(const struct fc_packet *f, uint8_t *p)
{
    be16_put(p, (f->op & 15u) << 12 | (f->fctbs & 0xFFFu));
    be16_put(p + 2, (f->vl & 15u) << 12 | (f->fccl & 0xFFFu));
    const uint16_t crc = crc16_update(0, p, 4);
    memcpy(p + 4, &crc, sizeof crc);
}

bool fc_parse(const uint8_t *p, uint32_t len, struct fc_packet *f)
{
    uint16_t crc;

    if (len != FC_PACKET_BYTES) {
        return false;
    }
    memcpy(&crc, p + 4, sizeof crc);
    const uint32_t a = be16_get(p), b = be16_get(p + 2);
    *f = (struct fc_packet){
        .fctbs = a & 0xFFF, .fccl = b & 0xFFF, .vl = (uint8_t)(b >> 12), .op = (uint8_t)(a >> 12)};
    return crc == crc16_update(0, p, 4) && f->op <= FC_OP_INIT;
}
