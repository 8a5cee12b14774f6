/* Plays of a figure over days, for tests of drift: what a healthy process does, and leaks. A tick is ten seconds. */
#ifndef EVENKEEL_TESTS_UNIT_DRIFT_PLAY_H
#define EVENKEEL_TESTS_UNIT_DRIFT_PLAY_H

#include <math.h>

#include "steady/drift.h"
#include "steady/rng.h"
#include "unit.h"

#define TICKS_PER_MINUTE 6
#define TICKS_PER_HOUR (60 * TICKS_PER_MINUTE)
#define PLAY_LIMIT 1000.0

/* A figure and the load beside it, judged at each tick. */
struct play {
    struct rng rng;
    struct history value, load;
    struct drift drift;
    struct drift_terms terms;
    uint64_t tick;
    double wander; /* noise that lasts for some minutes */
    unsigned begun_count, ended_count;
    uint64_t begun_tick; /* the first time */
};

/* The same plays each time, since a rule about noise is wrong once in many; EVENKEEL_SEED or EVENKEEL_PLAYS asks for others. */
static inline uint64_t play_first_seed(void)
{
    bool others = getenv("EVENKEEL_SEED") != NULL || getenv("EVENKEEL_PLAYS") != NULL;
    return others ? unit_seed() >> 16 : 20261130;
}

static inline void play_begin(struct play *play, uint64_t seed)
{
    memset(play, 0, sizeof *play);
    rng_init(&play->rng, seed);
    history_init(&play->value);
    history_init(&play->load);
    play->terms = (struct drift_terms){PLAY_LIMIT, 8, {&play->load, 3, 0}};
    play->tick = 1000000;
}

/* From 0 to 1. */
static inline double play_chance(struct play *play)
{
    return (double)(rng_next(&play->rng) >> 11) * 0x1p-53;
}

static inline double play_between(struct play *play, double least, double most)
{
    return least + (most - least) * play_chance(play);
}

/* About normal, with a deviation of 1. */
static inline double play_noise(struct play *play)
{
    double sum = 0;
    for (int i = 0; i < 4; i++) {
        sum += play_chance(play) - 0.5;
    }
    return sum * 1.7320508;
}

/* Noise that is as good as forgotten after three minutes, with a deviation of 1. */
static inline double play_wander(struct play *play)
{
    play->wander = 0.8 * play->wander + 0.6 * play_noise(play);
    return play->wander;
}

static inline void play_tick(struct play *play, double value, double load)
{
    play->tick++;
    history_add(&play->load, play->tick, load);
    history_add(&play->value, play->tick, value);
    switch (drift_note(&play->drift, &play->value, &play->terms)) {
    case DRIFT_BEGINS:
        play->begun_tick = play->begun_count++ == 0 ? play->tick : play->begun_tick;
        break;
    case DRIFT_ENDS: play->ended_count++; break;
    case DRIFT_NO_EVENT: break;
    }
}

#endif
