/* Handshakes, receiving and sending records, the end. */
#include "tls/io.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

#include "steady/check.h"
#include "steady/fault.h"
#include "tls/record_flood.h"
#include "tls/tls_bio.h"

/* The other side can decrypt a record only when all of it has arrived. While its window is small, it can read records
   of one segment as they arrive; after this many bytes large records cost less. A pause starts again with small ones,
   as it does for the congestion window (RFC 5681 4.1). */
#define SMALL_RECORD_BYTES 1369
#define SMALL_RECORDS_BYTES (32u * 1024)
#define PAUSE_MS 1000

struct tls_io {
    struct tls_bio bio;
    SSL *ssl;
    struct record_flood flood;
    uint64_t sent_ms;         /* when the last record was sent */
    uint32_t sent_bytes;      /* since the last pause, up to SMALL_RECORDS_BYTES */
    bool ends;                /* the stream ends with what is sent next */
    enum stream_result over;  /* STREAM_END, RESET or ERROR, for good; STREAM_OK: not over */
    enum tls_failure failure; /* why */
};

struct tls_io *tls_io_create(int fd, struct ssl_st *ssl, struct tls_scratch *scratch)
{
    struct tls_io *io = fault_hits(FAULT_ALLOC) ? NULL : calloc(1, sizeof *io);
    if (io == NULL) {
        return NULL;
    }
    tls_bio_init(&io->bio, fd, scratch);
    BIO *bio = tls_bio_base(&io->bio);
    if (bio == NULL) {
        ERR_clear_error();
        free(io);
        return NULL;
    }
    SSL_set_bio(ssl, bio, bio);
    io->ssl = ssl;
    io->over = STREAM_OK;
    return io;
}

void tls_io_free(struct tls_io **io_pointer)
{
    struct tls_io *io = *io_pointer;
    *io_pointer = NULL;
    if (io == NULL) {
        return;
    }
    /* a session stays usable, however its connection ends */
    SSL_set_shutdown(io->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(io->ssl);
    ERR_clear_error();
    tls_bio_release(&io->bio);
    free(io);
}

/* ---- what a call came to ---- */

static enum stream_result end(struct tls_io *io, enum stream_result result,
                              enum tls_failure failure)
{
    io->over = result;
    io->failure = failure;
    return result;
}

static enum stream_result of_socket_error(int error)
{
    return error == ECONNRESET || error == EPIPE ? STREAM_RESET : STREAM_ERROR;
}

/* Not even the head of a message was understood, so the other side may not speak TLS. */
static bool heard_nothing(const SSL *ssl)
{
    OSSL_HANDSHAKE_STATE state = SSL_get_state(ssl);
    return state == TLS_ST_BEFORE || state == TLS_ST_CW_CLNT_HELLO;
}

/* Judges an SSL call that returned `returned`; leaves the error queue empty. */
static enum stream_result judge(struct tls_io *io, int returned)
{
    if (io->bio.failed) {
        ERR_clear_error();
        return end(io, STREAM_ERROR, TLS_FAILURE_NO_MEMORY);
    }
    if (io->flood.over) {
        ERR_clear_error();
        return end(io, STREAM_ERROR, TLS_FAILURE_RECORD_FLOOD);
    }
    int error = SSL_get_error(io->ssl, returned);
    switch (error) {
    case SSL_ERROR_NONE: return STREAM_OK;
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE: return STREAM_BLOCKED;
    case SSL_ERROR_ZERO_RETURN: return end(io, STREAM_END, TLS_FAILURE_NONE);
    default: break;
    }
    if (io->bio.in_error != 0) {
        ERR_clear_error();
        return end(io, of_socket_error(io->bio.in_error), TLS_FAILURE_NONE);
    }
    enum tls_failure failure = tls_failure_take(SSL_get_verify_result(io->ssl));
    if (failure == TLS_FAILURE_NOT_TLS && !heard_nothing(io->ssl)) {
        failure = TLS_FAILURE_PROTOCOL;
    }
    if (io->bio.ended && (failure == TLS_FAILURE_TRUNCATED || error == SSL_ERROR_SYSCALL)) {
        return end(io, STREAM_RESET, TLS_FAILURE_TRUNCATED);
    }
    return end(io, STREAM_ERROR, failure);
}

/* SSL_set_msg_callback(3), when the handshake is over: called for each record before it is decrypted. */
static void on_message(int sent, int version, int type, const void *bytes, size_t length, SSL *ssl,
                       void *owner)
{
    struct tls_io *io = owner;
    (void)version, (void)bytes, (void)length, (void)ssl;
    if (sent || type != SSL3_RT_HEADER) {
        return;
    }
    record_flood_heard(&io->flood, loop_clock_ms(io->bio.scratch->clock));
    io->bio.deaf = io->flood.over;
}

static void watch_records(struct tls_io *io)
{
    SSL_set_msg_callback_arg(io->ssl, io);
    SSL_set_msg_callback(io->ssl, on_message);
}

/* ---- the calls ---- */

static enum stream_result shake(struct tls_io *io)
{
    tls_bio_enter(&io->bio);
    (void)tls_bio_push(&io->bio);
    enum stream_result result;
    do {
        int returned = SSL_do_handshake(io->ssl);
        result = returned == 1 ? STREAM_OK : judge(io, returned);
    } while (result == STREAM_BLOCKED && tls_bio_doubts(&io->bio));
    tls_bio_leave(&io->bio);
    /* the other side may be waiting for bytes that the socket has not taken yet */
    return result == STREAM_OK && tls_io_unsent(io) ? STREAM_BLOCKED : result;
}

enum stream_result tls_io_handshake(struct tls_io *io)
{
    if (io->over != STREAM_OK) {
        return io->over;
    }
    enum stream_result result = shake(io);
    /* a peer that takes no more may have said why */
    if (result == STREAM_BLOCKED && io->bio.out_error != 0) {
        result = shake(io);
    }
    if (result == STREAM_BLOCKED && io->bio.out_error != 0) {
        result = end(io, of_socket_error(io->bio.out_error), TLS_FAILURE_NONE);
    }
    if (result == STREAM_OK) {
        watch_records(io);
    }
    return result;
}

/* SSL_read() reads records until there is payload, and refills the scratch memory for that. If payload is there, the
   socket is not asked again: a peer that keeps sending small records would else hold the worker. */
static enum stream_result recv_some(struct tls_io *io, char *space, size_t space_bytes,
                                    size_t *ret_bytes)
{
    int returned = SSL_read_ex(io->ssl, space, space_bytes, ret_bytes);
    if (returned != 1) {
        return judge(io, returned);
    }
    record_flood_payload(&io->flood, *ret_bytes == space_bytes && SSL_pending(io->ssl) > 0);
    io->bio.enough = true;
    return STREAM_OK;
}

/* Bytes of ciphertext for this payload in records of one segment each. What is received beyond that would have to be
   kept. */
static size_t ciphertext_bytes(size_t payload_bytes)
{
    size_t bytes = payload_bytes + payload_bytes / 32 + 512;
    return bytes < TLS_RECEIVE_BYTES ? bytes : TLS_RECEIVE_BYTES;
}

enum stream_result tls_io_recv(struct tls_io *io, void *scratch, size_t space_bytes,
                               size_t *ret_bytes, bool *ret_drained)
{
    size_t total = 0, n;
    enum stream_result result = io->over;
    *ret_drained = false;
    if (result != STREAM_OK) {
        return result;
    }
    tls_bio_enter(&io->bio);
    io->bio.most_bytes = ciphertext_bytes(space_bytes);
    while ((result == STREAM_OK && total < space_bytes) ||
           (result == STREAM_BLOCKED && total == 0 && tls_bio_doubts(&io->bio))) {
        result = recv_some(io, (char *)scratch + total, space_bytes - total, &n);
        if (result == STREAM_OK) {
            total += n;
            /* OpenSSL has the rest of a record; without one, another call would find nothing new */
            if (total < space_bytes && tls_bio_is_dry(&io->bio)) {
                result = STREAM_BLOCKED;
            }
        }
    }
    tls_bio_leave(&io->bio);
    if (io->bio.failed) {
        return end(io, STREAM_ERROR, TLS_FAILURE_NO_MEMORY);
    }
    *ret_drained = result == STREAM_BLOCKED && io->bio.emptied;
    if (total == 0) {
        return result;
    }
    *ret_bytes = total;
    return STREAM_OK;
}

enum stream_result tls_io_probe(struct tls_io *io)
{
    char byte;
    size_t n;
    if (io->over != STREAM_OK) {
        return io->over;
    }
    tls_bio_enter(&io->bio);
    enum stream_result result;
    do {
        int returned = SSL_peek_ex(io->ssl, &byte, 1, &n);
        result = returned == 1 ? STREAM_OK : judge(io, returned);
    } while (result == STREAM_BLOCKED && tls_bio_doubts(&io->bio));
    tls_bio_leave(&io->bio);
    return result;
}

static size_t record_bytes(struct tls_io *io)
{
    uint64_t now_ms = loop_clock_ms(io->bio.scratch->clock);
    if (now_ms - io->sent_ms >= PAUSE_MS) {
        io->sent_bytes = 0;
    }
    io->sent_ms = now_ms;
    return io->sent_bytes < SMALL_RECORDS_BYTES ? SMALL_RECORD_BYTES : TLS_RECORD_BYTES;
}

/* Where the next record begins in the pieces. */
struct cursor {
    const struct iovec *piece, *end;
    size_t at; /* offset in the piece */
};

static void skip_empty(struct cursor *cursor)
{
    while (cursor->piece < cursor->end && cursor->at == cursor->piece->iov_len) {
        cursor->piece++;
        cursor->at = 0;
    }
}

/* Plaintext of the next record: in place if one piece contains it, else copied to the scratch memory. Empty at the end; the cursor is there
   with the last bytes. */
static struct iovec gather(struct tls_scratch *scratch, struct cursor *cursor, size_t wanted)
{
    size_t gathered = 0;
    while (cursor->piece < cursor->end && gathered < wanted) {
        char *bytes = (char *)cursor->piece->iov_base + cursor->at;
        size_t left = cursor->piece->iov_len - cursor->at;
        if (gathered == 0 && left >= wanted) {
            cursor->at += wanted;
            skip_empty(cursor);
            return (struct iovec){bytes, wanted};
        }
        size_t n = left < wanted - gathered ? left : wanted - gathered;
        memcpy(scratch->plain + gathered, bytes, n);
        gathered += n;
        cursor->at += n;
        skip_empty(cursor);
    }
    return (struct iovec){scratch->plain, gathered};
}

/* Called between tls_bio_enter() and tls_bio_leave(). */
static void say_end(struct tls_io *io)
{
    if ((SSL_get_shutdown(io->ssl) & SSL_SENT_SHUTDOWN) != 0) {
        return;
    }
    (void)SSL_shutdown(io->ssl);
    ERR_clear_error();
}

/* Makes records as long as the socket takes them. */
enum stream_result tls_io_send(struct tls_io *io, const struct iovec *pieces, size_t piece_count,
                               size_t *ret_bytes)
{
    struct cursor cursor = {pieces, pieces + piece_count, 0};
    size_t total = 0, written;
    if (io->over == STREAM_RESET || io->over == STREAM_ERROR) {
        return io->over;
    }
    tls_bio_enter(&io->bio);
    bool pushed = tls_bio_push(&io->bio), waits = false;
    while (pushed) {
        struct iovec record = gather(io->bio.scratch, &cursor, record_bytes(io));
        if (record.iov_len == 0) {
            if (io->ends) {
                say_end(io);
            }
            break;
        }
        io->bio.scratch->more = cursor.piece < cursor.end || io->ends;
        int returned = SSL_write_ex(io->ssl, record.iov_base, record.iov_len, &written);
        if (returned != 1) {
            /* the bio takes everything, but half a handshake message has arrived and goes first */
            enum stream_result result = judge(io, returned);
            if (result == STREAM_END) {
                (void)end(io, STREAM_RESET, TLS_FAILURE_TRUNCATED);
            }
            waits = result == STREAM_BLOCKED;
            break;
        }
        CHECK(written == record.iov_len);
        total += written;
        if (io->sent_bytes < SMALL_RECORDS_BYTES) {
            io->sent_bytes += (uint32_t)written;
        }
        pushed = io->bio.kept_out == NULL && io->bio.out_error == 0 && !io->bio.failed;
    }
    tls_bio_leave(&io->bio);
    if (io->bio.out_error != 0) {
        return of_socket_error(io->bio.out_error);
    }
    if (io->bio.failed) {
        return end(io, STREAM_ERROR, TLS_FAILURE_NO_MEMORY);
    }
    if (io->over == STREAM_RESET || io->over == STREAM_ERROR) {
        return io->over;
    }
    if (total == 0 && (waits || io->bio.kept_out != NULL)) {
        return STREAM_BLOCKED;
    }
    *ret_bytes = total;
    return STREAM_OK;
}

/* OpenSSL reads record by record: it has at most the rest of one that it has opened, and a part of the next. */
size_t tls_io_unread_bytes(const struct tls_io *io)
{
    const struct buf *kept = io->bio.kept_in;
    return (kept != NULL ? buf_length(kept) : 0) +
           (SSL_has_pending(io->ssl) ? 2 * TLS_RECORD_BYTES : 0);
}

bool tls_io_unsent(const struct tls_io *io)
{
    return io->bio.kept_out != NULL;
}

void tls_io_ends(struct tls_io *io)
{
    io->ends = true;
}

void tls_io_end(struct tls_io *io)
{
    if (io->over == STREAM_RESET || io->over == STREAM_ERROR || SSL_in_init(io->ssl)) {
        return;
    }
    tls_bio_enter(&io->bio);
    say_end(io);
    tls_bio_leave(&io->bio);
}

/* OpenSSL answers every failure of its own with an alert. */
bool tls_io_alerted(const struct tls_io *io)
{
    bool own = io->failure != TLS_FAILURE_NONE && io->failure != TLS_FAILURE_NO_MEMORY &&
               io->failure != TLS_FAILURE_RECORD_FLOOD;
    return io->over == STREAM_ERROR && own && io->bio.kept_out == NULL && io->bio.out_error == 0;
}

enum tls_failure tls_io_failure(const struct tls_io *io)
{
    return io->failure;
}

struct ssl_st *tls_io_ssl(const struct tls_io *io)
{
    return io->ssl;
}

bool tls_io_move(struct tls_io *io, struct tls_scratch *scratch)
{
    if (io->bio.kept_in != NULL || io->bio.kept_out != NULL || io->bio.out_error != 0 ||
        io->over != STREAM_OK) {
        return false;
    }
    struct tls_scratch *before = io->bio.scratch;
    io->bio.scratch = scratch;
    BIO *bio = tls_bio_base(&io->bio);
    if (bio == NULL) {
        ERR_clear_error();
        io->bio.scratch = before;
        return false;
    }
    SSL_set_bio(io->ssl, bio, bio);
    return true;
}
