/* mmio: BAR decode: registers, MSI-X table, doorbell pages, WQEs carried by MMIO.
 *
 * Timing   1 access per cycle; hca.mmio_ns from mmio_in to every output; doorbells no closer than
 *          hca.doorbell_interval_ps. A read of ERR waits for the end of the command before it.
 * Credits  mmio_in is the receive buffer of the link; what leaves it is given back.
 * Source   docs/units/mmio.md; model/spec/reg.def; docs/NATIVE.md
 * NOT MODELLED: the pending bits of the MSI-X table (read as 0), PCI configuration space. */
#pragma once
#include "model/tlp.h"

#include "model/spec/pvrdma.h"

enum { MMIO_PARKED = 4 }; /* reads of ERR that may wait per function */

/* What a function's registers hold; an arena array by fn. */
struct mmio_fn {
    uint32_t reg[PV_REGS];
    struct {
        uint64_t addr;
        uint32_t data, control;
    } msix[MSIX_VECTORS];
    uint16_t parked_tag[MMIO_PARKED];
    uint8_t parked, hca;
    uint8_t commands; /* writes of DSRHIGH, CTL, REQUEST that command has not answered yet */
};

/* A native WQE that is arriving at one UAR page; an arena array by (fn, page). */
struct mmio_wqe {
    uint32_t number;
    uint16_t index;
    uint8_t parts, next; /* parts 0: none under way */
};

struct mmio {
    struct wire_mmio_req *mmio_in;    /* in, from edge    */
    struct wire_reg_write *reg_state; /* in, from command */
    struct wire_reg_write *reg_write; /* out, to command  */
    struct wire_mmio_rsp *mmio_rd;    /* out, to pcie     */
    struct wire_db_write *db_write;   /* out, to doorbell */
    struct wire_wqe_mmio *wqe_mmio;   /* out, to wqe_fetch */
    struct wire_msix_set *msix_set;   /* out, to event    */
    struct wire_credit *mmio_fc;      /* out, to edge     */
    struct mmio_fn *fn;               /* [fn_max]         */
    struct mmio_wqe *wqe;             /* [fn_max * uar_max] */
    uint64_t delay;                   /* cycles of hca.mmio_ns */
    uint64_t fc_delay;                /* cycles an UpdateFC is under way */
    struct tlp_credits due;           /* owed credits that are given back at once        */
    struct {
        struct serial pace;   /* doorbells: one per interval                             */
        struct db_write owed; /* second doorbell of an access that carried two           */
        uint8_t owes;
        uint8_t msix_fn, msix_left;       /* vectors of msix_fn that event must be told about   */
        uint8_t release_fn, release_left; /* parked reads of release_fn to answer         */
        uint8_t pad[3];
        struct tlp_credits free; /* room in mmio_in that the root port does not know of yet     */
        uint32_t pad2;
    } s;
};

void mmio_open(struct mmio *u, struct opening *o);
struct act mmio_tick(struct mmio *u, const struct tick *t);
