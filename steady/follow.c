/* Pairs of points. */
#include "steady/follow.h"

#include <math.h>
#include <stddef.h>

/* Pairs are so far apart: noise of points that are near each other says nothing. */
#define PAIR_POINTS (HISTORY_POINTS / 6)
/* The part of the pairs that may remain. Where a load only varies, half of them or more remain. */
#define UNEXPLAINED_MOST 0.33
/* Fewer where the load counts with its steep power, or most loads that wander would do. */
#define STEEP_UNEXPLAINED_MOST 0.15
/* What follows steeply does so within so many points, and keeps no peaks. */
#define STEEP_LOOK_BACK_POINTS 10
/* Points of the next longer ring that are older than the window. */
#define POINTS_BEFORE (HISTORY_POINTS - HISTORY_POINTS / HISTORY_STEP)
#define SMALL 1e-3F

/* What a figure may see of its load. */
struct view {
    float loads[HISTORY_POINTS]; /* logarithms, as of the values */
    float peak;                  /* the highest before the window; NaN: unknown */
};

static float log_of(float value)
{
    return isnan(value) ? NAN : logf(fmaxf(value, SMALL));
}

/* A mean that looks back so many points; missing points leave it where it is. */
static float mean_with(float mean, float point, float look_back_points)
{
    if (isnan(mean) || isnan(point)) {
        return isnan(mean) ? point : mean;
    }
    return mean + (point - mean) / look_back_points;
}

/* Where the mean is when the window begins. */
static float mean_before(const struct history *load, enum history_window window,
                         float look_back_points, float *ret_peak)
{
    float mean = NAN, points[HISTORY_POINTS];
    *ret_peak = NAN;
    if (window == HISTORY_LONG) {
        return NAN;
    }
    history_points(load, (enum history_window)(window + 1), points);
    for (unsigned i = 0; i < POINTS_BEFORE; i++) {
        mean = mean_with(mean, points[i], fmaxf(look_back_points / HISTORY_STEP, 1));
        *ret_peak = fmaxf(*ret_peak, mean);
    }
    return mean;
}

static void look_back(const struct history *load, enum history_window window,
                      float look_back_points, struct view *ret_view)
{
    float mean = mean_before(load, window, look_back_points, &ret_view->peak);
    ret_view->peak = log_of(ret_view->peak);
    history_points(load, window, ret_view->loads);
    for (unsigned i = 0; i < HISTORY_POINTS; i++) {
        mean = mean_with(mean, ret_view->loads[i], look_back_points);
        ret_view->loads[i] = log_of(mean);
    }
}

/* From each load the highest up to then. */
static void take_peaks(struct view *view)
{
    float peak = view->peak;
    for (unsigned i = 0; i < HISTORY_POINTS; i++) {
        peak = fmaxf(peak, view->loads[i]);
        view->loads[i] = peak;
    }
}

/* The part of the pairs that such a growth with the load does not explain. A pair with a missing point is none. */
static double unexplained(const float values[HISTORY_POINTS], const struct view *view, double power)
{
    unsigned count = 0, unexplained_count = 0;
    for (unsigned i = 0; i < HISTORY_POINTS; i++) {
        for (unsigned j = i + PAIR_POINTS; j < HISTORY_POINTS; j++) {
            float grown = values[j] - values[i], load_grown = view->loads[j] - view->loads[i];
            count += !isnan(grown - load_grown);
            unexplained_count += grown > (float)power * fmaxf(load_grown, 0);
        }
    }
    return count > 0 ? (double)unexplained_count / count : 0;
}

bool follow_explains(const struct follow_terms *terms, const struct history *history,
                     enum history_window window)
{
    static const float looks_points[] = {1, 3, 10, 30, 100};
    float values[HISTORY_POINTS];
    if (terms->load == NULL) {
        return false;
    }
    history_points(history, window, values);
    for (unsigned i = 0; i < HISTORY_POINTS; i++) {
        values[i] = log_of(values[i]);
    }
    for (unsigned i = 0; i < sizeof looks_points / sizeof looks_points[0]; i++) {
        struct view view;
        bool steep = terms->steep_power > 0 && looks_points[i] <= STEEP_LOOK_BACK_POINTS;
        look_back(terms->load, window, looks_points[i], &view);
        if (unexplained(values, &view, terms->power) < UNEXPLAINED_MOST ||
            (steep && unexplained(values, &view, terms->steep_power) < STEEP_UNEXPLAINED_MOST)) {
            return true;
        }
        take_peaks(&view);
        if (unexplained(values, &view, terms->power) < UNEXPLAINED_MOST) {
            return true;
        }
    }
    return false;
}
