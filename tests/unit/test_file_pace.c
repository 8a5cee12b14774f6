/* Slow clients of files: who is slow, and whose transfers go while others wait. */
#include "tests/unit/unit.h"

#include "proxy/edge/file_pace.h"

enum { TRANSFERS = 40 };

static void a_transfer_is_slow_that_takes_too_little_between_two_looks(void **state)
{
    static const struct {
        uint64_t taken_bytes, after_ms;
        bool slow;
    } rows[] = {
        {0, 1000, true},         {4095, 2000, true},     {8191, 3000, false},
        {8191, 4000, true},      {1 << 20, 5000, false}, {(1 << 20) + 8192, 7000, false},
        {(1 << 20), 8000, true}, /* the socket has taken what its client has not */
    };
    struct file_crowd crowd = {0};
    struct file_pace pace;
    (void)state;
    file_pace_begin(&pace, &crowd, 7, 0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        (void)file_pace_judge(&pace, &crowd, rows[i].taken_bytes, rows[i].after_ms);
        if (pace.slow != rows[i].slow || crowd.slow_counts[7] != rows[i].slow) {
            fail_msg("row %zu", i);
        }
    }
    file_pace_end(&pace, &crowd);
    assert_int_equal(crowd.slow_counts[7] + crowd.in_flight_count, 0);
}

/* Begins as many transfers of the slot. */
static void begin(struct file_pace *paces, size_t count, struct file_crowd *crowd, unsigned slot)
{
    for (size_t i = 0; i < count; i++) {
        file_pace_begin(&paces[i], crowd, slot, 0);
    }
}

/* Judges and ends those that have to go; how many stay. */
static size_t stay(struct file_pace *paces, size_t count, struct file_crowd *crowd)
{
    size_t left = count;
    for (size_t i = 0; i < count; i++) {
        (void)file_pace_judge(&paces[i], crowd, 0, 1000);
    }
    for (size_t i = 0; i < count; i++) {
        if (file_pace_judge(&paces[i], crowd, 0, 2000)) {
            file_pace_end(&paces[i], crowd);
            left--;
        }
    }
    return left;
}

static void one_client_may_have_a_share_of_what_is_in_progress(void **state)
{
    struct file_crowd crowd = {0};
    struct file_pace greedy[TRANSFERS], others[TRANSFERS];
    (void)state;
    begin(others, TRANSFERS, &crowd, 1);
    begin(greedy, TRANSFERS, &crowd, 2);
    size_t left = stay(greedy, TRANSFERS, &crowd);
    assert_in_range(left, 1, (size_t)((TRANSFERS + left) * FILE_CLIENT_SHARE));
    assert_int_equal(crowd.slow_counts[2], left);
    assert_int_equal(crowd.in_flight_count, TRANSFERS + left);
}

static void a_single_slow_transfer_stays(void **state)
{
    struct file_crowd crowd = {0};
    struct file_pace greedy[TRANSFERS], one;
    (void)state;
    begin(greedy, TRANSFERS, &crowd, 2);
    begin(&one, 1, &crowd, 3);
    assert_int_equal(stay(&one, 1, &crowd), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_transfer_is_slow_that_takes_too_little_between_two_looks),
        cmocka_unit_test(one_client_may_have_a_share_of_what_is_in_progress),
        cmocka_unit_test(a_single_slow_transfer_stays),
    };
    return cmocka_run_group_tests_name("file_pace", tests, NULL, NULL);
}
