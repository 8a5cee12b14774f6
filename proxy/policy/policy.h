/*
 * Policy of an upstream and of an endpoint: the breakers and budgets that proxy/ keeps along with them, and what they have decided.
 *
 * Owns: the companions of pool/ (struct pools_hooks), which live over reloads as their upstream and endpoint do. Thread: created
 * and freed by control; asked by any worker, each of which writes its own local only; figures are read by control.
 * Time base: the loop clock, milliseconds.
 */
#ifndef EVENKEEL_PROXY_POLICY_POLICY_H
#define EVENKEEL_PROXY_POLICY_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#include "breaker/breaker.h"
#include "breaker/concurrency_limit.h"
#include "breaker/retry_budget.h"
#include "breaker/usual_time.h"
#include "pool/upstream.h"
#include "proxy/policy/retry.h"

struct log;

/* What a worker keeps of an upstream; one writer. */
struct policy_local {
    uint64_t retries_by_verdict[RETRY_VERDICT_COUNT];
    uint64_t breaker_refused_count; /* requests answered because a breaker let none through */
    uint64_t floor_us;              /* what an answer takes at least, as of floor_ms; 0: unknown */
    uint64_t floor_ms;
    uint64_t answers_count;
    uint64_t most_us;      /* with retry.hedge: what 95 of 100 answers take at most; 0: unknown */
    uint64_t hedge_credit; /* in 1/HEDGE_COST of a hedge */
    uint64_t hedges_count, hedges_won_count;
    struct usual_time usual;
} __attribute__((aligned(64)));

struct upstream_policy {
    const struct upstream *upstream;
    struct breaker *breaker;
    struct retry_budget *budget;
    struct concurrency_limit adaptive;
    struct log *log;
    uint64_t guarded_count; /* endpoints whose breaker does not admit freely; atomic */
    unsigned worker_count;
    struct policy_local locals[];
};

struct endpoint_policy {
    struct upstream_policy *upstream;
    const struct endpoint *endpoint;
    struct breaker *breaker;
};

struct policy_env {
    struct log *log;
    unsigned worker_count;
};
/* Before the first set of views is built; `env` outlives the pools. */
void policy_accompany(struct pools *pools, const struct policy_env *env);

static inline struct upstream_policy *policy_of(const struct upstream *upstream)
{
    return upstream->companion;
}

/* Some endpoint's breaker does not admit freely: endpoints have to be asked for. */
static inline bool policy_guarded(const struct upstream *upstream)
{
    return __atomic_load_n(&policy_of(upstream)->guarded_count, __ATOMIC_RELAXED) > 0;
}

/* Fifty answers earn a hedge; not more than this are kept. */
#define HEDGE_COST 50
#define HEDGE_CREDIT_MOST (10 * HEDGE_COST)
/* Fewer answers say nothing of what most take. */
#define HEDGE_SAMPLES 200

/* What an attempt holds of the breakers it was admitted by; zeroed: nothing. */
struct policy_tickets {
    struct breaker_ticket upstream, endpoint;
};

/* Who asks: a caller at an upstream. */
struct policy_caller {
    const struct upstream_view *view;
    struct breaker_caller by; /* its settings are the view's */
};

enum policy_result { POLICY_ADMITTED, POLICY_UPSTREAM_OPEN, POLICY_ENDPOINT_OPEN };

/* Asks the breakers for an attempt at the endpoint; on POLICY_ADMITTED the tickets are to be reported, on POLICY_UPSTREAM_OPEN
   *ret_retry_after_ms says when asking again may help. An upstream with one endpoint has one breaker. */
__attribute__((warn_unused_result)) enum policy_result policy_admit(
    const struct policy_caller *caller, const struct endpoint *endpoint,
    struct policy_tickets *ret_tickets, uint64_t *ret_retry_after_ms);

/* The breaker of the upstream does not admit freely: it has to be asked. */
static inline bool policy_guards(const struct upstream *upstream)
{
    return !breaker_admits_freely(breaker_state(policy_of(upstream)->breaker));
}

/* The breaker of the upstream surely refuses; *ret_retry_after_ms is set then. */
bool policy_refuses(const struct policy_caller *caller, uint64_t *ret_retry_after_ms);

/* What became of the attempt. Reporting what was reported already does nothing. */
void policy_report_endpoint(const struct policy_caller *caller, const struct endpoint *endpoint,
                            struct policy_tickets *tickets, enum outcome outcome);
void policy_report_upstream(const struct policy_caller *caller, struct policy_tickets *tickets,
                            enum outcome outcome);

/* Whether the attempt holds a place on trial of a breaker, and that it gives it to others (breaker_yield()). */
bool policy_on_trial(const struct policy_tickets *tickets);
void policy_yield(const struct upstream *upstream, const struct endpoint *endpoint,
                  struct policy_tickets *tickets);

/* The strata that the endpoint has calls of. */
uint32_t policy_endpoint_strata(const struct policy_caller *caller,
                                const struct endpoint *endpoint);

/* For struct pick_options: false when the endpoint's breaker refuses; `owner` is a struct policy_caller. */
bool policy_usable(const struct endpoint *endpoint, void *owner);

/* Whether a call that took so long was slow (breaker.slow_after, and three times what its path stratum usually takes). */
bool policy_is_slow(const struct policy_caller *caller, uint64_t latency_us);
/* An answer took so long. Returns whether it was slow. */
bool policy_note_latency(struct policy_local *local, const struct breaker_caller *by,
                         uint64_t latency_us);
/* With retry.hedge: an answer took so long; what most take, 0 as long as there were few; and whether one more may be hedged, which
   counts as done. */
void policy_note_most(struct policy_local *local, uint64_t latency_us);
uint64_t policy_most_us(const struct policy_local *local);
__attribute__((warn_unused_result)) bool policy_take_hedge(struct policy_local *local);
/* With limits.adaptive: an answer took so long, and the limit of what is in flight follows. */
void policy_adapt(struct upstream *upstream, const struct upstream_limit_settings *limits,
                  uint64_t latency_us, uint64_t now_ms);
/* What an answer takes at least, as far as the local knows: lower latencies at once, higher ones slowly, less and less believed when
   none come. */
uint64_t policy_floor_us(const struct policy_local *local, uint64_t now_ms);

/* An operator's word for the upstream (control thread). */
void policy_force(const struct upstream *upstream, const struct upstream_settings *settings,
                  enum breaker_force force, uint64_t now_ms);

/* The state of an endpoint's breaker, by its companion. */
const char *policy_endpoint_state(const void *companion);

#endif
