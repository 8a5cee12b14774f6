/* Free redials stay a small part of the requests, whatever dies. */
#include "tests/unit/unit.h"

#include "pool/redial_cap.h"

/* Asks as often as there are requests; returns how many may go out. */
static uint64_t ask_all(struct redial_cap *cap, uint64_t from_ms, uint64_t requests_count,
                        uint64_t each_ms)
{
    uint64_t granted_count = 0;
    for (uint64_t i = 1; i <= requests_count; i++) {
        granted_count += redial_cap_take(cap, i, from_ms + i * each_ms);
    }
    return granted_count;
}

static void of_many_requests_a_twentieth_may_go_out_again(void **state)
{
    struct redial_cap cap;
    (void)state;
    redial_cap_init(&cap, 0, 1000);
    uint64_t granted_count = ask_all(&cap, 1000, 100000, 1); /* 100 s */
    assert_in_range(granted_count, 100000 / 20, 100000 / 20 + 11 * REDIAL_CAP_LEAST);
}

static void of_few_requests_some_may(void **state)
{
    struct redial_cap cap;
    (void)state;
    redial_cap_init(&cap, 0, 1000);
    for (int i = 0; i < REDIAL_CAP_LEAST; i++) {
        assert_true(redial_cap_take(&cap, 20, 1000));
    }
    assert_true(redial_cap_take(&cap, 20, 1000)); /* a twentieth of 20 */
    assert_false(redial_cap_take(&cap, 20, 1000));
    assert_true(redial_cap_take(&cap, 20, 1000 + REDIAL_CAP_WINDOW_MS / REDIAL_CAP_LEAST));
}

static void a_failover_under_load_is_covered(void **state)
{
    struct redial_cap cap;
    (void)state;
    redial_cap_init(&cap, 0, 1000);
    for (int i = 0; i < 30; i++) { /* 200 a second for five seconds, then 30 die at once */
        assert_true(redial_cap_take(&cap, 1000, 6000));
    }
}

static void what_was_not_used_long_ago_is_not_left(void **state)
{
    struct redial_cap cap;
    (void)state;
    redial_cap_init(&cap, 0, 0);
    uint64_t granted_count = 0; /* a day of 10 requests a second, then all die */
    while (redial_cap_take(&cap, 864000, 86400000)) {
        granted_count++;
    }
    assert_in_range(granted_count, REDIAL_CAP_LEAST, REDIAL_CAP_LEAST + 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_many_requests_a_twentieth_may_go_out_again),
        cmocka_unit_test(of_few_requests_some_may),
        cmocka_unit_test(a_failover_under_load_is_covered),
        cmocka_unit_test(what_was_not_used_long_ago_is_not_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
