/* The process in JSON. */
#include "proxy/admin/status.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

#include "pool/lease.h"
#include "pool/resolver.h"
#include "proxy/admin/drift_view.h"
#include "proxy/admin/json.h"
#include "proxy/admin/maintenance_view.h"
#include "proxy/admin/resources.h"
#include "proxy/policy/admission.h"
#include "proxy/policy/policy.h"
#include "proxy/policy/shards.h"
#include "steady/budget.h"

static uint64_t now_ms(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* A generation that waits until its new upstreams are warm. */
static void write_prewarming(struct json *json, const struct upstream_set *set)
{
    if (set == NULL) {
        return;
    }
    const struct set_warmth warmth = upstream_set_warmth(set);
    json_open(json, "warming", '{');
    json_uint(json, "upstreams", warmth.upstream_count);
    json_uint(json, "connections_wanted", warmth.wanted_count);
    json_uint(json, "connections_ready", warmth.ready_count);
    json_close(json, '}');
}

static void write_workers(struct json *json, const struct overview *overview)
{
    json_open(json, "workers", '[');
    for (unsigned i = 0; i < overview->worker_count; i++) {
        const struct worker_stats *stats = overview->workers[i];
        json_open(json, NULL, '{');
        json_uint(json, "clients", stat_read(&stats->clients_open));
        json_uint(json, "idle", stat_read(&stats->clients_idle));
        json_uint(json, "tunnels", stat_read(&stats->tunnels_open));
        json_uint(json, "exchanges", stat_read(&stats->exchanges_finished));
        json_close(json, '}');
    }
    json_close(json, ']');
}

static void write_shards(struct json *json, const struct shard_set *set)
{
    json_open(json, "shards", '[');
    for (size_t i = 0; set != NULL && i < set->count; i++) {
        const struct shard *shard = &set->shards[i];
        json_open(json, NULL, '{');
        json_uint(json, "in_flight", bound_used(&shard->gate.inside));
        json_uint(json, "in_flight_peak", bound_peak(&shard->gate.inside));
        json_uint(json, "queued", bound_used(&shard->gate.waiting));
        json_uint(json, "requests", stat_read(&shard->requests_count));
        json_uint(json, "retries", stat_read(&shard->retries_count));
        json_uint(json, "refused",
                  stat_read(&shard->rate_refused_count) + bound_refused(&shard->gate.waiting));
        json_close(json, '}');
    }
    json_close(json, ']');
}

static void write_route(struct json *json, const struct overview *overview,
                        const struct route_figures *route)
{
    static const char *const classes[] = {ENUM_NAMES(STATUS_CLASSES)};
    uint64_t by_class[STATUS_CLASS_COUNT] = {0};
    struct histogram duration = {0};
    for (unsigned i = 0; i < overview->worker_count; i++) {
        for (size_t class = 0; class < STATUS_CLASS_COUNT; class ++) {
            by_class[class] += stat_read(&route->by_worker[i].by_class[class]);
        }
        histogram_add(&duration, &route->by_worker[i].duration_us);
    }
    json_open(json, NULL, '{');
    json_text(json, "name", route->name);
    json_open(json, "responses", '{');
    for (size_t class = 0; class < STATUS_CLASS_COUNT; class ++) {
        json_uint(json, classes[class], by_class[class]);
    }
    json_close(json, '}');
    json_number(json, "p50_ms", (double)histogram_quantile(&duration, 0.5) / 1000);
    json_number(json, "p90_ms", (double)histogram_quantile(&duration, 0.9) / 1000);
    json_number(json, "p99_ms", (double)histogram_quantile(&duration, 0.99) / 1000);
    maintenance_write(json, overview, MAINTENANCE_OF_ROUTE, route->name, route->maintenance);
    write_shards(json, route->admission->shards);
    json_close(json, '}');
}

static void write_endpoint(const struct endpoint_figures *figures, void *owner)
{
    struct json *json = owner;
    json_open(json, NULL, '{');
    json_text(json, "endpoint", figures->text);
    json_text(json, "address", figures->address);
    json_uint(json, "open", figures->open);
    json_uint(json, "idle", figures->idle);
    json_uint(json, "in_flight", figures->in_flight);
    json_uint(json, "dialling", figures->dialling);
    json_uint(json, "dials", figures->dials);
    json_uint(json, "dial_failures", figures->dial_failures);
    json_uint(json, "reused", figures->reused);
    json_uint(json, "fresh", figures->fresh);
    json_uint(json, "handed_over", figures->handed_over);
    json_close(json, '}');
}

static bool write_upstream(const struct upstream *upstream, void *owner)
{
    struct page *page = owner;
    struct json *json = &page->json;
    json_open(json, NULL, '{');
    json_text(json, "name", upstream->name);
    maintenance_write(json, page->overview, MAINTENANCE_OF_UPSTREAM, upstream->name,
                      policy_of(upstream)->maintenance);
    json_uint(json, "in_flight", bound_used(&upstream->in_flight));
    json_uint(json, "queued", bound_used(&upstream->queued));
    json_text(json, "breaker", breaker_state_name(breaker_state(policy_of(upstream)->breaker)));
    json_open(json, "endpoints", '[');
    upstream_each_endpoint(upstream, write_endpoint, json);
    json_close(json, ']');
    json_close(json, '}');
    page->cursor = upstream_number(upstream);
    return page_has_time(page);
}

static void write_readiness(struct json *json, const struct readiness *readiness)
{
    const struct readiness_figures *figures = &readiness->figures;
    json_bool(json, "ready", readiness_is_ready(readiness));
    json_text(json, "state", readiness_state_name(readiness->state));
    json_number(json, "since_s", (double)(now_ms(CLOCK_MONOTONIC) - readiness->since_ms) / 1000);
    json_open(json, "missing", '[');
    for (unsigned i = 0; i < READINESS_REASON_COUNT; i++) {
        if ((readiness->missing >> i & 1) != 0) {
            json_open(json, NULL, '{');
            json_text(json, "what", readiness_reason_name((enum readiness_reason)i));
            json_text(json, "words", readiness_reason_words((enum readiness_reason)i));
            json_close(json, '}');
        }
    }
    json_close(json, ']');
    json_open(json, "figures", '{');
    json_uint(json, "required_upstreams", figures->required_count);
    json_uint(json, "resolved", figures->resolved_count);
    json_uint(json, "usable", figures->usable_count);
    json_uint(json, "warm_level", figures->warm_level_count);
    json_uint(json, "connections", figures->connections_count);
    json_uint(json, "sessions_usual", figures->sessions_usual_count);
    json_uint(json, "sessions", figures->sessions_count);
    json_close(json, '}');
}

static void write_warm(struct json *json, const struct warm_figures *warm)
{
    json_open(json, "warm_state", '{');
    json_bool(json, "restored", warm->restored);
    json_number(json, "restored_age_s", (double)warm->restored_age_ms / 1000);
    json_text(json, "refused", warm->refused[0] != '\0' ? warm->refused : NULL);
    json_uint(json, "saves", warm->saves_ok);
    json_uint(json, "saves_failed", warm->saves_failed);
    json_time(json, "saved", warm->saved_wall_ms);
    json_uint(json, "saved_bytes", warm->saved_bytes);
    json_close(json, '}');
}

void readyz_write(struct evbuffer *out, const struct overview *overview)
{
    struct json json = {out, false};
    json_open(&json, NULL, '{');
    write_readiness(&json, overview->readiness);
    json_close(&json, '}');
    evbuffer_add(out, "\n", 1);
}

void readyz_write_briefly(struct evbuffer *out, const struct overview *overview)
{
    struct json json = {out, false};
    json_open(&json, NULL, '{');
    json_bool(&json, "ready", readiness_is_ready(overview->readiness));
    json_text(&json, "state", readiness_state_name(overview->readiness->state));
    json_close(&json, '}');
    evbuffer_add(out, "\n", 1);
}

int readyz_status(const struct overview *overview)
{
    return readiness_is_ready(overview->readiness) ? 200 : 503;
}

/* Times in seconds; an age of null: unknown. */
static void write_name(const struct name_figures *figures, void *owner)
{
    struct json *json = owner;
    json_open(json, NULL, '{');
    json_text(json, "name", figures->name);
    json_text(json, "type", figures->service ? "service" : "host");
    json_text(json, "source", figures->source);
    json_uint(json, "addresses", figures->addresses_count);
    json_bool(json, "stale", figures->stale);
    if (figures->addresses_count > 0) {
        json_number(json, "age_s", (double)figures->age_ms / 1000);
    } else {
        json_text(json, "age_s", NULL);
    }
    json_number(json, "next_s", (double)figures->next_ms / 1000);
    json_uint(json, "failures", figures->failures_row);
    json_open(json, "last", '{');
    for (size_t i = 0; i < DNS_TYPE_COUNT; i++) {
        if (figures->last[i] != NULL) {
            json_text(json, dns_type_name((enum dns_type)i), figures->last[i]);
        }
    }
    json_close(json, '}');
    json_close(json, '}');
}

static void write_upgrade(struct json *json, const struct upgrade_figures *upgrade)
{
    json_open(json, "upgrade", '{');
    json_uint(json, "pid", (uint64_t)upgrade->pid);
    json_uint(json, "failures", upgrade->failed_count);
    json_text(json, "last_error", upgrade->last_error[0] != '\0' ? upgrade->last_error : NULL);
    json_close(json, '}');
}

static void write_drain(struct json *json, const struct overview *overview)
{
    json_bool(json, "draining", overview->draining);
    json_open(json, "drain", '{');
    json_text(json, "stage", overview->drain_stage);
    json_uint(json, "left_ms", overview->drain_left_ms);
    json_close(json, '}');
}

static void write_reloads(struct json *json, const struct overview *overview)
{
    json_open(json, "reloads", '{');
    json_uint(json, "ok", overview->reloads_ok);
    json_uint(json, "failed", overview->reloads_failed);
    json_time(json, "last", overview->last_reload_wall_ms);
    json_bool(json, "last_ok", overview->last_reload_ok);
    json_text(json, "last_error", overview->last_reload_error);
    write_prewarming(json, overview->prewarming);
    json_close(json, '}');
}

/* ---- /status, in parts ---- */

static bool write_process(struct page *page)
{
    const struct overview *overview = page->overview;
    struct json *json = &page->json;
    json_open(json, NULL, '{');
    json_text(json, "version", overview->version);
    json_uint(json, "pid", (uint64_t)getpid());
    json_time(json, "started", overview->started_wall_ms);
    json_number(json, "uptime_s", (double)(now_ms(CLOCK_MONOTONIC) - overview->started_ms) / 1000);
    json_text(json, "configuration", overview->config_path);
    json_uint(json, "generation", overview->generation);
    json_uint(json, "generations_alive", overview->generations_alive);
    json_open(json, "readiness", '{');
    write_readiness(json, overview->readiness);
    json_close(json, '}');
    write_warm(json, overview->warm);
    write_upgrade(json, overview->upgrade);
    write_drain(json, overview);
    write_reloads(json, overview);
    write_workers(json, overview);
    json_open(json, "routes", '[');
    return true;
}

static bool write_routes(struct page *page)
{
    const struct overview *overview = page->overview;
    bool time = true;
    for (; page->cursor < overview->route_count && time; time = page_has_time(page)) {
        write_route(&page->json, overview, &overview->routes[page->cursor++]);
    }
    return page->cursor >= overview->route_count;
}

static bool open_upstreams(struct page *page)
{
    json_close(&page->json, ']');
    json_open(&page->json, "upstreams", '[');
    return true;
}

static bool write_upstreams(struct page *page)
{
    return page_walk_upstreams(page, write_upstream);
}

static bool write_names(struct page *page)
{
    struct json *json = &page->json;
    json_close(json, ']');
    json_open(json, "names", '[');
    resolver_each_name(page->overview->resolver, write_name, json);
    json_close(json, ']');
    json_close(json, '}');
    evbuffer_add(page->out, "\n", 1);
    return true;
}

page_part_fn *const status_page[] = {write_process,   write_routes, open_upstreams,
                                     write_upstreams, write_names,  NULL};

/* ---- /resources ---- */

static void write_bound(struct json *json, const struct drift_book *book, const struct bound *bound)
{
    uint64_t limit = bound_limit(bound), used = bound_used(bound);
    json_open(json, NULL, '{');
    json_text(json, "name", bound->name);
    json_text(json, "detail", bound->detail);
    json_text(json, "unit", unit_of(bound->name));
    json_uint(json, "limit", limit);
    json_uint(json, "used", used);
    json_uint(json, "peak", bound_peak(bound));
    json_uint(json, "refused", bound_refused(bound));
    json_number(json, "share", limit > 0 ? (double)used / (double)limit : 0);
    drift_write_bound(json, book, bound);
    json_close(json, '}');
}

static bool open_resources(struct page *page)
{
    json_open(&page->json, NULL, '{');
    json_open(&page->json, "bounds", '[');
    pools_publish(page->overview->pools);
    return true;
}

static bool write_bounds(struct page *page)
{
    const struct bound *bound;
    TAILQ_FOREACH (bound, &page->overview->registry->bounds, link) {
        if (bound->number <= page->cursor) {
            continue;
        }
        write_bound(&page->json, page->overview->drift, bound);
        page->cursor = bound->number;
        if (!page_has_time(page)) {
            return false;
        }
    }
    return true;
}

static bool close_resources(struct page *page)
{
    struct json *json = &page->json;
    json_close(json, ']');
    json_open(json, "memory", '{');
    json_uint(json, "resident_bytes", budget_resident_bytes(""));
    json_uint(json, "budget_bytes", page->overview->memory_budget_bytes);
    json_number(json, "used_ratio", page->overview->memory_share);
    json_text(json, "pressure", pressure_step_name(page->overview->pressure->step));
    json_close(json, '}');
    json_open(json, "descriptors", '{');
    json_uint(json, "open", budget_open_fds(""));
    json_uint(json, "limit", (uint64_t)sysconf(_SC_OPEN_MAX));
    json_close(json, '}');
    json_close(json, '}');
    evbuffer_add(page->out, "\n", 1);
    return true;
}

page_part_fn *const resources_page[] = {open_resources, write_bounds, close_resources, NULL};
