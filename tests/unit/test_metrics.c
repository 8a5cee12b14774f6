/* The tables of the metrics keep the conventions of Prometheus, and what is written of them cannot break the page. */
#include "tests/unit/unit.h"

#include "proxy/admin/metric_text.h"
#include "proxy/admin/scrape.h"

typedef void metric_fn(const struct metric *metric);

static size_t each_metric(metric_fn *check)
{
    size_t count = 0;
    for (const struct metric_group *const *group = metric_groups; *group != NULL; group++) {
        for (size_t i = 0; i < (*group)->count; i++, count++) {
            check(&(*group)->metrics[i]);
        }
    }
    return count;
}

static bool ends_with(const char *text, const char *end)
{
    size_t bytes = strlen(text), end_bytes = strlen(end);
    return bytes >= end_bytes && strcmp(text + bytes - end_bytes, end) == 0;
}

static void check_name(const struct metric *metric)
{
    char end[32];
    bool counter = metric->type == METRIC_COUNTER;
    if (ends_with(metric->name, "_total") != counter) {
        fail_msg("%s: counters, and nothing else, end with _total", metric->name);
    }
    snprintf(end, sizeof end, "%s%s%s", metric->unit[0] != '\0' ? "_" : "", metric->unit,
             counter ? "_total" : "");
    if (!ends_with(metric->name, end)) {
        fail_msg("%s: does not end with its unit, %s", metric->name, metric->unit);
    }
    if (metric->unit[0] == '\0' &&
        (strstr(metric->name, "_seconds") != NULL || strstr(metric->name, "_bytes") != NULL)) {
        fail_msg("%s: has no unit", metric->name);
    }
}

static void a_name_ends_with_its_unit_and_counters_with_total(void **state)
{
    (void)state;
    assert_true(each_metric(check_name) > 100);
}

static const char *sought;
static unsigned found_count;

static void count_name(const struct metric *metric)
{
    found_count += strcmp(metric->name, sought) == 0;
}

static void check_alone(const struct metric *metric)
{
    sought = metric->name;
    found_count = 0;
    (void)each_metric(count_name);
    if (found_count != 1) {
        fail_msg("%s: %u metrics of this name", sought, found_count);
    }
}

static void a_name_is_that_of_one_metric(void **state)
{
    (void)state;
    (void)each_metric(check_alone);
}

static void check_labels(const struct metric *metric)
{
    assert_true(metric->help[0] != '\0' && !ends_with(metric->help, "."));
    for (size_t i = 0; i < METRIC_LABELS_MAX; i++) {
        enum metric_label label = metric->labels[i];
        assert_true(label == LABEL_NONE || i == 0 || metric->labels[i - 1] != LABEL_NONE);
        for (size_t k = 0; k < i && label != LABEL_NONE; k++) {
            assert_string_not_equal(metric_label_rows[label].name,
                                    metric_label_rows[metric->labels[k]].name);
        }
    }
}

static void labels_are_a_list_without_gaps_or_twins(void **state)
{
    (void)state;
    (void)each_metric(check_labels);
}

/* ---- writing ---- */

static const struct metric doors = {
    "doors", METRIC_GAUGE, {LABEL_UPSTREAM, LABEL_LEASE_STATE}, "", "Doors"};
static const struct metric named = {"named", METRIC_GAUGE, {LABEL_UPSTREAM}, "", "Named"};
static const struct metric took = {
    "took_seconds", METRIC_HISTOGRAM, {LABEL_ROUTE}, "seconds", "Took"};

/* What has been written, terminated; to be freed. */
static char *taken(struct scrape *scrape)
{
    size_t bytes = evbuffer_get_length(scrape->out);
    char *text = calloc(1, bytes + 1);
    assert_non_null(text);
    evbuffer_remove(scrape->out, text, bytes);
    return text;
}

static void assert_page(struct scrape *scrape, const char *expected)
{
    char *text = taken(scrape);
    assert_string_equal(text, expected);
    free(text);
}

static void each_value_of_a_closed_set_is_a_sample(void **state)
{
    (void)state;
    struct scrape scrape = {.out = evbuffer_new()};
    const struct series series = {&scrape, &doors, {"app"}};
    scrape_head(&scrape, &doors);
    EACH(3, 0);
    assert_page(&scrape, "# HELP evenkeel_doors Doors\n# TYPE evenkeel_doors gauge\n"
                         "evenkeel_doors{upstream=\"app\",state=\"reused\"} 3\n"
                         "evenkeel_doors{upstream=\"app\",state=\"fresh\"} 0\n");
    SEEN(((const uint64_t[]){0, 7}));
    assert_page(&scrape, "evenkeel_doors{upstream=\"app\",state=\"fresh\"} 7\n");
    STATE(1, 2);
    assert_page(&scrape, "evenkeel_doors{upstream=\"app\",state=\"reused\"} 0\n"
                         "evenkeel_doors{upstream=\"app\",state=\"fresh\"} 1\n");
    evbuffer_free(scrape.out);
}

/* What a label value becomes; to be freed. */
static char *labelled(const char *value)
{
    struct scrape scrape = {.out = evbuffer_new()};
    const struct series series = {&scrape, &named, {value}};
    ONE(1.5);
    char *text = taken(&scrape);
    evbuffer_free(scrape.out);
    return text;
}

static void a_value_cannot_end_its_line_or_its_label(void **state)
{
    (void)state;
    static const struct {
        const char *value, *escaped;
    } cases[] = {
        {"a\"b\\c\nd", "a\\\"b\\\\c\\nd"},
        {"tab\there", "tab\there"},
        {"gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f"},
        {"latin \xfc", "latin \xef\xbf\xbd"},
        {"\xc3\"", "\xef\xbf\xbd\\\""},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char expected[128], *text = labelled(cases[i].value);
        snprintf(expected, sizeof expected, "evenkeel_named{upstream=\"%s\"} 1.5\n",
                 cases[i].escaped);
        assert_string_equal(text, expected);
        free(text);
    }
}

/* An escape or a character at the very end must not lose a part. */
static void a_long_value_is_cut_between_its_characters(void **state)
{
    (void)state;
    static const char *const units[] = {"\"", "\xfc", "\xe2\x82\xac"};
    static const char *const escaped[] = {"\\\"", "\xef\xbf\xbd", "\xe2\x82\xac"};
    for (size_t unit = 0; unit < 3; unit++) {
        for (size_t first = 0; first < 4; first++) {
            char value[8192] = "xxx";
            value[first < 3 ? first : 3] = '\0';
            for (size_t i = 0; i < 1500; i++) {
                strcat(value, units[unit]);
            }
            char *text = labelled(value);
            assert_true(strlen(text) < METRIC_VALUE_BYTES + 64);
            const char *at = strchr(text, '"') + 1 + first;
            while (strncmp(at, escaped[unit], strlen(escaped[unit])) == 0) {
                at += strlen(escaped[unit]);
            }
            assert_string_equal(at, "\"} 1.5\n");
            free(text);
        }
    }
}

static void a_count_is_whole_to_its_last_digit(void **state)
{
    (void)state;
    static const struct {
        double value;
        const char *text;
    } cases[] = {
        {0, "0"},
        {7, "7"},
        {1e15, "1000000000000000"},
        {9007199254740991.0, "9007199254740991"},
        {0.25, "0.25"},
        {-3, "-3"},
        {1e300, "1e+300"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[METRIC_NUMBER_BYTES + 1];
        text[metric_number(text, cases[i].value)] = '\0';
        assert_string_equal(text, cases[i].text);
    }
}

static void buckets_are_cumulative_and_end_with_all(void **state)
{
    (void)state;
    struct scrape scrape = {
        .out = evbuffer_new(), .edges_us = {500, 2500, 60000000}, .edges_count = 3};
    struct histogram histogram = {.sum = 0};
    const struct series series = {&scrape, &took, {"all"}};
    histogram_record(&histogram, 300);
    histogram_record(&histogram, 2000);
    histogram_record(&histogram, 90000000);
    series_add_histogram(&series, &histogram);
    char *text = taken(&scrape);
    assert_non_null(strstr(text, "evenkeel_took_seconds_bucket{route=\"all\",le=\"0.0005\"} 1\n"));
    assert_non_null(strstr(text, "evenkeel_took_seconds_bucket{route=\"all\",le=\"0.0025\"} 2\n"));
    assert_non_null(strstr(text, "evenkeel_took_seconds_bucket{route=\"all\",le=\"60\"} 2\n"));
    assert_non_null(strstr(text, "evenkeel_took_seconds_bucket{route=\"all\",le=\"+Inf\"} 3\n"));
    assert_non_null(strstr(text, "evenkeel_took_seconds_sum{route=\"all\"} 90.0023\n"));
    assert_non_null(strstr(text, "evenkeel_took_seconds_count{route=\"all\"} 3\n"));
    free(text);
    evbuffer_free(scrape.out);
}

static void series_beyond_the_most_are_left_out_and_counted(void **state)
{
    (void)state;
    struct scrape scrape = {.out = evbuffer_new(), .series_count = METRICS_SERIES_MAX - 1};
    const struct series series = {&scrape, &named, {"app"}};
    ONE(1);
    ONE(2);
    ONE(3);
    assert_page(&scrape, "evenkeel_named{upstream=\"app\"} 1\n");
    assert_int_equal(scrape.series_count, METRICS_SERIES_MAX);
    assert_int_equal(scrape.dropped_count, 2);
    evbuffer_free(scrape.out);
}

/* However many upstreams there are. */
static void what_the_process_as_a_whole_has_is_never_left_out(void **state)
{
    (void)state;
    struct scrape scrape = {
        .out = evbuffer_new(), .series_count = METRICS_SERIES_MAX, .of_process = true};
    const struct series series = {&scrape, &named, {"app"}};
    ONE(1);
    assert_page(&scrape, "evenkeel_named{upstream=\"app\"} 1\n");
    assert_int_equal(scrape.dropped_count, 0);
    evbuffer_free(scrape.out);
}

static void long_names_do_not_make_the_page_large(void **state)
{
    (void)state;
    struct scrape scrape = {.out = evbuffer_new()};
    char name[1000];
    const struct series series = {&scrape, &named, {name}};
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    for (size_t i = 0; i < 20000; i++) {
        ONE(1);
    }
    assert_true(evbuffer_get_length(scrape.out) < METRICS_BYTES_MAX + 2 * sizeof name);
    assert_int_equal(scrape.series_count + scrape.dropped_count, 20000);
    assert_true(scrape.dropped_count > 0);
    evbuffer_free(scrape.out);
}

static void what_is_kept_of_a_subject_is_a_part_of_it(void **state)
{
    (void)state;
    size_t count = 0;
    for (const struct metric_group *const *group = metric_groups; *group != NULL; group++) {
        bool whole = (*group)->kept_count == (*group)->count;
        assert_true((*group)->kept_count > 0 && (*group)->kept_count <= (*group)->count);
        assert_true(whole || (*group)->scope != SCOPE_PROCESS);
        count++;
    }
    assert_true(count <= 32); /* a bit for each */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_ends_with_its_unit_and_counters_with_total),
        cmocka_unit_test(a_name_is_that_of_one_metric),
        cmocka_unit_test(labels_are_a_list_without_gaps_or_twins),
        cmocka_unit_test(each_value_of_a_closed_set_is_a_sample),
        cmocka_unit_test(a_value_cannot_end_its_line_or_its_label),
        cmocka_unit_test(a_long_value_is_cut_between_its_characters),
        cmocka_unit_test(a_count_is_whole_to_its_last_digit),
        cmocka_unit_test(buckets_are_cumulative_and_end_with_all),
        cmocka_unit_test(what_the_process_as_a_whole_has_is_never_left_out),
        cmocka_unit_test(long_names_do_not_make_the_page_large),
        cmocka_unit_test(what_is_kept_of_a_subject_is_a_part_of_it),
        cmocka_unit_test(series_beyond_the_most_are_left_out_and_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
