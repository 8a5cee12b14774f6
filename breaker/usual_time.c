/* A mean of periods. */
#include "breaker/usual_time.h"

#define PERIOD_MS 10000
/* A period moves the mean by at most a 64th of the difference; the first periods have equal weight. */
#define PERIODS_MOST 64

static void learn(struct usual_time_of *of)
{
    double mean_us = (double)of->sum_us / of->calls_count;
    of->periods_count += of->periods_count < PERIODS_MOST;
    of->mean_us += (mean_us - of->mean_us) / of->periods_count;
    of->sum_us = of->calls_count = 0;
}

/* A stratum without a known usual time waits for more calls. */
static void end_period(struct usual_time *usual)
{
    for (unsigned i = 0; i < STRATA_COUNT; i++) {
        struct usual_time_of *of = &usual->by_path[i];
        if (of->periods_count > 0 && of->calls_count > 0) {
            learn(of);
        }
    }
}

void usual_time_learn(struct usual_time *usual, struct usual_time_of *of, uint64_t now_ms)
{
    if (of->periods_count == 0 && of->calls_count >= USUAL_TIME_FIRST_CALLS) {
        learn(of);
    }
    if (now_ms >= usual->period_end_ms) {
        end_period(usual);
        usual->period_end_ms = now_ms + PERIOD_MS;
    }
}
