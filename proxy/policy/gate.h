/*
 * A gate: so many may be inside at a time, so many may wait, over all workers. What a shard admits by.
 *
 * Owns: the counts (atomic, exact) and per worker a line. Thread: a local is its worker's; enter, leave and cancel on the thread of
 * the worker that is given. Time base: the loop clock.
 *
 * No wake-up is lost, as in pool/queue.h: who leaves frees its place and then looks whether anyone waits; who begins to wait says so and
 * then looks whether there is a place; both change the same variable in between. A place is offered to the local that waits
 * longest; a worker prefers its own when that is hardly younger. Nobody waits without a limit: who is in line cancels when its time is over.
 */
#ifndef EVENKEEL_PROXY_POLICY_GATE_H
#define EVENKEEL_PROXY_POLICY_GATE_H

#include "proxy/worker/worker.h"

struct gate_waiter {
    TAILQ_ENTRY(gate_waiter) link;
    struct gate *gate; /* NULL: not in line */
    /* It is inside now. From a frame of its own. */
    void (*on_turn)(struct gate_waiter *waiter);
    uint64_t since_ms;
};
TAILQ_HEAD(gate_line, gate_waiter);

struct gate_local {
    struct gate_line line;
    uint64_t since_ms; /* atomic: of the first in line, UINT64_MAX: nobody */
    bool called;       /* atomic: its message is on the way */
    struct message call;
    struct deferred serve;
    struct worker *worker; /* NULL until it has waited; atomic */
    struct gate *gate;
} __attribute__((aligned(64)));

struct gate {
    struct bound inside, waiting;
    uint64_t waiting_count; /* atomic */
    uint64_t
        calls_count; /* atomic: messages on the way and work put off; they keep the gate in memory */
    unsigned upstream_local_count;
    struct gate_local *locals; /* [worker] */
};

/* `label` tells its bounds from those of others and outlives it. False: no memory. */
__attribute__((warn_unused_result)) bool gate_init(struct gate *gate, const char *label,
                                                   unsigned worker_count);
/* Nobody is inside or waits, and no message is on the way. */
void gate_release(struct gate *gate);
bool gate_idle(const struct gate *gate);
void gate_set_limits(struct gate *gate, uint64_t inside_count, uint64_t waiting_count);

enum gate_result { GATE_OPEN, GATE_QUEUED, GATE_FULL };
__attribute__((warn_unused_result)) enum gate_result gate_enter(struct gate *gate,
                                                                struct worker *worker,
                                                                struct gate_waiter *waiter);
void gate_leave(struct gate *gate, struct worker *worker);
/* Not being in line is fine. */
void gate_cancel(struct gate_waiter *waiter, const struct worker *worker);

#endif
