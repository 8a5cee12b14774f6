/*
 * Listeners: one listening socket for each worker (SO_REUSEPORT; one for all of a UNIX socket), kept open over reloads.
 * The file of a UNIX socket goes with a reload that drops the listener. It outlives the process, and a start replaces it if
 * nobody listens on it.
 *
 * Owns: struct listener (control thread): the sockets, by address. struct worker_listener (a worker): the event on its
 * socket, and the settings that its clients need; it lives until the last of them is gone. Thread: as said there.
 * Errors: enum listener_result, errno kept.
 */
#ifndef EVENKEEL_PROXY_CLIENT_LISTENER_H
#define EVENKEEL_PROXY_CLIENT_LISTENER_H

#include <event2/event_struct.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "conf/settings.h"
#include "proxy/client/inherited.h"
#include "proxy/client/local_file.h"
#include "proxy/exchange/exchange.h"
#include "proxy/worker/worker.h"
#include "steady/enum_names.h"

struct listener {
    TAILQ_ENTRY(listener) link;
    struct address address;
    char text[ADDRESS_TEXT_BYTES];
    unsigned socket_count;  /* the first fds[]; the others are duplicates of these, in turn */
    struct local_file file; /* of a UNIX socket, while it is this process's to remove */
    bool inherits;          /* its sockets were open before this process */
    bool shared; /* another process may serve the same sockets, so changes to them affect it */
    unsigned fd_count;          /* at least one for each worker; more if more were inherited */
    bool wanted;                /* used while a generation is being built */
    struct token_bucket bucket; /* of listeners.NAME.rate */
    int fds[];                  /* worker i serves i, i + worker_count, ... */
};
TAILQ_HEAD(listener_list, listener);

/* A worker's part of a listener. A listener that is dropped or drained first accepts the connections that the kernel
   has already accepted for it, because closing the socket would reset them. */
enum worker_listener_state {
    LISTENER_ACCEPTS,
    LISTENER_RESTS,  /* descriptors are short */
    LISTENER_LEAVES, /* until no connection waits, or LISTENERS_LEAVE_MS have passed */
    LISTENER_LEFT,   /* it has no socket; its clients still refer to it */
};

struct worker_listener {
    TAILQ_ENTRY(worker_listener) link;
    struct worker *worker;
    const struct listener *listener; /* NULL: LISTENER_LEFT */
    unsigned waiter;                 /* index of its socket in the listener */
    struct event event;
    struct wheel_timer again; /* when it rests, and while it leaves */
    uint64_t leave_until_ms;
    bool proxy_protocol;
    struct listener_http2_settings http2;
    struct tls_server *tls;        /* from the generation; NULL: no TLS */
    struct exchange_listener view; /* what the exchanges of its clients need of it */
    uint64_t client_count;
    enum worker_listener_state state; /* written only by listener_enter() */
};

/* Longest time of leaving, in ms. A drain waits longer than that for its listeners. */
#define LISTENERS_LEAVE_MS 800

#define LISTENER_RESULTS(X)                \
    X(LISTENER_OK, "ok")                   \
    X(LISTENER_CANNOT_BIND, "cannot_bind") \
    X(LISTENER_NO_FD, "no_descriptors")    \
    X(LISTENER_NO_MEMORY, "no_memory")
enum listener_result { ENUM_VALUES(LISTENER_RESULTS) };
const char *listener_result_name(enum listener_result value);

/* ---- control thread ---- */

/* Why the address could not be bound now, as an errno; 0: it could. */
int listener_probe(const struct address *address);
/* Number of sockets that listener_open() would hold. */
unsigned listener_fd_count(const struct address *address, unsigned worker_count,
                           const struct inherited *inherited);
/* Takes the sockets that were inherited for the address, or binds new ones. If there are fewer inherited sockets than
   workers, workers share them: another socket bound to the address would get connections before this process is allowed
   to serve any. */
__attribute__((warn_unused_result)) enum listener_result listener_open(
    const struct listen_settings *listen, unsigned worker_count, struct inherited *inherited,
    struct listener **ret_listener);
void listener_close(struct listener **listener);
/* Nobody is to find the UNIX socket any more. Its file stays if it is a service manager's, or another one by now. */
void listener_remove_file(struct listener *listener);
/* The kernel accepts no further connection for this listener, which is about to be left and closed. A client that
   connects meanwhile sends its SYN again, and then finds the port closed. Connections that are half open are still
   completed. Shared sockets are left alone. */
void listener_hush(const struct listener *listener);

/* ---- worker ---- */

/* Follows worker->generation: new listeners start to accept, removed ones leave, kept ones get their new settings. */
void listeners_adopt(struct worker *worker);
/* All listeners leave. */
void listeners_leave(struct worker *worker);
/* Whether one of them has not left yet. */
bool listeners_leaving(const struct worker *worker);
/* Stops accepting everywhere, at once. */
void listeners_close(struct worker *worker);
/* A descriptor has become free: listeners that rest continue. */
void listeners_resume(struct worker *worker);
/* A client of this listener is gone. */
void worker_listener_put(struct worker_listener *listener);

#endif
