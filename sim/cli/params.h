/* hcasim params and hcasim presets: what can be set, and what is. */
#pragma once

#include "model/param.h"
#include "sim/config/preset.h"

/* Every parameter with unit, range, default, value, origin and source. c: the configuration to
 * show, NULL for the defaults. Text for people, or one JSON object. Returns false when out
 * failed. */
bool hcasim_params(FILE *out, const struct hca_config *c, bool json);

/* Every preset of the table with what it extends, its line of description and the number of its
 * values by source class. Returns false, with err set, when a preset is wrong or out failed. */
bool hcasim_presets(FILE *out, const struct preset_table *presets, bool json,
                    struct hca_error *err);
