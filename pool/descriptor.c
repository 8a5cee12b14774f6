/* Which connection gives a descriptor up, and which waiter is told about it. */
#include "pool/descriptor.h"

#include <stdlib.h>

#include "pool/connection.h"
#include "steady/fault.h"

/* The oldest idle connection, except those that exchanges of their own upstream could use. */
static struct connection *oldest_idle(const struct pool_worker *worker)
{
    struct connection *connection, *oldest = NULL;
    TAILQ_FOREACH (connection, &worker->connections, link) {
        if (connection->state == CONNECTION_IDLE &&
            !queue_wants_connections(connection->local->endpoint->upstream) &&
            (oldest == NULL || connection->idle_since_ms < oldest->idle_since_ms)) {
            oldest = connection;
        }
    }
    return oldest;
}

uint64_t pool_idle_since_ms(const struct pool_worker *worker)
{
    const struct connection *oldest = oldest_idle(worker);
    return oldest != NULL ? oldest->idle_since_ms : UINT64_MAX;
}

bool pool_close_oldest_idle(struct pool_worker *worker)
{
    struct connection *oldest = oldest_idle(worker);
    if (oldest == NULL) {
        return false;
    }
    connection_end(oldest, ENDING_SURPLUS);
    return true;
}

static bool take(struct pool_worker *worker, enum fd_use use)
{
    struct pools *pools = worker->pools;
    if (use == FD_FOR_STOCK && __atomic_load_n(&pools->lean, __ATOMIC_RELAXED) != 0) {
        return false;
    }
    if (use != FD_FOR_EXCHANGE) {
        return !descriptor_wanted(pools) && fds_take(pools->fds, use, 1);
    }
    while (!fds_take(pools->fds, use, 1)) {
        if (!pool_close_oldest_idle(worker)) {
            return false;
        }
    }
    return true;
}

bool descriptor_take(struct pool_worker *worker, enum fd_use use)
{
    struct pools *pools = worker->pools;
    if (!take(worker, use)) {
        return false;
    }
    if (bound_try(&pools->upstream_connections, 1)) {
        return true;
    }
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

void pool_fds_given(struct pool_worker *worker)
{
    struct pools *pools = worker->pools;
    (void)waitlist_meet(&pools->fds->used, 0);
    if (descriptor_wanted(pools)) {
        waitlist_offer(&pools->fd_locals[worker->env.index]);
    }
}

void descriptor_spare(struct pool_worker *worker)
{
    if (descriptor_wanted(worker->pools) && descriptors_spent(worker->pools)) {
        pool_close_oldest_idle(worker);
    }
}

static void on_asked(struct message *message, void *receiver)
{
    struct pool_worker *worker = container_of(message, struct pool_worker, fd_asked);
    (void)receiver;
    descriptor_spare(worker);
    if (worker->env.on_fds_asked != NULL) {
        worker->env.on_fds_asked(worker->env.owner);
    }
}

void pool_ask_for_fds(struct pool_worker *worker)
{
    struct pools *pools = worker->pools;
    for (unsigned i = 0; i < pools->worker_count; i++) {
        struct pool_worker *sibling = pools_worker(pools, i);
        if (sibling != NULL && sibling != worker) {
            mailbox_post_once(sibling->env.loop->mailbox, &sibling->fd_asked, on_asked);
        }
    }
}

/* ---- who waits ---- */

#define FD_LINE 0

static unsigned usable(const struct waitlist_local *waits)
{
    const struct pools *pools = container_of(waits->list, const struct pools, fd_waitlist);
    return descriptors_spent(pools) ? 0 : 1u << FD_LINE;
}

static void meet(const struct waitlist_local *waits)
{
    const struct pools *pools = container_of(waits->list, const struct pools, fd_waitlist);
    (void)waitlist_meet(&pools->fds->used, 0);
}

/* Every queue is served: the first waiter that can use the descriptor takes it, the others keep their places. */
static void serve(struct waitlist_local *waits)
{
    struct waiter *waiter;
    TAILQ_FOREACH (waiter, &waits->lines[FD_LINE].waiters, link) {
        waitlist_serve_soon(&container_of(waiter, struct upstream_local, for_fd)->waits);
    }
}

static const struct waitlist_policy fd_policy = {.usable = usable, .meet = meet, .serve = serve};

bool descriptor_waits_init(struct pools *pools)
{
    size_t bytes = pools->worker_count * sizeof *pools->fd_locals;
    pools->fd_locals =
        fault_hits(FAULT_ALLOC) ? NULL : aligned_alloc(_Alignof(struct waitlist_local), bytes);
    if (pools->fd_locals == NULL) {
        return false;
    }
    bound_init(&pools->fd_waiting, "fd_waiting", NULL, UINT64_MAX);
    waitlist_init(&pools->fd_waitlist, &fd_policy, &pools->fd_waiting, pools->fd_locals,
                  sizeof *pools->fd_locals, pools->worker_count);
    return true;
}

void descriptor_waits_release(struct pools *pools)
{
    CHECK(waitlist_idle(&pools->fd_waitlist));
    free(pools->fd_locals);
}

void descriptor_want(struct upstream_local *local)
{
    struct pools *pools = local->worker->pools;
    (void)waitlist_meet(&local->upstream->own->fd_waiting_count, 1);
    if (local->fd_waiting_count++ == 0) {
        bool waits = waitlist_wait(&pools->fd_locals[local->waits.index], &local->for_fd, FD_LINE);
        CHECK(waits); /* there are at most as many as upstreams times workers */
    }
}

void descriptor_want_no_more(struct upstream_local *local)
{
    (void)waitlist_meet(&local->upstream->own->fd_waiting_count, (uint64_t)-1);
    if (--local->fd_waiting_count == 0) {
        waitlist_cancel(&local->for_fd);
    }
}
