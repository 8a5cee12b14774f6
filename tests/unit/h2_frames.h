/*
 * A client's frames as bytes, for tests that need them as no session of this program writes them.
 *
 * Owns: nothing; see h2_talk.h. Thread: one.
 */
#ifndef EVENKEEL_TESTS_UNIT_H2_FRAMES_H
#define EVENKEEL_TESTS_UNIT_H2_FRAMES_H

#include "proxy/http2/h2_state.h"
#include "tests/unit/h2_talk.h"

#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"
#define END_STREAM 0x01
#define END_HEADERS 0x04
#define PADDED 0x08
#define PRIORITY 0x20

struct wire {
    uint8_t bytes[16 * 1024];
    size_t length;
};

RIG_UNUSED static void put(struct wire *wire, const void *bytes, size_t length)
{
    assert_true(length <= sizeof wire->bytes - wire->length);
    memcpy(wire->bytes + wire->length, bytes, length);
    wire->length += length;
}

RIG_UNUSED static void put_frame(struct wire *wire, uint8_t type, uint8_t flags, uint32_t id,
                                 const uint8_t *payload, size_t length)
{
    const uint8_t head[9] = {0, (uint8_t)(length >> 8), (uint8_t)length,    type,       flags,
                             0, (uint8_t)(id >> 16),    (uint8_t)(id >> 8), (uint8_t)id};
    put(wire, head, sizeof head);
    put(wire, payload, length);
}

RIG_UNUSED static void put_request(struct wire *wire, uint32_t id, const char *block, size_t length)
{
    put_frame(wire, 1, END_STREAM | END_HEADERS, id, (const uint8_t *)block, length);
}

RIG_UNUSED static void serve(struct rig *of, const struct wire *wire)
{
    static char space[H2_PULL_BYTES];
    rig_feed(of, &of->server, wire->bytes, wire->length);
    (void)!h2_session_pull(of->server.session, space, sizeof space);
}

RIG_UNUSED static void begin_served(struct rig *of)
{
    struct wire wire = {.length = 0};
    rig_begin(of, &rig_limits);
    put(&wire, PREFACE, sizeof PREFACE - 1);
    serve(of, &wire);
}

RIG_UNUSED static const struct h2_known *known_of(const struct rig *of, const char *block,
                                                  size_t length)
{
    return h2_memo_find(&of->server.session->frame.memo, (const uint8_t *)block, length);
}

#endif
