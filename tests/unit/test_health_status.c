/*
 * Transcripts of an endpoint's status. Each line: the time in ms, what happens ("good" and "bad" probes, "failures",
 * "time", "return", "blind"), and what the status is then ("-" as before), with its share of 256 or its end.
 */
#include "tests/unit/unit.h"

#include "pool/health_status.h"

static const struct health_settings settings = {
    .interval_ms = 5000,
    .fall_count = 3,
    .rise_count = 2,
    .eject_after_count = 5,
    .eject_base_ms = 1000,
    .eject_max_ms = 8000,
    .eject_share = 0.5,
    .panic_share = 0.5,
    .slow_start_ms = 10000,
};

static bool happen(struct status *status, struct rng *rng, const char *what, uint64_t now_ms)
{
    if (strcmp(what, "good") == 0 || strcmp(what, "bad") == 0) {
        return health_status_on_probe(status, &settings, what[0] == 'g', now_ms);
    }
    if (strcmp(what, "failures") == 0) {
        return health_status_on_failures(status, &settings, rng, now_ms);
    }
    if (strcmp(what, "time") == 0) {
        return health_status_on_time(status, now_ms);
    }
    if (strcmp(what, "blind") == 0) {
        return health_status_on_blindness(status, now_ms);
    }
    assert_string_equal(what, "return");
    health_status_on_return(status, now_ms);
    return false;
}

static void play(const char *transcript)
{
    struct status status;
    struct rng rng;
    char line[128];
    rng_init(&rng, 1);
    health_status_init(&status, 1000);
    while (*transcript != '\0') {
        size_t bytes = strcspn(transcript, "\n");
        unsigned long long at_ms;
        char what[16], then[16];
        unsigned share;
        snprintf(line, sizeof line, "%.*s", (int)bytes, transcript);
        transcript += bytes + (transcript[bytes] == '\n');
        int fields = sscanf(line, "%llu %15s %15s %u", &at_ms, what, then, &share);
        assert_true(fields >= 3);
        bool changed = happen(&status, &rng, what, at_ms);
        if (changed != (strcmp(then, "-") != 0) ||
            (changed && strcmp(health_status_state_name(status.state), then) != 0)) {
            fail_msg("\"%s\": it is %s, changed: %d", line, health_status_state_name(status.state),
                     changed);
        }
        if (fields == 4 && health_status_share(&status, &settings, at_ms) != share) {
            fail_msg("\"%s\": its share is %u", line,
                     (unsigned)health_status_share(&status, &settings, at_ms));
        }
    }
}

static void probes_take_it_out_and_bring_it_back(void **state)
{
    (void)state;
    play("2000 good - 256\n"
         "3000 bad - 256\n"
         "4000 bad -\n"
         "5000 good - 256\n" /* not three in a row */
         "6000 bad -\n"
         "7000 bad -\n"
         "8000 bad down\n"
         "9000 bad -\n"
         "10000 good -\n"
         "11000 bad -\n" /* not two in a row */
         "12000 good -\n"
         "13000 good up 26\n"
         "18000 good - 141\n" /* half of the slow start */
         "23000 good - 256\n");
}

static void failed_attempts_take_it_out_for_a_while(void **state)
{
    (void)state;
    play("2000 failures ejected\n"
         "2500 failures -\n"
         "2800 time -\n"
         "3200 time up 26\n" /* 1 s and at most a tenth */
         "3300 time - 28\n");
}

static void each_time_it_happens_again_soon_it_lasts_twice_as_long(void **state)
{
    (void)state;
    play("2000 failures ejected\n"
         "3200 time up\n"
         "4000 failures ejected\n" /* 2 s */
         "5700 time -\n"
         "6300 time up\n"
         "7000 failures ejected\n" /* 4 s */
         "10500 time -\n"
         "11500 time up\n"
         "12000 failures ejected\n" /* 8 s, the most */
         "19000 time -\n"
         "21000 time up\n"
         "22000 failures ejected\n"
         "31000 time up\n"
         "40000 failures ejected\n" /* it was good for longer than that: from the start */
         "41200 time up\n");
}

static void a_slow_start_is_cut_by_the_next_trouble(void **state)
{
    (void)state;
    play("2000 failures ejected\n"
         "3200 time up 26\n"
         "4000 bad -\n"
         "5000 bad -\n"
         "6000 bad down\n"
         "7000 good -\n"
         "8000 good up 26\n");
}

static void probes_go_on_while_it_is_ejected(void **state)
{
    (void)state;
    play("2000 failures ejected\n"
         "2100 bad -\n"
         "2200 bad -\n"
         "2300 bad down\n"
         "9000 time -\n" /* the ejection is over, but the probes are not answered */
         "9100 good -\n"
         "9200 good up 26\n");
}

static void who_is_not_probed_any_more_is_not_down(void **state)
{
    (void)state;
    play("2000 bad -\n"
         "2100 bad -\n"
         "2200 bad down\n"
         "2300 blind up 26\n"
         "2400 blind -\n"
         "2500 failures ejected\n"
         "2600 blind -\n");
}

static void the_operator_gives_it_back_slowly(void **state)
{
    (void)state;
    play("2000 good - 256\n"
         "3000 return - 26\n"
         "13000 good - 256\n");
}

/* Whatever happens: a share between the first and the whole, an end that comes, probes that come in time. */
static void nothing_leads_astray(void **state)
{
    static const char *const all[] = {"good", "bad", "failures", "time", "blind", "return"};
    struct status status;
    struct rng rng;
    uint64_t now_ms = 1000;
    (void)state;
    rng_init(&rng, unit_seed());
    health_status_init(&status, now_ms);
    for (int i = 0; i < 100000; i++) {
        now_ms += rng_below(&rng, 3000);
        happen(&status, &rng, all[rng_below(&rng, 6)], now_ms);
        uint32_t share = health_status_share(&status, &settings, now_ms);
        uint64_t due_ms = health_status_due_ms(&status, &settings, now_ms);
        uint64_t wait_ms = health_status_probe_wait_ms(&status, &settings, &rng);
        assert_in_range(share, TRAFFIC_SHARE_FIRST, TRAFFIC_SHARE_WHOLE);
        assert_true(status.state == HEALTH_STATUS_UP || share == TRAFFIC_SHARE_WHOLE);
        assert_in_range(wait_ms, 800, 6000);
        if (status.state == HEALTH_STATUS_EJECTED) {
            assert_true(due_ms <= status.since_ms + settings.eject_max_ms * 11 / 10);
        } else if (share < TRAFFIC_SHARE_WHOLE) {
            assert_in_range(due_ms, now_ms + 1, now_ms + settings.slow_start_ms);
        } else {
            assert_true(due_ms == UINT64_MAX);
        }
    }
}

static void probes_hasten_while_they_speak_against_the_standing(void **state)
{
    struct status status;
    struct rng rng;
    (void)state;
    rng_init(&rng, unit_seed());
    health_status_init(&status, 1000);
    for (int i = 0; i < 100; i++) {
        assert_in_range(health_status_probe_wait_ms(&status, &settings, &rng), 4000, 6000);
    }
    health_status_on_probe(&status, &settings, false, 2000);
    for (int i = 0; i < 100; i++) {
        assert_in_range(health_status_probe_wait_ms(&status, &settings, &rng), 800, 1200);
    }
}

static void the_ejected_share_is_bounded(void **state)
{
    (void)state;
    assert_false(health_status_may_eject(&settings, 0, 0));
    assert_false(health_status_may_eject(&settings, 0, 1)); /* the only one stays */
    assert_true(health_status_may_eject(&settings, 0, 2));
    assert_false(health_status_may_eject(&settings, 1, 2));
    assert_false(health_status_may_eject(&settings, 1, 3));
    assert_true(health_status_may_eject(&settings, 1, 4));
    assert_false(health_status_may_eject(&settings, 2, 5));
    struct health_settings none = settings, tenth = settings;
    none.eject_share = 0;
    tenth.eject_share = 0.1;
    assert_false(health_status_may_eject(&none, 0, 10));
    assert_true(health_status_may_eject(&tenth, 0, 5)); /* one always */
    assert_false(health_status_may_eject(&tenth, 1, 5));
}

static void panic_begins_below_the_share(void **state)
{
    (void)state;
    assert_false(health_status_panics(&settings, 0, 0));
    assert_true(health_status_panics(&settings, 0, 1));
    assert_false(health_status_panics(&settings, 1, 2));
    assert_true(health_status_panics(&settings, 1, 3));
    assert_false(health_status_panics(&settings, 2, 4));
    struct health_settings never = settings;
    never.panic_share = 0;
    assert_false(health_status_panics(&never, 0, 5));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(probes_take_it_out_and_bring_it_back),
        cmocka_unit_test(failed_attempts_take_it_out_for_a_while),
        cmocka_unit_test(each_time_it_happens_again_soon_it_lasts_twice_as_long),
        cmocka_unit_test(a_slow_start_is_cut_by_the_next_trouble),
        cmocka_unit_test(probes_go_on_while_it_is_ejected),
        cmocka_unit_test(who_is_not_probed_any_more_is_not_down),
        cmocka_unit_test(the_operator_gives_it_back_slowly),
        cmocka_unit_test(nothing_leads_astray),
        cmocka_unit_test(probes_hasten_while_they_speak_against_the_standing),
        cmocka_unit_test(the_ejected_share_is_bounded),
        cmocka_unit_test(panic_begins_below_the_share),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
