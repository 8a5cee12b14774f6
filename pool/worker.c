/* A worker's side of the pools: what it adopts, what it defers, and its end. */
#include <stdlib.h>

#include "pool/connection.h"
#include "pool/dial.h"
#include "pool/line.h"
#include "pool/pools.h"
#include "pool/queue.h"
#include "pool/upkeep.h"
#include "steady/check.h"
#include "steady/fault.h"

/* ---- deferred work, so that no callback runs inside another's call ---- */

static void serve_endpoint(struct deferred *deferred)
{
    struct endpoint_local *local = container_of(deferred, struct endpoint_local, serve);
    line_serve(local);
    upkeep_run(local);
    endpoint_local_leave(local);
}

/* A starved local already counts as used. */
void pool_worker_schedule_endpoint(struct pool_worker *worker, struct endpoint_local *local)
{
    if (local->serve.queued) {
        return;
    }
    if (local->starved) {
        TAILQ_REMOVE(&worker->starved, local, starved_link);
        local->starved = false;
    } else {
        endpoint_local_use(local);
    }
    loop_defer(worker->env.loop, &local->serve);
}

void pool_worker_starve_endpoint(struct pool_worker *worker, struct endpoint_local *local)
{
    if (local->starved || local->serve.queued) {
        return;
    }
    local->starved = true;
    endpoint_local_use(local);
    TAILQ_INSERT_TAIL(&worker->starved, local, starved_link);
}

void pool_worker_dial_ended(struct pool_worker *worker)
{
    struct endpoint_local *local;
    while ((local = TAILQ_FIRST(&worker->starved)) != NULL) {
        pool_worker_schedule_endpoint(worker, local);
    }
}

struct pool_worker *pool_worker_create(struct pools *pools, const struct pool_worker_env *env)
{
    CHECK(env->index < pools->worker_count && pools_worker(pools, env->index) == NULL);
    struct pool_worker *worker = fault_hits(FAULT_ALLOC) ? NULL : calloc(1, sizeof *worker);
    if (worker == NULL) {
        return NULL;
    }
    worker->slab = slab_create(sizeof(struct connection), NULL);
    if (worker->slab == NULL) {
        free(worker);
        return NULL;
    }
    worker->env = *env;
    worker->pools = pools;
    TAILQ_INIT(&worker->connections);
    TAILQ_INIT(&worker->starved);
    waitlist_attach(&pools->fd_locals[env->index], env->loop);
    __atomic_store_n(&pools->workers[env->index], worker, __ATOMIC_RELEASE);
    return worker;
}

static struct endpoint_local *local_of(const struct pool_worker *worker, struct endpoint *endpoint)
{
    return &endpoint->locals[worker->env.index];
}

static void close_all_idle(struct endpoint_local *local)
{
    while (!TAILQ_EMPTY(&local->idle)) {
        connection_end(TAILQ_LAST(&local->idle, connection_list), ENDING_RETIRED);
    }
}

typedef void local_fn(struct endpoint_local *local, const struct upstream_settings *settings);

static void each_local(struct pool_worker *worker, const struct upstream_set *set, local_fn *each)
{
    for (size_t v = 0; set != NULL && v < set->count; v++) {
        for (size_t e = 0; e < set->views[v].endpoint_count; e++) {
            each(local_of(worker, set->views[v].endpoints[e]), set->views[v].settings);
        }
    }
}

/* Takes the settings over. Each worker sets the limits of the process in its turn. The last one to adopt decides, and
   all workers that adopt a set set the same values. */
static void adopt_settings(struct endpoint_local *local, const struct upstream_settings *settings)
{
    struct pool_worker *worker = local->worker;
    local->stamp = worker->stamp;
    local->kept = !worker->draining;
    local->limits.max_requests_count = settings->pool.max_requests_count;
    local->limits.connect_ms = settings->timeouts.connect_ms;
    local->limits.tls_ms = settings->timeouts.tls_ms;
    local->limits.unacked_ms = settings->timeouts.idle_ms;
    local->limits.ping_ms = settings->pool.ping_ms;
    local->limits.streams_count = (uint32_t)settings->pool.streams_count;
    bound_set_limit(&local->endpoint->connections, settings->pool.max_count);
    upkeep_adopt(local, settings);
}

/* Lower limits apply to idle connections at once. */
static void trim(struct endpoint_local *local, const struct upstream_settings *settings)
{
    struct connection *connection;
    (void)settings;
    while ((connection = TAILQ_LAST(&local->idle, connection_list)) != NULL &&
           connection_is_surplus(connection)) {
        connection_end(connection, ENDING_SURPLUS);
    }
    TAILQ_FOREACH (connection, &local->idle, spare_link) {
        wheel_arm(&local->worker->env.loop->wheel, &connection->timer,
                  connection->idle_since_ms + local->limits.idle_ms);
    }
}

/* Open connections follow the adopted limits. Those that end when they come back still do. */
static void limit_open(struct pool_worker *worker)
{
    struct connection *connection;
    TAILQ_FOREACH (connection, &worker->connections, link) {
        if (connection->loans.exchanges_limit > 0) {
            connection->loans.exchanges_limit = connection_exchanges_limit(connection);
        }
        if (connection->ready && connection->lending == LENDS_SHARES) {
            connection_allow(connection, connection->loans.allowed_count);
        }
        upkeep_shorten(connection);
    }
}

static void retire_unseen(struct endpoint_local *local, const struct upstream_settings *settings)
{
    (void)settings;
    if (local->stamp == local->worker->stamp) {
        return;
    }
    local->kept = false;
    upkeep_stop(local);
    close_all_idle(local);
}

static void enter_locals(struct pool_worker *worker, const struct upstream_view *view)
{
    for (size_t i = 0; i < view->endpoint_count; i++) {
        struct endpoint_local *local = local_of(worker, view->endpoints[i]);
        if (local->worker == NULL) { /* a sibling that was asked may be reading it */
            local->worker = worker;
            local->serve.run = serve_endpoint;
        }
    }
}

void pool_worker_prewarm(struct pool_worker *worker, const struct upstream_set *coming)
{
    worker->coming = coming;
    for (size_t v = 0; v < coming->count; v++) {
        const struct upstream_view *view = &coming->views[v];
        if (!view->ahead) {
            continue;
        }
        enter_locals(worker, view);
        for (size_t e = 0; e < view->endpoint_count; e++) {
            adopt_settings(local_of(worker, view->endpoints[e]), view->settings);
        }
    }
}

static void adopt_view(struct pool_worker *worker, struct upstream_view *view)
{
    struct upstream *upstream = view->upstream;
    bound_set_limit(&upstream->in_flight, view->settings->limits.in_flight_count);
    bound_set_limit(&upstream->queued, view->settings->limits.queue_count);
    enter_locals(worker, view);
    upstream_local_keep(&upstream->own->locals[worker->env.index], worker, view);
}

void pool_worker_adopt(struct pool_worker *worker, const struct upstream_set *set)
{
    const struct upstream_set *previous = worker->set;
    worker->stamp++;
    for (size_t i = 0; i < set->count; i++) {
        adopt_view(worker, &set->views[i]);
    }
    each_local(worker, set, adopt_settings);
    each_local(worker, previous, retire_unseen);
    each_local(worker, set, trim);
    limit_open(worker);
    for (size_t i = 0; previous != NULL && i < previous->count; i++) {
        struct upstream *upstream = previous->views[i].upstream;
        if (upstream->views[worker->env.index] == &previous->views[i]) {
            upstream_local_let_go(&upstream->own->locals[worker->env.index]);
        }
    }
    worker->set = set;
    worker->coming = NULL;
}

static void drain_local(struct endpoint_local *local, const struct upstream_settings *settings)
{
    (void)settings;
    local->kept = false;
    upkeep_stop(local);
    close_all_idle(local);
}

void pool_worker_drain(struct pool_worker *worker)
{
    worker->draining = true;
    each_local(worker, worker->set, drain_local);
    each_local(worker, worker->coming, drain_local);
}

static void unschedule(struct pool_worker *worker)
{
    struct loop *loop = worker->env.loop;
    struct deferred *deferred, *next;
    pool_worker_dial_ended(worker);
    for (deferred = TAILQ_FIRST(&loop->deferred); deferred != NULL; deferred = next) {
        next = TAILQ_NEXT(deferred, link);
        if (deferred->run == serve_endpoint) {
            loop_defer_cancel(loop, deferred);
            endpoint_local_leave(container_of(deferred, struct endpoint_local, serve));
        }
    }
}

static void end_connections(struct pool_worker *worker)
{
    struct connection *connection;
    while ((connection = TAILQ_FIRST(&worker->connections)) != NULL) {
        CHECK(connection->state == CONNECTION_IDLE || connection->state == CONNECTION_DIALLING);
        if (connection->state == CONNECTION_IDLE) {
            connection_end(connection, ENDING_RETIRED);
        } else {
            dial_abandon(connection);
        }
    }
}

void pool_worker_free(struct pool_worker **worker_pointer)
{
    struct pool_worker *worker = *worker_pointer;
    if (worker == NULL) {
        return;
    }
    *worker_pointer = NULL;
    CHECK(worker->request_count == 0);
    pool_worker_drain(worker);
    end_connections(worker);
    unschedule(worker);
    loop_free_deferred(worker->env.loop, worker->env.owner);
    for (size_t i = 0; worker->set != NULL && i < worker->set->count; i++) {
        struct upstream *upstream = worker->set->views[i].upstream;
        upstream_local_let_go(&upstream->own->locals[worker->env.index]);
    }
    slab_free(worker->slab);
    __atomic_store_n(&worker->pools->workers[worker->env.index], NULL, __ATOMIC_RELEASE);
    free(worker);
}
