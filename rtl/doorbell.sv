// Turns doorbell writes into QPs with new work, receive prefetches and CQ arms; drops writes that
// name no object.
//
// Lockstep peer of model/doorbell.c. Combinational: the FIFOs on either side hold all the state, so
// one write crosses per cycle while every output has room.
module doorbell #(
  parameter logic [63:0] QpMax  = hca_pkg::HcaQpMax,
  parameter logic [63:0] SrqMax = hca_pkg::HcaSrqMax,
  parameter logic [63:0] CqMax  = hca_pkg::HcaCqMax
) (
  input  logic               db_write_valid_i,
  output logic               db_write_ready_o,
  input  hca_pkg::db_write_t db_write_i,

  output logic               qp_ready_valid_o,
  input  logic               qp_ready_ready_i,
  output hca_pkg::qp_ready_t qp_ready_o,

  output logic               rq_ready_valid_o,
  input  logic               rq_ready_ready_i,
  output hca_pkg::qp_ready_t rq_ready_o,

  output logic               cq_arm_valid_o,
  input  logic               cq_arm_ready_i,
  output hca_pkg::cq_arm_t   cq_arm_o,

  output logic               stat_rung_o,
  output logic               stat_recv_o,
  output logic               stat_armed_o,
  output logic               stat_dropped_o
);

  // enum db_kind of model/defs.h
  localparam logic [2:0] Send = 3'd0;
  localparam logic [2:0] Recv = 3'd1;
  localparam logic [2:0] SrqRecv = 3'd2;
  localparam logic [2:0] CqArm = 3'd3;
  localparam logic [2:0] CqArmSolicited = 3'd4;

  logic room, crosses, is_qp, is_srq, is_cq, known;
  logic [23:0] number;

  assign room    = qp_ready_ready_i & rq_ready_ready_i & cq_arm_ready_i;
  assign crosses = db_write_valid_i & room;

  assign is_qp  = (db_write_i.kind == Send) | (db_write_i.kind == Recv);
  assign is_srq = db_write_i.kind == SrqRecv;
  assign is_cq  = (db_write_i.kind == CqArm) | (db_write_i.kind == CqArmSolicited);
  assign known  = (is_qp  & (64'(db_write_i.number) < QpMax)) |
                  (is_srq & (64'(db_write_i.number) < SrqMax)) |
                  (is_cq  & (64'(db_write_i.number) < CqMax));

  // Numbers are per function; inside the adapter they are one dense space of 2^16 each. Known
  // numbers are below 2^16, so the sum is a concatenation.
  assign number = {db_write_i.fn, db_write_i.number[15:0]};

  assign db_write_ready_o = room;

  assign qp_ready_valid_o  = crosses & known & (db_write_i.kind == Send);
  assign qp_ready_o.qn     = number;
  assign qp_ready_o.tail   = db_write_i.tail;
  assign qp_ready_o.native = db_write_i.native;
  assign qp_ready_o.kind   = db_write_i.kind;

  assign rq_ready_valid_o  = crosses & known & (is_srq | (db_write_i.kind == Recv));
  assign rq_ready_o        = qp_ready_o;

  assign cq_arm_valid_o = crosses & known & is_cq;
  assign cq_arm_o.cqn   = number;
  assign cq_arm_o.kind  = db_write_i.kind;

  assign stat_rung_o    = qp_ready_valid_o;
  assign stat_recv_o    = rq_ready_valid_o;
  assign stat_armed_o   = cq_arm_valid_o;
  assign stat_dropped_o = crosses & ~known;

endmodule
