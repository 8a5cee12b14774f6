/* Idle connections move between workers instead of being dialled anew. */
#include "tests/unit/pool_rig.h"

#include "pool/connection.h"

struct two {
    struct rig rig;
    int listener;
    uint16_t port;
    struct endpoint *endpoint;
};

static void two_init(struct two *two, unsigned workers, const char *more)
{
    rig_init(&two->rig, workers, 100);
    two->listener = rig_listen(64, &two->port);
    rig_adopt(&two->rig,
              rig_settings("upstreams = { app = { endpoints = [ \"127.0.0.1:%u\" ]; %s }; };",
                           two->port, more));
    two->endpoint = rig_endpoint(&two->rig, 0, 0);
}

static void two_end(struct two *two)
{
    rig_end(&two->rig);
    close(two->listener);
}

static struct pool_worker *pool_at(struct two *two, unsigned worker)
{
    return two->rig.workers[worker].pool;
}

/* So many connections rest at the worker. */
static void rest(struct two *two, unsigned worker, size_t count)
{
    struct lease *leases[8];
    for (size_t i = 0; i < count; i++) {
        leases[i] = rig_leased(&two->rig, worker, two->endpoint);
    }
    for (size_t i = 0; i < count; i++) {
        lease_return(pool_at(two, worker), &leases[i]);
    }
}

static uint64_t idle_at(struct two *two, unsigned worker)
{
    return two->endpoint->locals[worker].idle_count;
}

static void a_worker_without_connections_gets_one_of_a_sibling_before_it_dials(void **state)
{
    struct two two;
    (void)state;
    two_init(&two, 2, "");
    rest(&two, 0, 1);
    int far = rig_accept(two.listener);
    struct rig_attempt attempt = {0};
    assert_int_equal(rig_lease(&two.rig, 1, two.endpoint, &attempt), LEASE_PENDING);
    rig_await(&two.rig, attempt.lease != NULL);
    assert_true(attempt.lease->facts.reused);
    assert_int_equal(attempt.lease->facts.exchanges_count, 1);
    struct endpoint_figures figures = rig_figures(&two.rig, two.endpoint);
    assert_int_equal(figures.dials, 1);
    assert_int_equal(figures.handed_over, 1);
    assert_int_equal(figures.open, 1);
    assert_int_equal(idle_at(&two, 0), 0);
    assert_int_equal(bound_used(&two.rig.fds), 1);
    /* It is watched by its new worker. */
    lease_return(pool_at(&two, 1), &attempt.lease);
    assert_int_equal(idle_at(&two, 1), 1);
    close(far);
    rig_await(&two.rig, idle_at(&two, 1) == 0);
    assert_int_equal(rig_figures(&two.rig, two.endpoint).closed[LEASE_CLOSED_DIED_IDLE], 1);
    two_end(&two);
}

static void the_sibling_with_most_is_asked(void **state)
{
    struct two two;
    (void)state;
    two_init(&two, 3, "");
    struct lease *kept = rig_leased(&two.rig, 0, two.endpoint);
    rest(&two, 1, 3);
    lease_return(pool_at(&two, 0), &kept);
    struct rig_attempt attempt = {0};
    assert_int_equal(rig_lease(&two.rig, 2, two.endpoint, &attempt), LEASE_PENDING);
    rig_await(&two.rig, attempt.lease != NULL);
    assert_int_equal(idle_at(&two, 1), 2);
    assert_int_equal(idle_at(&two, 0), 1);
    lease_return(pool_at(&two, 2), &attempt.lease);
    two_end(&two);
}

static void no_more_is_asked_for_than_is_there(void **state)
{
    struct two two;
    (void)state;
    two_init(&two, 2, "");
    rest(&two, 0, 2);
    struct rig_attempt attempts[4] = {0};
    for (int i = 0; i < 4; i++) {
        assert_int_equal(rig_lease(&two.rig, 1, two.endpoint, &attempts[i]), LEASE_PENDING);
    }
    assert_int_equal(rig_figures(&two.rig, two.endpoint).dials, 4);
    for (int i = 0; i < 4; i++) {
        rig_await(&two.rig, attempts[i].lease != NULL);
    }
    assert_int_equal(rig_figures(&two.rig, two.endpoint).handed_over, 2);
    for (int i = 0; i < 4; i++) {
        lease_return(pool_at(&two, 1), &attempts[i].lease);
    }
    assert_int_equal(rig_figures(&two.rig, two.endpoint).open, 4);
    two_end(&two);
}

static void a_vain_ask_is_followed_by_a_dial(void **state)
{
    struct two two;
    (void)state;
    two_init(&two, 2, "");
    rest(&two, 0, 1);
    struct rig_attempt attempt = {0};
    assert_int_equal(rig_lease(&two.rig, 1, two.endpoint, &attempt), LEASE_PENDING);
    struct lease *gone = rig_leased(&two.rig, 0, two.endpoint);
    rig_await(&two.rig, attempt.lease != NULL);
    assert_false(attempt.lease->facts.reused);
    assert_int_equal(rig_figures(&two.rig, two.endpoint).handed_over, 0);
    lease_return(pool_at(&two, 0), &gone);
    lease_return(pool_at(&two, 1), &attempt.lease);
    two_end(&two);
}

static void a_vain_ask_at_max_fails_as_full(void **state)
{
    struct two two;
    (void)state;
    two_init(&two, 2, "pool = { warm_min = 0; max = 1; }");
    rest(&two, 0, 1);
    assert_false(pool_endpoint_full(two.endpoint));
    struct rig_attempt attempt = {0};
    assert_int_equal(rig_lease(&two.rig, 1, two.endpoint, &attempt), LEASE_PENDING);
    assert_true(pool_endpoint_full(two.endpoint)); /* asked for is taken */
    struct lease *gone = rig_leased(&two.rig, 0, two.endpoint);
    rig_await(&two.rig, attempt.failed);
    assert_int_equal(attempt.failure, DIAL_FULL);
    assert_null(attempt.request.endpoint);
    assert_int_equal(rig_figures(&two.rig, two.endpoint).in_flight, 1);
    assert_int_equal(rig_lease(&two.rig, 1, two.endpoint, &attempt), LEASE_FULL);
    lease_return(pool_at(&two, 0), &gone);
    two_end(&two);
}

static void without_a_descriptor_a_vain_ask_fails(void **state)
{
    struct two two;
    (void)state;
    two_init(&two, 2, "");
    rest(&two, 0, 1);
    struct rig_attempt attempt = {0};
    assert_int_equal(rig_lease(&two.rig, 1, two.endpoint, &attempt), LEASE_PENDING);
    struct lease *gone = rig_leased(&two.rig, 0, two.endpoint);
    bound_set_limit(&two.rig.fds, 1);
    rig_await(&two.rig, attempt.failed);
    assert_int_equal(attempt.failure, DIAL_NO_FD);
    assert_int_equal(rig_figures(&two.rig, two.endpoint).open, 1);
    lease_return(pool_at(&two, 0), &gone);
    two_end(&two);
}

/* As if epoll had no room for the descriptor that was handed over. */
static void a_connection_that_cannot_be_watched_is_closed_and_another_dialled(void **state)
{
    struct two two;
    (void)state;
    two_init(&two, 2, "");
    rest(&two, 0, 1);
    struct rig_attempt attempt = {0};
    assert_int_equal(rig_lease(&two.rig, 1, two.endpoint, &attempt), LEASE_PENDING);
    struct connection *asking = TAILQ_FIRST(&pool_at(&two, 1)->connections);
    assert_int_equal(mailbox_drain(two.rig.workers[0].loop.mailbox, &two.rig.workers[0]), 1);
    assert_true(asking->ask.handed.fd >= 0);
    assert_int_equal(dup2(open("/dev/null", O_RDONLY | O_CLOEXEC), asking->ask.handed.fd),
                     asking->ask.handed.fd);
    rig_await(&two.rig, attempt.lease != NULL);
    assert_false(attempt.lease->facts.reused);
    assert_int_equal(rig_figures(&two.rig, two.endpoint).open, 1);
    assert_int_equal(bound_used(&two.rig.fds), 1);
    lease_return(pool_at(&two, 1), &attempt.lease);
    two_end(&two);
}

static void a_sibling_that_does_not_answer_is_not_waited_for(void **state)
{
    struct two two;
    (void)state;
    two_init(&two, 2, "");
    rest(&two, 0, 1);
    struct rig_attempt attempt = {0};
    assert_int_equal(rig_lease(&two.rig, 1, two.endpoint, &attempt), LEASE_PENDING);
    uint64_t until_ms = rig_now_ms() + RIG_PATIENCE_MS;
    while (attempt.lease == NULL && rig_now_ms() < until_ms) {
        rig_pass(&two.rig.workers[1], false); /* the other one's loop hangs */
    }
    assert_non_null(attempt.lease);
    assert_false(attempt.lease->facts.reused);
    /* The late answer is kept for the next. */
    rig_await(&two.rig, idle_at(&two, 1) == 1);
    assert_int_equal(idle_at(&two, 0), 0);
    assert_int_equal(rig_figures(&two.rig, two.endpoint).open, 2);
    lease_return(pool_at(&two, 1), &attempt.lease);
    assert_int_equal(two.endpoint->locals[1].coming.count, 0);
    two_end(&two);
}

static void a_request_cancelled_while_asking_leaves_the_connection_with_the_asker(void **state)
{
    struct two two;
    (void)state;
    two_init(&two, 2, "");
    rest(&two, 0, 1);
    struct rig_attempt attempt = {0};
    assert_int_equal(rig_lease(&two.rig, 1, two.endpoint, &attempt), LEASE_PENDING);
    pool_lease_cancel(pool_at(&two, 1), &attempt.request);
    rig_await(&two.rig, idle_at(&two, 1) == 1);
    assert_null(attempt.lease);
    two_end(&two);
}

static void at_max_the_place_of_a_sibling_s_idle_connection_serves_a_fresh_dial(void **state)
{
    struct two two;
    (void)state;
    two_init(&two, 2, "pool = { warm_min = 0; max = 1; }");
    rest(&two, 0, 1);
    struct rig_attempt attempt = {.request = {.fresh_only = true}};
    assert_int_equal(rig_lease(&two.rig, 1, two.endpoint, &attempt), LEASE_PENDING);
    rig_await(&two.rig, attempt.lease != NULL);
    assert_false(attempt.lease->facts.reused);
    assert_int_equal(rig_figures(&two.rig, two.endpoint).open, 1);
    assert_int_equal(bound_peak(&two.endpoint->connections), 1);
    lease_return(pool_at(&two, 1), &attempt.lease);
    two_end(&two);
}

static void a_connection_that_died_on_the_way_is_noticed(void **state)
{
    struct two two;
    (void)state;
    two_init(&two, 2, "");
    rest(&two, 0, 1);
    int far = rig_accept(two.listener);
    struct rig_attempt attempt = {0};
    assert_int_equal(rig_lease(&two.rig, 1, two.endpoint, &attempt), LEASE_PENDING);
    pool_lease_cancel(pool_at(&two, 1), &attempt.request);
    assert_int_equal(mailbox_drain(two.rig.workers[0].loop.mailbox, &two.rig.workers[0]), 1);
    close(far);
    rig_await(&two.rig, rig_figures(&two.rig, two.endpoint).closed[LEASE_CLOSED_DIED_IDLE] == 1);
    assert_int_equal(bound_used(&two.rig.fds), 0);
    two_end(&two);
}

static void what_is_handed_to_a_worker_that_may_not_keep_it_is_closed(void **state)
{
    struct two two;
    (void)state;
    two_init(&two, 2, "");
    rest(&two, 0, 1);
    struct rig_attempt attempt = {0};
    assert_int_equal(rig_lease(&two.rig, 1, two.endpoint, &attempt), LEASE_PENDING);
    pool_lease_cancel(pool_at(&two, 1), &attempt.request);
    pool_worker_drain(pool_at(&two, 1));
    rig_await(&two.rig, rig_busy_count(pool_at(&two, 1)) == 0);
    assert_int_equal(rig_figures(&two.rig, two.endpoint).closed[LEASE_CLOSED_RETIRED], 1);
    assert_int_equal(bound_used(&two.rig.fds), 0);
    two_end(&two);
}

static void a_worker_s_end_with_asks_under_way_loses_nothing(void **state)
{
    struct two two;
    (void)state;
    two_init(&two, 2, "");
    rest(&two, 0, 2);
    struct rig_attempt attempts[2] = {0};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(rig_lease(&two.rig, 1, two.endpoint, &attempts[i]), LEASE_PENDING);
        pool_lease_cancel(pool_at(&two, 1), &attempts[i].request);
    }
    mailbox_drain(two.rig.workers[0].loop.mailbox, &two.rig.workers[0]);
    two_end(&two);
}

/* How many connections' lifetimes end within the steps ahead; none may be anywhere else. */
static uint64_t retiring(struct two *two)
{
    struct endpoint_figures figures = rig_figures(&two->rig, two->endpoint);
    uint64_t sum = 0;
    for (size_t i = 0; i < RETIREMENT_STEPS; i++) {
        assert_true(i < RETIREMENT_AHEAD || figures.retiring[i] == 0);
        sum += figures.retiring[i];
    }
    return sum;
}

static void each_connection_retires_somewhere_wherever_it_went(void **state)
{
    struct two two;
    struct rig_attempt attempt = {0};
    (void)state;
    two_init(&two, 2, "pool = { warm_min = 0; lifetime = \"60s\"; jitter = 0.5; };");
    assert_int_equal(retiring(&two), 0);
    rest(&two, 0, 3);
    assert_int_equal(retiring(&two), 3);
    assert_int_equal(rig_lease(&two.rig, 1, two.endpoint, &attempt), LEASE_PENDING);
    rig_await(&two.rig, attempt.lease != NULL);
    assert_int_equal(retiring(&two), 3); /* one of them at the other worker */
    lease_close(pool_at(&two, 1), &attempt.lease, LEASE_CLOSED_DONE);
    assert_int_equal(retiring(&two), 2);
    rig_adopt(&two.rig,
              rig_settings("upstreams = { app = { endpoints = [ \"127.0.0.1:%u\" ]; pool = "
                           "{ warm_min = 0; lifetime = \"1h\"; }; }; };",
                           two.port));
    rest(&two, 0, 3);
    pool_worker_drain(
        pool_at(&two, 0)); /* those of other steps are counted out where they were in */
    for (unsigned w = 0; w < 2; w++) {
        for (size_t i = 0; i < RETIREMENT_STEPS; i++) {
            assert_int_equal(two.endpoint->locals[w].retirements.counts[i], 0);
        }
    }
    two_end(&two);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_connection_retires_somewhere_wherever_it_went),
        cmocka_unit_test(a_worker_without_connections_gets_one_of_a_sibling_before_it_dials),
        cmocka_unit_test(the_sibling_with_most_is_asked),
        cmocka_unit_test(no_more_is_asked_for_than_is_there),
        cmocka_unit_test(a_vain_ask_is_followed_by_a_dial),
        cmocka_unit_test(a_vain_ask_at_max_fails_as_full),
        cmocka_unit_test(without_a_descriptor_a_vain_ask_fails),
        cmocka_unit_test(a_connection_that_cannot_be_watched_is_closed_and_another_dialled),
        cmocka_unit_test(a_sibling_that_does_not_answer_is_not_waited_for),
        cmocka_unit_test(a_request_cancelled_while_asking_leaves_the_connection_with_the_asker),
        cmocka_unit_test(at_max_the_place_of_a_sibling_s_idle_connection_serves_a_fresh_dial),
        cmocka_unit_test(a_connection_that_died_on_the_way_is_noticed),
        cmocka_unit_test(what_is_handed_to_a_worker_that_may_not_keep_it_is_closed),
        cmocka_unit_test(a_worker_s_end_with_asks_under_way_loses_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
