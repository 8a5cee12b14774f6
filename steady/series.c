/* Rings of means. */
#include "steady/series.h"

#include <math.h>
#include <string.h>

uint64_t series_step_ticks(enum series_window window)
{
    static const uint64_t steps[SERIES_WINDOWS] = {1, SERIES_STEP, SERIES_STEP * SERIES_STEP};
    return steps[window];
}

static void fill(float *values, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        values[i] = NAN;
    }
}

void series_init(struct series *series)
{
    memset(series, 0, sizeof *series);
    for (unsigned i = 0; i < SERIES_WINDOWS; i++) {
        fill(series->rings[i].points, SERIES_POINTS);
    }
    fill(series->extremes.most, SERIES_EXTREMES);
    fill(series->extremes.least, SERIES_EXTREMES);
    fill(series->extremes.fall, SERIES_EXTREMES);
    series->last = NAN;
}

/* ---- extremes ---- */

static void extremes_turn(struct series_extremes *extremes, uint64_t span)
{
    uint64_t gone = span - extremes->span;
    for (uint64_t i = 0; i < gone && i < SERIES_EXTREMES; i++) {
        uint64_t at = (span - i) % SERIES_EXTREMES;
        extremes->most[at] = extremes->least[at] = extremes->fall[at] = NAN;
    }
    extremes->span = span;
}

static void extremes_note(struct series_extremes *extremes, uint64_t span, float value)
{
    extremes_turn(extremes, span);
    uint64_t at = span % SERIES_EXTREMES, before = (span + SERIES_EXTREMES - 1) % SERIES_EXTREMES;
    extremes->most[at] = fmaxf(extremes->most[at], value);
    extremes->least[at] = fminf(extremes->least[at], value);
    float high = fmaxf(extremes->most[at], extremes->most[before]);
    extremes->fall[at] = fmaxf(extremes->fall[at], high - value);
}

/* ---- rings ---- */

static void ring_push(struct series_ring *ring, float value)
{
    ring->newest = (ring->newest + 1) % SERIES_POINTS;
    ring->present_count -= !isnan(ring->points[ring->newest]);
    ring->present_count += !isnan(value);
    ring->points[ring->newest] = value;
}

/* The slot is over: its mean becomes a point, and slots without a sample become missing points. */
static void ring_turn(struct series_ring *ring, uint64_t slot)
{
    uint64_t missing = slot - ring->slot - 1;
    ring_push(ring, ring->sample_count > 0 ? (float)(ring->sum / ring->sample_count) : NAN);
    for (uint64_t i = 0; i < missing && i < SERIES_POINTS; i++) {
        ring_push(ring, NAN);
    }
    ring->slot = slot;
    ring->sum = 0;
    ring->sample_count = 0;
}

static void ring_add(struct series *series, enum series_window window, uint64_t tick, double value)
{
    struct series_ring *ring = &series->rings[window];
    uint64_t slot = tick / series_step_ticks(window);
    if (slot > ring->slot) {
        uint64_t over_ticks = ring->slot * series_step_ticks(window);
        ring_turn(ring, slot);
        if (window == SERIES_MIDDLE && series->begun) {
            extremes_note(&series->extremes, over_ticks / SERIES_EXTREME_TICKS,
                          (float)ring->points[ring->newest]);
        }
    }
    ring->sum += value;
    ring->sample_count++;
}

static void series_begin(struct series *series, uint64_t tick)
{
    series->first_tick = tick;
    for (unsigned i = 0; i < SERIES_WINDOWS; i++) {
        series->rings[i].slot = tick / series_step_ticks((enum series_window)i);
    }
    series->extremes.span = tick / SERIES_EXTREME_TICKS;
    series->begun = true;
}

void series_add(struct series *series, uint64_t tick, double value)
{
    if (!series->begun) {
        series_begin(series, tick);
        series->last_tick = tick;
    }
    for (unsigned i = 0; i < SERIES_WINDOWS; i++) {
        ring_add(series, (enum series_window)i, tick, value);
    }
    series->last_tick = tick;
    series->last = (float)value;
}

bool series_turned(const struct series *series, enum series_window window)
{
    const struct series_ring *ring = &series->rings[window];
    return ring->sample_count == 1 && series->last_tick > series->first_tick;
}

unsigned series_points(const struct series *series, enum series_window window,
                       float ret_points[SERIES_POINTS])
{
    const struct series_ring *ring = &series->rings[window];
    unsigned oldest = (ring->newest + 1) % SERIES_POINTS;
    memcpy(ret_points, ring->points + oldest, (SERIES_POINTS - oldest) * sizeof *ret_points);
    memcpy(ret_points + SERIES_POINTS - oldest, ring->points, oldest * sizeof *ret_points);
    return ring->present_count;
}

/* ---- the past ---- */

static void past_add(struct series_past *past, float most, float least, float fall)
{
    past->fall = fmax(past->fall, fmax(fall, past->most - least));
    past->most = fmax(past->most, most);
}

/* Of the next longer ring, from before the window. */
static void past_of_longer(const struct series *series, enum series_window window,
                           struct series_past *past)
{
    float points[SERIES_POINTS];
    series_points(series, window + 1, points);
    for (unsigned i = 0; i < SERIES_POINTS - SERIES_POINTS / SERIES_STEP; i++) {
        past_add(past, points[i], points[i], 0);
    }
}

struct series_past series_past(const struct series *series, enum series_window window)
{
    const struct series_extremes *extremes = &series->extremes;
    struct series_past past = {NAN, 0};
    uint64_t begin_tick = series->last_tick - SERIES_POINTS * series_step_ticks(window);
    uint64_t oldest = extremes->span >= SERIES_EXTREMES ? extremes->span - SERIES_EXTREMES + 1 : 0;
    for (uint64_t span = oldest; (span + 1) * SERIES_EXTREME_TICKS <= begin_tick; span++) {
        uint64_t at = span % SERIES_EXTREMES;
        past_add(&past, extremes->most[at], extremes->least[at], extremes->fall[at]);
    }
    if (window < SERIES_LONG) {
        past_of_longer(series, window, &past);
    }
    return past;
}
