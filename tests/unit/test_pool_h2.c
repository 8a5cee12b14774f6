/* What the pool counts of connections that speak HTTP/2: the real protocol against an origin that sends frames. */
#include "tests/unit/pool_rig.h"

#include "pool/connection.h"
#include "proxy/upstream/h2_connection.h"
#include "proxy/worker/worker.h"

enum { WORKERS_MOST = 2, BORROWERS = 8 };

/* Pools, and for each of their workers as much of a worker as a session uses. */
struct house {
    struct rig rig;
    struct worker workers[WORKERS_MOST];
    struct rig_attempt borrowers[BORROWERS];
    struct endpoint *endpoint;
    int listener;
};

static void house_init(struct house *house, unsigned worker_count, const char *more)
{
    uint16_t port;
    memset(house, 0, sizeof *house);
    rig_init(&house->rig, worker_count, 100);
    pools_set_http2(house->rig.pools, &h2_connection_protocol);
    for (unsigned i = 0; i < worker_count; i++) {
        struct worker *worker = &house->workers[i];
        assert_int_equal(loop_init(&worker->loop), MAILBOX_OK);
        worker->bufs = house->rig.workers[i].bufs;
        worker->read_scratch = malloc(WORKER_READ_BYTES);
        house->rig.workers[i].pool->env.owner = worker;
    }
    house->listener = rig_listen(8, &port);
    rig_adopt(&house->rig, rig_settings("upstreams = { app = { endpoints = [ \"127.0.0.1:%u\" ]; "
                                        "protocol = \"http2\"; %s }; };",
                                        port, more));
    house->endpoint = rig_endpoint(&house->rig, 0, 0);
}

static void house_end(struct house *house)
{
    unsigned worker_count = house->rig.worker_count;
    rig_end(&house->rig);
    for (unsigned i = 0; i < worker_count; i++) {
        free(house->workers[i].read_scratch);
        loop_release(&house->workers[i].loop);
    }
    close(house->listener);
}

/* A turn of the loops, those of the sessions included. */
static bool turn(struct house *house)
{
    for (unsigned i = 0; i < house->rig.worker_count; i++) {
        loop_clock_expire(&house->workers[i].loop.clock);
        loop_run_deferred(&house->workers[i].loop);
    }
    return true;
}

#define await(house, condition) rig_await(&(house)->rig, turn(house) && (condition))

static void settle(struct house *house)
{
    for (int i = 0; i < 10; i++) {
        turn(house);
        rig_turn(&house->rig);
    }
    turn(house);
}

static enum lease_result ask(struct house *house, unsigned worker, int i)
{
    house->borrowers[i] = (struct rig_attempt){.failed = false};
    return rig_lease(&house->rig, worker, house->endpoint, &house->borrowers[i]);
}

static void give(struct house *house, unsigned worker, int i)
{
    lease_return(house->rig.workers[worker].pool, &house->borrowers[i].lease);
    turn(house);
}

static struct endpoint_figures figures_of(struct house *house)
{
    return rig_figures(&house->rig, house->endpoint);
}

/* ---- the origin ---- */

static void send_bytes(int far, const char *bytes, size_t count)
{
    assert_int_equal(write(far, bytes, count), count);
}

/* SETTINGS with MAX_CONCURRENT_STREAMS. */
static void allow(int far, char count)
{
    const char frame[] = {0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, count};
    send_bytes(far, frame, sizeof frame);
}

static void go_away(int far)
{
    const char frame[] = {0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    send_bytes(far, frame, sizeof frame);
}

/* A connection that allows so many streams, lent to the borrower. */
static int lend_first(struct house *house, int i, char count)
{
    assert_int_equal(ask(house, 0, i), LEASE_PENDING);
    int far = rig_accept(house->listener);
    allow(far, count);
    await(house, house->borrowers[i].lease != NULL);
    return far;
}

/* ---- tests ---- */

static void a_connection_is_ready_when_its_settings_have_arrived(void **state)
{
    struct house house;
    (void)state;
    house_init(&house, 1, "");
    assert_int_equal(ask(&house, 0, 0), LEASE_PENDING);
    int far = rig_accept(house.listener);
    settle(&house);
    assert_null(house.borrowers[0].lease);
    assert_int_equal(figures_of(&house).ready, 0);
    assert_int_equal(figures_of(&house).dialling, 1);
    allow(far, 3);
    await(&house, house.borrowers[0].lease != NULL);
    assert_null(house.borrowers[0].lease->stream);
    assert_int_equal(ask(&house, 0, 1), LEASE_READY);
    assert_int_equal(ask(&house, 0, 2), LEASE_READY);
    assert_int_equal(ask(&house, 0, 3), LEASE_PENDING);
    struct endpoint_figures figures = figures_of(&house);
    assert_string_equal(figures.protocol, "http2");
    assert_int_equal(figures.ready, 1);
    assert_int_equal(figures.shares, 3);
    assert_int_equal(figures.open, 2);
    pool_lease_cancel(house.rig.workers[0].pool, &house.borrowers[3].request);
    for (int i = 0; i < 3; i++) {
        give(&house, 0, i);
    }
    close(far);
    house_end(&house);
}

static void settings_that_change_change_what_is_lent(void **state)
{
    struct house house;
    (void)state;
    house_init(&house, 1, "pool = { warm_min = 0; max = 1; streams = 4; };");
    int far = lend_first(&house, 0, 2);
    const struct connection *connection = house.borrowers[0].lease->connection;
    allow(far, 1);
    await(&house, connection->loans.capacity_count == 1);
    assert_int_equal(ask(&house, 0, 1), LEASE_FULL);
    allow(far, 100);
    await(&house, connection->loans.capacity_count == 4); /* pool.streams */
    assert_int_equal(ask(&house, 0, 1), LEASE_READY);
    allow(far, 0);
    await(&house, connection->loans.capacity_count == 0);
    give(&house, 0, 1);
    assert_int_equal(figures_of(&house).open, 1);
    give(&house, 0, 0);
    assert_int_equal(figures_of(&house).open, 0);
    close(far);
    house_end(&house);
}

static void goaway_ends_a_connection_with_its_last_lease_and_counts_once(void **state)
{
    struct house house;
    (void)state;
    house_init(&house, 1, "");
    int far = lend_first(&house, 0, 3);
    assert_int_equal(ask(&house, 0, 1), LEASE_READY);
    go_away(far);
    await(&house, figures_of(&house).goaways == 1);
    assert_int_equal(ask(&house, 0, 2), LEASE_PENDING);
    int other = rig_accept(house.listener);
    allow(other, 3);
    await(&house, house.borrowers[2].lease != NULL);
    assert_ptr_not_equal(house.borrowers[2].lease->connection,
                         house.borrowers[0].lease->connection);
    give(&house, 0, 0);
    assert_int_equal(figures_of(&house).open, 2);
    give(&house, 0, 1);
    assert_int_equal(figures_of(&house).open, 1);
    assert_int_equal(figures_of(&house).closed[LEASE_CLOSED_DONE], 1);
    give(&house, 0, 2);
    go_away(other);
    await(&house, figures_of(&house).open == 0);
    assert_int_equal(figures_of(&house).closed[LEASE_CLOSED_DIED_IDLE], 1);
    close(far);
    close(other);
    house_end(&house);
}

static void an_origin_that_speaks_something_else_is_a_dial_that_failed(void **state)
{
    static const char answer[] = "HTTP/1.1 400 Bad Request\r\n\r\n";
    struct house house;
    (void)state;
    house_init(&house, 1, "");
    assert_int_equal(ask(&house, 0, 0), LEASE_PENDING);
    int far = rig_accept(house.listener);
    send_bytes(far, answer, sizeof answer - 1);
    await(&house, house.borrowers[0].failed);
    assert_int_equal(house.borrowers[0].failure, DIAL_PROTOCOL);
    assert_int_equal(figures_of(&house).open, 0);
    close(far);
    house_end(&house);
}

static void a_session_moves_to_another_worker_with_its_connection(void **state)
{
    struct house house;
    (void)state;
    house_init(&house, 2, "");
    int far = lend_first(&house, 0, 3);
    give(&house, 0, 0);
    settle(&house);
    assert_int_equal(ask(&house, 1, 1), LEASE_PENDING);
    await(&house, house.borrowers[1].lease != NULL);
    assert_int_equal(figures_of(&house).dials, 1);
    assert_int_equal(figures_of(&house).handed_over, 1);
    const struct connection *connection = house.borrowers[1].lease->connection;
    assert_int_equal(connection->loans.capacity_count, 3);
    allow(far, 2);
    await(&house, connection->loans.capacity_count == 2);
    give(&house, 1, 1);
    close(far);
    await(&house, figures_of(&house).open == 0);
    house_end(&house);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_connection_is_ready_when_its_settings_have_arrived),
        cmocka_unit_test(settings_that_change_change_what_is_lent),
        cmocka_unit_test(goaway_ends_a_connection_with_its_last_lease_and_counts_once),
        cmocka_unit_test(an_origin_that_speaks_something_else_is_a_dial_that_failed),
        cmocka_unit_test(a_session_moves_to_another_worker_with_its_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
