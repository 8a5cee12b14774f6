/* Probes over TLS: judged by the handshake, or by what comes after it; why one failed is told. */
#include "tests/unit/tls_rig.h"

#include <arpa/inet.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>

#include "pool/probe.h"

/* ---- a server on a thread of its own: one connection ---- */

struct server {
    int fd;
    uint16_t port;
    SSL_CTX *context; /* NULL: it speaks plainly, and is the first to speak */
    const char *says; /* after a request; NULL: it waits for the end */
    pthread_t thread;
};

static void serve_tls(struct server *server, int fd)
{
    char room[2048];
    SSL *ssl = rig_ssl(server->context, true);
    SSL_set_fd(ssl, fd);
    if (SSL_accept(ssl) == 1 && server->says != NULL && SSL_read(ssl, room, sizeof room) > 0) {
        SSL_write(ssl, server->says, (int)strlen(server->says));
        SSL_shutdown(ssl);
    } else {
        (void)!recv(fd, room, sizeof room, 0);
    }
    ERR_clear_error();
    SSL_free(ssl);
}

static void *server_run(void *arg)
{
    struct server *server = arg;
    int fd = accept(server->fd, NULL, NULL);
    if (fd < 0) {
        return NULL;
    }
    if (server->context != NULL) {
        serve_tls(server, fd);
    } else {
        (void)!send(fd, "220 mail.example ready\r\n", 24, MSG_NOSIGNAL);
    }
    close(fd);
    return NULL;
}

static void server_start(struct server *server, SSL_CTX *context, const char *says)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    *server = (struct server){.context = context, .says = says};
    server->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(server->fd, (struct sockaddr *)&address, length), 0);
    assert_int_equal(listen(server->fd, 4), 0);
    assert_int_equal(getsockname(server->fd, (struct sockaddr *)&address, &length), 0);
    server->port = ntohs(address.sin_port);
    assert_int_equal(pthread_create(&server->thread, NULL, server_run, server), 0);
}

static void server_end(struct server *server)
{
    pthread_join(server->thread, NULL);
    close(server->fd);
}

/* ---- a probe and its way to TLS ---- */

struct prober {
    struct rig rig; /* its client side only */
    struct event_base *base;
    struct bound fds, in_flight;
    struct probe_security security;
    unsigned shaken_count, succeeded_count;
    bool begins, told;
    struct probe_report report;
};

static bool begin(struct stream *stream, void *owner)
{
    struct prober *prober = owner;
    struct ssl_st *ssl = rig_ssl(prober->rig.client_side, false);
    if (prober->begins && stream_start_tls(stream, ssl, prober->rig.room)) {
        return true;
    }
    SSL_free(ssl);
    return false;
}

static void shaken(const struct stream *stream, bool succeeded, void *owner)
{
    struct prober *prober = owner;
    assert_true(stream->tls != NULL);
    prober->shaken_count++;
    prober->succeeded_count += succeeded;
}

static void on_done(const struct probe_report *report, void *owner)
{
    struct prober *prober = owner;
    assert_false(prober->told);
    prober->told = true;
    prober->report = *report;
}

static void prober_init(struct prober *prober)
{
    memset(prober, 0, sizeof *prober);
    rig_open(&prober->rig, TLS1_3_VERSION);
    prober->base = event_base_new();
    bound_init(&prober->fds, "fds", NULL, 10);
    bound_init(&prober->in_flight, "health_probes", NULL, 10);
    prober->security = (struct probe_security){begin, shaken, prober};
    prober->begins = true;
}

static struct probe_report probe_once(struct prober *prober, enum health_type type, uint16_t port)
{
    const struct health_settings settings = {
        .type = type, .path = "/up", .timeout_ms = 5000, .status_first = 200, .status_last = 299};
    const struct probe_env env = {prober->base, &prober->fds, &prober->in_flight, NULL, on_done};
    struct probe_target target = {
        .host = "a", .settings = &settings, .security = &prober->security};
    assert_true(address_from_host("127.0.0.1", 9, port, &target.address));
    prober->told = false;
    assert_non_null(probe_start(&env, &target, prober));
    while (!prober->told) {
        assert_int_equal(event_base_loop(prober->base, EVLOOP_ONCE), 0);
    }
    assert_int_equal(bound_used(&prober->fds) + bound_used(&prober->in_flight), 0);
    return prober->report;
}

static void prober_end(struct prober *prober)
{
    event_base_free(prober->base);
    rig_close(&prober->rig);
}

static void a_handshake_is_enough_for_tls_probes(void **state)
{
    struct prober prober;
    struct server server;
    (void)state;
    prober_init(&prober);
    server_start(&server, prober.rig.server_side, NULL);
    assert_int_equal(probe_once(&prober, HEALTH_TLS, server.port).result, PROBE_GOOD);
    assert_int_equal(prober.succeeded_count, 1);
    server_end(&server);
    prober_end(&prober);
}

static void http_probes_are_judged_by_what_comes_after_the_handshake(void **state)
{
    static const struct {
        const char *says;
        enum probe_result result;
        unsigned status;
    } cases[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", PROBE_GOOD, 200},
        {"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", PROBE_STATUS, 503},
        {"SSH-2.0-OpenSSH_9.2\r\n", PROBE_NOT_HTTP, 0},
        {"HTTP/1.1", PROBE_BROKEN, 0},
        {"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", PROBE_GOOD, 200},
        {"HTTP/1.1 100 \r\n\r\nHTTP/1.1 102 Wait\r\n\r\nHTTP/1.1 503 No\r\n\r\n", PROBE_STATUS,
         503},
        {"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nSSH-2.0-OpenSSH_9.2\r\n", PROBE_NOT_HTTP,
         0},
        {"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n", PROBE_BROKEN, 0},
        {"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n", PROBE_STATUS, 101},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct prober prober;
        struct server server;
        prober_init(&prober);
        server_start(&server, prober.rig.server_side, cases[i].says);
        struct probe_report report = probe_once(&prober, HEALTH_HTTP, server.port);
        assert_int_equal(report.result, cases[i].result);
        assert_int_equal(report.status, cases[i].status);
        assert_int_equal(prober.succeeded_count, 1);
        server_end(&server);
        prober_end(&prober);
    }
}

static void who_does_not_speak_tls_is_told_from_who_does_not_listen(void **state)
{
    struct prober prober;
    struct server server;
    (void)state;
    prober_init(&prober);
    server_start(&server, NULL, NULL);
    struct probe_report report = probe_once(&prober, HEALTH_TLS, server.port);
    assert_int_equal(report.result, PROBE_NO_TLS);
    assert_int_equal(report.tls, TLS_FAILURE_NOT_TLS);
    assert_int_equal(prober.shaken_count, 1);
    assert_int_equal(prober.succeeded_count, 0);
    server_end(&server);
    report = probe_once(&prober, HEALTH_TLS, server.port);
    assert_int_equal(report.result, PROBE_NO_CONNECTION);
    assert_int_equal(report.dial, DIAL_REFUSED);
    prober_end(&prober);
}

static void no_memory_for_tls_is_told(void **state)
{
    struct prober prober;
    struct server server;
    (void)state;
    prober_init(&prober);
    prober.begins = false;
    server_start(&server, prober.rig.server_side, NULL);
    struct probe_report report = probe_once(&prober, HEALTH_TLS, server.port);
    assert_int_equal(report.result, PROBE_NO_TLS);
    assert_int_equal(report.tls, TLS_FAILURE_NO_MEMORY);
    server_end(&server);
    prober_end(&prober);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_handshake_is_enough_for_tls_probes),
        cmocka_unit_test(http_probes_are_judged_by_what_comes_after_the_handshake),
        cmocka_unit_test(who_does_not_speak_tls_is_told_from_who_does_not_listen),
        cmocka_unit_test(no_memory_for_tls_is_told),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
