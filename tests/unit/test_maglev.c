/* Keys stay where they are: shares follow weights, and few keys move when a member goes, wherever it stood in the list. */
#include "tests/unit/unit.h"

#include "pool/maglev.h"
#include "steady/fault.h"
#include "steady/rng.h"

enum { MEMBERS = 20, KEYS = 100000 };

struct table {
    char names[MEMBERS][64];
    struct maglev_member members[MEMBERS];
    size_t count;
    struct maglev *maglev;
};

/* Members `first` to `first + count - 1`; `backwards`: in the other order. */
static void table_init(struct table *table, size_t first, size_t count, size_t skipped,
                       bool backwards)
{
    table->count = 0;
    for (size_t n = 0; n < count; n++) {
        size_t i = backwards ? count - 1 - n : n;
        if (i == skipped) {
            continue;
        }
        snprintf(table->names[table->count], sizeof table->names[0], "app/10.0.0.%u:8080",
                 (unsigned)(first + i));
        table->members[table->count] = (struct maglev_member){table->names[table->count], 1};
        table->count++;
    }
    table->maglev = maglev_build(table->members, table->count);
    assert_non_null(table->maglev);
}

static const char *owner(const struct table *table, uint64_t key, unsigned n)
{
    size_t i = maglev_choice(table->maglev, key, n);
    assert_true(i < table->count);
    return table->members[i].name;
}

static void few_keys_move_when_a_member_goes(void **state)
{
    struct rng rng;
    (void)state;
    rng_init(&rng, unit_seed());
    for (size_t count = 2; count <= MEMBERS; count += 3) {
        size_t gone = rng_below(&rng, count);
        struct table before, after;
        table_init(&before, 1, count, SIZE_MAX, false);
        table_init(&after, 1, count, gone, false);
        size_t moved = 0;
        for (size_t i = 0; i < KEYS; i++) {
            uint64_t key = rng_next(&rng);
            moved += strcmp(owner(&before, key, 0), owner(&after, key, 0)) != 0;
        }
        printf("# %zu members: %.4f of the keys moved, 1/N is %.4f\n", count, (double)moved / KEYS,
               1.0 / (double)count);
        assert_true((double)moved / KEYS <= 1.0 / (double)count + 0.02);
        maglev_free(&before.maglev);
        maglev_free(&after.maglev);
    }
}

static void the_order_of_the_members_does_not_matter(void **state)
{
    struct rng rng;
    struct table one, other;
    (void)state;
    rng_init(&rng, unit_seed());
    table_init(&one, 1, 7, SIZE_MAX, false);
    table_init(&other, 1, 7, SIZE_MAX, true);
    for (size_t i = 0; i < 1000; i++) {
        uint64_t key = rng_next(&rng);
        for (unsigned n = 0; n < 3; n++) {
            assert_string_equal(owner(&one, key, n), owner(&other, key, n));
        }
    }
    maglev_free(&one.maglev);
    maglev_free(&other.maglev);
}

static void shares_follow_the_weights(void **state)
{
    struct rng rng;
    size_t counts[4] = {0}, weights[4] = {1, 2, 3, 100}, total = 106;
    struct maglev_member members[4];
    (void)state;
    rng_init(&rng, unit_seed());
    static const char *const names[] = {"a", "b", "c", "d"};
    for (size_t i = 0; i < 4; i++) {
        members[i] = (struct maglev_member){names[i], (uint32_t)weights[i]};
    }
    struct maglev *maglev = maglev_build(members, 4);
    assert_non_null(maglev);
    for (size_t i = 0; i < KEYS; i++) {
        counts[maglev_choice(maglev, rng_next(&rng), 0)]++;
    }
    for (size_t i = 0; i < 4; i++) {
        double share = (double)counts[i] / KEYS, wanted = (double)weights[i] / (double)total;
        assert_true(share > wanted * 0.85 && share < wanted * 1.15);
    }
    maglev_free(&maglev);
}

/* The keys of one member, without it, are spread over all others. */
static void second_choices_spread(void **state)
{
    struct rng rng;
    struct table table;
    size_t counts[MEMBERS] = {0}, all = 0;
    (void)state;
    rng_init(&rng, unit_seed());
    table_init(&table, 1, 5, SIZE_MAX, false);
    while (all < 20000) {
        uint64_t key = rng_next(&rng);
        if (maglev_choice(table.maglev, key, 0) != 2) {
            continue;
        }
        unsigned n = 1;
        while (maglev_choice(table.maglev, key, n) == 2) {
            n++;
        }
        counts[maglev_choice(table.maglev, key, n)]++;
        all++;
    }
    for (size_t i = 0; i < 5; i++) {
        assert_in_range(counts[i], i == 2 ? 0 : 4500, i == 2 ? 0 : 5500);
    }
    maglev_free(&table.maglev);
}

static void one_member_has_it_all(void **state)
{
    struct table table;
    (void)state;
    table_init(&table, 1, 1, SIZE_MAX, false);
    for (uint64_t key = 0; key < 1000; key++) {
        assert_int_equal(maglev_choice(table.maglev, key, (unsigned)key % 9), 0);
    }
    maglev_free(&table.maglev);
    assert_null(table.maglev);
}

static void a_failing_allocation_builds_nothing(void **state)
{
    (void)state;
#ifdef EVENKEEL_FAULT_INJECTION
    const struct maglev_member member = {"a", 1};
    for (uint64_t n = 1; n <= 2; n++) {
        fault_arm(FAULT_ALLOC, n);
        assert_null(maglev_build(&member, 1));
        assert_true(fault_disarm(FAULT_ALLOC));
    }
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(few_keys_move_when_a_member_goes),
        cmocka_unit_test(the_order_of_the_members_does_not_matter),
        cmocka_unit_test(shares_follow_the_weights),
        cmocka_unit_test(second_choices_spread),
        cmocka_unit_test(one_member_has_it_all),
        cmocka_unit_test(a_failing_allocation_builds_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
