/* The scratch memory, and the BIO that reads from it and writes to it. */
#include "tls/tls_bio.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "steady/check.h"
#include "steady/fault.h"
#include "tls/socket_io.h"

/* A record of so many bytes is sent from where OpenSSL has made it: a copy would cost more than a system call. */
#define LARGE_BYTES 8192u
/* Smaller ones are collected: those with which a stream begins, and the last one of a call. */
#define OUT_BYTES (48u * 1024)

static int bio_read(BIO *base, char *bytes, size_t space_bytes, size_t *ret_bytes);
static int bio_write(BIO *base, const char *bytes, size_t length, size_t *ret_bytes);
static long bio_control(BIO *base, int command, long number, void *pointer);
static int bio_create(BIO *base);

/* ---- the scratch ---- */

struct tls_scratch *tls_scratch_create(struct buf_pool *bufs, struct loop_clock *clock)
{
    struct tls_scratch *scratch = fault_hits(FAULT_ALLOC) ? NULL : calloc(1, sizeof *scratch);
    if (scratch == NULL) {
        return NULL;
    }
    scratch->bufs = bufs;
    scratch->clock = clock;
    scratch->in = malloc(TLS_RECEIVE_BYTES);
    scratch->out = malloc(OUT_BYTES);
    scratch->plain = malloc(TLS_RECORD_BYTES);
    scratch->method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "bio");
    if (scratch->in == NULL || scratch->out == NULL || scratch->plain == NULL ||
        scratch->method == NULL || BIO_meth_set_read_ex(scratch->method, bio_read) != 1 ||
        BIO_meth_set_write_ex(scratch->method, bio_write) != 1 ||
        BIO_meth_set_ctrl(scratch->method, bio_control) != 1 ||
        BIO_meth_set_create(scratch->method, bio_create) != 1) {
        tls_scratch_free(&scratch);
    }
    return scratch;
}

void tls_scratch_free(struct tls_scratch **scratch_pointer)
{
    struct tls_scratch *scratch = *scratch_pointer;
    *scratch_pointer = NULL;
    if (scratch == NULL) {
        return;
    }
    BIO_meth_free(scratch->method);
    free(scratch->in);
    free(scratch->out);
    free(scratch->plain);
    free(scratch);
}

/* ---- the bio ---- */

void tls_bio_init(struct tls_bio *bio, int fd, struct tls_scratch *scratch)
{
    *bio = (struct tls_bio){.fd = fd, .scratch = scratch};
}

void tls_bio_release(struct tls_bio *bio)
{
    buf_give(bio->scratch->bufs, &bio->kept_in);
    buf_give(bio->scratch->bufs, &bio->kept_out);
}

BIO *tls_bio_base(struct tls_bio *bio)
{
    BIO *base = BIO_new(bio->scratch->method);
    if (base != NULL) {
        BIO_set_data(base, bio);
    }
    return base;
}

void tls_bio_enter(struct tls_bio *bio)
{
    struct tls_scratch *scratch = bio->scratch;
    CHECK(scratch->in_at == scratch->in_end && scratch->out_end == 0);
    bio->most_bytes = TLS_RECEIVE_BYTES;
    bio->emptied = bio->asked = bio->enough = false;
}

bool tls_bio_doubts(struct tls_bio *bio)
{
    bool doubts = bio->emptied && !bio->asked;
    bio->emptied = bio->emptied && !doubts;
    return doubts;
}

static void keep(struct tls_bio *bio, struct buf **buf, const char *bytes, size_t length)
{
    if (length == 0) {
        return;
    }
    if (!buf_widen(bio->scratch->bufs, buf, length) || !buf_append(*buf, bytes, length)) {
        bio->failed = true;
    }
}

/* Sends bytes; returns how many the socket takes. */
static size_t send_some(struct tls_bio *bio, const char *bytes, size_t length)
{
    if (bio->out_error != 0) {
        return 0;
    }
    ssize_t n = socket_send(bio->fd, bytes, length, bio->scratch->more ? MSG_MORE : 0);
    if (n >= 0) {
        return (size_t)n;
    }
    if (errno != EAGAIN) {
        bio->out_error = errno;
    }
    return 0;
}

bool tls_bio_push(struct tls_bio *bio)
{
    struct tls_scratch *scratch = bio->scratch;
    if (bio->kept_out != NULL) {
        buf_consume(bio->kept_out, send_some(bio, bio->kept_out->bytes + bio->kept_out->begin,
                                             buf_length(bio->kept_out)));
        if (buf_length(bio->kept_out) == 0) {
            buf_give(scratch->bufs, &bio->kept_out);
        }
    }
    size_t sent = 0;
    if (scratch->out_end > 0 && bio->kept_out == NULL) {
        sent = send_some(bio, scratch->out, scratch->out_end);
    }
    if (bio->out_error == 0) {
        keep(bio, &bio->kept_out, scratch->out + sent, scratch->out_end - sent);
    }
    scratch->out_end = 0;
    return bio->kept_out == NULL && bio->out_error == 0 && !bio->failed;
}

void tls_bio_leave(struct tls_bio *bio)
{
    struct tls_scratch *scratch = bio->scratch;
    scratch->more = false;
    if (scratch->out_end > 0) {
        (void)tls_bio_push(bio);
    }
    keep(bio, &bio->kept_in, scratch->in + scratch->in_at, scratch->in_end - scratch->in_at);
    scratch->in_at = scratch->in_end = 0;
}

/* ---- what OpenSSL sees of it ---- */

static int bio_create(BIO *base)
{
    BIO_set_init(base, 1);
    return 1;
}

static size_t take(char *scratch, size_t space_bytes, const char *bytes, size_t length)
{
    size_t n = length < space_bytes ? length : space_bytes;
    memcpy(scratch, bytes, n);
    return n;
}

/* Receives into the scratch memory. A short read has emptied the socket, which is not asked again unless there is
   doubt. */
static bool receive(struct tls_bio *bio)
{
    struct tls_scratch *scratch = bio->scratch;
    if (bio->emptied || bio->enough || bio->ended || bio->in_error != 0) {
        return false;
    }
    ssize_t n = socket_recv(bio->fd, scratch->in, bio->most_bytes, 0);
    bio->emptied = n < (ssize_t)bio->most_bytes;
    bio->asked = n < 0;
    if (n == 0) {
        bio->ended = true;
    } else if (n < 0 && errno != EAGAIN) {
        bio->in_error = errno;
    }
    scratch->in_at = 0;
    scratch->in_end = n > 0 ? (size_t)n : 0;
    return n > 0;
}

static int bio_read(BIO *base, char *bytes, size_t space_bytes, size_t *ret_bytes)
{
    struct tls_bio *bio = BIO_get_data(base);
    struct tls_scratch *scratch = bio->scratch;
    BIO_clear_retry_flags(base);
    if (bio->deaf) {
        return 0;
    }
    if (bio->kept_in != NULL) {
        *ret_bytes = take(bytes, space_bytes, bio->kept_in->bytes + bio->kept_in->begin,
                          buf_length(bio->kept_in));
        buf_consume(bio->kept_in, *ret_bytes);
        if (buf_length(bio->kept_in) == 0) {
            buf_give(scratch->bufs, &bio->kept_in);
        }
        return 1;
    }
    if (scratch->in_at == scratch->in_end && !receive(bio)) {
        if (!bio->ended && bio->in_error == 0) {
            BIO_set_retry_read(base);
        }
        return 0;
    }
    *ret_bytes =
        take(bytes, space_bytes, scratch->in + scratch->in_at, scratch->in_end - scratch->in_at);
    scratch->in_at += *ret_bytes;
    return 1;
}

/* Past the scratch memory, behind what is there. False: older bytes are kept, and go first. */
static bool send_large(struct tls_bio *bio, const char *bytes, size_t length)
{
    bool waits = bio->kept_out != NULL || bio->scratch->out_end > 0;
    if (waits && !tls_bio_push(bio)) {
        return false;
    }
    size_t sent = send_some(bio, bytes, length);
    if (bio->out_error == 0) {
        keep(bio, &bio->kept_out, bytes + sent, length - sent);
    }
    return true;
}

/* Never full: what does not fit into the scratch memory goes to the socket, and what that does not take is kept. */
static int bio_write(BIO *base, const char *bytes, size_t length, size_t *ret_bytes)
{
    struct tls_bio *bio = BIO_get_data(base);
    struct tls_scratch *scratch = bio->scratch;
    BIO_clear_retry_flags(base);
    *ret_bytes = length;
    if (length >= LARGE_BYTES && send_large(bio, bytes, length)) {
        return 1;
    }
    for (size_t at = 0; at < length;) {
        if (scratch->out_end == OUT_BYTES) {
            (void)tls_bio_push(bio);
        }
        size_t n = take(scratch->out + scratch->out_end, OUT_BYTES - scratch->out_end, bytes + at,
                        length - at);
        scratch->out_end += n;
        at += n;
    }
    return 1;
}

static long bio_control(BIO *base, int command, long number, void *pointer)
{
    const struct tls_bio *bio = BIO_get_data(base);
    (void)number;
    (void)pointer;
    switch (command) {
    case BIO_CTRL_EOF: return bio->ended;
    case BIO_CTRL_FLUSH: return 1;
    default: return 0;
    }
}
