/* contexts.h: the hypervisor's part of an adapter: host memory for its contexts (decisions 8),
 * mapped into the domain of the adapter's own requester. */
#pragma once
#include "model/host.h"

#include <stdbool.h>

/* Maps the contexts of every adapter of the host. False: err says what does not fit, and how to
 * change that. */
bool contexts_map(const struct hca_param *p, host *h, struct hca_error *err);
