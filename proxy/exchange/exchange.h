/*
 * An exchange: one request and its response, from the arrival of the head to the access log line.
 *
 * Owns: a copy of the request's head, its attempt, its timer, its places at the upstream and at a shard. It belongs to
 * a client and ends only in exchange_finish(). It does not know the wire protocol of either side: it reaches the
 * client side through struct downstream_ops and the upstream side through struct upstream_ops. Thread: its worker's.
 * Time base: the loop clock.
 *
 * Backpressure: code that passes bytes on checks the result of the other side. SINK_FULL means that the bytes were
 * taken, and that no more may be passed until the other side says so. Code that reads for an exchange first asks how
 * much room there is.
 */
#ifndef EVENKEEL_PROXY_EXCHANGE_EXCHANGE_H
#define EVENKEEL_PROXY_EXCHANGE_EXCHANGE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "pool/lease.h"
#include "proxy/exchange/admission_state.h"
#include "proxy/exchange/attempt.h"
#include "proxy/exchange/exchange_edge.h"
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
struct exchange_trace;

/* What the protocol of a client does for an exchange. */
struct downstream_ops {
    const char *protocol; /* as access logs have it; HTTP/1.0 is a fact of the request */
    /* It watches itself that the client takes what waits for it. */
    bool watches;
    /* Number of the exchange's stream; NULL: the protocol has none. */
    int64_t (*stream_id)(const struct exchange *exchange);
    /* Sends the final response's head and its first payload. head->framing says how the length is known, payload.last
       that the payload is complete. */
    enum sink (*send_head)(struct exchange *exchange, const struct http_head *head,
                           const struct payload *payload);
    enum sink (*send_payload)(struct exchange *exchange, const struct payload *payload);
    /* Sends an interim response (1xx except 101). */
    enum sink (*send_interim)(struct exchange *exchange, const struct http_head *head);
    /* Sends 101. From then on bytes are relayed unchanged. */
    enum sink (*send_upgrade)(struct exchange *exchange, const struct http_head *head);
    enum sink (*send_raw)(struct exchange *exchange, const struct iovec *iov, size_t count);
    /* The other side of a tunnel has ended: sends the end to the client. */
    void (*end_raw)(struct exchange *exchange);
    /* How many bytes of the response the client takes now; 0: exchange_client_drained() or
       exchange_client_writable() will be called. */
    size_t (*room)(struct exchange *exchange);
    /* There is room for the request's payload again: reading continues soon. */
    void (*read_on)(struct exchange *exchange);
    /* The socket to splice into; -1: bytes must pass through user space, or some still wait. */
    int (*splice_fd)(struct exchange *exchange);
    /* Bytes that were sent and that the client has not taken: they wait in its socket or before it. NULL: there is no socket. */
    uint32_t (*untaken)(struct exchange *exchange);
    /* Writes a PROXY protocol header of the client's connection into PROXY_HEADER_WRITE_BYTES of space; returns its
       length. */
    size_t (*proxy_header)(struct exchange *exchange, char *space);
    /* Checks whether the client is gone. */
    bool (*gone)(struct exchange *exchange);
    /* The exchange is over and about to be freed. intact: the whole response was sent, so the connection may serve
       another exchange. */
    void (*finished)(struct exchange *exchange, bool intact);
};

/* What an exchange needs of the listener on which its client connected. */
struct exchange_listener {
    struct listener_timeout_settings timeouts;
    struct listener_admission admission;
    bool abort_on_close; /* the end of the client's direction cancels its exchange */
    /* takes every request, in generation `routed_in`; NULL: that depends on the request */
    const struct route *only_route;
    uint64_t routed_in;
    char name[65];
};

/* The client connection from which exchanges come. It outlives them, and does not change while one is in progress. */
struct exchange_origin {
    struct worker *worker;
    const struct exchange_listener *listener;
    const struct stream *stream;
    /* verified certificate, in the form of X-Forwarded-Client-Cert; NULL: none */
    char *certificate;
    struct ip_address address;
    uint8_t client_stratum; /* stratum of the address */
    bool trusted;           /* the address is in trusted_peers of generation `judged_in` */
    uint64_t judged_in;     /* number of a generation; 0: the address has not been judged */
};

/* The client's TLS stream; NULL: plain. */
static inline const struct stream *origin_secure(const struct exchange_origin *origin)
{
    return origin->stream->tls != NULL ? origin->stream : NULL;
}

enum exchange_stage {
    EXCHANGE_NEW, /* not routed yet */
    EXCHANGE_ASKING, /* waits until it is known who asks, and holds no place meanwhile (exchange_auth.h) */
    EXCHANGE_AWAITING_BODY, /* waits for the first bytes of the request's body, and holds no place meanwhile */
    EXCHANGE_QUEUED,     /* waits for a place at the upstream, or for a connection */
    EXCHANGE_CONNECTING, /* waits for a lease */
    EXCHANGE_LEASED,     /* has a lease; the request is sent before anything else happens */
    EXCHANGE_SENDING,    /* the request's body is being sent */
    EXCHANGE_AWAITING,   /* request sent, no final response yet */
    EXCHANGE_RESPONDING, /* the response's body is being received */
    EXCHANGE_TUNNEL,
    EXCHANGE_BACKOFF, /* waits before a retry */
    EXCHANGE_SERVING, /* waits for a file, or for the client to take more of it */
    EXCHANGE_FINISHED,
};

/* Where the exchange goes. */
struct exchange_target {
    struct upstream *upstream; /* NULL: not yet, or not any more */
    /* "" before routing; valid as long as the process knows the upstream */
    const char *upstream_name;
    const char *route_name; /* "" before routing */
    struct route_stats *stats;
    struct strata strata; /* the breaker judges failures of the exchange by these strata */
};

struct exchange_response {
    uint64_t payload_bytes;
    uint64_t moved_ms; /* when a byte of the response last moved */
    /* one more than the client's socket held when that was last looked at; 0: not since moved_ms */
    uint32_t untaken_mark;
    uint16_t status; /* status sent to the client; 0: none yet */
    bool full;       /* the client said SINK_FULL, or payload for it waits in a pipe */
    bool paused;     /* full, though nothing waits: buffers are scarce */
    bool intact;     /* the client got a whole response */
};

/* Number of tried endpoints that are remembered; retry.attempts allows no more. */
#define EXCHANGE_TRIED 3

struct exchange_tries {
    const struct endpoint *tried[EXCHANGE_TRIED]; /* only compared; other endpoints are preferred */
    uint64_t retry_at_ms;                         /* in EXCHANGE_BACKOFF: end of the wait */
    uint8_t tried_count;
    uint8_t attempts_count;
    uint8_t retries_count;   /* attempts of these that were retries */
    uint8_t attempts_before; /* attempts by earlier hops, without the one that is this exchange */
    /* enum exchange_reason of the last attempt that failed without an answer */
    uint8_t last_reason;
    uint8_t redial;       /* enum exchange_redial */
    uint8_t unsent_count; /* attempts that the server refused without processing them */
};

/* A request that the server has refused unprocessed is sent again (RFC 9113 8.7), but not for ever. */
#define EXCHANGE_UNSENT_MOST 5

/* The one free redial of an exchange. */
enum exchange_redial {
    REDIAL_LEFT,
    REDIAL_FRESH, /* made, on a new connection: a pooled one was dead */
    REDIAL_ANY,   /* made, on any connection: one has refused the request */
};

/* Part of an exchange in hedging; see hedge.h. */
enum hedge_role {
    HEDGE_ALONE,  /* not hedged */
    HEDGE_RACING, /* its twin asks another endpoint; both may still answer */
    HEDGE_BEATEN, /* its twin brings the answer; its own attempt is over */
    HEDGE_SPENT,  /* its twin failed; there is no second one */
    /* the rest have no client: they are not counted, logged or answered (exchange_is_inner()) */
    HEDGE_TWIN, /* it is a twin */
    HEDGE_SIDE, /* it is a side request (side_request.h) */
};

struct exchange_hedge {
    struct exchange *twin; /* in RACING and BEATEN */
    uint8_t role; /* enum hedge_role; written only by hedge.c, and at the start of a side request */
};

/* What has become of a gRPC call. */
enum exchange_call {
    CALL_NONE,  /* the request is no gRPC call */
    CALL_OPEN,  /* its server has not answered */
    CALL_FLOWS, /* its server answers: trailers will end the response */
    CALL_ENDED, /* the server has said how it ended: grpc-status */
};

/* Part of an exchange in gRPC; written only by exchange_grpc.c. */
struct exchange_grpc {
    uint8_t call;   /* enum exchange_call */
    uint8_t status; /* enum grpc_status, with CALL_ENDED */
};

struct exchange_times {
    uint64_t started_us;
    uint64_t deadline_ms;    /* of the response's head, without the client's upload; 0: none yet */
    uint64_t end_ms;         /* of the whole exchange */
    uint64_t allowed_ms;     /* time up to the head by the configuration */
    uint64_t retry_after_ms; /* wait that a refusal tells the client */
    int64_t queue_us, first_byte_us; /* -1: did not happen */
    int64_t connect_us, tls_us;      /* -1: did not happen */
    bool deadline_asked;             /* the deadline is the one that the client asked for */
};

/* Heads up to this length need no buffer: what programs send, and less than half of what browsers do. */
#define EXCHANGE_HEAD_BYTES 640

struct exchange {
    struct worker *worker;
    const struct exchange_origin *origin;
    const struct downstream_ops *downstream;
    void *
        owner; /* the client (HTTP/1) or stream; for a twin, the exchange to which it belongs; or the side request */
    struct http_head request; /* a copy; its base is in head_space or head_buf */
    struct buf *head_buf;     /* NULL: there is room for the head in head_space */
    struct exchange_target target;
    struct request_body body;
    struct exchange_response response;
    struct exchange_admission admission;
    struct exchange_tries tries;
    struct exchange_hedge hedge;
    struct exchange_grpc grpc;
    struct exchange_trace *trace; /* NULL: not sampled */
    struct exchange_times times;
    struct wheel_timer timer;
    struct deferred_free freed;
    uint8_t stage;                 /* enum exchange_stage; written only by exchange_enter() */
    uint8_t reason;                /* enum exchange_reason, when finished */
    bool reused;                   /* the last lease's connection had been used before */
    bool resumed;                  /* its TLS session was resumed */
    bool trusted;                  /* the client's address is in trusted_peers */
    bool looked;                   /* the exchange has checked whether the client is still there */
    bool client_raw_ended;         /* the client has ended its direction of a tunnel */
    struct exchange_edge edge;     /* what the route does besides forwarding */
    struct forward forward;        /* fields that are added for the upstream */
    struct ip_address told_client; /* with forward.client_told */
    struct attempt attempt;
    /* from here on, and from the end of attempt.upstream.h1 on, nothing is zeroed when an exchange begins */
    char endpoint_text[64]; /* endpoint of the last attempt */
    _Alignas(8) char head_space[EXCHANGE_HEAD_BYTES];
};

/* The client: that of the connection, or the one that a trusted peer tells of. */
static inline const struct ip_address *exchange_client(const struct exchange *exchange)
{
    return __builtin_expect(exchange->forward.client_told, 0) ? &exchange->told_client
                                                              : &exchange->origin->address;
}

static inline bool exchange_is_call(const struct exchange *exchange)
{
    return __builtin_expect(exchange->grpc.call != CALL_NONE, 0);
}

/* The version in which the client speaks, as access logs have it. */
static inline const char *exchange_protocol(const struct exchange *exchange)
{
    const struct exchange *first =
        exchange->hedge.role == HEDGE_TWIN ? (const struct exchange *)exchange->owner : exchange;
    return first->request.facts & FACT_HTTP_1_0 ? "HTTP/1.0" : first->downstream->protocol;
}

/* Begins an exchange for a parsed head with the payload that has arrived. The bytes of the head may be freed
   afterwards. The exchange may be over when this returns: downstream->finished() tells. False: no memory, and nothing
   has happened. */
__attribute__((warn_unused_result)) bool exchange_start(const struct exchange_origin *origin,
                                                        const struct downstream_ops *downstream,
                                                        void *owner, const struct http_head *head,
                                                        const struct payload *payload,
                                                        struct exchange **ret_exchange);
/* Begins and ends an exchange for a request that could not be understood. It is answered, counted and logged like any
   other. `seen` is what could be read of its head, whose bytes may vanish afterwards; NULL: nothing was read. The exchange is over
   when this returns. */
__attribute__((warn_unused_result)) bool exchange_refuse(const struct exchange_origin *origin,
                                                         const struct downstream_ops *downstream,
                                                         void *owner, enum exchange_reason reason,
                                                         const char *detail,
                                                         const struct http_head *seen,
                                                         struct exchange **ret_exchange);

/* ---- calls from the client's side ---- */

/* How long its payload may be (else REASON_BODY_TOO_LARGE). */
uint64_t exchange_body_limit(const struct exchange *exchange);
/* How many bytes of the request or of a tunnel may be read now; 0: downstream->read_on() will be called. */
size_t exchange_request_room(const struct exchange *exchange);
enum sink exchange_request_payload(struct exchange *exchange, const struct payload *payload);
/* The client's output buffer is empty. */
void exchange_client_drained(struct exchange *exchange);
/* The client's socket takes bytes again, and its buffer is empty; bytes may wait in a pipe. */
void exchange_client_writable(struct exchange *exchange);
/* Raw bytes of a tunnel. */
enum sink exchange_client_raw(struct exchange *exchange, const struct iovec *iov, size_t count);
void exchange_client_raw_end(struct exchange *exchange);

/* Answers with Evenkeel's own response if nothing was sent yet, else breaks the response visibly; then finishes.
   `detail` goes into Proxy-Status and may be NULL. */
void exchange_fail(struct exchange *exchange, enum exchange_reason reason, const char *detail);

/* The only exit. Cancels the attempt, gives the lease and the places back, counts, logs, tells the client, frees. */
void exchange_finish(struct exchange *exchange, enum exchange_reason reason);

#endif
