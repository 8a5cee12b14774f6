/* An index finds what was added, whatever was removed meanwhile. */
#include "tests/unit/unit.h"

#include "steady/rng.h"
#include "steady/text_index.h"

#define TEXTS_COUNT 500

static void what_was_added_is_found_and_what_was_removed_is_not(void **state)
{
    (void)state;
    static char texts[TEXTS_COUNT][16];
    bool there[TEXTS_COUNT] = {false};
    struct text_index index = {NULL, 0, 0};
    struct rng rng;
    rng_init(&rng, unit_seed());
    for (size_t i = 0; i < TEXTS_COUNT; i++) {
        snprintf(texts[i], sizeof texts[i], "name-%zu", i);
    }
    for (size_t turn = 0; turn < 50000; turn++) {
        size_t i = (size_t)rng_below(&rng, TEXTS_COUNT);
        if (there[i]) {
            text_index_remove(&index, texts[i]);
        } else {
            assert_true(text_index_add(&index, texts[i], texts[i]));
        }
        there[i] = !there[i];
        size_t k = (size_t)rng_below(&rng, TEXTS_COUNT);
        assert_ptr_equal(text_index_find(&index, texts[k]), there[k] ? texts[k] : NULL);
    }
    size_t count = 0;
    for (size_t i = 0; i < TEXTS_COUNT; i++) {
        count += there[i];
        assert_ptr_equal(text_index_find(&index, texts[i]), there[i] ? texts[i] : NULL);
    }
    assert_int_equal(index.count, count);
    text_index_release(&index);
}

static void an_empty_one_finds_nothing(void **state)
{
    (void)state;
    struct text_index index = {NULL, 0, 0};
    assert_null(text_index_find(&index, ""));
    text_index_remove(&index, "x");
    assert_true(text_index_add(&index, "", &index));
    assert_ptr_equal(text_index_find(&index, ""), &index);
    text_index_remove(&index, "");
    assert_null(text_index_find(&index, ""));
    text_index_release(&index);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_added_is_found_and_what_was_removed_is_not),
        cmocka_unit_test(an_empty_one_finds_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
