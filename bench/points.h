/* points.h: published measurements, bench/points.csv.
 *
 * id,quantity,x,x_unit,value,unit,status,source: a field with commas stands in quotes; status is
 * VERIFIED (the figure was read at its source) or DERIVED (arithmetic on such figures). */
#pragma once
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { POINTS_MAX = 256, POINT_FIELDS = 8 };

struct point {
    char id[16], quantity[96], x_unit[32], unit[16], status[16], source[200];
    double x, value;
};

/* Cuts a line into fields; their number, 0 when a quote stays open or there are more. */
static inline unsigned points_split(char *line, char *field[POINT_FIELDS])
{
    unsigned n = 0;

    for (char *at = line; at != NULL;) {
        const bool quoted = *at == '"';
        char *const text = at + quoted;
        char *end = quoted ? strchr(text, '"') : text + strcspn(text, ",\r\n");
        if (end == NULL || n == POINT_FIELDS) {
            return 0;
        }
        at = quoted ? end + 1 : end;
        at = *at == ',' ? at + 1 : NULL;
        *end = '\0';
        field[n++] = text;
    }
    return n;
}

static inline bool points_number(const char *text, double *value)
{
    char *end;

    *value = strtod(text, &end);
    return end != text && *end == '\0' && isfinite(*value);
}

static inline bool points_row(char *const field[POINT_FIELDS], struct point *p)
{
    const struct {
        char *to;
        size_t size;
        unsigned field;
    } texts[] = {{p->id, sizeof p->id, 0},         {p->quantity, sizeof p->quantity, 1},
                 {p->x_unit, sizeof p->x_unit, 3}, {p->unit, sizeof p->unit, 5},
                 {p->status, sizeof p->status, 6}, {p->source, sizeof p->source, 7}};

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        const char *const from = field[texts[i].field];
        if (*from == '\0' || strlen(from) >= texts[i].size) {
            return false;
        }
        strcpy(texts[i].to, from);
    }
    return points_number(field[2], &p->x) && points_number(field[4], &p->value) && p->value > 0 &&
           (strcmp(p->status, "VERIFIED") == 0 || strcmp(p->status, "DERIVED") == 0);
}

/* Reads at most POINTS_MAX points. 0 and a message in why when the file is not one of points. */
static inline unsigned points_load(const char *path, struct point *p, char *why, size_t size)
{
    static const char head[] = "id,quantity,x,x_unit,value,unit,status,source";
    FILE *const f = fopen(path, "r");
    char line[1024], *field[POINT_FIELDS];
    unsigned n = 0, at = 0;
    bool good = f != NULL;

    snprintf(why, size, "%s: cannot be read", path);
    while (good && fgets(line, sizeof line, f) != NULL) {
        if (++at == 1) {
            good = strncmp(line, head, sizeof head - 1) == 0;
        } else {
            good = n < POINTS_MAX && points_split(line, field) == POINT_FIELDS &&
                   points_row(field, &p[n]);
            n++;
        }
        snprintf(why, size, "%s:%u: must be %s, %d rows at most", path, at, head, POINTS_MAX);
    }
    if (f != NULL) {
        fclose(f);
    }
    return good ? n : 0;
}
