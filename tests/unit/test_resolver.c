/* The resolver against a server in the same loop: what is in flight, what is opened anew, and what is left behind. */
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <event2/event.h>
#include <sys/socket.h>
#include <time.h>

#include "pool/resolver.h"
#include "steady/fault.h"

#define PATIENCE_MS 60000

/* ---- a server, and a resolver before it ---- */

struct rig {
    struct event_base *base;
    struct bound_registry registry;
    struct resolver *resolver;
    struct settings *settings;
    int fd;
    struct event *asked;
    uint16_t port;
    bool silent;
    unsigned asked_count, news_count, changed_count, said_count;
    char resolv_conf[64], said[512];
};

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* A: 127.0.0.9 for a second; anything else: nothing of that type. */
static void on_question(evutil_socket_t fd, short what, void *arg)
{
    static const uint8_t record[] = {0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4, 127, 0, 0, 9};
    struct rig *rig = arg;
    uint8_t text[512];
    struct sockaddr_in from;
    socklen_t from_length = sizeof from;
    (void)what;
    ssize_t length =
        recvfrom(fd, text, sizeof text - sizeof record, 0, (struct sockaddr *)&from, &from_length);
    assert_true(length > 16);
    rig->asked_count++;
    if (rig->silent) {
        return;
    }
    text[2] = 0x81;
    text[3] = 0x80;
    if (text[length - 3] == 1) {
        text[7] = 1;
        memcpy(text + length, record, sizeof record);
        length += (ssize_t)sizeof record;
    }
    assert_int_equal(sendto(fd, text, (size_t)length, 0, (struct sockaddr *)&from, from_length),
                     length);
}

static void on_news(bool changed, void *owner)
{
    struct rig *rig = owner;
    rig->news_count++;
    rig->changed_count += changed;
}

static void take_words(enum log_level level, const char *text, void *owner)
{
    struct rig *rig = owner;
    (void)level;
    rig->said_count++;
    snprintf(rig->said, sizeof rig->said, "%s", text);
}

static void open_server(struct rig *rig)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    rig->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(rig->fd, (struct sockaddr *)&address, length), 0);
    assert_int_equal(getsockname(rig->fd, (struct sockaddr *)&address, &length), 0);
    rig->port = ntohs(address.sin_port);
    rig->asked = event_new(rig->base, rig->fd, EV_READ | EV_PERSIST, on_question, rig);
    event_add(rig->asked, NULL);
}

static void write_resolv_conf(struct rig *rig, const char *text)
{
    FILE *file = fopen(rig->resolv_conf, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

/* Names n0 to n<count - 1>, asked of the rig's server. */
static struct settings *settings_with(const struct rig *rig, unsigned first, unsigned count,
                                      const char *resolver, unsigned resolve_ms)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    fprintf(out,
            "listeners = { web = { listen = \"127.0.0.1:1\"; }; };\n"
            "routes = ( { upstream = \"app\"; } );\n"
            "resolver = { servers = [ \"127.0.0.1:%u\" ]; %s };\n"
            "upstreams = { app = { timeouts = { resolve = \"%ums\"; }; endpoints = [ ",
            rig->port, resolver, resolve_ms);
    for (unsigned i = 0; i < count; i++) {
        fprintf(out, "%s\"n%u.test:80\"", i > 0 ? ", " : "", first + i);
    }
    fprintf(out, " ]; }; };\n");
    fclose(out);
    struct settings *settings = NULL;
    struct settings_messages messages;
    enum settings_result result = settings_parse(text, "test", &settings, &messages);
    if (result != SETTINGS_OK) {
        fail_msg("%s", messages.items[0].text);
    }
    settings_messages_free(&messages);
    free(text);
    return settings;
}

static struct resolver *create(struct rig *rig)
{
    const struct resolver_env env = {
        .base = rig->base,
        .registry = &rig->registry,
        .resolv_conf = rig->resolv_conf,
        .hosts = "/nonexistent",
        .on_news = on_news,
        .say = take_words,
        .owner = rig,
    };
    return resolver_create(&env);
}

static void rig_init(struct rig *rig)
{
    memset(rig, 0, sizeof *rig);
    rig->base = event_base_new();
    bound_registry_init(&rig->registry);
    snprintf(rig->resolv_conf, sizeof rig->resolv_conf, "/tmp/evenkeel-resolv-%d", (int)getpid());
    write_resolv_conf(rig, "nameserver 127.0.0.1\n");
    open_server(rig);
    rig->resolver = create(rig);
    assert_non_null(rig->resolver);
}

static void rig_use(struct rig *rig, struct settings *settings)
{
    settings_put(&rig->settings);
    rig->settings = settings;
    assert_int_equal(resolver_use(rig->resolver, settings), 0);
}

static void rig_end(struct rig *rig)
{
    resolver_free(&rig->resolver);
    assert_int_equal(rig->registry.count, 0);
    settings_put(&rig->settings);
    event_free(rig->asked);
    close(rig->fd);
    event_base_free(rig->base);
    unlink(rig->resolv_conf);
}

#define await(rig, condition)                                                   \
    do {                                                                        \
        uint64_t until_ms = now_ms() + PATIENCE_MS;                             \
        while (!(condition)) {                                                  \
            if (now_ms() > until_ms)                                            \
                fail_msg("%s:%d: in vain: %s", __FILE__, __LINE__, #condition); \
            struct timeval most = {0, 10000};                                   \
            event_base_loopexit((rig)->base, &most);                            \
            event_base_loop((rig)->base, EVLOOP_ONCE);                          \
        }                                                                       \
    } while (0)

static const struct bound *bound_named(const struct rig *rig, const char *name)
{
    const struct bound *bound;
    TAILQ_FOREACH (bound, &rig->registry.bounds, link) {
        if (strcmp(bound->name, name) == 0) {
            return bound;
        }
    }
    fail_msg("no bound %s", name);
    return NULL;
}

static uint64_t reopened(const struct rig *rig)
{
    struct resolver_figures figures;
    resolver_figures(rig->resolver, &figures);
    return figures.reopened;
}

static size_t addresses(const struct rig *rig, size_t endpoint)
{
    struct named_address found[POOL_NAME_ADDRESSES];
    return resolver_addresses(rig->resolver, &rig->settings->upstreams[0].endpoints[endpoint],
                              found, POOL_NAME_ADDRESSES);
}

/* ---- tests ---- */

static void a_name_gets_its_address_and_keeps_it_over_other_settings(void **state)
{
    struct rig rig;
    (void)state;
    rig_init(&rig);
    rig_use(&rig, settings_with(&rig, 0, 1, "", 1000));
    assert_int_equal(resolver_state(rig.resolver), NAMES_ASKING);
    assert_int_equal(addresses(&rig, 0), 0);
    await(&rig, resolver_state(rig.resolver) == NAMES_ASKED);
    assert_int_equal(addresses(&rig, 0), 1);
    await(&rig, rig.changed_count == 1);
    unsigned asked_count = rig.asked_count;
    rig_use(&rig, settings_with(&rig, 0, 2, "", 2000));
    assert_int_equal(addresses(&rig, 0), 1);
    await(&rig, resolver_state(rig.resolver) == NAMES_ASKED);
    assert_int_equal(rig.asked_count, asked_count + 2);
    assert_int_equal(bound_used(bound_named(&rig, "dns_names")), 2);
    rig_use(&rig, settings_with(&rig, 1, 1, "", 2000));
    assert_int_equal(bound_used(bound_named(&rig, "dns_names")), 2);
    resolver_forget_others(rig.resolver);
    assert_int_equal(bound_used(bound_named(&rig, "dns_names")), 1);
    assert_int_equal(addresses(&rig, 0), 1);
    rig_end(&rig);
}

static void no_more_queries_than_the_bound_are_in_flight_and_all_get_their_turn(void **state)
{
    struct rig rig;
    (void)state;
    rig_init(&rig);
    rig.silent = true;
    rig_use(&rig, settings_with(&rig, 0, 200, "", 2000));
    await(&rig, rig.asked_count >= 64);
    const struct bound *queries = bound_named(&rig, "dns_queries");
    assert_int_equal(bound_used(queries), 64);
    rig.silent = false;
    await(&rig, resolver_state(rig.resolver) == NAMES_ASKED);
    for (size_t i = 0; i < 200; i++) {
        assert_int_equal(addresses(&rig, i), 1);
    }
    assert_int_equal(bound_used(queries), 0);
    assert_int_equal(bound_peak(queries), 64);
    rig_end(&rig);
}

static void a_query_ends_at_its_deadline_and_the_channel_is_opened_anew(void **state)
{
    struct rig rig;
    struct resolver_figures figures;
    (void)state;
    rig_init(&rig);
    rig.silent = true;
    uint64_t since_ms = now_ms();
    rig_use(&rig, settings_with(&rig, 0, 1, "min_ttl = \"100ms\"; ", 1200));
    await(&rig, resolver_state(rig.resolver) == NAMES_ASKED);
    assert_in_range(now_ms() - since_ms, 900, 5000);
    resolver_figures(rig.resolver, &figures);
    assert_int_equal(figures.results[LOOKUP_TIMEOUT], 2);
    await(&rig, reopened(&rig) == 1);
    rig.silent = false;
    await(&rig, addresses(&rig, 0) == 1);
    rig_end(&rig);
}

static void what_is_in_flight_is_asked_again_when_resolv_conf_changes(void **state)
{
    struct rig rig;
    (void)state;
    rig_init(&rig);
    rig_use(&rig, settings_with(&rig, 0, 1, "min_ttl = \"100ms\"; max_ttl = \"200ms\"; ", 8000));
    await(&rig, addresses(&rig, 0) == 1);
    write_resolv_conf(&rig, "nameserver 127.0.0.1\noptions timeout:1\n");
    await(&rig, reopened(&rig) == 1);
    assert_non_null(strstr(rig.said, "has changed"));
    rig.silent = true;
    unsigned asked_count = rig.asked_count;
    await(&rig, rig.asked_count > asked_count);
    write_resolv_conf(&rig, "nameserver 127.0.0.1\n");
    rig.silent = false;
    struct settings *others = settings_with(&rig, 0, 2, "min_ttl = \"100ms\"; ", 8000);
    rig_use(&rig, others);
    await(&rig, reopened(&rig) == 2);
    await(&rig, resolver_state(rig.resolver) == NAMES_ASKED);
    rig_end(&rig);
}

static void forgetting_and_freeing_with_queries_in_flight_leaves_nothing(void **state)
{
    struct rig rig;
    (void)state;
    rig_init(&rig);
    rig.silent = true;
    rig_use(&rig, settings_with(&rig, 0, 100, "", 2000));
    await(&rig, rig.asked_count >= 64);
    rig_use(&rig, settings_with(&rig, 100, 1, "", 2000));
    resolver_forget_others(rig.resolver);
    assert_int_equal(bound_used(bound_named(&rig, "dns_names")), 1);
    rig.silent = false;
    await(&rig, resolver_state(rig.resolver) == NAMES_ASKED);
    rig.silent = true;
    rig_use(&rig, settings_with(&rig, 100, 50, "", 2000));
    unsigned asked_count = rig.asked_count;
    await(&rig, rig.asked_count > asked_count + 10);
    rig_end(&rig);
}

static void take_name(const struct name_figures *figures, void *owner)
{
    assert_string_equal(figures->name, "n0.test");
    assert_string_equal(figures->source, "dns");
    assert_false(figures->service || figures->stale);
    assert_int_equal(figures->addresses_count, 1);
    assert_string_equal(figures->last[DNS_A], "found");
    assert_string_equal(figures->last[DNS_AAAA], "empty");
    assert_null(figures->last[DNS_SRV]);
    assert_in_range(figures->next_ms, 1, 5000);
    ++*(unsigned *)owner;
}

static void figures_are_told_of_each_name(void **state)
{
    struct rig rig;
    unsigned count = 0;
    (void)state;
    rig_init(&rig);
    rig_use(&rig, settings_with(&rig, 0, 1, "", 1000));
    await(&rig, resolver_state(rig.resolver) == NAMES_ASKED);
    resolver_each_name(rig.resolver, take_name, &count);
    assert_int_equal(count, 1);
    rig_end(&rig);
}

#ifdef EVENKEEL_FAULT_INJECTION
static void each_failing_allocation_is_survived_and_made_up_for(void **state)
{
    struct rig rig;
    bool struck = true;
    uint64_t failures = 0;
    (void)state;
    rig_init(&rig);
    for (uint64_t n = 1; struck; n++) {
        resolver_free(&rig.resolver);
        fault_arm(FAULT_ALLOC, n);
        rig.resolver = create(&rig);
        struck = fault_disarm(FAULT_ALLOC);
        assert_true(struck == (rig.resolver == NULL));
        failures += struck;
    }
    struct settings *settings = settings_with(&rig, 0, 1, "min_ttl = \"50ms\"; ", 400);
    struck = true;
    for (uint64_t n = 1; struck; n++) {
        resolver_free(&rig.resolver);
        rig.resolver = create(&rig);
        fault_arm(FAULT_ALLOC, n);
        size_t refused = resolver_use(rig.resolver, settings);
        if (refused == 0) {
            await(&rig, resolver_state(rig.resolver) == NAMES_ASKED);
        }
        struck = fault_disarm(FAULT_ALLOC);
        failures += struck;
        settings_put(&rig.settings);
        rig.settings = settings_get(settings);
        (void)resolver_use(rig.resolver, settings);
        await(&rig, addresses(&rig, 0) == 1);
    }
    settings_put(&settings);
    assert_true(failures >= 6);
    rig_end(&rig);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_gets_its_address_and_keeps_it_over_other_settings),
        cmocka_unit_test(no_more_queries_than_the_bound_are_in_flight_and_all_get_their_turn),
        cmocka_unit_test(a_query_ends_at_its_deadline_and_the_channel_is_opened_anew),
        cmocka_unit_test(what_is_in_flight_is_asked_again_when_resolv_conf_changes),
        cmocka_unit_test(forgetting_and_freeing_with_queries_in_flight_leaves_nothing),
        cmocka_unit_test(figures_are_told_of_each_name),
#ifdef EVENKEEL_FAULT_INJECTION
        cmocka_unit_test(each_failing_allocation_is_survived_and_made_up_for),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
