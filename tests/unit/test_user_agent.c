/* Kinds of user agents: what real ones say, and what may come instead. */
#include "proxy/http/user_agent.h"
#include "steady/rng.h"
#include "unit.h"

static void real_agents_are_of_their_kind(void **state)
{
    static const struct {
        const char *text;
        enum user_agent kind;
    } rows[] = {
        {"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
         USER_AGENT_BROWSER},
        {"Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like "
         "Gecko) Version/17.5 Mobile/15E148 Safari/604.1",
         USER_AGENT_BROWSER},
        {"Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
         USER_AGENT_BOT},
        {"facebookexternalhit/1.1", USER_AGENT_BOT},
        {"kube-probe/1.29", USER_AGENT_BOT},
        {"curl/8.5.0", USER_AGENT_TOOL},
        {"Wget/1.21.3", USER_AGENT_TOOL},
        {"python-requests/2.31.0", USER_AGENT_LIBRARY},
        {"Go-http-client/2.0", USER_AGENT_LIBRARY},
        {"grpc-c++/1.51.1 grpc-c/29.0.0 (linux; chttp2)", USER_AGENT_LIBRARY},
        {"grpcurl/1.8.7 grpc-go/1.48.0", USER_AGENT_TOOL},
        {"MyApp/1.0", USER_AGENT_OTHER},
        {"", USER_AGENT_OTHER},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(user_agent_of(rows[i].text, strlen(rows[i].text)), rows[i].kind);
    }
    assert_int_equal(user_agent_of(NULL, 0), USER_AGENT_OTHER);
}

static void any_bytes_are_of_some_kind(void **state)
{
    struct rng rng;
    char text[2000];
    (void)state;
    rng_init(&rng, unit_seed());
    for (int i = 0; i < 2000; i++) {
        size_t bytes = rng_below(&rng, sizeof text);
        for (size_t b = 0; b < bytes; b++) {
            text[b] = (char)rng_below(&rng, 256);
        }
        assert_true(user_agent_of(text, bytes) < USER_AGENT_COUNT);
    }
    /* only the beginning counts, however long the text is */
    memset(text, 'x', sizeof text);
    memcpy(text + 1000, "bot", 3);
    assert_int_equal(user_agent_of(text, sizeof text), USER_AGENT_OTHER);
    memcpy(text + 200, "BoT", 3);
    assert_int_equal(user_agent_of(text, sizeof text), USER_AGENT_BOT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(real_agents_are_of_their_kind),
        cmocka_unit_test(any_bytes_are_of_some_kind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
