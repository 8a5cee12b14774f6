/*
 * Endpoints: one address of an upstream, what all workers share of it, and each worker's own part.
 *
 * Owns: the count of connections (exact over the process), the load, and per worker the idle connections and the
 * line of requests. Private to pool/. Thread: the shared part by atomics; locals[w] is written by worker w only, its
 * counters are read by any; the links and sets_count belong to the control thread.
 */
#ifndef EVENKEEL_POOL_ENDPOINT_H
#define EVENKEEL_POOL_ENDPOINT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "pool/idle_limit.h"
#include "pool/latency.h"
#include "pool/lease.h"
#include "pool/loss.h"
#include "pool/maglev.h"
#include "pool/retirement.h"
#include "pool/upstream.h"
#include "steady/address.h"
#include "steady/bound.h"
#include "steady/strata.h"

#define CACHE_LINE_BYTES 64

TAILQ_HEAD(connection_list, connection);
TAILQ_HEAD(lease_request_list, lease_request);

/* What a worker counts at an endpoint; one writer. */
struct local_stats {
    uint64_t dials, dial_failures;
    uint64_t reused, fresh; /* leases given of each kind */
    uint64_t handed_over;   /* to siblings */
    uint64_t losses;        /* events that put all idle connections in doubt */
    uint64_t closed[LEASE_CLOSE_REASON_COUNT];
};

/* What pool/upkeep keeps of a local. */
struct upkeep {
    uint64_t
        fill_upto_count;   /* dial for the warm level while the local has fewer; 0: no need seen */
    uint64_t target_count; /* what was needed before a loss; 0: there again */
    uint64_t target_until_ms;
    bool recalled; /* what an earlier process needed has been taken over */
    uint64_t lifetime_ms, idle_configured_ms; /* of the adopted view */
    bool shortened;                           /* the lifetime, by the last adoption */
    double jitter_share;
    struct connection_list overdue; /* idle or lent: to be replaced, oldest first */
    struct wheel_timer timer;       /* the next try */
    uint64_t young_count, young_ms; /* connections that died young, and when the last did */
    struct idle_limit idle_limit;
    struct loss_watch loss;
    struct loss_need need;
};

/* Requests of a worker that wait for a connection. */
struct endpoint_line {
    struct lease_request_list requests; /* who asked first stands first */
    uint32_t count;
    uint32_t fresh_only_count; /* of those */
    uint64_t joined_count;     /* that ever stood in line */
};

/* What a worker may count on to come, and what its siblings ask of it. */
struct endpoint_coming {
    uint32_t count;        /* leases that dials and asks will give, as far as one can tell */
    uint32_t asking_count; /* of those, the ones of asks */
    uint32_t fresh_count;  /* of those, the ones of a connection never used before */
    uint32_t vain_count;   /* asks in a row that were in vain, without a dial since */
    uint32_t asked_last;   /* turns of handover_ask_anyone() */
    uint32_t
        asked_count; /* written by siblings: idle connections they have asked for and not been answered on */
};

/* Of the adopted view. */
struct endpoint_limits {
    uint64_t idle_ms; /* configured or learned */
    uint64_t max_requests_count, connect_ms, tls_ms, unacked_ms;
};

/* A worker's part of an endpoint. */
struct endpoint_local {
    struct connection_list idle;    /* newest first */
    struct connection_list sharing; /* those with leases out and room for more */
    struct endpoint_line line;
    struct endpoint_coming coming;
    struct endpoint_limits limits;
    uint64_t idle_count, sharing_count, dialling_count;
    bool kept; /* connections may stay: in the adopted view, and the process does not drain */
    uint64_t open_count;    /* connections that have a place */
    uint64_t leaving_count; /* of those, the ones that take no further lease */
    struct upkeep upkeep;
    struct retirements retirements;
    struct local_stats stats;
    enum tls_failure tls_failure; /* of the last handshake that failed */
    uint64_t
        uses; /* connections, requests in line, being scheduled: what keeps the endpoint in memory */
    uint64_t stamp;        /* the worker's adoption that saw it last */
    struct deferred serve; /* gives connections to the line, dials what is missing */
    bool starved;          /* waits for a dial of the worker to end */
    TAILQ_ENTRY(endpoint_local) starved_link;
    struct pool_worker *worker; /* NULL until that worker adopts a view with it */
    struct endpoint *endpoint;
} __attribute__((aligned(CACHE_LINE_BYTES)));

struct endpoint_names {
    const char *text, *hostname, *address_text;
    const char *label; /* of its bound */
};

/* What health lets workers see, and hear from them. */
struct endpoint_verdict {
    uint32_t traffic_share; /* what may be taken of its share, of TRAFFIC_SHARE_WHOLE; by control */
    uint32_t eject_after_count; /* 0: never; by control */
    uint32_t failures_count;    /* attempts that failed in a row */
    bool failures_told;         /* control has yet to hear of them: keeps the endpoint in memory */
    struct strata_row failures_row; /* those, by stratum */
};

/* Shared by the upkeep of all workers; atomics. */
struct endpoint_upkeep {
    uint64_t ready_count;    /* connections that take requests */
    uint64_t leaving_count;  /* connections that take no more and end with the last one they have */
    uint32_t capacity_count; /* leases at once that the last connection was allowed; 0: unknown */
    uint64_t warm_count;     /* level to keep, by whoever adopts */
    uint64_t
        needed_count; /* by an earlier process; 0: unknown, or no longer of interest; by control */
    uint64_t cold_until_ms; /* until it is warm, or then, others go first; 0: it is warm */
    uint64_t redial_not_before_ms, redial_failures_count; /* in a row */
    uint64_t lost_ms;                                     /* when a worker last saw a loss */
    uint64_t learned_idle_ms;                             /* 0: nothing learned */
};

struct endpoint {
    struct upstream *upstream;
    struct pools *pools;
    struct endpoint_names names;
    void *companion; /* struct pools_hooks */
    enum proxy_header_mode proxy_header;
    const struct connection_protocol *protocol;
    struct endpoint_tls *tls;       /* NULL: plain */
    struct endpoint_health *health; /* the control thread's, but for its message */
    struct address address;
    bool late;           /* came to an upstream that others served already: may be warmed first */
    bool shown;          /* in the newest set that is used: its bound is registered */
    uint64_t turn;       /* shifts the workers' shares of its warm level */
    uint32_t sets_count; /* sets in memory that have it */
    uint32_t live_count; /* of those, not retired; read by any */
    TAILQ_ENTRY(endpoint) link;
    /* Leases out and requests in line, over all workers. Changing it orders "capacity was freed, does anyone
       wait?" against "I wait, is there capacity?", see queue.h. */
    uint64_t in_flight __attribute__((aligned(CACHE_LINE_BYTES)));
    struct latency latency;
    struct endpoint_verdict verdict;
    struct endpoint_upkeep upkeep;
    struct bound connections __attribute__((
        aligned(CACHE_LINE_BYTES))); /* limit: pool.max; a place is taken before a dial */
    struct endpoint_local locals[];
};

TAILQ_HEAD(endpoint_list, endpoint);

/* A counter with one writer that others read. */
static inline void count_add(uint64_t *counter, uint64_t n)
{
    __atomic_store_n(counter, *counter + n, __ATOMIC_RELAXED);
}

static inline uint64_t count_read(const uint64_t *counter)
{
    return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

/* As long as a local is used its endpoint stays; giving up the last use is the last thing a worker does with it. */
static inline void endpoint_local_use(struct endpoint_local *local)
{
    __atomic_store_n(&local->uses, local->uses + 1, __ATOMIC_RELAXED);
}

static inline void endpoint_local_leave(struct endpoint_local *local)
{
    __atomic_store_n(&local->uses, local->uses - 1, __ATOMIC_RELEASE);
}

/* Idle connections of a worker that no sibling has asked for yet. */
static inline uint64_t local_spare_count(const struct endpoint_local *local)
{
    uint64_t idle_count = count_read(&local->idle_count);
    uint32_t asked_count = __atomic_load_n(&local->coming.asked_count, __ATOMIC_RELAXED);
    return idle_count > asked_count ? idle_count - asked_count : 0;
}

/* A new endpoint of an upstream that has others: they go first until it is warm, or its time is over. */
bool endpoint_warms_up(struct endpoint *endpoint, uint64_t now_ms);

/* What an earlier process needed, as far as there may be connections. */
static inline uint64_t endpoint_needed_count(const struct endpoint *endpoint)
{
    uint64_t needed_count = count_read(&endpoint->upkeep.needed_count);
    uint64_t max_count = bound_limit(&endpoint->connections);
    return needed_count < max_count ? needed_count : max_count;
}

/* Connections of the local that take leases, or will. */
static inline uint64_t local_lasting_count(const struct endpoint_local *local)
{
    return local->open_count - local->leaving_count;
}

/* A worker has an idle connection that no sibling has asked for, or room on one that is shared. */
bool pool_endpoint_spares(const struct endpoint *endpoint);
/* The same for what this worker may have: it shares its own connections only. */
bool endpoint_spares_for(const struct endpoint *endpoint, unsigned worker);
/* It has all connections that it may have, and none to spare. */
bool pool_endpoint_full(const struct endpoint *endpoint);

/* The endpoint's figures; the control thread's. */
struct endpoint_figures endpoint_figures(const struct endpoint *endpoint);

/* What the view's method needs, once its endpoints and weights stand; false: no memory. */
__attribute__((warn_unused_result)) bool balance_prepare(struct upstream_view *view);
void balance_release(struct upstream_view *view);

#endif
