/* Lanes of tasks, and threads that take from them in turn. */
#include "steady/task_pool.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "steady/check.h"
#include "steady/container_of.h"
#include "steady/fault.h"
#include "steady/timed_wait.h"

#define THREAD_STACK_BYTES ((size_t)512 * 1024)
/* A thread without work for so long ends. */
#define THREAD_IDLE_MS 30000

STAILQ_HEAD(task_list, task);

/* Whether another thread may take a task of the lane, and how urgent that is. */
enum lane_state {
    LANE_RESTS,
    LANE_STARVES, /* tasks wait, and no thread is at work for them */
    LANE_SHARES,  /* tasks wait, and the lane may use another thread */
    LANE_STATES,
};

struct task_lane {
    TAILQ_ENTRY(task_lane) link; /* unless it rests */
    struct task_list waiting;
    unsigned waiting_count;
    unsigned counted_count; /* of those that wait: that need a place */
    unsigned running_count;
    uint64_t name; /* while it is used */
    bool used;     /* has tasks; written, like the state, only by lane_refresh() */
    uint8_t state; /* enum lane_state */
};
TAILQ_HEAD(task_lane_list, task_lane);

enum task_pool_state {
    TASK_POOL_OPEN,
    TASK_POOL_STOPPING,  /* no more tasks are taken */
    TASK_POOL_ABANDONED, /* jobs hang; their tasks are not touched when they return */
};

struct task_pool {
    struct task_pool_env env;
    pthread_mutex_t lock;                  /* of everything below */
    pthread_cond_t work;                   /* for threads: there may be work, or the pool stops */
    pthread_cond_t rest;                   /* for task_pool_stop(): a thread has ended */
    struct task_lane_list in[LANE_STATES]; /* lanes; of LANE_RESTS none */
    unsigned starving_count;               /* lanes in this state */
    struct task_lane lanes[TASK_LANES];
    unsigned used_count; /* lanes that have tasks */
    enum task_pool_state state;
    unsigned thread_count;
    unsigned idle_count;  /* wait for work, or are about to wake up for it */
    unsigned ready_count; /* tasks that wait and that lanes may use another thread for */
    unsigned running_count;
    bool freed; /* by its owner: the last thread that returns releases the memory */
};

/* ---- lanes ---- */

/* Tasks of the lane that threads might take now. */
static unsigned lane_ready(const struct task_pool *pool, const struct task_lane *lane)
{
    unsigned limit = pool->env.lane_thread_limit;
    unsigned more = lane->running_count < limit ? limit - lane->running_count : 0;
    return lane->waiting_count < more ? lane->waiting_count : more;
}

/* Counts have changed; before that, `ready_count` tasks were ready. */
static void lane_refresh(struct task_pool *pool, struct task_lane *lane, unsigned ready_count)
{
    unsigned ready = lane_ready(pool, lane);
    enum lane_state state = ready == 0                 ? LANE_RESTS
                            : lane->running_count == 0 ? LANE_STARVES
                                                       : LANE_SHARES;
    bool used = lane->waiting_count + lane->running_count > 0;
    pool->ready_count = pool->ready_count - ready_count + ready;
    pool->used_count = pool->used_count + used - lane->used;
    lane->used = used;
    if (state == lane->state) {
        return;
    }
    if (lane->state != LANE_RESTS) {
        TAILQ_REMOVE(&pool->in[lane->state], lane, link);
    }
    if (state != LANE_RESTS) {
        TAILQ_INSERT_TAIL(&pool->in[state], lane, link);
    }
    pool->starving_count += (state == LANE_STARVES) - (lane->state == LANE_STARVES);
    lane->state = (uint8_t)state;
}

/* The place of the lane of that name. A lane without tasks may take any name; if there is none, names share a lane. */
static unsigned lane_place(const struct task_pool *pool, uint64_t name)
{
    unsigned first = (unsigned)(name % TASK_LANES), unused = TASK_LANES;
    unsigned used_left_count = pool->used_count;
    for (unsigned i = 0; i < TASK_LANES && (used_left_count > 0 || unused == TASK_LANES); i++) {
        unsigned place = (first + i) % TASK_LANES;
        const struct task_lane *lane = &pool->lanes[place];
        if (lane->used && lane->name == name) {
            return place;
        }
        used_left_count -= lane->used;
        unused = lane->used || unused != TASK_LANES ? unused : place;
    }
    return unused != TASK_LANES ? unused : first;
}

static void lane_add(struct task_pool *pool, struct task_lane *lane, struct task *task)
{
    unsigned ready_count = lane_ready(pool, lane);
    STAILQ_INSERT_TAIL(&lane->waiting, task, link);
    lane->waiting_count++;
    lane->counted_count += task->counted;
    task->waits = true;
    lane_refresh(pool, lane, ready_count);
}

static void lane_remove(struct task_pool *pool, struct task_lane *lane, struct task *task)
{
    unsigned ready_count = lane_ready(pool, lane);
    STAILQ_REMOVE(&lane->waiting, task, task, link);
    lane->waiting_count--;
    lane->counted_count -= task->counted;
    task->waits = false;
    lane_refresh(pool, lane, ready_count);
}

/* A thread begins (1) or ends (-1) a task of the lane. */
static void lane_run(struct task_pool *pool, struct task_lane *lane, int difference)
{
    unsigned ready_count = lane_ready(pool, lane);
    lane->running_count += (unsigned)difference;
    pool->running_count += (unsigned)difference;
    lane_refresh(pool, lane, ready_count);
}

/* The lane whose turn it is: one that has no thread goes first, and is the only one that may have a spare thread. NULL: there is no
   work for another thread. */
static struct task_lane *pool_lane(struct task_pool *pool)
{
    struct task_lane *lane = TAILQ_FIRST(&pool->in[LANE_STARVES]);
    bool shared = pool->running_count < pool->env.thread_limit;
    return lane != NULL || !shared ? lane : TAILQ_FIRST(&pool->in[LANE_SHARES]);
}

/* The first task of the lane, which goes behind the others. */
static struct task *pool_next(struct task_pool *pool, struct task_lane *lane)
{
    struct task *task = STAILQ_FIRST(&lane->waiting);
    lane_remove(pool, lane, task);
    lane_run(pool, lane, 1);
    if (lane->state == LANE_SHARES) {
        TAILQ_REMOVE(&pool->in[LANE_SHARES], lane, link);
        TAILQ_INSERT_TAIL(&pool->in[LANE_SHARES], lane, link);
    }
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
    struct task_lane *lane = &pool->lanes[task->lane_place];
    pthread_mutex_unlock(&pool->lock);
    task->run(task);
    pthread_mutex_lock(&pool->lock);
    lane_run(pool, lane, -1);
    if (pool->state != TASK_POOL_ABANDONED) {
        mailbox_post(task->home, &task->message, task_come_home);
    }
}

/* Waits for work. False: there was none for a while. */
static bool pool_rest(struct task_pool *pool)
{
    const struct timespec until = timed_wait_until(THREAD_IDLE_MS);
    int error = 0;
    pool->idle_count++;
    while (pool_lane(pool) == NULL && pool->state == TASK_POOL_OPEN && error != ETIMEDOUT) {
        error = pthread_cond_timedwait(&pool->work, &pool->lock, &until);
    }
    pool->idle_count--;
    return error != ETIMEDOUT || pool_lane(pool) != NULL;
}

static void *pool_thread_main(void *arg)
{
    struct task_pool *pool = arg;
    bool wanted = true;
    pthread_mutex_lock(&pool->lock);
    while (pool->state == TASK_POOL_OPEN && wanted) {
        struct task_lane *lane = pool_lane(pool);
        if (lane != NULL) {
            pool_run(pool, pool_next(pool, lane));
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

/* Whether another thread has work to begin with. An idle thread takes one task: those that are ready may be more than have woken up
   yet. */
static bool pool_needs_thread(const struct task_pool *pool)
{
    const struct task_pool_env *env = &pool->env;
    return pool->thread_count < env->thread_limit
               ? pool->idle_count < pool->ready_count
               : pool->idle_count < pool->starving_count &&
                     pool->thread_count < env->thread_limit + env->spare_thread_limit;
}

/* Under the lock, which the new thread waits for. False: there is no thread at all. */
static bool pool_has_thread(struct task_pool *pool)
{
    if (pool_needs_thread(pool) && start_thread(pool) == 0) {
        pool->thread_count++;
    }
    return pool->thread_count > 0;
}

/* ---- for everyone ---- */

/* As many may wait in a lane as places are free: lanes that hang leave some to the others, however many they are. */
static bool lane_is_full(const struct task_pool *pool, const struct task_lane *lane)
{
    uint64_t limit = bound_limit(pool->env.tasks), used = bound_used(pool->env.tasks);
    uint64_t free_count = used < limit ? limit - used : 0;
    return lane->counted_count >= pool->env.lane_task_limit || lane->counted_count > free_count;
}

/* Under the lock. */
static enum task_result pool_take(struct task_pool *pool, struct task *task)
{
    task->lane_place = lane_place(pool, task->lane);
    struct task_lane *lane = &pool->lanes[task->lane_place];
    if (task->counted && lane_is_full(pool, lane)) {
        return TASK_FULL;
    }
    if (pool->state != TASK_POOL_OPEN) {
        return TASK_NO_THREAD;
    }
    lane->name = lane->used ? lane->name : task->lane;
    lane_add(pool, lane, task);
    if (!pool_has_thread(pool) && task->counted) {
        lane_remove(pool, lane, task);
        return TASK_NO_THREAD;
    }
    task->pool = pool;
    pthread_cond_signal(&pool->work);
    return TASK_OK;
}

static enum task_result submit(struct task_pool *pool, struct task *task, uint64_t lane,
                               struct mailbox *home, bool counted)
{
    CHECK(task->pool == NULL);
    task->home = home;
    task->lane = lane;
    task->counted = counted;
    task->cancelled = false;
    pthread_mutex_lock(&pool->lock);
    enum task_result result = pool_take(pool, task);
    pthread_mutex_unlock(&pool->lock);
    return result;
}

enum task_result task_submit(struct task_pool *pool, struct task *task, uint64_t lane,
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

enum task_result task_submit_on(struct task_pool *pool, struct task *task, uint64_t lane,
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
        lane_remove(pool, &pool->lanes[task->lane_place], task);
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
    pthread_mutex_init(&pool->lock, NULL);
    timed_wait_init(&pool->work);
    timed_wait_init(&pool->rest);
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
    for (unsigned state = 0; state < LANE_STATES; state++) {
        TAILQ_INIT(&pool->in[state]);
    }
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
    const struct timespec until = timed_wait_until(wait_ms);
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
