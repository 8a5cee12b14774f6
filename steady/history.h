/*
 * A history: a figure sampled at regular ticks, kept in three rings of means, and its extremes of the last two days.
 *
 * The rings cover 60, 360 and 2,160 ticks; with a tick of ten seconds that is 10 minutes, 1 hour and 6 hours. A point of a longer
 * ring is the mean of the samples of its time; a point in which nothing was sampled is missing (NaN).
 *
 * Owns: nothing on the heap; about 1.4 KiB, embedded, initialised by history_init(). Thread: its owner's. Time base:
 * ticks, counted by the owner, which do not go back. Errors: none.
 */
#ifndef EVENKEEL_STEADY_HISTORY_H
#define EVENKEEL_STEADY_HISTORY_H

#include <stdbool.h>
#include <stdint.h>

#define HISTORY_POINTS 60
/* Ticks of a point of a ring: 1, 6, 36. */
#define HISTORY_STEP 6

enum history_window { HISTORY_SHORT, HISTORY_MIDDLE, HISTORY_LONG, HISTORY_WINDOWS };

/* Extremes are kept for so many spans of HISTORY_EXTREME_TICKS: an hour each with a tick of ten seconds. */
#define HISTORY_EXTREMES 48
#define HISTORY_EXTREME_TICKS 360

struct history_ring {
    float points[HISTORY_POINTS];
    uint64_t slot; /* that is being filled: its number since tick 0 */
    double sum;    /* of the samples in that slot */
    uint32_t sample_count;
    uint32_t newest; /* index of the last finished point */
    uint32_t present_count;
};

/* Of the points of the middle ring, so that one spike of a sample is no record. By span: the highest, the lowest, and the deepest fall
   from the highest of this and the span before. */
struct history_extremes {
    float most[HISTORY_EXTREMES], least[HISTORY_EXTREMES], fall[HISTORY_EXTREMES];
    uint64_t span; /* that is being filled */
};

struct history {
    struct history_ring rings[HISTORY_WINDOWS];
    struct history_extremes extremes;
    uint64_t first_tick;
    uint64_t last_tick;
    float last; /* the last sample; NaN: none */
    bool begun;
};

void history_init(struct history *history);
/* A sample of this tick. Ticks that were left out become missing points. */
void history_add(struct history *history, uint64_t tick, double value);

/* Ticks of a point of the window. */
uint64_t history_step_ticks(enum history_window window);
/* Whether the last history_add() has finished a point of the window. */
bool history_turned(const struct history *history, enum history_window window);
/* The finished points, oldest first; missing ones are NaN. Returns how many are not missing. */
unsigned history_points(const struct history *history, enum history_window window,
                        float ret_points[HISTORY_POINTS]);
/* What the figure was before its window began, as far back as two days. */
struct history_past {
    double most; /* the highest; NaN: unknown */
    double fall; /* the deepest fall from a high to a later low; 0: none */
};
struct history_past history_past(const struct history *history, enum history_window window);
static inline uint64_t history_age_ticks(const struct history *history)
{
    return history->begun ? history->last_tick - history->first_tick : 0;
}

#endif
