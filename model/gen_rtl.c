/* gen_rtl.c: the SystemVerilog package and the C++ bridges. */
#include "model/gen.h"

#include <ctype.h>
#include <string.h>

/* group_name -> GroupName: parameters are UpperCamelCase in the lowRISC style. */
static void camel(FILE *out, const char *text)
{
    bool up = true;

    for (; *text != '\0'; text++) {
        if (*text == '_') {
            up = true;
        } else {
            fputc(up ? toupper((unsigned char)*text) : *text, out);
            up = false;
        }
    }
}

static void package_params(FILE *out)
{
    struct hca_param p;

    hca_param_default(&p);
    for (unsigned i = 0; i < HCA_PARAM_COUNT; i++) {
        const struct hca_param_row *const row = hca_param_row((enum hca_param_id)i);
        fputs("  parameter logic [63:0] ", out);
        camel(out, row->group);
        camel(out, row->name);
        fprintf(out, " = 64'd%llu;\n", (unsigned long long)hca_param_get(&p, row));
    }
}

/* Field names that SystemVerilog reserves get an underscore. */
static const char *reserved(const char *name)
{
    static const char *const words[] = {"type",  "event", "bit",  "ref",
                                        "final", "do",    "with", "vector"};

    for (unsigned i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcmp(words[i], name) == 0) {
            return "_";
        }
    }
    return "";
}

static void package_messages(FILE *out)
{
    const char *open = NULL;

    for (unsigned i = 0; i <= meta_msg_field_count; i++) {
        const struct meta_msg_field *const f = &meta_msg_fields[i];
        if (i == meta_msg_field_count || f->msg != NULL) {
            if (open != NULL) {
                fprintf(out, "  } %s_t;\n", open);
            }
            if (i < meta_msg_field_count) {
                open = f->msg;
                fprintf(out, "\n  parameter int unsigned ");
                camel(out, f->msg);
                fprintf(out, "W = %u;\n  typedef struct packed {\n", meta_msg_bits(i));
            }
        } else if (f->bits == 1) {
            fprintf(out, "    logic %s%s;\n", f->name, reserved(f->name));
        } else if (f->bits > 1) {
            fprintf(out, "    logic [%u:0] %s%s;\n", f->bits - 1U, f->name, reserved(f->name));
        }
    }
}

void gen_package(FILE *out)
{
    fputs(
        "// Printed by hcasim_gen from model/spec/*.def. Do not edit.\n"
        "//\n"
        "// Parameters carry the defaults of param.def; a module takes those it needs as its own\n"
        "// parameters, so that one build can hold several configurations.\n"
        "// verilator lint_off UNUSEDPARAM\n"
        "package hca_pkg;\n",
        out);
    package_params(out);
    package_messages(out);
    fputs("endpackage\n// verilator lint_on UNUSEDPARAM\n", out);
}

enum way { IN, OUT };

/* One switch over the wires of a unit: for each, a line with its port name. */
static void ports(FILE *out, const struct meta_unit *u, enum way way, const char *head,
                  const char *line)
{
    unsigned n = 0;

    fprintf(out, "  %s\n  {\n    switch (port) {\n", head);
    for (unsigned i = 0; i < meta_wire_count; i++) {
        const struct meta_wire *const w = &meta_wires[i];
        if (strcmp(way == IN ? w->to : w->from, u->name) == 0) {
            fprintf(out, "    case %u: ", n++);
            for (const char *c = line; *c != '\0'; c++) {
                if (*c == '@') {
                    fputs(w->name, out);
                } else if (*c == '#') {
                    fprintf(out, "%u", meta_msg_bits(meta_msg_find(w->msg)));
                } else {
                    fputc(*c, out);
                }
            }
            fputc('\n', out);
        }
    }
    fputs("    default: break;\n    }\n  }\n", out);
}

static void bridge_of(FILE *out, const struct meta_unit *u)
{
    unsigned n = 0;

    fprintf(out, "\ntemplate <class V> struct %s_ports {\n", u->name);
    ports(out, u, IN, "static void in(V &v, unsigned port, bool valid, const uint32_t *words)",
          "v.@_valid_i = valid; put(v.@_i, words, #); break;");
    ports(out, u, IN, "static void in_ready(V &v, unsigned port, bool &ready)",
          "ready = v.@_ready_o != 0; break;");
    ports(out, u, OUT, "static void ready(V &v, unsigned port, bool ready)",
          "v.@_ready_i = ready; break;");
    ports(out, u, OUT, "static void out(V &v, unsigned port, bool &valid, uint32_t *words)",
          "valid = v.@_valid_o != 0; get(v.@_o, words, #); break;");
    fputs("  static void stat(V &v, unsigned stat, bool &pulse)\n  {\n    switch (stat) {\n", out);
    for (unsigned i = 0; i < meta_stat_count; i++) {
        if (strcmp(meta_stats[i].unit, u->name) == 0) {
            fprintf(out, "    case %u: pulse = v.stat_%s_o != 0; break;\n", n++,
                    meta_stats[i].name);
        }
    }
    fputs("    default: break;\n    }\n  }\n};\n", out);
}

void gen_bridge(FILE *out)
{
    fputs("// Printed by hcasim_gen from model/spec/*.def. Do not edit.\n"
          "//\n"
          "// Ports of each unit that has RTL, by number: inputs and outputs in the order of "
          "wire.def,\n"
          "// statistics in the order of stat.def.\n"
          "// clang-format off\n#pragma once\n#include \"rtl/bridge/vlport.hpp\"\n",
          out);
    for (unsigned i = 0; i < meta_unit_count; i++) {
        if (strcmp(meta_units[i].rtl, "none") != 0) {
            bridge_of(out, &meta_units[i]);
        }
    }
}
