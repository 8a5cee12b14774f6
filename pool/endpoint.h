/*
 * Endpoints: one address of an upstream, the part that all workers share, and the part of each worker.
 *
 * Owns: the count of connections (exact over the process), the load, and for each worker the idle connections and the
 * line of requests. Private to pool/. Thread: the shared part is atomic; locals[w] is written by worker w only, and
 * its counters are read by any thread; the links and sets_count belong to the control thread.
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
#include "tls/token.h"

#define CACHE_LINE_BYTES 64

TAILQ_HEAD(connection_list, connection);
TAILQ_HEAD(lease_request_list, lease_request);

/* Counters of a worker at an endpoint; the worker is the only writer. */
struct local_stats {
    uint64_t dials, dial_failures;
    uint64_t reused, fresh; /* leases of connections that were used before, and of new ones */
    uint64_t handed_over;   /* connections given to siblings */
    uint64_t losses;        /* losses: events after which all idle connections were closed */
    uint64_t goaways;       /* shared connections that the endpoint has withdrawn */
    uint64_t refused; /* leases of shared connections that the endpoint has refused unprocessed */
    uint64_t pings_failed; /* shared connections that gave no sign of life when asked */
    uint64_t closed[LEASE_CLOSE_REASON_COUNT];
};

/* What pool/upkeep.c keeps for a local. */
struct upkeep {
    /* dial for the warm level while the local has fewer connections than this; 0: no need */
    uint64_t fill_upto_count;
    uint64_t target_count; /* number of connections before a loss; 0: reached again */
    uint64_t target_until_ms;
    bool recalled; /* the number of connections that an earlier process needed has been used */
    uint64_t lifetime_ms, idle_configured_ms; /* from the adopted view */
    bool shortened;                           /* the last adoption shortened the lifetime */
    double jitter_share;
    struct connection_list overdue; /* idle or lent connections to be replaced, oldest first */
    struct wheel_timer timer;       /* time of the next try */
    uint64_t young_count,
        young_ms; /* number of connections that died young, and when the last one did */
    struct idle_limit idle_limit;
    struct loss_watch loss;
    struct loss_need need;
};

/* Requests of a worker that wait for a connection. */
struct endpoint_line {
    struct lease_request_list requests; /* in the order in which they asked */
    uint32_t count;
    uint32_t fresh_only_count; /* those of them that need a new connection */
    uint64_t joined_count;     /* number of requests that were ever in line */
};

/* Connections that a worker expects, and those that its siblings ask for. */
struct endpoint_coming {
    uint32_t count;        /* leases that dials and asks are expected to give */
    uint32_t asking_count; /* those of them from asks */
    uint32_t fresh_count;  /* those of them from connections that were never used */
    uint32_t vain_count;   /* asks in a row without a connection, since the last dial */
    uint32_t asked_last;   /* sibling that handover_ask_anyone() asked last */
    /* written by siblings: idle connections that they asked for and have no answer about yet */
    uint32_t asked_count;
};

/* Limits from the adopted view. */
struct endpoint_limits {
    uint64_t idle_ms; /* the configured or the learned limit */
    uint64_t max_requests_count, connect_ms, tls_ms, unacked_ms;
    uint64_t ping_ms;
    uint32_t streams_count; /* leases of a shared connection at a time */
};

/* A worker's part of an endpoint. */
struct endpoint_local {
    struct connection_list idle;    /* newest first */
    struct connection_list sharing; /* those with leases out and room for more */
    struct endpoint_line line;
    struct endpoint_coming coming;
    struct endpoint_limits limits;
    uint64_t idle_count, sharing_count, dialling_count;
    uint64_t shares_count; /* leases of shared connections that are out */
    /* connections may be kept: the endpoint is in the adopted view, and the process does not drain */
    bool kept;
    uint64_t open_count;    /* connections that have a place */
    uint64_t leaving_count; /* those of them that take no further lease */
    struct upkeep upkeep;
    struct retirements retirements;
    struct local_stats stats;
    struct endpoint_traffic *traffic; /* NULL: none yet */
    enum tls_failure tls_failure;     /* cause of the last handshake that failed */
    /* number of connections, requests in line and scheduled work: while not 0, the endpoint stays in memory */
    uint64_t uses;
    uint64_t stamp;        /* number of the worker's last adoption that had this endpoint */
    struct deferred serve; /* deferred work: gives connections to the line, dials missing ones */
    bool starved;          /* the line waits until a dial of the worker ends */
    TAILQ_ENTRY(endpoint_local) starved_link;
    struct pool_worker *worker; /* NULL until the worker adopts a view with this endpoint */
    struct endpoint *endpoint;
} __attribute__((aligned(CACHE_LINE_BYTES)));

struct endpoint_names {
    const char *text, *hostname, *address_text;
    const char *authority; /* as in a Host field */
    const char *
        identity; /* whom the settings name, and so a certificate has to: never what DNS chose (RFC 6125 6.2.1) */
    const char *label;            /* detail of its bound */
    const char *key;              /* in the index of its views */
    char token[TOKEN_TEXT_BYTES]; /* of its label, for cookies */
};

/* What health tells workers about the endpoint, and what workers tell health. */
struct endpoint_verdict {
    /* part of its share of requests, of TRAFFIC_SHARE_WHOLE; written by control */
    uint32_t traffic_share;
    uint32_t eject_after_count; /* 0: never eject; written by control */
    uint32_t failures_count;    /* failed attempts in a row */
    /* a message to control about the failures is on its way, which keeps the endpoint in memory */
    bool failures_told;
    struct strata_row failures_row; /* the same failures by stratum */
    /* of the last failed attempt, for the operator: when, the status that was its answer, and a word */
    uint64_t failed_ms;
    uint16_t failed_status;
    const char *failed_cause; /* NULL: none has failed */
};

/* See habit.h. */
enum endpoint_habit { HABIT_UNKNOWN, HABIT_KEEPS, HABIT_CLOSES };

/* Shared by the upkeep of all workers; atomics. */
struct endpoint_upkeep {
    uint64_t ready_count; /* connections that take requests */
    /* connections that take no more requests and end with their last lease */
    uint64_t leaving_count;
    /* number of leases at a time that the last connection was allowed; 0: unknown */
    uint32_t capacity_count;
    uint64_t warm_count; /* configured level, written at each adoption; see endpoint_warm_count() */
    uint32_t warm_waits; /* the level is kept from the first response on, not before */
    uint32_t habit;      /* enum endpoint_habit; written by habit.c */
    uint32_t closes_row; /* written by habit.c */
    uint64_t row_since_ms; /* when the row began; written by habit.c */
    /* connections that an earlier process needed; 0: unknown, or no longer of interest; written by control */
    uint64_t needed_count;
    /* until it is warm, or until this time, other endpoints are preferred; 0: it is warm */
    uint64_t cold_until_ms;
    uint64_t redial_not_before_ms,
        /* no dial ahead of requests before this time; failed dials in a row */
        redial_failures_count;
    uint64_t lost_ms;         /* when a worker last saw a loss */
    uint64_t learned_idle_ms; /* learned idle limit; 0: none */
};

struct endpoint {
    struct upstream *upstream;
    struct pools *pools;
    struct endpoint_names names;
    void *companion; /* struct pools_hooks */
    enum proxy_header_mode proxy_header;
    /* atomic: what may be offered to it; HTTP1 as soon as it has asked for that (enum upstream_protocol) */
    uint32_t speaks;
    /* atomic: what its next connection is expected to speak */
    const struct connection_protocol *protocol;
    struct endpoint_tls *tls;       /* NULL: plain */
    struct endpoint_health *health; /* belongs to the control thread, except its message */
    struct address address;
    /* it joined an upstream that others were already serving, so it may be warmed up first */
    bool late;
    bool backup;   /* control: in the newest set in use, it gets requests when all others are out */
    bool shown;    /* it is in the newest set in use, so its bound is registered */
    uint64_t turn; /* shifts which workers get the larger shares of its warm level */
    uint32_t sets_count; /* number of sets in memory that contain it */
    size_t place;        /* control: in the newest view that has it */
    uint32_t live_count; /* those of them that are not retired; read by any thread */
    TAILQ_ENTRY(endpoint) link;
    /* Leases out and requests in line, over all workers. Changing it orders "capacity was freed, is there a waiter?"
       against "I wait, is there capacity?": see queue.h. */
    uint64_t in_flight __attribute__((aligned(CACHE_LINE_BYTES)));
    struct latency latency;
    struct endpoint_verdict verdict;
    struct endpoint_upkeep upkeep;
    struct bound connections __attribute__((
        aligned(CACHE_LINE_BYTES))); /* limit: pool.max; a place is taken before a dial */
    struct endpoint_local locals[];
};

TAILQ_HEAD(endpoint_list, endpoint);

/* Adds to a counter that has one writer and is read by others. */
static inline void count_add(uint64_t *counter, uint64_t n)
{
    __atomic_store_n(counter, *counter + n, __ATOMIC_RELAXED);
}

static inline uint64_t count_read(const uint64_t *counter)
{
    return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

/* While a local is in use its endpoint stays in memory. Giving up the last use is the last thing that a worker does
   with it. */
static inline void endpoint_local_use(struct endpoint_local *local)
{
    __atomic_store_n(&local->uses, local->uses + 1, __ATOMIC_RELAXED);
}

static inline void endpoint_local_leave(struct endpoint_local *local)
{
    __atomic_store_n(&local->uses, local->uses - 1, __ATOMIC_RELEASE);
}

/* Number of idle connections of a worker that no sibling has asked for. */
static inline uint64_t local_spare_count(const struct endpoint_local *local)
{
    uint64_t idle_count = count_read(&local->idle_count);
    uint32_t asked_count = __atomic_load_n(&local->coming.asked_count, __ATOMIC_RELAXED);
    return idle_count > asked_count ? idle_count - asked_count : 0;
}

/* True: a new endpoint of an upstream that has others is still warming up, so the others are preferred. */
bool endpoint_warms_up(struct endpoint *endpoint, uint64_t now_ms);

static inline enum endpoint_habit endpoint_habit(const struct endpoint *endpoint)
{
    return (enum endpoint_habit)__atomic_load_n(&endpoint->upkeep.habit, __ATOMIC_RELAXED);
}

static inline bool endpoint_waits(const struct endpoint *endpoint)
{
    return __atomic_load_n(&endpoint->upkeep.warm_waits, __ATOMIC_RELAXED) != 0;
}

/* What is left of a configured warm level by the endpoint's habit. `waits`: it is kept from the first response on. */
static inline uint64_t endpoint_level_count(const struct endpoint *endpoint, uint64_t level_count,
                                            bool waits)
{
    switch (endpoint_habit(endpoint)) {
    case HABIT_UNKNOWN: return waits && level_count > 1 ? 1 : level_count;
    case HABIT_KEEPS: return level_count;
    case HABIT_CLOSES: return 0;
    }
    return level_count;
}

/* The warm level now. */
static inline uint64_t endpoint_warm_count(const struct endpoint *endpoint)
{
    return endpoint_level_count(endpoint, count_read(&endpoint->upkeep.warm_count),
                                endpoint_waits(endpoint));
}

/* Connections that an earlier process needed, as far as pool.max allows. */
static inline uint64_t endpoint_needed_count(const struct endpoint *endpoint)
{
    uint64_t needed_count = count_read(&endpoint->upkeep.needed_count);
    uint64_t max_count = bound_limit(&endpoint->connections);
    if (endpoint_habit(endpoint) == HABIT_CLOSES) {
        return 0;
    }
    return needed_count < max_count ? needed_count : max_count;
}

/* Connections of the local that take leases, or will. */
static inline uint64_t local_lasting_count(const struct endpoint_local *local)
{
    return local->open_count - local->leaving_count;
}

/* True: a worker has an idle connection that no sibling has asked for, or a shared one with room. */
bool pool_endpoint_spares(const struct endpoint *endpoint);
/* The same for one worker, which can use shared connections only of its own. */
bool endpoint_spares_for(const struct endpoint *endpoint, unsigned worker);
/* True: pool.max connections are open, and none of them can be lent. */
bool pool_endpoint_full(const struct endpoint *endpoint);

/* The endpoint's figures; the control thread's. */
struct endpoint_figures endpoint_figures(const struct endpoint *endpoint);

/* Prepares what the view's balance method needs, when its endpoints and weights are known. False: no memory. */
__attribute__((warn_unused_result)) bool balance_prepare(struct upstream_view *view);
void balance_release(struct upstream_view *view);

#endif
