/* What tests of TLS share: a certificate made on the spot, and both ends of a connection in one process. */
#ifndef EVENKEEL_TESTS_UNIT_TLS_RIG_H
#define EVENKEEL_TESTS_UNIT_TLS_RIG_H

#include "tests/unit/unit.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

#include "steady/bound.h"
#include "steady/buf.h"
#include "steady/loop_clock.h"
#include "tls/scratch.h"
#include "tls/stream.h"

static inline EVP_PKEY *rig_key(void)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    assert_non_null(key);
    return key;
}

static inline X509 *rig_certificate(EVP_PKEY *key, const char *name)
{
    X509 *certificate = X509_new();
    assert_int_equal(X509_set_version(certificate, 2), 1);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_NAME *subject = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(certificate, subject);
    X509_set_pubkey(certificate, key);
    assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
    return certificate;
}

/* Two streams that are connected, and the contexts behind them. */
struct rig {
    struct bound bytes;
    struct buf_pool *bufs;
    struct loop_clock clock;
    struct tls_scratch *room;
    SSL_CTX *server_side, *client_side;
    struct stream server, client;
};

static inline struct ssl_st *rig_ssl(SSL_CTX *context, bool server)
{
    SSL *ssl = SSL_new(context);
    assert_non_null(ssl);
    if (server) {
        SSL_set_accept_state(ssl);
    } else {
        SSL_set_connect_state(ssl);
    }
    return ssl;
}

static inline void rig_open_on(struct rig *rig, int version, const int fds[2])
{
    *rig = (struct rig){0};
    bound_init(&rig->bytes, "buffers_bytes", NULL, 64 * 1024 * 1024);
    rig->bufs = buf_pool_create(&rig->bytes);
    rig->room = tls_scratch_create(rig->bufs, &rig->clock);
    assert_non_null(rig->room);
    rig->server_side = SSL_CTX_new(TLS_server_method());
    rig->client_side = SSL_CTX_new(TLS_client_method());
    EVP_PKEY *key = rig_key();
    X509 *certificate = rig_certificate(key, "rig.test");
    assert_int_equal(SSL_CTX_use_certificate(rig->server_side, certificate), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(rig->server_side, key), 1);
    X509_free(certificate);
    EVP_PKEY_free(key);
    SSL_CTX *const both[] = {rig->server_side, rig->client_side};
    for (int i = 0; i < 2; i++) {
        SSL_CTX_set_mode(both[i], SSL_MODE_RELEASE_BUFFERS);
        SSL_CTX_set_min_proto_version(both[i], version);
        SSL_CTX_set_max_proto_version(both[i], version);
    }
    stream_init(&rig->server, fds[0]);
    stream_init(&rig->client, fds[1]);
    assert_true(stream_start_tls(&rig->server, rig_ssl(rig->server_side, true), rig->room));
    assert_true(stream_start_tls(&rig->client, rig_ssl(rig->client_side, false), rig->room));
}

static inline void rig_open(struct rig *rig, int version)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    rig_open_on(rig, version, fds);
}

/* Two ends of a connection over TCP, without Nagle's algorithm, as clients have it. */
static inline void rig_connect_tcp(int ret_fds[2])
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    assert_int_equal(bind(listener, (struct sockaddr *)&address, length), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &length), 0);
    ret_fds[1] = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(ret_fds[1], (struct sockaddr *)&address, length), 0);
    ret_fds[0] = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
    assert_true(ret_fds[0] >= 0);
    assert_int_equal(fcntl(ret_fds[1], F_SETFL, O_NONBLOCK), 0);
    assert_int_equal(setsockopt(ret_fds[0], IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), 0);
    close(listener);
}

static inline void rig_open_tcp(struct rig *rig, int version)
{
    int fds[2];
    rig_connect_tcp(fds);
    rig_open_on(rig, version, fds);
}

static inline void rig_shake(struct rig *rig)
{
    enum stream_result server = STREAM_BLOCKED, client = STREAM_BLOCKED;
    for (int i = 0; i < 10 && (server == STREAM_BLOCKED || client == STREAM_BLOCKED); i++) {
        if (client == STREAM_BLOCKED) {
            client = stream_handshake(&rig->client);
        }
        if (server == STREAM_BLOCKED) {
            server = stream_handshake(&rig->server);
        }
    }
    assert_int_equal(client, STREAM_OK);
    assert_int_equal(server, STREAM_OK);
}

/* Nothing of the streams may be left behind, in buffers or in the error queue. */
static inline void rig_close(struct rig *rig)
{
    stream_close(&rig->server, false);
    stream_close(&rig->client, false);
    assert_int_equal(ERR_peek_error(), 0);
    tls_scratch_free(&rig->room);
    buf_pool_free(rig->bufs);
    assert_int_equal(bound_used(&rig->bytes), 0);
    SSL_CTX_free(rig->server_side);
    SSL_CTX_free(rig->client_side);
}

#endif
