/* Dials: how they fail, what they need, and what a dialled socket is like. */
#include "tests/unit/pool_rig.h"

#include <netinet/tcp.h>
#include <sched.h>
#include <sys/resource.h>

#include "pool/connection.h"
#include "pool/dial.h"
#include "pool/route.h"
#include "steady/fault.h"

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

static int errno_of_connect(const struct address *address)
{
    int fd = socket(address->any.sa_family, SOCK_STREAM, 0);
    int error = connect(fd, &address->any, address->length) == 0 ? 0 : errno;
    close(fd);
    return error;
}

/* In a network of its own nothing has an address, as IPv6 on a machine that has switched it off. */
static int in_a_network_without_addresses(const struct address *address)
{
    if (unshare(CLONE_NEWNET) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) {
        return 2;
    }
    int error = errno_of_connect(address);
    return error == EADDRNOTAVAIL && route_errno(address, error) == ENETUNREACH ? 0 : 1;
}

static void an_address_that_no_local_one_leads_to_is_unreachable_and_no_want_of_ports(void **state)
{
    struct address far_off, near_by;
    (void)state;
    assert_true(address_from_host("::1", 3, 9, &far_off));
    assert_true(address_from_host("127.0.0.1", 9, 9, &near_by));
    assert_int_equal(route_errno(&near_by, EADDRNOTAVAIL), EADDRNOTAVAIL);
    assert_int_equal(route_errno(&near_by, ECONNREFUSED), ECONNREFUSED);
    int status;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        _exit(in_a_network_without_addresses(&far_off));
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 2) {
        skip();
    }
    assert_int_equal(WEXITSTATUS(status), 0);
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
    rig_sleep(&rig, 10); /* by so much one rests longer than the other */
    int kept = young->stream->fd;
    lease_return(rig.workers[0].pool, &young);
    struct lease *elsewhere = rig_leased(&rig, 0, second);
    assert_int_equal(rig_figures(&rig, first).closed[LEASE_CLOSED_SURPLUS], 1);
    struct lease *lease = rig_leased(&rig, 0, first);
    assert_int_equal(lease->stream->fd, kept);
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

static int option_of(int fd, int level, int name)
{
    int value = 0;
    socklen_t length = sizeof value;
    assert_int_equal(getsockopt(fd, level, name, &value, &length), 0);
    return value;
}

static void a_dialled_socket_has_its_options(void **state)
{
    struct one one;
    (void)state;
    one_init(&one, "timeouts = { idle = \"7s\"; }");
    struct lease *lease = rig_leased(&one.rig, 0, one.endpoint);
    int fd = lease->stream->fd;
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
    socklen_t length = sizeof own;
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
    assert_int_equal(dup2(itself, connection->stream.fd), connection->stream.fd);
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
        if (result == LEASE_PENDING) {
            pool_lease_cancel(pool_of(&one), &attempt.request);
        } else {
            assert_int_equal(bound_used(&one.rig.fds), 0);
        }
    }
    one_end(&one);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_refused_dial_fails_the_one_who_waits_longest_and_not_within_the_call),
        cmocka_unit_test(a_dial_without_an_answer_fails_at_the_connect_timeout),
        cmocka_unit_test(an_address_without_a_way_fails_later_though_connect_failed_at_once),
        cmocka_unit_test(errors_of_connect_have_their_results),
        cmocka_unit_test(an_address_that_no_local_one_leads_to_is_unreachable_and_no_want_of_ports),
        cmocka_unit_test(without_a_descriptor_in_the_budget_nothing_is_dialled),
        cmocka_unit_test(the_oldest_idle_connection_gives_its_descriptor_for_a_dial_elsewhere),
        cmocka_unit_test(when_the_process_is_out_of_descriptors_the_lease_says_so),
        cmocka_unit_test(a_failed_dial_to_a_retired_endpoint_says_that_it_is_retired),
        cmocka_unit_test(a_dialled_socket_has_its_options),
        cmocka_unit_test(a_worker_may_go_with_dials_in_flight_and_connections_idle),
        cmocka_unit_test(a_dial_never_reaches_itself),
#ifdef EVENKEEL_FAULT_INJECTION
        cmocka_unit_test(each_failing_allocation_is_survived),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
