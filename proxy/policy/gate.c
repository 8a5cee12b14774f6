/* Places and lines of a shard. */
#include "proxy/policy/gate.h"

#include <stdlib.h>

#include "steady/check.h"
#include "steady/deadline.h"

#define NOBODY_MS UINT64_MAX
/* As pool/queue.h: crossing threads costs. */
#define GATE_LOCAL_MS 5

static void on_serve(struct deferred *deferred);
static void on_call(struct message *message, void *receiver);

bool gate_init(struct gate *gate, const char *label, unsigned worker_count)
{
    *gate = (struct gate){.seat_count = worker_count};
    bound_init(&gate->inside, "shard_in_flight", label, 0);
    bound_init(&gate->waiting, "shard_queued", label, 0);
    gate->seats = aligned_alloc(_Alignof(struct gate_seat), worker_count * sizeof *gate->seats);
    for (unsigned i = 0; gate->seats != NULL && i < worker_count; i++) {
        struct gate_seat *seat = &gate->seats[i];
        *seat = (struct gate_seat){.since_ms = NOBODY_MS, .gate = gate};
        seat->serve.run = on_serve;
        TAILQ_INIT(&seat->line);
    }
    return gate->seats != NULL;
}

void gate_release(struct gate *gate)
{
    CHECK(gate_idle(gate));
    free(gate->seats);
    gate->seats = NULL;
}

bool gate_idle(const struct gate *gate)
{
    return bound_used(&gate->inside) == 0 &&
           __atomic_load_n(&gate->waiting_count, __ATOMIC_ACQUIRE) == 0 &&
           __atomic_load_n(&gate->calls_count, __ATOMIC_ACQUIRE) == 0;
}

void gate_set_limits(struct gate *gate, uint64_t inside_count, uint64_t waiting_count)
{
    bound_set_limit(&gate->inside, inside_count);
    bound_set_limit(&gate->waiting, waiting_count);
}

static bool anyone_waits(const struct gate *gate)
{
    return __atomic_load_n(&gate->waiting_count, __ATOMIC_RELAXED) > 0;
}

/* No refusal is counted: who gets no place waits. */
static bool take_place(struct gate *gate)
{
    return bound_take_below(&gate->inside, UINT64_MAX);
}

static uint64_t since(const struct gate_seat *seat)
{
    return __atomic_load_n(&seat->since_ms, __ATOMIC_ACQUIRE);
}

static void publish(struct gate_seat *seat)
{
    const struct gate_slot *first = TAILQ_FIRST(&seat->line);
    __atomic_store_n(&seat->since_ms, first != NULL ? first->since_ms : NOBODY_MS,
                     __ATOMIC_RELEASE);
}

/* While `called` is set the message is on its way, and its receiver will see what was freed before. */
static void call(struct gate_seat *seat)
{
    struct worker *worker = __atomic_load_n(&seat->worker, __ATOMIC_ACQUIRE);
    if (!__atomic_exchange_n(&seat->called, true, __ATOMIC_ACQ_REL)) {
        __atomic_fetch_add(&seat->gate->calls_count, 1, __ATOMIC_RELAXED);
        mailbox_post(worker->loop.mailbox, &seat->call, on_call);
    }
}

/* To the seat that waits longest; `own` may be NULL: it has had its chance. */
static void offer(struct gate *gate, struct gate_seat *own, const struct gate_seat *not_this)
{
    struct gate_seat *first = NULL;
    if (bound_used(&gate->inside) >= bound_limit(&gate->inside)) {
        return;
    }
    for (unsigned i = 0; i < gate->seat_count; i++) {
        struct gate_seat *seat = &gate->seats[i];
        if (seat != not_this && since(seat) != NOBODY_MS &&
            (first == NULL || since(seat) < since(first))) {
            first = seat;
        }
    }
    if (own != NULL && since(own) != NOBODY_MS && first != NULL &&
        since(own) <= deadline_after(since(first), GATE_LOCAL_MS)) {
        if (!own->serve.queued) {
            __atomic_fetch_add(&gate->calls_count, 1, __ATOMIC_RELAXED);
            loop_defer(&own->worker->loop, &own->serve);
        }
    } else if (first != NULL) {
        call(first);
    }
}

static void take_out(struct gate_seat *seat, struct gate_slot *slot)
{
    TAILQ_REMOVE(&seat->line, slot, link);
    slot->gate = NULL;
    publish(seat);
    __atomic_fetch_sub(&seat->gate->waiting_count, 1, __ATOMIC_RELAXED);
    bound_give(&seat->gate->waiting, 1);
}

enum gate_result gate_enter(struct gate *gate, struct worker *worker, struct gate_slot *slot)
{
    struct gate_seat *seat = &gate->seats[worker->env.index];
    if (!anyone_waits(gate) && take_place(gate)) {
        return GATE_OPEN;
    }
    if (!bound_take(&gate->waiting, 1)) {
        return GATE_FULL;
    }
    __atomic_store_n(&seat->worker, worker, __ATOMIC_RELEASE);
    slot->gate = gate;
    slot->since_ms = worker_now_ms(worker);
    TAILQ_INSERT_TAIL(&seat->line, slot, link);
    publish(seat);
    __atomic_fetch_add(&gate->waiting_count, 1, __ATOMIC_ACQ_REL);
    __atomic_fetch_add(&gate->inside.used, 0, __ATOMIC_ACQ_REL);
    offer(gate, seat, NULL);
    return GATE_QUEUED;
}

void gate_leave(struct gate *gate, struct worker *worker)
{
    uint64_t before = __atomic_fetch_sub(&gate->inside.used, 1, __ATOMIC_ACQ_REL);
    CHECK(before > 0);
    if (anyone_waits(gate)) {
        struct gate_seat *own = &gate->seats[worker->env.index];
        offer(gate, own, NULL);
    }
}

void gate_cancel(struct gate_slot *slot, const struct worker *worker)
{
    if (slot->gate != NULL) {
        take_out(&slot->gate->seats[worker->env.index], slot);
    }
}

/* What is left over goes to the others. */
static void serve(struct gate_seat *seat)
{
    struct gate_slot *slot;
    while ((slot = TAILQ_FIRST(&seat->line)) != NULL && take_place(seat->gate)) {
        take_out(seat, slot);
        slot->on_turn(slot);
    }
    if (anyone_waits(seat->gate)) {
        offer(seat->gate, NULL, seat);
    }
}

static void on_serve(struct deferred *deferred)
{
    struct gate_seat *seat = container_of(deferred, struct gate_seat, serve);
    struct gate *gate = seat->gate;
    serve(seat);
    __atomic_fetch_sub(&gate->calls_count, 1, __ATOMIC_RELEASE);
}

/* The flag falls before anything is looked at: what is freed from now on calls again. */
static void on_call(struct message *message, void *receiver)
{
    struct gate_seat *seat = container_of(message, struct gate_seat, call);
    struct gate *gate = seat->gate;
    (void)receiver;
    (void)__atomic_exchange_n(&seat->called, false, __ATOMIC_ACQ_REL);
    serve(seat);
    __atomic_fetch_sub(&gate->calls_count, 1, __ATOMIC_RELEASE);
}
