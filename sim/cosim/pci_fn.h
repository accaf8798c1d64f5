/* pci_fn.h: PCI configuration space of a PVRDMA function, 256 bytes.
 *
 * QEMU keeps BARs, the MSI-X capability and the interrupt line itself; it forwards every write and
 * takes all other bits from here. Source: PVRDMA ABI section 1; PCI Local Bus 3.0, 6.2; PCI Power
 * Management 1.2, 3.2. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum { PCI_FN_BYTES = 256, PCI_FN_BARS = 3 };

struct pci_fn {
    uint8_t byte[PCI_FN_BYTES];
};

extern const uint32_t pci_fn_bar_bytes[PCI_FN_BARS];

void pci_fn_reset(struct pci_fn *f);
/* [off, off + n) must lie inside. Read-only bits keep their value, BARs answer sizing. */
void pci_fn_write(struct pci_fn *f, uint32_t off, const uint8_t *data, uint32_t n);
bool pci_fn_memory_on(const struct pci_fn *f); /* command bit 1, and in D0 */
bool pci_fn_master(const struct pci_fn *f);    /* command bit 2, and in D0 */
bool pci_fn_d3(const struct pci_fn *f);
