/* First come, first served, by whichever connection is ready first. */
#include "pool/line.h"

#include "pool/claim.h"
#include "pool/descriptor.h"
#include "pool/dial.h"
#include "pool/handover.h"
#include "pool/queue.h"
#include "pool/upkeep.h"
#include "steady/check.h"

enum bring_result { BRING_STARTED, BRING_LATER, BRING_FULL, BRING_NO_FD };

static struct lease_request *first_servable(const struct endpoint_slot *slot, bool reused)
{
    struct lease_request *request;
    TAILQ_FOREACH (request, &slot->line, link) {
        if (!reused || !request->fresh_only)
            break;
    }
    return request;
}

static void enqueue(struct endpoint_slot *slot, struct lease_request *request)
{
    request->endpoint = slot->endpoint;
    request->number = ++slot->joined_count;
    TAILQ_INSERT_TAIL(&slot->line, request, link);
    slot->line_count++;
    slot->fresh_only_count += request->fresh_only;
    slot->worker->request_count++;
    slot_use(slot);
}

static void dequeue(struct endpoint_slot *slot, struct lease_request *request)
{
    TAILQ_REMOVE(&slot->line, request, link);
    slot->line_count--;
    slot->fresh_only_count -= request->fresh_only;
}

/* It is pending no more. */
static void settle(struct endpoint_slot *slot, struct lease_request *request)
{
    slot->worker->request_count--;
    request->endpoint = NULL;
}

void line_leave(struct endpoint_slot *slot, struct lease_request *request)
{
    if (request->claimed != NULL)
        claim_cancel(request);
    else
        dequeue(slot, request);
    settle(slot, request);
    slot_leave(slot);
}

/* The request's load stays: it is the lease's from now on. */
void line_grant(struct endpoint_slot *slot, struct lease_request *request,
                struct connection *connection)
{
    settle(slot, request);
    struct lease *lease = connection_lend(connection, connection->state);
    slot_leave(slot);
    request->on_ready(request, lease);
}

void line_refuse(struct endpoint_slot *slot, struct lease_request *request, enum dial_result result)
{
    settle(slot, request);
    __atomic_fetch_sub(&slot->endpoint->in_flight, 1, __ATOMIC_RELAXED);
    slot_leave(slot);
    request->tls_failure = slot->tls_failure;
    request->on_failed(request, result);
}

static void serve(struct endpoint_slot *slot, struct lease_request *request,
                  struct connection *connection)
{
    dequeue(slot, request);
    if (connection->unsecured)
        claim_start(connection, request);
    else
        line_grant(slot, request, connection);
}

static void fail(struct endpoint_slot *slot, struct lease_request *request, enum dial_result result)
{
    dequeue(slot, request);
    line_refuse(slot, request, result);
}

static bool misses_fresh(const struct endpoint_slot *slot)
{
    return slot->fresh_only_count > slot->fresh_coming_count;
}

static bool misses_any(const struct endpoint_slot *slot)
{
    return slot->line_count > slot->coming_count || misses_fresh(slot);
}

/* A place of pool.max for a dial. For a connection that has to be fresh a resting one makes room. */
static bool take_place(struct endpoint_slot *slot, bool fresh)
{
    struct bound *connections = &slot->endpoint->connections;
    if (bound_take(connections, 1))
        return true;
    if (!fresh || TAILQ_EMPTY(&slot->idle))
        return false;
    connection_close_idle(TAILQ_LAST(&slot->idle, connection_list), LEASE_CLOSED_SURPLUS);
    return bound_take(connections, 1);
}

/* Asks in vain after which a dial takes its turn, for each request in line. */
#define VAIN_ASKS 4

/* While connections are as many as exchanges one more would be one too many: who has one at rest may have lent it in
   between, or given it to another sibling, but someone's is free or about to be. */
static bool enough_exist(const struct endpoint_slot *slot)
{
    const struct endpoint *endpoint = slot->endpoint;
    return slot->vain_count < VAIN_ASKS * (uint64_t)slot->line_count &&
           bound_used(&endpoint->connections) >= count_read(&endpoint->in_flight);
}

static bool ask_first(struct endpoint_slot *slot, bool rather_dial)
{
    if (enough_exist(slot))
        return handover_ask(slot, false) || handover_ask_anyone(slot);
    return !rather_dial && handover_ask(slot, false);
}

/* Starts one dial or ask. */
static enum bring_result bring_one(struct endpoint_slot *slot, bool rather_dial)
{
    struct pool_worker *worker = slot->worker;
    bool fresh = misses_fresh(slot);
    if (!fresh && ask_first(slot, rather_dial))
        return BRING_STARTED;
    slot->vain_count = 0;
    if (slot->dialling_count >= POOL_SLOT_DIALS || worker->dialling_count >= POOL_WORKER_DIALS)
        return BRING_LATER;
    if (!take_place(slot, fresh))
        return (fresh || rather_dial) && handover_ask(slot, fresh) ? BRING_STARTED : BRING_FULL;
    if (dial_start(slot))
        return BRING_STARTED;
    /* Not offered to those who wait: they would want the descriptor that there is not. */
    bound_give(&slot->endpoint->connections, 1);
    return BRING_NO_FD;
}

enum lease_result line_join(struct endpoint_slot *slot, struct lease_request *request,
                            struct lease **ret_lease)
{
    CHECK(request->endpoint == NULL && request->on_ready != NULL && request->on_failed != NULL);
    __atomic_fetch_add(&slot->endpoint->in_flight, 1, __ATOMIC_RELAXED);
    struct connection *idle = TAILQ_FIRST(&slot->idle);
    bool served =
        idle != NULL && !request->fresh_only && slot->line_count == slot->fresh_only_count;
    if (served && !idle->unsecured) {
        *ret_lease = connection_lend(idle, CONNECTION_IDLE);
        return LEASE_READY;
    }
    enqueue(slot, request);
    if (served) {
        serve(slot, request, idle);
        return LEASE_PENDING;
    }
    if (!misses_any(slot)) {
        /* Dials that nobody waited for are coming. A sibling that has one at rest is faster. */
        uint64_t asks_count = slot->coming_count - slot->dialling_count;
        if (!request->fresh_only && slot->line_count > asks_count)
            handover_ask_besides(slot);
        return LEASE_PENDING;
    }
    switch (bring_one(slot, false)) {
    case BRING_STARTED: return LEASE_PENDING;
    case BRING_LATER: pool_worker_starve_slot(slot->worker, slot); return LEASE_PENDING;
    case BRING_FULL: break;
    case BRING_NO_FD: pool_lease_cancel(slot->worker, request); return LEASE_NO_FD;
    }
    pool_lease_cancel(slot->worker, request);
    return LEASE_FULL;
}

/* Who came last has the worst claim to what is coming. */
static struct lease_request *last_missing(const struct endpoint_slot *slot)
{
    bool fresh = misses_fresh(slot);
    struct lease_request *request;
    TAILQ_FOREACH_REVERSE (request, &slot->line, lease_request_list, link) {
        if (!fresh || request->fresh_only)
            break;
    }
    return request;
}

void line_bring(struct endpoint_slot *slot, bool rather_dial)
{
    while (misses_any(slot)) {
        switch (bring_one(slot, rather_dial)) {
        case BRING_STARTED: break;
        case BRING_LATER: pool_worker_starve_slot(slot->worker, slot); return;
        case BRING_FULL: fail(slot, last_missing(slot), DIAL_FULL); break;
        case BRING_NO_FD: fail(slot, last_missing(slot), DIAL_NO_FD); break;
        }
    }
}

void line_serve(struct endpoint_slot *slot)
{
    struct lease_request *request;
    while (!TAILQ_EMPTY(&slot->idle) && (request = first_servable(slot, true)) != NULL)
        serve(slot, request, TAILQ_FIRST(&slot->idle));
    line_bring(slot, false);
}

void line_offer(struct endpoint_slot *slot, struct connection *connection)
{
    struct lease_request *request = first_servable(slot, connection->lease.reused);
    upkeep_on_ready(connection);
    if (request != NULL) {
        serve(slot, request, connection);
        return;
    }
    if (!slot->kept) {
        count_add(&slot->stats.closed[LEASE_CLOSED_RETIRED], 1);
        connection_drop(connection, false);
        return;
    }
    connection_rest(connection, connection->state);
    queue_capacity_freed(slot->worker, slot->endpoint);
    descriptor_spare(slot->worker);
}

/* Whoever fails may ask again at once, and has then another dial to wait for. */
static struct lease_request *last_up_to(const struct endpoint_slot *slot, uint64_t number)
{
    struct lease_request *request;
    TAILQ_FOREACH_REVERSE (request, &slot->line, lease_request_list, link) {
        if (request->number <= number)
            break;
    }
    return request;
}

void line_dial_failed(struct endpoint_slot *slot, enum dial_result result)
{
    uint64_t joined_count = slot->joined_count;
    uint32_t beyond_count =
        slot->line_count > slot->coming_count ? slot->line_count - slot->coming_count : 0;
    struct lease_request *request = TAILQ_FIRST(&slot->line);
    if (request != NULL)
        fail(slot, request, result);
    for (; beyond_count > 1 && (request = last_up_to(slot, joined_count)) != NULL; beyond_count--)
        fail(slot, request, result);
}
