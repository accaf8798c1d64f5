/* report.schema.json: it says what report.json holds, all of it. */
#include "tests/report_run.h"

#include <sys/wait.h>

static json_t *schema;

static int load_schema(void **state)
{
    (void)state;
    json_error_t e;

    schema = json_load_file(HCA_SOURCE_DIR "/docs/report.schema.json", JSON_REJECT_DUPLICATES, &e);
    if (schema == NULL) {
        fprintf(stderr, "docs/report.schema.json:%d: %s\n", e.line, e.text);
    }
    return schema == NULL ? -1 : 0;
}

static int drop_schema(void **state)
{
    (void)state;
    json_decref(schema);
    return 0;
}

/* --- a validator for the part of draft 7 that the schema uses; anything else fails the test. ----
 */

static bool valid(const json_t *s, const json_t *v, const char *at, char *why, size_t size);

static bool refuse(char *why, size_t size, const char *at, const char *what, const char *detail)
{
    snprintf(why, size, "%s: %s %s", at, what, detail);
    return false;
}

static bool type_is(const char *type, const json_t *v)
{
    return (strcmp(type, "object") == 0 && json_is_object(v)) ||
           (strcmp(type, "array") == 0 && json_is_array(v)) ||
           (strcmp(type, "string") == 0 && json_is_string(v)) ||
           (strcmp(type, "integer") == 0 && json_is_integer(v)) ||
           (strcmp(type, "boolean") == 0 && json_is_boolean(v)) ||
           (strcmp(type, "null") == 0 && json_is_null(v));
}

static bool valid_object(const json_t *s, const json_t *v, const char *at, char *why, size_t size)
{
    json_t *const properties = json_object_get(s, "properties"), *x;
    const char *key;
    size_t i;

    json_array_foreach(json_object_get(s, "required"), i, x)
    {
        if (json_object_get(v, json_string_value(x)) == NULL) {
            return refuse(why, size, at, "lacks", json_string_value(x));
        }
    }
    json_object_foreach((json_t *)(uintptr_t)v, key, x)
    {
        const json_t *const of = json_object_get(properties, key);
        char inner[400];
        snprintf(inner, sizeof inner, "%.300s/%.90s", at, key);
        if (of == NULL) {
            return refuse(why, size, at, "has the unknown key", key);
        }
        if (!valid(of, x, inner, why, size)) {
            return false;
        }
    }
    return true;
}

static bool valid_hash(const json_t *v)
{
    const char *const text = json_string_value(v);

    return text != NULL && strlen(text) == 16 && strspn(text, "0123456789abcdef") == 16;
}

static bool one_of(const json_t *list, const json_t *v, const char *at, char *why, size_t size)
{
    json_t *x;
    size_t i;

    json_array_foreach(list, i, x)
    {
        if (valid(x, v, at, why, size)) {
            return true;
        }
    }
    return false;
}

static bool valid(const json_t *s, const json_t *v, const char *at, char *why, size_t size)
{
    const char *const ref = json_string_value(json_object_get(s, "$ref")), *const type =
                                                                               json_string_value(
                                                                                   json_object_get(
                                                                                       s, "type"));
    const json_t *const any = json_object_get(s, "anyOf"), *const all = json_object_get(s, "allOf");
    static const char prefix[] = "#/definitions/";

    if (ref != NULL) {
        assert_memory_equal(ref, prefix, sizeof prefix - 1);
        const json_t *const to =
            json_object_get(json_object_get(schema, "definitions"), ref + sizeof prefix - 1);
        assert_non_null(to);
        return valid(to, v, at, why, size);
    }
    if (any != NULL) {
        return one_of(any, v, at, why, size);
    }
    if (all != NULL) {
        assert_int_equal(json_array_size(all), 1);
        return valid(json_array_get(all, 0), v, at, why, size);
    }
    assert_non_null(type);
    if (!type_is(type, v)) {
        return refuse(why, size, at, "is not of type", type);
    }
    if (strcmp(type, "object") == 0) {
        assert_true(json_is_false(json_object_get(s, "additionalProperties")));
        return valid_object(s, v, at, why, size);
    }
    json_t *x;
    size_t i;
    json_array_foreach(v, i, x)
    {
        char inner[400];
        snprintf(inner, sizeof inner, "%.300s/%zu", at, i);
        if (!valid(json_object_get(s, "items"), x, inner, why, size)) {
            return false;
        }
    }
    if (json_object_get(s, "minimum") != NULL && json_integer_value(v) < 0) {
        return refuse(why, size, at, "is", "negative");
    }
    return json_object_get(s, "pattern") == NULL || valid_hash(v) ||
           refuse(why, size, at, "is no", "hash");
}

static bool report_valid(const json_t *o, char *why, size_t size)
{
    return valid(schema, o, "report", why, size);
}

/* --- tests ------------------------------------------------------------------------------------ */

static void reports_of_all_kinds_follow_the_schema(void **state)
{
    (void)state;
    char why[800];

    for (unsigned i = 0; i < REPORT_CASES; i++) {
        struct reported r;
        report_of(&report_cases[i], &r);
        if (!report_valid(r.o, why, sizeof why)) {
            fail_msg("%s: %s", report_cases[i].name, why);
        }
        report_free(&r);
    }
}

/* Adds a key to, or takes the first key from, the n-th object of a document. False: no more. */
static bool spoil(json_t *o, unsigned *n, bool add)
{
    const char *key;
    json_t *x;
    size_t i;

    if (json_is_object(o) && json_object_size(o) > 0 && (*n)-- == 0) {
        if (add) {
            json_object_set_new(o, "surplus", json_integer(1));
        } else {
            json_object_del(o, json_object_iter_key(json_object_iter(o)));
        }
        return true;
    }
    json_object_foreach(o, key, x)
    {
        if (spoil(x, n, add)) {
            return true;
        }
    }
    json_array_foreach(o, i, x)
    {
        if (spoil(x, n, add)) {
            return true;
        }
    }
    return false;
}

static void a_key_that_the_schema_does_not_know_is_refused_everywhere(void **state)
{
    (void)state;
    struct reported r;
    char why[800];
    unsigned objects = 0;

    report_of(&report_cases[0], &r);
    for (bool more = true; more; objects += more) {
        json_t *const copy = json_deep_copy(r.o);
        unsigned n = objects;
        more = spoil(copy, &n, true);
        assert_int_equal(report_valid(copy, why, sizeof why), !more);
        assert_true(!more || strstr(why, "surplus") != NULL);
        json_decref(copy);
        objects += more && objects > 40 ? 9 : 0; /* of hundreds of equal ones a tenth */
    }
    assert_true(objects > 100);
    report_free(&r);
}

static void a_missing_key_and_a_wrong_type_are_refused(void **state)
{
    (void)state;
    struct reported r;
    char why[800];
    const char *key;
    json_t *x;

    report_of(&report_cases[0], &r);
    json_object_foreach(r.o, key, x)
    {
        json_t *const copy = json_copy(r.o);
        json_object_del(copy, key);
        assert_false(report_valid(copy, why, sizeof why));
        json_object_set_new(copy, key, json_real(0.5));
        assert_false(report_valid(copy, why, sizeof why));
        json_decref(copy);
    }
    report_free(&r);
}

/* Every key has a title and says what it means; a number that counts something has a unit. */
static void every_key_of_the_schema_is_described(void **state)
{
    (void)state;
    const char *name, *key;
    json_t *d, *p;
    unsigned units = 0, keys = 0;

    json_object_foreach(json_object_get(schema, "definitions"), name, d)
    {
        assert_non_null(json_object_get(d, "description"));
        json_object_foreach(json_object_get(d, "properties"), key, p)
        {
            const char *const doc = json_string_value(json_object_get(p, "description"));
            if (doc == NULL || doc[0] == '\0' || json_object_get(p, "title") == NULL) {
                fail_msg("%s.%s has no description", name, key);
            }
            units += json_object_get(p, "unit") != NULL;
            keys++;
        }
    }
    assert_true(keys > 400 && units > keys / 2);
}

static void the_schema_is_the_one_that_the_tables_give(void **state)
{
    (void)state;
    char *text = NULL;
    size_t size = 0;
    FILE *const out = open_memstream(&text, &size);
    FILE *const file = fopen(HCA_SOURCE_DIR "/docs/report.schema.json", "rb");

    report_schema(out);
    fclose(out);
    assert_non_null(file);
    for (size_t i = 0; i < size; i++) {
        if (getc(file) != text[i]) {
            fail_msg("docs/report.schema.json is stale: run hcasim_gen --write ROOT");
        }
    }
    assert_int_equal(getc(file), EOF);
    fclose(file);
    free(text);
}

/* A second opinion: tests/report_schema.py with python3-jsonschema; skipped where that is absent.
 */
static void an_independent_validator_agrees(void **state)
{
    (void)state;
    char folder[] = HCA_TMP_DIR "/hcasim-schema-XXXXXX", command[4096] = "", path[512];
    bool absent = false;

    assert_non_null(mkdtemp(folder));
    snprintf(command, sizeof command, "'%s/tests/report_schema.py' '%s/docs/report.schema.json'",
             HCA_SOURCE_DIR, HCA_SOURCE_DIR);
    for (unsigned i = 0; i < REPORT_CASES; i++) {
        struct reported r;
        report_of(&report_cases[i], &r);
        snprintf(path, sizeof path, "%s/%s.json", folder, report_cases[i].name);
        FILE *const f = fopen(path, "wb");
        assert_non_null(f);
        assert_int_equal(fwrite(r.json, 1, r.json_size, f), r.json_size);
        fclose(f);
        snprintf(command + strlen(command), sizeof command - strlen(command), " '%s'", path);
        report_free(&r);
    }
    fflush(NULL);
    const int status = system(command); /* NOLINT(cert-env33-c): fixed script of this folder */
    for (unsigned i = 0; i < REPORT_CASES; i++) {
        snprintf(path, sizeof path, "%s/%s.json", folder, report_cases[i].name);
        unlink(path);
    }
    rmdir(folder);
    absent = WIFEXITED(status) && (WEXITSTATUS(status) == 77 || WEXITSTATUS(status) == 127);
    if (absent) {
        skip();
    }
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reports_of_all_kinds_follow_the_schema),
        cmocka_unit_test(a_key_that_the_schema_does_not_know_is_refused_everywhere),
        cmocka_unit_test(a_missing_key_and_a_wrong_type_are_refused),
        cmocka_unit_test(every_key_of_the_schema_is_described),
        cmocka_unit_test(the_schema_is_the_one_that_the_tables_give),
        cmocka_unit_test(an_independent_validator_agrees),
    };
    return cmocka_run_group_tests(tests, load_schema, drop_schema);
}
