#include "sim/cli/run_events.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct held {
    uint64_t at_ps, order;
    uint32_t unit;
    struct trace_rec rec;
};

struct events_out {
    hct_writer *w;
    unsigned hosts, hcas;
    struct held *held;
    size_t n, room;
    uint64_t order, last_ps;
    bool bad, no_memory;
    struct hct_error err;
};

static enum hct_width width(uint32_t bytes)
{
    return bytes == 1 ? HCT_U8 : bytes == 2 ? HCT_U16 : bytes == 4 ? HCT_U32 : HCT_U64;
}

static enum hct_status create(const char *path, struct events_out *e, struct hct_error *err)
{
    static struct hct_event_type type[EVENTS];
    static struct hct_event_field field[EVENTS][META_FIELDS];

    for (unsigned i = 0; i < meta_event_count; i++) {
        const struct meta_event *const m = &meta_events[i];
        unsigned n = 0;
        for (; n < META_FIELDS && m->field[n].bytes != 0; n++) {
            field[i][n] = (struct hct_event_field){m->field[n].name, "", width(m->field[n].bytes)};
        }
        type[i] =
            (struct hct_event_type){.name = m->name, .doc = m->doc, .field = field[i], .fields = n};
    }
    const struct hct_create c = {.content = HCT_EVENTS, .type = type, .types = EVENTS};
    return hct_create(path, &c, &e->w, err);
}

/* Units of every host and adapter, in the order in which unit_of() numbers them. */
static bool put_units(struct events_out *e)
{
    char name[HCT_TEXT_BYTES];

    for (unsigned h = 0; h < e->hosts; h++) {
        for (unsigned a = 0; a <= e->hcas; a++) {
            for (unsigned u = 0; u < meta_unit_count; u++) {
                if (a == 0) {
                    snprintf(name, sizeof name, "host%u.%s", h, meta_units[u].name);
                } else {
                    snprintf(name, sizeof name, "host%u.hca%u.%s", h, a - 1, meta_units[u].name);
                }
                if (hct_put_unit(e->w, name) != HCT_OK) {
                    return false;
                }
            }
        }
    }
    return true;
}

struct events_out *events_open(const char *path, struct world *w, struct hct_error *err)
{
    struct events_out *const e = calloc(1, sizeof *e);

    if (e == NULL) {
        snprintf(err->text, sizeof err->text, "%s: no memory for events", path);
        return NULL;
    }
    e->hosts = world_hosts(w);
    e->hcas = world_hcas(w);
    if (create(path, e, err) != HCT_OK) {
        free(e);
        return NULL;
    }
    if (!put_units(e)) {
        *err = *hct_writer_error(e->w);
        hct_abort(e->w);
        free(e);
        return NULL;
    }
    return e;
}

void events_add(struct events_out *e, unsigned host, int hca, uint64_t at_ps,
                const struct trace_rec *rec)
{
    if (e->n == e->room) {
        const size_t room = e->room == 0 ? 4096 : 2 * e->room;
        struct held *const p = realloc(e->held, room * sizeof *p);
        if (p == NULL) {
            e->bad = e->no_memory = true;
            return;
        }
        e->held = p;
        e->room = room;
    }
    const uint32_t base = (host * (e->hcas + 1) + (uint32_t)(hca + 1)) * meta_unit_count;
    e->held[e->n++] = (struct held){at_ps, e->order++, base + rec->unit % meta_unit_count, *rec};
}

static int earlier(const void *a, const void *b)
{
    const struct held *const x = a, *const y = b;

    if (x->at_ps != y->at_ps) {
        return x->at_ps < y->at_ps ? -1 : 1;
    }
    return x->order < y->order ? -1 : x->order > y->order;
}

static void put(struct events_out *e, const struct held *h)
{
    const struct meta_event *const m = &meta_events[h->rec.id];
    struct hct_event v = {.t_ps = h->at_ps, .unit = h->unit, .type = h->rec.id};

    for (; v.values < META_FIELDS && m->field[v.values].bytes != 0; v.values++) {
        v.value[v.values] = meta_value(m, v.values, h->rec.args);
    }
    e->bad |= hct_put_event(e->w, &v) != HCT_OK;
}

bool events_failed(const struct events_out *e)
{
    return e->bad;
}

void events_flush(struct events_out *e, uint64_t now_ps)
{
    size_t done = 0;

    qsort(e->held, e->n, sizeof *e->held, earlier);
    for (; done < e->n && e->held[done].at_ps < now_ps && !e->bad; done++) {
        put(e, &e->held[done]);
    }
    memmove(e->held, e->held + done, (e->n - done) * sizeof *e->held);
    e->n -= done;
}

bool events_close(struct events_out *e, struct hct_error *err)
{
    if (e == NULL) {
        return true;
    }
    events_flush(e, UINT64_MAX);
    bool good = !e->bad;
    if (good) {
        good = hct_finish(e->w, err) == HCT_OK;
    } else if (e->no_memory) {
        snprintf(err->text, sizeof err->text, "no memory for the events of one window");
        hct_abort(e->w);
    } else {
        *err = *hct_writer_error(e->w);
        hct_abort(e->w);
    }
    free(e->held);
    free(e);
    return good;
}

void events_abort(struct events_out *e)
{
    if (e != NULL) {
        hct_abort(e->w);
        free(e->held);
        free(e);
    }
}
