/* Reads PEM files; names and dates of certificates. */
#include "tls/certificate.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

const char *openssl_words(char *space, size_t space_bytes)
{
    unsigned long code = ERR_peek_error();
    const char *reason = ERR_reason_error_string(code);
    if (code == 0) {
        snprintf(space, space_bytes, "no reason given");
    } else if (ERR_GET_LIB(code) == ERR_LIB_SYS) {
        snprintf(space, space_bytes, "%s", strerror(ERR_GET_REASON(code)));
    } else if (ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE) {
        snprintf(space, space_bytes, "no such object in it (PEM)");
    } else {
        snprintf(space, space_bytes, "%s", reason != NULL ? reason : "unknown error");
    }
    ERR_clear_error();
    return space;
}

/* A key that needs a passphrase is an error. */
static int no_passphrase(char *space, int space_bytes, int for_writing, void *owner)
{
    (void)space;
    (void)space_bytes;
    (void)for_writing;
    (void)owner;
    return -1;
}

static bool say(char *why, size_t why_bytes, const char *what, const char *path)
{
    char words[160];
    snprintf(why, why_bytes, "%s %s: %s", what, path, openssl_words(words, sizeof words));
    return false;
}

static bool read_chain(const char *path, struct certificate *certificate)
{
    BIO *file = BIO_new_file(path, "r");
    if (file == NULL) {
        return false;
    }
    certificate->leaf = PEM_read_bio_X509_AUX(file, NULL, no_passphrase, NULL);
    certificate->chain = sk_X509_new_null();
    X509 *next = NULL;
    while (certificate->leaf != NULL && certificate->chain != NULL &&
           (next = PEM_read_bio_X509(file, NULL, no_passphrase, NULL)) != NULL) {
        if (sk_X509_push(certificate->chain, next) == 0) {
            X509_free(next);
            break;
        }
    }
    BIO_free(file);
    if (certificate->leaf == NULL || certificate->chain == NULL) {
        return false;
    }
    /* the end of the file is the end of the chain; anything else is damage */
    unsigned long error = ERR_peek_last_error();
    if (ERR_GET_LIB(error) != ERR_LIB_PEM || ERR_GET_REASON(error) != PEM_R_NO_START_LINE) {
        return false;
    }
    ERR_clear_error();
    return true;
}

static EVP_PKEY *read_key(const char *path)
{
    BIO *file = BIO_new_file(path, "r");
    if (file == NULL) {
        return NULL;
    }
    EVP_PKEY *key = PEM_read_bio_PrivateKey(file, NULL, no_passphrase, NULL);
    BIO_free(file);
    return key;
}

bool certificate_load(const char *cert_path, const char *key_path,
                      struct certificate *ret_certificate, char *why, size_t why_bytes)
{
    struct certificate certificate = {0};
    bool loaded = false;
    ERR_clear_error();
    if (!read_chain(cert_path, &certificate)) {
        say(why, why_bytes, "certificate", cert_path);
    } else if ((certificate.key = read_key(key_path)) == NULL) {
        say(why, why_bytes, "key", key_path);
    } else if (X509_check_private_key(certificate.leaf, certificate.key) != 1) {
        ERR_clear_error();
        snprintf(why, why_bytes, "key %s: does not belong to certificate %s", key_path, cert_path);
    } else {
        loaded = true;
    }
    if (!loaded) {
        certificate_release(&certificate);
        return false;
    }
    *ret_certificate = certificate;
    return true;
}

void certificate_release(struct certificate *certificate)
{
    X509_free(certificate->leaf);
    sk_X509_pop_free(certificate->chain, X509_free);
    EVP_PKEY_free(certificate->key);
    *certificate = (struct certificate){0};
}

bool certificate_use(const struct certificate *certificate, SSL_CTX *context)
{
    return SSL_CTX_use_cert_and_key(context, certificate->leaf, certificate->key,
                                    certificate->chain, 1) == 1;
}

void certificate_authorities_settle(SSL_CTX *context)
{
    const STACK_OF(X509_OBJECT) *all = X509_STORE_get0_objects(SSL_CTX_get_cert_store(context));
    for (int i = 0; i < sk_X509_OBJECT_num(all); i++) {
        X509 *authority = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(all, i));
        if (authority != NULL) {
            (void)X509_check_purpose(authority, -1, 0);
        }
    }
    ERR_clear_error();
}

static bool add_common_name(const X509 *leaf, struct server_names *names, unsigned index)
{
    char name[256];
    int length =
        X509_NAME_get_text_by_NID(X509_get_subject_name(leaf), NID_commonName, name, sizeof name);
    return length <= 0 || server_names_add(names, name, (size_t)length, index);
}

bool certificate_names(const struct certificate *certificate, struct server_names *names,
                       unsigned index)
{
    GENERAL_NAMES *all = X509_get_ext_d2i(certificate->leaf, NID_subject_alt_name, NULL, NULL);
    size_t count_before = names->count;
    bool added = true;
    for (int i = 0; added && i < sk_GENERAL_NAME_num(all); i++) {
        int type;
        const ASN1_STRING *text = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(all, i), &type);
        if (type == GEN_DNS) {
            added = server_names_add(names, (const char *)ASN1_STRING_get0_data(text),
                                     (size_t)ASN1_STRING_length(text), index);
        }
    }
    GENERAL_NAMES_free(all);
    ERR_clear_error();
    if (added && names->count == count_before) {
        return add_common_name(certificate->leaf, names, index);
    }
    return added;
}

int64_t certificate_expires_s(const X509 *certificate)
{
    struct tm parts;
    if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &parts) != 1) {
        return 0;
    }
    return (int64_t)timegm(&parts);
}
