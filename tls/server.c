/* Contexts for certificates, and the callbacks of a handshake. */
#include "tls/server.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "steady/fault.h"
#include "tls/certificate.h"
#include "tls/io.h"
#include "tls/server_names.h"
#include "tls/staple.h"

/* RFC 9325 4.2: only forward secrecy and authenticated encryption. The client's order decides, because it knows its
   hardware. */
#define CIPHERS_1_2                                              \
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:" \
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:" \
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
#define GROUPS "X25519:P-256:P-384"
/* Of TLS 1.3, for each full handshake: clients that open a second connection at once, as browsers do, resume both later. A resumed
   handshake brings one, for the one that it has used up. */
#define TICKETS 2

/* One set of names, with a certificate for each kind of key. */
struct certificate_group {
    SSL_CTX *context;
    struct server_names names;
    char *first_name;
};

/* In the order of the settings, for figures. */
struct certificate_row {
    X509 *leaf;
    const char *first_name; /* that of its group */
};

struct tls_server {
    uint32_t references;
    struct certificate_group *groups; /* the first is the default */
    unsigned group_count;
    struct server_names names; /* -> group */
    /* [number of the certificate] */
    struct certificate_row *rows;
    struct staple *staples;
    size_t certificate_count;
    /* what ALPN offers, as it stands in a handshake; empty: nothing is chosen */
    unsigned char alpn[32];
    unsigned alpn_bytes;
};

/* ---- in a handshake ---- */

/* RFC 7301 3.2: a client without a common protocol is refused. */
static int on_alpn(SSL *ssl, const unsigned char **ret_chosen, unsigned char *ret_length,
                   const unsigned char *offered, unsigned offered_bytes, void *owner)
{
    const struct tls_server *server = owner;
    (void)ssl;
    unsigned char *chosen;
    if (SSL_select_next_proto(&chosen, ret_length, server->alpn, server->alpn_bytes, offered,
                              offered_bytes) != OPENSSL_NPN_NEGOTIATED) {
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    }
    *ret_chosen = chosen;
    return SSL_TLSEXT_ERR_OK;
}

/* An unknown name gets the default certificate, because the client judges certificates. */
static int on_name(SSL *ssl, int *ret_alert, void *owner)
{
    const struct tls_server *server = owner;
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    unsigned index;
    (void)ret_alert;
    if (name == NULL) {
        return SSL_TLSEXT_ERR_NOACK;
    }
    if (server_names_find(&server->names, name, &index) && index != 0) {
        SSL_set_SSL_CTX(ssl, server->groups[index].context);
    }
    return SSL_TLSEXT_ERR_OK;
}

static int on_status(SSL *ssl, void *owner)
{
    const struct tls_server *server = owner;
    return staple_answer(ssl, server->staples, server->certificate_count);
}

/* ---- building ---- */

struct building {
    const struct listener_tls_settings *settings;
    struct tls_tickets *tickets;
    struct tls_server *server;
    char *why;
    size_t why_bytes;
};

static enum tls_server_result no_memory(struct building *building)
{
    ERR_clear_error();
    snprintf(building->why, building->why_bytes, "tls: no memory");
    return TLS_SERVER_NO_MEMORY;
}

static bool digest_authorities(EVP_MD_CTX *digest, SSL_CTX *context)
{
    const STACK_OF(X509_OBJECT) *all = X509_STORE_get0_objects(SSL_CTX_get_cert_store(context));
    for (int i = 0; i < sk_X509_OBJECT_num(all); i++) {
        unsigned char fingerprint[EVP_MAX_MD_SIZE];
        unsigned bytes = 0;
        const X509 *authority = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(all, i));
        if (authority != NULL && (X509_digest(authority, EVP_sha256(), fingerprint, &bytes) != 1 ||
                                  EVP_DigestUpdate(digest, fingerprint, bytes) != 1)) {
            return false;
        }
    }
    return true;
}

/* A session of a listener with another trust in clients, also of this one before its CA file was replaced, is not
   resumed: the client's identity is part of the session, and would not be checked again. */
static bool set_session_scope(SSL_CTX *context, const struct listener_tls_settings *settings)
{
    const unsigned char client_auth = (unsigned char)settings->client_auth;
    unsigned char scope[EVP_MAX_MD_SIZE];
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    bool set = digest != NULL && EVP_DigestInit_ex(digest, EVP_sha256(), NULL) == 1 &&
               EVP_DigestUpdate(digest, &client_auth, sizeof client_auth) == 1 &&
               digest_authorities(digest, context) &&
               EVP_DigestFinal_ex(digest, scope, NULL) == 1 &&
               SSL_CTX_set_session_id_context(context, scope, SSL_MAX_SID_CTX_LENGTH) == 1;
    EVP_MD_CTX_free(digest);
    return set;
}

static bool set_policy(SSL_CTX *context, const struct listener_tls_settings *settings)
{
    SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(context, settings->tickets ? TICKETS : 0);
    if (!settings->tickets) {
        SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
    }
    int least = settings->min_version == TLS_VERSION_1_3 ? TLS1_3_VERSION : TLS1_2_VERSION;
    return SSL_CTX_set_min_proto_version(context, least) == 1 &&
           SSL_CTX_set_cipher_list(context, CIPHERS_1_2) == 1 &&
           SSL_CTX_set1_groups_list(context, GROUPS) == 1;
}

static enum tls_server_result set_client_trust(struct building *building, SSL_CTX *context)
{
    const struct listener_tls_settings *settings = building->settings;
    if (settings->client_ca[0] == '\0') {
        return TLS_SERVER_OK;
    }
    STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(settings->client_ca);
    if (names == NULL || SSL_CTX_load_verify_file(context, settings->client_ca) != 1) {
        char words[160];
        sk_X509_NAME_pop_free(names, X509_NAME_free);
        snprintf(building->why, building->why_bytes, "tls.client_ca %s: %s", settings->client_ca,
                 openssl_words(words, sizeof words));
        return TLS_SERVER_BAD_FILE;
    }
    certificate_authorities_settle(context);
    SSL_CTX_set_client_CA_list(context, names);
    SSL_CTX_set_verify(context,
                       settings->client_auth == CLIENT_AUTH_REQUIRED
                           ? SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT
                           : SSL_VERIFY_PEER,
                       NULL);
    return TLS_SERVER_OK;
}

static bool same_names(const struct server_names *a, const struct server_names *b)
{
    bool same = a->count == b->count;
    for (size_t i = 0; same && i < a->count; i++) {
        same = a->items[i].wildcard == b->items[i].wildcard &&
               strcmp(a->items[i].name, b->items[i].name) == 0;
    }
    return same;
}

static bool has_key_like(SSL_CTX *context, const EVP_PKEY *key)
{
    bool has = false;
    for (int more = SSL_CTX_set_current_cert(context, SSL_CERT_SET_FIRST); more == 1 && !has;
         more = SSL_CTX_set_current_cert(context, SSL_CERT_SET_NEXT)) {
        const EVP_PKEY *other = SSL_CTX_get0_privatekey(context);
        has = other != NULL && EVP_PKEY_get_base_id(other) == EVP_PKEY_get_base_id(key);
    }
    return has;
}

/* The group with the same names that has no certificate with such a key yet, so that ECDSA and RSA are side by side. */
static struct certificate_group *find_group(struct tls_server *server,
                                            const struct server_names *names, const EVP_PKEY *key)
{
    for (unsigned i = 0; i < server->group_count; i++) {
        struct certificate_group *group = &server->groups[i];
        if (same_names(&group->names, names) && !has_key_like(group->context, key)) {
            return group;
        }
    }
    return NULL;
}

/* Takes the names over. */
static enum tls_server_result add_group(struct building *building, struct server_names *names,
                                        struct certificate_group **ret_group)
{
    struct tls_server *server = building->server;
    struct certificate_group *group = &server->groups[server->group_count++];
    group->names = *names;
    *names = (struct server_names){0};
    group->first_name = group->names.count > 0 ? group->names.items[0].name : NULL;
    group->context = SSL_CTX_new(TLS_server_method());
    if (group->context == NULL || !set_policy(group->context, building->settings)) {
        return no_memory(building);
    }
    if (building->tickets != NULL && building->settings->tickets) {
        tls_tickets_use(building->tickets, group->context);
    }
    if (server->alpn_bytes > 0) {
        SSL_CTX_set_alpn_select_cb(group->context, on_alpn, server);
    }
    SSL_CTX_set_tlsext_servername_callback(group->context, on_name);
    SSL_CTX_set_tlsext_servername_arg(group->context, server);
    SSL_CTX_set_tlsext_status_cb(group->context, on_status);
    SSL_CTX_set_tlsext_status_arg(group->context, server);
    *ret_group = group;
    enum tls_server_result result = set_client_trust(building, group->context);
    if (result == TLS_SERVER_OK && !set_session_scope(group->context, building->settings)) {
        result = no_memory(building);
    }
    return result;
}

static enum tls_server_result add_loaded(struct building *building,
                                         const struct certificate *certificate, size_t number)
{
    const char *path = building->settings->certificates[number].cert;
    struct tls_server *server = building->server;
    struct server_names names = {0};
    struct certificate_group *group = NULL;
    enum tls_server_result result = TLS_SERVER_OK;
    if (!certificate_names(certificate, &names, server->group_count)) {
        result = no_memory(building);
    }
    server_names_seal(&names);
    if (result == TLS_SERVER_OK) {
        group = find_group(server, &names, certificate->key);
        if (group == NULL) {
            result = add_group(building, &names, &group);
        }
    }
    server_names_release(&names);
    if (result == TLS_SERVER_OK && !certificate_use(certificate, group->context)) {
        char words[160];
        snprintf(building->why, building->why_bytes, "certificate %s: %s", path,
                 openssl_words(words, sizeof words));
        result = TLS_SERVER_BAD_FILE;
    }
    if (result == TLS_SERVER_OK) {
        X509_up_ref(certificate->leaf);
        server->rows[number] = (struct certificate_row){certificate->leaf, group->first_name};
    }
    return result;
}

static enum tls_server_result add_certificate(struct building *building, size_t number)
{
    const struct certificate_settings *settings = &building->settings->certificates[number];
    struct certificate certificate;
    char why[512];
    if (!certificate_load(settings->cert, settings->key, &certificate, why, sizeof why)) {
        snprintf(building->why, building->why_bytes, "tls.certificates.[%zu]: %s", number, why);
        return TLS_SERVER_BAD_FILE;
    }
    enum tls_server_result result = add_loaded(building, &certificate, number);
    if (result == TLS_SERVER_OK && settings->ocsp[0] != '\0' &&
        !staple_load(settings->ocsp, certificate.leaf, &building->server->staples[number], why,
                     sizeof why)) {
        snprintf(building->why, building->why_bytes, "tls.certificates.[%zu]: %s", number, why);
        result = TLS_SERVER_BAD_FILE;
    }
    certificate_release(&certificate);
    return result;
}

static enum tls_server_result index_names(struct building *building)
{
    struct tls_server *server = building->server;
    for (unsigned g = 0; g < server->group_count; g++) {
        const struct server_names *names = &server->groups[g].names;
        for (size_t i = 0; i < names->count; i++) {
            char name[260];
            snprintf(name, sizeof name, "%s%s", names->items[i].wildcard ? "*" : "",
                     names->items[i].name);
            if (!server_names_add(&server->names, name, strlen(name), g)) {
                return no_memory(building);
            }
        }
    }
    server_names_seal(&server->names);
    return TLS_SERVER_OK;
}

/* Repetitions beyond the space change nothing: the first of a protocol counts. */
static void set_alpn(struct tls_server *server, const struct listener_tls_settings *settings)
{
    for (size_t i = 0; i < settings->alpn_count; i++) {
        size_t bytes = strlen(settings->alpn[i]);
        if (server->alpn_bytes + 1 + bytes <= sizeof server->alpn) {
            server->alpn[server->alpn_bytes++] = (unsigned char)bytes;
            memcpy(server->alpn + server->alpn_bytes, settings->alpn[i], bytes);
            server->alpn_bytes += (unsigned)bytes;
        }
    }
}

static struct tls_server *allocate(size_t certificate_count)
{
    struct tls_server *server = fault_hits(FAULT_ALLOC) ? NULL : calloc(1, sizeof *server);
    if (server == NULL) {
        return NULL;
    }
    server->groups = calloc(certificate_count + 1, sizeof *server->groups);
    server->rows = calloc(certificate_count + 1, sizeof *server->rows);
    server->staples = calloc(certificate_count + 1, sizeof *server->staples);
    server->certificate_count = certificate_count;
    if (server->groups != NULL && server->rows != NULL && server->staples != NULL) {
        return server;
    }
    free(server->groups);
    free(server->rows);
    free(server->staples);
    free(server);
    return NULL;
}

enum tls_server_result tls_server_create(const struct listener_tls_settings *settings,
                                         struct tls_tickets *tickets,
                                         struct tls_server **ret_server, char *why,
                                         size_t why_bytes)
{
    struct tls_server *server = allocate(settings->certificate_count);
    struct building building = {settings, tickets, server, why, why_bytes};
    if (server == NULL) {
        return no_memory(&building);
    }
    server->references = 1;
    set_alpn(server, settings);
    enum tls_server_result result = TLS_SERVER_OK;
    for (size_t i = 0; result == TLS_SERVER_OK && i < settings->certificate_count; i++) {
        result = add_certificate(&building, i);
    }
    if (result == TLS_SERVER_OK) {
        result = index_names(&building);
    }
    if (result != TLS_SERVER_OK) {
        tls_server_put(&server);
        return result;
    }
    *ret_server = server;
    return TLS_SERVER_OK;
}

struct tls_server *tls_server_get(struct tls_server *server)
{
    if (server != NULL) {
        __atomic_add_fetch(&server->references, 1, __ATOMIC_RELAXED);
    }
    return server;
}

void tls_server_put(struct tls_server **server_pointer)
{
    struct tls_server *server = *server_pointer;
    *server_pointer = NULL;
    if (server == NULL || __atomic_sub_fetch(&server->references, 1, __ATOMIC_ACQ_REL) > 0) {
        return;
    }
    for (unsigned i = 0; i < server->group_count; i++) {
        SSL_CTX_free(server->groups[i].context);
        server_names_release(&server->groups[i].names);
    }
    for (size_t i = 0; i < server->certificate_count; i++) {
        X509_free(server->rows[i].leaf);
        staple_release(&server->staples[i]);
    }
    free(server->rows);
    free(server->staples);
    server_names_release(&server->names);
    free(server->groups);
    free(server);
}

/* ---- connections ---- */

bool tls_server_accept(struct tls_server *server, struct stream *stream,
                       struct tls_scratch *scratch)
{
    SSL *ssl = SSL_new(server->groups[0].context);
    if (ssl != NULL) {
        SSL_set_accept_state(ssl);
        if (stream_start_tls(stream, ssl, scratch)) {
            return true;
        }
    }
    SSL_free(ssl);
    ERR_clear_error();
    return false;
}

struct tls_agreement tls_agreement(const struct stream *stream)
{
    SSL *ssl = tls_io_ssl(stream->tls);
    const unsigned char *protocol;
    unsigned protocol_bytes;
    SSL_get0_alpn_selected(ssl, &protocol, &protocol_bytes);
    return (struct tls_agreement){
        .resumed = SSL_session_reused(ssl) == 1,
        .version = SSL_get_version(ssl),
        .cipher = SSL_get_cipher_name(ssl),
        .name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name),
        .http2 = protocol_bytes == 2 && memcmp(protocol, "h2", 2) == 0,
    };
}

bool tls_server_misdirects(const struct tls_server *server, const struct stream *stream,
                           const char *host, size_t host_bytes)
{
    const char *asked = SSL_get_servername(tls_io_ssl(stream->tls), TLSEXT_NAMETYPE_host_name);
    if (asked == NULL || (strncmp(asked, host, host_bytes) == 0 && asked[host_bytes] == '\0')) {
        return false;
    }
    char name[HOST_NAME_MOST_BYTES + 1];
    unsigned shown, wanted;
    if (host_bytes > HOST_NAME_MOST_BYTES || !server_names_find(&server->names, asked, &shown)) {
        return false;
    }
    memcpy(name, host, host_bytes);
    name[host_bytes] = '\0';
    return !server_names_find(&server->groups[shown].names, name, &wanted) &&
           server_names_find(&server->names, name, &wanted);
}

/* RFC 2253 escapes quotes with a backslash, as a quoted string wants them; control bytes and other scripts come as \XX. */
static char *describe(X509 *certificate)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned digest_bytes = 0;
    char *text = NULL;
    size_t text_bytes = 0;
    FILE *out = open_memstream(&text, &text_bytes);
    BIO *subject = BIO_new(BIO_s_mem());
    if (out != NULL && subject != NULL &&
        X509_digest(certificate, EVP_sha256(), digest, &digest_bytes) == 1 &&
        X509_NAME_print_ex(subject, X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253) >= 0) {
        char *bytes;
        long length = BIO_get_mem_data(subject, &bytes);
        fputs("Hash=", out);
        for (unsigned i = 0; i < digest_bytes; i++) {
            fprintf(out, "%02x", digest[i]);
        }
        fprintf(out, ";Subject=\"%.*s\"", (int)length, bytes);
    }
    BIO_free(subject);
    ERR_clear_error();
    if (out == NULL || fclose(out) != 0 || text_bytes == 0) {
        free(text);
        return NULL;
    }
    return text;
}

char *tls_client_certificate(const struct stream *stream)
{
    SSL *ssl = tls_io_ssl(stream->tls);
    X509 *certificate = SSL_get0_peer_certificate(ssl);
    return certificate != NULL && SSL_get_verify_result(ssl) == X509_V_OK ? describe(certificate)
                                                                          : NULL;
}

void tls_server_each_certificate(const struct tls_server *server, tls_certificate_fn *each,
                                 void *owner)
{
    for (size_t i = 0; i < server->certificate_count; i++) {
        const struct certificate_row *row = &server->rows[i];
        const EVP_PKEY *key = X509_get0_pubkey(row->leaf);
        const struct tls_certificate_figures figures = {
            .number = i,
            .name = row->first_name != NULL ? row->first_name : "",
            .type = key != NULL ? EVP_PKEY_get0_type_name(key) : "",
            .expires_s = certificate_expires_s(row->leaf),
        };
        each(&figures, owner);
    }
}
