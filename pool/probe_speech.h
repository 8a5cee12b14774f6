/*
 * How a probe asks over HTTP/2: a session turns its question into bytes and what comes back into an answer. The code that
 * speaks the protocol gives the table to pools_set_probe_http2().
 *
 * Owns: the session, from begin() to free(). Thread: control. It knows no socket and no clock: the probe moves the bytes and
 * bounds the time.
 */
#ifndef EVENKEEL_POOL_PROBE_SPEECH_H
#define EVENKEEL_POOL_PROBE_SPEECH_H

#include <stdbool.h>
#include <stddef.h>

/* The texts are copied. */
struct probe_question {
    const char *host;
    const char *path;    /* of a GET; NULL: the question goes to a gRPC health service */
    const char *service; /* asked for there; "": the server as a whole */
    bool secure;
};

struct probe_answer {
    unsigned status; /* of HTTP; 0: none has come */
    unsigned
        grpc_status; /* of a gRPC health service; its status for an answer of which it is no part */
    bool serving;    /* what the health service says */
};

enum probe_hears {
    PROBE_HEARS_ON,     /* the answer is not complete */
    PROBE_HEARS_ANSWER, /* *ret_answer is set */
    PROBE_HEARS_NOISE,  /* that is not HTTP/2, or the question was refused */
};

struct probe_speech {
    /* NULL: no memory. */
    void *(*begin)(const struct probe_question *question);
    /* Takes what has come, all of it. */
    enum probe_hears (*take)(void *session, const char *bytes, size_t count,
                             struct probe_answer *ret_answer);
    /* Writes what is to be sent; 0: nothing is, for now. */
    size_t (*pull)(void *session, char *space, size_t space_bytes);
    void (*free)(void *session);
};

#endif
