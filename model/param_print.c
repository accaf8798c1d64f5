/* docs/reference/params.md, printed from the tables. */
#include "model/param.h"

#include <string.h>

enum { CELL_MAX = 512 };

/* Text fit for a cell of a Markdown table. */
static const char *cell(const char *text, char *buf)
{
    size_t n = 0;
    for (; *text != '\0' && n + 2 < CELL_MAX; text++) {
        if (*text == '|') {
            buf[n++] = '\\';
        }
        buf[n++] = *text;
    }
    buf[n] = '\0';
    return buf;
}

/* "1 .. 256, power of two", "1|2|4|8|16" or the tokens. */
static const char *range_text(const struct hca_param_row *row, char *buf, size_t size)
{
    const char *allowed = hca_param_allowed(row);
    if (row->kind != HCA_PARAM_INT) {
        (void)snprintf(buf, size, "%s", row->tokens);
    } else if (allowed != NULL && strchr(allowed, '|') != NULL) {
        (void)snprintf(buf, size, "%s", allowed);
    } else {
        (void)snprintf(buf, size, "%llu .. %llu%s%s", (unsigned long long)row->min,
                       (unsigned long long)row->max, allowed != NULL ? ", " : "",
                       allowed != NULL ? allowed : "");
    }
    return buf;
}

static void print_assumed(FILE *out, const struct hca_param *p)
{
    unsigned count = 0;
    for (int i = 0; i < HCA_PARAM_COUNT; i++) {
        count += hca_param_row((enum hca_param_id)i)->source_class == HCA_SOURCE_ASSUMED;
    }
    fprintf(
        out,
        "## Assumed defaults\n\n"
        "%u of %d defaults rest on an assumption, not on a document or a measurement. A result\n"
        "that depends on one of them is as good as that assumption.\n\n"
        "| parameter | default | why |\n|---|---|---|\n",
        count, (int)HCA_PARAM_COUNT);
    for (int i = 0; i < HCA_PARAM_COUNT; i++) {
        const struct hca_param_row *row = hca_param_row((enum hca_param_id)i);
        if (row->source_class == HCA_SOURCE_ASSUMED) {
            char value[32];
            char why[CELL_MAX];
            fprintf(out, "| [%s](#%s-%s) | %s%s%s | %s |\n", row->key, row->group, row->name,
                    hca_param_text(p, row, value, sizeof value), row->unit[0] != '\0' ? " " : "",
                    row->unit, cell(row->source, why));
        }
    }
}

static void print_row(FILE *out, const struct hca_param *p, const struct hca_param_row *row)
{
    char value[32];
    char range[128];
    char range_cell[CELL_MAX];
    char doc[CELL_MAX];
    char source[CELL_MAX];
    fprintf(out, "| <a id=\"%s-%s\"></a>`%s` | %s | %s | %s | %s | %s: %s |\n", row->group,
            row->name, row->key, hca_param_text(p, row, value, sizeof value),
            cell(range_text(row, range, sizeof range), range_cell), row->unit, cell(row->doc, doc),
            hca_source_name(row->source_class), cell(row->source, source));
}

void param_print_markdown(FILE *out)
{
    struct hca_param p;
    hca_param_default(&p);
    fprintf(out, "# Parameters\n\n"
                 "Printed from `model/spec/param.def` and `param_rule.def`; do not edit. Every key "
                 "stands in a\nYAML file (`hca:` then `qp_max: 1024`) or behind `--set` "
                 "(`--set hca.qp_max=1024`).\n\n");
    print_assumed(out, &p);
    const char *group = "";
    for (int i = 0; i < HCA_PARAM_COUNT; i++) {
        const struct hca_param_row *row = hca_param_row((enum hca_param_id)i);
        if (strcmp(group, row->group) != 0) {
            group = row->group;
            fprintf(out,
                    "\n## %s\n\n| parameter | default | range | unit | meaning | source |\n"
                    "|---|---|---|---|---|---|\n",
                    group);
        }
        print_row(out, &p, row);
    }
}
