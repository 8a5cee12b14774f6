/*
 * The inside of a client: what every client is (client.c: life, timer, events), and the table of what its protocol does. HTTP/1 is
 * h1_client.c (its row), client_in.c (reading requests) and client_out.c (sending responses).
 *
 * Owns: see client.h. Thread: its worker's. Private to client/.
 */
#ifndef EVENKEEL_PROXY_CLIENT_CLIENT_STATE_H
#define EVENKEEL_PROXY_CLIENT_CLIENT_STATE_H

#include <event2/event_struct.h>

#include "proxy/client/client.h"
#include "proxy/exchange/exchange.h"
#include "proxy/http1/h1_body.h"
#include "proxy/worker/duplex.h"
#include "proxy/worker/generation.h"
#include "tls/stream.h"

enum client_state {
    CLIENT_PREFACE,   /* a PROXY header is expected */
    CLIENT_SILENT,    /* TLS is expected, and no byte of it has arrived */
    CLIENT_HANDSHAKE, /* the TLS handshake is in progress */
    CLIENT_IDLE,      /* between requests */
    CLIENT_HEAD,      /* part of a head has arrived */
    CLIENT_EXCHANGE,  /* an exchange runs; of HTTP/2: streams are open */
    CLIENT_TUNNEL,    /* an exchange runs, and bytes are relayed unchanged */
    CLIENT_CLOSING,   /* the last response is being sent */
    CLIENT_LINGER,    /* Evenkeel's direction has ended; received bytes are dropped */
    CLIENT_CLOSED,
};

/* What the protocol of a client does. A client begins as one of HTTP/1, which is also in charge of the time before HTTP. Any of these
   may close the client. */
struct client_protocol {
    /* Does what can be done now: set as `run` of the client's deferred work, so that choosing costs nothing. */
    void (*run)(struct deferred *deferred);
    /* Whether exchanges are in progress. Their own timers watch them, and the client's watches only that its socket takes bytes. */
    bool (*busy)(const struct client *client);
    /* All kept bytes have been sent. */
    void (*drained)(struct client *client);
    /* client_due_ms() has passed, and no exchange is in progress. */
    void (*expired)(struct client *client);
    /* The client has been idle for a moment: gives back what it does not need meanwhile. NULL: nothing. */
    void (*rest)(struct client *client);
    /* The listener is leaving: ends what is at rest. Called once or more. */
    void (*leave)(struct client *client);
    /* Ends tunnels, or everything: what has no response yet is answered, the rest breaks visibly. Then the client closes. */
    void (*end_tunnels)(struct client *client);
    void (*cut)(struct client *client);
    /* The connection is of no use any more: cancels all exchanges. */
    void (*lost)(struct client *client, enum exchange_reason reason);
    /* The client is being closed: gives up what the protocol holds. */
    void (*close)(struct client *client);
};

struct h2_client;

struct client {
    struct event event;
    TAILQ_ENTRY(client) link;
    const struct client_protocol *protocol;
    struct exchange_origin origin;
    struct worker_listener *listener;
    struct exchange *exchange; /* of HTTP/1 */
    struct h2_client *h2;      /* NULL: HTTP/1 */
    struct stream stream;
    struct duplex duplex;
    struct wheel_timer timer;
    union {
        struct deferred_free freed; /* once closed */
        struct deferred deferred;   /* while open */
    };
    union {
        struct h1_body body; /* of the request */
        /* in SILENT and HANDSHAKE: link in the worker's list of them */
        TAILQ_ENTRY(client) shaking;
        uint64_t discard_ms; /* in LINGER: until when the next bytes to be dropped have time */
    };
    /* when the state began, or when the socket last took a byte of the kept ones */
    uint64_t since_ms;
    /* the listener's when TLS was first expected, kept until the handshake is over: a reload may take it from the
       listener before the first byte */
    struct tls_server *tls;
    /* with kept bytes: one more than the socket held for the client when that was last looked at; 0: not since it took some of them */
    uint32_t untaken_mark;
    uint8_t state;        /* enum client_state; written only by client_enter() */
    bool keep : 1;        /* the connection may serve another request after this one */
    bool out_chunked : 1; /* how the response is framed */
    bool out_close : 1;
    bool refused : 1; /* beyond limits.clients: counted in `refusals` */
    bool http_1_0 : 1;
    bool served : 1; /* at least one request has been served */
};

/* h1_client.c. The operations that an exchange calls are in client_out.c. */
extern const struct client_protocol h1_client_protocol;
extern const struct downstream_ops client_ops;

static inline struct client *client_of(const struct exchange *exchange)
{
    return exchange->owner;
}

/* Its connection was ended for what it sent: who comes from its address is served behind others for a moment. */
void client_blame(struct client *client);
bool client_is_blamed(const struct client *client);

/* Whether its listener is leaving, so that this request is the last. */
static inline bool client_leaves(const struct client *client)
{
    return client->origin.worker->draining || client->listener->state >= LISTENER_LEAVES;
}

/* Sets the client's address, as far as it is known by now. */
void client_set_address(struct client *client, const struct ip_address *address);
void client_enter(struct client *client, enum client_state state);

/* An exchange begins, be it only a refusal. How the response before it was framed says nothing about its own. */
static inline void client_enter_exchange(struct client *client)
{
    client->out_chunked = client->out_close = false;
    client_enter(client, CLIENT_EXCHANGE);
}
/* When the client must have got beyond what it does now. */
uint64_t client_due_ms(const struct client *client);
/* Arms the timer for that. */
void client_arm(struct client *client);
/* The only way a client ends. Its exchange must be over. */
void client_close(struct client *client, bool reset);
/* Closes a client that cannot be understood or served any further. If a TLS alert says so, the connection ends in order behind it, after
   what the client still sends: a reset could overtake the alert. */
void client_break_off(struct client *client, bool reset);
/* The client is gone: its exchange, if any, is cancelled. */
void client_lost(struct client *client, enum exchange_reason reason);
/* Answers a request that there is no exchange for; `seen` is what was read of its head, or NULL. */
void client_refuse(struct client *client, enum exchange_reason reason, const char *detail,
                   const struct http_head *seen);
/* The same; reads what can be read of the head at the front of these bytes. METHOD_OTHER: the method is not known. */
void client_refuse_head(struct client *client, enum exchange_reason reason, const char *detail,
                        enum http_method method, const char *bytes, size_t length);

/* client_preface.c: the connection begins with a PROXY header. The client may be closed afterwards. */
void client_await_preface(struct client *client);
/* A step in PREFACE. True: the header has been read, continue. */
bool client_take_preface(struct client *client);

/* client_tls.c: the connection begins with a handshake. */
void client_await_tls(struct client *client);
/* A step in SILENT. True: the handshake has begun, continue with it. */
bool client_meet_tls(struct client *client);
/* A step in HANDSHAKE. True: the handshake is over, continue with what was received. */
bool client_shake(struct client *client);
/* The client has been told of a failure by an alert: goes to LINGER, in the clear. False: it has not. */
bool client_linger_behind_alert(struct client *client);
/* Whether a request over TLS is for another site than the one whose certificate was shown. */
bool client_is_misdirected(const struct client *client, const struct http_head *head);
/* For client_enter() when it enters or leaves SILENT and HANDSHAKE. `state` is the new state, or the old one. */
void client_join_handshake(struct client *client);
void client_leave_handshake(struct client *client);
/* Closes the worker's oldest client in the state (SILENT or HANDSHAKE), if it has had time enough to get beyond it.
   False: there is none. */
bool clients_evict(struct worker *worker, enum client_state state);
/* The client is about to be closed: counts the failure of its TLS, if there is one. */
void client_end_tls(struct client *client);

/* client_in.c: does what can be done now with the received bytes. Called only from a frame of the client's own. */
void client_run(struct client *client);
/* Runs the client at the end of the loop's pass. */
static inline void client_run_soon(struct client *client)
{
    loop_defer(&client->origin.worker->loop, &client->deferred);
}

/* Whether the client, whose request is whole, no longer waits for the answer; its bytes stay in the socket. */
bool client_is_gone(struct client *client);
/* client_cut.c. Whether the request's body can never become whole, now that the client has ended its direction. */
bool client_upload_is_cut(struct client *client);

/* Who is trusted changes only with the address and with the generation. */
static inline void client_judge(struct client *client)
{
    struct exchange_origin *origin = &client->origin;
    const struct generation *generation = origin->worker->generation;
    if (__builtin_expect(origin->judged_in != generation->number, 0)) {
        origin->trusted = generation_trusts(generation, &origin->address.any);
        origin->judged_in = generation->number;
    }
}

/* client_out.c: sends, and keeps what the socket does not take. SINK_BROKEN: the client is closed. */
enum sink client_send(struct client *client, const struct iovec *iov, size_t count);
/* Writes a PROXY header of the connection into PROXY_HEADER_WRITE_BYTES of space; returns its length. */
size_t client_write_proxy_header(const struct client *client, const struct exchange *exchange,
                                 char *space);
/* Sends kept bytes. False: the client is closed. */
bool client_flush(struct client *client);
/* The last response has been sent: closes, after reading on for a while if the client may still be sending (RFC 9112
   9.6). */
void client_finish_sending(struct client *client);

#endif
