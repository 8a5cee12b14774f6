/*
 * HTTP/1.1 heads to bytes: the start line, the fields that go on, framing and connection fields written anew.
 *
 * Owns nothing: writes into the caller's space. Thread: any. Errors: a writer that runs out of room notes it and writes no
 * more; ask h1_writer_ok() once at the end. Spec: RFC 9112 3-6.
 */
#ifndef EVENKEEL_PROXY_HTTP1_H1_WRITE_H
#define EVENKEEL_PROXY_HTTP1_H1_WRITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "proxy/http/http_head.h"

struct h1_writer {
    char *at;
    char *end;
    char *begin;
    bool overflow;
};

void h1_writer_init(struct h1_writer *writer, char *space, size_t space_bytes);
static inline size_t h1_writer_length(const struct h1_writer *writer)
{
    return (size_t)(writer->at - writer->begin);
}
static inline bool h1_writer_ok(const struct h1_writer *writer)
{
    return !writer->overflow;
}

/* Inline, so that texts of known length become a move or two. Once something did not fit, nothing does: no room is left. */
static inline void h1_write_bytes(struct h1_writer *writer, const char *bytes, size_t length)
{
    char *at = writer->at;
    if (__builtin_expect((size_t)(writer->end - at) < length, 0)) {
        writer->overflow = true;
        writer->end = at;
        return;
    }
    writer->at = at + length;
    memcpy(at, bytes, length);
}
#define h1_write_literal(writer, text) h1_write_bytes((writer), (text), sizeof text - 1)
void h1_write_uint(struct h1_writer *writer, uint64_t value);
/* "GET /x HTTP/1.1\r\n" (the head's method text and target) and "Host: ...\r\n", but no Host when the head has none: HTTP/1.0. */
void h1_write_request_line(struct h1_writer *writer, const struct http_head *head);
/* "HTTP/1.1 200 OK\r\n"; the reason is the head's, or the registered phrase when it has none. */
void h1_write_status_line(struct h1_writer *writer, const struct http_head *head);
/* Every field whose drop is 0, as "name: value\r\n"; runs of canonical lines are copied whole. The parser drops the Host of
   requests: it is written with the request line. */
void h1_write_fields(struct h1_writer *writer, const struct http_head *head);
/* "name: value\r\n"; name is a literal with its exact case. */
static inline void h1_write_field(struct h1_writer *writer, const char *name, size_t name_bytes,
                                  const char *value, size_t value_bytes)
{
    h1_write_bytes(writer, name, name_bytes);
    h1_write_literal(writer, ": ");
    h1_write_bytes(writer, value, value_bytes);
    h1_write_literal(writer, "\r\n");
}
#define h1_write_field_literal(writer, name, value) \
    h1_write_literal((writer), name ": " value "\r\n")
/* "Content-Length: N\r\n", "Transfer-Encoding: chunked\r\n" or nothing. */
void h1_write_framing(struct h1_writer *writer, enum http_framing framing, uint64_t content_length);
/* The empty line. */
void h1_write_end(struct h1_writer *writer);

#define H1_CHUNK_HEAD_BYTES 18 /* 16 hex digits, CR, LF */
/* "1f40\r\n"; returns the length. */
size_t h1_chunk_head(char space[H1_CHUNK_HEAD_BYTES], uint64_t payload_bytes);

#endif
