/*
 * Evenkeel's own responses: a status, a line of text, Proxy-Status (RFC 9209) with the reason, Retry-After where
 * waiting helps. For a gRPC call they are trailers-only responses: the same in grpc-status and grpc-message, without payload.
 *
 * Owns nothing: the head and its text are in a struct own_response on the caller's stack. Thread: any.
 */
#ifndef EVENKEEL_PROXY_HTTP_RESPOND_H
#define EVENKEEL_PROXY_HTTP_RESPOND_H

#include "proxy/http/http_head.h"
#include "proxy/http/reasons.h"

struct own_response {
    struct http_head head;
    struct http_field fields[10];
    char text[1024];
    char body[128];
    size_t body_bytes;
};

/* `detail` is one of Evenkeel's own words, never bytes of a client, or NULL. retry_after_s is sent where waiting helps;
   0: never. */
void own_response_build(struct own_response *response, enum exchange_reason reason,
                        const char *detail, uint64_t retry_after_s);
/* The same for a gRPC call. */
void own_response_build_grpc(struct own_response *response, enum exchange_reason reason,
                             const char *detail, uint64_t retry_after_s);
/* The trailers that end a gRPC call whose response has begun. */
void own_response_build_trailers(struct own_response *response, enum exchange_reason reason,
                                 const char *detail);
/* Asks for a name and a password (RFC 7617 2). */
void own_response_challenge(struct own_response *response, const char *realm);
/* The body is `bytes` of this type, which the caller sends in place of the line of text. */
void own_response_set_body(struct own_response *response, const char *content_type, size_t bytes);
/* Adds a field that is not in the table of names. Both are Evenkeel's own words, at most 400 bytes. */
void own_response_add_field(struct own_response *response, const char *name, const char *value);
/* Removes the line of text, for a request whose method is unknown. It may be HEAD, and then bytes behind the head would
   be read as the next response (RFC 9110 9.3.2). */
void own_response_empty(struct own_response *response);

#endif
