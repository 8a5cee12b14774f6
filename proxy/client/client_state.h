/*
 * The inside of a client, shared by client.c (life, time, events), client_in.c (requests in) and client_out.c (responses out).
 *
 * Thread: its worker's.
 */
#ifndef EVENKEEL_PROXY_CLIENT_CLIENT_STATE_H
#define EVENKEEL_PROXY_CLIENT_CLIENT_STATE_H

#include <event2/event_struct.h>

#include "proxy/client/client.h"
#include "proxy/exchange/exchange.h"
#include "proxy/http1/h1_body.h"
#include "tls/stream.h"

enum client_state {
    CLIENT_PREFACE,   /* a PROXY header is awaited */
    CLIENT_HANDSHAKE, /* TLS is being agreed on */
    CLIENT_IDLE,      /* between requests */
    CLIENT_HEAD,      /* part of a head has come */
    CLIENT_EXCHANGE,  /* an exchange runs */
    CLIENT_TUNNEL,    /* an exchange runs, bytes are relayed as they are */
    CLIENT_CLOSING,   /* the last response is on its way out */
    CLIENT_LINGER,    /* our direction is ended; what comes is thrown away */
    CLIENT_CLOSED,
};

struct client {
    struct event event;
    TAILQ_ENTRY(client) link;
    struct worker *worker;
    struct worker_listener *listener;
    struct exchange *exchange;
    struct buf *in;  /* received, not consumed */
    struct buf *out; /* to be sent */
    struct wheel_timer timer;
    union {
        struct deferred_free freed; /* once closed */
        struct deferred deferred;   /* while open */
    };
    struct h1_body body; /* of the request */
    uint64_t since_ms; /* when the state began, or the socket last took a byte while `out` waits */
    struct stream stream;
    struct tls_server *tls; /* the listener's as of the handshake, kept until that is over */
    char *certificate; /* what upstreams are told of the client's certificate; NULL: it has none */
    struct ip_address address;
    uint8_t state;        /* enum client_state; written only by client_enter() */
    bool readable : 1;    /* the socket may hold bytes */
    bool suspect : 1;     /* the last read came up short: an error may have come with it unseen */
    bool saw_end : 1;     /* the end follows what is readable */
    bool running : 1;     /* client_run() is on the stack */
    bool starved : 1;     /* `in` needs more bytes before it can be consumed further */
    bool paused : 1;      /* the request's sink is full */
    bool keep : 1;        /* the connection may serve another request after this one */
    bool out_chunked : 1; /* how the response is framed */
    bool out_close : 1;
    bool refused : 1; /* beyond limits.clients: counted in `refusals` */
    bool http_1_0 : 1;
    bool served : 1;     /* at least one request */
    bool end_wanted : 1; /* a tunnel's far side has ended: end our direction when `out` is empty */
};

/* client.c: what an exchange asks of its client is in client_out.c */
extern const struct downstream_ops client_ops;

static inline struct client *client_of(const struct exchange *exchange)
{
    return exchange->owner;
}

/* Its listener takes no more clients: this request is the last. */
static inline bool client_leaves(const struct client *client)
{
    return client->worker->draining || client->listener->listener == NULL;
}

void client_enter(struct client *client, enum client_state state);
/* Arms the timer for what the client waits for now. */
void client_arm(struct client *client);
/* The only way a client ends. Its exchange must be over. */
void client_close(struct client *client, bool reset);
/* The client is no longer there: its exchange, if any, is cancelled. */
void client_lost(struct client *client, enum exchange_reason reason);
struct exchange_origin client_origin(struct client *client);
/* Answers a request that there is no exchange for; METHOD_OTHER: its method was not read, or is none that we know. */
void client_refuse(struct client *client, enum exchange_reason reason, const char *detail,
                   enum http_method method);

/* client_preface.c: the connection begins with a PROXY header; the client may be closed afterwards. */
void client_await_preface(struct client *client);
/* A step of it. True: it has been taken, go on. */
bool client_take_preface(struct client *client);

/* client_tls.c: the connection begins with a handshake; the client may be closed afterwards. */
void client_begin_tls(struct client *client);
/* A step of it. True: it is over, go on with what has been received. */
bool client_shake(struct client *client);
void client_forget_tls(struct client *client);

/* client_in.c: does what can be done now with what has been received. */
void client_run(struct client *client);

/* Whether the client has reset or ended; its bytes stay where they are. */
bool client_is_gone(struct client *client);

/* client_out.c: sends what waits. False: the client is closed. */
bool client_flush(struct client *client);
/* The last response is out: closes, after reading on for a while if the client may still be sending (RFC 9112 9.6). */
void client_finish_sending(struct client *client);

#endif
