/* The life of a client: accept, timer, events, close. */
#include "proxy/client/client.h"

#include <stddef.h>
#include <string.h>

#include "proxy/client/client_state.h"
#include "proxy/policy/call_strata.h"
#include "steady/check.h"
#include "steady/deadline.h"

/* How long Evenkeel reads on after its last byte, so that the client sees the response and not a reset (RFC 9112 9.6). */
#define CLIENT_LINGER_MS 2000
/* While the process drains: how long after its accept or its last response a client may send one more request. It is
   likely to be on its way, and closing the connection now would answer it with a reset. */
#define CLIENT_DRAIN_MS 1000
/* How long a client is idle before it gives memory back: not between the requests of one page. */
#define CLIENT_REST_MS 1000

static void client_on_event(evutil_socket_t fd, short what, void *arg);
static void client_on_timer(struct wheel_timer *timer, uint64_t now_ms);

size_t client_object_bytes(void)
{
    return sizeof(struct client);
}

void client_set_address(struct client *client, const struct ip_address *address)
{
    client->origin.address = *address;
    client->origin.client_stratum =
        call_client_stratum(client->origin.worker->env.strata_seed, address);
    client->origin.judged_in = 0;
}

/* Takes a place of limits.clients: a free one, or that of a client that has never sent a byte. */
static bool client_take_place(struct worker *worker)
{
    struct bound *places = &worker->env.bounds->clients;
    if (bound_try(places, 1) || (clients_evict(worker, CLIENT_SILENT) && bound_try(places, 1))) {
        return true;
    }
    bound_refuse(places, 1);
    return false;
}

void client_accept(struct worker_listener *listener, int fd, const struct ip_address *address)
{
    struct worker *worker = listener->worker;
    struct shared_bounds *bounds = worker->env.bounds;
    bool refused = !client_take_place(worker);
    struct client *client = NULL;
    /* an answer would need a handshake, for which there is no capacity */
    bool told = refused && listener->tls == NULL && bound_take(&bounds->refusals, 1);
    if (!refused || told) {
        client = slab_take_zeroed(worker->clients, sizeof *client);
        if (client == NULL) {
            bound_give(refused ? &bounds->refusals : &bounds->clients, 1);
        }
    }
    stat_add(&worker->stats.clients_accepted, 1);
    if (client == NULL) {
        stat_add(&worker->stats.clients_refused, 1);
        struct stream stream;
        stream_init(&stream, fd);
        stream_close(&stream, false);
        worker_give_fds(worker, 1);
        return;
    }
    client->origin = (struct exchange_origin){
        .worker = worker, .listener = &listener->view, .stream = &client->stream};
    client_set_address(client, address);
    client->listener = listener;
    client->refused = refused;
    client->state = CLIENT_CLOSED;
    client->protocol = &h1_client_protocol;
    client->deferred.run = client->protocol->run;
    listener->client_count++;
    stream_init(&client->stream, fd);
    client->duplex.stream = &client->stream;
    wheel_timer_init(&client->timer, client_on_timer);
    TAILQ_INSERT_TAIL(&worker->open.all, client, link);
    stat_add(&worker->stats.clients_open, 1);
    client_enter(client, CLIENT_IDLE);
    event_assign(&client->event, worker->base, fd,
                 EV_READ | EV_WRITE | EV_CLOSED | EV_ET | EV_PERSIST, client_on_event, client);
    if (event_add(&client->event, NULL) != 0) {
        client_close(client, true);
        return;
    }
    if (refused) {
        stat_add(&worker->stats.clients_refused, 1);
        client_refuse(client, REASON_CLIENT_LIMIT, NULL, NULL);
    } else if (listener->proxy_protocol) {
        client_await_preface(client);
    } else if (listener->tls != NULL) {
        client_await_tls(client);
    }
}

void clients_close_idle(struct worker *worker)
{
    struct client *client, *next;
    for (client = TAILQ_FIRST(&worker->open.all); client != NULL; client = next) {
        next = TAILQ_NEXT(client, link);
        if (client_leaves(client)) {
            client->protocol->leave(client);
        }
    }
}

void clients_end_tunnels(struct worker *worker)
{
    struct client *client, *next;
    for (client = TAILQ_FIRST(&worker->open.all); client != NULL; client = next) {
        next = TAILQ_NEXT(client, link);
        client->protocol->end_tunnels(client);
    }
}

void clients_cut(struct worker *worker)
{
    struct client *client, *next;
    for (client = TAILQ_FIRST(&worker->open.all); client != NULL; client = next) {
        next = TAILQ_NEXT(client, link);
        client->protocol->cut(client);
    }
}

void clients_close_all(struct worker *worker)
{
    clients_cut(worker);
    CHECK(TAILQ_EMPTY(&worker->open.all));
}

static uint64_t client_key(const struct client *client)
{
    return call_client_hash(client->origin.worker->env.strata_seed, &client->origin.address);
}

void client_blame(struct client *client)
{
    struct worker *worker = client->origin.worker;
    blame_note(&worker->open.blame, client_key(client), worker_now_ms(worker));
}

bool client_is_blamed(const struct client *client)
{
    struct worker *worker = client->origin.worker;
    return blame_is_on(&worker->open.blame, client_key(client), worker_now_ms(worker));
}

uint64_t client_due_ms(const struct client *client)
{
    const struct listener_timeout_settings *timeouts = &client->listener->view.timeouts;
    if (client->duplex.out != NULL) {
        return deadline_after(client->since_ms, client->untaken_mark == 0 ? timeouts->send_ms / 2
                                                                          : timeouts->send_ms);
    }
    switch ((enum client_state)client->state) {
    case CLIENT_PREFACE:
    case CLIENT_SILENT:
    case CLIENT_HANDSHAKE: return deadline_after(client->since_ms, timeouts->handshake_ms);
    case CLIENT_HEAD: return deadline_after(client->since_ms, timeouts->head_ms);
    case CLIENT_LINGER: return deadline_after(client->since_ms, CLIENT_LINGER_MS);
    case CLIENT_CLOSING: return deadline_after(client->since_ms, timeouts->send_ms);
    case CLIENT_IDLE:
        if (client_leaves(client)) {
            return deadline_after(client->since_ms, CLIENT_DRAIN_MS);
        }
        break;
    case CLIENT_EXCHANGE:
    case CLIENT_TUNNEL:
    case CLIENT_CLOSED: break;
    }
    return deadline_after(client->since_ms, timeouts->idle_ms);
}

/* When an idle client gives back memory that it needs only while it is served, or one that lingers drops what it goes on to send;
   UINT64_MAX: there is nothing to do before it is due. */
static uint64_t client_work_ms(const struct client *client)
{
    uint64_t at_ms = UINT64_MAX;
    if (client->state == CLIENT_IDLE && client->protocol->rest != NULL) {
        at_ms = deadline_after(client->since_ms, CLIENT_REST_MS);
    } else if (client->state == CLIENT_LINGER) {
        at_ms = client->discard_ms;
    }
    return at_ms > worker_now_ms(client->origin.worker) ? at_ms : UINT64_MAX;
}

void client_arm(struct client *client)
{
    uint64_t due_ms = deadline_earlier(client_due_ms(client), client_work_ms(client));
    wheel_arm(&client->origin.worker->loop.wheel, &client->timer, due_ms);
}

void client_enter(struct client *client, enum client_state state)
{
    struct worker_stats *stats = &client->origin.worker->stats;
    if (client->state == CLIENT_IDLE) {
        stat_sub(&stats->clients_idle, 1);
    } else if (client->state == CLIENT_SILENT || client->state == CLIENT_HANDSHAKE) {
        client_leave_handshake(client);
    } else if (client->state == CLIENT_TUNNEL) {
        stat_sub(&stats->tunnels_open, 1);
    } else if (client->state == CLIENT_LINGER) {
        stat_sub(&stats->clients_lingering, 1);
    }
    client->state = (uint8_t)state;
    client->since_ms = worker_now_ms(client->origin.worker);
    if (state == CLIENT_IDLE) {
        stat_add(&stats->clients_idle, 1);
    } else if (state == CLIENT_SILENT || state == CLIENT_HANDSHAKE) {
        client_join_handshake(client);
    } else if (state == CLIENT_TUNNEL) {
        stat_add(&stats->tunnels_open, 1);
        stat_add(&stats->tunnels, 1);
    } else if (state == CLIENT_LINGER) {
        stat_add(&stats->clients_lingering, 1);
        client->discard_ms = 0;
    }
    /* an exchange has its own timer; the client's stays where it is, and checks again when it fires */
    if (state != CLIENT_EXCHANGE && state != CLIENT_TUNNEL && state != CLIENT_CLOSED) {
        client_arm(client);
    }
}

static void client_free_now(struct deferred_free *freed, void *owner)
{
    struct client *client = container_of(freed, struct client, freed);
    struct worker *worker = owner;
    slab_give(worker->clients, &client);
}

void client_close(struct client *client, bool reset)
{
    struct worker *worker = client->origin.worker;
    CHECK(client->state != CLIENT_CLOSED);
    client->protocol->close(client);
    stat_sub(&worker->stats.clients_open, 1); /* before it is idle no more, for drain_busy() */
    client_enter(client, CLIENT_CLOSED);
    event_del(&client->event);
    client_end_tls(client);
    stream_close(&client->stream, reset);
    wheel_disarm(&worker->loop.wheel, &client->timer);
    loop_defer_cancel(&worker->loop, &client->deferred);
    duplex_release(&client->duplex, worker->bufs);
    TAILQ_REMOVE(&worker->open.all, client, link);
    stat_add(&worker->stats.clients_closed, 1);
    bound_give(client->refused ? &worker->env.bounds->refusals : &worker->env.bounds->clients, 1);
    worker_give_fds(worker, 1);
    worker_listener_put(client->listener);
    loop_free_later(&worker->loop, &client->freed, client_free_now);
    listeners_resume(worker);
}

void client_break_off(struct client *client, bool reset)
{
    if (client->stream.tls == NULL || !client_linger_behind_alert(client)) {
        client_close(client, reset);
    }
}

void client_lost(struct client *client, enum exchange_reason reason)
{
    client->protocol->lost(client, reason);
    if (client->state != CLIENT_CLOSED && client->state != CLIENT_LINGER) {
        client_break_off(client, true);
    }
}

/* The socket's buffer may be so large that it takes nothing for long, although a slow client takes what is in it: it is looked at
   after half of the time, and again at its end. */
static bool client_takes(struct client *client)
{
    uint32_t before = client->untaken_mark, now = stream_untaken_bytes(&client->stream) + 1;
    if (client->duplex.out == NULL || (before != 0 && now >= before)) {
        return false;
    }
    client->untaken_mark = now;
    if (before != 0) {
        client->since_ms =
            worker_now_ms(client->origin.worker) - client->listener->view.timeouts.send_ms / 2;
    }
    return true;
}

static void client_on_timer(struct wheel_timer *timer, uint64_t now_ms)
{
    struct client *client = container_of(timer, struct client, timer);
    bool busy = client->protocol->busy(client);
    if (busy && client->duplex.out == NULL) {
        wheel_arm(&client->origin.worker->loop.wheel, timer,
                  deadline_after(now_ms, client->listener->view.timeouts.idle_ms));
        return;
    }
    if (!deadline_passed(client_due_ms(client), now_ms)) {
        if (client->state == CLIENT_IDLE && client->protocol->rest != NULL) {
            client->protocol->rest(client);
        } else if (client->state == CLIENT_LINGER) {
            client_run_soon(client);
        }
        client_arm(client);
        return;
    }
    if (client_takes(client)) {
        client_arm(client);
        return;
    }
    stat_add(&client->origin.worker->stats.client_timeouts, 1);
    if (busy) {
        client_lost(client, REASON_CLIENT_STALLED);
    } else {
        client->protocol->expired(client);
    }
}

static void client_on_event(evutil_socket_t fd, short what, void *arg)
{
    struct client *client = arg;
    (void)fd;
    if (client->state == CLIENT_CLOSED) {
        return;
    }
    duplex_on_event(&client->duplex, what);
    if (client->duplex.out != NULL) {
        if (!client_flush(client)) {
            return;
        }
    } else if ((what & EV_WRITE) && client->exchange != NULL) {
        exchange_client_writable(client->exchange);
    }
    /* Responses are sent first, and all requests of a pass after them, so that the other sides are woken once for
       several of them. */
    if (client->state != CLIENT_CLOSED) {
        client_run_soon(client);
    }
}

void client_refuse(struct client *client, enum exchange_reason reason, const char *detail,
                   const struct http_head *seen)
{
    client->keep = false;
    client_enter_exchange(client);
    if (!exchange_refuse(&client->origin, &client_ops, client, reason, detail, seen,
                         &client->exchange)) {
        client_close(client, true);
    }
}
