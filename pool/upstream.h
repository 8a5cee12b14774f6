/*
 * Upstreams and endpoints at run time: objects that all workers share and that outlive a reload.
 *
 * Owns: struct upstream (one for each configured name, kept over reloads); struct endpoint (one for each upstream,
 * hostname and address, kept over reloads while the TLS settings stay the same); and sets of views: one for each
 * generation, and one more whenever the addresses of a name change. Thread: sets are built, retired and collected on
 * the control thread; a worker reads the views that it has adopted; counters are atomic. Errors: enum upstream_result,
 * and a text for the log.
 *
 * Life of a set: upstream_set_build() -> perhaps pool_worker_prewarm() -> upstream_set_use() -> every worker calls
 * pool_worker_adopt() -> upstream_set_retire(previous). A retired set is freed by pools_collect() when no upstream
 * that is missing in the current set has anything in flight.
 *
 * A worker may hold an upstream of the current view, or one at which an exchange of the worker is admitted or queued
 * (views[worker] is not NULL then). It may hold its view only within a pass, because adopting replaces it. It may hold
 * an endpoint of the current view, or one with a lease or a pending request. An endpoint to avoid is only compared.
 */
#ifndef EVENKEEL_POOL_UPSTREAM_H
#define EVENKEEL_POOL_UPSTREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/settings.h"
#include "pool/close_reason.h"
#include "steady/address.h"
#include "steady/bound.h"
#include "steady/rng.h"
#include "steady/text_index.h"
#include "tls/failure.h"

#define POOL_MAX_WORKERS 128

struct connection_protocol; /* pool/protocol.h */
struct endpoint;            /* pool/endpoint.h, private to pool/ except for the accessors here */

/* Endpoints among which one is chosen: those in ordinary use, and the backups, which get requests when all others are out. */
struct endpoint_group {
    struct endpoint **endpoints; /* in those of the view */
    size_t endpoint_count;
    uint32_t *weight_ends; /* running sums of the endpoints' weights */
    void *balance;         /* prepared by the balance method; NULL: nothing */
};
enum { GROUP_ORDINARY, GROUP_BACKUP, ENDPOINT_GROUPS };

/* An upstream as one generation sees it. */
struct upstream_view {
    const struct upstream_settings *settings; /* lives as long as the view */
    struct upstream *upstream;
    struct endpoint **endpoints;
    size_t endpoint_count;      /* 0: no name of the upstream has an address */
    struct text_index by_key;   /* control: the endpoints by struct endpoint_names.key */
    struct text_index by_token; /* the same by their tokens, for sticky routes; else empty */
    uint32_t *weight_ends;
    struct endpoint_group groups[ENDPOINT_GROUPS]; /* in this order in endpoints */
    struct tls_client *tls;                        /* a reference; NULL: no TLS */
    bool ahead; /* none of its endpoints was in use when the view was built */
};

/* An upstream, identified by its name. */
struct upstream {
    const char *name;
    /* [worker index]: the view that the worker has adopted; after the upstream has left the settings, the last view,
       while exchanges of the worker are left; else NULL. Written by that worker. */
    struct upstream_view *views[POOL_MAX_WORKERS];
    /* Exchanges admitted (limit: limits.in_flight), and exchanges that wait (limit: limits.queue). Each has its cache
       line: the first changes with every exchange; the second is read by every exchange and changes rarely. */
    struct bound in_flight __attribute__((aligned(64)));
    struct bound queued __attribute__((aligned(64)));
    uint64_t turn;                /* position of round robin (atomic) */
    void *companion;              /* struct pools_hooks; NULL: none */
    struct upstream_private *own; /* state of pool/ */
};

struct upstream_set {
    struct upstream_view *views; /* same order as settings->upstreams */
    size_t count;
    struct settings *settings; /* a reference */
};

struct pools; /* State of pool/ for the process. */

/* Highest number of addresses of one entry of `endpoints`. */
#define POOL_NAME_ADDRESSES 64

struct named_address {
    struct address address;
    const char *hostname; /* copied, not kept */
    uint16_t weight;      /* relative to the other addresses of the same entry */
};

/* Finds the addresses of an entry that is a name: up to `room` different addresses, 0 if none are known. Called on the
   control thread, from within upstream_set_build(). */
typedef size_t pools_names_fn(void *owner, const struct endpoint_settings *settings,
                              struct named_address *addresses, size_t space);

/*
 * Companions: objects that proxy/ keeps with an upstream and an endpoint, such as a breaker. They are created right
 * after the object, before any worker sees it, and freed right before it, when no worker has it any more; both on the
 * control thread. Workers find them by upstream->companion and endpoint_companion().
 */
struct pools_hooks {
    /* NULL: no memory, and the set cannot be built. */
    void *(*upstream_created)(const struct upstream *upstream, void *owner);
    void (*upstream_freed)(void *companion, void *owner);
    void *(*endpoint_created)(const struct endpoint *endpoint, void *owner);
    void (*endpoint_freed)(void *companion, void *owner);
    void *owner;
};

enum upstream_result { UPSTREAM_OK, UPSTREAM_BAD_FILE, UPSTREAM_NO_MEMORY };

/* fds: the process's bound on file descriptors; taken before every socket. Registers the bounds of pool/
   (dials_in_flight, idle_connections, upstream_connections, ...) in the registry. */
/* NULL when memory is exhausted. */
struct pools *pools_create(unsigned worker_count, struct bound_registry *registry,
                           struct bound *fds);
/* To be called before the first set is built. A pair of functions that is NULL keeps no companion. */
void pools_set_hooks(struct pools *pools, const struct pools_hooks *hooks);
/* To be called before the first set is built: how HTTP/2 connections are spoken on. Without it everything is HTTP/1. */
void pools_set_http2(struct pools *pools, const struct connection_protocol *http2);
struct probe_speech;
/* To be called before the first set is built: how probes ask over HTTP/2. */
void pools_set_probe_http2(struct pools *pools, const struct probe_speech *speech);
struct seal_key;
/* To be called before the first set is built: the key of the endpoints' tokens. */
void pools_set_token_key(struct pools *pools, const struct seal_key *key);
const struct seal_key *pools_token_key(const struct pools *pools);
/* To be called before the first set is built: gives the function that finds addresses of names. Without it only literal
   addresses become endpoints. */
void pools_set_names(struct pools *pools, pools_names_fn *names, void *owner);
/* While memory is short, nothing is dialled ahead of requests. Any thread. */
void pools_set_lean(struct pools *pools, bool lean);
/* To be called after every worker's pool has been freed. */
void pools_free(struct pools **pools);

/* Builds the views of a generation, or of the same settings after addresses of names have changed. Keeps upstreams and
   endpoints that are already known. A view is empty while its names have no address. On failure `why` (>= 256 bytes)
   names the limit. */
__attribute__((warn_unused_result)) enum upstream_result upstream_set_build(
    struct pools *pools, struct settings *settings, struct upstream_set **ret_set, char *why,
    size_t why_bytes);
/* Workers are about to adopt the set: figures, bounds and probes are those of this set from now on. */
void upstream_set_use(struct pools *pools, struct upstream_set *set);
/* The view of that name; NULL: there is none. */
const struct upstream_view *upstream_set_find(const struct upstream_set *set, const char *name);
/* How far pool_worker_prewarm() has come, over all workers. */
struct set_warmth {
    size_t upstream_count; /* upstreams that are ahead */
    uint64_t wanted_count, ready_count;
    uint64_t failing_count; /* missing connections of endpoints whose last dial has failed */
};
struct set_warmth upstream_set_warmth(const struct upstream_set *set);
/* The set is no longer adopted by any worker. */
void upstream_set_retire(struct pools *pools, struct upstream_set **set);
/* Reads the files of an upstream's TLS again. The next set that is built of the same settings uses what they say now.
   *ret_changed: that is something else than before. */
__attribute__((warn_unused_result)) enum upstream_result pools_reread_tls(
    struct pools *pools, const struct settings *settings, const struct upstream_settings *upstream,
    bool *ret_changed, char *why, size_t why_bytes);
/* Frees retired sets that are unused. Returns the number of retired sets still in memory. */
size_t pools_collect(struct pools *pools);

const char *endpoint_text(
    const struct endpoint *endpoint); /* "app-a.internal:8080", as configured */
const char *endpoint_address_text(const struct endpoint *endpoint); /* "10.0.0.7:8080" */
/* The host and port as in a Host field; "localhost" for a UNIX socket. */
const char *endpoint_authority(const struct endpoint *endpoint);
/* A name of TOKEN_BYTES characters that tells nothing about the endpoint (tls/token.h). */
const char *endpoint_token(const struct endpoint *endpoint);
/* The endpoint with that token, in the view of an upstream that a sticky route leads to; NULL: none. */
struct endpoint *upstream_view_find(const struct upstream_view *view, const char *token);
bool endpoint_retired(const struct endpoint *endpoint);
struct upstream *endpoint_upstream(const struct endpoint *endpoint);
void *endpoint_companion(const struct endpoint *endpoint); /* struct pools_hooks; NULL: none */

/* Figures of an endpoint now (summed where several are taken together), and its counters. */
#define ENDPOINT_GAUGES(X) \
    X(open)                \
    X(idle)                \
    X(in_flight)           \
    X(dialling)            \
    X(warm)                \
    X(ready)               \
    X(target)              \
    X(cold)                \
    X(shares)              \
    X(healthy)
#define ENDPOINT_COUNTERS(X) \
    X(dials)                 \
    X(dial_failures)         \
    X(reused)                \
    X(fresh)                 \
    X(handed_over)           \
    X(losses)                \
    X(goaways)               \
    X(refused)               \
    X(pings_failed)          \
    X(probes_good)           \
    X(probes_failed)         \
    X(probes_put_off)        \
    X(ejections)             \
    X(changes)

/* Steps of time in which retirements are counted: those of a lifetime that has just begun, and three that are past. */
#define RETIREMENT_STEPS 16
#define RETIREMENT_AHEAD 13

/* Figures for metrics, /status and /upstreams, summed over workers. */
struct endpoint_figures {
    const char *upstream, *text, *address;
    const char *protocol; /* what its next connection is expected to speak: "http1", "http2" */
    void *companion;      /* struct pools_hooks; of a single address */
#define X(id) uint64_t id;
    ENDPOINT_GAUGES(X)
    ENDPOINT_COUNTERS(X)
#undef X
    uint64_t closed[LEASE_CLOSE_REASON_COUNT];
    uint64_t latency_us; /* estimate; 0: unknown */
    /* Connections by the time of the end of their lifetime: in the first step from now, the second, ...; the last three
       are overdue. */
    uint64_t retiring[RETIREMENT_STEPS], retiring_step_ms;
    uint64_t learned_idle_ms; /* from pool/upkeep: learned idle limit; 0: unknown */
    /* of pool/health */
    const char *status;        /* "up", "down", "ejected", "drained" */
    const char *why;           /* cause of the status; "": it has always been up */
    double traffic_share;      /* part of its share that it gets */
    uint64_t health_status_ms; /* time in this status */
    uint64_t age_ms;
    uint64_t failures_row;
    /* the last attempt that failed there */
    const char *failed_cause; /* NULL: none has */
    uint64_t failed_ago_ms;
    unsigned failed_status; /* of the answer that was the failure; 0: none */
    /* end of the certificate that it showed last, in seconds since 1970; 0: it has not shown any */
    int64_t certificate_expires_s;
};
/* Updates the bounds whose use workers count (idle_connections), before the registry is read (control thread). */
void pools_publish(struct pools *pools);
/* How often endpoints have lost all their idle connections, and the endpoint with the most of these losses. The texts live as long
   as the newest settings. */
struct pool_losses {
    uint64_t count, most_count;
    const char *upstream, *endpoint; /* with the most; NULL: there was no loss */
};
/* Sums the endpoints of the newest settings (control thread): cheap enough to be called each second. */
struct pool_losses pools_losses(const struct pools *pools);
/* Calls back for every endpoint that the upstream has in the newest settings (control thread). */
typedef void endpoint_figures_fn(const struct endpoint_figures *figures, void *owner);
void upstream_each_endpoint(const struct upstream *upstream, endpoint_figures_fn *each,
                            void *owner);
/* One for each text of the newest settings: the figures of all its addresses, with what was counted at those that have
   gone, so that counters do not fall. `address` and the figures that are words belong to one of them; latency_us is the
   highest. The array is the caller's to free; 0: none, or no memory. */
size_t upstream_endpoint_totals(const struct upstream *upstream,
                                struct endpoint_figures **ret_entries);
/* An upstream's warm level over its endpoints (or the number that an earlier process needed, if that is higher), and
   how much of it is ready. */
struct upstream_warmth {
    uint64_t wanted_count, ready_count;
};
struct upstream_warmth upstream_warmth(const struct upstream *upstream);
typedef void upstream_each_fn(const struct upstream *upstream, void *owner);
void pools_each_upstream(struct pools *pools, upstream_each_fn *each, void *owner);
/* In parts: continues behind the upstream of this number (0: at the beginning) until `step` returns false; true: that never was so. Upstreams that came or
   went since the last part do not confuse it. */
typedef bool upstream_step_fn(const struct upstream *upstream, void *owner);
bool pools_walk_upstreams(struct pools *pools, uint64_t after, upstream_step_fn *step, void *owner);
/* Ascends with the creation; never 0. */
uint64_t upstream_number(const struct upstream *upstream);
/* In the newest settings (control thread); NULL: it has left them. */
const struct upstream_settings *upstream_settings_shown(const struct upstream *upstream);

/* TLS handshakes with an upstream's endpoints since the start. */
struct upstream_tls_figures {
    uint64_t full, resumed;
    uint64_t failed[TLS_FAILURE_COUNT];
    int64_t certificate_expires_s; /* end of our client certificate, since 1970; 0: none */
    /* the earliest end of the certificates that its endpoints showed last; 0: none has shown any */
    int64_t peer_expires_s;
};
void upstream_tls_figures(const struct upstream *upstream,
                          struct upstream_tls_figures *ret_figures);
/* Failed handshakes with an endpoint for one cause since the last report. */
struct pools_tls_failure {
    const char *upstream, *text, *address, *server_name;
    enum tls_failure failure;
    uint64_t count;
};
typedef void pools_tls_failure_fn(const struct pools_tls_failure *failure, void *owner);
/* Calls back for failures that have not been reported yet; a cause that continues is not reported too often (control
   thread). */
void pools_log_tls_failures(struct pools *pools, uint64_t now_ms, pools_tls_failure_fn *tell,
                            void *owner);
/* The TLS sessions of all upstreams. */
struct session_cache;
struct session_cache *pools_sessions(struct pools *pools);
/* Those who speak TLS, for whoever else speaks it on the control thread. */
struct tls_clients *pools_tls_clients(struct pools *pools);

#endif
