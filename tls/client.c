/* Contexts by trust, and the sessions of a connection. */
#include "tls/client.h"

#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <time.h>

#include "steady/check.h"
#include "steady/fault.h"
#include "tls/certificate.h"
#include "tls/io.h"
#include "tls/trust.h"

/* Includes what old servers may need, but nothing without forward secrecy. */
#define CIPHERS_1_2 "HIGH:!aNULL:!kRSA:!PSK:!SRP:!MD5:!3DES"
/* A chain of tickets ends after this time, so that the other side proves its identity again (RFC 8446 4.6.1). */
#define VERIFIED_MS (7ull * 24 * 3600 * 1000)

TAILQ_HEAD(tls_client_list, tls_client);

struct tls_clients {
    struct tls_client_list list;
    struct session_cache *sessions;
    int note_index; /* index of the note in an SSL */
};

struct tls_client {
    TAILQ_ENTRY(tls_client) link;
    struct tls_clients *clients; /* NULL: made for a test of files */
    uint32_t references;
    SSL_CTX *context;
    bool verify;
    uint8_t trust[SESSION_TRUST_BYTES];
};

/* What an SSL carries with it; freed with it. */
struct note {
    const struct tls_target *target;
    struct session_offer offer;
    bool asked;        /* the server asked for a client certificate */
    bool heard;        /* the server has sent a session */
    uint64_t until_ms; /* new sessions may be kept until then; 0: not known yet */
};

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static const struct {
    const char *text;
    const char *wire;
} offers[] = {
#define X(id, text, wire) [id] = {text, wire},
    TLS_OFFERS(X)
#undef X
};

/* ---- all clients ---- */

static void free_note(void *parent, void *note, CRYPTO_EX_DATA *data, int index, long argl,
                      void *argp)
{
    (void)parent;
    (void)data;
    (void)index;
    (void)argl;
    (void)argp;
    free(note);
}

struct tls_clients *tls_clients_create(struct bound_registry *registry)
{
    /* Limits until the settings are known. */
    static const struct session_limits least = {
        .entries_count = 1, .per_name_count = 1, .bytes = 4096, .ttl_ms = 1000};
    uint64_t seed;
    struct tls_clients *clients = fault_hits(FAULT_ALLOC) ? NULL : calloc(1, sizeof *clients);
    if (clients == NULL || RAND_bytes((unsigned char *)&seed, sizeof seed) != 1) {
        ERR_clear_error();
        free(clients);
        return NULL;
    }
    TAILQ_INIT(&clients->list);
    clients->note_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, free_note);
    clients->sessions = session_cache_create(registry, seed, &least);
    if (clients->sessions == NULL || clients->note_index < 0) {
        ERR_clear_error();
        session_cache_free(&clients->sessions);
        free(clients);
        return NULL;
    }
    return clients;
}

void tls_clients_free(struct tls_clients **clients_pointer)
{
    struct tls_clients *clients = *clients_pointer;
    if (clients == NULL) {
        return;
    }
    *clients_pointer = NULL;
    CHECK(TAILQ_EMPTY(&clients->list));
    session_cache_free(&clients->sessions);
    free(clients);
}

struct session_cache *tls_clients_sessions(struct tls_clients *clients)
{
    return clients->sessions;
}

/* ---- what a connection brings ---- */

static struct note *note_of(const SSL *ssl)
{
    const struct tls_client *client = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    return SSL_get_ex_data(ssl, client->clients->note_index);
}

/* How long the identity that was proved now may be taken for granted. */
static uint64_t verified_ms(const SSL *ssl, bool verify)
{
    const X509 *certificate = SSL_get0_peer_certificate(ssl);
    int days, seconds;
    if (!verify || certificate == NULL) {
        return VERIFIED_MS;
    }
    if (ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(certificate)) != 1 || days < 0 ||
        seconds < 0) {
        return 0;
    }
    uint64_t left_ms = ((uint64_t)days * 24 * 3600 + (uint64_t)seconds) * 1000;
    return left_ms < VERIFIED_MS ? left_ms : VERIFIED_MS;
}

/* Called at the end of the handshake or later, also while the connection is idle. Returning 0 leaves the session to
   OpenSSL. */
static int on_session(SSL *ssl, SSL_SESSION *session)
{
    struct note *note = note_of(ssl);
    const struct tls_target *target = note->target;
    uint64_t now = now_ms();
    note->heard = true;
    if (note->until_ms == 0) {
        note->until_ms = SSL_session_reused(ssl) == 1
                             ? note->offer.until_ms
                             : now + verified_ms(ssl, target->client->verify);
    }
    uint64_t connections_count = target->connections_count != NULL
                                     ? __atomic_load_n(target->connections_count, __ATOMIC_RELAXED)
                                     : 0;
    session_cache_put(target->client->clients->sessions, &target->key, &target->address, session,
                      now, note->until_ms, connections_count);
    return 0;
}

/* The client certificate is in the context. */
static int on_certificate_wanted(SSL *ssl, void *owner)
{
    (void)owner;
    note_of(ssl)->asked = true;
    return 1;
}

/* ---- one client ---- */

static bool set_policy(SSL_CTX *context, bool verify)
{
    SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_verify(context, verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(context, on_session);
    SSL_CTX_set_cert_cb(context, on_certificate_wanted, NULL);
    return SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
           SSL_CTX_set_cipher_list(context, CIPHERS_1_2) == 1;
}

static void free_client(struct tls_client *client)
{
    SSL_CTX_free(client->context);
    free(client);
}

/* Makes the context, without trust. */
static struct tls_client *create_client(struct tls_clients *clients, bool verify)
{
    struct tls_client *client = fault_hits(FAULT_ALLOC) ? NULL : calloc(1, sizeof *client);
    if (client == NULL) {
        return NULL;
    }
    client->clients = clients;
    client->references = 1;
    client->verify = verify;
    client->context = fault_hits(FAULT_ALLOC) ? NULL : SSL_CTX_new(TLS_client_method());
    if (client->context == NULL || !set_policy(client->context, verify)) {
        ERR_clear_error();
        free_client(client);
        return NULL;
    }
    SSL_CTX_set_app_data(client->context, client);
    return client;
}

static struct tls_client *find_client(const struct tls_clients *clients,
                                      const struct tls_client *like)
{
    struct tls_client *client;
    TAILQ_FOREACH (client, &clients->list, link) {
        if (memcmp(client->trust, like->trust, sizeof client->trust) == 0) {
            return client;
        }
    }
    return NULL;
}

enum tls_client_result tls_client_obtain(struct tls_clients *clients,
                                         const struct upstream_tls_settings *settings,
                                         struct tls_client **ret_client, char *why,
                                         size_t why_bytes)
{
    struct tls_client *client = create_client(clients, settings->verify);
    if (client == NULL) {
        snprintf(why, why_bytes, "tls: no memory");
        return TLS_CLIENT_NO_MEMORY;
    }
    if (!trust_load(client->context, settings, client->trust, why, why_bytes)) {
        free_client(client);
        return TLS_CLIENT_BAD_FILE;
    }
    struct tls_client *known = clients != NULL ? find_client(clients, client) : NULL;
    if (known != NULL) {
        free_client(client);
        client = tls_client_get(known);
    } else if (clients != NULL) {
        TAILQ_INSERT_TAIL(&clients->list, client, link);
    }
    *ret_client = client;
    return TLS_CLIENT_OK;
}

int64_t tls_client_expires_s(const struct tls_client *client)
{
    const X509 *own = SSL_CTX_get0_certificate(client->context);
    return own != NULL ? certificate_expires_s(own) : 0;
}

struct tls_client *tls_client_get(struct tls_client *client)
{
    if (client != NULL) {
        client->references++;
    }
    return client;
}

void tls_client_put(struct tls_client **client_pointer)
{
    struct tls_client *client = *client_pointer;
    *client_pointer = NULL;
    if (client == NULL || --client->references > 0) {
        return;
    }
    if (client->clients != NULL) {
        TAILQ_REMOVE(&client->clients->list, client, link);
    }
    free_client(client);
}

/* ---- targets ---- */

static bool is_address(const char *name)
{
    struct address address;
    return address_from_host(name, strlen(name), 0, &address);
}

bool tls_target_init(struct tls_target *target, struct tls_client *client, const char *server_name,
                     uint16_t port, enum tls_offer offer, const struct sockaddr *address,
                     const uint64_t *connections_count)
{
    size_t bytes = strlen(server_name);
    if (bytes > 0 &&
        server_name[bytes - 1] == '.') { /* a final dot is neither sent nor in certificates */
        bytes--;
    }
    if (bytes == 0 || bytes >= sizeof target->name) {
        return false;
    }
    memcpy(target->name, server_name, bytes);
    target->name[bytes] = '\0';
    if (!session_key_init(&target->key, target->name, port, offers[offer].text, client->trust)) {
        return false;
    }
    target->address = session_address_of(address);
    target->literal = is_address(target->name);
    target->offer = offer;
    target->connections_count = connections_count;
    target->client = tls_client_get(client);
    return true;
}

void tls_target_release(struct tls_target *target)
{
    tls_client_put(&target->client);
}

/* ---- connections ---- */

static bool expect_name(SSL *ssl, const struct tls_target *target)
{
    if (target->literal) {
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), target->name) == 1;
    }
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set1_host(ssl, target->name) == 1 &&
           SSL_set_tlsext_host_name(ssl, target->name) == 1;
}

static bool offer_protocols(SSL *ssl, enum tls_offer offer)
{
    const char *wire = offers[offer].wire;
    return SSL_set_alpn_protos(ssl, (const unsigned char *)wire, (unsigned)strlen(wire)) == 0;
}

static void offer_session(SSL *ssl, const struct tls_target *target, struct note *note)
{
    SSL_SESSION *session = session_cache_take(target->client->clients->sessions, &target->key,
                                              &target->address, now_ms(), &note->offer);
    if (session != NULL && SSL_set_session(ssl, session) != 1) {
        note->offer = (struct session_offer){0};
    }
    SSL_SESSION_free(session);
}

bool tls_client_begin(const struct tls_target *target, struct stream *stream,
                      struct tls_scratch *scratch)
{
    const struct tls_client *client = target->client;
    struct note *note = fault_hits(FAULT_ALLOC) ? NULL : calloc(1, sizeof *note);
    SSL *ssl = note != NULL && !fault_hits(FAULT_ALLOC) ? SSL_new(client->context) : NULL;
    if (ssl == NULL || SSL_set_ex_data(ssl, client->clients->note_index, note) != 1) {
        free(note);
    } else {
        note->target = target;
        SSL_set_connect_state(ssl);
        if (expect_name(ssl, target) && offer_protocols(ssl, target->offer)) {
            offer_session(ssl, target, note);
            if (stream_start_tls(stream, ssl, scratch)) {
                return true;
            }
        }
    }
    SSL_free(ssl);
    ERR_clear_error();
    return false;
}

bool tls_client_finish(const struct stream *stream, bool succeeded)
{
    const SSL *ssl = tls_io_ssl(stream->tls);
    struct note *note = note_of(ssl);
    bool resumed = succeeded && SSL_session_reused(ssl) == 1;
    session_cache_judge(note->target->client->clients->sessions, &note->target->key, &note->offer,
                        resumed     ? SESSION_ACCEPTED
                        : succeeded ? SESSION_DECLINED
                                    : SESSION_SPOILT);
    return resumed;
}

int64_t tls_client_peer_expires_s(const struct stream *stream)
{
    const X509 *certificate = SSL_get0_peer_certificate(tls_io_ssl(stream->tls));
    return certificate != NULL ? certificate_expires_s(certificate) : 0;
}

bool tls_client_chose_http2(const struct stream *stream)
{
    const unsigned char *chosen;
    unsigned bytes;
    SSL_get0_alpn_selected(tls_io_ssl(stream->tls), &chosen, &bytes);
    return bytes == 2 && memcmp(chosen, "h2", bytes) == 0;
}

bool tls_client_confirmed(const struct stream *stream)
{
    const SSL *ssl = tls_io_ssl(stream->tls);
    const struct note *note = note_of(ssl);
    return !note->asked || note->heard || SSL_version(ssl) < TLS1_3_VERSION;
}
