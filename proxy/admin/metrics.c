/* Every figure of the process as a metric. */
#include "proxy/admin/metrics.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "pool/health.h"
#include "pool/lease.h"
#include "pool/resolver.h"
#include "proxy/admin/policy_metrics.h"
#include "proxy/admin/scrape.h"
#include "steady/budget.h"
#include "tls/server.h"
#include "tls/session_cache.h"

/* Upper edges of the latency histograms, in microseconds; each is moved to the end of the bucket it falls into. */
static const uint64_t latency_edges_us[] = {500,     1000,     2500,     5000,    10000,   25000,
                                            50000,   100000,   250000,   500000,  1000000, 2500000,
                                            5000000, 10000000, 30000000, 60000000};

/* ---- workers ---- */

static void write_counters(struct scrape *scrape)
{
    const struct overview *overview = scrape->overview;
    static const struct {
        size_t at;
        const char *name, *help;
    } rows[] = {
#define X(id, name, help) {offsetof(struct worker_stats, id), name, help},
        WORKER_COUNTERS(X)
#undef X
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint64_t sum = 0;
        for (unsigned w = 0; w < overview->worker_count; w++) {
            sum += stat_read(
                (const uint64_t *)(const void *)((const char *)overview->workers[w] + rows[i].at));
        }
        scrape_single(scrape, rows[i].name, "counter", rows[i].help, (double)sum);
    }
}

static void write_gauges(struct scrape *scrape)
{
    const struct overview *overview = scrape->overview;
    uint64_t open = 0, idle = 0, tunnels = 0;
    for (unsigned w = 0; w < overview->worker_count; w++) {
        open += stat_read(&overview->workers[w]->clients_open);
        idle += stat_read(&overview->workers[w]->clients_idle);
        tunnels += stat_read(&overview->workers[w]->tunnels_open);
    }
    scrape_single(scrape, "clients_open", "gauge", "Client connections open", (double)open);
    scrape_single(scrape, "clients_idle", "gauge", "Client connections between requests",
                  (double)idle);
    scrape_single(scrape, "tunnels_open", "gauge", "Upgraded connections open", (double)tunnels);
    scrape_single(scrape, "workers", "gauge", "Worker threads", (double)overview->worker_count);
}

/* ---- routes ---- */

/* All routes and, as route="", what was refused before one was found. */
static size_t route_count(const struct scrape *scrape)
{
    return scrape->overview->route_count + 1;
}

static const char *route_name(const struct scrape *scrape, size_t route)
{
    return route == 0 ? "" : scrape->overview->routes[route - 1].name;
}

static const struct route_stats *route_stats(const struct scrape *scrape, size_t route,
                                             unsigned worker)
{
    const struct overview *overview = scrape->overview;
    return route == 0 ? &overview->workers[worker]->no_route
                      : &overview->routes[route - 1].by_worker[worker];
}

static void write_responses(struct scrape *scrape)
{
    static const char *const classes[6] = {"none", "1xx", "2xx", "3xx", "4xx", "5xx"};
    scrape_head(scrape, "responses_total", "counter",
                "Exchanges by route and class of the status sent");
    for (size_t route = 0; route < route_count(scrape); route++) {
        for (size_t class = 0; class < 6; class ++) {
            uint64_t sum = 0;
            for (unsigned w = 0; w < scrape->overview->worker_count; w++) {
                sum += stat_read(&route_stats(scrape, route, w)->by_class[class]);
            }
            scrape_sample(scrape, "responses_total", (double)sum, "route=\"%s\",class=\"%s\"",
                          route_name(scrape, route), classes[class]);
        }
    }
}

static void write_reasons(struct scrape *scrape)
{
    scrape_head(scrape, "exchanges_by_reason_total", "counter",
                "Exchanges by route and how they ended");
    for (size_t route = 0; route < route_count(scrape); route++) {
        for (size_t reason = 0; reason < REASON_COUNT; reason++) {
            uint64_t sum = 0;
            for (unsigned w = 0; w < scrape->overview->worker_count; w++) {
                sum += stat_read(&route_stats(scrape, route, w)->by_reason[reason]);
            }
            /* reasons that have not occurred would be most of the page */
            if (sum > 0) {
                scrape_sample(scrape, "exchanges_by_reason_total", (double)sum,
                              "route=\"%s\",reason=\"%s\"", route_name(scrape, route),
                              reason_rows[reason].name);
            }
        }
    }
}

static void write_handshake_failures(struct scrape *scrape)
{
    scrape_head(scrape, "tls_handshakes_failed_total", "counter",
                "TLS handshakes with clients that came to nothing, by cause");
    for (size_t cause = 1; cause < TLS_FAILURE_COUNT; cause++) {
        uint64_t sum = 0;
        for (unsigned w = 0; w < scrape->overview->worker_count; w++) {
            sum += stat_read(&scrape->overview->workers[w]->handshakes_failed[cause]);
        }
        if (sum > 0) {
            scrape_sample(scrape, "tls_handshakes_failed_total", (double)sum, "cause=\"%s\"",
                          tls_failure_name((enum tls_failure)cause));
        }
    }
}

struct listener_scrape {
    struct scrape *scrape;
    const char *listener;
};

static void write_certificate(const struct tls_certificate_figures *figures, void *owner)
{
    const struct listener_scrape *of = owner;
    scrape_sample(of->scrape, "tls_certificate_expiry_timestamp_seconds",
                  (double)figures->expires_s,
                  "listener=\"%s\",certificate=\"%zu\",name=\"%s\",type=\"%s\"", of->listener,
                  figures->number, scrape_label(figures->name).text, figures->type);
}

/* Of the present generation: names come from files the settings name. */
static void write_certificates(struct scrape *scrape)
{
    const struct overview *overview = scrape->overview;
    scrape_head(scrape, "tls_certificate_expiry_timestamp_seconds", "gauge",
                "When a listener's certificate expires, in seconds since 1970");
    for (size_t i = 0; overview->tls != NULL && i < overview->settings->listener_count; i++) {
        struct listener_scrape of = {scrape, overview->settings->listeners[i].name};
        if (overview->tls[i] != NULL) {
            tls_server_each_certificate(overview->tls[i], write_certificate, &of);
        }
    }
}

static void write_histogram(struct scrape *scrape, const char *name, const char *help, size_t at)
{
    scrape_head(scrape, name, "histogram", help);
    for (size_t route = 1; route < route_count(scrape); route++) {
        struct histogram sum = {0};
        char series[128];
        for (unsigned w = 0; w < scrape->overview->worker_count; w++) {
            const char *stats = (const char *)route_stats(scrape, route, w);
            histogram_add(&sum, (const struct histogram *)(const void *)(stats + at));
        }
        snprintf(series, sizeof series, "%s_bucket", name);
        for (size_t i = 0; i < sizeof latency_edges_us / sizeof latency_edges_us[0]; i++) {
            scrape_sample(scrape, series, (double)histogram_count_upto(&sum, latency_edges_us[i]),
                          "route=\"%s\",le=\"%.15g\"", route_name(scrape, route),
                          (double)latency_edges_us[i] / 1e6);
        }
        scrape_sample(scrape, series, (double)histogram_count(&sum), "route=\"%s\",le=\"+Inf\"",
                      route_name(scrape, route));
        snprintf(series, sizeof series, "%s_sum", name);
        scrape_sample(scrape, series, (double)sum.sum / 1e6, "route=\"%s\"",
                      route_name(scrape, route));
        snprintf(series, sizeof series, "%s_count", name);
        scrape_sample(scrape, series, (double)histogram_count(&sum), "route=\"%s\"",
                      route_name(scrape, route));
    }
}

/* ---- upstreams ---- */

/* One metric of every endpoint as the settings name it: addresses come and go, and would be series without end. */
struct endpoint_row {
    const char *name, *kind, *help;
    const char *state; /* label state="...", or NULL */
    size_t at;
    double per_unit; /* 0: as it is */
};

#define AT(field) offsetof(struct endpoint_figures, field)
static const struct endpoint_row endpoint_rows[] = {
    {"endpoint_connections", "gauge", "Connections of an endpoint by state", "open", AT(open), 0},
    {"endpoint_connections", NULL, NULL, "idle", AT(idle), 0},
    {"endpoint_connections", NULL, NULL, "in_flight", AT(in_flight), 0},
    {"endpoint_connections", NULL, NULL, "dialling", AT(dialling), 0},
    {"endpoint_dials_total", "counter", "Connections dialled", NULL, AT(dials), 0},
    {"endpoint_dial_failures_total", "counter", "Dials that failed", NULL, AT(dial_failures), 0},
    {"endpoint_leases_total", "counter", "Connections lent, by whether they had been used before",
     "reused", AT(reused), 0},
    {"endpoint_leases_total", NULL, NULL, "fresh", AT(fresh), 0},
    {"endpoint_healthy", "gauge",
     "Addresses of it that nothing speaks against: probes, attempts, the operator", NULL,
     AT(healthy), 0},
    {"endpoint_latency_seconds", "gauge",
     "Estimate by which endpoints are chosen; 0: unknown or long ago", NULL, AT(latency_us), 1e6},
    {"endpoint_probes_total", "counter", "Health probes by how they ended", "good", AT(probes_good),
     0},
    {"endpoint_probes_total", NULL, NULL, "failed", AT(probes_failed), 0},
    {"endpoint_probes_total", NULL, NULL, "put_off", AT(probes_put_off), 0},
    {"endpoint_ejections_total", "counter", "Times it was taken out because attempts failed", NULL,
     AT(ejections), 0},
    {"endpoint_health_changes_total", "counter", "Times its health status changed", NULL,
     AT(changes), 0},
    {"endpoint_handed_over_total", "counter", "Idle connections passed between workers", NULL,
     AT(handed_over), 0},
    {"endpoint_warm_connections", "gauge", "Connections to keep ready (pool.warm_min)", NULL,
     AT(warm), 0},
    {"endpoint_ready_connections", "gauge", "Connections that carry or could carry a request", NULL,
     AT(ready), 0},
    {"endpoint_target_connections", "gauge",
     "Connections to be dialled again after a loss; 0: none is missing", NULL, AT(target), 0},
    {"endpoint_losses_total", "counter",
     "Times so many idle connections died that the others were replaced too", NULL, AT(losses), 0},
    {"endpoint_learned_idle_seconds", "gauge",
     "What its connections may rest, learned from when it closes them; 0: pool.idle", NULL,
     AT(learned_idle_ms), 1e3},
    {"endpoint_cold", "gauge", "1 while a new endpoint is dialled and others go first", NULL,
     AT(cold), 0},
};
#undef AT

static void write_endpoint(struct scrape *scrape, const struct endpoint_row *row,
                           const struct endpoint_figures *figures)
{
    double value = (double)*(const uint64_t *)(const void *)((const char *)figures + row->at) /
                   (row->per_unit != 0 ? row->per_unit : 1);
    struct label upstream = scrape_label(figures->upstream), endpoint = scrape_label(figures->text);
    scrape_sample(scrape, row->name, value,
                  row->state != NULL ? "upstream=\"%s\",endpoint=\"%s\",state=\"%s\""
                                     : "upstream=\"%s\",endpoint=\"%s\"%s",
                  upstream.text, endpoint.text, row->state != NULL ? row->state : "");
}

static void write_closes(struct scrape *scrape, const struct endpoint_figures *figures)
{
    struct label upstream = scrape_label(figures->upstream), endpoint = scrape_label(figures->text);
    for (size_t i = 0; i < sizeof figures->closed / sizeof figures->closed[0]; i++) {
        if (figures->closed[i] > 0) {
            scrape_sample(scrape, "endpoint_closes_total", (double)figures->closed[i],
                          "upstream=\"%s\",endpoint=\"%s\",reason=\"%s\"", upstream.text,
                          endpoint.text, lease_close_reason_name((enum lease_close_reason)i));
        }
    }
}

static void write_endpoints(struct scrape *scrape)
{
    struct endpoint_figures *entries = NULL;
    size_t count = pools_endpoint_totals(scrape->overview->pools, &entries);
    for (size_t i = 0; i < sizeof endpoint_rows / sizeof endpoint_rows[0]; i++) {
        const struct endpoint_row *row = &endpoint_rows[i];
        if (row->kind != NULL) {
            scrape_head(scrape, row->name, row->kind, row->help);
        }
        for (size_t e = 0; e < count; e++) {
            write_endpoint(scrape, row, &entries[e]);
        }
    }
    scrape_head(scrape, "endpoint_closes_total", "counter", "Connections closed, by reason");
    for (size_t e = 0; e < count; e++) {
        write_closes(scrape, &entries[e]);
    }
    free(entries);
}

/* One metric of every upstream. */
struct upstream_walk {
    struct scrape *scrape;
    const char *name;
    size_t row;
};

static void write_upstream_health(const struct upstream *upstream, void *owner)
{
    const struct upstream_walk *walk = owner;
    const struct upstream_health health = upstream_health(upstream);
    const double values[] = {(double)health.endpoint_count, (double)health.healthy_count,
                             health.panic ? 1 : 0, (double)health.panics_count};
    struct label name = scrape_label(upstream->name);
    scrape_sample(walk->scrape, walk->name, values[walk->row], "upstream=\"%s\"", name.text);
}

static void write_upstreams(struct scrape *scrape)
{
    static const struct {
        const char *name, *kind, *help;
    } rows[] = {
        {"upstream_endpoints", "gauge", "Endpoints of an upstream that are not drained"},
        {"upstream_endpoints_healthy", "gauge", "Those of them that are healthy"},
        {"upstream_panic", "gauge", "1 while so few are healthy that all are used"},
        {"upstream_panics_total", "counter", "Times that began"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct upstream_walk walk = {scrape, rows[i].name, i};
        scrape_head(scrape, rows[i].name, rows[i].kind, rows[i].help);
        pools_each_upstream(scrape->overview->pools, write_upstream_health, &walk);
    }
}

/* ---- TLS towards upstreams ---- */

static void write_handshakes(const struct upstream *upstream, void *owner)
{
    struct upstream_tls_figures figures;
    struct label name = scrape_label(upstream->name);
    upstream_tls_figures(upstream, &figures);
    scrape_sample(owner, "upstream_tls_handshakes_total", (double)figures.full,
                  "upstream=\"%s\",kind=\"full\"", name.text);
    scrape_sample(owner, "upstream_tls_handshakes_total", (double)figures.resumed,
                  "upstream=\"%s\",kind=\"resumed\"", name.text);
}

static void write_upstream_failures(const struct upstream *upstream, void *owner)
{
    struct upstream_tls_figures figures;
    struct label name = scrape_label(upstream->name);
    upstream_tls_figures(upstream, &figures);
    for (size_t cause = 1; cause < TLS_FAILURE_COUNT; cause++) {
        if (figures.failed[cause] > 0) {
            scrape_sample(owner, "upstream_tls_failures_total", (double)figures.failed[cause],
                          "upstream=\"%s\",cause=\"%s\"", name.text,
                          tls_failure_name((enum tls_failure)cause));
        }
    }
}

static void write_own_certificate(const struct upstream *upstream, void *owner)
{
    struct upstream_tls_figures figures;
    struct label name = scrape_label(upstream->name);
    upstream_tls_figures(upstream, &figures);
    if (figures.certificate_expires_s != 0) {
        scrape_sample(owner, "upstream_tls_certificate_expiry_timestamp_seconds",
                      (double)figures.certificate_expires_s, "upstream=\"%s\"", name.text);
    }
}

static double name_sessions_value(const struct session_name_figures *figures)
{
    return (double)figures->entries;
}

static double name_offered_value(const struct session_name_figures *figures)
{
    return (double)figures->offered;
}

static double name_accepted_value(const struct session_name_figures *figures)
{
    return (double)figures->accepted;
}

static double name_apart_value(const struct session_name_figures *figures)
{
    return figures->apart ? 1 : 0;
}

struct session_row {
    const char *name, *kind, *help;
    double (*value)(const struct session_name_figures *figures);
};

struct session_walk {
    struct scrape *scrape;
    const struct session_row *row;
};

/* A name may be there several times, once for each trust: a part of the fingerprint tells which is which. */
static void write_session_name(const struct session_name_figures *figures, void *owner)
{
    const struct session_walk *walk = owner;
    struct label name = scrape_label(figures->name);
    scrape_sample(walk->scrape, walk->row->name, walk->row->value(figures),
                  "server_name=\"%s\",port=\"%u\",trust=\"%02x%02x%02x%02x\"", name.text,
                  (unsigned)figures->port, figures->trust[0], figures->trust[1], figures->trust[2],
                  figures->trust[3]);
}

static void write_session_totals(struct scrape *scrape)
{
    struct session_figures figures;
    session_cache_figures(pools_sessions(scrape->overview->pools), &figures);
    const struct {
        const char *name, *help;
        uint64_t value;
    } rows[] = {
        {"tls_sessions_stored_total", "Sessions that upstreams gave us and were kept",
         figures.stored},
        {"tls_sessions_offered_total", "Sessions offered in a handshake that succeeded",
         figures.offered},
        {"tls_sessions_accepted_total", "Those of them that were resumed", figures.accepted},
        {"tls_sessions_evicted_total", "Sessions that made room for others", figures.evicted},
        {"tls_sessions_expired_total", "Sessions whose life was over", figures.expired},
        {"tls_sessions_dropped_total", "Sessions that could not be kept", figures.dropped},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        scrape_single(scrape, rows[i].name, "counter", rows[i].help, (double)rows[i].value);
    }
    scrape_single(scrape, "tls_sessions", "gauge", "Upstream TLS sessions kept",
                  (double)figures.entries);
    scrape_single(scrape, "tls_session_bytes", "gauge", "What they take", (double)figures.bytes);
    scrape_single(scrape, "tls_session_names", "gauge", "Server names they are for",
                  (double)figures.names);
}

static void write_upstream_tls(struct scrape *scrape)
{
    static const struct session_row rows[] = {
        {"tls_name_sessions", "gauge", "Sessions kept for a server name", name_sessions_value},
        {"tls_name_offered_total", "counter", "Sessions of the name offered", name_offered_value},
        {"tls_name_accepted_total", "counter", "Those of them that were resumed",
         name_accepted_value},
        {"tls_name_apart", "gauge", "1 while its addresses are found not to share ticket keys",
         name_apart_value},
    };
    struct pools *pools = scrape->overview->pools;
    scrape_head(scrape, "upstream_tls_handshakes_total", "counter",
                "TLS handshakes with an upstream that succeeded");
    pools_each_upstream(pools, write_handshakes, scrape);
    scrape_head(scrape, "upstream_tls_failures_total", "counter",
                "TLS handshakes with an upstream that failed, by cause");
    pools_each_upstream(pools, write_upstream_failures, scrape);
    scrape_head(scrape, "upstream_tls_certificate_expiry_timestamp_seconds", "gauge",
                "When the certificate that is shown to an upstream expires, in seconds since 1970");
    pools_each_upstream(pools, write_own_certificate, scrape);
    write_session_totals(scrape);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct session_walk walk = {scrape, &rows[i]};
        scrape_head(scrape, rows[i].name, rows[i].kind, rows[i].help);
        session_cache_each_name(pools_sessions(pools), write_session_name, &walk);
    }
}

/* ---- names ---- */

/* One metric of every name: resolver_each_name() is walked once for each. */
struct name_row {
    const char *name, *help;
    double (*value)(const struct name_figures *figures);
};

static double name_addresses_value(const struct name_figures *figures)
{
    return (double)figures->addresses_count;
}

static double name_age_value(const struct name_figures *figures)
{
    return (double)figures->age_ms / 1000;
}

static double name_stale_value(const struct name_figures *figures)
{
    return figures->stale ? 1 : 0;
}

static double name_next_value(const struct name_figures *figures)
{
    return (double)figures->next_ms / 1000;
}

struct name_walk {
    struct scrape *scrape;
    const struct name_row *row;
};

static void write_name(const struct name_figures *figures, void *owner)
{
    const struct name_walk *walk = owner;
    struct label name = scrape_label(figures->name);
    scrape_sample(walk->scrape, walk->row->name, walk->row->value(figures),
                  "name=\"%s\",type=\"%s\"", name.text, figures->service ? "service" : "host");
}

static void write_names(struct scrape *scrape)
{
    static const struct name_row rows[] = {
        {"dns_name_addresses", "Addresses a configured name stands for", name_addresses_value},
        {"dns_name_age_seconds", "Age of the oldest answer in use for a name", name_age_value},
        {"dns_name_stale", "1 while an answer in use is older than its TTL", name_stale_value},
        {"dns_name_next_lookup_seconds", "Until a name is asked for again", name_next_value},
    };
    struct resolver_figures figures;
    resolver_figures(scrape->overview->resolver, &figures);
    scrape_head(scrape, "dns_queries_total", "counter", "Questions to DNS servers, by type");
    for (size_t i = 0; i < DNS_TYPE_COUNT; i++) {
        scrape_sample(scrape, "dns_queries_total", (double)figures.queries[i], "type=\"%s\"",
                      dns_type_name((enum dns_type)i));
    }
    scrape_head(scrape, "dns_lookups_total", "counter", "Lookups that have ended, by result");
    for (size_t i = 0; i < LOOKUP_RESULT_COUNT; i++) {
        scrape_sample(scrape, "dns_lookups_total", (double)figures.results[i], "result=\"%s\"",
                      lookup_result_name((enum lookup_result)i));
    }
    scrape_single(scrape, "dns_reopened_total", "counter",
                  "Times the sockets to DNS servers were opened anew", (double)figures.reopened);
    scrape_single(scrape, "dns_adoptions_total", "counter",
                  "Times the workers took over other addresses of names",
                  (double)scrape->overview->name_adoptions);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct name_walk walk = {scrape, &rows[i]};
        scrape_head(scrape, rows[i].name, "gauge", rows[i].help);
        resolver_each_name(scrape->overview->resolver, write_name, &walk);
    }
}

/* ---- bounds, process ---- */

static void write_bounds(struct scrape *scrape)
{
    static const struct {
        const char *name, *kind, *help;
        uint64_t (*read)(const struct bound *bound);
    } rows[] = {
        {"bound_used", "gauge", "Use of a bounded resource", bound_used},
        {"bound_limit", "gauge", "Its limit", bound_limit},
        {"bound_peak", "gauge", "Its highest use so far", bound_peak},
        {"bound_refused_total", "counter", "Times the limit refused", bound_refused},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct bound *bound;
        scrape_head(scrape, rows[i].name, rows[i].kind, rows[i].help);
        TAILQ_FOREACH (bound, &scrape->overview->registry->bounds, link) {
            struct label detail = scrape_label(bound->detail);
            scrape_sample(scrape, rows[i].name, (double)rows[i].read(bound),
                          "name=\"%s\",detail=\"%s\"", bound->name, detail.text);
        }
    }
}

static void write_process(struct scrape *scrape)
{
    const struct overview *overview = scrape->overview;
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    scrape_head(scrape, "build_info", "gauge", "Always 1");
    scrape_sample(scrape, "build_info", 1, "version=\"%s\"", overview->version);
    scrape_single(scrape, "start_time_seconds", "gauge", "When the process started, Unix time",
                  (double)overview->started_wall_ms / 1000);
    scrape_single(scrape, "generation", "gauge", "Number of the present configuration",
                  (double)overview->generation);
    scrape_single(scrape, "ready", "gauge", "1 while /readyz answers 200",
                  readiness_is_ready(overview->readiness) ? 1 : 0);
    scrape_head(scrape, "readiness_state", "gauge", "1 for the state of readiness");
    for (unsigned i = 0; i < READINESS_STATE_COUNT; i++) {
        scrape_sample(scrape, "readiness_state", overview->readiness->state == i ? 1 : 0,
                      "state=\"%s\"", readiness_state_name((enum readiness_state)i));
    }
    scrape_single(scrape, "readiness_gave_up", "gauge",
                  "1 when readiness did not wait for warmth any longer",
                  (double)overview->readiness->gave_up_count);
    scrape_single(scrape, "ready_after_seconds", "gauge",
                  "What it took from the start to readiness; 0: it is not there yet",
                  (double)overview->readiness->ready_ms / 1000);
    scrape_single(scrape, "upgrades_total", "counter", "Upgrades begun by this process",
                  (double)overview->upgrade->begun_count);
    scrape_single(scrape, "upgrade_failures_total", "counter",
                  "Upgrades that ended with this process going on",
                  (double)overview->upgrade->failed_count);
    scrape_single(scrape, "warm_state_restored", "gauge", "1 when the start found a warm state",
                  overview->warm->restored ? 1 : 0);
    scrape_single(scrape, "warm_state_saves_total", "counter", "Warm states saved",
                  (double)overview->warm->saves_ok);
    scrape_single(scrape, "warm_state_save_failures_total", "counter",
                  "Warm states that could not be saved", (double)overview->warm->saves_failed);
    scrape_single(scrape, "warm_state_saved_time_seconds", "gauge",
                  "When the last warm state was saved, Unix time; 0: never",
                  (double)overview->warm->saved_wall_ms / 1000);
    scrape_single(scrape, "warm_state_bytes", "gauge", "Size of the last warm state saved",
                  (double)overview->warm->saved_bytes);
    scrape_single(scrape, "draining", "gauge", "1 while the process drains",
                  overview->draining ? 1 : 0);
    scrape_single(scrape, "worker_silence_seconds", "gauge",
                  "How long ago the worker that has been silent longest gave a sign of life",
                  (double)overview->silence_ms / 1000);
    scrape_single(scrape, "reloads_total", "counter", "Reloads that took effect",
                  (double)overview->reloads_ok);
    scrape_single(scrape, "reload_failures_total", "counter", "Reloads that were rejected",
                  (double)overview->reloads_failed);
    scrape_single(scrape, "last_reload_time_seconds", "gauge", "Last reload, Unix time; 0: never",
                  (double)overview->last_reload_wall_ms / 1000);
    scrape_single(scrape, "last_reload_successful", "gauge", "0 after a rejected reload",
                  overview->last_reload_ok || overview->last_reload_wall_ms == 0 ? 1 : 0);
    scrape_single(scrape, "cpu_user_seconds_total", "counter", "User time of the process",
                  (double)usage.ru_utime.tv_sec + (double)usage.ru_utime.tv_usec / 1e6);
    scrape_single(scrape, "cpu_system_seconds_total", "counter", "System time of the process",
                  (double)usage.ru_stime.tv_sec + (double)usage.ru_stime.tv_usec / 1e6);
    scrape_single(scrape, "resident_memory_bytes", "gauge", "Resident memory",
                  (double)budget_resident_bytes(""));
    scrape_single(scrape, "memory_budget_bytes", "gauge", "What it may use",
                  (double)overview->memory_budget_bytes);
    scrape_single(scrape, "open_fds", "gauge", "Open file descriptors",
                  (double)budget_open_fds(""));
    scrape_single(scrape, "max_fds", "gauge", "Limit on file descriptors",
                  (double)sysconf(_SC_OPEN_MAX));
}

static void write_log(struct scrape *scrape)
{
    struct log_figures figures;
    log_figures(scrape->overview->log, &figures);
    scrape_single(scrape, "log_lines_total", "counter", "Lines handed to the log thread",
                  (double)figures.lines);
    scrape_single(scrape, "log_dropped_total", "counter", "Lines dropped because a ring was full",
                  (double)figures.dropped);
    scrape_single(scrape, "log_write_errors_total", "counter", "Failed writes, opens and rotations",
                  (double)figures.write_errors);
    scrape_single(scrape, "log_written_bytes_total", "counter", "Bytes written",
                  (double)figures.bytes);
    scrape_single(scrape, "log_rotations_total", "counter", "Files rotated",
                  (double)figures.rotations);
}

void metrics_write(struct evbuffer *out, const struct overview *overview)
{
    struct scrape scrape = {out, overview, 0, 0};
    struct timespec begin, end;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    write_process(&scrape);
    write_counters(&scrape);
    write_gauges(&scrape);
    write_responses(&scrape);
    write_reasons(&scrape);
    write_handshake_failures(&scrape);
    write_certificates(&scrape);
    write_histogram(&scrape, "exchange_duration_seconds",
                    "Time from a request's head to the end of its response",
                    offsetof(struct route_stats, duration_us));
    write_histogram(&scrape, "first_byte_seconds",
                    "Time from a request's head to the head of the upstream's response",
                    offsetof(struct route_stats, first_byte_us));
    write_endpoints(&scrape);
    write_upstreams(&scrape);
    write_upstream_tls(&scrape);
    policy_metrics_write(&scrape);
    write_names(&scrape);
    write_bounds(&scrape);
    write_log(&scrape);
    clock_gettime(CLOCK_MONOTONIC, &end);
    scrape_single(&scrape, "metric_series_dropped", "gauge",
                  "Series left out because there are too many", (double)scrape.dropped);
    scrape_single(&scrape, "scrape_duration_seconds", "gauge", "Time it took to write this page",
                  (double)(end.tv_sec - begin.tv_sec) +
                      (double)(end.tv_nsec - begin.tv_nsec) / 1e9);
    scrape_single(&scrape, "metric_series", "gauge", "Series on this page, this one included",
                  (double)scrape.series + 1);
}
