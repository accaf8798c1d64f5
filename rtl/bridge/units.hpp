// Printed by hcasim_gen from model/spec/*.def. Do not edit.
//
// Ports of each unit that has RTL, by number: inputs and outputs in the order of wire.def,
// statistics in the order of stat.def.
// clang-format off
#pragma once
#include "rtl/bridge/vlport.hpp"

template <class V> struct doorbell_ports {
  static void in(V &v, unsigned port, bool valid, const uint32_t *words)
  {
    switch (port) {
    case 0: v.db_write_valid_i = valid; put(v.db_write_i, words, 52); break;
    default: break;
    }
  }
  static void in_ready(V &v, unsigned port, bool &ready)
  {
    switch (port) {
    case 0: ready = v.db_write_ready_o != 0; break;
    default: break;
    }
  }
  static void ready(V &v, unsigned port, bool ready)
  {
    switch (port) {
    case 0: v.qp_ready_ready_i = ready; break;
    case 1: v.rq_ready_ready_i = ready; break;
    case 2: v.cq_arm_ready_i = ready; break;
    default: break;
    }
  }
  static void out(V &v, unsigned port, bool &valid, uint32_t *words)
  {
    switch (port) {
    case 0: valid = v.qp_ready_valid_o != 0; get(v.qp_ready_o, words, 44); break;
    case 1: valid = v.rq_ready_valid_o != 0; get(v.rq_ready_o, words, 44); break;
    case 2: valid = v.cq_arm_valid_o != 0; get(v.cq_arm_o, words, 27); break;
    default: break;
    }
  }
  static void stat(V &v, unsigned stat, bool &pulse)
  {
    switch (stat) {
    case 0: pulse = v.stat_rung_o != 0; break;
    case 1: pulse = v.stat_recv_o != 0; break;
    case 2: pulse = v.stat_armed_o != 0; break;
    case 3: pulse = v.stat_dropped_o != 0; break;
    default: break;
    }
  }
};
