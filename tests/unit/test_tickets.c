/* Keys that seal sessions: how long they open, whose they are, and what a file may say. */
#include "tests/unit/tls_rig.h"

#include "tls/io.h"
#include "tls/tickets.h"

#define KEY_BYTES 80
#define ROTATE_MS (8u * 3600 * 1000)

struct bench {
    struct rig rig;
    struct tls_tickets *tickets;
    char path[64];
};

/* TLS 1.2: the ticket is part of the handshake. */
static void open_bench(struct bench *bench)
{
    rig_open(&bench->rig, TLS1_2_VERSION);
    bench->tickets = tls_tickets_create(0);
    assert_non_null(bench->tickets);
    SSL_CTX_set_session_cache_mode(bench->rig.server_side, SSL_SESS_CACHE_OFF);
    tls_tickets_use(bench->tickets, bench->rig.server_side);
    snprintf(bench->path, sizeof bench->path, "/tmp/evenkeel-keys-XXXXXX");
    close(mkstemp(bench->path));
}

static void close_bench(struct bench *bench)
{
    unlink(bench->path);
    rig_close(&bench->rig);
    tls_tickets_free(&bench->tickets);
}

/* A connection that offers the session, or nothing. */
static SSL_SESSION *connect_with(struct bench *bench, SSL_SESSION *offer, bool *ret_resumed)
{
    struct rig pair = bench->rig;
    int fds[2];
    SSL *near = rig_ssl(pair.client_side, false);
    if (offer != NULL) {
        assert_int_equal(SSL_set_session(near, offer), 1);
    }
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    stream_init(&pair.server, fds[0]);
    stream_init(&pair.client, fds[1]);
    assert_true(stream_start_tls(&pair.server, rig_ssl(pair.server_side, true), pair.room));
    assert_true(stream_start_tls(&pair.client, near, pair.room));
    rig_shake(&pair);
    *ret_resumed = SSL_session_reused(near) == 1;
    SSL_SESSION *session = SSL_get1_session(near);
    assert_true(SSL_SESSION_has_ticket(session));
    stream_close(&pair.server, false);
    stream_close(&pair.client, false);
    return session;
}

enum outcome { REFUSED, OPENED, RENEWED };

static enum outcome offer(struct bench *bench, SSL_SESSION *session)
{
    const unsigned char *before, *after;
    size_t before_bytes, after_bytes;
    bool resumed;
    SSL_SESSION *now = connect_with(bench, session, &resumed);
    SSL_SESSION_get0_ticket(session, &before, &before_bytes);
    SSL_SESSION_get0_ticket(now, &after, &after_bytes);
    bool same = before_bytes == after_bytes && memcmp(before, after, after_bytes) == 0;
    SSL_SESSION_free(now);
    return !resumed ? REFUSED : same ? OPENED : RENEWED;
}

static SSL_SESSION *first_session(struct bench *bench)
{
    bool resumed;
    SSL_SESSION *session = connect_with(bench, NULL, &resumed);
    assert_false(resumed);
    return session;
}

static void a_key_seals_for_its_time_and_opens_twice_as_long(void **state)
{
    static const struct {
        uint64_t at_ms;
        enum outcome outcome;
    } steps[] = {
        {1, OPENED},
        {ROTATE_MS - 1, OPENED},
        {ROTATE_MS, RENEWED},
        {2ull * ROTATE_MS - 1, RENEWED},
        {2ull * ROTATE_MS, RENEWED},
        {3ull * ROTATE_MS - 1, RENEWED},
        {3ull * ROTATE_MS, REFUSED},
    };
    struct bench bench;
    (void)state;
    open_bench(&bench);
    SSL_SESSION *session = first_session(&bench);
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        tls_tickets_rotate(bench.tickets, ROTATE_MS, steps[i].at_ms);
        assert_int_equal(offer(&bench, session), steps[i].outcome);
    }
    SSL_SESSION_free(session);
    close_bench(&bench);
}

/* One key for each letter, and so many bytes of the last. */
static enum tls_tickets_result follow_file(struct bench *bench, const char *path)
{
    struct tls_ticket_keys *keys = NULL;
    enum tls_tickets_result result = tls_ticket_keys_load(path, &keys);
    if (result == TLS_TICKETS_OK) {
        tls_tickets_follow(bench->tickets, keys, 0);
        tls_ticket_keys_free(&keys);
    }
    assert_null(keys);
    return result;
}

static enum tls_tickets_result follow(struct bench *bench, const char *letters, size_t last_bytes)
{
    FILE *file = fopen(bench->path, "w");
    for (const char *letter = letters; *letter != '\0'; letter++) {
        for (size_t i = 0; i < (letter[1] == '\0' ? last_bytes : KEY_BYTES); i++) {
            fputc(*letter, file);
        }
    }
    fclose(file);
    return follow_file(bench, bench->path);
}

static void the_keys_of_a_file_change_with_the_file_only(void **state)
{
    struct bench bench;
    (void)state;
    open_bench(&bench);
    SSL_SESSION *own = first_session(&bench);
    assert_int_equal(follow(&bench, "a", KEY_BYTES), TLS_TICKETS_OK);
    assert_int_equal(offer(&bench, own), REFUSED);
    SSL_SESSION *session = first_session(&bench);
    tls_tickets_rotate(bench.tickets, ROTATE_MS, 100ull * ROTATE_MS);
    assert_int_equal(offer(&bench, session), OPENED);
    assert_int_equal(follow(&bench, "cba", KEY_BYTES), TLS_TICKETS_OK);
    assert_int_equal(offer(&bench, session), RENEWED);
    assert_int_equal(follow(&bench, "cb", KEY_BYTES), TLS_TICKETS_OK);
    assert_int_equal(offer(&bench, session), REFUSED);
    assert_int_equal(follow(&bench, "a", KEY_BYTES), TLS_TICKETS_OK);
    assert_int_equal(follow_file(&bench, ""), TLS_TICKETS_OK);
    SSL_SESSION_free(own);
    own = first_session(&bench);
    assert_int_equal(follow(&bench, "a", KEY_BYTES), TLS_TICKETS_OK);
    assert_int_equal(offer(&bench, own), REFUSED);
    SSL_SESSION_free(own);
    SSL_SESSION_free(session);
    close_bench(&bench);
}

static void a_file_that_is_no_good_changes_nothing(void **state)
{
    struct bench bench;
    (void)state;
    open_bench(&bench);
    assert_int_equal(follow(&bench, "a", KEY_BYTES), TLS_TICKETS_OK);
    SSL_SESSION *session = first_session(&bench);
    assert_int_equal(follow(&bench, "", 0), TLS_TICKETS_BAD_FILE);
    assert_int_equal(follow(&bench, "b", KEY_BYTES - 1), TLS_TICKETS_BAD_FILE);
    assert_int_equal(follow(&bench, "bc", 1), TLS_TICKETS_BAD_FILE);
    assert_int_equal(follow(&bench, "bcde", KEY_BYTES), TLS_TICKETS_BAD_FILE);
    assert_int_equal(follow_file(&bench, "/nowhere"), TLS_TICKETS_UNREADABLE);
    assert_int_equal(offer(&bench, session), OPENED);
    SSL_SESSION_free(session);
    close_bench(&bench);
}

static void keys_that_are_read_and_never_followed_change_nothing(void **state)
{
    struct bench bench;
    struct tls_ticket_keys *keys = NULL;
    (void)state;
    open_bench(&bench);
    assert_int_equal(follow(&bench, "a", KEY_BYTES), TLS_TICKETS_OK);
    SSL_SESSION *session = first_session(&bench);
    assert_int_equal(tls_ticket_keys_load("", &keys), TLS_TICKETS_OK);
    assert_int_equal(offer(&bench, session), OPENED);
    tls_ticket_keys_free(&keys);
    SSL_SESSION_free(session);
    close_bench(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_seals_for_its_time_and_opens_twice_as_long),
        cmocka_unit_test(the_keys_of_a_file_change_with_the_file_only),
        cmocka_unit_test(keys_that_are_read_and_never_followed_change_nothing),
        cmocka_unit_test(a_file_that_is_no_good_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
