/*
 * A gate: so many may be inside at a time, so many may wait, over all workers. What a shard admits by.
 *
 * Owns: the counts (atomic, exact) and the wait list, whose rendezvous is the count of who is inside. Thread: any worker's; enter,
 * leave and cancel say by its index which. Time base: the loop clock. Nobody waits without a limit: who is in line cancels when its
 * time is over.
 */
#ifndef EVENKEEL_PROXY_POLICY_GATE_H
#define EVENKEEL_PROXY_POLICY_GATE_H

#include "steady/waitlist.h"

struct gate {
    struct bound inside, waiting;
    struct waitlist waitlist;
    struct waitlist_local *locals; /* [worker] */
};

/* `label` tells its bounds from those of others and outlives it. False: no memory. */
__attribute__((warn_unused_result)) bool gate_init(struct gate *gate, const char *label,
                                                   unsigned worker_count);
/* Nobody is inside or waits, and no call is on the way. */
void gate_release(struct gate *gate);
bool gate_idle(const struct gate *gate);
void gate_set_limits(struct gate *gate, uint64_t inside_count, uint64_t waiting_count);

enum gate_result {
    GATE_OPEN,   /* it is inside: gate_leave() */
    GATE_QUEUED, /* on_turn: it is inside; before that gate_cancel() */
    GATE_FULL,
};
/* `loop` is always the same for a worker. */
__attribute__((warn_unused_result)) enum gate_result gate_enter(struct gate *gate,
                                                                unsigned worker_index,
                                                                struct loop *loop,
                                                                struct waiter *waiter);
void gate_leave(struct gate *gate, unsigned worker_index);
/* Not being in line is fine. */
void gate_cancel(struct waiter *waiter);

#endif
