/* Two numbers in each ticket, and OpenSSL's callbacks around sealing and opening. */
#include "tls/ticket_terms.h"

#include <openssl/ssl.h>
#include <time.h>

#include "tls/certificate.h"

static void put(unsigned char *bytes, int64_t value)
{
    for (int i = 0; i < 8; i++) {
        bytes[i] = (unsigned char)((uint64_t)value >> (56 - 8 * i));
    }
}

static int64_t get(const unsigned char *bytes)
{
    uint64_t value = 0;
    for (int i = 0; i < 8; i++) {
        value = value << 8 | bytes[i];
    }
    return (int64_t)value;
}

void ticket_terms_write(const struct ticket_terms *terms, unsigned char bytes[TICKET_TERMS_BYTES])
{
    put(bytes, terms->since_s);
    put(bytes + 8, terms->until_s);
}

/* A clock that was set back makes a ticket that seems to come from the future: its age is unknown, so it has none to spare. */
bool ticket_terms_hold(const void *bytes, size_t length, int64_t now_s)
{
    if (bytes == NULL || length != TICKET_TERMS_BYTES) {
        return false;
    }
    const unsigned char *at = bytes;
    const struct ticket_terms terms = {get(at), get(at + 8)};
    return now_s >= terms.since_s && now_s - terms.since_s < TICKET_CHAIN_S &&
           now_s < terms.until_s;
}

static int64_t chain_expires_s(SSL *ssl)
{
    const STACK_OF(X509) *chain = SSL_get0_verified_chain(ssl);
    int64_t first_s = INT64_MAX;
    for (int i = 0; i < sk_X509_num(chain); i++) {
        int64_t expires_s = certificate_expires_s(sk_X509_value(chain, i));
        first_s = expires_s < first_s ? expires_s : first_s;
    }
    return first_s;
}

/* SSL_CTX_set_session_ticket_cb(3): before a session is sealed. One that was resumed has the terms of its first ticket. */
static int on_seal(SSL *ssl, void *owner)
{
    unsigned char bytes[TICKET_TERMS_BYTES];
    (void)owner;
    if (SSL_session_reused(ssl) == 1) {
        return 1;
    }
    const struct ticket_terms terms = {(int64_t)time(NULL), chain_expires_s(ssl)};
    ticket_terms_write(&terms, bytes);
    return SSL_SESSION_set1_ticket_appdata(SSL_get_session(ssl), bytes, sizeof bytes);
}

/* The same: after a ticket was opened, or was not. */
static SSL_TICKET_RETURN on_open(SSL *ssl, SSL_SESSION *session, const unsigned char *key_name,
                                 size_t key_name_bytes, SSL_TICKET_STATUS status, void *owner)
{
    void *bytes = NULL;
    size_t length = 0;
    (void)key_name, (void)key_name_bytes, (void)owner;
    bool opened = status == SSL_TICKET_SUCCESS || status == SSL_TICKET_SUCCESS_RENEW;
    if (!opened || SSL_SESSION_get0_ticket_appdata(session, &bytes, &length) != 1 ||
        !ticket_terms_hold(bytes, length, (int64_t)time(NULL))) {
        return SSL_TICKET_RETURN_IGNORE_RENEW;
    }
    /* a client that uses each ticket once, as RFC 8446 C.4 recommends, has used this one up */
    bool renew = status == SSL_TICKET_SUCCESS_RENEW || SSL_version(ssl) == TLS1_3_VERSION;
    return renew ? SSL_TICKET_RETURN_USE_RENEW : SSL_TICKET_RETURN_USE;
}

void ticket_terms_use(SSL_CTX *context)
{
    SSL_CTX_set_session_ticket_cb(context, on_seal, on_open, NULL);
}
