#include "tls/self_signed.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define X509_VERSION 2 /* counted from 0 (RFC 5280 4.1.2.1) */
#define DAY_S (24L * 60 * 60)

static bool add_extension(X509 *certificate, int nid, const char *value)
{
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
    bool added = extension != NULL && X509_add_ext(certificate, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return added;
}

/* So that a browser does not take it for another one of the same name (RFC 5280 4.1.2.2). */
static bool set_number(X509 *certificate)
{
    uint64_t number;
    return RAND_bytes((unsigned char *)&number, sizeof number) == 1 &&
           ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), number >> 1) == 1;
}

static bool fill(X509 *certificate, EVP_PKEY *key, const char *names, unsigned days)
{
    X509_NAME *subject = X509_get_subject_name(certificate);
    const unsigned char *word = (const unsigned char *)"evenkeel";
    return X509_set_version(certificate, X509_VERSION) == 1 && set_number(certificate) &&
           X509_gmtime_adj(X509_getm_notBefore(certificate), 0) != NULL &&
           X509_gmtime_adj(X509_getm_notAfter(certificate), (long)days * DAY_S) != NULL &&
           X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, word, -1, -1, 0) == 1 &&
           X509_set_issuer_name(certificate, subject) == 1 &&
           X509_set_pubkey(certificate, key) == 1 &&
           add_extension(certificate, NID_basic_constraints, "critical,CA:FALSE") &&
           add_extension(certificate, NID_subject_alt_name, names) &&
           X509_sign(certificate, key, EVP_sha256()) != 0;
}

static char *copy_of(BIO *text, size_t *ret_bytes)
{
    const char *bytes;
    long length = BIO_get_mem_data(text, &bytes);
    char *copy = length > 0 ? malloc((size_t)length) : NULL;
    if (copy != NULL) {
        memcpy(copy, bytes, (size_t)length);
        *ret_bytes = (size_t)length;
    }
    return copy;
}

char *self_signed_create(const char *names, unsigned days, size_t *ret_bytes)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    BIO *text = BIO_new(BIO_s_mem());
    char *pem = NULL;
    if (key != NULL && certificate != NULL && text != NULL && fill(certificate, key, names, days) &&
        PEM_write_bio_X509(text, certificate) == 1 &&
        PEM_write_bio_PrivateKey(text, key, NULL, NULL, 0, NULL, NULL) == 1) {
        pem = copy_of(text, ret_bytes);
    }
    BIO_free(text);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return pem;
}
