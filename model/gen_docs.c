/* gen_docs.c: reference pages from the tables. */
#include "model/gen.h"

#include <string.h>

static void head(FILE *out, const char *title, const char *table, const char *text)
{
    fprintf(out, "# %s\n\nPrinted from `model/spec/%s`; do not edit. %s\n\n", title, table, text);
}

static const char *side_name(enum meta_side side)
{
    return side == META_HCA ? "adapter" : "host";
}

void gen_units(FILE *out)
{
    head(out, "Units", "unit.def",
         "In the order of the data. RTL: lockstep mode of the SystemVerilog peer; none: C only.");
    fputs("| unit | side | RTL | purpose |\n|---|---|---|---|\n", out);
    for (unsigned i = 0; i < meta_unit_count; i++) {
        const struct meta_unit *const u = &meta_units[i];
        fprintf(out, "| [%s](../units/%s.md) | %s | %s | %s |\n", u->name, u->name,
                side_name(u->side), u->rtl, u->doc);
    }
}

void gen_wires(FILE *out)
{
    head(out, "Wires", "wire.def",
         "A wire is a registered FIFO: a push is seen one cycle later. Back: against the order of "
         "the units. edge: the public API.");
    fputs("| wire | message | from | to | depth | |\n|---|---|---|---|---|---|\n", out);
    for (unsigned i = 0; i < meta_wire_count; i++) {
        const struct meta_wire *const w = &meta_wires[i];
        fprintf(out, "| %s | [%s](messages.md#%s) | %s | %s | %u | %s |\n", w->name, w->msg, w->msg,
                w->from, w->to, w->depth, w->back ? "back" : "");
    }
}

void gen_messages(FILE *out)
{
    head(out, "Messages", "msg.def",
         "Fields with a width are what hardware carries, first field at the top; the others exist "
         "in the simulator only and influence nothing.");
    for (unsigned i = 0; i < meta_msg_field_count; i++) {
        const struct meta_msg_field *const f = &meta_msg_fields[i];
        if (f->msg != NULL) {
            fprintf(out, "%s## %s\n\n%u bits.\n\n| field | bits |\n|---|---|\n", i == 0 ? "" : "\n",
                    f->msg, meta_msg_bits(i));
        } else if (f->bits != 0) {
            fprintf(out, "| %s | %u |\n", f->name, f->bits);
        } else {
            fprintf(out, "| %s | simulator only |\n", f->name);
        }
    }
}

void gen_stats(FILE *out)
{
    head(out, "Statistics", "stat.def",
         "Counts of events; time-weighted figures come from the wires. One count per handle.");
    fputs("| unit | statistic | counts | meaning |\n|---|---|---|---|\n", out);
    for (unsigned i = 0; i < meta_stat_count; i++) {
        const struct meta_stat *const s = &meta_stats[i];
        fprintf(out, "| %s | %s | %s | %s |\n", s->unit, s->name, s->measure, s->doc);
    }
}

void gen_events(FILE *out)
{
    head(out, "Events", "event.def", "Recorded by `hcasim run --events`.");
    fputs("| event | unit | fields | meaning |\n|---|---|---|---|\n", out);
    for (unsigned i = 0; i < meta_event_count; i++) {
        const struct meta_event *const e = &meta_events[i];
        fprintf(out, "| %s | %s | ", e->name, e->unit);
        for (unsigned f = 0; f < META_FIELDS && e->field[f].bytes != 0; f++) {
            fprintf(out, "%s%s:%u", f == 0 ? "" : " ", e->field[f].name, e->field[f].bytes * 8);
        }
        fprintf(out, " | %s |\n", e->doc);
    }
}

void gen_stages(FILE *out)
{
    head(out, "Stages", "stage.def",
         "Stamps of an operation. A report charges the time between two successive stamps to the "
         "later one, so the stages of an operation add up to its latency.");
    fputs("| stage | unit | time charged to it |\n|---|---|---|\n", out);
    for (unsigned i = 0; i < meta_stage_count; i++) {
        fprintf(out, "| %s | %s | %s |\n", meta_stages[i].name, meta_stages[i].unit,
                meta_stages[i].doc);
    }
}

void gen_errors(FILE *out)
{
    static const struct {
        const char *name, *kind, *doc;
        unsigned value;
    } rows[] = {
#define ERROR(name, kind, value, doc) {#name, #kind, doc, value},
#include "model/spec/error.def"
#undef ERROR
    };

    head(
        out, "Errors", "error.def",
        "How operations, queues and accesses end. Exit statuses of the programs are in README.md.");
    fputs("| error | kind | value | meaning |\n|---|---|---|---|\n", out);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        fprintf(out, "| %s | %s | %u | %s |\n", rows[i].name, rows[i].kind, rows[i].value,
                rows[i].doc);
    }
}
