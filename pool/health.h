/*
 * Health: which endpoints attempts may go to, decided by probes, results of attempts, and the operator.
 *
 * Owns: for each endpoint its status, its probe and its timers. Thread: control, except endpoint_answered() and
 * endpoint_failed(), which workers call. A worker reads one number of an endpoint, its traffic share: 0 means that the
 * endpoint is out of use, TRAFFIC_SHARE_WHOLE that it gets its whole share.
 */
#ifndef EVENKEEL_POOL_HEALTH_H
#define EVENKEEL_POOL_HEALTH_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

#include "pool/health_status.h"
#include "pool/upstream.h"
#include "steady/enum_names.h"
#include "steady/mailbox.h"
#include "steady/strata.h"

struct pool_worker;

#define HEALTH_EVENTS(X)                                                                        \
    X(HEALTH_EVENT_UP, "up")               /* an endpoint is in use again */                    \
    X(HEALTH_EVENT_DOWN, "down")           /* probes failed */                                  \
    X(HEALTH_EVENT_EJECTED, "ejected")     /* attempts failed */                                \
    X(HEALTH_EVENT_DRAINED, "drained")     /* the operator took it out of use */                \
    X(HEALTH_EVENT_UNDRAINED, "undrained") /* the operator gave it back */                      \
    X(HEALTH_EVENT_PANIC, "panic")         /* so few endpoints are healthy that all are used */ \
    X(HEALTH_EVENT_CALM, "calm")           /* panic is over */

enum health_event { ENUM_VALUES(HEALTH_EVENTS) };
const char *health_event_name(enum health_event value);

/* A change, reported once. */
struct health_change {
    enum health_event event;
    const char *upstream;
    const char *endpoint, *address; /* NULL: the change is of the upstream as a whole */
    const char *why;
};

struct health_env {
    struct event_base *base; /* of the control thread; outlives the pools */
    struct mailbox *mailbox; /* drained by the control thread until the pools are freed */
    void (*on_change)(const struct health_change *change, void *owner);
    void *owner;
    struct tls_scratch *tls_scratch; /* for probes; outlives the pools. NULL: no endpoint has TLS */
};

/* To be called right after pools_create(); without it every endpoint counts as healthy. False: no memory. */
__attribute__((warn_unused_result)) bool pools_start_health(struct pools *pools,
                                                            const struct health_env *env);

/* Report the result of an attempt, once for each attempt that says something about its endpoint. latency_us: from the
   start of the attempt to the head of the response, or to its failure. Attempts that the client or this process broke
   off are not reported. */
void endpoint_answered(struct pool_worker *worker, struct endpoint *endpoint, uint64_t latency_us);
/* The endpoint answered before the client had sent the whole request, so the latency says nothing. */
void endpoint_answered_early(struct endpoint *endpoint);

/* A failed attempt, with what is known about its cause. */
struct endpoint_failure {
    struct strata strata;
    uint32_t with_traffic; /* the strata of which the endpoint has calls */
    bool unreached;        /* there was no connection, so any other request would have failed too */
    const char *cause;     /* a word that lives as long as the program */
    unsigned status;       /* of the answer that was the failure; 0: none */
};
void endpoint_failed(struct pool_worker *worker, struct endpoint *endpoint,
                     const struct endpoint_failure *failure, uint64_t latency_us);

/* Takes endpoints of the upstream out of use, or gives them back: those whose address or configured text is `name`.
   Attempts in progress continue. Returns how many match. The state lasts until the endpoint leaves the settings. */
size_t pools_drain(struct pools *pools, const char *upstream, const char *name, bool drained);

/* Health of an upstream as a whole (control thread). */
struct upstream_health {
    uint64_t endpoint_count, healthy_count; /* without drained endpoints */
    /* Those of the healthy ones that take connections, as far as is known: the last dial succeeded, or a connection is open. An
       endpoint without a warm level is dialled only for requests, so a failed dial is no news of it. */
    uint64_t usable_count;
    bool panic; /* all endpoints are used, healthy or not */
    uint64_t panics_count;
};
struct upstream_health upstream_health(const struct upstream *upstream);

#endif
