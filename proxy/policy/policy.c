/* Circuit breakers and budgets beside upstreams and endpoints. */
#include "proxy/policy/policy.h"

#include <stdlib.h>

#include "proxy/log/log.h"
#include "proxy/worker/stats.h"

/* The floor rises by the difference shifted by this, so that it follows a higher latency in about a hundred answers. */
#define FLOOR_RISE_SHIFT 6

/* ---- companions ---- */

static void tell(struct log *log, const char *upstream, const char *endpoint,
                 const struct breaker_change *change)
{
    bool opens = change->to == BREAKER_OPEN || change->to == BREAKER_FORCED_OPEN;
    log_event(
        log, EVENT_BREAKER, opens ? LOG_LEVEL_WARN : LOG_LEVEL_INFO,
        "upstream %s:%s%s breaker %s -> %s: %s; %llu calls, %llu failed, %llu slow, %llu failed in a row; outage %llu "
        "ms, open for %llu ms",
        upstream, endpoint[0] != '\0' ? " endpoint " : "", endpoint,
        breaker_state_name(change->from), breaker_state_name(change->to),
        breaker_cause_name(change->cause), (unsigned long long)change->seen.calls,
        (unsigned long long)change->seen.failures, (unsigned long long)change->seen.slow,
        (unsigned long long)change->seen.in_a_row, (unsigned long long)change->outage_ms,
        (unsigned long long)change->open_ms);
}

static void on_upstream_change(const struct breaker_change *change, void *owner)
{
    const struct upstream_policy *policy = owner;
    tell(policy->log, policy->upstream->name, "", change);
}

static void on_endpoint_change(const struct breaker_change *change, void *owner)
{
    const struct endpoint_policy *policy = owner;
    if (breaker_admits_freely(change->from) != breaker_admits_freely(change->to)) {
        uint64_t step = breaker_admits_freely(change->from) ? 1 : (uint64_t)-1;
        __atomic_fetch_add(&policy->upstream->guarded_count, step, __ATOMIC_RELAXED);
    }
    tell(policy->upstream->log, policy->upstream->upstream->name,
         endpoint_address_text(policy->endpoint), change);
}

static void upstream_freed(void *companion, void *owner)
{
    struct upstream_policy *policy = companion;
    (void)owner;
    breaker_free(&policy->breaker);
    retry_budget_free(&policy->budget);
    free(policy);
}

static void *upstream_created(const struct upstream *upstream, void *owner)
{
    const struct policy_env *env = owner;
    size_t bytes = sizeof(struct upstream_policy) + env->worker_count * sizeof(struct policy_local);
    struct upstream_policy *policy = aligned_alloc(_Alignof(struct policy_local), bytes);
    if (policy == NULL) {
        return NULL;
    }
    *policy = (struct upstream_policy){
        .upstream = upstream,
        .breaker = breaker_create(env->worker_count, on_upstream_change, policy),
        .budget = retry_budget_create(env->worker_count),
        .log = env->log,
        .worker_count = env->worker_count,
    };
    concurrency_limit_init(&policy->adaptive, 1, UINT32_MAX);
    for (unsigned i = 0; i < env->worker_count; i++) {
        policy->locals[i] = (struct policy_local){.floor_us = 0};
    }
    if (policy->breaker == NULL || policy->budget == NULL) {
        upstream_freed(policy, owner);
        return NULL;
    }
    return policy;
}

static void endpoint_freed(void *companion, void *owner)
{
    struct endpoint_policy *policy = companion;
    (void)owner;
    if (!breaker_admits_freely(breaker_state(policy->breaker))) {
        __atomic_fetch_sub(&policy->upstream->guarded_count, 1, __ATOMIC_RELAXED);
    }
    breaker_free(&policy->breaker);
    free(policy);
}

static void *endpoint_created(const struct endpoint *endpoint, void *owner)
{
    const struct policy_env *env = owner;
    struct endpoint_policy *policy = malloc(sizeof *policy);
    if (policy == NULL) {
        return NULL;
    }
    *policy = (struct endpoint_policy){
        .upstream = policy_of(endpoint_upstream(endpoint)),
        .endpoint = endpoint,
        .breaker = breaker_create(env->worker_count, on_endpoint_change, policy),
    };
    if (policy->breaker == NULL) {
        free(policy);
        return NULL;
    }
    return policy;
}

void policy_accompany(struct pools *pools, const struct policy_env *env)
{
    const struct pools_hooks hooks = {
        .upstream_created = upstream_created,
        .upstream_freed = upstream_freed,
        .endpoint_created = endpoint_created,
        .endpoint_freed = endpoint_freed,
        .owner = (void *)(uintptr_t)env,
    };
    pools_set_hooks(pools, &hooks);
}

/* ---- admission and reports ---- */

static struct breaker *breaker_of(const struct endpoint *endpoint)
{
    const struct endpoint_policy *policy = endpoint_companion(endpoint);
    return policy->breaker;
}

enum policy_result policy_admit(const struct policy_caller *caller, const struct endpoint *endpoint,
                                struct policy_tickets *ret_tickets, uint64_t *ret_retry_after_ms)
{
    struct policy_tickets tickets = {{0}, {0}};
    if (breaker_admit(policy_of(caller->view->upstream)->breaker, &caller->by, &tickets.upstream,
                      ret_retry_after_ms) == BREAKER_REFUSED) {
        return POLICY_UPSTREAM_OPEN;
    }
    uint64_t endpoint_wait_ms;
    if (caller->view->endpoint_count > 1 &&
        breaker_admit(breaker_of(endpoint), &caller->by, &tickets.endpoint, &endpoint_wait_ms) ==
            BREAKER_REFUSED) {
        policy_report_upstream(caller, &tickets, OUTCOME_IGNORED);
        return POLICY_ENDPOINT_OPEN;
    }
    *ret_tickets = tickets;
    return POLICY_ADMITTED;
}

bool policy_refuses(const struct policy_caller *caller, uint64_t *ret_retry_after_ms)
{
    struct breaker *breaker = policy_of(caller->view->upstream)->breaker;
    if (__builtin_expect(!breaker_refuses(breaker, caller->by.settings, caller->by.now_ms), 1)) {
        return false;
    }
    struct breaker_ticket ticket = {0};
    if (breaker_admit(breaker, &caller->by, &ticket, ret_retry_after_ms) == BREAKER_REFUSED) {
        return true;
    }
    breaker_report(breaker, &caller->by, &ticket, OUTCOME_IGNORED);
    return false;
}

void policy_report_endpoint(const struct policy_caller *caller, const struct endpoint *endpoint,
                            struct policy_tickets *tickets, enum outcome outcome)
{
    if (tickets->endpoint.word != 0) {
        breaker_report(breaker_of(endpoint), &caller->by, &tickets->endpoint, outcome);
    }
}

void policy_report_upstream(const struct policy_caller *caller, struct policy_tickets *tickets,
                            enum outcome outcome)
{
    if (tickets->upstream.word != 0) {
        breaker_report(policy_of(caller->view->upstream)->breaker, &caller->by, &tickets->upstream,
                       outcome);
    }
}

bool policy_on_trial(const struct policy_tickets *tickets)
{
    return breaker_ticket_on_trial(&tickets->upstream) ||
           breaker_ticket_on_trial(&tickets->endpoint);
}

void policy_yield(const struct upstream *upstream, const struct endpoint *endpoint,
                  struct policy_tickets *tickets)
{
    if (breaker_ticket_on_trial(&tickets->upstream)) {
        breaker_yield(policy_of(upstream)->breaker, &tickets->upstream);
    }
    if (breaker_ticket_on_trial(&tickets->endpoint)) {
        breaker_yield(breaker_of(endpoint), &tickets->endpoint);
    }
}

uint32_t policy_endpoint_strata(const struct policy_caller *caller, const struct endpoint *endpoint)
{
    return breaker_strata(breaker_of(endpoint), caller->by.settings, caller->by.now_ms);
}

bool policy_usable(const struct endpoint *endpoint, void *owner)
{
    const struct policy_caller *caller = owner;
    return !breaker_refuses(breaker_of(endpoint), caller->by.settings, caller->by.now_ms);
}

/* ---- what answers take ---- */

static bool is_slow(const struct policy_local *local, const struct breaker_caller *by,
                    uint64_t latency_us)
{
    return usual_time_exceeded(&local->usual, by->strata, latency_us,
                               by->settings->slow_after_ms * 1000);
}

bool policy_is_slow(const struct policy_caller *caller, uint64_t latency_us)
{
    return is_slow(&policy_of(caller->view->upstream)->locals[caller->by.worker], &caller->by,
                   latency_us);
}

uint64_t policy_floor_us(const struct policy_local *local, uint64_t now_ms)
{
    uint64_t age_s = now_ms > local->floor_ms ? (now_ms - local->floor_ms) / 1000 : 0;
    return age_s < 64 ? local->floor_us >> age_s : 0;
}

static void note_floor(struct policy_local *local, uint64_t latency_us, uint64_t now_ms)
{
    if (latency_us <= local->floor_us || local->floor_us == 0) {
        local->floor_us = latency_us;
    } else {
        local->floor_us += (latency_us - local->floor_us) >> FLOOR_RISE_SHIFT;
    }
    local->floor_ms = now_ms;
}

bool policy_note_latency(struct policy_local *local, const struct breaker_caller *by,
                         uint64_t latency_us)
{
    bool slow = is_slow(local, by, latency_us);
    note_floor(local, latency_us, by->now_ms);
    usual_time_note(&local->usual, by->strata, latency_us, by->now_ms);
    service_time_note(&local->service, latency_us);
    return slow;
}

struct service_figures policy_service(const struct upstream *upstream)
{
    const struct upstream_policy *policy = policy_of(upstream);
    struct service_figures sum = {0};
    for (unsigned i = 0; i < policy->worker_count; i++) {
        const struct service_time *service = &policy->locals[i].service;
        uint64_t count = stat_read(&service->answers_count);
        sum.answers_count += count;
        sum.median_us += (double)count * __atomic_load_n(&service->median_us, __ATOMIC_RELAXED);
        sum.most_us += (double)count * __atomic_load_n(&service->most_us, __ATOMIC_RELAXED);
    }
    if (sum.answers_count > 0) {
        sum.median_us /= (double)sum.answers_count;
        sum.most_us /= (double)sum.answers_count;
    }
    return sum;
}

/* ---- hedges ---- */

/* Nineteen steps up for each answer that took longer, one step down for each that did not: the estimate settles at the
   0.95 quantile. */
void policy_note_most(struct policy_local *local, uint64_t latency_us)
{
    uint64_t step_us = local->most_us / 1024 + 1;
    local->answers_count++;
    local->hedge_credit += local->hedge_credit < HEDGE_CREDIT_MOST;
    if (latency_us > local->most_us) {
        local->most_us += 19 * step_us;
    } else {
        local->most_us -= step_us < local->most_us ? step_us : local->most_us;
    }
}

uint64_t policy_most_us(const struct policy_local *local)
{
    return local->answers_count >= HEDGE_SAMPLES ? local->most_us : 0;
}

bool policy_take_hedge(struct policy_local *local)
{
    if (local->hedge_credit < HEDGE_COST) {
        return false;
    }
    local->hedge_credit -= HEDGE_COST;
    stat_add(&local->hedges_count, 1);
    return true;
}

/* ---- the limit of what is in flight ---- */

/* An adoption sets the bound to the configured limit; the next answer sets it back. */
void policy_adapt(struct upstream *upstream, const struct upstream_limit_settings *limits,
                  uint64_t latency_us, uint64_t now_ms)
{
    struct concurrency_limit *limit = &policy_of(upstream)->adaptive;
    uint64_t most = limits->in_flight_count;
    uint64_t least = limits->adaptive_min_count < most ? limits->adaptive_min_count : most;
    if (stat_read(&limit->most_count) != most || stat_read(&limit->least_count) != least) {
        concurrency_limit_set_range(limit, least, most);
    }
    (void)concurrency_limit_note(limit, now_ms, latency_us, bound_used(&upstream->in_flight));
    if (bound_limit(&upstream->in_flight) != concurrency_limit_get(limit)) {
        bound_set_limit(&upstream->in_flight, concurrency_limit_get(limit));
    }
}

/* ---- slow clients ---- */

bool policy_slow_transfer_goes(const struct policy_caller *caller, struct slow_clients *clients,
                               unsigned slot)
{
    const struct upstream *upstream = caller->view->upstream;
    struct upstream_policy *policy = policy_of(upstream);
    struct slow_clients_sum sum = {0};
    if (!slow_clients_begin(&policy->slow_clients_turn)) {
        return false;
    }
    for (unsigned i = 0; i < policy->worker_count; i++) {
        slow_clients_sum_add(&sum, &policy->locals[i].slow_clients, slot, caller->by.now_ms);
    }
    bool goes = slow_clients_exceed(&sum, bound_used(&upstream->in_flight),
                                    caller->view->settings->limits.client_share);
    if (goes) {
        slow_clients_add(&clients->transfers[slot], -1);
    }
    slow_clients_end(&policy->slow_clients_turn);
    return goes;
}

/* ---- operators ---- */

void policy_force(const struct upstream *upstream, const struct upstream_settings *settings,
                  enum breaker_force force, uint64_t now_ms)
{
    breaker_force(policy_of(upstream)->breaker, &settings->breaker, force, now_ms);
}

const char *policy_endpoint_state(const void *companion)
{
    const struct endpoint_policy *policy = companion;
    return breaker_state_name(breaker_state(policy->breaker));
}
