/* Connections that leases share end, are replaced, mourned and handed over once, whatever they carry. */
#include "tests/unit/shares_rig.h"

/* ---- the end ---- */

static void a_share_that_breaks_is_no_death_of_its_connection(void **state)
{
    struct shared shared;
    (void)state;
    shared_init(&shared, "");
    struct connection *connection = borrow(&shared, 0);
    (void)borrow(&shared, 1);
    quit(&shared, 0, LEASE_CLOSED_BROKEN);
    quit(&shared, 1, LEASE_CLOSED_ABANDONED);
    assert_int_equal(connection->state, CONNECTION_IDLE);
    struct endpoint_figures figures = figures_of(&shared);
    assert_int_equal(figures.open, 1);
    assert_int_equal(figures.in_flight, 0);
    assert_int_equal(figures.closed[LEASE_CLOSED_BROKEN], 0);
    assert_int_equal(figures.closed[LEASE_CLOSED_ABANDONED], 0);
    shared_end(&shared);
}

static void on_broken(struct lease *lease, short what)
{
    assert_int_equal(what, EV_CLOSED);
    (*(unsigned *)lease->owner)++;
}

/* Two deaths within a second are dialled again, one is not: three leases of one connection are one death. */
static void a_death_counts_once_however_many_leases_it_ends(void **state)
{
    struct shared shared;
    unsigned told_count = 0;
    (void)state;
    shared_init(&shared, "");
    for (int i = 0; i < 2 * CAPACITY; i++) {
        (void)borrow(&shared, i);
        shared.borrowers[i].lease->on_event = on_broken;
        shared.borrowers[i].lease->owner = &told_count;
    }
    int far[] = {rig_accept(shared.one.listener), rig_accept(shared.one.listener)};
    close(far[0]);
    rig_await(&shared.one.rig, told_count == CAPACITY);
    assert_int_equal(shared.one.endpoint->locals[0].upkeep.need.deaths_count, 1);
    for (int i = 0; i < CAPACITY; i++) {
        assert_int_equal(figures_of(&shared).open, 2);
        quit(&shared, i, LEASE_CLOSED_BROKEN);
    }
    rig_settle(&shared.one.rig);
    struct endpoint_figures figures = figures_of(&shared);
    assert_int_equal(shared.one.endpoint->locals[0].upkeep.need.deaths_count, 1);
    assert_int_equal(figures.closed[LEASE_CLOSED_BROKEN], 1);
    assert_int_equal(figures.open, 1);
    assert_int_equal(figures.in_flight, CAPACITY);
    assert_int_equal(figures.target, 0);
    for (int i = CAPACITY; i < 2 * CAPACITY; i++) {
        give(&shared, i);
    }
    close(far[1]);
    rig_await(&shared.one.rig, figures_of(&shared).closed[LEASE_CLOSED_DIED_IDLE] == 1);
    assert_int_equal(shared.one.endpoint->locals[0].upkeep.need.deaths_count, 2);
    shared_end(&shared);
}

/* The dead ones hold their places until the last lease has been given up: that must not hide that they are missing. */
static void what_died_is_dialled_again_before_its_last_lease_has_ended(void **state)
{
    struct shared shared;
    (void)state;
    shared_init(&shared, "");
    for (int i = 0; i < 2 * CAPACITY; i++) {
        (void)borrow(&shared, i);
    }
    int far[] = {rig_accept(shared.one.listener), rig_accept(shared.one.listener)};
    close(far[0]);
    close(far[1]);
    rig_await(&shared.one.rig, figures_of(&shared).idle == 2);
    assert_int_equal(figures_of(&shared).open, 4);
    assert_int_equal(figures_of(&shared).in_flight, 2 * CAPACITY);
    for (int i = 0; i < 2 * CAPACITY; i++) {
        quit(&shared, i, LEASE_CLOSED_BROKEN);
    }
    assert_int_equal(figures_of(&shared).closed[LEASE_CLOSED_BROKEN], 2);
    assert_int_equal(figures_of(&shared).open, 2);
    shared_end(&shared);
}

/* ---- no new lease ---- */

static void what_accepts_no_more_is_replaced_at_once_and_ends_with_its_last_lease(void **state)
{
    struct shared shared;
    (void)state;
    shared_init(&shared, "");
    struct connection *going = borrow(&shared, 0);
    (void)borrow(&shared, 1);
    int far = rig_accept(shared.one.listener);
    adopt(&shared, "pool = { warm_min = 1; };");
    rig_settle(&shared.one.rig);
    assert_int_equal(figures_of(&shared).dials, 1);
    assert_int_equal(figures_of(&shared).ready, 1);
    send_byte(far, GO_AWAY);
    rig_await(&shared.one.rig, figures_of(&shared).idle == 1);
    assert_int_equal(going->ending, ENDING_WITHDRAWN);
    assert_int_equal(going->loans.lent_count, 2);
    assert_int_equal(figures_of(&shared).open, 2);
    assert_int_equal(figures_of(&shared).ready, 1);
    assert_ptr_not_equal(borrow(&shared, 2), going);
    give(&shared, 0);
    rig_settle(&shared.one.rig);
    assert_int_equal(figures_of(&shared).open, 2);
    give(&shared, 1);
    rig_settle(&shared.one.rig);
    struct endpoint_figures figures = figures_of(&shared);
    assert_int_equal(figures.open, 1);
    assert_int_equal(figures.ready, 1);
    assert_int_equal(figures.closed[LEASE_CLOSED_DONE], 1);
    assert_int_equal(figures.dials, 2);
    give(&shared, 2);
    close(far);
    shared_end(&shared);
}

static void at_the_limit_what_accepts_no_more_is_replaced_when_its_last_lease_ends(void **state)
{
    struct shared shared;
    (void)state;
    shared_init(&shared, "");
    (void)borrow(&shared, 0);
    int far = rig_accept(shared.one.listener);
    adopt(&shared, "pool = { warm_min = 1; max = 1; };");
    send_byte(far, GO_AWAY);
    rig_await(&shared.one.rig, figures_of(&shared).ready == 0);
    rig_settle(&shared.one.rig);
    assert_int_equal(ask(&shared, 1), LEASE_FULL);
    assert_int_equal(figures_of(&shared).dials, 1);
    give(&shared, 0);
    rig_await(&shared.one.rig, figures_of(&shared).idle == 1);
    assert_int_equal(figures_of(&shared).open, 1);
    assert_int_equal(figures_of(&shared).dials, 2);
    close(far);
    shared_end(&shared);
}

static void a_connection_gives_as_many_leases_as_max_requests_and_ends_with_the_last(void **state)
{
    struct shared shared;
    (void)state;
    shared_init(&shared, "pool = { warm_min = 0; max_requests = 2; };");
    struct connection *first = borrow(&shared, 0);
    assert_ptr_equal(borrow(&shared, 1), first);
    assert_int_equal(first->ending, ENDING_REQUESTS);
    assert_ptr_not_equal(borrow(&shared, 2), first);
    give(&shared, 1);
    assert_int_equal(figures_of(&shared).open, 2);
    give(&shared, 0);
    assert_int_equal(figures_of(&shared).open, 1);
    assert_int_equal(figures_of(&shared).closed[LEASE_CLOSED_REQUESTS], 1);
    give(&shared, 2);
    shared_end(&shared);
}

static void a_lifetime_that_is_over_lets_leases_end_and_gives_no_more(void **state)
{
    struct shared shared;
    (void)state;
    shared_init(&shared, "");
    struct connection *old = borrow(&shared, 0);
    upkeep_overdue(old, ENDING_LIFETIME);
    rig_await(&shared.one.rig, old->ending == ENDING_LIFETIME);
    assert_ptr_not_equal(borrow(&shared, 1), old);
    assert_int_equal(figures_of(&shared).open, 2);
    give(&shared, 0);
    assert_int_equal(figures_of(&shared).closed[LEASE_CLOSED_LIFETIME], 1);
    assert_int_equal(figures_of(&shared).open, 1);
    give(&shared, 1);
    shared_end(&shared);
}

static void a_death_is_told_of_what_was_to_end_anyway(void **state)
{
    struct shared shared;
    (void)state;
    shared_init(&shared, "");
    struct connection *old = borrow(&shared, 0);
    int far = rig_accept(shared.one.listener);
    connection_stop(old, ENDING_WITHDRAWN);
    close(far);
    rig_await(&shared.one.rig, old->ending == ENDING_BROKEN);
    quit(&shared, 0, LEASE_CLOSED_DONE);
    assert_int_equal(figures_of(&shared).closed[LEASE_CLOSED_BROKEN], 1);
    assert_int_equal(figures_of(&shared).closed[LEASE_CLOSED_DONE], 0);
    shared_end(&shared);
}

static void a_lower_limit_ends_as_many_as_are_too_many(void **state)
{
    struct shared shared;
    (void)state;
    shared_init(&shared, "");
    for (int i = 0; i < 3 * CAPACITY; i++) {
        (void)borrow(&shared, i);
    }
    adopt(&shared, "pool = { warm_min = 0; max = 2; };");
    give(&shared, 0);
    give(&shared, CAPACITY);
    give(&shared, 2 * CAPACITY);
    assert_int_equal(shared.one.endpoint->upkeep.leaving_count, 1);
    for (int i = 0; i < 3 * CAPACITY; i++) {
        if (shared.borrowers[i].lease != NULL) {
            give(&shared, i);
        }
    }
    assert_int_equal(figures_of(&shared).open, 2);
    assert_int_equal(figures_of(&shared).closed[LEASE_CLOSED_SURPLUS], 1);
    shared_end(&shared);
}

/* ---- from worker to worker ---- */

static void a_shared_connection_moves_at_rest_with_what_its_protocol_keeps(void **state)
{
    struct rig rig;
    struct rig_attempt attempt = {.failed = false};
    uint16_t port;
    (void)state;
    rig_init(&rig, 2, 100);
    int listener = rig_listen(8, &port);
    rig_adopt(&rig,
              rig_settings("upstreams = { app = { endpoints = [ \"127.0.0.1:%u\" ]; }; };", port));
    struct endpoint *endpoint = rig_endpoint(&rig, 0, 0);
    endpoint->protocol = &three;
    assert_int_equal(rig_lease(&rig, 0, endpoint, &attempt), LEASE_PENDING);
    rig_await(&rig, attempt.lease != NULL);
    connection_allow(connection_of(attempt.lease), 2);
    assert_false(endpoint_spares_for(endpoint, 1));
    lease_return(rig.workers[0].pool, &attempt.lease);
    assert_true(endpoint_spares_for(endpoint, 1));
    endpoint->upkeep.capacity_count = 7; /* another connection has been allowed more since */
    attempt = (struct rig_attempt){.failed = false};
    assert_int_equal(rig_lease(&rig, 1, endpoint, &attempt), LEASE_PENDING);
    rig_await(&rig, attempt.lease != NULL);
    const struct connection *moved = connection_of(attempt.lease);
    assert_ptr_equal(moved->session, &sessions_count);
    assert_int_equal(moved->loans.capacity_count, 2);
    assert_int_equal(moved->facts.exchanges_count, 1);
    assert_int_equal(sessions_count, 1);
    lease_return(rig.workers[1].pool, &attempt.lease);
    assert_int_equal(rig_figures(&rig, endpoint).dials, 1);
    rig_end(&rig);
    close(listener);
    assert_int_equal(sessions_count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_share_that_breaks_is_no_death_of_its_connection),
        cmocka_unit_test(a_death_counts_once_however_many_leases_it_ends),
        cmocka_unit_test(what_died_is_dialled_again_before_its_last_lease_has_ended),
        cmocka_unit_test(what_accepts_no_more_is_replaced_at_once_and_ends_with_its_last_lease),
        cmocka_unit_test(at_the_limit_what_accepts_no_more_is_replaced_when_its_last_lease_ends),
        cmocka_unit_test(a_connection_gives_as_many_leases_as_max_requests_and_ends_with_the_last),
        cmocka_unit_test(a_lifetime_that_is_over_lets_leases_end_and_gives_no_more),
        cmocka_unit_test(a_death_is_told_of_what_was_to_end_anyway),
        cmocka_unit_test(a_lower_limit_ends_as_many_as_are_too_many),
        cmocka_unit_test(a_shared_connection_moves_at_rest_with_what_its_protocol_keeps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
