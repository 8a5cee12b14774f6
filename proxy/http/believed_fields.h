/*
 * Request fields that servers believe: the client's address, the way by which the request came, the original target.
 * Only a proxy in front of the server should set them; a client that sets them is forging.
 *
 * Owns: a constant table. Thread: any. The fields that Evenkeel writes itself (X-Forwarded-For, Forwarded, ...) are
 * rows of field_names.h and not of this table. docs/operations.md lists it.
 */
#ifndef EVENKEEL_PROXY_HTTP_BELIEVED_FIELDS_H
#define EVENKEEL_PROXY_HTTP_BELIEVED_FIELDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Name in lower case; each begins with one of BELIEVED_LETTERS. */
#define BELIEVED_FIELDS(X)        \
    X("cf-connecting-ip")         \
    X("cf-connecting-ipv6")       \
    X("cf-pseudo-ipv4")           \
    X("client-ip")                \
    X("fastly-client-ip")         \
    X("front-end-https")          \
    X("proxy")                    \
    X("remote-addr")              \
    X("remote-user")              \
    X("true-client-ip")           \
    X("x-client-ip")              \
    X("x-cluster-client-ip")      \
    X("x-envoy-external-address") \
    X("x-envoy-internal")         \
    X("x-envoy-original-path")    \
    X("x-host")                   \
    X("x-original-host")          \
    X("x-original-uri")           \
    X("x-original-url")           \
    X("x-originating-ip")         \
    X("x-real-ip")                \
    X("x-remote-addr")            \
    X("x-remote-group")           \
    X("x-remote-ip")              \
    X("x-remote-user")            \
    X("x-rewrite-url")            \
    X("x-scheme")                 \
    X("x-ssl-client-cert")        \
    X("x-ssl-client-dn")          \
    X("x-ssl-client-verify")      \
    X("x-url-scheme")             \
    X("x-webauth-user")

/* And every name that begins with this. */
#define BELIEVED_PREFIX "x-forwarded-"

#define BELIEVED_LETTER(letter) (1u << ((letter)&31))
#define BELIEVED_LETTERS                                                                         \
    (BELIEVED_LETTER('c') | BELIEVED_LETTER('f') | BELIEVED_LETTER('p') | BELIEVED_LETTER('r') | \
     BELIEVED_LETTER('t') | BELIEVED_LETTER('x'))

/* Whether a name that begins with this byte, in either case, may be in the table. */
static inline bool believed_may_begin(char first)
{
    return BELIEVED_LETTERS >> (first & 31) & 1;
}

/* Whether the name, in any case, is in the table, or begins with the prefix. */
bool believed_field(const char *name, size_t name_bytes);

#endif
