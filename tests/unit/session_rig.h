/* Real sessions for tests: one handshake in memory, then copies that are told apart by their session id. */
#ifndef EVENKEEL_TESTS_UNIT_SESSION_RIG_H
#define EVENKEEL_TESTS_UNIT_SESSION_RIG_H

#include "tests/unit/unit.h"

#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

struct session_rig {
    SSL_CTX *server, *client;
    SSL_SESSION *model; /* the last one the client was given */
};

static inline int session_rig_keep(SSL *ssl, SSL_SESSION *session)
{
    struct session_rig *rig = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    SSL_SESSION_free(rig->model);
    rig->model = session;
    return 1;
}

static inline void session_rig_certify(SSL_CTX *server)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_set_pubkey(certificate, key);
    assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
    assert_int_equal(SSL_CTX_use_certificate(server, certificate), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(server, key), 1);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

/* offered: may be NULL. Whether it was resumed. */
static inline bool session_rig_shake(struct session_rig *rig, SSL_SESSION *offered)
{
    SSL *server = SSL_new(rig->server), *client = SSL_new(rig->client);
    if (offered != NULL) {
        assert_int_equal(SSL_set_session(client, offered), 1);
    }
    BIO *server_end, *client_end;
    assert_int_equal(BIO_new_bio_pair(&server_end, 0, &client_end, 0), 1);
    SSL_set_bio(server, server_end, server_end);
    SSL_set_bio(client, client_end, client_end);
    SSL_set_accept_state(server);
    SSL_set_connect_state(client);
    for (int i = 0; i < 10; i++) {
        char byte;
        (void)SSL_do_handshake(client);
        (void)SSL_do_handshake(server);
        (void)SSL_read(client, &byte, 1);
    }
    assert_true(SSL_is_init_finished(client));
    bool resumed = SSL_session_reused(client);
    /* An end without a farewell would make its sessions unusable. */
    SSL_shutdown(client);
    SSL_shutdown(server);
    SSL_free(client);
    SSL_free(server);
    return resumed;
}

/* version: TLS1_2_VERSION or TLS1_3_VERSION; hint_s: how long the server says its tickets live. */
static inline void session_rig_init(struct session_rig *rig, int version, long hint_s)
{
    *rig = (struct session_rig){SSL_CTX_new(TLS_server_method()), SSL_CTX_new(TLS_client_method()),
                                NULL};
    session_rig_certify(rig->server);
    SSL_CTX_set_min_proto_version(rig->client, version);
    SSL_CTX_set_max_proto_version(rig->client, version);
    SSL_CTX_set_timeout(rig->server, hint_s);
    SSL_CTX_set_session_cache_mode(rig->client, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_set_app_data(rig->client, rig);
    SSL_CTX_sess_set_new_cb(rig->client, session_rig_keep);
    assert_false(session_rig_shake(rig, NULL));
    assert_non_null(rig->model);
    assert_int_equal(SSL_SESSION_is_resumable(rig->model), 1);
}

static inline void session_rig_release(struct session_rig *rig)
{
    SSL_SESSION_free(rig->model);
    SSL_CTX_free(rig->server);
    SSL_CTX_free(rig->client);
}

/* A session that session_rig_number() knows again; the caller's to free. */
static inline SSL_SESSION *session_rig_numbered(const struct session_rig *rig, uint32_t number)
{
    SSL_SESSION *session = SSL_SESSION_dup(rig->model);
    unsigned char id[SSL_MAX_SSL_SESSION_ID_LENGTH] = {0};
    memcpy(id, &number, sizeof number);
    assert_int_equal(SSL_SESSION_set1_id(session, id, sizeof id), 1);
    return session;
}

static inline uint32_t session_rig_number(const SSL_SESSION *session)
{
    unsigned bytes;
    uint32_t number;
    memcpy(&number, SSL_SESSION_get_id(session, &bytes), sizeof number);
    return number;
}

#define FOREVER_MS (UINT64_MAX / 2)
#define HINT_S 7200

#endif
