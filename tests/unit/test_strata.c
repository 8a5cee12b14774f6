/* A row of failures speaks for all when it is of most strata that have traffic, on both sides. */
#include "tests/unit/unit.h"

#include "steady/strata.h"

/* A letter is a stratum of both sides: "aab" are three failures, the last of another client and another path. A capital one is a
   failure of that client and path where nobody was reached. */
static struct strata_row row_of(const char *letters)
{
    struct strata_row row = {.unreached_count = 99,
                             .failed_counts = {{7, 7}, {7, 7}}}; /* of another row */
    for (const char *at = letters; *at != '\0'; at++) {
        uint8_t i = (uint8_t)((*at | 32) - 'a');
        if (*at >= 'a') {
            strata_row_add(&row, (struct strata){i, i}, at == letters);
        } else {
            strata_row_add_unreached(&row, at == letters);
        }
    }
    return row;
}

/* The first `clients` and `paths` strata. */
static uint32_t first_strata(unsigned clients, unsigned paths)
{
    uint32_t set = 0;
    for (uint8_t i = 0; i < STRATA_COUNT; i++) {
        set |= i < clients ? STRATA_BIT(STRATA_BY_CLIENT, i) : 0;
        set |= i < paths ? STRATA_BIT(STRATA_BY_PATH, i) : 0;
    }
    return set;
}

static void a_row_speaks_for_all_when_it_is_of_most(void **state)
{
    static const struct {
        const char *letters;
        uint64_t wanted;
        unsigned clients, paths;
        bool speaks;
    } cases[] = {
        {"aaaaaaaaaa", 10, 1, 1, true},  /* there is nobody else */
        {"aaaaaaaaaa", 10, 0, 0, true},  /* nor anybody known of */
        {"aaaaaaaaaa", 10, 2, 1, false}, /* another client */
        {"aaaaaaaaaa", 10, 1, 2, false}, /* another path */
        {"aaaaaaaaab", 10, 2, 2, false}, /* whose one failure says little */
        {"aaaaaaabbb", 10, 2, 2, true},
        {"aaaaaaaaaaaaaaaaaaabbb", 10, 2, 2, true}, /* however long it takes */
        {"aaaaaaabbb", 10, 3, 3, true},
        {"aaaaaaabbb", 10, 4, 4, false}, /* two of four are not most */
        {"aaaaaaabbc", 10, 4, 4, true},
        {"aaaaabbccd", 10, 16, 16, false}, /* four of the ten that it could have touched */
        {"aabbccddef", 10, 16, 16, true},
        {"aabbccddef", 10, 1, 16, true},
        {"aabbc", 5, 16, 16, true},
        {"aaaab", 5, 16, 16, false},
        {"a", 1, 1, 1, true},
        {"a", 1, 2, 2, false}, /* one failure is never of most */
        {"ab", 1, 2, 2, true},
        {"AAAAAAAAAA", 10, 16, 16, true}, /* that nobody was reached is nobody's */
        {"A", 1, 16, 16, true},
        {"aaaaaaaAAA", 10, 2, 2, true},
        {"aaaaaaaAAA", 10, 16, 16, false},
        {"aaaaaAAAAA", 10, 16, 16, true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct strata_row row = row_of(cases[i].letters);
        if (strata_row_speaks_for_all(&row, cases[i].wanted,
                                      first_strata(cases[i].clients, cases[i].paths)) !=
            cases[i].speaks) {
            fail_msg("%s of %u clients and %u paths", cases[i].letters, cases[i].clients,
                     cases[i].paths);
        }
    }
}

static void sets_hold_each_stratum_of_each_side(void **state)
{
    uint32_t all = 0;
    (void)state;
    for (uint8_t i = 0; i < STRATA_COUNT; i++) {
        const struct strata strata = {i, (uint8_t)(STRATA_COUNT - 1 - i)};
        assert_int_equal(all & strata_bits(strata), 0);
        all |= strata_bits(strata);
        assert_int_equal(strata_count(all, STRATA_BY_CLIENT), i + 1);
        assert_int_equal(strata_count(all, STRATA_BY_PATH), i + 1);
    }
    assert_int_equal(strata_count(STRATA_OF_SIDE(STRATA_BY_PATH), STRATA_BY_CLIENT), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_row_speaks_for_all_when_it_is_of_most),
        cmocka_unit_test(sets_hold_each_stratum_of_each_side),
    };
    return cmocka_run_group_tests_name("strata", tests, NULL, NULL);
}
