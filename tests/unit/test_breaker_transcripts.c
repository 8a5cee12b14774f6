/* The breaker by transcript: every transition that calls make, and what must not be one. */
#include "tests/unit/breaker_play.h"

/* ---- opening ---- */

static void ten_failures_in_a_row_open(void **state)
{
    (void)state;
    perform("1000 success x1000  -> closed\n" /* a window full of old successes does not hide it */
            "1100 failure x9     -> closed\n"
            "1100 failure x1     -> open by in_a_row\n"
            "1100 admit a        -> refused 200..300\n"
            "1299 admit a        -> refused 1..101\n");
}

static void nine_failures_and_a_success_do_not(void **state)
{
    (void)state;
    perform("1000 success x100   -> closed\n"
            "+1   failure x9     -> closed\n"
            "+1   success x1     -> closed\n"
            "+1   failure x9     -> closed\n"
            "+1   slow x1        -> closed\n" /* it did answer */
            "+1   failure x9     -> closed\n"
            "+1   ignored x5     -> closed\n" /* says nothing, so the row goes on */
            "+1   failure x1     -> open by in_a_row\n");
}

static void half_of_twenty_calls_failing_opens(void **state)
{
    (void)state;
    perform("1000 set consecutive 1000 -> closed\n"
            "1000 failure x9           -> closed\n"
            "1000 success x9           -> closed\n"
            "1000 failure x1           -> closed\n" /* 10 of 19: too few calls */
            "1000 failure x1           -> open by failure_rate\n");
    perform("1000 set consecutive 1000 -> closed\n"
            "1000 success x11          -> closed\n"
            "1000 failure x10          -> closed\n" /* 10 of 21: not half */
            "1000 failure x1           -> open by failure_rate\n");
}

static void what_left_the_window_is_not_judged(void **state)
{
    (void)state;
    perform("1000  success x11         -> closed\n"
            "1000  failure x9          -> closed\n"
            "10999 success x1          -> closed\n"
            "11000 failure x9          -> closed\n" /* 9 of 10: too few */
            "11000 success x1          -> closed\n" /* 9 of 11 */
            "11000 failure x8          -> closed\n" /* 17 of 19 */
            "11000 failure x1          -> open by failure_rate\n");
}

static void four_of_five_slow_open(void **state)
{
    (void)state;
    perform("1000 success x4   -> closed\n"
            "+1   slow x15     -> closed\n" /* 15 of 19 */
            "+1   slow x1      -> open by slow_rate\n");
    perform("1000 success x6   -> closed\n"
            "+1   slow x23     -> closed\n" /* 23 of 29: not 80% */
            "+1   slow x1      -> open by slow_rate\n");
}

static void a_success_never_opens(void **state)
{
    (void)state;
    perform("1000 set consecutive 1000 -> closed\n"
            "1000 failure x19          -> closed\n"
            "1000 success x1           -> closed\n" /* now 19 of 20 */
            "1000 failure x1           -> open by failure_rate\n");
}

static void what_says_nothing_never_opens(void **state)
{
    (void)state;
    perform("1000 ignored x1000 -> closed\n"
            "1000 failure x9    -> closed\n"
            "1000 ignored x1000 -> closed\n");
}

static void a_breaker_that_is_not_enabled_stays_closed(void **state)
{
    (void)state;
    perform("1000 set enabled 0 -> closed\n"
            "1000 slow x100     -> closed\n"
            "1000 failure x1000 -> closed\n"
            "1000 set enabled 1 -> closed\n"
            "1000 failure x1    -> open by in_a_row\n");
}

/* ---- open ---- */

static void open_lasts_a_tenth_of_the_outage(void **state)
{
    (void)state;
    perform("1000   failure x10  -> open by in_a_row\n"
            "1199   admit a      -> refused 1..101\n"
            "1301   admit a      -> probe by time\n"
            "11000  failure a    -> open by bad_probe\n" /* 10 s since it first opened */
            "11000  admit a      -> refused 800..1200\n"
            "11799  admit a      -> refused 1..401\n"
            "12201  admit a      -> probe by time\n"
            "31000  failure a    -> open by bad_probe\n" /* 30 s */
            "31000  admit a      -> refused 2400..3600\n"
            "34601  admit a      -> probe by time\n"
            "201000 failure a    -> open by bad_probe\n" /* 200 s: at most 5 s */
            "201000 admit a      -> refused 4000..6000\n"
            "204999 admit a      -> refused 1..2001\n"
            "207001 admit a      -> probe by time\n");
}

static void reports_from_before_it_opened_change_nothing(void **state)
{
    (void)state;
    perform("1000 admit a        -> admitted\n"
            "1000 admit b        -> admitted\n"
            "1000 admit c        -> admitted\n"
            "1000 admit d        -> admitted\n"
            "1000 failure x10    -> open by in_a_row\n"
            "1100 success a      -> open\n" /* sent when all was well */
            "1100 failure b      -> open\n"
            "1301 admit e        -> probe by time\n"
            "1310 success c      -> half_open\n" /* no evidence */
            "1311 failure d      -> half_open\n"
            "1312 success e      -> half_open\n");
}

static void a_new_outage_begins_anew(void **state)
{
    (void)state;
    perform("1000  failure x10  -> open by in_a_row\n"
            "20000 success x3   -> ramp by good_probes\n"
            "21000 success x1   -> closed by time\n"
            "60000 failure x10  -> open by in_a_row\n"
            "60000 admit a      -> refused 200..300\n");
}

/* ---- half-open ---- */

static void three_good_probes_close(void **state)
{
    (void)state;
    perform("1000 failure x10  -> open by in_a_row\n"
            "1400 admit a      -> probe by time\n"
            "1410 success a    -> half_open\n"
            "1420 admit b      -> probe\n"
            "1430 success b    -> half_open\n"
            "1440 admit c      -> probe\n"
            "1450 success c    -> ramp by good_probes\n"
            "2450 admit d      -> admitted by time\n"
            "2450 success d    -> closed\n");
}

static void probes_widen_with_what_comes_back(void **state)
{
    (void)state;
    perform("1000 failure x10 -> open by in_a_row\n"
            "1400 admit a     -> probe by time\n"
            "1400 admit b     -> refused 1..250\n" /* first see what becomes of the first */
            "1410 success a   -> half_open\n"
            "1411 admit b     -> probe\n"
            "1411 admit c     -> probe\n" /* two */
            "1411 admit d     -> refused 1..250\n"
            "1412 success b   -> half_open\n"
            "1412 admit d     -> probe\n" /* three, never more */
            "1412 admit e     -> probe\n"
            "1412 admit f     -> refused 1..250\n");
}

static void never_more_probes_in_flight_than_allowed(void **state)
{
    (void)state;
    perform(
        "1000  failure x10 -> open by in_a_row\n"
        "1400  admit a     -> probe by time\n"
        "5000  admit b     -> probe\n"
        "9000  admit c     -> probe\n"
        "30000 admit d     -> refused 1..250\n"
        "31000 failure a   -> open by bad_probe\n"
        "34601 admit d     -> probe by time\n" /* b and c are still out there */
        "39000 admit e     -> refused 1..250\n"
        "39001 success b   -> half_open\n" /* of a time gone by: frees its place, proves nothing */
        "44000 admit e     -> probe\n"
        "44000 admit f     -> refused 1..250\n"
        "44001 success d   -> half_open\n"
        "44001 admit f     -> probe\n"
        "44001 admit g     -> refused 1..250\n"
        "44002 success c   -> half_open\n"
        "44002 admit g     -> refused 1..250\n" /* a place, but no more evidence */
        "44003 success e   -> half_open\n"
        "44003 admit g     -> probe\n"
        "44003 admit h     -> probe\n"
        "44003 admit i     -> refused 1..250\n");
}

static void a_probe_that_does_not_come_back_is_followed_by_another(void **state)
{
    (void)state;
    perform("1000  failure x10 -> open by in_a_row\n"
            "11000 admit a     -> probe by time\n" /* 10 s old: patience of 1 s */
            "11749 admit b     -> refused 1..250\n"
            "11999 admit b     -> refused 1..250\n"
            "12250 admit b     -> probe\n"
            "12251 admit c     -> refused 1..250\n"
            "12252 success b   -> half_open\n"
            "12253 admit c     -> probe\n"
            "12254 success c   -> half_open\n"
            "12255 admit d     -> probe\n"
            "12256 success d   -> ramp by good_probes\n");
}

static void a_bad_probe_opens_again(void **state)
{
    (void)state;
    perform("1000 failure x10 -> open by in_a_row\n"
            "1400 success x2  -> half_open by time\n"
            "1410 failure x1  -> open by bad_probe\n"
            "2000 success x2  -> half_open by time\n"
            "2010 slow x1     -> open by bad_probe\n"); /* a slow answer is no cure */
}

static void a_probe_that_yields_makes_room_and_is_heard(void **state)
{
    (void)state;
    perform("1000 set probes 1   -> closed\n"
            "1000 failure x10    -> open by in_a_row\n"
            "1400 admit a        -> probe by time\n"
            "1401 admit b        -> refused 1..250\n"
            "1402 yield a        -> half_open\n"
            "1402 admit b        -> probe\n"
            "1403 admit c        -> refused 1..250\n"
            "1404 ignored b      -> half_open\n"
            "1500 success a      -> ramp by good_probes\n"
            "1501 admit d        -> admitted\n"
            "1501 admit e        -> refused 1..250\n"
            "1502 yield d        -> ramp\n"
            "1502 admit e        -> admitted\n"
            "1503 success d      -> ramp\n"
            "1503 success e      -> ramp\n"
            "2600 success x1     -> closed by time\n");
    perform("1000 set probes 1   -> closed\n"
            "1000 failure x10    -> open by in_a_row\n"
            "1400 admit a        -> probe by time\n"
            "1402 yield a        -> half_open\n"
            "1403 failure a      -> open by bad_probe\n"
            "1700 admit b        -> probe by time\n"
            "1701 yield b        -> half_open\n"
            "1702 admit c        -> probe\n"
            "1703 failure c      -> open by bad_probe\n"
            "1704 success b      -> open\n"); /* of a time gone by */
}

static void a_probe_that_says_nothing_gives_its_place_back(void **state)
{
    (void)state;
    perform("1000 failure x10 -> open by in_a_row\n"
            "1400 admit a     -> probe by time\n"
            "1400 admit b     -> refused 1..250\n"
            "1410 ignored a   -> half_open\n"
            "1410 admit b     -> probe\n"
            "1410 admit c     -> refused 1..250\n"
            "1420 ignored b   -> half_open\n"
            "1420 ignored x50 -> half_open\n"
            "1430 success x3  -> ramp by good_probes\n");
}

static void time_alone_never_closes(void **state)
{
    (void)state;
    perform("1000     failure x10 -> open by in_a_row\n"
            "90000000 admit a     -> probe by time\n"
            "90000000 admit b     -> refused 1..250\n"
            "90000001 failure a   -> open by bad_probe\n"
            "99000000 admit a     -> probe by time\n");
}

static void fewer_probes_by_reload_are_enough(void **state)
{
    (void)state;
    perform("1000 set probes 5    -> closed\n"
            "1000 failure x10     -> open by in_a_row\n"
            "1400 success x3      -> half_open by time\n"
            "1401 set probes 1    -> half_open\n"
            "1402 success x1      -> ramp by good_probes\n");
}

/* ---- ramp ---- */

static void the_ramp_widens_with_what_comes_back(void **state)
{
    (void)state;
    perform_from_ramp("1500 admit a   -> admitted\n"
                      "1500 admit b   -> admitted\n"
                      "1500 admit c   -> admitted\n"
                      "1500 admit d   -> refused 1..250\n"
                      "1510 success a -> ramp\n"
                      "1510 admit d   -> admitted\n"
                      "1510 admit e   -> admitted\n"
                      "1510 admit f   -> refused 1..250\n"
                      "1520 ignored b -> ramp\n"
                      "1520 admit f   -> admitted\n" /* its place only */
                      "1520 admit g   -> refused 1..250\n");
}

static void the_ramp_ends_with_its_time(void **state)
{
    (void)state;
    perform_from_ramp("2399 success x1 -> ramp\n"
                      "2400 admit a    -> admitted by time\n"
                      "2400 success a  -> closed\n");
    perform_from_ramp("2399 admit a    -> admitted\n"
                      "2400 success a  -> closed by time\n");
}

static void a_ramp_without_answers_does_not_end(void **state)
{
    (void)state;
    perform_from_ramp("1500  admit a   -> admitted\n"
                      "1500  admit b   -> admitted\n"
                      "1500  admit c   -> admitted\n"
                      "9000  admit d   -> refused 1..250\n"
                      "20000 admit d   -> refused 1..250\n"
                      "20001 success a -> closed by time\n");
    perform_from_ramp("1500  admit a   -> admitted\n"
                      "1500  admit b   -> admitted\n"
                      "1500  admit c   -> admitted\n"
                      "9000  failure a -> closed by time\n" /* one bad answer of four */
                      "9001  admit a   -> admitted\n");
}

static void a_ramp_that_goes_badly_opens_again(void **state)
{
    (void)state;
    perform_from_ramp("1500 failure x2  -> ramp\n" /* 2 of 5 */
                      "1500 failure x1  -> open by failure_rate\n");
    perform_from_ramp("1500 failure x2  -> ramp\n"
                      "1500 success x2  -> ramp\n"
                      "1500 failure x2  -> ramp\n" /* 4 of 9 */
                      "1500 failure x1  -> open by failure_rate\n");
    perform_from_ramp("1500 slow x11    -> ramp\n"
                      "1500 slow x1     -> open by slow_rate\n"); /* 12 of 15 */
    perform("1000 set consecutive 2   -> closed\n"
            "1000 failure x2          -> open by in_a_row\n"
            "1400 success x3          -> ramp by good_probes\n"
            "1500 failure x1          -> ramp\n"
            "1500 failure x1          -> open by in_a_row\n");
}

static void the_outage_goes_on_when_the_ramp_fails(void **state)
{
    (void)state;
    perform("1000  failure x10 -> open by in_a_row\n"
            "21000 success x3  -> ramp by good_probes\n"
            "21000 failure x3  -> open by failure_rate\n"
            "21000 admit a     -> refused 1600..2400\n"); /* a tenth of 20 s */
}

static void the_evidence_of_the_ramp_counts_after_it(void **state)
{
    (void)state;
    perform("1000 set consecutive 100 -> closed\n"
            "1000 failure x20         -> open by failure_rate\n"
            "1400 success x3          -> ramp by good_probes\n"
            "1410 success x7          -> ramp\n"
            "2400 admit a             -> admitted by time\n"
            "2400 failure a           -> closed\n"
            "2400 failure x8          -> closed\n"
            "2400 failure x1          -> open by failure_rate\n"); /* 10 of 20 */
}

static void probes_still_out_when_the_ramp_begins_are_of_it(void **state)
{
    (void)state;
    perform("1000 failure x10 -> open by in_a_row\n"
            "1400 success x1  -> half_open by time\n"
            "1400 admit a     -> probe\n"
            "1400 admit b     -> probe\n"
            "1400 success b   -> half_open\n"
            "1400 admit c     -> probe\n"
            "1400 admit d     -> probe\n"
            "1400 success c   -> ramp by good_probes\n"
            "1400 admit e     -> admitted\n"
            "1400 admit f     -> refused 1..250\n"
            "1410 failure a   -> ramp\n" /* one of four */
            "1410 admit f     -> admitted\n"
            "1410 success d   -> ramp\n");
}

/* ---- all of them ---- */

static void every_transition_by_calls_was_played(void **state)
{
    (void)state;
    assert_all_were_played(BY_CALLS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ten_failures_in_a_row_open),
        cmocka_unit_test(nine_failures_and_a_success_do_not),
        cmocka_unit_test(half_of_twenty_calls_failing_opens),
        cmocka_unit_test(what_left_the_window_is_not_judged),
        cmocka_unit_test(four_of_five_slow_open),
        cmocka_unit_test(a_success_never_opens),
        cmocka_unit_test(what_says_nothing_never_opens),
        cmocka_unit_test(a_breaker_that_is_not_enabled_stays_closed),
        cmocka_unit_test(open_lasts_a_tenth_of_the_outage),
        cmocka_unit_test(reports_from_before_it_opened_change_nothing),
        cmocka_unit_test(a_new_outage_begins_anew),
        cmocka_unit_test(three_good_probes_close),
        cmocka_unit_test(probes_widen_with_what_comes_back),
        cmocka_unit_test(never_more_probes_in_flight_than_allowed),
        cmocka_unit_test(a_probe_that_does_not_come_back_is_followed_by_another),
        cmocka_unit_test(a_bad_probe_opens_again),
        cmocka_unit_test(a_probe_that_yields_makes_room_and_is_heard),
        cmocka_unit_test(a_probe_that_says_nothing_gives_its_place_back),
        cmocka_unit_test(time_alone_never_closes),
        cmocka_unit_test(fewer_probes_by_reload_are_enough),
        cmocka_unit_test(the_ramp_widens_with_what_comes_back),
        cmocka_unit_test(the_ramp_ends_with_its_time),
        cmocka_unit_test(a_ramp_without_answers_does_not_end),
        cmocka_unit_test(a_ramp_that_goes_badly_opens_again),
        cmocka_unit_test(the_outage_goes_on_when_the_ramp_fails),
        cmocka_unit_test(the_evidence_of_the_ramp_counts_after_it),
        cmocka_unit_test(probes_still_out_when_the_ramp_begins_are_of_it),
        cmocka_unit_test(every_transition_by_calls_was_played),
    };
    return cmocka_run_group_tests_name("breaker transcripts", tests, NULL, NULL);
}
