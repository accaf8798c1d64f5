/* bench: the DMA engine driven from outside, as PCIe benches do: read, write, write then read.
 *
 * Timing   one read and one write request per cycle; operations start in the order of arrival, at
 *          most BENCH_OPS at once, and as many requests as the answer wires are deep. The read of
 *          a write-then-read starts hca.bench_turn_ns after the end of its write.
 * Results  t_start: cycle in which the first request leaves; t_end: of a read, its last byte has
 *          arrived; of a write, its last TLP was handed to the link.
 * Data     byte at bus address a is written as (cookie + a % 4096) mod 256; read data is dropped.
 * Source   docs/units/bench.md */
#pragma once
#include "model/spec.h"

enum { BENCH_OPS = 128 };

struct bench_run {
    uint64_t addr, start;
    uint64_t turned; /* cycle from which the read of a write-then-read may be asked for */
    uint32_t len, cookie;
    uint32_t issued;      /* bytes asked for in the current direction */
    uint32_t outstanding; /* requests                                 */
    uint8_t fn, kind, status, reading;
};

struct bench {
    struct wire_bench_op *bench_in;     /* in, from edge      */
    struct wire_rd_rsp *rd_rsp_bench;   /* in, from dma_read  */
    struct wire_wr_done *bench_written; /* in, from dma_write */
    struct wire_rd_req *rd_req_bench;   /* out, to dma_read   */
    struct wire_wr_req *wr_bench;       /* out, to dma_write  */
    struct wire_bench_res *bench_out;   /* out, to edge       */
    struct bench_run *run;              /* [BENCH_OPS]        */
    uint32_t data;                      /* store offset: a page per operation */
    uint64_t turn;                      /* hca.bench_turn_ns  */
    struct {
        struct bench_queue { /* operations by number, in order */
            uint8_t op[BENCH_OPS];
            uint32_t head, tail;
        } free, read, write, turning, done; /* turning: from write to read */
        uint32_t reads, writes;             /* requests not answered yet */
    } s;
};

void bench_open(struct bench *u, struct opening *o);
struct act bench_tick(struct bench *u, const struct tick *t);
