/* Which route a request takes. */
#include "conf/settings.h"
#include "proxy/http/target_path.h"
#include "proxy/http1/h1_parse.h"
#include "proxy/worker/generation.h"
#include "steady/rng.h"
#include "tests/unit/unit.h"

static struct settings *settings;
static struct route routes[64];
static struct generation generation;

static void prepare(void)
{
    generation.settings = settings;
    generation.routes = routes;
    for (size_t i = 0; i < settings->route_count; i++) {
        routes[i] = (struct route){.settings = NULL};
        assert_true(route_prepare(&routes[i], &settings->routes[i]));
    }
    generation.index = route_index_create(routes, settings->route_count);
    assert_non_null(generation.index);
}

static void forget(void)
{
    for (size_t i = 0; i < settings->route_count; i++) {
        route_release(&routes[i]);
    }
    route_index_free(&generation.index);
    settings_put(&settings);
}

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
    prepare();
    return 0;
}

static int release(void **state)
{
    (void)state;
    forget();
    return 0;
}

static const char *route_of(const char *listener, const char *request)
{
    struct http_field fields[16];
    struct http_head head = {.fields = fields, .field_limit = 16};
    const struct h1_limits limits = {8192, 16};
    size_t scanned = 0;
    assert_int_equal(h1_parse_request(request, strlen(request), &limits, &scanned, &head), H1_OK);
    const char *target = head_text(&head, head.target);
    const struct route_request asked = {
        .head = &head,
        .listener_name = listener,
        .path = {target, target_path_bytes(target, head.target.bytes)},
        .host = route_host_of(&head),
    };
    const struct route *route = NULL;
    return generation_route(&generation, &asked, &route) == ROUTE_FOUND ? route->settings->name
                                                                        : "none";
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

static void a_route_that_asks_for_no_more_than_its_listener_takes_all_of_it(void **state)
{
    (void)state;
    const struct route *route = generation_only_route(&generation, "inner");
    assert_non_null(route);
    assert_string_equal(route->settings->name, "inner");
    assert_null(generation_only_route(&generation, "web"));
}

/* More machine stack than 32 KiB: a sane expression over a path of some KiB. */
static void a_long_path_is_no_reason_to_cut_an_expression(void **state)
{
    static const char *const texts[] = {"^/(a|b)*$", "^(/(\\w|-)+)+$"};
    static char path[8192];
    (void)state;
    memset(path, 'a', sizeof path);
    path[0] = '/';
    struct path_regex_scratch *scratch = path_regex_scratch_create();
    assert_non_null(scratch);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        char why[PATH_REGEX_WHY_BYTES];
        struct path_regex *regex = path_regex_create(texts[i], why);
        assert_non_null(regex);
        assert_int_equal(path_regex_match(regex, scratch, path, sizeof path, NULL),
                         PATH_REGEX_MATCH);
        path_regex_free(&regex);
    }
    path_regex_scratch_free(&scratch);
}

/* ---- the index finds what asking each route would find ---- */

static const char *const some_hosts[] = {"a.example", "b.a.example", "*.a.example", "*.example",
                                         "c.test"};
static const char *const some_paths[] = {"/",     "/a",  "/a/",   "/a/b",
                                         "/a/b/", "/ab", "/a//b", "/a/b/c/d"};

static struct rng rng;

static size_t drawn(size_t limit)
{
    return (size_t)rng_below(&rng, limit);
}

static const char *one_of(const char *const *texts, size_t count)
{
    return texts[drawn(count)];
}
#define ONE_OF(texts) one_of(texts, sizeof texts / sizeof texts[0])

static void write_route(FILE *out, unsigned number)
{
    static const char *const kinds[] = {"path", "path_prefix"};
    fprintf(out, "%s{ name = \"r%u\"; upstream = \"app\"; ", number > 0 ? ", " : "", number);
    switch (drawn(4)) {
    case 0: fprintf(out, "host = \"%s\"; ", ONE_OF(some_hosts)); break;
    case 1:
        fprintf(out, "hosts = [ \"%s\", \"%s\" ]; ", ONE_OF(some_hosts), ONE_OF(some_hosts));
        break;
    default: break;
    }
    if (drawn(4) != 0) {
        fprintf(out, "%s = \"%s\"; ", ONE_OF(kinds), ONE_OF(some_paths));
    }
    fputs(drawn(4) == 0 ? "methods = [ \"POST\" ]; }" : "}", out);
}

/* The first of all routes that takes the request, by asking each. */
static const char *first_of_all(const struct route_request *asked)
{
    for (size_t i = 0; i < settings->route_count; i++) {
        if (route_matches(&routes[i], asked, false) == ROUTE_FOUND) {
            return settings->routes[i].name;
        }
    }
    return "none";
}

static void compare_some_requests(void)
{
    static const char *const hosts[] = {
        "a.example", "A.Example:80", "b.a.example.", "x.y.a.example",
        "example",   ".example",     "c.test",       "d"};
    static const char *const paths[] = {"/",          "/a",    "/a/",  "/a/b",  "/a/b/",
                                        "/a/b/c",     "/ab",   "/abc", "/a//b", "//a",
                                        "/a/b/c/d/e", "/b?/a", "*"};
    char long_host[300];
    memset(long_host, 'x', sizeof long_host);
    memcpy(long_host + sizeof long_host - sizeof ".a.example", ".a.example", sizeof ".a.example");
    for (unsigned i = 0; i < 100; i++) {
        char request[512];
        struct http_field fields[4];
        struct http_head head = {.fields = fields, .field_limit = 4};
        const struct h1_limits limits = {8192, 4};
        size_t scanned = 0;
        const char *path = ONE_OF(paths);
        const char *method = path[0] == '*' ? "OPTIONS" : drawn(2) ? "GET" : "POST";
        snprintf(request, sizeof request, "%s %s HTTP/1.1\r\nHost: %s\r\n\r\n", method, path,
                 drawn(8) == 0 ? long_host : ONE_OF(hosts));
        assert_int_equal(h1_parse_request(request, strlen(request), &limits, &scanned, &head),
                         H1_OK);
        const char *target = head_text(&head, head.target);
        const struct route_request asked = {
            .head = &head,
            .listener_name = "web",
            .path = {target, target_path_bytes(target, head.target.bytes)},
            .host = route_host_of(&head),
        };
        const struct route *route = NULL;
        const char *found = generation_route(&generation, &asked, &route) == ROUTE_FOUND
                                ? route->settings->name
                                : "none";
        assert_string_equal(found, first_of_all(&asked));
        const struct route *only = generation_only_route(&generation, "web");
        assert_true(only == NULL || only == route);
    }
}

static void the_index_finds_what_asking_each_route_finds(void **state)
{
    (void)state;
    rng_init(&rng, unit_seed());
    forget();
    for (unsigned round = 0; round < 300; round++) {
        char *text;
        size_t bytes;
        struct settings_messages messages;
        FILE *out = open_memstream(&text, &bytes);
        fputs(
            "listeners = { web = { listen = \"127.0.0.1:1\"; }; }; upstreams = { app = { endpoints = [ \"a:1\" ]; }; }; routes = (",
            out);
        for (unsigned i = 0, count = 1 + (unsigned)drawn(40); i < count; i++) {
            write_route(out, i);
        }
        fputs(");", out);
        fclose(out);
        assert_int_equal(settings_parse(text, "test", &settings, &messages), SETTINGS_OK);
        settings_messages_free(&messages);
        free(text);
        prepare();
        compare_some_requests();
        forget();
    }
    (void)build(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_route_that_matches_wins),
        cmocka_unit_test(a_route_that_asks_for_no_more_than_its_listener_takes_all_of_it),
        cmocka_unit_test(a_long_path_is_no_reason_to_cut_an_expression),
        cmocka_unit_test(the_index_finds_what_asking_each_route_finds),
    };
    return cmocka_run_group_tests(tests, build, release);
}
