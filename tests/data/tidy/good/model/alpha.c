#include "model/alpha.h"
#include "model/fifo.h"
#include <stdint.h>
/* double, malloc(4), time(0) and
 * #include "model/alpha_long.h" in a comment
 * TODO(#7): with its issue */
static const char *const m = "malloc(1) double \" TODO";
static const int table[] = {
    1, 2, 3, 4, 5, 6,
    1, 2, 3, 4, 5, 6,
    1, 2, 3, 4, 5, 6,
    '{', '"', '\'', 8,
    1, 2, 3, 4, 5, 6,
    1, 2, 3, 4, 5, 6,
};
#define OPENS(x)                                           \
    {
int alpha_tick(int time) {
    s->alpha_counted++, s->alpha_bytes += 4;
    COUNT(t, alpha, macro);
    STAMP(t, alpha, taken, n, 0);
    TRACE(t, alpha, alpha_seen, .n = time);
    hca_emit(EV_alpha_named, HCA_ERR_no_room);
    return use_malloc(runtime(4)) + doubled;
}
