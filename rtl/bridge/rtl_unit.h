/* rtl_unit.h: a Verilated unit seen from C. Ports are numbered as in rtl/bridge/units.hpp: inputs
 * and outputs in the order of wire.def, statistics in the order of stat.def. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct rtl_unit {
    void *v; /* the Verilated object */
    void (*in)(void *v, unsigned port, bool valid, const uint32_t *words);
    void (*ready)(void *v, unsigned port, bool ready);
    void (*eval)(void *v);
    bool (*in_ready)(void *v, unsigned port);
    bool (*out)(void *v, unsigned port, uint32_t *words); /* true: valid */
    bool (*stat)(void *v, unsigned stat);
    void (*clock)(void *v); /* one rising edge; nothing for a combinational unit */
    void (*free)(void *v);
};

typedef struct rtl_unit rtl_new_fn(void);
