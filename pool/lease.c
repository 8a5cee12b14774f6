/* The fast path of the pool: an idle connection to its borrower and back. */
#include "pool/lease.h"

#include "pool/connection.h"
#include "pool/descriptor.h"
#include "pool/line.h"
#include "pool/queue.h"
#include "pool/upkeep.h"
#include "steady/check.h"

enum lease_result pool_lease(struct pool_worker *worker, struct endpoint *endpoint,
                             struct lease_request *request, struct lease **ret_lease)
{
    struct endpoint_local *local = &endpoint->locals[worker->env.index];
    struct connection *connection = TAILQ_FIRST(&local->idle);
    if (connection == NULL || local->line.count > 0 || request->fresh_only || connection->unsecured)
        return line_join(local, request, ret_lease);
    __atomic_fetch_add(&endpoint->in_flight, 1, __ATOMIC_RELAXED);
    *ret_lease = connection_lend(connection, CONNECTION_IDLE);
    return LEASE_READY;
}

void pool_lease_cancel(struct pool_worker *worker, struct lease_request *request)
{
    if (request->endpoint == NULL)
        return;
    struct endpoint *endpoint = request->endpoint;
    struct endpoint_local *local = &endpoint->locals[worker->env.index];
    __atomic_fetch_sub(&endpoint->in_flight, 1, __ATOMIC_RELAXED);
    line_leave(local, request);
}

static struct connection *take_back(struct pool_worker *worker, struct lease **lease)
{
    struct connection *connection = (*lease)->connection;
    CHECK(connection->state == CONNECTION_LENT && connection->local->worker == worker);
    *lease = NULL;
    connection->lease.on_event = NULL;
    return connection;
}

/* Ends a lease whose connection is not kept. */
static void end_lease(struct connection *connection, enum lease_close_reason reason)
{
    struct endpoint *endpoint = connection->local->endpoint;
    count_add(&connection->local->stats.closed[reason], 1);
    __atomic_fetch_sub(&endpoint->in_flight, 1, __ATOMIC_RELAXED);
    if (reason == LEASE_CLOSED_BROKEN)
        upkeep_on_death(connection, true);
    connection_drop(connection, reason == LEASE_CLOSED_ABANDONED || reason == LEASE_CLOSED_BROKEN);
}

void lease_return(struct pool_worker *worker, struct lease **lease)
{
    struct connection *connection = take_back(worker, lease);
    struct endpoint_local *local = connection->local;
    struct endpoint *endpoint = local->endpoint;
    if (++connection->facts.exchanges_count >= connection->exchanges_limit)
        end_lease(connection, local->kept ? connection->end_reason : LEASE_CLOSED_RETIRED);
    else if (!local->kept)
        end_lease(connection, LEASE_CLOSED_RETIRED);
    else if (connection_gives_up_place(connection))
        end_lease(connection, LEASE_CLOSED_SURPLUS);
    else {
        connection_rest(connection, CONNECTION_LENT);
        (void)waitlist_meet(&endpoint->in_flight, (uint64_t)-1);
        if (__builtin_expect(local->line.count > local->line.fresh_only_count, 0))
            pool_worker_schedule_endpoint(worker, local);
        else if (__builtin_expect(queue_waits(endpoint->upstream), 0))
            queue_offer(worker, endpoint->upstream);
        else if (__builtin_expect(descriptor_wanted(worker->pools), 0))
            descriptor_spare(worker);
    }
}

void lease_close(struct pool_worker *worker, struct lease **lease, enum lease_close_reason reason)
{
    end_lease(take_back(worker, lease), reason);
}
