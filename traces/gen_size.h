/* Message sizes of the generator, and the rules between the keys of a flow (internal to traces/).
 */
#pragma once

#include "traces/gen.h"
#include "traces/gen_yaml.h"

/* `size:` in any of its forms; CDF files are looked for in `folder`. */
bool gen_read_size(struct gy *y, yaml_node_t *v, const char *folder, struct sizes *out);

/* What the keys of a specification must keep among each other; fills what defaults depend on. */
bool gen_check(const char *file, struct gen_spec *spec, struct hct_error *err);
