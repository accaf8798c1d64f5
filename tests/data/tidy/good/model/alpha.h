#ifdef __cplusplus
extern "C" {
#endif
int alpha_tick(int n);
#ifdef __cplusplus
}
#endif
