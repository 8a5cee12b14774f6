/*
 * The link to a store: a socket that is dialled, maybe with TLS, and then carries bytes.
 *
 * Owns: the socket, its unit of the bound on file descriptors, its event. Private to fleet/. Thread: control. Errors: enum store_fault.
 * The event is edge-triggered: whoever is called reads and writes until STREAM_BLOCKED.
 */
#ifndef EVENKEEL_PROXY_FLEET_STORE_LINK_H
#define EVENKEEL_PROXY_FLEET_STORE_LINK_H

#include <event2/event_struct.h>

#include "proxy/fleet/store.h"
#include "steady/address.h"
#include "tls/stream.h"

struct store_link {
    struct stream stream;
    struct event event;
    struct bound *fds;
    struct address address;
    struct tls_target target; /* with TLS */
    bool secure;
    int connect_errno; /* errno if connect() failed at once, reported in the event */
};

/* Where to. tls: NULL: plain TCP. name: for which its certificate must be valid. */
struct store_place {
    const struct address *address;
    struct tls_client *tls;
    const char *name;
};

/* A link without a socket. */
void store_link_init(struct store_link *link, struct bound *fds);
bool store_link_is_open(const struct store_link *link);
/* Begins to dial; on_event is called with `owner`, never from within. */
__attribute__((warn_unused_result)) enum store_fault store_link_open(
    struct store_link *link, struct event_base *base, const struct store_place *place,
    event_callback_fn on_event, void *owner);
/* The socket has become writable for the first time. With TLS store_link_shake() comes next. */
__attribute__((warn_unused_result)) enum store_fault store_link_connected(
    struct store_link *link, struct tls_scratch *scratch);
/* Continues the handshake; *ret_done: it is over. */
__attribute__((warn_unused_result)) enum store_fault store_link_shake(struct store_link *link,
                                                                      bool *ret_done);
/* Closing a closed link is fine. */
void store_link_close(struct store_link *link);

#endif
