/* A dial with TLS: over when the handshake is, in time or not at all; at rest, handed over and told apart from its end. */
#include "tests/unit/pool_rig.h"

#include <openssl/pem.h>
#include <openssl/ssl.h>

#include "pool/connection.h"
#include "tls/client.h"
#include "tls/tls_bio.h"

enum { CONNECTIONS_MOST = 16 };

/* A server with a thread of its own that shakes hands; the test then speaks on its connections. */
struct origin {
    int listener;
    uint16_t port;
    SSL_CTX *context;
    size_t header_bytes; /* of what comes before TLS */
    char header[64];
    pthread_t thread;
    SSL *connections[CONNECTIONS_MOST];
    unsigned count; /* atomic */
};

struct bench {
    struct rig rig;
    struct origin origin;
    struct endpoint *endpoint;
    char ca[64];
};

static EVP_PKEY *origin_key;
static X509 *origin_certificate;

static int make_certificate(void **state)
{
    (void)state;
    origin_key = EVP_EC_gen("P-256");
    origin_certificate = X509_new();
    X509_set_version(origin_certificate, 2);
    X509_gmtime_adj(X509_getm_notBefore(origin_certificate), -60);
    X509_gmtime_adj(X509_getm_notAfter(origin_certificate), 3600);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(origin_certificate), "CN", MBSTRING_ASC,
                               (const unsigned char *)"app.test", -1, -1, 0);
    X509_set_issuer_name(origin_certificate, X509_get_subject_name(origin_certificate));
    X509_set_pubkey(origin_certificate, origin_key);
    return X509_sign(origin_certificate, origin_key, EVP_sha256()) > 0 ? 0 : -1;
}

static int free_certificate(void **state)
{
    (void)state;
    X509_free(origin_certificate);
    EVP_PKEY_free(origin_key);
    return 0;
}

static void *origin_run(void *argument)
{
    struct origin *origin = argument;
    for (;;) {
        int fd = accept(origin->listener, NULL, NULL);
        if (fd < 0) {
            return NULL;
        }
        if (origin->header_bytes > 0) {
            (void)recv(fd, origin->header, origin->header_bytes, MSG_WAITALL);
        }
        SSL *ssl = SSL_new(origin->context);
        SSL_set_fd(ssl, fd);
        (void)SSL_accept(ssl);
        unsigned count = __atomic_load_n(&origin->count, __ATOMIC_RELAXED);
        assert_true(count < CONNECTIONS_MOST);
        origin->connections[count] = ssl;
        __atomic_store_n(&origin->count, count + 1, __ATOMIC_RELEASE);
    }
}

static void origin_start(struct origin *origin, int version)
{
    origin->listener = rig_listen(16, &origin->port);
    origin->context = SSL_CTX_new(TLS_server_method());
    SSL_CTX_set_min_proto_version(origin->context, version);
    SSL_CTX_set_max_proto_version(origin->context, version);
    SSL_CTX_use_certificate(origin->context, origin_certificate);
    SSL_CTX_use_PrivateKey(origin->context, origin_key);
    assert_int_equal(pthread_create(&origin->thread, NULL, origin_run, origin), 0);
}

static void origin_end(struct origin *origin)
{
    shutdown(origin->listener, SHUT_RDWR);
    pthread_join(origin->thread, NULL);
    close(origin->listener);
    for (unsigned i = 0; i < origin->count; i++) {
        close(SSL_get_fd(origin->connections[i]));
        SSL_free(origin->connections[i]);
    }
    SSL_CTX_free(origin->context);
}

static void write_ca(struct bench *bench)
{
    snprintf(bench->ca, sizeof bench->ca, "/tmp/evenkeel-ca-XXXXXX");
    int fd = mkstemp(bench->ca);
    FILE *file = fdopen(fd, "w");
    assert_int_equal(PEM_write_X509(file, origin_certificate), 1);
    fclose(file);
}

static void adopt(struct bench *bench, uint16_t port, const char *name, const char *more)
{
    rig_adopt(&bench->rig,
              rig_settings("upstreams = { app = { endpoints = [ \"127.0.0.1:%u\" ]; tls = { "
                           "enabled = true; ca = \"%s\"; server_name = \"%s\"; }; %s }; };",
                           port, bench->ca, name, more));
    bench->endpoint = rig_endpoint(&bench->rig, 0, 0);
}

static void open_bench(struct bench *bench, unsigned workers, int version, const char *more)
{
    memset(bench, 0, sizeof *bench);
    write_ca(bench);
    origin_start(&bench->origin, version);
    rig_init(&bench->rig, workers, 100);
    adopt(bench, bench->origin.port, "app.test", more);
}

static void close_bench(struct bench *bench)
{
    rig_end(&bench->rig);
    origin_end(&bench->origin);
    unlink(bench->ca);
}

static SSL *far_end(struct bench *bench, unsigned number)
{
    rig_await(&bench->rig, __atomic_load_n(&bench->origin.count, __ATOMIC_ACQUIRE) > number);
    return bench->origin.connections[number];
}

static struct upstream_tls_figures figures_of(struct bench *bench)
{
    struct upstream_tls_figures figures;
    upstream_tls_figures(endpoint_upstream(bench->endpoint), &figures);
    return figures;
}

static uint64_t stored_count(struct bench *bench)
{
    struct session_figures figures;
    session_cache_figures(pools_sessions(bench->rig.pools), &figures);
    return figures.stored;
}

static struct pool_worker *pool_at(struct bench *bench, unsigned worker)
{
    return bench->rig.workers[worker].pool;
}

/* What the near end sends arrives decrypted at the far one, and back. */
static void converse(struct bench *bench, struct lease *lease, SSL *far)
{
    char room[16];
    size_t sent, got = 0;
    enum stream_result result = STREAM_BLOCKED;
    assert_int_equal(stream_send(lease->stream, &(struct iovec){"ping", 4}, 1, &sent), STREAM_OK);
    assert_int_equal(SSL_read(far, room, sizeof room), 4);
    assert_int_equal(SSL_write(far, "pong!", 5), 5);
    rig_await(&bench->rig,
              (result = stream_recv(lease->stream, room, sizeof room, &got)) != STREAM_BLOCKED);
    assert_int_equal(result, STREAM_OK);
    assert_int_equal(got, 5);
}

static void dial_twice(int version)
{
    struct bench bench;
    open_bench(&bench, 1, version, "");
    struct lease *first = rig_leased(&bench.rig, 0, bench.endpoint);
    assert_true(first->facts.tls_us > 0 && !first->facts.resumed && !first->facts.reused);
    converse(&bench, first, far_end(&bench, 0));
    struct lease *second = rig_leased(&bench.rig, 0, bench.endpoint);
    assert_true(second->facts.resumed);
    converse(&bench, second, far_end(&bench, 1));
    assert_int_equal(figures_of(&bench).full, 1);
    assert_int_equal(figures_of(&bench).resumed, 1);
    lease_return(pool_at(&bench, 0), &first);
    lease_close(pool_at(&bench, 0), &second, LEASE_CLOSED_DONE);
    close_bench(&bench);
}

static void the_second_dial_resumes_what_the_first_one_was_given(void **state)
{
    (void)state;
    dial_twice(TLS1_2_VERSION);
    dial_twice(TLS1_3_VERSION);
}

static void a_ticket_that_comes_at_rest_is_kept_and_ends_nothing(void **state)
{
    struct bench bench;
    (void)state;
    open_bench(&bench, 1, TLS1_3_VERSION, "");
    struct lease *lease = rig_leased(&bench.rig, 0, bench.endpoint);
    SSL *far = far_end(&bench, 0);
    converse(&bench, lease, far);
    lease_return(pool_at(&bench, 0), &lease);
    uint64_t stored = stored_count(&bench);
    assert_int_equal(SSL_new_session_ticket(far), 1);
    assert_int_equal(SSL_do_handshake(far), 1);
    rig_await(&bench.rig, stored_count(&bench) == stored + 1);
    rig_settle(&bench.rig);
    assert_int_equal(rig_figures(&bench.rig, bench.endpoint).idle, 1);
    lease = rig_leased(&bench.rig, 0, bench.endpoint);
    assert_true(lease->facts.reused);
    converse(&bench, lease, far);
    lease_return(pool_at(&bench, 0), &lease);
    close_bench(&bench);
}

static void bytes_nobody_asked_for_end_a_connection_at_rest(void **state)
{
    struct bench bench;
    (void)state;
    open_bench(&bench, 1, TLS1_3_VERSION, "");
    struct lease *lease = rig_leased(&bench.rig, 0, bench.endpoint);
    SSL *far = far_end(&bench, 0);
    lease_return(pool_at(&bench, 0), &lease);
    assert_int_equal(SSL_write(far, "x", 1), 1);
    rig_await(&bench.rig, rig_figures(&bench.rig, bench.endpoint).idle == 0);
    assert_int_equal(rig_figures(&bench.rig, bench.endpoint).closed[LEASE_CLOSED_DIED_IDLE], 1);
    close_bench(&bench);
}

static void a_refusal_at_rest_is_told_like_a_handshake_that_failed(void **state)
{
    static const char rubbish[] = "\x17\x03\x03\x00\x14"
                                  "nothing of this is ours";
    struct bench bench;
    (void)state;
    open_bench(&bench, 1, TLS1_3_VERSION, "");
    struct lease *lease = rig_leased(&bench.rig, 0, bench.endpoint);
    SSL *far = far_end(&bench, 0);
    converse(&bench, lease, far);
    lease_return(pool_at(&bench, 0), &lease);
    assert_true(write(SSL_get_fd(far), rubbish, sizeof rubbish - 1) > 0);
    rig_await(&bench.rig, rig_figures(&bench.rig, bench.endpoint).idle == 0);
    assert_int_equal(figures_of(&bench).failed[TLS_FAILURE_PROTOCOL], 1);
    assert_true(bench.endpoint->upkeep.redial_not_before_ms > 0);
    close_bench(&bench);
}

static void an_orderly_end_at_rest_is_answered_in_kind(void **state)
{
    struct bench bench;
    char byte;
    (void)state;
    open_bench(&bench, 1, TLS1_3_VERSION, "pool = { idle = \"20ms\"; };");
    struct lease *lease = rig_leased(&bench.rig, 0, bench.endpoint);
    SSL *far = far_end(&bench, 0);
    lease_return(pool_at(&bench, 0), &lease);
    rig_await(&bench.rig, rig_figures(&bench.rig, bench.endpoint).idle == 0);
    assert_int_equal(SSL_read(far, &byte, 1), 0);
    assert_int_equal(SSL_get_error(far, 0), SSL_ERROR_ZERO_RETURN);
    close_bench(&bench);
}

static void a_connection_that_moves_to_a_sibling_speaks_on(void **state)
{
    struct bench bench;
    (void)state;
    open_bench(&bench, 2, TLS1_3_VERSION, "");
    struct lease *lease = rig_leased(&bench.rig, 0, bench.endpoint);
    SSL *far = far_end(&bench, 0);
    converse(&bench, lease, far);
    lease_return(pool_at(&bench, 0), &lease);
    lease = rig_leased(&bench.rig, 1, bench.endpoint);
    assert_true(lease->facts.reused);
    assert_int_equal(rig_figures(&bench.rig, bench.endpoint).dials, 1);
    /* The room it came from is another thread's now. */
    struct tls_scratch *left = bench.rig.workers[0].tls_scratch, whole = *left;
    left->in = left->out = left->plain = NULL;
    converse(&bench, lease, far);
    lease_return(pool_at(&bench, 1), &lease);
    *left = whole;
    close_bench(&bench);
}

static enum tls_failure failure_of(struct bench *bench)
{
    struct rig_attempt attempt = {.failed = false};
    assert_int_equal(rig_lease(&bench->rig, 0, bench->endpoint, &attempt), LEASE_PENDING);
    rig_await(&bench->rig, attempt.lease != NULL || attempt.failed);
    assert_true(attempt.failed);
    assert_int_equal(attempt.failure, DIAL_TLS);
    return attempt.request.tls_failure;
}

static void take_failure(const struct pools_tls_failure *failure, void *owner)
{
    struct pools_tls_failure *taken = owner;
    *taken = *failure;
}

static void a_failure_is_told_with_its_cause_and_then_not_too_often(void **state)
{
    struct bench bench;
    struct pools_tls_failure told = {0};
    (void)state;
    open_bench(&bench, 1, TLS1_3_VERSION, "");
    adopt(&bench, bench.origin.port, "other.test", "");
    assert_int_equal(failure_of(&bench), TLS_FAILURE_WRONG_NAME);
    assert_int_equal(figures_of(&bench).failed[TLS_FAILURE_WRONG_NAME], 1);
    pools_log_tls_failures(bench.rig.pools, 1000, take_failure, &told);
    assert_int_equal(told.failure, TLS_FAILURE_WRONG_NAME);
    assert_int_equal(told.count, 1);
    assert_string_equal(told.server_name, "other.test");
    assert_int_equal(failure_of(&bench), TLS_FAILURE_WRONG_NAME);
    assert_int_equal(failure_of(&bench), TLS_FAILURE_WRONG_NAME);
    told = (struct pools_tls_failure){0};
    pools_log_tls_failures(bench.rig.pools, 10999, take_failure, &told);
    assert_int_equal(told.count, 0);
    pools_log_tls_failures(bench.rig.pools, 11000, take_failure, &told);
    assert_int_equal(told.count, 2);
    close_bench(&bench);
}

static void a_server_that_says_nothing_is_given_up_in_time(void **state)
{
    struct bench bench;
    uint16_t port;
    (void)state;
    open_bench(&bench, 1, TLS1_3_VERSION, "");
    int silent = rig_listen(4, &port);
    adopt(&bench, port, "app.test", "timeouts = { connect = \"30s\"; tls = \"30ms\"; };");
    uint64_t began_ms = rig_now_ms();
    assert_int_equal(failure_of(&bench), TLS_FAILURE_TIMEOUT);
    assert_true(rig_now_ms() - began_ms >= 25);
    close(silent);
    close_bench(&bench);
}

static void a_dial_that_is_abandoned_in_its_handshake_leaves_nothing(void **state)
{
    struct bench bench;
    uint16_t port;
    (void)state;
    open_bench(&bench, 1, TLS1_3_VERSION, "");
    int silent = rig_listen(4, &port);
    adopt(&bench, port, "app.test", "");
    struct rig_attempt attempt = {.failed = false};
    assert_int_equal(rig_lease(&bench.rig, 0, bench.endpoint, &attempt), LEASE_PENDING);
    rig_settle(&bench.rig);
    pool_lease_cancel(pool_at(&bench, 0), &attempt.request);
    close(silent);
    close_bench(&bench);
}

static void the_word_on_our_certificate_is_awaited(void **state)
{
    struct bench bench;
    (void)state;
    open_bench(&bench, 1, TLS1_3_VERSION, "");
    SSL_CTX_set_verify(bench.origin.context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                       NULL);
    assert_int_equal(failure_of(&bench), TLS_FAILURE_ALERT_CERTIFICATE_REQUIRED);
    assert_int_equal(figures_of(&bench).full, 0);
    /* One that has no word to say is taken as content. */
    SSL_CTX_set_verify(bench.origin.context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_num_tickets(bench.origin.context, 0);
    struct lease *lease = rig_leased(&bench.rig, 0, bench.endpoint);
    assert_int_equal(figures_of(&bench).full, 1);
    lease_return(pool_at(&bench, 0), &lease);
    close_bench(&bench);
}

static void trust_that_has_changed_on_disk_makes_new_connections(void **state)
{
    struct bench bench;
    (void)state;
    open_bench(&bench, 1, TLS1_3_VERSION, "");
    struct lease *lease = rig_leased(&bench.rig, 0, bench.endpoint);
    lease_return(pool_at(&bench, 0), &lease);
    struct endpoint *before = bench.endpoint;
    adopt(&bench, bench.origin.port, "app.test", "");
    assert_ptr_equal(bench.endpoint, before);
    assert_int_equal(rig_figures(&bench.rig, bench.endpoint).idle, 1);
    FILE *file = fopen(bench.ca, "a");
    assert_int_equal(PEM_write_X509(file, origin_certificate), 1);
    fclose(file);
    adopt(&bench, bench.origin.port, "app.test", "");
    assert_ptr_not_equal(bench.endpoint, before);
    assert_int_equal(rig_figures(&bench.rig, bench.endpoint).idle, 0);
    close_bench(&bench);
}

/* Names stand for other addresses: the same settings make another set, and it is no reload. */
static void files_are_not_read_again_for_other_addresses_of_names(void **state)
{
    struct bench bench;
    struct upstream_set *previous;
    (void)state;
    open_bench(&bench, 1, TLS1_3_VERSION, "");
    struct settings *settings = bench.rig.set->settings;
    struct tls_client *client = bench.rig.set->views[0].tls;
    unlink(bench.ca);
    previous = bench.rig.set;
    rig_adopt(&bench.rig, settings_get(settings));
    assert_ptr_not_equal(bench.rig.set, previous);
    assert_ptr_equal(bench.rig.set->views[0].tls, client);
    assert_ptr_equal(rig_endpoint(&bench.rig, 0, 0), bench.endpoint);
    close_bench(&bench);
}

/* ---- where the client comes first ---- */

#define TELLS_CLIENT "proxy_protocol = \"client\"; "

/* One more rests at a worker. */
static void dial_ahead(struct bench *bench, unsigned worker)
{
    struct rig_attempt attempt = {.failed = false};
    uint64_t idle = rig_figures(&bench->rig, bench->endpoint).idle;
    assert_int_equal(rig_lease(&bench->rig, worker, bench->endpoint, &attempt), LEASE_PENDING);
    pool_lease_cancel(pool_at(bench, worker), &attempt.request);
    rig_await(&bench->rig, rig_figures(&bench->rig, bench->endpoint).idle == idle + 1);
}

static void open_telling_bench(struct bench *bench, unsigned workers)
{
    open_bench(bench, workers, TLS1_3_VERSION, TELLS_CLIENT);
    bench->origin.header_bytes = sizeof RIG_HEADER;
}

static void lease_tells_and_ends(struct bench *bench, unsigned worker, unsigned number)
{
    memset(bench->origin.header, 0, sizeof bench->origin.header);
    struct lease *lease = rig_leased(&bench->rig, worker, bench->endpoint);
    SSL *far = far_end(bench, number);
    assert_string_equal(bench->origin.header, RIG_HEADER);
    assert_false(lease->facts.proxy_header);
    converse(bench, lease, far);
    lease_return(pool_at(bench, worker), &lease);
    assert_int_equal(rig_figures(&bench->rig, bench->endpoint).idle, 0);
}

static void tls_begins_when_the_client_is_known(void **state)
{
    struct bench bench;
    (void)state;
    open_telling_bench(&bench, 1);
    dial_ahead(&bench, 0);
    assert_int_equal(figures_of(&bench).full, 0);
    lease_tells_and_ends(&bench, 0, 0);
    assert_int_equal(rig_figures(&bench.rig, bench.endpoint).dials, 1);
    assert_int_equal(figures_of(&bench).full, 1);
    lease_tells_and_ends(&bench, 0, 1);
    assert_int_equal(figures_of(&bench).resumed, 1);
    close_bench(&bench);
}

static void a_sibling_s_connection_is_told_of_the_client_too(void **state)
{
    struct bench bench;
    (void)state;
    open_telling_bench(&bench, 2);
    dial_ahead(&bench, 0);
    lease_tells_and_ends(&bench, 1, 0);
    assert_int_equal(rig_figures(&bench.rig, bench.endpoint).dials, 1);
    close_bench(&bench);
}

static void a_claim_that_fails_is_told_to_its_request(void **state)
{
    struct bench bench;
    (void)state;
    open_telling_bench(&bench, 1);
    adopt(&bench, bench.origin.port, "other.test", TELLS_CLIENT);
    dial_ahead(&bench, 0);
    assert_int_equal(failure_of(&bench), TLS_FAILURE_WRONG_NAME);
    assert_int_equal(figures_of(&bench).failed[TLS_FAILURE_WRONG_NAME], 1);
    assert_int_equal(rig_figures(&bench.rig, bench.endpoint).idle, 0);
    close_bench(&bench);
}

static void a_claim_ends_in_time_or_when_nobody_wants_it(void **state)
{
    struct bench bench;
    uint16_t port;
    (void)state;
    open_telling_bench(&bench, 1);
    int silent = rig_listen(4, &port);
    adopt(&bench, port, "app.test",
          TELLS_CLIENT "timeouts = { connect = \"30s\"; tls = \"30ms\"; };");
    dial_ahead(&bench, 0);
    assert_int_equal(failure_of(&bench), TLS_FAILURE_TIMEOUT);
    adopt(&bench, port, "app.test", TELLS_CLIENT);
    for (int settle = 0; settle < 2; settle++) {
        struct rig_attempt attempt = {.failed = false};
        dial_ahead(&bench, 0);
        assert_int_equal(rig_lease(&bench.rig, 0, bench.endpoint, &attempt), LEASE_PENDING);
        if (settle) {
            rig_settle(&bench.rig);
        }
        pool_lease_cancel(pool_at(&bench, 0), &attempt.request);
        rig_settle(&bench.rig);
        assert_null(attempt.lease);
        assert_false(attempt.failed);
        assert_int_equal(rig_figures(&bench.rig, bench.endpoint).idle, 0);
    }
    close(silent);
    close_bench(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_second_dial_resumes_what_the_first_one_was_given),
        cmocka_unit_test(a_ticket_that_comes_at_rest_is_kept_and_ends_nothing),
        cmocka_unit_test(bytes_nobody_asked_for_end_a_connection_at_rest),
        cmocka_unit_test(a_refusal_at_rest_is_told_like_a_handshake_that_failed),
        cmocka_unit_test(an_orderly_end_at_rest_is_answered_in_kind),
        cmocka_unit_test(a_connection_that_moves_to_a_sibling_speaks_on),
        cmocka_unit_test(a_failure_is_told_with_its_cause_and_then_not_too_often),
        cmocka_unit_test(a_server_that_says_nothing_is_given_up_in_time),
        cmocka_unit_test(a_dial_that_is_abandoned_in_its_handshake_leaves_nothing),
        cmocka_unit_test(the_word_on_our_certificate_is_awaited),
        cmocka_unit_test(trust_that_has_changed_on_disk_makes_new_connections),
        cmocka_unit_test(files_are_not_read_again_for_other_addresses_of_names),
        cmocka_unit_test(tls_begins_when_the_client_is_known),
        cmocka_unit_test(a_sibling_s_connection_is_told_of_the_client_too),
        cmocka_unit_test(a_claim_that_fails_is_told_to_its_request),
        cmocka_unit_test(a_claim_ends_in_time_or_when_nobody_wants_it),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, make_certificate, free_certificate);
}
