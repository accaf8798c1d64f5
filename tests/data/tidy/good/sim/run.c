#include "model/hca.h"
#include "model/spec/stat.def"
#include "traces/hct.h"
double ratio = 1.0;
int n = HCA_PARAM(alpha_used);
