/*
 * An exchange: one request and its response, from the head's arrival to the access log line.
 *
 * Owns: a copy of the request's head, its attempt, its timer, its place at the upstream. Belongs to a client and is ended only by
 * exchange_finish(). It knows neither side's wire protocol: the client side is reached through struct downstream_ops, the upstream
 * side through proxy/exchange/attempt.
 * Thread: its worker's. Time base: the loop clock.
 *
 * Backpressure: whoever passes bytes on asks what the far side says. SINK_FULL means: taken, but stop until told to go on.
 */
#ifndef EVENKEEL_PROXY_EXCHANGE_EXCHANGE_H
#define EVENKEEL_PROXY_EXCHANGE_EXCHANGE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "pool/lease.h"
#include "proxy/exchange/attempt.h"
#include "proxy/exchange/forward.h"
#include "proxy/http/http_head.h"
#include "proxy/http/payload.h"
#include "proxy/http/reasons.h"
#include "proxy/policy/gate.h"
#include "proxy/worker/stats.h"
#include "proxy/worker/worker.h"

struct exchange;

enum sink {
    SINK_OPEN,   /* taken; more may come */
    SINK_FULL,   /* taken; the next only after the sink has drained */
    SINK_BROKEN, /* the exchange is over: touch nothing, return */
};

/* What a client's protocol does for an exchange. */
struct downstream_ops {
    /* The final response's head and its first payload. head->framing says how the length is known; payload.last that it is all. */
    enum sink (*send_head)(struct exchange *exchange, const struct http_head *head,
                           const struct payload *payload);
    enum sink (*send_payload)(struct exchange *exchange, const struct payload *payload);
    /* An interim response (1xx but 101). */
    void (*send_interim)(struct exchange *exchange, const struct http_head *head);
    /* 101: from here on bytes are relayed as they are. */
    enum sink (*send_upgrade)(struct exchange *exchange, const struct http_head *head);
    enum sink (*send_raw)(struct exchange *exchange, const struct iovec *iov, size_t count);
    /* The far side of a tunnel has ended: no more raw bytes to the client. */
    void (*end_raw)(struct exchange *exchange);
    /* The request's sink has room again: read on. */
    void (*read_on)(struct exchange *exchange);
    /* The socket, for splicing into; -1 when bytes must pass through user space or some are still waiting. */
    int (*splice_fd)(struct exchange *exchange);
    /* A PROXY protocol header of the client's connection into a room of PROXY_HEADER_WRITE_BYTES; returns its length. */
    size_t (*proxy_header)(struct exchange *exchange, char *space);
    /* Whether the client turns out to be gone, when asked. */
    bool (*gone)(struct exchange *exchange);
    /* The exchange is over and about to be freed. intact: the response was sent whole, the connection may serve another. */
    void (*finished)(struct exchange *exchange, bool intact);
};

enum exchange_stage {
    EXCHANGE_QUEUED,     /* waits for a place at the upstream */
    EXCHANGE_CONNECTING, /* waits for a lease */
    EXCHANGE_SENDING,    /* the request's body is on its way */
    EXCHANGE_AWAITING,   /* request sent, no final response yet */
    EXCHANGE_RESPONDING, /* the response's body is on its way */
    EXCHANGE_TUNNEL,
    EXCHANGE_BACKOFF, /* waits before a retry */
};

/* Endpoints that are remembered as tried; retry.attempts allows no more. */
#define EXCHANGE_TRIED 3

struct exchange {
    struct worker *worker;
    const struct downstream_ops *downstream;
    void *owner; /* the client (HTTP/1) or stream */
    const struct sockaddr *client_address;
    const char *listener_name;
    const struct listener_timeout_settings *client_timeouts;
    const char *client_certificate; /* verified, as X-Forwarded-Client-Cert has it; NULL: none */
    const struct stream *secure;    /* the client's, if it speaks TLS; NULL: plain */
    struct http_head request;       /* the copy; base is head_buf's space */
    struct buf *head_buf;
    struct exchange *hedge;    /* asks another endpoint for the same; NULL: none does */
    struct upstream *upstream; /* NULL: none yet, or left already */
    const char
        *upstream_name;     /* "" before routing; lives as long as the process knows the upstream */
    const char *route_name; /* "" before routing */
    struct route_stats *stats;
    struct waiter waiter;
    struct shard *shard; /* NULL: the route has none */
    struct gate_waiter gate_waiter;
    const struct listener_admission *listener_admission;
    struct attempt attempt;
    struct wheel_timer timer;
    struct deferred_free freed;
    const struct endpoint *tried[EXCHANGE_TRIED]; /* only compared: others go first */
    uint64_t started_us;
    uint64_t deadline_ms;       /* of the whole exchange */
    uint64_t queued_ms;         /* since when it queues; 0: it does not */
    uint64_t request_moved_ms;  /* last time a byte of the request moved */
    uint64_t response_moved_ms; /* last time a byte of the response moved */
    uint64_t request_done_ms;   /* when the request was whole; 0: not yet */
    uint64_t request_payload_bytes;
    uint64_t response_payload_bytes;
    int64_t queue_us, connect_us, tls_us, first_byte_us; /* -1: did not happen */
    const struct payload
        *arrived;            /* request payload at hand while exchange_start() is on the stack */
    struct buf *held;        /* request payload that came before there was anywhere to send it */
    struct buf *replay;      /* what was sent of it, to be sent again; NULL: none, or not at hand */
    uint64_t replay_count;   /* bytes of it that are counted */
    uint64_t retry_at_ms;    /* in EXCHANGE_BACKOFF */
    uint64_t allowed_ms;     /* for the whole, by our own settings */
    uint64_t retry_after_ms; /* what a refusal tells the client to wait */
    uint8_t stage;           /* enum exchange_stage; written only by exchange_enter() */
    uint8_t attempts_count;
    uint8_t retries_count;   /* of those, the ones that were retries */
    uint8_t attempts_before; /* by the hops before, but for the one that is this exchange */
    uint8_t tried_count;
    uint8_t
        last_reason;    /* enum exchange_reason of the last attempt that failed without an answer */
    uint8_t reason;     /* enum exchange_reason, once finished */
    uint16_t status;    /* sent to the client; 0: none yet */
    bool request_whole; /* everything of the request has arrived */
    bool held_last;     /* `held` ends the request */
    bool request_full;  /* the request's sink said SINK_FULL */
    bool response_full; /* the client said SINK_FULL */
    bool reused;        /* the last lease had been used before */
    bool deadline_asked;    /* the deadline is the one that the client asked for */
    bool resumed;           /* its TLS session had been, too */
    bool payload_gone;      /* payload has been passed on that cannot be sent again */
    bool redialled;         /* the one free redial is spent */
    bool trusted;           /* the client's address is in trusted_peers */
    bool shadow;            /* such a one: counts and logs nothing itself */
    bool hedged;            /* its time to be hedged has come, once */
    bool hedge_won;         /* its shadow brings the answer */
    bool shard_admitted;    /* holds a place of its shard */
    bool upstream_kept;     /* gave that place back for a while */
    bool upstream_admitted; /* holds a place of limits.in_flight */
    bool continue_awaited;  /* the client waits for 100 (RFC 9110 10.1.1) */
    bool client_raw_ended;  /* a tunnel's direction from the client is over */
    bool intact;            /* the client has been given a whole response */
    bool looked;            /* whether the client is still there has been asked */
    bool finished;
    bool request_id_kept; /* the request carries an id that may be believed; request_id is empty */
    bool trace_kept;      /* likewise its traceparent */
    struct forward_rules rules; /* what is added for the upstream */
    char endpoint_text[64];     /* of the last attempt */
    char request_id[33];        /* ours, terminated; "" when the request's own is kept */
};

struct exchange_origin {
    struct worker *worker;
    const struct downstream_ops *downstream;
    void *owner;
    const struct sockaddr *client_address;
    const char *listener_name;
    const struct listener_timeout_settings *client_timeouts;
    const struct listener_admission *admission;
    const char *client_certificate; /* NULL: none */
    const struct stream *secure;    /* the client's, if it speaks TLS; NULL: plain */
};

/* Begins an exchange for a parsed head, whose bytes may vanish afterwards, with what has arrived of its payload. The exchange
   may be over when this returns: downstream->finished() tells. Returns false when there is no memory for it (nothing happened). */
__attribute__((warn_unused_result)) bool exchange_start(const struct exchange_origin *origin,
                                                        const struct http_head *head,
                                                        const struct payload *payload,
                                                        struct exchange **ret_exchange);
/* Begins and ends one for a request that could not be understood: answered, counted and logged like any other. METHOD_OTHER: its
   method was not read, or is none that we know. It is over when this returns. */
__attribute__((warn_unused_result)) bool exchange_refuse(const struct exchange_origin *origin,
                                                         enum exchange_reason reason,
                                                         const char *detail,
                                                         enum http_method method,
                                                         struct exchange **ret_exchange);

/* ---- from the client's side ---- */

enum sink exchange_request_payload(struct exchange *exchange, const struct payload *payload);
/* The client's output has drained. */
void exchange_client_drained(struct exchange *exchange);
/* Raw bytes of a tunnel. */
enum sink exchange_client_raw(struct exchange *exchange, const struct iovec *iov, size_t count);
void exchange_client_raw_end(struct exchange *exchange);

/* ---- from the upstream's side (proxy/exchange/attempt) ---- */

void exchange_on_leased(struct exchange *exchange);
/* The payload at hand for the attempt that now has a connection; *piece is room for it. */
struct payload exchange_first_payload(struct exchange *exchange, struct iovec *piece);
/* That payload has gone out (or is kept by the attempt). */
void exchange_first_payload_taken(struct exchange *exchange, bool full);
/* The connection turned out dead before it carried anything back: redials once if that is safe, else fails. */
void exchange_on_dead_connection(struct exchange *exchange);
void exchange_on_dial_failed(struct exchange *exchange, enum dial_result result);
/* The request's head is on its way, its payload not all. */
void exchange_on_request_stage(struct exchange *exchange);
void exchange_on_request_sent(struct exchange *exchange);
/* The upstream takes request payload again. */
void exchange_on_upstream_drained(struct exchange *exchange);
void exchange_on_interim(struct exchange *exchange, const struct http_head *head);
enum sink exchange_on_response(struct exchange *exchange, const struct http_head *head,
                               const struct payload *payload);
enum sink exchange_on_payload(struct exchange *exchange, const struct payload *payload);
/* Payload that went past user space. */
void exchange_on_spliced(struct exchange *exchange, size_t bytes, bool blocked);
enum sink exchange_on_upgrade(struct exchange *exchange, const struct http_head *head);
enum sink exchange_on_raw(struct exchange *exchange, const struct iovec *iov, size_t count);
void exchange_on_raw_end(struct exchange *exchange);
/* Everything the client sent through a tunnel before it ended its direction has gone out. */
void exchange_on_raw_flushed(struct exchange *exchange);

/* Answers with our own response if nothing was sent yet, else breaks the response visibly; then finishes. `detail` goes into
   Proxy-Status and may be NULL. */
void exchange_fail(struct exchange *exchange, enum exchange_reason reason, const char *detail);

/* A response that is to be tried again, if it is: it must not be passed on then, and exchange_back_off() be called. */
bool exchange_retries_response(struct exchange *exchange, const struct http_head *head);
/* The attempt is over, the next one begins after a while. */
void exchange_back_off(struct exchange *exchange);

/* Who asks the breakers. */
static inline struct policy_caller exchange_caller(const struct exchange *exchange)
{
    struct worker *worker = exchange->worker;
    return (struct policy_caller){exchange->upstream->views[worker->env.index], worker->env.index,
                                  worker_now_ms(worker), &worker->loop.rng};
}

/* The only exit. Cancels the attempt, gives the lease and the place back, counts, logs, tells the client, frees. */
void exchange_finish(struct exchange *exchange, enum exchange_reason reason);

const struct upstream_settings *exchange_settings(const struct exchange *exchange);

#endif
