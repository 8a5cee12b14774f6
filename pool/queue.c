/* Who waits for an upstream, and whose turn it is. */
#include "pool/queue.h"

#include "pool/descriptor.h"
#include "steady/check.h"

static struct upstream_local *upstream_local_of(struct upstream *upstream,
                                                const struct pool_worker *worker)
{
    return &upstream->own->locals[worker->env.index];
}

static void on_call(struct message *message, void *receiver);
static void on_recheck(struct wheel_timer *timer, uint64_t now_ms);
static void look(struct upstream_local *local, struct queue_line *line);

void upstream_local_init(struct upstream_local *local, struct upstream *upstream)
{
    TAILQ_INIT(&local->admitted.waiters);
    TAILQ_INIT(&local->newcomers.waiters);
    codel_init(&local->admitted.codel, CODEL_TARGET_MS, CODEL_INTERVAL_MS);
    codel_init(&local->newcomers.codel, CODEL_TARGET_MS, CODEL_INTERVAL_MS);
    local->admitted_ms = local->newcomers_ms = NOBODY_MS;
    local->upstream = upstream;
    wheel_timer_init(&local->recheck, on_recheck);
}

static bool upstream_local_waits(const struct upstream_local *local)
{
    return local->admitted.count > 0 || local->newcomers.count > 0;
}

static struct upstream_view *view_of(const struct upstream_local *local)
{
    return local->upstream->views[local->worker->env.index];
}

void upstream_local_leave(struct upstream_local *local)
{
    CHECK(local->busy > 0);
    if (--local->busy == 0 && __builtin_expect(local->gone, 0))
        __atomic_store_n(&local->upstream->views[local->worker->env.index], NULL, __ATOMIC_RELEASE);
}

static uint64_t leases_count(const struct upstream_local *local)
{
    const struct upstream_view *view = view_of(local);
    uint64_t count = 0;
    for (size_t i = 0; i < view->endpoint_count; i++) {
        const struct endpoint_local *waiter = &view->endpoints[i]->locals[local->worker->env.index];
        count += waiter->stats.reused + waiter->stats.fresh;
    }
    return count;
}

bool upstream_may_redial(struct pool_worker *worker, struct upstream *upstream)
{
    struct upstream_local *local = upstream_local_of(upstream, worker);
    return redial_cap_take(&local->redials, leases_count(local),
                           loop_clock_ms(&worker->env.loop->clock));
}

void upstream_local_keep(struct upstream_local *local, struct pool_worker *worker,
                         struct upstream_view *view)
{
    bool first = local->worker == NULL;
    local->worker = worker;
    local->admitted.codel.target_ms = local->newcomers.codel.target_ms =
        view->settings->limits.queue_target_ms;
    local->gone = false;
    __atomic_store_n(&local->upstream->views[worker->env.index], view, __ATOMIC_RELEASE);
    if (first)
        redial_cap_init(&local->redials, leases_count(local),
                        loop_clock_ms(&worker->env.loop->clock));
    if (upstream_local_waits(local))
        pool_worker_schedule_upstream(worker, local);
}

void upstream_local_let_go(struct upstream_local *local)
{
    upstream_local_use(local);
    local->gone = true;
    upstream_local_leave(local);
}

/* ---- what is there, and who may have it ---- */

/* When all descriptors are taken, one exchange of the upstream still tries: either its worker has an idle connection of another
   upstream to close, or the exchange is the one that waits for a descriptor from now on, so that whoever frees one calls it and the
   other workers spare one. The others would try in vain. */
static bool may_dial(const struct upstream_private *own)
{
    return !descriptors_spent(own->pools) ||
           __atomic_load_n(&own->fd_waiting_count, __ATOMIC_ACQUIRE) == 0;
}

/* A connection may be had at some endpoint. Without a view of its own the worker cannot tell; where there is no
   endpoint who waits is to learn of it. */
static bool connection_to_be_had(const struct upstream_view *view)
{
    if (view == NULL || view->endpoint_count == 0)
        return true;
    bool dials = may_dial(view->upstream->own);
    for (size_t i = 0; i < view->endpoint_count; i++)
        if (dials ? !pool_endpoint_full(view->endpoints[i])
                  : pool_endpoint_spares(view->endpoints[i]))
            return true;
    return false;
}

static bool place_to_be_had(const struct upstream *upstream)
{
    return bound_used(&upstream->in_flight) < bound_limit(&upstream->in_flight);
}

/* Since when the first of the local waits who could use what is there. */
static uint64_t waits_since(const struct upstream_local *local, bool place)
{
    uint64_t since_ms = __atomic_load_n(&local->admitted_ms, __ATOMIC_ACQUIRE);
    uint64_t newcomers_ms =
        place ? __atomic_load_n(&local->newcomers_ms, __ATOMIC_ACQUIRE) : NOBODY_MS;
    return newcomers_ms < since_ms ? newcomers_ms : since_ms;
}

bool queue_wants_connections(const struct upstream *upstream)
{
    bool place = place_to_be_had(upstream);
    for (unsigned i = 0; i < upstream->own->pools->worker_count; i++)
        if (waits_since(&upstream->own->locals[i], place) != NOBODY_MS)
            return true;
    return false;
}

/* Seats by age, then by index. */
struct rank {
    uint64_t since_ms;
    unsigned index;
};

static bool ranks_before(const struct rank *a, const struct rank *b)
{
    return a->since_ms != b->since_ms ? a->since_ms < b->since_ms : a->index < b->index;
}

/* The first local that could use what is there, behind `after` (NULL: of all), other than `not_this`. */
static bool find_first(struct upstream *upstream, const struct rank *after, unsigned not_this,
                       struct rank *ret_rank)
{
    bool place = place_to_be_had(upstream);
    bool found = false;
    for (unsigned i = 0; i < upstream->own->pools->worker_count; i++) {
        struct rank rank = {waits_since(&upstream->own->locals[i], place), i};
        if (rank.since_ms == NOBODY_MS || i == not_this ||
            (after != NULL && !ranks_before(after, &rank)))
            continue;
        if (found && !ranks_before(&rank, ret_rank))
            continue;
        *ret_rank = rank;
        found = true;
    }
    return found;
}

/* While `called` is set the message is on its way, and its receiver will see what was freed before. */
static void call(struct pool_worker *worker, struct upstream_local *local, unsigned index)
{
    if (index == worker->env.index) {
        pool_worker_schedule_upstream(worker, local);
    } else if (!__atomic_exchange_n(&local->called, true, __ATOMIC_ACQ_REL)) {
        __atomic_fetch_add(&local->upstream->own->calls_count, 1, __ATOMIC_RELAXED);
        mailbox_post(pools_worker(worker->pools, index)->env.loop->mailbox, &local->call, on_call);
    }
}

void queue_offer(struct pool_worker *worker, struct upstream *upstream)
{
    unsigned own = worker->env.index;
    struct rank first;
    if (!connection_to_be_had(upstream->views[own]) ||
        !find_first(upstream, NULL, UINT32_MAX, &first))
        return;
    struct rank ours = {waits_since(&upstream->own->locals[own], place_to_be_had(upstream)), own};
    if (ours.since_ms != NOBODY_MS && ours.since_ms - first.since_ms <= QUEUE_LOCAL_MS)
        first = ours;
    call(worker, &upstream->own->locals[first.index], first.index);
}

/* What this local leaves goes to another: from the first on, or when it was called itself to those behind it, so
   that an offer nobody can use ends. */
static void pass_on(struct upstream_local *local, bool was_called)
{
    struct upstream *upstream = local->upstream;
    unsigned own = local->worker->env.index;
    if (!queue_waits(upstream) || !connection_to_be_had(view_of(local)))
        return;
    struct rank ours = {waits_since(local, place_to_be_had(upstream)), own}, next;
    bool from_ours = was_called && ours.since_ms != NOBODY_MS;
    if (find_first(upstream, from_ours ? &ours : NULL, own, &next))
        call(local->worker, &upstream->own->locals[next.index], next.index);
}

/* ---- lines ---- */

static uint64_t since(const struct queue_line *line)
{
    return line->count == 0 ? NOBODY_MS : TAILQ_FIRST(&line->waiters)->since_ms;
}

static void publish(struct upstream_local *local)
{
    __atomic_store_n(&local->admitted_ms, since(&local->admitted), __ATOMIC_RELEASE);
    __atomic_store_n(&local->newcomers_ms, since(&local->newcomers), __ATOMIC_RELEASE);
    if (!upstream_local_waits(local))
        wheel_disarm(&local->worker->env.loop->wheel, &local->recheck);
}

static uint64_t now_of(const struct upstream_local *local)
{
    return loop_clock_ms(&local->worker->env.loop->clock);
}

/* A waiter that has come back to the front may stand before older ones. */
static uint64_t longest_wait_ms(const struct upstream_local *local, const struct queue_line *line)
{
    uint64_t since_ms = since(line), now_ms = now_of(local);
    return since_ms < now_ms ? now_ms - since_ms : 0;
}

static void look(struct upstream_local *local, struct queue_line *line)
{
    codel_look(&line->codel, now_of(local), longest_wait_ms(local, line));
}

/* The one that must go: it waited longest, and the line stands. */
static struct waiter *surplus(const struct upstream_local *local, const struct queue_line *line)
{
    struct waiter *waiter = TAILQ_FIRST(&line->waiters);
    if (waiter == NULL || waiter->on_dropped == NULL ||
        !codel_drops(&line->codel, now_of(local), longest_wait_ms(local, line), line->count))
        return NULL;
    return waiter;
}

/* Who is served next: the newest surely still waits. */
static struct waiter *next_of(const struct upstream_local *local, const struct queue_line *line)
{
    return codel_stressed(&line->codel, now_of(local)) ? TAILQ_LAST(&line->waiters, queue_waiters)
                                                       : TAILQ_FIRST(&line->waiters);
}

static void insert(struct upstream_local *local, struct waiter *waiter, bool admitted, bool first)
{
    struct queue_line *line = admitted ? &local->admitted : &local->newcomers;
    struct pool_worker *worker = local->worker;
    waiter->upstream = local->upstream;
    waiter->admitted = admitted;
    if (first)
        TAILQ_INSERT_HEAD(&line->waiters, waiter, link);
    else
        TAILQ_INSERT_TAIL(&line->waiters, waiter, link);
    line->count++;
    look(local, line);
    publish(local);
    if (!wheel_timer_armed(&local->recheck))
        wheel_arm(&worker->env.loop->wheel, &local->recheck,
                  loop_clock_ms(&worker->env.loop->clock) + worker->pools->recheck_ms);
}

static void take_out(struct upstream_local *local, struct waiter *waiter)
{
    struct queue_line *line = waiter->admitted ? &local->admitted : &local->newcomers;
    TAILQ_REMOVE(&line->waiters, waiter, link);
    line->count--;
    look(local, line);
    waiter->upstream = NULL;
}

/* One waiter less is queued. */
static void count_out(struct upstream_local *local)
{
    publish(local);
    __atomic_fetch_sub(&local->upstream->own->waiting_count, 1, __ATOMIC_RELAXED);
    bound_give(&local->upstream->queued, 1);
}

static void count_fd_waiter(struct upstream *upstream, uint64_t change)
{
    __atomic_fetch_add(&upstream->own->fd_waiting_count, change, __ATOMIC_ACQ_REL);
    __atomic_fetch_add(&upstream->own->pools->fd_waiting_count, change, __ATOMIC_ACQ_REL);
}

/* The same for descriptors. */
static void meet_descriptors(const struct upstream_local *local)
{
    count_fd_waiter(local->upstream, 1);
    __atomic_fetch_add(&local->worker->pools->fds->used, 0, __ATOMIC_ACQ_REL);
    descriptor_ask(local->worker);
}

/* The other half of the rendezvous: what was freed before is seen now, what is freed from now on sees us. */
static void meet(const struct upstream_local *local)
{
    struct upstream *upstream = local->upstream;
    const struct upstream_view *view = view_of(local);
    __atomic_fetch_add(&upstream->own->waiting_count, 1, __ATOMIC_ACQ_REL);
    __atomic_fetch_add(&upstream->in_flight.used, 0, __ATOMIC_ACQ_REL);
    for (size_t i = 0; i < view->endpoint_count; i++)
        __atomic_fetch_add(&view->endpoints[i]->in_flight, 0, __ATOMIC_ACQ_REL);
}

/* It has never left: its counts go with it, and whatever was freed since has called this local. */
static void return_to_front(struct upstream_local *local, struct waiter *waiter, bool admitted)
{
    bool was_for_fd = local->turn_for_fd;
    local->turn = NULL;
    local->turn_for_fd = false;
    insert(local, waiter, admitted, true);
    if (was_for_fd && !waiter->for_fd) {
        count_fd_waiter(local->upstream, (uint64_t)-1);
    } else if (waiter->for_fd && !was_for_fd) {
        meet_descriptors(local);
        queue_offer(local->worker, local->upstream);
    }
}

static enum admit_result enter(struct pool_worker *worker, struct upstream *upstream,
                               struct waiter *waiter, bool admitted, bool turn)
{
    struct upstream_local *local = upstream_local_of(upstream, worker);
    CHECK(waiter->upstream == NULL && waiter->on_turn != NULL && view_of(local) != NULL);
    if (turn && local->turn == waiter) {
        return_to_front(local, waiter, admitted);
        return ADMIT_QUEUED;
    }
    if (!bound_take(&upstream->queued, 1))
        return ADMIT_QUEUE_FULL;
    if (!turn || waiter->since_ms == 0)
        waiter->since_ms = loop_clock_ms(&worker->env.loop->clock);
    upstream_local_use(local);
    insert(local, waiter, admitted, turn);
    meet(local);
    if (waiter->for_fd)
        meet_descriptors(local);
    queue_offer(worker, upstream);
    if (surplus(local, admitted ? &local->admitted : &local->newcomers) != NULL)
        pool_worker_schedule_upstream(worker, local);
    return ADMIT_QUEUED;
}

enum admit_result upstream_admit(struct pool_worker *worker, struct upstream *upstream,
                                 struct waiter *waiter, bool turn)
{
    struct upstream_local *local = upstream_local_of(upstream, worker);
    if (__builtin_expect(turn && local->turn == waiter && local->place_in_hand, 0))
        local->place_in_hand = false;
    else if ((queue_waits(upstream) && !turn) || !bound_take(&upstream->in_flight, 1)) {
        waiter->for_fd = false;
        return enter(worker, upstream, waiter, false, turn);
    }
    upstream_local_use(local);
    return ADMIT_OK;
}

enum admit_result upstream_wait(struct pool_worker *worker, struct upstream *upstream,
                                struct waiter *waiter, bool for_fd, bool turn)
{
    waiter->for_fd = for_fd;
    return enter(worker, upstream, waiter, true, turn);
}

/* What this waiter was called for is passed on by the call itself. */
void queue_cancel(struct pool_worker *worker, struct waiter *waiter)
{
    if (waiter->upstream == NULL)
        return;
    struct upstream_local *local = upstream_local_of(waiter->upstream, worker);
    take_out(local, waiter);
    if (waiter->for_fd)
        count_fd_waiter(local->upstream, (uint64_t)-1);
    count_out(local);
    upstream_local_leave(local);
}

/* bound_give() with the order that the rendezvous needs. */
static void give_place(struct upstream *upstream)
{
    uint64_t before = __atomic_fetch_sub(&upstream->in_flight.used, 1, __ATOMIC_ACQ_REL);
    CHECK(before > 0);
}

void upstream_leave(struct pool_worker *worker, struct upstream *upstream)
{
    give_place(upstream);
    if (__builtin_expect(queue_waits(upstream), 0))
        queue_offer(worker, upstream);
    upstream_local_leave(upstream_local_of(upstream, worker));
}

void upstream_keep(struct pool_worker *worker, struct upstream *upstream)
{
    upstream_local_use(upstream_local_of(upstream, worker));
}

void upstream_let_go(struct pool_worker *worker, struct upstream *upstream)
{
    upstream_local_leave(upstream_local_of(upstream, worker));
}

/* ---- turns ---- */

/* False: nobody left, nothing left, or the first could not use it. */
static bool give_turn(struct upstream_local *local)
{
    struct upstream *upstream = local->upstream;
    struct waiter *waiter = next_of(local, &local->admitted);
    bool newcomer = waiter == NULL;
    if (newcomer)
        waiter = next_of(local, &local->newcomers);
    if (waiter == NULL || !connection_to_be_had(view_of(local)))
        return false;
    if (newcomer && (!place_to_be_had(upstream) || !bound_take(&upstream->in_flight, 1)))
        return false;
    take_out(local, waiter);
    local->turn = waiter;
    local->turn_for_fd = waiter->for_fd;
    local->place_in_hand = newcomer;
    waiter->on_turn(waiter);
    if (local->place_in_hand) {
        local->place_in_hand = false;
        give_place(upstream);
    }
    if (local->turn == NULL)
        return false;
    local->turn = NULL;
    if (local->turn_for_fd)
        count_fd_waiter(upstream, (uint64_t)-1);
    local->turn_for_fd = false;
    count_out(local);
    local->busy--; /* not the last: upstream_local_serve() has one */
    return true;
}

/* It leaves as if it had given up by itself. */
static void drop_surplus(struct upstream_local *local, const struct queue_line *line)
{
    struct waiter *waiter;
    while ((waiter = surplus(local, line)) != NULL) {
        queue_cancel(local->worker, waiter);
        waiter->on_dropped(waiter);
    }
}

static void serve(struct upstream_local *local, bool was_called)
{
    CHECK(local->turn == NULL);
    upstream_local_use(local);
    while (give_turn(local)) {
    }
    drop_surplus(local, &local->admitted);
    drop_surplus(local, &local->newcomers);
    pass_on(local, was_called);
    upstream_local_leave(local);
}

void upstream_local_serve(struct upstream_local *local)
{
    serve(local, false);
}

/* The flag falls before anything is looked at: what is freed from now on calls again. */
static void on_call(struct message *message, void *receiver)
{
    struct upstream_local *local = container_of(message, struct upstream_local, call);
    struct upstream_private *own = local->upstream->own;
    (void)receiver;
    (void)__atomic_exchange_n(&local->called, false, __ATOMIC_ACQ_REL);
    serve(local, true);
    __atomic_fetch_sub(&own->calls_count, 1, __ATOMIC_RELEASE);
}

static void on_recheck(struct wheel_timer *timer, uint64_t now_ms)
{
    struct upstream_local *local = container_of(timer, struct upstream_local, recheck);
    wheel_arm(&local->worker->env.loop->wheel, timer, now_ms + local->worker->pools->recheck_ms);
    upstream_local_use(local);
    serve(local, false);
    publish(local);
    upstream_local_leave(local);
}
