/* First come, first served, by whichever connection is ready first. */
#include "pool/line.h"

#include "pool/descriptor.h"
#include "pool/dial.h"
#include "pool/habit.h"
#include "pool/handover.h"
#include "pool/late_tls.h"
#include "pool/queue.h"
#include "pool/upkeep.h"
#include "steady/check.h"

enum bring_result { BRING_STARTED, BRING_LATER, BRING_FULL, BRING_NO_FD };

static struct lease_request *first_servable(const struct endpoint_local *local, bool reused)
{
    struct lease_request *request;
    TAILQ_FOREACH (request, &local->line.requests, link) {
        if (!reused || !request->fresh_only) {
            break;
        }
    }
    return request;
}

/* The request is pending, until settle(). */
static void await(struct endpoint_local *local, struct lease_request *request)
{
    request->endpoint = local->endpoint;
    local->worker->request_count++;
    endpoint_local_use(local);
}

static void enqueue(struct endpoint_local *local, struct lease_request *request)
{
    await(local, request);
    request->number = ++local->line.joined_count;
    TAILQ_INSERT_TAIL(&local->line.requests, request, link);
    local->line.count++;
    local->line.fresh_only_count += request->fresh_only;
}

static void dequeue(struct endpoint_local *local, struct lease_request *request)
{
    TAILQ_REMOVE(&local->line.requests, request, link);
    local->line.count--;
    local->line.fresh_only_count -= request->fresh_only;
}

/* The request is no longer pending. */
static void settle(struct endpoint_local *local, struct lease_request *request)
{
    local->worker->request_count--;
    request->endpoint = NULL;
}

void line_leave(struct endpoint_local *local, struct lease_request *request)
{
    if (request->promised != NULL) {
        late_tls_cancel(request);
    } else {
        dequeue(local, request);
    }
    settle(local, request);
    endpoint_local_leave(local);
}

/* The request's load stays counted: it is the lease's from now on. */
void line_grant(struct endpoint_local *local, struct lease_request *request,
                struct connection *connection)
{
    settle(local, request);
    struct lease *lease = connection_lend(connection, request);
    endpoint_local_leave(local);
    request->on_ready(request, lease);
}

void line_refuse(struct endpoint_local *local, struct lease_request *request,
                 enum dial_result result)
{
    settle(local, request);
    __atomic_fetch_sub(&local->endpoint->in_flight, 1, __ATOMIC_RELAXED);
    endpoint_local_leave(local);
    request->tls_failure = local->tls_failure;
    request->on_failed(request, result);
}

static void serve(struct endpoint_local *local, struct lease_request *request,
                  struct connection *connection)
{
    dequeue(local, request);
    if (connection->lending == LENDS_LATE_TLS) {
        late_tls_start(connection, request);
    } else {
        line_grant(local, request, connection);
    }
}

static void fail(struct endpoint_local *local, struct lease_request *request,
                 enum dial_result result)
{
    dequeue(local, request);
    line_refuse(local, request, result);
}

/* Prefers a connection that is already shared, so that idle ones stay idle and siblings can have them. */
static struct connection *first_spare(const struct endpoint_local *local)
{
    struct connection *sharing = TAILQ_FIRST(&local->sharing);
    return sharing != NULL ? sharing : TAILQ_FIRST(&local->idle);
}

static bool misses_fresh(const struct endpoint_local *local)
{
    return local->line.fresh_only_count > local->coming.fresh_count;
}

static bool misses_any(const struct endpoint_local *local)
{
    return local->line.count > local->coming.count || misses_fresh(local);
}

/* Takes a place of pool.max for a dial. For a request that needs a new connection, an idle one is closed to make room. */
static bool take_place(struct endpoint_local *local, bool fresh)
{
    struct bound *connections = &local->endpoint->connections;
    if (bound_try(connections, 1)) {
        return true;
    }
    if (!fresh || TAILQ_EMPTY(&local->idle)) {
        return false;
    }
    connection_end(TAILQ_LAST(&local->idle, connection_list), ENDING_SURPLUS);
    return bound_try(connections, 1);
}

/* Number of vain asks for each request in line, after which a connection is dialled; for all of them, if connections are
   shared: a sibling lends a shared one to its own requests only. */
#define VAIN_ASKS 4

static uint64_t vain_asks_most(const struct endpoint_local *local)
{
    return protocol_of(local->endpoint)->shares ? VAIN_ASKS
                                                : VAIN_ASKS * (uint64_t)local->line.count;
}

/* Highest number of dials of the local in progress. While it is not known what a connection carries, one finds that out for
   all requests in line: else a burst would dial a connection for each of them. */
static uint64_t dials_most(const struct endpoint_local *local)
{
    return endpoint_capacity_is_unknown(local->endpoint) ? 1 : POOL_ENDPOINT_DIALS;
}

/* While there are as many connections as exchanges, a further one would be one too many: a sibling that had an idle one
   may have lent it in between, or given it to another worker, but one is free or about to be. */
static bool enough_exist(const struct endpoint_local *local)
{
    const struct endpoint *endpoint = local->endpoint;
    return local->coming.vain_count < vain_asks_most(local) &&
           bound_used(&endpoint->connections) * endpoint_capacity_count(endpoint) >=
               count_read(&endpoint->in_flight);
}

static bool ask_first(struct endpoint_local *local, bool rather_dial)
{
    if (enough_exist(local)) {
        return handover_ask(local, false) || handover_ask_anyone(local);
    }
    return !rather_dial && handover_ask(local, false);
}

/* Starts one dial or ask. */
static enum bring_result bring_one(struct endpoint_local *local, bool rather_dial)
{
    struct pool_worker *worker = local->worker;
    bool fresh = misses_fresh(local);
    if (!fresh && ask_first(local, rather_dial)) {
        return BRING_STARTED;
    }
    local->coming.vain_count = 0;
    if (local->dialling_count >= dials_most(local) || worker->dialling_count >= POOL_WORKER_DIALS) {
        return BRING_LATER;
    }
    if (!take_place(local, fresh)) {
        return (fresh || rather_dial) && handover_ask(local, fresh) ? BRING_STARTED : BRING_FULL;
    }
    if (dial_start(local, FD_FOR_EXCHANGE)) {
        return BRING_STARTED;
    }
    /* Not offered to waiters: they would need the descriptor that is missing. */
    bound_give(&local->endpoint->connections, 1);
    return BRING_NO_FD;
}

/* For a request that cannot share: a connection beside the shared ones of its endpoint. */
static enum lease_result dial_alone(struct endpoint_local *local, struct lease_request *request)
{
    if (!take_place(local, true)) {
        return LEASE_FULL;
    }
    if (!dial_start_alone(local, request)) {
        bound_give(&local->endpoint->connections, 1);
        return LEASE_NO_FD;
    }
    __atomic_fetch_add(&local->endpoint->in_flight, 1, __ATOMIC_RELAXED);
    await(local, request);
    return LEASE_PENDING;
}

enum lease_result line_join(struct endpoint_local *local, struct lease_request *request,
                            struct lease **ret_lease)
{
    CHECK(request->endpoint == NULL && request->on_ready != NULL && request->on_failed != NULL);
    if (request->whole_only && protocol_of(local->endpoint)->shares) {
        return dial_alone(local, request);
    }
    __atomic_fetch_add(&local->endpoint->in_flight, 1, __ATOMIC_RELAXED);
    struct connection *spare = first_spare(local);
    bool served =
        spare != NULL && !request->fresh_only && local->line.count == local->line.fresh_only_count;
    if (served && spare->lending != LENDS_LATE_TLS) {
        *ret_lease = connection_lend(spare, request);
        return LEASE_READY;
    }
    enqueue(local, request);
    if (served) {
        serve(local, request, spare);
        return LEASE_PENDING;
    }
    if (!misses_any(local)) {
        /* The expected connections come from dials ahead of requests. A sibling with an idle connection is faster. */
        if (!request->fresh_only && local->line.count > local->coming.asking_count) {
            handover_ask_besides(local);
        }
        return LEASE_PENDING;
    }
    switch (bring_one(local, false)) {
    case BRING_STARTED: return LEASE_PENDING;
    case BRING_LATER: pool_worker_starve_endpoint(local->worker, local); return LEASE_PENDING;
    case BRING_FULL: break;
    case BRING_NO_FD: pool_lease_cancel(local->worker, request); return LEASE_NO_FD;
    }
    pool_lease_cancel(local->worker, request);
    return LEASE_FULL;
}

/* The request that came last has the weakest claim to the expected connections. */
static struct lease_request *last_missing(const struct endpoint_local *local)
{
    bool fresh = misses_fresh(local);
    struct lease_request *request;
    TAILQ_FOREACH_REVERSE (request, &local->line.requests, lease_request_list, link) {
        if (!fresh || request->fresh_only) {
            break;
        }
    }
    return request;
}

void line_bring(struct endpoint_local *local, bool rather_dial)
{
    while (misses_any(local)) {
        switch (bring_one(local, rather_dial)) {
        case BRING_STARTED: break;
        case BRING_LATER: pool_worker_starve_endpoint(local->worker, local); return;
        case BRING_FULL: fail(local, last_missing(local), DIAL_FULL); break;
        case BRING_NO_FD: fail(local, last_missing(local), DIAL_NO_FD); break;
        }
    }
}

void line_serve(struct endpoint_local *local)
{
    struct lease_request *request;
    struct connection *spare;
    while ((spare = first_spare(local)) != NULL &&
           (request = first_servable(local, true)) != NULL) {
        serve(local, request, spare);
    }
    line_bring(local, false);
}

/* A shared connection serves as many requests as it may. */
static void serve_all(struct endpoint_local *local, struct connection *connection)
{
    bool reused = connection->facts.reused;
    struct lease_request *request = first_servable(local, reused);
    do {
        serve(local, request, connection);
        request = first_servable(local, reused);
    } while (request != NULL && connection->state == CONNECTION_SHARING);
}

void line_offer(struct endpoint_local *local, struct connection *connection)
{
    upkeep_on_ready(connection);
    if (first_servable(local, connection->facts.reused) != NULL) {
        habit_make_way(local);
        serve_all(local, connection);
        return;
    }
    if (!local->kept || habit_unwelcome(connection)) {
        connection_end(connection, local->kept ? ENDING_SURPLUS : ENDING_RETIRED);
        return;
    }
    connection_rest(connection, connection->state);
    queue_capacity_freed(local->worker, local->endpoint);
    descriptor_spare(local->worker);
}

/* A failed request may ask again at once, and then waits for another dial. */
static struct lease_request *last_up_to(const struct endpoint_local *local, uint64_t number)
{
    struct lease_request *request;
    TAILQ_FOREACH_REVERSE (request, &local->line.requests, lease_request_list, link) {
        if (request->number <= number) {
            break;
        }
    }
    return request;
}

void line_dial_failed(struct endpoint_local *local, enum dial_result result)
{
    uint64_t joined_count = local->line.joined_count;
    uint32_t beyond_count =
        local->line.count > local->coming.count ? local->line.count - local->coming.count : 0;
    struct lease_request *request = TAILQ_FIRST(&local->line.requests);
    if (request != NULL) {
        fail(local, request, result);
    }
    for (; beyond_count > 1 && (request = last_up_to(local, joined_count)) != NULL;
         beyond_count--) {
        fail(local, request, result);
    }
}
