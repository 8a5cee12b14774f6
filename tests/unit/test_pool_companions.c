/* What a user of the pools keeps with each upstream and endpoint lives as long as they do. */
#include "tests/unit/pool_rig.h"

static struct settings *endpoints(const char *list)
{
    return rig_settings("upstreams = { app = { endpoints = [ %s ]; }; };", list);
}

/* How many are alive; the addresses of the counts stand for the companions. */
struct companions {
    unsigned upstreams, endpoints;
};

static void *upstream_created(const struct upstream *upstream, void *owner)
{
    struct companions *alive = owner;
    assert_string_equal(upstream->name, "app");
    alive->upstreams++;
    return &alive->upstreams;
}

static void *endpoint_created(const struct endpoint *endpoint, void *owner)
{
    struct companions *alive = owner;
    assert_ptr_equal(endpoint_upstream(endpoint)->companion, &alive->upstreams);
    assert_non_null(endpoint_address_text(endpoint));
    alive->endpoints++;
    return &alive->endpoints;
}

static void companion_freed(void *companion, void *owner)
{
    (void)owner;
    --*(unsigned *)companion;
}

static void companions_live_as_long_as_what_they_accompany(void **state)
{
    struct rig rig;
    struct companions alive = {0};
    (void)state;
    rig_init(&rig, 1, 100);
    const struct pools_hooks hooks = {upstream_created, companion_freed, endpoint_created,
                                      companion_freed, &alive};
    pools_set_hooks(rig.pools, &hooks);
    rig_adopt(&rig, endpoints("\"127.0.0.1:1\""));
    assert_int_equal(alive.endpoints, 1);
    assert_ptr_equal(endpoint_companion(rig_endpoint(&rig, 0, 0)), &alive.endpoints);
    rig_adopt(&rig, endpoints("\"127.0.0.1:1\", \"127.0.0.1:2\""));
    pools_collect(rig.pools);
    assert_int_equal(alive.upstreams, 1);
    assert_int_equal(alive.endpoints, 2);
    rig_adopt(&rig, endpoints("\"127.0.0.1:2\""));
    pools_collect(rig.pools);
    assert_int_equal(alive.endpoints, 1);
    rig_end(&rig);
    assert_int_equal(alive.upstreams + alive.endpoints, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(companions_live_as_long_as_what_they_accompany),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
