/* Dials, sends the request and reads the status line. The rest of the response is read and dropped, so that the other
   side sees an orderly end. */
#include "pool/probe.h"

#include <errno.h>
#include <event2/event_struct.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "pool/dial.h"
#include "pool/route.h"
#include "steady/enum_names.h"
#include "steady/fault.h"
#include "steady/fds.h"
#include "tls/client.h"

/* Length of "HTTP/1.1 200". */
#define STATUS_LINE_BYTES 12
/* Most bytes of a response that are read. */
#define ANSWER_MOST_BYTES (256u * 1024)
#define REQUEST_BYTES 2048
/* After the verdict, longest wait for the end of the other side. */
#define DROP_MS 100

enum probe_state {
    CONNECTING,
    SHAKING,
    SENDING,
    SPEAKING, /* HTTP/2: sends and reads */
    READING,  /* a status line */
    INTERIM, /* the rest of an interim response's head (RFC 9110 15.2); another status line follows */
    DROPPING /* what comes after the verdict */
};

struct probe {
    struct probe_env env;
    void *owner;
    struct stream stream;
    struct address address;
    struct event event, deadline;
    enum probe_state state;
    enum health_type type;
    bool proxy_header;
    void *session;     /* of env.http2; NULL: HTTP/1 is spoken */
    int connect_errno; /* errno if connect() failed at once, reported in the event */
    uint64_t status_first, status_last;
    const struct probe_security *security; /* NULL: plain TCP */
    struct probe_report report;            /* the report while DROPPING */
    size_t sent_bytes, request_bytes, got_bytes;
    size_t status_line_bytes, line_bytes; /* read of the status line; in INTERIM: of the line */
    char status_line[STATUS_LINE_BYTES];
    char request[REQUEST_BYTES];
};

ENUM_NAME_FUNCTION(probe_result_name, enum probe_result, PROBE_RESULTS)

static void free_probe(struct probe *probe)
{
    event_del(&probe->event);
    event_del(&probe->deadline);
    stream_close(&probe->stream, false);
    if (probe->session != NULL) {
        probe->env.http2->free(probe->session);
    }
    bound_give(probe->env.fds, 1);
    bound_give(probe->env.in_flight, 1);
    free(probe);
}

void probe_cancel(struct probe **probe)
{
    if (*probe != NULL) {
        free_probe(*probe);
    }
    *probe = NULL;
}

static void finish(struct probe *probe)
{
    struct probe_env env = probe->env;
    struct probe_report report = probe->report;
    void *owner = probe->owner;
    free_probe(probe);
    env.on_done(&report, owner);
}

static void fail(struct probe *probe, enum probe_result result)
{
    probe->report.result = result;
    finish(probe);
}

/* Judges by the status line, but for that of an interim response: then the state is INTERIM. */
static bool is_good_status(const struct probe *probe)
{
    return probe->report.status >= probe->status_first &&
           probe->report.status <= probe->status_last;
}

static void judge(struct probe *probe)
{
    static const char version[] = "HTTP/1.";
    const char *line = probe->status_line, *digits = line + sizeof version + 1;
    probe->report.result = PROBE_NOT_HTTP;
    if (memcmp(line, version, sizeof version - 1) != 0 || line[sizeof version] != ' ') {
        return;
    }
    for (size_t i = 0; i < 3; i++) {
        if (digits[i] < '0' || digits[i] > '9') {
            return;
        }
        probe->report.status = probe->report.status * 10 + (unsigned)(digits[i] - '0');
    }
    if (probe->report.status / 100 == 1 && probe->report.status != 101) {
        probe->report.status = 0;
        probe->status_line_bytes = 0;
        probe->line_bytes = 1;
        probe->state = INTERIM;
        return;
    }
    probe->report.result = is_good_status(probe) ? PROBE_GOOD : PROBE_STATUS;
}

static size_t take_status_line(struct probe *probe, const char *bytes, size_t count)
{
    size_t space = STATUS_LINE_BYTES - probe->status_line_bytes;
    size_t used = count < space ? count : space;
    memcpy(probe->status_line + probe->status_line_bytes, bytes, used);
    probe->status_line_bytes += used;
    if (used == space) {
        const struct timeval wait = {0, DROP_MS * 1000};
        probe->state = DROPPING;
        judge(probe);
        if (probe->state == DROPPING) {
            event_add(&probe->deadline, &wait);
        }
    }
    return used;
}

/* The head ends with an empty line. */
static size_t take_interim(struct probe *probe, const char *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (bytes[i] == '\n' && probe->line_bytes == 0) {
            probe->state = READING;
            return i + 1;
        }
        probe->line_bytes = bytes[i] == '\n' ? 0 : probe->line_bytes + (bytes[i] != '\r');
    }
    return count;
}

static void take(struct probe *probe, const char *bytes, size_t count)
{
    probe->got_bytes += count;
    while (count > 0 && probe->state != DROPPING) {
        size_t used = probe->state == INTERIM ? take_interim(probe, bytes, count)
                                              : take_status_line(probe, bytes, count);
        bytes += used;
        count -= used;
    }
}

static void read_answer(struct probe *probe)
{
    char space[4096];
    size_t got;
    for (;;) {
        enum stream_result result = stream_recv(&probe->stream, space, sizeof space, &got);
        if (result == STREAM_BLOCKED) {
            return;
        }
        if (result == STREAM_OK) {
            take(probe, space, got);
        } else if (probe->state != DROPPING) {
            probe->report.result = PROBE_BROKEN;
        }
        if (result != STREAM_OK || probe->got_bytes > ANSWER_MOST_BYTES ||
            (probe->state == DROPPING && probe->report.result != PROBE_GOOD)) {
            finish(probe);
            return;
        }
    }
}

/* TLS may have taken everything and not yet sent it: then sending continues without new bytes. */
static void send_request(struct probe *probe)
{
    while (probe->sent_bytes < probe->request_bytes || stream_unsent(&probe->stream)) {
        const struct iovec piece = {probe->request + probe->sent_bytes,
                                    probe->request_bytes - probe->sent_bytes};
        size_t sent;
        enum stream_result result = stream_send(&probe->stream, &piece, 1, &sent);
        if (result == STREAM_BLOCKED) {
            return;
        }
        if (result != STREAM_OK) {
            fail(probe, PROBE_BROKEN);
            return;
        }
        probe->sent_bytes += sent;
    }
    probe->state = READING;
    read_answer(probe);
}

/* ---- HTTP/2 ---- */

static void judge_answer(struct probe *probe, const struct probe_answer *answer)
{
    probe->report.status = answer->status;
    probe->report.grpc = answer->grpc_status;
    if (probe->type == HEALTH_HTTP) {
        probe->report.result = is_good_status(probe) ? PROBE_GOOD : PROBE_STATUS;
    } else if (answer->status != 200) {
        probe->report.result = PROBE_STATUS;
    } else if (answer->grpc_status != 0) {
        probe->report.result = PROBE_GRPC;
    } else {
        probe->report.result = answer->serving ? PROBE_GOOD : PROBE_NOT_SERVING;
    }
}

/* Sends what the session has to say, as far as it is taken. */
static enum stream_result send_speech(struct probe *probe)
{
    for (;;) {
        if (probe->sent_bytes == probe->request_bytes) {
            probe->request_bytes =
                probe->env.http2->pull(probe->session, probe->request, sizeof probe->request);
            probe->sent_bytes = 0;
        }
        if (probe->request_bytes == 0 && !stream_unsent(&probe->stream)) {
            return STREAM_OK;
        }
        const struct iovec piece = {probe->request + probe->sent_bytes,
                                    probe->request_bytes - probe->sent_bytes};
        size_t sent;
        enum stream_result result = stream_send(&probe->stream, &piece, 1, &sent);
        if (result != STREAM_OK) {
            return result;
        }
        probe->sent_bytes += sent;
    }
}

/* True: the verdict is known. */
static bool hear(struct probe *probe, const char *bytes, size_t count)
{
    struct probe_answer answer;
    probe->got_bytes += count;
    enum probe_hears hears = probe->got_bytes > ANSWER_MOST_BYTES
                                 ? PROBE_HEARS_NOISE
                                 : probe->env.http2->take(probe->session, bytes, count, &answer);
    switch (hears) {
    case PROBE_HEARS_ON: return false;
    case PROBE_HEARS_ANSWER: judge_answer(probe, &answer); break;
    case PROBE_HEARS_NOISE: probe->report.result = PROBE_NOT_HTTP2; break;
    }
    return true;
}

static void speak(struct probe *probe)
{
    char space[4096];
    size_t got;
    for (;;) {
        enum stream_result sent = send_speech(probe);
        if (sent != STREAM_OK && sent != STREAM_BLOCKED) {
            fail(probe, PROBE_BROKEN);
            return;
        }
        if (hear(probe, space, 0)) { /* it has said goodbye: what came was no HTTP/2 */
            finish(probe);
            return;
        }
        enum stream_result result = stream_recv(&probe->stream, space, sizeof space, &got);
        if (result == STREAM_BLOCKED) {
            return;
        }
        if (result != STREAM_OK) {
            fail(probe, PROBE_BROKEN);
            return;
        }
        if (hear(probe, space, got)) {
            finish(probe);
            return;
        }
    }
}

static bool speaks_http2(const struct probe *probe)
{
    return probe->session != NULL &&
           (probe->security == NULL || tls_client_chose_http2(&probe->stream));
}

/* ---- */

static int connect_result(const struct probe *probe)
{
    int error = 0;
    socklen_t length = sizeof error;
    if (probe->connect_errno != 0) {
        return probe->connect_errno;
    }
    if (getsockopt(probe->stream.fd, SOL_SOCKET, SO_ERROR, &error, &length) != 0) {
        return errno;
    }
    return error == 0 && dial_reached_itself(probe->stream.fd, &probe->address) ? ECONNREFUSED
                                                                                : error;
}

/* The connection is open; for some probes that is all. */
static void ask(struct probe *probe)
{
    if (probe->type == HEALTH_TCP || probe->type == HEALTH_TLS) {
        probe->report.result = PROBE_GOOD;
        finish(probe);
    } else if (speaks_http2(probe)) {
        probe->state = SPEAKING;
        probe->request_bytes = 0;
        speak(probe);
    } else if (probe->type == HEALTH_GRPC) {
        fail(probe, PROBE_NOT_HTTP2);
    } else {
        probe->state = SENDING;
        send_request(probe);
    }
}

static void shake(struct probe *probe)
{
    enum stream_result result = stream_handshake(&probe->stream);
    if (result == STREAM_BLOCKED) {
        return;
    }
    probe->security->shaken(&probe->stream, result == STREAM_OK, probe->security->owner);
    if (result == STREAM_OK) {
        ask(probe);
        return;
    }
    probe->report.tls = stream_failure(&probe->stream);
    fail(probe, PROBE_NO_TLS);
}

static void connected(struct probe *probe)
{
    int error = connect_result(probe);
    if (error != 0) {
        probe->report.dial = dial_result_of_errno(error);
        fail(probe, PROBE_NO_CONNECTION);
    } else if (probe->proxy_header && !dial_proxy_header(&probe->stream)) {
        fail(probe, PROBE_BROKEN);
    } else if (probe->security == NULL) {
        ask(probe);
    } else if (!probe->security->begin(&probe->stream, probe->security->owner)) {
        probe->report.tls = TLS_FAILURE_NO_MEMORY;
        fail(probe, PROBE_NO_TLS);
    } else {
        probe->state = SHAKING;
        shake(probe);
    }
}

static void on_event(evutil_socket_t fd, short what, void *arg)
{
    struct probe *probe = arg;
    (void)fd;
    switch (probe->state) {
    case CONNECTING:
        if (what & EV_WRITE) {
            connected(probe);
        }
        break;
    case SHAKING: shake(probe); break;
    case SENDING: send_request(probe); break;
    case SPEAKING: speak(probe); break;
    case READING:
    case INTERIM:
    case DROPPING: read_answer(probe); break;
    }
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
    struct probe *probe = arg;
    (void)fd;
    (void)what;
    if (probe->state == DROPPING) {
        finish(probe);
    } else {
        fail(probe, PROBE_TIMEOUT);
    }
}

static bool write_request(struct probe *probe, const struct probe_target *target)
{
    int bytes =
        snprintf(probe->request, sizeof probe->request,
                 "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: evenkeel-health\r\nAccept: */*\r\n"
                 "Connection: close\r\n\r\n",
                 target->settings->path, target->host);
    probe->request_bytes = bytes > 0 ? (size_t)bytes : 0;
    return bytes > 0 && (size_t)bytes < sizeof probe->request;
}

/* Opens and watches the socket. False: nothing is open. */
static bool dial(struct probe *probe, const struct address *address, uint64_t timeout_ms)
{
    int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return false;
    }
    stream_init(&probe->stream, fd);
    probe->address = *address;
    event_assign(&probe->event, probe->env.base, fd, EV_READ | EV_WRITE | EV_ET | EV_PERSIST,
                 on_event, probe);
    event_assign(&probe->deadline, probe->env.base, -1, 0, on_deadline, probe);
    const struct timeval wait = {(time_t)(timeout_ms / 1000),
                                 (suseconds_t)(timeout_ms % 1000) * 1000};
    if (connect(fd, &address->any, address->length) != 0 && errno != EINPROGRESS &&
        errno != EINTR) {
        probe->connect_errno = route_errno(address, errno);
    }
    if (event_add(&probe->event, NULL) != 0 || event_add(&probe->deadline, &wait) != 0) {
        event_del(&probe->event);
        stream_close(&probe->stream, false);
        return false;
    }
    if (probe->connect_errno != 0) {
        event_active(&probe->event, EV_WRITE, 1);
    }
    return true;
}

/* What the session asks is copied there. False: no memory. */
static bool begin_session(struct probe *probe, const struct probe_target *target)
{
    const struct health_settings *settings = target->settings;
    const struct probe_question question = {
        .host = target->host,
        .path = settings->type == HEALTH_GRPC ? NULL : settings->path,
        .service = settings->service,
        .secure = target->security != NULL,
    };
    if (!target->http2 || probe->env.http2 == NULL) {
        return true;
    }
    probe->session = probe->env.http2->begin(&question);
    return probe->session != NULL;
}

static bool take_places(const struct probe_env *env)
{
    if (!bound_try(env->in_flight, 1)) {
        return false;
    }
    if (fds_take(env->fds, FD_FOR_CONTROL, 1)) {
        return true;
    }
    bound_give(env->in_flight, 1);
    return false;
}

struct probe *probe_start(const struct probe_env *env, const struct probe_target *target,
                          void *owner)
{
    struct probe *probe = fault_hits(FAULT_ALLOC) ? NULL : calloc(1, sizeof *probe);
    if (probe == NULL || !take_places(env)) {
        free(probe);
        return NULL;
    }
    probe->env = *env;
    probe->owner = owner;
    probe->type = target->settings->type;
    probe->status_first = target->settings->status_first;
    probe->status_last = target->settings->status_last;
    probe->security = target->security;
    probe->proxy_header = target->proxy_header;
    if (write_request(probe, target) && begin_session(probe, target) &&
        dial(probe, &target->address, target->settings->timeout_ms)) {
        return probe;
    }
    if (probe->session != NULL) {
        env->http2->free(probe->session);
    }
    bound_give(env->fds, 1);
    bound_give(env->in_flight, 1);
    free(probe);
    return NULL;
}
