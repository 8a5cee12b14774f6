/*
 * HTTP/1.1 towards an endpoint: sends the request, reads the response, and gives the connection back to the pool if it
 * may serve again.
 *
 * Owns: see upstream_ops.h; bytes of the request that the socket has not taken; bytes of an incomplete head; a pipe
 * while payload is spliced. Embedded in an attempt. Thread: its worker's. Spec: RFC 9112.
 */
#ifndef EVENKEEL_PROXY_UPSTREAM_H1_UPSTREAM_H
#define EVENKEEL_PROXY_UPSTREAM_H1_UPSTREAM_H

#include "proxy/http1/h1_body.h"
#include "proxy/upstream/upstream_ops.h"
#include "proxy/worker/duplex.h"
#include "steady/loop.h"

struct splice_pipe;

enum h1_upstream_state {
    H1_UPSTREAM_NONE,
    H1_UPSTREAM_HEAD,     /* waits for the response's head */
    H1_UPSTREAM_BODY,     /* relays the response's body */
    H1_UPSTREAM_RAW,      /* a tunnel */
    H1_UPSTREAM_RAW_OVER, /* a tunnel whose direction from the endpoint has ended */
};

struct h1_upstream {
    struct upstream_side side; /* first */
    struct duplex duplex;
    struct splice_pipe *pipe; /* payload between the two sockets, if the client is slow */
    size_t scanned;           /* how many received bytes were searched for the end of the head */
    struct h1_body body;      /* of the response */
    struct deferred deferred; /* continues to read after other connections had their turn */
    uint8_t state;            /* enum h1_upstream_state */
    uint8_t method;           /* enum http_method of the request: a response to HEAD has no body */
    bool chunked;             /* the request's body is sent in chunks */
    bool request_whole;       /* the whole request was given to this side */
    bool keep;                /* the response allows another exchange on the connection */
    bool ambiguous;           /* the request asks for an upgrade, and has a payload */
};

/* Called once for each object. */
void h1_upstream_init(struct h1_upstream *upstream, const struct upstream_events *events,
                      void *owner, struct worker *worker);
/* Takes the lease over. */
void h1_upstream_begin(struct h1_upstream *upstream, struct lease *lease);

#endif
