/* Probes and attempts take endpoints out and bring them back; whoever is offered nothing gets nothing. */
#include "tests/unit/pool_rig.h"

#include "pool/health.h"
#include "pool/health_state.h"
#include "pool/queue.h"

/* ---- an origin on a thread of its own ---- */

enum { HANG = 0, CUT = -1, GIBBERISH = -2 };

struct origin {
    int fd;
    uint16_t port;
    pthread_t thread;
    int says;         /* atomic: a status, or what else it does */
    int probes_count; /* atomic */
    char request[512];
    bool stop; /* atomic */
};

static void answer(struct origin *origin, int fd, int *hung, size_t *hung_count)
{
    char text[128], room[512];
    int says = __atomic_load_n(&origin->says, __ATOMIC_ACQUIRE);
    ssize_t got = says == CUT ? 0 : recv(fd, room, sizeof room - 1, 0);
    if (got > 0 && __atomic_load_n(&origin->probes_count, __ATOMIC_RELAXED) == 0) {
        memcpy(origin->request, room, (size_t)got); /* told by the count */
    }
    __atomic_fetch_add(&origin->probes_count, 1, __ATOMIC_RELEASE);
    if (says == HANG && *hung_count < 16) {
        hung[(*hung_count)++] = fd;
        return;
    }
    int bytes = says == GIBBERISH ? snprintf(text, sizeof text, "SSH-2.0-something\r\n")
                                  : snprintf(text, sizeof text,
                                             "HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n", says);
    if (says != CUT) {
        (void)!send(fd, text, (size_t)bytes, MSG_NOSIGNAL);
    }
    close(fd);
}

static void *origin_run(void *arg)
{
    struct origin *origin = arg;
    int hung[16];
    size_t hung_count = 0;
    while (!__atomic_load_n(&origin->stop, __ATOMIC_ACQUIRE)) {
        struct pollfd poll_fd = {.fd = origin->fd, .events = POLLIN};
        if (poll(&poll_fd, 1, 20) == 1) {
            int fd = accept4(origin->fd, NULL, NULL, SOCK_CLOEXEC);
            if (fd >= 0) {
                answer(origin, fd, hung, &hung_count);
            }
        }
    }
    while (hung_count > 0) {
        close(hung[--hung_count]);
    }
    return NULL;
}

static void origin_init(struct origin *origin, int says)
{
    memset(origin, 0, sizeof *origin);
    origin->fd = rig_listen(64, &origin->port);
    origin->says = says;
    assert_int_equal(pthread_create(&origin->thread, NULL, origin_run, origin), 0);
}

static void origin_say(struct origin *origin, int says)
{
    __atomic_store_n(&origin->says, says, __ATOMIC_RELEASE);
}

static void origin_end(struct origin *origin)
{
    __atomic_store_n(&origin->stop, true, __ATOMIC_RELEASE);
    pthread_join(origin->thread, NULL);
    close(origin->fd);
}

/* ---- health on a control loop of the test's ---- */

struct ward {
    struct rig rig;
    struct event_base *base;
    struct mailbox *mailbox;
    char log[4096]; /* what was told: "app/127.0.0.1:1 down: ...\n" */
};

static void on_change(const struct health_change *change, void *owner)
{
    struct ward *ward = owner;
    size_t used = strlen(ward->log);
    snprintf(ward->log + used, sizeof ward->log - used, "%s%s%s %s: %s\n", change->upstream,
             change->address != NULL ? "/" : "", change->address != NULL ? change->address : "",
             health_event_name(change->event), change->why);
}

static void ward_init(struct ward *ward)
{
    memset(ward, 0, sizeof *ward);
    rig_init(&ward->rig, 1, 100);
    ward->base = event_base_new();
    assert_int_equal(mailbox_create(&ward->mailbox), MAILBOX_OK);
    const struct health_env env = {ward->base, ward->mailbox, on_change, ward, NULL};
    assert_true(pools_start_health(ward->rig.pools, &env));
}

__attribute__((format(printf, 2, 3))) static void ward_adopt(struct ward *ward, const char *format,
                                                             ...)
{
    char upstreams[2048];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(upstreams, sizeof upstreams, format, arguments);
    va_end(arguments);
    rig_adopt(&ward->rig, rig_settings("upstreams = { app = { %s }; };", upstreams));
}

static void ward_turn(struct ward *ward)
{
    event_base_loop(ward->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
    mailbox_drain(ward->mailbox, ward);
    poll(NULL, 0, 1); /* a turn of the loop is no busy one */
}

#define ward_await(ward, condition)                                                      \
    do {                                                                                 \
        uint64_t until_ms = rig_now_ms() + RIG_PATIENCE_MS;                              \
        while (!(condition)) {                                                           \
            if (rig_now_ms() > until_ms)                                                 \
                fail_msg("%s:%d: waited in vain for: %s; told:\n%s", __FILE__, __LINE__, \
                         #condition, (ward)->log);                                       \
            ward_turn(ward);                                                             \
        }                                                                                \
    } while (0)

static void ward_end(struct ward *ward)
{
    ward_adopt(ward, "endpoints = [ \"127.0.0.1:1\" ];"); /* nothing is probed */
    mailbox_drain(ward->mailbox, ward);
    rig_end(&ward->rig);
    mailbox_free(ward->mailbox);
    event_base_free(ward->base);
}

static bool told(const struct ward *ward, const char *words)
{
    return strstr(ward->log, words) != NULL;
}

static uint32_t offer(const struct ward *ward, size_t i)
{
    return rig_endpoint(&ward->rig, 0, i)->verdict.traffic_share;
}

static void answers(struct ward *ward, size_t i)
{
    endpoint_answered(ward->rig.workers[0].pool, rig_endpoint(&ward->rig, 0, i), 1000);
}

static void fail_as(struct ward *ward, size_t i, const struct endpoint_failure *failure, int count)
{
    for (int n = 0; n < count; n++) {
        endpoint_failed(ward->rig.workers[0].pool, rig_endpoint(&ward->rig, 0, i), failure, 1000);
    }
}

/* Attempts of the only client with the only path. */
static void fails(struct ward *ward, size_t i, int count)
{
    const struct strata strata = {3, 5};
    fail_as(ward, i,
            &(struct endpoint_failure){.strata = strata, .with_traffic = strata_bits(strata)},
            count);
}

#define QUICK "interval = \"20ms\"; timeout = \"200ms\"; slow_start = \"100ms\"; "
#define OTHER "127.0.0.1:1" /* nobody listens */

static void a_probe_asks_as_it_was_told(void **state)
{
    struct ward ward;
    struct origin origin;
    (void)state;
    origin_init(&origin, 204);
    ward_init(&ward);
    ward_adopt(&ward,
               "endpoints = [ \"127.0.0.1:%u\" ]; health = { path = \"/health?deep=1\"; " QUICK
               "};",
               origin.port);
    struct endpoint_health *health = rig_endpoint(&ward.rig, 0, 0)->health;
    ward_await(&ward, health->probes_good >= 3 &&
                          __atomic_load_n(&origin.probes_count, __ATOMIC_ACQUIRE) > 0);
    char wanted[256];
    snprintf(wanted, sizeof wanted, "GET /health?deep=1 HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n",
             origin.port);
    assert_memory_equal(origin.request, wanted, strlen(wanted));
    assert_string_equal(origin.request + strlen(origin.request) - 4, "\r\n\r\n");
    assert_int_equal(health->probes_failed, 0);
    assert_string_equal(ward.log, "");
    ward_end(&ward);
    origin_end(&origin);
}

static void bad_answers_take_an_endpoint_out_and_good_ones_bring_it_back(void **state)
{
    static const struct {
        int says;
        const char *why;
    } cases[] = {{503, "down: probes are answered with 503"},
                 {404, "down: probes are answered with 404"},
                 {CUT, "down: probes fail: the connection broke"},
                 {GIBBERISH, "down: probes fail: the answer is not HTTP/1.x"},
                 {HANG, "down: probes fail: no answer in time"}};
    struct ward ward;
    struct origin origin, fine;
    (void)state;
    origin_init(&origin, 200);
    origin_init(&fine, 200);
    ward_init(&ward);
    ward_adopt(
        &ward,
        "endpoints = [ \"127.0.0.1:%u\", \"127.0.0.1:%u\" ]; health = { path = \"/\"; fall = "
        "2; interval = \"20ms\"; timeout = \"60ms\"; slow_start = \"50ms\"; };",
        origin.port, fine.port);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ward.log[0] = '\0';
        origin_say(&origin, cases[i].says);
        ward_await(&ward, told(&ward, cases[i].why));
        assert_int_equal(offer(&ward, 0), 0);
        assert_int_equal(offer(&ward, 1), TRAFFIC_SHARE_WHOLE);
        origin_say(&origin, 301);
        ward_await(&ward, told(&ward, "up: probes are answered"));
        assert_in_range(offer(&ward, 0), 1, TRAFFIC_SHARE_WHOLE - 1); /* slowly */
        ward_await(&ward, offer(&ward, 0) == TRAFFIC_SHARE_WHOLE);
    }
    ward_end(&ward);
    origin_end(&origin);
    origin_end(&fine);
}

static void a_connection_is_enough_for_tcp_probes(void **state)
{
    struct ward ward;
    uint16_t port;
    (void)state;
    int listener = rig_listen(64, &port);
    ward_init(&ward);
    ward_adopt(&ward,
               "endpoints = [ \"127.0.0.1:%u\", \"" OTHER "\" ]; health = { type = \"tcp\"; " QUICK
               "};",
               port);
    ward_await(&ward, told(&ward, "app/" OTHER " down: probes fail: refused"));
    struct endpoint_health *health = rig_endpoint(&ward.rig, 0, 0)->health;
    ward_await(&ward, health->probes_good >= 3);
    assert_int_equal(offer(&ward, 0), TRAFFIC_SHARE_WHOLE);
    ward_end(&ward);
    close(listener);
}

static void failures_in_a_row_eject(void **state)
{
    struct ward ward;
    (void)state;
    ward_init(&ward);
    ward_adopt(&ward,
               "endpoints = [ \"127.0.0.1:2\", \"127.0.0.1:3\" ]; health = { eject_after = 3; "
               "eject_base = \"50ms\"; slow_start = \"50ms\"; };");
    fails(&ward, 0, 2);
    answers(&ward, 0);
    fails(&ward, 0, 2);
    ward_turn(&ward);
    assert_string_equal(ward.log, "");
    fails(&ward, 0, 5); /* told once */
    ward_turn(&ward);
    assert_string_equal(ward.log, "app/127.0.0.1:2 ejected: 7 attempts in a row failed\n");
    assert_int_equal(offer(&ward, 0), 0);
    fails(&ward, 1, 30); /* the last one is not ejected */
    ward_turn(&ward);
    assert_int_equal(offer(&ward, 1), TRAFFIC_SHARE_WHOLE);
    ward_await(&ward, told(&ward, "app/127.0.0.1:2 up: its ejection is over"));
    ward_await(&ward, offer(&ward, 0) == TRAFFIC_SHARE_WHOLE);
    ward_end(&ward);
}

/* The failures that bring an endpoint out of three in a row, where traffic is of two clients and four paths. */
static void failures_of_one_client_or_one_path_do_not_eject(void **state)
{
    static const struct {
        struct strata strata[3];
        bool unreached, ejects;
    } cases[] = {
        {{{1, 11}, {1, 12}, {1, 13}}, false, false}, /* one client */
        {{{1, 11}, {2, 11}, {1, 11}}, false, false}, /* one path */
        {{{1, 11}, {2, 12}, {2, 13}}, false, true},
        {{{1, 11}, {1, 11}, {1, 11}}, true, true}, /* which had no part in it */
    };
    uint32_t with_traffic =
        strata_bits((struct strata){1, 11}) | strata_bits((struct strata){2, 12}) |
        strata_bits((struct strata){2, 13}) | strata_bits((struct strata){2, 14});
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ward ward;
        ward_init(&ward);
        ward_adopt(&ward, "endpoints = [ \"127.0.0.1:2\", \"127.0.0.1:3\" ]; "
                          "health = { eject_after = 3; };");
        for (int n = 0; n < 30; n++) {
            const struct endpoint_failure failure = {.strata = cases[i].strata[n % 3],
                                                     .with_traffic = with_traffic,
                                                     .unreached = cases[i].unreached};
            fail_as(&ward, 0, &failure, 1);
            ward_turn(&ward);
        }
        assert_true(told(&ward, "ejected") == cases[i].ejects);
        ward_end(&ward);
    }
}

static void a_success_in_between_saves_who_was_told_of(void **state)
{
    struct ward ward;
    (void)state;
    ward_init(&ward);
    ward_adopt(&ward,
               "endpoints = [ \"127.0.0.1:2\", \"127.0.0.1:3\" ]; health = { eject_after = 3; };");
    fails(&ward, 0, 3);
    answers(&ward, 0);
    ward_turn(&ward);
    assert_string_equal(ward.log, "");
    ward_end(&ward);
}

/* The message under way keeps it in memory. */
static void an_endpoint_that_was_told_of_may_leave_the_settings(void **state)
{
    struct ward ward;
    (void)state;
    ward_init(&ward);
    ward_adopt(&ward,
               "endpoints = [ \"127.0.0.1:2\", \"127.0.0.1:3\" ]; health = { eject_after = 1; };");
    fails(&ward, 0, 1);
    ward_adopt(&ward, "endpoints = [ \"127.0.0.1:3\" ];");
    pools_collect(ward.rig.pools);
    ward_turn(&ward);
    assert_string_equal(ward.log, "");
    pools_collect(ward.rig.pools);
    assert_int_equal(bound_used(&ward.rig.pools->endpoints), 1);
    ward_end(&ward);
}

static void too_few_healthy_ones_are_panic_and_all_are_used(void **state)
{
    struct ward ward;
    struct origin origin;
    (void)state;
    origin_init(&origin, 200);
    ward_init(&ward);
    ward_adopt(
        &ward,
        "endpoints = [ \"127.0.0.1:%u\", \"127.0.0.1:2\", \"127.0.0.1:3\" ]; health = { type "
        "= \"tcp\"; fall = 1; " QUICK "};",
        origin.port);
    ward_await(&ward, told(&ward, "app panic: 1 of 3 endpoints are healthy"));
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(offer(&ward, i), TRAFFIC_SHARE_WHOLE);
    }
    struct upstream_health health = upstream_health(ward.rig.set->views[0].upstream);
    assert_true(health.panic && health.healthy_count == 1 && health.endpoint_count == 3);
    /* a drained one does not count: one of two is enough */
    assert_int_equal(pools_drain(ward.rig.pools, "app", "127.0.0.1:3", true), 1);
    assert_true(told(&ward, "app calm: 1 of 2 endpoints are healthy"));
    assert_int_equal(offer(&ward, 1), 0);
    ward_end(&ward);
    origin_end(&origin);
}

static void a_drained_endpoint_gets_nothing_until_it_is_given_back(void **state)
{
    struct ward ward;
    struct endpoint *endpoint;
    const struct pick_options options = {0};
    (void)state;
    ward_init(&ward);
    ward_adopt(&ward, "endpoints = [ \"127.0.0.1:2\", \"127.0.0.1:3\" ]; health = { slow_start = "
                      "\"30ms\"; };");
    struct pool_worker *worker = ward.rig.workers[0].pool;
    assert_int_equal(pools_drain(ward.rig.pools, "app", "127.0.0.1:9", true), 0);
    assert_int_equal(pools_drain(ward.rig.pools, "other", "127.0.0.1:2", true), 0);
    assert_int_equal(pools_drain(ward.rig.pools, "app", "127.0.0.1:2", true), 1);
    assert_int_equal(pools_drain(ward.rig.pools, "app", "127.0.0.1:2", true), 1); /* and again */
    for (int i = 0; i < 100; i++) {
        assert_int_equal(upstream_pick(worker, &ward.rig.set->views[0], &options, &endpoint),
                         PICK_OK);
        assert_ptr_equal(endpoint, rig_endpoint(&ward.rig, 0, 1));
    }
    /* a reload does not give it back */
    ward_adopt(&ward, "endpoints = [ \"127.0.0.1:2\", \"127.0.0.1:3\" ]; health = { slow_start = "
                      "\"30ms\"; };");
    assert_int_equal(offer(&ward, 0), 0);
    assert_int_equal(pools_drain(ward.rig.pools, "app", "127.0.0.1:3", true), 1);
    assert_int_equal(upstream_pick(worker, &ward.rig.set->views[0], &options, &endpoint),
                     PICK_NONE);
    assert_int_equal(pools_drain(ward.rig.pools, "app", "127.0.0.1:2", false), 1);
    assert_int_equal(upstream_pick(worker, &ward.rig.set->views[0], &options, &endpoint), PICK_OK);
    ward_await(&ward, offer(&ward, 0) == TRAFFIC_SHARE_WHOLE);
    assert_string_equal(ward.log, "app/127.0.0.1:2 drained: by the operator\n"
                                  "app/127.0.0.1:3 drained: by the operator\n"
                                  "app/127.0.0.1:2 undrained: by the operator\n");
    ward_end(&ward);
}

static void probes_that_end_with_the_settings_leave_nobody_down(void **state)
{
    struct ward ward;
    (void)state;
    ward_init(&ward);
    ward_adopt(&ward,
               "endpoints = [ \"127.0.0.1:2\", \"127.0.0.1:3\" ]; health = { type = \"tcp\"; "
               "fall = 1; panic = 0.0; " QUICK "};");
    ward_await(&ward, offer(&ward, 0) == 0 && offer(&ward, 1) == 0);
    ward_adopt(
        &ward,
        "endpoints = [ \"127.0.0.1:2\", \"127.0.0.1:3\" ]; health = { slow_start = \"30ms\"; };");
    assert_true(told(&ward, "up: it is no longer probed"));
    ward_await(&ward,
               offer(&ward, 0) == TRAFFIC_SHARE_WHOLE && offer(&ward, 1) == TRAFFIC_SHARE_WHOLE);
    ward_end(&ward);
}

/* Want of descriptors is the proxy's trouble, not the endpoint's. */
static void probes_that_get_no_descriptor_are_put_off(void **state)
{
    struct ward ward;
    (void)state;
    ward_init(&ward);
    assert_true(bound_take(&ward.rig.fds, 100));
    ward_adopt(&ward,
               "endpoints = [ \"127.0.0.1:2\" ]; health = { type = \"tcp\"; fall = 1; " QUICK "};");
    struct endpoint_health *health = rig_endpoint(&ward.rig, 0, 0)->health;
    ward_await(&ward, health->probes_put_off >= 3);
    assert_int_equal(health->probes_failed, 0);
    assert_string_equal(ward.log, "");
    bound_give(&ward.rig.fds, 100);
    ward_end(&ward);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_probe_asks_as_it_was_told),
        cmocka_unit_test(bad_answers_take_an_endpoint_out_and_good_ones_bring_it_back),
        cmocka_unit_test(a_connection_is_enough_for_tcp_probes),
        cmocka_unit_test(failures_in_a_row_eject),
        cmocka_unit_test(failures_of_one_client_or_one_path_do_not_eject),
        cmocka_unit_test(a_success_in_between_saves_who_was_told_of),
        cmocka_unit_test(an_endpoint_that_was_told_of_may_leave_the_settings),
        cmocka_unit_test(too_few_healthy_ones_are_panic_and_all_are_used),
        cmocka_unit_test(a_drained_endpoint_gets_nothing_until_it_is_given_back),
        cmocka_unit_test(probes_that_end_with_the_settings_leave_nobody_down),
        cmocka_unit_test(probes_that_get_no_descriptor_are_put_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
