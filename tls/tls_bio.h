/*
 * Ciphertext between a socket and OpenSSL, by way of a worker's scratch. Private to tls/.
 *
 * Owns: what could not be passed on within a call. Thread: its worker's. Errors: in the bio, until somebody looks.
 *
 * Between tls_bio_enter() and tls_bio_leave() the scratch is this bio's: no other bio may be entered.
 */
#ifndef EVENKEEL_TLS_TLS_BIO_H
#define EVENKEEL_TLS_TLS_BIO_H

#include <openssl/bio.h>
#include <stdbool.h>
#include <stddef.h>

#include "tls/scratch.h"

/* The largest piece of plaintext that makes one record (RFC 8446 5.1). */
#define TLS_RECORD_BYTES 16384

struct tls_scratch {
    struct buf_pool *bufs;
    struct loop_clock *clock;
    BIO_METHOD *method;
    char *in, *out, *plain;
    size_t in_at, in_end; /* received, not read by OpenSSL yet */
    size_t out_end;       /* made by OpenSSL, not sent yet */
};

/* What is received at most in one step. */
#define TLS_RECEIVE_BYTES (128u * 1024)

struct tls_bio {
    struct tls_scratch *scratch;
    struct buf *kept_in, *kept_out; /* the same, between calls */
    size_t most_bytes;              /* in this call: what is received at most in one step */
    int fd;
    int in_error,
        out_error; /* errno of recv and send; 0: none. What can be read is good even if nothing can be sent */
    bool emptied; /* in this call the socket held no more, or less than was asked for */
    bool asked;   /* the former: it said so itself */
    bool enough;  /* in this call: no more is asked of the socket */
    bool deaf;    /* for good: nothing of what the other side says is read any more */
    bool ended;   /* the other side has ended its direction */
    bool failed;  /* something had to be kept and there was no memory */
};

void tls_bio_init(struct tls_bio *bio, int fd, struct tls_scratch *scratch);
void tls_bio_release(struct tls_bio *bio);
/* A BIO over the bio; NULL: no memory. It belongs to the SSL it is given to. */
BIO *tls_bio_base(struct tls_bio *bio);

void tls_bio_enter(struct tls_bio *bio);
/* Whether OpenSSL, which takes record by record, would get nothing: all that came is taken, and the socket held no more. */
static inline bool tls_bio_is_dry(const struct tls_bio *bio);
/* Whether nothing but a short read says that the socket is empty; then it is asked again when OpenSSL reads on. An end or an error
   that came in one edge with the last bytes is told of by nobody else: who got nothing out of a call has to ask. */
bool tls_bio_doubts(struct tls_bio *bio);
/* Sends what the scratch holds as far as the socket takes it. False: some of it is kept now, or it is broken. */
bool tls_bio_push(struct tls_bio *bio);
/* Leaves the scratch to others. */
void tls_bio_leave(struct tls_bio *bio);

static inline bool tls_bio_is_dry(const struct tls_bio *bio)
{
    return bio->emptied && bio->kept_in == NULL && bio->scratch->in_at == bio->scratch->in_end;
}

#endif
