/*
 * The codings of content: one row each, everything else derived. The words are those of Accept-Encoding and
 * Content-Encoding.
 *
 * Owns nothing. Thread: any. Spec: RFC 9110 8.4.1, RFC 7932 (br), RFC 8878 7.2 (zstd).
 */
#ifndef EVENKEEL_CONF_CONTENT_CODING_H
#define EVENKEEL_CONF_CONTENT_CODING_H

#include "steady/enum_names.h"

/* The preferred one first: id, word, ending of files in this coding */
#define CONTENT_CODINGS(X)         \
    X(CODING_ZSTD, "zstd", ".zst") \
    X(CODING_BR, "br", ".br")      \
    X(CODING_GZIP, "gzip", ".gz")

enum content_coding {
    ENUM_VALUES(CONTENT_CODINGS) CODING_COUNT,
    CODING_IDENTITY = CODING_COUNT, /* none */
};

/* Of a set of codings. */
#define CODING_BIT(coding) (1U << (coding))

#endif
