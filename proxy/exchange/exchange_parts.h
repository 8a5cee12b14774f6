/*
 * What the files of an exchange share: exchange.c (its life), exchange_admit.c (a place, an endpoint, a connection),
 * exchange_gate.c (rates and shards), exchange_retry.c (retries), exchange_request.c (sending the request),
 * exchange_relay.c (passing the response on, tunnels), exchange_time.c (deadlines and timeouts), exchange_log.c (the
 * access line), exchange_grpc.c (what gRPC adds), exchange_buffer.c (bodies that are taken in first), exchange_own.c
 * (Evenkeel's own answers), exchange_file.c (files).
 *
 * Owns: see exchange.h. Private to these files. Thread: the worker's. Time base: the loop clock.
 */
#ifndef EVENKEEL_PROXY_EXCHANGE_EXCHANGE_PARTS_H
#define EVENKEEL_PROXY_EXCHANGE_EXCHANGE_PARTS_H

#include "proxy/exchange/exchange.h"
#include "proxy/policy/call_strata.h"

struct edge_facts;
struct own_response;

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

/* Whether it is a request of our own, with no client: a twin, or a side request. */
static inline bool exchange_is_inner(const struct exchange *exchange)
{
    return exchange->hedge.role >= HEDGE_TWIN;
}

/* If a client that still has to send bytes is silent for this long, the endpoint is not to blame for a timeout. */
#define EXCHANGE_SILENT_MS 1000

/* Whether the exchange waits for the client: more of its request is to come, and there is room for it. */
static inline bool exchange_client_owes(const struct exchange *exchange)
{
    const struct request_body *body = &exchange->body;
    return __builtin_expect(body->state == REQUEST_ARRIVING, 0) && !body->full &&
           !body->continue_awaited &&
           (exchange->stage == EXCHANGE_SENDING || exchange->stage == EXCHANGE_AWAITING_BODY);
}
static inline bool exchange_client_silent(const struct exchange *exchange)
{
    return exchange_client_owes(exchange) &&
           exchange_now_ms(exchange) - exchange->body.moved_ms >= EXCHANGE_SILENT_MS;
}

static inline uint8_t exchange_client_stratum(const struct exchange *exchange)
{
    return __builtin_expect(exchange->forward.client_told, 0)
               ? call_client_stratum(exchange->worker->env.strata_seed, &exchange->told_client)
               : exchange->origin->client_stratum;
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
/* Those of the route, if it has any. */
static inline const struct timeout_settings *exchange_timeouts(const struct exchange *exchange)
{
    const struct timeout_settings *timeouts = exchange->edge.timeouts;
    return __builtin_expect(timeouts != NULL, 0) ? timeouts
                                                 : &exchange_settings(exchange)->timeouts;
}
/* The slot of its client among slow clients. */
static inline unsigned exchange_client_slot(const struct exchange *exchange)
{
    return slow_client_slot(exchange->worker->env.strata_seed, exchange_client(exchange));
}
/* This worker's part of the upstream's policy. */
static inline struct policy_local *exchange_policy_local(const struct exchange *exchange)
{
    return &policy_of(exchange->target.upstream)->locals[exchange->worker->env.index];
}

/* The caller that the breakers are asked for. */
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

/* Goes on behind EXCHANGE_ASKING: with what is left of the route, then as every exchange. */
void exchange_go_on_behind_auth(struct exchange *exchange);
/* What has waited goes on to the upstream, or is answered. */
void exchange_forward_late(struct exchange *exchange);

/* Starts an exchange without a client, which `ops` and `owner` stand for, with a copy of the head. NULL: no memory. */
struct exchange *exchange_start_inner(const struct exchange_origin *origin,
                                      const struct downstream_ops *ops, void *owner,
                                      const struct http_head *head);
/* Starts a twin: an exchange that sends the same request to another endpoint and is owned by the first. False: no
   memory. */
__attribute__((warn_unused_result)) bool exchange_start_twin(struct exchange *exchange,
                                                             const struct downstream_ops *ops,
                                                             struct exchange **ret_twin);

/* ---- exchange_own.c ---- */

/* Nothing has been sent to the client yet, so Evenkeel answers itself. */
void exchange_answer_ourselves(struct exchange *exchange, enum exchange_reason reason,
                               const char *detail);
/* The same with a field more. */
void exchange_refuse_with(struct exchange *exchange, enum exchange_reason reason, const char *name,
                          const char *value);
/* An answer that is whole with its head: nothing of its body is sent. */
void exchange_finish_own(struct exchange *exchange, enum exchange_reason reason,
                         struct own_response *own);
void exchange_redirect_to(struct exchange *exchange, unsigned status, const char *location,
                          size_t location_bytes);
/* The answers of routes that have no upstream. */
void exchange_redirect(struct exchange *exchange, const struct redirect_settings *redirect,
                       const struct edge_facts *facts);
void exchange_respond(struct exchange *exchange, const struct respond_settings *respond,
                      const struct edge_facts *facts);
/* Sends a whole answer and ends the exchange. */
void exchange_send_whole(struct exchange *exchange, enum exchange_reason reason,
                         const struct http_head *head, const struct payload *payload,
                         const struct edge_extra *extra);
/* Whether a page goes to the client in place of this response; then the exchange is over. */
bool exchange_intercepts(struct exchange *exchange, const struct http_head *head);

/* ---- exchange_file.c ---- */

/* Whether the request is for the route's files. One that cannot name a file, of a route with an upstream too, is not. */
bool exchange_serves(const struct exchange *exchange);
/* Looks for the file that the request names, and answers with it. Without one the request goes on to the upstream, if the route has
   one. */
void exchange_serve(struct exchange *exchange);
/* In EXCHANGE_SERVING: the client takes bytes again. */
void exchange_serve_on(struct exchange *exchange);
/* Whether the answer has to end, because its client does not take it and others need what it holds. */
bool exchange_judge_serving(struct exchange *exchange);
/* The exchange is over. */
void exchange_stop_serving(struct exchange *exchange);

/* ---- exchange_gate.c ---- */

/* Asks the rates, and chooses the shard. False: the exchange has been answered. */
__attribute__((warn_unused_result)) bool exchange_rates_pass(struct exchange *exchange,
                                                             const struct route *route);
/* Begins after that: waits for the body, if there is none yet, then passes the shard and the upstream. */
void exchange_begin(struct exchange *exchange);
/* Passes the shard, if there is one, then the upstream. */
void exchange_pass(struct exchange *exchange);
void exchange_on_gate(struct waiter *waiter);

/* ---- exchange_admit.c: all of these may leave the exchange EXCHANGE_LEASED; then the caller calls exchange_go_on()
   ---- */

/* The exchange begins or ends its wait in a line: it has a connection, or its attempt has failed. A later wait has its
   own beginning. */
void exchange_queue(struct exchange *exchange);
void exchange_dequeue(struct exchange *exchange);
void exchange_on_dropped(struct waiter *waiter);

/* Asks for a place at the upstream, and tries an endpoint when it has one. `turn`: it has queued before. */
void exchange_admit(struct exchange *exchange, bool turn);
/* Asks an endpoint for a connection. `turn`: it has had its turn, and goes to the front if it has to queue again. */
void exchange_try(struct exchange *exchange, bool turn);
/* The exchange is admitted, but can get no connection now: it queues. */
void exchange_wait(struct exchange *exchange, bool for_fd, bool turn);
void exchange_on_turn(struct waiter *waiter);
/* Handles the result of asking for a lease. */
void exchange_take_result(struct exchange *exchange, enum lease_result result, bool turn);
/* The exchange has a lease. */
void exchange_on_leased(struct exchange *exchange);
void exchange_on_dial_failed(struct exchange *exchange, enum dial_result result);

/* ---- exchange_request.c ---- */

/* The exchange has a lease: sends the head, the added fields and the payload: what is held, or `arrived` if that is not
   NULL, which is not held. */
void exchange_send(struct exchange *exchange, const struct payload *arrived);
/* The first payload of a request that has been admitted: sends it, or holds it until there is a lease. */
void exchange_send_or_hold(struct exchange *exchange, const struct payload *payload);
/* Nothing more of the body was read until now: takes what has come nevertheless, and asks for more. */
void exchange_read_body(struct exchange *exchange);
/* Sends if the exchange has got a lease. */
void exchange_go_on(struct exchange *exchange);
/* For exchange_events. */
void exchange_on_request_moved(void *owner);
void exchange_on_request_drained(void *owner);
void exchange_on_request_sent(void *owner);

/* ---- exchange_maintenance.c ---- */

/* Whether the route or its upstream is closed to this client. True: the exchange has been answered. */
bool exchange_is_maintained(struct exchange *exchange, const struct route *route,
                            const struct route_upstream *upstream);
/* What closes an upstream to this client, whatever route leads there; NULL: it is open. */
const struct maintenance_settings *exchange_upstream_closed(const struct exchange *exchange,
                                                            const struct upstream *upstream);

/* ---- exchange_buffer.c ---- */

/* Whether the body is taken in before the exchange asks for a place (buffer_request). Not for an upgrade or a gRPC call: either side
   may wait for the other within it. */
static inline bool exchange_buffers(const struct exchange *exchange)
{
    const struct route_settings *route = exchange->edge.route;
    return __builtin_expect(route != NULL, 0) && route->buffer_bytes != 0 &&
           !exchange_is_call(exchange) && !(exchange->request.facts & FACT_UPGRADE);
}
/* Whether more of it is to come before that, or it has come at once and needs the store to be sent again. */
static inline bool exchange_waits_for_buffer(const struct exchange *exchange)
{
    return exchange_buffers(exchange) && (exchange->body.state == REQUEST_ARRIVING ||
                                          exchange->body.bytes > REQUEST_REPLAY_BYTES);
}
/* The exchange waits for its body now: asks a client for it that waits for 100. */
void exchange_buffer_begin(struct exchange *exchange);
/* Takes payload in. When the body is whole, or no more may be taken, the exchange asks for its place. */
enum sink exchange_buffer(struct exchange *exchange, const struct payload *payload);

/* ---- exchange_retry.c ---- */

/* An attempt has failed for this reason before anything of its response was passed on: tells the breakers, and tries
   again if that is allowed. True: the exchange continues. */
bool exchange_retries(struct exchange *exchange, enum exchange_reason reason);
/* The same for a response that may be retried. True: the response must not be passed on, and exchange_back_off()
   follows. */
bool exchange_retries_response(struct exchange *exchange, const struct http_head *head);
/* The attempt is over, and the next one begins after a wait. */
void exchange_back_off(struct exchange *exchange);
/* The same for a trailers-only response to a gRPC call. */
bool exchange_retries_call(struct exchange *exchange, const struct http_head *head,
                           enum grpc_status status);
/* Whether a trailers-only response with this status is evidence against its endpoint. */
bool exchange_blames(enum grpc_status status);
/* The wait before a retry is over. */
void exchange_resume(struct exchange *exchange);
/* The connection was dead before it carried anything back: sends the request once more if that is safe, else fails. */
void exchange_on_dead_connection(struct exchange *exchange);
/* The endpoint has not processed the request: sends it once more, wherever, else fails. `event` as in struct upstream_events. */
void exchange_on_unsent(struct exchange *exchange, uint64_t event, const char *detail);

/* ---- exchange_relay.c ---- */

/* The events of an upstream side for an exchange, and for one that is a gRPC call. */
extern const struct upstream_events exchange_events, exchange_call_events;

/* Sends 100 to a client that waits for it, in place of the origin. */
void exchange_say_continue(struct exchange *exchange);

/* Nothing waits at the client, but it would have to: until its socket takes more, the response stays where it comes from. */
void exchange_pause(struct exchange *exchange);

/* Passes the final response's head and its first payload to the client; the exchange does not end here. */
enum sink exchange_answer(struct exchange *exchange, const struct http_head *head,
                          const struct payload *payload);
/* The same for the head of a file, in EXCHANGE_SERVING. */
enum sink exchange_answer_served(struct exchange *exchange, const struct http_head *head,
                                 const struct payload *payload);

/* ---- exchange_time.c ---- */

/* Called once, at the admission: the deadline bounds every later wait of the exchange up to the response's head. */
void exchange_set_deadline(struct exchange *exchange, const struct upstream_settings *upstream,
                           const struct route_settings *route);
/* The client has sent some of what it owed: the time that it took is no part of the deadline. */
void exchange_excuse_upload(struct exchange *exchange);
/* Whether the time that is left cannot be enough, so that no work must begin. */
bool exchange_hopeless(const struct exchange *exchange);

/* The exchange waits for something else now, which may be due earlier. */
void exchange_rearm(struct exchange *exchange);
/* The only writer of `stage`. */
void exchange_enter(struct exchange *exchange, enum exchange_stage stage);
void exchange_on_timer(struct wheel_timer *timer, uint64_t now_ms);

/* ---- exchange_grpc.c ---- */

/* Checks whether the request is a gRPC call, and prepares the exchange for it. */
void exchange_find_call(struct exchange *exchange);
/* The call will be tried again: the number of attempts before is written anew (forward.c). */
void exchange_repeat_call(struct exchange *exchange);
/* The status of a call that is over, as its client sees it. */
enum grpc_status exchange_call_status(const struct exchange *exchange);
/* The call fails while its response is being passed on: ends the response with a status, and finishes. False: there is nothing
   that could be ended so. */
bool exchange_cuts_call(struct exchange *exchange, enum exchange_reason reason, const char *detail);
/* Whether retry.on names a status of gRPC, so that payload of a call is kept. */
bool exchange_repeats_call(const struct exchange *exchange);
/* For exchange_call_events. */
bool exchange_on_call_final(void *owner, const struct http_head *head);
enum sink exchange_on_call_response(void *owner, const struct http_head *head,
                                    const struct payload *payload);
enum sink exchange_on_call_payload(void *owner, const struct payload *payload);

/* ---- exchange_log.c ---- */

void exchange_log(struct exchange *exchange);

#endif
