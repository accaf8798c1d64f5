/* check: verdicts, receive WQEs, pieces. */
#include "tests/rx_world.h"

int main(void){ struct hca_param p = unit_param(); struct world *w = w_open(&p); w_cycles(w, 10); w_assert_empty(w); w_close(w); return 0; }
