/*
 * Upstream connections: from the dial (or the ask at a sibling) to the close.
 *
 * Owns: the stream, its event, its place of pool.max and its descriptor's unit of the fd bound. Private to pool/.
 * Thread: its worker's. Time base: the loop clock. A connection's memory is freed at the end of the loop's pass.
 *
 *     ASKING ──► IDLE ◄──► LENT      ASKING: a sibling was asked to hand one over; no descriptor, no place yet
 *    DIALLING ──► │         │        SECURING: on the way to LENT where TLS begins for one request (claim.h)
 *        └────────┴─────────┴──► CLOSED
 */
#ifndef EVENKEEL_POOL_CONNECTION_H
#define EVENKEEL_POOL_CONNECTION_H

#include <event2/event_struct.h>

#include "pool/endpoint.h"
#include "pool/lease.h"
#include "pool/pools.h"
#include "steady/check.h"

enum connection_state {
    CONNECTION_ASKING,
    CONNECTION_DIALLING,
    CONNECTION_IDLE,
    CONNECTION_LATE_TLS,
    CONNECTION_LENT,
    CONNECTION_CLOSED,
};

struct connection {
    struct stream stream;
    struct lease_facts facts; /* as the next lease will have them */
    struct lease lease;       /* of the whole connection */
    enum connection_state state;
    bool has_place;                         /* of endpoint->connections */
    bool late;                              /* ASKING: nobody counts on the answer any more */
    bool for_fresh;                         /* ASKING: only for the sake of its place */
    bool unsecured;                         /* its TLS begins with a claim */
    bool ready;                             /* counts for the endpoint's ready_count */
    bool overdue;                           /* in local->upkeep.overdue */
    enum lease_close_reason end_reason;     /* why it ends when exchanges_limit is reached */
    uint32_t exchanges_limit;               /* 0: it ends when it comes back */
    int dial_errno;                         /* DIALLING: failed already, to be told in its event */
    unsigned sibling;                       /* ASKING: the worker that was asked */
    struct stream handed;                   /* the answer; without a descriptor: none */
    struct lease_request *late_tls_request; /* SECURING: for it */
    uint64_t handshake_began_us;            /* DIALLING or SECURING, and TLS is in the stream */
    uint64_t word_awaited_ms; /* since then, of the server, on our certificate; 0: it is not */
    struct endpoint_local *local;
    uint64_t idle_since_ms;
    uint64_t retire_ms;    /* its lifetime is over; 0: not ready yet */
    unsigned retire_place; /* 1 + its step of local->retirements; 0: not counted there */
    struct wheel_timer
        timer; /* connect timeout, ask timeout, idle limit; may fire in vain while lent */
    struct wheel_timer retire;
    TAILQ_ENTRY(connection) idle_link;
    TAILQ_ENTRY(connection) overdue_link;
    TAILQ_ENTRY(connection) link; /* in worker->connections */
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
/* Closes what it has, gives back descriptor and place; tells those who wait for capacity. Counts no reason. */
void connection_drop(struct connection *connection, bool reset);
/* Gives its place back if there are more connections than places, which a reload has made fewer; then it has to be closed. As many
   connections of all workers do so as there are too many. */
__attribute__((warn_unused_result)) bool connection_gives_up_place(struct connection *connection);
/* Gives up the stream and the place without closing, for a sibling; the memory is buried. */
struct stream connection_hand_over(struct connection *connection);
/* An idle connection ends. */
void connection_close_idle(struct connection *connection, enum lease_close_reason reason);

/* The only writer of `state`, where the local's counts and its list of idle ones follow. `from` is what it is
   now: where that is known to the compiler, little remains of this. */
static inline void connection_enter(struct connection *connection, enum connection_state from,
                                    enum connection_state to)
{
    struct endpoint_local *local = connection->local;
    CHECK(connection->state == from);
    if (from == CONNECTION_IDLE) {
        TAILQ_REMOVE(&local->idle, connection, idle_link);
        count_add(&local->idle_count, (uint64_t)-1);
    } else if (from == CONNECTION_DIALLING) {
        count_add(&local->dialling_count, (uint64_t)-1);
    }
    if (to == CONNECTION_IDLE) {
        TAILQ_INSERT_HEAD(&local->idle, connection, idle_link);
        count_add(&local->idle_count, 1);
    } else if (to == CONNECTION_DIALLING) {
        count_add(&local->dialling_count, 1);
    }
    connection->state = to;
}

static inline uint32_t local_exchanges_limit(const struct endpoint_local *local)
{
    if (local->endpoint->proxy_header == PROXY_HEADER_CLIENT) /* it speaks for one client */
        return 1;
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

static inline struct lease *connection_lend(struct connection *connection,
                                            enum connection_state from)
{
    struct local_stats *stats = &connection->local->stats;
    connection_enter(connection, from, CONNECTION_LENT);
    connection->lease.facts = connection->facts;
    count_add(connection->facts.reused ? &stats->reused : &stats->fresh, 1);
    return &connection->lease;
}

#endif
