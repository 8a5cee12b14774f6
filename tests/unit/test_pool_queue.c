/* Exchanges wait for an upstream in order, within exact bounds, and are called when there is capacity, on whichever worker. */
#include "tests/unit/pool_rig.h"

#include "pool/queue.h"

/* Waits for its turn and notes it; what it does with it is up to the test. */
struct visitor {
    struct waiter waiter; /* first */
    struct rig_worker *worker;
    unsigned *counter;
    unsigned order;
    bool admit;   /* takes its place in its turn */
    bool wait_on; /* finds no connection in its turn and queues again */
    bool admitted;
};

static void on_turn(struct waiter *waiter)
{
    struct visitor *visitor = (struct visitor *)waiter;
    struct pool_worker *pool = visitor->worker->pool;
    struct upstream *upstream = visitor->worker->owner;
    visitor->order = ++*visitor->counter;
    if (visitor->admit) {
        assert_int_equal(upstream_admit(pool, upstream, waiter, true), ADMIT_OK);
        visitor->admitted = true;
        visitor->admit = false;
    }
    if (visitor->wait_on) {
        assert_int_equal(upstream_wait(pool, upstream, waiter, false, true), ADMIT_QUEUED);
    }
}

struct queued {
    struct rig rig;
    int listener;
    uint16_t port;
    struct upstream *upstream;
    struct endpoint *endpoint;
    unsigned counter;
};

/* With queue_target out of reach: who is served first must not depend on how long the machine takes. */
static void adopt(struct queued *queued, unsigned in_flight, unsigned queue, unsigned max)
{
    rig_adopt(&queued->rig,
              rig_settings("upstreams = { app = { endpoints = [ \"127.0.0.1:%u\" ]; "
                           "limits = { in_flight = %u; queue = %u; queue_target = \"1m\"; }; "
                           "pool = { warm_min = 0; max = %u; }; }; };",
                           queued->port, in_flight, queue, max));
}

/* No re-check: what is not called waits for ever. */
static void queued_init(struct queued *queued, unsigned workers, unsigned in_flight, unsigned queue,
                        unsigned max)
{
    memset(queued, 0, sizeof *queued);
    rig_init(&queued->rig, workers, 1000);
    queued->rig.pools->recheck_ms = 3600000;
    queued->listener = rig_listen(64, &queued->port);
    adopt(queued, in_flight, queue, max);
    queued->upstream = queued->rig.set->views[0].upstream;
    queued->endpoint = rig_endpoint(&queued->rig, 0, 0);
    for (unsigned i = 0; i < workers; i++) {
        queued->rig.workers[i].owner = queued->upstream;
    }
}

static void queued_end(struct queued *queued)
{
    assert_int_equal(bound_used(&queued->upstream->in_flight), 0);
    assert_int_equal(bound_used(&queued->upstream->queued), 0);
    assert_false(queue_waits(queued->upstream));
    rig_end(&queued->rig);
    close(queued->listener);
}

static struct pool_worker *pool_at(struct queued *queued, unsigned worker)
{
    return queued->rig.workers[worker].pool;
}

static enum admit_result arrive(struct queued *queued, unsigned worker, struct visitor *visitor)
{
    *visitor = (struct visitor){.waiter = {.on_turn = on_turn},
                                .worker = &queued->rig.workers[worker],
                                .counter = &queued->counter,
                                .admit = true};
    enum admit_result result =
        upstream_admit(pool_at(queued, worker), queued->upstream, &visitor->waiter, false);
    visitor->admitted = result == ADMIT_OK;
    return result;
}

static void leave(struct queued *queued, struct visitor *visitor)
{
    assert_true(visitor->admitted);
    visitor->admitted = false;
    upstream_leave(visitor->worker->pool, queued->upstream);
}

static void in_flight_and_queue_are_exact(void **state)
{
    struct queued queued;
    struct visitor visitors[6];
    (void)state;
    queued_init(&queued, 1, 3, 2, 10);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(arrive(&queued, 0, &visitors[i]), ADMIT_OK);
    }
    for (int i = 3; i < 5; i++) {
        assert_int_equal(arrive(&queued, 0, &visitors[i]), ADMIT_QUEUED);
    }
    assert_int_equal(arrive(&queued, 0, &visitors[5]), ADMIT_QUEUE_FULL);
    assert_null(visitors[5].waiter.local);
    assert_int_equal(bound_used(&queued.upstream->in_flight), 3);
    assert_int_equal(bound_used(&queued.upstream->queued), 2);
    rig_settle(&queued.rig);
    assert_int_equal(queued.counter, 0);
    for (int i = 0; i < 5; i++) {
        rig_await(&queued.rig, visitors[i].admitted);
        leave(&queued, &visitors[i]);
    }
    assert_int_equal(bound_peak(&queued.upstream->in_flight), 3);
    assert_int_equal(bound_peak(&queued.upstream->queued), 2);
    queued_end(&queued);
}

static void the_queued_are_served_oldest_first_and_not_within_the_call(void **state)
{
    enum { COUNT = 6 };
    struct queued queued;
    struct visitor first, visitors[COUNT];
    (void)state;
    queued_init(&queued, 1, 1, COUNT, 10);
    assert_int_equal(arrive(&queued, 0, &first), ADMIT_OK);
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(arrive(&queued, 0, &visitors[i]), ADMIT_QUEUED);
    }
    leave(&queued, &first);
    for (unsigned i = 0; i < COUNT; i++) {
        assert_int_equal(queued.counter, i);
        rig_await(&queued.rig, queued.counter == i + 1);
        rig_settle(&queued.rig);
        assert_int_equal(visitors[i].order, i + 1);
        assert_null(visitors[i].waiter.local);
        leave(&queued, &visitors[i]);
    }
    queued_end(&queued);
}

static void a_newcomer_queues_behind_those_who_wait(void **state)
{
    struct queued queued;
    struct visitor first, second, third;
    (void)state;
    queued_init(&queued, 1, 1, 10, 10);
    assert_int_equal(arrive(&queued, 0, &first), ADMIT_OK);
    assert_int_equal(arrive(&queued, 0, &second), ADMIT_QUEUED);
    leave(&queued, &first);
    assert_int_equal(arrive(&queued, 0, &third), ADMIT_QUEUED);
    rig_await(&queued.rig, second.admitted);
    assert_false(third.admitted);
    leave(&queued, &second);
    rig_await(&queued.rig, third.admitted);
    leave(&queued, &third);
    queued_end(&queued);
}

static void one_who_leaves_the_queue_is_not_called_and_the_next_is(void **state)
{
    struct queued queued;
    struct visitor first, second, third;
    (void)state;
    queued_init(&queued, 1, 1, 10, 10);
    assert_int_equal(arrive(&queued, 0, &first), ADMIT_OK);
    assert_int_equal(arrive(&queued, 0, &second), ADMIT_QUEUED);
    assert_int_equal(arrive(&queued, 0, &third), ADMIT_QUEUED);
    leave(&queued, &first);
    /* The call is under way to the one who goes. */
    queue_cancel(&second.waiter);
    queue_cancel(&second.waiter);
    rig_await(&queued.rig, third.admitted);
    assert_int_equal(second.order, 0);
    leave(&queued, &third);
    queued_end(&queued);
}

static void who_does_not_take_its_turn_passes_it_on(void **state)
{
    struct queued queued;
    struct visitor first, second, third;
    (void)state;
    queued_init(&queued, 1, 1, 10, 10);
    assert_int_equal(arrive(&queued, 0, &first), ADMIT_OK);
    assert_int_equal(arrive(&queued, 0, &second), ADMIT_QUEUED);
    assert_int_equal(arrive(&queued, 0, &third), ADMIT_QUEUED);
    second.admit = false;
    leave(&queued, &first);
    rig_await(&queued.rig, third.admitted);
    assert_int_equal(second.order, 1);
    assert_int_equal(bound_used(&queued.upstream->in_flight), 1);
    leave(&queued, &third);
    queued_end(&queued);
}

static void one_admitted_waits_for_a_connection_and_is_called_when_one_returns(void **state)
{
    struct queued queued;
    struct visitor first, second;
    (void)state;
    queued_init(&queued, 1, 10, 10, 1);
    assert_int_equal(arrive(&queued, 0, &first), ADMIT_OK);
    assert_int_equal(arrive(&queued, 0, &second), ADMIT_OK);
    second.admit = false;
    struct lease *lease = rig_leased(&queued.rig, 0, queued.endpoint);
    struct rig_attempt attempt = {0};
    assert_int_equal(rig_lease(&queued.rig, 0, queued.endpoint, &attempt), LEASE_FULL);
    assert_int_equal(
        upstream_wait(pool_at(&queued, 0), queued.upstream, &second.waiter, false, false),
        ADMIT_QUEUED);
    rig_settle(&queued.rig);
    assert_int_equal(second.order, 0);
    lease_return(pool_at(&queued, 0), &lease);
    assert_int_equal(second.order, 0);
    rig_await(&queued.rig, second.order == 1);
    assert_int_equal(rig_lease(&queued.rig, 0, queued.endpoint, &attempt), LEASE_READY);
    /* And when one is closed: its place may be dialled for. */
    assert_int_equal(
        upstream_wait(pool_at(&queued, 0), queued.upstream, &second.waiter, false, false),
        ADMIT_QUEUED);
    lease_close(pool_at(&queued, 0), &attempt.lease, LEASE_CLOSED_BROKEN);
    rig_await(&queued.rig, second.order == 2);
    leave(&queued, &first);
    leave(&queued, &second);
    queued_end(&queued);
}

static void what_was_freed_before_the_queue_was_entered_is_not_missed(void **state)
{
    struct queued queued;
    struct visitor first;
    (void)state;
    for (unsigned returner = 0; returner < 2; returner++) {
        queued_init(&queued, 2, 10, 10, 1);
        assert_int_equal(arrive(&queued, 0, &first), ADMIT_OK);
        first.admit = false;
        struct lease *lease = rig_leased(&queued.rig, returner, queued.endpoint);
        struct rig_attempt attempt = {0};
        assert_int_equal(rig_lease(&queued.rig, 0, queued.endpoint, &attempt), LEASE_FULL);
        lease_return(pool_at(&queued, returner), &lease);
        assert_int_equal(
            upstream_wait(pool_at(&queued, 0), queued.upstream, &first.waiter, false, false),
            ADMIT_QUEUED);
        rig_await(&queued.rig, first.order == 1);
        leave(&queued, &first);
        queued_end(&queued);
    }
}

static void who_queues_again_in_its_turn_is_first_again(void **state)
{
    struct queued queued;
    struct visitor visitors[3];
    (void)state;
    queued_init(&queued, 1, 10, 10, 1);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(arrive(&queued, 0, &visitors[i]), ADMIT_OK);
    }
    struct lease *lease = rig_leased(&queued.rig, 0, queued.endpoint);
    for (int i = 0; i < 3; i++) {
        visitors[i].admit = false;
        visitors[i].wait_on = i == 0;
        assert_int_equal(
            upstream_wait(pool_at(&queued, 0), queued.upstream, &visitors[i].waiter, false, false),
            ADMIT_QUEUED);
    }
    lease_return(pool_at(&queued, 0), &lease);
    rig_await(&queued.rig, visitors[0].order == 1);
    lease = rig_leased(&queued.rig, 0, queued.endpoint);
    visitors[0].wait_on = false;
    lease_return(pool_at(&queued, 0), &lease);
    rig_await(&queued.rig, queued.counter == 4);
    assert_int_equal(visitors[0].order, 2);
    assert_int_equal(visitors[1].order, 3);
    assert_int_equal(visitors[2].order, 4);
    for (int i = 0; i < 3; i++) {
        leave(&queued, &visitors[i]);
    }
    queued_end(&queued);
}

static void a_newcomer_waits_behind_one_admitted_who_waits_for_a_connection(void **state)
{
    struct queued queued;
    struct visitor first, admitted, newcomer;
    (void)state;
    queued_init(&queued, 1, 10, 10, 1);
    assert_int_equal(arrive(&queued, 0, &first), ADMIT_OK);
    assert_int_equal(arrive(&queued, 0, &admitted), ADMIT_OK);
    struct lease *lease = rig_leased(&queued.rig, 0, queued.endpoint);
    admitted.admit = false;
    assert_int_equal(
        upstream_wait(pool_at(&queued, 0), queued.upstream, &admitted.waiter, false, false),
        ADMIT_QUEUED);
    /* There is room in flight, but whoever waits for a connection was here before. */
    assert_int_equal(arrive(&queued, 0, &newcomer), ADMIT_QUEUED);
    admitted.wait_on = true;
    lease_return(pool_at(&queued, 0), &lease);
    rig_await(&queued.rig, admitted.order == 1);
    rig_settle(&queued.rig);
    assert_int_equal(admitted.order,
                     1); /* no spinning, though there is capacity it does not want */
    assert_false(newcomer.admitted);
    assert_int_equal(bound_used(&queued.upstream->queued), 2);
    queue_cancel(&admitted.waiter);
    leave(&queued, &admitted);
    rig_await(&queued.rig, newcomer.admitted);
    leave(&queued, &newcomer);
    leave(&queued, &first);
    queued_end(&queued);
}

static void who_queues_again_in_its_turn_keeps_its_slot_though_the_queue_is_full(void **state)
{
    struct queued queued;
    struct visitor first, second, refused;
    (void)state;
    queued_init(&queued, 1, 1, 1, 1);
    assert_int_equal(arrive(&queued, 0, &first), ADMIT_OK);
    assert_int_equal(arrive(&queued, 0, &second), ADMIT_QUEUED);
    second.wait_on = true;
    uint64_t since_ms = second.waiter.since_ms;
    leave(&queued, &first);
    rig_await(&queued.rig, second.order == 1);
    assert_true(second.admitted);
    assert_ptr_equal(second.waiter.local, &queued.upstream->own->locals[0].waits);
    assert_int_equal(second.waiter.since_ms, since_ms);
    assert_int_equal(bound_used(&queued.upstream->queued), 1);
    assert_int_equal(arrive(&queued, 0, &refused), ADMIT_QUEUE_FULL);
    queue_cancel(&second.waiter);
    leave(&queued, &second);
    queued_end(&queued);
}

static void higher_limits_call_those_who_wait(void **state)
{
    struct queued queued;
    struct visitor visitors[3];
    (void)state;
    queued_init(&queued, 1, 1, 10, 10);
    assert_int_equal(arrive(&queued, 0, &visitors[0]), ADMIT_OK);
    assert_int_equal(arrive(&queued, 0, &visitors[1]), ADMIT_QUEUED);
    assert_int_equal(arrive(&queued, 0, &visitors[2]), ADMIT_QUEUED);
    adopt(&queued, 3, 10, 10);
    rig_await(&queued.rig, visitors[1].admitted && visitors[2].admitted);
    adopt(&queued, 1, 10, 10);
    for (int i = 0; i < 3; i++) {
        leave(&queued, &visitors[i]);
    }
    queued_end(&queued);
}

static void a_place_left_on_one_worker_serves_who_waits_on_another(void **state)
{
    struct queued queued;
    struct visitor first, second, third;
    (void)state;
    queued_init(&queued, 3, 1, 10, 10);
    assert_int_equal(arrive(&queued, 0, &first), ADMIT_OK);
    assert_int_equal(arrive(&queued, 1, &second), ADMIT_QUEUED);
    rig_settle(&queued.rig);
    assert_int_equal(arrive(&queued, 2, &third), ADMIT_QUEUED);
    leave(&queued, &first);
    rig_await(&queued.rig, second.admitted);
    leave(&queued, &second);
    rig_await(&queued.rig, third.admitted);
    leave(&queued, &third);
    queued_end(&queued);
}

static void the_worker_whose_exchange_waits_longest_is_called_first(void **state)
{
    struct queued queued;
    struct visitor first, old, young;
    (void)state;
    queued_init(&queued, 2, 1, 10, 10);
    assert_int_equal(arrive(&queued, 0, &first), ADMIT_OK);
    assert_int_equal(arrive(&queued, 1, &old), ADMIT_QUEUED);
    /* by so much one waits longer than the other */
    rig_sleep(&queued.rig, 4 * WAITLIST_LOCAL_MS + 1);
    assert_int_equal(arrive(&queued, 0, &young), ADMIT_QUEUED);
    leave(&queued, &first);
    rig_await(&queued.rig, old.admitted);
    assert_false(young.admitted);
    leave(&queued, &old);
    rig_await(&queued.rig, young.admitted);
    leave(&queued, &young);
    queued_end(&queued);
}

static void a_call_that_comes_too_late_goes_on_to_the_next_worker(void **state)
{
    struct queued queued;
    struct visitor first, gone, third;
    (void)state;
    queued_init(&queued, 3, 1, 10, 10);
    assert_int_equal(arrive(&queued, 0, &first), ADMIT_OK);
    assert_int_equal(arrive(&queued, 1, &gone), ADMIT_QUEUED);
    assert_int_equal(arrive(&queued, 2, &third), ADMIT_QUEUED);
    leave(&queued, &first);
    queue_cancel(&gone.waiter);
    rig_await(&queued.rig, third.admitted);
    leave(&queued, &third);
    queued_end(&queued);
}

static void what_the_oldest_cannot_use_is_offered_to_the_others(void **state)
{
    struct queued queued;
    struct visitor first, picky, other;
    (void)state;
    for (unsigned picky_worker = 0; picky_worker < 2; picky_worker++) {
        queued_init(&queued, 2, 10, 10, 1);
        assert_int_equal(arrive(&queued, 0, &first), ADMIT_OK);
        assert_int_equal(arrive(&queued, picky_worker, &picky), ADMIT_OK);
        assert_int_equal(arrive(&queued, 1 - picky_worker, &other), ADMIT_OK);
        picky.admit = other.admit = false;
        picky.wait_on = true;
        struct lease *lease = rig_leased(&queued.rig, 0, queued.endpoint);
        assert_int_equal(
            upstream_wait(picky.worker->pool, queued.upstream, &picky.waiter, false, false),
            ADMIT_QUEUED);
        assert_int_equal(
            upstream_wait(other.worker->pool, queued.upstream, &other.waiter, false, false),
            ADMIT_QUEUED);
        lease_return(pool_at(&queued, 0), &lease);
        rig_await(&queued.rig, other.order > 0);
        rig_settle(&queued.rig);
        assert_true(queued.counter <= 3); /* the offer ends */
        queue_cancel(&picky.waiter);
        leave(&queued, &first);
        leave(&queued, &picky);
        leave(&queued, &other);
        queued_end(&queued);
    }
}

static void an_upstream_that_has_gone_stays_until_the_last_exchange_leaves(void **state)
{
    struct queued queued;
    struct visitor first, second;
    (void)state;
    queued_init(&queued, 2, 1, 10, 10);
    assert_int_equal(arrive(&queued, 0, &first), ADMIT_OK);
    assert_int_equal(arrive(&queued, 1, &second), ADMIT_QUEUED);
    rig_adopt(&queued.rig,
              rig_settings("upstreams = { other = { endpoints = [ \"127.0.0.1:%u\" ]; }; };",
                           queued.port));
    assert_int_equal(pools_collect(queued.rig.pools), 1);
    assert_non_null(queued.upstream->views[0]);
    assert_string_equal(queued.upstream->views[1]->settings->name, "app");
    assert_int_equal(bound_used(&queued.rig.pools->upstreams), 2);
    leave(&queued, &first);
    assert_null(queued.upstream->views[0]);
    rig_await(&queued.rig, second.admitted);
    assert_int_equal(pools_collect(queued.rig.pools), 1);
    /* What is lent to it still works. */
    struct lease *lease = rig_leased(&queued.rig, 1, queued.endpoint);
    lease_return(pool_at(&queued, 1), &lease);
    leave(&queued, &second);
    rig_settle(&queued.rig);
    assert_int_equal(pools_collect(queued.rig.pools), 0);
    assert_int_equal(bound_used(&queued.rig.pools->upstreams), 1);
    rig_end(&queued.rig);
    close(queued.listener);
}

static void an_upstream_that_comes_back_is_the_same(void **state)
{
    struct queued queued;
    struct visitor first, second;
    (void)state;
    queued_init(&queued, 1, 1, 10, 10);
    assert_int_equal(arrive(&queued, 0, &first), ADMIT_OK);
    rig_adopt(&queued.rig,
              rig_settings("upstreams = { other = { endpoints = [ \"127.0.0.1:%u\" ]; }; };",
                           queued.port));
    adopt(&queued, 1, 10, 10);
    assert_ptr_equal(queued.rig.set->views[0].upstream, queued.upstream);
    assert_int_equal(arrive(&queued, 0, &second), ADMIT_QUEUED);
    leave(&queued, &first);
    rig_await(&queued.rig, second.admitted);
    leave(&queued, &second);
    pools_collect(queued.rig.pools);
    queued_end(&queued);
}

static void a_worker_may_go_with_a_turn_still_to_be_given(void **state)
{
    struct queued queued;
    struct visitor first, second;
    (void)state;
    queued_init(&queued, 1, 1, 10, 10);
    assert_int_equal(arrive(&queued, 0, &first), ADMIT_OK);
    assert_int_equal(arrive(&queued, 0, &second), ADMIT_QUEUED);
    leave(&queued, &first);
    queue_cancel(&second.waiter);
    queued_end(&queued);
}

/* The line is looked at until it is under stress; then it stays so, however long the machine takes. */
static void bring_under_stress(struct queued *queued)
{
    struct codel *codel = &queued->upstream->own->locals[0].codel[LINE_NEWCOMERS];
    uint64_t now_ms = loop_now_ms(queued->rig.workers[0].pool->env.loop);
    codel_look(codel, now_ms, codel->target_ms);
    codel_look(codel, now_ms + codel->interval_ms, codel->target_ms);
    assert_true(codel_stressed(codel, now_ms));
    codel->interval_ms = 3600000;
}

/* The clients of the oldest have gone, or soon will. */
static void under_stress_the_newest_is_served_first(void **state)
{
    enum { COUNT = 4 };
    struct queued queued;
    struct visitor first, visitors[COUNT];
    (void)state;
    queued_init(&queued, 1, 1, COUNT, 10);
    assert_int_equal(arrive(&queued, 0, &first), ADMIT_OK);
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(arrive(&queued, 0, &visitors[i]), ADMIT_QUEUED);
    }
    bring_under_stress(&queued);
    leave(&queued, &first);
    for (unsigned i = 0; i < COUNT; i++) {
        rig_await(&queued.rig, queued.counter == i + 1);
        assert_int_equal(visitors[COUNT - 1 - i].order, i + 1);
        leave(&queued, &visitors[COUNT - 1 - i]);
    }
    queued_end(&queued);
}

/* Should a call be lost for a reason nobody thought of, the re-check finds the capacity. */
static void the_recheck_finds_what_nobody_called_for(void **state)
{
    struct queued queued;
    struct visitor first, second;
    (void)state;
    queued_init(&queued, 1, 1, 10, 10);
    queued.upstream->own->waitlist.recheck_ms = 50;
    assert_int_equal(arrive(&queued, 0, &first), ADMIT_OK);
    assert_int_equal(arrive(&queued, 0, &second), ADMIT_QUEUED);
    bound_set_limit(&queued.upstream->in_flight, 2);
    rig_await(&queued.rig, second.admitted);
    leave(&queued, &first);
    leave(&queued, &second);
    queued_end(&queued);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_flight_and_queue_are_exact),
        cmocka_unit_test(the_queued_are_served_oldest_first_and_not_within_the_call),
        cmocka_unit_test(a_newcomer_queues_behind_those_who_wait),
        cmocka_unit_test(one_who_leaves_the_queue_is_not_called_and_the_next_is),
        cmocka_unit_test(who_does_not_take_its_turn_passes_it_on),
        cmocka_unit_test(one_admitted_waits_for_a_connection_and_is_called_when_one_returns),
        cmocka_unit_test(what_was_freed_before_the_queue_was_entered_is_not_missed),
        cmocka_unit_test(who_queues_again_in_its_turn_is_first_again),
        cmocka_unit_test(a_newcomer_waits_behind_one_admitted_who_waits_for_a_connection),
        cmocka_unit_test(who_queues_again_in_its_turn_keeps_its_slot_though_the_queue_is_full),
        cmocka_unit_test(higher_limits_call_those_who_wait),
        cmocka_unit_test(a_place_left_on_one_worker_serves_who_waits_on_another),
        cmocka_unit_test(the_worker_whose_exchange_waits_longest_is_called_first),
        cmocka_unit_test(a_call_that_comes_too_late_goes_on_to_the_next_worker),
        cmocka_unit_test(what_the_oldest_cannot_use_is_offered_to_the_others),
        cmocka_unit_test(an_upstream_that_has_gone_stays_until_the_last_exchange_leaves),
        cmocka_unit_test(an_upstream_that_comes_back_is_the_same),
        cmocka_unit_test(a_worker_may_go_with_a_turn_still_to_be_given),
        cmocka_unit_test(under_stress_the_newest_is_served_first),
        cmocka_unit_test(the_recheck_finds_what_nobody_called_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
