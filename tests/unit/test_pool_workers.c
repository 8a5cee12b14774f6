/* Many exchanges on several threads: limits are exact, nobody who waits is forgotten, everything comes back. */
#include "tests/unit/pool_storm.h"

/* Marks the local ports of sockets that are connected to the port, or about to be. The table is not read in one go: what it
   shows may never have been true at one time. */
static void look_for_sockets(uint16_t port, bool seen[65536])
{
    char line[256];
    FILE *table = fopen("/proc/self/net/tcp", "r");
    assert_non_null(table);
    memset(seen, 0, 65536);
    while (fgets(line, sizeof line, table) != NULL) {
        unsigned near, far, state;
        if (sscanf(line, " %*d: %*[^:]:%x %*[^:]:%x %x", &near, &far, &state) == 3 && far == port &&
            (state == 1 || state == 2 || state == 8)) {
            seen[near & 0xffff] = true;
        }
    }
    fclose(table);
}

/* Sockets that two looks have in common existed between them, all at once. */
static unsigned sockets_to(uint16_t port)
{
    static bool first[65536], second[65536];
    unsigned common_count = 0;
    look_for_sockets(port, first);
    look_for_sockets(port, second);
    for (size_t i = 0; i < 65536; i++) {
        common_count += first[i] && second[i];
    }
    return common_count;
}

static void max_is_never_exceeded_by_four_workers(void **state)
{
    enum { MAX = 7 };
    struct storm *storm = malloc(sizeof *storm);
    uint64_t seed = unit_seed();
    (void)state;
    storm_init(storm, seed, 0);
    storm_first(storm, rig_settings("upstreams = { app = { endpoints = [ \"127.0.0.1:%u\" ]; "
                                    "pool = { warm_min = 0; max = %d; max_requests = 50; }; "
                                    "limits = { in_flight = 1000; queue = 1000; }; }; };",
                                    storm->origin.port, MAX));
    struct endpoint *endpoint = rig_endpoint(&storm->rig, 0, 0);
    storm->left = 6000;
    storm->close_one_in = 10;
    struct driver *drivers = storm_start(storm, 10, seed);
    unsigned most = 0;
    uint64_t until_ms = rig_now_ms() + 6 * RIG_PATIENCE_MS;
    while (__atomic_load_n(&storm->active, __ATOMIC_ACQUIRE) > 0) {
        unsigned now = sockets_to(storm->origin.port);
        most = now > most ? now : most;
        if (rig_now_ms() > until_ms) {
            fail_msg("%" PRIu64 " exchanges hang", storm->active);
        }
    }
    storm_stop(storm, drivers);
    printf("# at most %u sockets seen, %" PRIu64 " leases\n", most, storm->leased.peak);
    assert_true(most <= MAX);
    assert_int_equal(storm->leased.peak, MAX);
    assert_int_equal(bound_peak(&endpoint->connections), MAX);
    assert_int_equal(storm->failed, 0);
    assert_int_equal(storm->refused, 0);
    assert_int_equal(storm->done, 6000);
    storm_end(storm);
    free(storm);
}

static void no_one_who_waits_is_forgotten(void **state)
{
    enum { IN_FLIGHT = 12, QUEUE = 20 };
    struct storm *storm = malloc(sizeof *storm);
    uint64_t seed = unit_seed();
    (void)state;
    storm_init(storm, seed, 50);
    storm_first(
        storm,
        rig_settings(
            "upstreams = { app = { endpoints = [ \"127.0.0.1:%u\", \"localhost:%u\" ]; "
            "balance = \"round_robin\"; pool = { warm_min = 0; max = 3; max_requests = 20; idle = \"100ms\"; }; "
            "limits = { in_flight = %d; queue = %d; }; }; };",
            storm->origin.port, storm->origin.port, IN_FLIGHT, QUEUE));
    storm->left = 12000;
    storm->close_one_in = 10;
    storm->cancel_one_in = 8;
    storm->fresh_one_in = 20;
    storm->hold_ms = 3;
    struct driver *drivers = storm_start(storm, 10, seed);
    await_count(&storm->active, 0, "all exchanges to end");
    storm_stop(storm, drivers);
    assert_true(storm->admitted.peak <= IN_FLIGHT);
    assert_true(bound_peak(&storm->upstream->in_flight) <= IN_FLIGHT);
    assert_true(bound_peak(&storm->upstream->queued) <= QUEUE);
    assert_true(storm->queued > 0);
    storm_end(storm);
    free(storm);
}

/* Two upstreams' worth of endpoints and five descriptors for all of them: connections are closed to make room. */
static void no_one_who_waits_for_a_descriptor_is_forgotten(void **state)
{
    enum { FDS = 5 };
    struct storm *storm = malloc(sizeof *storm);
    uint64_t seed = unit_seed();
    (void)state;
    storm_init(storm, seed, 50);
    bound_set_limit(&storm->rig.fds, FDS);
    storm_first(
        storm,
        rig_settings("upstreams = { app = { endpoints = [ \"127.0.0.1:%u\", \"localhost:%u\" ]; "
                     "balance = \"round_robin\"; pool = { warm_min = 0; max_requests = 20; }; "
                     "limits = { in_flight = 1000; queue = 1000; }; }; };",
                     storm->origin.port, storm->origin.port));
    storm->left = 6000;
    storm->close_one_in = 10;
    storm->cancel_one_in = 8;
    storm->fresh_one_in = 20;
    storm->hold_ms = 3;
    struct driver *drivers = storm_start(storm, 10, seed);
    await_count(&storm->active, 0, "all exchanges to end");
    storm_stop(storm, drivers);
    assert_int_equal(bound_peak(&storm->rig.fds), FDS);
    assert_true(storm->queued > 0);
    assert_int_equal(bound_used(&storm->rig.pools->fd_waiting), 0);
    storm_end(storm);
    free(storm);
}

/* Nothing but places: as many messages between the workers as there can be. */
static void a_single_place_passed_round_is_never_lost(void **state)
{
    struct storm *storm = malloc(sizeof *storm);
    uint64_t seed = unit_seed();
    (void)state;
    for (unsigned places = 1; places <= 2; places++) {
        storm_init(storm, seed, 0);
        storm_first(storm, rig_settings("upstreams = { app = { endpoints = [ \"127.0.0.1:%u\" ]; "
                                        "limits = { in_flight = %u; queue = 1000; }; }; };",
                                        storm->origin.port, places));
        storm->left = 40000;
        storm->places_only = true;
        storm->cancel_one_in = 100;
        struct driver *drivers = storm_start(storm, 2, seed);
        await_count(&storm->active, 0, "all exchanges to end");
        storm_stop(storm, drivers);
        assert_int_equal(storm->admitted.peak, places);
        storm_end(storm);
    }
    free(storm);
}

static void reloads_under_load_lose_nothing(void **state)
{
    struct storm *storm = malloc(sizeof *storm);
    uint64_t seed = unit_seed();
    struct origin second;
    struct rng rng;
    (void)state;
    rng_init(&rng, seed);
    origin_start(&second, seed, 0);
    storm_init(storm, seed, 0);
    storm_first(storm, rig_settings("upstreams = { app = { endpoints = [ \"127.0.0.1:%u\" ]; }; };",
                                    storm->origin.port));
    storm->left = UINT64_MAX;
    storm->hold_ms = 3;
    storm->cancel_one_in = 50;
    struct driver *drivers = storm_start(storm, 10, seed);
    for (int i = 0; i < 60; i++) {
        uint16_t ports[2] = {storm->origin.port, second.port};
        unsigned first = (unsigned)rng_below(&rng, 2);
        char other[64] = "";
        if (rng_below(&rng, 2) == 0) {
            snprintf(other, sizeof other, ", \"127.0.0.1:%u\"", ports[1 - first]);
        }
        storm_adopt(storm, rig_settings("upstreams = { app = { endpoints = [ \"127.0.0.1:%u\"%s ]; "
                                        "pool = { warm_min = 0; max = %u; }; "
                                        "limits = { in_flight = %u; queue = %u; }; }; "
                                        "other%u = { endpoints = [ \"127.0.0.1:%u\" ]; }; };",
                                        ports[first], other, 1 + (unsigned)rng_below(&rng, 10),
                                        1 + (unsigned)rng_below(&rng, 40),
                                        1 + (unsigned)rng_below(&rng, 40),
                                        (unsigned)rng_below(&rng, 3), ports[first]));
        poll(NULL, 0, 10); /* some time under each limit */
    }
    __atomic_store_n(&storm->left, 0, __ATOMIC_RELAXED);
    await_count(&storm->active, 0, "all exchanges to end");
    send_errands(storm, NULL);
    storm_stop(storm, drivers);
    assert_int_equal(storm->failed, 0);
    assert_true(storm->done > 100);
    storm_end(storm);
    origin_stop(&second);
    free(storm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(max_is_never_exceeded_by_four_workers),
        cmocka_unit_test(no_one_who_waits_is_forgotten),
        cmocka_unit_test(no_one_who_waits_for_a_descriptor_is_forgotten),
        cmocka_unit_test(a_single_place_passed_round_is_never_lost),
        cmocka_unit_test(reloads_under_load_lose_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
