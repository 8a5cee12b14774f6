/*
 * Faults of a client's frames that nghttp2 passes over: it ignores PRIORITY once NO_RFC7540_PRIORITIES is announced, and takes
 * PRIORITY_UPDATE of stream 0. So the lengths of frames are followed here, too, and these two are looked at.
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
    uint8_t seen_bytes;  /* in `seen` */
    uint8_t seen[H2_WATCH_BYTES];
};

void h2_watch_init(struct h2_watch *watch);
/* Takes what a client sends, its preface first. Returns how many bytes are good; less than `length`, or *ret_fault: what follows is a
   connection error PROTOCOL_ERROR. */
size_t h2_watch_take(struct h2_watch *watch, const char *bytes, size_t length, bool *ret_fault);

#endif
