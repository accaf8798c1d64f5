/* Small traces for the trace tests: two hosts, one RC pair, one UD pair, one SRQ, one DMA MR. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "traces/hct.h"

/* A file name of this test process in the temporary folder; `n` tells several apart. */
static inline const char *temp_path(int n)
{
    static char path[4][512];
    (void)snprintf(path[n], sizeof path[n], HCA_TMP_DIR "/hcasim-test-%ld-%d.hct", (long)getpid(),
                   n);
    return path[n];
}

static inline struct hct_qp make_qp(uint32_t id, uint8_t type, uint32_t pd, uint32_t peer)
{
    return (struct hct_qp){.id = id,
                           .type = type,
                           .pd = pd,
                           .peer = peer,
                           .send_cq = pd,
                           .recv_cq = pd,
                           .srq = HCT_NONE,
                           .mtu_bytes = 1024,
                           .sq_depth_entries = 64,
                           .rq_depth_entries = 64,
                           .sge_max = 16,
                           .rd_atomic_max = 16,
                           .rd_atomic_dest_max = 16,
                           .timeout = 14,
                           .retry_cnt = 7,
                           .rnr_retry = 7,
                           .sq_psn = 100 + id,
                           .captured_qpn = HCT_NONE};
}

/* Host, function, PD, CQ, SRQ 0 and 1; MRs 0 (host 0), 1 (host 1), 2 (host 1, no remote rights);
 * QPs 0-1 an RC pair, 2-3 UD; address handle 0 from host 0 to host 1. */
static inline void make_resources(hct_writer *w)
{
    for (uint32_t i = 0; i < 2; i++) {
        struct hct_host host = {.id = i};
        (void)snprintf(host.name, sizeof host.name, "h%u", i);
        assert_int_equal(hct_put_host(w, &host), HCT_OK);
        assert_int_equal(hct_put_fn(w, &(struct hct_fn){.id = i, .host = i}), HCT_OK);
        assert_int_equal(hct_put_pd(w, &(struct hct_pd){.id = i, .fn = i}), HCT_OK);
        assert_int_equal(hct_put_cq(w, &(struct hct_cq){.id = i, .fn = i, .depth_entries = 128}),
                         HCT_OK);
        const struct hct_srq srq = {.id = i, .pd = i, .depth_entries = 16, .sge_max = 2};
        assert_int_equal(hct_put_srq(w, &srq), HCT_OK);
    }
    for (uint32_t i = 0; i < 3; i++) {
        const struct hct_mr mr = {.id = i,
                                  .pd = i ? 1 : 0,
                                  .va = 0x10000u * (i + 1),
                                  .len_bytes = 65536,
                                  .access = i == 2 ? HCT_ACCESS_LOCAL_WRITE : 15};
        assert_int_equal(hct_put_mr(w, &mr), HCT_OK);
    }
    const struct hct_ah ah = {.id = 0, .pd = 0, .dest_fn = 1};
    assert_int_equal(hct_put_ah(w, &ah), HCT_OK);
    for (uint32_t i = 0; i < 4; i++) {
        const struct hct_qp qp =
            make_qp(i, i < 2 ? HCT_QP_RC : HCT_QP_UD, i & 1, i < 2 ? 1 - i : HCT_NONE);
        assert_int_equal(hct_put_qp(w, &qp), HCT_OK);
    }
}

/* An RC write of `bytes` from host 0 to host 1. */
static inline struct hct_op make_write(uint64_t id, uint32_t bytes)
{
    struct hct_op op = hct_op_none();
    op.id = id;
    op.kind = HCT_WRITE;
    op.flags = HCT_SIGNALED;
    op.qp = 0;
    op.remote_mr = 1;
    op.sge_count = 1;
    op.sge[0] = (struct hct_sge){.mr = 0, .len_bytes = bytes};
    return op;
}

/* Writes a trace of `ops` writes, each dependent on the one before, every third with payload. */
static inline void make_trace(const char *path, uint32_t ops, uint32_t block_bytes)
{
    const struct hct_create opt = {.content = HCT_WORKLOAD, .block_bytes = block_bytes};
    hct_writer *w = NULL;
    uint8_t bytes[256];

    assert_int_equal(hct_create(path, &opt, &w, NULL), HCT_OK);
    assert_int_equal(hct_put_note(w, "origin", "generated"), HCT_OK);
    make_resources(w);
    for (uint32_t i = 0; i < ops; i++) {
        struct hct_op op = make_write(i, 200 + i % 50);
        op.t_ps = i * 1000;
        if (i) {
            op.dep[op.dep_count++] = (struct hct_dep){HCT_DEP_LOCAL, 0, i - 1, 5000};
        }
        op.payload = i % 3 == 0 ? HCT_PAYLOAD_RECORDED : HCT_PAYLOAD_ABSENT;
        assert_int_equal(hct_put_op(w, &op), HCT_OK);
        if (op.payload == HCT_PAYLOAD_RECORDED) {
            hct_pattern(i, 0, bytes, 200);
            assert_int_equal(hct_put_payload(w, 0, bytes, 100), HCT_OK);
            assert_int_equal(hct_put_payload(w, 100, bytes + 100, 100), HCT_OK);
        }
    }
    assert_int_equal(hct_finish(w, NULL), HCT_OK);
}

/* Whole file in memory; free() it. */
static inline uint8_t *slurp(const char *path, size_t *bytes)
{
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    assert_int_equal(fseek(f, 0, SEEK_END), 0);
    *bytes = (size_t)ftell(f);
    rewind(f);
    uint8_t *data = malloc(*bytes + 1);
    assert_non_null(data);
    assert_int_equal(fread(data, 1, *bytes, f), *bytes);
    (void)fclose(f);
    return data;
}
