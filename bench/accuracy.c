/* accuracy: the model beside published measurements.
 *
 *   accuracy [--json] [--preset NAME] [--set key=value]... [POINTS.csv]
 * --preset: points of this preset alone; --set: what the answers would be with other values.
 * Exit status 0 also when points are missed: the table is the result. 2: usage, or no points. */
#include "bench/answer.h"

#include <jansson.h>

static const double miss_percent = 15;

struct options {
    const char *path, *only;
    char **set;
    int sets;
    bool json;
};

struct row {
    const struct point *p;
    unsigned preset;
    double model;
};

struct summary {
    double mean, worst;
    unsigned count;
};

static struct hca_config config[ACCURACY_PRESETS];

/* Whether a value of a preset was chosen so that points come out right. */
static const char *fitted(const struct hca_config *c, int i)
{
    static const char word[] = "FITTED ";
    const char *const at = strstr(c->origin[i].source, word);

    return at == NULL ? NULL : at + sizeof word - 1;
}

static struct summary summarise(unsigned preset, const struct row *rows, unsigned n)
{
    struct summary s = {0, 0, 0};

    for (unsigned i = 0; i < n; i++) {
        if (rows[i].preset == preset) {
            const double e = fabs(answer_error_percent(rows[i].p, rows[i].model));
            s.mean += e;
            s.worst = e > s.worst ? e : s.worst;
            s.count++;
        }
    }
    s.mean /= s.count == 0 ? 1 : s.count;
    return s;
}

static void print_row(const struct row *r)
{
    const struct point *const p = r->p;
    const double error = answer_error_percent(p, r->model);

    printf("%-5s %-50.50s %8.0f %-8s %9.3f %9.3f %-4s %+6.1f %% %-8s%s\n", p->id, p->quantity, p->x,
           p->x_unit, r->model, p->value, p->unit, error, p->status,
           fabs(error) > miss_percent ? " MISS" : "");
}

static void print_summary(unsigned preset, const struct summary *s)
{
    const struct hca_config *const c = &config[preset];
    unsigned n = 0;
    char value[64];

    if (s->count == 0) {
        return;
    }
    printf("\n%s: mean absolute error %.1f %% over %u points, worst %.1f %%\n  fitted parameters\n",
           accuracy_preset[preset], s->mean, s->count, s->worst);
    for (int i = 0; i < HCA_PARAM_COUNT; i++) {
        const struct hca_param_row *const row = hca_param_row((enum hca_param_id)i);
        if (fitted(c, i) != NULL) {
            printf("  %2u  %-24s %6s %-8s %s\n", ++n, row->key,
                   hca_param_text(&c->value, row, value, sizeof value), row->unit, fitted(c, i));
        }
    }
}

static json_t *row_json(const struct row *r)
{
    const struct point *const p = r->p;

    return json_pack("{s:s, s:s, s:f, s:s, s:s, s:f, s:f, s:s, s:f, s:s, s:s}", "id", p->id,
                     "quantity", p->quantity, "x", p->x, "x_unit", p->x_unit, "preset",
                     accuracy_preset[r->preset], "model", r->model, "published", p->value, "unit",
                     p->unit, "error_percent", answer_error_percent(p, r->model), "evidence",
                     p->status, "source", p->source);
}

static json_t *summary_json(unsigned preset, const struct summary *s)
{
    const struct hca_config *const c = &config[preset];
    json_t *const list = json_array();
    char value[64];

    for (int i = 0; i < HCA_PARAM_COUNT; i++) {
        const struct hca_param_row *const row = hca_param_row((enum hca_param_id)i);
        if (fitted(c, i) != NULL) {
            json_array_append_new(list,
                                  json_pack("{s:s, s:s, s:s, s:s}", "key", row->key, "value",
                                            hca_param_text(&c->value, row, value, sizeof value),
                                            "unit", row->unit, "reason", fitted(c, i)));
        }
    }
    return json_pack("{s:s, s:i, s:f, s:f, s:o}", "name", accuracy_preset[preset], "points",
                     (int)s->count, "mean_error_percent", s->mean, "worst_error_percent", s->worst,
                     "fitted", list);
}

static void print_json(const struct row *rows, unsigned n)
{
    json_t *const points = json_array(), *const presets = json_array();

    for (unsigned i = 0; i < n; i++) {
        json_array_append_new(points, row_json(&rows[i]));
    }
    for (unsigned i = 0; i < ACCURACY_PRESETS; i++) {
        const struct summary s = summarise(i, rows, n);
        if (s.count > 0) {
            json_array_append_new(presets, summary_json(i, &s));
        }
    }
    json_t *const all = json_pack("{s:o, s:o}", "points", points, "presets", presets);
    json_dumpf(all, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(10));
    putchar('\n');
    json_decref(all);
}

static bool parse(int argc, char **argv, struct options *o)
{
    static char *sets[64];

    *o = (struct options){.path = HCA_SOURCE_DIR "/bench/points.csv", .set = sets};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            o->json = true;
        } else if (strcmp(argv[i], "--preset") == 0 && i + 1 < argc) {
            o->only = argv[++i];
        } else if (strcmp(argv[i], "--set") == 0 && i + 1 < argc && o->sets < 64) {
            o->set[o->sets++] = argv[++i];
        } else if (argv[i][0] == '-') {
            fprintf(stderr, "usage: accuracy [--json] [--preset nfp6000_bdw|mlx4_qdr] "
                            "[--set key=value]... [POINTS.csv]\n");
            return false;
        } else {
            o->path = argv[i];
        }
    }
    return true;
}

static bool load_presets(const struct options *o)
{
    struct hca_error err;

    for (unsigned i = 0; i < ACCURACY_PRESETS; i++) {
        bool good = true;
        scenario_config(accuracy_preset[i], &config[i]);
        for (int s = 0; good && s < o->sets; s++) {
            good = hca_config_set_argument(&config[i], o->set[s], &err);
        }
        if (!good || !hca_config_check(&config[i], &err)) {
            fprintf(stderr, "accuracy: %s\n", err.text);
            return false;
        }
    }
    return true;
}

int main(int argc, char **argv)
{
    static struct point points[POINTS_MAX];
    static struct row rows[POINTS_MAX];
    struct options o;
    char why[400];
    unsigned n = 0;

    if (!parse(argc, argv, &o) || !load_presets(&o)) {
        return 2;
    }
    const unsigned count = points_load(o.path, points, why, sizeof why);
    if (count == 0) {
        fprintf(stderr, "accuracy: %s\n", why);
        return 2;
    }
    if (!o.json) {
        printf("Model beside published points; errors above %.0f %% are marked. Sources: %s\n"
               "%-5s %-50s %17s %9s %9s %-4s %8s %s\n",
               miss_percent, "bench/points.csv", "id", "quantity", "at", "model", "published",
               "unit", "error", "evidence");
    }
    for (unsigned i = 0; i < count; i++) {
        const unsigned preset = answer_preset(&points[i]);
        if (preset == ACCURACY_PRESETS ||
            (o.only != NULL && strcmp(o.only, accuracy_preset[preset]) != 0)) {
            continue;
        }
        rows[n] = (struct row){&points[i], preset,
                               answer(&points[i], &config[preset].value, &effort_full)};
        if (!o.json) {
            print_row(&rows[n]);
            fflush(stdout);
        }
        n++;
    }
    for (unsigned i = 0; !o.json && i < ACCURACY_PRESETS; i++) {
        const struct summary s = summarise(i, rows, n);
        print_summary(i, &s);
    }
    if (o.json) {
        print_json(rows, n);
    }
    return 0;
}
