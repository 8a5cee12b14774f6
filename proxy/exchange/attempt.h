/*
 * An attempt: one try of an exchange at one endpoint, with its lease, its breaker tickets and its reports.
 *
 * Owns: its lease (or the request for one), its tickets. Embedded in the exchange. The upstream side (proxy/upstream)
 * speaks the protocol. Thread: its worker's.
 */
#ifndef EVENKEEL_PROXY_EXCHANGE_ATTEMPT_H
#define EVENKEEL_PROXY_EXCHANGE_ATTEMPT_H

#include <stdbool.h>
#include <stdint.h>

#include "pool/lease.h"
#include "proxy/policy/policy.h"
#include "proxy/upstream/h1_upstream.h"
#include "proxy/upstream/h2_upstream.h"

struct exchange;

enum attempt_state {
    ATTEMPT_NONE,
    ATTEMPT_LEASING, /* waits for a connection */
    ATTEMPT_LEASED,  /* has a connection */
    ATTEMPT_SHARES,  /* has a stream of a connection */
    ATTEMPT_FAILED,  /* could not get a connection */
};

struct attempt {
    struct lease_request request;
    struct endpoint *endpoint; /* the last endpoint that was tried */
    uint64_t started_us;
    /* when a client that owes bytes, or takes none, is judged next; 0: it has not been judged */
    uint64_t judge_at_ms;
    uint64_t judged_bytes; /* of the response, that the client had taken when it was last judged */
    struct policy_tickets tickets; /* tickets that are not reported to the breakers yet */
    uint8_t state;                 /* enum attempt_state */
    bool slow;                     /* counted as a slow transfer of its client */
    bool reported;                 /* the result for its endpoint has been reported */
    bool counted;                  /* its response has been counted */
    union { /* HTTP/2 while the state is SHARES; the last member, whose end is zeroed only then */
        struct upstream_side side;
        struct h1_upstream h1;
        struct h2_upstream h2;
    } upstream;
};

void attempt_init(struct exchange *exchange);

/* Asks for a connection to the endpoint. LEASE_READY: the attempt has one, and nothing has been sent. */
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

/* The exchange's whole request goes to its first endpoint: it counts for the retry budgets. */
void attempt_earn(struct exchange *exchange);

/* Why an attempt failed, for the operator. */
struct attempt_cause {
    const char *word; /* lives as long as the program */
    unsigned status;  /* of the answer that was the failure; 0: none */
};

/* Reports the result to the endpoint's breaker and, unless it says nothing (OUTCOME_IGNORED and not `answered`), to the
   pool; the other function reports to the upstream's breaker. A second report does nothing. */
void attempt_report_endpoint(struct exchange *exchange, enum outcome outcome, bool answered,
                             struct attempt_cause cause);
void attempt_report_upstream(struct exchange *exchange, enum outcome outcome);
/* A final response head has come: counts it for its endpoint and its upstream. age_us: attempt_age_us(). */
void attempt_count_answer(struct exchange *exchange, unsigned status, uint64_t age_us);
/* It is passed on. */
void attempt_report_answer(struct exchange *exchange, uint64_t age_us);

/* How long the endpoint has had what it needs: since the start of the attempt, or since it was last given bytes of the
   request, if that is later. 0: the client still has to send bytes. */
uint64_t attempt_age_us(const struct exchange *exchange);
/* The client has owed bytes for a while, and is judged again at judge_at_ms if it goes on: gives the attempt's places in
   breaker trials to other exchanges. True: others wait, and the attempt has to give its place at the upstream up. */
bool attempt_judge_upload(struct exchange *exchange);
/* The same for a response that waits for its client. */
bool attempt_judge_response(struct exchange *exchange);

/* Ends the attempt: the lease goes back to the pool if its connection may serve again, else it is closed. Ending twice
   is fine. */
void attempt_end(struct exchange *exchange);

#endif
