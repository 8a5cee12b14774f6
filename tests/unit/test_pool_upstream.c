/* Generations of upstreams: what is unchanged is kept, what has gone is freed, names become all their addresses. */
#include "tests/unit/pool_rig.h"

#include <strings.h>

#include "steady/fault.h"

static struct settings *one_endpoint(const char *endpoint, const char *more)
{
    return rig_settings("upstreams = { app = { endpoints = [ \"%s\" ]; %s }; };", endpoint, more);
}

/* ---- what names stand for ---- */

/* "one": 127.0.0.1; "three": 127.0.0.1, 127.0.0.2, ::1; "many": as many as there is room for;
   "none": nothing; "_a._two": ports and weights of services. */
static size_t names(void *owner, const struct endpoint_settings *settings,
                    struct named_address *addresses, size_t room)
{
    static const char *const three[] = {"127.0.0.1", "127.0.0.2", "::1"};
    char text[32];
    size_t count = 0;
    (*(unsigned *)owner)++;
    if (strcasecmp(settings->host, "one") == 0) {
        count = 1;
    }
    if (strcasecmp(settings->host, "three") == 0) {
        count = 3;
    }
    if (settings->service) {
        count = 2;
    }
    if (strcasecmp(settings->host, "many") == 0) {
        count = room;
    }
    assert_true(count <= room);
    for (size_t i = 0; i < count; i++) {
        snprintf(text, sizeof text, "127.0.1.%zu", i);
        const char *host = count <= 3 ? three[i] : text;
        assert_true(address_from_host(host, strlen(host),
                                      settings->service ? (uint16_t)(100 + i) : settings->port,
                                      &addresses[i].address));
        addresses[i].hostname = settings->service ? "target" : settings->host;
        addresses[i].weight = settings->service ? (uint16_t)(2 + i) : 1;
    }
    return count;
}

static unsigned asked_count;

/* 127.0.0.2 and 127.0.0.3. */
static size_t fewer_names(void *owner, const struct endpoint_settings *settings,
                          struct named_address *addresses, size_t room)
{
    size_t count = names(owner, settings, addresses, room);
    assert_true(count >= 3);
    addresses[0] = addresses[1];
    addresses[1].address.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 2);
    return 2;
}

/* An exchange that waits and, when it is its turn, gives up. */
struct visitor {
    struct waiter waiter; /* first */
    bool served;
};

static void on_turn(struct waiter *waiter)
{
    ((struct visitor *)waiter)->served = true;
}

/* ---- names ---- */

static void every_address_of_a_name_is_an_endpoint_once(void **state)
{
    struct rig rig;
    (void)state;
    rig_init(&rig, 1, 10);
    pools_set_names(rig.pools, names, &asked_count);
    rig_adopt(&rig, one_endpoint("three:80", ""));
    assert_int_equal(rig.set->views[0].endpoint_count, 3);
    static const char *const addresses[] = {"127.0.0.1:80", "127.0.0.2:80", "[::1]:80"};
    for (size_t i = 0; i < 3; i++) {
        struct endpoint *endpoint = rig_endpoint(&rig, 0, i);
        assert_string_equal(endpoint_text(endpoint), "three:80");
        assert_string_equal(endpoint_authority(endpoint), "three:80");
        assert_string_equal(endpoint_address_text(endpoint), addresses[i]);
    }
    rig_end(&rig);
}

static void a_name_with_too_many_addresses_is_cut(void **state)
{
    struct rig rig;
    (void)state;
    rig_init(&rig, 1, 10);
    pools_set_names(rig.pools, names, &asked_count);
    rig_adopt(&rig, one_endpoint("many:80", ""));
    assert_int_equal(rig.set->views[0].endpoint_count, POOL_NAME_ADDRESSES);
    rig_end(&rig);
}

static void a_literal_address_is_not_looked_up(void **state)
{
    struct rig rig;
    (void)state;
    rig_init(&rig, 1, 10);
    asked_count = 0;
    pools_set_names(rig.pools, names, &asked_count);
    rig_adopt(&rig,
              rig_settings(
                  "upstreams = { app = { endpoints = [ \"127.0.0.1:80\", \"[::1]:80\" ]; }; };"));
    assert_string_equal(endpoint_address_text(rig_endpoint(&rig, 0, 1)), "[::1]:80");
    assert_int_equal(asked_count, 0);
    rig_end(&rig);
}

static void a_name_that_stands_for_nothing_leaves_the_upstream_without_endpoints(void **state)
{
    struct rig rig;
    struct endpoint *endpoint = NULL;
    const struct pick_options options = {0};
    (void)state;
    rig_init(&rig, 1, 10);
    pools_set_names(rig.pools, names, &asked_count);
    rig_adopt(&rig, one_endpoint("none:80", ""));
    assert_int_equal(rig.set->views[0].endpoint_count, 0);
    assert_int_equal(upstream_pick(rig.workers[0].pool, &rig.set->views[0], &options, &endpoint),
                     PICK_NONE);
    rig_adopt(&rig, one_endpoint("one:80", ""));
    assert_false(rig_endpoint(&rig, 0, 0)->late);
    assert_int_equal(upstream_pick(rig.workers[0].pool, &rig.set->views[0], &options, &endpoint),
                     PICK_OK);
    rig_adopt(&rig, one_endpoint("none:80", ""));
    assert_true(endpoint_retired(endpoint));
    assert_int_equal(pools_collect(rig.pools), 0);
    assert_int_equal(bound_used(&rig.pools->endpoints), 0);
    rig_end(&rig);
}

static void who_waits_when_the_last_endpoint_goes_is_told(void **state)
{
    struct rig rig;
    struct visitor visitor = {.waiter = {.on_turn = on_turn}};
    uint16_t port;
    char text[32];
    (void)state;
    int listener = rig_listen(8, &port);
    rig_init(&rig, 1, 10);
    pools_set_names(rig.pools, names, &asked_count);
    snprintf(text, sizeof text, "one:%u", port);
    rig_adopt(&rig, one_endpoint(text, "pool = { warm_min = 0; max = 1; }"));
    struct upstream *upstream = rig.set->views[0].upstream;
    struct pool_worker *worker = rig.workers[0].pool;
    struct lease *lease = rig_leased(&rig, 0, rig_endpoint(&rig, 0, 0));
    assert_int_equal(upstream_admit(worker, upstream, &visitor.waiter, false), ADMIT_OK);
    assert_int_equal(upstream_wait(worker, upstream, &visitor.waiter, false, false), ADMIT_QUEUED);
    rig_settle(&rig);
    assert_false(visitor.served);
    rig_adopt(&rig, one_endpoint("none:80", ""));
    rig_await(&rig, visitor.served);
    upstream_leave(worker, upstream);
    lease_close(worker, &lease, LEASE_CLOSED_DONE);
    rig_end(&rig);
    close(listener);
}

static void an_endpoint_that_leaves_or_comes_back_leaves_the_cap_on_free_redials_alone(void **state)
{
    static const char *const endpoints[] = {"127.0.0.1:80", "127.0.0.1:81\", \"127.0.0.1:80",
                                            "127.0.0.1:81"};
    struct rig rig;
    (void)state;
    rig_init(&rig, 1, 10);
    rig_adopt(&rig, one_endpoint("127.0.0.1:80\", \"127.0.0.1:81", ""));
    struct upstream *upstream = rig.set->views[0].upstream;
    struct pool_worker *worker = rig.workers[0].pool;
    unsigned granted_count = 0;
    for (size_t i = 0; i < 2; i++) {
        rig_endpoint(&rig, 0, i)->locals[0].stats.reused += 100000;
    }
    for (size_t i = 0; i < sizeof endpoints / sizeof endpoints[0]; i++) {
        for (size_t n = 0; n < 100; n++) {
            granted_count += upstream_may_redial(worker, upstream);
        }
        rig_adopt(&rig, one_endpoint(endpoints[i], ""));
    }
    assert_in_range(granted_count, 10, 15);
    rig_end(&rig);
}

static void requests_that_one_event_refuses_count_as_one_free_redial(void **state)
{
    struct rig rig;
    (void)state;
    rig_init(&rig, 1, 10);
    rig_adopt(&rig, one_endpoint("127.0.0.1:80", ""));
    struct upstream *upstream = rig.set->views[0].upstream;
    struct pool_worker *worker = rig.workers[0].pool;
    unsigned granted_count = 0;
    for (size_t n = 0; n < 1000; n++) {
        granted_count += upstream_may_redial_after(worker, upstream, 7);
    }
    assert_int_equal(granted_count, 1000);
    for (uint64_t event = 8; event < 100; event++) {
        granted_count += upstream_may_redial_after(worker, upstream, event);
    }
    assert_in_range(granted_count, 1000 + 9, 1000 + 12);
    rig_end(&rig);
}

static void services_bring_their_ports_names_and_weights(void **state)
{
    struct rig rig;
    (void)state;
    rig_init(&rig, 1, 10);
    pools_set_names(rig.pools, names, &asked_count);
    rig_adopt(&rig, one_endpoint("srv:_a._two weight=3", ""));
    const struct upstream_view *view = &rig.set->views[0];
    assert_int_equal(view->endpoint_count, 2);
    assert_int_equal(view->weight_ends[0], 6);
    assert_int_equal(view->weight_ends[1], 6 + 9);
    assert_string_equal(endpoint_text(rig_endpoint(&rig, 0, 1)), "srv:_a._two");
    assert_string_equal(endpoint_authority(rig_endpoint(&rig, 0, 1)), "target:101");
    assert_string_equal(endpoint_address_text(rig_endpoint(&rig, 0, 1)), "127.0.0.2:101");
    rig_end(&rig);
}

static void an_address_that_stays_keeps_its_endpoint_and_one_that_comes_is_marked(void **state)
{
    struct rig rig;
    (void)state;
    rig_init(&rig, 1, 10);
    pools_set_names(rig.pools, names, &asked_count);
    rig_adopt(&rig, one_endpoint("three:80", ""));
    struct endpoint *first = rig_endpoint(&rig, 0, 0), *second = rig_endpoint(&rig, 0, 1);
    assert_false(first->late);
    pools_set_names(rig.pools, fewer_names, &asked_count);
    rig_adopt(&rig, one_endpoint("three:80", ""));
    assert_int_equal(rig.set->views[0].endpoint_count, 2);
    assert_ptr_equal(rig_endpoint(&rig, 0, 0), second);
    assert_false(second->late);
    assert_true(rig_endpoint(&rig, 0, 1)->late);
    assert_int_equal(pools_collect(rig.pools), 0);
    assert_int_equal(bound_used(&rig.pools->endpoints), 2);
    rig_end(&rig);
}

static void too_many_endpoints_or_upstreams_fail_the_build(void **state)
{
    struct rig rig;
    struct upstream_set *set = NULL;
    char why[256] = "";
    (void)state;
    rig_init(&rig, 1, 10);
    pools_set_names(rig.pools, names, &asked_count);
    bound_set_limit(&rig.pools->endpoints, 50);
    struct settings *settings = one_endpoint("many:80", "");
    assert_int_equal(upstream_set_build(rig.pools, settings, &set, why, sizeof why),
                     UPSTREAM_NO_MEMORY);
    assert_non_null(strstr(why, "many:80"));
    assert_int_equal(bound_used(&rig.pools->endpoints), 0);
    bound_set_limit(&rig.pools->upstreams, 0);
    assert_int_equal(upstream_set_build(rig.pools, settings, &set, why, sizeof why),
                     UPSTREAM_NO_MEMORY);
    assert_non_null(strstr(why, "\"app\""));
    settings_put(&settings);
    rig_end(&rig);
}

/* ---- generations ---- */

static void an_unchanged_endpoint_is_kept(void **state)
{
    struct rig rig;
    (void)state;
    rig_init(&rig, 2, 10);
    pools_set_names(rig.pools, names, &asked_count);
    rig_adopt(&rig, one_endpoint("three:80", ""));
    struct upstream *upstream = rig.set->views[0].upstream;
    struct endpoint *second = rig_endpoint(&rig, 0, 1);
    rig_adopt(
        &rig,
        rig_settings(
            "upstreams = { b = { endpoints = [ \"127.0.0.1:1\" ]; }; "
            "app = { endpoints = [ \"127.0.0.1:2\", \"three:80\" ]; pool = { warm_min = 0; max = 3; }; }; };"));
    assert_int_equal(pools_collect(rig.pools), 0);
    assert_ptr_equal(rig.set->views[1].upstream, upstream);
    assert_int_equal(rig.set->views[1].endpoint_count, 4);
    assert_ptr_equal(rig_endpoint(&rig, 1, 2), second);
    assert_false(endpoint_retired(second));
    rig_end(&rig);
}

static void other_tls_settings_make_other_endpoints(void **state)
{
    struct rig rig;
    (void)state;
    rig_init(&rig, 1, 10);
    rig_adopt(&rig, one_endpoint("127.0.0.1:80", ""));
    struct endpoint *plain = rig_endpoint(&rig, 0, 0);
    rig_adopt(&rig, one_endpoint("127.0.0.1:80", "tls = { server_name = \"other\"; };"));
    assert_ptr_not_equal(rig_endpoint(&rig, 0, 0), plain);
    assert_true(endpoint_retired(plain));
    rig_end(&rig);
}

static void a_set_is_compared_with_the_newest_live_one(void **state)
{
    struct rig rig;
    (void)state;
    rig_init(&rig, 1, 10);
    rig_adopt(&rig, one_endpoint("127.0.0.1:80", ""));
    struct upstream_set *second =
        rig_build(&rig, one_endpoint("127.0.0.1:80", "tls = { server_name = \"other\"; };"));
    struct endpoint *other = second->views[0].endpoints[0];
    assert_ptr_not_equal(other, rig_endpoint(&rig, 0, 0));
    assert_true(other->shown);
    struct upstream_set *third =
        rig_build(&rig, one_endpoint("127.0.0.1:80", "tls = { server_name = \"other\"; };"));
    assert_ptr_equal(third->views[0].endpoints[0], other);
    upstream_set_retire(rig.pools, &third);
    upstream_set_retire(rig.pools, &second);
    assert_false(other->shown);
    assert_true(rig_endpoint(&rig, 0, 0)->shown);
    assert_int_equal(pools_collect(rig.pools), 0);
    rig_end(&rig);
}

static void a_built_set_that_is_never_adopted_leaves_nothing(void **state)
{
    struct rig rig;
    (void)state;
    rig_init(&rig, 1, 10);
    rig_adopt(&rig, one_endpoint("127.0.0.1:80", ""));
    struct endpoint *endpoint = rig_endpoint(&rig, 0, 0);
    uint64_t registered_count = rig.registry.count;
    struct upstream_set *set =
        rig_build(&rig, rig_settings("upstreams = { app = { endpoints = [ \"127.0.0.1:81\" ]; }; "
                                     "b = { endpoints = [ \"127.0.0.1:82\" ]; }; };"));
    upstream_set_retire(rig.pools, &set);
    assert_null(set);
    assert_int_equal(pools_collect(rig.pools), 0);
    assert_int_equal(rig.registry.count, registered_count);
    assert_false(endpoint_retired(endpoint));
    assert_int_equal(rig_figures(&rig, endpoint).open, 0);
    rig_end(&rig);
}

static void an_endpoint_named_twice_has_both_weights(void **state)
{
    struct rig rig;
    (void)state;
    rig_init(&rig, 1, 10);
    pools_set_names(rig.pools, names, &asked_count);
    rig_adopt(
        &rig,
        rig_settings(
            "upstreams = { app = { endpoints = [ \"three:80\", \"THREE:80 weight=4\" ]; }; };"));
    const struct upstream_view *view = &rig.set->views[0];
    assert_int_equal(view->endpoint_count, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(view->weight_ends[i], 5 * (i + 1));
    }
    rig_end(&rig);
}

static void another_weight_leaves_an_endpoint_and_its_name_alone(void **state)
{
    struct rig rig;
    (void)state;
    rig_init(&rig, 1, 10);
    rig_adopt(&rig, one_endpoint("[::1]:80 weight=2", ""));
    struct endpoint *endpoint = rig_endpoint(&rig, 0, 0);
    rig_adopt(&rig, one_endpoint("[::1]:80 weight=3", ""));
    assert_ptr_equal(rig_endpoint(&rig, 0, 0), endpoint);
    assert_string_equal(endpoint_text(endpoint), "[::1]:80");
    assert_int_equal(rig.set->views[0].weight_ends[0], 3);
    rig_end(&rig);
}

static void take_name(const struct upstream *upstream, void *owner)
{
    snprintf(owner, 64, "%s", upstream->name);
}

static void figures_are_told_of_the_present_endpoints_only(void **state)
{
    struct rig rig;
    char name[64] = "";
    (void)state;
    rig_init(&rig, 1, 10);
    uint16_t port;
    int listener = rig_listen(8, &port);
    char text[32];
    snprintf(text, sizeof text, "127.0.0.1:%u", port);
    rig_adopt(&rig, one_endpoint(text, ""));
    struct endpoint *endpoint = rig_endpoint(&rig, 0, 0);
    struct lease *lease = rig_leased(&rig, 0, endpoint);
    struct endpoint_figures figures = rig_figures(&rig, endpoint);
    assert_string_equal(figures.upstream, "app");
    assert_string_equal(figures.text, text);
    assert_string_equal(figures.address, text);
    assert_int_equal(figures.in_flight, 1);
    pools_each_upstream(rig.pools, take_name, name);
    assert_string_equal(name, "app");
    lease_return(rig.workers[0].pool, &lease);
    pools_publish(rig.pools);
    assert_int_equal(bound_used(&rig.pools->idle_connections), 1);
    lease = rig_leased(&rig, 0, endpoint);
    rig_adopt(&rig, one_endpoint("127.0.0.1:1", ""));
    struct rig_wanted wanted = {.text = text};
    pools_each_upstream(rig.pools, rig_each_endpoint, &wanted);
    assert_null(wanted.figures.text);
    lease_return(rig.workers[0].pool, &lease);
    rig_end(&rig);
    close(listener);
}

static void limits_come_with_the_adoption_not_with_the_build(void **state)
{
    struct rig rig;
    (void)state;
    rig_init(&rig, 1, 10);
    rig_adopt(
        &rig,
        one_endpoint("127.0.0.1:1",
                     "limits = { in_flight = 5; queue = 6; }; pool = { warm_min = 0; max = 7; };"));
    struct upstream_set *set = rig_build(
        &rig,
        one_endpoint("127.0.0.1:1",
                     "limits = { in_flight = 1; queue = 1; }; pool = { warm_min = 0; max = 1; };"));
    struct upstream *upstream = rig.set->views[0].upstream;
    struct endpoint *endpoint = rig_endpoint(&rig, 0, 0);
    assert_int_equal(bound_limit(&upstream->in_flight), 5);
    assert_int_equal(bound_limit(&upstream->queued), 6);
    assert_int_equal(bound_limit(&endpoint->connections), 7);
    upstream_set_retire(rig.pools, &set);
    rig_end(&rig);
}

static void counters_of_a_name_do_not_fall_when_addresses_go(void **state)
{
    struct rig rig;
    struct endpoint_figures *entries = NULL;
    (void)state;
    rig_init(&rig, 1, 100);
    pools_set_names(rig.pools, names, &asked_count);
    rig_adopt(&rig, one_endpoint("three:80\", \"127.0.0.9:80", ""));
    for (size_t i = 0; i < 4; i++) {
        rig_endpoint(&rig, 0, i)->locals[0].stats.dials = 10 + i;
    }
    rig_endpoint(&rig, 0, 1)->in_flight = 2;
    rig_endpoint(&rig, 0, 2)->in_flight = 3;
    assert_int_equal(upstream_endpoint_totals(rig.set->views[0].upstream, &entries), 2);
    assert_string_equal(entries[0].text, "127.0.0.9:80");
    assert_int_equal(entries[0].dials, 13);
    assert_string_equal(entries[1].text, "three:80");
    assert_int_equal(entries[1].dials, 10 + 11 + 12);
    assert_int_equal(entries[1].in_flight, 5);
    assert_int_equal(entries[1].healthy, 3);
    free(entries);
    rig_endpoint(&rig, 0, 1)->in_flight = rig_endpoint(&rig, 0, 2)->in_flight = 0;
    /* other addresses: tls settings say they are others, and the old ones still have a connection */
    struct endpoint_local *waiter = &rig_endpoint(&rig, 0, 0)->locals[0];
    endpoint_local_use(waiter);
    rig_adopt(&rig, one_endpoint("three:80", "tls = { server_name = \"x\"; };"));
    for (int still = 1; still >= 0; still--) {
        pools_collect(rig.pools);
        assert_int_equal(upstream_endpoint_totals(rig.set->views[0].upstream, &entries), 1);
        assert_int_equal(entries[0].dials, 10 + 11 + 12);
        assert_int_equal(entries[0].healthy, 3);
        free(entries);
        if (still) {
            endpoint_local_leave(waiter);
        }
    }
    rig_end(&rig);
}

static void hundreds_of_reloads_leave_nothing_behind(void **state)
{
    struct rig rig;
    struct rng rng;
    (void)state;
    rng_init(&rng, unit_seed());
    rig_init(&rig, 3, 10);
    for (int i = 0; i < 300; i++) {
        rig_adopt(
            &rig,
            rig_settings(
                "upstreams = { u%u = { endpoints = [ \"127.0.0.1:%u\", \"127.0.0.1:%u\" ]; "
                "tls = { server_name = \"s%u\"; }; }; fixed = { endpoints = [ \"127.0.0.1:9\" ]; }; };",
                (unsigned)rng_below(&rng, 5), 1 + (unsigned)rng_below(&rng, 5),
                6 + (unsigned)rng_below(&rng, 5), (unsigned)rng_below(&rng, 2)));
        assert_int_equal(pools_collect(rig.pools), 0);
        assert_int_equal(bound_used(&rig.pools->upstreams), 2);
        assert_true(bound_used(&rig.pools->endpoints) <= 3);
        /* two of each upstream, one of each endpoint, eight of the process */
        assert_int_equal(rig.registry.count, 4 + bound_used(&rig.pools->endpoints) + 8);
    }
    rig_end(&rig);
}

#ifdef EVENKEEL_FAULT_INJECTION
static void each_failing_allocation_fails_the_build_and_leaves_nothing(void **state)
{
    bool struck = true;
    uint64_t failures = 0;
    (void)state;
    struct rig rig;
    rig_init(&rig, 2, 10);
    pools_set_names(rig.pools, names, &asked_count);
    struct settings *settings =
        rig_settings("upstreams = { app = { endpoints = [ \"three:80\", \"127.0.0.1:1\" ]; }; "
                     "b = { endpoints = [ \"127.0.0.1:2\" ]; }; };");
    for (uint64_t n = 1; struck; n++) {
        struct upstream_set *set = NULL;
        char why[256] = "";
        fault_arm(FAULT_ALLOC, n);
        enum upstream_result result =
            upstream_set_build(rig.pools, settings, &set, why, sizeof why);
        struck = fault_disarm(FAULT_ALLOC);
        failures += struck;
        assert_int_equal(result, struck ? UPSTREAM_NO_MEMORY : UPSTREAM_OK);
        assert_true(!struck || strlen(why) > 0);
        upstream_set_retire(rig.pools, &set);
        assert_int_equal(pools_collect(rig.pools), 0);
        assert_int_equal(bound_used(&rig.pools->upstreams), 0);
        assert_int_equal(bound_used(&rig.pools->endpoints), 0);
    }
    assert_true(failures > 20);
    settings_put(&settings);
    rig_end(&rig);
}

static void a_failing_allocation_creates_no_pools_and_no_worker(void **state)
{
    struct bound_registry registry;
    struct bound fds;
    (void)state;
    bound_registry_init(&registry);
    bound_init(&fds, "fds", NULL, 10);
    fault_arm(FAULT_ALLOC, 1);
    assert_null(pools_create(1, &registry, &fds));
    assert_true(fault_disarm(FAULT_ALLOC));
    struct pools *pools = pools_create(1, &registry, &fds);
    struct pool_worker_env env = {.index = 0};
    for (uint64_t n = 1; n <= 2; n++) {
        fault_arm(FAULT_ALLOC, n);
        assert_null(pool_worker_create(pools, &env));
        assert_true(fault_disarm(FAULT_ALLOC));
    }
    pools_free(&pools);
    pools_free(&pools);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_address_of_a_name_is_an_endpoint_once),
        cmocka_unit_test(a_name_with_too_many_addresses_is_cut),
        cmocka_unit_test(a_literal_address_is_not_looked_up),
        cmocka_unit_test(a_name_that_stands_for_nothing_leaves_the_upstream_without_endpoints),
        cmocka_unit_test(who_waits_when_the_last_endpoint_goes_is_told),
        cmocka_unit_test(
            an_endpoint_that_leaves_or_comes_back_leaves_the_cap_on_free_redials_alone),
        cmocka_unit_test(requests_that_one_event_refuses_count_as_one_free_redial),
        cmocka_unit_test(services_bring_their_ports_names_and_weights),
        cmocka_unit_test(an_address_that_stays_keeps_its_endpoint_and_one_that_comes_is_marked),
        cmocka_unit_test(too_many_endpoints_or_upstreams_fail_the_build),
        cmocka_unit_test(an_unchanged_endpoint_is_kept),
        cmocka_unit_test(other_tls_settings_make_other_endpoints),
        cmocka_unit_test(a_set_is_compared_with_the_newest_live_one),
        cmocka_unit_test(a_built_set_that_is_never_adopted_leaves_nothing),
        cmocka_unit_test(an_endpoint_named_twice_has_both_weights),
        cmocka_unit_test(another_weight_leaves_an_endpoint_and_its_name_alone),
        cmocka_unit_test(figures_are_told_of_the_present_endpoints_only),
        cmocka_unit_test(limits_come_with_the_adoption_not_with_the_build),
        cmocka_unit_test(counters_of_a_name_do_not_fall_when_addresses_go),
        cmocka_unit_test(hundreds_of_reloads_leave_nothing_behind),
#ifdef EVENKEEL_FAULT_INJECTION
        cmocka_unit_test(each_failing_allocation_fails_the_build_and_leaves_nothing),
#endif
#ifdef EVENKEEL_FAULT_INJECTION
        cmocka_unit_test(a_failing_allocation_creates_no_pools_and_no_worker),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
