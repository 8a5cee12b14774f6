/* A gate lets in exactly as many as it should, over all workers, and forgets nobody who waits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proxy/policy/gate.h"
#include "steady/rng.h"

#define WORKERS 3

struct visitor {
    struct waiter waiter;
    unsigned worker;
    bool inside;
};

struct hall {
    struct gate gate;
    struct loop loops[WORKERS];
};

static void on_turn(struct waiter *waiter)
{
    ((struct visitor *)(void *)waiter)->inside = true;
}

static void open_hall(struct hall *hall, uint64_t inside_count, uint64_t waiting_count)
{
    memset(hall, 0, sizeof *hall);
    assert_true(gate_init(&hall->gate, "", WORKERS));
    gate_set_limits(&hall->gate, inside_count, waiting_count);
    for (unsigned i = 0; i < WORKERS; i++) {
        assert_int_equal(loop_init(&hall->loops[i]), MAILBOX_OK);
        loop_clock_set(&hall->loops[i].clock, 1000000);
    }
}

static void close_hall(struct hall *hall)
{
    assert_true(gate_idle(&hall->gate));
    gate_release(&hall->gate);
    for (unsigned i = 0; i < WORKERS; i++) {
        loop_release(&hall->loops[i]);
    }
}

static void later(struct loop *loop, uint64_t us)
{
    loop_clock_set(&loop->clock, loop_clock_us(&loop->clock) + us);
}

/* One pass of a worker's loop: mail, then what was put off. */
static void pass(struct hall *hall, unsigned index)
{
    struct loop *loop = &hall->loops[index];
    mailbox_drain(loop->mailbox, NULL);
    while (loop_has_deferred(loop)) {
        loop_run_deferred(loop);
    }
    later(loop, 1000);
}

static void settle(struct hall *hall)
{
    for (unsigned round = 0; round < 2 * WORKERS; round++) {
        for (unsigned i = 0; i < WORKERS; i++) {
            pass(hall, i);
        }
    }
}

static enum gate_result come(struct hall *hall, struct visitor *visitor, unsigned worker)
{
    *visitor = (struct visitor){.waiter = {.on_turn = on_turn}, .worker = worker};
    enum gate_result result =
        gate_enter(&hall->gate, worker, &hall->loops[worker], &visitor->waiter);
    visitor->inside = result == GATE_OPEN;
    return result;
}

static void go(struct hall *hall, struct visitor *visitor)
{
    if (visitor->inside) {
        gate_leave(&hall->gate, visitor->worker);
    } else {
        gate_cancel(&visitor->waiter);
    }
    visitor->inside = false;
}

static void who_waits_gets_the_next_place_whichever_worker_gives_it_back(void **state)
{
    struct hall hall;
    struct visitor first, second, third;
    (void)state;
    open_hall(&hall, 1, 1);
    assert_int_equal(come(&hall, &first, 0), GATE_OPEN);
    assert_int_equal(come(&hall, &second, 1), GATE_QUEUED);
    assert_int_equal(come(&hall, &third, 2), GATE_FULL);
    assert_int_equal(bound_refused(&hall.gate.waiting), 1);
    go(&hall, &first);
    assert_false(second.inside); /* only from a frame of its own */
    pass(&hall, 1);
    assert_true(second.inside);
    go(&hall, &second);
    close_hall(&hall);
}

static void a_newcomer_does_not_overtake(void **state)
{
    struct hall hall;
    struct visitor first, second, third;
    (void)state;
    open_hall(&hall, 1, 8);
    assert_int_equal(come(&hall, &first, 0), GATE_OPEN);
    assert_int_equal(come(&hall, &second, 1), GATE_QUEUED);
    go(&hall, &first);
    later(&hall.loops[0], 10000); /* within 5 ms a worker prefers its own */
    assert_int_equal(come(&hall, &third, 0), GATE_QUEUED);
    settle(&hall);
    assert_true(second.inside);
    assert_false(third.inside);
    go(&hall, &second);
    settle(&hall);
    assert_true(third.inside);
    go(&hall, &third);
    close_hall(&hall);
}

static void a_call_whose_receiver_has_gone_is_passed_on(void **state)
{
    struct hall hall;
    struct visitor first, second, third;
    (void)state;
    open_hall(&hall, 1, 8);
    assert_int_equal(come(&hall, &first, 0), GATE_OPEN);
    assert_int_equal(come(&hall, &second, 1), GATE_QUEUED);
    later(&hall.loops[2], 50000);
    assert_int_equal(come(&hall, &third, 2), GATE_QUEUED);
    go(&hall, &first);
    go(&hall, &second); /* while its call is on the way */
    settle(&hall);
    assert_true(third.inside);
    go(&hall, &third);
    settle(&hall);
    close_hall(&hall);
}

static void a_higher_limit_is_used_by_the_next_who_leaves(void **state)
{
    struct hall hall;
    struct visitor visitors[6];
    unsigned inside = 0;
    (void)state;
    open_hall(&hall, 1, 8);
    for (unsigned i = 0; i < 6; i++) {
        (void)come(&hall, &visitors[i], i % WORKERS);
    }
    gate_set_limits(&hall.gate, 3, 8);
    go(&hall, &visitors[0]);
    settle(&hall);
    for (unsigned i = 0; i < 6; i++) {
        inside += visitors[i].inside;
    }
    assert_int_equal(inside, 3);
    for (unsigned i = 0; i < 6; i++) {
        go(&hall, &visitors[i]);
    }
    settle(&hall);
    close_hall(&hall);
}

#define VISITORS 24

static unsigned count_inside(const struct visitor visitors[VISITORS])
{
    unsigned count = 0;
    for (unsigned i = 0; i < VISITORS; i++) {
        count += visitors[i].inside;
    }
    return count;
}

static unsigned count_waiting(const struct visitor visitors[VISITORS])
{
    unsigned count = 0;
    for (unsigned i = 0; i < VISITORS; i++) {
        count += visitors[i].waiter.local != NULL;
    }
    return count;
}

/* Coming, leaving and passes in any order: never too many, and once all is quiet nobody waits beside a free place. */
static void nobody_is_forgotten_whatever_the_order(void **state)
{
    struct hall hall;
    struct visitor visitors[VISITORS] = {0};
    struct rng rng;
    const char *given = getenv("SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 0) : 20240611;
    (void)state;
    printf("# SEED=%llu\n", (unsigned long long)seed);
    rng_init(&rng, seed);
    open_hall(&hall, 4, 12);
    for (unsigned step = 0; step < 200000; step++) {
        struct visitor *visitor = &visitors[rng_below(&rng, VISITORS)];
        if (rng_below(&rng, 3) == 0) {
            pass(&hall, (unsigned)rng_below(&rng, WORKERS));
        } else if (visitor->inside || visitor->waiter.local != NULL) {
            go(&hall, visitor);
        } else {
            (void)come(&hall, visitor, (unsigned)rng_below(&rng, WORKERS));
        }
        assert_true(count_inside(visitors) <= 4);
        if (step % 64 == 0) {
            settle(&hall);
            assert_true(count_inside(visitors) == 4 || count_waiting(visitors) == 0);
        }
    }
    for (unsigned i = 0; i < VISITORS; i++) {
        go(&hall, &visitors[i]);
    }
    settle(&hall);
    close_hall(&hall);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_waits_gets_the_next_place_whichever_worker_gives_it_back),
        cmocka_unit_test(a_newcomer_does_not_overtake),
        cmocka_unit_test(a_call_whose_receiver_has_gone_is_passed_on),
        cmocka_unit_test(a_higher_limit_is_used_by_the_next_who_leaves),
        cmocka_unit_test(nobody_is_forgotten_whatever_the_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
