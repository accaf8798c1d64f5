/* assoc: the constant-time LRU against a slow one that keeps ages. */
#include "tests/unit.h"

#include "model/assoc.h"

enum { LINES_MAX = 64 };

struct slow {
    struct {
        uint64_t key, age;
        bool valid;
    } line[LINES_MAX];
    uint64_t age;
    uint32_t lines, ways;
};

static uint32_t slow_find(const struct slow *s, uint64_t key)
{
    for (uint32_t i = 0; i < s->lines; i++) {
        if (s->line[i].valid && s->line[i].key == key) {
            return i;
        }
    }
    return ASSOC_NONE;
}

/* Oldest line of the set, invalid ones first; true when a key had to go. */
static bool slow_insert(struct slow *s, uint64_t key)
{
    const uint32_t set = (uint32_t)key & (s->lines / s->ways - 1);
    uint32_t best = set * s->ways;

    for (uint32_t i = set * s->ways; i < (set + 1) * s->ways; i++) {
        const uint64_t age = s->line[i].valid ? s->line[i].age : 0;
        const uint64_t least = s->line[best].valid ? s->line[best].age : 0;
        best = age < least ? i : best;
    }
    const bool evicts = s->line[best].valid;
    s->line[best].key = key;
    s->line[best].age = ++s->age;
    s->line[best].valid = true;
    return evicts;
}

static void contents_and_replacement_equal_those_of_a_slow_lru(void **state)
{
    (void)state;
    const struct {
        uint32_t lines, ways;
    } shapes[] = {{1, 1}, {2, 1}, {4, 4}, {7, 7}, {28, 7}, {32, 2}, {64, 64}};
    for (size_t c = 0; c < sizeof shapes / sizeof shapes[0]; c++) {
        struct arena arena;
        struct assoc a;
        static struct slow s;
        uint64_t r = c + 1;
        arena_open(&arena);
        assoc_open(&a, &arena, shapes[c].lines, shapes[c].ways);
        memset(&s, 0, sizeof s);
        s.lines = shapes[c].lines;
        s.ways = shapes[c].ways;
        for (unsigned n = 0; n < 20000; n++) {
            r = r * 6364136223846793005ULL + 1442695040888963407ULL;
            const uint64_t key = (r >> 40) % (2 * shapes[c].lines + 3);
            const uint32_t fast = assoc_find(&a, key), slow = slow_find(&s, key);
            assert_int_equal(fast != ASSOC_NONE, slow != ASSOC_NONE);
            if (fast == ASSOC_NONE) {
                bool evicted;
                const uint32_t line = assoc_insert(&a, key, key, &evicted);
                assert_int_equal(evicted, slow_insert(&s, key));
                assert_int_equal(assoc_find(&a, key), line);
                assert_int_equal(line / shapes[c].ways, key & (s.lines / s.ways - 1));
            } else if (r >> 60 == 0) {
                assoc_drop(&a, fast);
                s.line[slow].valid = false;
            } else {
                assoc_touch(&a, fast);
                s.line[slow].age = ++s.age;
            }
        }
        for (uint64_t key = 0; key < 2 * shapes[c].lines + 3; key++) {
            assert_int_equal(assoc_find(&a, key) != ASSOC_NONE, slow_find(&s, key) != ASSOC_NONE);
        }
        arena_close(&arena);
    }
}

static void a_cache_without_lines_never_holds_anything(void **state)
{
    (void)state;
    struct arena arena;
    struct assoc a;
    bool evicted = true;

    arena_open(&arena);
    assoc_open(&a, &arena, 0, 0);
    assert_true(assoc_insert(&a, 5, 5, &evicted) == ASSOC_NONE);
    assert_false(evicted);
    assert_true(assoc_find(&a, 5) == ASSOC_NONE);
    arena_close(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(contents_and_replacement_equal_those_of_a_slow_lru),
        cmocka_unit_test(a_cache_without_lines_never_holds_anything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
