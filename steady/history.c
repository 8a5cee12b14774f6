/* Rings of means. */
#include "steady/history.h"

#include <math.h>
#include <string.h>

uint64_t history_step_ticks(enum history_window window)
{
    static const uint64_t steps[HISTORY_WINDOWS] = {1, HISTORY_STEP, HISTORY_STEP * HISTORY_STEP};
    return steps[window];
}

static void fill(float *values, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        values[i] = NAN;
    }
}

void history_init(struct history *history)
{
    memset(history, 0, sizeof *history);
    for (unsigned i = 0; i < HISTORY_WINDOWS; i++) {
        fill(history->rings[i].points, HISTORY_POINTS);
    }
    fill(history->extremes.most, HISTORY_EXTREMES);
    fill(history->extremes.least, HISTORY_EXTREMES);
    fill(history->extremes.fall, HISTORY_EXTREMES);
    history->last = NAN;
}

/* ---- extremes ---- */

static void extremes_turn(struct history_extremes *extremes, uint64_t span)
{
    uint64_t gone = span - extremes->span;
    for (uint64_t i = 0; i < gone && i < HISTORY_EXTREMES; i++) {
        uint64_t at = (span - i) % HISTORY_EXTREMES;
        extremes->most[at] = extremes->least[at] = extremes->fall[at] = NAN;
    }
    extremes->span = span;
}

static void extremes_note(struct history_extremes *extremes, uint64_t span, float value)
{
    extremes_turn(extremes, span);
    uint64_t at = span % HISTORY_EXTREMES,
             before = (span + HISTORY_EXTREMES - 1) % HISTORY_EXTREMES;
    extremes->most[at] = fmaxf(extremes->most[at], value);
    extremes->least[at] = fminf(extremes->least[at], value);
    float high = fmaxf(extremes->most[at], extremes->most[before]);
    extremes->fall[at] = fmaxf(extremes->fall[at], high - value);
}

/* ---- rings ---- */

static void ring_push(struct history_ring *ring, float value)
{
    ring->newest = (ring->newest + 1) % HISTORY_POINTS;
    ring->present_count -= !isnan(ring->points[ring->newest]);
    ring->present_count += !isnan(value);
    ring->points[ring->newest] = value;
}

/* The slot is over: its mean becomes a point, and slots without a sample become missing points. */
static void ring_turn(struct history_ring *ring, uint64_t slot)
{
    uint64_t missing = slot - ring->slot - 1;
    ring_push(ring, ring->sample_count > 0 ? (float)(ring->sum / ring->sample_count) : NAN);
    for (uint64_t i = 0; i < missing && i < HISTORY_POINTS; i++) {
        ring_push(ring, NAN);
    }
    ring->slot = slot;
    ring->sum = 0;
    ring->sample_count = 0;
}

static void ring_add(struct history *history, enum history_window window, uint64_t tick,
                     double value)
{
    struct history_ring *ring = &history->rings[window];
    uint64_t slot = tick / history_step_ticks(window);
    if (slot > ring->slot) {
        uint64_t over_ticks = ring->slot * history_step_ticks(window);
        ring_turn(ring, slot);
        if (window == HISTORY_MIDDLE && history->begun) {
            extremes_note(&history->extremes, over_ticks / HISTORY_EXTREME_TICKS,
                          (float)ring->points[ring->newest]);
        }
    }
    ring->sum += value;
    ring->sample_count++;
}

static void history_begin(struct history *history, uint64_t tick)
{
    history->first_tick = tick;
    for (unsigned i = 0; i < HISTORY_WINDOWS; i++) {
        history->rings[i].slot = tick / history_step_ticks((enum history_window)i);
    }
    history->extremes.span = tick / HISTORY_EXTREME_TICKS;
    history->begun = true;
}

void history_add(struct history *history, uint64_t tick, double value)
{
    if (!history->begun) {
        history_begin(history, tick);
        history->last_tick = tick;
    }
    for (unsigned i = 0; i < HISTORY_WINDOWS; i++) {
        ring_add(history, (enum history_window)i, tick, value);
    }
    history->last_tick = tick;
    history->last = (float)value;
}

bool history_turned(const struct history *history, enum history_window window)
{
    const struct history_ring *ring = &history->rings[window];
    return ring->sample_count == 1 && history->last_tick > history->first_tick;
}

unsigned history_points(const struct history *history, enum history_window window,
                        float ret_points[HISTORY_POINTS])
{
    const struct history_ring *ring = &history->rings[window];
    unsigned oldest = (ring->newest + 1) % HISTORY_POINTS;
    memcpy(ret_points, ring->points + oldest, (HISTORY_POINTS - oldest) * sizeof *ret_points);
    memcpy(ret_points + HISTORY_POINTS - oldest, ring->points, oldest * sizeof *ret_points);
    return ring->present_count;
}

/* ---- the past ---- */

static void past_add(struct history_past *past, float most, float least, float fall)
{
    past->fall = fmax(past->fall, fmax(fall, past->most - least));
    past->most = fmax(past->most, most);
}

/* Of the next longer ring, from before the window. */
static void past_of_longer(const struct history *history, enum history_window window,
                           struct history_past *past)
{
    float points[HISTORY_POINTS];
    history_points(history, window + 1, points);
    for (unsigned i = 0; i < HISTORY_POINTS - HISTORY_POINTS / HISTORY_STEP; i++) {
        past_add(past, points[i], points[i], 0);
    }
}

struct history_past history_past(const struct history *history, enum history_window window)
{
    const struct history_extremes *extremes = &history->extremes;
    struct history_past past = {NAN, 0};
    uint64_t begin_tick = history->last_tick - HISTORY_POINTS * history_step_ticks(window);
    uint64_t oldest =
        extremes->span >= HISTORY_EXTREMES ? extremes->span - HISTORY_EXTREMES + 1 : 0;
    for (uint64_t span = oldest; (span + 1) * HISTORY_EXTREME_TICKS <= begin_tick; span++) {
        uint64_t at = span % HISTORY_EXTREMES;
        past_add(&past, extremes->most[at], extremes->least[at], extremes->fall[at]);
    }
    if (window < HISTORY_LONG) {
        past_of_longer(history, window, &past);
    }
    return past;
}
