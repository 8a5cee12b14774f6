/* Exchanges that wait for an upstream, and whose turn it is. */
#include "pool/queue.h"

#include "pool/descriptor.h"
#include "steady/check.h"

static unsigned usable(const struct waitlist_local *waits);
static void meet(const struct waitlist_local *waits);
static void serve(struct waitlist_local *waits);

static const struct waitlist_policy queue_policy = {.usable = usable, .meet = meet, .serve = serve};

static struct upstream_local *upstream_local_of(struct upstream *upstream,
                                                const struct pool_worker *worker)
{
    return &upstream->own->locals[worker->env.index];
}

static struct upstream_local *upstream_local_at(struct waitlist_local *waits)
{
    return container_of(waits, struct upstream_local, waits);
}

void upstream_locals_init(struct upstream_private *own)
{
    struct pools *pools = own->pools;
    for (unsigned i = 0; i < pools->worker_count; i++) {
        own->locals[i].upstream = &own->upstream;
        for (unsigned line = 0; line < WAITLIST_LINES; line++) {
            codel_init(&own->locals[i].codel[line], CODEL_TARGET_MS, CODEL_INTERVAL_MS);
        }
    }
    waitlist_init(&own->waitlist, &queue_policy, &own->upstream.queued, &own->locals[0].waits,
                  sizeof own->locals[0], pools->worker_count);
    own->waitlist.recheck_ms = pools->recheck_ms;
}

static struct upstream_view *view_of(const struct upstream_local *local)
{
    return local->upstream->views[local->waits.index];
}

static uint64_t now_of(const struct upstream_local *local)
{
    return loop_now_ms(local->waits.loop);
}

void upstream_local_leave(struct upstream_local *local)
{
    CHECK(local->busy > 0);
    if (--local->busy == 0 && __builtin_expect(local->gone, 0)) {
        __atomic_store_n(&local->upstream->views[local->waits.index], NULL, __ATOMIC_RELEASE);
    }
}

bool upstream_may_redial(struct pool_worker *worker, struct upstream *upstream)
{
    struct upstream_local *local = upstream_local_of(upstream, worker);
    return redial_cap_take(&local->redials, local->admitted_count, now_of(local));
}

bool upstream_may_redial_after(struct pool_worker *worker, struct upstream *upstream,
                               uint64_t event)
{
    struct upstream_local *local = upstream_local_of(upstream, worker);
    if (event == local->redial_event || upstream_may_redial(worker, upstream)) {
        local->redial_event = event;
        return true;
    }
    return false;
}

void upstream_local_keep(struct upstream_local *local, struct pool_worker *worker,
                         struct upstream_view *view)
{
    bool first = local->worker == NULL;
    local->worker = worker;
    waitlist_attach(&local->waits, worker->env.loop);
    local->codel[LINE_ADMITTED].target_ms = local->codel[LINE_NEWCOMERS].target_ms =
        view->settings->limits.queue_target_ms;
    local->gone = false;
    __atomic_store_n(&local->upstream->views[worker->env.index], view, __ATOMIC_RELEASE);
    if (first) {
        redial_cap_init(&local->redials, local->admitted_count, now_of(local));
    }
    if (waitlist_local_waits(&local->waits)) {
        waitlist_serve_soon(&local->waits);
    }
}

void upstream_local_let_go(struct upstream_local *local)
{
    upstream_local_use(local);
    local->gone = true;
    upstream_local_leave(local);
}

/* ---- what is there, and which waiter may have it ---- */

/* When all descriptors are taken, one exchange of the upstream still tries. Either its worker closes an idle connection
   of another upstream for it, or the exchange becomes the one that waits for a descriptor, so that it is called when
   one is freed, and other workers spare one. Further exchanges would try in vain. */
static bool may_dial(const struct upstream_private *own)
{
    return !descriptors_spent(own->pools) ||
           __atomic_load_n(&own->fd_waiting_count, __ATOMIC_ACQUIRE) == 0;
}

/* Those that may be chosen now: see upstream_pick(). */
static const struct endpoint_group *group_in_use(const struct upstream_view *view)
{
    const struct endpoint_group *ordinary = &view->groups[GROUP_ORDINARY];
    for (size_t i = 0; i < ordinary->endpoint_count; i++) {
        if (__atomic_load_n(&ordinary->endpoints[i]->verdict.traffic_share, __ATOMIC_RELAXED) > 0) {
            return ordinary;
        }
    }
    const struct endpoint_group *backups = &view->groups[GROUP_BACKUP];
    return backups->endpoint_count > 0 ? backups : ordinary;
}

/* Whether some endpoint can give a connection. A worker without a view cannot tell. If there is no endpoint, waiters
   are called so that they learn of it. */
static bool connection_to_be_had(const struct upstream_view *view)
{
    if (view == NULL || view->endpoint_count == 0) {
        return true;
    }
    bool dials = may_dial(view->upstream->own);
    const struct endpoint_group *group = group_in_use(view);
    for (size_t i = 0; i < group->endpoint_count; i++) {
        if (dials ? !pool_endpoint_full(group->endpoints[i])
                  : pool_endpoint_spares(group->endpoints[i])) {
            return true;
        }
    }
    return false;
}

static bool place_to_be_had(const struct upstream *upstream)
{
    return bound_used(&upstream->in_flight) < bound_limit(&upstream->in_flight);
}

static unsigned lines_that_may_have_a_connection(const struct upstream *upstream)
{
    return 1u << LINE_ADMITTED | (place_to_be_had(upstream) ? 1u << LINE_NEWCOMERS : 0);
}

static unsigned usable(const struct waitlist_local *waits)
{
    const struct upstream_local *local = container_of(waits, const struct upstream_local, waits);
    return connection_to_be_had(view_of(local)) ? lines_that_may_have_a_connection(local->upstream)
                                                : 0;
}

bool queue_wants_connections(const struct upstream *upstream)
{
    return waitlist_waits_in(&upstream->own->waitlist, lines_that_may_have_a_connection(upstream));
}

static void meet(const struct waitlist_local *waits)
{
    const struct upstream_local *local = container_of(waits, const struct upstream_local, waits);
    const struct upstream_view *view = view_of(local);
    (void)waitlist_meet(&local->upstream->in_flight.used, 0);
    (void)waitlist_meet(&local->upstream->own->fd_waiting_count, 0);
    for (size_t i = 0; i < view->endpoint_count; i++) {
        (void)waitlist_meet(&view->endpoints[i]->in_flight, 0);
    }
}

/* ---- lines ---- */

/* A waiter that has returned to the front may be in front of older ones. */
static uint64_t longest_wait_ms(const struct upstream_local *local, unsigned line)
{
    const struct waiter *first = waitlist_first(&local->waits, line);
    uint64_t now_ms = now_of(local);
    return first != NULL && first->since_ms < now_ms ? now_ms - first->since_ms : 0;
}

/* To be called whenever a waiter has joined or left. */
static void look(struct upstream_local *local, unsigned line)
{
    codel_look(&local->codel[line], now_of(local), longest_wait_ms(local, line));
}

/* The waiter that must be dropped: it has waited longest, and the line does not empty. */
static struct waiter *surplus(const struct upstream_local *local, unsigned line)
{
    struct waiter *waiter = waitlist_first(&local->waits, line);
    if (waiter == NULL || waiter->on_dropped == NULL ||
        !codel_drops(&local->codel[line], now_of(local), longest_wait_ms(local, line),
                     local->waits.lines[line].count)) {
        return NULL;
    }
    return waiter;
}

/* The waiter that is served next. Under stress it is the newest, whose client certainly still waits. */
static struct waiter *next_of(const struct upstream_local *local, unsigned line)
{
    switch (codel_next(&local->codel[line], now_of(local))) {
    case CODEL_NEWEST: return waitlist_last(&local->waits, line);
    case CODEL_OLDEST: break;
    }
    return waitlist_first(&local->waits, line);
}

/* bound_give() with the memory order that the rendezvous needs. */
static void give_place(struct upstream *upstream)
{
    uint64_t before = waitlist_meet(&upstream->in_flight.used, (uint64_t)-1);
    CHECK(before > 0);
}

/* Gives back what was taken for the waiter in its turn and not used. */
static void give_held(struct upstream_local *local)
{
    if (local->turn_holds == QUEUE_PLACE) {
        give_place(local->upstream);
    } else if (local->turn_holds == QUEUE_DESCRIPTOR) {
        descriptor_want_no_more(local);
    }
    local->turn_holds = QUEUE_CONNECTION;
}

static enum admit_result enter(struct pool_worker *worker, struct upstream *upstream,
                               struct waiter *waiter, enum queue_want wants, bool turn)
{
    struct upstream_local *local = upstream_local_of(upstream, worker);
    const unsigned line = wants == QUEUE_PLACE ? LINE_NEWCOMERS : LINE_ADMITTED;
    const bool in_turn = turn && local->waits.turn == waiter;
    const bool asked = in_turn && local->turn_holds == QUEUE_DESCRIPTOR;
    CHECK(view_of(local) != NULL);
    waiter->wants = (uint8_t)wants;
    if (wants == QUEUE_DESCRIPTOR) {
        descriptor_want(local);
    }
    if (turn ? !waitlist_return(&local->waits, waiter, line)
             : !waitlist_wait(&local->waits, waiter, line)) {
        if (wants == QUEUE_DESCRIPTOR) {
            descriptor_want_no_more(local);
        }
        return ADMIT_QUEUE_FULL;
    }
    if (!in_turn) {
        upstream_local_use(local);
    } else if (asked) {
        give_held(local);
    }
    look(local, line);
    if (wants == QUEUE_DESCRIPTOR && !asked) {
        pool_ask_for_fds(worker);
    }
    if (surplus(local, line) != NULL) {
        waitlist_serve_soon(&local->waits);
    }
    return ADMIT_QUEUED;
}

enum admit_result upstream_admit(struct pool_worker *worker, struct upstream *upstream,
                                 struct waiter *waiter, bool turn)
{
    struct upstream_local *local = upstream_local_of(upstream, worker);
    if (__builtin_expect(turn && local->waits.turn == waiter && local->turn_holds == QUEUE_PLACE,
                         0)) {
        local->turn_holds = QUEUE_CONNECTION;
    } else if ((queue_waits(upstream) && !turn) || !bound_try(&upstream->in_flight, 1)) {
        return enter(worker, upstream, waiter, QUEUE_PLACE, turn);
    }
    local->admitted_count++;
    upstream_local_use(local);
    return ADMIT_OK;
}

enum admit_result upstream_wait(struct pool_worker *worker, struct upstream *upstream,
                                struct waiter *waiter, bool for_fd, bool turn)
{
    return enter(worker, upstream, waiter, for_fd ? QUEUE_DESCRIPTOR : QUEUE_CONNECTION, turn);
}

/* If this waiter was called, the call passes the capacity on. The right to try without a descriptor is offered to the
   next by upstream_leave(), because a waiter for a descriptor holds a place and gives it back when it gives up. */
void queue_cancel(struct waiter *waiter)
{
    if (waiter->local == NULL) {
        return;
    }
    struct upstream_local *local = upstream_local_at(waiter->local);
    waitlist_cancel(waiter);
    look(local, waiter->line);
    if (waiter->wants == QUEUE_DESCRIPTOR) {
        descriptor_want_no_more(local);
    }
    upstream_local_leave(local);
}

void upstream_leave(struct pool_worker *worker, struct upstream *upstream)
{
    give_place(upstream);
    if (__builtin_expect(queue_waits(upstream), 0)) {
        queue_offer(worker, upstream);
    }
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

/* False: no waiter or no capacity is left, or the first waiter could not use it. */
static bool give_turn(struct upstream_local *local)
{
    struct waiter *waiter = next_of(local, LINE_ADMITTED);
    if (waiter == NULL) {
        waiter = next_of(local, LINE_NEWCOMERS);
    }
    if (waiter == NULL || (usable(&local->waits) & 1u << waiter->line) == 0) {
        return false;
    }
    if (waiter->wants == QUEUE_PLACE && !bound_try(&local->upstream->in_flight, 1)) {
        return false;
    }
    local->turn_holds = waiter->wants;
    waitlist_turn_begin(waiter);
    look(local, waiter->line);
    waiter->on_turn(waiter);
    bool left = waitlist_turn_end(&local->waits);
    give_held(local);
    if (left) {
        local->busy--; /* not the last use: serve() has one */
    }
    return left;
}

/* The dropped waiter leaves as if it had given up. */
static void drop_surplus(struct upstream_local *local, unsigned line)
{
    struct waiter *waiter;
    while ((waiter = surplus(local, line)) != NULL) {
        queue_cancel(waiter);
        waiter->on_dropped(waiter);
    }
}

static void serve(struct waitlist_local *waits)
{
    struct upstream_local *local = upstream_local_at(waits);
    upstream_local_use(local);
    while (give_turn(local)) {
    }
    drop_surplus(local, LINE_ADMITTED);
    drop_surplus(local, LINE_NEWCOMERS);
    upstream_local_leave(local);
}
