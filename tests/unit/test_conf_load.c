/* Reading configurations: defaults, every kind of error with its place, names. */
#include "conf/foreign.h"
#include "conf/schema.h"
#include "tests/unit/conf_rig.h"

static void defaults_are_those_of_the_design(void **state)
{
    struct settings *settings = good(MINIMAL);
    const struct upstream_settings *app = &settings->upstreams[0];
    (void)state;
    assert_true(settings->worker_count >= 1);
    assert_int_equal(settings->trusted_peer_count, 3);
    assert_string_equal(settings->admin.listen_text, "127.0.0.1:9901");
    assert_int_equal(settings->log.level, LOG_LEVEL_INFO);
    assert_null(settings->log.access.path);
    assert_int_equal(settings->log.access.rotation.size_bytes, 100 * 1024 * 1024);
    assert_int_equal(settings->limits.clients_count, 20000);
    assert_int_equal(settings->limits.head_bytes, 32 * 1024);
    assert_int_equal(settings->limits.fields_count, 256);
    assert_int_equal(settings->limits.body_bytes, 64 * 1024 * 1024);
    assert_int_equal(settings->listeners[0].timeouts.head_ms, 10000);
    assert_int_equal(settings->listeners[0].timeouts.idle_ms, 60000);
    assert_int_equal(app->balance, BALANCE_P2C);
    assert_int_equal(app->pool.max_count, 256);
    assert_int_equal(app->pool.idle_ms, 50000);
    assert_int_equal(app->pool.max_requests_count, 10000);
    assert_int_equal(app->timeouts.connect_ms, 1500);
    assert_int_equal(app->timeouts.first_byte_ms, 60000);
    assert_int_equal(app->timeouts.per_try_ms, 65000);
    assert_int_equal(app->timeouts.total_ms, 75000);
    assert_int_equal(app->timeouts.idle_ms, 60000);
    assert_int_equal(app->timeouts.stream_ms, 12 * 60 * 60 * 1000);
    assert_int_equal(app->retry.on, RETRY_CONNECT_FAILURE | RETRY_RESET);
    assert_int_equal(app->limits.in_flight_count, 1024);
    assert_int_equal(app->limits.queue_count, 256);
    assert_int_equal(app->limits.queue_wait_ms, 1000);
    assert_true(app->required);
    assert_int_equal(settings->drain.grace_ms, 25000);
    assert_string_equal(settings->routes[0].name, "route-1");
    assert_null(settings->routes[0].match.host.name);
    assert_int_equal(settings->routes[0].deadline_ms, 0);
    settings_put(&settings);
    assert_null(settings);
}

#define WITH_TIMEOUTS(TIMEOUTS, ROUTE)                                                             \
    "listeners = { web = { listen = \"127.0.0.1:0\"; }; };\n"                                      \
    "upstreams = { app = { endpoints = [ \"127.0.0.1:80\" ]; timeouts = { " TIMEOUTS " }; }; };\n" \
    "routes = ( { upstream = \"app\"; " ROUTE " } );\n"

static void keys_that_are_not_given_follow_those_that_are(void **state)
{
    static const struct {
        const char *text;
        uint64_t connect_ms, first_byte_ms, per_try_ms, total_ms, stream_ms;
    } cases[] = {
        {WITH_TIMEOUTS("", ""), 1500, 60000, 65000, 75000, 43200000},
        {WITH_TIMEOUTS("first_byte = \"20m\";", ""), 1500, 1200000, 1205000, 1215000, 43200000},
        {WITH_TIMEOUTS("first_byte = \"8s\";", ""), 1500, 8000, 65000, 75000, 43200000},
        {WITH_TIMEOUTS("per_try = \"90s\";", ""), 1500, 60000, 90000, 100000, 43200000},
        {WITH_TIMEOUTS("per_try = \"2s\";", ""), 1500, 2000, 2000, 75000, 43200000},
        {WITH_TIMEOUTS("total = \"400ms\";", ""), 400, 400, 400, 400, 43200000},
        {WITH_TIMEOUTS("total = \"20m\";", ""), 1500, 60000, 65000, 1200000, 43200000},
        {WITH_TIMEOUTS("total = \"13h\";", ""), 1500, 60000, 65000, 46800000, 46800000},
        {WITH_TIMEOUTS("first_byte = \"30s\"; total = \"10s\";", ""), 1500, 30000, 10000, 10000,
         43200000},
        {WITH_TIMEOUTS("", "deadline = \"75s\";"), 1500, 60000, 65000, 75000, 43200000},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct settings *settings = good(cases[i].text);
        const struct timeout_settings *timeouts = &settings->upstreams[0].timeouts;
        assert_int_equal(timeouts->connect_ms, cases[i].connect_ms);
        assert_int_equal(timeouts->first_byte_ms, cases[i].first_byte_ms);
        assert_int_equal(timeouts->per_try_ms, cases[i].per_try_ms);
        assert_int_equal(timeouts->total_ms, cases[i].total_ms);
        assert_int_equal(timeouts->stream_ms, cases[i].stream_ms);
        settings_put(&settings);
    }
}

static void a_deadline_that_its_upstream_would_cut_short_is_refused(void **state)
{
    (void)state;
    refused(WITH_TIMEOUTS("", "deadline = \"76s\";"), "deadline is longer than timeouts.total");
    refused(WITH_TIMEOUTS("total = \"2s\";", "deadline = \"3s\";"),
            "of upstream \"app\" (2000 ms)");
}

static void an_unknown_key_is_named_with_its_place_and_the_nearest(void **state)
{
    (void)state;
    refused("workerz = 2;\n" MINIMAL,
            "test.conf:1: workerz: unknown key; the nearest known key here is \"workers\"");
    refused("lisners = { };\n" MINIMAL, "\"listeners\"");
    refused("log = {\n  access = {\n    pth = \"x\";\n  };\n};\n" MINIMAL,
            "test.conf:3: log.access.pth: unknown key; the nearest known key here is \"path\"");
    refused("connect = \"1s\";\n" MINIMAL, "there is \"upstreams.NAME.timeouts.connect\"");
    refused("zzzzzzzzzzzz = 1;\n" MINIMAL, "test.conf:1: zzzzzzzzzzzz: unknown key");
}

static void an_unknown_word_is_named_with_the_nearest(void **state)
{
    (void)state;
    refused(
        "listeners = { web = { listen = \"127.0.0.1:1\"; }; };\n"
        "upstreams = { app = { endpoints = [ \"a:1\" ]; retry = { on = [ \"grpc:unavailible\" ]; }; }; };\n"
        "routes = ( { upstream = \"app\"; } );\n",
        "got \"grpc:unavailible\": did you mean \"grpc:unavailable\"?");
    refused(
        "listeners = { web = { listen = \"127.0.0.1:1\"; }; };\n"
        "upstreams = { app = { endpoints = [ \"a:1\" ]; retry = { on = [ \"grpc:ok\" ]; }; }; };\n"
        "routes = ( { upstream = \"app\"; } );\n",
        "\"grpc:unauthenticated\", got \"grpc:ok\"");
}

static void statuses_of_grpc_are_conditions_of_a_retry(void **state)
{
    (void)state;
    struct settings *settings = good(
        "listeners = { web = { listen = \"127.0.0.1:1\"; }; };\n"
        "upstreams = { app = { endpoints = [ \"a:1\" ];\n"
        "retry = { on = [ \"reset\", \"grpc:cancelled\", \"grpc:unauthenticated\" ]; }; }; };\n"
        "routes = ( { upstream = \"app\"; } );\n");
    assert_int_equal(settings->upstreams[0].retry.on,
                     RETRY_RESET | 1u << RETRY_GRPC_BIT |
                         1u << (RETRY_GRPC_BIT + GRPC_UNAUTHENTICATED - GRPC_CANCELLED));
    settings_put(&settings);
}

static void a_bare_number_is_not_a_duration_or_size(void **state)
{
    (void)state;
    refused("drain = { grace = 25; };\n" MINIMAL, "drain.grace: expected a duration");
    refused("drain = { grace = 25; };\n" MINIMAL, "write \"25s\"");
    refused("limits = { body = 1024; };\n" MINIMAL, "write \"1024B\"");
}

static void durations_of_several_parts_and_short_sizes_are_understood(void **state)
{
    static const struct {
        const char *duration;
        uint64_t ms;
    } durations[] = {{"1h30m", 5400000}, {"1m30s", 90000}, {"2s500ms", 2500}, {"90s", 90000}};
    static const struct {
        const char *size;
        uint64_t bytes;
    } sizes[] = {{"64k", 65536},
                 {"64K", 65536},
                 {"20M", 20971520},
                 {"4G", UINT64_C(4) << 30},
                 {"20GiB", UINT64_C(20) << 30},
                 {"1T", UINT64_C(1) << 40},
                 {"none", SIZE_NONE_BYTES}};
    char text[512];
    (void)state;
    for (size_t i = 0; i < sizeof durations / sizeof durations[0]; i++) {
        snprintf(text, sizeof text, "drain = { grace = \"%s\"; };\n" MINIMAL,
                 durations[i].duration);
        struct settings *settings = good(text);
        assert_int_equal(settings->drain.grace_ms, durations[i].ms);
        settings_put(&settings);
    }
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        snprintf(text, sizeof text, "limits = { body = \"%s\"; };\n" MINIMAL, sizes[i].size);
        struct settings *settings = good(text);
        assert_true(settings->limits.body_bytes == sizes[i].bytes);
        settings_put(&settings);
    }
}

static void what_is_not_taken_comes_with_what_to_write(void **state)
{
    static const struct {
        const char *text, *wanted;
    } cases[] = {
        {"drain = { grace = \"25\"; };", "write \"25s\""},
        {"drain = { grace = \"2 mins\"; };", "write \"2m\""},
        {"drain = { grace = \"30m1h\"; };", "got \"30m1h\""},
        {"drain = { grace = \"1m1m\"; };", "got \"1m1m\""},
        {"drain = { grace = \"none\"; };", "every wait has an end"},
        {"limits = { body = \"64MB\"; };", "write \"64MiB\""},
        {"limits = { body = \"unlimited\"; };", "write \"none\""},
        {"limits = { body = \"1G1M\"; };", "got \"1G1M\""},
        {"limits = { head = \"none\"; };", "there must be a limit"},
        {"limits = { clients = \"100\"; };", "write 100, without quotes"},
        {"log = { level = \"debugs\"; };", "did you mean \"debug\"?"},
        {"user = 12;", "write \"12\""},
    };
    char text[512];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        snprintf(text, sizeof text, "%s\n" MINIMAL, cases[i].text);
        refused(text, cases[i].wanted);
    }
}

static void an_endpoint_may_be_a_url_a_file_or_a_backup(void **state)
{
    struct settings *settings = good(
        "listeners = { web = { listen = \":80\"; }; };\nupstreams = {\n"
        "a = { endpoints = [ \"HTTPS://a.test\", \"https://[::1]:8443 weight=3\", \"https://b.test backup weight=2\" ]; };\n"
        "b = { endpoints = [ \"http://a.test\", \"unix:/run/app.sock\" ]; };\n};\n"
        "routes = ( { upstream = \"a\"; } );\n");
    const struct upstream_settings *a = &settings->upstreams[0], *b = &settings->upstreams[1];
    (void)state;
    assert_true(a->tls.enabled);
    assert_string_equal(a->endpoints[0].host, "a.test");
    assert_int_equal(a->endpoints[0].port, 443);
    assert_int_equal(a->endpoints[1].port, 8443);
    assert_true(a->endpoints[1].literal);
    assert_int_equal(a->endpoints[1].weight, 3);
    assert_true(a->endpoints[2].backup && a->endpoints[2].weight == 2);
    assert_false(b->tls.enabled || b->endpoints[0].backup);
    assert_int_equal(b->endpoints[0].port, 80);
    assert_true(b->endpoints[1].local && b->endpoints[1].literal);
    assert_string_equal(b->endpoints[1].host, "/run/app.sock");
    settings_put(&settings);
}

static void a_listener_has_one_address_or_several(void **state)
{
    struct settings *settings = good(
        "listeners = { web = { listen = [ \"*:80\", \"unix:/run/x.sock mode=0600\" ]; }; };\n"
        "upstreams = { app = { endpoints = \"a:1\"; }; };\nroutes = ( { upstream = \"app\"; } );\n");
    const struct listener_settings *web = &settings->listeners[0];
    (void)state;
    assert_int_equal(web->listen_count, 3);
    assert_int_equal(web->listens[0].address.any.sa_family, AF_INET);
    assert_false(web->listens[0].spare);
    assert_int_equal(web->listens[1].address.any.sa_family, AF_INET6);
    assert_true(web->listens[1].spare);
    assert_int_equal(web->listens[2].mode, 0600);
    assert_string_equal(web->listens[2].address.local.sun_path, "/run/x.sock");
    assert_int_equal(settings->upstreams[0].endpoint_count, 1);
    settings_put(&settings);
}

static void a_dns_server_has_port_53_unless_told_otherwise(void **state)
{
    struct settings *settings =
        good(MINIMAL "resolver = { servers = [ \"127.0.0.11\", \"::1\", \"10.0.0.2:5353\" ]; };\n");
    (void)state;
    assert_int_equal(settings->resolver.server_count, 3);
    assert_int_equal(ntohs(settings->resolver.servers[0].v4.sin_port), 53);
    assert_int_equal(ntohs(settings->resolver.servers[1].v6.sin6_port), 53);
    assert_int_equal(ntohs(settings->resolver.servers[2].v4.sin_port), 5353);
    settings_put(&settings);
    refused(MINIMAL "resolver = { servers = [ \"dns.internal\" ]; };\n", "10.0.0.2");
}

static void zero_and_endless_waits_are_refused(void **state)
{
    static const char *const values[] = {"0s", "0ms", "infinite", "-1s", "1",       "",
                                         "s",  "1 s", "1e3s",     "nan", "9999999d"};
    (void)state;
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        char text[512];
        snprintf(text, sizeof text, "drain = { grace = \"%s\"; };\n" MINIMAL, values[i]);
        refused(text, "test.conf:1: drain.grace: expected a duration");
    }
}

static void all_errors_of_a_file_are_reported_in_one_run(void **state)
{
    struct settings *settings = NULL;
    struct settings_messages messages;
    (void)state;
    assert_int_equal(
        settings_parse(
            "workers = \"two\";\nlog = { level = \"loud\"; };\nlimits = { head = \"1GiB\"; };\n"
            "listeners = { web = { listen = \"nowhere\"; }; };\n"
            "upstreams = { app = { endpoints = [ \"x\" ]; pool = { max = 0; }; }; };\n"
            "routes = ( { upstream = \"ap\"; host = \"a b\"; } );\n",
            "test.conf", &settings, &messages),
        SETTINGS_INVALID);
    assert_true(messages.error_count >= 8);
    assert_non_null(strstr(messages.items[0].text, "test.conf:1: workers"));
    settings_messages_free(&messages);
}

static void names_must_exist_and_be_labels(void **state)
{
    (void)state;
    refused(
        "listeners = { web = { listen = \"127.0.0.1:1\"; }; };\n"
        "upstreams = { app = { endpoints = [ \"a:1\" ]; }; };\nroutes = ( { upstream = \"apq\"; } );\n",
        "there is no upstream \"apq\"; the nearest is \"app\"");
    refused("listeners = { web = { listen = \"127.0.0.1:1\"; }; };\n"
            "upstreams = { app = { endpoints = [ \"a:1\" ]; }; };\n"
            "routes = ( { upstream = \"app\"; listener = \"wep\"; } );\n",
            "there is no listener \"wep\"; the nearest is \"web\"");
    refused(
        "listeners = { w*b = { listen = \"127.0.0.1:1\"; }; };\n"
        "upstreams = { app = { endpoints = [ \"a:1\" ]; }; };\nroutes = ( { upstream = \"app\"; } );\n",
        "expected a name of 1 to 64 letters");
    refused(
        "listeners = { a = { listen = \"127.0.0.1:1\"; }; b = { listen = \"127.0.0.1:1\"; }; };\n"
        "upstreams = { app = { endpoints = [ \"a:1\" ]; }; };\nroutes = ( { upstream = \"app\"; } );\n",
        "listens on the address of \"a\"");
}

static void tls_is_refused_rather_than_ignored(void **state)
{
    (void)state;
    refused(
        "listeners = { web = { listen = \"127.0.0.1:1\"; tls = { }; }; };\n"
        "upstreams = { app = { endpoints = [ \"a:1\" ]; }; };\nroutes = ( { upstream = \"app\"; } );\n",
        "tls: expected at least one of certificates");
    refused(
        "listeners = { web = { listen = \"127.0.0.1:1\"; }; };\n"
        "upstreams = { app = { endpoints = [ \"a:1\" ]; tls = { enabled = true; cert = \"a\"; }; }; };\n"
        "routes = ( { upstream = \"app\"; } );\n",
        "must be set together");
    refused(
        "listeners = { web = { listen = \"127.0.0.1:1\"; }; };\n"
        "upstreams = { app = { endpoints = [ \"a:1\" ]; tls = { server_name = \"a b\"; }; }; };\n"
        "routes = ( { upstream = \"app\"; } );\n",
        "tls.server_name: expected a host name");
}

#define PROTOCOL(keys)                                                     \
    "workers = 2; listeners = { web = { listen = \"127.0.0.1:1\"; }; };\n" \
    "upstreams = { app = { endpoints = [ \"a:1\" ]; " keys                 \
    " }; };\nroutes = ( { upstream = \"app\"; } );\n"

static void what_is_spoken_to_an_upstream_is_one_of_three_words(void **state)
{
    (void)state;
    struct settings *settings = good(PROTOCOL(""));
    assert_int_equal(settings->upstreams[0].protocol, UPSTREAM_HTTP1);
    assert_int_equal(settings->upstreams[0].pool.streams_count, 100);
    settings_put(&settings);
    settings = good(PROTOCOL("protocol = \"http2\"; pool = { streams = 7; ping = \"2s\"; };"));
    assert_int_equal(settings->upstreams[0].protocol, UPSTREAM_HTTP2);
    assert_int_equal(settings->upstreams[0].pool.streams_count, 7);
    assert_int_equal(settings->upstreams[0].pool.ping_ms, 2000);
    settings_put(&settings);
    refused(PROTOCOL("protocol = \"h2\";"), "upstreams.app.protocol: expected");
    refused(PROTOCOL("pool = { streams = 0; };"), "upstreams.app.pool.streams: expected");
    refused(PROTOCOL("protocol = \"http2\"; proxy_protocol = \"client\";"),
            "needs protocol = \"http1\"");
}

static void what_is_missing_is_named(void **state)
{
    (void)state;
    refused("", "listeners: missing");
    refused("", "routes: missing");
    refused("listeners = { web = { }; };\nupstreams = { app = { }; };\nroutes = ( { } );\n",
            "listeners.web: expected listen");
    refused("listeners = { web = { }; };\nupstreams = { app = { }; };\nroutes = ( { } );\n",
            "upstreams.app: expected at least one");
}

static void what_is_active_is_not_said_to_sleep(void **state)
{
    struct settings *settings = NULL;
    struct settings_messages messages;
    static const char active[] =
        "listeners = { web = { listen = \"127.0.0.1:1\"; rate = { burst = 1.0; }; }; };\n"
        "upstreams = { app = { endpoints = [ \"a:1\" ]; required = false; retry = { attempts = 2; }; }; };\n"
        "routes = ( { upstream = \"app\"; shards = { count = 3; }; } );\n";
    (void)state;
    assert_int_equal(settings_parse(active, "test.conf", &settings, &messages), SETTINGS_OK);
    assert_int_equal(messages.count, 0);
    settings_messages_free(&messages);
    settings_put(&settings);
}

static void an_endpoint_is_host_port_and_weight(void **state)
{
    struct settings *settings = good(
        "listeners = { web = { listen = \"[::1]:8080\"; }; };\n"
        "upstreams = { app = { endpoints = [ \"a.example:80 weight=7\", \"[::1]:81\", \"10.0.0.1:82\", \"srv:_http._tcp.a weight=2\", \"srv:83\" ]; }; };\n"
        "routes = ( { upstream = \"app\"; host = \"*.Shop.Example\"; header = \"X-Beta: yes\"; } );\n");
    const struct upstream_settings *app = &settings->upstreams[0];
    (void)state;
    assert_int_equal(app->endpoint_count, 5);
    assert_string_equal(app->endpoints[0].host, "a.example");
    assert_int_equal(app->endpoints[0].weight, 7);
    assert_false(app->endpoints[0].literal);
    assert_string_equal(app->endpoints[1].host, "::1");
    assert_true(app->endpoints[1].literal);
    assert_int_equal(app->endpoints[2].port, 82);
    assert_true(app->endpoints[3].service && !app->endpoints[3].literal);
    assert_string_equal(app->endpoints[3].host, "_http._tcp.a");
    assert_int_equal(app->endpoints[3].port, 0);
    assert_int_equal(app->endpoints[3].weight, 2);
    assert_false(app->endpoints[2].service || app->endpoints[4].service);
    assert_string_equal(app->endpoints[4].host, "srv");
    assert_string_equal(settings->routes[0].match.host.name, ".shop.example");
    assert_true(settings->routes[0].match.host.is_suffix);
    assert_string_equal(settings->routes[0].match.header_name, "X-Beta");
    assert_string_equal(settings->routes[0].match.header_value, "yes");
    settings_put(&settings);
    static const char *const bad[] = {"a",
                                      "a:0",
                                      "a:70000",
                                      ":80",
                                      "a:80 weight=0",
                                      "a:80 weight=101",
                                      "a:80 wait=3",
                                      "a b:80",
                                      "srv:",
                                      "srv:_",
                                      "srv:_a:80",
                                      "srv:http.tcp",
                                      "srv:_a.",
                                      "http://a/",
                                      "ftp://a:80",
                                      "https://",
                                      "unix:",
                                      "unix:x",
                                      "a:80 backup backup",
                                      "a:80 weight=1 weight=2",
                                      "http://a:0"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char text[512];
        snprintf(
            text, sizeof text,
            "listeners = { web = { listen = \"127.0.0.1:1\"; }; };\nupstreams = { app = { endpoints = [ \"%s\" ]; }; };\n"
            "routes = ( { upstream = \"app\"; } );\n",
            bad[i]);
        refused(text, "test.conf:2: upstreams.app.endpoints: expected an endpoint");
    }
}

#define HEALTH(keys)                                                                        \
    "listeners = { web = { listen = \"127.0.0.1:1\"; }; };\n"                               \
    "upstreams = { app = { endpoints = [ \"127.0.0.1:2\" ]; health = { " keys " }; }; };\n" \
    "routes = ( { upstream = \"app\"; } );\n"

static void health_is_read_and_what_cannot_be_probed_is_refused(void **state)
{
    (void)state;
    struct settings *settings =
        good(HEALTH("path = \"/up?x=1\"; status = \"204\"; eject_after = 0; panic = 0.25;"));
    const struct health_settings *health = &settings->upstreams[0].health;
    assert_int_equal(health->type, HEALTH_HTTP);
    assert_string_equal(health->path, "/up?x=1");
    assert_int_equal(health->status_first, 204);
    assert_int_equal(health->status_last, 204);
    assert_int_equal(health->eject_after_count, 0);
    assert_true(health->panic_share == 0.25);
    settings_put(&settings);
    settings = good(HEALTH("type = \"tcp\"; status = \"200-299\";"));
    assert_int_equal(settings->upstreams[0].health.type, HEALTH_TCP);
    assert_int_equal(settings->upstreams[0].health.status_last, 299);
    settings_put(&settings);
    refused(HEALTH("path = \"up\";"), "health.path: expected a path");
    refused(HEALTH("path = \"/a b\";"), "health.path: expected a path");
    refused(HEALTH("path = \"/a\\r\\nX: y\";"), "health.path: expected a path");
    refused(HEALTH("host = \"a b\";"), "health.host: expected a host");
    refused(HEALTH("type = \"tls\";"), "tls.enabled is false");
    refused(HEALTH("type = \"grpc\";"), "needs HTTP/2, but protocol is \"http1\"");
    refused(HEALTH("eject_base = \"2m\";"), "health.eject_base is longer than health.eject_max");
    static const char *const bad[] = {"99",   "600",  "2xx",      "300-200",
                                      "200-", "-299", "200-9999", ""};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char text[512];
        snprintf(text, sizeof text, HEALTH("status = \"%s\";"), bad[i]);
        refused(text, "upstreams.app.health.status: expected a status such as");
    }
}

/* Whether a group, such as "routes.files." or "" for the top, has the key. */
static bool has_key(const char *group, const char *key)
{
    char wanted[256];
    size_t bytes = (size_t)snprintf(wanted, sizeof wanted, "%s%s", group, key);
    bool has = false;
    for (const struct schema_section *section = schema_sections; section->name != NULL; section++) {
        has = has || strcmp(section->name, wanted) == 0;
        for (const struct schema_row *row = section->rows; row->path != NULL; row++) {
            char path[256];
            snprintf(path, sizeof path, "%s%s%s", section->name,
                     section->name[0] != '\0' ? "." : "", row->path);
            has = has || (strncmp(path, wanted, bytes) == 0 &&
                          (path[bytes] == '\0' || path[bytes] == '.'));
        }
    }
    return has;
}

static void words_of_others_lead_to_keys_that_there_are(void **state)
{
    (void)state;
    for (const struct foreign_key *row = foreign_keys; row->group != NULL; row++) {
        char words[256];
        assert_true(row->meant != NULL || row->text != NULL);
        if (row->meant != NULL && !has_key(row->group, row->meant)) {
            fail_msg("%s%s is no key", row->group, row->meant);
        }
        snprintf(words, sizeof words, "%s", row->words);
        char *rest = words;
        for (const char *word; (word = strsep(&rest, " ")) != NULL;) {
            if (has_key(row->group, word)) {
                fail_msg("%s%s is a key: nobody is told otherwise", row->group, word);
            }
            assert_ptr_equal(foreign_key_find(row->group, word), row);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_of_others_lead_to_keys_that_there_are),
        cmocka_unit_test(defaults_are_those_of_the_design),
        cmocka_unit_test(keys_that_are_not_given_follow_those_that_are),
        cmocka_unit_test(a_deadline_that_its_upstream_would_cut_short_is_refused),
        cmocka_unit_test(an_unknown_key_is_named_with_its_place_and_the_nearest),
        cmocka_unit_test(an_unknown_word_is_named_with_the_nearest),
        cmocka_unit_test(statuses_of_grpc_are_conditions_of_a_retry),
        cmocka_unit_test(a_bare_number_is_not_a_duration_or_size),
        cmocka_unit_test(durations_of_several_parts_and_short_sizes_are_understood),
        cmocka_unit_test(what_is_not_taken_comes_with_what_to_write),
        cmocka_unit_test(an_endpoint_may_be_a_url_a_file_or_a_backup),
        cmocka_unit_test(a_listener_has_one_address_or_several),
        cmocka_unit_test(a_dns_server_has_port_53_unless_told_otherwise),
        cmocka_unit_test(zero_and_endless_waits_are_refused),
        cmocka_unit_test(all_errors_of_a_file_are_reported_in_one_run),
        cmocka_unit_test(names_must_exist_and_be_labels),
        cmocka_unit_test(tls_is_refused_rather_than_ignored),
        cmocka_unit_test(what_is_missing_is_named),
        cmocka_unit_test(what_is_active_is_not_said_to_sleep),
        cmocka_unit_test(an_endpoint_is_host_port_and_weight),
        cmocka_unit_test(health_is_read_and_what_cannot_be_probed_is_refused),
        cmocka_unit_test(what_is_spoken_to_an_upstream_is_one_of_three_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
