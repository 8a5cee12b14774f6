/*
 * Trends of points at equal distances: statistics that steps and spikes hardly change.
 *
 * Owns nothing; pure. Thread: any. A missing point is NaN. Spec: Theil-Sen slope, Kendall's tau (Mann-Kendall test).
 */
#ifndef EVENKEEL_STEADY_TREND_H
#define EVENKEEL_STEADY_TREND_H

#include <stdbool.h>

/* Longest array. */
#define TREND_POINTS 60
/* The points are also seen as so many blocks in a row. */
#define TREND_BLOCKS 6

/* The median; reorders the values, of which there is at least one and none is NaN. */
double trend_median(float *values, unsigned count);

/* The median of the slopes of all pairs, per point (Theil-Sen): up to 29% of the points may be anything. NaN: fewer than two points. */
double trend_slope(const float *points, unsigned count);

/* The same of pairs at most `reach` points apart. A staircase with few steps has none, whatever its height. */
double trend_near_slope(const float *points, unsigned count, unsigned reach);

/* The standard deviation of what is added to the trend, if each point has its own; from the median of the differences of neighbours. */
double trend_noise(const float *points, unsigned count);

/* Of all pairs, the share that rises less the share that falls: Kendall's tau, -1..1. 0: no pairs. */
double trend_concordance(const float *points, unsigned count);

/* The median of each block; NaN where more than three fifths of its points are missing. */
void trend_blocks(const float *points, unsigned count, double ret_blocks[TREND_BLOCKS]);

/* Whether the blocks rise evenly: nearly each one above the one before, none by half of the whole rise, and the rise not over. So
   one or two steps are no trend, and neither is a rise that comes to rest. */
bool trend_is_even(const double blocks[TREND_BLOCKS]);

#endif
