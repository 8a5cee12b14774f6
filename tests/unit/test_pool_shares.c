/* Leases that share a connection: it is counted, limited and lent once, whatever it carries. */
#include "tests/unit/shares_rig.h"

static void leases_share_a_connection_up_to_its_capacity(void **state)
{
    struct shared shared;
    (void)state;
    shared_init(&shared, "");
    struct connection *first = borrow(&shared, 0);
    assert_null(shared.borrowers[0].lease->stream);
    assert_int_equal(first->state, CONNECTION_SHARING);
    assert_ptr_equal(borrow(&shared, 1), first);
    assert_ptr_equal(borrow(&shared, 2), first);
    assert_int_equal(first->state, CONNECTION_LENT);
    struct connection *second = borrow(&shared, 3);
    assert_ptr_not_equal(second, first);
    struct endpoint_figures figures = figures_of(&shared);
    assert_int_equal(figures.dials, 2);
    assert_int_equal(figures.open, 2);
    assert_int_equal(figures.idle, 0);
    assert_int_equal(figures.in_flight, 4);
    assert_int_equal(figures.fresh, 2);
    assert_int_equal(figures.reused, 2);
    give(&shared, 1);
    assert_int_equal(first->state, CONNECTION_SHARING);
    assert_int_equal(figures_of(&shared).idle, 0);
    give(&shared, 0);
    give(&shared, 2);
    assert_int_equal(first->state, CONNECTION_IDLE);
    assert_int_equal(figures_of(&shared).idle, 1);
    assert_int_equal(first->facts.exchanges_count, 3);
    give(&shared, 3);
    assert_int_equal(figures_of(&shared).in_flight, 0);
    assert_int_equal(figures_of(&shared).idle, 2);
    shared_end(&shared);
}

static void a_lease_joins_others_before_it_wakes_a_connection_that_rests(void **state)
{
    struct shared shared;
    (void)state;
    shared_init(&shared, "");
    for (int i = 0; i <= CAPACITY; i++) {
        (void)borrow(&shared, i);
    }
    struct connection *busy = connection_of(shared.borrowers[0].lease);
    give(&shared, CAPACITY);
    give(&shared, 1);
    assert_int_equal(figures_of(&shared).idle, 1);
    assert_ptr_equal(borrow(&shared, 1), busy);
    for (int i = 0; i < CAPACITY; i++) {
        give(&shared, i);
    }
    shared_end(&shared);
}

static void a_burst_dials_what_carries_it_and_no_more(void **state)
{
    struct shared shared;
    (void)state;
    shared_init(&shared, "");
    for (int i = 0; i < 7; i++) {
        assert_int_equal(ask(&shared, i), LEASE_PENDING);
    }
    assert_int_equal(figures_of(&shared).dials, 3);
    for (int i = 0; i < 7; i++) {
        rig_await(&shared.one.rig, shared.borrowers[i].lease != NULL);
    }
    rig_settle(&shared.one.rig);
    assert_int_equal(figures_of(&shared).dials, 3);
    assert_int_equal(figures_of(&shared).open, 3);
    for (int i = 0; i < 7; i++) {
        give(&shared, i);
    }
    shared_end(&shared);
}

static void a_dial_that_fails_takes_with_it_all_whom_it_would_have_carried(void **state)
{
    struct shared shared;
    (void)state;
    shared_init(&shared, "");
    close(shared.one.listener);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(ask(&shared, i), LEASE_PENDING);
    }
    for (int i = 0; i < 4; i++) {
        rig_await(&shared.one.rig, shared.borrowers[i].failed);
    }
    assert_int_equal(figures_of(&shared).dials, 2);
    shared.one.listener = open("/dev/null", O_RDONLY | O_CLOEXEC);
    shared_end(&shared);
}

static void the_limit_counts_connections_and_a_share_that_ends_is_capacity(void **state)
{
    struct shared shared;
    (void)state;
    shared_init(&shared, "pool = { warm_min = 0; max = 2; };");
    for (int i = 0; i < 2 * CAPACITY; i++) {
        (void)borrow(&shared, i);
    }
    assert_true(pool_endpoint_full(shared.one.endpoint));
    assert_int_equal(ask(&shared, 6), LEASE_FULL);
    assert_int_equal(figures_of(&shared).open, 2);
    give(&shared, 0);
    assert_false(pool_endpoint_full(shared.one.endpoint));
    assert_true(endpoint_spares_for(shared.one.endpoint, 0));
    assert_int_equal(ask(&shared, 6), LEASE_READY);
    assert_int_equal(figures_of(&shared).dials, 2);
    for (int i = 1; i <= 2 * CAPACITY; i++) {
        give(&shared, i);
    }
    shared_end(&shared);
}

static void what_the_other_side_allows_serves_those_who_wait_for_a_dial(void **state)
{
    struct shared shared;
    (void)state;
    shared_init(&shared, "");
    assert_int_equal(listen(shared.one.listener, 0), 0);
    struct connection *connection = borrow(&shared, 0);
    connection_allow(connection, 1);
    assert_int_equal(ask(&shared, 1), LEASE_PENDING);
    rig_settle(&shared.one.rig);
    assert_null(shared.borrowers[1].lease);
    connection_allow(connection, 2);
    rig_await(&shared.one.rig, shared.borrowers[1].lease != NULL);
    assert_ptr_equal(connection_of(shared.borrowers[1].lease), connection);
    give(&shared, 0);
    give(&shared, 1);
    shared_end(&shared);
}

static void what_the_other_side_allows_is_hoped_of_the_next_one(void **state)
{
    struct shared shared;
    (void)state;
    shared_init(&shared, "pool = { warm_min = 0; max = 1; };");
    struct connection *connection = borrow(&shared, 0);
    int far = rig_accept(shared.one.listener);
    send_byte(far, ALLOW_ONE);
    rig_await(&shared.one.rig, connection->loans.capacity_count == 1);
    assert_int_equal(connection->state, CONNECTION_LENT);
    assert_int_equal(ask(&shared, 1), LEASE_FULL);
    send_byte(far, ALLOW_ONE + 4);
    rig_await(&shared.one.rig, connection->loans.capacity_count == 5);
    for (int i = 1; i < 5; i++) {
        assert_int_equal(ask(&shared, i), LEASE_READY);
    }
    assert_int_equal(ask(&shared, 5), LEASE_FULL);
    assert_int_equal(endpoint_capacity_count(shared.one.endpoint), 5);
    for (int i = 0; i < 5; i++) {
        give(&shared, i);
    }
    close(far);
    shared_end(&shared);
}

static void a_burst_learns_from_one_dial_how_many_more_it_needs(void **state)
{
    struct shared shared;
    (void)state;
    shared_init(&shared, "");
    shared.one.endpoint->protocol = &asking;
    for (int i = 0; i < 9; i++) {
        assert_int_equal(ask(&shared, i), LEASE_PENDING);
    }
    rig_settle(&shared.one.rig);
    assert_int_equal(figures_of(&shared).dials, 1);
    int far[3];
    for (int i = 0; i < 3; i++) {
        far[i] = rig_accept(shared.one.listener);
        send_byte(far[i], ALLOW_ONE + 3);
        rig_await(&shared.one.rig, shared.borrowers[i < 2 ? 4 * i + 3 : 8].lease != NULL);
        assert_int_equal(figures_of(&shared).dials, 3);
    }
    for (int i = 0; i < 9; i++) {
        give(&shared, i);
    }
    for (int i = 0; i < 3; i++) {
        close(far[i]);
    }
    shared_end(&shared);
}

static void a_session_that_does_not_start_in_time_is_a_dial_that_failed(void **state)
{
    struct shared shared;
    (void)state;
    shared_init(&shared, "timeouts = { tls = \"100ms\"; };");
    shared.one.endpoint->protocol = &asking;
    assert_int_equal(ask(&shared, 0), LEASE_PENDING);
    rig_await(&shared.one.rig, shared.borrowers[0].failed);
    assert_int_equal(shared.borrowers[0].failure, DIAL_TIMEOUT);
    assert_int_equal(figures_of(&shared).open, 0);
    shared_end(&shared);
}

static void what_is_allowed_nothing_ends_at_rest_and_not_before(void **state)
{
    struct shared shared;
    (void)state;
    shared_init(&shared, "");
    struct connection *connection = borrow(&shared, 0);
    (void)borrow(&shared, 1);
    connection_allow(connection, 0);
    assert_int_equal(connection->state, CONNECTION_LENT);
    give(&shared, 0);
    assert_int_equal(figures_of(&shared).open, 1);
    give(&shared, 1);
    assert_int_equal(figures_of(&shared).open, 0);
    connection = borrow(&shared, 0);
    give(&shared, 0);
    connection_allow(connection, 0);
    assert_int_equal(figures_of(&shared).open, 0);
    assert_int_equal(figures_of(&shared).closed[LEASE_CLOSED_DONE], 2);
    shared_end(&shared);
}

static void a_request_that_cannot_share_gets_a_connection_of_its_own(void **state)
{
    struct shared shared;
    (void)state;
    shared_init(&shared, "pool = { warm_min = 0; max = 2; };");
    struct connection *first = borrow(&shared, 0);
    shared.borrowers[1] = (struct rig_attempt){.request = {.whole_only = true}};
    assert_int_equal(rig_lease(&shared.one.rig, 0, shared.one.endpoint, &shared.borrowers[1]),
                     LEASE_PENDING);
    assert_ptr_equal(borrow(&shared, 2), first);
    rig_await(&shared.one.rig, shared.borrowers[1].lease != NULL);
    assert_non_null(shared.borrowers[1].lease->stream);
    assert_int_equal(figures_of(&shared).open, 2);
    shared.borrowers[3] = (struct rig_attempt){.request = {.whole_only = true}};
    assert_int_equal(rig_lease(&shared.one.rig, 0, shared.one.endpoint, &shared.borrowers[3]),
                     LEASE_FULL);
    give(&shared, 1);
    assert_int_equal(figures_of(&shared).open, 1);
    assert_int_equal(rig_lease(&shared.one.rig, 0, shared.one.endpoint, &shared.borrowers[3]),
                     LEASE_PENDING);
    pool_lease_cancel(pool_of(&shared.one), &shared.borrowers[3].request);
    rig_settle(&shared.one.rig);
    assert_int_equal(figures_of(&shared).open, 1);
    give(&shared, 0);
    give(&shared, 2);
    shared_end(&shared);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(leases_share_a_connection_up_to_its_capacity),
        cmocka_unit_test(a_lease_joins_others_before_it_wakes_a_connection_that_rests),
        cmocka_unit_test(a_burst_dials_what_carries_it_and_no_more),
        cmocka_unit_test(a_dial_that_fails_takes_with_it_all_whom_it_would_have_carried),
        cmocka_unit_test(the_limit_counts_connections_and_a_share_that_ends_is_capacity),
        cmocka_unit_test(what_the_other_side_allows_serves_those_who_wait_for_a_dial),
        cmocka_unit_test(what_the_other_side_allows_is_hoped_of_the_next_one),
        cmocka_unit_test(a_burst_learns_from_one_dial_how_many_more_it_needs),
        cmocka_unit_test(a_session_that_does_not_start_in_time_is_a_dial_that_failed),
        cmocka_unit_test(what_is_allowed_nothing_ends_at_rest_and_not_before),
        cmocka_unit_test(a_request_that_cannot_share_gets_a_connection_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
