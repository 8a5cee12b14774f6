/* Drift beside a load that is not quiet: a queue that creeps is told of whatever the load does, and what follows the load is not. */
#include "drift_play.h"

#define QUEUE_LIMIT 1024.0
/* A thousandth of the limit in each minute. */
#define CREEP_PER_TICK (QUEUE_LIMIT * 0.001 / TICKS_PER_MINUTE)
/* A failover or a reload while the load rises looks as a leak does once in about 1,400 plays; a rule that is broken, in dozens of these. */
#define FLAGGED_PLAYS 200
#define FLAGGED_MOST 4
#define CREEP_TICKS ((int)(QUEUE_LIMIT / CREEP_PER_TICK))

/* Plays of each kind beside each load; EVENKEEL_PLAYS sets another number, and then the figures are told. */
static uint64_t plays_count(void)
{
    const char *wanted = getenv("EVENKEEL_PLAYS");
    return wanted != NULL ? strtoull(wanted, NULL, 10) : 4;
}

static uint64_t base_seed;

/* ---- loads ---- */

/* What the load of a play is made of; as drawn for the play. */
struct world {
    double base;  /* requests in a tick */
    double level; /* that the load is at now, in parts of the base */
    double wander, wander_size, wander_keeps;
    double begin_tick; /* of the day */
    double swing;
    double pace;
    int left_ticks;
    int tick;
};

/* The requests that are expected in the next tick. */
typedef double load_fn(struct play *play, struct world *world);

static void draw_world(struct play *play, struct world *world)
{
    *world = (struct world){
        .base = exp(play_between(play, log(20), log(5000))),
        .level = 1,
        .wander_size = play_between(play, 0.05, 0.4),
        .wander_keeps = 1 - 1 / exp(play_between(play, log(5), log(300))),
        .begin_tick = play_between(play, 0, 24 * TICKS_PER_HOUR),
        .swing = play_between(play, 0.1, 0.9),
    };
}

/* As many as come in a tick when so many are expected. */
static double drawn(struct play *play, double expected)
{
    return fmax(0, round(expected + sqrt(fmax(expected, 0)) * play_noise(play)));
}

/* The same number is expected in each tick. */
static double even_load(struct play *play, struct world *world)
{
    (void)play;
    return world->base;
}

static double wandering_load(struct play *play, struct world *world)
{
    double keeps = world->wander_keeps;
    world->wander = keeps * world->wander + sqrt(1 - keeps * keeps) * play_noise(play);
    return world->base * exp(world->wander_size * world->wander);
}

/* Other programs take the processors, for seconds up to minutes: clients and proxy are slow together. */
static double starved_load(struct play *play, struct world *world)
{
    if (world->left_ticks-- <= 0) {
        world->left_ticks = (int)play_between(play, 1, 60);
        world->level = play_chance(play) < 0.5 ? 1 : play_between(play, 0.2, 1);
    }
    return world->base * world->level;
}

static double stepping_load(struct play *play, struct world *world)
{
    if (world->left_ticks-- <= 0) {
        world->left_ticks = (int)play_between(play, 10, 60 * TICKS_PER_MINUTE);
        world->level = play_between(play, 0.15, 1);
    }
    return world->base * world->level;
}

/* Steps, and ramps of up to an hour and a half. */
static double ramping_load(struct play *play, struct world *world)
{
    if (world->left_ticks-- <= 0) {
        world->left_ticks = (int)play_between(play, 1, 90 * TICKS_PER_MINUTE);
        double wanted = play_between(play, 0.1, 1);
        bool step = play_chance(play) < 0.5;
        world->pace = step ? 1 : pow(wanted / world->level, 1.0 / (world->left_ticks + 1));
        world->level = step ? wanted : world->level;
    }
    world->level *= world->pace;
    return world->base * world->level;
}

static double day_load(struct play *play, struct world *world)
{
    double hour = (world->begin_tick + world->tick) / TICKS_PER_HOUR;
    double day = (1 + world->swing * sin(hour * 2 * M_PI / 24)) / (1 + world->swing);
    return wandering_load(play, world) * day;
}

/* Up to twenty times as much, for up to three minutes. */
static double spiky_load(struct play *play, struct world *world)
{
    if (world->left_ticks-- <= 0) {
        bool spike = world->level == 1 && play_chance(play) < 0.5;
        world->left_ticks = (int)(spike ? play_between(play, 1, 18) : play_between(play, 10, 400));
        world->level = spike ? play_between(play, 2, 20) : 1;
    }
    return world->base * world->level / 20;
}

static const struct load_kind {
    const char *name;
    load_fn *load;
} loads[] = {
    {"even", even_load},         {"wandering", wandering_load}, {"starved", starved_load},
    {"stepping", stepping_load}, {"ramping", ramping_load},     {"spiky", spiky_load},
    {"day", day_load},
};
enum { LOADS = sizeof loads / sizeof loads[0] };

/* ---- the creep ---- */

/* Of the plays of a kind. */
struct told {
    double minutes, most_minutes;
    double error, most_error; /* of the time left, as a part of it */
};

static void note(struct told *told, double minutes, double error)
{
    told->minutes += minutes / (double)plays_count();
    told->most_minutes = fmax(told->most_minutes, minutes);
    told->error += error / (double)plays_count();
    told->most_error = fmax(told->most_error, error);
}

/* Jobs beside those that never end: few, more at a higher load, and now and then many for some seconds. */
static double healthy_jobs(struct play *play, const struct world *world, double load)
{
    double burst = play_chance(play) < 0.003 ? play_between(play, 10, 60) : 0;
    return drawn(play, 6 * load / world->base) + burst;
}

static void play_creep(const struct load_kind *kind, uint64_t seed, struct told *told)
{
    struct play play;
    struct world world;
    play_begin(&play, seed);
    play.terms = (struct drift_terms){QUEUE_LIMIT, 8, {&play.load, 4, 30}};
    draw_world(&play, &world);
    while (play.begun_count == 0 && world.tick < CREEP_TICKS) {
        double expected = kind->load(&play, &world);
        double lost = floor(world.tick * CREEP_PER_TICK);
        play_tick(&play, lost + healthy_jobs(&play, &world, expected), drawn(&play, expected));
        world.tick++;
    }
    if (play.begun_count == 0) {
        fail_msg("%s load: seed %" PRIu64 ": the queue is full and nobody was told", kind->name,
                 seed);
    }
    const struct drift_estimate estimate = drift_estimate(&play.drift, &play.value, &play.terms);
    double left_ticks = CREEP_TICKS - world.tick;
    double error = fabs(estimate.left_ticks - left_ticks) / left_ticks;
    note(told, (double)world.tick / TICKS_PER_MINUTE, error);
    if (error > 0.25 && left_ticks > TICKS_PER_HOUR) {
        fail_msg("%s load: seed %" PRIu64 ": %f ticks are left, estimate %f", kind->name, seed,
                 left_ticks, estimate.left_ticks);
    }
}

/* Four plays beside each load, and eight windows, are enough to tell a rule that takes any load for an explanation. */
static void a_queue_that_creeps_is_told_of_whatever_the_load_does(void **state)
{
    (void)state;
    for (unsigned i = 0; i < LOADS; i++) {
        struct told told = {0};
        for (uint64_t play = 0; play < 4 * plays_count(); play++) {
            play_creep(&loads[i], base_seed + play, &told);
        }
        print_message(
            "# %s load: told after %.0f minutes, at most %.0f; time left wrong by %.1f%%, at most %.1f%%\n",
            loads[i].name, told.minutes / 4, told.most_minutes, told.error * 25,
            told.most_error * 100);
    }
}

/* ---- what follows the load ---- */

/* State of a healthy figure. */
struct figure {
    double power, delay, offset, noise, capacity, decay;
    double value;
    double high;
};
typedef double follow_fn(struct play *play, struct figure *figure, double load);

static double delayed(struct figure *figure, double wanted)
{
    figure->value =
        figure->value < 0 ? wanted : figure->value + figure->delay * (wanted - figure->value);
    return figure->value;
}

/* In proportion to a power of the load, beside a part that stays, with a delay. */
static double in_proportion(struct play *play, struct figure *figure, double load)
{
    double now = delayed(figure, pow(load, figure->power));
    return 400 * (figure->offset + (1 - figure->offset) * now) *
           (1 + figure->noise * play_noise(play));
}

/* A queue before a server that is busy. */
static double queue(struct play *play, struct figure *figure, double load)
{
    double busy = fmin(load * figure->capacity, 0.97);
    double now = delayed(figure, 30 * busy / (1 - busy));
    return drawn(play, now);
}

/* What is taken at a peak is given back slowly, or never. */
static double ratchet(struct play *play, struct figure *figure, double load)
{
    double now = delayed(figure, load);
    figure->high = fmax(now, figure->high + figure->decay * (now - figure->high));
    return 400 * (figure->offset + (1 - figure->offset) * figure->high) *
           (1 + figure->noise * play_noise(play));
}

/* One of three endpoints fails now and then, for minutes up to an hour; the others have its share. */
static double failover(struct play *play, struct figure *figure, double load)
{
    if (play_chance(play) < 1.0 / TICKS_PER_HOUR) {
        figure->high = figure->high > 1 ? 1 : 1.5;
    }
    return in_proportion(play, figure, load * fmax(figure->high, 1) / 1.5);
}

/* A reload empties it. */
static double reloads(struct play *play, struct figure *figure, double load)
{
    if (play_chance(play) < 2.0 / TICKS_PER_HOUR) {
        figure->value = 0;
    }
    return in_proportion(play, figure, load);
}

static const struct follow_kind {
    const char *name;
    follow_fn *follow;
    bool is_queue;
    double slowest_ticks; /* until it has followed the load by two thirds */
} follows[] = {
    {"in proportion", in_proportion, false, 60},
    {"steep", in_proportion, true, 60},
    {"queue", queue, true, 12},
    {"ratchet", ratchet, false, 60},
    {"failover", failover, true, 3},
    {"reloads", reloads, false, 60},
};
enum { FOLLOWS = sizeof follows / sizeof follows[0] };

static struct figure draw_figure(struct play *play, const struct follow_kind *kind)
{
    struct figure figure = {
        .power = play_between(play, 0.5, kind->is_queue ? 2.5 : 1.2),
        .delay = 1 / exp(play_between(play, 0, log(kind->slowest_ticks))),
        .offset = play_between(play, 0, 0.9),
        .noise = play_between(play, 0, 0.05),
        .capacity = play_between(play, 0.5, 0.8),
        .value = -1,
    };
    figure.decay = play_chance(play) < 0.5 ? 0 : 1 / exp(play_between(play, log(6), log(600)));
    return figure;
}

/* Whether it is told of within 20 hours. */
static bool is_flagged(const struct load_kind *load, const struct follow_kind *follow,
                       uint64_t seed)
{
    struct play play;
    struct world world;
    play_begin(&play, seed);
    draw_world(&play, &world);
    struct figure figure = draw_figure(&play, follow);
    play.terms = (struct drift_terms){
        QUEUE_LIMIT, 8, {&play.load, follow->is_queue ? 4 : 3, follow->is_queue ? 30 : 0}};
    for (; world.tick < 20 * TICKS_PER_HOUR && play.begun_count == 0; world.tick++) {
        double now = drawn(&play, load->load(&play, &world));
        play_tick(&play, follow->follow(&play, &figure, now / world.base), now);
    }
    return play.begun_count > 0;
}

static void what_follows_its_load_is_no_drift(void **state)
{
    unsigned flagged_count = 0, count = 0;
    (void)state;
    for (unsigned i = 0; i < LOADS * FOLLOWS; i++) {
        const struct load_kind *load = &loads[i % LOADS];
        const struct follow_kind *follow = &follows[i / LOADS];
        for (uint64_t play = 0; play < plays_count(); play++, count++) {
            if (is_flagged(load, follow, base_seed + play)) {
                print_message("# %s, %s load: seed %" PRIu64 " drifts\n", follow->name, load->name,
                              base_seed + play);
                flagged_count++;
            }
        }
    }
    print_message("# %u of %u plays of 20 hours were told of\n", flagged_count, count);
    assert_true(flagged_count <= FLAGGED_MOST + count / FLAGGED_PLAYS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_queue_that_creeps_is_told_of_whatever_the_load_does),
        cmocka_unit_test(what_follows_its_load_is_no_drift),
    };
    base_seed = play_first_seed();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
