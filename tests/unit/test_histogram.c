/* Histograms count every value in its bucket; quantiles are right to an eighth. */
#include "tests/unit/unit.h"

#include <pthread.h>

#include "steady/histogram.h"
#include "steady/rng.h"

/* The last value of the bucket that `value` is counted in: the least limit that takes it in. */
static uint64_t bucket_end(uint64_t value)
{
    struct histogram histogram = {.sum = 0};
    histogram_record(&histogram, value);
    uint64_t low = value, high = UINT64_MAX;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (histogram_count_upto(&histogram, middle) > 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

static void an_empty_histogram_has_no_quantile(void **state)
{
    (void)state;
    struct histogram histogram = {.sum = 0};
    assert_int_equal(histogram_count(&histogram), 0);
    assert_int_equal(histogram_quantile(&histogram, 0.5), 0);
    assert_int_equal(histogram_count_upto(&histogram, UINT64_MAX), 0);
}

static void small_values_are_exact(void **state)
{
    (void)state;
    for (uint64_t value = 0; value < 8; value++) {
        struct histogram histogram = {.sum = 0};
        histogram_record(&histogram, value);
        assert_int_equal(histogram_quantile(&histogram, 0.5), value);
        assert_int_equal(bucket_end(value), value);
        assert_int_equal(histogram_count_upto(&histogram, value), 1);
        if (value > 0) {
            assert_int_equal(histogram_count_upto(&histogram, value - 1), 0);
        }
    }
}

static void buckets_follow_each_other_without_gap_or_overlap(void **state)
{
    (void)state;
    uint64_t buckets = 1;
    for (uint64_t start = 0; bucket_end(start) != UINT64_MAX; buckets++) {
        uint64_t end = bucket_end(start);
        assert_true(end >= start);
        assert_int_equal(bucket_end(end), end);
        assert_true(end - start <= start / 4);
        struct histogram histogram = {.sum = 0};
        histogram_record(&histogram, start);
        histogram_record(&histogram, end);
        histogram_record(&histogram, end + 1);
        assert_int_equal(histogram_count_upto(&histogram, end), 2);
        assert_int_equal(histogram_count_upto(&histogram, end - 1), start == 0 ? 3 : 0);
        start = end + 1;
    }
    assert_int_equal(buckets, HISTOGRAM_BUCKETS);
}

static void a_value_beyond_all_buckets_is_counted_in_the_last(void **state)
{
    (void)state;
    struct histogram histogram = {.sum = 0};
    histogram_record(&histogram, UINT64_C(1) << 33);
    histogram_record(&histogram, UINT64_C(1) << 62);
    assert_int_equal(histogram_count(&histogram), 2);
    assert_int_equal(histogram.counts[HISTOGRAM_BUCKETS - 1], 2);
    assert_true(histogram_quantile(&histogram, 1) > UINT64_C(7) << 30);
    assert_int_equal(histogram_count_upto(&histogram, UINT64_MAX - 1), 0);
    assert_true(histogram.sum == (UINT64_C(1) << 33) + (UINT64_C(1) << 62));
}

static void quantiles_out_of_range_are_the_extremes(void **state)
{
    (void)state;
    struct histogram histogram = {.sum = 0};
    const volatile double zero = 0;
    histogram_record(&histogram, 1);
    histogram_record(&histogram, 2);
    histogram_record(&histogram, 3);
    assert_int_equal(histogram_quantile(&histogram, 0), 1);
    assert_int_equal(histogram_quantile(&histogram, -5), 1);
    assert_int_equal(histogram_quantile(&histogram, zero / zero), 1);
    assert_int_equal(histogram_quantile(&histogram, 1), 3);
    assert_int_equal(histogram_quantile(&histogram, 99), 3);
    assert_int_equal(histogram_quantile(&histogram, 0.34), 2);
    assert_int_equal(histogram_quantile(&histogram, 0.67), 3);
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Against the sorted values themselves. */
static void quantiles_are_right_to_an_eighth(void **state)
{
    (void)state;
    enum { COUNT = 2000, SPREADS = 33 };
    struct rng rng;
    rng_init(&rng, unit_seed());
    uint64_t *values = calloc(COUNT, sizeof *values);
    for (unsigned spread = 1; spread <= SPREADS; spread++) {
        struct histogram histogram = {.sum = 0};
        uint64_t sum = 0;
        for (int i = 0; i < COUNT; i++) {
            values[i] = rng_next(&rng) >> (64 - 1 - rng_below(&rng, spread));
            sum += values[i];
            histogram_record(&histogram, values[i]);
        }
        qsort(values, COUNT, sizeof *values, compare);
        assert_int_equal(histogram_count(&histogram), COUNT);
        assert_true(histogram.sum == sum);
        for (uint64_t rank = 1; rank <= COUNT; rank++) {
            uint64_t exact = values[rank - 1];
            uint64_t found = histogram_quantile(&histogram, ((double)rank - 0.5) / COUNT);
            uint64_t error = found > exact ? found - exact : exact - found;
            assert_true(error <= exact / 8);
        }
        for (int i = 0; i < 100; i++) {
            uint64_t limit = bucket_end(values[rng_below(&rng, COUNT)]), count = 0;
            for (int k = 0; k < COUNT; k++) {
                count += values[k] <= limit;
            }
            assert_int_equal(histogram_count_upto(&histogram, limit), count);
        }
    }
    free(values);
}

static void adding_up_is_recording_all_in_one(void **state)
{
    (void)state;
    struct rng rng;
    rng_init(&rng, unit_seed());
    struct histogram parts[3] = {{.sum = 0}, {.sum = 0}, {.sum = 0}};
    struct histogram whole = {.sum = 0}, sum = {.sum = 0};
    for (int i = 0; i < 3000; i++) {
        uint64_t value = rng_below(&rng, 1000000);
        histogram_record(&parts[i % 3], value);
        histogram_record(&whole, value);
    }
    for (int i = 0; i < 3; i++) {
        histogram_add(&sum, &parts[i]);
    }
    assert_memory_equal(&sum, &whole, sizeof whole);
}

enum { RECORDED = 200000 };

static void *record_values(void *argument)
{
    for (uint64_t i = 0; i < RECORDED; i++) {
        histogram_record(argument, i % 5000);
    }
    return NULL;
}

static void a_reader_in_another_thread_sees_counts_that_only_grow(void **state)
{
    (void)state;
    struct histogram histogram = {.sum = 0};
    pthread_t writer;
    assert_int_equal(pthread_create(&writer, NULL, record_values, &histogram), 0);
    uint64_t seen = 0;
    while (seen < RECORDED) {
        uint64_t count = histogram_count(&histogram);
        assert_true(count >= seen);
        assert_true(histogram_quantile(&histogram, 0.99) < 5200);
        struct histogram copy = {.sum = 0};
        histogram_add(&copy, &histogram);
        assert_true(histogram_count(&copy) >= count);
        seen = count;
    }
    assert_int_equal(pthread_join(writer, NULL), 0);
    assert_int_equal(histogram_count(&histogram), RECORDED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_histogram_has_no_quantile),
        cmocka_unit_test(small_values_are_exact),
        cmocka_unit_test(buckets_follow_each_other_without_gap_or_overlap),
        cmocka_unit_test(a_value_beyond_all_buckets_is_counted_in_the_last),
        cmocka_unit_test(quantiles_out_of_range_are_the_extremes),
        cmocka_unit_test(quantiles_are_right_to_an_eighth),
        cmocka_unit_test(adding_up_is_recording_all_in_one),
        cmocka_unit_test(a_reader_in_another_thread_sees_counts_that_only_grow),
    };
    return cmocka_run_group_tests_name("histogram", tests, NULL, NULL);
}
