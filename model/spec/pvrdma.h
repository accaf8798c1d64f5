/* pvrdma.h: the PVRDMA device ABI as C structs: what command reads and writes in guest memory and
 * what the driver of sim/host does. All fields are little-endian, layouts are those of the Linux
 * driver vmw_pvrdma (6.12) and its user ABI; names ending in _ext belong to docs/NATIVE.md. */
#pragma once
#include "model/defs.h"

#include <stddef.h>
#include <stdint.h>

/* BAR1 registers, by index (offset / 4). */
enum pv_reg {
#define REG(name, offset, access, reset, source, doc) PV_REG_##name = (offset) / 4,
#define RO
#define WO
#define RW
#include "model/spec/reg.def"
#undef REG
#undef RO
#undef WO
#undef RW
    PV_REGS
};
enum pv_ctl { PV_CTL_ACTIVATE, PV_CTL_UNQUIESCE, PV_CTL_RESET };
/* Values of ERR: 0 accepted; others are ours, software tests for non-zero only. */
enum pv_err { PV_OK, PV_BUSY, PV_INVALID, PV_NO_ROOM, PV_IN_USE, PV_DMA, PV_INACTIVE };

/* BAR2: doorbell registers of a UAR page. */
enum { UAR_QP = 0, UAR_CQ = 4, UAR_SRQ = 8, UAR_NATIVE = 0x10, UAR_WQE = 0x400 };
enum { UAR_SEND = 1 << 30, UAR_CQ_ARM_SOL = 1 << 29, UAR_CQ_ARM = 1 << 30, UAR_NUMBER = 0xffffff };
#define UAR_RECV    0x80000000U
#define UAR_CQ_POLL 0x80000000U

/* BAR0: MSI-X. */
enum { MSIX_VECTORS = 3, MSIX_ENTRY_BYTES = 16, MSIX_PBA = 0x2000 };
enum { VEC_COMMAND, VEC_ASYNC, VEC_CQ };

enum pv_cmd {
    PV_QUERY_PORT,
    PV_QUERY_PKEY,
    PV_CREATE_PD,
    PV_DESTROY_PD,
    PV_CREATE_MR,
    PV_DESTROY_MR,
    PV_CREATE_CQ,
    PV_RESIZE_CQ,
    PV_DESTROY_CQ,
    PV_CREATE_QP,
    PV_MODIFY_QP,
    PV_QUERY_QP,
    PV_DESTROY_QP,
    PV_CREATE_UC,
    PV_DESTROY_UC,
    PV_CREATE_BIND,
    PV_DESTROY_BIND,
    PV_CREATE_SRQ,
    PV_MODIFY_SRQ,
    PV_QUERY_SRQ,
    PV_DESTROY_SRQ,
    PV_COMMANDS
};
enum { PV_REQ_BYTES = 184, PV_RESP_BYTES = 176, PV_DSR_BYTES = 280 };
#define PV_ACK 0x80000000U /* response ack = PV_ACK + opcode */

struct pv_ring_info {
    uint32_t num_pages, reserved;
    uint64_t pdir_dma;
};
struct pv_caps {
    uint64_t fw_ver, node_guid, sys_image_guid, max_mr_size, page_size_cap, atomic_arg_sizes;
    uint32_t ex_comp_mask, device_cap_flags2, max_fa_bit_boundary, log_max_atomic_inline_arg;
    uint32_t vendor_id, vendor_part_id, hw_ver, max_qp, max_qp_wr, device_cap_flags, max_sge;
    uint32_t max_sge_rd, max_cq, max_cqe, max_mr, max_pd, max_qp_rd_atom, max_ee_rd_atom;
    uint32_t max_res_rd_atom, max_qp_init_rd_atom, max_ee_init_rd_atom, max_ee, max_rdd, max_mw;
    uint32_t max_raw_ipv6_qp, max_raw_ethy_qp, max_mcast_grp, max_mcast_qp_attach;
    uint32_t max_total_mcast_qp_attach, max_ah, max_fmr, max_map_per_fmr, max_srq, max_srq_wr;
    uint32_t max_srq_sge, max_uar, gid_tbl_len;
    uint16_t max_pkeys;
    uint8_t local_ca_ack_delay, phys_port_cnt, mode, atomic_ops, bmme_flags, gid_types;
    uint32_t max_fast_reg_page_list_len;
};
struct pv_dsr {
    uint32_t driver_version, pad, gos_info, pad2;
    uint64_t cmd_slot_dma, resp_slot_dma;
    struct pv_ring_info async_ring, cq_ring;
    uint64_t uar_pfn; /* version < 19: the low 32 bits */
    struct pv_caps caps;
};

struct pv_req_hdr {
    uint64_t response;
    uint32_t cmd, reserved;
};
struct pv_resp_hdr {
    uint64_t response;
    uint32_t ack;
    uint8_t err, reserved[3];
};

/* One number behind the header: DESTROY_*, QUERY_*, CREATE_PD, and responses with one handle. */
struct pv_req_one {
    struct pv_req_hdr hdr;
    uint32_t handle, more; /* more: cqe of RESIZE_CQ, attr_mask of QUERY_QP */
};
struct pv_req_port {
    struct pv_req_hdr hdr;
    uint8_t port_num, index, reserved[6];
};
struct pv_create_mr {
    struct pv_req_hdr hdr;
    uint64_t start, length, pdir_dma;
    uint32_t pd_handle, access_flags, flags, nchunks;
};
enum { PV_MR_DMA = 1, PV_MR_FAST_REG = 2 };
struct pv_create_cq {
    struct pv_req_hdr hdr;
    uint64_t pdir_dma;
    uint32_t ctx_handle, cqe, nchunks;
    uint8_t flags_ext, reserved[3];
    uint64_t db_record_ext;
};
struct pv_create_qp {
    struct pv_req_hdr hdr;
    uint64_t pdir_dma;
    uint32_t pd_handle, send_cq_handle, recv_cq_handle, srq_handle, max_send_wr, max_recv_wr;
    uint32_t max_send_sge, max_recv_sge, max_inline_data, lkey, access_flags;
    uint16_t total_chunks, send_chunks, max_atomic_arg;
    uint8_t sq_sig_all, qp_type, is_srq, flags_ext, weight_ext, reserved;
    uint64_t sq_base_ext, rq_base_ext, db_record_ext;
};
enum { PV_EXT_NATIVE = 1 }; /* flags_ext */
struct pv_create_uc {
    struct pv_req_hdr hdr;
    uint64_t pfn; /* version < 19: the low 32 bits */
};
struct pv_create_bind {
    struct pv_req_hdr hdr;
    uint32_t mtu, vlan, index;
    uint8_t new_gid[16], gid_type, reserved[3];
};
struct pv_destroy_bind {
    struct pv_req_hdr hdr;
    uint32_t index;
    uint8_t dest_gid[16], reserved[4];
};
struct pv_srq_attr {
    uint32_t max_wr, max_sge, srq_limit, reserved;
};
struct pv_create_srq {
    struct pv_req_hdr hdr;
    uint64_t pdir_dma;
    uint32_t pd_handle, nchunks;
    struct pv_srq_attr attr;
    uint8_t srq_type, flags_ext, reserved[6];
    uint64_t db_record_ext;
};
struct pv_modify_srq {
    struct pv_req_hdr hdr;
    uint32_t srq_handle, attr_mask;
    struct pv_srq_attr attr;
};
enum { PV_SRQ_LIMIT = 2 }; /* attr_mask */

struct pv_ah_attr {
    uint8_t dgid[16];
    uint32_t flow_label;
    uint8_t sgid_index, hop_limit, traffic_class, pad;
    uint16_t dlid, vlan_id;
    uint8_t sl, src_path_bits, static_rate, ah_flags, port_num, dmac[6], pad2;
};
struct pv_qp_cap {
    uint32_t max_send_wr, max_recv_wr, max_send_sge, max_recv_sge, max_inline_data, reserved;
};
struct pv_qp_attr {
    uint32_t qp_state, cur_qp_state, path_mtu, path_mig_state, qkey, rq_psn, sq_psn, dest_qp_num;
    uint32_t qp_access_flags;
    uint16_t pkey_index, alt_pkey_index;
    uint8_t en_sqd_async_notify, sq_draining, max_rd_atomic, max_dest_rd_atomic, min_rnr_timer;
    uint8_t port_num, timeout, retry_cnt, rnr_retry, alt_port_num, alt_timeout, reserved[5];
    struct pv_qp_cap cap;
    struct pv_ah_attr ah, alt_ah;
};
struct pv_modify_qp {
    struct pv_req_hdr hdr;
    uint32_t qp_handle, attr_mask;
    struct pv_qp_attr attr;
};
/* attr_mask: bits of verbs (IB_QP_*). */
enum pv_qp_mask {
    QPM_STATE = 1 << 0,
    QPM_CUR_STATE = 1 << 1,
    QPM_ACCESS = 1 << 3,
    QPM_PKEY = 1 << 4,
    QPM_PORT = 1 << 5,
    QPM_QKEY = 1 << 6,
    QPM_AV = 1 << 7,
    QPM_MTU = 1 << 8,
    QPM_TIMEOUT = 1 << 9,
    QPM_RETRY = 1 << 10,
    QPM_RNR_RETRY = 1 << 11,
    QPM_RQ_PSN = 1 << 12,
    QPM_RD_ATOMIC = 1 << 13,
    QPM_ALT_PATH = 1 << 14,
    QPM_MIN_RNR = 1 << 15,
    QPM_SQ_PSN = 1 << 16,
    QPM_DEST_RD = 1 << 17,
    QPM_MIG_STATE = 1 << 18,
    QPM_CAP = 1 << 19,
    QPM_DEST_QPN = 1 << 20
};

struct pv_resp_one {
    struct pv_resp_hdr hdr;
    uint32_t value, more;
};
struct pv_resp_mr {
    struct pv_resp_hdr hdr;
    uint32_t mr_handle, lkey, rkey, reserved;
};
struct pv_resp_qp { /* version 20; before it handle is missing and the limits follow qpn */
    struct pv_resp_hdr hdr;
    uint32_t qpn, qp_handle, max_send_wr, max_recv_wr, max_send_sge, max_recv_sge, max_inline_data;
    uint32_t reserved;
};
struct pv_resp_query_qp {
    struct pv_resp_hdr hdr;
    struct pv_qp_attr attr;
};
struct pv_resp_query_srq {
    struct pv_resp_hdr hdr;
    struct pv_srq_attr attr;
};
struct pv_port_attr {
    uint32_t state, max_mtu, active_mtu, gid_tbl_len, port_cap_flags, max_msg_sz, bad_pkey_cntr;
    uint32_t qkey_viol_cntr;
    uint16_t pkey_tbl_len, lid, sm_lid;
    uint8_t lmc, max_vl_num, sm_sl, subnet_timeout, init_type_reply, active_width, active_speed;
    uint8_t phys_state, reserved[2];
};
struct pv_resp_port {
    struct pv_resp_hdr hdr;
    struct pv_port_attr attr;
};

/* Ring state page: page 0 of a ring's directory. */
struct pv_ring_state {
    uint32_t tx_tail, tx_head, rx_tail, rx_head; /* producer, consumer */
};
struct pv_cqe {
    uint64_t wr_id, qp;
    uint32_t opcode, status, byte_len, imm, src_qp, wc_flags, vendor_err;
    uint16_t pkey_index, slid;
    uint8_t sl, path_bits, port_num, smac[6], network_hdr_type, reserved[5];
    uint8_t owner_ext; /* native: bit 0 */
};
struct pv_async {
    uint32_t type, info;
};
struct pv_av {
    uint32_t port_pd, sl_tclass_flowlabel;
    uint8_t dgid[16];
    uint8_t src_path_bits, gid_index, stat_rate, hop_limit, dmac[6], reserved[6];
};
struct pv_sge {
    uint64_t addr;
    uint32_t length, lkey;
};
struct pv_send_wqe { /* SGEs follow */
    uint64_t wr_id;
    uint32_t num_sge, total_len, opcode, send_flags, imm, reserved;
    union {
        struct {
            uint64_t remote_addr;
            uint32_t rkey;
        } rdma;
        struct {
            uint64_t remote_addr, compare_add, swap;
            uint32_t rkey;
        } atomic;
        struct {
            uint64_t iova, pl_pdir_dma;
            uint32_t page_shift, page_list_len, length, access, rkey;
        } fast_reg;
        struct {
            uint32_t remote_qpn, qkey;
            struct pv_av av;
        } ud;
    } u;
};
struct pv_recv_wqe { /* SGEs follow */
    uint64_t wr_id;
    uint32_t num_sge, total_len;
};

/* Sizes and landmarks of the compiled kernel headers. */
#define PV_AT(type, member, offset) \
    _Static_assert(offsetof(struct type, member) == (offset), #type "." #member)
_Static_assert(sizeof(struct pv_dsr) == PV_DSR_BYTES, "DSR");
_Static_assert(sizeof(struct pv_caps) == 208, "caps");
_Static_assert(sizeof(struct pv_modify_qp) == PV_REQ_BYTES, "request union");
_Static_assert(sizeof(struct pv_resp_query_qp) == PV_RESP_BYTES, "response union");
_Static_assert(sizeof(struct pv_qp_attr) == 160 && sizeof(struct pv_ah_attr) == 40, "attributes");
_Static_assert(sizeof(struct pv_resp_port) == 64 && sizeof(struct pv_cqe) == 64, "port, CQE");
_Static_assert(sizeof(struct pv_send_wqe) == 80 && sizeof(struct pv_av) == 40, "send WQE");
_Static_assert(sizeof(struct pv_create_bind) == 48 && sizeof(struct pv_destroy_bind) == 40, "bind");
PV_AT(pv_dsr, uar_pfn, 64);
PV_AT(pv_caps, max_qp, 76);
PV_AT(pv_caps, max_srq, 176);
PV_AT(pv_caps, gid_tbl_len, 192);
PV_AT(pv_caps, mode, 200);
PV_AT(pv_create_mr, nchunks, 52);
PV_AT(pv_create_cq, flags_ext, 36);
PV_AT(pv_create_qp, qp_type, 75);
PV_AT(pv_create_qp, flags_ext, 77);
PV_AT(pv_create_qp, sq_base_ext, 80);
PV_AT(pv_create_srq, flags_ext, 49);
PV_AT(pv_qp_attr, max_rd_atomic, 42);
PV_AT(pv_qp_attr, cap, 56);
PV_AT(pv_qp_attr, ah, 80);
PV_AT(pv_ah_attr, dmac, 33);
PV_AT(pv_cqe, network_hdr_type, 57);
PV_AT(pv_send_wqe, u.ud.av, 40);
#undef PV_AT
