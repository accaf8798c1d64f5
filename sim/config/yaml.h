/* Configuration files: YAML with one mapping per group of param.def.
 *
 *   extends: mlx4_qdr        # optional, first: start from a preset
 *   about: one line of text  # optional
 *   hca:
 *     qp_max: 1024
 *   pcie.gen: 3              # the dotted form, too
 *   sources:                 # optional, last: what the values rest on
 *     hca.qp_max: "MEASURED: data sheet"
 *
 * One value per key: no lists, deeper mappings, anchors, aliases or tags. Later files win over
 * earlier ones; a key twice in one file is an error. */
#pragma once

#include "model/param.h"
#include "sim/config/preset.h"

enum config_result {
    CONFIG_OK,
    CONFIG_BAD,  /* the input is wrong: exit status 2                 */
    CONFIG_HOST, /* the machine failed (read error, memory): status 4 */
};

enum {
    CONFIG_FILE_MAX = 1 << 20, /* bytes of one file              */
    CONFIG_EXTENDS_MAX = 8,    /* presets that extend each other */
    CONFIG_ABOUT_MAX = 200
};

/* What a file says of itself. */
struct config_info {
    char extends[64];
    char about[CONFIG_ABOUT_MAX];
};

/* Reads a file on top of c. Origin of its values: "path:line". On failure err holds one line that
 * begins with the place, and c is not to be used. */
enum config_result config_load_file(struct hca_config *c, const char *path, struct hca_error *err);

/* The same from memory; name takes the place of the path. presets serves `extends`, info may be
 * NULL. */
enum config_result config_load_text(struct hca_config *c, const char *name, const char *text,
                                    size_t size, const struct preset_table *presets,
                                    struct config_info *info, struct hca_error *err);

/* Applies a preset of the table on top of c. Origin of its values: "preset NAME". */
enum config_result config_load_preset(struct hca_config *c, const char *name,
                                      const struct preset_table *presets, struct config_info *info,
                                      struct hca_error *err);
