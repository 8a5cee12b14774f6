/*
 * What tests of HTTP/2 sessions say to each other: one rig, the heads that they send, and its streams.
 *
 * Owns: the rig of the program that includes it. Thread: one.
 */
#ifndef EVENKEEL_TESTS_UNIT_H2_TALK_H
#define EVENKEEL_TESTS_UNIT_H2_TALK_H

#include "tests/unit/h2_rig.h"

static struct rig rig;

#define GET "GET /a?b HTTP/1.1\r\nHost: example.org\r\nUser-Agent: test\r\n\r\n"
#define POST "POST /up HTTP/1.1\r\nHost: example.org\r\nTransfer-Encoding: chunked\r\n\r\n"
#define OK "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
#define GET_TOLD              \
    "  [host: example.org]\n" \
    "  user-agent: test\n"

/* The server's stream with this number. */
RIG_UNUSED static struct h2_stream *served(unsigned number)
{
    return &rig.server.streams[number].stream;
}

RIG_UNUSED static void begin(void)
{
    rig_begin(&rig, &rig_limits);
    rig_pump(&rig);
    assert_told(&rig.client, "allowed 100\n");
}

RIG_UNUSED static void ignore_told(struct rig_side *side)
{
    side->told_bytes = 0;
    side->told[0] = '\0';
}

#endif
