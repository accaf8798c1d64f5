/* Arrays of resources. The public view has const pointers; the store owns and grows them. */
#include <stdlib.h>
#include <string.h>

#include "traces/hct_store.h"

/* Place of one kind of resource in struct hct_resources. */
struct kind {
    void *place; /* of the array pointer, whose type differs by kind: moved by memcpy */
    uint32_t *count;
    uint32_t bytes, max;
    const char *name;
};

#define KIND(field, limit)                                                     \
    (struct kind)                                                              \
    {                                                                          \
        &res->field, &res->field##s, sizeof(struct hct_##field), limit, #field \
    }

/* ids HCT_ID_host..HCT_ID_ah are one row of numbers (record.def). */
static struct kind kind_of(struct hct_resources *res, uint16_t id)
{
    switch (id) {
    case HCT_ID_host: return KIND(host, HCT_HOSTS_MAX);
    case HCT_ID_fn: return KIND(fn, HCT_FNS_MAX);
    case HCT_ID_pd: return KIND(pd, HCT_OBJECTS_MAX);
    case HCT_ID_mr: return KIND(mr, HCT_OBJECTS_MAX);
    case HCT_ID_cq: return KIND(cq, HCT_OBJECTS_MAX);
    case HCT_ID_srq: return KIND(srq, HCT_OBJECTS_MAX);
    case HCT_ID_qp: return KIND(qp, HCT_OBJECTS_MAX);
    default: return KIND(ah, HCT_OBJECTS_MAX);
    }
}

/* Every resource struct begins with its u32 id. */
static uint32_t id_of(const void *obj)
{
    return (uint32_t)hct_get(obj, 4);
}

_Static_assert(offsetof(struct hct_host, id) == 0 && offsetof(struct hct_fn, id) == 0 &&
                   offsetof(struct hct_pd, id) == 0 && offsetof(struct hct_mr, id) == 0 &&
                   offsetof(struct hct_cq, id) == 0 && offsetof(struct hct_srq, id) == 0 &&
                   offsetof(struct hct_qp, id) == 0 && offsetof(struct hct_ah, id) == 0,
               "a resource begins with its id");

static void *array_of(const struct kind *k)
{
    void *array = NULL;
    memcpy(&array, k->place, sizeof array);
    return array;
}

/* Room grows by doubling: an array of n holds space for the next power of two from 16 on. */
static void *grown(void *array, uint32_t have, uint32_t want, size_t bytes)
{
    size_t room = have ? 16 : 0;
    while (room < have) {
        room *= 2;
    }
    if (want <= room) {
        return array;
    }
    size_t next = 16;
    while (next < want) {
        next *= 2;
    }
    return realloc(array, next * bytes);
}

/* An id behind a hole costs memory for the hole; HCT_OBJECTS_MAX bounds it. */
enum hct_status hct_store(struct hct_resources *res, uint16_t id, const void *obj, bool holes,
                          struct hct_error *err)
{
    const struct kind k = kind_of(res, id);
    const uint32_t n = *k.count;
    const uint32_t at = id_of(obj);

    if (at >= k.max) {
        return hct_fail(err, HCT_BAD, "%s %u: ids go up to %u; split the trace", k.name, at,
                        k.max - 1);
    }
    if (at < n || (at > n && !holes)) {
        return hct_fail(err, HCT_BAD, "%s %u where %s %u must come: ids are dense from 0", k.name,
                        at, k.name, n);
    }
    uint8_t *array = grown(array_of(&k), n, at + 1, k.bytes);
    if (!array) {
        return hct_fail(err, HCT_NOMEM, "no memory for %u %ss", at + 1, k.name);
    }
    for (uint32_t i = n; i < at; i++) {
        memset(array + (size_t)i * k.bytes, 0, k.bytes);
        hct_set(array + (size_t)i * k.bytes, HCT_NONE, 4);
    }
    memcpy(array + (size_t)at * k.bytes, obj, k.bytes);
    memcpy(k.place, &array, sizeof array);
    *k.count = at + 1;
    return HCT_OK;
}

void hct_store_free(struct hct_resources *res)
{
    for (int id = HCT_ID_host; id <= HCT_ID_ah; id++) {
        const struct kind k = kind_of(res, (uint16_t)id);
        free(array_of(&k));
    }
    *res = (struct hct_resources){0};
}
