/* Which route a request takes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "conf/settings.h"
#include "proxy/http1/h1_parse.h"
#include "proxy/worker/generation.h"

static struct settings *settings;
static struct route routes[16];
static struct generation generation;

static int build(void **state)
{
    static const char text[] =
        "listeners = { web = { listen = \"127.0.0.1:1\"; }; inner = { listen = \"127.0.0.1:2\"; }; };\n"
        "upstreams = { app = { endpoints = [ \"a:1\" ]; }; };\n"
        "routes = (\n"
        "  { name = \"inner\"; listener = \"inner\"; upstream = \"app\"; },\n"
        "  { name = \"exact\"; host = \"shop.example\"; upstream = \"app\"; },\n"
        "  { name = \"suffix\"; host = \"*.example.org\"; upstream = \"app\"; },\n"
        "  { name = \"v6\"; host = \"[::1]\"; upstream = \"app\"; },\n"
        "  { name = \"write\"; path_prefix = \"/api/\"; methods = [ \"POST\", \"PUT\" ]; upstream = \"app\"; },\n"
        "  { name = \"api\"; path_prefix = \"/api/\"; upstream = \"app\"; },\n"
        "  { name = \"beta\"; header = \"X-Beta: yes\"; upstream = \"app\"; },\n"
        "  { name = \"any-beta\"; header = \"x-beta\"; upstream = \"app\"; }\n"
        ");\n";
    struct settings_messages messages;
    (void)state;
    assert_int_equal(settings_parse(text, "test", &settings, &messages), SETTINGS_OK);
    settings_messages_free(&messages);
    generation.settings = settings;
    generation.routes = routes;
    for (size_t i = 0; i < settings->route_count; i++) {
        const struct route_settings *route = &settings->routes[i];
        routes[i] = (struct route){
            .settings = route,
            .host_bytes = route->host != NULL ? strlen(route->host) : 0,
            .path_prefix_bytes = route->path_prefix != NULL ? strlen(route->path_prefix) : 0,
            .header_name_bytes = route->header_name != NULL ? strlen(route->header_name) : 0,
        };
    }
    return 0;
}

static int release(void **state)
{
    (void)state;
    settings_put(&settings);
    return 0;
}

static const char *route_of(const char *listener, const char *request)
{
    struct http_field fields[16];
    struct http_head head = {.fields = fields, .field_limit = 16};
    const struct h1_limits limits = {8192, 16};
    size_t scanned = 0;
    assert_int_equal(h1_parse_request(request, strlen(request), &limits, &scanned, &head), H1_OK);
    const struct route_request asked = route_request_of(&head, listener);
    const struct route *route = generation_route(&generation, &asked);
    return route != NULL ? route->settings->name : "none";
}

static void the_first_route_that_matches_wins(void **state)
{
    static const struct {
        const char *listener, *request, *route;
    } cases[] = {
        {"inner", "GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n", "inner"},
        {"web", "GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n", "exact"},
        {"web", "GET / HTTP/1.1\r\nHost: SHOP.Example.:8080\r\n\r\n", "exact"},
        {"web", "GET / HTTP/1.1\r\nHost: shop.example.evil\r\n\r\n", "none"},
        {"web", "GET / HTTP/1.1\r\nHost: xshop.example\r\n\r\n", "none"},
        {"web", "GET / HTTP/1.1\r\nHost: a.b.Example.org\r\n\r\n", "suffix"},
        {"web", "GET / HTTP/1.1\r\nHost: example.org\r\n\r\n", "none"},
        {"web", "GET / HTTP/1.1\r\nHost: badexample.org\r\n\r\n", "none"},
        {"web", "GET / HTTP/1.1\r\nHost: [::1]:99\r\n\r\n", "v6"},
        {"web", "POST /api/x HTTP/1.1\r\nHost: h\r\n\r\n", "write"},
        {"web", "post /api/x HTTP/1.1\r\nHost: h\r\n\r\n", "api"},
        {"web", "GET /api/ HTTP/1.1\r\nHost: h\r\n\r\n", "api"},
        {"web", "GET /api HTTP/1.1\r\nHost: h\r\n\r\n", "none"},
        {"web", "GET /API/ HTTP/1.1\r\nHost: h\r\n\r\n", "none"},
        {"web", "GET http://shop.example/x HTTP/1.1\r\nHost: other\r\n\r\n", "exact"},
        {"web", "GET / HTTP/1.1\r\nHost: h\r\nx-bEtA:  yes \r\n\r\n", "beta"},
        {"web", "GET / HTTP/1.1\r\nHost: h\r\nX-Beta: no\r\n\r\n", "any-beta"},
        {"web", "GET / HTTP/1.0\r\n\r\n", "none"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_string_equal(route_of(cases[i].listener, cases[i].request), cases[i].route);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_first_route_that_matches_wins)};
    return cmocka_run_group_tests(tests, build, release);
}
