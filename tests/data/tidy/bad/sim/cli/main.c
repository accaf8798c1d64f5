#include "model/alpha.h"
static const char *const home = "/srv/host-only/data";
