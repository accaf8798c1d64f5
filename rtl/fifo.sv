// Registered FIFO, lockstep peer of model/fifo.h.
//
// A word pushed in cycle t is visible in t + 1. ready_o does not look at ready_i, so no
// combinational path crosses a wire and any unit can be swapped for its C peer.
module fifo #(
  parameter int unsigned Depth = 2,
  parameter int unsigned Width = 8
) (
  input  logic             clk_i,
  input  logic             rst_ni,

  input  logic             valid_i,
  output logic             ready_o,
  input  logic [Width-1:0] data_i,

  output logic             valid_o,
  input  logic             ready_i,
  output logic [Width-1:0] data_o
);

  localparam int unsigned PtrW = (Depth > 1) ? $clog2(Depth) : 1;
  localparam int unsigned CntW = $clog2(Depth + 1);

  logic [Width-1:0] slot_q [0:Depth-1];
  logic [PtrW-1:0]  head_q, tail_q;
  logic [CntW-1:0]  count_q;
  logic             push, pop;

  assign ready_o = count_q != CntW'(Depth);
  assign valid_o = count_q != '0;
  assign data_o  = slot_q[head_q];

  assign push = valid_i & ready_o;
  assign pop  = valid_o & ready_i;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      head_q  <= '0;
      tail_q  <= '0;
      count_q <= '0;
    end else begin
      count_q <= count_q + CntW'(push) - CntW'(pop);
      if (pop) begin
        head_q <= (head_q == PtrW'(Depth - 1)) ? '0 : head_q + PtrW'(1);
      end
      if (push) begin
        tail_q <= (tail_q == PtrW'(Depth - 1)) ? '0 : tail_q + PtrW'(1);
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (push) slot_q[tail_q] <= data_i;
  end

endmodule
