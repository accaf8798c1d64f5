#include "model/alpha_long.h"
