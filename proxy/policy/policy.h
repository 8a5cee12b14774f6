/*
 * Policy of an upstream and of an endpoint: their circuit breakers and budgets, and what these have decided.
 *
 * Owns: the companions of pool/ (struct pools_hooks), which live over reloads like their upstream and endpoint.
 * Thread: created and freed by control; used by any worker, each of which writes only its own local; control reads the
 * figures. Time base: the loop clock, milliseconds.
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
#include "proxy/policy/service_time.h"
#include "proxy/policy/slow_clients.h"
#include "steady/little.h"

struct log;

/* A worker's part of an upstream's policy; one writer. */
struct policy_local {
    uint64_t retries_by_verdict[RETRY_VERDICT_COUNT];
    uint64_t breaker_refused_count; /* requests answered because a breaker refused them */
    uint64_t floor_us; /* estimated shortest time of an answer at floor_ms; 0: unknown */
    uint64_t floor_ms;
    uint64_t answers_count;
    uint64_t most_us; /* with retry.hedge: the 0.95 quantile of the time of answers; 0: unknown */
    uint64_t hedge_credit; /* in 1/HEDGE_COST of a hedge */
    uint64_t hedges_count, hedges_won_count;
    struct usual_time usual;
    struct service_time service;
    struct slow_clients slow_clients;
} __attribute__((aligned(64)));

struct upstream_policy {
    const struct upstream *upstream;
    struct breaker *breaker;
    struct retry_budget *budget;
    struct concurrency_limit adaptive;
    struct little little; /* control: noted at each tick of drift */
    struct log *log;
    /* endpoints whose breaker is guarded, that is, does not admit freely; atomic */
    uint64_t guarded_count;
    struct slow_clients_turn slow_clients_turn;
    uint8_t maintenance; /* why it is closed: enum maintenance_why; control only */
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
/* To be called before the first set of views is built; `env` outlives the pools. */
void policy_accompany(struct pools *pools, const struct policy_env *env);

static inline struct upstream_policy *policy_of(const struct upstream *upstream)
{
    return upstream->companion;
}

/* Whether some endpoint's breaker is guarded, so that endpoints have to be asked for. */
static inline bool policy_guarded(const struct upstream *upstream)
{
    return __atomic_load_n(&policy_of(upstream)->guarded_count, __ATOMIC_RELAXED) > 0;
}

/* Fifty answers earn a hedge; at most this many are kept. */
#define HEDGE_COST 50
#define HEDGE_CREDIT_MOST (10 * HEDGE_COST)
/* With fewer answers the quantile is unknown. */
#define HEDGE_SAMPLES 200

/* An attempt's tickets of the breakers that admitted it; zeroed: none. */
struct policy_tickets {
    struct breaker_ticket upstream, endpoint;
};

/* The caller of a breaker: an exchange at an upstream. */
struct policy_caller {
    const struct upstream_view *view;
    struct breaker_caller by; /* with the settings of the view */
};

enum policy_result { POLICY_ADMITTED, POLICY_UPSTREAM_OPEN, POLICY_ENDPOINT_OPEN };

/* Asks the breakers for an attempt at the endpoint. With POLICY_ADMITTED the tickets must be reported. With
   POLICY_UPSTREAM_OPEN *ret_retry_after_ms says when to ask again. An upstream with one endpoint has one breaker. */
__attribute__((warn_unused_result)) enum policy_result policy_admit(
    const struct policy_caller *caller, const struct endpoint *endpoint,
    struct policy_tickets *ret_tickets, uint64_t *ret_retry_after_ms);

/* Whether the breaker of the upstream is guarded, so that it has to be asked. */
static inline bool policy_guards(const struct upstream *upstream)
{
    return !breaker_admits_freely(breaker_state(policy_of(upstream)->breaker));
}

/* Whether the breaker of the upstream certainly refuses; then *ret_retry_after_ms is set. */
bool policy_refuses(const struct policy_caller *caller, uint64_t *ret_retry_after_ms);

/* Reports the result of the attempt. A second report does nothing. */
void policy_report_endpoint(const struct policy_caller *caller, const struct endpoint *endpoint,
                            struct policy_tickets *tickets, enum outcome outcome);
void policy_report_upstream(const struct policy_caller *caller, struct policy_tickets *tickets,
                            enum outcome outcome);

/* Whether the attempt holds a trial place of a breaker; and giving that place to other exchanges (breaker_yield()). */
bool policy_on_trial(const struct policy_tickets *tickets);
void policy_yield(const struct upstream *upstream, const struct endpoint *endpoint,
                  struct policy_tickets *tickets);

/* The strata of which the endpoint has calls. */
uint32_t policy_endpoint_strata(const struct policy_caller *caller,
                                const struct endpoint *endpoint);

/* For struct pick_options: false if the endpoint's breaker refuses; `owner` is a struct policy_caller. */
bool policy_usable(const struct endpoint *endpoint, void *owner);

/* Whether a call with this latency was slow (breaker.slow_after, and three times the usual time of its path stratum). */
bool policy_is_slow(const struct policy_caller *caller, uint64_t latency_us);
/* Notes the latency of an answer. Returns whether it was slow. */
bool policy_note_latency(struct policy_local *local, const struct breaker_caller *by,
                         uint64_t latency_us);
/* Times of answers over all workers, by what each of them has answered. */
struct service_figures {
    uint64_t answers_count;
    double median_us, most_us; /* most: the 0.99 quantile; 0: unknown */
};
struct service_figures policy_service(const struct upstream *upstream);
/* With retry.hedge: notes the latency of an answer; the 0.95 quantile, 0 after few answers; and whether one more
   request may be hedged, which counts as done. */
void policy_note_most(struct policy_local *local, uint64_t latency_us);
uint64_t policy_most_us(const struct policy_local *local);
__attribute__((warn_unused_result)) bool policy_take_hedge(struct policy_local *local);
/* With limits.adaptive: notes the latency of an answer, and adapts the limit of exchanges in flight. */
void policy_adapt(struct upstream *upstream, const struct upstream_limit_settings *limits,
                  uint64_t latency_us, uint64_t now_ms);
/* The shortest time that an answer takes, as far as this worker knows: a lower latency counts at once, a higher one
   slowly, and without answers the estimate falls. */
uint64_t policy_floor_us(const struct policy_local *local, uint64_t now_ms);

/* Forces the breaker of the upstream as the operator says (control thread). */
void policy_force(const struct upstream *upstream, const struct upstream_settings *settings,
                  enum breaker_force force, uint64_t now_ms);

/* The state of an endpoint's breaker, by its companion. */
const char *policy_endpoint_state(const void *companion);

/* Whether a slow transfer of the slot, counted in `clients`, has to give its place to others who wait; then it is no longer counted. */
bool policy_slow_transfer_goes(const struct policy_caller *caller, struct slow_clients *clients,
                               unsigned slot);

#endif
