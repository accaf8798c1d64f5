int LLVMFuzzerTestOneInput(const char *data, int size);
