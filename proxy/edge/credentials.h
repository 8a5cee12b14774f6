/*
 * The name and password of a request (HTTP Basic).
 *
 * Owns nothing: they are in the caller's space. Thread: any. Errors: false. Spec: RFC 7617, RFC 9110 11.4, RFC 4648 4.
 */
#ifndef EVENKEEL_PROXY_EDGE_CREDENTIALS_H
#define EVENKEEL_PROXY_EDGE_CREDENTIALS_H

#include <stdbool.h>
#include <stddef.h>

#include "proxy/http/http_head.h"

#define CREDENTIAL_NAME_BYTES 128
/* crypt(3) takes no longer one, and hashing a long one is work that a client could ask for. */
#define CREDENTIAL_PASSWORD_BYTES 512

/* Both end with NUL, and have none before. */
struct credentials {
    char name[CREDENTIAL_NAME_BYTES + 1];
    char password[CREDENTIAL_PASSWORD_BYTES + 1];
};

/* False: there are none, or none that could be right: they are malformed, too long, or there several times. */
__attribute__((warn_unused_result)) bool credentials_find(const struct http_head *head,
                                                          struct credentials *ret_credentials);

/* Decodes base64 with or without its padding. False: it is none, or longer than the space. */
__attribute__((warn_unused_result)) bool base64_decode(const char *text, size_t bytes, char *space,
                                                       size_t space_bytes, size_t *ret_bytes);

#endif
