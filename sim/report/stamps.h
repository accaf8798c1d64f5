/* stamps.h: collects the stage stamps of operations under way and turns those of a finished one
 * into disjoint intervals that add up to its latency. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct stamps;

enum { STAMP_STAGES = 48 };

/* Time of one operation by stage, ps; the sum is exactly to - from. */
struct stage_times {
    uint64_t ps[STAMP_STAGES]; /* by enum stage_id            */
    uint64_t
        last[STAMP_STAGES]; /* last stamp of a stage, 0: none; first_out, first_in: here only */
    uint32_t lost;          /* stamps beyond the limit of one operation: merged into the next */
};

struct stamps *stamps_open(void); /* NULL: no memory */
void stamps_close(struct stamps *s);

/* Operation id passed a stage at at_ps; stamps may come in any order. False: no memory. */
bool stamps_add(struct stamps *s, uint64_t id, uint8_t stage, uint64_t at_ps);

/* Time of the last stamp of a stage of an operation under way; 0: none. */
uint64_t stamps_last(struct stamps *s, uint64_t id, uint8_t stage);

/* Ends an operation that began at from_ps and ended at to_ps with stage `last`, and forgets it. The
 * interval before each stamp belongs to that stamp's stage; stamps outside [from, to] are ignored.
 */
void stamps_take(struct stamps *s, uint64_t id, uint64_t from_ps, uint64_t to_ps, uint8_t last,
                 struct stage_times *out);

/* Forgets operations that will never be taken (unsignalled stragglers): all with id < below. */
void stamps_drop(struct stamps *s, uint64_t below);

/* All stamps held, for a checkpoint; load replaces them. False: i->why, and s is of no use. */
struct bytes_out;
struct bytes_in;
void stamps_save(const struct stamps *s, struct bytes_out *o);
bool stamps_load(struct stamps *s, struct bytes_in *i);
