/* Every part of the trust goes into the digest, each after a tag and its length. */
#include "tls/trust.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tls/certificate.h"

struct loading {
    SSL_CTX *context;
    EVP_MD_CTX *digest;
    bool digested; /* everything so far is digested */
    char *why;
    size_t why_bytes;
};

static void add_part(struct loading *loading, const char *tag, const void *bytes, size_t byte_count)
{
    uint64_t length = byte_count;
    loading->digested = loading->digested &&
                        EVP_DigestUpdate(loading->digest, tag, strlen(tag) + 1) == 1 &&
                        EVP_DigestUpdate(loading->digest, &length, sizeof length) == 1 &&
                        EVP_DigestUpdate(loading->digest, bytes, byte_count) == 1;
}

static void add_certificate(struct loading *loading, const char *tag, const X509 *certificate)
{
    unsigned char fingerprint[EVP_MAX_MD_SIZE];
    unsigned bytes = 0;
    if (X509_digest(certificate, EVP_sha256(), fingerprint, &bytes) == 1) {
        add_part(loading, tag, fingerprint, bytes);
    } else {
        loading->digested = false;
    }
}

__attribute__((format(printf, 2, 3))) static bool fail(struct loading *loading, const char *format,
                                                       ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(loading->why, loading->why_bytes, format, arguments);
    va_end(arguments);
    ERR_clear_error();
    return false;
}

/* ---- the system's CA ---- */

/* OpenSSL reads the directory when it needs an issuer; the directory's times show whether it has changed. */
static void add_path(struct loading *loading, const char *tag, const char *variable,
                     const char *otherwise)
{
    const char *set = getenv(variable);
    const char *path = set != NULL ? set : otherwise;
    struct stat status;
    add_part(loading, tag, path, strlen(path));
    if (stat(path, &status) != 0) {
        return;
    }
    add_part(loading, "size", &status.st_size, sizeof status.st_size);
    add_part(loading, "mtime", &status.st_mtim, sizeof status.st_mtim);
}

static bool load_system_ca(struct loading *loading)
{
    char words[160];
    add_path(loading, "system-file", X509_get_default_cert_file_env(),
             X509_get_default_cert_file());
    add_path(loading, "system-directory", X509_get_default_cert_dir_env(),
             X509_get_default_cert_dir());
    if (SSL_CTX_set_default_verify_paths(loading->context) == 1) {
        return true;
    }
    return fail(loading, "tls.ca: the system's: %s", openssl_words(words, sizeof words));
}

/* ---- a CA of one's own ---- */

static bool add_authorities(struct loading *loading, BIO *file, const char *path)
{
    X509_STORE *store = SSL_CTX_get_cert_store(loading->context);
    char words[160];
    size_t count = 0;
    X509 *certificate;
    while ((certificate = PEM_read_bio_X509_AUX(file, NULL, NULL, NULL)) != NULL) {
        add_certificate(loading, "ca", certificate);
        bool added = X509_STORE_add_cert(store, certificate) == 1;
        X509_free(certificate);
        if (!added) {
            return fail(loading, "tls.ca %s: %s", path, openssl_words(words, sizeof words));
        }
        count++;
    }
    bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
    if (count == 0 && at_end) {
        return fail(loading, "tls.ca %s: no certificate in it", path);
    }
    if (!at_end) {
        return fail(loading, "tls.ca %s: %s", path, openssl_words(words, sizeof words));
    }
    ERR_clear_error();
    return true;
}

/* Every certificate in the file is trusted as it is, also an intermediate or a server's own certificate. */
static bool load_ca(struct loading *loading, const char *path)
{
    FILE *stream = fopen(path, "re");
    if (stream == NULL) {
        return fail(loading, "tls.ca %s: %s", path, strerror(errno));
    }
    BIO *file = BIO_new_fp(stream, BIO_CLOSE);
    if (file == NULL) {
        fclose(stream);
        return fail(loading, "tls.ca %s: no memory", path);
    }
    bool added = add_authorities(loading, file, path);
    BIO_free(file);
    X509_STORE_set_flags(SSL_CTX_get_cert_store(loading->context), X509_V_FLAG_PARTIAL_CHAIN);
    return added;
}

/* ---- our certificate ---- */

static bool load_own(struct loading *loading, const struct upstream_tls_settings *settings)
{
    struct certificate own;
    char words[512];
    if (!certificate_load(settings->cert, settings->key, &own, words, sizeof words)) {
        return fail(loading, "tls.cert: %s", words);
    }
    add_certificate(loading, "own", own.leaf);
    for (int i = 0; i < sk_X509_num(own.chain); i++) {
        add_certificate(loading, "own-chain", sk_X509_value(own.chain, i));
    }
    bool used = certificate_use(&own, loading->context);
    certificate_release(&own);
    return used ||
           fail(loading, "tls.cert %s: %s", settings->cert, openssl_words(words, sizeof words));
}

static bool load_parts(struct loading *loading, const struct upstream_tls_settings *settings)
{
    const unsigned char verify = settings->verify;
    loading->digested = EVP_DigestInit_ex(loading->digest, EVP_sha256(), NULL) == 1;
    add_part(loading, "verify", &verify, sizeof verify);
    if (!(settings->ca[0] != '\0' ? load_ca(loading, settings->ca) : load_system_ca(loading))) {
        return false;
    }
    certificate_authorities_settle(loading->context);
    return settings->cert[0] == '\0' || load_own(loading, settings);
}

bool trust_load(SSL_CTX *context, const struct upstream_tls_settings *settings,
                uint8_t ret_trust[SESSION_TRUST_BYTES], char *why, size_t why_bytes)
{
    struct loading loading = {context, EVP_MD_CTX_new(), false, why, why_bytes};
    uint8_t trust[EVP_MAX_MD_SIZE];
    unsigned bytes = 0;
    if (loading.digest == NULL) {
        return fail(&loading, "tls: no memory");
    }
    bool loaded = load_parts(&loading, settings);
    if (loaded) {
        loaded = loading.digested && EVP_DigestFinal_ex(loading.digest, trust, &bytes) == 1 &&
                 bytes == SESSION_TRUST_BYTES;
        if (!loaded) {
            (void)fail(&loading, "tls: no memory");
        }
    }
    EVP_MD_CTX_free(loading.digest);
    if (loaded) {
        memcpy(ret_trust, trust, SESSION_TRUST_BYTES);
    }
    return loaded;
}
