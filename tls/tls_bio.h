/*
 * Ciphertext between a socket and OpenSSL, through a worker's scratch memory. Private to tls/.
 *
 * Owns: bytes that could not be passed on within a call. Thread: its worker's. Errors: kept in the bio until they are
 * read.
 *
 * Between tls_bio_enter() and tls_bio_leave() the scratch memory belongs to this bio: no other bio may be entered.
 */
#ifndef EVENKEEL_TLS_TLS_BIO_H
#define EVENKEEL_TLS_TLS_BIO_H

#include <openssl/bio.h>
#include <stdbool.h>
#include <stddef.h>

#include "tls/scratch.h"

/* The most plaintext of one record (RFC 8446 5.1). */
#define TLS_RECORD_BYTES 16384

struct tls_scratch {
    struct buf_pool *bufs;
    struct loop_clock *clock;
    BIO_METHOD *method;
    char *in, *out, *plain;
    size_t in_at, in_end; /* received, and not read by OpenSSL yet */
    size_t out_end;       /* made by OpenSSL, and not sent yet */
    bool more; /* another record follows in this call: a packet that is not full waits for it */
};

/* The most bytes that are received in one step. */
#define TLS_RECEIVE_BYTES (128u * 1024)

struct tls_bio {
    struct tls_scratch *scratch;
    struct buf *kept_in, *kept_out; /* the same bytes between calls */
    size_t most_bytes;              /* the most bytes that are received in one step of this call */
    int fd;
    int in_error,
        /* errno of recv and send; 0: none. Received bytes are valid even if nothing can be sent */
        out_error;
    bool emptied; /* in this call the socket was empty, or gave less than was asked for */
    bool asked;   /* the socket itself said that it is empty */
    bool enough;  /* the socket is not asked for more in this call */
    bool deaf;    /* for good: nothing from the other side is read any more */
    bool ended;   /* the other side has ended its direction */
    bool failed;  /* bytes had to be kept and there was no memory */
};

void tls_bio_init(struct tls_bio *bio, int fd, struct tls_scratch *scratch);
void tls_bio_release(struct tls_bio *bio);
/* A BIO over the bio; NULL: no memory. It belongs to the SSL it is given to. */
BIO *tls_bio_base(struct tls_bio *bio);

void tls_bio_enter(struct tls_bio *bio);
/* Whether OpenSSL, which reads record by record, would get nothing: it has read everything that came, and the socket
   had no more. */
static inline bool tls_bio_is_dry(const struct tls_bio *bio);
/* Whether only a short read says that the socket is empty; then the socket is asked again when OpenSSL continues to
   read. Nothing else announces an end or an error that came in one edge with the last bytes, so a call that got nothing
   has to ask. */
bool tls_bio_doubts(struct tls_bio *bio);
/* Sends what is in the scratch memory, as far as the socket takes it. False: some of it is kept now, or the socket is
   broken. */
bool tls_bio_push(struct tls_bio *bio);
/* Leaves the scratch memory to other bios. */
void tls_bio_leave(struct tls_bio *bio);

static inline bool tls_bio_is_dry(const struct tls_bio *bio)
{
    return bio->emptied && bio->kept_in == NULL && bio->scratch->in_at == bio->scratch->in_end;
}

#endif
