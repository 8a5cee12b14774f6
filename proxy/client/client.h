/*
 * A client: a downstream connection that speaks HTTP/1.x or HTTP/2.
 *
 * Owns: its socket, bytes that were received and not consumed, bytes that the socket has not taken yet, and its
 * exchange, or its session with the exchanges of its streams. Between requests it owns no buffer. Thread: its worker's. Spec: RFC 9112 9 (connection management), 9.6
 * (tear-down: Evenkeel lingers after an early close).
 */
#ifndef EVENKEEL_PROXY_CLIENT_CLIENT_H
#define EVENKEEL_PROXY_CLIENT_CLIENT_H

#include "proxy/client/listener.h"
#include "proxy/worker/worker.h"

size_t client_object_bytes(void);
size_t client_stream_object_bytes(void);

/* Takes over an accepted socket, for which a descriptor of the bound has been taken. Beyond limits.clients it is
   answered with 503. */
void client_accept(struct worker_listener *listener, int fd, const struct ip_address *address);

/* Descriptors are short: closes some of what the worker has that has been idle longest, clients and upstream connections, but nothing
   that was used within the last second. False: nothing was closed. */
bool clients_make_room(struct worker *worker);
/* Memory is short (worker->pressure): closes some of the connections that are idle, the oldest first: to upstreams, and from
   PRESSURE_PAUSE on of clients, too. */
void clients_free_memory(struct worker *worker);
/* A sibling asks for descriptors; `owner` is the worker. */
void clients_on_fds_asked(void *owner);

/* The process drains, or a listener is gone: its clients between requests are closed, the others after their exchange. */
void clients_close_idle(struct worker *worker);
/* The process drains, and drain.tunnels is over. */
void clients_end_tunnels(struct worker *worker);
/* drain.grace is over: exchanges without a response are answered with 503, the others break visibly, and all clients
   are closed. */
void clients_cut(struct worker *worker);
/* The worker ends. */
void clients_close_all(struct worker *worker);

#endif
