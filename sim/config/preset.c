/* Looking up presets by name. */
#include "sim/config/preset.h"

#include <stdio.h>
#include <string.h>

const struct preset *preset_find(const struct preset_table *table, const char *name)
{
    for (size_t i = 0; i < table->count; i++) {
        if (strcmp(table->rows[i].name, name) == 0) {
            return &table->rows[i];
        }
    }
    return NULL;
}

const char *preset_names(const struct preset_table *table, char *buf, size_t size)
{
    size_t used = 0;
    buf[0] = '\0';
    for (size_t i = 0; i < table->count && used + 1 < size; i++) {
        const int n =
            snprintf(buf + used, size - used, "%s%s", i == 0 ? "" : ", ", table->rows[i].name);
        used += n > 0 ? (size_t)n : 0;
    }
    return buf;
}
