/* stat.h: the counters of stat.def; one set per handle, those of the other side stay 0. */
#pragma once
#include <stdint.h>

struct hca_stat {
#define STAT(unit, name, measure, doc) uint64_t unit##_##name;
#include "model/spec/stat.def"
#undef STAT
};
