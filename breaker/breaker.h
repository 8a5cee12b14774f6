/*
 * Circuit breaker: whether calls to an upstream or an endpoint are let through, decided by the results of earlier
 * calls.
 *
 * Owns: the results of the last seconds, also by stratum (steady/strata.h); its state; the calls on trial. One breaker
 * serves all workers, over reloads: settings are an argument of every call. Thread: any; `worker` is the caller's
 * worker index and belongs to one thread. While calls are admitted freely, admitting reads one word and a success
 * writes only to its own worker's part. Everything else runs under a mutex that is held for some hundred instructions,
 * in which the hook also runs. Time base: milliseconds, monotonic; threads may differ by some milliseconds. Errors:
 * NULL from breaker_create() only. Spec: docs/internals/breaker.md has the states, their transitions and the memory
 * model.
 */
#ifndef EVENKEEL_BREAKER_BREAKER_H
#define EVENKEEL_BREAKER_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

#include "breaker/outcome_window.h"
#include "conf/settings.h"
#include "steady/enum_names.h"
#include "steady/rng.h"

/* The first two states admit calls freely. */
#define BREAKER_STATES(X)                     \
    X(BREAKER_CLOSED, "closed")               \
    X(BREAKER_FORCED_CLOSED, "forced_closed") \
    X(BREAKER_OPEN, "open")                   \
    X(BREAKER_HALF_OPEN, "half_open")         \
    X(BREAKER_RAMP, "ramp")                   \
    X(BREAKER_FORCED_OPEN, "forced_open")

enum breaker_state { ENUM_VALUES(BREAKER_STATES) };
#define BREAKER_STATE_COUNT ENUM_COUNT(BREAKER_STATES)
const char *breaker_state_name(enum breaker_state value);
static inline bool breaker_admits_freely(enum breaker_state state)
{
    return state <= BREAKER_FORCED_CLOSED;
}

/* Why the state changed. */
#define BREAKER_CAUSES(X)                         \
    X(BREAKER_CAUSE_FAILURE_RATE, "failure_rate") \
    X(BREAKER_CAUSE_SLOW_RATE, "slow_rate")       \
    X(BREAKER_CAUSE_IN_A_ROW, "in_a_row")         \
    X(BREAKER_CAUSE_BAD_PROBE, "bad_probe")       \
    X(BREAKER_CAUSE_GOOD_PROBES, "good_probes")   \
    X(BREAKER_CAUSE_TIME, "time")                 \
    X(BREAKER_CAUSE_OPERATOR, "operator")         \
    X(BREAKER_CAUSE_RESTORED, "restored")         \
    X(BREAKER_CAUSE_DISABLED, "disabled")

enum breaker_cause { ENUM_VALUES(BREAKER_CAUSES) };
const char *breaker_cause_name(enum breaker_cause value);

#define BREAKER_RESULTS(X)                              \
    X(BREAKER_ADMITTED, "admitted")                     \
    X(BREAKER_PROBE, "probe") /* admitted as a probe */ \
    X(BREAKER_REFUSED, "refused")
enum breaker_result { ENUM_VALUES(BREAKER_RESULTS) };

/* An admission, to be reported exactly once. */
struct breaker_ticket {
    uint64_t word; /* 0: none */
};

struct breaker_change {
    enum breaker_state from, to;
    enum breaker_cause cause;
    struct outcome_counts seen; /* the results that led to the decision */
    uint64_t outage_ms;         /* since it first opened; 0 if it opens now */
    uint64_t open_ms;           /* for a change to OPEN: how long */
};
/* Called for every change, in order. Must not call the breaker. */
typedef void breaker_change_fn(const struct breaker_change *change, void *owner);

struct breaker;

/* worker_count: workers. on_change may be NULL. NULL when memory is exhausted. */
struct breaker *breaker_create(unsigned worker_count, breaker_change_fn *on_change, void *owner);
/* NULL is fine. */
void breaker_free(struct breaker **breaker);

/* A caller: a worker, for a request of these strata, at a time. */
struct breaker_caller {
    const struct breaker_settings *settings;
    struct rng *rng; /* used by reports */
    uint64_t now_ms;
    unsigned worker;
    struct strata strata;
};

/* With BREAKER_REFUSED sets *ret_retry_after_ms, at least 1: when to ask again; else sets *ret_ticket. */
__attribute__((warn_unused_result)) enum breaker_result breaker_admit(
    struct breaker *breaker, const struct breaker_caller *caller, struct breaker_ticket *ret_ticket,
    uint64_t *ret_retry_after_ms);

/* Reports the result of an admitted call; nulls the ticket. The results of calls that were admitted before the breaker
   opened are not counted. */
void breaker_report(struct breaker *breaker, const struct breaker_caller *caller,
                    struct breaker_ticket *ticket, enum outcome outcome);

/* Whether the call holds one of the few trial places, as a probe or in the ramp. */
bool breaker_ticket_on_trial(const struct breaker_ticket *ticket);
/* The call will take longer for a reason that is not the upstream's: its trial place is given to another call. It is
   reported all the same, and its result counts. */
void breaker_yield(struct breaker *breaker, struct breaker_ticket *ticket);

enum breaker_force { BREAKER_FORCE_NONE, BREAKER_FORCE_OPEN, BREAKER_FORCE_CLOSED };
/* The operator's setting holds until it is taken back (NONE). Then a breaker that was forced open becomes half-open,
   and one that was forced closed becomes closed. */
void breaker_force(struct breaker *breaker, const struct breaker_settings *settings,
                   enum breaker_force force, uint64_t now_ms);

/* An earlier process saw an outage of this age: behaves as if it had opened then and were to become half-open after
   breaker.open_min. Does nothing unless it is enabled and admits freely. True: it is open now. */
bool breaker_resume(struct breaker *breaker, const struct breaker_settings *settings,
                    uint64_t outage_ms, uint64_t now_ms);

/* Whether admitting would certainly refuse, so that another endpoint is tried first. Takes no lock. */
bool breaker_refuses(const struct breaker *breaker, const struct breaker_settings *settings,
                     uint64_t now_ms);
enum breaker_state breaker_state(const struct breaker *breaker);
/* The strata with traffic: with calls in the window or, while calls are not admitted freely, with callers. */
uint32_t breaker_strata(struct breaker *breaker, const struct breaker_settings *settings,
                        uint64_t now_ms);

struct breaker_figures {
    enum breaker_state state;
    uint64_t since_ms;        /* time of the last change; 0: none */
    uint64_t outage_since_ms; /* when it first opened; 0: it admits freely */
    struct outcome_counts counts;
    double failed_share; /* the share that decides */
    uint64_t entered_count[BREAKER_STATE_COUNT];
    uint64_t probes_in_flight;
    uint64_t probes_count;
    uint64_t refused_count;
};
struct breaker_figures breaker_figures(struct breaker *breaker,
                                       const struct breaker_settings *settings, uint64_t now_ms);

#endif
