/* Non-blocking connects, and a table of errno values. */
#include "pool/dial.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "pool/descriptor.h"
#include "pool/habit.h"
#include "pool/handshake.h"
#include "pool/late_tls.h"
#include "pool/line.h"
#include "pool/proxy_header.h"
#include "pool/queue.h"
#include "pool/route.h"
#include "pool/upkeep.h"
#include "steady/check.h"
#include "steady/enum_names.h"

/* A dead peer of an idle connection is found within KEEPALIVE_IDLE_S + KEEPALIVE_COUNT * KEEPALIVE_EACH_S. */
#define KEEPALIVE_IDLE_S 15
#define KEEPALIVE_EACH_S 5
#define KEEPALIVE_COUNT 3

ENUM_NAME_FUNCTION(dial_result_name, enum dial_result, DIAL_RESULTS)

enum dial_result dial_result_of_errno(int error)
{
    static const struct {
        int error;
        enum dial_result result;
    } rows[] = {
        {0, DIAL_OK},
        {ECONNREFUSED, DIAL_REFUSED},
        {ENETUNREACH, DIAL_UNREACHABLE},
        {EHOSTUNREACH, DIAL_UNREACHABLE},
        {ENETDOWN, DIAL_UNREACHABLE},
        {EHOSTDOWN, DIAL_UNREACHABLE},
        {ENOENT, DIAL_UNREACHABLE}, /* a UNIX socket without a file */
        {ENOTDIR, DIAL_UNREACHABLE},
        {EAFNOSUPPORT, DIAL_UNREACHABLE},
        {EACCES, DIAL_UNREACHABLE},
        {EPERM, DIAL_UNREACHABLE},
        {ECONNRESET, DIAL_RESET},
        {ECONNABORTED, DIAL_RESET},
        {EPIPE, DIAL_RESET},
        {ETIMEDOUT, DIAL_TIMEOUT},
        {EMFILE, DIAL_NO_FD},
        {ENFILE, DIAL_NO_FD},
        {ENOBUFS, DIAL_NO_FD},
        {ENOMEM, DIAL_NO_FD},
        {ENOSPC, DIAL_NO_FD},
        {EADDRNOTAVAIL, DIAL_NO_ADDRESS_PORT},
        {EADDRINUSE, DIAL_NO_ADDRESS_PORT},
        {EAGAIN, DIAL_NO_ADDRESS_PORT},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].error == error) {
            return rows[i].result;
        }
    }
    return DIAL_ERROR;
}

static void set_option(int fd, int level, int name, int value)
{
    (void)setsockopt(fd, level, name, &value, sizeof value);
}

static void set_options(int fd, uint64_t unacked_ms)
{
    set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S);
    set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_EACH_S);
    set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_COUNT);
    set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT,
               unacked_ms < INT32_MAX ? (int)unacked_ms : INT32_MAX);
}

/* The errno of a connect that has failed. A UNIX socket whose server has not accepted for long does not wait. */
static int connect_errno(const struct address *address, int error)
{
    return address->any.sa_family == AF_UNIX && error == EAGAIN ? ECONNREFUSED
                                                                : route_errno(address, error);
}

/* Opens the socket and begins to connect. -1 with errno. */
static int open_socket(const struct endpoint_local *local)
{
    const struct address *address = &local->endpoint->address;
    int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -1;
    }
    if (address->any.sa_family != AF_UNIX) {
        set_options(fd, local->limits.unacked_ms);
    }
    int failed;
    do {
        failed = connect(fd, &address->any, address->length);
    } while (failed != 0 && errno == EINTR);
    if (failed == 0 || errno == EINPROGRESS || errno == EALREADY) {
        return fd;
    }
    int error = connect_errno(address, errno);
    close(fd);
    errno = error;
    return -1;
}

/* Opens and watches the socket. Failures are reported later, in the connection's event, except a lack of descriptors. */
static bool begin(struct connection *connection)
{
    struct endpoint_local *local = connection->local;
    int fd = open_socket(local);
    int error = fd >= 0 ? ENOMEM : errno; /* epoll could not watch the socket, for lack of memory */
    struct stream stream;
    stream_init(&stream, fd);
    if (fd >= 0 && connection_watch(connection, &stream)) {
        return true;
    }
    if (fd >= 0) {
        close(fd);
    }
    descriptor_give(local->worker);
    if (dial_result_of_errno(error) == DIAL_NO_FD) {
        return false;
    }
    connection->dial_errno = error;
    event_active(&connection->event, EV_WRITE, 1);
    return true;
}

static void count_dial(struct connection *connection, uint32_t coming_count)
{
    struct endpoint_local *local = connection->local;
    struct pool_worker *worker = local->worker;
    connection->has_place = true;
    __atomic_fetch_add(&local->endpoint->upstream->own->connections_count, 1, __ATOMIC_RELAXED);
    local->open_count++;
    bool taken = bound_take(&worker->pools->dials_in_flight, 1);
    CHECK(taken); /* its limit is the sum over all workers */
    worker->dialling_count++;
    connection->loans.coming_count = coming_count;
    local->coming.count += coming_count;
    local->coming.fresh_count += coming_count;
    count_add(&local->stats.dials, 1);
    wheel_arm(&worker->env.loop->wheel, &connection->timer,
              loop_clock_ms(&worker->env.loop->clock) + local->limits.connect_ms);
}

/* NULL: no descriptor or no memory. */
static struct connection *start(struct endpoint_local *local, enum fd_use use)
{
    struct pool_worker *worker = local->worker;
    if (!descriptor_take(worker, use)) {
        return NULL;
    }
    struct connection *connection = connection_create(local, CONNECTION_DIALLING);
    if (connection == NULL) {
        descriptor_give(worker);
        return NULL;
    }
    if (!begin(connection)) {
        connection_drop(connection, false);
        return NULL;
    }
    return connection;
}

bool dial_start(struct endpoint_local *local, enum fd_use use)
{
    struct connection *connection = start(local, use);
    if (connection == NULL) {
        return false;
    }
    count_dial(connection, connection->loans.capacity_count);
    return true;
}

bool dial_start_alone(struct endpoint_local *local, struct lease_request *request)
{
    struct connection *connection = start(local, FD_FOR_EXCHANGE);
    if (connection == NULL) {
        return false;
    }
    connection->protocol = &protocol_http1;
    connection->lending = LENDS_WHOLE;
    connection->loans.capacity_count = 1;
    connection_promise(connection, request);
    count_dial(connection, 0);
    return true;
}

/* The connection no longer counts as a dial. */
static void end_dial(struct connection *connection)
{
    struct endpoint_local *local = connection->local;
    CHECK(connection->state == CONNECTION_DIALLING &&
          local->coming.count >= connection->loans.coming_count);
    local->coming.count -= connection->loans.coming_count;
    local->coming.fresh_count -= connection->loans.coming_count;
    local->worker->dialling_count--;
    bound_give(&local->worker->pools->dials_in_flight, 1);
    pool_worker_dial_ended(local->worker);
}

void dial_abandon(struct connection *connection)
{
    end_dial(connection);
    connection_drop(connection, true);
}

void dial_fail(struct connection *connection, enum dial_result result)
{
    struct endpoint_local *local = connection->local;
    struct lease_request *alone = connection_promise_over(connection);
    end_dial(connection);
    count_add(&local->stats.dial_failures, 1);
    connection_drop(connection, true);
    upkeep_on_dial_failed(local, result);
    if (local->line.count > 0) {
        pool_worker_schedule_endpoint(local->worker, local);
    }
    if (endpoint_retired(local->endpoint)) {
        result = DIAL_RETIRED;
    }
    if (alone != NULL) {
        line_refuse(local, alone, result);
    } else {
        line_dial_failed(local, result);
    }
}

void dial_late(struct connection *connection)
{
    if (connection->stream.tls != NULL && connection->session == NULL) {
        handshake_late(connection);
    } else {
        dial_fail(connection, DIAL_TIMEOUT);
    }
}

void dial_open(struct connection *connection, short what)
{
    const struct endpoint_local *local = connection->local;
    const struct pool_worker *worker = local->worker;
    if (connection->protocol->start == NULL) {
        dial_done(connection, what);
        return;
    }
    wheel_arm(&worker->env.loop->wheel, &connection->timer,
              loop_clock_ms(&worker->env.loop->clock) + local->limits.tls_ms);
    if (!connection->protocol->start(connection)) {
        dial_fail(connection, DIAL_ERROR);
    } else if (what != 0) {
        connection_event(connection, what);
    }
}

/* What the connection can carry is known now, while it was a guess before. */
static void learn(struct connection *connection)
{
    if (connection->protocol->shares) {
        habit_shares(connection->local);
    } else {
        connection->loans.capacity_count = 1;
    }
}

/* The event that came with the connection is given to its borrower, or to the idle connection. */
void dial_done(struct connection *connection, short what)
{
    struct lease_request *alone = connection_promise_over(connection);
    end_dial(connection);
    learn(connection);
    if (alone != NULL) {
        connection->loans.exchanges_limit = 1;
        line_grant(connection->local, alone, connection);
    } else {
        line_offer(connection->local, connection);
    }
    if (what != 0) {
        connection_event(connection, what);
    }
}

bool dial_report(struct stream *stream, char *header, size_t bytes)
{
    size_t sent = 0;
    return stream_send(stream, &(struct iovec){header, bytes}, 1, &sent) == STREAM_OK &&
           sent == bytes;
}

bool dial_proxy_header(struct stream *stream)
{
    static const struct sockaddr nobody = {.sa_family = AF_UNSPEC};
    char header[PROXY_HEADER_WRITE_BYTES];
    return dial_report(stream, header, proxy_header_write(&nobody, &nobody, header));
}

bool dial_reached_itself(int fd, const struct address *address)
{
    struct address own = {.length = sizeof own.v6};
    return getsockname(fd, &own.any, &own.length) == 0 && address_equal(&own, address);
}

static int outcome(const struct connection *connection)
{
    if (connection->dial_errno != 0) {
        return connection->dial_errno;
    }
    int error = 0;
    socklen_t length = sizeof error;
    if (getsockopt(connection->stream.fd, SOL_SOCKET, SO_ERROR, &error, &length) != 0) {
        return errno;
    }
    return error == 0 &&
                   dial_reached_itself(connection->stream.fd, &connection->local->endpoint->address)
               ? ECONNREFUSED
               : error;
}

void dial_event(struct connection *connection, short what)
{
    if (connection->session != NULL) {
        connection->protocol->on_event(connection, what);
        return;
    }
    if (connection->stream.tls != NULL) {
        handshake_event(connection);
        return;
    }
    if ((what & EV_WRITE) == 0) {
        return;
    }
    int error = outcome(connection);
    enum proxy_header_mode proxy_header = connection->local->endpoint->proxy_header;
    bool secure = connection->local->endpoint->tls != NULL;
    bool late_tls = secure && proxy_header == PROXY_HEADER_CLIENT;
    if (late_tls) {
        connection->lending = LENDS_LATE_TLS;
    }
    connection->facts.proxy_header = !secure && proxy_header == PROXY_HEADER_CLIENT;
    if (error != 0) {
        dial_fail(connection, dial_result_of_errno(error));
    } else if (proxy_header == PROXY_HEADER_SELF && !dial_proxy_header(&connection->stream)) {
        dial_fail(connection, DIAL_RESET);
    } else if (secure && !late_tls) {
        handshake_begin(connection);
    } else {
        dial_open(connection, what & ~EV_WRITE);
    }
}
