/* Answers about what bears the load: limits, pools, time, logs. */
#include <inttypes.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "conf/checklist_parts.h"
#include "conf/schema.h"
#include "steady/budget.h"

#define MIB (UINT64_C(1024) * 1024)
/* What a process of this kind needs besides clients and upstreams. */
#define OTHER_DESCRIPTORS 128
/* A longer lifetime keeps connections to servers that are no longer meant. */
#define LIFETIME_MOST_MS (UINT64_C(3600) * 1000)
/* An attempt at an endpoint that is gone takes as long. */
#define CONNECT_MOST_MS 10000
/* Retries beyond this share of the requests make an outage worse. */
#define RETRY_RATIO_MOST 0.25
/* With more upstreams a page of metrics leaves series out. */
#define UPSTREAMS_MOST 1000

/* ---- memory and descriptors ---- */

void answer_memory(struct checking *checking)
{
    const char *source;
    uint64_t budget = budget_memory_bytes("", &source),
             set = checking->settings->limits.memory_bytes;
    const char *what = strcmp(source, "ram") == 0 ? "this machine" : "the cgroup";
    if (set == 0) {
        checklist_say(checking, CHECKLIST_MET,
                      "limits.memory: %" PRIu64 " MiB, 90%% of what %s has", budget / MIB, what);
    } else if (set <= budget) {
        checklist_say(checking, CHECKLIST_MET,
                      "limits.memory: %" PRIu64 " MiB of %" PRIu64 " MiB that may be used",
                      set / MIB, budget / MIB);
    } else {
        checklist_say(checking, CHECKLIST_WARNING,
                      "limits.memory (%" PRIu64 " MiB) is more than 90%% of what %s has (%" PRIu64
                      " MiB): the process may be killed before it refuses work: leave it out",
                      set / MIB, what, budget / MIB);
    }
}

/* Only limits that someone has raised can be more than was meant: at the hard limit, the default ones are lower by themselves. */
static bool limits_raised(const struct settings *settings)
{
    bool raised = settings->limits.clients_count > schema_default("", "limits.clients");
    for (size_t i = 0; i < settings->upstream_count; i++) {
        const struct upstream_settings *upstream = &settings->upstreams[i];
        raised = raised || (upstream->pool.max_count > schema_default("upstreams", "pool.max") &&
                            upstream->limits.in_flight_count >
                                schema_default("upstreams", "limits.in_flight"));
    }
    return raised;
}

static uint64_t upstream_descriptors(const struct settings *settings)
{
    uint64_t count = 0;
    for (size_t i = 0; i < settings->upstream_count; i++) {
        const struct upstream_settings *upstream = &settings->upstreams[i];
        uint64_t connections = upstream->pool.max_count * upstream->endpoint_count;
        uint64_t in_flight = upstream->limits.in_flight_count;
        count += connections < in_flight ? connections : in_flight;
    }
    return count;
}

void answer_descriptors(struct checking *checking)
{
    const struct settings *settings = checking->settings;
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return;
    }
    uint64_t wanted =
        settings->limits.clients_count + upstream_descriptors(settings) + OTHER_DESCRIPTORS;
    if (wanted <= limit.rlim_max) {
        checklist_say(checking, CHECKLIST_MET, "at most %" PRIu64 " of %" PRIu64, wanted,
                      (uint64_t)limit.rlim_max);
    } else if (limits_raised(settings)) {
        checklist_say(checking, CHECKLIST_WARNING,
                      "limits.clients (%" PRIu64
                      ") and the upstreams' connections may need %" PRIu64
                      ", the hard limit is %" PRIu64
                      ": accepting will pause before limits.clients is reached: raise the limit of "
                      "the process (LimitNOFILE, ulimit -n)",
                      settings->limits.clients_count, wanted, (uint64_t)limit.rlim_max);
    } else {
        checklist_say(checking, CHECKLIST_MET,
                      "the hard limit of %" PRIu64 " bounds the number of clients",
                      (uint64_t)limit.rlim_max);
    }
}

/* ---- upstreams ---- */

void answer_queues(struct checking *checking)
{
    const struct settings *settings = checking->settings;
    uint64_t queue_count = 0, wait_ms = 0;
    for (size_t i = 0; i < settings->upstream_count; i++) {
        const struct upstream_limit_settings *limits = &settings->upstreams[i].limits;
        queue_count += limits->queue_count;
        wait_ms = limits->queue_wait_ms > wait_ms ? limits->queue_wait_ms : wait_ms;
        if (limits->queue_count > limits->in_flight_count &&
            limits->queue_count != schema_default("upstreams", "limits.queue")) {
            checklist_say(
                checking, CHECKLIST_ADVICE,
                "upstreams.%s: limits.queue (%" PRIu64 ") is longer than limits.in_flight (%" PRIu64
                "): the last in it wait for more than a whole round: lower limits.queue",
                settings->upstreams[i].name, limits->queue_count, limits->in_flight_count);
        }
    }
    if (checking->findings_count == 0) {
        checklist_say(checking, CHECKLIST_MET,
                      "at most %" PRIu64 " requests wait, each at most %" PRIu64 " ms", queue_count,
                      wait_ms);
    }
}

static void check_pool(struct checking *checking, const struct upstream_settings *upstream)
{
    uint64_t connections = upstream->pool.max_count * upstream->endpoint_count;
    uint64_t in_flight = upstream->limits.in_flight_count;
    bool chosen = in_flight != schema_default("upstreams", "limits.in_flight");
    if (chosen && in_flight > connections && upstream->protocol == UPSTREAM_HTTP1) {
        checklist_say(checking, CHECKLIST_ADVICE,
                      "upstreams.%s: limits.in_flight (%" PRIu64
                      ") is more than all its connections (%" PRIu64
                      "): exchanges will queue for connections: raise pool.max",
                      upstream->name, in_flight, connections);
    }
    if (upstream->pool.lifetime_ms > LIFETIME_MOST_MS) {
        checklist_say(
            checking, CHECKLIST_ADVICE,
            "upstreams.%s: pool.lifetime (%" PRIu64
            " min) keeps connections to a server that is no longer meant: lower it to \"15m\"",
            upstream->name, upstream->pool.lifetime_ms / 60000);
    }
}

void answer_pools(struct checking *checking)
{
    for (size_t i = 0; i < checking->settings->upstream_count; i++) {
        check_pool(checking, &checking->settings->upstreams[i]);
    }
}

static uint64_t longest_total_ms(const struct settings *settings)
{
    uint64_t longest_ms = 0;
    for (size_t i = 0; i < settings->upstream_count; i++) {
        uint64_t total_ms = settings->upstreams[i].timeouts.total_ms;
        longest_ms = total_ms > longest_ms ? total_ms : longest_ms;
    }
    return longest_ms;
}

void answer_deadlines(struct checking *checking)
{
    const struct settings *settings = checking->settings;
    for (size_t i = 0; i < settings->upstream_count; i++) {
        uint64_t connect_ms = settings->upstreams[i].timeouts.connect_ms;
        if (connect_ms > CONNECT_MOST_MS) {
            checklist_say(checking, CHECKLIST_ADVICE,
                          "upstreams.%s: timeouts.connect (%" PRIu64
                          " ms) is what every attempt at a dead endpoint takes: lower it",
                          settings->upstreams[i].name, connect_ms);
        }
    }
    if (checking->findings_count == 0) {
        checklist_say(checking, CHECKLIST_MET,
                      "every wait has a limit; the longest until a response begins is %" PRIu64
                      " ms",
                      longest_total_ms(settings));
    }
}

void answer_retries(struct checking *checking)
{
    for (size_t i = 0; i < checking->settings->upstream_count; i++) {
        const struct upstream_settings *upstream = &checking->settings->upstreams[i];
        if (upstream->retry.attempts_count > 1 && upstream->retry.budget_ratio > RETRY_RATIO_MOST &&
            upstream->retry.budget_per_minute_count == 0) {
            checklist_say(
                checking, CHECKLIST_ADVICE,
                "upstreams.%s: retry.budget.ratio (%g) lets retries add that share to the "
                "load of an upstream that fails: lower it, or set retry.budget.per_minute",
                upstream->name, upstream->retry.budget_ratio);
        }
    }
}

void answer_breakers(struct checking *checking)
{
    for (size_t i = 0; i < checking->settings->upstream_count; i++) {
        if (!checking->settings->upstreams[i].breaker.enabled) {
            checklist_say(checking, CHECKLIST_ADVICE,
                          "upstreams.%s: breaker.enabled is false: while it fails, every request "
                          "waits for its failure: leave it out",
                          checking->settings->upstreams[i].name);
        }
    }
}

void answer_endpoints(struct checking *checking)
{
    for (size_t i = 0; i < checking->settings->upstream_count; i++) {
        const struct upstream_settings *upstream = &checking->settings->upstreams[i];
        if (upstream->endpoint_count == 1 && upstream->endpoints[0].literal) {
            checklist_say(checking, CHECKLIST_ASK,
                          "upstreams.%s has one endpoint, %s: while it is out, so are its routes",
                          upstream->name, upstream->endpoints[0].text);
        }
    }
}

/* ---- what is kept, and told ---- */

void answer_caches(struct checking *checking)
{
    const struct settings *settings = checking->settings;
    checklist_say(checking, CHECKLIST_MET,
                  "at most %" PRIu64 " TLS sessions, kept by name for %" PRIu64
                  " s; addresses of names for %" PRIu64 " s",
                  settings->tls_sessions.entries_count, settings->tls_sessions.ttl_ms / 1000,
                  settings->resolver.max_ttl_ms / 1000);
}

void answer_series(struct checking *checking)
{
    const struct settings *settings = checking->settings;
    if (settings->upstream_count > UPSTREAMS_MOST) {
        checklist_say(checking, CHECKLIST_ADVICE,
                      "%zu upstreams are more than a page of metrics has room for: scrape "
                      "/metrics?upstream=NAME for those that matter",
                      settings->upstream_count);
    } else {
        checklist_say(
            checking, CHECKLIST_MET,
            "labels come from the %zu routes and %zu upstreams of this file, none from requests",
            settings->route_count, settings->upstream_count);
    }
}

/* What a path names now, if it is not rotated; NULL: a regular file, or nothing yet. */
static const char *unrotated_kind(const char *path)
{
    struct stat info;
    if (strcmp(path, "stdout") == 0 || strcmp(path, "stderr") == 0) {
        return "";
    }
    if (stat(path, &info) != 0 || S_ISREG(info.st_mode)) {
        return NULL;
    }
    return S_ISFIFO(info.st_mode)                           ? ": a FIFO: it is not rotated"
           : S_ISCHR(info.st_mode) || S_ISBLK(info.st_mode) ? ": a device: it is not rotated"
                                                            : ": no regular file";
}

static void check_log(struct checking *checking, const char *key, const char *path,
                      const struct rotation_settings *rotation)
{
    const char *kind = unrotated_kind(path);
    if (kind != NULL) {
        checklist_say(checking, CHECKLIST_MET, "%s: %s%s", key, path, kind);
    } else {
        checklist_say(checking, CHECKLIST_MET,
                      "%s: %s: rotated at %" PRIu64 " KiB or %" PRIu64 " s, %" PRIu64 " kept", key,
                      path, rotation->size_bytes / 1024, rotation->age_ms / 1000,
                      rotation->keep_count);
    }
}

void answer_logs(struct checking *checking)
{
    const struct log_settings *log = &checking->settings->log;
    check_log(checking, "log.path", log->path, &log->rotation);
    if (log->access.path != NULL) {
        check_log(checking, "log.access.path", log->access.path, &log->access.rotation);
    } else {
        checklist_say(checking, CHECKLIST_ASK,
                      "log.access.path is \"off\": nothing says how single requests ended");
    }
}

/* ---- start and end ---- */

void answer_drain(struct checking *checking)
{
    const struct settings *settings = checking->settings;
    uint64_t longest_ms = longest_total_ms(settings);
    bool chosen = settings->drain.grace_ms != schema_default("", "drain.grace") ||
                  longest_ms != schema_default("upstreams", "timeouts.total");
    if (chosen && settings->drain.grace_ms < longest_ms) {
        checklist_say(checking, CHECKLIST_ADVICE,
                      "drain.grace (%" PRIu64
                      " ms) is shorter than the longest timeouts.total (%" PRIu64
                      " ms): an exchange may be cut at a restart: raise drain.grace, and with it "
                      "what kills the process (TimeoutStopSec, terminationGracePeriodSeconds)",
                      settings->drain.grace_ms, longest_ms);
    } else {
        checklist_say(checking, CHECKLIST_MET,
                      "drain.grace: %" PRIu64 " ms for exchanges to finish; drain.pause: %" PRIu64
                      " ms for load balancers to notice",
                      settings->drain.grace_ms, settings->drain.pause_ms);
    }
}

static bool waits_for_some(const struct settings *settings)
{
    for (size_t i = 0; i < settings->upstream_count; i++) {
        if (settings->upstreams[i].required) {
            return true;
        }
    }
    return settings->upstream_count == 0;
}

void answer_readiness(struct checking *checking)
{
    const struct readiness_settings *readiness = &checking->settings->readiness;
    if (!waits_for_some(checking->settings)) {
        checklist_say(checking, CHECKLIST_ADVICE,
                      "no upstream is required: /readyz says 200 although none can be reached: "
                      "leave required out where requests depend on it");
    } else if (readiness->pools_share <= 0) {
        checklist_say(
            checking, CHECKLIST_ADVICE,
            "readiness.pools is 0: traffic comes before connections are there: leave it out");
    } else {
        checklist_say(
            checking, CHECKLIST_MET,
            "/readyz says 200 with %g%% of the connections and %g%% of the TLS sessions of "
            "a warm process",
            readiness->pools_share * 100, readiness->sessions_share * 100);
    }
}

void answer_warm_state(struct checking *checking)
{
    const char *path = checking->settings->warm_state.path;
    bool kept = path[0] != '\0';
    checklist_say(
        checking, kept ? CHECKLIST_MET : CHECKLIST_ASK,
        kept ? "warm_state.path: %s"
             : "warm_state.path is \"\"%s: a new process makes its TLS sessions and learns "
               "latencies anew",
        path);
}

void answer_tenants(struct checking *checking)
{
    const struct settings *settings = checking->settings;
    for (size_t i = 0; i < settings->route_count; i++) {
        const struct route_settings *route = &settings->routes[i];
        if (route->shards.count > 0 || route->key_rate.rate.per_second > 0 ||
            route->rate.per_second > 0) {
            checklist_say(checking, CHECKLIST_MET, "routes.%s has a rate or shards", route->name);
            return;
        }
    }
    checklist_say(
        checking, CHECKLIST_ASK,
        "no route has a rate, a key_rate or shards: if clients share a route, give it shards");
}
