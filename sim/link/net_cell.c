/* Storage of the network: heaps of events, cells of frames, queues. */
#include "sim/link/net_i.h"

#include <stdlib.h>
#include <string.h>

static bool before(const struct event *a, const struct event *b)
{
    if (a->at != b->at) {
        return a->at < b->at;
    }
    if (a->kind != b->kind) {
        return a->kind < b->kind;
    }
    return a->port != b->port ? a->port < b->port : a->seq < b->seq;
}

bool heap_push(struct heap *h, const struct event *e)
{
    if (h->n == h->size) {
        const size_t size = h->size != 0 ? h->size * 2 : 256;
        struct event *const more = realloc(h->e, size * sizeof *more);
        if (more == NULL) {
            return false;
        }
        h->e = more;
        h->size = size;
    }
    size_t i = h->n++;
    for (; i > 0 && before(e, &h->e[(i - 1) / 2]); i = (i - 1) / 2) {
        h->e[i] = h->e[(i - 1) / 2];
    }
    h->e[i] = *e;
    return true;
}

struct event heap_pop(struct heap *h)
{
    const struct event first = h->e[0];
    const struct event last = h->e[--h->n];
    size_t i = 0;

    for (size_t child; (child = 2 * i + 1) < h->n; i = child) {
        if (child + 1 < h->n && before(&h->e[child + 1], &h->e[child])) {
            child++;
        }
        if (!before(&h->e[child], &last)) {
            break;
        }
        h->e[i] = h->e[child];
    }
    h->e[i] = last;
    return first;
}

static bool more_cells(struct net *n)
{
    if (n->chunks == n->chunks_max) {
        return false;
    }
    uint8_t *const chunk = malloc(NET_CHUNK_CELLS * n->cell_bytes);
    if (chunk == NULL) {
        return false;
    }
    n->chunk[n->chunks++] = chunk;
    for (uint32_t i = NET_CHUNK_CELLS; i-- > 0;) {
        struct cell *const c = (struct cell *)(void *)(chunk + i * n->cell_bytes);
        c->next = n->free;
        n->free = c;
    }
    return true;
}

struct cell *cell_take(struct net *n)
{
    if (n->free == NULL && !more_cells(n)) {
        return NULL;
    }
    struct cell *const c = n->free;
    n->free = c->next;
    return c;
}

void cell_give(struct net *n, struct cell *c)
{
    c->next = n->free;
    n->free = c;
}

struct cell *cell_copy(struct net *n, const struct cell *c)
{
    struct cell *const copy = cell_take(n);

    if (copy != NULL) {
        memcpy(copy, c, sizeof *c + c->captured);
    }
    return copy;
}

void queue_put(struct queue *q, struct cell *c)
{
    c->next = NULL;
    if (q->head == NULL) {
        q->head = c;
    } else {
        q->tail->next = c;
    }
    q->tail = c;
}

struct cell *queue_take(struct queue *q)
{
    struct cell *const c = q->head;

    q->head = c->next;
    return c;
}
