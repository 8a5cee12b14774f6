/* Robust statistics of short arrays. */
#include "steady/trend.h"

#include <math.h>

#include "steady/check.h"

#define PAIRS (TREND_POINTS * (TREND_POINTS - 1) / 2)
/* Steps between blocks: so many may be small, where "small" is below this part of the mean step. */
#define SMALL_STEPS_MOST 1
#define SMALL_STEP 0.3
/* The largest step, as part of the whole rise; the mean is a fifth. */
#define LARGE_STEP 0.5
/* The part of the rise that the last two steps have at least; two fifths are even. */
#define LAST_STEPS 0.33
/* The median of the absolute difference of two normal variables with a deviation of 1. */
#define NEIGHBOUR_DIFFERENCE 0.954

static void swap(float *a, float *b)
{
    float held = *a;
    *a = *b;
    *b = held;
}

/* Puts the value of rank `rank` at its place, smaller ones before it and larger ones behind it (Hoare). */
static void select_rank(float *values, unsigned count, unsigned rank)
{
    unsigned first = 0, last = count - 1;
    while (first < last) {
        float pivot = values[first + (last - first) / 2];
        unsigned i = first, j = last;
        for (;;) {
            while (i < last && values[i] < pivot) {
                i++;
            }
            while (j > first && values[j] > pivot) {
                j--;
            }
            if (i >= j) {
                break;
            }
            swap(&values[i++], &values[j--]);
        }
        if (rank <= j) {
            last = j;
        } else {
            first = j + 1;
        }
    }
}

double trend_median(float *values, unsigned count)
{
    CHECK(count > 0);
    select_rank(values, count, count / 2);
    if (count % 2 != 0) {
        return values[count / 2];
    }
    float below = values[0];
    for (unsigned i = 1; i < count / 2; i++) {
        below = fmaxf(below, values[i]);
    }
    return ((double)below + values[count / 2]) / 2;
}

double trend_near_slope(const float *points, unsigned count, unsigned reach)
{
    float slopes[PAIRS + 1];
    unsigned slope_count = 0;
    CHECK(count <= TREND_POINTS);
    for (unsigned i = 0; i < count; i++) {
        for (unsigned j = i + 1; j < count && j - i <= reach; j++) {
            float slope = (points[j] - points[i]) / (float)(j - i);
            slopes[slope_count] = slope;
            slope_count += !isnan(slope);
        }
    }
    return slope_count > 0 ? trend_median(slopes, slope_count) : NAN;
}

double trend_slope(const float *points, unsigned count)
{
    return trend_near_slope(points, count, count);
}

double trend_noise(const float *points, unsigned count)
{
    float steps[TREND_POINTS];
    unsigned step_count = 0;
    double slope = trend_near_slope(points, count, 1);
    for (unsigned i = 1; i < count; i++) {
        float step = fabsf(points[i] - points[i - 1] - (float)slope);
        steps[step_count] = step;
        step_count += !isnan(step);
    }
    return step_count > 0 ? trend_median(steps, step_count) / NEIGHBOUR_DIFFERENCE : NAN;
}

double trend_concordance(const float *points, unsigned count)
{
    int balance = 0, pairs = 0;
    for (unsigned i = 0; i < count; i++) {
        for (unsigned j = i + 1; j < count; j++) {
            balance += (points[j] > points[i]) - (points[j] < points[i]);
            pairs += !isnan(points[j] - points[i]);
        }
    }
    return pairs > 0 ? (double)balance / pairs : 0;
}

static double block_median(const float *points, unsigned count)
{
    float present[TREND_POINTS];
    unsigned present_count = 0;
    for (unsigned i = 0; i < count; i++) {
        present[present_count] = points[i];
        present_count += !isnan(points[i]);
    }
    return present_count * 5 >= count * 2 ? trend_median(present, present_count) : NAN;
}

void trend_blocks(const float *points, unsigned count, double ret_blocks[TREND_BLOCKS])
{
    CHECK(count <= TREND_POINTS);
    for (unsigned i = 0; i < TREND_BLOCKS; i++) {
        unsigned from = count * i / TREND_BLOCKS, upto = count * (i + 1) / TREND_BLOCKS;
        ret_blocks[i] = block_median(points + from, upto - from);
    }
}

bool trend_is_even(const double blocks[TREND_BLOCKS])
{
    double rise = blocks[TREND_BLOCKS - 1] - blocks[0];
    double mean = rise / (TREND_BLOCKS - 1);
    unsigned small_count = 0;
    bool large = false;
    for (unsigned i = 1; i < TREND_BLOCKS; i++) {
        double step = blocks[i] - blocks[i - 1];
        small_count += !(step >= SMALL_STEP * mean);
        large |= step > LARGE_STEP * rise;
    }
    return rise > 0 && small_count <= SMALL_STEPS_MOST && !large &&
           blocks[TREND_BLOCKS - 1] - blocks[TREND_BLOCKS - 3] >= LAST_STEPS * rise;
}
