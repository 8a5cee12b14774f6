/* The largest users among many. */
#include "tests/unit/unit.h"

#include "steady/rng.h"
#include "steady/top_users.h"

static void few_users_are_exact(void **state)
{
    struct top_users top = {.count = 0};
    (void)state;
    for (unsigned i = 0; i < 10; i++) {
        top_users_add(&top, 7, "seven", 3);
        top_users_add(&top, 0, "zero", 1);
        top_users_add(&top, 9, "nine", 5);
    }
    top_users_sort(&top);
    assert_int_equal(top.count, 3);
    assert_string_equal(top.items[0].of, "nine");
    assert_int_equal(top.items[0].amount, 50);
    assert_int_equal(top.items[2].key, 0);
    assert_int_equal(top.items[2].amount, 10);
    assert_int_equal(top.items[0].error + top.items[1].error + top.items[2].error, 0);
}

/* Who uses more than a TOP_USERS-th is found, whatever the order; no figure is too low, or too high by more than it says. */
static void a_large_user_is_found_among_many_small_ones(void **state)
{
    struct rng rng;
    struct top_users top = {.count = 0};
    uint64_t used[5000] = {0}, total = 0;
    (void)state;
    rng_init(&rng, unit_seed());
    for (unsigned i = 0; i < 40000; i++) {
        uint64_t key = rng_next(&rng) % 20 == 0 ? 4242 : rng_next(&rng) % 5000;
        uint64_t amount = 1 + rng_next(&rng) % 3;
        used[key] += amount;
        total += amount;
        top_users_add(&top, key, &used[key], amount);
    }
    assert_true(used[4242] > total / TOP_USERS);
    top_users_sort(&top);
    assert_int_equal(top.count, TOP_USERS);
    assert_int_equal(top.items[0].key, 4242);
    for (unsigned i = 0; i < top.count; i++) {
        const struct top_user *user = &top.items[i];
        assert_ptr_equal(user->of, &used[user->key]);
        assert_true(user->amount >= used[user->key]);
        assert_true(user->amount - user->error <= used[user->key]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(few_users_are_exact),
        cmocka_unit_test(a_large_user_is_found_among_many_small_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
