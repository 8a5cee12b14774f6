/*
 * A task pool: threads for jobs that may block (disk, password hashes), so that no event loop ever does.
 *
 * A task is embedded in what it works for. task_submit() gives it to the pool, run() works on a thread of the pool, and the
 * result comes back to the submitting thread by its mailbox: done(). Until then the submitter keeps its hands off what run()
 * uses. Whoever loses interest calls task_cancel(): then dropped() comes in place of done(), and frees the memory; at once, if
 * the task has not begun. So every submitted task ends in exactly one of the two, on the thread that submitted it.
 *
 * Everything is bounded: threads, tasks of the pool, and both again by lane. A lane is what may hang as a whole, such as one file
 * system, and goes by a number of the submitter's, such as a hash of its name. Up to TASK_LANES at a time share nothing; beyond that two
 * may be one. Lanes take turns, and a lane whose threads all hang leaves the other threads and places to the others. However many lanes
 * hang, others go on: as many tasks of a lane may wait as there are free places, and while all threads work, a lane that has none
 * gets one of its own, from those that are spared for that. There is a pool for each purpose. A job that hangs cannot be ended: its
 * thread and its place are missing until it returns by itself.
 *
 * Owns: its threads, which begin with the tasks that need them and end after a time without any. Thread: submit, cancel and the results on the thread that
 * owns the mailbox; create, stop and free on control. Errors: a result, at once; nothing waits for a place.
 */
#ifndef EVENKEEL_STEADY_TASK_POOL_H
#define EVENKEEL_STEADY_TASK_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "steady/bound.h"
#include "steady/mailbox.h"

/* Lanes with tasks at a time. */
#define TASK_LANES 256u

struct task_pool;

/* Zeroed, and its functions set, before it is submitted. */
struct task {
    /* On a thread of the pool. It may ask task_cancelled() between two steps. */
    void (*run)(struct task *task);
    /* On the submitting thread. The task may be freed or submitted again. */
    void (*done)(struct task *task);
    /* In place of done(): the task was cancelled, or the pool has stopped. Not called for a job that hangs when the pool stops. */
    void (*dropped)(struct task *task);
    struct message message;
    STAILQ_ENTRY(task) link;
    struct task_pool *pool; /* NULL: not submitted */
    struct mailbox *home;
    uint64_t lane;
    unsigned lane_place; /* in the pool */
    bool counted;        /* has a place of the bound */
    bool waits;          /* in the queue of its lane; under the pool's lock */
    bool cancelled;      /* atomic: written by the submitting thread */
};

struct task_pool_env {
    const char *thread_name; /* at most 15 bytes */
    struct bound
        *tasks; /* counts those that wait or run and need a place; its owner sets the limit */
    unsigned thread_limit;
    unsigned spare_thread_limit; /* beyond that: one for each lane that has none */
    unsigned lane_thread_limit;  /* threads that one lane may use */
    unsigned lane_task_limit;    /* tasks of one lane that need a place and may wait */
};

enum task_result {
    TASK_OK,
    TASK_FULL,      /* as many wait as may */
    TASK_NO_THREAD, /* there is no thread, and none can be started; or the pool has stopped */
};

/* NULL: no memory. */
struct task_pool *task_pool_create(const struct task_pool_env *env);
/* Takes no more tasks, drops those that wait, and waits so long for those that run. Then the mailboxes can be drained for the last
   time: nothing more comes. False: a job hangs, and its task must stay in memory. */
__attribute__((warn_unused_result)) bool task_pool_stop(struct task_pool *pool, uint64_t wait_ms);
/* It has been stopped. What hangs keeps its part of the pool until it returns. NULL is fine. */
void task_pool_free(struct task_pool **pool);

/* Not TASK_OK: nothing has happened. `home` is the calling thread's. */
__attribute__((warn_unused_result)) enum task_result task_submit(struct task_pool *pool,
                                                                 struct task *task, uint64_t lane,
                                                                 struct mailbox *home);
/* The same for a task that goes on with what an earlier one began, such as reading from a file that is open, or closing it: it needs no
   place, and if no thread can be started it waits until one can. So it is refused only by a pool that has stopped. Its owner has a
   bound on what is begun. */
__attribute__((warn_unused_result)) enum task_result task_submit_on(struct task_pool *pool,
                                                                    struct task *task,
                                                                    uint64_t lane,
                                                                    struct mailbox *home);
/* It has been submitted, and neither done() nor dropped() has been called. It may be freed when this returns. */
void task_cancel(struct task *task);

static inline bool task_submitted(const struct task *task)
{
    return task->pool != NULL;
}

/* For run(): nobody waits for the result any more. */
static inline bool task_cancelled(const struct task *task)
{
    return __atomic_load_n(&task->cancelled, __ATOMIC_RELAXED);
}

/* How many threads there are, and how many of them work. */
unsigned task_pool_thread_count(struct task_pool *pool);
unsigned task_pool_running_count(struct task_pool *pool);

#endif
