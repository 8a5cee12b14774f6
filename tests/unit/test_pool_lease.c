/* Leases of one worker: connections are reused, limited, served in order, and closed when they must be. */
#include "tests/unit/pool_rig.h"

#include <netinet/tcp.h>
#include <sys/resource.h>

#include "pool/connection.h"
#include "pool/dial.h"
#include "steady/fault.h"

struct one {
    struct rig rig;
    int listener;
    uint16_t port;
    struct endpoint *endpoint;
};

/* One worker, one upstream "app" with one endpoint; `more` are further keys of it. */
static void one_init(struct one *one, const char *more)
{
    rig_init(&one->rig, 1, 100);
    one->listener = rig_listen(64, &one->port);
    rig_adopt(&one->rig,
              rig_settings("upstreams = { app = { endpoints = [ \"127.0.0.1:%u\" ]; %s }; };",
                           one->port, more));
    one->endpoint = rig_endpoint(&one->rig, 0, 0);
}

static void one_end(struct one *one)
{
    rig_end(&one->rig);
    close(one->listener);
}

static struct pool_worker *pool_of(struct one *one)
{
    return one->rig.workers[0].pool;
}

static void a_returned_connection_is_lent_again_without_a_dial(void **state)
{
    struct one one;
    (void)state;
    one_init(&one, "");
    struct lease *lease = rig_leased(&one.rig, 0, one.endpoint);
    assert_false(lease->reused);
    assert_int_equal(lease->exchanges_count, 0);
    int fd = lease->stream.fd;
    lease_return(pool_of(&one), &lease);
    assert_null(lease);
    for (uint32_t i = 1; i < 5; i++) {
        lease = rig_leased(&one.rig, 0, one.endpoint);
        assert_int_equal(lease->stream.fd, fd);
        assert_true(lease->reused);
        assert_int_equal(lease->exchanges_count, i);
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
    for (int i = 0; i < 3; i++)
        leases[i] = rig_leased(&one.rig, 0, one.endpoint);
    int newest = leases[1]->stream.fd, middle = leases[0]->stream.fd;
    lease_return(pool_of(&one), &leases[2]);
    lease_return(pool_of(&one), &leases[0]);
    lease_return(pool_of(&one), &leases[1]);
    leases[0] = rig_leased(&one.rig, 0, one.endpoint);
    assert_int_equal(leases[0]->stream.fd, newest);
    leases[1] = rig_leased(&one.rig, 0, one.endpoint);
    assert_int_equal(leases[1]->stream.fd, middle);
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
        assert_int_equal(lease->exchanges_count, i);
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
    uint64_t until_ms = rig_now_ms() + 150;
    rig_await(&one.rig, rig_now_ms() > until_ms);
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
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
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
        if (harm == HARM_STRAY_BYTE)
            close(far);
        one_end(&one);
    }
}

static void a_stale_edge_does_not_end_an_idle_connection(void **state)
{
    struct one one;
    (void)state;
    one_init(&one, "");
    struct lease *lease = rig_leased(&one.rig, 0, one.endpoint);
    struct connection *connection = (struct connection *)lease;
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
    assert_int_equal(stream_recv(&lease->stream, room, sizeof(room), &n), STREAM_OK);
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
    struct pollfd both = {.fd = connection->lease.stream.fd, .events = POLLIN | POLLRDHUP};
    while (poll(&both, 1, RIG_PATIENCE_MS) == 1 && (both.revents & POLLRDHUP) == 0) {
    }
    rig_await(&one.rig, greeted.lease != NULL);
    assert_int_equal(greeted.seen & EV_READ, EV_READ);
    assert_int_equal(greeted.seen & EV_CLOSED, EV_CLOSED);
    lease_close(pool_of(&one), &greeted.lease, LEASE_CLOSED_BROKEN);
    one_end(&one);
}

/* A listener whose queue is full: what is dialled now hangs, what was accepted lives. */
static void hang_further_dials(struct one *one, struct lease **ret_lease)
{
    assert_int_equal(listen(one->listener, 0), 0);
    *ret_lease = rig_leased(&one->rig, 0, one->endpoint);
}

static void those_in_line_are_served_oldest_first_by_what_is_ready_first(void **state)
{
    enum { COUNT = 5 };
    struct one one;
    (void)state;
    one_init(&one, "timeouts = { connect = \"20s\"; }");
    struct lease *lease;
    hang_further_dials(&one, &lease);
    struct rig_attempt attempts[COUNT] = {0};
    unsigned counter = 0;
    for (int i = 0; i < COUNT; i++) {
        attempts[i].counter = &counter;
        assert_int_equal(rig_lease(&one.rig, 0, one.endpoint, &attempts[i]), LEASE_PENDING);
    }
    assert_int_equal(rig_figures(&one.rig, one.endpoint).dialling, COUNT);
    assert_int_equal(rig_figures(&one.rig, one.endpoint).in_flight, COUNT + 1);
    int fd = lease->stream.fd;
    for (unsigned i = 0; i < COUNT; i++) {
        lease_return(pool_of(&one), &lease);
        assert_int_equal(counter, i); /* never from within the call */
        rig_await(&one.rig, counter == i + 1);
        assert_int_equal(attempts[i].order, i + 1);
        lease = attempts[i].lease;
        assert_int_equal(lease->stream.fd, fd);
    }
    lease_close(pool_of(&one), &lease, LEASE_CLOSED_DONE);
    one_end(&one);
}

static void a_newcomer_does_not_overtake_those_in_line(void **state)
{
    struct one one;
    (void)state;
    one_init(&one, "timeouts = { connect = \"20s\"; }");
    struct lease *lease;
    hang_further_dials(&one, &lease);
    struct rig_attempt first = {0}, second = {0};
    assert_int_equal(rig_lease(&one.rig, 0, one.endpoint, &first), LEASE_PENDING);
    lease_return(pool_of(&one), &lease);
    assert_int_equal(rig_lease(&one.rig, 0, one.endpoint, &second), LEASE_PENDING);
    rig_await(&one.rig, first.lease != NULL);
    assert_null(second.lease);
    pool_lease_cancel(pool_of(&one), &second.request);
    lease_close(pool_of(&one), &first.lease, LEASE_CLOSED_DONE);
    one_end(&one);
}

static void a_cancelled_request_is_not_called_and_its_dial_serves_the_next(void **state)
{
    struct one one;
    (void)state;
    one_init(&one, "");
    struct rig_attempt first = {0}, second = {0}, third = {0};
    assert_int_equal(rig_lease(&one.rig, 0, one.endpoint, &first), LEASE_PENDING);
    assert_int_equal(pool_worker_busy_count(pool_of(&one)), 2);
    pool_lease_cancel(pool_of(&one), &first.request);
    pool_lease_cancel(pool_of(&one), &first.request);
    assert_int_equal(rig_figures(&one.rig, one.endpoint).in_flight, 0);
    assert_int_equal(rig_lease(&one.rig, 0, one.endpoint, &second), LEASE_PENDING);
    assert_int_equal(rig_figures(&one.rig, one.endpoint).dials, 1);
    rig_await(&one.rig, second.lease != NULL);
    assert_false(second.lease->reused);
    lease_return(pool_of(&one), &second.lease);
    assert_null(first.lease);
    /* With nobody left it rests. */
    struct lease *lease = rig_leased(&one.rig, 0, one.endpoint);
    assert_int_equal(rig_lease(&one.rig, 0, one.endpoint, &third), LEASE_PENDING);
    pool_lease_cancel(pool_of(&one), &third.request);
    rig_await(&one.rig, rig_figures(&one.rig, one.endpoint).idle == 1);
    lease_return(pool_of(&one), &lease);
    assert_int_equal(rig_figures(&one.rig, one.endpoint).idle, 2);
    one_end(&one);
}

static void a_connection_dialled_for_nobody_counts_as_reused_once_it_has_rested(void **state)
{
    struct one one;
    (void)state;
    one_init(&one, "");
    struct rig_attempt attempt = {0};
    assert_int_equal(rig_lease(&one.rig, 0, one.endpoint, &attempt), LEASE_PENDING);
    pool_lease_cancel(pool_of(&one), &attempt.request);
    rig_await(&one.rig, rig_figures(&one.rig, one.endpoint).idle == 1);
    struct lease *lease = rig_leased(&one.rig, 0, one.endpoint);
    assert_true(lease->reused);
    assert_int_equal(lease->exchanges_count, 0);
    lease_return(pool_of(&one), &lease);
    one_end(&one);
}

static void beyond_max_a_lease_is_refused_until_one_is_back(void **state)
{
    struct one one;
    (void)state;
    one_init(&one, "pool = { warm_min = 0; max = 2; }");
    struct lease *a = rig_leased(&one.rig, 0, one.endpoint);
    struct lease *b = rig_leased(&one.rig, 0, one.endpoint);
    struct rig_attempt attempt = {0};
    assert_true(pool_endpoint_full(one.endpoint));
    assert_int_equal(rig_lease(&one.rig, 0, one.endpoint, &attempt), LEASE_FULL);
    assert_null(attempt.request.endpoint);
    assert_int_equal(rig_figures(&one.rig, one.endpoint).in_flight, 2);
    lease_return(pool_of(&one), &a);
    assert_false(pool_endpoint_full(one.endpoint));
    assert_int_equal(rig_lease(&one.rig, 0, one.endpoint, &attempt), LEASE_READY);
    lease_close(pool_of(&one), &b, LEASE_CLOSED_DONE);
    b = rig_leased(&one.rig, 0, one.endpoint);
    lease_return(pool_of(&one), &attempt.lease);
    lease_return(pool_of(&one), &b);
    assert_int_equal(bound_peak(&one.endpoint->connections), 2);
    one_end(&one);
}

static void a_refused_dial_fails_the_one_who_waits_longest_and_not_within_the_call(void **state)
{
    struct one one;
    (void)state;
    one_init(&one, "");
    close(one.listener);
    struct rig_attempt first = {0}, second = {0};
    assert_int_equal(rig_lease(&one.rig, 0, one.endpoint, &first), LEASE_PENDING);
    assert_int_equal(rig_lease(&one.rig, 0, one.endpoint, &second), LEASE_PENDING);
    assert_false(first.failed || second.failed);
    rig_await(&one.rig, first.failed && second.failed);
    assert_int_equal(first.failure, DIAL_REFUSED);
    assert_int_equal(second.failure, DIAL_REFUSED);
    assert_null(first.request.endpoint);
    struct endpoint_figures figures = rig_figures(&one.rig, one.endpoint);
    assert_int_equal(figures.dial_failures, 2);
    assert_int_equal(figures.open, 0);
    assert_int_equal(figures.in_flight, 0);
    assert_int_equal(bound_used(&one.rig.fds), 0);
    one.listener = -1;
    one_end(&one);
}

static void a_dial_without_an_answer_fails_at_the_connect_timeout(void **state)
{
    struct one one;
    (void)state;
    one_init(&one, "timeouts = { connect = \"100ms\"; }");
    struct lease *lease;
    hang_further_dials(&one, &lease);
    struct rig_attempt attempt = {0};
    uint64_t since_ms = rig_now_ms();
    assert_int_equal(rig_lease(&one.rig, 0, one.endpoint, &attempt), LEASE_PENDING);
    rig_await(&one.rig, attempt.failed);
    assert_int_equal(attempt.failure, DIAL_TIMEOUT);
    assert_true(rig_now_ms() - since_ms >= 99);
    lease_return(pool_of(&one), &lease);
    one_end(&one);
}

static void an_address_without_a_way_fails_later_though_connect_failed_at_once(void **state)
{
    struct rig rig;
    (void)state;
    rig_init(&rig, 1, 10);
    rig_adopt(&rig,
              rig_settings("upstreams = { app = { endpoints = [ \"255.255.255.255:9\" ]; }; };"));
    struct rig_attempt attempt = {0};
    assert_int_equal(rig_lease(&rig, 0, rig_endpoint(&rig, 0, 0), &attempt), LEASE_PENDING);
    assert_false(attempt.failed);
    rig_await(&rig, attempt.failed);
    assert_int_equal(attempt.failure, DIAL_UNREACHABLE);
    assert_int_equal(bound_used(&rig.fds), 0);
    rig_end(&rig);
}

static void errors_of_connect_have_their_results(void **state)
{
    (void)state;
    assert_int_equal(dial_result_of_errno(0), DIAL_OK);
    assert_int_equal(dial_result_of_errno(ECONNREFUSED), DIAL_REFUSED);
    assert_int_equal(dial_result_of_errno(ENETUNREACH), DIAL_UNREACHABLE);
    assert_int_equal(dial_result_of_errno(EHOSTUNREACH), DIAL_UNREACHABLE);
    assert_int_equal(dial_result_of_errno(ECONNRESET), DIAL_RESET);
    assert_int_equal(dial_result_of_errno(ETIMEDOUT), DIAL_TIMEOUT);
    assert_int_equal(dial_result_of_errno(EMFILE), DIAL_NO_FD);
    assert_int_equal(dial_result_of_errno(ENFILE), DIAL_NO_FD);
    assert_int_equal(dial_result_of_errno(EADDRNOTAVAIL), DIAL_NO_ADDRESS_PORT);
    assert_int_equal(dial_result_of_errno(ENOTSOCK), DIAL_ERROR);
}

static void without_a_descriptor_in_the_budget_nothing_is_dialled(void **state)
{
    struct one one;
    (void)state;
    one_init(&one, "");
    bound_set_limit(&one.rig.fds, 1);
    struct lease *lease = rig_leased(&one.rig, 0, one.endpoint);
    struct rig_attempt attempt = {0};
    assert_int_equal(rig_lease(&one.rig, 0, one.endpoint, &attempt), LEASE_NO_FD);
    assert_null(attempt.request.endpoint);
    assert_int_equal(rig_figures(&one.rig, one.endpoint).open, 1);
    assert_int_equal(rig_figures(&one.rig, one.endpoint).in_flight, 1);
    lease_return(pool_of(&one), &lease);
    one_end(&one);
}

static void the_oldest_idle_connection_gives_its_descriptor_for_a_dial_elsewhere(void **state)
{
    struct rig rig;
    uint16_t ports[2];
    (void)state;
    rig_init(&rig, 1, 2);
    int listeners[2] = {rig_listen(8, &ports[0]), rig_listen(8, &ports[1])};
    rig_adopt(&rig,
              rig_settings(
                  "upstreams = { app = { endpoints = [ \"127.0.0.1:%u\", \"127.0.0.1:%u\" ]; }; };",
                  ports[0], ports[1]));
    struct endpoint *first = rig_endpoint(&rig, 0, 0), *second = rig_endpoint(&rig, 0, 1);
    struct lease *old = rig_leased(&rig, 0, first), *young = rig_leased(&rig, 0, first);
    lease_return(rig.workers[0].pool, &old);
    uint64_t later_ms = rig_now_ms() + 10;
    rig_await(&rig, rig_now_ms() > later_ms);
    int kept = young->stream.fd;
    lease_return(rig.workers[0].pool, &young);
    struct lease *elsewhere = rig_leased(&rig, 0, second);
    assert_int_equal(rig_figures(&rig, first).closed[LEASE_CLOSED_SURPLUS], 1);
    struct lease *lease = rig_leased(&rig, 0, first);
    assert_int_equal(lease->stream.fd, kept);
    lease_return(rig.workers[0].pool, &lease);
    lease_return(rig.workers[0].pool, &elsewhere);
    rig_end(&rig);
    close(listeners[0]);
    close(listeners[1]);
}

static void when_the_process_is_out_of_descriptors_the_lease_says_so(void **state)
{
    struct one one;
    (void)state;
    one_init(&one, "");
    struct rlimit before, low;
    getrlimit(RLIMIT_NOFILE, &before);
    low = (struct rlimit){0, before.rlim_max};
    setrlimit(RLIMIT_NOFILE, &low);
    struct rig_attempt attempt = {0};
    enum lease_result result = rig_lease(&one.rig, 0, one.endpoint, &attempt);
    setrlimit(RLIMIT_NOFILE, &before);
    assert_int_equal(result, LEASE_NO_FD);
    assert_int_equal(bound_used(&one.rig.fds), 0);
    assert_int_equal(rig_figures(&one.rig, one.endpoint).open, 0);
    assert_int_equal(rig_figures(&one.rig, one.endpoint).dials, 0);
    struct lease *lease = rig_leased(&one.rig, 0, one.endpoint);
    lease_return(pool_of(&one), &lease);
    one_end(&one);
}

static void a_fresh_connection_is_dialled_though_others_rest(void **state)
{
    struct one one;
    (void)state;
    one_init(&one, "");
    struct lease *lease = rig_leased(&one.rig, 0, one.endpoint);
    int used = lease->stream.fd;
    lease_return(pool_of(&one), &lease);
    struct rig_attempt fresh = {.request = {.fresh_only = true}};
    assert_int_equal(rig_lease(&one.rig, 0, one.endpoint, &fresh), LEASE_PENDING);
    /* One who takes any connection does not stand behind one who cannot use it. */
    struct rig_attempt any = {0};
    assert_int_equal(rig_lease(&one.rig, 0, one.endpoint, &any), LEASE_READY);
    assert_int_equal(any.lease->stream.fd, used);
    lease_return(pool_of(&one), &any.lease);
    rig_await(&one.rig, fresh.lease != NULL);
    assert_false(fresh.lease->reused);
    assert_int_not_equal(fresh.lease->stream.fd, used);
    lease_return(pool_of(&one), &fresh.lease);
    one_end(&one);
}

static void a_used_connection_passes_by_one_who_needs_a_fresh_one(void **state)
{
    struct one one;
    (void)state;
    one_init(&one, "timeouts = { connect = \"20s\"; }");
    struct lease *lease;
    hang_further_dials(&one, &lease);
    struct rig_attempt fresh = {.request = {.fresh_only = true}}, any = {0};
    assert_int_equal(rig_lease(&one.rig, 0, one.endpoint, &fresh), LEASE_PENDING);
    assert_int_equal(rig_lease(&one.rig, 0, one.endpoint, &any), LEASE_PENDING);
    lease_return(pool_of(&one), &lease);
    rig_await(&one.rig, any.lease != NULL || fresh.lease != NULL);
    assert_non_null(any.lease);
    pool_lease_cancel(pool_of(&one), &fresh.request);
    lease_return(pool_of(&one), &any.lease);
    one_end(&one);
}

static void at_max_a_resting_connection_makes_room_for_a_fresh_one(void **state)
{
    struct one one;
    (void)state;
    one_init(&one, "pool = { warm_min = 0; max = 1; }");
    struct lease *lease = rig_leased(&one.rig, 0, one.endpoint);
    lease_return(pool_of(&one), &lease);
    struct rig_attempt fresh = {.request = {.fresh_only = true}};
    assert_int_equal(rig_lease(&one.rig, 0, one.endpoint, &fresh), LEASE_PENDING);
    rig_await(&one.rig, fresh.lease != NULL);
    assert_false(fresh.lease->reused);
    struct rig_attempt another = {.request = {.fresh_only = true}};
    assert_int_equal(rig_lease(&one.rig, 0, one.endpoint, &another), LEASE_FULL);
    assert_int_equal(rig_figures(&one.rig, one.endpoint).closed[LEASE_CLOSED_SURPLUS], 1);
    assert_int_equal(bound_peak(&one.endpoint->connections), 1);
    lease_return(pool_of(&one), &fresh.lease);
    one_end(&one);
}

static void dials_in_flight_are_bounded_and_the_rest_wait_for_them(void **state)
{
    enum { COUNT = POOL_SLOT_DIALS + 8 };
    struct one one;
    (void)state;
    one_init(&one, "");
    struct rig_attempt attempts[COUNT] = {0};
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(rig_lease(&one.rig, 0, one.endpoint, &attempts[i]), LEASE_PENDING);
        assert_true(rig_figures(&one.rig, one.endpoint).dialling <= POOL_SLOT_DIALS);
    }
    assert_int_equal(bound_used(&one.rig.pools->dials_in_flight), POOL_SLOT_DIALS);
    for (int i = 0; i < COUNT; i++)
        rig_await(&one.rig, attempts[i].lease != NULL);
    assert_int_equal(rig_figures(&one.rig, one.endpoint).dials, COUNT);
    assert_int_equal(bound_peak(&one.rig.pools->dials_in_flight), POOL_SLOT_DIALS);
    for (int i = 0; i < COUNT; i++)
        lease_return(pool_of(&one), &attempts[i].lease);
    one_end(&one);
}

/* One connect timeout is enough to wait, however long the line. */
static void those_beyond_the_dials_in_flight_fail_with_the_first_dial_that_fails(void **state)
{
    enum { COUNT = POOL_SLOT_DIALS + 8 };
    struct one one;
    (void)state;
    one_init(&one, "timeouts = { connect = \"300ms\"; }");
    struct lease *lease;
    hang_further_dials(&one, &lease);
    struct rig_attempt attempts[COUNT] = {0};
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(rig_lease(&one.rig, 0, one.endpoint, &attempts[i]), LEASE_PENDING);
    for (int i = 0; i < COUNT; i++) {
        rig_await(&one.rig, attempts[i].failed);
        assert_int_equal(attempts[i].failure, DIAL_TIMEOUT);
    }
    assert_int_equal(rig_figures(&one.rig, one.endpoint).dials, POOL_SLOT_DIALS + 1);
    lease_return(pool_of(&one), &lease);
    one_end(&one);
}

struct stubborn {
    struct lease_request request; /* first */
    struct pool_worker *pool;
    struct endpoint *endpoint;
    unsigned *left_count;
    uint64_t failed_dial; /* the last one that failed it */
};

static void ask_again(struct lease_request *request, enum dial_result result)
{
    struct stubborn *stubborn = (struct stubborn *)request;
    struct lease *none = NULL;
    uint64_t failed_dial = stubborn->endpoint->slots[0].stats.dial_failures;
    assert_int_equal(result, DIAL_REFUSED);
    assert_true(failed_dial > stubborn->failed_dial);
    stubborn->failed_dial = failed_dial;
    if (*stubborn->left_count > 0 && --*stubborn->left_count > 0)
        assert_int_equal(pool_lease(stubborn->pool, stubborn->endpoint, request, &none),
                         LEASE_PENDING);
}

/* Else one failed dial would go round for ever. */
static void who_asks_again_when_it_fails_waits_for_another_dial(void **state)
{
    enum { COUNT = POOL_SLOT_DIALS + 8, ENOUGH = 20 * COUNT };
    struct one one;
    (void)state;
    one_init(&one, "");
    close(one.listener);
    struct stubborn all[COUNT];
    unsigned left_count = ENOUGH;
    for (int i = 0; i < COUNT; i++) {
        struct lease *none = NULL;
        all[i] = (struct stubborn){.request = {.on_ready = rig_on_ready, .on_failed = ask_again},
                                   .pool = pool_of(&one),
                                   .endpoint = one.endpoint,
                                   .left_count = &left_count};
        assert_int_equal(pool_lease(pool_of(&one), one.endpoint, &all[i].request, &none),
                         LEASE_PENDING);
    }
    rig_await(&one.rig, left_count == 0 && pool_worker_busy_count(pool_of(&one)) == 0);
    /* A dial fails its own request and at most those that stood beyond the dials. */
    assert_true(rig_figures(&one.rig, one.endpoint).dials >=
                ENOUGH / (COUNT - POOL_SLOT_DIALS + 1));
    one.listener = -1;
    one_end(&one);
}

static void dials_of_a_worker_are_bounded_over_all_its_endpoints(void **state)
{
    enum { HANGING = POOL_WORKER_DIALS / POOL_SLOT_DIALS };
    struct rig rig;
    uint16_t ports[HANGING + 1];
    int listeners[HANGING + 1];
    char endpoints[256] = "";
    struct rig_attempt *attempts = calloc(POOL_WORKER_DIALS, sizeof(*attempts)), last = {0};
    (void)state;
    rig_init(&rig, 1, 1000);
    for (int i = 0; i <= HANGING; i++) {
        listeners[i] = rig_listen(i < HANGING ? 0 : 8, &ports[i]);
        snprintf(endpoints + strlen(endpoints), sizeof(endpoints) - strlen(endpoints),
                 "%s\"127.0.0.1:%u\"", i == 0 ? "" : ", ", ports[i]);
    }
    rig_adopt(
        &rig,
        rig_settings(
            "upstreams = { app = { endpoints = [ %s ]; timeouts = { connect = \"300ms\"; }; }; };",
            endpoints));
    struct lease *leases[HANGING];
    for (size_t i = 0; i < HANGING; i++)
        leases[i] = rig_leased(&rig, 0, rig_endpoint(&rig, 0, i));
    for (size_t i = 0; i < POOL_WORKER_DIALS; i++)
        assert_int_equal(rig_lease(&rig, 0, rig_endpoint(&rig, 0, i % HANGING), &attempts[i]),
                         LEASE_PENDING);
    struct endpoint *good = rig_endpoint(&rig, 0, HANGING);
    assert_int_equal(rig_lease(&rig, 0, good, &last), LEASE_PENDING);
    assert_int_equal(rig_figures(&rig, good).dialling, 0);
    assert_int_equal(bound_used(&rig.pools->dials_in_flight), POOL_WORKER_DIALS);
    rig_await(&rig, last.lease != NULL);
    lease_return(rig.workers[0].pool, &last.lease);
    for (size_t i = 0; i < POOL_WORKER_DIALS; i++)
        rig_await(&rig, attempts[i].failed);
    for (size_t i = 0; i < HANGING; i++)
        lease_return(rig.workers[0].pool, &leases[i]);
    rig_end(&rig);
    for (int i = 0; i <= HANGING; i++)
        close(listeners[i]);
    free(attempts);
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
    assert_string_equal(endpoint_hostname(attempt.lease->endpoint), "127.0.0.1");
    lease_return(pool_of(&one), &attempt.lease);
    assert_int_equal(bound_used(&one.rig.fds), 0);
    one_end(&one);
}

static void a_failed_dial_to_a_retired_endpoint_says_that_it_is_retired(void **state)
{
    struct one one;
    (void)state;
    one_init(&one, "");
    close(one.listener);
    struct rig_attempt attempt = {0};
    assert_int_equal(rig_lease(&one.rig, 0, one.endpoint, &attempt), LEASE_PENDING);
    rig_adopt(&one.rig,
              rig_settings("upstreams = { app = { endpoints = [ \"127.0.0.1:1\" ]; }; };"));
    rig_await(&one.rig, attempt.failed);
    assert_int_equal(attempt.failure, DIAL_RETIRED);
    one.listener = -1;
    one_end(&one);
}

static void lower_limits_hold_for_what_is_open_and_higher_ones_for_what_comes(void **state)
{
    struct one one;
    (void)state;
    one_init(&one, "pool = { warm_min = 0; max = 4; }");
    struct lease *leases[4];
    for (int i = 0; i < 4; i++)
        leases[i] = rig_leased(&one.rig, 0, one.endpoint);
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
    for (int i = 0; i < 3; i++)
        leases[i] = rig_leased(&one.rig, 0, one.endpoint);
    for (int i = 0; i < 3; i++)
        lease_return(pool_of(&one), &leases[i]);
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
    assert_int_equal(pool_worker_busy_count(pool_of(&one)), 0);
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
    assert_int_equal(read(far, room, sizeof(room)), -1);
    assert_int_equal(errno, ECONNRESET);
    close(far);
    lease = rig_leased(&one.rig, 0, one.endpoint);
    far = rig_accept(one.listener);
    lease_close(pool_of(&one), &lease, LEASE_CLOSED_DONE);
    assert_int_equal(read(far, room, sizeof(room)), 0);
    close(far);
    one_end(&one);
}

static int option_of(int fd, int level, int name)
{
    int value = 0;
    socklen_t length = sizeof(value);
    assert_int_equal(getsockopt(fd, level, name, &value, &length), 0);
    return value;
}

static void a_dialled_socket_has_its_options(void **state)
{
    struct one one;
    (void)state;
    one_init(&one, "timeouts = { idle = \"7s\"; }");
    struct lease *lease = rig_leased(&one.rig, 0, one.endpoint);
    int fd = lease->stream.fd;
    assert_int_not_equal(option_of(fd, IPPROTO_TCP, TCP_NODELAY), 0);
    assert_int_not_equal(option_of(fd, SOL_SOCKET, SO_KEEPALIVE), 0);
    assert_int_equal(option_of(fd, IPPROTO_TCP, TCP_USER_TIMEOUT), 7000);
    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    lease_return(pool_of(&one), &lease);
    one_end(&one);
}

static void a_worker_may_go_with_dials_in_flight_and_connections_idle(void **state)
{
    struct one one;
    (void)state;
    one_init(&one, "timeouts = { connect = \"20s\"; }");
    struct lease *lease;
    hang_further_dials(&one, &lease);
    struct rig_attempt attempt = {0};
    assert_int_equal(rig_lease(&one.rig, 0, one.endpoint, &attempt), LEASE_PENDING);
    pool_lease_cancel(pool_of(&one), &attempt.request);
    lease_return(pool_of(&one), &lease);
    one_end(&one);
}

/* With nobody listening on a port of the ephemeral range, a dial may be given that port as its own. What the kernel does by
   chance is done here on purpose. */
static void a_dial_never_reaches_itself(void **state)
{
    struct rig rig;
    struct rig_attempt attempt = {0};
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(own);
    (void)state;
    int itself = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(itself, (struct sockaddr *)&own, length), 0);
    assert_int_equal(getsockname(itself, (struct sockaddr *)&own, &length), 0);
    rig_init(&rig, 1, 100);
    rig_adopt(&rig, rig_settings("upstreams = { app = { endpoints = [ \"127.0.0.1:%u\" ]; }; };",
                                 ntohs(own.sin_port)));
    assert_int_equal(rig_lease(&rig, 0, rig_endpoint(&rig, 0, 0), &attempt), LEASE_PENDING);
    struct connection *connection = TAILQ_FIRST(&rig.workers[0].pool->connections);
    assert_int_equal(connect(itself, (struct sockaddr *)&own, length), 0);
    assert_int_equal(dup2(itself, connection->lease.stream.fd), connection->lease.stream.fd);
    close(itself);
    connection_event(connection, EV_WRITE);
    assert_true(attempt.failed);
    assert_int_equal(attempt.failure, DIAL_REFUSED);
    rig_end(&rig);
}

#ifdef EVENKEEL_FAULT_INJECTION
static void each_failing_allocation_is_survived(void **state)
{
    struct one one;
    bool struck = true;
    (void)state;
    one_init(&one, "");
    for (uint64_t n = 1; struck; n++) {
        fault_arm(FAULT_ALLOC, n);
        struct rig_attempt attempt = {0};
        enum lease_result result = rig_lease(&one.rig, 0, one.endpoint, &attempt);
        struck = fault_disarm(FAULT_ALLOC);
        assert_int_equal(result, struck ? LEASE_NO_FD : LEASE_PENDING);
        if (result == LEASE_PENDING)
            pool_lease_cancel(pool_of(&one), &attempt.request);
        else
            assert_int_equal(bound_used(&one.rig.fds), 0);
    }
    one_end(&one);
}
#endif

static void names_are_there_for_all_results(void **state)
{
    (void)state;
    for (int i = LEASE_CLOSED_DONE; i <= LEASE_CLOSED_SURPLUS; i++)
        assert_string_not_equal(lease_close_reason_name((enum lease_close_reason)i), "unknown");
    for (int i = LEASE_READY; i <= LEASE_NO_FD; i++)
        assert_string_not_equal(lease_result_name((enum lease_result)i), "unknown");
    for (int i = DIAL_OK; i <= DIAL_ERROR; i++)
        assert_string_not_equal(dial_result_name((enum dial_result)i), "unknown");
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
    while (rig_readable(chance->one.listener) && chance->end_count < ORIGIN_ENDS)
        chance->ends[chance->end_count++] = rig_accept(chance->one.listener);
}

static void lose_an_end(struct chance *chance)
{
    if (chance->end_count == 0)
        return;
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
        if (rng_below(&chance->rng, 4) == 0)
            lease_close(pool, &attempt->lease, (enum lease_close_reason)rng_below(&chance->rng, 3));
        else
            lease_return(pool, &attempt->lease);
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
    struct chance *chance = calloc(1, sizeof(*chance));
    (void)state;
    rng_init(&chance->rng, unit_seed());
    one_init(&chance->one, "");
    reload_by_chance(chance);
    for (int step = 0; step < STEPS; step++) {
        step_attempt(chance, rng_below(&chance->rng, ATTEMPTS));
        if (rng_below(&chance->rng, 3) == 0)
            rig_pass(&chance->one.rig.workers[0], false);
        if (rng_below(&chance->rng, 20) == 0)
            lose_an_end(chance);
        if (rng_below(&chance->rng, 200) == 0)
            reload_by_chance(chance);
        accept_all(chance);
    }
    for (size_t i = 0; i < ATTEMPTS; i++) {
        struct rig_attempt *attempt = &chance->attempts[i];
        if (chance->pending[i] && attempt->lease == NULL)
            rig_await(&chance->one.rig,
                      (accept_all(chance), attempt->lease != NULL || attempt->failed));
        if (attempt->lease != NULL)
            lease_return(pool_of(&chance->one), &attempt->lease);
    }
    pool_worker_drain(pool_of(&chance->one));
    rig_await(&chance->one.rig, pool_worker_busy_count(pool_of(&chance->one)) == 0);
    while (chance->end_count > 0)
        close(chance->ends[--chance->end_count]);
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
        cmocka_unit_test(those_in_line_are_served_oldest_first_by_what_is_ready_first),
        cmocka_unit_test(a_newcomer_does_not_overtake_those_in_line),
        cmocka_unit_test(a_cancelled_request_is_not_called_and_its_dial_serves_the_next),
        cmocka_unit_test(a_connection_dialled_for_nobody_counts_as_reused_once_it_has_rested),
        cmocka_unit_test(beyond_max_a_lease_is_refused_until_one_is_back),
        cmocka_unit_test(a_refused_dial_fails_the_one_who_waits_longest_and_not_within_the_call),
        cmocka_unit_test(a_dial_without_an_answer_fails_at_the_connect_timeout),
        cmocka_unit_test(an_address_without_a_way_fails_later_though_connect_failed_at_once),
        cmocka_unit_test(errors_of_connect_have_their_results),
        cmocka_unit_test(without_a_descriptor_in_the_budget_nothing_is_dialled),
        cmocka_unit_test(the_oldest_idle_connection_gives_its_descriptor_for_a_dial_elsewhere),
        cmocka_unit_test(when_the_process_is_out_of_descriptors_the_lease_says_so),
        cmocka_unit_test(a_fresh_connection_is_dialled_though_others_rest),
        cmocka_unit_test(a_used_connection_passes_by_one_who_needs_a_fresh_one),
        cmocka_unit_test(at_max_a_resting_connection_makes_room_for_a_fresh_one),
        cmocka_unit_test(dials_in_flight_are_bounded_and_the_rest_wait_for_them),
        cmocka_unit_test(those_beyond_the_dials_in_flight_fail_with_the_first_dial_that_fails),
        cmocka_unit_test(who_asks_again_when_it_fails_waits_for_another_dial),
        cmocka_unit_test(dials_of_a_worker_are_bounded_over_all_its_endpoints),
        cmocka_unit_test(a_lease_of_a_retired_endpoint_is_closed_when_it_returns),
        cmocka_unit_test(a_request_in_line_outlives_its_endpoint_s_retirement),
        cmocka_unit_test(a_failed_dial_to_a_retired_endpoint_says_that_it_is_retired),
        cmocka_unit_test(lower_limits_hold_for_what_is_open_and_higher_ones_for_what_comes),
        cmocka_unit_test(a_shorter_idle_limit_holds_for_what_rests_already),
        cmocka_unit_test(a_draining_worker_keeps_no_connection),
        cmocka_unit_test(an_abandoned_connection_is_reset_and_a_finished_one_ends),
        cmocka_unit_test(a_dialled_socket_has_its_options),
        cmocka_unit_test(a_worker_may_go_with_dials_in_flight_and_connections_idle),
        cmocka_unit_test(a_dial_never_reaches_itself),
#ifdef EVENKEEL_FAULT_INJECTION
        cmocka_unit_test(each_failing_allocation_is_survived),
#endif
        cmocka_unit_test(names_are_there_for_all_results),
        cmocka_unit_test(whatever_happens_everything_comes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
