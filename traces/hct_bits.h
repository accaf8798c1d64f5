/* hct_bits.h: ALL_<list>: every bit of each set of flags in names.def. */
#pragma once
#include "traces/hct_op.h"

#define ENUM(list)
#define E(name, word, doc)
#define ENUM_END(list, count)
#define BITS(list)              enum { ALL_##list = 0
#define B(name, bit, word, doc) | name
#define BITS_END(list) \
    }                  \
    ;
#include "traces/names.def"
#undef ENUM
#undef E
#undef ENUM_END
#undef BITS
#undef B
#undef BITS_END
