/* An enumeration and its words from one table. */
#include "tests/unit/unit.h"

#include "steady/enum_names.h"

#define FRUITS(X)                          \
    X(FRUIT_APPLE, "apple", "red", 1)      \
    X(FRUIT_BANANA, "banana", "yellow", 2) \
    X(FRUIT_PEAR, "pear", "green", 3)

enum fruit { ENUM_VALUES(FRUITS) };
static ENUM_NAME_FUNCTION(fruit_name, enum fruit,
                          FRUITS) static ENUM_DETAIL_FUNCTION(fruit_colour, enum fruit, FRUITS)

    static void each_value_has_the_words_of_its_row(void **state)
{
    (void)state;
    assert_int_equal(ENUM_COUNT(FRUITS), 3);
    assert_string_equal(fruit_name(FRUIT_APPLE), "apple");
    assert_string_equal(fruit_name(FRUIT_PEAR), "pear");
    assert_string_equal(fruit_colour(FRUIT_BANANA), "yellow");
}

static void a_number_that_is_no_value_is_unknown(void **state)
{
    (void)state;
    assert_string_equal(fruit_name((enum fruit)3), "unknown");
    assert_string_equal(fruit_name((enum fruit) - 1), "unknown");
    assert_string_equal(fruit_colour((enum fruit)99), "unknown");
}

static void a_list_of_words_may_have_an_end(void **state)
{
    (void)state;
    static const char *const words[] = {ENUM_NAMES(FRUITS) NULL};
    assert_string_equal(words[FRUIT_PEAR], "pear");
    assert_null(words[ENUM_COUNT(FRUITS)]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_value_has_the_words_of_its_row),
        cmocka_unit_test(a_number_that_is_no_value_is_unknown),
        cmocka_unit_test(a_list_of_words_may_have_an_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
