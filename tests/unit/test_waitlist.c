/* What comes free is offered to who waits longest, passed on until someone can use it, and never lost between threads. */
#include "tests/unit/unit.h"

#include <pthread.h>
#include <sched.h>
#include <time.h>

#include "tests/unit/waitlist_house.h"

static struct house house;

static int build(void **state)
{
    (void)state;
    house_build(&house, 0, 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    house_tear_down(&house);
    return 0;
}

static void close_house(void)
{
    house_settle(&house);
    assert_true(waitlist_idle(&house.list));
    assert_false(waitlist_waits_in(&house.list, 1u << LINE_CONNECTION | 1u << LINE_PLACE));
    for (unsigned i = 0; i < HOUSE_WORKERS; i++) {
        assert_false(waitlist_local_waits(&house.locals[i]));
        assert_int_equal(house.loops[i].wheel.armed_count, 0);
    }
}

/* ---- who is called ---- */

static void who_waits_longest_is_called_on_whichever_worker(void **state)
{
    struct visitor first, old, young;
    (void)state;
    house_open(&house, 1, 9);
    visitor_come(&first, &house, 0);
    visitor_come(&old, &house, 2);
    house_later(&house, 20);
    visitor_come(&young, &house, 1);
    visitor_leave(&first);
    assert_int_equal(old.turns_count, 0); /* from a frame of its own */
    house_settle(&house);
    assert_true(old.has_place);
    assert_false(young.has_place);
    visitor_leave(&old);
    house_settle(&house);
    assert_true(young.has_place);
    visitor_leave(&young);
    close_house();
}

static void a_worker_prefers_its_own_that_is_hardly_younger(void **state)
{
    (void)state;
    for (unsigned younger_ms = WAITLIST_LOCAL_MS; younger_ms <= WAITLIST_LOCAL_MS + 1;
         younger_ms++) {
        struct visitor first, other, own;
        house_open(&house, 1, 9);
        visitor_come(&first, &house, 0);
        visitor_come(&other, &house, 1);
        house_later(&house, younger_ms);
        visitor_come(&own, &house, 0);
        visitor_leave(&first);
        house_settle(&house);
        assert_int_equal(own.has_place, younger_ms <= WAITLIST_LOCAL_MS);
        assert_int_equal(other.has_place, younger_ms > WAITLIST_LOCAL_MS);
        visitor_leave(&own);
        visitor_leave(&other);
        close_house();
    }
}

static void who_has_left_the_line_is_not_called_and_the_call_goes_on(void **state)
{
    struct visitor first, gone, last;
    (void)state;
    house_open(&house, 1, 9);
    visitor_come(&first, &house, 0);
    visitor_come(&gone, &house, 1);
    house_later(&house, 20);
    visitor_come(&last, &house, 2);
    visitor_leave(&first);
    assert_false(waitlist_idle(&house.list));
    visitor_leave(&gone);
    house_settle(&house);
    assert_int_equal(gone.turns_count, 0);
    assert_true(last.has_place);
    visitor_leave(&last);
    close_house();
}

static void what_nobody_can_use_is_offered_once_to_everyone(void **state)
{
    struct visitor first, picky[HOUSE_WORKERS];
    (void)state;
    house_open(&house, 9, 1);
    visitor_come(&first, &house, 0);
    for (unsigned i = 0; i < HOUSE_WORKERS; i++) {
        visitor_connect(&picky[i], &house, i, true);
        house_later(&house, 20);
    }
    house_settle(&house);
    visitor_leave(&first);
    house_settle(&house);
    for (unsigned i = 0; i < HOUSE_WORKERS; i++) {
        assert_in_range(picky[i].turns_count, 1, 2);
        visitor_leave(&picky[i]);
    }
    close_house();
}

/* Two came free at once: the first of worker 1 takes one, and its second, who has no use for the other, is younger than who waits
   on worker 2. */
static void who_waits_between_two_of_the_local_that_was_called_is_not_left_out(void **state)
{
    struct visitor holders[2], first, between, picky;
    (void)state;
    house_open(&house, 9, 2);
    visitor_come(&holders[0], &house, 0);
    visitor_come(&holders[1], &house, 0);
    visitor_connect(&first, &house, 1, false);
    house_later(&house, 20);
    visitor_connect(&between, &house, 2, false);
    house_later(&house, 20);
    visitor_connect(&picky, &house, 1, true);
    visitor_leave(&holders[0]);
    visitor_leave(&holders[1]);
    house_settle(&house);
    assert_true(first.has_connection);
    assert_true(between.has_connection);
    assert_false(house_forgets(&house));
    visitor_leave(&first);
    visitor_leave(&between);
    visitor_leave(&picky);
    close_house();
}

/* For a connection it is called by its picky one, who is young, and then for a place by a newcomer, who is old. */
static void a_local_that_is_called_twice_passes_on_behind_the_older_rank(void **state)
{
    struct visitor holder, filler, newcomer, between, picky;
    (void)state;
    house_open(&house, 3, 1);
    visitor_come(&holder, &house, 0);
    visitor_connect(&filler, &house, 0, true);
    visitor_connect(&picky, &house, 1, true);
    waitlist_cancel(&picky.waiter);
    visitor_come(&newcomer, &house, 1);
    house_later(&house, 20);
    visitor_come(&between, &house, 2);
    house_later(&house, 20);
    visitor_wait(&picky, LINE_CONNECTION, false);
    waitlist_cancel(&filler.waiter);
    holder.has_connection = false;
    house_give(&house, 0, &house.connections);
    visitor_leave(&filler);
    house_settle(&house);
    assert_true(between.has_connection);
    visitor_leave(&holder);
    visitor_leave(&newcomer);
    visitor_leave(&between);
    visitor_leave(&picky);
    close_house();
}

static void only_lines_that_could_use_it_are_called(void **state)
{
    struct visitor holders[2], newcomer, admitted;
    (void)state;
    house_open(&house, 3, 2);
    visitor_come(&holders[0], &house, 0);
    visitor_come(&holders[1], &house, 0);
    visitor_connect(&admitted, &house, 2, true);
    visitor_come(&newcomer, &house, 1);
    house_settle(&house);
    admitted.picky = false;
    /* A connection comes free, but no place. */
    holders[0].has_connection = false;
    house_give(&house, 0, &house.connections);
    house_settle(&house);
    assert_true(admitted.has_connection);
    assert_int_equal(newcomer.turns_count, 0);
    visitor_leave(&holders[0]);
    visitor_leave(&holders[1]);
    house_settle(&house);
    assert_true(newcomer.has_connection);
    visitor_leave(&newcomer);
    visitor_leave(&admitted);
    close_house();
}

/* ---- turns ---- */

static struct visitor *beside; /* of the one whose turn it is */

/* Somebody else was faster, and gives it back just after this one has tried in vain; beside it in the line somebody gives up. */
static void try_in_vain(struct waiter *waiter)
{
    struct visitor *visitor = (struct visitor *)waiter;
    waiter->on_turn = visitor_on_turn;
    assert_true(house_take(&house.connections));
    visitor_leave(beside);
    house_give(&house, 0, &house.connections);
    visitor_wait(visitor, LINE_CONNECTION, true);
}

static void what_comes_free_during_a_turn_comes_to_who_goes_back_to_the_front(void **state)
{
    struct visitor holder, first, second;
    (void)state;
    house_open(&house, 9, 1);
    visitor_come(&holder, &house, 0);
    visitor_connect(&first, &house, 1, false);
    visitor_connect(&second, &house, 1, false);
    first.waiter.on_turn = try_in_vain;
    beside = &second;
    visitor_leave(&holder);
    house_settle(&house);
    assert_true(first.has_connection);
    visitor_leave(&first);
    close_house();
}

/* A newcomer has got the last place in its turn; the connection was gone then, and comes back before it stands in the other line. */
static void get_a_place_only(struct waiter *waiter)
{
    struct visitor *visitor = (struct visitor *)waiter;
    waiter->on_turn = visitor_on_turn;
    assert_true(house_take(&house.places));
    visitor->has_place = true;
    assert_true(house_take(&house.connections));
    house_give(&house, 0, &house.connections);
    visitor_wait(visitor, LINE_CONNECTION, true);
}

static void what_comes_free_during_a_turn_comes_to_who_goes_on_to_another_line(void **state)
{
    struct visitor holder, newcomer;
    (void)state;
    house_open(&house, 1, 1);
    visitor_come(&holder, &house, 0);
    visitor_come(&newcomer, &house, 1);
    newcomer.waiter.on_turn = get_a_place_only;
    visitor_leave(&holder);
    house_settle(&house);
    assert_true(newcomer.has_connection);
    visitor_leave(&newcomer);
    close_house();
}

static void who_comes_back_in_its_turn_keeps_its_place_though_as_many_wait_as_may(void **state)
{
    struct visitor holder, picky;
    struct waiter refused = {.on_turn = visitor_on_turn};
    (void)state;
    house_open(&house, 9, 1);
    visitor_come(&holder, &house, 0);
    visitor_connect(&picky, &house, 1, true);
    bound_set_limit(&house.waiting, 1);
    uint64_t since_ms = picky.waiter.since_ms;
    house_later(&house, 20);
    visitor_leave(&holder);
    house_settle(&house);
    assert_int_equal(picky.turns_count, 1);
    assert_ptr_equal(picky.waiter.local, &house.locals[1]);
    assert_int_equal(picky.waiter.since_ms, since_ms);
    assert_false(waitlist_wait(&house.locals[1], &refused, LINE_CONNECTION));
    assert_false(waitlist_return(&house.locals[1], &refused, LINE_CONNECTION));
    assert_null(refused.local);
    assert_int_equal(bound_refused(&house.waiting), 2);
    visitor_leave(&picky);
    close_house();
}

static void who_comes_back_later_goes_to_the_front_and_keeps_its_age(void **state)
{
    struct visitor holder, first, back;
    (void)state;
    house_open(&house, 9, 1);
    visitor_come(&holder, &house, 0);
    visitor_connect(&back, &house, 1, false);
    uint64_t since_ms = back.waiter.since_ms;
    waitlist_cancel(&back.waiter);
    house_later(&house, 20);
    visitor_connect(&first, &house, 1, false);
    visitor_wait(&back, LINE_CONNECTION, true);
    assert_int_equal(back.waiter.since_ms, since_ms);
    assert_ptr_equal(waitlist_first(&house.locals[1], LINE_CONNECTION), &back.waiter);
    assert_ptr_equal(waitlist_last(&house.locals[1], LINE_CONNECTION), &first.waiter);
    visitor_leave(&holder);
    house_settle(&house);
    assert_true(back.has_connection);
    visitor_leave(&back);
    visitor_leave(&first);
    close_house();
}

/* ---- the recheck ---- */

static void what_came_free_unsaid_is_found_by_the_recheck(void **state)
{
    struct visitor holder, first;
    (void)state;
    house_open(&house, 1, 9);
    house.list.recheck_ms = 100;
    visitor_come(&holder, &house, 0);
    visitor_come(&first, &house, 1);
    __atomic_fetch_add(&house.places.free_count, 1, __ATOMIC_RELAXED);
    house_later(&house, 150);
    house_settle(&house);
    assert_false(first.has_place);
    wheel_advance(&house.loops[1].wheel, loop_now_ms(&house.loops[1]));
    assert_true(first.has_place);
    visitor_leave(&holder);
    visitor_leave(&first);
    close_house();
}

/* ---- threads ---- */

enum { ROUNDS = 20000, GUESTS = 2 };
#define PATIENCE_S 60

/* In a round everybody comes once, and leaves as soon as it can. Whose wake-up is lost in a round is missed at its end: nobody
   comes any more who would find it by chance. */
struct storm {
    uint64_t served_count; /* atomic */
    uint64_t inside_count, inside_peak;
    bool hangs; /* atomic */
    pthread_barrier_t barrier;
    unsigned cancel_one_in;
};

struct guest {
    struct visitor visitor; /* first */
    struct message soon;
    struct storm *storm;
    bool served;
};

struct crew {
    pthread_t thread;
    struct storm *storm;
    unsigned worker;
    struct guest guests[GUESTS];
};

static void guest_leaves(struct message *message, void *receiver)
{
    struct guest *guest = container_of(message, struct guest, soon);
    (void)receiver;
    __atomic_fetch_sub(&guest->storm->inside_count, 1, __ATOMIC_RELAXED);
    visitor_leave(&guest->visitor);
    guest->served = true;
    __atomic_fetch_add(&guest->storm->served_count, 1, __ATOMIC_RELEASE);
}

/* It stays for the rest of the pass. */
static void guest_is_inside(struct guest *guest)
{
    uint64_t count = __atomic_add_fetch(&guest->storm->inside_count, 1, __ATOMIC_RELAXED);
    uint64_t peak = __atomic_load_n(&guest->storm->inside_peak, __ATOMIC_RELAXED);
    while (count > peak &&
           !__atomic_compare_exchange_n(&guest->storm->inside_peak, &peak, count, false,
                                        __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
    }
    mailbox_post(house.loops[guest->visitor.worker].mailbox, &guest->soon, guest_leaves);
}

static void guest_on_turn(struct waiter *waiter)
{
    struct guest *guest = (struct guest *)waiter;
    visitor_on_turn(waiter);
    if (guest->visitor.has_connection) {
        guest_is_inside(guest);
    }
}

static void guest_comes(struct guest *guest, unsigned worker)
{
    guest->served = false;
    visitor_come(&guest->visitor, &house, worker);
    guest->visitor.waiter.on_turn = guest_on_turn;
    if (guest->visitor.has_connection) {
        guest_is_inside(guest);
    }
}

static void perhaps_give_up(struct crew *crew)
{
    struct rng *rng = &house.loops[crew->worker].rng;
    struct guest *guest = &crew->guests[rng_below(rng, GUESTS)];
    if (guest->visitor.waiter.local != NULL && crew->storm->cancel_one_in > 0 &&
        rng_below(rng, crew->storm->cancel_one_in) == 0) {
        visitor_leave(&guest->visitor);
        guest_comes(guest, crew->worker);
    }
}

static void serve_until(struct crew *crew, uint64_t served_count, time_t until_s)
{
    struct storm *storm = crew->storm;
    struct timespec now;
    for (unsigned pass = 1;
         __atomic_load_n(&storm->served_count, __ATOMIC_ACQUIRE) < served_count &&
         !__atomic_load_n(&storm->hangs, __ATOMIC_RELAXED);
         pass++) {
        if (house_pass(&house, crew->worker) == 0) {
            sched_yield();
        }
        perhaps_give_up(crew);
        clock_gettime(CLOCK_MONOTONIC, &now);
        if (now.tv_sec > until_s) {
            __atomic_store_n(&storm->hangs, true, __ATOMIC_RELAXED);
        }
    }
}

static void *crew_main(void *argument)
{
    struct crew *crew = argument;
    struct timespec now;
    for (uint64_t round = 1; round <= ROUNDS; round++) {
        pthread_barrier_wait(&crew->storm->barrier);
        clock_gettime(CLOCK_MONOTONIC, &now);
        for (unsigned i = 0; i < GUESTS; i++) {
            guest_comes(&crew->guests[i], crew->worker);
            (void)house_pass(&house, crew->worker);
        }
        serve_until(crew, round * HOUSE_WORKERS * GUESTS, now.tv_sec + PATIENCE_S);
    }
    return NULL;
}

static void run_storm(uint64_t place_count, uint64_t connection_count, unsigned cancel_one_in)
{
    struct storm storm = {.cancel_one_in = cancel_one_in};
    struct crew crews[HOUSE_WORKERS];
    uint64_t seed = unit_seed();
    memset(crews, 0, sizeof crews);
    house_open(&house, place_count, connection_count);
    pthread_barrier_init(&storm.barrier, NULL, HOUSE_WORKERS);
    for (unsigned i = 0; i < HOUSE_WORKERS; i++) {
        rng_init(&house.loops[i].rng, seed + i);
        crews[i] = (struct crew){.storm = &storm, .worker = i};
        for (unsigned k = 0; k < GUESTS; k++) {
            crews[i].guests[k].storm = &storm;
        }
        assert_int_equal(pthread_create(&crews[i].thread, NULL, crew_main, &crews[i]), 0);
    }
    for (unsigned i = 0; i < HOUSE_WORKERS; i++) {
        assert_int_equal(pthread_join(crews[i].thread, NULL), 0);
    }
    pthread_barrier_destroy(&storm.barrier);
    if (storm.hangs) {
        fail_msg("somebody waits in vain: %" PRIu64 " served", storm.served_count);
    }
    assert_true(storm.inside_peak <= place_count && storm.inside_peak <= connection_count);
    close_house();
    assert_int_equal(house.places.free_count, place_count);
    assert_int_equal(house.connections.free_count, connection_count);
}

static void threads_lose_no_place(void **state)
{
    (void)state;
    run_storm(1, 9, 0);
    run_storm(2, 9, 8);
}

static void threads_lose_neither_of_two_things_that_are_needed(void **state)
{
    (void)state;
    run_storm(2, 1, 0);
    run_storm(2, 2, 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_waits_longest_is_called_on_whichever_worker),
        cmocka_unit_test(a_worker_prefers_its_own_that_is_hardly_younger),
        cmocka_unit_test(who_has_left_the_line_is_not_called_and_the_call_goes_on),
        cmocka_unit_test(what_nobody_can_use_is_offered_once_to_everyone),
        cmocka_unit_test(who_waits_between_two_of_the_local_that_was_called_is_not_left_out),
        cmocka_unit_test(a_local_that_is_called_twice_passes_on_behind_the_older_rank),
        cmocka_unit_test(only_lines_that_could_use_it_are_called),
        cmocka_unit_test(what_comes_free_during_a_turn_comes_to_who_goes_back_to_the_front),
        cmocka_unit_test(what_comes_free_during_a_turn_comes_to_who_goes_on_to_another_line),
        cmocka_unit_test(who_comes_back_in_its_turn_keeps_its_place_though_as_many_wait_as_may),
        cmocka_unit_test(who_comes_back_later_goes_to_the_front_and_keeps_its_age),
        cmocka_unit_test(what_came_free_unsaid_is_found_by_the_recheck),
        cmocka_unit_test(threads_lose_no_place),
        cmocka_unit_test(threads_lose_neither_of_two_things_that_are_needed),
    };
    return cmocka_run_group_tests(tests, build, tear_down);
}
