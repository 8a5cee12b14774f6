/*
 * An exchange: one request and its response, from the head's arrival to the access log line.
 *
 * Owns: a copy of the request's head, its attempt, its timer, its places at the upstream and at a shard. Belongs to a client and is
 * ended only by exchange_finish(). It knows neither side's wire protocol: the client side is reached through struct downstream_ops,
 * the upstream side through struct upstream_ops.
 * Thread: its worker's. Time base: the loop clock.
 *
 * Backpressure: whoever passes bytes on asks what the far side says. SINK_FULL means: taken, but stop until told to go on; and who
 * reads for an exchange asks first how much room there is.
 */
#ifndef EVENKEEL_PROXY_EXCHANGE_EXCHANGE_H
#define EVENKEEL_PROXY_EXCHANGE_EXCHANGE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "pool/lease.h"
#include "proxy/exchange/admission_state.h"
#include "proxy/exchange/attempt.h"
#include "proxy/exchange/forward.h"
#include "proxy/exchange/request_body.h"
#include "proxy/http/http_head.h"
#include "proxy/http/payload.h"
#include "proxy/http/reasons.h"
#include "proxy/policy/admission.h"
#include "proxy/worker/stats.h"
#include "proxy/worker/worker.h"
#include "steady/strata.h"

struct exchange;

/* What a client's protocol does for an exchange. */
struct downstream_ops {
    /* The final response's head and its first payload. head->framing says how the length is known; payload.last that it is all. */
    enum sink (*send_head)(struct exchange *exchange, const struct http_head *head,
                           const struct payload *payload);
    enum sink (*send_payload)(struct exchange *exchange, const struct payload *payload);
    /* An interim response (1xx but 101). */
    enum sink (*send_interim)(struct exchange *exchange, const struct http_head *head);
    /* 101: from here on bytes are relayed as they are. */
    enum sink (*send_upgrade)(struct exchange *exchange, const struct http_head *head);
    enum sink (*send_raw)(struct exchange *exchange, const struct iovec *iov, size_t count);
    /* The far side of a tunnel has ended: no more raw bytes to the client. */
    void (*end_raw)(struct exchange *exchange);
    /* How many bytes of the response the client takes now; 0: exchange_client_drained() or
       exchange_client_writable() will be called. */
    size_t (*room)(struct exchange *exchange);
    /* There is room for the request's payload again: reads on, soon. */
    void (*read_on)(struct exchange *exchange);
    /* The socket, for splicing into; -1 when bytes must pass through user space or some are still waiting. */
    int (*splice_fd)(struct exchange *exchange);
    /* A PROXY protocol header of the client's connection into PROXY_HEADER_WRITE_BYTES of space; returns its length. */
    size_t (*proxy_header)(struct exchange *exchange, char *space);
    /* Whether the client turns out to be gone, when asked. */
    bool (*gone)(struct exchange *exchange);
    /* The exchange is over and about to be freed. intact: the response was sent whole, the connection may serve another. */
    void (*finished)(struct exchange *exchange, bool intact);
};

/* What an exchange needs of the listener that its client came by. */
struct exchange_listener {
    struct listener_timeout_settings timeouts;
    struct listener_admission admission;
    char name[65];
};

/* Where exchanges come from: a client connection. It outlives them, and does not change while one is under way. */
struct exchange_origin {
    struct worker *worker;
    const struct exchange_listener *listener;
    const struct stream *stream;
    char *certificate; /* verified, as X-Forwarded-Client-Cert has it; NULL: none */
    struct ip_address address;
    uint8_t client_stratum; /* of the address */
};

/* The client's connection if it speaks TLS; NULL: plain. */
static inline const struct stream *origin_secure(const struct exchange_origin *origin)
{
    return origin->stream->tls != NULL ? origin->stream : NULL;
}

enum exchange_stage {
    EXCHANGE_NEW,        /* not routed yet */
    EXCHANGE_QUEUED,     /* waits for a place at the upstream, or for a connection */
    EXCHANGE_CONNECTING, /* waits for a lease */
    EXCHANGE_LEASED,     /* has one; the request is sent before anything else happens */
    EXCHANGE_SENDING,    /* the request's body is on its way */
    EXCHANGE_AWAITING,   /* request sent, no final response yet */
    EXCHANGE_RESPONDING, /* the response's body is on its way */
    EXCHANGE_TUNNEL,
    EXCHANGE_BACKOFF, /* waits before a retry */
    EXCHANGE_FINISHED,
};

/* Where it is to go. */
struct exchange_target {
    struct upstream *upstream; /* NULL: none yet, or left already */
    const char
        *upstream_name;     /* "" before routing; lives as long as the process knows the upstream */
    const char *route_name; /* "" before routing */
    struct route_stats *stats;
    struct strata strata; /* what a failure of it says of the upstream depends on them */
};

struct exchange_response {
    uint64_t payload_bytes;
    uint64_t moved_ms; /* last time a byte of it moved */
    uint16_t status;   /* sent to the client; 0: none yet */
    bool full;         /* the client said SINK_FULL, or payload waits in a pipe for it */
    bool paused;       /* full, though nothing waits: buffers are scarce */
    bool intact;       /* the client has been given a whole response */
};

/* Endpoints that are remembered as tried; retry.attempts allows no more. */
#define EXCHANGE_TRIED 3

struct exchange_tries {
    const struct endpoint *tried[EXCHANGE_TRIED]; /* only compared: others go first */
    uint64_t retry_at_ms;                         /* in EXCHANGE_BACKOFF */
    uint8_t tried_count;
    uint8_t attempts_count;
    uint8_t retries_count;   /* of those, the ones that were retries */
    uint8_t attempts_before; /* by the hops before, but for the one that is this exchange */
    uint8_t
        last_reason; /* enum exchange_reason of the last attempt that failed without an answer */
    bool redialled;  /* the one free redial is spent */
};

/* See hedge.h. */
enum hedge_role {
    HEDGE_ALONE,  /* it has not been hedged */
    HEDGE_RACING, /* its twin asks another endpoint; both may still answer */
    HEDGE_BEATEN, /* its twin brings the answer; its own attempt is over */
    HEDGE_SPENT,  /* its twin brought nothing; there is no second one */
    HEDGE_TWIN,   /* it is such a twin: counts and logs nothing itself */
};

struct exchange_hedge {
    struct exchange *twin; /* RACING, BEATEN */
    uint8_t role;          /* enum hedge_role; written only by hedge.c */
};

struct exchange_times {
    uint64_t started_us;
    uint64_t deadline_ms;            /* of the whole exchange; 0: none yet */
    uint64_t allowed_ms;             /* for the whole, by our own settings */
    uint64_t retry_after_ms;         /* what a refusal tells the client to wait */
    int64_t queue_us, first_byte_us; /* -1: did not happen */
    int64_t connect_us, tls_us;      /* likewise */
    bool deadline_asked;             /* the deadline is the one that the client asked for */
};

struct exchange {
    struct worker *worker;
    const struct exchange_origin *origin;
    const struct downstream_ops *downstream;
    void *owner; /* the client (HTTP/1) or stream; of a twin the exchange it belongs to */
    struct http_head request; /* the copy; its base is in head_buf */
    struct buf *head_buf;
    struct exchange_target target;
    struct request_body body;
    struct exchange_response response;
    struct exchange_admission admission;
    struct exchange_tries tries;
    struct exchange_hedge hedge;
    struct exchange_times times;
    struct attempt attempt;
    struct wheel_timer timer;
    struct deferred_free freed;
    uint8_t stage;          /* enum exchange_stage; written only by exchange_enter() */
    uint8_t reason;         /* enum exchange_reason, once finished */
    bool reused;            /* the last lease had been used before */
    bool resumed;           /* its TLS session had been, too */
    bool trusted;           /* the client's address is in trusted_peers */
    bool looked;            /* whether the client is still there has been asked */
    bool client_raw_ended;  /* a tunnel's direction from the client is over */
    struct forward forward; /* what is added for the upstream */
    char endpoint_text[64]; /* of the last attempt */
};

/* Begins an exchange for a parsed head, whose bytes may vanish afterwards, with what has arrived of its payload. The exchange
   may be over when this returns: downstream->finished() tells. Returns false when there is no memory for it (nothing happened). */
__attribute__((warn_unused_result)) bool exchange_start(const struct exchange_origin *origin,
                                                        const struct downstream_ops *downstream,
                                                        void *owner, const struct http_head *head,
                                                        const struct payload *payload,
                                                        struct exchange **ret_exchange);
/* Begins and ends one for a request that could not be understood: answered, counted and logged like any other. METHOD_OTHER: its
   method was not read, or is none that we know. It is over when this returns. */
__attribute__((warn_unused_result)) bool exchange_refuse(const struct exchange_origin *origin,
                                                         const struct downstream_ops *downstream,
                                                         void *owner, enum exchange_reason reason,
                                                         const char *detail,
                                                         enum http_method method,
                                                         struct exchange **ret_exchange);

/* ---- from the client's side ---- */

/* How much of the request, or of a tunnel's bytes, may be read now; 0: downstream->read_on() will be called. */
size_t exchange_request_room(const struct exchange *exchange);
enum sink exchange_request_payload(struct exchange *exchange, const struct payload *payload);
/* The client's output has drained. */
void exchange_client_drained(struct exchange *exchange);
/* The client's socket takes bytes again, and none wait in its buffer: some may wait in a pipe. */
void exchange_client_writable(struct exchange *exchange);
/* Raw bytes of a tunnel. */
enum sink exchange_client_raw(struct exchange *exchange, const struct iovec *iov, size_t count);
void exchange_client_raw_end(struct exchange *exchange);

/* Answers with our own response if nothing was sent yet, else breaks the response visibly; then finishes. `detail` goes into
   Proxy-Status and may be NULL. */
void exchange_fail(struct exchange *exchange, enum exchange_reason reason, const char *detail);

/* The only exit. Cancels the attempt, gives the lease and the places back, counts, logs, tells the client, frees. */
void exchange_finish(struct exchange *exchange, enum exchange_reason reason);

#endif
