/* What is deferred runs at the end of the pass, what is to be freed is freed then. */
#include "tests/unit/unit.h"

#include "steady/loop.h"

struct thing {
    struct deferred_free freed;
    struct loop *loop;
    struct thing *dependant; /* is freed by the freeing of this one */
};

static void free_thing(struct deferred_free *freed, void *owner)
{
    struct thing *thing = container_of(freed, struct thing, freed);
    ++*(int *)owner;
    if (thing->dependant != NULL) {
        loop_free_later(thing->loop, &thing->dependant->freed, free_thing);
    }
    free(thing);
}

static void what_is_freed_later_lives_until_the_pass_is_over(void **state)
{
    (void)state;
    struct loop loop;
    int freed_count = 0;
    assert_int_equal(loop_init(&loop), MAILBOX_OK);
    loop_free_deferred(&loop, &freed_count);
    for (int i = 0; i < 3; i++) {
        struct thing *thing = calloc(1, sizeof *thing);
        loop_free_later(&loop, &thing->freed, free_thing);
    }
    assert_int_equal(freed_count, 0);
    loop_free_deferred(&loop, &freed_count);
    assert_int_equal(freed_count, 3);
    loop_free_deferred(&loop, &freed_count);
    assert_int_equal(freed_count, 3);
    loop_release(&loop);
}

static void what_a_freeing_frees_later_is_freed_in_the_same_pass(void **state)
{
    (void)state;
    struct loop loop;
    int freed_count = 0;
    assert_int_equal(loop_init(&loop), MAILBOX_OK);
    struct thing *thing = calloc(1, sizeof *thing);
    thing->loop = &loop;
    thing->dependant = calloc(1, sizeof *thing);
    loop_free_later(&loop, &thing->freed, free_thing);
    loop_free_deferred(&loop, &freed_count);
    assert_int_equal(freed_count, 2);
    assert_true(SLIST_EMPTY(&loop.freed));
    loop_release(&loop);
}

/* ---- deferred work ---- */

#define JOBS 3

struct job {
    struct deferred deferred;
    struct loop *loop;
    struct job *cancels; /* takes this one out of the queue */
    struct job *defers;  /* puts this one into it */
    struct job *defers_within;
    const struct job *seen; /* whose runs it counts when it runs */
    int run_count, seen_count;
};

static void run_job(struct deferred *deferred)
{
    struct job *job = container_of(deferred, struct job, deferred);
    job->run_count++;
    if (job->cancels != NULL) {
        loop_defer_cancel(job->loop, &job->cancels->deferred);
    }
    if (job->defers != NULL) {
        loop_defer(job->loop, &job->defers->deferred);
    }
    if (job->defers_within != NULL) {
        loop_defer_within(job->loop, &job->defers_within->deferred);
    }
    if (job->seen != NULL) {
        job->seen_count = job->seen->run_count;
    }
}

static void make_jobs(struct loop *loop, struct job jobs[JOBS])
{
    assert_int_equal(loop_init(loop), MAILBOX_OK);
    memset(jobs, 0, JOBS * sizeof jobs[0]);
    for (int i = 0; i < JOBS; i++) {
        jobs[i].deferred.run = run_job;
        jobs[i].loop = loop;
        loop_defer(loop, &jobs[i].deferred);
        loop_defer(loop, &jobs[i].deferred);
    }
}

static void what_defers_itself_anew_waits_for_the_next_pass(void **state)
{
    (void)state;
    struct loop loop;
    struct job jobs[JOBS];
    make_jobs(&loop, jobs);
    jobs[1].defers = &jobs[1];
    assert_int_equal(loop_run_deferred(&loop), JOBS);
    assert_int_equal(jobs[0].run_count + jobs[1].run_count + jobs[2].run_count, JOBS);
    assert_true(loop_has_deferred(&loop));
    assert_int_equal(loop_run_deferred(&loop), 1);
    assert_int_equal(jobs[1].run_count, 2);
    loop_release(&loop);
}

static void what_is_deferred_within_a_pass_runs_in_it_behind_all_others(void **state)
{
    (void)state;
    struct loop loop;
    struct job jobs[JOBS];
    make_jobs(&loop, jobs);
    loop_defer_cancel(&loop, &jobs[2].deferred);
    jobs[0].defers_within = &jobs[2];
    jobs[1].seen = &jobs[2];
    assert_int_equal(loop_run_deferred(&loop), JOBS);
    assert_int_equal(jobs[1].seen_count, 0);
    assert_int_equal(jobs[2].run_count, 1);
    assert_false(loop_has_deferred(&loop));
    loop_release(&loop);
}

static void what_waits_for_the_next_pass_already_is_not_deferred_within_this_one(void **state)
{
    (void)state;
    struct loop loop;
    struct job jobs[JOBS];
    make_jobs(&loop, jobs);
    jobs[0].defers = &jobs[0];
    jobs[1].defers_within = &jobs[0];
    assert_int_equal(loop_run_deferred(&loop), JOBS);
    assert_int_equal(jobs[0].run_count, 1);
    assert_true(loop_has_deferred(&loop));
    jobs[0].defers = NULL;
    assert_int_equal(loop_run_deferred(&loop), 1);
    loop_release(&loop);
}

static void outside_of_a_pass_what_is_deferred_within_it_waits_its_turn(void **state)
{
    (void)state;
    struct loop loop;
    struct job jobs[JOBS];
    make_jobs(&loop, jobs);
    loop_defer_cancel(&loop, &jobs[0].deferred);
    loop_defer_within(&loop, &jobs[0].deferred);
    jobs[2].seen = &jobs[0];
    assert_int_equal(loop_run_deferred(&loop), JOBS);
    assert_int_equal(jobs[0].run_count, 1);
    assert_int_equal(jobs[2].seen_count, 0);
    assert_false(loop_has_deferred(&loop));
    loop_release(&loop);
}

static void what_is_cancelled_by_an_earlier_one_does_not_run(void **state)
{
    (void)state;
    struct loop loop;
    struct job jobs[JOBS];
    make_jobs(&loop, jobs);
    jobs[0].cancels = &jobs[JOBS - 1]; /* the last of the pass */
    assert_int_equal(loop_run_deferred(&loop), JOBS - 1);
    assert_int_equal(jobs[JOBS - 1].run_count, 0);
    assert_false(loop_has_deferred(&loop));
    assert_int_equal(loop_run_deferred(&loop), 0);
    loop_release(&loop);
}

/* Otherwise who defers itself without end holds the loop, and nobody else is ever served. */
static void the_pass_ends_though_its_last_was_cancelled(void **state)
{
    (void)state;
    struct loop loop;
    struct job jobs[JOBS];
    make_jobs(&loop, jobs);
    jobs[0].cancels = &jobs[JOBS - 1];
    jobs[1].defers = &jobs[1];
    assert_int_equal(loop_run_deferred(&loop), JOBS - 1);
    assert_int_equal(jobs[1].run_count, 1);
    assert_int_equal(loop_run_deferred(&loop), 1);
    assert_int_equal(jobs[1].run_count, 2);
    loop_defer_cancel(&loop, &jobs[1].deferred);
    loop_release(&loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_freed_later_lives_until_the_pass_is_over),
        cmocka_unit_test(what_a_freeing_frees_later_is_freed_in_the_same_pass),
        cmocka_unit_test(what_defers_itself_anew_waits_for_the_next_pass),
        cmocka_unit_test(what_is_deferred_within_a_pass_runs_in_it_behind_all_others),
        cmocka_unit_test(what_waits_for_the_next_pass_already_is_not_deferred_within_this_one),
        cmocka_unit_test(outside_of_a_pass_what_is_deferred_within_it_waits_its_turn),
        cmocka_unit_test(what_is_cancelled_by_an_earlier_one_does_not_run),
        cmocka_unit_test(the_pass_ends_though_its_last_was_cancelled),
    };
    return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}
