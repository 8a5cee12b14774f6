/*
 * A field block that is whole becomes a head.
 *
 * Owns nothing: the head lies in the block. Thread: the session's. Errors: enum h2_block_result; a request that is well-formed but
 * cannot be served has a fault instead, and is answered. Spec: RFC 9113 8.2, 8.3, 8.5, RFC 8441 4; what fields mean is RFC
 * 9110's, by the functions that judge heads of HTTP/1.
 */
#ifndef EVENKEEL_PROXY_HTTP2_H2_HEAD_H
#define EVENKEEL_PROXY_HTTP2_H2_HEAD_H

#include "proxy/http2/h2_block.h"

/* `last`: the stream's other side has ended with this block. */
__attribute__((warn_unused_result)) enum h2_block_result h2_head_request(struct h2_block *block,
                                                                         struct buf_pool *pool,
                                                                         bool last,
                                                                         struct http_head *ret_head,
                                                                         enum h2_fault *ret_fault);
__attribute__((warn_unused_result)) enum h2_block_result h2_head_response(
    struct h2_block *block, struct buf_pool *pool, enum http_method method, bool last,
    struct http_head *ret_head);
/* Trailers; those that may not be there are dropped (RFC 9110 6.5.1). */
__attribute__((warn_unused_result)) enum h2_block_result h2_head_trailers(
    struct h2_block *block, struct buf_pool *pool, struct http_head *ret_head);

#endif
