/* Printing of one field of a record, as text and as JSON (internal to traces/). */
#pragma once

#include <stdio.h>

#include "traces/hct_schema.h"

/* A JSON string of `len` bytes: what is not UTF-8 becomes U+FFFD. */
void show_json_text(FILE *out, const void *bytes, size_t len);

/* Does this field name an object that can be none (its unit is a record type, or a QP number)? */
bool show_is_object(const struct hct_schema *s, const struct hct_field *f);

/* A number with its unit's meaning: word, none, signed. */
void show_number(FILE *out, bool json, const struct hct_schema *s, const struct hct_field *f,
                 uint64_t number);

/* Any value: numbers, text, bytes (hexadecimal; in text at most 16), lists. `as_text`: bytes are
 * UTF-8. */
void show_value(FILE *out, bool json, const struct hct_schema *s, const struct hct_value *v,
                bool as_text);
