/*
 * The words of gRPC in HTTP: its content type, and the fields in which a server says how a call ended.
 *
 * Owns nothing; pure. Thread: any. Spec: gRPC over HTTP/2 ("Requests", "Responses"), http-grpc-status-mapping, gRFC A6
 * (grpc-retry-pushback-ms).
 */
#ifndef EVENKEEL_PROXY_HTTP_GRPC_WORDS_H
#define EVENKEEL_PROXY_HTTP_GRPC_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/grpc_status.h"
#include "proxy/http/http_head.h"

const char *grpc_status_name(enum grpc_status value);

/* Whether the content type is application/grpc, maybe with "+proto" or the like behind it. gRPC-Web is another protocol:
   its trailers are in its payload. */
bool grpc_is_call(const struct http_head *head);

/* Reads grpc-status of a head or of trailers. A number that is no status of gRPC is GRPC_UNKNOWN. False: there is none. */
__attribute__((warn_unused_result)) bool grpc_status_find(const struct http_head *head,
                                                          enum grpc_status *ret_status);

/* The status that clients make of a response without grpc-status. */
enum grpc_status grpc_status_of_http(unsigned status);

/* What a server says about another attempt. */
enum grpc_pushback {
    GRPC_PUSHBACK_NONE, /* nothing */
    GRPC_PUSHBACK_WAIT, /* not before a time */
    GRPC_PUSHBACK_STOP, /* none: the value is negative or malformed */
};
/* Sets *ret_wait_ms with GRPC_PUSHBACK_WAIT only. */
enum grpc_pushback grpc_pushback_find(const struct http_head *head, uint64_t *ret_wait_ms);

/* grpc-previous-rpc-attempts: whether a field is it, and the number of attempts that the client's side made before this
   request; 0: none. */
bool grpc_names_previous_attempts(const struct http_head *head, const struct http_field *field);
uint64_t grpc_previous_attempts(const struct http_head *head);

/* Writes a text as a value of grpc-message, percent-encoded and ended with NUL, and cuts it to the space. */
void grpc_message_encode(char *space, size_t space_bytes, const char *text);

#endif
