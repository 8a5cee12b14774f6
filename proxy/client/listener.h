/*
 * Listeners: one listening socket per worker (SO_REUSEPORT), kept open across reloads.
 *
 * Owns: struct listener (control thread): the sockets, by address. struct worker_listener (a worker): the event on its socket, and what
 * its clients need of the settings; it lives until the last of them has gone. Thread: as
 * said there. Errors: enum listener_result, errno kept.
 */
#ifndef EVENKEEL_PROXY_CLIENT_LISTENER_H
#define EVENKEEL_PROXY_CLIENT_LISTENER_H

#include <event2/event_struct.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "conf/settings.h"
#include "proxy/client/inherited.h"
#include "proxy/exchange/exchange.h"
#include "proxy/worker/worker.h"
#include "steady/enum_names.h"

struct listener {
    TAILQ_ENTRY(listener) link;
    struct address address;
    char text[ADDRESS_TEXT_BYTES];
    unsigned inherited_count;
    bool
        shared; /* another process may serve the same sockets: what is done to them is done to it */
    unsigned fd_count;          /* at least one for each worker; more when more were inherited */
    bool wanted;                /* used while a generation is being built */
    struct token_bucket bucket; /* of listeners.NAME.rate */
    int fds[];                  /* worker i serves i, i + worker_count, ... */
};
TAILQ_HEAD(listener_list, listener);

/* A worker's part of a listener. A listener that is dropped, or drained, first takes what the kernel has accepted for it: closing
   the socket would reset those connections. */
enum worker_listener_state {
    LISTENER_ACCEPTS,
    LISTENER_RESTS,  /* for want of descriptors */
    LISTENER_LEAVES, /* until nobody waits to be accepted, or LISTENERS_LEAVE_MS are over */
    LISTENER_LEFT,   /* it is on no socket; its clients still refer to it */
};

struct worker_listener {
    TAILQ_ENTRY(worker_listener) link;
    struct worker *worker;
    const struct listener *listener; /* NULL: LISTENER_LEFT */
    unsigned waiter;                 /* which of the listener's sockets */
    struct event event;
    struct wheel_timer again; /* when it rests, and while it leaves */
    uint64_t leave_until_ms;
    bool proxy_protocol;
    struct tls_server *tls;        /* of the generation; NULL: no TLS */
    struct exchange_listener view; /* what its clients' exchanges need of it */
    uint64_t client_count;
    enum worker_listener_state state; /* written only by listener_enter() */
};

/* What leaving may take, in ms. A drain waits longer than that for its listeners. */
#define LISTENERS_LEAVE_MS 800

#define LISTENER_RESULTS(X)                \
    X(LISTENER_OK, "ok")                   \
    X(LISTENER_CANNOT_BIND, "cannot_bind") \
    X(LISTENER_NO_FD, "no_descriptors")    \
    X(LISTENER_NO_MEMORY, "no_memory")
enum listener_result { ENUM_VALUES(LISTENER_RESULTS) };
const char *listener_result_name(enum listener_result value);

/* ---- control thread ---- */

/* How many sockets listener_open() would hold. */
unsigned listener_fd_count(const struct address *address, unsigned worker_count,
                           const struct inherited *inherited);
/* Takes what was inherited for the address, or binds it. Inherited sockets are shared between workers when they are too few:
   another one on the address would get clients before this process is to serve any. */
__attribute__((warn_unused_result)) enum listener_result listener_open(
    const struct address *address, unsigned worker_count, struct inherited *inherited,
    struct listener **ret_listener);
void listener_close(struct listener **listener);
/* The kernel accepts nobody else for this listener, which is about to be left and closed: whoever tries meanwhile tries again a
   moment later, and finds it closed. Connections that are being made are still made. Nothing is done to shared sockets. */
void listener_hush(const struct listener *listener);

/* ---- worker ---- */

/* Follows worker->generation: new listeners start to accept, gone ones leave, kept ones take their new settings. */
void listeners_adopt(struct worker *worker);
/* All listeners leave. */
void listeners_leave(struct worker *worker);
/* Whether one of them has not left yet. */
bool listeners_leaving(const struct worker *worker);
/* Stops accepting everywhere, at once. */
void listeners_close(struct worker *worker);
/* A descriptor has come free: listeners that rest go on. */
void listeners_resume(struct worker *worker);
/* A client of this listener has gone. */
void worker_listener_put(struct worker_listener *listener);

#endif
