/* What a route admits by passes from one generation to the next, and lives as long as anybody uses it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proxy/policy/admission.h"
#include "proxy/policy/shards.h"

#define WORKERS 2

static struct bound_registry registry;

static struct route_settings with(uint64_t shard_count, uint64_t keys_count)
{
    struct route_settings settings = {.name = "route-1"};
    settings.shards.count = shard_count;
    settings.shards.in_flight_count = settings.shards.queue_count = 4;
    settings.key_rate.keys_count = keys_count;
    settings.key_rate.rate.per_second = keys_count > 0 ? 100.0 : 0.0;
    return settings;
}

static struct admission_view build(struct admission *admission,
                                   const struct route_settings *settings)
{
    struct admission_view view;
    assert_int_equal(admission_build(admission, settings, WORKERS, &view), ADMISSION_OK);
    return view;
}

static void what_stays_the_same_is_kept(void **state)
{
    (void)state;
    struct admission admission = {.keys = NULL};
    struct admission_leftovers *leftovers = admission_leftovers_create(&registry);
    const struct route_settings settings = with(3, 64);
    struct admission_view first = build(&admission, &settings);
    admission_adopt(leftovers, &first, &settings);
    struct admission_view second = build(&admission, &settings);
    assert_ptr_equal(second.shards, first.shards);
    assert_ptr_equal(second.keys, first.keys);
    admission_adopt(leftovers, &second, &settings);
    assert_int_equal(registry.count, 2 * 3);
    admission_leave(leftovers, &first);
    assert_int_equal(second.shards->count, 3);
    admission_leave(leftovers, &second);
    assert_null(admission.shards);
    assert_null(admission.keys);
    assert_int_equal(registry.count, 0);
    admission_leftovers_free(&leftovers);
}

static void a_generation_that_is_given_up_changes_nothing(void **state)
{
    (void)state;
    struct admission admission = {.keys = NULL};
    struct admission_leftovers *leftovers = admission_leftovers_create(&registry);
    const struct route_settings settings = with(3, 64), others = with(5, 128);
    struct admission_view view = build(&admission, &settings);
    admission_adopt(leftovers, &view, &settings);
    struct admission_view given_up = build(&admission, &others);
    assert_ptr_not_equal(given_up.shards, view.shards);
    admission_leave(leftovers, &given_up);
    assert_ptr_equal(admission.shards, view.shards);
    assert_ptr_equal(admission.keys, view.keys);
    admission_leave(leftovers, &view);
    assert_int_equal(registry.count, 0);
    admission_leftovers_free(&leftovers);
}

/* What replicas have been lent goes on while the rate changes; another number of keys begins anew. */
static void leases_of_a_rate_over_the_fleet_are_kept(void **state)
{
    (void)state;
    struct admission admission = {.keys = NULL};
    struct admission_leftovers *leftovers = admission_leftovers_create(&registry);
    struct route_settings settings = with(3, 64);
    settings.key_rate.rate.fleet = settings.rate.fleet = settings.shards.rate.fleet = true;
    settings.rate.per_second = settings.shards.rate.per_second = 10;
    struct admission_view first = build(&admission, &settings);
    admission_adopt(leftovers, &first, &settings);
    assert_null(first.keys);
    settings.rate.per_second = 20;
    settings.key_rate.keys_count = 128;
    struct admission_view second = build(&admission, &settings);
    admission_adopt(leftovers, &second, &settings);
    assert_ptr_equal(second.leases[ADMISSION_RATE_ROUTE], first.leases[ADMISSION_RATE_ROUTE]);
    assert_ptr_equal(second.leases[ADMISSION_RATE_SHARD], first.leases[ADMISSION_RATE_SHARD]);
    assert_ptr_not_equal(second.leases[ADMISSION_RATE_KEY], first.leases[ADMISSION_RATE_KEY]);
    admission_leave(leftovers, &first);
    const struct route_settings plain = with(0, 0);
    struct admission_view third = build(&admission, &plain);
    admission_adopt(leftovers, &third, &plain);
    admission_leave(leftovers, &second);
    for (size_t kind = 0; kind < ADMISSION_RATE_COUNT; kind++) {
        assert_null(admission.leases[kind]);
    }
    admission_leave(leftovers, &third);
    admission_leftovers_free(&leftovers);
}

/* A generation without the route comes in between, and the one after it has neither keys nor shards: nothing may be left over
   (the leak checker looks). */
static void a_route_that_comes_back_starts_anew(void **state)
{
    (void)state;
    struct admission admission = {.keys = NULL};
    struct admission_leftovers *leftovers = admission_leftovers_create(&registry);
    const struct route_settings settings = with(3, 64), plain = with(0, 0);
    struct admission_view view = build(&admission, &settings);
    admission_adopt(leftovers, &view, &settings);
    admission_leave(leftovers, &view);
    assert_null(admission.keys);
    assert_null(admission.shards);
    struct admission_view back = build(&admission, &plain);
    admission_adopt(leftovers, &back, &plain);
    assert_null(back.keys);
    assert_null(back.shards);
    assert_false(back.limited);
    admission_leave(leftovers, &back);
    assert_int_equal(registry.count, 0);
    admission_leftovers_free(&leftovers);
}

/* Between two attempts an exchange is neither inside nor in line, and comes back. */
static void a_shard_outlives_its_route_while_an_exchange_has_it(void **state)
{
    (void)state;
    struct admission admission = {.keys = NULL};
    struct admission_leftovers *leftovers = admission_leftovers_create(&registry);
    const struct route_settings settings = with(2, 0);
    struct admission_view view = build(&admission, &settings);
    admission_adopt(leftovers, &view, &settings);
    struct shard_set *set = view.shards;
    struct shard *shard = shard_take(set, 7, false);
    assert_false(shard_set_idle(set));
    admission_leave(leftovers, &view);
    admission_collect(leftovers);
    assert_false(shard_set_idle(set));
    assert_int_equal(bound_used(&shard->gate.inside), 0);
    shard_let_go(&shard);
    assert_null(shard);
    assert_true(shard_set_idle(set));
    assert_int_equal(registry.count, 0);
    admission_leftovers_free(&leftovers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_stays_the_same_is_kept),
        cmocka_unit_test(a_generation_that_is_given_up_changes_nothing),
        cmocka_unit_test(leases_of_a_rate_over_the_fleet_are_kept),
        cmocka_unit_test(a_route_that_comes_back_starts_anew),
        cmocka_unit_test(a_shard_outlives_its_route_while_an_exchange_has_it),
    };
    bound_registry_init(&registry);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
