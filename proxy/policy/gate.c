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
    *gate = (struct gate){.upstream_local_count = worker_count};
    bound_init(&gate->inside, "shard_in_flight", label, 0);
    bound_init(&gate->waiting, "shard_queued", label, 0);
    gate->locals = aligned_alloc(_Alignof(struct gate_local), worker_count * sizeof *gate->locals);
    for (unsigned i = 0; gate->locals != NULL && i < worker_count; i++) {
        struct gate_local *local = &gate->locals[i];
        *local = (struct gate_local){.since_ms = NOBODY_MS, .gate = gate};
        local->serve.run = on_serve;
        TAILQ_INIT(&local->line);
    }
    return gate->locals != NULL;
}

void gate_release(struct gate *gate)
{
    CHECK(gate_idle(gate));
    free(gate->locals);
    gate->locals = NULL;
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
    return bound_take_below(&gate->inside, 1, UINT64_MAX);
}

static uint64_t since(const struct gate_local *local)
{
    return __atomic_load_n(&local->since_ms, __ATOMIC_ACQUIRE);
}

static void publish(struct gate_local *local)
{
    const struct gate_waiter *first = TAILQ_FIRST(&local->line);
    __atomic_store_n(&local->since_ms, first != NULL ? first->since_ms : NOBODY_MS,
                     __ATOMIC_RELEASE);
}

/* While `called` is set the message is on its way, and its receiver will see what was freed before. */
static void call(struct gate_local *local)
{
    struct worker *worker = __atomic_load_n(&local->worker, __ATOMIC_ACQUIRE);
    if (!__atomic_exchange_n(&local->called, true, __ATOMIC_ACQ_REL)) {
        __atomic_fetch_add(&local->gate->calls_count, 1, __ATOMIC_RELAXED);
        mailbox_post(worker->loop.mailbox, &local->call, on_call);
    }
}

/* To the local that waits longest; `own` may be NULL: it has had its chance. */
static void offer(struct gate *gate, struct gate_local *own, const struct gate_local *not_this)
{
    struct gate_local *first = NULL;
    if (bound_used(&gate->inside) >= bound_limit(&gate->inside)) {
        return;
    }
    for (unsigned i = 0; i < gate->upstream_local_count; i++) {
        struct gate_local *local = &gate->locals[i];
        if (local != not_this && since(local) != NOBODY_MS &&
            (first == NULL || since(local) < since(first))) {
            first = local;
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

static void take_out(struct gate_local *local, struct gate_waiter *waiter)
{
    TAILQ_REMOVE(&local->line, waiter, link);
    waiter->gate = NULL;
    publish(local);
    __atomic_fetch_sub(&local->gate->waiting_count, 1, __ATOMIC_RELAXED);
    bound_give(&local->gate->waiting, 1);
}

enum gate_result gate_enter(struct gate *gate, struct worker *worker, struct gate_waiter *waiter)
{
    struct gate_local *local = &gate->locals[worker->env.index];
    if (!anyone_waits(gate) && take_place(gate)) {
        return GATE_OPEN;
    }
    if (!bound_take(&gate->waiting, 1)) {
        return GATE_FULL;
    }
    __atomic_store_n(&local->worker, worker, __ATOMIC_RELEASE);
    waiter->gate = gate;
    waiter->since_ms = worker_now_ms(worker);
    TAILQ_INSERT_TAIL(&local->line, waiter, link);
    publish(local);
    __atomic_fetch_add(&gate->waiting_count, 1, __ATOMIC_ACQ_REL);
    __atomic_fetch_add(&gate->inside.used, 0, __ATOMIC_ACQ_REL);
    offer(gate, local, NULL);
    return GATE_QUEUED;
}

void gate_leave(struct gate *gate, struct worker *worker)
{
    uint64_t before = __atomic_fetch_sub(&gate->inside.used, 1, __ATOMIC_ACQ_REL);
    CHECK(before > 0);
    if (anyone_waits(gate)) {
        struct gate_local *own = &gate->locals[worker->env.index];
        offer(gate, own, NULL);
    }
}

void gate_cancel(struct gate_waiter *waiter, const struct worker *worker)
{
    if (waiter->gate != NULL) {
        take_out(&waiter->gate->locals[worker->env.index], waiter);
    }
}

/* What is left over goes to the others. */
static void serve(struct gate_local *local)
{
    struct gate_waiter *waiter;
    while ((waiter = TAILQ_FIRST(&local->line)) != NULL && take_place(local->gate)) {
        take_out(local, waiter);
        waiter->on_turn(waiter);
    }
    if (anyone_waits(local->gate)) {
        offer(local->gate, NULL, local);
    }
}

static void on_serve(struct deferred *deferred)
{
    struct gate_local *local = container_of(deferred, struct gate_local, serve);
    struct gate *gate = local->gate;
    serve(local);
    __atomic_fetch_sub(&gate->calls_count, 1, __ATOMIC_RELEASE);
}

/* The flag falls before anything is looked at: what is freed from now on calls again. */
static void on_call(struct message *message, void *receiver)
{
    struct gate_local *local = container_of(message, struct gate_local, call);
    struct gate *gate = local->gate;
    (void)receiver;
    (void)__atomic_exchange_n(&local->called, false, __ATOMIC_ACQ_REL);
    serve(local);
    __atomic_fetch_sub(&gate->calls_count, 1, __ATOMIC_RELEASE);
}
