// Makes one Verilated unit callable from C. Compiled once per module with
//   UNIT   name of the unit (doorbell)      NAME   name of the module (doorbell, doorbell_m1)
//   CLOCKED  1 when the module has clk_i and rst_ni
#include "rtl/bridge/fifo_ports.hpp"
#include "rtl/bridge/units.hpp"

#define CAT_(a, b) a##b
#define CAT(a, b)  CAT_(a, b)
#define STR_(a)    #a
#define STR(a)     STR_(a)
#include STR(CAT(V, NAME).h)

extern "C" {
#include "rtl/bridge/rtl_unit.h"
}

namespace
{

using V = CAT(V, NAME);
using Ports = CAT(UNIT, _ports)<V>;

// A context of its own: two units in one program share no time and no random state.
struct Instance {
    VerilatedContext context;
    V v{&context, STR(NAME)};
};

V &at(void *p)
{
    return static_cast<Instance *>(p)->v;
}

void in(void *p, unsigned port, bool valid, const uint32_t *w)
{
    Ports::in(at(p), port, valid, w);
}
void ready(void *p, unsigned port, bool r)
{
    Ports::ready(at(p), port, r);
}
void eval(void *p)
{
    at(p).eval();
}

bool in_ready(void *p, unsigned port)
{
    bool r = false;
    Ports::in_ready(at(p), port, r);
    return r;
}

bool out(void *p, unsigned port, uint32_t *w)
{
    bool valid = false;
    Ports::out(at(p), port, valid, w);
    return valid;
}

bool stat(void *p, unsigned n)
{
    bool pulse = false;
    Ports::stat(at(p), n, pulse);
    return pulse;
}

#if CLOCKED
void edge(V &v)
{
    v.clk_i = 0;
    v.eval();
    v.clk_i = 1;
    v.eval();
}
void clock(void *p)
{
    edge(at(p));
}
#else
void clock(void *) {}
#endif

void destroy(void *p)
{
    delete static_cast<Instance *>(p);
}

} // namespace

extern "C" struct rtl_unit CAT(rtl_new_, NAME)(void)
{
    auto *i = new Instance;
#if CLOCKED
    i->v.rst_ni = 0;
    edge(i->v);
    i->v.rst_ni = 1;
#endif
    return {i, in, ready, eval, in_ready, out, stat, clock, destroy};
}
