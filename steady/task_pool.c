/* Lanes of tasks, and threads that take from them in turn. */
#include "steady/task_pool.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "steady/check.h"
#include "steady/container_of.h"
#include "steady/fault.h"

#define THREAD_STACK_BYTES ((size_t)512 * 1024)
/* A thread without work for so long ends. */
#define THREAD_IDLE_MS 30000

STAILQ_HEAD(task_list, task);

/* A lane is in `ready` while one of its tasks waits and it may use another thread. */
struct task_lane {
    TAILQ_ENTRY(task_lane) link;
    struct task_list waiting;
    unsigned waiting_count;
    unsigned counted_count; /* of those that wait: that need a place */
    unsigned running_count;
    bool ready;
};
TAILQ_HEAD(task_lane_list, task_lane);

enum task_pool_state {
    TASK_POOL_OPEN,
    TASK_POOL_STOPPING,  /* no more tasks are taken */
    TASK_POOL_ABANDONED, /* jobs hang; their tasks are not touched when they return */
};

struct task_pool {
    struct task_pool_env env;
    pthread_mutex_t lock; /* of everything below */
    pthread_cond_t work;  /* for threads: a lane is ready, or the pool stops */
    pthread_cond_t rest;  /* for task_pool_stop(): a thread has ended */
    struct task_lane_list ready;
    struct task_lane lanes[TASK_LANES];
    enum task_pool_state state;
    unsigned thread_count;
    unsigned idle_count;    /* wait for work, or are about to wake up for it */
    unsigned waiting_count; /* tasks of all lanes */
    unsigned running_count;
    bool freed; /* by its owner: the last thread that returns releases the memory */
};

/* ---- lanes ---- */

static void lane_refresh(struct task_pool *pool, struct task_lane *lane)
{
    bool ready = lane->waiting_count > 0 && lane->running_count < pool->env.lane_thread_limit;
    if (ready && !lane->ready) {
        TAILQ_INSERT_TAIL(&pool->ready, lane, link);
    } else if (!ready && lane->ready) {
        TAILQ_REMOVE(&pool->ready, lane, link);
    }
    lane->ready = ready;
}

static void lane_remove(struct task_pool *pool, struct task_lane *lane, struct task *task)
{
    STAILQ_REMOVE(&lane->waiting, task, task, link);
    lane->waiting_count--;
    lane->counted_count -= task->counted;
    pool->waiting_count--;
    task->waits = false;
    lane_refresh(pool, lane);
}

/* The first task of the lane whose turn it is; the lane goes behind the others. */
static struct task *pool_next(struct task_pool *pool)
{
    struct task_lane *lane = TAILQ_FIRST(&pool->ready);
    TAILQ_REMOVE(&pool->ready, lane, link);
    lane->ready = false;
    lane->running_count++;
    pool->running_count++;
    struct task *task = STAILQ_FIRST(&lane->waiting);
    lane_remove(pool, lane, task);
    return task;
}

/* ---- results ---- */

/* On the submitting thread. From here on the task is its owner's again. */
static void task_leave(struct task *task)
{
    if (task->counted) {
        bound_give(task->pool->env.tasks, 1);
    }
    task->pool = NULL;
}

static void task_come_home(struct message *message, void *receiver)
{
    struct task *task = container_of(message, struct task, message);
    (void)receiver;
    task_leave(task);
    if (task_cancelled(task)) {
        task->dropped(task);
    } else {
        task->done(task);
    }
}

/* ---- threads ---- */

static void pool_release(struct task_pool *pool)
{
    pthread_mutex_destroy(&pool->lock);
    pthread_cond_destroy(&pool->work);
    pthread_cond_destroy(&pool->rest);
    free(pool);
}

/* Runs a task, under the lock before and after. Abandoned, the task is not touched any more: its mailbox may be gone. */
static void pool_run(struct task_pool *pool, struct task *task)
{
    struct task_lane *lane = &pool->lanes[task->lane];
    pthread_mutex_unlock(&pool->lock);
    task->run(task);
    pthread_mutex_lock(&pool->lock);
    pool->running_count--;
    lane->running_count--;
    lane_refresh(pool, lane);
    if (pool->state != TASK_POOL_ABANDONED) {
        mailbox_post(task->home, &task->message, task_come_home);
    }
}

static struct timespec time_after(uint64_t wait_ms)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_sec += (time_t)(wait_ms / 1000);
    at.tv_nsec += (long)(wait_ms % 1000) * 1000000;
    if (at.tv_nsec >= 1000000000) {
        at.tv_sec++;
        at.tv_nsec -= 1000000000;
    }
    return at;
}

/* Waits for work. False: there was none for a while. */
static bool pool_rest(struct task_pool *pool)
{
    const struct timespec until = time_after(THREAD_IDLE_MS);
    int error = 0;
    pool->idle_count++;
    while (TAILQ_EMPTY(&pool->ready) && pool->state == TASK_POOL_OPEN && error != ETIMEDOUT) {
        error = pthread_cond_timedwait(&pool->work, &pool->lock, &until);
    }
    pool->idle_count--;
    return error != ETIMEDOUT || !TAILQ_EMPTY(&pool->ready);
}

static void *pool_thread_main(void *arg)
{
    struct task_pool *pool = arg;
    bool wanted = true;
    pthread_mutex_lock(&pool->lock);
    while (pool->state == TASK_POOL_OPEN && wanted) {
        if (!TAILQ_EMPTY(&pool->ready)) {
            pool_run(pool, pool_next(pool));
        } else {
            wanted = pool_rest(pool);
        }
    }
    bool last = --pool->thread_count == 0 && pool->freed;
    pthread_cond_signal(&pool->rest);
    pthread_mutex_unlock(&pool->lock);
    if (last) {
        pool_release(pool);
    }
    return NULL;
}

/* A thread of the pool gets no signal: those are for control. */
static int start_thread(struct task_pool *pool)
{
    pthread_attr_t attributes;
    pthread_t thread;
    sigset_t all, before;
    if (pthread_attr_init(&attributes) != 0) {
        return ENOMEM;
    }
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, THREAD_STACK_BYTES);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = fault_hits(FAULT_ALLOC)
                    ? EAGAIN
                    : pthread_create(&thread, &attributes, pool_thread_main, pool);
    if (error == 0) {
        pthread_setname_np(thread, pool->env.thread_name);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return error;
}

/* Under the lock, which the new thread waits for, before a task joins a lane. An idle thread takes one task: those that wait already
   may be more than have woken up yet. False: there is no thread at all. */
static bool pool_has_thread(struct task_pool *pool)
{
    if (pool->idle_count <= pool->waiting_count && pool->thread_count < pool->env.thread_limit &&
        start_thread(pool) == 0) {
        pool->thread_count++;
    }
    return pool->thread_count > 0;
}

/* ---- for everyone ---- */

/* Under the lock. */
static enum task_result pool_take(struct task_pool *pool, struct task *task)
{
    struct task_lane *lane = &pool->lanes[task->lane];
    if (task->counted && lane->counted_count >= pool->env.lane_task_limit) {
        return TASK_FULL;
    }
    if (pool->state != TASK_POOL_OPEN || !pool_has_thread(pool)) {
        return TASK_NO_THREAD;
    }
    task->pool = pool;
    task->waits = true;
    STAILQ_INSERT_TAIL(&lane->waiting, task, link);
    lane->waiting_count++;
    lane->counted_count += task->counted;
    pool->waiting_count++;
    lane_refresh(pool, lane);
    pthread_cond_signal(&pool->work);
    return TASK_OK;
}

static enum task_result submit(struct task_pool *pool, struct task *task, unsigned lane,
                               struct mailbox *home, bool counted)
{
    CHECK(task->pool == NULL && lane < TASK_LANES);
    task->home = home;
    task->lane = lane;
    task->counted = counted;
    task->cancelled = false;
    pthread_mutex_lock(&pool->lock);
    enum task_result result = pool_take(pool, task);
    pthread_mutex_unlock(&pool->lock);
    return result;
}

enum task_result task_submit(struct task_pool *pool, struct task *task, unsigned lane,
                             struct mailbox *home)
{
    if (!bound_take(pool->env.tasks, 1)) {
        return TASK_FULL;
    }
    enum task_result result = submit(pool, task, lane, home, true);
    if (result != TASK_OK) {
        bound_give(pool->env.tasks, 1);
        bound_refuse(pool->env.tasks, 1);
    }
    return result;
}

enum task_result task_submit_on(struct task_pool *pool, struct task *task, unsigned lane,
                                struct mailbox *home)
{
    return submit(pool, task, lane, home, false);
}

void task_cancel(struct task *task)
{
    struct task_pool *pool = task->pool;
    CHECK(pool != NULL && !task_cancelled(task));
    __atomic_store_n(&task->cancelled, true, __ATOMIC_RELAXED);
    pthread_mutex_lock(&pool->lock);
    bool waits = task->waits;
    if (waits) {
        lane_remove(pool, &pool->lanes[task->lane], task);
    }
    pthread_mutex_unlock(&pool->lock);
    if (waits) {
        task_leave(task);
        task->dropped(task);
    }
}

unsigned task_pool_thread_count(struct task_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    unsigned count = pool->thread_count;
    pthread_mutex_unlock(&pool->lock);
    return count;
}

unsigned task_pool_running_count(struct task_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    unsigned count = pool->running_count;
    pthread_mutex_unlock(&pool->lock);
    return count;
}

/* ---- its life ---- */

static void pool_init_sync(struct task_pool *pool)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->work, &monotonic);
    pthread_cond_init(&pool->rest, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

struct task_pool *task_pool_create(const struct task_pool_env *env)
{
    struct task_pool *pool = fault_hits(FAULT_ALLOC) ? NULL : calloc(1, sizeof *pool);
    if (pool == NULL) {
        return NULL;
    }
    CHECK(env->thread_limit > 0 && env->lane_thread_limit > 0);
    pool->env = *env;
    pool_init_sync(pool);
    TAILQ_INIT(&pool->ready);
    for (unsigned i = 0; i < TASK_LANES; i++) {
        STAILQ_INIT(&pool->lanes[i].waiting);
    }
    return pool;
}

/* They go home by themselves, as those that run do. */
static void drop_waiting(struct task_pool *pool)
{
    for (unsigned i = 0; i < TASK_LANES; i++) {
        struct task_lane *lane = &pool->lanes[i];
        while (!STAILQ_EMPTY(&lane->waiting)) {
            struct task *task = STAILQ_FIRST(&lane->waiting);
            lane_remove(pool, lane, task);
            __atomic_store_n(&task->cancelled, true, __ATOMIC_RELAXED);
            mailbox_post(task->home, &task->message, task_come_home);
        }
    }
}

bool task_pool_stop(struct task_pool *pool, uint64_t wait_ms)
{
    const struct timespec until = time_after(wait_ms);
    pthread_mutex_lock(&pool->lock);
    pool->state = TASK_POOL_STOPPING;
    drop_waiting(pool);
    pthread_cond_broadcast(&pool->work);
    int error = 0;
    while (pool->thread_count > 0 && error != ETIMEDOUT) {
        error = pthread_cond_timedwait(&pool->rest, &pool->lock, &until);
    }
    bool all = pool->thread_count == 0;
    if (!all) {
        pool->state = TASK_POOL_ABANDONED;
    }
    pthread_mutex_unlock(&pool->lock);
    return all;
}

void task_pool_free(struct task_pool **pool_pointer)
{
    struct task_pool *pool = *pool_pointer;
    if (pool == NULL) {
        return;
    }
    *pool_pointer = NULL;
    pthread_mutex_lock(&pool->lock);
    CHECK(pool->state != TASK_POOL_OPEN);
    pool->freed = true;
    bool left = pool->thread_count > 0;
    pthread_mutex_unlock(&pool->lock);
    if (!left) {
        pool_release(pool);
    }
}
