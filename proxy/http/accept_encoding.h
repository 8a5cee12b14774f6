/*
 * Which content codings a client takes.
 *
 * Owns nothing. Thread: any. Spec: RFC 9110 12.5.3. A coding that is not named is not used, though a client without the field would
 * take any.
 */
#ifndef EVENKEEL_PROXY_HTTP_ACCEPT_ENCODING_H
#define EVENKEEL_PROXY_HTTP_ACCEPT_ENCODING_H

#include "proxy/http/http_head.h"

/* Bits, the preferred one first. */
enum coding {
    CODING_ZSTD = 1 << 0,
    CODING_BR = 1 << 1,
    CODING_GZIP = 1 << 2,
};
#define CODING_COUNT 3

struct coding_row {
    const char *name;
    const char *suffix; /* of files in this coding */
};
/* Row n is of the coding 1 << n. */
extern const struct coding_row coding_rows[CODING_COUNT];

/* Those of the request's Accept-Encoding whose weight is not 0. */
unsigned accept_encodings(const struct http_head *head);

#endif
