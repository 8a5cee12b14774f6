/* Blame: an address is remembered for its time, and alone. */
#include "tests/unit/unit.h"

#include "proxy/worker/blame.h"

static struct blame blame;

static void an_address_is_blamed_for_its_time(void **state)
{
    (void)state;
    blame = (struct blame){0};
    assert_false(blame_is_on(&blame, 7, 1));
    blame_note(&blame, 7, 1000);
    assert_true(blame_is_on(&blame, 7, 1000));
    assert_true(blame_is_on(&blame, 7, 1000 + BLAME_MS - 1));
    assert_false(blame_is_on(&blame, 7, 1000 + BLAME_MS));
    blame_note(&blame, 7, 50000);
    assert_true(blame_is_on(&blame, 7, 50000));
}

static void another_address_in_its_slot_is_not_blamed(void **state)
{
    (void)state;
    blame = (struct blame){0};
    blame_note(&blame, 7, 1000);
    assert_false(blame_is_on(&blame, 7 + BLAME_SLOTS, 1000));
    assert_false(blame_is_on(&blame, 8, 1000));
    blame_note(&blame, 7 + BLAME_SLOTS, 1000);
    assert_true(blame_is_on(&blame, 7 + BLAME_SLOTS, 1000));
    assert_false(blame_is_on(&blame, 7, 1000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_is_blamed_for_its_time),
        cmocka_unit_test(another_address_in_its_slot_is_not_blamed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
