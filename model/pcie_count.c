#include "model/pcie.h"

void pcie_count(struct hca_stat *s, unsigned cls, uint64_t n, uint64_t payload, uint64_t bytes)
{
    switch (cls) {
    case CLS_DOORBELL:
        s->pcie_up_tlps_doorbell += n;
        s->pcie_up_payload_doorbell += payload;
        s->pcie_up_bytes_doorbell += bytes;
        break;
    case CLS_WQE:
        s->pcie_up_tlps_wqe += n;
        s->pcie_up_payload_wqe += payload;
        s->pcie_up_bytes_wqe += bytes;
        break;
    case CLS_CONTEXT:
        s->pcie_up_tlps_context += n;
        s->pcie_up_payload_context += payload;
        s->pcie_up_bytes_context += bytes;
        break;
    case CLS_XLAT:
        s->pcie_up_tlps_xlat += n;
        s->pcie_up_payload_xlat += payload;
        s->pcie_up_bytes_xlat += bytes;
        break;
    case CLS_PAYLOAD:
    case CLS_GRH:
        s->pcie_up_tlps_payload += n;
        s->pcie_up_payload_payload += payload;
        s->pcie_up_bytes_payload += bytes;
        break;
    case CLS_CQE:
        s->pcie_up_tlps_cqe += n;
        s->pcie_up_payload_cqe += payload;
        s->pcie_up_bytes_cqe += bytes;
        break;
    case CLS_INTERRUPT:
        s->pcie_up_tlps_interrupt += n;
        s->pcie_up_payload_interrupt += payload;
        s->pcie_up_bytes_interrupt += bytes;
        break;
    case CLS_ATOMIC:
        s->pcie_up_tlps_atomic += n;
        s->pcie_up_payload_atomic += payload;
        s->pcie_up_bytes_atomic += bytes;
        break;
    case CLS_EVENT:
        s->pcie_up_tlps_event += n;
        s->pcie_up_payload_event += payload;
        s->pcie_up_bytes_event += bytes;
        break;
    case CLS_HEAD:
        s->pcie_up_tlps_head += n;
        s->pcie_up_payload_head += payload;
        s->pcie_up_bytes_head += bytes;
        break;
    default: /* CLS_COMMAND */
        s->pcie_up_tlps_command += n;
        s->pcie_up_payload_command += payload;
        s->pcie_up_bytes_command += bytes;
        break;
    }
}
