/* Any bytes from a server of HTTP/2, to a client that has asked for several things: see h2_oracle.h for what must hold. */
#include "tests/fuzz/h2_oracle.h"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t length_bytes);

static void open_stream(const char *text, bool last)
{
    static const struct added_fields added = {"X-Added: 1\r\n", 12};
    struct oracle_head parsed;
    oracle_parse(&parsed, text, false);
    struct h2_stream *stream = oracle_free_stream();
    CHECK(stream != NULL);
    struct oracle_stream *of = oracle_of(stream);
    of->used = h2_stream_open(oracle.session, stream, &parsed.head, &added, true, last);
    of->answered = true;
    of->given = last;
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t length_bytes)
{
    static const char preface[] = "\0\0\0\4\0\0\0\0";
    if (length_bytes < 3) {
        return 0;
    }
    oracle_begin(H2_ROLE_CLIENT);
    open_stream("GET /a HTTP/1.1\r\nHost: a\r\n\r\n", true);
    open_stream("POST /b HTTP/1.1\r\nHost: b\r\nContent-Length: 9\r\n\r\n", false);
    open_stream("HEAD /c HTTP/1.1\r\nHost: c\r\nTE: trailers\r\nConnection: TE\r\n\r\n", true);
    if (input[0] & 4) {
        oracle_pull();
    }
    oracle_feed(preface, sizeof preface, input,
                length_bytes); /* the NUL is the header's last byte */
    oracle_end();
    return 0;
}
