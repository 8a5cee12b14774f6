/*
 * What the files of an exchange share: exchange.c (its life), exchange_admit.c (a place, an endpoint, a connection),
 * exchange_gate.c (rates and shards), exchange_retry.c (what is tried again), exchange_relay.c (payload, responses, tunnels), exchange_time.c (what it waits for),
 * exchange_log.c (its access line).
 *
 * Private to these files. Thread: the worker's.
 */
#ifndef EVENKEEL_PROXY_EXCHANGE_EXCHANGE_PARTS_H
#define EVENKEEL_PROXY_EXCHANGE_EXCHANGE_PARTS_H

#include "proxy/exchange/exchange.h"

static inline uint64_t exchange_now_ms(const struct exchange *exchange)
{
    return worker_now_ms(exchange->worker);
}

static inline int64_t exchange_age_us(const struct exchange *exchange)
{
    return (int64_t)(loop_clock_us(&exchange->worker->loop.clock) - exchange->started_us);
}

/* TLS with the endpoint came to nothing. */
static inline void exchange_fail_tls(struct exchange *exchange, enum tls_failure failure)
{
    exchange_fail(exchange, reason_of_tls_failure(failure), tls_failure_name(failure));
}

/* ---- exchange.c ---- */

/* An exchange that asks for the same as the other, which owns it, at another endpoint. False: no memory. */
__attribute__((warn_unused_result)) bool exchange_start_shadow(struct exchange *exchange,
                                                               const struct downstream_ops *ops,
                                                               struct exchange **ret_shadow);

/* ---- exchange_gate.c ---- */

/* From a route and a deadline on: what it has to pass, then its upstream. */
void exchange_begin(struct exchange *exchange, const struct route *route);
/* Its shard, if it has one, then its upstream. */
void exchange_pass(struct exchange *exchange);
void exchange_on_gate(struct gate_waiter *waiter);
/* Gives its place there back, or leaves the line. */
void exchange_leave_shard(struct exchange *exchange);

/* ---- exchange_admit.c ---- */

/* It waits in a queue, or does no longer: it has a connection, or the attempt it waited for has failed. A later wait counts from its
   own beginning. */
void exchange_queue(struct exchange *exchange);
void exchange_dequeue(struct exchange *exchange);
void exchange_on_dropped(struct waiter *waiter);

/* Asks for a place at the upstream, and tries an endpoint when it has one. `turn`: it has queued before. */
void exchange_admit(struct exchange *exchange, bool turn);
/* Asks an endpoint for a connection. `turn`: it has had its turn, and goes to the front if it has to queue again. */
void exchange_try(struct exchange *exchange, bool turn);
/* It is admitted, but no connection can be had now. */
void exchange_wait(struct exchange *exchange, bool for_fd, bool turn);
void exchange_on_turn(struct waiter *waiter);

/* ---- exchange_retry.c ---- */

/* An attempt has failed for this reason before anything of its response went out: tells the breakers, and tries again if that is
   allowed. True: the exchange goes on. */
bool exchange_retries(struct exchange *exchange, enum exchange_reason reason);
/* The wait before a retry is over. */
void exchange_resume(struct exchange *exchange);

/* ---- exchange_relay.c ---- */

/* The final response's head, and what came with it, to the client; the exchange does not end here. */
enum sink exchange_answer(struct exchange *exchange, const struct http_head *head,
                          const struct payload *payload);
/* The payload that was sent is to be sent again, in front of what came since. */
void exchange_rewind(struct exchange *exchange);
/* It will not be sent again. */
void exchange_drop_replay(struct exchange *exchange);

/* Keeps payload until there is a connection. False: no memory. */
bool exchange_hold(struct exchange *exchange, const struct payload *payload);

/* ---- exchange_time.c ---- */

/* Once, at the admission: whatever the exchange waits for later is bounded by it. */
void exchange_set_deadline(struct exchange *exchange, const struct upstream_settings *upstream,
                           const struct route_settings *route);
/* What is left cannot be enough: no work is to be begun. */
bool exchange_hopeless(const struct exchange *exchange);

/* What is awaited has changed, and may be due earlier than what was. */
void exchange_rearm(struct exchange *exchange);
/* The only writer of `stage` but for exchange_on_leased(), which is followed by a call of this at once. */
void exchange_enter(struct exchange *exchange, enum exchange_stage stage);
void exchange_on_timer(struct wheel_timer *timer, uint64_t now_ms);

/* ---- exchange_log.c ---- */

void exchange_log(struct exchange *exchange);

#endif
