/* The fast path of the pool: an idle connection to its borrower and back. */
#include "pool/lease.h"

#include "pool/connection.h"
#include "pool/descriptor.h"
#include "pool/habit.h"
#include "pool/line.h"
#include "pool/queue.h"
#include "pool/upkeep.h"
#include "steady/check.h"

enum lease_result pool_lease(struct pool_worker *worker, struct endpoint *endpoint,
                             struct lease_request *request, struct lease **ret_lease)
{
    struct endpoint_local *local = &endpoint->locals[worker->env.index];
    struct connection *connection = TAILQ_FIRST(&local->idle);
    if (connection == NULL || local->line.count > 0 || request->fresh_only ||
        connection->lending != LENDS_WHOLE) {
        return line_join(local, request, ret_lease);
    }
    __atomic_fetch_add(&endpoint->in_flight, 1, __ATOMIC_RELAXED);
    *ret_lease = connection_lend_whole(connection, CONNECTION_IDLE);
    return LEASE_READY;
}

void pool_lease_cancel(struct pool_worker *worker, struct lease_request *request)
{
    if (request->endpoint == NULL) {
        return;
    }
    struct endpoint *endpoint = request->endpoint;
    struct endpoint_local *local = &endpoint->locals[worker->env.index];
    __atomic_fetch_sub(&endpoint->in_flight, 1, __ATOMIC_RELAXED);
    line_leave(local, request);
}

/* Whether the connection may serve again. The first condition that forbids it decides the ending. */
static inline enum ending ending_by_now(struct connection *connection)
{
    const struct endpoint_local *local = connection->local;
    const struct bound *connections = &local->endpoint->connections;
    if (connection->ending != ENDING_NONE) {
        return connection->ending;
    }
    if (connection->facts.exchanges_count >= connection->loans.exchanges_limit &&
        habit_limit_reached(connection)) {
        return ENDING_REQUESTS;
    }
    if (!local->kept && connection->loans.lent_count == 0) {
        return ENDING_RETIRED;
    }
    if (bound_used(connections) > bound_limit(connections) && connection_is_surplus(connection)) {
        return ENDING_SURPLUS;
    }
    return ENDING_NONE;
}

/* The protocol decides what the ending of a share means. */
static enum ending take_share(struct connection *connection, struct lease *lease, enum ending left)
{
    TAILQ_REMOVE(&connection->loans.shares, lease, link);
    count_add(&connection->local->shares_count, (uint64_t)-1);
    return connection->protocol->take_back(connection, lease, left);
}

/* Offers capacity: to the line of this worker, to exchanges that wait on any worker, or to those that wait for a
   descriptor. */
static inline void offer(struct pool_worker *worker, struct endpoint_local *local,
                         struct upstream *upstream)
{
    if (__builtin_expect(local->line.count > local->line.fresh_only_count, 0)) {
        pool_worker_schedule_endpoint(worker, local);
    } else if (__builtin_expect(queue_waits(upstream), 0)) {
        queue_offer(worker, upstream);
    } else if (__builtin_expect(descriptor_wanted(worker->pools), 0)) {
        descriptor_spare(worker);
    }
}

/* The only way from a lease to its connection. `left`: how the borrower leaves the lease; ENDING_NONE: in order. */
__attribute__((always_inline)) static inline void give_back(struct pool_worker *worker,
                                                            struct lease **lease_pointer,
                                                            enum ending left)
{
    struct lease *lease = *lease_pointer;
    struct connection *connection = lease->connection;
    struct endpoint_local *local = connection->local;
    struct endpoint *endpoint = local->endpoint;
    bool share = __builtin_expect(connection->lending == LENDS_SHARES, 0);
    CHECK(connection->loans.lent_count > 0 && local->worker == worker);
    *lease_pointer = NULL;
    lease->on_event = NULL;
    connection->loans.lent_count--;
    connection->facts.exchanges_count++;
    enum ending ending = share ? take_share(connection, lease, left) : left;
    if (ending == ENDING_NONE) {
        ending = ending_by_now(connection);
    }
    if (__builtin_expect(ending != ENDING_NONE, 0)) {
        __atomic_fetch_sub(&endpoint->in_flight, 1, __ATOMIC_RELAXED);
        connection_stop(connection, ending);
        return;
    }
    if (share) {
        connection_settle(connection);
    } else {
        connection_rest(connection, CONNECTION_LENT);
    }
    (void)waitlist_meet(&endpoint->in_flight, (uint64_t)-1);
    offer(worker, local, endpoint->upstream);
}

void lease_return(struct pool_worker *worker, struct lease **lease)
{
    give_back(worker, lease, ENDING_NONE);
}

void lease_told_last(struct lease *lease)
{
    habit_told_last(lease->connection);
}

void lease_close(struct pool_worker *worker, struct lease **lease, enum lease_close_reason reason)
{
    static const enum ending endings[] = {
        [LEASE_CLOSED_DONE] = ENDING_DONE,
        [LEASE_CLOSED_BROKEN] = ENDING_BROKEN,
        [LEASE_CLOSED_ABANDONED] = ENDING_ABANDONED,
    };
    CHECK(reason < sizeof endings / sizeof endings[0]);
    give_back(worker, lease, endings[reason]);
}
