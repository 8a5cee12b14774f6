/* The breaker by transcript: what operators and reloads change, and what nothing else may then change. */
#include "tests/unit/breaker_play.h"

static void an_operator_opens_and_nothing_closes_it(void **state)
{
    (void)state;
    perform("1000   admit a     -> admitted\n"
            "1000   force open  -> forced_open by operator\n"
            "1000   force open  -> forced_open\n"
            "1000   admit b     -> refused 5000..5000\n"
            "1001   success a   -> forced_open\n"
            "999000 admit b     -> refused 250..250\n"
            "999000 set enabled 0 -> forced_open\n"
            "999001 admit b     -> refused 1..250\n");
}

static void taking_forced_open_back_tries_with_probes(void **state)
{
    (void)state;
    perform("1000  force open -> forced_open by operator\n"
            "5000  force none -> half_open by operator\n"
            "5000  admit a    -> probe\n"
            "5000  admit b    -> refused 1..400\n"
            "5001  success a  -> half_open\n"
            "5001  success x2 -> ramp by good_probes\n");
    perform("1000  force open -> forced_open by operator\n"
            "21000 force none -> half_open by operator\n"
            "21000 failure x1 -> open by bad_probe\n"
            "21000 admit a    -> refused 1600..2400\n");
}

static void an_operator_closes_and_nothing_opens_it(void **state)
{
    (void)state;
    perform("1000 force closed -> forced_closed by operator\n"
            "1000 failure x100 -> forced_closed\n"
            "1000 slow x1000   -> forced_closed\n"
            "1000 ignored x10  -> forced_closed\n"
            "1000 force none   -> closed by operator\n"
            "1000 force none   -> closed\n"
            "1000 failure x1   -> open by slow_rate\n"); /* what was seen meanwhile counts */
    perform("1000  force closed -> forced_closed by operator\n"
            "1000  failure x100 -> forced_closed\n"
            "20000 success x1   -> forced_closed\n"
            "20000 force none   -> closed by operator\n"
            "20000 failure x9   -> closed\n"
            "20000 failure x1   -> open by in_a_row\n");
}

static void an_operator_may_speak_in_any_state(void **state)
{
    (void)state;
    perform("1000 failure x10  -> open by in_a_row\n"
            "1001 force closed -> forced_closed by operator\n"
            "1001 failure x20  -> forced_closed\n"
            "1001 force open   -> forced_open by operator\n"
            "1001 force closed -> forced_closed by operator\n"
            "1001 success x1   -> forced_closed\n");
    perform("1000 failure x10  -> open by in_a_row\n"
            "1001 force none   -> open\n"
            "1001 force open   -> forced_open by operator\n"
            "1001 admit a      -> refused 5000..5000\n");
    perform("1000 failure x10  -> open by in_a_row\n"
            "1400 admit a      -> probe by time\n"
            "1401 force none   -> half_open\n"
            "1401 force open   -> forced_open by operator\n"
            "1402 success a    -> forced_open\n");
    perform("1000 failure x10  -> open by in_a_row\n"
            "1400 admit a      -> probe by time\n"
            "1401 force closed -> forced_closed by operator\n"
            "1402 failure a    -> forced_closed\n");
    perform_from_ramp("1500 admit a      -> admitted\n"
                      "1500 force open   -> forced_open by operator\n"
                      "1501 success a    -> forced_open\n");
    perform_from_ramp("1500 admit a      -> admitted\n"
                      "1500 force closed -> forced_closed by operator\n"
                      "1501 failure a    -> forced_closed\n"
                      "1501 success x100 -> forced_closed\n");
}

static void disabling_lets_everything_through(void **state)
{
    (void)state;
    perform("1000 failure x10   -> open by in_a_row\n"
            "1000 set enabled 0 -> open\n"
            "1001 admit a       -> admitted by disabled\n"
            "1001 failure a     -> closed\n");
    perform("1000 failure x10   -> open by in_a_row\n"
            "1400 admit a       -> probe by time\n"
            "1400 set enabled 0 -> half_open\n"
            "1401 admit b       -> admitted by disabled\n"
            "1401 failure a     -> closed\n");
    perform("1000 failure x10   -> open by in_a_row\n"
            "1400 admit a       -> probe by time\n"
            "1400 set enabled 0 -> half_open\n"
            "1401 failure a     -> closed by disabled\n");
    perform_from_ramp("1500 set enabled 0 -> ramp\n"
                      "1501 failure x1    -> closed by disabled\n"
                      "1501 failure x100  -> closed\n");
}

static void every_transition_by_operators_was_played(void **state)
{
    (void)state;
    assert_all_were_played(BY_OPERATORS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_operator_opens_and_nothing_closes_it),
        cmocka_unit_test(taking_forced_open_back_tries_with_probes),
        cmocka_unit_test(an_operator_closes_and_nothing_opens_it),
        cmocka_unit_test(an_operator_may_speak_in_any_state),
        cmocka_unit_test(disabling_lets_everything_through),
        cmocka_unit_test(every_transition_by_operators_was_played),
    };
    return cmocka_run_group_tests_name("breaker operators", tests, NULL, NULL);
}
