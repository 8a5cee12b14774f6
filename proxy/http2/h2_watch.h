/*
 * A client's frames that nghttp2 passes over: it ignores PRIORITY once NO_RFC7540_PRIORITIES is announced, takes PRIORITY_UPDATE of
 * stream 0, and tells nobody of DATA for a stream that is over, or of frames whose type it does not know. So the lengths of frames are
 * followed here, too.
 *
 * Owns: nothing beyond the struct. Thread: the session's. Spec: RFC 9113 6.3, RFC 7540 5.3.1, RFC 9218 7.1.
 */
#ifndef EVENKEEL_PROXY_HTTP2_H2_WATCH_H
#define EVENKEEL_PROXY_HTTP2_H2_WATCH_H

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

void h2_watch_init(struct h2_watch *watch);
/* Takes what a client sends, its preface first, up to and including what is found. Returns how many bytes that are. */
size_t h2_watch_take(struct h2_watch *watch, const char *bytes, size_t length,
                     enum h2_watch_found *ret_found);

#endif
