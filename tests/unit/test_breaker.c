/* The breaker does what a naive model of its rules does, and holds its limits under eight threads. */
#include "tests/unit/breaker_rig.h"

#include <pthread.h>

#include "breaker/breaker.h"
#include "steady/check.h"
#include "steady/fault.h"
#include "steady/rng.h"

#define LANES 4
#define THREADS 8

static const struct strata lone = {3, 5}; /* all calls are of one client and one path */

/* ---- the model: every call remembered, every rule written out ---- */

struct call {
    enum breaker_state state; /* it was admitted in */
    unsigned epoch;
    struct breaker_ticket ticket;
};

struct note {
    uint64_t ms;
    enum outcome outcome;
};

enum { CALLS_MAX = 300, NOTES_MAX = 100000 };

struct model {
    enum breaker_state state;
    unsigned epoch; /* how often it became open or half-open */
    uint64_t since_ms, outage_ms, sleeps_until_ms, patience_ms;
    uint64_t good; /* on trial, in this epoch */
    struct note notes[NOTES_MAX];
    size_t notes_count, notes_from;
    struct call calls[CALLS_MAX]; /* in flight */
    size_t calls_count;
    const struct breaker_settings *settings;
    uint64_t open_ms; /* what the breaker drew, checked to be within its range */
};

static bool model_free(const struct model *m)
{
    return m->state == BREAKER_CLOSED || m->state == BREAKER_FORCED_CLOSED;
}

static uint64_t model_pause(const struct model *m, uint64_t now_ms)
{
    double ms = model_free(m) ? 0 : m->settings->open_share * (double)(now_ms - m->outage_ms);
    if (ms < (double)m->settings->open_min_ms) {
        return m->settings->open_min_ms;
    }
    return ms > (double)m->settings->open_max_ms ? m->settings->open_max_ms : (uint64_t)ms;
}

static void model_enter(struct model *m, enum breaker_state to, uint64_t now_ms)
{
    bool closes = to == BREAKER_OPEN || to == BREAKER_FORCED_OPEN;
    if (closes && model_free(m)) {
        m->outage_ms = now_ms;
    }
    if (m->state == BREAKER_OPEN || m->state == BREAKER_FORCED_OPEN) {
        m->notes_from = m->notes_count;
    }
    if (closes || to == BREAKER_HALF_OPEN) {
        m->epoch++;
        m->good = 0;
    }
    m->state = to;
    m->since_ms = now_ms;
    m->patience_ms = 0;
    m->sleeps_until_ms = to == BREAKER_OPEN          ? now_ms + m->open_ms
                         : to == BREAKER_FORCED_OPEN ? now_ms + m->settings->open_max_ms
                                                     : 0;
}

static void model_open(struct model *m, uint64_t now_ms)
{
    uint64_t pause_ms = model_pause(m, now_ms);
    assert_in_range(m->open_ms, pause_ms * 8 / 10, pause_ms);
    model_enter(m, BREAKER_OPEN, now_ms);
}

/* Calls in flight that hold a place: probes of any epoch, or all on trial in this one. */
static size_t model_in_flight(const struct model *m, bool probes)
{
    size_t count = 0;
    for (size_t i = 0; i < m->calls_count; i++) {
        const struct call *call = &m->calls[i];
        bool on_trial = call->state == BREAKER_HALF_OPEN || call->state == BREAKER_RAMP;
        count += probes ? call->state == BREAKER_HALF_OPEN : on_trial && call->epoch == m->epoch;
    }
    return count;
}

static void model_catch_up(struct model *m, uint64_t now_ms)
{
    bool judged =
        m->state == BREAKER_OPEN || m->state == BREAKER_HALF_OPEN || m->state == BREAKER_RAMP;
    if (judged && !m->settings->enabled) {
        model_enter(m, BREAKER_CLOSED, now_ms);
    } else if (m->state == BREAKER_OPEN && now_ms >= m->sleeps_until_ms) {
        model_enter(m, BREAKER_HALF_OPEN, now_ms);
    } else if (m->state == BREAKER_RAMP && now_ms >= m->since_ms + m->settings->ramp_ms &&
               model_in_flight(m, false) < m->good) {
        model_enter(m, BREAKER_CLOSED, now_ms);
    }
}

static enum breaker_result model_admit(struct model *m, uint64_t now_ms)
{
    if (!model_free(m)) {
        if (m->settings->enabled && now_ms < m->sleeps_until_ms) {
            return BREAKER_REFUSED;
        }
        model_catch_up(m, now_ms);
    }
    bool room = model_free(m);
    size_t on_trial = model_in_flight(m, false);
    if (m->state == BREAKER_HALF_OPEN) {
        room = model_in_flight(m, true) < m->settings->probes_count &&
               (on_trial <= m->good || now_ms >= m->patience_ms);
    } else if (m->state == BREAKER_RAMP) {
        room = on_trial < m->good;
    }
    if (!room) {
        if (now_ms >= m->sleeps_until_ms) {
            m->sleeps_until_ms = now_ms + m->settings->open_min_ms;
        }
        return BREAKER_REFUSED;
    }
    m->calls[m->calls_count++] = (struct call){.state = m->state, .epoch = m->epoch};
    if (m->state != BREAKER_HALF_OPEN) {
        return BREAKER_ADMITTED;
    }
    m->patience_ms = now_ms + model_pause(m, now_ms);
    return BREAKER_PROBE;
}

static struct outcome_counts model_count(const struct model *m, uint64_t now_ms)
{
    struct outcome_counts counts = {0};
    uint64_t slot_ms = m->settings->window_ms / 10;
    for (size_t i = m->notes_from; i < m->notes_count; i++) {
        enum outcome outcome = m->notes[i].outcome;
        counts.in_a_row = outcome == OUTCOME_FAILURE ? counts.in_a_row + 1 : 0;
        if (m->notes[i].ms / slot_ms + 10 <= now_ms / slot_ms) {
            continue;
        }
        counts.calls++;
        counts.failures += outcome == OUTCOME_FAILURE;
        counts.slow += outcome == OUTCOME_SLOW;
    }
    return counts;
}

static void model_judge(struct model *m, uint64_t least_calls, uint64_t now_ms)
{
    struct outcome_counts c = model_count(m, now_ms);
    bool enough = c.calls >= least_calls;
    if (c.in_a_row >= m->settings->consecutive_count ||
        (enough && (double)c.failures >= m->settings->failure_rate * (double)c.calls) ||
        (enough && (double)c.slow >= m->settings->slow_rate * (double)c.calls)) {
        model_open(m, now_ms);
    }
}

static void model_report(struct model *m, size_t index, enum outcome outcome, uint64_t now_ms)
{
    struct call call = m->calls[index];
    m->calls[index] = m->calls[--m->calls_count];
    bool on_trial = call.state == BREAKER_HALF_OPEN || call.state == BREAKER_RAMP;
    if (on_trial && (m->state == BREAKER_HALF_OPEN || m->state == BREAKER_RAMP)) {
        m->sleeps_until_ms = 0;
    }
    if (call.epoch != m->epoch || outcome == OUTCOME_IGNORED) {
        return;
    }
    m->notes[m->notes_count++] = (struct note){now_ms, outcome};
    bool good = outcome == OUTCOME_SUCCESS;
    uint64_t two_each = 2 * m->settings->probes_count, least = m->settings->min_requests_count;
    if (!m->settings->enabled) {
    } else if (m->state == BREAKER_HALF_OPEN && !good) {
        model_open(m, now_ms);
    } else if (m->state == BREAKER_HALF_OPEN) {
        if (++m->good >= m->settings->probes_count) {
            model_enter(m, BREAKER_RAMP, now_ms);
        }
    } else if (m->state == BREAKER_RAMP && good) {
        m->good++;
    } else if (m->state == BREAKER_RAMP) {
        model_judge(m, two_each < least ? two_each : least, now_ms);
    } else if (m->state == BREAKER_CLOSED && !good) {
        model_judge(m, least, now_ms);
    }
    if (!model_free(m)) {
        model_catch_up(m, now_ms);
    }
}

static void model_force(struct model *m, enum breaker_force force, uint64_t now_ms)
{
    enum breaker_state to = force == BREAKER_FORCE_OPEN         ? BREAKER_FORCED_OPEN
                            : force == BREAKER_FORCE_CLOSED     ? BREAKER_FORCED_CLOSED
                            : m->state == BREAKER_FORCED_OPEN   ? BREAKER_HALF_OPEN
                            : m->state == BREAKER_FORCED_CLOSED ? BREAKER_CLOSED
                                                                : m->state;
    if (to != m->state) {
        model_enter(m, to, now_ms);
    }
}

/* ---- both together ---- */

static void note_open_ms(const struct breaker_change *change, void *owner)
{
    struct model *m = owner;
    if (change->to == BREAKER_OPEN) {
        m->open_ms = change->open_ms;
    }
}

static void random_settings(struct breaker_settings *settings, struct rng *rng)
{
    *settings = defaults;
    settings->window_ms = 1000 + 1000 * rng_below(rng, 20);
    settings->min_requests_count = 1 + rng_below(rng, 40);
    settings->consecutive_count = 1 + rng_below(rng, 30);
    settings->failure_rate = (double)(1 + rng_below(rng, 8)) / 8;
    settings->slow_rate = (double)(1 + rng_below(rng, 8)) / 8;
    settings->probes_count = 1 + rng_below(rng, 5);
    settings->ramp_ms = 1 + rng_below(rng, 3000);
}

static enum outcome random_outcome(struct rng *rng, uint64_t badness)
{
    if (rng_below(rng, 20) == 0) {
        return OUTCOME_IGNORED;
    }
    if (rng_below(rng, 100) >= badness) {
        return OUTCOME_SUCCESS;
    }
    return rng_below(rng, 4) == 0 ? OUTCOME_SLOW : OUTCOME_FAILURE;
}

static void compare(struct breaker *breaker, const struct model *m,
                    const struct breaker_settings *settings, uint64_t now_ms)
{
    struct breaker_figures figures = breaker_figures(breaker, settings, now_ms);
    struct outcome_counts counts = model_count(m, now_ms);
    assert_string_equal(breaker_state_name(figures.state), breaker_state_name(m->state));
    assert_int_equal(figures.probes_in_flight, model_in_flight(m, true));
    assert_int_equal(figures.outage_since_ms, model_free(m) ? 0 : m->outage_ms);
    assert_int_equal(figures.counts.calls, counts.calls);
    assert_int_equal(figures.counts.failures, counts.failures);
    assert_int_equal(figures.counts.slow, counts.slow);
    assert_int_equal(figures.counts.in_a_row, counts.in_a_row);
}

static void try_admit(struct breaker *breaker, struct model *m,
                      const struct breaker_settings *settings, unsigned worker, uint64_t now_ms)
{
    struct breaker_ticket ticket = {.word = 0};
    uint64_t retry_after_ms = 0;
    bool sure = breaker_refuses(breaker, settings, now_ms);
    enum breaker_result result =
        breaker_admit(breaker, &(struct breaker_caller){settings, NULL, now_ms, worker, lone},
                      &ticket, &retry_after_ms);
    assert_int_equal(result, model_admit(m, now_ms));
    assert_true(!sure || result == BREAKER_REFUSED);
    if (result == BREAKER_REFUSED) {
        assert_int_equal(ticket.word, 0);
        assert_true(retry_after_ms >= 1 && retry_after_ms <= 6000);
    } else {
        m->calls[m->calls_count - 1].ticket = ticket;
    }
}

static void random_play(struct rng *rng, struct model *m)
{
    struct breaker_settings settings;
    random_settings(&settings, rng);
    *m = (struct model){.state = BREAKER_CLOSED, .settings = &settings};
    struct breaker *breaker = breaker_create(LANES, note_open_ms, m);
    uint64_t now_ms = rng_below(rng, 1000000), badness = 0;
    for (int step = 0; step < 4000; step++) {
        unsigned worker = (unsigned)rng_below(rng, LANES);
        if (rng_below(rng, 3) == 0) {
            now_ms += rng_below(rng, rng_below(rng, 50) == 0 ? 20000 : 60);
        }
        if (rng_below(rng, 200) == 0) {
            badness = rng_below(rng, 3) * 50;
        }
        uint64_t draw = rng_below(rng, 1000);
        if (draw < 520 && m->calls_count < CALLS_MAX) {
            try_admit(breaker, m, &settings, worker, now_ms);
        } else if (draw < 990 && m->calls_count > 0) {
            size_t index = rng_below(rng, m->calls_count);
            enum outcome outcome = random_outcome(rng, badness);
            struct breaker_ticket ticket = m->calls[index].ticket;
            breaker_report(breaker, &(struct breaker_caller){&settings, rng, now_ms, worker, lone},
                           &ticket, outcome);
            model_report(m, index, outcome, now_ms);
        } else if (draw >= 996) {
            enum breaker_force force =
                draw < 999 ? BREAKER_FORCE_NONE : (enum breaker_force)rng_below(rng, 3);
            breaker_force(breaker, &settings, force, now_ms);
            model_force(m, force, now_ms);
        } else if (draw == 995) {
            settings.enabled = rng_below(rng, 4) != 0;
        }
        compare(breaker, m, &settings, now_ms);
    }
    breaker_free(&breaker);
}

static void random_calls_are_judged_as_by_the_model(void **state)
{
    (void)state;
    struct rng rng;
    rng_init(&rng, unit_seed());
    struct model *m = malloc(sizeof *m);
    for (int round = 0; round < 30; round++) {
        random_play(&rng, m);
    }
    free(m);
}

/* ---- threads ---- */

struct storm {
    struct breaker *breaker;
    uint64_t now_ms;
    bool origin_is_down;
    uint64_t probes_now, probes_peak, probes_all;
    uint64_t admitted, refused;
    bool over;
};

struct stormer {
    struct storm *storm;
    unsigned worker;
    uint64_t seed;
};

static uint64_t now_of(struct storm *storm)
{
    return __atomic_load_n(&storm->now_ms, __ATOMIC_RELAXED);
}

/* A probe as the origin sees it: counted while it is there. */
static void be_a_probe(struct storm *storm, struct rng *rng)
{
    uint64_t now = __atomic_add_fetch(&storm->probes_now, 1, __ATOMIC_RELAXED);
    uint64_t peak = __atomic_load_n(&storm->probes_peak, __ATOMIC_RELAXED);
    while (now > peak && !__atomic_compare_exchange_n(&storm->probes_peak, &peak, now, true,
                                                      __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
    }
    CHECK(now <= defaults.probes_count);
    __atomic_fetch_add(&storm->probes_all, 1, __ATOMIC_RELAXED);
    uint64_t until_ms = now_of(storm) + rng_below(rng, 200);
    while (now_of(storm) < until_ms && !__atomic_load_n(&storm->over, __ATOMIC_RELAXED)) {
    }
    __atomic_fetch_sub(&storm->probes_now, 1, __ATOMIC_RELAXED);
}

static void *call_in_a_storm(void *argument)
{
    struct stormer *stormer = argument;
    struct storm *storm = stormer->storm;
    struct rng rng;
    rng_init(&rng, stormer->seed + stormer->worker);
    while (!__atomic_load_n(&storm->over, __ATOMIC_RELAXED)) {
        struct breaker_ticket ticket;
        uint64_t retry_after_ms;
        enum breaker_result result = breaker_admit(
            storm->breaker,
            &(struct breaker_caller){&defaults, NULL, now_of(storm), stormer->worker, lone},
            &ticket, &retry_after_ms);
        if (result == BREAKER_REFUSED) {
            __atomic_fetch_add(&storm->refused, 1, __ATOMIC_RELAXED);
            continue;
        }
        if (result == BREAKER_PROBE) {
            be_a_probe(storm, &rng);
        }
        __atomic_fetch_add(&storm->admitted, 1, __ATOMIC_RELAXED);
        bool down = __atomic_load_n(&storm->origin_is_down, __ATOMIC_RELAXED);
        enum outcome outcome = down                       ? OUTCOME_FAILURE
                               : rng_below(&rng, 50) == 0 ? OUTCOME_IGNORED
                                                          : OUTCOME_SUCCESS;
        breaker_report(
            storm->breaker,
            &(struct breaker_caller){&defaults, &rng, now_of(storm), stormer->worker, lone},
            &ticket, outcome);
    }
    return NULL;
}

/* The clock runs by yields, so that under any scheduler and sanitizer there are many calls in a millisecond. */
static void weather(struct storm *storm, struct rng *rng)
{
    uint64_t outages = 0;
    for (int i = 0; i < 60000; i++) {
        __atomic_fetch_add(&storm->now_ms, 1, __ATOMIC_RELAXED);
        if (rng_below(rng, 1000) == 0) {
            __atomic_store_n(&storm->origin_is_down, outages % 2 == 0, __ATOMIC_RELAXED);
            outages++;
        }
        /* Mostly to take back what was forced before. */
        uint64_t draw = rng_below(rng, 5000);
        if (draw < 6) {
            breaker_force(storm->breaker, &defaults,
                          draw < 2 ? (enum breaker_force)(draw + 1) : BREAKER_FORCE_NONE,
                          now_of(storm));
        }
        if (i % 16 == 0) {
            usleep(1); /* the other threads have their turn */
        }
    }
    breaker_force(storm->breaker, &defaults, BREAKER_FORCE_NONE, now_of(storm));
}

static void eight_threads_never_have_more_probes_than_allowed(void **state)
{
    (void)state;
    uint64_t seed = unit_seed();
    struct rng rng;
    rng_init(&rng, seed);
    struct storm storm = {.breaker = breaker_create(THREADS, NULL, NULL), .now_ms = 1000000};
    struct stormer stormers[THREADS];
    pthread_t threads[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        stormers[i] = (struct stormer){&storm, i, seed};
        assert_int_equal(pthread_create(&threads[i], NULL, call_in_a_storm, &stormers[i]), 0);
    }
    weather(&storm, &rng);
    __atomic_store_n(&storm.over, true, __ATOMIC_RELAXED);
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    struct breaker_figures figures = breaker_figures(storm.breaker, &defaults, storm.now_ms);
    printf("# %" PRIu64 " admitted, %" PRIu64 " refused, %" PRIu64 " probes, at most %" PRIu64
           " at a time; open %" PRIu64 ", ramp %" PRIu64 "\n",
           storm.admitted, storm.refused, storm.probes_all, storm.probes_peak,
           figures.entered_count[BREAKER_OPEN], figures.entered_count[BREAKER_RAMP]);
    assert_true(storm.probes_all > 0);
    assert_int_equal(figures.probes_in_flight, 0);
    assert_int_equal(figures.probes_count, storm.probes_all);
    assert_int_equal(figures.refused_count, storm.refused);
    breaker_free(&storm.breaker);
}

#define CALLS_PER_THREAD 100000

static void *call_calmly(void *argument)
{
    struct stormer *stormer = argument;
    struct rng rng;
    rng_init(&rng, stormer->seed + stormer->worker);
    for (int i = 0; i < CALLS_PER_THREAD; i++) {
        const struct strata strata = {(uint8_t)(i % STRATA_COUNT), (uint8_t)(i % 7)};
        struct breaker_ticket ticket;
        uint64_t retry_after_ms;
        CHECK(
            breaker_admit(stormer->storm->breaker,
                          &(struct breaker_caller){&defaults, NULL, 50000, stormer->worker, strata},
                          &ticket, &retry_after_ms) == BREAKER_ADMITTED);
        breaker_report(stormer->storm->breaker,
                       &(struct breaker_caller){&defaults, &rng, 50000, stormer->worker, strata},
                       &ticket, i % 10 == 9 ? OUTCOME_FAILURE : OUTCOME_SUCCESS);
    }
    return NULL;
}

static void eight_threads_calls_are_counted(void **state)
{
    (void)state;
    struct storm storm = {.breaker = breaker_create(THREADS, NULL, NULL)};
    struct stormer stormers[THREADS];
    pthread_t threads[THREADS];
    breaker_force(storm.breaker, &defaults, BREAKER_FORCE_CLOSED, 50000);
    for (unsigned i = 0; i < THREADS; i++) {
        stormers[i] = (struct stormer){&storm, i, 1};
        assert_int_equal(pthread_create(&threads[i], NULL, call_calmly, &stormers[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    struct breaker_figures figures = breaker_figures(storm.breaker, &defaults, 50000);
    /* Each thread's last call failed and brought along what its worker kept back. */
    assert_int_equal(figures.counts.calls, THREADS * CALLS_PER_THREAD);
    assert_int_equal(figures.counts.failures, THREADS * CALLS_PER_THREAD / 10);
    breaker_free(&storm.breaker);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_calls_are_judged_as_by_the_model),
        cmocka_unit_test(eight_threads_never_have_more_probes_than_allowed),
        cmocka_unit_test(eight_threads_calls_are_counted),
    };
    return cmocka_run_group_tests_name("breaker", tests, NULL, NULL);
}
