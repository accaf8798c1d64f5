#include "sim/cosim/pci_fn.h"

#include <string.h>

/* BAR0: MSI-X table and pending bits; BAR1: registers; BAR2: doorbell pages (VFU_UAR_PAGES). */
const uint32_t pci_fn_bar_bytes[PCI_FN_BARS] = {16 << 10, 4 << 10, 2 << 20};

enum {
    COMMAND = 0x04,
    COMMAND_MEMORY = 2,
    COMMAND_MASTER = 4,
    BAR0 = 0x10,
    CAP_MSIX = 0x40,
    CAP_PM = 0x50,
    PM_CONTROL = CAP_PM + 4,
    PM_STATE = 3
};

/* Value after reset and writable bits of what is not 0. */
static const struct {
    uint8_t at, value, write;
} map[] = {
    {0x00, 0xad, 0},
    {0x01, 0x15, 0}, /* vendor                              */
    {0x02, 0x20, 0},
    {0x03, 0x08, 0}, /* device                              */
    {0x04, 0x00, 0x46},
    {0x05, 0x00, 0x05}, /* command: memory, master, parity; SERR#,
                           INTx disable                        */
    {0x06, 0x10, 0},    /* status: capabilities                */
    {0x0a, 0x80, 0},
    {0x0b, 0x02, 0},    /* class: network, other               */
    {0x0c, 0x00, 0xff}, /* cache line size                     */
    {0x2c, 0xad, 0},
    {0x2d, 0x15, 0}, /* subsystem                           */
    {0x2e, 0x20, 0},
    {0x2f, 0x08, 0},
    {0x34, CAP_MSIX, 0},
    {0x3c, 0x00, 0xff}, /* capabilities; interrupt line        */
    {CAP_MSIX, 0x11, 0},
    {CAP_MSIX + 1, CAP_PM, 0},
    {CAP_MSIX + 2, 0x02, 0},
    {CAP_MSIX + 3, 0x00, 0xc0}, /* 3 vectors; enable, mask       */
    {CAP_MSIX + 9, 0x20, 0},    /* table at 0, pending bits at 0x2000, BAR0 */
    {CAP_PM, 0x01, 0},
    {CAP_PM + 2, 0x03, 0},        /* version 1.2, D0 and D3hot only      */
    {PM_CONTROL, 0x00, PM_STATE}, /* No_Soft_Reset 0: D3hot to D0 resets */
};

void pci_fn_reset(struct pci_fn *f)
{
    memset(f->byte, 0, sizeof f->byte);
    for (unsigned i = 0; i < sizeof map / sizeof map[0]; i++) {
        f->byte[map[i].at] = map[i].value;
    }
}

static uint8_t writable(uint32_t at)
{
    if (at >= BAR0 && at < BAR0 + 4 * PCI_FN_BARS) {
        const uint32_t mask = ~(pci_fn_bar_bytes[(at - BAR0) / 4] - 1);
        return (uint8_t)(mask >> 8 * (at % 4));
    }
    for (unsigned i = 0; i < sizeof map / sizeof map[0]; i++) {
        if (map[i].at == at) {
            return map[i].write;
        }
    }
    return 0;
}

void pci_fn_write(struct pci_fn *f, uint32_t off, const uint8_t *data, uint32_t n)
{
    const uint8_t power = f->byte[PM_CONTROL];

    for (uint32_t i = 0; i < n; i++) {
        const uint8_t mask = writable(off + i);
        f->byte[off + i] = (uint8_t)((f->byte[off + i] & ~mask) | (data[i] & mask));
    }
    if ((f->byte[PM_CONTROL] & PM_STATE) == 1 || (f->byte[PM_CONTROL] & PM_STATE) == 2) {
        f->byte[PM_CONTROL] = power; /* D1 and D2 are not there: the write is dropped */
    }
}

bool pci_fn_d3(const struct pci_fn *f)
{
    return (f->byte[PM_CONTROL] & PM_STATE) == PM_STATE;
}

bool pci_fn_memory_on(const struct pci_fn *f)
{
    return (f->byte[COMMAND] & COMMAND_MEMORY) != 0 && !pci_fn_d3(f);
}

bool pci_fn_master(const struct pci_fn *f)
{
    return (f->byte[COMMAND] & COMMAND_MASTER) != 0 && !pci_fn_d3(f);
}
