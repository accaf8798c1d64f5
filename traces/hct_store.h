/* Arrays of resources, grown by reader and writer alike (internal to traces/). */
#pragma once

#include "traces/hct_schema.h"

/* Adds the record `obj` of resource type `id` (HCT_ID_host ... HCT_ID_ah). Its id must be the
 * number of records so far; with `holes` it may be higher, and the missing ones become lost (id
 * HCT_NONE). HCT_OK, HCT_BAD (id, limit) or HCT_NOMEM; the message has no file name. */
enum hct_status hct_store(struct hct_resources *res, uint16_t id, const void *obj, bool holes,
                          struct hct_error *err);
void hct_store_free(struct hct_resources *res); /* the arrays, not res itself */

/* Checks every resource against the others. `holes`: what fails because something it names was lost
 * is made lost too; else the first failure is HCT_BAD with a message without file name. */
enum hct_status hct_check_resources(struct hct_resources *res, bool holes, struct hct_error *err);

/* hct_check_op that also tells whether the op fails only because an object is absent. */
enum hct_status hct_check_op_absent(const struct hct_resources *res, const struct hct_op *op,
                                    uint64_t next_id, uint32_t *warn, bool *absent,
                                    struct hct_error *err);
