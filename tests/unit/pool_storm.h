/* Many exchanges on several threads against one upstream, which look after its limits. */
#ifndef EVENKEEL_TESTS_UNIT_POOL_STORM_H
#define EVENKEEL_TESTS_UNIT_POOL_STORM_H

#include "tests/unit/echo_origin.h"

#include "pool/queue.h"

enum { WORKERS = 4 };

/* ---- exchanges ---- */

/* What may never be exceeded, counted by the test itself. */
struct gauge {
    uint64_t now, peak;
};

static inline void gauge_up(struct gauge *gauge)
{
    uint64_t now = __atomic_add_fetch(&gauge->now, 1, __ATOMIC_SEQ_CST);
    uint64_t peak = __atomic_load_n(&gauge->peak, __ATOMIC_SEQ_CST);
    while (now > peak && !__atomic_compare_exchange_n(&gauge->peak, &peak, now, false,
                                                      __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
    }
}

static inline void gauge_down(struct gauge *gauge)
{
    __atomic_sub_fetch(&gauge->now, 1, __ATOMIC_SEQ_CST);
}

struct storm {
    struct rig rig;
    struct origin origin;
    struct upstream *upstream; /* all exchanges are its */
    struct gauge admitted, leased;
    uint64_t left;                                     /* exchanges still to be started, atomic */
    uint64_t active;                                   /* drivers that have not finished, atomic */
    uint64_t done, failed, refused, cancelled, queued; /* atomic */
    unsigned cancel_one_in, close_one_in, fresh_one_in;
    uint64_t hold_ms; /* a lease is kept up to so long */
    bool places_only; /* an exchange holds its place for a pass and leases nothing */
};

enum stage { STAGE_REST, STAGE_QUEUED, STAGE_WAITING, STAGE_PENDING, STAGE_ECHO, STAGE_HOLD };

/* Does one exchange after the other. */
struct driver {
    struct lease_request request; /* first */
    struct waiter waiter;
    struct wheel_timer timer, cancel;
    struct message soon; /* to itself, for the next pass: places_only */
    struct storm *storm;
    struct rig_worker *worker;
    struct lease *lease;
    enum stage stage;
    bool finished;
};

static inline void driver_next(struct driver *driver);
static inline void driver_connect(struct driver *driver, bool turn);
static inline void driver_go_on(struct message *message, void *receiver);

static inline struct driver *driver_of_waiter(struct waiter *waiter)
{
    return container_of(waiter, struct driver, waiter);
}

static inline void count(uint64_t *counter)
{
    __atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

static inline uint64_t driver_now_ms(struct driver *driver)
{
    return loop_clock_ms(&driver->worker->loop.clock);
}

static inline bool one_in(struct driver *driver, unsigned n)
{
    return n > 0 && rng_below(&driver->worker->loop.rng, n) == 0;
}

static inline void driver_rest(struct driver *driver, uint64_t rest_ms)
{
    driver->stage = STAGE_REST;
    wheel_disarm(&driver->worker->loop.wheel, &driver->cancel);
    if (driver->storm->places_only) {
        mailbox_post(driver->worker->loop.mailbox, &driver->soon, driver_go_on);
    } else {
        wheel_arm(&driver->worker->loop.wheel, &driver->timer, driver_now_ms(driver) + rest_ms);
    }
}

static inline void driver_leave(struct driver *driver, uint64_t *counter)
{
    count(counter);
    gauge_down(&driver->storm->admitted);
    upstream_leave(driver->worker->pool, driver->storm->upstream);
    driver_rest(driver, rng_below(&driver->worker->loop.rng, 3));
}

static inline void driver_end_lease(struct driver *driver)
{
    gauge_down(&driver->storm->leased);
    if (one_in(driver, driver->storm->close_one_in)) {
        lease_close(driver->worker->pool, &driver->lease, LEASE_CLOSED_DONE);
    } else {
        lease_return(driver->worker->pool, &driver->lease);
    }
    driver_leave(driver, &driver->storm->done);
}

static inline void driver_break_lease(struct driver *driver, uint64_t *counter)
{
    gauge_down(&driver->storm->leased);
    lease_close(driver->worker->pool, &driver->lease, LEASE_CLOSED_BROKEN);
    driver_leave(driver, counter);
}

static inline void driver_on_event(struct lease *lease, short what)
{
    struct driver *driver = lease->owner;
    char room[8];
    size_t n = 0;
    if (driver->stage == STAGE_ECHO && (what & EV_READ) != 0) {
        enum stream_result result = stream_recv(lease->stream, room, sizeof room, &n);
        if (result == STREAM_OK && n == 1 && (what & EV_CLOSED) == 0) {
            driver->stage = STAGE_HOLD;
            if (driver->storm->hold_ms == 0) {
                driver_end_lease(driver);
            } else {
                wheel_arm(&driver->worker->loop.wheel, &driver->timer,
                          driver_now_ms(driver) +
                              rng_below(&driver->worker->loop.rng, driver->storm->hold_ms));
            }
            return;
        }
        assert_true(result == STREAM_BLOCKED || result == STREAM_END || result == STREAM_RESET ||
                    n == 1);
        if (result == STREAM_BLOCKED) {
            return;
        }
    }
    if ((what & (EV_CLOSED | EV_READ)) != 0) {
        driver_break_lease(driver, &driver->storm->failed);
    }
}

static inline void driver_use(struct driver *driver, struct lease *lease)
{
    struct iovec byte = {.iov_base = "x", .iov_len = 1};
    size_t n;
    driver->lease = lease;
    driver->stage = STAGE_ECHO;
    lease->owner = driver;
    lease->on_event = driver_on_event;
    gauge_up(&driver->storm->leased);
    if (stream_send(lease->stream, &byte, 1, &n) != STREAM_OK) {
        driver_break_lease(driver, &driver->storm->failed);
    }
}

static inline void driver_wait(struct driver *driver, bool for_fd, bool turn)
{
    driver->stage = STAGE_WAITING;
    if (upstream_wait(driver->worker->pool, driver->storm->upstream, &driver->waiter, for_fd,
                      turn) == ADMIT_QUEUE_FULL) {
        driver_leave(driver, &driver->storm->refused);
    } else {
        count(&driver->storm->queued);
    }
}

static inline void driver_connect(struct driver *driver, bool turn)
{
    const struct upstream_view *view =
        driver->storm->upstream->views[driver->worker->pool->env.index];
    const struct pick_options options = {0};
    struct endpoint *endpoint;
    struct lease *lease = NULL;
    enum lease_result result = LEASE_FULL;
    driver->stage = STAGE_PENDING;
    driver->request.fresh_only = one_in(driver, driver->storm->fresh_one_in);
    if (upstream_pick(driver->worker->pool, view, &options, &endpoint) == PICK_OK) {
        result = pool_lease(driver->worker->pool, endpoint, &driver->request, &lease);
    }
    switch (result) {
    case LEASE_READY: driver_use(driver, lease); break;
    case LEASE_PENDING: break;
    case LEASE_FULL: driver_wait(driver, false, turn); break;
    case LEASE_NO_FD: driver_wait(driver, true, turn); break;
    }
}

static inline void driver_on_ready(struct lease_request *request, struct lease *lease)
{
    struct driver *driver = (struct driver *)request;
    assert_true(driver->stage == STAGE_PENDING);
    driver_use(driver, lease);
}

static inline void driver_on_failed(struct lease_request *request, enum dial_result result)
{
    struct driver *driver = (struct driver *)request;
    assert_true(driver->stage == STAGE_PENDING);
    if (result == DIAL_FULL || result == DIAL_NO_FD) {
        driver_wait(driver, result == DIAL_NO_FD, true);
    } else {
        driver_leave(driver, &driver->storm->failed);
    }
}

static inline void driver_admit(struct driver *driver, bool turn)
{
    switch (upstream_admit(driver->worker->pool, driver->storm->upstream, &driver->waiter, turn)) {
    case ADMIT_OK:
        gauge_up(&driver->storm->admitted);
        if (!driver->storm->places_only) {
            driver_connect(driver, turn);
            break;
        }
        driver->stage = STAGE_HOLD;
        mailbox_post(driver->worker->loop.mailbox, &driver->soon, driver_go_on);
        break;
    case ADMIT_QUEUED:
        driver->stage = STAGE_QUEUED;
        count(&driver->storm->queued);
        break;
    case ADMIT_QUEUE_FULL:
        count(&driver->storm->refused);
        driver_rest(driver, 1 + rng_below(&driver->worker->loop.rng, 20));
        break;
    }
}

static inline void driver_on_turn(struct waiter *waiter)
{
    struct driver *driver = driver_of_waiter(waiter);
    assert_null(waiter->local);
    if (driver->stage == STAGE_QUEUED) {
        driver_admit(driver, true);
    } else {
        driver_connect(driver, true);
    }
}

static inline void driver_next(struct driver *driver)
{
    uint64_t left = __atomic_load_n(&driver->storm->left, __ATOMIC_RELAXED);
    while (left > 0 && !__atomic_compare_exchange_n(&driver->storm->left, &left, left - 1, true,
                                                    __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
    }
    if (left == 0) {
        driver->finished = true;
        __atomic_fetch_sub(&driver->storm->active, 1, __ATOMIC_RELEASE);
        return;
    }
    if (one_in(driver, driver->storm->cancel_one_in)) {
        wheel_arm(&driver->worker->loop.wheel, &driver->cancel,
                  driver_now_ms(driver) + rng_below(&driver->worker->loop.rng, 30));
    }
    driver_admit(driver, false);
}

static inline void driver_on_timer(struct wheel_timer *timer, uint64_t now_ms)
{
    struct driver *driver = container_of(timer, struct driver, timer);
    (void)now_ms;
    if (driver->stage == STAGE_REST) {
        driver_next(driver);
    } else if (driver->stage == STAGE_HOLD) {
        driver_end_lease(driver);
    }
}

static inline void driver_go_on(struct message *message, void *receiver)
{
    struct driver *driver = container_of(message, struct driver, soon);
    (void)receiver;
    if (driver->stage == STAGE_HOLD) {
        driver_leave(driver, &driver->storm->done);
    } else {
        driver_next(driver);
    }
}

/* The client has gone, whatever stage its exchange is in. */
static inline void driver_on_cancel(struct wheel_timer *timer, uint64_t now_ms)
{
    struct driver *driver = container_of(timer, struct driver, cancel);
    (void)now_ms;
    switch (driver->stage) {
    case STAGE_REST: break;
    case STAGE_QUEUED:
        queue_cancel(&driver->waiter);
        count(&driver->storm->cancelled);
        driver_rest(driver, 0);
        break;
    case STAGE_WAITING:
        queue_cancel(&driver->waiter);
        driver_leave(driver, &driver->storm->cancelled);
        break;
    case STAGE_PENDING:
        pool_lease_cancel(driver->worker->pool, &driver->request);
        driver_leave(driver, &driver->storm->cancelled);
        break;
    case STAGE_ECHO:
    case STAGE_HOLD:
        if (driver->lease != NULL) {
            driver_break_lease(driver, &driver->storm->cancelled);
        }
        break;
    }
}

/* ---- workers on threads ---- */

static inline void *worker_main(void *arg)
{
    struct rig_worker *worker = arg;
    while (!__atomic_load_n(&worker->stop, __ATOMIC_ACQUIRE)) {
        rig_pass(worker, true);
    }
    return NULL;
}

/* Something to be done on a worker's thread. */
struct errand {
    struct message message;
    struct storm *storm;
    struct upstream_set *set; /* to adopt; NULL: to drain */
    uint64_t *done_count;
};

static inline void run_errand(struct message *message, void *receiver)
{
    struct errand *errand = (struct errand *)message;
    struct rig_worker *worker = receiver;
    uint64_t *done_count = errand->done_count;
    if (errand->set != NULL) {
        pool_worker_adopt(worker->pool, errand->set);
    } else {
        pool_worker_drain(worker->pool);
    }
    __atomic_fetch_add(done_count, 1, __ATOMIC_RELEASE);
}

static inline void await_count(const uint64_t *counter, uint64_t wanted, const char *what)
{
    uint64_t until_ms = rig_now_ms() + 6 * RIG_PATIENCE_MS;
    while (__atomic_load_n(counter, __ATOMIC_ACQUIRE) != wanted) {
        if (rig_now_ms() > until_ms) {
            fail_msg("waited in vain: %s", what);
        }
        poll(NULL, 0, 1); /* how often it is looked at */
    }
}

static inline void send_errands(struct storm *storm, struct upstream_set *set)
{
    struct errand errands[WORKERS];
    uint64_t done_count = 0;
    for (unsigned i = 0; i < WORKERS; i++) {
        errands[i] = (struct errand){.storm = storm, .set = set, .done_count = &done_count};
        mailbox_post(storm->rig.workers[i].loop.mailbox, &errands[i].message, run_errand);
    }
    await_count(&done_count, WORKERS, "workers to run an errand");
}

static inline void storm_adopt(struct storm *storm, struct settings *settings)
{
    struct upstream_set *previous = storm->rig.set;
    storm->rig.set = rig_build(&storm->rig, settings);
    send_errands(storm, storm->rig.set);
    upstream_set_retire(storm->rig.pools, &previous);
    pools_collect(storm->rig.pools);
}

static inline struct driver *storm_start(struct storm *storm, unsigned per_worker, uint64_t seed)
{
    struct driver *drivers = calloc((size_t)WORKERS * per_worker, sizeof *drivers);
    storm->active = (uint64_t)WORKERS * per_worker;
    for (unsigned i = 0; i < WORKERS * per_worker; i++) {
        struct driver *driver = &drivers[i];
        struct rig_worker *worker = &storm->rig.workers[i % WORKERS];
        *driver =
            (struct driver){.request = {.on_ready = driver_on_ready, .on_failed = driver_on_failed},
                            .waiter = {.on_turn = driver_on_turn},
                            .storm = storm,
                            .worker = worker};
        wheel_timer_init(&driver->timer, driver_on_timer);
        wheel_timer_init(&driver->cancel, driver_on_cancel);
        driver_rest(driver, i % 5);
    }
    for (unsigned i = 0; i < WORKERS; i++) {
        rng_init(&storm->rig.workers[i].loop.rng, seed + i);
        assert_int_equal(pthread_create(&storm->rig.workers[i].thread, NULL, worker_main,
                                        &storm->rig.workers[i]),
                         0);
    }
    return drivers;
}

static inline void storm_stop(struct storm *storm, struct driver *drivers)
{
    for (unsigned i = 0; i < WORKERS; i++) {
        __atomic_store_n(&storm->rig.workers[i].stop, true, __ATOMIC_RELEASE);
    }
    for (unsigned i = 0; i < WORKERS; i++) {
        pthread_join(storm->rig.workers[i].thread, NULL);
    }
    free(drivers);
}

static inline void storm_init(struct storm *storm, uint64_t seed, unsigned origin_closes_one_in)
{
    memset(storm, 0, sizeof *storm);
    origin_start(&storm->origin, seed, origin_closes_one_in);
    rig_init(&storm->rig, WORKERS, 1000);
    /* No re-check: a wake-up that is lost is waited for in vain. */
    storm->rig.pools->recheck_ms = 3600000;
}

static inline void storm_first(struct storm *storm, struct settings *settings)
{
    rig_adopt(&storm->rig, settings);
    storm->upstream = storm->rig.set->views[0].upstream;
}

static inline void storm_end(struct storm *storm)
{
    assert_int_equal(storm->admitted.now, 0);
    assert_int_equal(storm->leased.now, 0);
    assert_int_equal(bound_used(&storm->upstream->in_flight), 0);
    assert_int_equal(bound_used(&storm->upstream->queued), 0);
    assert_false(queue_waits(storm->upstream));
    printf("# done %" PRIu64 " failed %" PRIu64 " refused %" PRIu64 " cancelled %" PRIu64
           " queued %" PRIu64 "\n",
           storm->done, storm->failed, storm->refused, storm->cancelled, storm->queued);
    rig_end(&storm->rig);
    origin_stop(&storm->origin);
}

#endif
