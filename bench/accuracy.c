/* accuracy: model beside published measurements (bench/points.csv, docs/FIDELITY.md).
 *
 *   accuracy [--json] [POINTS.csv]
 * Exit status 0 also when points are missed: the table is the result. 2: no points file. */
#include "bench/scenario.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { POINTS_MAX = 256, FIELDS = 8 };

struct point {
    char id[16], quantity[96], unit[16], status[16];
    double x, value;
};

struct row {
    const struct point *p;
    const char *preset;
    double model;
};

static unsigned split(char *line, char *field[FIELDS])
{
    unsigned n = 0;

    while (n < FIELDS && line != NULL && *line != '\0') {
        const char quote = *line == '"';
        line += quote != 0;
        field[n++] = line;
        char *const end = quote != 0 ? strchr(line, '"') : line + strcspn(line, ",\r\n");
        if (end == NULL) {
            break;
        }
        line = *end == '\0' ? NULL : quote != 0 ? strchr(end, ',') : end;
        *end = '\0';
        line = line == NULL ? NULL : line + 1;
    }
    return n;
}

static unsigned load(const char *path, struct point *p)
{
    FILE *const f = fopen(path, "r");
    char line[1024], *field[FIELDS];
    unsigned n = 0;

    if (f == NULL) {
        return 0;
    }
    while (n < POINTS_MAX && fgets(line, sizeof line, f) != NULL) {
        if (split(line, field) < 7 || strcmp(field[0], "id") == 0) {
            continue;
        }
        struct point *const q = &p[n++];
        snprintf(q->id, sizeof q->id, "%s", field[0]);
        snprintf(q->quantity, sizeof q->quantity, "%s", field[1]);
        snprintf(q->unit, sizeof q->unit, "%s", field[5]);
        snprintf(q->status, sizeof q->status, "%s", field[6]);
        q->x = strtod(field[2], NULL);
        q->value = strtod(field[4], NULL);
    }
    fclose(f);
    return n;
}

static double half_round_trip(const struct point *q, const char *op, bool immediate)
{
    (void)immediate;
    return scenario_ping_pong("mlx4_qdr", op, (uint64_t)q->x) / 1000.0; /* us */
}

/* The model's answer to a point; NAN: no scenario for it. */
static double answer(const struct point *q, const char **preset)
{
    *preset = "nfp6000_bdw";
    if (strcmp(q->id, "C-P1") == 0) {
        return scenario_dma_latency_ns(BENCH_READ, (uint32_t)q->x, 8192, false);
    }
    if (strcmp(q->id, "C-P6") == 0) {
        return scenario_dma_gbps(BENCH_READ, (uint32_t)q->x, 8192, false);
    }
    if (strcmp(q->id, "C-P7") == 0) {
        return scenario_dma_gbps(BENCH_WRITE, (uint32_t)q->x, 8192, false);
    }
    if (strcmp(q->id, "C-I1") == 0) {
        return scenario_dma_gbps(BENCH_READ, 64, (uint64_t)q->x, true);
    }
    if (strcmp(q->id, "C-I3") == 0) {
        const unsigned kind = strstr(q->quantity, "write") != NULL ? BENCH_WRRD : BENCH_READ;
        return scenario_dma_latency_ns(kind, 64, 64 << 20, true) -
               scenario_dma_latency_ns(kind, 64, 64 << 10, true);
    }
    *preset = "mlx4_qdr";
    if (strcmp(q->id, "C-N1") == 0) {
        return half_round_trip(q, "write", true);
    }
    if (strcmp(q->id, "C-N2") == 0) {
        return scenario_latency_ns("mlx4_qdr", "read", (uint64_t)q->x) / 1000.0;
    }
    if (strcmp(q->id, "C-N3") == 0) {
        return half_round_trip(q, "send", true);
    }
    return (double)NAN;
}

/* C-N4: what losing inlining costs, from the rows of C-N1 and C-N3. */
static double inline_loss(const struct row *rows, unsigned n, const char *id)
{
    double below = 0, above = 0;

    for (unsigned i = 0; i < n; i++) {
        if (strcmp(rows[i].p->id, id) == 0) {
            below = rows[i].p->x == 128 ? rows[i].model : below;
            above = rows[i].p->x == 256 ? rows[i].model : above;
        }
    }
    return above - below;
}

static void print_row(bool json, const char *id, const char *what, double x, const char *unit,
                      const char *preset, double model, double published)
{
    const double error = 100.0 * (model - published) / published;

    if (json) {
        printf("{\"id\":\"%s\",\"quantity\":\"%s\",\"x\":%g,\"unit\":\"%s\",\"preset\":\"%s\","
               "\"model\":%.4f,\"published\":%g,\"error_percent\":%.2f}\n",
               id, what, x, unit, preset, model, published, error);
    } else {
        printf("%-5s %-44.44s %10g %10.3f %10.3f %-5s %+7.1f %%%s\n", id, what, x, model, published,
               unit, error, fabs(error) > 15 ? "  MISS" : "");
    }
}

static void print_mean(bool json, const char *preset, const struct row *rows, unsigned n)
{
    double sum = 0, worst = 0;
    unsigned count = 0;

    for (unsigned i = 0; i < n; i++) {
        if (strcmp(rows[i].preset, preset) == 0) {
            const double e = fabs(100.0 * (rows[i].model - rows[i].p->value) / rows[i].p->value);
            sum += e;
            worst = e > worst ? e : worst;
            count++;
        }
    }
    if (!json && count > 0) {
        printf("%s: mean absolute error %.1f %% over %u points, worst %.1f %%\n", preset,
               sum / count, count, worst);
    }
}

int main(int argc, char **argv)
{
    static struct point points[POINTS_MAX];
    static struct row rows[POINTS_MAX];
    const char *path = HCA_SOURCE_DIR "/bench/points.csv";
    bool json = false;
    unsigned n = 0;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            json = true;
        } else {
            path = argv[i];
        }
    }
    const unsigned count = load(path, points);
    if (count == 0) {
        fprintf(stderr, "accuracy: %s: no points\n", path);
        return 2;
    }
    if (!json) {
        printf("Model against published points (sources: bench/points.csv, docs/FIDELITY.md)\n"
               "%-5s %-44s %10s %10s %10s %-5s %9s\n",
               "id", "quantity", "x", "model", "published", "unit", "error");
    }
    for (unsigned i = 0; i < count; i++) {
        const char *preset;
        const double model = answer(&points[i], &preset);
        if (!isnan(model)) {
            rows[n++] = (struct row){&points[i], preset, model};
            print_row(json, points[i].id, points[i].quantity, points[i].x, points[i].unit, preset,
                      model, points[i].value);
            fflush(stdout);
        }
    }
    /* source of 0.74 us: 1.84 - 1.10 (WRITE) and 1.92 - 1.18 (SEND) of the same log */
    print_row(json, "C-N4", "loss of inlining 128 -> 256 B, WRITE", 256, "us", "mlx4_qdr",
              inline_loss(rows, n, "C-N1"), 0.74);
    print_row(json, "C-N4", "loss of inlining 128 -> 256 B, SEND", 256, "us", "mlx4_qdr",
              inline_loss(rows, n, "C-N3"), 0.74);
    print_mean(json, "nfp6000_bdw", rows, n);
    print_mean(json, "mlx4_qdr", rows, n);
    return 0;
}
