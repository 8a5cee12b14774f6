/* The room, and the BIO that reads from it and writes to it. */
#include "tls/wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "steady/check.h"
#include "steady/fault.h"
#include "tls/socket_io.h"

#define IN_BYTES (128u * 1024)
#define OUT_BYTES (8u * (TLS_RECORD_BYTES + 512))

static int bio_read(BIO *bio, char *bytes, size_t room_bytes, size_t *ret_bytes);
static int bio_write(BIO *bio, const char *bytes, size_t length, size_t *ret_bytes);
static long bio_control(BIO *bio, int command, long number, void *pointer);
static int bio_create(BIO *bio);

/* ---- the room ---- */

struct tls_room *tls_room_create(struct buf_pool *bufs, struct loop_clock *clock)
{
    struct tls_room *room = fault_hits(FAULT_ALLOC) ? NULL : calloc(1, sizeof(*room));
    if (room == NULL)
        return NULL;
    room->bufs = bufs;
    room->clock = clock;
    room->in = malloc(IN_BYTES);
    room->out = malloc(OUT_BYTES);
    room->plain = malloc(TLS_RECORD_BYTES);
    room->method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "wire");
    if (room->in == NULL || room->out == NULL || room->plain == NULL || room->method == NULL ||
        BIO_meth_set_read_ex(room->method, bio_read) != 1 ||
        BIO_meth_set_write_ex(room->method, bio_write) != 1 ||
        BIO_meth_set_ctrl(room->method, bio_control) != 1 ||
        BIO_meth_set_create(room->method, bio_create) != 1)
        tls_room_free(&room);
    return room;
}

void tls_room_free(struct tls_room **room_pointer)
{
    struct tls_room *room = *room_pointer;
    *room_pointer = NULL;
    if (room == NULL)
        return;
    BIO_meth_free(room->method);
    free(room->in);
    free(room->out);
    free(room->plain);
    free(room);
}

/* ---- the wire ---- */

void wire_init(struct wire *wire, int fd, struct tls_room *room)
{
    *wire = (struct wire){.fd = fd, .room = room};
}

void wire_release(struct wire *wire)
{
    buf_give(wire->room->bufs, &wire->kept_in);
    buf_give(wire->room->bufs, &wire->kept_out);
}

BIO *wire_bio(struct wire *wire)
{
    BIO *bio = BIO_new(wire->room->method);
    if (bio != NULL)
        BIO_set_data(bio, wire);
    return bio;
}

void wire_enter(struct wire *wire)
{
    struct tls_room *room = wire->room;
    CHECK(room->in_at == room->in_end && room->out_end == 0);
    wire->emptied = wire->asked = false;
}

bool wire_doubts(struct wire *wire)
{
    bool doubts = wire->emptied && !wire->asked;
    wire->emptied = wire->emptied && !doubts;
    return doubts;
}

static void keep(struct wire *wire, struct buf **buf, const char *bytes, size_t length)
{
    if (length == 0)
        return;
    if (!buf_widen(wire->room->bufs, buf, length) || !buf_append(*buf, bytes, length))
        wire->failed = true;
}

/* How much of the bytes the socket takes. */
static size_t send_some(struct wire *wire, const char *bytes, size_t length)
{
    struct iovec piece = {(void *)(uintptr_t)bytes, length};
    const struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
    if (wire->out_error != 0)
        return 0;
    ssize_t n = socket_send(wire->fd, &message);
    if (n >= 0)
        return (size_t)n;
    if (errno != EAGAIN)
        wire->out_error = errno;
    return 0;
}

bool wire_push(struct wire *wire)
{
    struct tls_room *room = wire->room;
    if (wire->kept_out != NULL) {
        buf_consume(wire->kept_out, send_some(wire, wire->kept_out->bytes + wire->kept_out->begin,
                                              buf_length(wire->kept_out)));
        if (buf_length(wire->kept_out) == 0)
            buf_give(room->bufs, &wire->kept_out);
    }
    size_t sent = 0;
    if (room->out_end > 0 && wire->kept_out == NULL)
        sent = send_some(wire, room->out, room->out_end);
    if (wire->out_error == 0)
        keep(wire, &wire->kept_out, room->out + sent, room->out_end - sent);
    room->out_end = 0;
    return wire->kept_out == NULL && wire->out_error == 0 && !wire->failed;
}

void wire_leave(struct wire *wire)
{
    struct tls_room *room = wire->room;
    if (room->out_end > 0)
        (void)wire_push(wire);
    keep(wire, &wire->kept_in, room->in + room->in_at, room->in_end - room->in_at);
    room->in_at = room->in_end = 0;
}

/* ---- what OpenSSL sees of it ---- */

static int bio_create(BIO *bio)
{
    BIO_set_init(bio, 1);
    return 1;
}

static size_t take(char *room, size_t room_bytes, const char *bytes, size_t length)
{
    size_t n = length < room_bytes ? length : room_bytes;
    memcpy(room, bytes, n);
    return n;
}

/* More into the room. A short read has emptied the socket: it is not asked again unless there is doubt. */
static bool receive(struct wire *wire)
{
    struct tls_room *room = wire->room;
    if (wire->emptied || wire->ended || wire->in_error != 0)
        return false;
    ssize_t n = socket_recv(wire->fd, room->in, IN_BYTES, 0);
    wire->emptied = n < (ssize_t)IN_BYTES;
    wire->asked = n < 0;
    if (n == 0)
        wire->ended = true;
    else if (n < 0 && errno != EAGAIN)
        wire->in_error = errno;
    room->in_at = 0;
    room->in_end = n > 0 ? (size_t)n : 0;
    return n > 0;
}

static int bio_read(BIO *bio, char *bytes, size_t room_bytes, size_t *ret_bytes)
{
    struct wire *wire = BIO_get_data(bio);
    struct tls_room *room = wire->room;
    BIO_clear_retry_flags(bio);
    if (wire->kept_in != NULL) {
        *ret_bytes = take(bytes, room_bytes, wire->kept_in->bytes + wire->kept_in->begin,
                          buf_length(wire->kept_in));
        buf_consume(wire->kept_in, *ret_bytes);
        if (buf_length(wire->kept_in) == 0)
            buf_give(room->bufs, &wire->kept_in);
        return 1;
    }
    if (room->in_at == room->in_end && !receive(wire)) {
        if (!wire->ended && wire->in_error == 0)
            BIO_set_retry_read(bio);
        return 0;
    }
    *ret_bytes = take(bytes, room_bytes, room->in + room->in_at, room->in_end - room->in_at);
    room->in_at += *ret_bytes;
    return 1;
}

/* Never full: what the room cannot hold goes to the socket, and what that does not take is kept. */
static int bio_write(BIO *bio, const char *bytes, size_t length, size_t *ret_bytes)
{
    struct wire *wire = BIO_get_data(bio);
    struct tls_room *room = wire->room;
    BIO_clear_retry_flags(bio);
    for (size_t at = 0; at < length;) {
        if (room->out_end == OUT_BYTES)
            (void)wire_push(wire);
        size_t n =
            take(room->out + room->out_end, OUT_BYTES - room->out_end, bytes + at, length - at);
        room->out_end += n;
        at += n;
    }
    *ret_bytes = length;
    return 1;
}

static long bio_control(BIO *bio, int command, long number, void *pointer)
{
    const struct wire *wire = BIO_get_data(bio);
    (void)number;
    (void)pointer;
    switch (command) {
    case BIO_CTRL_EOF: return wire->ended;
    case BIO_CTRL_FLUSH: return 1;
    default: return 0;
    }
}
