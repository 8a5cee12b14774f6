/* An OCSP response, read once and stapled until it expires. */
#include "tls/staple.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tls/certificate.h"

/* Until when the response is valid for this certificate. False: it says nothing about it. */
static bool read_until(OCSP_BASICRESP *basic, const X509 *leaf, int64_t *ret_until_s)
{
    for (int i = 0; i < OCSP_resp_count(basic); i++) {
        OCSP_SINGLERESP *single = OCSP_resp_get0(basic, i);
        ASN1_GENERALIZEDTIME *this_update, *next_update;
        ASN1_INTEGER *serial = NULL;
        struct tm parts;
        int reason;
        OCSP_id_get0_info(NULL, NULL, NULL, &serial,
                          (OCSP_CERTID *)(uintptr_t)OCSP_SINGLERESP_get0_id(single));
        if (ASN1_INTEGER_cmp(serial, X509_get0_serialNumber(leaf)) != 0) {
            continue;
        }
        if (OCSP_single_get0_status(single, &reason, NULL, &this_update, &next_update) < 0) {
            return false;
        }
        *ret_until_s = INT64_MAX;
        if (next_update != NULL) {
            *ret_until_s = ASN1_TIME_to_tm(next_update, &parts) == 1 ? (int64_t)timegm(&parts) : 0;
        }
        return true;
    }
    return false;
}

static bool judge(OCSP_RESPONSE *response, const X509 *leaf, int64_t *ret_until_s,
                  const char **ret_words)
{
    if (OCSP_response_status(response) != OCSP_RESPONSE_STATUS_SUCCESSFUL) {
        *ret_words = "the responder did not answer";
        return false;
    }
    OCSP_BASICRESP *basic = OCSP_response_get1_basic(response);
    bool good = basic != NULL && read_until(basic, leaf, ret_until_s);
    OCSP_BASICRESP_free(basic);
    *ret_words = "says nothing about this certificate";
    return good;
}

bool staple_load(const char *path, X509 *leaf, struct staple *ret_staple, char *why,
                 size_t why_bytes)
{
    struct staple staple = {0};
    const char *words = NULL;
    char space[160];
    BIO *file = BIO_new_file(path, "r");
    OCSP_RESPONSE *response = file != NULL ? d2i_OCSP_RESPONSE_bio(file, NULL) : NULL;
    BIO_free(file);
    if (response != NULL && judge(response, leaf, &staple.until_s, &words)) {
        int length = i2d_OCSP_RESPONSE(response, &staple.bytes);
        staple.length = length > 0 ? (size_t)length : 0;
    }
    OCSP_RESPONSE_free(response);
    if (staple.bytes == NULL) {
        snprintf(why, why_bytes, "ocsp %s: %s", path,
                 words != NULL ? words : openssl_words(space, sizeof space));
        ERR_clear_error();
        return false;
    }
    X509_up_ref(leaf);
    staple.leaf = leaf;
    *ret_staple = staple;
    return true;
}

void staple_release(struct staple *staple)
{
    X509_free(staple->leaf);
    OPENSSL_free(staple->bytes);
    *staple = (struct staple){0};
}

int staple_answer(SSL *ssl, const struct staple *staples, size_t count)
{
    const X509 *used = SSL_get_certificate(ssl);
    for (size_t i = 0; i < count; i++) {
        const struct staple *staple = &staples[i];
        if (used == NULL || staple->leaf == NULL || X509_cmp(staple->leaf, used) != 0 ||
            staple->until_s < (int64_t)time(NULL)) {
            continue;
        }
        unsigned char *copy = OPENSSL_memdup(staple->bytes, staple->length);
        if (copy == NULL) {
            return SSL_TLSEXT_ERR_NOACK;
        }
        SSL_set_tlsext_status_ocsp_resp(ssl, copy, (long)staple->length);
        return SSL_TLSEXT_ERR_OK;
    }
    return SSL_TLSEXT_ERR_NOACK;
}
