/* Connections that are shared: a protocol of three leases a connection, one whose origin says how many, and borrowers. */
#ifndef EVENKEEL_TESTS_UNIT_SHARES_RIG_H
#define EVENKEEL_TESTS_UNIT_SHARES_RIG_H

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

static inline struct connection *connection_of(const struct lease *lease)
{
    return lease->connection;
}

static inline void tell_all(struct connection *connection, short what)
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
static inline void obey(struct connection *connection, enum stream_result result, char byte)
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

static inline void on_shared_event(struct connection *connection, short what)
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
static inline enum ending take_share_back(struct connection *connection, struct lease *lease,
                                          enum ending left)
{
    (void)lease;
    if (connection->session == NULL) {
        connection->session = &sessions_count;
        sessions_count++;
    }
    return left == ENDING_DONE ? ENDING_DONE : ENDING_NONE;
}

static inline enum ending on_event_at_rest(struct connection *connection, short what)
{
    return protocol_http1.on_event_at_rest(connection, what);
}

static inline void release(struct connection *connection)
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

static inline bool start_session(struct connection *connection)
{
    connection->session = &sessions_count;
    sessions_count++;
    return true;
}

static inline void on_event_of_start(struct connection *connection, short what)
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
static inline void shared_init(struct shared *shared, const char *more)
{
    memset(shared, 0, sizeof *shared);
    one_init(&shared->one, more);
    shared->one.endpoint->protocol = &three;
}

static inline void adopt(struct shared *shared, const char *more)
{
    rig_adopt(&shared->one.rig,
              rig_settings("upstreams = { app = { endpoints = [ \"127.0.0.1:%u\" ]; %s }; };",
                           shared->one.port, more));
}

static inline void shared_end(struct shared *shared)
{
    assert_int_equal(shared->one.endpoint->upkeep.leaving_count, 0);
    one_end(&shared->one);
    assert_int_equal(sessions_count, 0);
}

static inline struct endpoint_figures figures_of(struct shared *shared)
{
    return rig_figures(&shared->one.rig, shared->one.endpoint);
}

static inline enum lease_result ask(struct shared *shared, int i)
{
    shared->borrowers[i] = (struct rig_attempt){.failed = false};
    return rig_lease(&shared->one.rig, 0, shared->one.endpoint, &shared->borrowers[i]);
}

static inline struct connection *borrow(struct shared *shared, int i)
{
    struct rig_attempt *borrower = &shared->borrowers[i];
    if (ask(shared, i) == LEASE_PENDING) {
        rig_await(&shared->one.rig, borrower->lease != NULL || borrower->failed);
    }
    assert_non_null(borrower->lease);
    return connection_of(borrower->lease);
}

static inline void give(struct shared *shared, int i)
{
    lease_return(pool_of(&shared->one), &shared->borrowers[i].lease);
}

static inline void quit(struct shared *shared, int i, enum lease_close_reason reason)
{
    lease_close(pool_of(&shared->one), &shared->borrowers[i].lease, reason);
}

static inline void send_byte(int far, char byte)
{
    assert_int_equal(write(far, &byte, 1), 1);
}

/* ---- counts ---- */

#endif
