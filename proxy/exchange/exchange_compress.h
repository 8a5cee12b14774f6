/*
 * Compression of a response on its way to the client.
 *
 * Owns, in struct exchange_edge: a compressor, that is an encoder and a table of downstream operations that takes the
 * place of the client's while the response is passed on. Thread: the worker's. Errors: where there is no memory, or the
 * bound compress_bytes refuses, the response is sent as it is.
 *
 * Nothing waits in a compressor for long: what was taken in a pass is flushed in the next one at the latest, so that events and
 * the beginnings of pages arrive. It takes only what the client takes, a little at a time (a worker serves others in
 * between), and hands all that becomes of it to the client at once: so backpressure passes through it.
 */
#ifndef EVENKEEL_PROXY_EXCHANGE_EXCHANGE_COMPRESS_H
#define EVENKEEL_PROXY_EXCHANGE_EXCHANGE_COMPRESS_H

#include "proxy/http/http_head.h"
#include "proxy/http/payload.h"

struct buf;
struct compressor;
struct exchange;

/* For a response of an upstream whose first payload is given: the head that the client gets, in *ret_space, which is to
   be given back; the same head if nothing changes. If it is compressed, exchange->downstream is another one from now on. */
const struct http_head *exchange_compress(struct exchange *exchange, const struct http_head *head,
                                          const struct payload *payload, struct http_head *edited,
                                          struct buf **ret_space);

/* At the end of the exchange, when its client has been told. NULL is fine. */
void compressor_free(struct compressor **compressor);

#endif
