/*
 * The TLS side of a stream: OpenSSL between the engine's scratch memory and a non-blocking socket. Private to tls/.
 *
 * Owns: the SSL, and the ciphertext between the socket and OpenSSL. Thread: its worker's. Time base: the loop clock.
 * Errors: enum stream_result, and the cause in enum tls_failure. Spec: RFC 8446 5 and 6.1, RFC 5246 7.2.1.
 *
 * A call receives once what the socket has into the scratch memory, lets OpenSSL work from there, collects the records
 * that OpenSSL makes, and sends them together. The rest is copied to a buffer of the stream; an idle stream has none.
 */
#ifndef EVENKEEL_TLS_IO_H
#define EVENKEEL_TLS_IO_H

#include "tls/failure.h"
#include "tls/stream.h"

struct tls_io;

/* Takes the SSL over. NULL: no memory. */
struct tls_io *tls_io_create(int fd, struct ssl_st *ssl, struct tls_scratch *scratch);
/* Frees without a message to the other side. */
void tls_io_free(struct tls_io **io);

enum stream_result tls_io_handshake(struct tls_io *io);
/* Sending and receiving are not inlined, because plain streams, which have the same callers, would pay for their stack
   frames. *ret_drained: there is nothing more before the next edge. */
__attribute__((noinline)) enum stream_result tls_io_recv(struct tls_io *io, void *scratch,
                                                         size_t space_bytes, size_t *ret_bytes,
                                                         bool *ret_drained);
enum stream_result tls_io_probe(struct tls_io *io);
__attribute__((noinline)) enum stream_result tls_io_send(struct tls_io *io,
                                                         const struct iovec *pieces,
                                                         size_t piece_count, size_t *ret_bytes);
/* The most payload in what the socket has given and nobody has taken. */
size_t tls_io_unread_bytes(const struct tls_io *io);
bool tls_io_unsent(const struct tls_io *io);
/* The next tls_io_send() is the last: tls_io_end() is sent with it. */
void tls_io_ends(struct tls_io *io);
/* Tells the other side that this direction ends (close_notify), as far as the socket takes it. */
void tls_io_end(struct tls_io *io);
/* It has failed, an alert was made of that and the socket has taken it. */
bool tls_io_alerted(const struct tls_io *io);
enum tls_failure tls_io_failure(const struct tls_io *io);
struct ssl_st *tls_io_ssl(const struct tls_io *io);
/* Moves to another worker's scratch memory. False: it is not idle, or no memory. */
bool tls_io_move(struct tls_io *io, struct tls_scratch *scratch);

#endif
