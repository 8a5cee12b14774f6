/* Breakers, retries, budgets, shards and rates as metrics. */
#include "proxy/admin/policy_metrics.h"

#include <stddef.h>
#include <string.h>

#include "proxy/policy/admission.h"
#include "proxy/policy/policy.h"
#include "proxy/policy/shards.h"
#include "proxy/worker/stats.h"
#include "steady/loop_clock.h"

/* One upstream as it is now. */
struct view {
    const struct upstream_policy *policy;
    struct breaker_figures breaker;
    struct retry_budget_figures budget;
    struct label name;
};

struct row {
    const char *name, *kind, *help;
    void (*write)(struct scrape *scrape, const struct row *row, const struct view *view);
};

struct walk {
    struct scrape *scrape;
    const struct row *row;
};

static void write_state(struct scrape *scrape, const struct row *row, const struct view *view)
{
    for (unsigned i = 0; i < BREAKER_STATE_COUNT; i++) {
        scrape_sample(scrape, row->name, view->breaker.state == i ? 1 : 0,
                      "upstream=\"%s\",state=\"%s\"", view->name.text,
                      breaker_state_name((enum breaker_state)i));
    }
}

static void write_changes(struct scrape *scrape, const struct row *row, const struct view *view)
{
    for (unsigned i = 0; i < BREAKER_STATE_COUNT; i++) {
        scrape_sample(scrape, row->name, (double)view->breaker.entered_count[i],
                      "upstream=\"%s\",state=\"%s\"", view->name.text,
                      breaker_state_name((enum breaker_state)i));
    }
}

static void write_value(struct scrape *scrape, const struct row *row, const struct view *view,
                        double value)
{
    scrape_sample(scrape, row->name, value, "upstream=\"%s\"", view->name.text);
}

static void write_refused(struct scrape *scrape, const struct row *row, const struct view *view)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < view->policy->worker_count; i++) {
        sum += stat_read(&view->policy->locals[i].breaker_refused_count);
    }
    write_value(scrape, row, view, (double)sum);
}

static void write_probes(struct scrape *scrape, const struct row *row, const struct view *view)
{
    write_value(scrape, row, view, (double)view->breaker.probes_count);
}

static void write_guarded(struct scrape *scrape, const struct row *row, const struct view *view)
{
    write_value(scrape, row, view, (double)stat_read(&view->policy->guarded_count));
}

static void write_verdicts(struct scrape *scrape, const struct row *row, const struct view *view)
{
    for (unsigned verdict = 0; verdict < RETRY_VERDICT_COUNT; verdict++) {
        uint64_t sum = 0;
        for (unsigned i = 0; i < view->policy->worker_count; i++) {
            sum += stat_read(&view->policy->locals[i].retries_by_verdict[verdict]);
        }
        scrape_sample(scrape, row->name, (double)sum, "upstream=\"%s\",verdict=\"%s\"",
                      view->name.text, retry_verdict_name((enum retry_verdict)verdict));
    }
}

static void write_hedges(struct scrape *scrape, const struct row *row, const struct view *view)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < view->policy->worker_count; i++) {
        sum += stat_read(&view->policy->locals[i].hedges_count);
    }
    write_value(scrape, row, view, (double)sum);
}

static void write_hedges_won(struct scrape *scrape, const struct row *row, const struct view *view)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < view->policy->worker_count; i++) {
        sum += stat_read(&view->policy->locals[i].hedges_won_count);
    }
    write_value(scrape, row, view, (double)sum);
}

static void write_budget(struct scrape *scrape, const struct row *row, const struct view *view)
{
    write_value(scrape, row, view, (double)view->budget.left_count);
}

static const struct row rows[] = {
    {"breaker_state", "gauge", "1 for the state of an upstream's breaker", write_state},
    {"breaker_changes_total", "counter", "Times an upstream's breaker came into a state",
     write_changes},
    {"breaker_refused_total", "counter", "Requests that a breaker let not through", write_refused},
    {"breaker_probes_total", "counter", "Requests let through to see whether an outage is over",
     write_probes},
    {"breaker_endpoints_guarded", "gauge", "Endpoints whose own breaker does not admit freely",
     write_guarded},
    {"retry_verdicts_total", "counter",
     "Attempts that failed before an answer was passed on, by whether they were repeated",
     write_verdicts},
    {"hedges_total", "counter",
     "Requests that were asked of a second endpoint as the first took long", write_hedges},
    {"hedges_won_total", "counter", "Those of them that the second answered first",
     write_hedges_won},
    {"retry_budget_left", "gauge", "Retries that the budget would allow now", write_budget},
};

static void write_upstream(const struct upstream *upstream, void *owner)
{
    const struct walk *walk = owner;
    const struct settings *settings = walk->scrape->overview->settings;
    for (size_t i = 0; i < settings->upstream_count; i++) {
        const struct upstream_settings *of = &settings->upstreams[i];
        if (strcmp(of->name, upstream->name) != 0) {
            continue;
        }
        struct upstream_policy *policy = policy_of(upstream);
        uint64_t now_ms = loop_clock_ms(&(struct loop_clock){0});
        const struct view view = {policy, breaker_figures(policy->breaker, &of->breaker, now_ms),
                                  retry_budget_figures(policy->budget, &of->retry, now_ms),
                                  scrape_label(upstream->name)};
        walk->row->write(walk->scrape, walk->row, &view);
    }
}

/* ---- routes ---- */

struct route_row {
    const char *name, *kind, *help;
    double (*value)(const struct shard *shard);
};

static double shard_inside(const struct shard *shard)
{
    return (double)bound_used(&shard->gate.inside);
}

static double shard_waiting(const struct shard *shard)
{
    return (double)bound_used(&shard->gate.waiting);
}

static double shard_requests(const struct shard *shard)
{
    return (double)stat_read(&shard->requests_count);
}

static double shard_retries(const struct shard *shard)
{
    return (double)stat_read(&shard->retries_count);
}

static double shard_refused(const struct shard *shard)
{
    return (double)(stat_read(&shard->rate_refused_count) + bound_refused(&shard->gate.waiting));
}

static const struct route_row shard_rows[] = {
    {"shard_in_flight", "gauge", "Exchanges in a shard", shard_inside},
    {"shard_queued", "gauge", "Exchanges that wait for a place in a shard", shard_waiting},
    {"shard_requests_total", "counter", "Requests of a shard that its rate allowed",
     shard_requests},
    {"shard_retries_total", "counter", "Retries of a shard's requests", shard_retries},
    {"shard_refused_total", "counter", "Requests that a shard's rate or its full queue refused",
     shard_refused},
};

static void write_shards(struct scrape *scrape)
{
    const struct overview *overview = scrape->overview;
    for (size_t i = 0; i < sizeof shard_rows / sizeof shard_rows[0]; i++) {
        const struct route_row *row = &shard_rows[i];
        scrape_head(scrape, row->name, row->kind, row->help);
        for (size_t j = 0; j < overview->route_count; j++) {
            const struct shard_set *set = overview->routes[j].admission->shards;
            for (size_t k = 0; set != NULL && k < set->count; k++) {
                scrape_sample(scrape, row->name, row->value(&set->shards[k]),
                              "route=\"%s\",shard=\"%zu\"",
                              scrape_label(overview->routes[j].name).text, k);
            }
        }
    }
}

static void write_keys(struct scrape *scrape)
{
    static const struct {
        const char *name, *kind, *help;
        size_t at;
    } key_rows[] = {
#define AT(field) offsetof(struct key_buckets_figures, field)
        {"rate_keys", "gauge", "Keys of key_rate that have used some of their rate",
         AT(used_count)},
        {"rate_keys_limit", "gauge", "Keys that can be remembered", AT(room_count)},
        {"rate_keys_pushed_out_total", "counter",
         "Keys that were forgotten before their rate was whole again", AT(pushed_out_count)},
#undef AT
    };
    const struct overview *overview = scrape->overview;
    uint64_t now_us = loop_clock_us(&(struct loop_clock){0});
    for (size_t i = 0; i < sizeof key_rows / sizeof key_rows[0]; i++) {
        scrape_head(scrape, key_rows[i].name, key_rows[i].kind, key_rows[i].help);
        for (size_t j = 0; j < overview->route_count; j++) {
            const struct admission_keys *keys = overview->routes[j].admission->keys;
            if (keys == NULL) {
                continue;
            }
            const struct key_buckets_figures figures = key_buckets_figures(keys->buckets, now_us);
            scrape_sample(
                scrape, key_rows[i].name,
                (double)*(const uint64_t *)(const void *)((const char *)&figures + key_rows[i].at),
                "route=\"%s\"", scrape_label(overview->routes[j].name).text);
        }
    }
}

void policy_metrics_write(struct scrape *scrape)
{
    write_shards(scrape);
    write_keys(scrape);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct walk walk = {scrape, &rows[i]};
        scrape_head(scrape, rows[i].name, rows[i].kind, rows[i].help);
        pools_each_upstream(scrape->overview->pools, write_upstream, &walk);
    }
}
