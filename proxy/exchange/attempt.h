/*
 * An attempt: one try of an exchange at one endpoint, spoken in HTTP/1.1.
 *
 * Owns: its lease (or the request for one), bytes of the request the upstream has not taken yet, bytes of a response head that is
 * not whole yet. Embedded in the exchange. Thread: its worker's. Spec: RFC 9112.
 */
#ifndef EVENKEEL_PROXY_EXCHANGE_ATTEMPT_H
#define EVENKEEL_PROXY_EXCHANGE_ATTEMPT_H

#include <stdbool.h>
#include <stdint.h>

#include "pool/health.h"
#include "pool/lease.h"
#include "proxy/http1/h1_body.h"
#include "proxy/policy/policy.h"
#include "proxy/worker/worker.h"
#include "steady/buf.h"

struct exchange;
struct payload;
struct splice_pipe;

enum attempt_state {
    ATTEMPT_NONE,
    ATTEMPT_LEASING, /* waits for a connection */
    ATTEMPT_HEAD,    /* awaits the response's head */
    ATTEMPT_BODY,    /* relays its body */
    ATTEMPT_RAW,     /* a tunnel */
};

struct attempt {
    struct lease_request request;
    struct lease *lease;
    struct endpoint *endpoint; /* the last one tried */
    struct buf *out;           /* of the request, not taken by the socket yet */
    struct buf *in;            /* of the response's head (or trailers), not whole yet */
    struct splice_pipe *pipe;  /* payload between the two sockets, when the client is slow */
    size_t scanned;            /* of `in`, looked at for the head's end */
    struct h1_body body;       /* of the response */
    struct deferred deferred;  /* to read on after others had their turn */
    uint64_t started_ms;
    uint64_t started_us;
    struct policy_tickets tickets; /* what the breakers have yet to be told */
    bool begun;                    /* it waits for a connection or has one */
    bool reported;                 /* what it says of its endpoint has been told */
    uint8_t state;                 /* enum attempt_state */
    bool chunked;                  /* the request's body goes out in chunks */
    bool request_whole;            /* everything of it was passed to attempt_send() */
    bool touched;                  /* the upstream may have seen a byte of the request */
    bool answered;                 /* a byte of the response has come */
    bool keep;                     /* the response allows another exchange on the connection */
    bool saw_end;                  /* EV_CLOSED was seen: the end follows what is readable */
    bool drained;                  /* the last read emptied the socket */
    bool paused;                   /* not reading: the client is slow */
    bool send_broken; /* the socket takes no more of the request; what it sent back is still read */
    bool end_wanted;  /* end our direction of a tunnel once `out` is empty */
    bool raw_ended;   /* the upstream's direction of a tunnel is over */
};

void attempt_init(struct attempt *attempt);

/* Asks for a connection to the endpoint and sends the request when it has one. After LEASE_READY the exchange may be over. */
enum lease_result attempt_start(struct exchange *exchange, struct endpoint *endpoint,
                                bool fresh_only);

/* What the attempt says of its endpoint: to the endpoint's breaker, and, unless it says nothing (OUTCOME_IGNORED) and has not
   `answered` either, to the pool. Likewise to the upstream's breaker. What was told is not told again. */
void attempt_report_endpoint(struct exchange *exchange, enum outcome outcome, bool answered);
void attempt_report_upstream(struct exchange *exchange, enum outcome outcome);

/* Since its start, or since the client had sent all of the request if that was later. */
uint64_t attempt_age_us(const struct exchange *exchange);

/* More of the request's body. */
enum sink attempt_send(struct exchange *exchange, const struct payload *payload);
enum sink attempt_send_raw(struct exchange *exchange, const struct iovec *iov, size_t count);
void attempt_end_raw(struct exchange *exchange);

/* The client has room again. */
void attempt_read_on(struct exchange *exchange);

/* Ends it: the lease goes back to the pool if the response is whole and says so, else it is closed. Ending twice is fine. */
void attempt_end(struct exchange *exchange);

#endif
