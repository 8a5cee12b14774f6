/*
 * What the control thread knows of the whole process: the one input of metrics, /status and /resources.
 *
 * Owns nothing; filled by proxy/control. Thread: control.
 */
#ifndef EVENKEEL_PROXY_OVERVIEW_H
#define EVENKEEL_PROXY_OVERVIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/settings.h"
#include "pool/upstream.h"
#include "proxy/log.h"
#include "proxy/readiness.h"
#include "proxy/stats.h"
#include "proxy/upgrade.h"
#include "proxy/warm.h"
#include "steady/bound.h"

/* A route's counters: one struct route_stats per worker, kept by name over reloads (bounded: at most ROUTE_STATS_MAX names). */
struct route_figures {
    const char *name;
    struct route_stats *by_worker; /* [worker_count] */
    struct admission *admission;
};

struct resolver;
struct upstream_set;
struct tls_server;

struct overview {
    const char *version;
    uint64_t started_wall_ms; /* CLOCK_REALTIME */
    uint64_t started_ms;      /* CLOCK_MONOTONIC */
    const char *config_path;  /* NULL: the demo */
    const struct settings *settings;
    uint64_t generation; /* 1 is the first */
    uint64_t generations_alive;
    uint64_t reloads_ok, reloads_failed;
    uint64_t last_reload_wall_ms; /* 0: never */
    bool last_reload_ok;
    const char *last_reload_error;         /* "" */
    const struct upstream_set *prewarming; /* of a generation that waits; NULL: none */
    const struct readiness *readiness;
    const struct warm_figures *warm;
    const struct upgrade *upgrade;
    bool draining;
    const char *drain_stage;
    uint64_t drain_left_ms; /* of the grace */
    uint64_t silence_ms;    /* since the worker that has been silent longest told that it lives */
    unsigned worker_count;
    const struct worker_stats *const *workers;
    struct tls_server *const *tls; /* same order as settings->listeners; NULL: before the first */
    const struct route_figures *routes;
    size_t route_count;
    struct bound_registry *registry;
    struct pools *pools;
    const struct resolver *resolver;
    uint64_t name_adoptions; /* sets adopted because names stood for other addresses */
    struct log *log;
    uint64_t memory_budget_bytes;
};

#endif
