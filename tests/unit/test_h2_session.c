/* HTTP/2 sessions: a client's and a server's understand each other, and each survives what the other may do. */
#include "tests/unit/h2_rig.h"

static struct rig rig;

#define GET "GET /a?b HTTP/1.1\r\nHost: example.org\r\nUser-Agent: test\r\n\r\n"
#define POST "POST /up HTTP/1.1\r\nHost: example.org\r\nTransfer-Encoding: chunked\r\n\r\n"

static void a_request_and_its_response_arrive_as_they_were_sent(void **state)
{
    (void)state;
    for (rig.step = 0; rig.step < 3; rig.step++) {
        size_t step = rig.step;
        rig_begin(&rig, &rig_limits);
        rig.step = step;
        assert_non_null(rig_open(&rig, GET, true));
        rig_pump(&rig);
        assert_told(&rig.server, "0 request GET /a?b none last\n"
                                 "  [host: example.org]\n"
                                 "  user-agent: test\n");
        assert_told(&rig.client, "allowed 100\n");
        rig_answer(&rig.server.streams[0].stream,
                   "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\n",
                   false);
        assert_int_equal(rig_give(&rig.server.streams[0].stream, "hello", 5, true), SINK_OPEN);
        rig_pump(&rig);
        assert_told(&rig.server, "0 closed NO_ERROR\n");
        assert_told(&rig.client, "0 response 200 length 5\n"
                                 "  content-type: text/plain\n"
                                 "  [content-length: 5]\n"
                                 "0 payload 5 hello\n"
                                 "0 closed NO_ERROR\n");
        rig_end(&rig);
        rig.step = step;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_and_its_response_arrive_as_they_were_sent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
