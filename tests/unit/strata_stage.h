/*
 * Mixes of traffic before a breaker.
 *
 * Every play is run with many seeds: the seed says who falls into which stratum, when calls come and which of them fail. Beside
 * the breaker stands another one that is told the same calls as if all were of one client and one path: the measure of "as soon".
 */
#ifndef EVENKEEL_TESTS_UNIT_STRATA_STAGE_H
#define EVENKEEL_TESTS_UNIT_STRATA_STAGE_H

#include "tests/unit/breaker_rig.h"

#define WORKERS 4
#define SEEDS 40
#define SITE_STRATA 4 /* that clients of one network can reach */

/* Clients and paths are numbers; a crowd has some of each, and asks for the first ones of them more often where it is skewed. */
struct crowd {
    double per_second;
    unsigned first_client, clients_count;
    unsigned first_path, paths_count;
    double skew;    /* how much more often the first than the last of all: 1 is not at all */
    double failing; /* share of its calls */
    bool of_one_site;
};

enum { NAMES = 256, CROWDS = 4 };

struct crowd_figures {
    uint64_t calls, refused;
};

struct stage {
    struct rng rng;
    struct breaker *breaker, *unstratified;
    uint64_t now_ms;
    bool origin_is_down;
    enum outcome down_outcome;
    const struct crowd *crowds;
    unsigned from, crowds_count; /* those before `from` do not call */
    uint64_t next_us[CROWDS];
    uint8_t client_strata[NAMES], path_strata[NAMES];
    uint8_t site_strata[SITE_STRATA];
    struct crowd_figures figures[CROWDS], unstratified_figures[CROWDS];
    uint64_t calls;
};

static inline double fraction(struct rng *rng)
{
    return (double)rng_below(rng, 1 << 30) / (1 << 30);
}

static inline void stage_init(struct stage *stage, uint64_t seed, const struct crowd *crowds,
                              unsigned crowds_count)
{
    *stage = (struct stage){
        .now_ms = 1000000,
        .down_outcome = OUTCOME_FAILURE,
        .crowds = crowds,
        .crowds_count = crowds_count,
        .breaker = breaker_create(WORKERS, NULL, NULL),
        .unstratified = breaker_create(WORKERS, NULL, NULL),
    };
    rng_init(&stage->rng, seed);
    for (unsigned i = 0; i < NAMES; i++) {
        stage->client_strata[i] = (uint8_t)rng_below(&stage->rng, STRATA_COUNT);
        stage->path_strata[i] = (uint8_t)rng_below(&stage->rng, STRATA_COUNT);
    }
    for (unsigned i = 0; i < SITE_STRATA; i++) {
        stage->site_strata[i] = (uint8_t)rng_below(&stage->rng, STRATA_COUNT);
    }
}

static inline void stage_end(struct stage *stage)
{
    breaker_free(&stage->breaker);
    breaker_free(&stage->unstratified);
}

/* Of `count`, the first `skew` times as often as the last. */
static inline unsigned pick(struct rng *rng, unsigned count, double skew)
{
    if (count == 1) {
        return 0;
    }
    for (;;) {
        unsigned i = (unsigned)rng_below(rng, count);
        double weight = 1 / (1 + (skew - 1) * i / (count - 1));
        if (fraction(rng) < weight) {
            return i;
        }
    }
}

static inline struct strata strata_of(struct stage *stage, const struct crowd *crowd)
{
    unsigned client = crowd->first_client + pick(&stage->rng, crowd->clients_count, crowd->skew);
    unsigned path = crowd->first_path + pick(&stage->rng, crowd->paths_count, crowd->skew);
    return (struct strata){
        .client = crowd->of_one_site ? stage->site_strata[client % SITE_STRATA]
                                     : stage->client_strata[client],
        .path = stage->path_strata[path],
    };
}

static inline void tell(struct stage *stage, struct breaker *breaker, struct crowd_figures *figures,
                        struct strata strata, enum outcome outcome)
{
    struct breaker_ticket ticket = {.word = 0};
    uint64_t retry_after_ms;
    unsigned worker = (unsigned)rng_below(&stage->rng, WORKERS);
    figures->calls++;
    if (breaker_admit(breaker,
                      &(struct breaker_caller){&defaults, NULL, stage->now_ms, worker, strata},
                      &ticket, &retry_after_ms) == BREAKER_REFUSED) {
        figures->refused++;
        return;
    }
    breaker_report(breaker,
                   &(struct breaker_caller){&defaults, &stage->rng, stage->now_ms, worker, strata},
                   &ticket, outcome);
}

static inline void call(struct stage *stage, unsigned which)
{
    const struct crowd *crowd = &stage->crowds[which];
    const struct strata strata = strata_of(stage, crowd);
    enum outcome outcome = stage->origin_is_down                    ? stage->down_outcome
                           : fraction(&stage->rng) < crowd->failing ? OUTCOME_FAILURE
                                                                    : OUTCOME_SUCCESS;
    stage->calls++;
    tell(stage, stage->breaker, &stage->figures[which], strata, outcome);
    tell(stage, stage->unstratified, &stage->unstratified_figures[which], (struct strata){0, 0},
         outcome);
}

/* Lets each crowd call as often as it does, at random, until then. */
static inline void run_until(struct stage *stage, uint64_t end_ms)
{
    for (; stage->now_ms < end_ms; stage->now_ms++) {
        for (unsigned i = stage->from; i < stage->crowds_count; i++) {
            double mean_us = 1e6 / stage->crowds[i].per_second;
            while (stage->next_us[i] < stage->now_ms * 1000) {
                uint64_t wait_us = (uint64_t)(2 * mean_us * fraction(&stage->rng)) + 1;
                if (stage->next_us[i] > 0) {
                    call(stage, i);
                    stage->next_us[i] += wait_us;
                } else {
                    stage->next_us[i] = stage->now_ms * 1000 + wait_us;
                }
            }
        }
    }
}

static inline void run_for(struct stage *stage, uint64_t seconds)
{
    run_until(stage, stage->now_ms + seconds * 1000);
}

/* Calls, and time, until a breaker opened. */
struct opening {
    uint64_t calls, took_ms;
};

/* From now on, for the breaker and the unstratified one. */
static inline void until_both_open(struct stage *stage, struct opening ret_openings[2])
{
    const struct breaker *breakers[2] = {stage->breaker, stage->unstratified};
    uint64_t calls = stage->calls, start_ms = stage->now_ms;
    unsigned open_count = 0;
    bool open[2] = {false, false};
    while (open_count < 2 && stage->now_ms < start_ms + 60000) {
        run_until(stage, stage->now_ms + 1);
        for (unsigned i = 0; i < 2; i++) {
            if (!open[i] && breaker_state(breakers[i]) != BREAKER_CLOSED) {
                ret_openings[i] = (struct opening){stage->calls - calls, stage->now_ms - start_ms};
                open[i] = true;
                open_count++;
            }
        }
    }
    assert_int_equal(open_count, 2);
}

static inline double refused_share(const struct crowd_figures *figures)
{
    return (double)figures->refused / (double)figures->calls;
}

/* ---- single calls ---- */

static inline enum breaker_result admit_as(struct stage *stage, struct strata strata,
                                           struct breaker_ticket *ret_ticket)
{
    uint64_t retry_after_ms;
    const struct breaker_caller caller = {&defaults, &stage->rng, stage->now_ms, 0, strata};
    return breaker_admit(stage->breaker, &caller, ret_ticket, &retry_after_ms);
}

static inline void report_as(struct stage *stage, struct strata strata,
                             struct breaker_ticket *ticket, enum outcome outcome)
{
    const struct breaker_caller caller = {&defaults, &stage->rng, stage->now_ms, 0, strata};
    breaker_report(stage->breaker, &caller, ticket, outcome);
}

#endif
