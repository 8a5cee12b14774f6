/*
 * Ciphertext between a socket and OpenSSL, by way of a worker's room. Private to tls/.
 *
 * Owns: what could not be passed on within a call. Thread: its worker's. Errors: in the wire, until somebody looks.
 *
 * Between wire_enter() and wire_leave() the room is this wire's: no other wire may be entered.
 */
#ifndef EVENKEEL_TLS_WIRE_H
#define EVENKEEL_TLS_WIRE_H

#include <openssl/bio.h>
#include <stdbool.h>
#include <stddef.h>

#include "tls/room.h"

/* The largest piece of plaintext that makes one record (RFC 8446 5.1). */
#define TLS_RECORD_BYTES 16384

struct tls_room {
    struct buf_pool *bufs;
    struct loop_clock *clock;
    BIO_METHOD *method;
    char *in, *out, *plain;
    size_t in_at, in_end; /* received, not read by OpenSSL yet */
    size_t out_end;       /* made by OpenSSL, not sent yet */
};

struct wire {
    struct tls_room *room;
    struct buf *kept_in, *kept_out; /* the same, between calls */
    int fd;
    int in_error,
        out_error; /* errno of recv and send; 0: none. What can be read is good even if nothing can be sent */
    bool emptied; /* in this call the socket held no more, or less than was asked for */
    bool asked;   /* the former: it said so itself */
    bool ended;   /* the other side has ended its direction */
    bool failed;  /* something had to be kept and there was no memory */
};

void wire_init(struct wire *wire, int fd, struct tls_room *room);
void wire_release(struct wire *wire);
/* A BIO over the wire; NULL: no memory. It belongs to the SSL it is given to. */
BIO *wire_bio(struct wire *wire);

void wire_enter(struct wire *wire);
/* Whether OpenSSL, which takes record by record, would get nothing: all that came is taken, and the socket held no more. */
static inline bool wire_is_dry(const struct wire *wire);
/* Whether nothing but a short read says that the socket is empty; then it is asked again when OpenSSL reads on. An end or an error
   that came in one edge with the last bytes is told of by nobody else: who got nothing out of a call has to ask. */
bool wire_doubts(struct wire *wire);
/* Sends what the room holds as far as the socket takes it. False: some of it is kept now, or it is broken. */
bool wire_push(struct wire *wire);
/* Leaves the room to others. */
void wire_leave(struct wire *wire);

static inline bool wire_is_dry(const struct wire *wire)
{
    return wire->emptied && wire->kept_in == NULL && wire->room->in_at == wire->room->in_end;
}

#endif
