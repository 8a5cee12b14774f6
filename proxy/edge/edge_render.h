/*
 * Texts with placeholders, filled in for a request.
 *
 * Owns nothing. Thread: the worker's. Errors: false, the text has no room. What comes from a request never brings CR, LF or NUL
 * into a text, and is encoded for where the text goes.
 */
#ifndef EVENKEEL_PROXY_EDGE_EDGE_RENDER_H
#define EVENKEEL_PROXY_EDGE_EDGE_RENDER_H

#include <stdbool.h>
#include <stddef.h>

#include "conf/edge_text.h"
#include "conf/path_regex.h"
#include "proxy/http/http_head.h"

struct sockaddr;

/* Where a text goes. */
enum edge_use {
    EDGE_IN_FIELD, /* a field's value: control bytes are left out */
    EDGE_IN_URL,   /* a target or Location: what may not stand there is written as %XX */
    EDGE_IN_TEXT,  /* a body, as it is */
    EDGE_IN_HTML,  /* a body in which "<" would begin a tag */
    EDGE_IN_JSON,  /* a body in which a quote would end a text */
};

/* What placeholders stand for. */
struct edge_facts {
    const struct http_head *head;
    struct span target, host; /* of the head, as the client has sent them */
    const struct sockaddr *client;
    const char *certificate; /* as in X-Forwarded-Client-Cert; NULL: none */
    const char *listener;
    const char *route;
    const char *upstream; /* "": none */
    const char *user;     /* by auth; "": none */
    const char *request_id;
    size_t request_id_bytes;
    const struct path_captures *captures; /* NULL: none */
    bool captures_decoded;                /* they are of a reading in which %XX is decoded */
    bool secure;
    bool trusted; /* the client is a trusted peer: its fields count though they are written anew */
};

/* The longest text that a request may make. */
#define EDGE_TEXT_MAX_BYTES 8192
#define EDGE_HOST_MAX_BYTES 256

/* Writes the text into the space; nothing is written behind its end. */
__attribute__((warn_unused_result)) bool edge_render(const struct edge_text *text,
                                                     const struct edge_facts *facts,
                                                     enum edge_use use, char *space,
                                                     size_t space_bytes, size_t *ret_bytes);

/* Whether the client came by TLS: behind a trusted peer that ends TLS, as that tells. */
bool edge_is_secure(const struct edge_facts *facts);

/* How a body of this type is written. */
enum edge_use edge_use_of(const char *content_type);

/* Writes a decoded path as EDGE_IN_URL does. */
__attribute__((warn_unused_result)) bool edge_encode(const char *bytes, size_t count, char *space,
                                                     size_t space_bytes, size_t *ret_bytes);

/* Whether it is a host with or without a port (RFC 9110 7.2), so that no server reads another one out of it. */
bool edge_is_host(const char *host, size_t bytes);

/*
 * Joins the slashes that a target begins with; returns what is left of its length. A server or browser would take what follows
 * "//" for a host (RFC 3986 4.2), and browsers read "\" as "/".
 */
size_t edge_one_slash(char *target, size_t bytes);

#endif
