/*
 * Breaker: whether calls to an upstream or an endpoint are let through, decided by what became of earlier ones.
 *
 * Owns: the outcomes of the last seconds, also by stratum (steady/strata.h), its state, who is on trial. One for all workers, over
 * reloads: settings are an argument of every call. Thread: any; `worker` is the caller's worker index and belongs to one thread. While calls are admitted freely
 * admitting reads one word and a success writes to its own worker only; everything else is done under a mutex, held for some
 * hundred instructions, in which the hook runs. Time base: milliseconds, monotonic; threads may differ by some milliseconds.
 * Errors: NULL from breaker_create() only. Spec: docs/internals/breaker.md has the states, their transitions and the memory model.
 */
#ifndef EVENKEEL_BREAKER_BREAKER_H
#define EVENKEEL_BREAKER_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

#include "breaker/outcome_window.h"
#include "conf/settings.h"
#include "steady/enum_names.h"
#include "steady/rng.h"

/* The first two admit freely. */
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

#define BREAKER_RESULTS(X)                                             \
    X(BREAKER_ADMITTED, "admitted")                                    \
    X(BREAKER_PROBE, "probe") /* admitted to see whether it is over */ \
    X(BREAKER_REFUSED, "refused")
enum breaker_result { ENUM_VALUES(BREAKER_RESULTS) };

/* An admission, to be reported exactly once. */
struct breaker_ticket {
    uint64_t word; /* 0: none */
};

struct breaker_change {
    enum breaker_state from, to;
    enum breaker_cause cause;
    struct outcome_counts seen; /* what it was decided on */
    uint64_t outage_ms;         /* since it first opened; 0 when this is the beginning */
    uint64_t open_ms;           /* into OPEN: for how long */
};
/* Told of every change, in order. Must not call the breaker. */
typedef void breaker_change_fn(const struct breaker_change *change, void *owner);

struct breaker;

/* worker_count: workers. on_change may be NULL. NULL when memory is exhausted. */
struct breaker *breaker_create(unsigned worker_count, breaker_change_fn *on_change, void *owner);
/* NULL is fine. */
void breaker_free(struct breaker **breaker);

/* Who calls, and when: a worker, for a request of these strata. */
struct breaker_caller {
    const struct breaker_settings *settings;
    struct rng *rng; /* for reports */
    uint64_t now_ms;
    unsigned worker;
    struct strata strata;
};

/* On BREAKER_REFUSED sets *ret_retry_after_ms, at least 1: when asking again may help; else sets *ret_ticket. */
__attribute__((warn_unused_result)) enum breaker_result breaker_admit(
    struct breaker *breaker, const struct breaker_caller *caller, struct breaker_ticket *ret_ticket,
    uint64_t *ret_retry_after_ms);

/* What became of an admitted call; nulls the ticket. Calls admitted before the breaker opened do not count any more. */
void breaker_report(struct breaker *breaker, const struct breaker_caller *caller,
                    struct breaker_ticket *ticket, enum outcome outcome);

/* The call holds one of the few places of a trial, a probe's or one of the ramp. */
bool breaker_ticket_on_trial(const struct breaker_ticket *ticket);
/* Such a call will take a while for which nobody here is to blame: its place is another's. It is reported all the same, and counts
   for what it says. */
void breaker_yield(struct breaker *breaker, struct breaker_ticket *ticket);

enum breaker_force { BREAKER_FORCE_NONE, BREAKER_FORCE_OPEN, BREAKER_FORCE_CLOSED };
/* An operator's word stands until it is taken back (NONE): then a breaker forced open tries with probes, one forced closed is
   closed. */
void breaker_force(struct breaker *breaker, const struct breaker_settings *settings,
                   enum breaker_force force, uint64_t now_ms);

/* An earlier process saw an outage that had lasted so long: as if it had opened then and were to try with probes after
   breaker.open_min. Nothing happens unless it admits freely and is enabled. True: it is open now. */
bool breaker_resume(struct breaker *breaker, const struct breaker_settings *settings,
                    uint64_t outage_ms, uint64_t now_ms);

/* Whether admitting would surely refuse, to look for another endpoint first. Takes no lock. */
bool breaker_refuses(const struct breaker *breaker, const struct breaker_settings *settings,
                     uint64_t now_ms);
enum breaker_state breaker_state(const struct breaker *breaker);
/* The strata that have traffic: calls in the window or, while not all are admitted freely, who asks. */
uint32_t breaker_strata(struct breaker *breaker, const struct breaker_settings *settings,
                        uint64_t now_ms);

struct breaker_figures {
    enum breaker_state state;
    uint64_t since_ms;        /* of the last change, 0 when there was none */
    uint64_t outage_since_ms; /* when it first opened, 0 when it admits freely */
    struct outcome_counts counts;
    double failed_share; /* that is judged by */
    uint64_t entered_count[BREAKER_STATE_COUNT];
    uint64_t probes_in_flight;
    uint64_t probes_count;
    uint64_t refused_count;
};
struct breaker_figures breaker_figures(struct breaker *breaker,
                                       const struct breaker_settings *settings, uint64_t now_ms);

#endif
