// Ports of rtl/fifo.sv by number, as units.hpp has them for the units: input 0, output 0.
#pragma once
#include "rtl/bridge/vlport.hpp"

template <class V> struct fifo_ports {
    static constexpr unsigned kBits = 52;
    static void in(V &v, unsigned, bool valid, const uint32_t *words)
    {
        v.valid_i = valid;
        put(v.data_i, words, kBits);
    }
    static void in_ready(V &v, unsigned, bool &ready)
    {
        ready = v.ready_o != 0;
    }
    static void ready(V &v, unsigned, bool ready)
    {
        v.ready_i = ready;
    }
    static void out(V &v, unsigned, bool &valid, uint32_t *words)
    {
        valid = v.valid_o != 0;
        get(v.data_o, words, kBits);
    }
    static void stat(V &, unsigned, bool &) {}
};
