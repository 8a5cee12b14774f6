/* A stream moves bytes, and says in one word when it does not. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "steady/fault.h"
#include "tls/stream.h"

/* A connected pair over TCP: ours does not block, the other side's does. */
static void connect_pair(struct stream *ours, int *ret_far)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0), fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, length), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &length), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, length), 0);
    *ret_far = accept(listener, NULL, NULL);
    assert_true(*ret_far >= 0);
    close(listener);
    stream_init(ours, fd);
}

/* What comes next, when it has come. */
static enum stream_result recv_next(struct stream *stream, char *room, size_t room_bytes,
                                    size_t *ret_bytes)
{
    enum stream_result result;
    do {
        result = stream_recv(stream, room, room_bytes, ret_bytes);
    } while (result == STREAM_BLOCKED);
    return result;
}

static void bytes_go_both_ways_in_pieces(void **state)
{
    struct stream stream;
    int far;
    char room[64];
    size_t n = 0;
    (void)state;
    connect_pair(&stream, &far);
    struct iovec pieces[] = {{"GET ", 4}, {"", 0}, {"/ HTTP/1.1", 10}};
    assert_int_equal(stream_send(&stream, pieces, 3, &n), STREAM_OK);
    assert_int_equal(n, 14);
    assert_int_equal(recv(far, room, 14, MSG_WAITALL), 14);
    assert_memory_equal(room, "GET / HTTP/1.1", 14);
    assert_int_equal(write(far, "200", 3), 3);
    assert_int_equal(recv_next(&stream, room, sizeof room, &n), STREAM_OK);
    assert_int_equal(n, 3);
    assert_memory_equal(room, "200", 3);
    stream_close(&stream, false);
    close(far);
}

static void nothing_to_read_is_blocked_and_leaves_the_count_alone(void **state)
{
    struct stream stream;
    int far;
    char room[8];
    size_t n = 77;
    (void)state;
    connect_pair(&stream, &far);
    assert_int_equal(stream_recv(&stream, room, sizeof room, &n), STREAM_BLOCKED);
    assert_int_equal(stream_probe(&stream), STREAM_BLOCKED);
    assert_int_equal(n, 77);
    stream_close(&stream, false);
    close(far);
}

static void a_full_socket_is_blocked(void **state)
{
    struct stream stream;
    int far;
    size_t n, total = 0;
    static char bytes[65536];
    (void)state;
    connect_pair(&stream, &far);
    struct iovec piece = {bytes, sizeof bytes};
    enum stream_result result;
    while ((result = stream_send(&stream, &piece, 1, &n)) == STREAM_OK) {
        total += n;
    }
    assert_int_equal(result, STREAM_BLOCKED);
    assert_true(total > 0);
    stream_close(&stream, true);
    close(far);
}

static void a_reset_behind_the_end_is_told(void **state)
{
    struct stream stream;
    int far;
    char room[8];
    size_t n = 0;
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    (void)state;
    connect_pair(&stream, &far);
    assert_false(stream_is_broken(&stream));
    assert_int_equal(shutdown(far, SHUT_WR), 0);
    assert_int_equal(recv_next(&stream, room, sizeof room, &n), STREAM_END);
    assert_false(stream_is_broken(&stream));
    assert_int_equal(setsockopt(far, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
    close(far);
    /* on the loopback the reset has arrived when close() returns */
    assert_int_equal(stream_probe(&stream), STREAM_END);
    assert_true(stream_is_broken(&stream));
    stream_close(&stream, false);
}

static void a_reset_is_told_while_bytes_before_it_are_unread(void **state)
{
    struct stream stream;
    int far;
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    (void)state;
    connect_pair(&stream, &far);
    assert_int_equal(send(far, "unread", 6, 0), 6);
    assert_int_equal(stream_probe(&stream), STREAM_OK);
    assert_false(stream_is_reset(&stream));
    assert_int_equal(setsockopt(far, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
    close(far);
    assert_true(stream_is_reset(&stream));
    assert_true(stream_is_reset(&stream)); /* asking takes nothing */
    stream_close(&stream, false);
}

static void the_end_of_both_directions_is_no_reset(void **state)
{
    struct stream stream;
    int far;
    (void)state;
    connect_pair(&stream, &far);
    assert_int_equal(shutdown(far, SHUT_WR), 0);
    stream_end(&stream);
    assert_int_equal(stream_probe(&stream), STREAM_END);
    assert_true(stream_is_broken(&stream));
    assert_false(stream_is_reset(&stream));
    stream_close(&stream, false);
    close(far);
}

static void an_orderly_end_is_told_after_the_last_bytes(void **state)
{
    struct stream stream;
    int far;
    char room[8];
    size_t n = 0;
    (void)state;
    connect_pair(&stream, &far);
    assert_int_equal(write(far, "x", 1), 1);
    close(far);
    assert_int_equal(recv_next(&stream, room, sizeof room, &n), STREAM_OK);
    assert_int_equal(n, 1);
    assert_int_equal(recv_next(&stream, room, sizeof room, &n), STREAM_END);
    assert_int_equal(stream_probe(&stream), STREAM_END);
    stream_close(&stream, false);
}

static enum stream_result discard_next(struct stream *stream, char *room, size_t room_bytes,
                                       size_t *ret_bytes)
{
    enum stream_result result;
    do {
        result = stream_discard(stream, room, room_bytes, ret_bytes);
    } while (result == STREAM_BLOCKED);
    return result;
}

/* Of a socket of each family: one drops bytes without a copy, the other needs the space. */
static void what_nobody_looks_at_is_dropped_as_far_as_asked(void **state)
{
    struct stream stream;
    int far;
    char room[64];
    size_t n = 0;
    (void)state;
    for (int family = 0; family < 2; family++) {
        if (family == 0) {
            connect_pair(&stream, &far);
        } else {
            int pair[2];
            assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
            stream_init(&stream, pair[0]);
            far = pair[1];
        }
        assert_int_equal(stream_discard(&stream, room, sizeof room, &n), STREAM_BLOCKED);
        assert_int_equal(write(far, "dropped and kept", 16), 16);
        assert_int_equal(discard_next(&stream, room, 12, &n), STREAM_OK);
        assert_int_equal(n, 12);
        assert_false(stream.drained);
        assert_int_equal(stream_recv(&stream, room, sizeof room, &n), STREAM_OK);
        assert_int_equal(n, 4);
        assert_memory_equal(room, "kept", 4);
        close(far);
        assert_int_equal(discard_next(&stream, room, sizeof room, &n), STREAM_END);
        stream_close(&stream, false);
    }
}

static void a_probe_takes_nothing(void **state)
{
    struct stream stream;
    int far;
    char room[8];
    size_t n = 0;
    (void)state;
    connect_pair(&stream, &far);
    assert_int_equal(write(far, "x", 1), 1);
    while (stream_probe(&stream) == STREAM_BLOCKED) {
    }
    assert_int_equal(stream_probe(&stream), STREAM_OK);
    assert_int_equal(stream_recv(&stream, room, sizeof room, &n), STREAM_OK);
    assert_int_equal(n, 1);
    stream_close(&stream, false);
    close(far);
}

static void a_reset_is_told_to_reader_and_writer_without_a_signal(void **state)
{
    (void)state;
    for (int writes = 0; writes < 2; writes++) {
        struct stream stream, other;
        int far;
        char room[8];
        size_t n;
        connect_pair(&stream, &far);
        stream_init(&other, far);
        stream_close(&other, true);
        assert_int_equal(other.fd, -1);
        struct iovec piece = {"x", 1};
        enum stream_result result;
        do {
            result =
                writes ? stream_send(&stream, &piece, 1, &n) : stream_recv(&stream, room, 8, &n);
        } while (result == STREAM_OK || result == STREAM_BLOCKED);
        assert_int_equal(result, STREAM_RESET);
        assert_int_equal(stream_send(&stream, &piece, 1, &n), STREAM_RESET);
        stream_close(&stream, false);
    }
}

static void a_plain_close_is_an_orderly_end_to_the_other_side(void **state)
{
    struct stream stream;
    int far;
    char room[8];
    (void)state;
    connect_pair(&stream, &far);
    stream_close(&stream, false);
    assert_int_equal(read(far, room, sizeof room), 0);
    stream_close(&stream, false);
    stream_close(&stream, true);
    close(far);
}

static void ending_our_direction_leaves_the_other_open(void **state)
{
    struct stream stream;
    int far;
    char room[8];
    size_t n = 0;
    (void)state;
    connect_pair(&stream, &far);
    stream_end(&stream);
    assert_int_equal(read(far, room, sizeof room), 0);
    assert_int_equal(write(far, "x", 1), 1);
    assert_int_equal(recv_next(&stream, room, sizeof room, &n), STREAM_OK);
    stream_close(&stream, false);
    stream_end(&stream);
    close(far);
}

static void any_other_failure_is_an_error_with_errno(void **state)
{
    struct stream stream;
    char room[8];
    size_t n;
    (void)state;
    stream_init(&stream, socket(AF_INET, SOCK_STREAM, 0));
    errno = 0;
    assert_int_equal(stream_recv(&stream, room, sizeof room, &n), STREAM_ERROR);
    assert_int_equal(errno, ENOTCONN);
    stream_close(&stream, false);
}

static void on_alarm(int signal)
{
    (void)signal;
}

/* MSG_DONTWAIT does not stop a signal from cutting a call short; it is rare, so many are sent. */
static void *send_signals(void *arg)
{
    pthread_t *reader = arg;
    for (int i = 0; i < 20000; i++) {
        pthread_kill(*reader, SIGUSR1);
    }
    return NULL;
}

static void a_signal_is_not_an_error(void **state)
{
    struct stream stream;
    int far;
    char room[8];
    size_t n;
    pthread_t self = pthread_self(), sender;
    (void)state;
    struct sigaction action = {.sa_handler = on_alarm};
    sigaction(SIGUSR1, &action, NULL);
    connect_pair(&stream, &far);
    assert_int_equal(pthread_create(&sender, NULL, send_signals, &self), 0);
    struct iovec piece = {"x", 1};
    for (int i = 0; i < 20000; i++) {
        assert_int_equal(stream_send(&stream, &piece, 1, &n), STREAM_OK);
        assert_int_equal(recv(far, room, 1, MSG_WAITALL), 1);
        assert_int_equal(stream_recv(&stream, room, 1, &n), STREAM_BLOCKED);
    }
    pthread_join(sender, NULL);
    stream_close(&stream, false);
    close(far);
}

static void a_plain_stream_may_be_spliced(void **state)
{
    struct stream stream;
    (void)state;
    stream_init(&stream, socket(AF_INET, SOCK_STREAM, 0));
    assert_true(stream_spliceable(&stream));
    stream_close(&stream, false);
    assert_false(stream_spliceable(&stream));
}

#ifdef EVENKEEL_FAULT_INJECTION
static void an_injected_fault_looks_like_a_broken_connection(void **state)
{
    struct stream stream;
    int far;
    char room[8];
    size_t n;
    struct iovec piece = {"x", 1};
    (void)state;
    connect_pair(&stream, &far);
    fault_arm(FAULT_READ, 1);
    assert_int_equal(stream_recv(&stream, room, sizeof room, &n), STREAM_RESET);
    assert_true(fault_disarm(FAULT_READ));
    fault_arm(FAULT_WRITE, 1);
    assert_int_equal(stream_send(&stream, &piece, 1, &n), STREAM_RESET);
    assert_true(fault_disarm(FAULT_WRITE));
    assert_int_equal(stream_send(&stream, &piece, 1, &n), STREAM_OK);
    stream_close(&stream, false);
    close(far);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_go_both_ways_in_pieces),
        cmocka_unit_test(nothing_to_read_is_blocked_and_leaves_the_count_alone),
        cmocka_unit_test(a_full_socket_is_blocked),
        cmocka_unit_test(a_reset_behind_the_end_is_told),
        cmocka_unit_test(a_reset_is_told_while_bytes_before_it_are_unread),
        cmocka_unit_test(the_end_of_both_directions_is_no_reset),
        cmocka_unit_test(an_orderly_end_is_told_after_the_last_bytes),
        cmocka_unit_test(what_nobody_looks_at_is_dropped_as_far_as_asked),
        cmocka_unit_test(a_probe_takes_nothing),
        cmocka_unit_test(a_reset_is_told_to_reader_and_writer_without_a_signal),
        cmocka_unit_test(a_plain_close_is_an_orderly_end_to_the_other_side),
        cmocka_unit_test(ending_our_direction_leaves_the_other_open),
        cmocka_unit_test(any_other_failure_is_an_error_with_errno),
        cmocka_unit_test(a_signal_is_not_an_error),
        cmocka_unit_test(a_plain_stream_may_be_spliced),
#ifdef EVENKEEL_FAULT_INJECTION
        cmocka_unit_test(an_injected_fault_looks_like_a_broken_connection),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
