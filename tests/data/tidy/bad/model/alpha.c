#include "model/alpha.h"
#include "model/beta.h"
#include "traces/hct.h"
/* TODO: a reason without an issue */

int alpha_tick(int n)
{
    s->alpha_counted++;
    peek(s->alpha_forgotten, p->alpha_unused_too);
    TRACE(t, alpha, alpha_seen, .n = p->alpha_used);
    void *p = malloc(4);
    double x = rand ();
    return time(0);
}
