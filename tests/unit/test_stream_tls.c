/* A stream with TLS behind it says the same words as a plain one, and nobody waits for an edge that does not come. */
#include "tests/unit/tls_rig.h"

#include <errno.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>

#include "steady/rng.h"
#include "tls/io.h"

static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

static void send_all(struct stream *stream, const char *bytes, size_t length)
{
    struct iovec piece = {(void *)(uintptr_t)bytes, length};
    size_t sent = 0;
    assert_int_equal(stream_send(stream, &piece, 1, &sent), STREAM_OK);
    assert_int_equal(sent, length);
    assert_false(stream_unsent(stream));
}

static void bytes_go_both_ways(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct rig rig;
        char room[64];
        size_t n = 0;
        rig_open(&rig, versions[i]);
        rig_shake(&rig);
        struct iovec pieces[] = {{"GET ", 4}, {"", 0}, {"/ HTTP/1.1", 10}};
        assert_int_equal(stream_send(&rig.client, pieces, 3, &n), STREAM_OK);
        assert_int_equal(n, 14);
        assert_int_equal(stream_recv(&rig.server, room, sizeof room, &n), STREAM_OK);
        assert_int_equal(n, 14);
        assert_memory_equal(room, "GET / HTTP/1.1", 14);
        assert_true(rig.server.drained);
        send_all(&rig.server, "200", 3);
        assert_int_equal(stream_recv(&rig.client, room, sizeof room, &n), STREAM_OK);
        assert_int_equal(n, 3);
        assert_int_equal(stream_recv(&rig.client, room, sizeof room, &n), STREAM_BLOCKED);
        rig_close(&rig);
    }
}

/* One record or some, read in small steps: the socket is empty long before the stream is. */
static void a_stream_that_holds_deciphered_bytes_is_not_drained(void **state)
{
    static const size_t sizes[] = {1000, 5000};
    (void)state;
    for (size_t s = 0; s < 2; s++) {
        struct rig rig;
        char sent[5000], got[5000];
        size_t total = 0, n = 0;
        for (size_t i = 0; i < sizes[s]; i++) {
            sent[i] = (char)(i * 7);
        }
        rig_open(&rig, TLS1_3_VERSION);
        rig_shake(&rig);
        send_all(&rig.client, sent, sizes[s]);
        while (total < sizes[s]) {
            size_t room = sizes[s] - total < 333 ? sizes[s] - total : 333;
            assert_int_equal(stream_recv(&rig.server, got + total, room, &n), STREAM_OK);
            total += n;
            if (total < sizes[s]) {
                assert_false(rig.server.drained);
            }
        }
        assert_memory_equal(sent, got, sizes[s]);
        assert_int_equal(stream_recv(&rig.server, got, 1, &n), STREAM_BLOCKED);
        assert_true(rig.server.drained);
        rig_close(&rig);
    }
}

/* Sizes, order and pauses as they come: what arrives is what was sent, and what waits in the stream is told. */
static void what_the_socket_does_not_take_arrives_later_and_whole(void **state)
{
    enum { TOTAL = 3 * 1024 * 1024 };
    (void)state;
    struct rng rng;
    rng_init(&rng, unit_seed());
    char *sent = malloc(TOTAL), *got = malloc(TOTAL + 1);
    for (size_t i = 0; i < TOTAL; i++) {
        sent[i] = (char)rng_next(&rng);
    }
    for (int v = 0; v < 2; v++) {
        struct rig rig;
        size_t out = 0, in = 0, n = 0;
        unsigned unsent_count = 0;
        rig_open(&rig, versions[v]);
        rig_shake(&rig);
        while (in < TOTAL) {
            size_t left = TOTAL - out;
            size_t want = rng_below(&rng, 200000) + 1;
            size_t first = rng_below(&rng, 30000);
            want = want < left ? want : left;
            first = first < want ? first : want;
            struct iovec pieces[] = {{sent + out, first}, {sent + out + first, want - first}};
            if (want > 0 || stream_unsent(&rig.client)) {
                enum stream_result result = stream_send(&rig.client, pieces, 2, &n);
                if (result == STREAM_OK) {
                    out += n;
                } else {
                    assert_int_equal(result, STREAM_BLOCKED);
                }
                unsent_count += stream_unsent(&rig.client);
            }
            unsigned reads = (unsigned)rng_below(&rng, 4);
            while (reads-- > 0) {
                size_t room = rng_below(&rng, 70000) + 1;
                room = room < TOTAL + 1 - in ? room : TOTAL + 1 - in;
                enum stream_result result = stream_recv(&rig.server, got + in, room, &n);
                if (result != STREAM_OK) {
                    assert_int_equal(result, STREAM_BLOCKED);
                    break;
                }
                in += n;
            }
        }
        assert_int_equal(in, TOTAL);
        assert_true(unsent_count > 0);
        assert_memory_equal(sent, got, TOTAL);
        rig_close(&rig);
    }
    free(sent);
    free(got);
}

static int unsent_bytes(const struct stream *stream)
{
    int bytes = -1;
    assert_int_equal(ioctl(stream->fd, SIOCOUTQNSD, &bytes), 0);
    return bytes;
}

/* Records wait for each other in the socket, so that its packets are full, but not for what another call may bring. */
static void the_last_record_of_a_call_waits_for_nothing(void **state)
{
    static char bytes[80 * 1024], got[sizeof bytes];
    static const struct iovec calls[][3] = {
        {{bytes, 40 * 1024}}, /* small ones first */
        {{bytes, 2 * 16384}},
        {{bytes, 16384}, {bytes, 0}, {bytes, 0}},
        {{bytes, 2 * 16384 + 5}},
        {{bytes, 8000}, {bytes, 16384 - 8000}},
        {{bytes, 16384 + 9000}, {bytes, 7}, {bytes, 0}},
    };
    (void)state;
    struct rig rig;
    rig_open_tcp(&rig, TLS1_3_VERSION);
    rig_shake(&rig);
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        size_t wanted = calls[i][0].iov_len + calls[i][1].iov_len + calls[i][2].iov_len;
        size_t n = 0, total = 0;
        assert_int_equal(stream_send(&rig.server, calls[i], 3, &n), STREAM_OK);
        assert_int_equal(n, wanted);
        assert_int_equal(unsent_bytes(&rig.server), 0);
        while (total < wanted) {
            enum stream_result result = stream_recv(&rig.client, got + total, wanted - total, &n);
            assert_true(result == STREAM_OK || result == STREAM_BLOCKED);
            total += result == STREAM_OK ? n : 0;
        }
    }
    rig_close(&rig);
}

static void an_end_that_was_announced_is_an_end(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct rig rig;
        char room[16];
        size_t n = 0;
        rig_open(&rig, versions[i]);
        rig_shake(&rig);
        send_all(&rig.server, "last", 4);
        stream_end(&rig.server);
        assert_int_equal(stream_recv(&rig.client, room, sizeof room, &n), STREAM_OK);
        assert_int_equal(n, 4);
        assert_false(rig.client.drained); /* else nobody would ask again */
        assert_int_equal(stream_recv(&rig.client, room, sizeof room, &n), STREAM_END);
        assert_int_equal(stream_recv(&rig.client, room, sizeof room, &n), STREAM_END);
        /* our direction is still open */
        send_all(&rig.client, "more", 4);
        assert_int_equal(stream_recv(&rig.server, room, sizeof room, &n), STREAM_OK);
        rig_close(&rig);
    }
}

/* RFC 8446 6.1: without close_notify the data may be cut short. */
/* Nobody calls stream_end(), and the socket does not take all at once. */
static void the_end_goes_with_the_last_bytes_and_not_before_them(void **state)
{
    static char bytes[1024 * 1024], room[64 * 1024];
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct rig rig;
        size_t out = 0, in = 0, n = 0;
        enum stream_result result;
        rig_open(&rig, versions[i]);
        rig_shake(&rig);
        stream_ends(&rig.server);
        do {
            struct iovec left = {bytes + out, sizeof bytes - out};
            if (left.iov_len > 0 || stream_unsent(&rig.server)) {
                out += stream_send(&rig.server, &left, 1, &n) == STREAM_OK ? n : 0;
            }
            result = stream_recv(&rig.client, room, sizeof room, &n);
            in += result == STREAM_OK ? n : 0;
        } while (result == STREAM_OK || (result == STREAM_BLOCKED && in < sizeof bytes));
        assert_int_equal(result, STREAM_END);
        assert_int_equal(in, sizeof bytes);
        rig_close(&rig);
    }
}

static void an_end_that_was_not_announced_is_a_break(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct rig rig;
        char room[16];
        size_t n = 0;
        rig_open(&rig, versions[i]);
        rig_shake(&rig);
        send_all(&rig.server, "half", 4);
        assert_int_equal(shutdown(rig.server.fd, SHUT_WR), 0);
        assert_int_equal(stream_recv(&rig.client, room, sizeof room, &n), STREAM_OK);
        assert_int_equal(stream_recv(&rig.client, room, sizeof room, &n), STREAM_RESET);
        assert_int_equal(stream_failure(&rig.client), TLS_FAILURE_TRUNCATED);
        assert_int_equal(stream_recv(&rig.client, room, sizeof room, &n), STREAM_RESET);
        rig_close(&rig);
    }
}

/* The end came with the last bytes, in one edge: they are less than was asked for, but nobody will tell of it again. */
static void an_end_behind_a_short_read_is_found_at_once(void **state)
{
    struct rig rig;
    char room[16];
    size_t n = 0;
    (void)state;
    rig_open(&rig, TLS1_3_VERSION);
    rig_shake(&rig);
    char half_a_record[] = {0x17, 3, 3, 0, 50, 1, 2};
    assert_int_equal(write(rig.server.fd, half_a_record, sizeof half_a_record), 7);
    assert_int_equal(shutdown(rig.server.fd, SHUT_WR), 0);
    assert_int_equal(stream_recv(&rig.client, room, sizeof room, &n), STREAM_RESET);
    assert_int_equal(stream_failure(&rig.client), TLS_FAILURE_TRUNCATED);
    rig_close(&rig);
}

static void a_probe_takes_nothing_and_knows_tickets_from_bytes(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct rig rig;
        char room[16];
        size_t n = 0;
        rig_open(&rig, versions[i]);
        rig_shake(&rig);
        /* TLS 1.3: tickets have come by now */
        assert_int_equal(stream_probe(&rig.client), STREAM_BLOCKED);
        send_all(&rig.server, "x", 1);
        assert_int_equal(stream_probe(&rig.client), STREAM_OK);
        assert_int_equal(stream_probe(&rig.client), STREAM_OK);
        assert_int_equal(stream_recv(&rig.client, room, sizeof room, &n), STREAM_OK);
        assert_int_equal(n, 1);
        stream_close(&rig.server, false);
        assert_int_equal(stream_probe(&rig.client), STREAM_END);
        rig_close(&rig);
    }
}

static void what_is_not_tls_is_called_so(void **state)
{
    struct rig rig;
    char request[] = "GET / HTTP/1.1\r\n\r\n";
    (void)state;
    rig_open(&rig, TLS1_3_VERSION);
    assert_int_equal(write(rig.client.fd, request, sizeof request - 1), sizeof request - 1);
    assert_int_equal(stream_handshake(&rig.server), STREAM_ERROR);
    assert_int_equal(stream_failure(&rig.server), TLS_FAILURE_NOT_TLS);
    assert_int_equal(stream_handshake(&rig.server), STREAM_ERROR);
    rig_close(&rig);
}

/* What begins as TLS is not taken for something else, in which it might be answered in the clear. */
static void a_record_of_no_version_is_a_break_once_tls_has_begun(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        struct rig rig;
        char room[16], junk[] = "HTTP/1.1 200 OK\r\n\r\n";
        size_t n = 0;
        bool at_server = i % 2 == 0;
        rig_open(&rig, versions[i / 2]);
        struct stream *broken = at_server ? &rig.server : &rig.client;
        int other_fd = at_server ? rig.client.fd : rig.server.fd;
        assert_int_equal(stream_handshake(&rig.client), STREAM_BLOCKED);
        assert_int_equal(stream_handshake(&rig.server), STREAM_BLOCKED);
        if (!at_server) {
            rig_shake(&rig);
        }
        assert_int_equal(write(other_fd, junk, sizeof junk - 1), sizeof junk - 1);
        assert_int_equal(at_server ? stream_handshake(broken)
                                   : stream_recv(broken, room, sizeof room, &n),
                         STREAM_ERROR);
        assert_int_equal(stream_failure(broken), TLS_FAILURE_PROTOCOL);
        rig_close(&rig);
    }
}

static void an_answer_in_the_clear_is_called_so(void **state)
{
    struct rig rig;
    char answer[] = "HTTP/1.1 400 Bad Request\r\n\r\n";
    (void)state;
    rig_open(&rig, TLS1_3_VERSION);
    assert_int_equal(stream_handshake(&rig.client), STREAM_BLOCKED);
    assert_int_equal(write(rig.server.fd, answer, sizeof answer - 1), sizeof answer - 1);
    assert_int_equal(stream_handshake(&rig.client), STREAM_ERROR);
    assert_int_equal(stream_failure(&rig.client), TLS_FAILURE_NOT_TLS);
    rig_close(&rig);
}

static void versions_that_do_not_meet_are_told_on_both_sides(void **state)
{
    struct rig rig;
    (void)state;
    rig_open(&rig, TLS1_2_VERSION);
    SSL *newer = SSL_new(rig.client_side);
    SSL_set_connect_state(newer);
    SSL_set_max_proto_version(newer, TLS1_3_VERSION);
    SSL_set_min_proto_version(newer, TLS1_3_VERSION);
    struct stream client, server;
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    stream_init(&server, fds[0]);
    stream_init(&client, fds[1]);
    assert_true(stream_start_tls(&client, newer, rig.room));
    assert_true(stream_start_tls(&server, rig_ssl(rig.server_side, true), rig.room));
    assert_int_equal(stream_handshake(&client), STREAM_BLOCKED);
    assert_int_equal(stream_handshake(&server), STREAM_ERROR);
    assert_int_equal(stream_failure(&server), TLS_FAILURE_NO_COMMON_VERSION);
    assert_int_equal(stream_handshake(&client), STREAM_ERROR);
    assert_int_equal(stream_failure(&client), TLS_FAILURE_NO_COMMON_VERSION);
    stream_close(&client, false);
    stream_close(&server, false);
    rig_close(&rig);
}

static int add_luggage(SSL *ssl, void *owner)
{
    static const char luggage[2000];
    (void)owner;
    return SSL_SESSION_set1_ticket_appdata(SSL_get_session(ssl), luggage, sizeof luggage);
}

static int carry_on(SSL *ssl, SSL_SESSION *session, const unsigned char *name, size_t name_bytes,
                    SSL_TICKET_STATUS status, void *owner)
{
    (void)ssl;
    (void)session;
    (void)name;
    (void)name_bytes;
    (void)owner;
    return status == SSL_TICKET_SUCCESS ? SSL_TICKET_RETURN_USE : SSL_TICKET_RETURN_IGNORE;
}

/* A ticket larger than a record, of which the first record has come: until the others do, OpenSSL writes nothing. */
static void half_a_message_delays_what_is_sent_and_breaks_nothing(void **state)
{
    struct rig rig;
    char tickets[16384], room[16];
    size_t n = 0;
    (void)state;
    rig_open(&rig, TLS1_3_VERSION);
    assert_int_equal(SSL_CTX_set_session_ticket_cb(rig.server_side, add_luggage, carry_on, NULL),
                     1);
    stream_stop_tls(&rig.server);
    SSL *ssl = rig_ssl(rig.server_side, true);
    assert_int_equal(SSL_set_max_send_fragment(ssl, 512), 1);
    assert_true(stream_start_tls(&rig.server, ssl, rig.room));
    rig_shake(&rig);
    ssize_t length = recv(rig.client.fd, tickets, sizeof tickets, 0);
    assert_true(length > 4000);
    size_t first = 5 + ((size_t)(uint8_t)tickets[3] << 8 | (uint8_t)tickets[4]);
    assert_int_equal(write(rig.server.fd, tickets, first), first);
    assert_int_equal(stream_recv(&rig.client, room, sizeof room, &n), STREAM_BLOCKED);
    struct iovec piece = {"here", 4};
    assert_int_equal(stream_send(&rig.client, &piece, 1, &n), STREAM_BLOCKED);
    assert_int_equal(write(rig.server.fd, tickets + first, (size_t)length - first),
                     (size_t)length - first);
    send_all(&rig.client, "here", 4);
    assert_int_equal(stream_recv(&rig.server, room, sizeof room, &n), STREAM_OK);
    assert_int_equal(n, 4);
    rig_close(&rig);
}

/* Who refuses a large body answers, and is gone: sending fails, but the answer has come. */
static void what_was_said_before_the_break_is_heard(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct rig rig;
        char room[16];
        size_t n = 0;
        rig_open(&rig, versions[i]);
        rig_shake(&rig);
        send_all(&rig.server, "413", 3);
        stream_close(&rig.server, true);
        struct iovec piece = {"body", 4};
        assert_int_equal(stream_send(&rig.client, &piece, 1, &n), STREAM_RESET);
        assert_int_equal(stream_recv(&rig.client, room, sizeof room, &n), STREAM_OK);
        assert_int_equal(n, 3);
        assert_int_equal(stream_recv(&rig.client, room, sizeof room, &n), STREAM_RESET);
        assert_int_equal(stream_send(&rig.client, &piece, 1, &n), STREAM_RESET);
        rig_close(&rig);
    }
}

/* The ticket comes after we have ended our direction: it is not what the other side has to say. */
static void a_ticket_after_our_end_does_not_end_theirs(void **state)
{
    struct rig rig;
    char room[16];
    size_t n = 0;
    (void)state;
    rig_open(&rig, TLS1_3_VERSION);
    rig_shake(&rig);
    stream_end(&rig.client);
    send_all(&rig.server, "here", 4);
    assert_int_equal(stream_recv(&rig.client, room, sizeof room, &n), STREAM_OK);
    assert_int_equal(n, 4);
    rig_close(&rig);
}

/* Each key update asks for one in return, which is never read. */
static void answers_that_nobody_reads_do_not_pile_up(void **state)
{
    struct rig rig;
    char room[64];
    size_t n = 0, count = 0;
    enum stream_result result = STREAM_OK;
    (void)state;
    rig_open(&rig, TLS1_3_VERSION);
    rig_shake(&rig);
    while (result == STREAM_OK && ++count < 100000) {
        assert_int_equal(SSL_key_update(tls_io_ssl(rig.client.tls), SSL_KEY_UPDATE_REQUESTED), 1);
        send_all(&rig.client, "x", 1);
        result = stream_recv(&rig.server, room, sizeof room, &n);
        assert_true(bound_used(&rig.bytes) <= 512 * 1024);
    }
    assert_int_equal(result, STREAM_ERROR);
    rig_close(&rig);
}

static void a_flood_of_key_updates_is_cut_off(void **state)
{
    struct rig rig;
    char room[16];
    size_t n = 0;
    unsigned said = 0;
    enum stream_result result = STREAM_BLOCKED;
    (void)state;
    rig_open(&rig, TLS1_3_VERSION);
    rig_shake(&rig);
    while (result == STREAM_BLOCKED && said < 1000) {
        assert_int_equal(SSL_key_update(tls_io_ssl(rig.client.tls), SSL_KEY_UPDATE_NOT_REQUESTED),
                         1);
        assert_int_equal(stream_handshake(&rig.client), STREAM_OK);
        said++;
        result = stream_recv(&rig.server, room, sizeof room, &n);
        assert_int_not_equal(stream_recv(&rig.client, room, sizeof room, &n), STREAM_OK);
    }
    assert_int_equal(result, STREAM_ERROR);
    assert_int_equal(stream_failure(&rig.server), TLS_FAILURE_RECORD_FLOOD);
    assert_int_equal(said, 33);
    rig_close(&rig);
}

static void a_key_update_now_and_then_is_fine(void **state)
{
    struct rig rig;
    char room[16];
    size_t n = 0;
    (void)state;
    rig_open(&rig, TLS1_3_VERSION);
    rig_shake(&rig);
    for (int i = 0; i < 200; i++) {
        loop_clock_set(&rig.clock, (uint64_t)(i + 1) * 500000);
        assert_int_equal(SSL_key_update(tls_io_ssl(rig.client.tls), SSL_KEY_UPDATE_REQUESTED), 1);
        send_all(&rig.client, "x", 1);
        assert_int_equal(stream_recv(&rig.server, room, sizeof room, &n), STREAM_OK);
        assert_int_equal(stream_recv(&rig.client, room, sizeof room, &n), STREAM_BLOCKED);
    }
    rig_close(&rig);
}

/* Many more of them than fit one call's scratch. */
static void small_records_that_keep_coming_give_others_their_turn(void **state)
{
    static char space[512 * 1024];
    struct rig rig;
    size_t n = 0, sent = 0, received = 0, most = 0;
    int room = 4 * 1024 * 1024;
    (void)state;
    rig_open(&rig, TLS1_3_VERSION);
    rig_shake(&rig);
    (void)setsockopt(rig.client.fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room);
    for (const struct iovec one = {(char[]){"x"}, 1}; sent < 6000; sent++) {
        if (stream_send(&rig.client, &one, 1, &n) != STREAM_OK || stream_unsent(&rig.client)) {
            break;
        }
    }
    while (stream_recv(&rig.server, space, sizeof space, &n) == STREAM_OK) {
        received += n;
        most = n > most ? n : most;
    }
    assert_in_range(received, sent, sent + 1);
    /* a record of one byte is 23 bytes long */
    assert_in_range(most, 1, 128 * 1024 / 23 + 1);
    rig_close(&rig);
}

/* Where buffers are scarce little is asked for, and what the socket holds beyond that stays there. */
static void who_asks_for_little_makes_nothing_be_kept(void **state)
{
    static char bytes[64 * 1024];
    struct rig rig;
    char space[15 * 1024];
    size_t n = 0, total = 0;
    (void)state;
    rig_open(&rig, TLS1_3_VERSION);
    rig_shake(&rig);
    send_all(&rig.client, bytes, sizeof bytes);
    while (total < sizeof bytes) {
        assert_int_equal(stream_recv(&rig.server, space, sizeof space, &n), STREAM_OK);
        /* a record cut in two, and what the pool takes of the bound ahead */
        assert_true(bound_used(&rig.bytes) <= 96 * 1024);
        total += n;
    }
    rig_close(&rig);
}

/* A worker hands a resting connection to another. */
static void a_stream_moves_to_another_room_when_it_rests(void **state)
{
    struct rig rig;
    char room[16];
    size_t n = 0;
    (void)state;
    rig_open(&rig, TLS1_3_VERSION);
    rig_shake(&rig);
    struct tls_scratch *other = tls_scratch_create(rig.bufs, &rig.clock);
    assert_int_equal(stream_probe(&rig.client), STREAM_BLOCKED);
    assert_true(stream_move(&rig.client, other));
    send_all(&rig.client, "here", 4);
    assert_int_equal(stream_recv(&rig.server, room, sizeof room, &n), STREAM_OK);
    send_all(&rig.server, "there", 5);
    assert_int_equal(stream_recv(&rig.client, room, sizeof room, &n), STREAM_OK);
    assert_memory_equal(room, "there", 5);
    stream_close(&rig.client, false);
    tls_scratch_free(&other);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_go_both_ways),
        cmocka_unit_test(a_stream_that_holds_deciphered_bytes_is_not_drained),
        cmocka_unit_test(what_the_socket_does_not_take_arrives_later_and_whole),
        cmocka_unit_test(the_last_record_of_a_call_waits_for_nothing),
        cmocka_unit_test(an_end_that_was_announced_is_an_end),
        cmocka_unit_test(the_end_goes_with_the_last_bytes_and_not_before_them),
        cmocka_unit_test(an_end_that_was_not_announced_is_a_break),
        cmocka_unit_test(an_end_behind_a_short_read_is_found_at_once),
        cmocka_unit_test(a_probe_takes_nothing_and_knows_tickets_from_bytes),
        cmocka_unit_test(what_is_not_tls_is_called_so),
        cmocka_unit_test(a_record_of_no_version_is_a_break_once_tls_has_begun),
        cmocka_unit_test(an_answer_in_the_clear_is_called_so),
        cmocka_unit_test(versions_that_do_not_meet_are_told_on_both_sides),
        cmocka_unit_test(half_a_message_delays_what_is_sent_and_breaks_nothing),
        cmocka_unit_test(what_was_said_before_the_break_is_heard),
        cmocka_unit_test(a_ticket_after_our_end_does_not_end_theirs),
        cmocka_unit_test(answers_that_nobody_reads_do_not_pile_up),
        cmocka_unit_test(a_flood_of_key_updates_is_cut_off),
        cmocka_unit_test(a_key_update_now_and_then_is_fine),
        cmocka_unit_test(small_records_that_keep_coming_give_others_their_turn),
        cmocka_unit_test(who_asks_for_little_makes_nothing_be_kept),
        cmocka_unit_test(a_stream_moves_to_another_room_when_it_rests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
