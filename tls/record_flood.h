/*
 * Record flood: how many records without payload the other side may send after the handshake. Private to tls/.
 *
 * Owns nothing. Thread: any; time is an argument, in milliseconds. Spec: RFC 8446 4.6.3 and 5.1, RFC 5246 7.4.1.1.
 *
 * KeyUpdates, attempts to renegotiate, warnings, empty and padded records carry no payload, and each costs much more
 * time than its few bytes suggest: a KeyUpdate derives keys. A peer needs only a few of them.
 */
#ifndef EVENKEEL_TLS_RECORD_FLOOD_H
#define EVENKEEL_TLS_RECORD_FLOOD_H

#include <stdbool.h>
#include <stdint.h>

#define RECORD_FLOOD_MOST 32
#define RECORD_FLOOD_PERIOD_MS 10000

struct record_flood {
    uint64_t since_ms;   /* when the period began */
    uint16_t bare_count; /* records of the period without payload so far */
    bool payload_open;   /* the record of the last payload has more of it */
    bool over;           /* there were too many; for good */
};

/* A record begins. */
void record_flood_heard(struct record_flood *flood, uint64_t now_ms);
/* Payload has been read. `more`: its record has more of it. */
void record_flood_payload(struct record_flood *flood, bool more);

#endif
