/* gen_regs.c: reference page of the registers of a function, from reg.def. */
#include "model/gen.h"

void gen_registers(FILE *out)
{
    static const struct {
        const char *name, *access, *source, *doc;
        unsigned offset, reset;
    } rows[] = {
#define SPEC(text)                                    text
#define REG(name, offset, access, reset, source, doc) {#name, #access, source, doc, offset, reset},
#include "model/spec/reg.def"
#undef REG
#undef SPEC
    };

    fprintf(out, "# Registers\n\nPrinted from `model/spec/reg.def`; do not edit. BAR1 of each "
                 "function; 32-bit accesses. Doorbell pages (BAR2) and the native format: "
                 "[NATIVE](../NATIVE.md); MSI-X table: BAR0.\n\n"
                 "| offset | register | access | reset | meaning | source |\n"
                 "|---|---|---|---|---|---|\n");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        fprintf(out, "| 0x%02x | %s | %s | 0x%x | %s | %s |\n", rows[i].offset, rows[i].name,
                rows[i].access, rows[i].reset, rows[i].doc, rows[i].source);
    }
}
