/* Closed, open, half-open, ramp. */
#include "breaker/breaker.h"

#include <pthread.h>
#include <stdlib.h>

#include "steady/check.h"
#include "steady/deadline.h"
#include "steady/enum_names.h"
#include "steady/fault.h"

/* Less, never more: an outage is to be over within open_share of its length. */
#define OPEN_JITTER_SHARE 0.2

/* The state's word: an epoch above, the state below. A new epoch begins with every open and half-open: tickets of an older one say
   nothing of now. */
#define STATE_BITS 3
#define STATE_MASK ((UINT64_C(1) << STATE_BITS) - 1)

struct breaker_local {
    struct window_local calls;
    uint64_t refused_count;
} __attribute__((aligned(WINDOW_CACHE_LINE)));

struct breaker {
    /* Read without the lock; with the head of the window this fills one cache line, which nobody writes while all is well. */
    uint64_t word;          /* written by transition() only */
    uint64_t not_before_ms; /* nobody is admitted earlier who is not admitted freely */
    struct outcome_window outcomes;

    /* Under the lock. */
    pthread_mutex_t lock;
    uint64_t since_ms;
    uint64_t outage_since_ms;
    uint64_t patience_end_ms;    /* half-open: one more probe goes then, though none came back */
    uint64_t probes_in_flight;   /* of all epochs: never above settings.probes_count */
    uint64_t on_trial_in_flight; /* of this epoch, probes and calls of the ramp */
    uint64_t on_trial_good;      /* of those, how many came back well */
    uint64_t probes_count;
    uint64_t entered_count[BREAKER_STATE_COUNT];
    breaker_change_fn *on_change;
    void *owner;

    unsigned worker_count;
    struct breaker_local locals[];
};

_Static_assert(offsetof(struct breaker, outcomes.window.base) < WINDOW_CACHE_LINE,
               "a success reads one shared cache line");

ENUM_NAME_FUNCTION(breaker_state_name, enum breaker_state, BREAKER_STATES)

ENUM_NAME_FUNCTION(breaker_cause_name, enum breaker_cause, BREAKER_CAUSES)

struct breaker *breaker_create(unsigned worker_count, breaker_change_fn *on_change, void *owner)
{
    CHECK(worker_count > 0);
    size_t bytes = sizeof(struct breaker) + worker_count * sizeof(struct breaker_local);
    struct breaker *breaker =
        fault_hits(FAULT_ALLOC) ? NULL : aligned_alloc(WINDOW_CACHE_LINE, bytes);
    if (breaker == NULL) {
        return NULL;
    }
    *breaker = (struct breaker){
        .word = UINT64_C(1) << STATE_BITS | BREAKER_CLOSED,
        .lock = PTHREAD_MUTEX_INITIALIZER,
        .on_change = on_change,
        .owner = owner,
        .worker_count = worker_count,
    };
    outcome_window_init(&breaker->outcomes, worker_count);
    for (unsigned i = 0; i < worker_count; i++) {
        breaker->locals[i] = (struct breaker_local){.refused_count = 0};
    }
    return breaker;
}

void breaker_free(struct breaker **breaker)
{
    if (*breaker == NULL) {
        return;
    }
    pthread_mutex_destroy(&(*breaker)->lock);
    free(*breaker);
    *breaker = NULL;
}

/* ---- the word ---- */

static enum breaker_state state_of(uint64_t word)
{
    return (enum breaker_state)(word & STATE_MASK);
}

static uint64_t epoch_of(uint64_t word)
{
    return word >> STATE_BITS;
}

static bool admits_freely(uint64_t word)
{
    return (word & STATE_MASK) <= BREAKER_FORCED_CLOSED;
}

static uint64_t load_word(const struct breaker *breaker)
{
    return __atomic_load_n(&breaker->word, __ATOMIC_RELAXED);
}

enum breaker_state breaker_state(const struct breaker *breaker)
{
    return state_of(load_word(breaker));
}

static void set_not_before(struct breaker *breaker, uint64_t time_ms)
{
    __atomic_store_n(&breaker->not_before_ms, time_ms, __ATOMIC_RELAXED);
}

static uint64_t not_before(const struct breaker *breaker)
{
    return __atomic_load_n(&breaker->not_before_ms, __ATOMIC_RELAXED);
}

/* ---- transitions: the lock is held ---- */

static bool is_open(enum breaker_state state)
{
    return state == BREAKER_OPEN || state == BREAKER_FORCED_OPEN;
}

/* How long ago it first opened; 0 when it admits freely. */
static uint64_t outage_age_ms(const struct breaker *breaker, uint64_t now_ms)
{
    bool is_over = admits_freely(load_word(breaker)) || now_ms < breaker->outage_since_ms;
    return is_over ? 0 : now_ms - breaker->outage_since_ms;
}

/* open_ms: into an open state, when to look again; else 0. */
static void transition(struct breaker *breaker, const struct breaker_settings *settings,
                       enum breaker_state to, enum breaker_cause cause, uint64_t open_ms,
                       uint64_t now_ms)
{
    uint64_t word = load_word(breaker);
    enum breaker_state from = state_of(word);
    bool outage_begins = is_open(to) && admits_freely(word);
    struct breaker_change change = {
        .from = from,
        .to = to,
        .cause = cause,
        .seen = outcome_window_count(&breaker->outcomes, now_ms, settings->window_ms),
        .outage_ms = outage_age_ms(breaker, now_ms),
        .open_ms = open_ms,
    };

    bool new_epoch = is_open(to) || to == BREAKER_HALF_OPEN;
    if (new_epoch) {
        breaker->on_trial_in_flight = breaker->on_trial_good = 0;
    }
    if (is_open(from)) {
        outcome_window_clear(&breaker->outcomes);
    }
    if (outage_begins) {
        breaker->outage_since_ms = now_ms;
    }
    breaker->since_ms = now_ms;
    breaker->patience_end_ms = 0;
    breaker->entered_count[to]++;
    set_not_before(breaker, open_ms > 0 ? deadline_after(now_ms, open_ms) : 0);
    __atomic_store_n(&breaker->word, (epoch_of(word) + new_epoch) << STATE_BITS | to,
                     __ATOMIC_RELAXED);
    if (breaker->on_change != NULL) {
        breaker->on_change(&change, breaker->owner);
    }
}

/* How long an outage of this age keeps it open, or waits for a probe that does not come back. */
static uint64_t pause_ms(const struct breaker *breaker, const struct breaker_settings *settings,
                         uint64_t now_ms)
{
    double share_ms = settings->open_share * (double)outage_age_ms(breaker, now_ms);
    if (share_ms <= (double)settings->open_min_ms) {
        return settings->open_min_ms;
    }
    return share_ms < (double)settings->open_max_ms ? (uint64_t)share_ms : settings->open_max_ms;
}

static void open_up(struct breaker *breaker, const struct breaker_settings *settings,
                    enum breaker_cause cause, uint64_t now_ms, struct rng *rng)
{
    uint64_t open_ms = rng_shorten(rng, pause_ms(breaker, settings, now_ms), OPEN_JITTER_SHARE);
    transition(breaker, settings, BREAKER_OPEN, cause, open_ms, now_ms);
}

/* Changes that only time and settings bring. */
static void catch_up(struct breaker *breaker, const struct breaker_settings *settings,
                     uint64_t now_ms)
{
    enum breaker_state state = breaker_state(breaker);
    bool judged = state == BREAKER_OPEN || state == BREAKER_HALF_OPEN || state == BREAKER_RAMP;
    if (judged && !settings->enabled) {
        transition(breaker, settings, BREAKER_CLOSED, BREAKER_CAUSE_DISABLED, 0, now_ms);
    } else if (state == BREAKER_OPEN && now_ms >= not_before(breaker)) {
        transition(breaker, settings, BREAKER_HALF_OPEN, BREAKER_CAUSE_TIME, 0, now_ms);
    } else if (state == BREAKER_RAMP &&
               deadline_passed(deadline_after(breaker->since_ms, settings->ramp_ms), now_ms) &&
               breaker->on_trial_in_flight < breaker->on_trial_good) {
        transition(breaker, settings, BREAKER_CLOSED, BREAKER_CAUSE_TIME, 0, now_ms);
    }
}

/* ---- admission ---- */

bool breaker_refuses(const struct breaker *breaker, const struct breaker_settings *settings,
                     uint64_t now_ms)
{
    uint64_t word = load_word(breaker);
    if (admits_freely(word)) {
        return false;
    }
    return state_of(word) == BREAKER_FORCED_OPEN ||
           (settings->enabled && now_ms < not_before(breaker));
}

/* A trial widens with what comes back: each good answer frees its own place and makes another. */
static bool has_space(const struct breaker *breaker, const struct breaker_settings *settings,
                      uint64_t now_ms)
{
    switch (breaker_state(breaker)) {
    case BREAKER_CLOSED:
    case BREAKER_FORCED_CLOSED: return true;
    case BREAKER_OPEN:
    case BREAKER_FORCED_OPEN: return false;
    case BREAKER_HALF_OPEN:
        return breaker->probes_in_flight < settings->probes_count &&
               (breaker->on_trial_in_flight <= breaker->on_trial_good ||
                now_ms >= breaker->patience_end_ms);
    case BREAKER_RAMP: return breaker->on_trial_in_flight < breaker->on_trial_good;
    }
    return false;
}

static enum breaker_result let_through(struct breaker *breaker,
                                       const struct breaker_settings *settings, uint64_t now_ms)
{
    switch (breaker_state(breaker)) {
    case BREAKER_HALF_OPEN:
        breaker->on_trial_in_flight++;
        breaker->probes_in_flight++;
        breaker->probes_count++;
        breaker->patience_end_ms = deadline_after(now_ms, pause_ms(breaker, settings, now_ms));
        return BREAKER_PROBE;
    case BREAKER_RAMP: breaker->on_trial_in_flight++; return BREAKER_ADMITTED;
    case BREAKER_CLOSED:
    case BREAKER_FORCED_CLOSED:
    case BREAKER_OPEN:
    case BREAKER_FORCED_OPEN: break;
    }
    return BREAKER_ADMITTED;
}

static enum breaker_result refuse(struct breaker *breaker, unsigned worker, uint64_t now_ms,
                                  uint64_t *ret_retry_after_ms)
{
    uint64_t left_ms = deadline_left_ms(not_before(breaker), now_ms);
    *ret_retry_after_ms = left_ms > 0 ? left_ms : 1;
    uint64_t *count = &breaker->locals[worker].refused_count;
    __atomic_store_n(count, __atomic_load_n(count, __ATOMIC_RELAXED) + 1, __ATOMIC_RELAXED);
    return BREAKER_REFUSED;
}

__attribute__((noinline)) static enum breaker_result admit_guardedly(
    struct breaker *breaker, const struct breaker_settings *settings, unsigned worker,
    uint64_t now_ms, struct breaker_ticket *ret_ticket, uint64_t *ret_retry_after_ms)
{
    if (settings->enabled && now_ms < not_before(breaker)) {
        return refuse(breaker, worker, now_ms, ret_retry_after_ms);
    }
    pthread_mutex_lock(&breaker->lock);
    catch_up(breaker, settings, now_ms);
    enum breaker_result result = BREAKER_REFUSED;
    if (has_space(breaker, settings, now_ms)) {
        ret_ticket->word = load_word(breaker);
        result = let_through(breaker, settings, now_ms);
    } else if (now_ms >= not_before(breaker)) {
        /* Full: a report makes room and says so. Looking again costs the lock, so not before a while. */
        set_not_before(breaker, deadline_after(now_ms, settings->open_min_ms));
    }
    pthread_mutex_unlock(&breaker->lock);
    return result == BREAKER_REFUSED ? refuse(breaker, worker, now_ms, ret_retry_after_ms) : result;
}

enum breaker_result breaker_admit(struct breaker *breaker, const struct breaker_settings *settings,
                                  unsigned worker, uint64_t now_ms,
                                  struct breaker_ticket *ret_ticket, uint64_t *ret_retry_after_ms)
{
    uint64_t word = load_word(breaker);
    if (__builtin_expect(!admits_freely(word), 0)) {
        return admit_guardedly(breaker, settings, worker, now_ms, ret_ticket, ret_retry_after_ms);
    }
    ret_ticket->word = word;
    return BREAKER_ADMITTED;
}

/* ---- reports ---- */

/* part >= rate * whole, without opening a call late for want of a bit. */
static bool reaches(uint64_t part, double rate, uint64_t whole)
{
    return (double)part + 1e-6 >= rate * (double)whole;
}

/* Opens if the calls of the window say so. */
static void judge(struct breaker *breaker, const struct breaker_settings *settings,
                  uint64_t least_calls, uint64_t now_ms, struct rng *rng)
{
    struct outcome_counts seen =
        outcome_window_count(&breaker->outcomes, now_ms, settings->window_ms);
    if (seen.in_a_row >= settings->consecutive_count) {
        open_up(breaker, settings, BREAKER_CAUSE_IN_A_ROW, now_ms, rng);
    } else if (seen.calls >= least_calls) {
        if (reaches(seen.failures, settings->failure_rate, seen.calls)) {
            open_up(breaker, settings, BREAKER_CAUSE_FAILURE_RATE, now_ms, rng);
        } else if (reaches(seen.slow, settings->slow_rate, seen.calls)) {
            open_up(breaker, settings, BREAKER_CAUSE_SLOW_RATE, now_ms, rng);
        }
    }
}

/* A call of this epoch came back with something to say. */
static void weigh(struct breaker *breaker, const struct breaker_settings *settings, bool good,
                  uint64_t now_ms, struct rng *rng)
{
    switch (breaker_state(breaker)) {
    case BREAKER_HALF_OPEN:
        if (!good) {
            open_up(breaker, settings, BREAKER_CAUSE_BAD_PROBE, now_ms, rng);
        } else if (++breaker->on_trial_good >= settings->probes_count) {
            transition(breaker, settings, BREAKER_RAMP, BREAKER_CAUSE_GOOD_PROBES, 0, now_ms);
        }
        break;
    case BREAKER_RAMP:
        /* There is little to judge by yet, and as much to lose as there was when it opened. */
        if (good) {
            breaker->on_trial_good++;
        } else {
            uint64_t least_calls = 2 * settings->probes_count;
            if (least_calls > settings->min_requests_count) {
                least_calls = settings->min_requests_count;
            }
            judge(breaker, settings, least_calls, now_ms, rng);
        }
        break;
    case BREAKER_CLOSED:
        if (!good) {
            judge(breaker, settings, settings->min_requests_count, now_ms, rng);
        }
        break;
    case BREAKER_FORCED_CLOSED:
    case BREAKER_OPEN:
    case BREAKER_FORCED_OPEN: break;
    }
}

/* The place of a call on trial is free again. */
static void leave(struct breaker *breaker, uint64_t word, bool of_this_epoch)
{
    if (admits_freely(word)) {
        return;
    }
    if (state_of(word) == BREAKER_HALF_OPEN) {
        CHECK(breaker->probes_in_flight > 0);
        breaker->probes_in_flight--;
    }
    if (of_this_epoch) {
        CHECK(breaker->on_trial_in_flight > 0);
        breaker->on_trial_in_flight--;
    }
    enum breaker_state state = breaker_state(breaker);
    if (state == BREAKER_HALF_OPEN || state == BREAKER_RAMP) {
        set_not_before(breaker, 0);
    }
}

__attribute__((noinline)) static void report_guardedly(struct breaker *breaker,
                                                       const struct breaker_settings *settings,
                                                       unsigned worker, uint64_t word,
                                                       enum outcome outcome, uint64_t now_ms,
                                                       struct rng *rng)
{
    pthread_mutex_lock(&breaker->lock);
    bool of_this_epoch = epoch_of(word) == epoch_of(load_word(breaker));
    leave(breaker, word, of_this_epoch);
    if (of_this_epoch && outcome != OUTCOME_IGNORED) {
        struct window_local *calls = &breaker->locals[worker].calls;
        if (outcome == OUTCOME_SUCCESS) {
            outcome_window_add_success(&breaker->outcomes, calls, now_ms, settings->window_ms);
        } else {
            outcome_window_add_bad(&breaker->outcomes, calls, outcome, now_ms, settings->window_ms);
        }
        if (settings->enabled) {
            weigh(breaker, settings, outcome == OUTCOME_SUCCESS, now_ms, rng);
        }
        catch_up(breaker, settings, now_ms);
    }
    pthread_mutex_unlock(&breaker->lock);
}

void breaker_report(struct breaker *breaker, const struct breaker_settings *settings,
                    unsigned worker, struct breaker_ticket *ticket, enum outcome outcome,
                    uint64_t now_ms, struct rng *rng)
{
    uint64_t word = ticket->word;
    CHECK(word != 0);
    ticket->word = 0;
    if (__builtin_expect(admits_freely(word), 1)) {
        if (outcome == OUTCOME_IGNORED) {
            return;
        }
        if (__builtin_expect(outcome == OUTCOME_SUCCESS && word == load_word(breaker), 1)) {
            outcome_window_add_success(&breaker->outcomes, &breaker->locals[worker].calls, now_ms,
                                       settings->window_ms);
            return;
        }
    }
    report_guardedly(breaker, settings, worker, word, outcome, now_ms, rng);
}

/* ---- operators ---- */

void breaker_force(struct breaker *breaker, const struct breaker_settings *settings,
                   enum breaker_force force, uint64_t now_ms)
{
    pthread_mutex_lock(&breaker->lock);
    enum breaker_state state = breaker_state(breaker), to = state;
    switch (force) {
    case BREAKER_FORCE_OPEN: to = BREAKER_FORCED_OPEN; break;
    case BREAKER_FORCE_CLOSED: to = BREAKER_FORCED_CLOSED; break;
    case BREAKER_FORCE_NONE:
        if (state == BREAKER_FORCED_OPEN) {
            to = BREAKER_HALF_OPEN;
        } else if (state == BREAKER_FORCED_CLOSED) {
            to = BREAKER_CLOSED;
        }
        break;
    }
    if (to != state) {
        transition(breaker, settings, to, BREAKER_CAUSE_OPERATOR,
                   to == BREAKER_FORCED_OPEN ? settings->open_max_ms : 0, now_ms);
    }
    pthread_mutex_unlock(&breaker->lock);
}

bool breaker_resume(struct breaker *breaker, const struct breaker_settings *settings,
                    uint64_t outage_ms, uint64_t now_ms)
{
    pthread_mutex_lock(&breaker->lock);
    bool resumes = settings->enabled && breaker_state(breaker) == BREAKER_CLOSED;
    if (resumes) {
        transition(breaker, settings, BREAKER_OPEN, BREAKER_CAUSE_RESTORED, settings->open_min_ms,
                   now_ms);
        breaker->outage_since_ms = now_ms - (outage_ms < now_ms ? outage_ms : now_ms);
    }
    pthread_mutex_unlock(&breaker->lock);
    return resumes;
}

struct breaker_figures breaker_figures(struct breaker *breaker,
                                       const struct breaker_settings *settings, uint64_t now_ms)
{
    pthread_mutex_lock(&breaker->lock);
    struct breaker_figures figures = {
        .state = breaker_state(breaker),
        .since_ms = breaker->since_ms,
        .outage_since_ms = admits_freely(load_word(breaker)) ? 0 : breaker->outage_since_ms,
        .counts = outcome_window_count(&breaker->outcomes, now_ms, settings->window_ms),
        .probes_in_flight = breaker->probes_in_flight,
        .probes_count = breaker->probes_count,
    };
    for (unsigned i = 0; i < BREAKER_STATE_COUNT; i++) {
        figures.entered_count[i] = breaker->entered_count[i];
    }
    pthread_mutex_unlock(&breaker->lock);
    for (unsigned i = 0; i < breaker->worker_count; i++) {
        figures.refused_count +=
            __atomic_load_n(&breaker->locals[i].refused_count, __ATOMIC_RELAXED);
    }
    return figures;
}
