/* waiting.h: which unit of the model stands still, read from the fill of the wires. */
#pragma once
#include "sim/system/world.h"

/* Names the unit that the fullest wire leads to: "host0.hca0.mac_tx has 8 of 8 entries of wire
 * tx_pkt before it". "no unit holds a message": what is waited for lies outside the adapters.
 * Returns buf. */
const char *waiting_unit(struct world *w, char *buf, size_t size);
