/*
 * What the files of an exchange share: exchange.c (its life), exchange_admit.c (a place, an endpoint, a connection),
 * exchange_gate.c (rates and shards), exchange_retry.c (what is tried again), exchange_request.c (the request's way),
 * exchange_relay.c (the response's way, tunnels), exchange_time.c (what it waits for), exchange_log.c (its access line).
 *
 * Owns: see exchange.h. Private to these files. Thread: the worker's. Time base: the loop clock.
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
    return (int64_t)(loop_clock_us(&exchange->worker->loop.clock) - exchange->times.started_us);
}

static inline bool exchange_is_over(const struct exchange *exchange)
{
    return exchange->stage == EXCHANGE_FINISHED;
}

static inline bool exchange_is_twin(const struct exchange *exchange)
{
    return exchange->hedge.role == HEDGE_TWIN;
}

/* A client that has been silent so long keeps what it asks from going on: who gives up on it is not to blame. */
#define EXCHANGE_SILENT_MS 1000

/* Time passes at the client: more of its request is to come, and nothing keeps it from coming. */
static inline bool exchange_client_owes(const struct exchange *exchange)
{
    const struct request_body *body = &exchange->body;
    return __builtin_expect(body->state == REQUEST_ARRIVING, 0) && !body->full &&
           !body->continue_awaited && exchange->stage == EXCHANGE_SENDING;
}
static inline bool exchange_client_silent(const struct exchange *exchange)
{
    return exchange_client_owes(exchange) &&
           exchange_now_ms(exchange) - exchange->body.moved_ms >= EXCHANGE_SILENT_MS;
}

/* The upstream as this worker sees it, and its settings. */
static inline const struct upstream_view *exchange_view(const struct exchange *exchange)
{
    return exchange->target.upstream->views[exchange->worker->env.index];
}
static inline const struct upstream_settings *exchange_settings(const struct exchange *exchange)
{
    return exchange_view(exchange)->settings;
}
/* What this worker keeps of its policy. */
static inline struct policy_local *exchange_policy_local(const struct exchange *exchange)
{
    return &policy_of(exchange->target.upstream)->locals[exchange->worker->env.index];
}

/* Who asks the breakers. */
static inline struct policy_caller exchange_caller(const struct exchange *exchange)
{
    struct worker *worker = exchange->worker;
    const struct upstream_view *view = exchange_view(exchange);
    return (struct policy_caller){view,
                                  {&view->settings->breaker, &worker->loop.rng,
                                   worker_now_ms(worker), worker->env.index,
                                   exchange->target.strata}};
}

/* ---- exchange.c ---- */

/* A twin: an exchange that asks for the same as the other, which owns it, at another endpoint. False: no memory. */
__attribute__((warn_unused_result)) bool exchange_start_twin(struct exchange *exchange,
                                                             const struct downstream_ops *ops,
                                                             struct exchange **ret_twin);

/* ---- exchange_gate.c ---- */

/* From a route and a deadline on: what it has to pass, then its upstream. */
void exchange_begin(struct exchange *exchange, const struct route *route);
/* Its shard, if it has one, then its upstream. */
void exchange_pass(struct exchange *exchange);
void exchange_on_gate(struct waiter *waiter);

/* ---- exchange_admit.c: all of these may leave the exchange EXCHANGE_LEASED, and the caller goes on with exchange_go_on() ---- */

/* It waits in a line, or does no longer: it has a connection, or the attempt it waited for has failed. A later wait counts from
   its own beginning. */
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
/* What asking for a lease came to. */
void exchange_take_result(struct exchange *exchange, enum lease_result result, bool turn);
/* It has a lease. */
void exchange_on_leased(struct exchange *exchange);
void exchange_on_dial_failed(struct exchange *exchange, enum dial_result result);

/* ---- exchange_request.c ---- */

/* It has a lease: sends the head, what is added to it and the payload that is there: what is held, or, if that is not NULL,
   `arrived`, which is held nowhere. */
void exchange_send(struct exchange *exchange, const struct payload *arrived);
/* Sends if it has a lease since. */
void exchange_go_on(struct exchange *exchange);
/* For exchange_events. */
void exchange_on_request_moved(void *owner);
void exchange_on_request_drained(void *owner);
void exchange_on_request_sent(void *owner);

/* ---- exchange_retry.c ---- */

/* An attempt has failed for this reason before anything of its response went out: tells the breakers, and tries again if that is
   allowed. True: the exchange goes on. */
bool exchange_retries(struct exchange *exchange, enum exchange_reason reason);
/* The same for a response that is to be tried again. True: it must not be passed on, and exchange_back_off() follows. */
bool exchange_retries_response(struct exchange *exchange, const struct http_head *head);
/* The attempt is over, the next one begins after a while. */
void exchange_back_off(struct exchange *exchange);
/* The wait before a retry is over. */
void exchange_resume(struct exchange *exchange);
/* The connection turned out dead before it carried anything back: redials once if that is safe, else fails. */
void exchange_on_dead_connection(struct exchange *exchange);

/* ---- exchange_relay.c ---- */

/* What an upstream side tells an exchange. */
extern const struct upstream_events exchange_events;

/* Says 100 to a client that waits for it, in the origin's place. */
void exchange_say_continue(struct exchange *exchange);

/* The final response's head, and what came with it, to the client; the exchange does not end here. */
enum sink exchange_answer(struct exchange *exchange, const struct http_head *head,
                          const struct payload *payload);

/* ---- exchange_time.c ---- */

/* Once, at the admission: whatever the exchange waits for later is bounded by it. */
void exchange_set_deadline(struct exchange *exchange, const struct upstream_settings *upstream,
                           const struct route_settings *route);
/* What is left cannot be enough: no work is to be begun. */
bool exchange_hopeless(const struct exchange *exchange);

/* What is awaited has changed, and may be due earlier than what was. */
void exchange_rearm(struct exchange *exchange);
/* The only writer of `stage`. */
void exchange_enter(struct exchange *exchange, enum exchange_stage stage);
void exchange_on_timer(struct wheel_timer *timer, uint64_t now_ms);

/* ---- exchange_log.c ---- */

void exchange_log(struct exchange *exchange);

#endif
