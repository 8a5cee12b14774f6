/* What is tried again: the free redial of a request that met a dead connection. */
#include "proxy/exchange_parts.h"

/* Safe to repeat: nothing of it reached the upstream, or it changes nothing to do it twice and all of it is still at hand
   (RFC 9110 9.2.2, RFC 9112 9.3.1). */
static bool exchange_may_redial(const struct exchange *exchange)
{
    const struct attempt *attempt = &exchange->attempt;
    if (exchange->redialled || !attempt->lease->reused || attempt->answered) {
        return false;
    }
    bool at_hand =
        exchange->request.framing == FRAMING_NONE || (!attempt->touched && !exchange->payload_gone);
    return at_hand && (!attempt->touched || http_method_idempotent(exchange->request.method));
}

static bool exchange_redial_left(struct exchange *exchange)
{
    if (upstream_may_redial(exchange->worker->pool, exchange->upstream)) {
        return true;
    }
    stat_add(&exchange->worker->stats.redials_refused, 1);
    return false;
}

void exchange_on_dead_connection(struct exchange *exchange)
{
    struct attempt *attempt = &exchange->attempt;
    enum tls_failure failure = stream_failure(&attempt->lease->stream);
    if (failure != TLS_FAILURE_NONE && failure != TLS_FAILURE_TRUNCATED) {
        /* an alert, most likely: asking again would be met by another */
        exchange_fail_tls(exchange, failure);
        return;
    }
    if (!exchange_may_redial(exchange) || !exchange_redial_left(exchange)) {
        exchange_fail(exchange, REASON_UPSTREAM_RESET, NULL);
        return;
    }
    struct endpoint *endpoint = attempt->endpoint;
    exchange->redialled = true;
    stat_add(&exchange->worker->stats.redials, 1);
    attempt_end(exchange);
    switch (attempt_start(exchange, endpoint, true)) {
    case LEASE_READY: break;
    case LEASE_PENDING: exchange_enter(exchange, EXCHANGE_CONNECTING); break;
    case LEASE_NO_FD: exchange_wait(exchange, true, true); break;
    case LEASE_FULL: exchange_wait(exchange, false, true); break;
    }
}
