/*
 * Which responses are compressed, and what their heads become.
 *
 * Owns nothing: the new head is in the caller's space. Thread: the worker's. Errors: none. Spec: RFC 9110 8.4
 * (Content-Encoding), 8.8.3.3 (entity tags vary with it), 12.5.3, 12.5.5 (Vary), RFC 9111 5.2.2.6 (no-transform).
 *
 * Never what may hold a secret, unless it is asked for: whoever can make a browser send requests with text of his own,
 * and sees how long the compressed answers are, finds out a secret in them letter by letter if they also repeat his text
 * (BREACH). A request without Cookie, Authorization and client certificate gets what anybody may see, and so does one
 * whose response calls itself public.
 */
#ifndef EVENKEEL_PROXY_EDGE_COMPRESS_RULE_H
#define EVENKEEL_PROXY_EDGE_COMPRESS_RULE_H

#include <stdbool.h>
#include <stddef.h>

#include "conf/settings.h"
#include "proxy/http/http_head.h"
#include "steady/buf.h"

struct compress_case {
    const struct http_head *request, *response;
    bool certificate;       /* the client has shown one */
    bool whole;             /* the payload is all there */
    uint64_t payload_bytes; /* with `whole` */
};

struct compress_verdict {
    enum content_coding coding; /* CODING_IDENTITY: as it is */
    bool varies;                /* another client might get another coding */
};

struct compress_verdict compress_judge(const struct compress_settings *settings,
                                       const struct compress_case *of);

/* Of a response that was compressed, a client remembers a weak entity tag (`W/"x"`), and asks by it. Whether this 304
   answers such a question. */
bool compress_confirms(const struct http_head *request, const struct http_head *response);

/* How much space compress_head() needs. */
size_t compress_head_bytes(const struct http_head *head);
/* The head with the coding, without a length, and with a weak entity tag; with CODING_IDENTITY and `varies` only Vary is
   added, without `varies` only the tag is made weak. */
void compress_head(const struct http_head *head, struct compress_verdict verdict, struct buf *space,
                   struct http_head *ret_head);

#endif
