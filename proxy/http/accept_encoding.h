/*
 * Accept-Encoding: which codings a client takes, and which it likes best among those that are offered.
 *
 * Owns nothing; pure. Thread: any. Spec: RFC 9110 12.4.2 (weights), 12.5.3. A client that sends no such field gets no
 * coding, although it would have to take any. A weight that is not valid counts as 0: the coding is not used.
 */
#ifndef EVENKEEL_PROXY_HTTP_ACCEPT_ENCODING_H
#define EVENKEEL_PROXY_HTTP_ACCEPT_ENCODING_H

#include "conf/content_coding.h"
#include "proxy/http/http_head.h"

struct coding_row {
    const char *name;
    const char *suffix; /* of files in this coding */
};
extern const struct coding_row coding_rows[CODING_COUNT];

/* Those that the client names with a weight above 0, as CODING_BIT()s. */
unsigned accept_encodings(const struct http_head *request);

/* The offered coding of the highest weight, of equal ones the first offered; CODING_IDENTITY: none is acceptable, or
   the client likes the response better as it is. */
enum content_coding accept_encoding_choose(const struct http_head *request,
                                           const enum content_coding *offered, size_t count);

#endif
