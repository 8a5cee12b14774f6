/* Leases of one worker: connections are reused, limited, told of what happens to them, and closed when they must be. */
#include "tests/unit/pool_rig.h"

#include "pool/connection.h"

static void a_returned_connection_is_lent_again_without_a_dial(void **state)
{
    struct one one;
    (void)state;
    one_init(&one, "");
    struct lease *lease = rig_leased(&one.rig, 0, one.endpoint);
    assert_false(lease->facts.reused);
    assert_int_equal(lease->facts.exchanges_count, 0);
    int fd = lease->stream->fd;
    lease_return(pool_of(&one), &lease);
    assert_null(lease);
    for (uint32_t i = 1; i < 5; i++) {
        lease = rig_leased(&one.rig, 0, one.endpoint);
        assert_int_equal(lease->stream->fd, fd);
        assert_true(lease->facts.reused);
        assert_int_equal(lease->facts.exchanges_count, i);
        lease_return(pool_of(&one), &lease);
    }
    struct endpoint_figures figures = rig_figures(&one.rig, one.endpoint);
    assert_int_equal(figures.dials, 1);
    assert_int_equal(figures.reused, 4);
    assert_int_equal(figures.fresh, 1);
    assert_int_equal(figures.idle, 1);
    assert_int_equal(figures.open, 1);
    assert_int_equal(figures.in_flight, 0);
    one_end(&one);
}

static void the_newest_idle_connection_is_lent_first(void **state)
{
    struct one one;
    (void)state;
    one_init(&one, "");
    struct lease *leases[3];
    for (int i = 0; i < 3; i++) {
        leases[i] = rig_leased(&one.rig, 0, one.endpoint);
    }
    int newest = leases[1]->stream->fd, middle = leases[0]->stream->fd;
    lease_return(pool_of(&one), &leases[2]);
    lease_return(pool_of(&one), &leases[0]);
    lease_return(pool_of(&one), &leases[1]);
    leases[0] = rig_leased(&one.rig, 0, one.endpoint);
    assert_int_equal(leases[0]->stream->fd, newest);
    leases[1] = rig_leased(&one.rig, 0, one.endpoint);
    assert_int_equal(leases[1]->stream->fd, middle);
    lease_return(pool_of(&one), &leases[0]);
    lease_return(pool_of(&one), &leases[1]);
    one_end(&one);
}

static void a_connection_ends_after_max_requests(void **state)
{
    struct one one;
    (void)state;
    one_init(&one, "pool = { warm_min = 0; max_requests = 3; }");
    for (int i = 0; i < 3; i++) {
        struct lease *lease = rig_leased(&one.rig, 0, one.endpoint);
        assert_int_equal(lease->facts.exchanges_count, i);
        lease_return(pool_of(&one), &lease);
    }
    struct endpoint_figures figures = rig_figures(&one.rig, one.endpoint);
    assert_int_equal(figures.open, 0);
    assert_int_equal(figures.closed[LEASE_CLOSED_REQUESTS], 1);
    assert_int_equal(figures.dials, 1);
    one_end(&one);
}

static void an_idle_connection_ends_at_the_idle_limit_and_not_before(void **state)
{
    struct one one;
    (void)state;
    one_init(&one, "pool = { warm_min = 0; idle = \"100ms\"; }");
    struct lease *lease = rig_leased(&one.rig, 0, one.endpoint);
    rig_sleep(&one.rig, 150); /* longer than it may be idle, but it is in use */
    assert_int_equal(rig_figures(&one.rig, one.endpoint).open, 1);
    lease_return(pool_of(&one), &lease);
    uint64_t since_ms = rig_now_ms();
    rig_await(&one.rig, rig_figures(&one.rig, one.endpoint).open == 0);
    assert_true(rig_now_ms() - since_ms >= 99);
    assert_int_equal(rig_figures(&one.rig, one.endpoint).closed[LEASE_CLOSED_IDLE], 1);
    one_end(&one);
}

/* What the other side may do to a connection that rests. */
enum harm { HARM_END, HARM_RESET, HARM_STRAY_BYTE };

static void do_harm(int fd, enum harm harm)
{
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    switch (harm) {
    case HARM_END: close(fd); break;
    case HARM_RESET:
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
        close(fd);
        break;
    case HARM_STRAY_BYTE: assert_int_equal(write(fd, "x", 1), 1); break;
    }
}

static void a_connection_that_dies_idle_is_closed_at_once(void **state)
{
    (void)state;
    for (enum harm harm = HARM_END; harm <= HARM_STRAY_BYTE; harm++) {
        struct one one;
        one_init(&one, "");
        struct lease *lease = rig_leased(&one.rig, 0, one.endpoint);
        int far = rig_accept(one.listener);
        lease_return(pool_of(&one), &lease);
        rig_settle(&one.rig);
        assert_int_equal(rig_figures(&one.rig, one.endpoint).open, 1);
        do_harm(far, harm);
        rig_await(&one.rig, rig_figures(&one.rig, one.endpoint).open == 0);
        struct endpoint_figures figures = rig_figures(&one.rig, one.endpoint);
        assert_int_equal(figures.closed[LEASE_CLOSED_DIED_IDLE], 1);
        assert_int_equal(figures.idle, 0);
        if (harm == HARM_STRAY_BYTE) {
            close(far);
        }
        one_end(&one);
    }
}

static void a_stale_edge_does_not_end_an_idle_connection(void **state)
{
    struct one one;
    (void)state;
    one_init(&one, "");
    struct lease *lease = rig_leased(&one.rig, 0, one.endpoint);
    struct connection *connection = lease->connection;
    lease_return(pool_of(&one), &lease);
    connection_event(connection, EV_READ | EV_WRITE);
    assert_int_equal(rig_figures(&one.rig, one.endpoint).idle, 1);
    one_end(&one);
}

static void note_event(struct lease *lease, short what)
{
    *(short *)lease->owner |= what;
}

static void a_borrower_hears_of_bytes_and_of_the_end(void **state)
{
    struct one one;
    (void)state;
    one_init(&one, "");
    struct lease *lease = rig_leased(&one.rig, 0, one.endpoint);
    int far = rig_accept(one.listener);
    short seen = 0;
    lease->owner = &seen;
    lease->on_event = note_event;
    assert_int_equal(write(far, "x", 1), 1);
    rig_await(&one.rig, (seen & EV_READ) != 0);
    assert_int_equal(seen & EV_CLOSED, 0);
    char room[10];
    size_t n = 0;
    assert_int_equal(stream_recv(lease->stream, room, sizeof room, &n), STREAM_OK);
    assert_int_equal(n, 1);
    close(far);
    rig_await(&one.rig, (seen & EV_CLOSED) != 0);
    lease_close(pool_of(&one), &lease, LEASE_CLOSED_BROKEN);
    assert_null(lease);
    assert_int_equal(rig_figures(&one.rig, one.endpoint).closed[LEASE_CLOSED_BROKEN], 1);
    one_end(&one);
}

struct greeted {
    struct lease_request request; /* first */
    struct lease *lease;
    short seen;
};

static void on_greeted_ready(struct lease_request *request, struct lease *lease)
{
    struct greeted *greeted = (struct greeted *)request;
    greeted->lease = lease;
    lease->owner = &greeted->seen;
    lease->on_event = note_event;
}

/* The edge of what came together with the connection must not be lost: no other one follows. */
static void what_came_with_the_connection_is_told(void **state)
{
    struct one one;
    (void)state;
    one_init(&one, "");
    struct greeted greeted = {
        .request = {.on_ready = on_greeted_ready, .on_failed = rig_on_failed}};
    struct lease *none = NULL;
    assert_int_equal(pool_lease(pool_of(&one), one.endpoint, &greeted.request, &none),
                     LEASE_PENDING);
    int far = rig_accept(one.listener);
    assert_int_equal(write(far, "x", 1), 1);
    close(far);
    struct connection *connection = TAILQ_FIRST(&pool_of(&one)->connections);
    struct pollfd both = {.fd = connection->stream.fd, .events = POLLIN | POLLRDHUP};
    while (poll(&both, 1, RIG_PATIENCE_MS) == 1 && (both.revents & POLLRDHUP) == 0) {
    }
    rig_await(&one.rig, greeted.lease != NULL);
    assert_int_equal(greeted.seen & EV_READ, EV_READ);
    assert_int_equal(greeted.seen & EV_CLOSED, EV_CLOSED);
    lease_close(pool_of(&one), &greeted.lease, LEASE_CLOSED_BROKEN);
    one_end(&one);
}

static void a_lease_of_a_retired_endpoint_is_closed_when_it_returns(void **state)
{
    struct one one;
    (void)state;
    one_init(&one, "");
    struct lease *out = rig_leased(&one.rig, 0, one.endpoint),
                 *idle = rig_leased(&one.rig, 0, one.endpoint);
    int far_out = rig_accept(one.listener), far_idle = rig_accept(one.listener);
    lease_return(pool_of(&one), &idle);
    uint16_t other_port;
    int other = rig_listen(8, &other_port);
    assert_false(endpoint_retired(one.endpoint));
    rig_adopt(
        &one.rig,
        rig_settings("upstreams = { app = { endpoints = [ \"127.0.0.1:%u\" ]; }; };", other_port));
    assert_true(endpoint_retired(one.endpoint));
    assert_int_equal(bound_used(&one.endpoint->connections), 1);
    assert_int_equal(bound_used(&one.rig.pools->endpoints), 2);
    assert_int_equal(pools_collect(one.rig.pools), 0);
    assert_int_equal(bound_used(&one.rig.pools->endpoints), 2);
    lease_return(pool_of(&one), &out);
    rig_settle(&one.rig);
    assert_int_equal(pools_collect(one.rig.pools), 0);
    assert_int_equal(bound_used(&one.rig.pools->endpoints), 1);
    assert_int_equal(bound_used(&one.rig.fds), 0);
    close(far_out);
    close(far_idle);
    close(other);
    one_end(&one);
}

static void a_request_in_line_outlives_its_endpoint_s_retirement(void **state)
{
    struct one one;
    (void)state;
    one_init(&one, "");
    struct rig_attempt attempt = {0};
    assert_int_equal(rig_lease(&one.rig, 0, one.endpoint, &attempt), LEASE_PENDING);
    rig_adopt(&one.rig,
              rig_settings("upstreams = { app = { endpoints = [ \"127.0.0.1:1\" ]; }; };"));
    rig_await(&one.rig, attempt.lease != NULL);
    assert_int_equal(pools_collect(one.rig.pools), 0);
    assert_string_equal(endpoint_authority(attempt.lease->endpoint),
                        endpoint_address_text(attempt.lease->endpoint));
    lease_return(pool_of(&one), &attempt.lease);
    assert_int_equal(bound_used(&one.rig.fds), 0);
    one_end(&one);
}

static void lower_limits_hold_for_what_is_open_and_higher_ones_for_what_comes(void **state)
{
    struct one one;
    (void)state;
    one_init(&one, "pool = { warm_min = 0; max = 4; }");
    struct lease *leases[4];
    for (int i = 0; i < 4; i++) {
        leases[i] = rig_leased(&one.rig, 0, one.endpoint);
    }
    lease_return(pool_of(&one), &leases[0]);
    rig_adopt(&one.rig,
              rig_settings(
                  "upstreams = { app = { endpoints = [ \"127.0.0.1:%u\" ]; "
                  "pool = { warm_min = 0; max = 2; max_requests = 50; idle = \"100ms\"; }; }; };",
                  one.port));
    assert_ptr_equal(rig_endpoint(&one.rig, 0, 0), one.endpoint);
    struct endpoint_figures figures = rig_figures(&one.rig, one.endpoint);
    assert_int_equal(figures.open, 3);
    assert_int_equal(figures.idle, 0);
    lease_return(pool_of(&one), &leases[1]);
    figures = rig_figures(&one.rig, one.endpoint);
    assert_int_equal(figures.open, 2);
    assert_int_equal(figures.closed[LEASE_CLOSED_SURPLUS], 2);
    lease_return(pool_of(&one), &leases[2]);
    lease_return(pool_of(&one), &leases[3]);
    assert_int_equal(rig_figures(&one.rig, one.endpoint).idle, 2);
    rig_await(&one.rig, rig_figures(&one.rig, one.endpoint).closed[LEASE_CLOSED_IDLE] == 2);
    rig_adopt(&one.rig, rig_settings("upstreams = { app = { endpoints = [ \"127.0.0.1:%u\" ]; "
                                     "pool = { warm_min = 0; max = 3; max_requests = 1; }; }; };",
                                     one.port));
    for (int i = 0; i < 3; i++) {
        leases[i] = rig_leased(&one.rig, 0, one.endpoint);
    }
    for (int i = 0; i < 3; i++) {
        lease_return(pool_of(&one), &leases[i]);
    }
    assert_int_equal(rig_figures(&one.rig, one.endpoint).closed[LEASE_CLOSED_REQUESTS], 3);
    one_end(&one);
}

static void a_shorter_idle_limit_holds_for_what_rests_already(void **state)
{
    struct one one;
    (void)state;
    one_init(&one, "");
    struct lease *lease = rig_leased(&one.rig, 0, one.endpoint);
    lease_return(pool_of(&one), &lease);
    rig_adopt(&one.rig, rig_settings("upstreams = { app = { endpoints = [ \"127.0.0.1:%u\" ]; "
                                     "pool = { warm_min = 0; idle = \"100ms\"; }; }; };",
                                     one.port));
    rig_await(&one.rig, rig_figures(&one.rig, one.endpoint).closed[LEASE_CLOSED_IDLE] == 1);
    one_end(&one);
}

static void a_draining_worker_keeps_no_connection(void **state)
{
    struct one one;
    (void)state;
    one_init(&one, "");
    struct lease *out = rig_leased(&one.rig, 0, one.endpoint),
                 *idle = rig_leased(&one.rig, 0, one.endpoint);
    struct rig_attempt pending = {0};
    lease_return(pool_of(&one), &idle);
    struct lease *again = rig_leased(&one.rig, 0, one.endpoint);
    assert_int_equal(rig_lease(&one.rig, 0, one.endpoint, &pending), LEASE_PENDING);
    lease_return(pool_of(&one), &again);
    pool_worker_drain(pool_of(&one));
    assert_int_equal(rig_figures(&one.rig, one.endpoint).idle, 0);
    rig_await(&one.rig, pending.lease != NULL);
    lease_return(pool_of(&one), &pending.lease);
    lease_return(pool_of(&one), &out);
    rig_adopt(
        &one.rig,
        rig_settings("upstreams = { app = { endpoints = [ \"127.0.0.1:%u\" ]; }; };", one.port));
    out = rig_leased(&one.rig, 0, one.endpoint);
    lease_return(pool_of(&one), &out);
    struct endpoint_figures figures = rig_figures(&one.rig, one.endpoint);
    assert_int_equal(figures.open, 0);
    assert_int_equal(figures.closed[LEASE_CLOSED_RETIRED], 4);
    rig_settle(&one.rig);
    assert_int_equal(rig_busy_count(pool_of(&one)), 0);
    one_end(&one);
}

static void an_abandoned_connection_is_reset_and_a_finished_one_ends(void **state)
{
    struct one one;
    char room[10];
    (void)state;
    one_init(&one, "");
    struct lease *lease = rig_leased(&one.rig, 0, one.endpoint);
    int far = rig_accept(one.listener);
    lease_close(pool_of(&one), &lease, LEASE_CLOSED_ABANDONED);
    errno = 0;
    assert_int_equal(read(far, room, sizeof room), -1);
    assert_int_equal(errno, ECONNRESET);
    close(far);
    lease = rig_leased(&one.rig, 0, one.endpoint);
    far = rig_accept(one.listener);
    lease_close(pool_of(&one), &lease, LEASE_CLOSED_DONE);
    assert_int_equal(read(far, room, sizeof room), 0);
    close(far);
    one_end(&one);
}

/* ---- chance ---- */

enum { ATTEMPTS = 24, STEPS = 4000, ORIGIN_ENDS = 256 };

struct chance {
    struct one one;
    struct rng rng;
    struct rig_attempt attempts[ATTEMPTS];
    bool pending[ATTEMPTS];
    int ends[ORIGIN_ENDS];
    size_t end_count;
};

static void accept_all(struct chance *chance)
{
    while (rig_readable(chance->one.listener) && chance->end_count < ORIGIN_ENDS) {
        chance->ends[chance->end_count++] = rig_accept(chance->one.listener);
    }
}

static void lose_an_end(struct chance *chance)
{
    if (chance->end_count == 0) {
        return;
    }
    size_t i = rng_below(&chance->rng, chance->end_count);
    do_harm(chance->ends[i], rng_below(&chance->rng, 2) ? HARM_END : HARM_RESET);
    chance->ends[i] = chance->ends[--chance->end_count];
}

static void reload_by_chance(struct chance *chance)
{
    unsigned max = 1 + (unsigned)rng_below(&chance->rng, 12);
    unsigned other = rng_below(&chance->rng, 2) ? 1 : 2;
    rig_adopt(
        &chance->one.rig,
        rig_settings("upstreams = { app = { endpoints = [ \"127.0.0.1:%u\", \"127.0.0.1:%u\" ]; "
                     "pool = { warm_min = 0; max = %u; idle = \"100ms\"; max_requests = 20; }; "
                     "timeouts = { connect = \"100ms\"; }; }; };",
                     chance->one.port, other, max));
    pools_collect(chance->one.rig.pools);
}

static void step_attempt(struct chance *chance, size_t i)
{
    struct rig_attempt *attempt = &chance->attempts[i];
    struct pool_worker *pool = pool_of(&chance->one);
    if (attempt->lease != NULL) {
        if (rng_below(&chance->rng, 4) == 0) {
            lease_close(pool, &attempt->lease, (enum lease_close_reason)rng_below(&chance->rng, 3));
        } else {
            lease_return(pool, &attempt->lease);
        }
        chance->pending[i] = false;
    } else if (chance->pending[i] && !attempt->failed) {
        if (rng_below(&chance->rng, 8) == 0) {
            pool_lease_cancel(pool, &attempt->request);
            chance->pending[i] = false;
        }
    } else {
        *attempt = (struct rig_attempt){.request = {.fresh_only = rng_below(&chance->rng, 8) == 0}};
        struct endpoint *endpoint =
            rig_endpoint(&chance->one.rig, 0, rng_below(&chance->rng, 10) == 0);
        chance->pending[i] = rig_lease(&chance->one.rig, 0, endpoint, attempt) == LEASE_PENDING;
    }
}

/* Leases, returns, closes, cancels, lost connections, refused dials and reloads in random order: nothing is left over, and
   nobody who waits is forgotten. */
static void whatever_happens_everything_comes_back(void **state)
{
    struct chance *chance = calloc(1, sizeof *chance);
    (void)state;
    rng_init(&chance->rng, unit_seed());
    one_init(&chance->one, "");
    reload_by_chance(chance);
    for (int step = 0; step < STEPS; step++) {
        step_attempt(chance, rng_below(&chance->rng, ATTEMPTS));
        if (rng_below(&chance->rng, 3) == 0) {
            rig_pass(&chance->one.rig.workers[0], false);
        }
        if (rng_below(&chance->rng, 20) == 0) {
            lose_an_end(chance);
        }
        if (rng_below(&chance->rng, 200) == 0) {
            reload_by_chance(chance);
        }
        accept_all(chance);
    }
    for (size_t i = 0; i < ATTEMPTS; i++) {
        struct rig_attempt *attempt = &chance->attempts[i];
        if (chance->pending[i] && attempt->lease == NULL) {
            rig_await(&chance->one.rig,
                      (accept_all(chance), attempt->lease != NULL || attempt->failed));
        }
        if (attempt->lease != NULL) {
            lease_return(pool_of(&chance->one), &attempt->lease);
        }
    }
    pool_worker_drain(pool_of(&chance->one));
    rig_await(&chance->one.rig, rig_busy_count(pool_of(&chance->one)) == 0);
    while (chance->end_count > 0) {
        close(chance->ends[--chance->end_count]);
    }
    one_end(&chance->one);
    free(chance);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_returned_connection_is_lent_again_without_a_dial),
        cmocka_unit_test(the_newest_idle_connection_is_lent_first),
        cmocka_unit_test(a_connection_ends_after_max_requests),
        cmocka_unit_test(an_idle_connection_ends_at_the_idle_limit_and_not_before),
        cmocka_unit_test(a_connection_that_dies_idle_is_closed_at_once),
        cmocka_unit_test(a_stale_edge_does_not_end_an_idle_connection),
        cmocka_unit_test(a_borrower_hears_of_bytes_and_of_the_end),
        cmocka_unit_test(what_came_with_the_connection_is_told),
        cmocka_unit_test(a_lease_of_a_retired_endpoint_is_closed_when_it_returns),
        cmocka_unit_test(a_request_in_line_outlives_its_endpoint_s_retirement),
        cmocka_unit_test(lower_limits_hold_for_what_is_open_and_higher_ones_for_what_comes),
        cmocka_unit_test(a_shorter_idle_limit_holds_for_what_rests_already),
        cmocka_unit_test(a_draining_worker_keeps_no_connection),
        cmocka_unit_test(an_abandoned_connection_is_reset_and_a_finished_one_ends),
        cmocka_unit_test(whatever_happens_everything_comes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
