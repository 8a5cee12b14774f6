/*
 * An attempt: one try of an exchange at one endpoint: its lease, what the breakers let it have, and what it reports.
 *
 * Owns: its lease (or the request for one), its tickets. Embedded in the exchange. How the request is spoken is the upstream side's:
 * proxy/upstream. Thread: its worker's.
 */
#ifndef EVENKEEL_PROXY_EXCHANGE_ATTEMPT_H
#define EVENKEEL_PROXY_EXCHANGE_ATTEMPT_H

#include <stdbool.h>
#include <stdint.h>

#include "pool/lease.h"
#include "proxy/policy/policy.h"
#include "proxy/upstream/h1_upstream.h"

struct exchange;

enum attempt_state {
    ATTEMPT_NONE,
    ATTEMPT_LEASING, /* waits for a connection */
    ATTEMPT_LEASED,  /* has one */
    ATTEMPT_FAILED,  /* there was none to be had */
};

struct attempt {
    struct lease_request request;
    struct endpoint *endpoint; /* the last one tried */
    struct h1_upstream upstream;
    uint64_t started_us;
    struct policy_tickets tickets; /* what the breakers have yet to be told */
    uint8_t state;                 /* enum attempt_state */
    bool reported;                 /* what it says of its endpoint has been reported */
};

void attempt_init(struct exchange *exchange);

/* Asks for a connection to the endpoint. LEASE_READY: it has one, and nothing has been sent. */
__attribute__((warn_unused_result)) enum lease_result attempt_start(struct exchange *exchange,
                                                                    struct endpoint *endpoint,
                                                                    bool fresh_only);

static inline struct upstream_side *attempt_side(struct attempt *attempt)
{
    return &attempt->upstream.side;
}
static inline const struct lease *attempt_lease(const struct attempt *attempt)
{
    return attempt->upstream.side.lease;
}

/* Whether payload of the response waits in a pipe for the client. */
static inline bool attempt_piped(const struct attempt *attempt)
{
    return attempt->upstream.side.ops->piped(&attempt->upstream.side);
}

/* The exchange's request is whole and goes to its first endpoint: it counts for the retry budgets. */
void attempt_earn(struct exchange *exchange);

/* What the attempt says of its endpoint: to the endpoint's breaker, and, unless it says nothing (OUTCOME_IGNORED) and has not
   `answered` either, to the pool. Likewise to the upstream's breaker. What was reported is not reported again. */
void attempt_report_endpoint(struct exchange *exchange, enum outcome outcome, bool answered);
void attempt_report_upstream(struct exchange *exchange, enum outcome outcome);
/* A final head has come, and is passed on. */
void attempt_report_answer(struct exchange *exchange);

/* How long the endpoint has had what it needs: since the start, or since it was last given something of the request if that was
   later. 0: the client owes it more. */
uint64_t attempt_age_us(const struct exchange *exchange);
/* Its client is slow: it leaves what it holds of a breaker's trial to others. */
void attempt_yield(struct exchange *exchange);

/* Ends it: the lease goes back to the pool if its connection may serve again, else it is closed. Ending twice is fine. */
void attempt_end(struct exchange *exchange);

#endif
