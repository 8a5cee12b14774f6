/* Capacity: it is told before anything waits, and the phase does not flicker. */
#include "steady/little.h"
#include "unit.h"

struct service {
    struct little little;
    struct little_sample sample;
};

static void pass(struct service *service, double rate, double service_s, uint64_t queued_count)
{
    service->sample.answers_count += (uint64_t)(rate * 10);
    service->sample.service_s = service_s;
    service->sample.queued_count = queued_count;
    little_note(&service->little, &service->sample, 10);
}

static void pass_times(struct service *service, int times, double rate, double service_s,
                       uint64_t queued_count)
{
    for (int i = 0; i < times; i++) {
        pass(service, rate, service_s, queued_count);
    }
}

/* 16 places: at 20 ms there can be 800 in a second, at 22 ms 727. */
static void a_service_time_that_creeps_lowers_the_capacity_before_anything_waits(void **state)
{
    struct service service = {.sample.limit = 16};
    (void)state;
    pass_times(&service, 3, 500, 0.020, 0);
    assert_true(service.little.capacity > 799 && service.little.capacity < 801);
    assert_true(service.little.utilisation > 0.62 && service.little.utilisation < 0.63);
    assert_int_equal(service.little.phase, LITTLE_LINEAR);
    pass_times(&service, 2, 550, 0.022, 0);
    assert_true(service.little.capacity > 727 && service.little.capacity < 728);
    assert_true(service.little.utilisation > 0.75);
    assert_int_equal(service.little.phase, LITTLE_SUB_LINEAR);
}

static void answers_that_get_slower_with_load_are_sub_linear(void **state)
{
    struct service service = {.sample.limit = 100};
    (void)state;
    pass_times(&service, 5, 500, 0.020, 0);
    pass_times(&service, 2, 900, 0.040, 0);
    assert_int_equal(service.little.phase, LITTLE_SUB_LINEAR);
    /* slow, but not for load */
    struct service idle = {.sample.limit = 100};
    pass_times(&idle, 5, 5, 0.020, 0);
    pass_times(&idle, 5, 5, 0.200, 0);
    assert_int_equal(idle.little.phase, LITTLE_LINEAR);
}

static void a_queue_is_saturation_and_ends_only_when_it_stays_away(void **state)
{
    struct service service = {.sample.limit = 10};
    (void)state;
    pass_times(&service, 3, 100, 0.020, 0);
    pass(&service, 100, 0.020, 5);
    assert_int_equal(service.little.phase, LITTLE_LINEAR); /* once is a moment */
    pass(&service, 100, 0.020, 5);
    assert_int_equal(service.little.phase, LITTLE_SATURATED);
    pass_times(&service, 5, 100, 0.020, 0);
    pass(&service, 100, 0.020, 1);
    pass_times(&service, 5, 100, 0.020, 0);
    assert_int_equal(service.little.phase, LITTLE_SATURATED);
    pass(&service, 100, 0.020, 0);
    assert_int_equal(service.little.phase, LITTLE_LINEAR);
}

static void refusals_are_saturation_also_when_nobody_waits_at_the_moment(void **state)
{
    struct service service = {.sample = {.limit = 10, .refused_count = 7}};
    (void)state;
    pass_times(&service, 3, 100, 0.020, 0);
    assert_int_equal(service.little.phase, LITTLE_LINEAR); /* these are old */
    for (int i = 0; i < 2; i++) {
        service.sample.refused_count++;
        pass(&service, 100, 0.020, 0);
    }
    assert_int_equal(service.little.phase, LITTLE_SATURATED);
}

static void without_answers_nothing_is_claimed(void **state)
{
    struct service service = {.sample.limit = 10};
    (void)state;
    pass_times(&service, 3, 0, 0, 0);
    assert_true(service.little.capacity == 0 && service.little.utilisation == 0);
    assert_string_equal(little_phase_name(service.little.phase), "linear");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_service_time_that_creeps_lowers_the_capacity_before_anything_waits),
        cmocka_unit_test(answers_that_get_slower_with_load_are_sub_linear),
        cmocka_unit_test(a_queue_is_saturation_and_ends_only_when_it_stays_away),
        cmocka_unit_test(refusals_are_saturation_also_when_nobody_waits_at_the_moment),
        cmocka_unit_test(without_answers_nothing_is_claimed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
