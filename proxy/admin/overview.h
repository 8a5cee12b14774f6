/*
 * The state of the whole process: the only input of metrics, /status and /resources.
 *
 * Owns nothing; filled by proxy/control/control. Thread: control.
 */
#ifndef EVENKEEL_PROXY_ADMIN_OVERVIEW_H
#define EVENKEEL_PROXY_ADMIN_OVERVIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "conf/settings.h"
#include "pool/upstream.h"
#include "proxy/admin/readiness.h"
#include "proxy/log/log.h"
#include "proxy/worker/route_figures.h"
#include "steady/bound.h"
#include "steady/pressure.h"

/* Figures of the warm state; control/warm fills them. */
struct warm_figures {
    uint64_t saves_ok, saves_failed;
    uint64_t saved_wall_ms, saved_bytes; /* of the last save; 0: never */
    bool restored;                       /* at the start */
    uint64_t restored_age_ms;            /* age of the state that was restored */
    const char *refused; /* why nothing was restored; "": something was, or the warm state is off */
};

/* Of upgrades that this process began; control/upgrade fills them. */
struct upgrade_figures {
    pid_t pid; /* of the new process; 0: none */
    uint64_t begun_count, failed_count;
    bool took_over;         /* this process was started by an upgrade */
    const char *last_error; /* "": the last one succeeded, or there was none */
};

/* Of files of TLS that changed by themselves; control/tls_watch fills them. */
struct tls_files_figures {
    uint64_t taken_count, failures_count;
    uint64_t failing_count; /* listeners and upstreams that cannot use their files now */
};

struct maintenance;
struct operator_book;
struct trace_figures;
struct drift_book;
struct fleet;
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
    const char *last_reload_error; /* "" */
    /* of a generation that waits for its connections; NULL: none */
    const struct upstream_set *prewarming;
    const struct readiness *readiness;
    const struct warm_figures *warm;
    const struct upgrade_figures *upgrade;
    bool draining;
    const char *drain_stage;
    uint64_t drain_left_ms; /* of the grace */
    /* since the last sign of life of the worker that has been silent longest */
    uint64_t silence_ms;
    unsigned worker_count;
    const struct worker_stats *const *workers;
    struct tls_server *const *tls; /* same order as settings->listeners; NULL: before the first */
    const struct tls_files_figures *tls_files;
    struct maintenance *maintenance;
    const struct operator_book *said; /* by the operator */
    const struct route_figures *routes;
    size_t route_count;
    struct bound_registry *registry;
    const struct drift_book *drift; /* NULL: nothing is watched */
    const struct fleet *fleet;
    struct pools *pools;
    const struct resolver *resolver;
    uint64_t wrong_tokens_count;        /* that the admin listener was shown */
    const struct trace_figures *traces; /* NULL: none are counted */
    uint64_t name_adoptions;            /* sets adopted because addresses of names changed */
    struct log *log;
    uint64_t memory_budget_bytes;
    double memory_share; /* of the budget, in use */
    const struct pressure *pressure;
};

#endif
