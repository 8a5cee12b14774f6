/* Tasks run off the thread that submits them, come back to it once, and a lane that hangs takes nothing from the others. */
#include "tests/unit/unit.h"

#include <poll.h>
#include <pthread.h>

#include "steady/container_of.h"
#include "steady/fault.h"
#include "steady/task_pool.h"

enum { HANG_LANE = 3, OTHER_LANE = 4, TASKS = 200 };

/* A place where jobs hang until it is opened. */
struct gate {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned inside_count; /* have come so far */
    bool open;
};

struct job {
    struct task task;
    struct gate *gate; /* NULL: it does not hang */
    pthread_t ran_on;
    int run_count, done_count, dropped_count;
};

struct rig {
    struct bound bound;
    struct mailbox *mailbox;
    struct task_pool *pool;
};

static void gate_pass(struct gate *gate)
{
    pthread_mutex_lock(&gate->lock);
    gate->inside_count++;
    pthread_cond_broadcast(&gate->changed);
    while (!gate->open) {
        pthread_cond_wait(&gate->changed, &gate->lock);
    }
    pthread_mutex_unlock(&gate->lock);
}

static void gate_await(struct gate *gate, unsigned count)
{
    pthread_mutex_lock(&gate->lock);
    while (gate->inside_count < count) {
        pthread_cond_wait(&gate->changed, &gate->lock);
    }
    pthread_mutex_unlock(&gate->lock);
}

static void gate_open(struct gate *gate)
{
    pthread_mutex_lock(&gate->lock);
    gate->open = true;
    pthread_cond_broadcast(&gate->changed);
    pthread_mutex_unlock(&gate->lock);
}

static struct job *job_of(struct task *task)
{
    return container_of(task, struct job, task);
}

static void job_run(struct task *task)
{
    struct job *job = job_of(task);
    job->run_count++;
    job->ran_on = pthread_self();
    if (job->gate != NULL) {
        gate_pass(job->gate);
    }
}

static void job_done(struct task *task)
{
    assert_false(task_submitted(task));
    job_of(task)->done_count++;
}

static void job_dropped(struct task *task)
{
    assert_false(task_submitted(task));
    job_of(task)->dropped_count++;
}

static struct job new_job(struct gate *gate)
{
    return (struct job){.task = {.run = job_run, .done = job_done, .dropped = job_dropped},
                        .gate = gate};
}

struct limits {
    uint64_t tasks;
    unsigned threads, lane_threads, lane_tasks, spare_threads;
};

/* The pool keeps a pointer to the bound: the rig stays where it is. */
static void start(struct rig *rig, struct limits limits)
{
    bound_init(&rig->bound, "tasks", NULL, limits.tasks);
    assert_int_equal(mailbox_create(&rig->mailbox), MAILBOX_OK);
    const struct task_pool_env env = {"unit task",          &rig->bound,         limits.threads,
                                      limits.spare_threads, limits.lane_threads, limits.lane_tasks};
    rig->pool = task_pool_create(&env);
    assert_non_null(rig->pool);
}

static void end(struct rig *rig)
{
    assert_true(task_pool_stop(rig->pool, 20000));
    mailbox_drain(rig->mailbox, NULL);
    assert_int_equal(bound_used(&rig->bound), 0);
    task_pool_free(&rig->pool);
    mailbox_free(rig->mailbox);
}

static enum task_result submit(struct rig *rig, struct job *job, uint64_t lane)
{
    return task_submit(rig->pool, &job->task, lane, rig->mailbox);
}

static void await_home(struct rig *rig, uint64_t count)
{
    for (uint64_t home_count = 0; home_count < count;) {
        struct pollfd poll_fd = {.fd = mailbox_fd(rig->mailbox), .events = POLLIN};
        assert_int_equal(poll(&poll_fd, 1, 20000), 1);
        home_count += mailbox_drain(rig->mailbox, NULL);
    }
}

#define GATE_INITIALIZER                                              \
    {                                                                 \
        PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, false \
    }

static void a_task_runs_elsewhere_and_comes_home_once(void **state)
{
    (void)state;
    struct rig rig;
    struct job job = new_job(NULL);
    start(&rig, (struct limits){8, 2, 2, 8, 0});
    for (int round = 1; round <= 3; round++) {
        assert_int_equal(submit(&rig, &job, 0), TASK_OK);
        assert_true(task_submitted(&job.task));
        await_home(&rig, 1);
        assert_int_equal(job.run_count, round);
        assert_int_equal(job.done_count, round);
        assert_false(pthread_equal(job.ran_on, pthread_self()));
    }
    assert_int_equal(job.dropped_count, 0);
    end(&rig);
}

static void threads_begin_when_they_are_needed_and_are_bounded(void **state)
{
    (void)state;
    struct rig rig;
    struct gate gate = GATE_INITIALIZER;
    struct job jobs[5];
    start(&rig, (struct limits){16, 3, 3, 8, 0});
    assert_int_equal(task_pool_thread_count(rig.pool), 0);
    for (unsigned i = 0; i < 5; i++) {
        jobs[i] = new_job(&gate);
        assert_int_equal(submit(&rig, &jobs[i], 0), TASK_OK);
    }
    gate_await(&gate, 3);
    assert_int_equal(task_pool_thread_count(rig.pool), 3);
    assert_int_equal(task_pool_running_count(rig.pool), 3);
    gate_open(&gate);
    await_home(&rig, 5);
    assert_int_equal(task_pool_thread_count(rig.pool), 3);
    end(&rig);
}

/* A thread that is idle takes one task: the second must not wait behind it. */
static void two_tasks_that_come_at_once_do_not_share_an_idle_thread(void **state)
{
    (void)state;
    struct rig rig;
    struct gate gate = GATE_INITIALIZER;
    struct job first = new_job(NULL), jobs[2];
    start(&rig, (struct limits){8, 2, 2, 8, 0});
    assert_int_equal(submit(&rig, &first, 0), TASK_OK);
    await_home(&rig, 1);
    for (unsigned i = 0; i < 2; i++) {
        jobs[i] = new_job(&gate);
        assert_int_equal(submit(&rig, &jobs[i], 0), TASK_OK);
    }
    gate_await(&gate, 2);
    gate_open(&gate);
    await_home(&rig, 2);
    end(&rig);
}

static void a_task_that_has_no_place_is_refused_at_once(void **state)
{
    (void)state;
    struct rig rig;
    struct gate gate = GATE_INITIALIZER;
    struct job jobs[4];
    start(&rig, (struct limits){3, 1, 1, 8, 0});
    for (unsigned i = 0; i < 4; i++) {
        jobs[i] = new_job(&gate);
        assert_int_equal(submit(&rig, &jobs[i], i), i < 3 ? TASK_OK : TASK_FULL);
    }
    assert_false(task_submitted(&jobs[3].task));
    assert_int_equal(bound_used(&rig.bound), 3);
    assert_int_equal(bound_refused(&rig.bound), 1);
    /* what goes on with something that was begun is not refused */
    assert_int_equal(task_submit_on(rig.pool, &jobs[3].task, 0, rig.mailbox), TASK_OK);
    assert_int_equal(bound_used(&rig.bound), 3);
    gate_open(&gate);
    await_home(&rig, 4);
    assert_int_equal(jobs[3].done_count, 1);
    end(&rig);
}

/* Reads of a hundred downloads may wait in a lane: the next search is not refused for that. */
static void what_goes_on_takes_no_place_of_what_begins(void **state)
{
    (void)state;
    struct rig rig;
    struct gate gate = GATE_INITIALIZER;
    struct job going_on[4], begun[3];
    start(&rig, (struct limits){8, 1, 1, 2, 0});
    for (unsigned i = 0; i < 4; i++) {
        going_on[i] = new_job(&gate);
        assert_int_equal(task_submit_on(rig.pool, &going_on[i].task, 0, rig.mailbox), TASK_OK);
    }
    gate_await(&gate, 1);
    for (unsigned i = 0; i < 3; i++) {
        begun[i] = new_job(&gate);
        assert_int_equal(submit(&rig, &begun[i], 0), i < 2 ? TASK_OK : TASK_FULL);
    }
    task_cancel(&begun[0].task);
    assert_int_equal(submit(&rig, &begun[2], 0), TASK_OK);
    gate_open(&gate);
    await_home(&rig, 6);
    end(&rig);
}

static void a_lane_that_hangs_leaves_threads_and_places_to_the_others(void **state)
{
    (void)state;
    struct rig rig;
    struct gate gate = GATE_INITIALIZER;
    struct job hanging[5], others[4];
    start(&rig, (struct limits){100, 3, 2, 2, 0});
    for (unsigned i = 0; i < 5; i++) {
        hanging[i] = new_job(&gate);
        if (i == 2) {
            gate_await(&gate, 2);
        }
        assert_int_equal(submit(&rig, &hanging[i], HANG_LANE), i < 4 ? TASK_OK : TASK_FULL);
    }
    for (unsigned i = 0; i < 4; i++) {
        others[i] = new_job(NULL);
        assert_int_equal(submit(&rig, &others[i], OTHER_LANE), TASK_OK);
        await_home(&rig, 1);
        assert_int_equal(others[i].done_count, 1);
    }
    assert_int_equal(gate.inside_count, 2);
    gate_open(&gate);
    await_home(&rig, 4);
    end(&rig);
}

/* Four lanes of one disk may have all threads between them. */
static void lanes_that_hang_with_all_threads_leave_one_to_each_other_lane(void **state)
{
    (void)state;
    struct rig rig;
    struct gate gate = GATE_INITIALIZER;
    struct job hanging[12], others[6];
    start(&rig, (struct limits){100, 8, 2, 100, 2});
    for (unsigned i = 0; i < 12; i++) {
        hanging[i] = new_job(&gate);
        assert_int_equal(submit(&rig, &hanging[i], i % 4), TASK_OK);
    }
    gate_await(&gate, 8);
    for (unsigned i = 0; i < 6; i++) {
        others[i] = new_job(NULL);
        assert_int_equal(submit(&rig, &others[i], 4 + i), TASK_OK);
    }
    await_home(&rig, 6);
    assert_in_range(task_pool_thread_count(rig.pool), 9, 10);
    assert_int_equal(gate.inside_count, 8);
    gate_open(&gate);
    await_home(&rig, 12);
    end(&rig);
}

static void lanes_whose_numbers_collide_share_nothing_and_each_is_found_again(void **state)
{
    (void)state;
    struct rig rig;
    struct gate gate = GATE_INITIALIZER, first_gate = GATE_INITIALIZER;
    struct job first = new_job(&first_gate), hanging[3], again = new_job(NULL),
               other = new_job(NULL);
    start(&rig, (struct limits){100, 8, 1, 100, 0});
    assert_int_equal(submit(&rig, &first, HANG_LANE), TASK_OK);
    gate_await(&first_gate, 1);
    for (unsigned i = 0; i < 3; i++) {
        hanging[i] = new_job(&gate);
        assert_int_equal(submit(&rig, &hanging[i], HANG_LANE + (i + 1) * TASK_LANES), TASK_OK);
    }
    gate_await(&gate, 3);
    gate_open(&first_gate);
    await_home(&rig, 1);
    assert_int_equal(submit(&rig, &again, HANG_LANE + 3 * TASK_LANES), TASK_OK);
    assert_int_equal(submit(&rig, &other, HANG_LANE), TASK_OK);
    await_home(&rig, 1);
    assert_int_equal(other.done_count, 1);
    assert_int_equal(again.run_count, 0);
    gate_open(&gate);
    await_home(&rig, 4);
    assert_int_equal(again.done_count, 1);
    end(&rig);
}

static void lanes_that_hang_leave_places_however_many_they_are(void **state)
{
    (void)state;
    struct rig rig;
    struct gate gate = GATE_INITIALIZER;
    struct job hanging[64];
    struct job other = new_job(NULL);
    unsigned taken = 0;
    start(&rig, (struct limits){24, 8, 1, 100, 1});
    for (unsigned i = 0; i < 64; i++) {
        hanging[i] = new_job(&gate);
        taken += submit(&rig, &hanging[i], i % 8) == TASK_OK;
    }
    gate_await(&gate, 8);
    assert_in_range(taken, 16, 23);
    assert_int_equal(submit(&rig, &other, 8), TASK_OK);
    await_home(&rig, 1);
    assert_int_equal(other.done_count, 1);
    gate_open(&gate);
    await_home(&rig, taken);
    end(&rig);
}

static void a_cancelled_task_is_dropped_at_once_if_it_waits_else_when_its_job_ends(void **state)
{
    (void)state;
    struct rig rig;
    struct gate gate = GATE_INITIALIZER;
    struct job running = new_job(&gate), waiting = new_job(NULL), last = new_job(NULL);
    start(&rig, (struct limits){8, 1, 1, 8, 0});
    assert_int_equal(submit(&rig, &running, 0), TASK_OK);
    gate_await(&gate, 1);
    assert_int_equal(submit(&rig, &waiting, 0), TASK_OK);
    assert_int_equal(submit(&rig, &last, 0), TASK_OK);
    task_cancel(&waiting.task);
    assert_int_equal(waiting.dropped_count, 1);
    assert_int_equal(bound_used(&rig.bound), 2);
    task_cancel(&running.task);
    assert_int_equal(running.dropped_count, 0);
    gate_open(&gate);
    await_home(&rig, 2);
    assert_int_equal(running.dropped_count, 1);
    assert_int_equal(running.done_count, 0);
    assert_int_equal(waiting.run_count, 0);
    assert_int_equal(last.done_count, 1);
    end(&rig);
}

static void a_result_on_its_way_home_is_dropped_if_it_is_cancelled(void **state)
{
    (void)state;
    struct rig rig;
    struct job job = new_job(NULL);
    start(&rig, (struct limits){8, 1, 1, 8, 0});
    assert_int_equal(submit(&rig, &job, 0), TASK_OK);
    struct pollfd poll_fd = {.fd = mailbox_fd(rig.mailbox), .events = POLLIN};
    assert_int_equal(poll(&poll_fd, 1, 20000), 1);
    task_cancel(&job.task);
    await_home(&rig, 1);
    assert_int_equal(job.run_count, 1);
    assert_int_equal(job.done_count, 0);
    assert_int_equal(job.dropped_count, 1);
    end(&rig);
}

static void a_pool_that_stops_drops_what_waits_and_lets_what_runs_end(void **state)
{
    (void)state;
    struct rig rig;
    struct job jobs[TASKS];
    start(&rig, (struct limits){TASKS, 2, 2, TASKS, 0});
    for (unsigned i = 0; i < TASKS; i++) {
        jobs[i] = new_job(NULL);
        assert_int_equal(submit(&rig, &jobs[i], i % TASK_LANES), TASK_OK);
    }
    assert_true(task_pool_stop(rig.pool, 20000));
    assert_int_equal(mailbox_drain(rig.mailbox, NULL), TASKS);
    for (unsigned i = 0; i < TASKS; i++) {
        assert_int_equal(jobs[i].done_count + jobs[i].dropped_count, 1);
        assert_int_equal(jobs[i].done_count, jobs[i].run_count);
    }
    struct job late = new_job(NULL);
    assert_int_equal(submit(&rig, &late, 0), TASK_NO_THREAD);
    end(&rig);
}

static void a_job_that_hangs_does_not_hold_the_end_up(void **state)
{
    (void)state;
    struct rig rig;
    static struct gate gate = GATE_INITIALIZER;
    static struct job job; /* it stays in memory, as the thread does */
    job = new_job(&gate);
    start(&rig, (struct limits){8, 2, 2, 8, 0});
    assert_int_equal(submit(&rig, &job, 0), TASK_OK);
    gate_await(&gate, 1);
    assert_false(task_pool_stop(rig.pool, 20));
    assert_int_equal(mailbox_drain(rig.mailbox, NULL), 0);
    task_pool_free(&rig.pool);
    mailbox_free(rig.mailbox); /* the thread that returns now must not post to it */
    gate_open(&gate);
    assert_int_equal(job.done_count + job.dropped_count, 0);
}

/* ---- many threads ---- */

struct sender {
    pthread_t thread;
    struct rig *rig; /* its pool and bound are shared */
    struct mailbox *mailbox;
    uint64_t seed;
};

static uint64_t next(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005U + 1442695040888963407U;
    return *seed >> 33;
}

static void sender_play(struct sender *self, struct job *job)
{
    if (!task_submitted(&job->task)) {
        enum task_result result = task_submit(self->rig->pool, &job->task,
                                              (unsigned)(next(&self->seed) % 3), self->mailbox);
        assert_true(result == TASK_OK || result == TASK_FULL);
    } else if (!task_cancelled(&job->task) && next(&self->seed) % 2 == 0) {
        task_cancel(&job->task);
    }
}

static void *sender_main(void *argument)
{
    struct sender *self = argument;
    struct job jobs[8];
    for (size_t i = 0; i < 8; i++) {
        jobs[i] = new_job(NULL);
    }
    for (int step = 0; step < 4000; step++) {
        sender_play(self, &jobs[next(&self->seed) % 8]);
        mailbox_drain(self->mailbox, NULL);
    }
    for (size_t i = 0; i < 8; i++) {
        while (task_submitted(&jobs[i].task)) {
            struct pollfd poll_fd = {.fd = mailbox_fd(self->mailbox), .events = POLLIN};
            assert_int_equal(poll(&poll_fd, 1, 20000), 1);
            mailbox_drain(self->mailbox, NULL);
        }
        assert_true(jobs[i].run_count >= jobs[i].done_count);
    }
    return NULL;
}

static void threads_submit_and_cancel_and_nothing_is_lost(void **state)
{
    (void)state;
    struct rig rig;
    struct sender senders[3];
    uint64_t seed = unit_seed();
    start(&rig, (struct limits){20, 3, 2, 8, 0});
    for (size_t i = 0; i < 3; i++) {
        senders[i] = (struct sender){.rig = &rig, .seed = seed + i};
        assert_int_equal(mailbox_create(&senders[i].mailbox), MAILBOX_OK);
        assert_int_equal(pthread_create(&senders[i].thread, NULL, sender_main, &senders[i]), 0);
    }
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(pthread_join(senders[i].thread, NULL), 0);
        mailbox_free(senders[i].mailbox);
    }
    assert_true(bound_peak(&rig.bound) <= 20);
    end(&rig);
}

#ifdef EVENKEEL_FAULT_INJECTION

static void without_memory_or_a_thread_nothing_happens(void **state)
{
    (void)state;
    struct rig rig;
    struct job job = new_job(NULL);
    const struct task_pool_env env = {"unit task", &rig.bound, 1, 0, 1, 1};
    fault_arm(FAULT_ALLOC, 1);
    assert_null(task_pool_create(&env));
    assert_true(fault_disarm(FAULT_ALLOC));
    start(&rig, (struct limits){8, 1, 1, 8, 0});
    fault_arm(FAULT_ALLOC, 1);
    assert_int_equal(submit(&rig, &job, 0), TASK_NO_THREAD);
    assert_true(fault_disarm(FAULT_ALLOC));
    assert_false(task_submitted(&job.task));
    assert_int_equal(submit(&rig, &job, 0), TASK_OK);
    await_home(&rig, 1);
    end(&rig);
}

/* A file that is to be closed is not closed on the thread that asks for it instead. */
static void what_goes_on_waits_until_a_thread_can_be_started(void **state)
{
    (void)state;
    struct rig rig;
    struct job going_on = new_job(NULL), job = new_job(NULL);
    start(&rig, (struct limits){8, 1, 1, 8, 0});
    fault_arm(FAULT_ALLOC, 1);
    assert_int_equal(task_submit_on(rig.pool, &going_on.task, 0, rig.mailbox), TASK_OK);
    assert_true(fault_disarm(FAULT_ALLOC));
    assert_int_equal(task_pool_thread_count(rig.pool), 0);
    assert_int_equal(submit(&rig, &job, 1), TASK_OK);
    await_home(&rig, 2);
    assert_int_equal(going_on.done_count, 1);
    end(&rig);
}

#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_task_runs_elsewhere_and_comes_home_once),
        cmocka_unit_test(threads_begin_when_they_are_needed_and_are_bounded),
        cmocka_unit_test(two_tasks_that_come_at_once_do_not_share_an_idle_thread),
        cmocka_unit_test(a_task_that_has_no_place_is_refused_at_once),
        cmocka_unit_test(what_goes_on_takes_no_place_of_what_begins),
        cmocka_unit_test(a_lane_that_hangs_leaves_threads_and_places_to_the_others),
        cmocka_unit_test(lanes_that_hang_with_all_threads_leave_one_to_each_other_lane),
        cmocka_unit_test(lanes_whose_numbers_collide_share_nothing_and_each_is_found_again),
        cmocka_unit_test(lanes_that_hang_leave_places_however_many_they_are),
        cmocka_unit_test(a_cancelled_task_is_dropped_at_once_if_it_waits_else_when_its_job_ends),
        cmocka_unit_test(a_result_on_its_way_home_is_dropped_if_it_is_cancelled),
        cmocka_unit_test(a_pool_that_stops_drops_what_waits_and_lets_what_runs_end),
        cmocka_unit_test(a_job_that_hangs_does_not_hold_the_end_up),
        cmocka_unit_test(threads_submit_and_cancel_and_nothing_is_lost),
#ifdef EVENKEEL_FAULT_INJECTION
        cmocka_unit_test(without_memory_or_a_thread_nothing_happens),
        cmocka_unit_test(what_goes_on_waits_until_a_thread_can_be_started),
#endif
    };
    return cmocka_run_group_tests_name("task_pool", tests, NULL, NULL);
}
