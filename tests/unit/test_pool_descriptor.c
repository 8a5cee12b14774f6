/* When descriptors have run out, whoever waits for one is served by what comes first: a descriptor or a connection. */
#include "tests/unit/pool_rig.h"

#include "pool/descriptor.h"
#include "pool/queue.h"

/* An exchange that goes on waiting until it has a connection. */
struct wanter {
    struct waiter waiter; /* first */
    struct rig_attempt attempt;
    struct rig *rig;
    struct endpoint *endpoint;
    unsigned worker, turns_count;
    bool admitted;
};

/* Two upstreams on two workers and one descriptor; no re-check: who is not called waits for ever. */
struct shortage {
    struct rig rig;
    int listener;
    struct endpoint *app, *other;
};

static void shortage_init(struct shortage *shortage, uint64_t fds)
{
    uint16_t port;
    rig_init(&shortage->rig, 2, fds);
    shortage->rig.pools->recheck_ms = 3600000;
    shortage->listener = rig_listen(64, &port);
    rig_adopt(
        &shortage->rig,
        rig_settings(
            "upstreams = { app = { endpoints = [ \"127.0.0.1:%u\" ]; pool = { warm_min = 0; }; }; "
            "other = { endpoints = [ \"localhost:%u\" ]; pool = { warm_min = 0; }; }; };",
            port, port));
    shortage->app = rig_endpoint(&shortage->rig, 0, 0);
    shortage->other = rig_endpoint(&shortage->rig, 1, 0);
}

static void shortage_end(struct shortage *shortage)
{
    assert_int_equal(bound_used(&shortage->rig.pools->fd_waiting), 0);
    rig_end(&shortage->rig);
    close(shortage->listener);
}

static struct pool_worker *pool_at(struct shortage *shortage, unsigned worker)
{
    return shortage->rig.workers[worker].pool;
}

static void want(struct wanter *wanter, bool turn)
{
    enum lease_result result =
        rig_lease(wanter->rig, wanter->worker, wanter->endpoint, &wanter->attempt);
    if (result == LEASE_NO_FD || result == LEASE_FULL) {
        assert_int_equal(upstream_wait(wanter->rig->workers[wanter->worker].pool,
                                       wanter->endpoint->upstream, &wanter->waiter,
                                       result == LEASE_NO_FD, turn),
                         ADMIT_QUEUED);
    }
}

static void on_turn(struct waiter *waiter)
{
    struct wanter *wanter = (struct wanter *)waiter;
    wanter->turns_count++;
    if (!wanter->admitted) {
        assert_int_equal(upstream_admit(wanter->rig->workers[wanter->worker].pool,
                                        wanter->endpoint->upstream, waiter, true),
                         ADMIT_OK);
    }
    wanter->admitted = true;
    want(wanter, true);
}

static void arrive(struct shortage *shortage, struct wanter *wanter, unsigned worker,
                   struct endpoint *endpoint)
{
    *wanter = (struct wanter){.waiter = {.on_turn = on_turn},
                              .rig = &shortage->rig,
                              .endpoint = endpoint,
                              .worker = worker};
    wanter->admitted = upstream_admit(pool_at(shortage, worker), endpoint->upstream,
                                      &wanter->waiter, false) == ADMIT_OK;
    if (wanter->admitted) {
        want(wanter, false);
    }
}

static void leave(struct shortage *shortage, struct wanter *wanter)
{
    queue_cancel(&wanter->waiter);
    if (wanter->attempt.lease != NULL) {
        lease_return(pool_at(shortage, wanter->worker), &wanter->attempt.lease);
    }
    upstream_leave(pool_at(shortage, wanter->worker), wanter->endpoint->upstream);
}

static void a_descriptor_given_back_on_any_worker_serves_who_waits(void **state)
{
    (void)state;
    for (unsigned giver = 0; giver < 2; giver++) {
        struct shortage shortage;
        struct wanter wanter;
        shortage_init(&shortage, 1);
        assert_true(bound_take(&shortage.rig.fds, 1)); /* a client has it */
        arrive(&shortage, &wanter, 0, shortage.app);
        rig_settle(&shortage.rig);
        assert_int_equal(wanter.waiter.wants, QUEUE_DESCRIPTOR);
        unsigned turns_count = wanter.turns_count;
        rig_settle(&shortage.rig);
        assert_int_equal(wanter.turns_count, turns_count); /* nothing turns in vain */
        bound_give(&shortage.rig.fds, 1);
        pool_fds_given(pool_at(&shortage, giver));
        rig_await(&shortage.rig, wanter.attempt.lease != NULL);
        leave(&shortage, &wanter);
        shortage_end(&shortage);
    }
}

static void a_connection_that_returns_on_any_worker_serves_who_waits_for_a_descriptor(void **state)
{
    (void)state;
    for (unsigned returner = 0; returner < 2; returner++) {
        struct shortage shortage;
        struct wanter wanter;
        shortage_init(&shortage, 1);
        struct lease *lease = rig_leased(&shortage.rig, returner, shortage.app);
        arrive(&shortage, &wanter, 0, shortage.app);
        rig_settle(&shortage.rig);
        assert_null(wanter.attempt.lease);
        lease_return(pool_at(&shortage, returner), &lease);
        rig_await(&shortage.rig, wanter.attempt.lease != NULL);
        assert_true(wanter.attempt.lease->facts.reused);
        leave(&shortage, &wanter);
        shortage_end(&shortage);
    }
}

static void an_idle_connection_of_another_upstream_gives_its_descriptor(void **state)
{
    (void)state;
    for (unsigned holder = 0; holder < 2; holder++) {
        struct shortage shortage;
        struct wanter wanter;
        shortage_init(&shortage, 1);
        struct lease *lease = rig_leased(&shortage.rig, holder, shortage.other);
        lease_return(pool_at(&shortage, holder), &lease);
        arrive(&shortage, &wanter, 0, shortage.app);
        rig_await(&shortage.rig, wanter.attempt.lease != NULL);
        assert_int_equal(bound_peak(&shortage.rig.fds), 1);
        leave(&shortage, &wanter);
        shortage_end(&shortage);
    }
}

static void a_connection_of_another_upstream_that_returns_gives_its_descriptor(void **state)
{
    (void)state;
    for (unsigned holder = 0; holder < 2; holder++) {
        struct shortage shortage;
        struct wanter wanter;
        shortage_init(&shortage, 1);
        struct lease *lease = rig_leased(&shortage.rig, holder, shortage.other);
        arrive(&shortage, &wanter, 0, shortage.app);
        rig_settle(&shortage.rig);
        lease_return(pool_at(&shortage, holder), &lease);
        rig_await(&shortage.rig, wanter.attempt.lease != NULL);
        leave(&shortage, &wanter);
        shortage_end(&shortage);
    }
}

static void who_waits_for_a_descriptor_keeps_its_order(void **state)
{
    enum { COUNT = 4 };
    struct shortage shortage;
    struct wanter wanters[COUNT];
    (void)state;
    shortage_init(&shortage, 1);
    assert_true(bound_take(&shortage.rig.fds, 1));
    for (unsigned i = 0; i < COUNT; i++) {
        arrive(&shortage, &wanters[i], 0, i % 2 == 0 ? shortage.app : shortage.other);
        rig_settle(&shortage.rig);
    }
    bound_give(&shortage.rig.fds, 1);
    pool_fds_given(pool_at(&shortage, 1));
    rig_await(&shortage.rig, wanters[0].attempt.lease != NULL || wanters[1].attempt.lease != NULL);
    rig_settle(&shortage.rig);
    assert_null(wanters[2].attempt.lease);
    assert_null(wanters[3].attempt.lease);
    for (unsigned left_count = COUNT; left_count > 0;) {
        for (unsigned i = 0; i < COUNT; i++) {
            if (wanters[i].attempt.lease == NULL) {
                continue;
            }
            leave(&shortage, &wanters[i]);
            left_count--;
        }
        rig_settle(&shortage.rig);
    }
    shortage_end(&shortage);
}

static void one_that_stops_waiting_for_a_descriptor_is_not_counted_any_more(void **state)
{
    struct shortage shortage;
    struct wanter wanter;
    (void)state;
    shortage_init(&shortage, 1);
    assert_true(bound_take(&shortage.rig.fds, 1));
    arrive(&shortage, &wanter, 0, shortage.app);
    assert_int_equal(bound_used(&shortage.rig.pools->fd_waiting), 1);
    leave(&shortage, &wanter);
    assert_int_equal(bound_used(&shortage.rig.pools->fd_waiting), 0);
    bound_give(&shortage.rig.fds, 1);
    shortage_end(&shortage);
}

/* A connection of the other upstream that rests on worker 1. */
static void rest_elsewhere(struct shortage *shortage, unsigned count)
{
    struct lease *leases[4];
    for (unsigned i = 0; i < count; i++) {
        leases[i] = rig_leased(&shortage->rig, 1, shortage->other);
    }
    for (unsigned i = 0; i < count; i++) {
        lease_return(pool_at(shortage, 1), &leases[i]);
    }
}

/* Those who stand behind the first were called by nobody: no sibling spared anything for them. */
static void each_who_waits_gets_the_descriptor_of_an_idle_connection_of_a_sibling(void **state)
{
    enum { COUNT = 3 };
    struct shortage shortage;
    struct wanter wanters[COUNT];
    (void)state;
    shortage_init(&shortage, COUNT);
    rest_elsewhere(&shortage, COUNT);
    for (unsigned i = 0; i < COUNT; i++) {
        arrive(&shortage, &wanters[i], 0, shortage.app);
    }
    for (unsigned i = 0; i < COUNT; i++) {
        rig_await(&shortage.rig, wanters[i].attempt.lease != NULL);
    }
    for (unsigned i = 0; i < COUNT; i++) {
        leave(&shortage, &wanters[i]);
    }
    shortage_end(&shortage);
}

static void the_next_waits_for_the_descriptor_when_the_first_has_given_up(void **state)
{
    (void)state;
    for (unsigned second_at = 0; second_at < 2; second_at++) {
        struct shortage shortage;
        struct wanter first, second;
        shortage_init(&shortage, 1);
        struct lease *lease = rig_leased(&shortage.rig, 1, shortage.other);
        arrive(&shortage, &first, 0, shortage.app);
        arrive(&shortage, &second, second_at, shortage.app);
        rig_settle(&shortage.rig);
        leave(&shortage, &first);
        rig_settle(&shortage.rig);
        lease_return(pool_at(&shortage, 1), &lease);
        rig_await(&shortage.rig, second.attempt.lease != NULL);
        leave(&shortage, &second);
        shortage_end(&shortage);
    }
}

/* Its own exchanges wait, but for a place: they could not use it. */
static void a_connection_at_rest_behind_a_full_upstream_gives_its_descriptor(void **state)
{
    struct shortage shortage;
    struct wanter inside, newcomer, wanter;
    (void)state;
    shortage_init(&shortage, 2);
    bound_set_limit(&shortage.other->upstream->in_flight, 1);
    arrive(&shortage, &inside, 1, shortage.other);
    rig_await(&shortage.rig, inside.attempt.lease != NULL);
    rest_elsewhere(&shortage, 1);
    arrive(&shortage, &newcomer, 1, shortage.other);
    rig_settle(&shortage.rig);
    assert_false(newcomer.admitted);
    arrive(&shortage, &wanter, 0, shortage.app);
    rig_await(&shortage.rig, wanter.attempt.lease != NULL);
    leave(&shortage, &wanter);
    leave(&shortage, &inside);
    rig_await(&shortage.rig, newcomer.attempt.lease != NULL);
    leave(&shortage, &newcomer);
    shortage_end(&shortage);
}

/* It had never queued: the connection that a sibling had at rest was lent in between, and there is no descriptor to dial with. */
static void one_that_comes_from_a_vain_ask_waits_from_then_on(void **state)
{
    struct shortage shortage;
    struct wanter wanter;
    struct lease *lease;
    (void)state;
    shortage_init(&shortage, 1);
    lease = rig_leased(&shortage.rig, 1, shortage.app);
    lease_return(pool_at(&shortage, 1), &lease);
    arrive(&shortage, &wanter, 0, shortage.app);
    lease = rig_leased(&shortage.rig, 1, shortage.app);
    rig_await(&shortage.rig, wanter.attempt.failed);
    assert_int_equal(wanter.attempt.failure, DIAL_NO_FD);
    uint64_t now_ms = loop_clock_ms(&shortage.rig.workers[0].loop.clock);
    assert_int_equal(
        upstream_wait(pool_at(&shortage, 0), shortage.app->upstream, &wanter.waiter, true, true),
        ADMIT_QUEUED);
    assert_true(wanter.waiter.since_ms >= now_ms);
    lease_return(pool_at(&shortage, 1), &lease);
    rig_await(&shortage.rig, wanter.attempt.lease != NULL);
    leave(&shortage, &wanter);
    shortage_end(&shortage);
}

/* Its exchanges are served to the end: on the worker that frees the descriptor nothing leads to them but the list of who waits. */
static void who_waits_at_an_upstream_that_has_gone_from_the_settings_is_told_of_a_descriptor(
    void **state)
{
    struct shortage shortage;
    struct wanter wanter;
    (void)state;
    shortage_init(&shortage, 1);
    assert_true(bound_take(&shortage.rig.fds, 1));
    arrive(&shortage, &wanter, 0, shortage.app);
    rig_settle(&shortage.rig);
    rig_adopt(&shortage.rig,
              rig_settings("upstreams = { other = { endpoints = [ \"127.0.0.1:1\" ]; "
                           "pool = { warm_min = 0; }; }; };"));
    rig_settle(&shortage.rig);
    bound_give(&shortage.rig.fds, 1);
    pool_fds_given(pool_at(&shortage, 1));
    rig_await(&shortage.rig, wanter.attempt.lease != NULL);
    leave(&shortage, &wanter);
    shortage_end(&shortage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_descriptor_given_back_on_any_worker_serves_who_waits),
        cmocka_unit_test(a_connection_that_returns_on_any_worker_serves_who_waits_for_a_descriptor),
        cmocka_unit_test(an_idle_connection_of_another_upstream_gives_its_descriptor),
        cmocka_unit_test(a_connection_of_another_upstream_that_returns_gives_its_descriptor),
        cmocka_unit_test(who_waits_for_a_descriptor_keeps_its_order),
        cmocka_unit_test(one_that_stops_waiting_for_a_descriptor_is_not_counted_any_more),
        cmocka_unit_test(each_who_waits_gets_the_descriptor_of_an_idle_connection_of_a_sibling),
        cmocka_unit_test(the_next_waits_for_the_descriptor_when_the_first_has_given_up),
        cmocka_unit_test(a_connection_at_rest_behind_a_full_upstream_gives_its_descriptor),
        cmocka_unit_test(one_that_comes_from_a_vain_ask_waits_from_then_on),
        cmocka_unit_test(
            who_waits_at_an_upstream_that_has_gone_from_the_settings_is_told_of_a_descriptor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
