/*
 * A side request: a request of our own to an upstream, on behalf of an exchange. It is attached, and somebody waits for its answer
 * (auth.forward), or detached, and its answer is thrown away (mirror).
 *
 * A side request is an exchange whose client is this file. So it waits for a place, asks the breakers and reports to them, chooses
 * endpoints, uses the pools and is retried like every other one, over every protocol of upstreams; but it is not counted as a
 * request, not logged, not hedged, and nothing is answered to it. It copies what it needs of the exchange it is for.
 *
 * Owns: its exchange; a copy of the answer. An attached one belongs to the exchange that asked, which cancels it when it ends first.
 * A detached one belongs to its worker, outlives the client, and is bounded: in number by the bound detached_requests, in time by
 * its deadline, in memory by what its caller gives. Thread: the worker's. Time base: the loop clock. Errors: enum exchange_reason in
 * the answer.
 */
#ifndef EVENKEEL_PROXY_EXCHANGE_SIDE_REQUEST_H
#define EVENKEEL_PROXY_EXCHANGE_SIDE_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proxy/http/http_head.h"
#include "proxy/http/reasons.h"

struct exchange;
struct payload;
struct side_request;
struct upstream;
struct worker;

/* Gone when done() returns. */
struct side_answer {
    const struct http_head *head; /* NULL: none has come */
    const char *body;
    size_t body_bytes;
    uint64_t retry_after_ms;     /* a wait that a refusal asks for; 0: none */
    enum exchange_reason reason; /* COMPLETE: the head is there, and the body unless it was cut */
    bool cut;                    /* the body is longer than was asked for, and was not read on */
};

/* What is asked; all of it is copied. */
struct side_ask {
    struct upstream *upstream;
    /* The exchange's request, or a copy of it with more behind its texts and other spans. The fields that every upstream gets
       (X-Forwarded-For, X-Request-Id, ...) are added as to the exchange's own. */
    const struct http_head *head;
    const char *lines; /* further fields, as lines that end with CR LF; NULL: none */
    size_t lines_bytes;
    const struct payload *payload; /* all of it; NULL: none */
    uint64_t timeout_ms;           /* of the whole, its answer's body included */
    bool edited; /* the fields that are added are edited as those of the exchange's own request */
    bool x_forwarded;       /* it gets X-Forwarded-*, whatever headers.forwarded says */
    size_t body_most_bytes; /* of the answer's body that is kept, or read if it is detached */
    /* The answer has come, or none will come; called once, at the end of a pass, never from side_request_start(). NULL: the
       request is detached. */
    void (*done)(void *owner, const struct side_answer *answer);
    void *owner;
};

/* Begins a request on behalf of the exchange. False: no memory, or too many are detached; nothing has happened. ret_side: for
   cancelling; NULL if it is detached. */
__attribute__((warn_unused_result)) bool side_request_start(const struct exchange *exchange,
                                                            const struct side_ask *ask,
                                                            struct side_request **ret_side);
/* Ends it without an answer, unless *side is NULL, and nulls it. To be called before done(), which itself ends it. */
void side_request_cancel(struct side_request **side);

/* The worker ends: so do its detached requests. */
void side_requests_end_all(struct worker *worker);

#endif
