/*
 * Upstream connections: from the dial, or from asking a sibling worker for one, to the close.
 *
 * Owns: the stream, its event, its place of pool.max and its unit of the bound on file descriptors. Private to pool/.
 * Thread: its worker's. Time base: the loop clock. A connection's memory is freed at the end of the loop's pass.
 *
 *     ASKING ──┐    ┌──────► LATE_TLS ───┐     ASKING: a sibling was asked to hand one over; no descriptor, no place yet
 *              ├──► IDLE ◄──► SHARING ◄──┤     LATE_TLS: TLS is being agreed on for the request that gets its first lease
 *   DIALLING ──┘    └────────► LENT ◄────┘     SHARING: has leases out and room for more, if its protocol shares
 *                                              LENT: has leases out and takes no more
 *
 * Every state leads to CLOSED. A connection that becomes ready may skip IDLE. The table connection_moves below has all
 * moves.
 *
 * Place, lifetime, death and ending are counted once for a connection, however many leases it carries.
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

/* How a connection gives a lease. */
enum connection_lending {
    LENDS_WHOLE,    /* at once; the lease is the whole connection */
    LENDS_LATE_TLS, /* the whole connection, after TLS was agreed on for the request (late_tls.h) */
    LENDS_SHARES,   /* at once; the lease is one of several of the connection */
};

TAILQ_HEAD(lease_list, lease);

/* The leases of a connection. */
struct connection_loans {
    struct lease_list shares; /* leases that are out, if the protocol shares connections */
    uint32_t lent_count;      /* number of leases that are out */
    /* number of leases that can be out at a time: by the other side, and by the settings too; before the connection is
       ready: an estimate */
    uint32_t allowed_count, capacity_count;
    uint32_t coming_count;    /* DIALLING: leases that the line counts on */
    uint32_t exchanges_limit; /* number of leases in the life of the connection; 0: not ready yet */
};

/* In the state ASKING: which sibling was asked, and its answer. */
struct connection_ask {
    unsigned sibling;     /* the worker that was asked */
    bool late;            /* the answer is late, so no request counts on it any more */
    bool for_fresh;       /* the connection was asked for only because of its place of pool.max */
    uint32_t hoped_count; /* number of leases that the line counts on */
    struct stream handed; /* the answer; a stream without descriptor: the sibling has none */
};

struct connection_tls {
    uint64_t began_us; /* start of the TLS handshake, in DIALLING or LATE_TLS */
    /* since when the server's message after our client certificate is awaited; 0: it is not */
    uint64_t word_awaited_ms;
};

/* The end of the connection's lifetime. */
struct connection_retire {
    uint64_t at_ms; /* 0: not ready yet */
    unsigned place; /* 1 + its step in local->retirements; 0: not counted there */
    struct wheel_timer timer;
};

/* The connection is past its lifetime or idle limit, and is replaced before it ends. */
struct connection_overdue {
    bool queued; /* the connection is in local->upkeep.overdue */
    enum ending reason;
    TAILQ_ENTRY(connection) link;
};

struct connection {
    struct stream stream;
    struct lease_facts facts; /* what the next lease is told about the connection */
    struct lease lease;       /* the lease of the whole connection */
    struct connection_loans loans;
    enum connection_state state;
    enum connection_lending lending;
    /* ENDING_NONE: the connection takes leases; else it ends with its last lease */
    enum ending ending;
    bool has_place; /* it has a place of endpoint->connections */
    bool ready;     /* it counts in the endpoint's ready_count */
    const struct connection_protocol *protocol;
    void *session; /* state of the protocol */
    struct endpoint_local *local;
    struct lease_request
        *promised_to; /* LATE_TLS, DIALLING: the one request that gets it; NULL: any */
    uint64_t idle_since_ms;
    /* connect timeout, ask timeout, idle limit; may fire without effect while the connection is lent */
    struct wheel_timer timer;
    struct connection_retire retire;
    struct connection_overdue overdue;
    struct connection_ask ask;
    struct connection_tls tls;
    int dial_errno; /* DIALLING: connect() failed at once with this errno; the event reports it */
    /* IDLE or SHARING: link in the local's list of that state */
    TAILQ_ENTRY(connection) spare_link;
    TAILQ_ENTRY(connection) link; /* link in worker->connections */
    struct event event;
    struct message message; /* the question to a sibling, and its answer */
    struct deferred_free freed;
};

/* Makes a connection of this local in the state ASKING or DIALLING, without a descriptor. NULL: no memory. */
struct connection *connection_create(struct endpoint_local *local, enum connection_state state);
/* Takes the stream over and watches it. False: epoll has no space, and the stream stays the caller's. */
__attribute__((warn_unused_result)) bool connection_watch(struct connection *connection,
                                                          const struct stream *stream);
/* Handles the next edge, as if it came from the event loop. */
void connection_event(struct connection *connection, short what);
/* Closes the connection, gives its descriptor and its place back, and tells waiters about the capacity. Counts no
   ending: the connection was never ready, or connection_end() has counted it. */
void connection_drop(struct connection *connection, bool reset);
/* Gives the stream and the place to a sibling without closing. The memory is freed at the end of the pass. */
struct stream connection_hand_over(struct connection *connection);
/* Ends a connection without leases. The only function that counts an ending or a death. */
void connection_end(struct connection *connection, enum ending ending);
/* Lends no further lease of the connection and ends it with its last lease, which may be now. The first ending that is
   given stays, unless a later one is a death. */
void connection_stop(struct connection *connection, enum ending ending);
/* After a reload has lowered pool.max: true if this connection is one too many; then the caller ends or stops it as
   surplus. Over all workers exactly as many connections are surplus as there are too many. An idle connection has given
   its place back, a lent one is counted as leaving. */
__attribute__((warn_unused_result)) bool connection_is_surplus(struct connection *connection);
/* The other side allows so many leases at a time. Ends the connection if it is idle and may carry none. */
void connection_allow(struct connection *connection, uint32_t allowed_count);
/* The same without effect yet, for a connection that is being dialled. */
void connection_expect(struct connection *connection, uint32_t allowed_count);
/* Lends the connection to the request that is served next: the whole connection, or a share whose lease is embedded in
   the request. */
struct lease *connection_lend(struct connection *connection, struct lease_request *request);
/* The connection goes to this request and no other, who has left the line. */
void connection_promise(struct connection *connection, struct lease_request *request);
/* The promise has been kept, or cannot be: returns the request; NULL: there was no promise. */
struct lease_request *connection_promise_over(struct connection *connection);
/* Moves the connection to the state that fits its leases. */
void connection_settle(struct connection *connection);

#define MOVES_TO(state) (1u << CONNECTION_##state)
#define READY_MOVES (MOVES_TO(SHARING) | MOVES_TO(LENT) | MOVES_TO(CLOSED))
static const uint8_t connection_moves[] = {
    [CONNECTION_CLOSED] =
        MOVES_TO(ASKING) | MOVES_TO(DIALLING), /* when the connection is created */
    [CONNECTION_ASKING] = READY_MOVES | MOVES_TO(IDLE) | MOVES_TO(LATE_TLS),
    [CONNECTION_DIALLING] = READY_MOVES | MOVES_TO(IDLE) | MOVES_TO(LATE_TLS),
    [CONNECTION_IDLE] = READY_MOVES | MOVES_TO(LATE_TLS),
    [CONNECTION_LATE_TLS] = READY_MOVES,
    [CONNECTION_SHARING] = MOVES_TO(IDLE) | MOVES_TO(LENT) | MOVES_TO(CLOSED),
    [CONNECTION_LENT] = MOVES_TO(IDLE) | MOVES_TO(SHARING) | MOVES_TO(CLOSED),
};
#undef READY_MOVES
#undef MOVES_TO

/* Whether a connection in this state is in one of the local's lists of connections that can be lent. */
static inline bool connection_state_is_spare(enum connection_state state)
{
    return state == CONNECTION_IDLE || state == CONNECTION_SHARING;
}

static inline struct connection_list *connection_list_of(struct endpoint_local *local,
                                                         enum connection_state state)
{
    return state == CONNECTION_IDLE ? &local->idle : &local->sharing;
}

/* Updates the local's count of connections in this state, if there is one. */
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

/* The only writer of `state`; updates the counts and lists of the local. `from` is the current state: where the
   compiler knows it, most of this function is optimised away. */
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

/* The number of leases at a time that a connection in progress is expected to give. */
static inline uint32_t endpoint_capacity_count(const struct endpoint *endpoint)
{
    uint32_t capacity_count = __atomic_load_n(&endpoint->upkeep.capacity_count, __ATOMIC_RELAXED);
    if (capacity_count == 0) {
        capacity_count = protocol_of(endpoint)->capacity_count;
    }
    return capacity_count != 0 ? capacity_count : 1;
}

/* Whether that is a guess, which the next connection corrects. */
static inline bool endpoint_capacity_is_unknown(const struct endpoint *endpoint)
{
    return __atomic_load_n(&endpoint->upkeep.capacity_count, __ATOMIC_RELAXED) == 0 &&
           protocol_of(endpoint)->capacity_count == 0;
}

static inline uint32_t connection_exchanges_limit(const struct connection *connection)
{
    const struct endpoint_local *local = connection->local;
    if (endpoint_habit(local->endpoint) != HABIT_KEEPS && !connection->protocol->shares) {
        return 1; /* its first return is looked at: habit_limit_reached() */
    }
    if (!connection->protocol->shares && protocol_of(local->endpoint)->shares) {
        return 1; /* a connection beside shared ones, for one request that cannot share */
    }
    if (local->endpoint->proxy_header ==
        PROXY_HEADER_CLIENT) { /* each connection carries one client's header */
        return 1;
    }
    return local->limits.max_requests_count < UINT32_MAX
               ? (uint32_t)local->limits.max_requests_count
               : UINT32_MAX;
}

/* Makes the connection idle: it is between exchanges, or was dialled ahead of requests. */
static inline void connection_rest(struct connection *connection, enum connection_state from)
{
    struct pool_worker *worker = connection->local->worker;
    connection_enter(connection, from, CONNECTION_IDLE);
    connection->facts.reused = true;
    connection->idle_since_ms = loop_clock_ms(&worker->env.loop->clock);
    wheel_arm(&worker->env.loop->wheel, &connection->timer,
              connection->idle_since_ms + connection->local->limits.idle_ms);
}

/* Lends the whole connection to one borrower. */
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
