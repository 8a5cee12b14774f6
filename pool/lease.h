/*
 * Leases: upstream connections lent to attempts, from a keep-alive pool per endpoint.
 *
 * Owns: every upstream connection. Idle ones are kept per worker, newest first; the cap (pool.max) is per endpoint
 * over the whole process and exact: a place is reserved before a dial. The pool owns the dials, attempts wait in
 * line: whichever connection is ready first, dialled, returned or handed over by a sibling worker, serves the
 * request that waits longest. Thread: a struct pool_worker and everything taken from it belongs to one worker. Time
 * base: the loop clock, ms. A lease is returned or closed exactly once, and the pointer is nulled.
 */
#ifndef EVENKEEL_POOL_LEASE_H
#define EVENKEEL_POOL_LEASE_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "pool/close_reason.h"
#include "pool/upstream.h"
#include "steady/enum_names.h"
#include "steady/loop.h"
#include "steady/slab.h"
#include "steady/waitlist.h"
#include "tls/stream.h"

struct pool_worker;
struct lease;

/* Events on a lent connection: EV_READ, EV_WRITE, EV_CLOSED (edge-triggered; all that hold at once). */
typedef void lease_event_fn(struct lease *lease, short what);

/* What is known of the connection when it is lent. */
struct lease_facts {
    uint64_t tls_us;          /* its handshake took so long; 0: no TLS */
    uint32_t exchanges_count; /* served before this one */
    bool reused;              /* exchanges_count > 0 or it has been idle */
    bool resumed;             /* its TLS session was resumed */
    bool proxy_header;        /* a PROXY protocol header of the client comes first */
};

/*
 * The lent view of an upstream connection. The borrower sets on_event and owner as soon as it gets the lease;
 * everything else is read-only to it. Readiness is edge-triggered and may be told twice or late, never too little:
 * what was readable when the lease was given comes as an event unless a recv met it first.
 *
 * A lease of a whole connection may be returned only if all of this holds, else it is closed:
 * - the response was read to its end and not a byte beyond it;
 * - the last recv came up short of the room it was offered, or blocked: the kernel's buffer was empty then;
 * - EV_CLOSED was not seen.
 * What arrives later makes a new edge, which the pool sees (or the next borrower, when it is faster).
 */
struct lease {
    struct stream *stream;         /* the connection's, all of it; NULL: the lease is a share */
    struct connection *connection; /* for pool/ only */
    struct endpoint *endpoint;
    lease_event_fn *on_event;
    void *owner;
    struct lease_facts facts;
    TAILQ_ENTRY(lease) link; /* a share: among those of the connection */
};

enum lease_result {
    LEASE_READY,   /* *ret_lease is set */
    LEASE_PENDING, /* on_ready or on_failed will be called, never from within the call that asked */
    LEASE_FULL, /* pool.max connections exist and none can be had: queue, or try another endpoint */
    LEASE_NO_FD, /* the process's budget of descriptors is spent */
};

/* How a dial ended. RETIRED: it failed, but its endpoint has gone from the settings, which is no evidence: try another.
   FULL: the connection that was hoped for went elsewhere and pool.max exist, as LEASE_FULL. */
#define DIAL_RESULTS(X)                                                                     \
    X(DIAL_OK, "ok")                                                                        \
    X(DIAL_REFUSED, "refused")                                                              \
    X(DIAL_UNREACHABLE, "unreachable")                                                      \
    X(DIAL_RESET, "reset")                                                                  \
    X(DIAL_TIMEOUT, "timeout")                                                              \
    X(DIAL_NO_FD, "no_fd")                                                                  \
    X(DIAL_NO_ADDRESS_PORT, "no_address_port") /* EADDRNOTAVAIL: local ports are used up */ \
    X(DIAL_RETIRED, "retired")                                                              \
    X(DIAL_FULL, "full")                                                                    \
    X(DIAL_TLS, "tls") /* no handshake: the request's tls_failure says why */               \
    X(DIAL_ERROR, "error")

enum dial_result { ENUM_VALUES(DIAL_RESULTS) };
const char *dial_result_name(enum dial_result value);

/* The token of a pending lease, and the memory of one that is a share; embedded in the attempt, which outlives both. The
   deadline is the caller's: cancel when it passes. */
struct lease_request {
    TAILQ_ENTRY(lease_request) link;
    struct endpoint *endpoint;   /* NULL: not pending */
    struct connection *late_tls; /* it has left the line, and TLS is being agreed on for it */
    /* Where the client is told of before TLS begins: a PROXY protocol header into a room of PROXY_HEADER_WRITE_BYTES; returns its length. */
    size_t (*proxy_header)(struct lease_request *request, char *space);
    void (*on_ready)(struct lease_request *request, struct lease *lease);
    void (*on_failed)(struct lease_request *request, enum dial_result result);
    bool fresh_only;              /* never a connection that was used before (the free redial) */
    uint64_t number;              /* the pool's: among all that ever stood in this line */
    enum tls_failure tls_failure; /* with DIAL_TLS */
    struct lease share;           /* the pool's; what it gives may be this */
};

struct pool_worker_env {
    unsigned index;
    struct event_base *base;
    struct loop *loop; /* its mailbox has `owner` as receiver, what it frees as owner */
    struct tls_scratch *tls_scratch; /* NULL: no endpoint has TLS */
    void *owner;                     /* the worker */
};

/* NULL when memory is exhausted. */
struct pool_worker *pool_worker_create(struct pools *pools, const struct pool_worker_env *env);
/* Closes every idle connection and dial; leases must be back. Workers speak to each other by their mailboxes to
   the last, so: end and join all loops, then drain all mailboxes and run what is deferred until there is neither, then free
   the pool workers (before their bases). Frees what is deferred. NULL is fine. */
void pool_worker_free(struct pool_worker **worker);

/* Makes connections of the views that are ahead, for a set that is to be adopted soon and lives until then. */
void pool_worker_prewarm(struct pool_worker *worker, const struct upstream_set *coming);
/* From now on this worker uses these views: idle connections of endpoints that are gone are closed. */
void pool_worker_adopt(struct pool_worker *worker, const struct upstream_set *set);
/* The process drains: idle connections are closed, returned ones too. */
void pool_worker_drain(struct pool_worker *worker);

/* Takes the newest idle connection, else asks a sibling that has one, else dials. request's callbacks must be
   set; with LEASE_FULL and LEASE_NO_FD it is not pending. The endpoint must be of this worker's present view of
   its upstream, or one whose lease was closed in this pass. */
__attribute__((warn_unused_result)) enum lease_result pool_lease(struct pool_worker *worker,
                                                                 struct endpoint *endpoint,
                                                                 struct lease_request *request,
                                                                 struct lease **ret_lease);
/* Cancelling a request that is not pending is fine. Its dial goes on for others or for the pool. */
void pool_lease_cancel(struct pool_worker *worker, struct lease_request *request);

/* Back to the pool: the next in line gets it, or it is kept idle. It must be between exchanges. Nulls *lease. */
void lease_return(struct pool_worker *worker, struct lease **lease);
/* DONE, BROKEN or ABANDONED: ends the lease, and the connection if the lease is all of it. Nulls *lease. */
void lease_close(struct pool_worker *worker, struct lease **lease, enum lease_close_reason reason);

/* ---- the queue of an upstream: waiting for capacity ---- */

/* What a waiter (steady/waitlist.h) of the queue lacks. Its owner sets since_ms to 0 when it has been served: a later wait has a
   beginning of its own. */
enum queue_want {
    QUEUE_CONNECTION, /* all connections that there may be are in use */
    QUEUE_PLACE,      /* limits.in_flight is reached, or others wait */
    QUEUE_DESCRIPTOR, /* it could dial, but all descriptors are taken */
};

enum admit_result {
    ADMIT_OK,     /* one of limits.in_flight is taken: upstream_leave() gives it back */
    ADMIT_QUEUED, /* on_turn will be called; try upstream_admit() again then */
    ADMIT_QUEUE_FULL,
};

/* Admits an exchange to the upstream. Those who queued come before newcomers: pass `turn` = true when called
   from on_turn. */
__attribute__((warn_unused_result)) enum admit_result upstream_admit(struct pool_worker *worker,
                                                                     struct upstream *upstream,
                                                                     struct waiter *waiter,
                                                                     bool turn);
/* Queues an admitted exchange whose attempt found every endpoint LEASE_FULL, or `for_fd`: LEASE_NO_FD; on_turn when
   a connection may be had. ADMIT_QUEUED or ADMIT_QUEUE_FULL. `turn`: it was queued or in an endpoint's line before; it goes to the front. */
__attribute__((warn_unused_result)) enum admit_result upstream_wait(struct pool_worker *worker,
                                                                    struct upstream *upstream,
                                                                    struct waiter *waiter,
                                                                    bool for_fd, bool turn);
/* Leaves the queue (deadline, client gone). Not being queued is fine. */
void queue_cancel(struct waiter *waiter);
/* An exchange that gives its place back but will ask again (it waits before a retry): its upstream and view stay. Each keep is
   followed by one let_go, after which the upstream may vanish as after upstream_leave(). */
void upstream_keep(struct pool_worker *worker, struct upstream *upstream);
void upstream_let_go(struct pool_worker *worker, struct upstream *upstream);
/* The exchange is over: gives its place back and calls the next, on whichever worker it waits. With its last
   exchange an upstream that has gone from the settings may vanish, name and all: this comes last. */
void upstream_leave(struct pool_worker *worker, struct upstream *upstream);

/* An exchange of the worker at this upstream met a kept connection that was dead: whether it may go out once more
   without being a retry (a few of each hundred requests may). Counts it if so. */
__attribute__((warn_unused_result)) bool upstream_may_redial(struct pool_worker *worker,
                                                             struct upstream *upstream);

/* To be called by whoever on this worker's thread has given units of the fds bound back: who waits for a descriptor
   is called. */
void pool_fds_given(struct pool_worker *worker);

#endif
