/*
 * A gate: a number of exchanges may be inside at a time and a number may wait, over all workers. It is the admission
 * of a shard.
 *
 * Owns: the counts (atomic, exact) and the wait list, whose rendezvous variable is the number inside. Thread: any
 * worker's; enter, leave and cancel are given its index. Time base: the loop clock. No exchange waits without a limit:
 * a waiter cancels when its time is over.
 */
#ifndef EVENKEEL_PROXY_POLICY_GATE_H
#define EVENKEEL_PROXY_POLICY_GATE_H

#include "steady/waitlist.h"

struct gate {
    struct bound inside, waiting;
    struct waitlist waitlist;
    struct waitlist_local *locals; /* [worker] */
};

/* `label` distinguishes its bounds from those of others, and outlives it. False: no memory. */
__attribute__((warn_unused_result)) bool gate_init(struct gate *gate, const char *label,
                                                   unsigned worker_count);
/* To be called when no exchange is inside or waits, and no call is on its way. */
void gate_release(struct gate *gate);
bool gate_idle(const struct gate *gate);
void gate_set_limits(struct gate *gate, uint64_t inside_count, uint64_t waiting_count);

enum gate_result {
    GATE_OPEN, /* the exchange is inside: gate_leave() follows */
    /* on_turn is called when the exchange is inside; before that gate_cancel() ends the wait */
    GATE_QUEUED,
    GATE_FULL,
};
/* `loop` is always the same for a worker. */
__attribute__((warn_unused_result)) enum gate_result gate_enter(struct gate *gate,
                                                                unsigned worker_index,
                                                                struct loop *loop,
                                                                struct waiter *waiter);
void gate_leave(struct gate *gate, unsigned worker_index);
/* An exchange that does not wait is fine. */
void gate_cancel(struct waiter *waiter);

#endif
