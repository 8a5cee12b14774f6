/*
 * A house for the tests of the wait list: so many places, so many connections, and visitors who need a place first and a
 * connection then. A picky visitor has no use for a connection, but waits on.
 *
 * What is free is not the rendezvous: it is freed first (F1), then the rendezvous is changed (F2).
 */
#ifndef EVENKEEL_TESTS_UNIT_WAITLIST_HOUSE_H
#define EVENKEEL_TESTS_UNIT_WAITLIST_HOUSE_H

#include "steady/waitlist.h"

/* Between two steps of F and of W. */
#ifndef HOUSE_STEP
#define HOUSE_STEP() ((void)0)
#endif

enum { HOUSE_WORKERS = 3 };
enum { LINE_CONNECTION, LINE_PLACE };

struct resource {
    uint64_t free_count;  /* atomic */
    uint64_t frees_count; /* the rendezvous */
};

struct house {
    struct bound waiting;
    struct waitlist list;
    struct waitlist_local locals[HOUSE_WORKERS];
    struct loop loops[HOUSE_WORKERS];
    struct resource places, connections;
    bool looks_first; /* planted: who gives looks for waiters before it frees */
    bool (*wait)(struct waitlist_local *local, struct waiter *waiter, unsigned line);
};

struct visitor {
    struct waiter waiter; /* first */
    struct house *house;
    unsigned worker;
    bool picky, has_place, has_connection;
    unsigned turns_count;
    void (*in_turn)(struct visitor *visitor); /* before it tries; NULL: nothing */
};

static inline struct house *house_of(const struct waitlist_local *local)
{
    return container_of(local->list, struct house, list);
}

static inline bool house_has(const struct resource *resource)
{
    return __atomic_load_n(&resource->free_count, __ATOMIC_RELAXED) > 0;
}

static inline unsigned house_usable(const struct waitlist_local *local)
{
    const struct house *house = house_of(local);
    HOUSE_STEP();
    if (!house_has(&house->connections)) {
        return 0;
    }
    HOUSE_STEP();
    return 1u << LINE_CONNECTION | (house_has(&house->places) ? 1u << LINE_PLACE : 0);
}

static inline void house_meet(const struct waitlist_local *local)
{
    HOUSE_STEP();
    (void)waitlist_meet(&house_of(local)->places.frees_count, 0);
    HOUSE_STEP();
    (void)waitlist_meet(&house_of(local)->connections.frees_count, 0);
}

/* Who has a place goes before who has none. */
static inline struct visitor *house_first(const struct waitlist_local *local)
{
    struct waiter *first = waitlist_first(local, LINE_CONNECTION);
    return (struct visitor *)(first != NULL ? first : waitlist_first(local, LINE_PLACE));
}

static inline bool house_give_turn(struct waitlist_local *local)
{
    struct visitor *first = house_first(local);
    if (first == NULL || (house_usable(local) & 1u << first->waiter.line) == 0) {
        return false;
    }
    waitlist_turn_begin(&first->waiter);
    first->waiter.on_turn(&first->waiter);
    return waitlist_turn_end(local);
}

static inline void house_serve(struct waitlist_local *local)
{
    while (house_give_turn(local)) {
    }
}

static const struct waitlist_policy house_policy = {
    .usable = house_usable, .meet = house_meet, .serve = house_serve};

static inline bool house_take(struct resource *resource)
{
    HOUSE_STEP();
    uint64_t now = __atomic_load_n(&resource->free_count, __ATOMIC_RELAXED);
    while (now > 0 && !__atomic_compare_exchange_n(&resource->free_count, &now, now - 1, false,
                                                   __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
    }
    return now > 0;
}

static inline void house_give(struct house *house, unsigned worker, struct resource *resource)
{
    bool seen = house->looks_first && waitlist_waits(&house->list);
    HOUSE_STEP();
    __atomic_fetch_add(&resource->free_count, 1, __ATOMIC_RELAXED);
    HOUSE_STEP();
    (void)waitlist_meet(&resource->frees_count, 1);
    HOUSE_STEP();
    if (house->looks_first ? seen : waitlist_waits(&house->list)) {
        waitlist_offer(&house->locals[worker]);
    }
}

static inline void visitor_wait(struct visitor *visitor, unsigned line, bool turn)
{
    struct waitlist_local *local = &visitor->house->locals[visitor->worker];
    bool waits = turn ? waitlist_return(local, &visitor->waiter, line)
                      : visitor->house->wait(local, &visitor->waiter, line);
    CHECK(waits);
}

static inline void visitor_try(struct visitor *visitor, bool turn)
{
    struct house *house = visitor->house;
    if (!visitor->has_place) {
        visitor->has_place = (turn || !waitlist_waits(&house->list)) && house_take(&house->places);
    }
    visitor->has_connection =
        visitor->has_place && !visitor->picky && house_take(&house->connections);
    if (!visitor->has_connection) {
        visitor_wait(visitor, visitor->has_place ? LINE_CONNECTION : LINE_PLACE, turn);
    }
}

static inline void visitor_on_turn(struct waiter *waiter)
{
    struct visitor *visitor = (struct visitor *)waiter;
    visitor->turns_count++;
    if (visitor->in_turn != NULL) {
        visitor->in_turn(visitor);
    }
    visitor_try(visitor, true);
}

static inline void visitor_init(struct visitor *visitor, struct house *house, unsigned worker)
{
    *visitor =
        (struct visitor){.waiter.on_turn = visitor_on_turn, .house = house, .worker = worker};
}

static inline void visitor_come(struct visitor *visitor, struct house *house, unsigned worker)
{
    visitor_init(visitor, house, worker);
    visitor_try(visitor, false);
}

/* It has a place already, whoever waits for one. */
static inline void visitor_connect(struct visitor *visitor, struct house *house, unsigned worker,
                                   bool picky)
{
    visitor_init(visitor, house, worker);
    visitor->picky = picky;
    visitor->has_place = house_take(&house->places);
    CHECK(visitor->has_place);
    visitor_try(visitor, false);
}

static inline void visitor_leave(struct visitor *visitor)
{
    if (visitor->waiter.local != NULL) {
        waitlist_cancel(&visitor->waiter);
    }
    if (visitor->has_connection) {
        visitor->has_connection = false;
        house_give(visitor->house, visitor->worker, &visitor->house->connections);
    }
    if (visitor->has_place) {
        visitor->has_place = false;
        house_give(visitor->house, visitor->worker, &visitor->house->places);
    }
}

/* Without loops, which a test may use again. */
static inline void house_open(struct house *house, uint64_t place_count, uint64_t connection_count)
{
    bound_init(&house->waiting, "waiting", NULL, 1000);
    waitlist_init(&house->list, &house_policy, &house->waiting, house->locals,
                  sizeof house->locals[0], HOUSE_WORKERS);
    for (unsigned i = 0; i < HOUSE_WORKERS; i++) {
        house->locals[i].loop = &house->loops[i];
    }
    house->places = (struct resource){.free_count = place_count};
    house->connections = (struct resource){.free_count = connection_count};
    house->looks_first = false;
    house->wait = waitlist_wait;
}

/* Clocks that stand until they are moved. */
static inline void house_build(struct house *house, uint64_t place_count, uint64_t connection_count)
{
    for (unsigned i = 0; i < HOUSE_WORKERS; i++) {
        CHECK(loop_init(&house->loops[i]) == MAILBOX_OK);
        loop_clock_set(&house->loops[i].clock, 1000000);
    }
    house_open(house, place_count, connection_count);
}

static inline void house_tear_down(struct house *house)
{
    for (unsigned i = 0; i < HOUSE_WORKERS; i++) {
        loop_release(&house->loops[i]);
    }
}

static inline void house_later(struct house *house, uint64_t ms)
{
    for (unsigned i = 0; i < HOUSE_WORKERS; i++) {
        struct loop_clock *clock = &house->loops[i].clock;
        loop_clock_set(clock, loop_clock_us(clock) + ms * 1000);
    }
}

/* One pass of a worker's loop. Returns how much there was to do. */
static inline uint64_t house_pass(struct house *house, unsigned worker)
{
    struct loop *loop = &house->loops[worker];
    HOUSE_STEP();
    uint64_t done_count = mailbox_drain(loop->mailbox, NULL);
    HOUSE_STEP();
    return done_count + loop_run_deferred(loop);
}

/* Passes until no call is on its way. */
static inline void house_settle(struct house *house)
{
    uint64_t done_count;
    unsigned rounds_count = 0;
    do {
        CHECK(rounds_count++ < 1000); /* an offer ends */
        done_count = 0;
        for (unsigned i = 0; i < HOUSE_WORKERS; i++) {
            done_count += house_pass(house, i);
        }
    } while (done_count > 0);
}

/* Somebody waits who could have what he waits for. */
static inline bool house_forgets(const struct house *house)
{
    for (unsigned i = 0; i < HOUSE_WORKERS; i++) {
        const struct visitor *first = house_first(&house->locals[i]);
        if (first != NULL && !first->picky &&
            (house_usable(&house->locals[i]) & 1u << first->waiter.line) != 0) {
            return true;
        }
    }
    return false;
}

#endif
