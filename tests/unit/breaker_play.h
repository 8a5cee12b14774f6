/*
 * Plays transcripts to a breaker, and sees which transitions they make.
 *
 * A transcript is a text of lines "TIME ACTION -> ANSWER [by CAUSE]"; TIME is in ms or +ms since the line before.
 *
 *     admit NAME                               -> admitted | probe | refused LEAST..MOST (retry after, ms)
 *     success|failure|slow|ignored NAME        -> the state after the call NAME was reported
 *     success|failure|slow|ignored xN          -> the state after N calls were admitted and reported one by one
 *     yield NAME                               -> the state; the call gives its place on trial to others
 *     force open|closed|none                   -> the state
 *     set KEY VALUE                            -> the state
 *
 * "by CAUSE" stands exactly where the state changed; its last change was for that cause. "#" begins a comment.
 */
#ifndef EVENKEEL_TESTS_UNIT_BREAKER_PLAY_H
#define EVENKEEL_TESTS_UNIT_BREAKER_PLAY_H

#include "tests/unit/breaker_rig.h"

#include "steady/enum_names.h"

/* The words of the transcripts. */
static ENUM_NAME_FUNCTION(breaker_result_name, enum breaker_result,
                          BREAKER_RESULTS) static ENUM_NAME_FUNCTION(outcome_name, enum outcome,
                                                                     OUTCOMES)

    static const struct strata lone = {3, 5}; /* all calls are of one client and one path */

struct play {
    struct breaker *breaker;
    struct breaker_settings settings;
    struct breaker_ticket tickets[26];
    struct rng rng;
    uint64_t now_ms;
    unsigned changes_count; /* by the line */
    struct breaker_change change;
    char line[160];
};

/* Which transitions all transcripts together have seen. */
static bool seen[BREAKER_STATE_COUNT][BREAKER_STATE_COUNT];

static inline void on_change(const struct breaker_change *change, void *owner)
{
    struct play *play = owner;
    assert_int_not_equal(change->from, change->to);
    seen[change->from][change->to] = true;
    play->changes_count++;
    play->change = *change;
    if (change->to == BREAKER_OPEN) {
        uint64_t share_ms = (uint64_t)(play->settings.open_share * (double)change->outage_ms);
        uint64_t wanted_ms = share_ms < play->settings.open_min_ms   ? play->settings.open_min_ms
                             : share_ms > play->settings.open_max_ms ? play->settings.open_max_ms
                                                                     : share_ms;
        assert_in_range(change->open_ms, wanted_ms * 8 / 10, wanted_ms);
    }
}

static inline enum outcome outcome_of(const char *word)
{
    for (enum outcome outcome = OUTCOME_SUCCESS; outcome <= OUTCOME_IGNORED; outcome++) {
        if (strcmp(word, outcome_name(outcome)) == 0) {
            return outcome;
        }
    }
    fail_msg("no such action: %s", word);
    return OUTCOME_IGNORED;
}

static inline void admit(struct play *play, struct breaker_ticket *ticket, char *answer,
                         size_t bytes)
{
    uint64_t retry_after_ms = UINT64_MAX;
    bool sure = breaker_refuses(play->breaker, &play->settings, play->now_ms);
    enum breaker_result result = breaker_admit(
        play->breaker, &(struct breaker_caller){&play->settings, NULL, play->now_ms, 0, lone},
        ticket, &retry_after_ms);
    if (sure) {
        assert_int_equal(result, BREAKER_REFUSED);
    }
    if (result == BREAKER_REFUSED) {
        snprintf(answer, bytes, "%s %" PRIu64, breaker_result_name(result), retry_after_ms);
    } else {
        snprintf(answer, bytes, "%s", breaker_result_name(result));
    }
}

static inline void report(struct play *play, struct breaker_ticket *ticket, enum outcome outcome)
{
    breaker_report(play->breaker,
                   &(struct breaker_caller){&play->settings, &play->rng, play->now_ms, 0, lone},
                   ticket, outcome);
    assert_int_equal(ticket->word, 0);
}

static inline void report_many(struct play *play, unsigned count, enum outcome outcome)
{
    for (unsigned i = 0; i < count; i++) {
        struct breaker_ticket ticket;
        char answer[64];
        admit(play, &ticket, answer, sizeof answer);
        if (strncmp(answer, "refused", 7) == 0) {
            fail_msg("%s: call %u was refused", play->line, i);
        }
        report(play, &ticket, outcome);
    }
}

static inline void set(struct play *play, const char *key, uint64_t value)
{
    if (strcmp(key, "enabled") == 0) {
        play->settings.enabled = value != 0;
    } else if (strcmp(key, "probes") == 0) {
        play->settings.probes_count = value;
    } else if (strcmp(key, "min_requests") == 0) {
        play->settings.min_requests_count = value;
    } else if (strcmp(key, "consecutive") == 0) {
        play->settings.consecutive_count = value;
    } else if (strcmp(key, "window") == 0) {
        play->settings.window_ms = value;
    } else {
        fail_msg("no such setting: %s", key);
    }
}

static inline void act(struct play *play, const char *verb, const char *object, const char *value,
                       char *answer, size_t bytes)
{
    struct breaker_ticket *named = &play->tickets[(unsigned char)(object[0] - 'a') % 26];
    if (strcmp(verb, "admit") == 0) {
        admit(play, named, answer, bytes);
        return;
    }
    if (strcmp(verb, "yield") == 0) {
        assert_true(breaker_ticket_on_trial(named));
        breaker_yield(play->breaker, named);
        assert_false(breaker_ticket_on_trial(named));
    } else if (strcmp(verb, "force") == 0) {
        breaker_force(play->breaker, &play->settings,
                      strcmp(object, "open") == 0     ? BREAKER_FORCE_OPEN
                      : strcmp(object, "closed") == 0 ? BREAKER_FORCE_CLOSED
                                                      : BREAKER_FORCE_NONE,
                      play->now_ms);
    } else if (strcmp(verb, "set") == 0) {
        set(play, object, strtoull(value, NULL, 10));
    } else if (object[0] == 'x') {
        report_many(play, (unsigned)strtoul(object + 1, NULL, 10), outcome_of(verb));
    } else {
        report(play, named, outcome_of(verb));
    }
    snprintf(answer, bytes, "%s", breaker_state_name(breaker_state(play->breaker)));
}

/* "refused 240" answers "refused 200..300". */
static inline bool answers(const char *answer, const char *expected)
{
    uint64_t least, most, got;
    if (sscanf(expected, "refused %" SCNu64 "..%" SCNu64, &least, &most) == 2) {
        return sscanf(answer, "refused %" SCNu64, &got) == 1 && got >= least && got <= most;
    }
    return strcmp(answer, expected) == 0;
}

static inline void play_line(struct play *play)
{
    char time[24], verb[24], object[24] = "", value[24] = "", answer[64];
    char *arrow = strstr(play->line, " -> ");
    assert_non_null(arrow);
    char expected[64], cause[24] = "";
    snprintf(expected, sizeof expected, "%s", arrow + 4);
    char *by = strstr(expected, " by ");
    if (by != NULL) {
        snprintf(cause, sizeof cause, "%.20s", by + 4);
        *by = '\0';
    }
    if (sscanf(play->line, "%23s %23s %23s %23s", time, verb, object, value) < 3) {
        fail_msg("what is this? %s", play->line);
    }
    uint64_t ms = strtoull(time[0] == '+' ? time + 1 : time, NULL, 10);
    ms += time[0] == '+' ? play->now_ms : 0;
    assert_true(ms >= play->now_ms);
    play->now_ms = ms;
    play->changes_count = 0;
    act(play, verb, object, value, answer, sizeof answer);
    if (!answers(answer, expected)) {
        fail_msg("%s\n... but the answer was: %s", play->line, answer);
    }
    if ((play->changes_count > 0) != (cause[0] != '\0')) {
        fail_msg("%s\n... but the state %s", play->line,
                 play->changes_count > 0 ? "changed" : "did not change");
    }
    if (cause[0] != '\0' && strcmp(cause, breaker_cause_name(play->change.cause)) != 0) {
        fail_msg("%s\n... but by %s", play->line, breaker_cause_name(play->change.cause));
    }
}

static inline void perform(const char *script)
{
    static uint64_t seed;
    if (seed == 0) {
        seed = unit_seed();
    }
    struct play play = {.settings = defaults};
    rng_init(&play.rng, seed);
    play.breaker = breaker_create(1, on_change, &play);
    assert_non_null(play.breaker);
    while (*script != '\0') {
        size_t length = strcspn(script, "\n");
        size_t bare = strcspn(script, "#\n");
        while (bare > 0 && script[bare - 1] == ' ') {
            bare--;
        }
        assert_true(bare < sizeof play.line);
        memcpy(play.line, script, bare);
        play.line[bare] = '\0';
        if (bare > 0) {
            play_line(&play);
        }
        script += length + (script[length] == '\n');
    }
    breaker_free(&play.breaker);
    assert_null(play.breaker);
}

static const char to_ramp[] = "1000 failure x10 -> open by in_a_row\n"
                              "1400 success x3  -> ramp by good_probes\n";

static inline void perform_from_ramp(const char *script)
{
    char whole[2048];
    snprintf(whole, sizeof whole, "%s%s", to_ramp, script);
    perform(whole);
}

/* ---- which transitions there are ---- */

/* Which program plays a transition; BY_NONE: it is impossible. */
enum player { BY_NONE, BY_CALLS, BY_OPERATORS };

static inline enum player player_of(enum breaker_state from, enum breaker_state to)
{
    static const enum player players[BREAKER_STATE_COUNT][BREAKER_STATE_COUNT] = {
        [BREAKER_CLOSED] = {[BREAKER_OPEN] = BY_CALLS,
                            [BREAKER_FORCED_OPEN] = BY_OPERATORS,
                            [BREAKER_FORCED_CLOSED] = BY_OPERATORS},
        [BREAKER_FORCED_CLOSED] =
            {[BREAKER_CLOSED] = BY_OPERATORS, [BREAKER_FORCED_OPEN] = BY_OPERATORS},
        [BREAKER_OPEN] = {[BREAKER_HALF_OPEN] = BY_CALLS,
                          [BREAKER_CLOSED] = BY_OPERATORS,
                          [BREAKER_FORCED_OPEN] = BY_OPERATORS,
                          [BREAKER_FORCED_CLOSED] = BY_OPERATORS},
        [BREAKER_HALF_OPEN] = {[BREAKER_OPEN] = BY_CALLS,
                               [BREAKER_RAMP] = BY_CALLS,
                               [BREAKER_CLOSED] = BY_OPERATORS,
                               [BREAKER_FORCED_OPEN] = BY_OPERATORS,
                               [BREAKER_FORCED_CLOSED] = BY_OPERATORS},
        [BREAKER_RAMP] = {[BREAKER_OPEN] = BY_CALLS,
                          [BREAKER_CLOSED] = BY_CALLS,
                          [BREAKER_FORCED_OPEN] = BY_OPERATORS,
                          [BREAKER_FORCED_CLOSED] = BY_OPERATORS},
        [BREAKER_FORCED_OPEN] =
            {[BREAKER_HALF_OPEN] = BY_OPERATORS, [BREAKER_FORCED_CLOSED] = BY_OPERATORS},
    };
    return players[from][to];
}

/* To be called when all transcripts of the program have been played. */
static inline void assert_all_were_played(enum player player)
{
    for (enum breaker_state from = 0; from < BREAKER_STATE_COUNT; from++) {
        for (enum breaker_state to = 0; to < BREAKER_STATE_COUNT; to++) {
            const enum player wanted = player_of(from, to);
            if ((seen[from][to] && wanted == BY_NONE) || (!seen[from][to] && wanted == player)) {
                fail_msg("%s -> %s is %s", breaker_state_name(from), breaker_state_name(to),
                         wanted == BY_NONE ? "impossible" : "in no transcript");
            }
        }
    }
}

#endif
