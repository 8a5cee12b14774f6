/*
 * Leases: upstream connections that are lent to attempts, from a pool of keep-alive connections for each endpoint.
 *
 * Owns: every upstream connection. Idle connections are kept by each worker, newest first. The limit pool.max is for
 * an endpoint over the whole process, and exact: a place is reserved before a dial. The pool owns the dials, and
 * attempts wait in line: whichever connection is ready first (dialled, returned, or handed over by a sibling worker)
 * serves the request that has waited longest. Thread: a struct pool_worker and everything taken from it belongs to one
 * worker. Time base: the loop clock, ms. A lease is returned or closed exactly once, and the pointer is nulled.
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

/* Events on a lent connection: EV_READ, EV_WRITE, EV_CLOSED (edge-triggered; all that apply in one call). */
typedef void lease_event_fn(struct lease *lease, short what);

/* What is known about the connection when it is lent. */
struct lease_facts {
    uint64_t tls_us;          /* duration of its TLS handshake; 0: no TLS */
    uint32_t exchanges_count; /* number of exchanges that it served before this one */
    bool reused;              /* exchanges_count > 0, or the connection has been idle */
    bool resumed;             /* its TLS session was resumed */
    bool proxy_header; /* the borrower must send a PROXY protocol header of the client first */
};

/*
 * A lent upstream connection as its borrower sees it. The borrower sets on_event and owner as soon as it gets the
 * lease; everything else is read-only to it. Readiness is edge-triggered and may be reported twice or late, but is
 * never lost: what was readable when the lease was given comes as an event, unless a recv has met it before.
 *
 * A lease of a whole connection may be returned only if all of this holds; else it must be closed:
 * - the response was read to its end and not a byte beyond it;
 * - the last recv returned less than the room that it was offered, or would have blocked: the kernel's buffer was
 * empty then;
 * - EV_CLOSED was not seen.
 * What arrives later makes a new edge, which the pool sees, or the next borrower if it is faster.
 */
struct lease {
    struct stream *stream; /* the connection's stream; NULL: the lease is a share of a connection */
    struct connection *connection; /* for pool/ only */
    struct endpoint *endpoint;
    lease_event_fn *on_event;
    void *owner;
    struct lease_facts facts;
    TAILQ_ENTRY(lease) link; /* a share: link among the shares of its connection */
};

enum lease_result {
    LEASE_READY,   /* *ret_lease is set */
    LEASE_PENDING, /* on_ready or on_failed will be called, never from within the call that asked */
    /* pool.max connections exist and none can be lent: queue, or try another endpoint */
    LEASE_FULL,
    LEASE_NO_FD, /* the process has no file descriptor left */
};

/* Results of a dial. RETIRED: the dial failed, but its endpoint has left the settings, so this is no evidence: try
   another endpoint. FULL: the expected connection went to another request and pool.max connections exist, as with
   LEASE_FULL. */
#define DIAL_RESULTS(X)                                                                          \
    X(DIAL_OK, "ok")                                                                             \
    X(DIAL_REFUSED, "refused")                                                                   \
    X(DIAL_UNREACHABLE, "unreachable")                                                           \
    X(DIAL_RESET, "reset")                                                                       \
    X(DIAL_TIMEOUT, "timeout")                                                                   \
    X(DIAL_NO_FD, "no_fd")                                                                       \
    X(DIAL_NO_ADDRESS_PORT, "no_address_port") /* EADDRNOTAVAIL: local ports are used up */      \
    X(DIAL_RETIRED, "retired")                                                                   \
    X(DIAL_FULL, "full")                                                                         \
    X(DIAL_PROTOCOL, "protocol") /* it does not speak the protocol that is expected */           \
    X(DIAL_TLS, "tls")           /* the handshake failed: tls_failure of the request says why */ \
    X(DIAL_ERROR, "error")

enum dial_result { ENUM_VALUES(DIAL_RESULTS) };
const char *dial_result_name(enum dial_result value);

/* The token of a pending lease, and the memory of a lease that is a share. It is embedded in the attempt, which
   outlives both. The deadline is the caller's, who cancels the request when it passes. */
struct lease_request {
    TAILQ_ENTRY(lease_request) link;
    struct endpoint *endpoint; /* NULL: not pending */
    /* the request has left the line and gets this connection, which is being dialled or agrees on TLS for it */
    struct connection *promised;
    /* Writes the PROXY protocol header of the client, which is sent before TLS begins, into a room of
       PROXY_HEADER_WRITE_BYTES. Returns its length. */
    size_t (*proxy_header)(struct lease_request *request, char *space);
    void (*on_ready)(struct lease_request *request, struct lease *lease);
    void (*on_failed)(struct lease_request *request, enum dial_result result);
    bool fresh_only; /* never a connection that was used before (the free redial) */
    /* no share: the whole of an HTTP/1 connection, for a request with Upgrade */
    bool whole_only;
    uint64_t number; /* number of the request among all that were ever in this line; the pool's */
    enum tls_failure tls_failure; /* with DIAL_TLS */
    struct lease share;           /* the lease, if it is a share; the pool's */
};

struct pool_worker_env {
    unsigned index;
    struct event_base *base;
    /* the receiver of its mailbox is `owner`, which also owns what the loop frees */
    struct loop *loop;
    struct tls_scratch *tls_scratch; /* NULL: no endpoint has TLS */
    void *owner;                     /* the worker */
    /* A sibling lacks descriptors: may close something of the owner's. NULL: nothing. */
    void (*on_fds_asked)(void *owner);
};

/* NULL when memory is exhausted. */
struct pool_worker *pool_worker_create(struct pools *pools, const struct pool_worker_env *env);
/* Closes every idle connection and dial; all leases must be back. Workers send each other messages until the end. So
   end and join all loops, then drain all mailboxes and run deferred work until there is neither, and then free the pool
   workers, before their event bases. Frees what is deferred. NULL is fine. */
void pool_worker_free(struct pool_worker **worker);

/* Opens the connections of the views that are ahead, for a set that is to be adopted soon and lives until then. */
void pool_worker_prewarm(struct pool_worker *worker, const struct upstream_set *coming);
/* The worker uses these views from now on. Idle connections of endpoints that are gone are closed. */
void pool_worker_adopt(struct pool_worker *worker, const struct upstream_set *set);
/* The process drains: idle connections are closed, and so are returned ones. */
void pool_worker_drain(struct pool_worker *worker);

/* Lends the newest idle connection, else asks a sibling that has one, else dials. The request's callbacks must be set.
   With LEASE_FULL and LEASE_NO_FD the request is not pending. The endpoint must be in this worker's current view of its
   upstream, or its lease must have been closed in this pass. */
__attribute__((warn_unused_result)) enum lease_result pool_lease(struct pool_worker *worker,
                                                                 struct endpoint *endpoint,
                                                                 struct lease_request *request,
                                                                 struct lease **ret_lease);
/* Cancelling a request that is not pending is fine. Its dial continues for other requests or for the pool. */
void pool_lease_cancel(struct pool_worker *worker, struct lease_request *request);

/* Returns the lease to the pool: the next request in line gets it, or the connection becomes idle. It must be between
   exchanges. Nulls *lease. */
void lease_return(struct pool_worker *worker, struct lease **lease);
/* The response says that it is the last of its connection: the pool learns whether the endpoint keeps connections. The lease
   stays out. */
void lease_told_last(struct lease *lease);
/* Reason: DONE, BROKEN or ABANDONED. Ends the lease, and also the connection if the lease is the whole connection.
   Nulls *lease. */
void lease_close(struct pool_worker *worker, struct lease **lease, enum lease_close_reason reason);

/* ---- the queue of an upstream: waiting for capacity ---- */

/* What a waiter (steady/waitlist.h) in the queue lacks. Its owner sets since_ms to 0 when it has been served, so that a
   later wait has its own beginning. */
enum queue_want {
    QUEUE_CONNECTION, /* all connections that may exist are in use */
    QUEUE_PLACE,      /* limits.in_flight is reached, or other exchanges wait */
    QUEUE_DESCRIPTOR, /* the exchange could dial, but all descriptors are taken */
};

enum admit_result {
    ADMIT_OK,     /* a place of limits.in_flight is taken; upstream_leave() gives it back */
    ADMIT_QUEUED, /* on_turn will be called; then call upstream_admit() again */
    ADMIT_QUEUE_FULL,
};

/* Admits an exchange to the upstream. Queued exchanges come before newcomers: pass `turn` = true when called from
   on_turn. */
__attribute__((warn_unused_result)) enum admit_result upstream_admit(struct pool_worker *worker,
                                                                     struct upstream *upstream,
                                                                     struct waiter *waiter,
                                                                     bool turn);
/* Queues an admitted exchange whose attempt found every endpoint LEASE_FULL, or LEASE_NO_FD with `for_fd`. on_turn is
   called when a connection may be available. Returns ADMIT_QUEUED or ADMIT_QUEUE_FULL. `turn`: the exchange was in the
   queue or in an endpoint's line before, so it goes to the front. */
__attribute__((warn_unused_result)) enum admit_result upstream_wait(struct pool_worker *worker,
                                                                    struct upstream *upstream,
                                                                    struct waiter *waiter,
                                                                    bool for_fd, bool turn);
/* Leaves the queue (deadline passed, client gone). An exchange that is not queued is fine. */
void queue_cancel(struct waiter *waiter);
/* For an exchange that gives its place back but will ask for one again, because it waits before a retry: its upstream
   and view stay in memory. Each keep is followed by one let_go, after which the upstream may be freed as after
   upstream_leave(). */
void upstream_keep(struct pool_worker *worker, struct upstream *upstream);
void upstream_let_go(struct pool_worker *worker, struct upstream *upstream);
/* The exchange is over: gives its place back and calls the next waiter, on any worker. With its last exchange, an
   upstream that has left the settings may be freed, with its name, so this call comes last. */
void upstream_leave(struct pool_worker *worker, struct upstream *upstream);

/* An exchange of the worker at this upstream met a pooled connection that was dead. True: the request may be sent once
   more without counting as a retry, which a few of each hundred requests may; the redial is counted. */
__attribute__((warn_unused_result)) bool upstream_may_redial(struct pool_worker *worker,
                                                             struct upstream *upstream);

/* The same after an event (not 0) that has refused several requests of one connection: it counts as one redial. */
__attribute__((warn_unused_result)) bool upstream_may_redial_after(struct pool_worker *worker,
                                                                   struct upstream *upstream,
                                                                   uint64_t event);

/* To be called after code on this worker's thread has given units of the bound on file descriptors back: calls an
   exchange that waits for one. */
void pool_fds_given(struct pool_worker *worker);
/* Asks the siblings to give up a descriptor that they can do without. */
void pool_ask_for_fds(struct pool_worker *worker);
/* Since when the worker's longest idle connection is idle that may be given up; UINT64_MAX: there is none. */
uint64_t pool_idle_since_ms(const struct pool_worker *worker);
/* Closes that connection. False: there is none. */
bool pool_close_oldest_idle(struct pool_worker *worker);

#endif
