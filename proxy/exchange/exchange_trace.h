/*
 * The trace of a sampled exchange: a span of its own, and one for each of its attempts, whose parent it is. A twin and a side request
 * have no span of their own: their attempts belong to the exchange that began them.
 *
 * Owns: struct exchange_trace, which is in a buffer of the worker, from the start of the exchange to its end. An exchange that is not
 * sampled has none. Thread: its worker's. Time base: the loop clock; spans have CLOCK_REALTIME. Spec: W3C Trace Context 3.2.
 */
#ifndef EVENKEEL_PROXY_EXCHANGE_EXCHANGE_TRACE_H
#define EVENKEEL_PROXY_EXCHANGE_EXCHANGE_TRACE_H

#include <stdbool.h>
#include <stdint.h>

#include "proxy/trace/span.h"

struct buf;
struct exchange;
struct http_field;
struct tracing_settings;

struct exchange_trace {
    struct buf *memory; /* that this struct is in */
    char id[TRACE_ID_BYTES + 1];
    uint64_t span_id;           /* of the exchange */
    uint64_t parent_id;         /* of who sent the request; 0: the trace begins here */
    uint64_t attempt_id;        /* of the attempt in progress; 0: it has no name yet */
    uint64_t wall_us;           /* CLOCK_REALTIME minus the loop clock */
    int64_t queue_told_us;      /* what spans of attempts have of times.queue_us; -1: nothing */
    int64_t connect_us, tls_us; /* of the attempt in progress; -1: did not happen */
    const char *cause;          /* why the attempt in progress has failed; NULL: it has not */
    unsigned cause_status;      /* with that: of its answer; 0: none */
    unsigned attempts_count;    /* attempts that have spans, and so are over */
    bool query;                 /* the span has it */
};

/* Decides whether the exchange is sampled. `parent`: its traceparent, which is valid; NULL: none. If it is, the traceparent is written
   anew for each attempt. */
void exchange_trace_begin(struct exchange *exchange, const struct tracing_settings *settings,
                          const struct http_field *parent);
/* Attempts of an inner exchange belong to this one's trace, if it has one. */
void exchange_trace_share(struct exchange *inner, const struct exchange *exchange);

/* The rest is for exchanges that are sampled. */

/* Writes the value of traceparent for the attempt in progress; returns its end. */
char *exchange_trace_parent(struct exchange *exchange, char *at);
/* The attempt in progress has a connection. */
void exchange_trace_leased(struct exchange *exchange);
/* It has failed, for this reason; `cause` lives as long as the program. */
void exchange_trace_failed(struct exchange *exchange, const char *cause, unsigned status);
/* It is over. */
void exchange_trace_attempt(struct exchange *exchange);
/* The exchange is over, and so are its attempts. */
void exchange_trace_finish(struct exchange *exchange);

#endif
