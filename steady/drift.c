/* The judgement about a history. */
#include "steady/drift.h"

#include <math.h>

#include "steady/trend.h"

/* Points that a window needs. */
#define POINTS_LEAST (HISTORY_POINTS / 2)
/* Kendall's tau of a trend. */
#define CONCORDANCE_LEAST 0.5
/* Growth of a figure without limit that is worth a word: this part of its level within a window. */
#define UNLIMITED_EFFECT 0.25
/* A record is higher than everything before by this part of the deepest fall: what has fallen before may do so again. */
#define RECORD_MARGIN 0.5
/* A rise of fewer standard deviations of the noise is none: its slope could be wrong by a quarter. */
#define NOISE_EFFECT 8
/* Slopes of pairs this near are at least this part of the whole; in a staircase of up to seven steps most of such pairs are on the same step. */
#define NEAR_POINTS 7
#define NEAR_SLOPE 0.4
enum { BLOCK_POINTS = HISTORY_POINTS / TREND_BLOCKS };

ENUM_NAME_FUNCTION(drift_state_name, enum drift_state, DRIFT_STATES)

/* By window: how far it can speak about the future, in its own lengths (4 hours, 2 days and 30 days with a tick of ten
   seconds); how often in a row it has to say so; and how often in a row not, until that is over. */
static const struct window_rule {
    double reach_windows;
    uint8_t said_least, unsaid_least;
} rules[HISTORY_WINDOWS] = {
    [HISTORY_SHORT] = {24, 6, 12},
    [HISTORY_MIDDLE] = {48, 4, 10},
    [HISTORY_LONG] = {120, 2, 5},
};

static double window_ticks(enum history_window window)
{
    return (double)(HISTORY_POINTS * history_step_ticks(window));
}

/* The first quarter of a window after the start belongs to the start. */
static bool is_young(const struct history *history, enum history_window window)
{
    return history->rings[window].present_count < POINTS_LEAST ||
           (double)history_age_ticks(history) < 1.25 * window_ticks(window);
}

/* ---- what the rise is worth ---- */

static bool rise_matters(const double blocks[TREND_BLOCKS], enum history_window window,
                         const struct drift_terms *terms)
{
    double last = blocks[TREND_BLOCKS - 1], rise = last - blocks[0];
    /* from the middle of the first block to that of the last */
    double per_window = rise * TREND_BLOCKS / (TREND_BLOCKS - 1);
    if (!(rise >= terms->least_effect)) {
        return false;
    }
    if (isinf(terms->limit)) {
        return per_window >= UNLIMITED_EFFECT * blocks[0];
    }
    return per_window * rules[window].reach_windows >= terms->limit - last;
}

/* A fall to the beginning of the window counts, too. */
static bool is_record(const struct history *history, enum history_window window,
                      const double blocks[TREND_BLOCKS])
{
    const struct history_past past = history_past(history, window);
    double fall = past.fall;
    for (unsigned i = 0; i < TREND_BLOCKS; i++) {
        fall = fmax(fall, past.most - blocks[i]);
    }
    return isnan(past.most) || blocks[TREND_BLOCKS - 1] > past.most + RECORD_MARGIN * fall;
}

/* Whether the points themselves rise, and not only their blocks. */
static bool points_rise(const float points[HISTORY_POINTS], double rise)
{
    double mean_slope = rise / (double)(HISTORY_POINTS - BLOCK_POINTS);
    return rise >= NOISE_EFFECT * trend_noise(points, HISTORY_POINTS) &&
           trend_near_slope(points, HISTORY_POINTS, NEAR_POINTS) >= NEAR_SLOPE * mean_slope &&
           trend_concordance(points, HISTORY_POINTS) >= CONCORDANCE_LEAST;
}

bool drift_window_says(const struct history *history, enum history_window window,
                       const struct drift_terms *terms)
{
    float points[HISTORY_POINTS];
    double blocks[TREND_BLOCKS];
    if (is_young(history, window)) {
        return false;
    }
    history_points(history, window, points);
    trend_blocks(points, HISTORY_POINTS, blocks);
    return rise_matters(blocks, window, terms) && trend_is_even(blocks) &&
           is_record(history, window, blocks) &&
           points_rise(points, blocks[TREND_BLOCKS - 1] - blocks[0]) &&
           !follow_explains(&terms->follow, history, window);
}

/* ---- over time ---- */

static void count(uint8_t *counter)
{
    *counter = *counter < UINT8_MAX ? *counter + 1 : *counter;
}

static void listen(struct drift *drift, const struct history *history, enum history_window window,
                   const struct drift_terms *terms)
{
    if (drift_window_says(history, window, terms)) {
        count(&drift->said_counts[window]);
        drift->unsaid_counts[window] = 0;
    } else {
        count(&drift->unsaid_counts[window]);
        drift->said_counts[window] = 0;
    }
}

/* The longest window that says so: its estimate has the least error. */
static bool find_window(const struct drift *drift, enum history_window *ret_window)
{
    for (int i = HISTORY_WINDOWS - 1; i >= 0; i--) {
        if (drift->said_counts[i] >= rules[i].said_least) {
            *ret_window = (enum history_window)i;
            return true;
        }
    }
    return false;
}

static void enter(struct drift *drift, enum drift_state state, uint64_t tick)
{
    drift->state = state;
    drift->since_tick = tick;
}

enum drift_event drift_note(struct drift *drift, const struct history *history,
                            const struct drift_terms *terms)
{
    for (unsigned i = 0; i < HISTORY_WINDOWS; i++) {
        if (history_turned(history, (enum history_window)i)) {
            listen(drift, history, (enum history_window)i, terms);
        }
    }
    bool drifts = find_window(drift, &drift->window);
    if (drifts && drift->state != DRIFT_DRIFTING) {
        enter(drift, DRIFT_DRIFTING, history->last_tick);
        return DRIFT_BEGINS;
    }
    if (drift->state == DRIFT_DRIFTING && !drifts &&
        drift->unsaid_counts[drift->window] >= rules[drift->window].unsaid_least) {
        enter(drift, DRIFT_STEADY, history->last_tick);
        return DRIFT_ENDS;
    }
    if (drift->state == DRIFT_YOUNG && !is_young(history, HISTORY_SHORT)) {
        enter(drift, DRIFT_STEADY, history->last_tick);
    }
    return DRIFT_NO_EVENT;
}

/* ---- estimate ---- */

static enum history_window estimate_window(const struct drift *drift, const struct history *history)
{
    if (drift->state == DRIFT_DRIFTING) {
        return drift->window;
    }
    for (int i = HISTORY_WINDOWS - 1; i > 0; i--) {
        if (history->rings[i].present_count >= HISTORY_POINTS / 2) {
            return (enum history_window)i;
        }
    }
    return HISTORY_SHORT;
}

struct drift_estimate drift_estimate(const struct drift *drift, const struct history *history,
                                     const struct drift_terms *terms)
{
    struct drift_estimate estimate = {.window = estimate_window(drift, history)};
    float points[HISTORY_POINTS];
    double blocks[TREND_BLOCKS];
    unsigned present_count = history_points(history, estimate.window, points);
    trend_blocks(points, HISTORY_POINTS, blocks);
    estimate.level = present_count < HISTORY_POINTS / 4 ? NAN : blocks[TREND_BLOCKS - 1];
    if (isnan(estimate.level)) {
        return (struct drift_estimate){NAN, NAN, INFINITY, estimate.window};
    }
    double slope = trend_slope(points, HISTORY_POINTS);
    /* the block's middle is half a block ago */
    estimate.level += slope * (double)BLOCK_POINTS / 2;
    estimate.slope = slope / (double)history_step_ticks(estimate.window);
    double space = fmax(terms->limit - estimate.level, 0);
    estimate.left_ticks = estimate.slope > 0 ? space / estimate.slope : INFINITY;
    return estimate;
}
