/* Dials, sends, reads. */
#include "proxy/control/collector.h"

#include <errno.h>
#include <event2/event_struct.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "proxy/http1/h1_parse.h"
#include "steady/check.h"
#include "steady/fault.h"
#include "steady/fds.h"
#include "tls/stream.h"

/* The most that is read of an answer. */
#define ANSWER_BYTES 8192
#define ANSWER_FIELDS 64
/* After the head, longest wait for the body. */
#define BODY_MS 250

enum collector_state {
    COLLECTOR_IDLE,
    COLLECTOR_CONNECTING,
    COLLECTOR_SHAKING,
    COLLECTOR_SENDING,
    COLLECTOR_READING,
};

struct collector {
    struct collector_env env;
    enum collector_state state;
    struct collector_request request;
    struct tls_target target;
    bool secure; /* the target is in use */
    struct stream stream;
    struct event event, deadline;
    int connect_errno; /* of a connect() that failed at once */
    unsigned piece;    /* that is being sent */
    struct http_head head;
    struct http_field fields[ANSWER_FIELDS];
    bool head_read;
    size_t got_bytes, scanned_bytes;
    char answer[ANSWER_BYTES];
};

ENUM_NAME_FUNCTION(collector_result_name, enum collector_result, COLLECTOR_RESULTS)

/* ---- the end ---- */

void collector_cancel(struct collector *collector)
{
    if (collector->state == COLLECTOR_IDLE) {
        return;
    }
    collector->state = COLLECTOR_IDLE;
    event_del(&collector->event);
    event_del(&collector->deadline);
    stream_close(&collector->stream, false);
    bound_give(collector->env.fds, 1);
    if (collector->secure) {
        tls_target_release(&collector->target);
        collector->secure = false;
    }
}

static void collector_finish(struct collector *collector, struct collector_answer *answer)
{
    collector_cancel(collector);
    collector->env.on_answer(answer, collector->env.owner);
}

static void collector_fail(struct collector *collector, enum collector_result result)
{
    struct collector_answer answer = {.result = result};
    collector_finish(collector, &answer);
}

/* ---- the answer ---- */

static void collector_report(struct collector *collector)
{
    struct collector_answer answer = {.result = COLLECTOR_ANSWERED,
                                      .head = &collector->head,
                                      .body = collector->answer + collector->head.head_bytes,
                                      .body_bytes =
                                          collector->got_bytes - collector->head.head_bytes};
    collector_finish(collector, &answer);
}

/* Interim responses are read over (RFC 9110 15.2). False: it is no head. */
static bool collector_take_head(struct collector *collector)
{
    static const struct h1_limits limits = {ANSWER_BYTES, ANSWER_FIELDS};
    enum h1_result result = H1_OK;
    while (result == H1_OK && !collector->head_read) {
        collector->head.fields = collector->fields;
        collector->head.field_limit = ANSWER_FIELDS;
        result = h1_parse_response(collector->answer, collector->got_bytes, &limits, METHOD_POST,
                                   &collector->scanned_bytes, &collector->head);
        if (result == H1_OK && collector->head.status >= 200) {
            const struct timeval wait = {0, BODY_MS * 1000};
            collector->head_read = true;
            event_add(&collector->deadline, &wait);
        } else if (result == H1_OK) {
            collector->got_bytes -= collector->head.head_bytes;
            memmove(collector->answer, collector->answer + collector->head.head_bytes,
                    collector->got_bytes);
            collector->scanned_bytes = 0;
        }
    }
    return result == H1_OK || result == H1_INCOMPLETE;
}

static bool collector_has_all(const struct collector *collector)
{
    const struct http_head *head = &collector->head;
    size_t body_bytes = collector->got_bytes - head->head_bytes;
    return collector->head_read &&
           (collector->got_bytes == ANSWER_BYTES || head->framing == FRAMING_NONE ||
            (head->framing == FRAMING_LENGTH && body_bytes >= head->content_length));
}

static void collector_read(struct collector *collector)
{
    while (!collector_has_all(collector)) {
        size_t got;
        if (collector->got_bytes == ANSWER_BYTES) {
            collector_fail(collector, COLLECTOR_NOT_HTTP);
            return;
        }
        enum stream_result result =
            stream_recv(&collector->stream, collector->answer + collector->got_bytes,
                        ANSWER_BYTES - collector->got_bytes, &got);
        if (result == STREAM_BLOCKED) {
            return;
        }
        if (result != STREAM_OK) {
            break;
        }
        collector->got_bytes += got;
        if (!collector->head_read && !collector_take_head(collector)) {
            collector_fail(collector, COLLECTOR_NOT_HTTP);
            return;
        }
    }
    if (collector->head_read) {
        collector_report(collector);
    } else {
        collector_fail(collector, COLLECTOR_BROKEN);
    }
}

/* ---- the request ---- */

static void pieces_advance(struct collector *collector, size_t bytes)
{
    struct collector_request *request = &collector->request;
    while (bytes > 0) {
        struct iovec *piece = &request->pieces[collector->piece];
        size_t used = bytes < piece->iov_len ? bytes : piece->iov_len;
        piece->iov_base = (char *)piece->iov_base + used;
        piece->iov_len -= used;
        bytes -= used;
        collector->piece += piece->iov_len == 0;
    }
}

/* An answer that comes before the request is whole is an answer, too. */
static void collector_send(struct collector *collector)
{
    const struct collector_request *request = &collector->request;
    while (collector->piece < request->piece_count || stream_unsent(&collector->stream)) {
        size_t sent;
        enum stream_result result =
            stream_send(&collector->stream, request->pieces + collector->piece,
                        request->piece_count - collector->piece, &sent);
        if (result == STREAM_BLOCKED) {
            return;
        }
        if (result != STREAM_OK) {
            break;
        }
        pieces_advance(collector, sent);
    }
    collector->state = COLLECTOR_READING;
    collector_read(collector);
}

static void collector_shake(struct collector *collector)
{
    enum stream_result result = stream_handshake(&collector->stream);
    if (result == STREAM_BLOCKED) {
        return;
    }
    (void)tls_client_finish(&collector->stream, result == STREAM_OK);
    if (result == STREAM_OK) {
        collector->state = COLLECTOR_SENDING;
        collector_send(collector);
        return;
    }
    struct collector_answer answer = {.result = COLLECTOR_NO_TLS,
                                      .tls = stream_failure(&collector->stream)};
    collector_finish(collector, &answer);
}

static int connect_error(const struct collector *collector)
{
    int error = 0;
    socklen_t length = sizeof error;
    if (collector->connect_errno != 0) {
        return collector->connect_errno;
    }
    return getsockopt(collector->stream.fd, SOL_SOCKET, SO_ERROR, &error, &length) != 0 ? errno
                                                                                        : error;
}

static void collector_connected(struct collector *collector)
{
    int error = connect_error(collector);
    if (error != 0) {
        struct collector_answer answer = {.result = COLLECTOR_NO_CONNECTION, .error = error};
        collector_finish(collector, &answer);
    } else if (!collector->secure) {
        collector->state = COLLECTOR_SENDING;
        collector_send(collector);
    } else if (!tls_client_begin(&collector->target, &collector->stream, *collector->env.scratch)) {
        struct collector_answer answer = {.result = COLLECTOR_NO_TLS, .tls = TLS_FAILURE_NO_MEMORY};
        collector_finish(collector, &answer);
    } else {
        collector->state = COLLECTOR_SHAKING;
        collector_shake(collector);
    }
}

static void collector_on_event(evutil_socket_t fd, short what, void *arg)
{
    struct collector *collector = arg;
    (void)fd;
    switch (collector->state) {
    case COLLECTOR_CONNECTING:
        if (what & EV_WRITE) {
            collector_connected(collector);
        }
        break;
    case COLLECTOR_SHAKING: collector_shake(collector); break;
    case COLLECTOR_SENDING: collector_send(collector); break;
    case COLLECTOR_READING: collector_read(collector); break;
    case COLLECTOR_IDLE: break;
    }
}

/* What has come of the body by then is enough. */
static void collector_on_deadline(evutil_socket_t fd, short what, void *arg)
{
    struct collector *collector = arg;
    (void)fd;
    (void)what;
    if (collector->head_read) {
        collector_report(collector);
    } else {
        collector_fail(collector, COLLECTOR_TIMEOUT);
    }
}

/* ---- the beginning ---- */

/* Opens and watches the socket. False: nothing is open. */
static bool collector_dial(struct collector *collector)
{
    const struct address *address = &collector->request.address;
    uint64_t timeout_ms = collector->request.timeout_ms;
    int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return false;
    }
    const struct timeval wait = {(time_t)(timeout_ms / 1000),
                                 (suseconds_t)(timeout_ms % 1000) * 1000};
    stream_init(&collector->stream, fd);
    event_assign(&collector->event, collector->env.base, fd,
                 EV_READ | EV_WRITE | EV_ET | EV_PERSIST, collector_on_event, collector);
    event_assign(&collector->deadline, collector->env.base, -1, 0, collector_on_deadline,
                 collector);
    if (connect(fd, &address->any, address->length) != 0 && errno != EINPROGRESS &&
        errno != EINTR) {
        collector->connect_errno = errno;
    }
    if (event_add(&collector->event, NULL) != 0 || event_add(&collector->deadline, &wait) != 0) {
        event_del(&collector->event);
        stream_close(&collector->stream, false);
        return false;
    }
    if (collector->connect_errno != 0) {
        event_active(&collector->event, EV_WRITE, 1);
    }
    return true;
}

static bool collector_aim(struct collector *collector)
{
    const struct collector_request *request = &collector->request;
    if (request->client == NULL) {
        return true;
    }
    collector->secure = tls_target_init(&collector->target, request->client, request->server_name,
                                        address_port(&request->address), TLS_OFFER_HTTP1,
                                        &request->address.any, NULL);
    return collector->secure;
}

bool collector_post(struct collector *collector, const struct collector_request *request)
{
    CHECK(collector->state == COLLECTOR_IDLE);
    if (!fds_take(collector->env.fds, FD_FOR_CONTROL, 1)) {
        return false;
    }
    collector->request = *request;
    collector->connect_errno = 0;
    collector->piece = 0;
    collector->got_bytes = collector->scanned_bytes = 0;
    collector->head_read = false;
    if (collector_aim(collector)) {
        if (collector_dial(collector)) {
            collector->state = COLLECTOR_CONNECTING;
            return true;
        }
        if (collector->secure) {
            tls_target_release(&collector->target);
            collector->secure = false;
        }
    }
    bound_give(collector->env.fds, 1);
    return false;
}

struct collector *collector_create(const struct collector_env *env)
{
    struct collector *collector = fault_hits(FAULT_ALLOC) ? NULL : calloc(1, sizeof *collector);
    if (collector != NULL) {
        collector->env = *env;
    }
    return collector;
}

void collector_free(struct collector **collector_pointer)
{
    if (*collector_pointer != NULL) {
        collector_cancel(*collector_pointer);
        free(*collector_pointer);
        *collector_pointer = NULL;
    }
}
