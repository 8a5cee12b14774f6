/*
 * Drift: whether a figure grows although nothing explains it, and how long until it meets its limit.
 *
 * A window of the history says "drifts" when all of this holds:
 *   - the points rise evenly (trend_is_even()), near ones as well as distant ones, three pairs of four rise (Kendall's tau >= 0.5),
 *     and the rise is eight times the noise, so that steps, spikes and noise are none;
 *   - the rise is worth a word: at least the least effect of the figure, and at this pace the limit is met within a time that the window
 *     can speak about;
 *   - the value is higher than in the last two days, by half of its deepest fall in them, so that a sawtooth or the rhythm of
 *     a day is none once it was seen;
 *   - the load does not explain it (follow.h).
 * A figure drifts when a window has said so several times in a row, and drifts no more when that window has not said so for some time.
 *
 * Owns nothing on the heap; embedded, zero-initialised. Pure: time is in the ticks of the history. Thread: its owner's. Errors: none.
 */
#ifndef EVENKEEL_STEADY_DRIFT_H
#define EVENKEEL_STEADY_DRIFT_H

#include "steady/enum_names.h"
#include "steady/follow.h"
#include "steady/history.h"

#define DRIFT_STATES(X)       \
    X(DRIFT_YOUNG, "young")   \
    X(DRIFT_STEADY, "steady") \
    X(DRIFT_DRIFTING, "drifting")

/* Young: there are too few points for a judgement. */
enum drift_state { ENUM_VALUES(DRIFT_STATES) DRIFT_STATE_COUNT };
const char *drift_state_name(enum drift_state state);

enum drift_event { DRIFT_NO_EVENT, DRIFT_BEGINS, DRIFT_ENDS };

/* About the figure. */
struct drift_terms {
    double limit;        /* INFINITY: none */
    double least_effect; /* a smaller rise within a window is none */
    struct follow_terms follow;
};

struct drift {
    enum drift_state state;
    enum history_window window; /* that says so, while drifting */
    uint64_t since_tick;        /* of the state */
    uint8_t said_counts[HISTORY_WINDOWS], unsaid_counts[HISTORY_WINDOWS]; /* in a row */
};

/* To be called after each history_add(). */
enum drift_event drift_note(struct drift *drift, const struct history *history,
                            const struct drift_terms *terms);

/* Whether this window, looked at alone, says that the figure drifts. */
bool drift_window_says(const struct history *history, enum history_window window,
                       const struct drift_terms *terms);

struct drift_estimate {
    double level; /* now, without noise; NaN: too few points, and the rest is not known either */
    double slope; /* per tick */
    double left_ticks;          /* until the limit; INFINITY: it does not come nearer */
    enum history_window window; /* that this is taken from */
};
/* From the window that says "drifting"; else from the longest that is half full. */
struct drift_estimate drift_estimate(const struct drift *drift, const struct history *history,
                                     const struct drift_terms *terms);

#endif
