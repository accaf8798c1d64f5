#include "model/root.h"

void root_count(struct hca_stat *s, unsigned cls, uint64_t n, uint64_t payload, uint64_t bytes)
{
    switch (cls) {
    case CLS_DOORBELL:
        s->root_dn_tlps_doorbell += n;
        s->root_dn_payload_doorbell += payload;
        s->root_dn_bytes_doorbell += bytes;
        break;
    case CLS_WQE:
        s->root_dn_tlps_wqe += n;
        s->root_dn_payload_wqe += payload;
        s->root_dn_bytes_wqe += bytes;
        break;
    case CLS_CONTEXT:
        s->root_dn_tlps_context += n;
        s->root_dn_payload_context += payload;
        s->root_dn_bytes_context += bytes;
        break;
    case CLS_XLAT:
        s->root_dn_tlps_xlat += n;
        s->root_dn_payload_xlat += payload;
        s->root_dn_bytes_xlat += bytes;
        break;
    case CLS_PAYLOAD:
    case CLS_GRH:
        s->root_dn_tlps_payload += n;
        s->root_dn_payload_payload += payload;
        s->root_dn_bytes_payload += bytes;
        break;
    case CLS_CQE:
        s->root_dn_tlps_cqe += n;
        s->root_dn_payload_cqe += payload;
        s->root_dn_bytes_cqe += bytes;
        break;
    case CLS_INTERRUPT:
        s->root_dn_tlps_interrupt += n;
        s->root_dn_payload_interrupt += payload;
        s->root_dn_bytes_interrupt += bytes;
        break;
    case CLS_ATOMIC:
        s->root_dn_tlps_atomic += n;
        s->root_dn_payload_atomic += payload;
        s->root_dn_bytes_atomic += bytes;
        break;
    case CLS_EVENT:
        s->root_dn_tlps_event += n;
        s->root_dn_payload_event += payload;
        s->root_dn_bytes_event += bytes;
        break;
    case CLS_HEAD:
        s->root_dn_tlps_head += n;
        s->root_dn_payload_head += payload;
        s->root_dn_bytes_head += bytes;
        break;
    default: /* CLS_COMMAND */
        s->root_dn_tlps_command += n;
        s->root_dn_payload_command += payload;
        s->root_dn_bytes_command += bytes;
        break;
    }
}
