/* The table of reasons. */
#include "proxy/http/reasons.h"

#include <stddef.h>
#include <string.h>

const struct reason_row reason_rows[REASON_COUNT] = {
#define X(id, name, status, error, retry_after_s, grpc) {name, status, retry_after_s, error, grpc},
    EXCHANGE_REASONS(X)
#undef X
};

/* The token of Proxy-Status decides, because both tables have it. */
enum exchange_reason reason_of_tls_failure(enum tls_failure failure)
{
    static const enum exchange_reason reasons[] = {
        REASON_UPSTREAM_TLS_CERTIFICATE, REASON_UPSTREAM_TLS_PROTOCOL, REASON_UPSTREAM_TLS_ALERT,
        REASON_UPSTREAM_TLS_TIMEOUT, REASON_UPSTREAM_TLS_BROKEN};
    const char *token = tls_failure_proxy_status(failure);
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
        if (strcmp(reason_rows[reasons[i]].proxy_status_error, token) == 0) {
            return reasons[i];
        }
    }
    return REASON_NO_MEMORY;
}
