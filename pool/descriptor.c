/* Who gives a descriptor up, and who is told that there is one. */
#include "pool/descriptor.h"

#include "pool/connection.h"
#include "pool/queue.h"

/* A connection at rest whose upstream has exchanges that could use it is theirs. */
static struct connection *oldest_idle(const struct pool_worker *worker)
{
    struct connection *connection, *oldest = NULL;
    TAILQ_FOREACH (connection, &worker->connections, link) {
        if (connection->state == CONNECTION_IDLE &&
            !queue_wants_connections(connection->local->endpoint->upstream) &&
            (oldest == NULL || connection->idle_since_ms < oldest->idle_since_ms))
            oldest = connection;
    }
    return oldest;
}

static bool close_oldest_idle(struct pool_worker *worker)
{
    struct connection *oldest = oldest_idle(worker);
    if (oldest == NULL)
        return false;
    connection_end(oldest, ENDING_SURPLUS);
    return true;
}

static bool take(struct pool_worker *worker, enum fd_use use)
{
    struct pools *pools = worker->pools;
    if (use != FD_FOR_EXCHANGE)
        return !descriptor_wanted(pools) && fds_take(pools->fds, use, 1);
    while (!fds_take(pools->fds, use, 1))
        if (!close_oldest_idle(worker))
            return false;
    return true;
}

bool descriptor_take(struct pool_worker *worker, enum fd_use use)
{
    struct pools *pools = worker->pools;
    if (!take(worker, use))
        return false;
    if (bound_take(&pools->upstream_connections, 1))
        return true;
    bound_give(pools->fds, 1);
    pool_fds_given(worker);
    return false;
}

void descriptor_give(struct pool_worker *worker)
{
    bound_give(&worker->pools->upstream_connections, 1);
    bound_give(worker->pools->fds, 1);
    pool_fds_given(worker);
}

/* Every upstream that waits is offered it: the one that is faster has it, the others keep their places. */
void pool_fds_given(struct pool_worker *worker)
{
    struct pools *pools = worker->pools;
    const struct upstream_set *set = worker->set;
    (void)waitlist_meet(&pools->fds->used, 0);
    if (!descriptor_wanted(pools))
        return;
    for (size_t i = 0; set != NULL && i < set->count; i++) {
        struct upstream *upstream = set->views[i].upstream;
        if (__atomic_load_n(&upstream->own->fd_waiting_count, __ATOMIC_RELAXED) > 0)
            queue_offer(worker, upstream);
    }
}

void descriptor_spare(struct pool_worker *worker)
{
    if (descriptor_wanted(worker->pools) && descriptors_spent(worker->pools))
        (void)close_oldest_idle(worker);
}

static void on_asked(struct message *message, void *receiver)
{
    struct pool_worker *worker = container_of(message, struct pool_worker, fd_asked);
    (void)receiver;
    (void)__atomic_exchange_n(&worker->fd_asked_posted, false, __ATOMIC_ACQ_REL);
    descriptor_spare(worker);
}

void descriptor_ask(struct pool_worker *worker)
{
    struct pools *pools = worker->pools;
    for (unsigned i = 0; i < pools->worker_count; i++) {
        struct pool_worker *sibling = pools_worker(pools, i);
        if (sibling != NULL && sibling != worker &&
            !__atomic_exchange_n(&sibling->fd_asked_posted, true, __ATOMIC_ACQ_REL))
            mailbox_post(sibling->env.loop->mailbox, &sibling->fd_asked, on_asked);
    }
}
