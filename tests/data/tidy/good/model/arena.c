void *arena(void) { return malloc(4); }
