/* Who waits for an upstream, and whose turn it is. */
#include "pool/queue.h"

#include "pool/descriptor.h"
#include "steady/check.h"

static struct seat *seat_of(struct upstream *upstream, const struct pool_worker *worker)
{
    return &upstream->own->seats[worker->env.index];
}

static void on_call(struct message *message, void *receiver);
static void on_recheck(struct wheel_timer *timer, uint64_t now_ms);
static void look(struct seat *seat, struct queue_line *line);

void seat_init(struct seat *seat, struct upstream *upstream)
{
    TAILQ_INIT(&seat->admitted.slots);
    TAILQ_INIT(&seat->newcomers.slots);
    codel_init(&seat->admitted.codel, CODEL_TARGET_MS, CODEL_INTERVAL_MS);
    codel_init(&seat->newcomers.codel, CODEL_TARGET_MS, CODEL_INTERVAL_MS);
    seat->admitted_ms = seat->newcomers_ms = NOBODY_MS;
    seat->upstream = upstream;
    wheel_timer_init(&seat->recheck, on_recheck);
}

static bool seat_waits(const struct seat *seat)
{
    return seat->admitted.count > 0 || seat->newcomers.count > 0;
}

static struct upstream_view *view_of(const struct seat *seat)
{
    return seat->upstream->views[seat->worker->env.index];
}

void seat_leave(struct seat *seat)
{
    CHECK(seat->busy > 0);
    if (--seat->busy == 0 && __builtin_expect(seat->gone, 0))
        __atomic_store_n(&seat->upstream->views[seat->worker->env.index], NULL, __ATOMIC_RELEASE);
}

static uint64_t leases_count(const struct seat *seat)
{
    const struct upstream_view *view = view_of(seat);
    uint64_t count = 0;
    for (size_t i = 0; i < view->endpoint_count; i++) {
        const struct endpoint_slot *slot = &view->endpoints[i]->slots[seat->worker->env.index];
        count += slot->stats.reused + slot->stats.fresh;
    }
    return count;
}

bool upstream_may_redial(struct pool_worker *worker, struct upstream *upstream)
{
    struct seat *seat = seat_of(upstream, worker);
    return redial_cap_take(&seat->redials, leases_count(seat),
                           loop_clock_ms(&worker->env.loop->clock));
}

void seat_keep(struct seat *seat, struct pool_worker *worker, struct upstream_view *view)
{
    bool first = seat->worker == NULL;
    seat->worker = worker;
    seat->admitted.codel.target_ms = seat->newcomers.codel.target_ms =
        view->settings->limits.queue_target_ms;
    seat->gone = false;
    __atomic_store_n(&seat->upstream->views[worker->env.index], view, __ATOMIC_RELEASE);
    if (first)
        redial_cap_init(&seat->redials, leases_count(seat),
                        loop_clock_ms(&worker->env.loop->clock));
    if (seat_waits(seat))
        pool_worker_schedule_seat(worker, seat);
}

void seat_let_go(struct seat *seat)
{
    seat_use(seat);
    seat->gone = true;
    seat_leave(seat);
}

/* ---- what is there, and who may have it ---- */

/* A connection may be had at some endpoint. Without a view of its own the worker cannot tell; where there is no
   endpoint who waits is to learn of it. */
static bool connection_to_be_had(const struct upstream_view *view)
{
    if (view == NULL || view->endpoint_count == 0)
        return true;
    bool may_dial = !descriptors_spent(view->upstream->own->pools);
    for (size_t i = 0; i < view->endpoint_count; i++)
        if (may_dial ? !pool_endpoint_full(view->endpoints[i])
                     : pool_endpoint_spares(view->endpoints[i]))
            return true;
    return false;
}

static bool place_to_be_had(const struct upstream *upstream)
{
    return bound_used(&upstream->in_flight) < bound_limit(&upstream->in_flight);
}

/* Since when the first of the seat waits who could use what is there. */
static uint64_t waits_since(const struct seat *seat, bool place)
{
    uint64_t since_ms = __atomic_load_n(&seat->admitted_ms, __ATOMIC_ACQUIRE);
    uint64_t newcomers_ms =
        place ? __atomic_load_n(&seat->newcomers_ms, __ATOMIC_ACQUIRE) : NOBODY_MS;
    return newcomers_ms < since_ms ? newcomers_ms : since_ms;
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

/* The first seat that could use what is there, behind `after` (NULL: of all), other than `not_this`. */
static bool find_first(struct upstream *upstream, const struct rank *after, unsigned not_this,
                       struct rank *ret_rank)
{
    bool place = place_to_be_had(upstream);
    bool found = false;
    for (unsigned i = 0; i < upstream->own->pools->worker_count; i++) {
        struct rank rank = {waits_since(&upstream->own->seats[i], place), i};
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
static void call(struct pool_worker *worker, struct seat *seat, unsigned index)
{
    if (index == worker->env.index) {
        pool_worker_schedule_seat(worker, seat);
    } else if (!__atomic_exchange_n(&seat->called, true, __ATOMIC_ACQ_REL)) {
        __atomic_fetch_add(&seat->upstream->own->calls_count, 1, __ATOMIC_RELAXED);
        mailbox_post(pools_worker(worker->pools, index)->env.loop->mailbox, &seat->call, on_call);
    }
}

void queue_offer(struct pool_worker *worker, struct upstream *upstream)
{
    unsigned own = worker->env.index;
    struct rank first;
    if (!connection_to_be_had(upstream->views[own]) ||
        !find_first(upstream, NULL, UINT32_MAX, &first))
        return;
    struct rank ours = {waits_since(&upstream->own->seats[own], place_to_be_had(upstream)), own};
    if (ours.since_ms != NOBODY_MS && ours.since_ms - first.since_ms <= QUEUE_LOCAL_MS)
        first = ours;
    call(worker, &upstream->own->seats[first.index], first.index);
}

/* What this seat leaves goes to another: from the first on, or when it was called itself to those behind it, so
   that an offer nobody can use ends. */
static void pass_on(struct seat *seat, bool was_called)
{
    struct upstream *upstream = seat->upstream;
    unsigned own = seat->worker->env.index;
    if (!queue_waits(upstream) || !connection_to_be_had(view_of(seat)))
        return;
    struct rank ours = {waits_since(seat, place_to_be_had(upstream)), own}, next;
    bool from_ours = was_called && ours.since_ms != NOBODY_MS;
    if (find_first(upstream, from_ours ? &ours : NULL, own, &next))
        call(seat->worker, &upstream->own->seats[next.index], next.index);
}

/* ---- lines ---- */

static uint64_t since(const struct queue_line *line)
{
    return line->count == 0 ? NOBODY_MS : TAILQ_FIRST(&line->slots)->since_ms;
}

static void publish(struct seat *seat)
{
    __atomic_store_n(&seat->admitted_ms, since(&seat->admitted), __ATOMIC_RELEASE);
    __atomic_store_n(&seat->newcomers_ms, since(&seat->newcomers), __ATOMIC_RELEASE);
    if (!seat_waits(seat))
        wheel_disarm(&seat->worker->env.loop->wheel, &seat->recheck);
}

static uint64_t now_of(const struct seat *seat)
{
    return loop_clock_ms(&seat->worker->env.loop->clock);
}

/* A slot that has come back to the front may stand before older ones. */
static uint64_t longest_wait_ms(const struct seat *seat, const struct queue_line *line)
{
    uint64_t since_ms = since(line), now_ms = now_of(seat);
    return since_ms < now_ms ? now_ms - since_ms : 0;
}

static void look(struct seat *seat, struct queue_line *line)
{
    codel_look(&line->codel, now_of(seat), longest_wait_ms(seat, line));
}

/* The one that must go: it waited longest, and the line stands. */
static struct queue_slot *surplus(const struct seat *seat, const struct queue_line *line)
{
    struct queue_slot *slot = TAILQ_FIRST(&line->slots);
    if (slot == NULL || slot->on_dropped == NULL ||
        !codel_drops(&line->codel, now_of(seat), longest_wait_ms(seat, line), line->count))
        return NULL;
    return slot;
}

/* Who is served next: the newest surely still waits. */
static struct queue_slot *next_of(const struct seat *seat, const struct queue_line *line)
{
    return codel_stressed(&line->codel, now_of(seat)) ? TAILQ_LAST(&line->slots, queue_slots)
                                                      : TAILQ_FIRST(&line->slots);
}

static void insert(struct seat *seat, struct queue_slot *slot, bool admitted, bool first)
{
    struct queue_line *line = admitted ? &seat->admitted : &seat->newcomers;
    struct pool_worker *worker = seat->worker;
    slot->upstream = seat->upstream;
    slot->admitted = admitted;
    if (first)
        TAILQ_INSERT_HEAD(&line->slots, slot, link);
    else
        TAILQ_INSERT_TAIL(&line->slots, slot, link);
    line->count++;
    look(seat, line);
    publish(seat);
    if (!wheel_timer_armed(&seat->recheck))
        wheel_arm(&worker->env.loop->wheel, &seat->recheck,
                  loop_clock_ms(&worker->env.loop->clock) + worker->pools->recheck_ms);
}

static void take_out(struct seat *seat, struct queue_slot *slot)
{
    struct queue_line *line = slot->admitted ? &seat->admitted : &seat->newcomers;
    TAILQ_REMOVE(&line->slots, slot, link);
    line->count--;
    look(seat, line);
    slot->upstream = NULL;
}

/* One slot less is queued. */
static void count_out(struct seat *seat)
{
    publish(seat);
    __atomic_fetch_sub(&seat->upstream->own->waiting_count, 1, __ATOMIC_RELAXED);
    bound_give(&seat->upstream->queued, 1);
}

static void count_fd_waiter(struct upstream *upstream, uint64_t change)
{
    __atomic_fetch_add(&upstream->own->fd_waiting_count, change, __ATOMIC_ACQ_REL);
    __atomic_fetch_add(&upstream->own->pools->fd_waiting_count, change, __ATOMIC_ACQ_REL);
}

/* The same for descriptors. */
static void meet_descriptors(const struct seat *seat)
{
    count_fd_waiter(seat->upstream, 1);
    __atomic_fetch_add(&seat->worker->pools->fds->used, 0, __ATOMIC_ACQ_REL);
    descriptor_ask(seat->worker);
}

/* The other half of the rendezvous: what was freed before is seen now, what is freed from now on sees us. */
static void meet(const struct seat *seat)
{
    struct upstream *upstream = seat->upstream;
    const struct upstream_view *view = view_of(seat);
    __atomic_fetch_add(&upstream->own->waiting_count, 1, __ATOMIC_ACQ_REL);
    __atomic_fetch_add(&upstream->in_flight.used, 0, __ATOMIC_ACQ_REL);
    for (size_t i = 0; i < view->endpoint_count; i++)
        __atomic_fetch_add(&view->endpoints[i]->in_flight, 0, __ATOMIC_ACQ_REL);
}

/* It has never left: its counts go with it, and whatever was freed since has called this seat. */
static void return_to_front(struct seat *seat, struct queue_slot *slot, bool admitted)
{
    bool was_for_fd = seat->turn_for_fd;
    seat->turn = NULL;
    seat->turn_for_fd = false;
    insert(seat, slot, admitted, true);
    if (was_for_fd && !slot->for_fd) {
        count_fd_waiter(seat->upstream, (uint64_t)-1);
    } else if (slot->for_fd && !was_for_fd) {
        meet_descriptors(seat);
        queue_offer(seat->worker, seat->upstream);
    }
}

static enum admit_result enter(struct pool_worker *worker, struct upstream *upstream,
                               struct queue_slot *slot, bool admitted, bool turn)
{
    struct seat *seat = seat_of(upstream, worker);
    CHECK(slot->upstream == NULL && slot->on_turn != NULL && view_of(seat) != NULL);
    if (turn && seat->turn == slot) {
        return_to_front(seat, slot, admitted);
        return ADMIT_QUEUED;
    }
    if (!bound_take(&upstream->queued, 1))
        return ADMIT_QUEUE_FULL;
    if (!turn)
        slot->since_ms = loop_clock_ms(&worker->env.loop->clock);
    seat_use(seat);
    insert(seat, slot, admitted, turn);
    meet(seat);
    if (slot->for_fd)
        meet_descriptors(seat);
    queue_offer(worker, upstream);
    if (surplus(seat, admitted ? &seat->admitted : &seat->newcomers) != NULL)
        pool_worker_schedule_seat(worker, seat);
    return ADMIT_QUEUED;
}

enum admit_result upstream_admit(struct pool_worker *worker, struct upstream *upstream,
                                 struct queue_slot *slot, bool turn)
{
    struct seat *seat = seat_of(upstream, worker);
    if (__builtin_expect(turn && seat->turn == slot && seat->place_in_hand, 0))
        seat->place_in_hand = false;
    else if ((queue_waits(upstream) && !turn) || !bound_take(&upstream->in_flight, 1)) {
        slot->for_fd = false;
        return enter(worker, upstream, slot, false, turn);
    }
    seat_use(seat);
    return ADMIT_OK;
}

enum admit_result upstream_wait(struct pool_worker *worker, struct upstream *upstream,
                                struct queue_slot *slot, bool for_fd, bool turn)
{
    slot->for_fd = for_fd;
    return enter(worker, upstream, slot, true, turn);
}

/* What this slot was called for is passed on by the call itself. */
void queue_cancel(struct pool_worker *worker, struct queue_slot *slot)
{
    if (slot->upstream == NULL)
        return;
    struct seat *seat = seat_of(slot->upstream, worker);
    take_out(seat, slot);
    if (slot->for_fd)
        count_fd_waiter(seat->upstream, (uint64_t)-1);
    count_out(seat);
    seat_leave(seat);
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
    seat_leave(seat_of(upstream, worker));
}

void upstream_keep(struct pool_worker *worker, struct upstream *upstream)
{
    seat_use(seat_of(upstream, worker));
}

void upstream_let_go(struct pool_worker *worker, struct upstream *upstream)
{
    seat_leave(seat_of(upstream, worker));
}

/* ---- turns ---- */

/* False: nobody left, nothing left, or the first could not use it. */
static bool give_turn(struct seat *seat)
{
    struct upstream *upstream = seat->upstream;
    struct queue_slot *slot = next_of(seat, &seat->admitted);
    bool newcomer = slot == NULL;
    if (newcomer)
        slot = next_of(seat, &seat->newcomers);
    if (slot == NULL || !connection_to_be_had(view_of(seat)))
        return false;
    if (newcomer && (!place_to_be_had(upstream) || !bound_take(&upstream->in_flight, 1)))
        return false;
    take_out(seat, slot);
    seat->turn = slot;
    seat->turn_for_fd = slot->for_fd;
    seat->place_in_hand = newcomer;
    slot->on_turn(slot);
    if (seat->place_in_hand) {
        seat->place_in_hand = false;
        give_place(upstream);
    }
    if (seat->turn == NULL)
        return false;
    seat->turn = NULL;
    if (seat->turn_for_fd)
        count_fd_waiter(upstream, (uint64_t)-1);
    seat->turn_for_fd = false;
    count_out(seat);
    seat->busy--; /* not the last: seat_serve() has one */
    return true;
}

/* It leaves as if it had given up by itself. */
static void drop_surplus(struct seat *seat, const struct queue_line *line)
{
    struct queue_slot *slot;
    while ((slot = surplus(seat, line)) != NULL) {
        queue_cancel(seat->worker, slot);
        slot->on_dropped(slot);
    }
}

static void serve(struct seat *seat, bool was_called)
{
    CHECK(seat->turn == NULL);
    seat_use(seat);
    while (give_turn(seat)) {
    }
    drop_surplus(seat, &seat->admitted);
    drop_surplus(seat, &seat->newcomers);
    pass_on(seat, was_called);
    seat_leave(seat);
}

void seat_serve(struct seat *seat)
{
    serve(seat, false);
}

/* The flag falls before anything is looked at: what is freed from now on calls again. */
static void on_call(struct message *message, void *receiver)
{
    struct seat *seat = container_of(message, struct seat, call);
    struct upstream_private *own = seat->upstream->own;
    (void)receiver;
    (void)__atomic_exchange_n(&seat->called, false, __ATOMIC_ACQ_REL);
    serve(seat, true);
    __atomic_fetch_sub(&own->calls_count, 1, __ATOMIC_RELEASE);
}

static void on_recheck(struct wheel_timer *timer, uint64_t now_ms)
{
    struct seat *seat = container_of(timer, struct seat, recheck);
    wheel_arm(&seat->worker->env.loop->wheel, timer, now_ms + seat->worker->pools->recheck_ms);
    seat_use(seat);
    serve(seat, false);
    publish(seat);
    seat_leave(seat);
}
