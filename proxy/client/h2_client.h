/*
 * A client that speaks HTTP/2: its session, its streams, and the exchange of each.
 *
 * Owns: the session; the streams, each with its exchange and with payload that the exchange does not take yet. The socket and its
 * buffers are the client's. Thread: its worker's. Time base: the loop clock. What the session calls only marks and gives; bytes are sent
 * once a pass, by h2_client_run(), or before if there is much payload, and nothing is pulled from the session while the socket keeps bytes back. A stream that the session
 * has closed ends its exchange at the end of the pass. Spec: RFC 9113, RFC 8441, RFC 9218. Private to client/.
 */
#ifndef EVENKEEL_PROXY_CLIENT_H2_CLIENT_H
#define EVENKEEL_PROXY_CLIENT_H2_CLIENT_H

#include "proxy/client/client_state.h"
#include "proxy/http/respond.h"
#include "proxy/http2/h2_session.h"

/* How a connection ends in order (RFC 9113 6.8). */
enum h2_client_stage {
    H2_CLIENT_SERVES,
    H2_CLIENT_WARNED, /* GOAWAY has asked for no further streams; those on their way are served */
    H2_CLIENT_LEAVES, /* GOAWAY has named the last stream; the connection ends with it */
};

TAILQ_HEAD(client_stream_list, client_stream);

struct h2_client {
    struct client *client;
    struct h2_session *session;
    struct client_stream_list streams;
    struct wheel_timer warned; /* in H2_CLIENT_WARNED */
    struct wheel_timer head;   /* while part of a head has arrived */
    uint64_t blocked_ms;       /* when the socket last took less than it was offered; 0: never */
    struct wheel_timer turn;   /* until a suspect client has its next turn */
    bool pulls;                /* frames are being written into the worker's write scratch */
    uint8_t stage;             /* enum h2_client_stage; written only by h2_client_enter() */
};

enum client_stream_state {
    CLIENT_STREAM_SERVED, /* its exchange runs, or is about to begin */
    CLIENT_STREAM_LINGERS, /* its exchange is over, its request is not: the client has a moment to see the answer */
    CLIENT_STREAM_ANSWERED, /* its exchange is over; the session sends the rest */
    CLIENT_STREAM_CLOSED,   /* closed by the session; its exchange ends at the end of the pass */
    CLIENT_STREAM_OVER,
};

struct client_stream {
    struct h2_stream wire;
    TAILQ_ENTRY(client_stream) link;
    struct h2_client *h2;
    struct exchange *exchange; /* NULL: over, or not begun */
    struct buf *in;            /* payload that the exchange does not take yet */
    struct buf *trailers;      /* behind it: a struct http_head with its bytes; NULL: none */
    union {
        struct deferred deferred;
        struct deferred_free freed; /* in OVER */
    };
    struct wheel_timer stalled; /* while bytes wait for the client's window, or in LINGERS */
    uint64_t seen_bytes;        /* sent when that timer was armed */
    uint8_t state;  /* enum client_stream_state; written only by client_stream_enter() */
    bool whole;     /* the client has ended its direction, maybe behind `in` */
    bool passed;    /* the exchange has been given the last of it */
    bool paused;    /* it was told that there is no room because the socket is full */
    bool tunnel;    /* bytes are relayed unchanged */
    bool upgrading; /* extended CONNECT: only a tunnel is a success */
};

/* h2_client.c: the client's next bytes are those of HTTP/2. `input` has arrived already, or is NULL. The client may be closed
   afterwards. */
void h2_client_begin(struct client *client, const struct duplex_input *input);
/* Whether its first bytes may be the preface of HTTP/2. */
bool h2_client_may_begin(const struct client *client);
/* Whether the connection begins with the preface of HTTP/2, and may. */
bool h2_client_recognises(const struct client *client, const char *bytes, size_t length);

/* h2_stream.c: what the session tells of streams, and what exchanges ask of them. */
extern const struct downstream_ops client_stream_ops;
struct h2_stream *client_stream_opened(void *owner);
void client_stream_on_request(struct h2_stream *wire, struct http_head *head, enum h2_fault fault,
                              bool last);
void client_stream_on_payload(struct h2_stream *wire, const struct payload *payload);
void client_stream_on_drained(struct h2_stream *wire);
void client_stream_on_closed(struct h2_stream *wire, struct h2_end end);
/* The socket takes bytes again. */
void client_stream_resume(struct client_stream *stream);
/* Ends the stream and its exchange; nothing more is sent of it. */
void client_stream_end(struct client_stream *stream, enum exchange_reason reason);

/* h2_tunnel.c: whether an extended CONNECT asks for a WebSocket. No other protocol has an upgrade in HTTP/1 that stands for it. */
bool h2_tunnel_known(const struct http_head *head);
/* The response that agrees to an upgrade, as HTTP/2 has it. */
struct http_head h2_tunnel_answer(const struct http_head *head);
/* Stands for an upgrade that was not agreed to: a success would look like a tunnel (RFC 8441 5). */
const struct http_head *h2_tunnel_refusal(struct exchange *exchange, struct own_response *own);
/* The head of an extended CONNECT, with the key that HTTP/1 asks for (RFC 8441 5, RFC 6455 4.1). The copy lies in the
   worker's write scratch. False: it is too large. */
__attribute__((warn_unused_result)) bool h2_tunnel_head(struct worker *worker,
                                                        const struct http_head *head,
                                                        struct http_head *ret_head);

#endif
