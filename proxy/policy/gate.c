/* Places and lines of a shard. */
#include "proxy/policy/gate.h"

#include <stdlib.h>

#include "steady/check.h"

#define GATE_LINE 0

static unsigned usable(const struct waitlist_local *local);
static void meet(const struct waitlist_local *local);
static void serve(struct waitlist_local *local);

static const struct waitlist_policy gate_policy = {.usable = usable, .meet = meet, .serve = serve};

bool gate_init(struct gate *gate, const char *label, unsigned worker_count)
{
    bound_init(&gate->inside, "shard_in_flight", label, 0);
    bound_init(&gate->waiting, "shard_queued", label, 0);
    gate->locals =
        aligned_alloc(_Alignof(struct waitlist_local), worker_count * sizeof *gate->locals);
    if (gate->locals == NULL) {
        return false;
    }
    waitlist_init(&gate->waitlist, &gate_policy, &gate->waiting, gate->locals, sizeof *gate->locals,
                  worker_count);
    return true;
}

void gate_release(struct gate *gate)
{
    CHECK(gate_idle(gate));
    free(gate->locals);
    gate->locals = NULL;
}

bool gate_idle(const struct gate *gate)
{
    return bound_used(&gate->inside) == 0 && waitlist_idle(&gate->waitlist);
}

void gate_set_limits(struct gate *gate, uint64_t inside_count, uint64_t waiting_count)
{
    bound_set_limit(&gate->inside, inside_count);
    bound_set_limit(&gate->waiting, waiting_count);
}

static struct gate *gate_of(const struct waitlist_local *local)
{
    return container_of(local->list, struct gate, waitlist);
}

/* Counts no refusal, because an exchange without a place waits. */
static bool take_place(struct gate *gate)
{
    return bound_take_below(&gate->inside, 1, UINT64_MAX);
}

enum gate_result gate_enter(struct gate *gate, unsigned worker_index, struct loop *loop,
                            struct waiter *waiter)
{
    struct waitlist_local *local = &gate->locals[worker_index];
    if (!waitlist_waits(&gate->waitlist) && take_place(gate)) {
        return GATE_OPEN;
    }
    waitlist_attach(local, loop);
    return waitlist_wait(local, waiter, GATE_LINE) ? GATE_QUEUED : GATE_FULL;
}

void gate_leave(struct gate *gate, unsigned worker_index)
{
    uint64_t before = waitlist_meet(&gate->inside.used, (uint64_t)-1);
    CHECK(before > 0);
    if (waitlist_waits(&gate->waitlist)) {
        waitlist_offer(&gate->locals[worker_index]);
    }
}

void gate_cancel(struct waiter *waiter)
{
    if (waiter->local != NULL) {
        waitlist_cancel(waiter);
    }
}

/* ---- what the wait list asks ---- */

static unsigned usable(const struct waitlist_local *local)
{
    const struct bound *inside = &gate_of(local)->inside;
    return bound_used(inside) < bound_limit(inside) ? 1u << GATE_LINE : 0;
}

static void meet(const struct waitlist_local *local)
{
    (void)waitlist_meet(&gate_of(local)->inside.used, 0);
}

static void serve(struct waitlist_local *local)
{
    struct waiter *waiter;
    while ((waiter = waitlist_first(local, GATE_LINE)) != NULL && take_place(gate_of(local))) {
        waitlist_turn_begin(waiter);
        waiter->on_turn(waiter);
        (void)waitlist_turn_end(local);
    }
}
