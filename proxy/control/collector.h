/*
 * One request to the collector of traces: a connection of its own, a POST, the answer's head and a little of its body.
 *
 * Owns: the socket, its unit of the bound on file descriptors, the TLS target. The bytes that are sent are the caller's until the
 * request is over. Thread: control. Time base: the event loop's timer; the whole request has one deadline. Errors: enum
 * collector_result, and words for the log. Spec: RFC 9112, OTLP/HTTP.
 */
#ifndef EVENKEEL_PROXY_CONTROL_COLLECTOR_H
#define EVENKEEL_PROXY_CONTROL_COLLECTOR_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "proxy/http/http_head.h"
#include "steady/address.h"
#include "steady/bound.h"
#include "steady/enum_names.h"
#include "tls/client.h"

#define COLLECTOR_RESULTS(X)                                               \
    X(COLLECTOR_ANSWERED, "answered")                                      \
    X(COLLECTOR_NO_CONNECTION, "no connection")     /* `error` says why */ \
    X(COLLECTOR_NO_TLS, "the TLS handshake failed") /* `tls` says why */   \
    X(COLLECTOR_BROKEN, "the connection broke")                            \
    X(COLLECTOR_NOT_HTTP, "the answer is not HTTP/1.x")                    \
    X(COLLECTOR_TIMEOUT, "no answer in time")
enum collector_result { ENUM_VALUES(COLLECTOR_RESULTS) };
const char *collector_result_name(enum collector_result value);

/* Gone when the callback returns. */
struct collector_answer {
    enum collector_result result;
    const struct http_head *head; /* with ANSWERED */
    const char *body;             /* its beginning */
    size_t body_bytes;
    int error;
    enum tls_failure tls;
};

struct collector_env {
    struct event_base *base;
    struct bound *fds;
    struct tls_scratch *const *scratch; /* where it will be when there is something to send */
    /* Never called from within collector_post(). The request is over, and another one may begin. */
    void (*on_answer)(const struct collector_answer *answer, void *owner);
    void *owner;
};

#define COLLECTOR_PIECES 4

struct collector_request {
    struct address address;
    struct tls_client *client; /* NULL: no TLS */
    const char *server_name;   /* with it: what the certificate must be valid for */
    struct iovec pieces[COLLECTOR_PIECES];
    unsigned piece_count;
    uint64_t timeout_ms;
};

struct collector;

/* NULL: no memory. */
struct collector *collector_create(const struct collector_env *env);
/* NULL is fine. */
void collector_free(struct collector **collector);
/* Begins a request; none may be in progress. False: no descriptor or no memory. */
__attribute__((warn_unused_result)) bool collector_post(struct collector *collector,
                                                        const struct collector_request *request);
/* Ends it without a report. None in progress is fine. */
void collector_cancel(struct collector *collector);

#endif
