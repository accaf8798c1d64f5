/* WQE parser: byte 0 picks format, QP type, owner and SGE limit, byte 1 how much of the WQE
 * the ring
 * holds, the rest is the WQE. An accepted WQE must keep the promises of struct wqe. */
#include "model/wqe_fetch.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
    if (!condition) {
        abort();
    }
}

static void check_send(const struct wqe *w, const struct qp_static *s, enum work_status status,
                       uint32_t bytes)
{
    uint64_t len = 0;

    require(status == WORK_OK || (status == WORK_BAD && w->bad != WC_OK && w->nsge == 0));
    require(w->units >= 1);
    if (status != WORK_OK) {
        return;
    }
    require(w->bad == WC_OK && w->nsge <= s->max_send_sge && w->nsge <= SGE_MAX);
    require(s->format == FORMAT_PVRDMA || w->units * WQE_UNIT <= (int)bytes);
    for (uint32_t i = 0; i < w->nsge; i++) {
        len += w->sge[i].len;
    }
    if ((w->flags & WRF_INLINE) != 0) {
        require(s->format == FORMAT_NATIVE && w->len <= bytes);
    } else if (w->opcode != WR_FAST_REG && w->opcode != WR_LOCAL_INV) {
        require(len == w->len && len <= 1ULL << 31);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t bytes[2 * WQE_RAW_MAX]; /* the store: a WQE, then its inline data */
    static struct hca_param p;
    static struct store store = {.base = bytes};
    static struct wqe w;
    const struct tick t = {.p = &p, .store = &store};

    if (size < 2) {
        return 0;
    }
    if (p.port_mtu_bytes == 0) {
        hca_param_default(&p);
    }
    const struct qp_static s = {
        .format = data[0] & 1,
        .type = (uint8_t)(1 + (data[0] >> 1 & 3)),
        .user = data[0] >> 3 & 1,
        .max_send_sge = (uint8_t)(1 + (data[0] >> 4)),
        .handle = 7,
    };
    const uint32_t have = (1U + data[1] % 8) * WQE_UNIT;
    const uint32_t n = (uint32_t)(size - 2 < WQE_RAW_MAX ? size - 2 : WQE_RAW_MAX);
    memset(bytes, 0, sizeof bytes);
    memcpy(bytes, data + 2, n);
    const uint32_t ring = s.format == FORMAT_PVRDMA && have < 2 * WQE_UNIT ? 2 * WQE_UNIT : have;
    check_send(&w, &s, wqe_parse_send(&t, &s, bytes, ring, 9, &w, WQE_RAW_MAX), ring);

    const enum work_status status = wqe_parse_recv(bytes, s.max_send_sge, data[0] & 1, 9, &w);
    require(status == WORK_OK ? w.nsge <= s.max_send_sge && w.len <= 1U << 31 : w.nsge == 0);
    return 0;
}
