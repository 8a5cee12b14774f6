/* Leases that share a connection: it is counted, limited, replaced and mourned once, whatever it carries. */
#include "tests/unit/pool_rig.h"

#include "pool/connection.h"
#include "pool/dial.h"
#include "pool/upkeep.h"

/* ---- a protocol of three leases a connection ---- */

enum { CAPACITY = 3 };

/* What the origin may send: one byte each. */
#define GO_AWAY 'g'
#define ALLOW_ONE '1' /* up to '9' */

static uint64_t sessions_count;

static struct connection *connection_of(const struct lease *lease)
{
    return lease->connection;
}

static void tell_all(struct connection *connection, short what)
{
    struct lease *lease, *next;
    for (lease = TAILQ_FIRST(&connection->loans.shares); lease != NULL; lease = next) {
        next = TAILQ_NEXT(lease, link);
        if (lease->on_event != NULL) {
            lease->on_event(lease, what);
        }
    }
}

/* A byte the origin has sent; the end: the connection is broken. */
static void obey(struct connection *connection, enum stream_result result, char byte)
{
    if (result != STREAM_OK) {
        connection_stop(connection, ENDING_BROKEN);
        tell_all(connection, EV_CLOSED);
    } else if (byte == GO_AWAY) {
        connection_stop(connection, ENDING_WITHDRAWN);
    } else {
        connection_allow(connection, (uint32_t)(byte - ALLOW_ONE + 1));
    }
}

static void on_shared_event(struct connection *connection, short what)
{
    enum stream_result result = STREAM_OK;
    while ((what & (EV_READ | EV_CLOSED)) != 0 && connection->ending != ENDING_BROKEN) {
        char byte = 0;
        size_t n = 0;
        result = stream_recv(&connection->stream, &byte, 1, &n);
        if (result == STREAM_BLOCKED) {
            break;
        }
        obey(connection, result, byte);
        if (connection->loans.lent_count == 0) {
            break;
        }
    }
}

/* A share that breaks is no matter of the others; one whose borrower is done with the connection ends it. */
static enum ending take_share_back(struct connection *connection, struct lease *lease,
                                   enum ending left)
{
    (void)lease;
    if (connection->session == NULL) {
        connection->session = &sessions_count;
        sessions_count++;
    }
    return left == ENDING_DONE ? ENDING_DONE : ENDING_NONE;
}

static enum ending on_event_at_rest(struct connection *connection, short what)
{
    return protocol_http1.on_event_at_rest(connection, what);
}

static void release(struct connection *connection)
{
    assert_ptr_equal(connection->session, &sessions_count);
    sessions_count--;
}

static const struct connection_protocol three = {
    .name = "three",
    .shares = true,
    .capacity_count = CAPACITY,
    .on_event = on_shared_event,
    .take_back = take_share_back,
    .on_event_at_rest = on_event_at_rest,
    .release = release,
};

/* ---- the same, but it is not lent before the origin has said what it allows ---- */

static bool start_session(struct connection *connection)
{
    connection->session = &sessions_count;
    sessions_count++;
    return true;
}

static void on_event_of_start(struct connection *connection, short what)
{
    char byte = 0;
    size_t n = 0;
    if (connection->state != CONNECTION_DIALLING) {
        on_shared_event(connection, what);
    } else if (stream_recv(&connection->stream, &byte, 1, &n) == STREAM_OK) {
        connection_expect(connection, (uint32_t)(byte - ALLOW_ONE + 1));
        dial_done(connection, 0);
    }
}

static const struct connection_protocol asking = {
    .name = "asking",
    .shares = true,
    .start = start_session,
    .on_event = on_event_of_start,
    .take_back = take_share_back,
    .on_event_at_rest = on_event_at_rest,
    .release = release,
};

/* ---- what the tests stand on ---- */

enum { BORROWERS = 12 };

struct shared {
    struct one one;
    struct rig_attempt borrowers[BORROWERS];
};

/* Keys of the upstream as in one_init(); a warm level is adopted afterwards, as it dials at once. */
static void shared_init(struct shared *shared, const char *more)
{
    memset(shared, 0, sizeof *shared);
    one_init(&shared->one, more);
    shared->one.endpoint->protocol = &three;
}

static void adopt(struct shared *shared, const char *more)
{
    rig_adopt(&shared->one.rig,
              rig_settings("upstreams = { app = { endpoints = [ \"127.0.0.1:%u\" ]; %s }; };",
                           shared->one.port, more));
}

static void shared_end(struct shared *shared)
{
    assert_int_equal(shared->one.endpoint->upkeep.leaving_count, 0);
    one_end(&shared->one);
    assert_int_equal(sessions_count, 0);
}

static struct endpoint_figures figures_of(struct shared *shared)
{
    return rig_figures(&shared->one.rig, shared->one.endpoint);
}

static enum lease_result ask(struct shared *shared, int i)
{
    shared->borrowers[i] = (struct rig_attempt){.failed = false};
    return rig_lease(&shared->one.rig, 0, shared->one.endpoint, &shared->borrowers[i]);
}

static struct connection *borrow(struct shared *shared, int i)
{
    struct rig_attempt *borrower = &shared->borrowers[i];
    if (ask(shared, i) == LEASE_PENDING) {
        rig_await(&shared->one.rig, borrower->lease != NULL || borrower->failed);
    }
    assert_non_null(borrower->lease);
    return connection_of(borrower->lease);
}

static void give(struct shared *shared, int i)
{
    lease_return(pool_of(&shared->one), &shared->borrowers[i].lease);
}

static void quit(struct shared *shared, int i, enum lease_close_reason reason)
{
    lease_close(pool_of(&shared->one), &shared->borrowers[i].lease, reason);
}

static void send_byte(int far, char byte)
{
    assert_int_equal(write(far, &byte, 1), 1);
}

/* ---- counts ---- */

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

/* ---- chance ---- */

enum { STEPS = 4000, FAR_ENDS = 256 };

struct chance {
    struct shared shared;
    struct rng rng;
    bool pending[BORROWERS];
    int far[FAR_ENDS];
    size_t far_count;
};

static void accept_all(struct chance *chance)
{
    while (rig_readable(chance->shared.one.listener) && chance->far_count < FAR_ENDS) {
        chance->far[chance->far_count++] = rig_accept(chance->shared.one.listener);
    }
}

static void trouble(struct chance *chance)
{
    static const char bytes[] = {GO_AWAY, ALLOW_ONE, ALLOW_ONE + 1, ALLOW_ONE + 4};
    if (chance->far_count == 0) {
        return;
    }
    size_t i = rng_below(&chance->rng, chance->far_count);
    if (rng_below(&chance->rng, 3) == 0) {
        close(chance->far[i]);
        chance->far[i] = chance->far[--chance->far_count];
        return;
    }
    char byte = bytes[rng_below(&chance->rng, sizeof bytes)];
    (void)send(chance->far[i], &byte, 1, MSG_NOSIGNAL);
}

static void reload(struct chance *chance)
{
    char more[128];
    snprintf(more, sizeof more, "pool = { warm_min = %u; max = %u; max_requests = %u; };",
             (unsigned)rng_below(&chance->rng, 3), 2 + (unsigned)rng_below(&chance->rng, 3),
             5 + (unsigned)rng_below(&chance->rng, 20));
    adopt(&chance->shared, more);
}

static void step(struct chance *chance, int i)
{
    struct rig_attempt *borrower = &chance->shared.borrowers[i];
    if (borrower->lease != NULL) {
        chance->pending[i] = false;
        if (rng_below(&chance->rng, 3) == 0) {
            quit(&chance->shared, i, (enum lease_close_reason)rng_below(&chance->rng, 3));
        } else {
            give(&chance->shared, i);
        }
    } else if (chance->pending[i] && !borrower->failed) {
        if (rng_below(&chance->rng, 8) == 0) {
            pool_lease_cancel(pool_of(&chance->shared.one), &borrower->request);
            chance->pending[i] = false;
        }
    } else {
        chance->pending[i] = ask(&chance->shared, i) == LEASE_PENDING;
    }
}

/* What is counted is what can be counted by looking at every connection. */
static void look(struct chance *chance)
{
    const struct endpoint *endpoint = chance->shared.one.endpoint;
    const struct endpoint_local *local = &endpoint->locals[0];
    const struct connection *connection;
    uint64_t open = 0, leaving = 0, sharing = 0, idle = 0, lent = 0, leases = 0;
    TAILQ_FOREACH (connection, &pool_of(&chance->shared.one)->connections, link) {
        open += connection->has_place;
        leaving += connection->ending != ENDING_NONE;
        sharing += connection->state == CONNECTION_SHARING;
        idle += connection->state == CONNECTION_IDLE;
        lent += connection->loans.lent_count;
    }
    for (int i = 0; i < BORROWERS; i++) {
        leases += chance->shared.borrowers[i].lease != NULL;
    }
    assert_int_equal(lent, leases);
    assert_int_equal(open, bound_used(&endpoint->connections));
    assert_int_equal(open, local->open_count);
    assert_int_equal(leaving, endpoint->upkeep.leaving_count);
    assert_int_equal(leaving, local->leaving_count);
    assert_int_equal(sharing, local->sharing_count);
    assert_int_equal(idle, local->idle_count);
    assert_int_equal(endpoint->in_flight, leases + local->line.count);
}

static void come_back(struct chance *chance)
{
    for (int i = 0; i < BORROWERS; i++) {
        struct rig_attempt *borrower = &chance->shared.borrowers[i];
        if (chance->pending[i] && borrower->lease == NULL) {
            rig_await(&chance->shared.one.rig,
                      (accept_all(chance), borrower->lease != NULL || borrower->failed));
        }
        if (borrower->lease != NULL) {
            give(&chance->shared, i);
        }
    }
}

static void whatever_happens_counts_are_exact_and_everything_comes_back(void **state)
{
    struct chance *chance = calloc(1, sizeof *chance);
    (void)state;
    rng_init(&chance->rng, unit_seed());
    shared_init(&chance->shared, "");
    reload(chance);
    for (int n = 0; n < STEPS; n++) {
        step(chance, (int)rng_below(&chance->rng, BORROWERS));
        if (rng_below(&chance->rng, 3) == 0) {
            rig_pass(&chance->shared.one.rig.workers[0], false);
        }
        if (rng_below(&chance->rng, 20) == 0) {
            trouble(chance);
        }
        if (rng_below(&chance->rng, 200) == 0) {
            reload(chance);
        }
        accept_all(chance);
        look(chance);
    }
    come_back(chance);
    look(chance);
    pool_worker_drain(pool_of(&chance->shared.one));
    rig_await(&chance->shared.one.rig, (accept_all(chance), figures_of(&chance->shared).open == 0));
    while (chance->far_count > 0) {
        close(chance->far[--chance->far_count]);
    }
    shared_end(&chance->shared);
    free(chance);
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
        cmocka_unit_test(whatever_happens_counts_are_exact_and_everything_comes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
