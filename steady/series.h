/*
 * A series: a figure sampled at regular ticks, kept in three rings of means, and its extremes of the last two days.
 *
 * The rings cover 60, 360 and 2,160 ticks; with a tick of ten seconds that is 10 minutes, 1 hour and 6 hours. A point of a longer
 * ring is the mean of the samples of its time; a point in which nothing was sampled is missing (NaN).
 *
 * Owns: nothing on the heap; about 1.4 KiB, embedded, initialised by series_init(). Thread: its owner's. Time base:
 * ticks, counted by the owner, which do not go back. Errors: none.
 */
#ifndef EVENKEEL_STEADY_SERIES_H
#define EVENKEEL_STEADY_SERIES_H

#include <stdbool.h>
#include <stdint.h>

#define SERIES_POINTS 60
/* Ticks of a point of a ring: 1, 6, 36. */
#define SERIES_STEP 6

enum series_window { SERIES_SHORT, SERIES_MIDDLE, SERIES_LONG, SERIES_WINDOWS };

/* Extremes are kept for so many spans of SERIES_EXTREME_TICKS: an hour each with a tick of ten seconds. */
#define SERIES_EXTREMES 48
#define SERIES_EXTREME_TICKS 360

struct series_ring {
    float points[SERIES_POINTS];
    uint64_t slot; /* that is being filled: its number since tick 0 */
    double sum;    /* of the samples in that slot */
    uint32_t sample_count;
    uint32_t newest; /* index of the last finished point */
    uint32_t present_count;
};

/* Of the points of the middle ring, so that one spike of a sample is no record. By span: the highest, the lowest, and the deepest fall
   from the highest of this and the span before. */
struct series_extremes {
    float most[SERIES_EXTREMES], least[SERIES_EXTREMES], fall[SERIES_EXTREMES];
    uint64_t span; /* that is being filled */
};

struct series {
    struct series_ring rings[SERIES_WINDOWS];
    struct series_extremes extremes;
    uint64_t first_tick;
    uint64_t last_tick;
    float last; /* the last sample; NaN: none */
    bool begun;
};

void series_init(struct series *series);
/* A sample of this tick. Ticks that were left out become missing points. */
void series_add(struct series *series, uint64_t tick, double value);

/* Ticks of a point of the window. */
uint64_t series_step_ticks(enum series_window window);
/* Whether the last series_add() has finished a point of the window. */
bool series_turned(const struct series *series, enum series_window window);
/* The finished points, oldest first; missing ones are NaN. Returns how many are not missing. */
unsigned series_points(const struct series *series, enum series_window window,
                       float ret_points[SERIES_POINTS]);
/* What the series was before its window began, as far back as two days. */
struct series_past {
    double most; /* the highest; NaN: unknown */
    double fall; /* the deepest fall from a high to a later low; 0: none */
};
struct series_past series_past(const struct series *series, enum series_window window);
static inline uint64_t series_age_ticks(const struct series *series)
{
    return series->begun ? series->last_tick - series->first_tick : 0;
}

#endif
