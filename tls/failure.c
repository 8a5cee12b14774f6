/* Maps OpenSSL's codes to failures, by table. */
#include "tls/failure.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <stddef.h>

#include "steady/enum_names.h"

ENUM_NAME_FUNCTION(tls_failure_name, enum tls_failure, TLS_FAILURES)

ENUM_DETAIL_FUNCTION(tls_failure_proxy_status, enum tls_failure, TLS_FAILURES)

struct code_row {
    long code;
    enum tls_failure failure;
};

static enum tls_failure look_up(const struct code_row *rows, size_t count, long code,
                                enum tls_failure otherwise)
{
    for (size_t i = 0; i < count; i++) {
        if (rows[i].code == code) {
            return rows[i].failure;
        }
    }
    return otherwise;
}

#define LOOK_UP(rows, code, otherwise) \
    look_up((rows), sizeof rows / sizeof rows[0], (code), (otherwise))

static enum tls_failure of_verify_result(long result)
{
    static const struct code_row rows[] = {
        {X509_V_ERR_CERT_HAS_EXPIRED, TLS_FAILURE_EXPIRED},
        {X509_V_ERR_CERT_NOT_YET_VALID, TLS_FAILURE_NOT_YET_VALID},
        {X509_V_ERR_HOSTNAME_MISMATCH, TLS_FAILURE_WRONG_NAME},
        {X509_V_ERR_IP_ADDRESS_MISMATCH, TLS_FAILURE_WRONG_NAME},
        {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, TLS_FAILURE_UNKNOWN_ISSUER},
        {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, TLS_FAILURE_UNKNOWN_ISSUER},
        {X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, TLS_FAILURE_UNKNOWN_ISSUER},
        {X509_V_ERR_CERT_UNTRUSTED, TLS_FAILURE_UNKNOWN_ISSUER},
        {X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, TLS_FAILURE_SELF_SIGNED},
        {X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, TLS_FAILURE_SELF_SIGNED},
        {X509_V_ERR_CERT_REVOKED, TLS_FAILURE_REVOKED},
    };
    return LOOK_UP(rows, result, TLS_FAILURE_BAD_CERTIFICATE);
}

static enum tls_failure of_reason(int reason)
{
    static const struct code_row rows[] = {
        {SSL_R_NO_SHARED_CIPHER, TLS_FAILURE_NO_COMMON_CIPHER},
        {SSL_R_NO_SHARED_GROUPS, TLS_FAILURE_NO_COMMON_CIPHER},
        {SSL_R_NO_SUITABLE_KEY_SHARE, TLS_FAILURE_NO_COMMON_CIPHER},
        {SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM, TLS_FAILURE_NO_COMMON_CIPHER},
        {SSL_R_NO_CIPHERS_AVAILABLE, TLS_FAILURE_NO_COMMON_CIPHER},
        {SSL_R_UNSUPPORTED_PROTOCOL, TLS_FAILURE_NO_COMMON_VERSION},
        {SSL_R_WRONG_SSL_VERSION, TLS_FAILURE_NO_COMMON_VERSION},
        {SSL_R_VERSION_TOO_LOW, TLS_FAILURE_NO_COMMON_VERSION},
        {SSL_R_TLSV1_ALERT_PROTOCOL_VERSION, TLS_FAILURE_NO_COMMON_VERSION},
        {SSL_R_NO_APPLICATION_PROTOCOL, TLS_FAILURE_NO_COMMON_PROTOCOL},
        {SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL, TLS_FAILURE_NO_COMMON_PROTOCOL},
        {SSL_R_HTTP_REQUEST, TLS_FAILURE_NOT_TLS},
        {SSL_R_HTTPS_PROXY_REQUEST, TLS_FAILURE_NOT_TLS},
        {SSL_R_WRONG_VERSION_NUMBER, TLS_FAILURE_NOT_TLS},
        {SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE, TLS_FAILURE_NO_CLIENT_CERTIFICATE},
        {SSL_R_CERTIFICATE_VERIFY_FAILED, TLS_FAILURE_BAD_CERTIFICATE},
        {SSL_R_SSLV3_ALERT_BAD_CERTIFICATE, TLS_FAILURE_ALERT_CERTIFICATE},
        {SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE, TLS_FAILURE_ALERT_CERTIFICATE},
        {SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED, TLS_FAILURE_ALERT_CERTIFICATE},
        {SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED, TLS_FAILURE_ALERT_CERTIFICATE},
        {SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN, TLS_FAILURE_ALERT_CERTIFICATE},
        {SSL_R_TLSV1_ALERT_UNKNOWN_CA, TLS_FAILURE_ALERT_CERTIFICATE},
        {SSL_R_TLSV1_ALERT_ACCESS_DENIED, TLS_FAILURE_ALERT_CERTIFICATE},
        {SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED, TLS_FAILURE_ALERT_CERTIFICATE_REQUIRED},
        {SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE, TLS_FAILURE_ALERT_HANDSHAKE},
        {SSL_R_TLSV1_UNRECOGNIZED_NAME, TLS_FAILURE_ALERT_NAME},
        {SSL_R_UNEXPECTED_EOF_WHILE_READING, TLS_FAILURE_TRUNCATED},
    };
    /* OpenSSL numbers received alerts from here on */
    return LOOK_UP(rows, reason,
                   reason >= SSL_AD_REASON_OFFSET ? TLS_FAILURE_ALERT : TLS_FAILURE_PROTOCOL);
}

enum tls_failure tls_failure_take(long verify_result)
{
    unsigned long code = ERR_peek_error();
    ERR_clear_error();
    if (code == 0) {
        return TLS_FAILURE_PROTOCOL;
    }
    if (ERR_GET_REASON(code) == ERR_R_MALLOC_FAILURE) {
        return TLS_FAILURE_NO_MEMORY;
    }
    if (ERR_GET_LIB(code) != ERR_LIB_SSL) {
        return TLS_FAILURE_PROTOCOL;
    }
    enum tls_failure failure = of_reason(ERR_GET_REASON(code));
    return failure == TLS_FAILURE_BAD_CERTIFICATE && verify_result != X509_V_OK
               ? of_verify_result(verify_result)
               : failure;
}
