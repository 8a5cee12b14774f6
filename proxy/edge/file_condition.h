/*
 * Conditional requests for a file: whether it is sent, and whether in parts.
 *
 * Owns nothing. Thread: any. Time base: seconds since 1970. A condition that cannot be understood is as if it were not there. Spec: RFC
 * 9110 8.8, 13.
 */
#ifndef EVENKEEL_PROXY_EDGE_FILE_CONDITION_H
#define EVENKEEL_PROXY_EDGE_FILE_CONDITION_H

#include <stdbool.h>
#include <stdint.h>

#include "proxy/http/http_head.h"

#define FILE_ETAG_BYTES 64

/* By what a client knows a file again. */
struct file_validators {
    char etag[FILE_ETAG_BYTES]; /* strong, with its quotes */
    int64_t modified_s;
};

/* coding: name of the coding that the file is in; NULL: none. */
struct file_validators file_validators_of(uint64_t modified_ns, uint64_t file_bytes,
                                          const char *coding);

enum file_verdict {
    FILE_VERDICT_SEND,
    FILE_VERDICT_NOT_MODIFIED, /* 304 */
    FILE_VERDICT_FAILED,       /* 412 */
};

/* In the order of RFC 9110 13.2.2. The request is GET or HEAD. */
enum file_verdict file_judge(const struct http_head *request,
                             const struct file_validators *validators, int64_t now_s);

/* Whether a Range counts: there is no If-Range, or it names this very file (RFC 9110 13.1.5). */
bool file_range_counts(const struct http_head *request, const struct file_validators *validators,
                       int64_t now_s);

#endif
