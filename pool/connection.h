/*
 * Upstream connections: from the dial (or the ask at a sibling) to the close.
 *
 * Owns: the stream, its event, its place of pool.max and its descriptor's unit of the fd bound. Private to pool/.
 * Thread: its worker's. Time base: the loop clock. A connection's memory is freed at the end of the loop's pass.
 *
 *     ASKING ──┐    ┌──────► LATE_TLS ───┐     ASKING: a sibling was asked to hand one over; no descriptor, no place yet
 *              ├──► IDLE ◄──► SHARING ◄──┤     LATE_TLS: on the way to its first lease, where TLS begins for one request
 *   DIALLING ──┘    └────────► LENT ◄────┘     SHARING: has leases out and room for more, if its protocol shares
 *                                              LENT: has leases out and takes no more
 *
 * Every state leads to CLOSED; a connection that is ready may skip IDLE. connection_moves below is the whole truth.
 *
 * A connection is counted once, whatever it carries: its place, its lifetime, its death and its ending are not its leases'.
 */
#ifndef EVENKEEL_POOL_CONNECTION_H
#define EVENKEEL_POOL_CONNECTION_H

#include <event2/event_struct.h>

#include "pool/ending.h"
#include "pool/endpoint.h"
#include "pool/lease.h"
#include "pool/pools.h"
#include "pool/protocol.h"
#include "steady/check.h"

enum connection_state {
    CONNECTION_ASKING,
    CONNECTION_DIALLING,
    CONNECTION_IDLE,
    CONNECTION_LATE_TLS,
    CONNECTION_SHARING,
    CONNECTION_LENT,
    CONNECTION_CLOSED,
};

/* How a lease of it is given. */
enum connection_lending {
    LENDS_WHOLE,    /* at once, and with it the connection */
    LENDS_LATE_TLS, /* the whole, when TLS has been agreed on for the request (late_tls.h) */
    LENDS_SHARES,   /* at once, beside others */
};

TAILQ_HEAD(lease_list, lease);

/* What is lent of a connection. */
struct connection_loans {
    struct lease_list shares; /* leases out, if its protocol shares */
    uint32_t lent_count;      /* leases out */
    uint32_t
        capacity_count; /* leases at once, at least 1; before it is ready: how many are hoped for */
    uint32_t exchanges_limit; /* leases over its life; 0: not ready yet */
};

/* ASKING: of which sibling, and what came of it. */
struct connection_ask {
    unsigned sibling;     /* the worker that was asked */
    bool late;            /* nobody counts on the answer any more */
    bool for_fresh;       /* only for the sake of its place */
    uint32_t hoped_count; /* leases that the line counts on */
    struct stream handed; /* the answer; without a descriptor: none */
};

struct connection_tls {
    struct lease_request *late_request; /* LATE_TLS: for it */
    uint64_t began_us;                  /* DIALLING or LATE_TLS, and TLS is in the stream */
    uint64_t word_awaited_ms; /* since then, of the server, on our certificate; 0: it is not */
};

/* The end of its lifetime. */
struct connection_retire {
    uint64_t at_ms; /* 0: not ready yet */
    unsigned place; /* 1 + its step of local->retirements; 0: not counted there */
    struct wheel_timer timer;
};

/* It is to be replaced before it ends. */
struct connection_overdue {
    bool queued; /* in local->upkeep.overdue */
    enum ending reason;
    TAILQ_ENTRY(connection) link;
};

struct connection {
    struct stream stream;
    struct lease_facts facts; /* as the next lease will have them */
    struct lease lease;       /* of the whole connection */
    struct connection_loans loans;
    enum connection_state state;
    enum connection_lending lending;
    enum ending ending; /* ENDING_NONE: it accepts leases; else it ends with the last one */
    bool has_place;     /* of endpoint->connections */
    bool ready;         /* counts for the endpoint's ready_count */
    const struct connection_protocol *protocol;
    void *session; /* the protocol's */
    struct endpoint_local *local;
    uint64_t idle_since_ms;
    struct wheel_timer
        timer; /* connect timeout, ask timeout, idle limit; may fire in vain while lent */
    struct connection_retire retire;
    struct connection_overdue overdue;
    struct connection_ask ask;
    struct connection_tls tls;
    int dial_errno;                     /* DIALLING: failed already, to be told in its event */
    TAILQ_ENTRY(connection) spare_link; /* IDLE or SHARING: in the local's list of those */
    TAILQ_ENTRY(connection) link;       /* in worker->connections */
    struct event event;
    struct message message; /* ask and answer */
    struct deferred_free freed;
};

/* A new one at this local, ASKING or DIALLING, without a descriptor; NULL: no memory. */
struct connection *connection_create(struct endpoint_local *local, enum connection_state state);
/* Takes the stream and watches it; false (the stream stays the caller's): epoll has no space. */
__attribute__((warn_unused_result)) bool connection_watch(struct connection *connection,
                                                          const struct stream *stream);
/* The next edge, as if it came from the loop. */
void connection_event(struct connection *connection, short what);
/* Closes what it has, gives back descriptor and place; tells those who wait for capacity. Counts no ending: it was never
   ready, or connection_end() has done so. */
void connection_drop(struct connection *connection, bool reset);
/* Gives up the stream and the place without closing, for a sibling; the memory is buried. */
struct stream connection_hand_over(struct connection *connection);
/* It has no lease and ends now. The one place where an ending and a death are counted. */
void connection_end(struct connection *connection, enum ending ending);
/* It takes no further lease and ends with the last one that is out, which may be now. The first ending that is given stays,
   unless a later one is a death. */
void connection_stop(struct connection *connection, enum ending ending);
/* A reload has made places fewer, and this connection is one too many; then the caller ends or stops it as surplus. As many
   connections of all workers are as there are too many: at rest it has given its place back, else it is marked as leaving. */
__attribute__((warn_unused_result)) bool connection_is_surplus(struct connection *connection);
/* What the other side allows: so many leases at once (at least 1). */
void connection_allow(struct connection *connection, uint32_t capacity_count);
/* Lends it to the request that is served next: the whole, or a share, whose lease lives in the request. */
struct lease *connection_lend(struct connection *connection, struct lease_request *request);
/* Where it belongs with the leases that it has. */
void connection_settle(struct connection *connection);

#define MOVES_TO(state) (1u << CONNECTION_##state)
#define READY_MOVES (MOVES_TO(SHARING) | MOVES_TO(LENT) | MOVES_TO(CLOSED))
static const uint8_t connection_moves[] = {
    [CONNECTION_CLOSED] = MOVES_TO(ASKING) | MOVES_TO(DIALLING), /* when it is made */
    [CONNECTION_ASKING] = READY_MOVES | MOVES_TO(IDLE) | MOVES_TO(LATE_TLS),
    [CONNECTION_DIALLING] = READY_MOVES | MOVES_TO(IDLE) | MOVES_TO(LATE_TLS),
    [CONNECTION_IDLE] = READY_MOVES | MOVES_TO(LATE_TLS),
    [CONNECTION_LATE_TLS] = READY_MOVES,
    [CONNECTION_SHARING] = MOVES_TO(IDLE) | MOVES_TO(LENT) | MOVES_TO(CLOSED),
    [CONNECTION_LENT] = MOVES_TO(IDLE) | MOVES_TO(SHARING) | MOVES_TO(CLOSED),
};
#undef READY_MOVES
#undef MOVES_TO

/* Where it is in one of the local's lists of connections that may be lent. */
static inline bool connection_state_is_spare(enum connection_state state)
{
    return state == CONNECTION_IDLE || state == CONNECTION_SHARING;
}

static inline struct connection_list *connection_list_of(struct endpoint_local *local,
                                                         enum connection_state state)
{
    return state == CONNECTION_IDLE ? &local->idle : &local->sharing;
}

/* How many of the local are in a state, where that is counted. */
static inline void connection_count(struct endpoint_local *local, enum connection_state state,
                                    uint64_t change)
{
    if (state == CONNECTION_IDLE) {
        count_add(&local->idle_count, change);
    } else if (state == CONNECTION_SHARING) {
        count_add(&local->sharing_count, change);
    } else if (state == CONNECTION_DIALLING) {
        count_add(&local->dialling_count, change);
    }
}

/* The only writer of `state`, where the local's counts and its lists follow. `from` is what it is now: where that is
   known to the compiler, little remains of this. */
static inline void connection_enter(struct connection *connection, enum connection_state from,
                                    enum connection_state to)
{
    struct endpoint_local *local = connection->local;
    CHECK(connection->state == from && (connection_moves[from] >> to & 1) != 0);
    if (connection_state_is_spare(from)) {
        TAILQ_REMOVE(connection_list_of(local, from), connection, spare_link);
    }
    if (connection_state_is_spare(to)) {
        TAILQ_INSERT_HEAD(connection_list_of(local, to), connection, spare_link);
    }
    connection_count(local, from, (uint64_t)-1);
    connection_count(local, to, 1);
    connection->state = to;
}

/* How many leases at once a connection that is yet to come may be hoped to give. */
static inline uint32_t endpoint_capacity_count(const struct endpoint *endpoint)
{
    uint32_t allowed_count = __atomic_load_n(&endpoint->upkeep.capacity_count, __ATOMIC_RELAXED);
    return allowed_count != 0 ? allowed_count : endpoint->protocol->capacity_count;
}

static inline uint32_t local_exchanges_limit(const struct endpoint_local *local)
{
    if (local->endpoint->proxy_header == PROXY_HEADER_CLIENT) { /* it speaks for one client */
        return 1;
    }
    return local->limits.max_requests_count < UINT32_MAX
               ? (uint32_t)local->limits.max_requests_count
               : UINT32_MAX;
}

/* Between exchanges, or dialled for nobody. */
static inline void connection_rest(struct connection *connection, enum connection_state from)
{
    struct pool_worker *worker = connection->local->worker;
    connection_enter(connection, from, CONNECTION_IDLE);
    connection->facts.reused = true;
    connection->idle_since_ms = loop_clock_ms(&worker->env.loop->clock);
    wheel_arm(&worker->env.loop->wheel, &connection->timer,
              connection->idle_since_ms + connection->local->limits.idle_ms);
}

/* All of it, to one borrower. */
static inline struct lease *connection_lend_whole(struct connection *connection,
                                                  enum connection_state from)
{
    struct local_stats *stats = &connection->local->stats;
    connection_enter(connection, from, CONNECTION_LENT);
    connection->loans.lent_count = 1;
    connection->lease.facts = connection->facts;
    bool reused = from == CONNECTION_IDLE || connection->facts.reused;
    count_add(reused ? &stats->reused : &stats->fresh, 1);
    return &connection->lease;
}

#endif
