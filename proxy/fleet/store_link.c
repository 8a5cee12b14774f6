/* Dialling a store. */
#include "proxy/fleet/store_link.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "pool/dial.h"
#include "steady/fds.h"

void store_link_init(struct store_link *link, struct bound *fds)
{
    *link = (struct store_link){.fds = fds};
    stream_init(&link->stream, -1);
}

bool store_link_is_open(const struct store_link *link)
{
    return link->stream.fd >= 0;
}

void store_link_close(struct store_link *link)
{
    if (!store_link_is_open(link)) {
        return;
    }
    event_del(&link->event);
    stream_close(&link->stream, false);
    stream_init(&link->stream, -1);
    if (link->secure) {
        tls_target_release(&link->target);
        link->secure = false;
    }
    bound_give(link->fds, 1);
}

/* Questions are small and wait for nothing; UNIX sockets know no such option. */
static void send_at_once(int fd)
{
    const int on = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

static enum store_fault begin(struct store_link *link)
{
    const struct address *address = &link->address;
    if (connect(link->stream.fd, &address->any, address->length) != 0 && errno != EINPROGRESS &&
        errno != EINTR) {
        link->connect_errno = errno;
    }
    if (event_add(&link->event, NULL) != 0) {
        return STORE_FAULT_NO_MEMORY;
    }
    if (link->connect_errno != 0) {
        event_active(&link->event, EV_WRITE, 1);
    }
    return STORE_FAULT_NONE;
}

enum store_fault store_link_open(struct store_link *link, struct event_base *base,
                                 const struct store_place *place, event_callback_fn on_event,
                                 void *owner)
{
    if (!fds_take(link->fds, FD_FOR_CONTROL, 1)) {
        return STORE_FAULT_NO_MEMORY;
    }
    int family = place->address->any.sa_family;
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        bound_give(link->fds, 1);
        return STORE_FAULT_NO_MEMORY;
    }
    send_at_once(fd);
    stream_init(&link->stream, fd);
    link->address = *place->address;
    link->connect_errno = 0;
    event_assign(&link->event, base, fd, EV_READ | EV_WRITE | EV_ET | EV_PERSIST, on_event, owner);
    link->secure =
        place->tls != NULL &&
        tls_target_init(&link->target, place->tls, place->name, address_port(place->address),
                        TLS_OFFER_HTTP1, &place->address->any, NULL);
    enum store_fault fault = place->tls != NULL && !link->secure ? STORE_FAULT_TLS : begin(link);
    if (fault != STORE_FAULT_NONE) {
        store_link_close(link);
    }
    return fault;
}

static int connect_result(const struct store_link *link)
{
    int error = 0;
    socklen_t length = sizeof error;
    if (link->connect_errno != 0) {
        return link->connect_errno;
    }
    if (getsockopt(link->stream.fd, SOL_SOCKET, SO_ERROR, &error, &length) != 0) {
        return errno;
    }
    return error == 0 && dial_reached_itself(link->stream.fd, &link->address) ? ECONNREFUSED
                                                                              : error;
}

enum store_fault store_link_connected(struct store_link *link, struct tls_scratch *scratch)
{
    if (connect_result(link) != 0) {
        return STORE_FAULT_REFUSED;
    }
    if (link->secure && !tls_client_begin(&link->target, &link->stream, scratch)) {
        return STORE_FAULT_NO_MEMORY;
    }
    return STORE_FAULT_NONE;
}

enum store_fault store_link_shake(struct store_link *link, bool *ret_done)
{
    enum stream_result result = stream_handshake(&link->stream);
    *ret_done = result == STREAM_OK;
    if (result == STREAM_BLOCKED) {
        return STORE_FAULT_NONE;
    }
    (void)tls_client_finish(&link->stream, result == STREAM_OK);
    return result == STREAM_OK ? STORE_FAULT_NONE : STORE_FAULT_TLS;
}
