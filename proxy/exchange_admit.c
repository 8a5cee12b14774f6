/* A place at the upstream, an endpoint, a connection. */
#include <stddef.h>
#include <stdio.h>

#include "pool/balance.h"
#include "proxy/balance_key.h"
#include "proxy/exchange_parts.h"

static void exchange_try(struct exchange *exchange, bool turn);

static void exchange_queue(struct exchange *exchange, enum admit_result result)
{
    if (result == ADMIT_QUEUE_FULL && exchange->slot.for_fd) {
        exchange_fail(exchange, REASON_NO_DESCRIPTORS, NULL);
        return;
    }
    if (result == ADMIT_QUEUE_FULL) {
        exchange_fail(exchange, REASON_QUEUE_FULL, NULL);
        return;
    }
    if (exchange->queue_us < 0) {
        exchange->queue_us = 0;
        exchange->queued_ms = exchange_now_ms(exchange);
        stat_add(&exchange->worker->stats.queued, 1);
    }
    exchange_enter(exchange, EXCHANGE_QUEUED);
}

void exchange_admit(struct exchange *exchange, bool turn)
{
    enum admit_result result =
        upstream_admit(exchange->worker->pool, exchange->upstream, &exchange->slot, turn);
    if (result != ADMIT_OK) {
        exchange_queue(exchange, result);
        return;
    }
    exchange->upstream_admitted = true;
    exchange_try(exchange, turn);
}

void exchange_wait(struct exchange *exchange, bool for_fd, bool turn)
{
    exchange_queue(exchange, upstream_wait(exchange->worker->pool, exchange->upstream,
                                           &exchange->slot, for_fd, turn));
}

void exchange_on_turn(struct queue_slot *slot)
{
    struct exchange *exchange = (struct exchange *)((char *)slot - offsetof(struct exchange, slot));
    if (exchange->upstream_admitted) {
        exchange_try(exchange, true);
    } else {
        exchange_admit(exchange, true);
    }
}

static bool exchange_reaches(const struct exchange *exchange, const struct endpoint *endpoint)
{
    for (unsigned i = 0; i < exchange->unreached_count; i++) {
        if (exchange->unreached[i] == endpoint) {
            return false;
        }
    }
    return true;
}

static void exchange_fail_unreached(struct exchange *exchange)
{
    enum dial_result result = (enum dial_result)exchange->unreached_result;
    switch (result) {
    case DIAL_REFUSED: exchange_fail(exchange, REASON_CONNECT_REFUSED, NULL); break;
    case DIAL_TIMEOUT: exchange_fail(exchange, REASON_CONNECT_TIMEOUT, NULL); break;
    case DIAL_RETIRED: exchange_fail(exchange, REASON_UPSTREAM_REMOVED, NULL); break;
    case DIAL_TLS: exchange_fail_tls(exchange, exchange->attempt.request.tls_failure); break;
    case DIAL_UNREACHABLE:
    case DIAL_RESET:
    case DIAL_NO_ADDRESS_PORT:
    case DIAL_ERROR:
    case DIAL_FULL:
    case DIAL_NO_FD:
    case DIAL_OK: exchange_fail(exchange, REASON_CONNECT_FAILED, dial_result_name(result)); break;
    }
}

/* Asks the endpoints for a connection. `turn`: it has queued before. To one that could not be reached nothing was sent, so
   the next is asked at once; when there is no other, the exchange fails for that. */
static void exchange_try(struct exchange *exchange, bool turn)
{
    struct worker *worker = exchange->worker;
    const struct upstream_view *view = exchange->upstream->views[worker->env.index];
    struct endpoint_wish wish = {.avoid = exchange->unreached,
                                 .avoid_count = exchange->unreached_count};
    struct endpoint *endpoint;
    wish.keyed =
        balance_key(view->settings, &exchange->request, exchange->client_address, &wish.key_hash);
    enum pick_result picked = upstream_pick(worker->pool, view, &wish, &endpoint);
    if (picked == PICK_NONE) {
        exchange_fail(exchange, view->endpoint_count == 0 ? REASON_UNRESOLVED : REASON_NO_ENDPOINT,
                      NULL);
        return;
    }
    if (picked == PICK_OK && !exchange_reaches(exchange, endpoint)) {
        exchange_fail_unreached(exchange);
        return;
    }
    enum lease_result result = LEASE_FULL;
    if (picked == PICK_OK) {
        result = attempt_start(exchange, endpoint, exchange->redialled);
    }
    bool for_fd = result == LEASE_NO_FD;
    wish.idle_only = true;
    if (for_fd && upstream_pick(worker->pool, view, &wish, &endpoint) == PICK_OK) {
        result = attempt_start(exchange, endpoint, exchange->redialled);
    }
    switch (result) {
    case LEASE_READY: break; /* sent already; the exchange may even be over */
    case LEASE_PENDING: exchange_enter(exchange, EXCHANGE_CONNECTING); break;
    case LEASE_NO_FD:
    case LEASE_FULL: exchange_wait(exchange, for_fd, turn); break;
    }
}

void exchange_on_leased(struct exchange *exchange)
{
    if (exchange->queue_us == 0) {
        exchange->queue_us =
            (int64_t)(exchange->attempt.started_ms * 1000) - (int64_t)exchange->started_us;
        exchange->queue_us = exchange->queue_us > 0 ? exchange->queue_us : 0;
    }
    const struct lease *lease = exchange->attempt.lease;
    exchange->reused = lease->reused;
    exchange->resumed = lease->resumed;
    if (exchange->stage == EXCHANGE_CONNECTING) {
        exchange->connect_us =
            exchange_age_us(exchange) - (exchange->queue_us > 0 ? exchange->queue_us : 0);
    }
    if (exchange->connect_us >= 0 && !lease->reused && lease->tls_us > 0) {
        /* of a dial that was begun for another the exchange may have waited for the end only */
        int64_t tls_us = (int64_t)lease->tls_us;
        exchange->tls_us = tls_us < exchange->connect_us ? tls_us : exchange->connect_us;
        exchange->connect_us -= exchange->tls_us;
    }
    exchange->stage = EXCHANGE_SENDING;
}

void exchange_on_dial_failed(struct exchange *exchange, enum dial_result result)
{
    snprintf(exchange->endpoint_text, sizeof exchange->endpoint_text, "%s",
             endpoint_text(exchange->attempt.endpoint));
    if (result == DIAL_FULL || result == DIAL_NO_FD) {
        /* nothing was tried: back to the front of the queue */
        exchange->attempts_count--;
        exchange_wait(exchange, result == DIAL_NO_FD, true);
        return;
    }
    if (result == DIAL_REFUSED || result == DIAL_TIMEOUT || result == DIAL_UNREACHABLE ||
        result == DIAL_RESET || result == DIAL_TLS) {
        attempt_report(exchange, ENDPOINT_FAILED);
    }
    exchange->unreached_result = (uint8_t)result;
    exchange->unreached[exchange->unreached_count++] = exchange->attempt.endpoint;
    if (exchange->unreached_count < EXCHANGE_UNREACHED) {
        exchange_try(exchange, true);
    } else {
        exchange_fail_unreached(exchange);
    }
}
