/* Requests in line for a connection: who is served first, by what, and how many dials there may be. */
#include "tests/unit/pool_rig.h"

static void those_in_line_are_served_oldest_first_by_what_is_ready_first(void **state)
{
    enum { COUNT = 5 };
    struct one one;
    (void)state;
    one_init(&one, "timeouts = { connect = \"20s\"; }");
    struct lease *lease;
    hang_further_dials(&one, &lease);
    struct rig_attempt attempts[COUNT] = {0};
    unsigned counter = 0;
    for (int i = 0; i < COUNT; i++) {
        attempts[i].counter = &counter;
        assert_int_equal(rig_lease(&one.rig, 0, one.endpoint, &attempts[i]), LEASE_PENDING);
    }
    assert_int_equal(rig_figures(&one.rig, one.endpoint).dialling, COUNT);
    assert_int_equal(rig_figures(&one.rig, one.endpoint).in_flight, COUNT + 1);
    int fd = lease->stream->fd;
    for (unsigned i = 0; i < COUNT; i++) {
        lease_return(pool_of(&one), &lease);
        assert_int_equal(counter, i); /* never from within the call */
        rig_await(&one.rig, counter == i + 1);
        assert_int_equal(attempts[i].order, i + 1);
        lease = attempts[i].lease;
        assert_int_equal(lease->stream->fd, fd);
    }
    lease_close(pool_of(&one), &lease, LEASE_CLOSED_DONE);
    one_end(&one);
}

static void a_newcomer_does_not_overtake_those_in_line(void **state)
{
    struct one one;
    (void)state;
    one_init(&one, "timeouts = { connect = \"20s\"; }");
    struct lease *lease;
    hang_further_dials(&one, &lease);
    struct rig_attempt first = {0}, second = {0};
    assert_int_equal(rig_lease(&one.rig, 0, one.endpoint, &first), LEASE_PENDING);
    lease_return(pool_of(&one), &lease);
    assert_int_equal(rig_lease(&one.rig, 0, one.endpoint, &second), LEASE_PENDING);
    rig_await(&one.rig, first.lease != NULL);
    assert_null(second.lease);
    pool_lease_cancel(pool_of(&one), &second.request);
    lease_close(pool_of(&one), &first.lease, LEASE_CLOSED_DONE);
    one_end(&one);
}

static void a_cancelled_request_is_not_called_and_its_dial_serves_the_next(void **state)
{
    struct one one;
    (void)state;
    one_init(&one, "");
    struct rig_attempt first = {0}, second = {0}, third = {0};
    assert_int_equal(rig_lease(&one.rig, 0, one.endpoint, &first), LEASE_PENDING);
    assert_int_equal(rig_busy_count(pool_of(&one)), 2);
    pool_lease_cancel(pool_of(&one), &first.request);
    pool_lease_cancel(pool_of(&one), &first.request);
    assert_int_equal(rig_figures(&one.rig, one.endpoint).in_flight, 0);
    assert_int_equal(rig_lease(&one.rig, 0, one.endpoint, &second), LEASE_PENDING);
    assert_int_equal(rig_figures(&one.rig, one.endpoint).dials, 1);
    rig_await(&one.rig, second.lease != NULL);
    assert_false(second.lease->facts.reused);
    lease_return(pool_of(&one), &second.lease);
    assert_null(first.lease);
    /* With nobody left it rests. */
    struct lease *lease = rig_leased(&one.rig, 0, one.endpoint);
    assert_int_equal(rig_lease(&one.rig, 0, one.endpoint, &third), LEASE_PENDING);
    pool_lease_cancel(pool_of(&one), &third.request);
    rig_await(&one.rig, rig_figures(&one.rig, one.endpoint).idle == 1);
    lease_return(pool_of(&one), &lease);
    assert_int_equal(rig_figures(&one.rig, one.endpoint).idle, 2);
    one_end(&one);
}

static void a_connection_dialled_for_nobody_counts_as_reused_once_it_has_rested(void **state)
{
    struct one one;
    (void)state;
    one_init(&one, "");
    struct rig_attempt attempt = {0};
    assert_int_equal(rig_lease(&one.rig, 0, one.endpoint, &attempt), LEASE_PENDING);
    pool_lease_cancel(pool_of(&one), &attempt.request);
    rig_await(&one.rig, rig_figures(&one.rig, one.endpoint).idle == 1);
    struct lease *lease = rig_leased(&one.rig, 0, one.endpoint);
    assert_true(lease->facts.reused);
    assert_int_equal(lease->facts.exchanges_count, 0);
    lease_return(pool_of(&one), &lease);
    one_end(&one);
}

static void beyond_max_a_lease_is_refused_until_one_is_back(void **state)
{
    struct one one;
    (void)state;
    one_init(&one, "pool = { warm_min = 0; max = 2; }");
    struct lease *a = rig_leased(&one.rig, 0, one.endpoint);
    struct lease *b = rig_leased(&one.rig, 0, one.endpoint);
    struct rig_attempt attempt = {0};
    assert_true(pool_endpoint_full(one.endpoint));
    assert_int_equal(rig_lease(&one.rig, 0, one.endpoint, &attempt), LEASE_FULL);
    assert_null(attempt.request.endpoint);
    assert_int_equal(rig_figures(&one.rig, one.endpoint).in_flight, 2);
    lease_return(pool_of(&one), &a);
    assert_false(pool_endpoint_full(one.endpoint));
    assert_int_equal(rig_lease(&one.rig, 0, one.endpoint, &attempt), LEASE_READY);
    lease_close(pool_of(&one), &b, LEASE_CLOSED_DONE);
    b = rig_leased(&one.rig, 0, one.endpoint);
    lease_return(pool_of(&one), &attempt.lease);
    lease_return(pool_of(&one), &b);
    assert_int_equal(bound_peak(&one.endpoint->connections), 2);
    one_end(&one);
}

static void a_fresh_connection_is_dialled_though_others_rest(void **state)
{
    struct one one;
    (void)state;
    one_init(&one, "");
    struct lease *lease = rig_leased(&one.rig, 0, one.endpoint);
    int used = lease->stream->fd;
    lease_return(pool_of(&one), &lease);
    struct rig_attempt fresh = {.request = {.fresh_only = true}};
    assert_int_equal(rig_lease(&one.rig, 0, one.endpoint, &fresh), LEASE_PENDING);
    /* One who takes any connection does not stand behind one who cannot use it. */
    struct rig_attempt any = {0};
    assert_int_equal(rig_lease(&one.rig, 0, one.endpoint, &any), LEASE_READY);
    assert_int_equal(any.lease->stream->fd, used);
    lease_return(pool_of(&one), &any.lease);
    rig_await(&one.rig, fresh.lease != NULL);
    assert_false(fresh.lease->facts.reused);
    assert_int_not_equal(fresh.lease->stream->fd, used);
    lease_return(pool_of(&one), &fresh.lease);
    one_end(&one);
}

static void a_used_connection_passes_by_one_who_needs_a_fresh_one(void **state)
{
    struct one one;
    (void)state;
    one_init(&one, "timeouts = { connect = \"20s\"; }");
    struct lease *lease;
    hang_further_dials(&one, &lease);
    struct rig_attempt fresh = {.request = {.fresh_only = true}}, any = {0};
    assert_int_equal(rig_lease(&one.rig, 0, one.endpoint, &fresh), LEASE_PENDING);
    assert_int_equal(rig_lease(&one.rig, 0, one.endpoint, &any), LEASE_PENDING);
    lease_return(pool_of(&one), &lease);
    rig_await(&one.rig, any.lease != NULL || fresh.lease != NULL);
    assert_non_null(any.lease);
    pool_lease_cancel(pool_of(&one), &fresh.request);
    lease_return(pool_of(&one), &any.lease);
    one_end(&one);
}

static void at_max_a_resting_connection_makes_room_for_a_fresh_one(void **state)
{
    struct one one;
    (void)state;
    one_init(&one, "pool = { warm_min = 0; max = 1; }");
    struct lease *lease = rig_leased(&one.rig, 0, one.endpoint);
    lease_return(pool_of(&one), &lease);
    struct rig_attempt fresh = {.request = {.fresh_only = true}};
    assert_int_equal(rig_lease(&one.rig, 0, one.endpoint, &fresh), LEASE_PENDING);
    rig_await(&one.rig, fresh.lease != NULL);
    assert_false(fresh.lease->facts.reused);
    struct rig_attempt another = {.request = {.fresh_only = true}};
    assert_int_equal(rig_lease(&one.rig, 0, one.endpoint, &another), LEASE_FULL);
    assert_int_equal(rig_figures(&one.rig, one.endpoint).closed[LEASE_CLOSED_SURPLUS], 1);
    assert_int_equal(bound_peak(&one.endpoint->connections), 1);
    lease_return(pool_of(&one), &fresh.lease);
    one_end(&one);
}

static void dials_in_flight_are_bounded_and_the_rest_wait_for_them(void **state)
{
    enum { COUNT = POOL_ENDPOINT_DIALS + 8 };
    struct one one;
    (void)state;
    one_init(&one, "");
    struct rig_attempt attempts[COUNT] = {0};
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(rig_lease(&one.rig, 0, one.endpoint, &attempts[i]), LEASE_PENDING);
        assert_true(rig_figures(&one.rig, one.endpoint).dialling <= POOL_ENDPOINT_DIALS);
    }
    assert_int_equal(bound_used(&one.rig.pools->dials_in_flight), POOL_ENDPOINT_DIALS);
    for (int i = 0; i < COUNT; i++) {
        rig_await(&one.rig, attempts[i].lease != NULL);
    }
    assert_int_equal(rig_figures(&one.rig, one.endpoint).dials, COUNT);
    assert_int_equal(bound_peak(&one.rig.pools->dials_in_flight), POOL_ENDPOINT_DIALS);
    for (int i = 0; i < COUNT; i++) {
        lease_return(pool_of(&one), &attempts[i].lease);
    }
    one_end(&one);
}

/* One connect timeout is enough to wait, however long the line. */
static void those_beyond_the_dials_in_flight_fail_with_the_first_dial_that_fails(void **state)
{
    enum { COUNT = POOL_ENDPOINT_DIALS + 8 };
    struct one one;
    (void)state;
    one_init(&one, "timeouts = { connect = \"300ms\"; }");
    struct lease *lease;
    hang_further_dials(&one, &lease);
    struct rig_attempt attempts[COUNT] = {0};
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(rig_lease(&one.rig, 0, one.endpoint, &attempts[i]), LEASE_PENDING);
    }
    for (int i = 0; i < COUNT; i++) {
        rig_await(&one.rig, attempts[i].failed);
        assert_int_equal(attempts[i].failure, DIAL_TIMEOUT);
    }
    assert_int_equal(rig_figures(&one.rig, one.endpoint).dials, POOL_ENDPOINT_DIALS + 1);
    lease_return(pool_of(&one), &lease);
    one_end(&one);
}

struct stubborn {
    struct lease_request request; /* first */
    struct pool_worker *pool;
    struct endpoint *endpoint;
    unsigned *left_count;
    uint64_t failed_dial; /* the last one that failed it */
};

static void ask_again(struct lease_request *request, enum dial_result result)
{
    struct stubborn *stubborn = (struct stubborn *)request;
    struct lease *none = NULL;
    uint64_t failed_dial = stubborn->endpoint->locals[0].stats.dial_failures;
    assert_int_equal(result, DIAL_REFUSED);
    assert_true(failed_dial > stubborn->failed_dial);
    stubborn->failed_dial = failed_dial;
    if (*stubborn->left_count > 0 && --*stubborn->left_count > 0) {
        assert_int_equal(pool_lease(stubborn->pool, stubborn->endpoint, request, &none),
                         LEASE_PENDING);
    }
}

/* Else one failed dial would go round for ever. */
static void who_asks_again_when_it_fails_waits_for_another_dial(void **state)
{
    enum { COUNT = POOL_ENDPOINT_DIALS + 8, ENOUGH = 20 * COUNT };
    struct one one;
    (void)state;
    one_init(&one, "");
    close(one.listener);
    struct stubborn all[COUNT];
    unsigned left_count = ENOUGH;
    for (int i = 0; i < COUNT; i++) {
        struct lease *none = NULL;
        all[i] = (struct stubborn){.request = {.on_ready = rig_on_ready, .on_failed = ask_again},
                                   .pool = pool_of(&one),
                                   .endpoint = one.endpoint,
                                   .left_count = &left_count};
        assert_int_equal(pool_lease(pool_of(&one), one.endpoint, &all[i].request, &none),
                         LEASE_PENDING);
    }
    rig_await(&one.rig, left_count == 0 && rig_busy_count(pool_of(&one)) == 0);
    /* A dial fails its own request and at most those that stood beyond the dials. */
    assert_true(rig_figures(&one.rig, one.endpoint).dials >=
                ENOUGH / (COUNT - POOL_ENDPOINT_DIALS + 1));
    one.listener = -1;
    one_end(&one);
}

static void dials_of_a_worker_are_bounded_over_all_its_endpoints(void **state)
{
    enum { HANGING = POOL_WORKER_DIALS / POOL_ENDPOINT_DIALS };
    struct rig rig;
    uint16_t ports[HANGING + 1];
    int listeners[HANGING + 1];
    char endpoints[256] = "";
    struct rig_attempt *attempts = calloc(POOL_WORKER_DIALS, sizeof *attempts), last = {0};
    (void)state;
    rig_init(&rig, 1, 1000);
    for (int i = 0; i <= HANGING; i++) {
        listeners[i] = rig_listen(i < HANGING ? 0 : 8, &ports[i]);
        snprintf(endpoints + strlen(endpoints), sizeof endpoints - strlen(endpoints),
                 "%s\"127.0.0.1:%u\"", i == 0 ? "" : ", ", ports[i]);
    }
    rig_adopt(
        &rig,
        rig_settings(
            "upstreams = { app = { endpoints = [ %s ]; timeouts = { connect = \"300ms\"; }; }; };",
            endpoints));
    struct lease *leases[HANGING];
    for (size_t i = 0; i < HANGING; i++) {
        leases[i] = rig_leased(&rig, 0, rig_endpoint(&rig, 0, i));
    }
    for (size_t i = 0; i < POOL_WORKER_DIALS; i++) {
        assert_int_equal(rig_lease(&rig, 0, rig_endpoint(&rig, 0, i % HANGING), &attempts[i]),
                         LEASE_PENDING);
    }
    struct endpoint *good = rig_endpoint(&rig, 0, HANGING);
    assert_int_equal(rig_lease(&rig, 0, good, &last), LEASE_PENDING);
    assert_int_equal(rig_figures(&rig, good).dialling, 0);
    assert_int_equal(bound_used(&rig.pools->dials_in_flight), POOL_WORKER_DIALS);
    rig_await(&rig, last.lease != NULL);
    lease_return(rig.workers[0].pool, &last.lease);
    for (size_t i = 0; i < POOL_WORKER_DIALS; i++) {
        rig_await(&rig, attempts[i].failed);
    }
    for (size_t i = 0; i < HANGING; i++) {
        lease_return(rig.workers[0].pool, &leases[i]);
    }
    rig_end(&rig);
    for (int i = 0; i <= HANGING; i++) {
        close(listeners[i]);
    }
    free(attempts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(those_in_line_are_served_oldest_first_by_what_is_ready_first),
        cmocka_unit_test(a_newcomer_does_not_overtake_those_in_line),
        cmocka_unit_test(a_cancelled_request_is_not_called_and_its_dial_serves_the_next),
        cmocka_unit_test(a_connection_dialled_for_nobody_counts_as_reused_once_it_has_rested),
        cmocka_unit_test(beyond_max_a_lease_is_refused_until_one_is_back),
        cmocka_unit_test(a_fresh_connection_is_dialled_though_others_rest),
        cmocka_unit_test(a_used_connection_passes_by_one_who_needs_a_fresh_one),
        cmocka_unit_test(at_max_a_resting_connection_makes_room_for_a_fresh_one),
        cmocka_unit_test(dials_in_flight_are_bounded_and_the_rest_wait_for_them),
        cmocka_unit_test(those_beyond_the_dials_in_flight_fail_with_the_first_dial_that_fails),
        cmocka_unit_test(who_asks_again_when_it_fails_waits_for_another_dial),
        cmocka_unit_test(dials_of_a_worker_are_bounded_over_all_its_endpoints),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
