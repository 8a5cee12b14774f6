/*
 * Follows frames by their lengths, to find field blocks that lie whole in what has arrived, and
 * a client's frames that nghttp2 passes over: it ignores PRIORITY once NO_RFC7540_PRIORITIES is announced, takes PRIORITY_UPDATE of
 * stream 0, and tells nobody of DATA for a stream that is over, or of frames whose type it does not know.
 *
 * Owns: nothing beyond the struct. Thread: the session's. Spec: RFC 9113 6.3, RFC 7540 5.3.1, RFC 9218 7.1.
 */
#ifndef EVENKEEL_PROXY_HTTP2_H2_WATCH_H
#define EVENKEEL_PROXY_HTTP2_H2_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A frame's header, and the four bytes of its payload that are looked at. */
#define H2_WATCH_BYTES 13

struct h2_watch {
    uint32_t skip_bytes; /* that belong to a frame which is not looked at */
    uint32_t stream;     /* of what was found */
    uint8_t type;        /* likewise */
    uint8_t seen_bytes;  /* in `seen` */
    uint8_t seen[H2_WATCH_BYTES];
};

enum h2_watch_found {
    H2_WATCH_NOTHING,
    H2_WATCH_FAULT,   /* a connection error PROTOCOL_ERROR */
    H2_WATCH_DATA,    /* the header of DATA */
    H2_WATCH_FRAME,   /* that of another frame */
    H2_WATCH_UNKNOWN, /* that of a frame whose type is not known: it is skipped (RFC 9113 5.5) */
};

/* A whole field block in a frame of its own (RFC 9113 6.2). */
struct h2_watch_block {
    const uint8_t *frame;
    uint32_t frame_bytes;
    uint32_t begin;   /* of the block within the frame, which ends with it */
    uint32_t skipped; /* bytes in front of the frame, which belong to the one before */
};

/* preface_bytes: H2_WATCH_PREFACE_BYTES of what a client sends, 0 of a server. */
void h2_watch_init(struct h2_watch *watch, uint32_t preface_bytes);
#define H2_WATCH_PREFACE_BYTES 24
/* Whether the next frame is HEADERS with a whole block and no padding, all of which is there. */
bool h2_watch_block(const struct h2_watch *watch, const char *bytes, size_t length,
                    struct h2_watch_block *ret_block);
/* Its bytes were taken, and those in front of it. */
void h2_watch_pass(struct h2_watch *watch, const struct h2_watch_block *block);
/* Whether a part of a field block follows what was found. */
bool h2_watch_in_block(const struct h2_watch *watch);
/* Whether that part tells no other size of HPACK's table. */
bool h2_watch_keeps_table(const struct h2_watch *watch);
/* Takes what the other side sends, its preface first, up to and including what is found. Returns how many bytes that are. */
size_t h2_watch_take(struct h2_watch *watch, const char *bytes, size_t length,
                     enum h2_watch_found *ret_found);

#endif
