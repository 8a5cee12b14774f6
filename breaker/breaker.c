/* The states closed, open, half-open and ramp. */
#include "breaker/breaker.h"

#include <pthread.h>
#include <stdlib.h>

#include "breaker/evidence.h"
#include "steady/check.h"
#include "steady/counter.h"
#include "steady/deadline.h"
#include "steady/enum_names.h"
#include "steady/fault.h"

/* The time is shortened, never lengthened, so that an outage is noticed as over within open_share of its length. */
#define OPEN_JITTER_SHARE 0.2

/* The word of the state: an epoch in the high bits, the state in the low ones. A new epoch begins with every open and
   half-open; the results of tickets of an older epoch are not counted. */
#define STATE_BITS 3
#define STATE_MASK ((UINT64_C(1) << STATE_BITS) - 1)
/* A bit in a ticket's word: the call has given its trial place back. */
#define YIELDED (UINT64_C(1) << 63)

/* One thread's counter. */
struct refusals {
    uint64_t count;
} __attribute__((aligned(WINDOW_CACHE_LINE)));

struct breaker {
    /* Read without the lock. Together with the head of the window this is one cache line, which no thread writes while
       all calls succeed. */
    uint64_t word; /* written by transition() only */
    /* no call is admitted before this time unless calls are admitted freely */
    uint64_t not_before_ms;
    struct evidence evidence;

    /* Protected by the lock. */
    pthread_mutex_t lock;
    uint64_t since_ms;
    uint64_t outage_since_ms;
    /* half-open: one more probe goes then, even if none has a result; atomic */
    uint64_t patience_end_ms;
    uint64_t probes_in_flight;   /* of all epochs: never more than settings.probes_count */
    uint64_t on_trial_in_flight; /* probes and calls of the ramp, of this epoch */
    uint64_t on_trial_good;      /* those of them that succeeded */
    uint64_t bad_in_a_row;       /* failed probes of this epoch in a row */
    uint32_t bad_strata;         /* strata of failed probes of this epoch; atomic */
    /* strata that had traffic when it first opened, or have had since; atomic */
    uint32_t asked_strata;
    uint64_t probes_count;
    uint64_t entered_count[BREAKER_STATE_COUNT];
    breaker_change_fn *on_change;
    void *owner;

    unsigned worker_count;
    struct refusals *refusals; /* behind the locals */
    struct evidence_local locals[];
};

_Static_assert(offsetof(struct breaker, evidence.outcomes.window.base) < WINDOW_CACHE_LINE,
               "a success reads one shared cache line");

ENUM_NAME_FUNCTION(breaker_state_name, enum breaker_state, BREAKER_STATES)

ENUM_NAME_FUNCTION(breaker_cause_name, enum breaker_cause, BREAKER_CAUSES)

struct breaker *breaker_create(unsigned worker_count, breaker_change_fn *on_change, void *owner)
{
    CHECK(worker_count > 0);
    size_t bytes = sizeof(struct breaker) +
                   worker_count * (sizeof(struct evidence_local) + sizeof(struct refusals));
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
    breaker->refusals = (struct refusals *)(void *)&breaker->locals[worker_count];
    for (unsigned i = 0; i < worker_count; i++) {
        breaker->locals[i] = (struct evidence_local){.calls = {0}};
        breaker->refusals[i] = (struct refusals){0};
    }
    evidence_init(&breaker->evidence, breaker->locals, worker_count);
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

static void set_patience(struct breaker *breaker, uint64_t time_ms)
{
    __atomic_store_n(&breaker->patience_end_ms, time_ms, __ATOMIC_RELAXED);
}

static uint64_t patience_end(const struct breaker *breaker)
{
    return __atomic_load_n(&breaker->patience_end_ms, __ATOMIC_RELAXED);
}

static uint32_t load(const uint32_t *value)
{
    return __atomic_load_n(value, __ATOMIC_RELAXED);
}

static void store(uint32_t *value, uint32_t n)
{
    __atomic_store_n(value, n, __ATOMIC_RELAXED);
}

/* ---- transitions: the lock is held ---- */

static bool is_open(enum breaker_state state)
{
    return state == BREAKER_OPEN || state == BREAKER_FORCED_OPEN;
}

/* Time since it first opened; 0 if it admits freely. */
static uint64_t outage_age_ms(const struct breaker *breaker, uint64_t now_ms)
{
    bool is_over = admits_freely(load_word(breaker)) || now_ms < breaker->outage_since_ms;
    return is_over ? 0 : now_ms - breaker->outage_since_ms;
}

/* open_ms: how long a new open state lasts; else 0. */
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
        .seen = evidence_count(&breaker->evidence, settings, now_ms),
        .outage_ms = outage_age_ms(breaker, now_ms),
        .open_ms = open_ms,
    };

    bool new_epoch = is_open(to) || to == BREAKER_HALF_OPEN;
    if (new_epoch) {
        breaker->on_trial_in_flight = breaker->on_trial_good = 0;
    }
    if (is_open(from)) {
        evidence_clear(&breaker->evidence, now_ms, settings->window_ms);
    }
    if (outage_begins) {
        breaker->outage_since_ms = now_ms;
        store(&breaker->asked_strata, evidence_strata(&breaker->evidence, settings, now_ms));
    }
    breaker->since_ms = now_ms;
    breaker->bad_in_a_row = 0;
    store(&breaker->bad_strata, 0);
    set_patience(breaker, 0);
    breaker->entered_count[to]++;
    set_not_before(breaker, open_ms > 0 ? deadline_after(now_ms, open_ms) : 0);
    __atomic_store_n(&breaker->word, (epoch_of(word) + new_epoch) << STATE_BITS | to,
                     __ATOMIC_RELAXED);
    if (breaker->on_change != NULL) {
        breaker->on_change(&change, breaker->owner);
    }
}

/* How long it stays open after an outage of this age, or waits for a probe without a result. */
static uint64_t pause_ms(const struct breaker *breaker, const struct breaker_settings *settings,
                         uint64_t now_ms)
{
    double share_ms = settings->open_share * (double)outage_age_ms(breaker, now_ms);
    if (share_ms <= (double)settings->open_min_ms) {
        return settings->open_min_ms;
    }
    return share_ms < (double)settings->open_max_ms ? (uint64_t)share_ms : settings->open_max_ms;
}

static void open_up(struct breaker *breaker, const struct breaker_caller *caller,
                    enum breaker_cause cause)
{
    uint64_t open_ms = rng_shorten(caller->rng, pause_ms(breaker, caller->settings, caller->now_ms),
                                   OPEN_JITTER_SHARE);
    transition(breaker, caller->settings, BREAKER_OPEN, cause, open_ms, caller->now_ms);
}

/* Changes of state by time and settings alone. */
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

/* A trial grows with its successes: each frees its own place and adds another. */
static bool has_space(const struct breaker *breaker, const struct breaker_caller *caller)
{
    switch (breaker_state(breaker)) {
    case BREAKER_CLOSED:
    case BREAKER_FORCED_CLOSED: return true;
    case BREAKER_OPEN:
    case BREAKER_FORCED_OPEN: return false;
    case BREAKER_HALF_OPEN:
        return breaker->probes_in_flight < caller->settings->probes_count &&
               (breaker->on_trial_in_flight <= breaker->on_trial_good ||
                caller->now_ms >= patience_end(breaker));
    case BREAKER_RAMP: return breaker->on_trial_in_flight < breaker->on_trial_good;
    }
    return false;
}

static enum breaker_result let_through(struct breaker *breaker, const struct breaker_caller *caller)
{
    switch (breaker_state(breaker)) {
    case BREAKER_HALF_OPEN:
        breaker->on_trial_in_flight++;
        breaker->probes_in_flight++;
        breaker->probes_count++;
        set_patience(breaker, deadline_after(caller->now_ms,
                                             pause_ms(breaker, caller->settings, caller->now_ms)));
        return BREAKER_PROBE;
    case BREAKER_RAMP: breaker->on_trial_in_flight++; return BREAKER_ADMITTED;
    case BREAKER_CLOSED:
    case BREAKER_FORCED_CLOSED:
    case BREAKER_OPEN:
    case BREAKER_FORCED_OPEN: break;
    }
    return BREAKER_ADMITTED;
}

static enum breaker_result refuse(struct breaker *breaker, const struct breaker_caller *caller,
                                  uint64_t *ret_retry_after_ms)
{
    uint64_t left_ms = deadline_left_ms(not_before(breaker), caller->now_ms);
    *ret_retry_after_ms = left_ms > 0 ? left_ms : 1;
    stat_add(&breaker->refusals[caller->worker].count, 1);
    return BREAKER_REFUSED;
}

/* Whether all callers are in one stratum. */
static bool is_lone(const struct breaker *breaker, enum strata_side side)
{
    return strata_count(load(&breaker->asked_strata), side) < 2;
}

/* Whether a probe of the same client or path has failed: then others go first, as long as they ask too. */
static bool has_had_its_turn(const struct breaker *breaker, const struct breaker_caller *caller)
{
    uint32_t bad = load(&breaker->bad_strata) & strata_bits(caller->strata);
    if (bad == 0 || caller->now_ms >= patience_end(breaker)) {
        return false;
    }
    return ((bad & STRATA_OF_SIDE(STRATA_BY_CLIENT)) != 0 && !is_lone(breaker, STRATA_BY_CLIENT)) ||
           ((bad & STRATA_OF_SIDE(STRATA_BY_PATH)) != 0 && !is_lone(breaker, STRATA_BY_PATH));
}

static void note_asked(struct breaker *breaker, struct strata strata)
{
    uint32_t bits = strata_bits(strata);
    if ((bits & ~load(&breaker->asked_strata)) != 0) {
        __atomic_fetch_or(&breaker->asked_strata, bits, __ATOMIC_RELAXED);
    }
}

__attribute__((noinline)) static enum breaker_result admit_guardedly(
    struct breaker *breaker, const struct breaker_caller *caller, struct breaker_ticket *ret_ticket,
    uint64_t *ret_retry_after_ms)
{
    note_asked(breaker, caller->strata);
    if (caller->settings->enabled &&
        (caller->now_ms < not_before(breaker) || has_had_its_turn(breaker, caller))) {
        return refuse(breaker, caller, ret_retry_after_ms);
    }
    pthread_mutex_lock(&breaker->lock);
    catch_up(breaker, caller->settings, caller->now_ms);
    enum breaker_result result = BREAKER_REFUSED;
    if (has_space(breaker, caller)) {
        ret_ticket->word = load_word(breaker);
        result = let_through(breaker, caller);
    } else if (caller->now_ms >= not_before(breaker)) {
        /* There is no place. A report that frees one resets this. Checking again costs the lock, so not before some
           time. */
        set_not_before(breaker, deadline_after(caller->now_ms, caller->settings->open_min_ms));
    }
    pthread_mutex_unlock(&breaker->lock);
    return result == BREAKER_REFUSED ? refuse(breaker, caller, ret_retry_after_ms) : result;
}

enum breaker_result breaker_admit(struct breaker *breaker, const struct breaker_caller *caller,
                                  struct breaker_ticket *ret_ticket, uint64_t *ret_retry_after_ms)
{
    uint64_t word = load_word(breaker);
    if (__builtin_expect(!admits_freely(word), 0)) {
        return admit_guardedly(breaker, caller, ret_ticket, ret_retry_after_ms);
    }
    ret_ticket->word = word;
    return BREAKER_ADMITTED;
}

/* ---- reports ---- */

/* Opens if the calls of the window say so. */
static void judge(struct breaker *breaker, const struct breaker_caller *caller,
                  uint64_t least_calls)
{
    static const enum breaker_cause causes[] = {
        [FINDING_IN_A_ROW] = BREAKER_CAUSE_IN_A_ROW,
        [FINDING_FAILURE_RATE] = BREAKER_CAUSE_FAILURE_RATE,
        [FINDING_SLOW_RATE] = BREAKER_CAUSE_SLOW_RATE,
    };
    enum finding finding =
        evidence_judge(&breaker->evidence, caller->settings, least_calls, caller->now_ms);
    if (finding != FINDING_NONE) {
        open_up(breaker, caller, causes[finding]);
    }
}

/* Failures of a single client or path do not stop the trial for the others. Unless a probe has succeeded, it takes a
   failed probe of another client and path; and always as many failures in a row as there are probes at a time. If
   nobody was reached, one failure is enough. */
static bool is_bad_yet(struct breaker *breaker, const struct breaker_caller *caller,
                       enum outcome outcome)
{
    uint32_t bad = load(&breaker->bad_strata) | strata_bits(caller->strata);
    bool one_client = is_lone(breaker, STRATA_BY_CLIENT),
         one_path = is_lone(breaker, STRATA_BY_PATH);
    store(&breaker->bad_strata, bad);
    breaker->bad_in_a_row++;
    if (outcome == OUTCOME_UNREACHED || breaker->bad_in_a_row >= caller->settings->probes_count ||
        (one_client && one_path)) {
        return true;
    }
    return breaker->on_trial_good == 0 && (one_client || strata_count(bad, STRATA_BY_CLIENT) > 1) &&
           (one_path || strata_count(bad, STRATA_BY_PATH) > 1);
}

static void weigh_probe(struct breaker *breaker, const struct breaker_caller *caller,
                        enum outcome outcome)
{
    if (outcome != OUTCOME_SUCCESS) {
        if (is_bad_yet(breaker, caller, outcome)) {
            open_up(breaker, caller, BREAKER_CAUSE_BAD_PROBE);
        }
        return;
    }
    breaker->bad_in_a_row = 0;
    if (++breaker->on_trial_good >= caller->settings->probes_count) {
        transition(breaker, caller->settings, BREAKER_RAMP, BREAKER_CAUSE_GOOD_PROBES, 0,
                   caller->now_ms);
    }
}

/* In the ramp there are few calls to judge by, and as much to lose as when it opened. */
static void weigh_in_ramp(struct breaker *breaker, const struct breaker_caller *caller, bool good)
{
    uint64_t few = 2 * caller->settings->probes_count;
    uint64_t least_calls = caller->settings->min_requests_count;
    if (good) {
        breaker->on_trial_good++;
    } else {
        judge(breaker, caller, few < least_calls ? few : least_calls);
    }
}

/* Handles the result of a call of this epoch. */
static void weigh(struct breaker *breaker, const struct breaker_caller *caller,
                  enum outcome outcome)
{
    bool good = outcome == OUTCOME_SUCCESS;
    switch (breaker_state(breaker)) {
    case BREAKER_HALF_OPEN: weigh_probe(breaker, caller, outcome); break;
    case BREAKER_RAMP: weigh_in_ramp(breaker, caller, good); break;
    case BREAKER_CLOSED:
        if (!good) {
            judge(breaker, caller, caller->settings->min_requests_count);
        }
        break;
    case BREAKER_FORCED_CLOSED:
    case BREAKER_OPEN:
    case BREAKER_FORCED_OPEN: break;
    }
}

/* Frees the trial place of a call. */
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
                                                       const struct breaker_caller *caller,
                                                       uint64_t word, enum outcome outcome)
{
    pthread_mutex_lock(&breaker->lock);
    bool of_this_epoch = epoch_of(word & ~YIELDED) == epoch_of(load_word(breaker));
    if ((word & YIELDED) == 0) {
        leave(breaker, word, of_this_epoch);
    }
    if (of_this_epoch && outcome != OUTCOME_IGNORED) {
        evidence_add(&breaker->evidence, &breaker->locals[caller->worker], caller->strata, outcome,
                     caller->now_ms, caller->settings->window_ms);
        if (caller->settings->enabled) {
            weigh(breaker, caller, outcome);
        }
        catch_up(breaker, caller->settings, caller->now_ms);
    }
    pthread_mutex_unlock(&breaker->lock);
}

void breaker_report(struct breaker *breaker, const struct breaker_caller *caller,
                    struct breaker_ticket *ticket, enum outcome outcome)
{
    uint64_t word = ticket->word;
    CHECK(word != 0);
    ticket->word = 0;
    if (__builtin_expect(admits_freely(word), 1)) {
        if (outcome == OUTCOME_IGNORED) {
            return;
        }
        if (__builtin_expect(outcome == OUTCOME_SUCCESS && word == load_word(breaker) &&
                                 evidence_try_good(&breaker->evidence,
                                                   &breaker->locals[caller->worker], caller->strata,
                                                   caller->now_ms),
                             1)) {
            return;
        }
    }
    report_guardedly(breaker, caller, word, outcome);
}

bool breaker_ticket_on_trial(const struct breaker_ticket *ticket)
{
    return !admits_freely(ticket->word) && (ticket->word & YIELDED) == 0;
}

void breaker_yield(struct breaker *breaker, struct breaker_ticket *ticket)
{
    CHECK(breaker_ticket_on_trial(ticket));
    pthread_mutex_lock(&breaker->lock);
    leave(breaker, ticket->word, epoch_of(ticket->word) == epoch_of(load_word(breaker)));
    pthread_mutex_unlock(&breaker->lock);
    ticket->word |= YIELDED;
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

uint32_t breaker_strata(struct breaker *breaker, const struct breaker_settings *settings,
                        uint64_t now_ms)
{
    pthread_mutex_lock(&breaker->lock);
    uint32_t set = evidence_strata(&breaker->evidence, settings, now_ms);
    if (!admits_freely(load_word(breaker))) {
        set |= load(&breaker->asked_strata);
    }
    pthread_mutex_unlock(&breaker->lock);
    return set;
}

struct breaker_figures breaker_figures(struct breaker *breaker,
                                       const struct breaker_settings *settings, uint64_t now_ms)
{
    pthread_mutex_lock(&breaker->lock);
    struct breaker_figures figures = {
        .state = breaker_state(breaker),
        .since_ms = breaker->since_ms,
        .outage_since_ms = admits_freely(load_word(breaker)) ? 0 : breaker->outage_since_ms,
        .counts = evidence_count(&breaker->evidence, settings, now_ms),
        .failed_share = evidence_failed_share(&breaker->evidence, settings, now_ms),
        .probes_in_flight = breaker->probes_in_flight,
        .probes_count = breaker->probes_count,
    };
    for (unsigned i = 0; i < BREAKER_STATE_COUNT; i++) {
        figures.entered_count[i] = breaker->entered_count[i];
    }
    pthread_mutex_unlock(&breaker->lock);
    for (unsigned i = 0; i < breaker->worker_count; i++) {
        figures.refused_count += __atomic_load_n(&breaker->refusals[i].count, __ATOMIC_RELAXED);
    }
    return figures;
}
