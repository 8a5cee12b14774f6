/* The upstreams in JSON. */
#include "proxy/admin/upstreams_view.h"

#include <string.h>
#include <strings.h>

#include "pool/health.h"
#include "pool/lease.h"
#include "pool/resolver.h"
#include "proxy/admin/json.h"
#include "proxy/admin/maintenance_view.h"
#include "proxy/admin/operator_view.h"
#include "proxy/policy/policy.h"
#include "steady/loop_clock.h"

/* Where an address comes from: looked for among the names the resolver keeps. */
struct source_walk {
    const char *text; /* "app-a.internal:8080", "srv:_http._tcp.app" */
    const char *source;
};

static void match_name(const struct name_figures *figures, void *owner)
{
    struct source_walk *walk = owner;
    size_t bytes = strlen(figures->name);
    const char *rest = walk->text + bytes;
    if (!figures->service && strncasecmp(walk->text, figures->name, bytes) == 0 && *rest == ':' &&
        strchr(rest + 1, ':') == NULL) {
        walk->source = figures->source;
    }
}

/* A literal is no name, and need not be looked for. */
static const char *source_of(const struct overview *overview, const char *text)
{
    struct source_walk walk = {text, "literal"};
    if (strncmp(text, "srv:", 4) == 0) {
        return "srv";
    }
    resolver_each_name(overview->resolver, match_name, &walk);
    return walk.source;
}

/* NULL: no attempt has failed there. */
static void write_last_failure(struct json *json, const struct endpoint_figures *figures)
{
    if (figures->failed_cause == NULL) {
        json_text(json, "last_failure", NULL);
        return;
    }
    json_open(json, "last_failure", '{');
    json_number(json, "ago_s", (double)figures->failed_ago_ms / 1000);
    json_text(json, "cause", figures->failed_cause);
    if (figures->failed_status != 0) {
        json_uint(json, "status", figures->failed_status);
    }
    json_close(json, '}');
}

static void write_health(struct json *json, const struct endpoint_figures *figures)
{
    json_open(json, "health", '{');
    json_text(json, "status", figures->status);
    json_text(json, "why", figures->why[0] != '\0' ? figures->why : NULL);
    json_number(json, "since_s", (double)figures->health_status_ms / 1000);
    json_number(json, "traffic_share", figures->traffic_share);
    json_uint(json, "failures_in_a_row", figures->failures_row);
    write_last_failure(json, figures);
    json_uint(json, "probes_good", figures->probes_good);
    json_uint(json, "probes_failed", figures->probes_failed);
    json_uint(json, "probes_put_off", figures->probes_put_off);
    json_uint(json, "ejections", figures->ejections);
    json_uint(json, "changes", figures->changes);
    json_close(json, '}');
}

/* How the ends of lifetimes are spread: connections per step of time from now on. */
static void write_retirements(struct json *json, const struct endpoint_figures *figures)
{
    uint64_t overdue = 0;
    json_open(json, "retirements", '{');
    json_number(json, "step_s", (double)figures->retiring_step_ms / 1000);
    json_open(json, "ahead", '[');
    for (size_t i = 0; i < RETIREMENT_STEPS; i++) {
        if (i < RETIREMENT_AHEAD) {
            json_uint(json, NULL, figures->retiring[i]);
        } else {
            overdue += figures->retiring[i];
        }
    }
    json_close(json, ']');
    json_uint(json, "overdue", overdue);
    json_close(json, '}');
}

static void write_connections(struct json *json, const struct endpoint_figures *figures)
{
    json_open(json, "connections", '{');
    json_uint(json, "open", figures->open);
    json_uint(json, "idle", figures->idle);
    json_uint(json, "lent_or_awaited", figures->in_flight);
    json_uint(json, "dialling", figures->dialling);
    json_uint(json, "warm_level", figures->warm);
    json_uint(json, "ready", figures->ready);
    json_uint(json, "target", figures->target);
    json_uint(json, "losses", figures->losses);
    json_number(json, "learned_idle_s", (double)figures->learned_idle_ms / 1000);
    json_bool(json, "cold", figures->cold != 0);
    write_retirements(json, figures);
    json_open(json, "closed", '{');
    for (size_t i = 0; i < sizeof figures->closed / sizeof figures->closed[0]; i++) {
        if (figures->closed[i] > 0) {
            json_uint(json, lease_close_reason_name((enum lease_close_reason)i),
                      figures->closed[i]);
        }
    }
    json_close(json, '}');
    json_close(json, '}');
}

static void write_http2(struct json *json, const struct endpoint_figures *figures)
{
    json_open(json, "http2", '{');
    json_uint(json, "streams", figures->shares);
    json_uint(json, "goaways", figures->goaways);
    json_uint(json, "refused", figures->refused);
    json_uint(json, "pings_failed", figures->pings_failed);
    json_close(json, '}');
}

struct endpoint_walk {
    struct page *page;
    const struct upstream *upstream;
};

/* The operator names an endpoint by its text in the settings, or by its address. NULL: it is not drained, or it is not known by whom. */
static const struct operator_said *said_of_endpoint(const struct endpoint_walk *walk,
                                                    const struct endpoint_figures *figures)
{
    const struct operator_book *book = walk->page->overview->said;
    const char *name = walk->upstream->name;
    if (strcmp(figures->status, "drained") != 0) {
        return NULL;
    }
    const struct operator_said *said =
        operator_book_find(book, OPERATOR_ENDPOINT, name, figures->text);
    return said != NULL ? said
                        : operator_book_find(book, OPERATOR_ENDPOINT, name, figures->address);
}

static void write_endpoint(const struct endpoint_figures *figures, void *owner)
{
    const struct endpoint_walk *walk = owner;
    struct json *json = &walk->page->json;
    uint64_t leases = figures->reused + figures->fresh;
    json_open(json, NULL, '{');
    json_text(json, "endpoint", figures->text);
    json_text(json, "address", figures->address);
    json_text(json, "source", source_of(walk->page->overview, figures->text));
    json_text(json, "protocol", figures->protocol);
    json_number(json, "age_s", (double)figures->age_ms / 1000);
    write_health(json, figures);
    operator_view_write(json, said_of_endpoint(walk, figures));
    json_text(json, "breaker", policy_endpoint_state(figures->companion));
    json_uint(json, "in_flight", figures->in_flight);
    json_number(json, "latency_ms", (double)figures->latency_us / 1000);
    write_connections(json, figures);
    write_http2(json, figures);
    json_time(json, "certificate_expires", (uint64_t)figures->certificate_expires_s * 1000);
    json_uint(json, "dials", figures->dials);
    json_uint(json, "dial_failures", figures->dial_failures);
    json_uint(json, "leases_reused", figures->reused);
    json_uint(json, "leases_fresh", figures->fresh);
    json_number(json, "reuse_ratio", leases > 0 ? (double)figures->reused / (double)leases : 0);
    json_uint(json, "handed_over", figures->handed_over);
    json_close(json, '}');
}

/* NULL: it judges by itself, or it is not known who forced it. */
static const struct operator_said *said_of_breaker(const struct overview *overview,
                                                   const struct upstream *upstream,
                                                   enum breaker_state state)
{
    return state == BREAKER_FORCED_OPEN || state == BREAKER_FORCED_CLOSED
               ? operator_book_find(overview->said, OPERATOR_BREAKER, upstream->name, "")
               : NULL;
}

static void write_policy(struct page *page, const struct upstream *upstream,
                         const struct upstream_settings *settings)
{
    struct json *json = &page->json;
    struct upstream_policy *policy = policy_of(upstream);
    uint64_t now_ms = loop_clock_ms(&(struct loop_clock){0});
    const struct breaker_figures breaker =
        breaker_figures(policy->breaker, &settings->breaker, now_ms);
    const struct retry_budget_figures budget =
        retry_budget_figures(policy->budget, &settings->retry, now_ms);
    json_open(json, "breaker", '{');
    json_text(json, "state", breaker_state_name(breaker.state));
    json_number(json, "since_s",
                breaker.since_ms != 0 ? (double)(now_ms - breaker.since_ms) / 1000 : 0);
    operator_view_write(json, said_of_breaker(page->overview, upstream, breaker.state));
    json_number(json, "outage_s",
                breaker.outage_since_ms != 0 ? (double)(now_ms - breaker.outage_since_ms) / 1000
                                             : 0);
    json_uint(json, "calls", breaker.counts.calls);
    json_uint(json, "failures", breaker.counts.failures);
    json_uint(json, "slow", breaker.counts.slow);
    json_number(json, "failure_share", breaker.failed_share);
    json_uint(json, "failures_in_a_row", breaker.counts.in_a_row);
    json_uint(json, "probes_in_flight", breaker.probes_in_flight);
    json_uint(json, "openings", breaker.entered_count[BREAKER_OPEN]);
    json_close(json, '}');
    json_open(json, "retry_budget", '{');
    json_uint(json, "requests", budget.requests_count);
    json_uint(json, "retries", budget.retries_count);
    json_uint(json, "left", budget.left_count);
    json_close(json, '}');
}

static void write_upstream_fields(struct json *json, const struct upstream *upstream,
                                  const struct upstream_settings *settings)
{
    const struct upstream_health health = upstream_health(upstream);
    json_text(json, "name", upstream->name);
    json_uint(json, "endpoints_in_use", health.endpoint_count);
    json_uint(json, "endpoints_healthy", health.healthy_count);
    json_bool(json, "panic", health.panic);
    json_uint(json, "panics", health.panics_count);
    json_uint(json, "in_flight", bound_used(&upstream->in_flight));
    json_uint(json, "in_flight_limit", bound_limit(&upstream->in_flight));
    json_uint(json, "queued", bound_used(&upstream->queued));
    json_uint(json, "pool_max", settings->pool.max_count);
    json_uint(json, "warm_level", settings->pool.warm_min_count);
}

/* Little's law; all 0 before the second sample. */
static void write_capacity(struct json *json, const struct upstream *upstream)
{
    const struct little *little = &policy_of(upstream)->little;
    const struct service_figures service = policy_service(upstream);
    json_open(json, "capacity", '{');
    json_text(json, "phase", little_phase_name(little->phase));
    json_number(json, "answers_per_second", little->rate);
    json_number(json, "capacity_per_second", little->capacity);
    json_number(json, "utilisation", little->utilisation);
    json_number(json, "median_ms", service.median_us / 1e3);
    json_number(json, "p99_ms", service.most_us / 1e3);
    json_close(json, '}');
}

/* One that has left the settings drains, and is not shown. */
static bool write_upstream(const struct upstream *upstream, void *owner)
{
    struct page *page = owner;
    struct json *json = &page->json;
    const struct upstream_settings *settings = upstream_settings_shown(upstream);
    bool wanted = page->only[0] == '\0' || strcmp(page->only, upstream->name) == 0;
    page->cursor = upstream_number(upstream);
    if (settings != NULL && wanted) {
        json_open(json, NULL, '{');
        write_upstream_fields(json, upstream, settings);
        maintenance_write(json, page->overview, MAINTENANCE_OF_UPSTREAM, upstream->name,
                          policy_of(upstream)->maintenance);
        write_capacity(json, upstream);
        write_policy(page, upstream, settings);
        json_open(json, "endpoints", '[');
        upstream_each_endpoint(upstream, write_endpoint, &(struct endpoint_walk){page, upstream});
        json_close(json, ']');
        json_close(json, '}');
    }
    return page_has_time(page);
}

static bool open_upstreams(struct page *page)
{
    json_open(&page->json, NULL, '{');
    json_open(&page->json, "upstreams", '[');
    return true;
}

static bool write_upstreams(struct page *page)
{
    return page_walk_upstreams(page, write_upstream);
}

static bool close_upstreams(struct page *page)
{
    json_close(&page->json, ']');
    json_close(&page->json, '}');
    evbuffer_add(page->out, "\n", 1);
    return true;
}

page_part_fn *const upstreams_page[] = {open_upstreams, write_upstreams, close_upstreams, NULL};
