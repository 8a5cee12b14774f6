/* Compares latency with its floor, window by window. */
#include "breaker/concurrency_limit.h"

#include <math.h>

#include "steady/check.h"

#define WINDOW_MS 100
#define SAMPLES_MIN 16
#define SAMPLES_MAX (1 << 19)
#define TOLERANCE 1.5
#define SHRINK_MIN 0.75
#define SMOOTHING 0.25
#define ONLY_QUEUED 0.6
/* The floor is measured again if the latency is this much above it, or if so much of the limit was used... */
#define DOUBT 1.25
#define PRESSED 0.9
/* ...after this many windows; sooner the first time, and if the last measurement showed how much was queueing. */
#define WINDOWS_TO_DIP 30
#define WINDOWS_TO_NEXT_DIP 3

/* A sample: 20 bits of count, twice SAMPLES_MAX, and 44 of microseconds, of LATENCY_MAX_US for each. */
#define COUNT_SHIFT 44
#define SUM_MASK ((UINT64_C(1) << COUNT_SHIFT) - 1)
#define LATENCY_MAX_US ((UINT64_C(1) << 24) - 1)

static uint64_t load(const uint64_t *value)
{
    return __atomic_load_n(value, __ATOMIC_RELAXED);
}

static void store(uint64_t *value, uint64_t n)
{
    __atomic_store_n(value, n, __ATOMIC_RELAXED);
}

void concurrency_limit_init(struct concurrency_limit *limit, uint64_t least_count,
                            uint64_t most_count)
{
    CHECK(least_count > 0 && least_count <= most_count);
    *limit = (struct concurrency_limit){
        .limit_count = most_count,
        .least_count = least_count,
        .most_count = most_count,
        .wanted = (double)most_count,
        .windows_to_dip = WINDOWS_TO_NEXT_DIP,
        .phase = CONCURRENCY_STEADY,
    };
}

static uint64_t within_range(const struct concurrency_limit *limit, double wanted)
{
    uint64_t least = load(&limit->least_count), most = load(&limit->most_count);
    if (wanted <= (double)least) {
        return least;
    }
    return wanted < (double)most ? (uint64_t)wanted : most;
}

void concurrency_limit_set_range(struct concurrency_limit *limit, uint64_t least_count,
                                 uint64_t most_count)
{
    CHECK(least_count > 0 && least_count <= most_count);
    store(&limit->least_count, least_count);
    store(&limit->most_count, most_count);
    store(&limit->limit_count, within_range(limit, (double)load(&limit->limit_count)));
}

uint64_t concurrency_limit_get(const struct concurrency_limit *limit)
{
    return load(&limit->limit_count);
}

static void adjust(struct concurrency_limit *limit, double mean_us, double peak)
{
    /* A single window says little: the lowest of many would be a floor that calls cannot keep to. */
    if (limit->recent_us == 0) {
        limit->recent_us = mean_us;
    }
    limit->recent_us += (mean_us - limit->recent_us) * SMOOTHING;
    if (limit->floor_us == 0 || limit->recent_us < limit->floor_us) {
        limit->floor_us = limit->recent_us;
    }

    double gradient = TOLERANCE * limit->floor_us / mean_us;
    if (gradient < 1) {
        limit->wanted *= gradient > SHRINK_MIN ? gradient : SHRINK_MIN;
    } else if (peak * 2 > limit->wanted) {
        limit->wanted += sqrt(limit->wanted);
    }
    double least = (double)load(&limit->least_count), most = (double)load(&limit->most_count);
    limit->wanted = limit->wanted > least ? limit->wanted : least;
    limit->wanted = limit->wanted < most ? limit->wanted : most;
}

/* Whether the floor has to be measured again. */
static bool is_doubtful(struct concurrency_limit *limit, double peak)
{
    if (limit->windows_to_dip > 0) {
        limit->windows_to_dip--;
    }
    /* With an old floor the limit is not cut below half. */
    if (limit->windows_to_dip > 0 && limit->wanted > limit->measured_at / 2) {
        return false;
    }
    return limit->measured_at == 0 || limit->recent_us > DOUBT * limit->floor_us ||
           peak >= PRESSED * limit->wanted;
}

/* The answers in a dip were to calls that were sent in it. */
static void take_floor(struct concurrency_limit *limit, double mean_us)
{
    bool only_queued = mean_us < ONLY_QUEUED * limit->recent_us;
    bool unsettled = mean_us > DOUBT * limit->recent_us;
    /* Half the load took little more than half the time, so the other half was only queueing, and stays out. */
    if (only_queued) {
        limit->wanted = (double)load(&limit->limit_count);
    }
    limit->windows_to_dip = only_queued || unsettled ? WINDOWS_TO_NEXT_DIP : WINDOWS_TO_DIP;
    limit->measured_at = limit->wanted;
    limit->floor_us = limit->recent_us = mean_us;
}

/* Returns the new limit. */
static double next_phase(struct concurrency_limit *limit, double mean_us, double peak)
{
    switch (limit->phase) {
    case CONCURRENCY_DIPPING: /* the answers were to calls from before the dip */
        limit->phase = CONCURRENCY_DIPPED;
        return (double)load(&limit->limit_count);
    case CONCURRENCY_DIPPED:
        limit->phase = CONCURRENCY_STEADY;
        take_floor(limit, mean_us);
        return limit->wanted;
    case CONCURRENCY_STEADY: break;
    }
    adjust(limit, mean_us, peak);
    if (!is_doubtful(limit, peak)) {
        return limit->wanted;
    }
    double dip = (peak < limit->wanted ? peak : limit->wanted) / 2;
    if (dip < (double)load(&limit->least_count)) {
        /* So little is in flight that the latency is the floor. */
        take_floor(limit, limit->recent_us);
        return limit->wanted;
    }
    limit->phase = CONCURRENCY_DIPPING;
    return dip;
}

static bool close_window(struct concurrency_limit *limit, uint64_t now_ms)
{
    uint64_t sample = __atomic_exchange_n(&limit->sample, 0, __ATOMIC_RELAXED);
    uint64_t peak = __atomic_exchange_n(&limit->peak_count, 0, __ATOMIC_RELAXED);
    uint64_t count = sample >> COUNT_SHIFT;
    double mean_us = count > 0 ? (double)(sample & SUM_MASK) / (double)count : 1;
    uint64_t before = load(&limit->limit_count);
    uint64_t after =
        within_range(limit, next_phase(limit, mean_us > 1 ? mean_us : 1, (double)peak));
    store(&limit->limit_count, after);
    /* As long as two answers take, so that most calls of the next window are sent under this limit. */
    uint64_t two_ms = (uint64_t)(2 * mean_us / 1000);
    store(&limit->window_end_ms, now_ms + (two_ms > WINDOW_MS ? two_ms : WINDOW_MS));
    return after != before;
}

bool concurrency_limit_note(struct concurrency_limit *limit, uint64_t now_ms, uint64_t latency_us,
                            uint64_t in_flight_count)
{
    if (latency_us > LATENCY_MAX_US) {
        latency_us = LATENCY_MAX_US;
    }
    uint64_t sample = load(&limit->sample);
    if (sample >> COUNT_SHIFT < SAMPLES_MAX) {
        sample = __atomic_add_fetch(&limit->sample, (UINT64_C(1) << COUNT_SHIFT) + latency_us,
                                    __ATOMIC_RELAXED);
    }
    uint64_t peak = load(&limit->peak_count);
    while (in_flight_count > peak &&
           !__atomic_compare_exchange_n(&limit->peak_count, &peak, in_flight_count, true,
                                        __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
    }
    if (sample >> COUNT_SHIFT < SAMPLES_MIN || now_ms < load(&limit->window_end_ms)) {
        return false;
    }
    if (__atomic_exchange_n(&limit->closing, true, __ATOMIC_ACQUIRE)) {
        return false;
    }
    bool changed = now_ms >= load(&limit->window_end_ms) && close_window(limit, now_ms);
    __atomic_store_n(&limit->closing, false, __ATOMIC_RELEASE);
    return changed;
}
