/*
 * A worker's scratch memory for TLS: for received records and records to be sent, of all its streams in turn.
 *
 * Owns: the scratch memory; nothing of a stream stays in it between two calls. Thread: its worker's. Errors: NULL when
 * memory is exhausted.
 */
#ifndef EVENKEEL_TLS_SCRATCH_H
#define EVENKEEL_TLS_SCRATCH_H

#include "steady/buf.h"
#include "steady/loop_clock.h"

struct tls_scratch;

/* bufs: the pool for what a stream has to keep. All streams that use the scratch memory end before it is freed. */
struct tls_scratch *tls_scratch_create(struct buf_pool *bufs, struct loop_clock *clock);
/* NULL is fine. */
void tls_scratch_free(struct tls_scratch **scratch_pointer);

#endif
