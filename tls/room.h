/*
 * A worker's room for TLS: what records are received into and made in, for all its streams in turn.
 *
 * Owns: the scratch memory; nothing of a stream stays in it between two calls. Thread: its worker's. Errors: NULL when memory is
 * exhausted.
 */
#ifndef EVENKEEL_TLS_ROOM_H
#define EVENKEEL_TLS_ROOM_H

#include "steady/buf.h"
#include "steady/loop_clock.h"

struct tls_room;

/* bufs: what a stream has to keep comes from there. All streams of the room end before it does. */
struct tls_room *tls_room_create(struct buf_pool *bufs, struct loop_clock *clock);
/* NULL is fine. */
void tls_room_free(struct tls_room **room);

#endif
