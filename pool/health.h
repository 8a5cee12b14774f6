/*
 * Health: which endpoints attempts may go to, by probes, by what became of attempts, and by the operator's word.
 *
 * Owns: per endpoint its status, its probe and its timers. Thread: control, but for endpoint_answered() and
 * endpoint_failed(), which are the workers'. A worker reads one number of an endpoint, its traffic share: 0, it is not to be used; TRAFFIC_SHARE_WHOLE, its whole share.
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

#define HEALTH_EVENTS(X)                                                              \
    X(HEALTH_EVENT_UP, "up")               /* an endpoint is back */                  \
    X(HEALTH_EVENT_DOWN, "down")           /* probes failed */                        \
    X(HEALTH_EVENT_EJECTED, "ejected")     /* attempts failed */                      \
    X(HEALTH_EVENT_DRAINED, "drained")     /* the operator took it out */             \
    X(HEALTH_EVENT_UNDRAINED, "undrained") /* and gave it back */                     \
    X(HEALTH_EVENT_PANIC, "panic")         /* so few are healthy that all are used */ \
    X(HEALTH_EVENT_CALM, "calm")           /* no more */

enum health_event { ENUM_VALUES(HEALTH_EVENTS) };
const char *health_event_name(enum health_event value);

/* Something happened; told once each time. */
struct health_change {
    enum health_event event;
    const char *upstream;
    const char *endpoint, *address; /* NULL: the upstream as a whole */
    const char *why;
};

struct health_env {
    struct event_base *base; /* the control thread's; it outlives the pools */
    struct mailbox *mailbox; /* drained by the control thread until the pools are freed */
    void (*on_change)(const struct health_change *change, void *owner);
    void *owner;
    struct tls_scratch *tls_scratch; /* for probes; outlives the pools. NULL: no endpoint has TLS */
};

/* Right after pools_create(); without it every endpoint counts as healthy. False: no memory. */
__attribute__((warn_unused_result)) bool pools_start_health(struct pools *pools,
                                                            const struct health_env *env);

/* What became of an attempt, once for each that tells something of its endpoint: latency_us, from its start to the head of the
   response (or its failure). What the client or this process broke off is not reported. */
void endpoint_answered(struct pool_worker *worker, struct endpoint *endpoint, uint64_t latency_us);
/* Before its client had sent all: how long it took says nothing. */
void endpoint_answered_early(struct endpoint *endpoint);

/* Whose attempt failed, as far as it tells what the failure is to be put down to. */
struct endpoint_failure {
    struct strata strata;
    uint32_t with_traffic; /* the strata that the endpoint has calls of */
    bool unreached;        /* there was no connection, so any other would have failed */
};
void endpoint_failed(struct pool_worker *worker, struct endpoint *endpoint,
                     const struct endpoint_failure *failure, uint64_t latency_us);

/* Takes endpoints of the upstream out, or gives them back: those whose address or configured text is `name`.
   Attempts under way end as they would. Returns how many match; their state is kept until they leave the settings. */
size_t pools_drain(struct pools *pools, const char *upstream, const char *name, bool drained);

/* An upstream's health as a whole (control thread). */
struct upstream_health {
    uint64_t endpoint_count, healthy_count; /* without the drained */
    bool panic;                             /* all are used, healthy or not */
    uint64_t panics_count;
};
struct upstream_health upstream_health(const struct upstream *upstream);

#endif
