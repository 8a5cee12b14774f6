/* Upstreams of a route get the share of their weight; a key moves only where a change of weights takes it. */
#include "tests/unit/unit.h"

#include "proxy/policy/split.h"
#include "steady/rng.h"

enum { MOST = 4, KEYS = 20000 };

static const struct route_upstream fleets[][MOST] = {
    {{.name = "app", .weight = 95}, {.name = "canary", .weight = 5}},
    {{.name = "app", .weight = 1}, {.name = "canary", .weight = 1}},
    {{.name = "a", .weight = 1000}, {.name = "b", .weight = 0}, {.name = "c", .weight = 10}},
    {{.name = "a", .weight = 5},
     {.name = "b", .weight = 3},
     {.name = "c", .weight = 2},
     {.name = "d", .weight = 90}},
};

static size_t count_of(const struct route_upstream *upstreams)
{
    size_t count = 0;
    while (count < MOST && upstreams[count].name != NULL) {
        count++;
    }
    return count;
}

/* Within five standard deviations of fair draws. */
static void assert_shares(const struct route_upstream *upstreams, const uint64_t *found)
{
    uint64_t total = 0;
    for (size_t i = 0; i < count_of(upstreams); i++) {
        total += upstreams[i].weight;
    }
    for (size_t i = 0; i < count_of(upstreams); i++) {
        double share = (double)upstreams[i].weight / (double)total;
        double distance = (double)found[i] - KEYS * share;
        assert_true(distance * distance <= 25 * KEYS * share * (1 - share));
    }
}

static void each_gets_the_share_of_its_weight(void **state)
{
    struct rng rng;
    (void)state;
    rng_init(&rng, unit_seed());
    for (size_t f = 0; f < sizeof fleets / sizeof fleets[0]; f++) {
        uint64_t drawn[MOST] = {0}, keyed[MOST] = {0};
        for (int i = 0; i < KEYS; i++) {
            drawn[split_draw(fleets[f], count_of(fleets[f]), &rng)]++;
            keyed[split_by_key(fleets[f], count_of(fleets[f]), rng_next(&rng))]++;
        }
        assert_shares(fleets[f], drawn);
        assert_shares(fleets[f], keyed);
    }
}

/* Every weight of one upstream in turn: what it gains comes to it, what it loses goes from it, nothing else moves. */
static void a_change_of_one_weight_moves_no_other_key(void **state)
{
    struct rng rng;
    struct route_upstream upstreams[MOST];
    (void)state;
    rng_init(&rng, unit_seed());
    memcpy(upstreams, fleets[3], sizeof upstreams);
    for (int i = 0; i < 200; i++) {
        uint64_t key = rng_next(&rng);
        size_t before = split_by_key(fleets[3], MOST, key);
        bool chosen = false;
        for (upstreams[1].weight = 0; upstreams[1].weight <= 1000; upstreams[1].weight += 10) {
            size_t after = split_by_key(upstreams, MOST, key);
            assert_true(after == 1 || before == 1 || after == before);
            assert_true(after == 1 || !chosen); /* it never loses a key by more weight */
            chosen = after == 1;
        }
    }
}

static void a_key_does_not_depend_on_the_order(void **state)
{
    struct rng rng;
    struct route_upstream reversed[MOST];
    (void)state;
    rng_init(&rng, unit_seed());
    for (size_t i = 0; i < MOST; i++) {
        reversed[i] = fleets[3][MOST - 1 - i];
    }
    for (int i = 0; i < 1000; i++) {
        uint64_t key = i < 2 ? (uint64_t)-i : rng_next(&rng);
        assert_int_equal(split_by_key(reversed, MOST, key),
                         MOST - 1 - split_by_key(fleets[3], MOST, key));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_gets_the_share_of_its_weight),
        cmocka_unit_test(a_change_of_one_weight_moves_no_other_key),
        cmocka_unit_test(a_key_does_not_depend_on_the_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
