/*
 * Payload framed as HTTP/1.1 sends it (RFC 9112 6, 7.1).
 *
 * Owns nothing. Thread: any.
 */
#ifndef EVENKEEL_PROXY_HTTP1_H1_FRAME_H
#define EVENKEEL_PROXY_HTTP1_H1_FRAME_H

#include "proxy/http/payload.h"
#include "proxy/http1/h1_write.h"

/* The payload as HTTP/1.1 sends it: as it is, or as one chunk with the end of the message if it is last (RFC 9112 7.1).
   out has room for PAYLOAD_IOVS + FRAME_IOVS; chunk_head and the writer's room hold the frame. Returns the count. */
size_t payload_frame(const struct payload *payload, bool chunked,
                     char chunk_head[H1_CHUNK_HEAD_BYTES], struct h1_writer *writer,
                     struct iovec *out);

#endif
