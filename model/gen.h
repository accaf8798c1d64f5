/* gen.h: printers of generated files; each writes the whole text of one file. */
#pragma once
#include "model/meta.h"
#include "model/param.h"

#include <stdbool.h>
#include <stdio.h>

typedef void gen_fn(FILE *out);

gen_fn gen_package; /* SystemVerilog package: parameters, message types   */
gen_fn gen_bridge;  /* C++ classes over Verilated units, for lockstep     */
/* Reference pages. */
gen_fn gen_units, gen_wires, gen_messages, gen_stats, gen_events, gen_stages, gen_errors,
    gen_registers;
