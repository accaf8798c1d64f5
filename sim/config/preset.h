/* The presets of presets/, carried inside the program. */
#pragma once

#include <stddef.h>

struct preset {
    const char *name; /* "mlx4_qdr" for presets/mlx4_qdr.yaml */
    const char *text; /* the YAML, not terminated             */
    size_t size;
};

/* Rows sorted by name; where a preset that is extended is looked up. */
struct preset_table {
    const struct preset *rows;
    size_t count;
};

/* What the build embedded (cmake/embed_presets.cmake). */
extern const struct preset_table preset_embedded;

/* NULL when there is no preset of that name. */
const struct preset *preset_find(const struct preset_table *table, const char *name);

/* "a, b, c", cut to the buffer. Returns buf. */
const char *preset_names(const struct preset_table *table, char *buf, size_t size);
