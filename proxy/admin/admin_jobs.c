/* The queue of requests for large pages. */
#include "proxy/admin/admin_jobs.h"

#include <stdlib.h>
#include <sys/queue.h>

struct admin_job {
    TAILQ_ENTRY(admin_job) link;
    struct evhttp_request *request;
    const void *route;
    struct evbuffer *head; /* with which the page begins; NULL: with nothing */
    struct page page;
};

struct admin_jobs {
    struct admin_jobs_env env;
    TAILQ_HEAD(, admin_job) line;
    struct event *turn;
};

static void jobs_next_turn(struct admin_jobs *jobs)
{
    const struct timeval at_once = {0, 0};
    if (!TAILQ_EMPTY(&jobs->line)) {
        event_add(jobs->turn, &at_once);
    }
}

static void job_remove(struct admin_jobs *jobs, struct admin_job *job)
{
    TAILQ_REMOVE(&jobs->line, job, link);
    page_release(&job->page);
    if (job->head != NULL) {
        evbuffer_free(job->head);
    }
    free(job);
}

/* When the connection of a request in progress ends, evhttp detaches the request and leaves it to its handler. */
static bool job_is_orphan(const struct admin_job *job)
{
    return evhttp_request_get_connection(job->request) == NULL;
}

static bool job_begin(struct admin_job *job)
{
    return page_begin(&job->page) &&
           (job->head == NULL || evbuffer_add_buffer(job->page.out, job->head) == 0);
}

/* True: there is nothing left to write. */
static bool job_write(struct admin_jobs *jobs, struct admin_job *job)
{
    struct overview overview;
    if (job->page.out == NULL && !job_begin(job)) {
        return true;
    }
    jobs->env.overview(&overview, jobs->env.overview_owner);
    return page_write(&job->page, &overview, ADMIN_SLICE_US);
}

static void jobs_on_turn(evutil_socket_t fd, short what, void *arg)
{
    struct admin_jobs *jobs = arg;
    struct admin_job *job = TAILQ_FIRST(&jobs->line);
    (void)fd;
    (void)what;
    if (job_is_orphan(job)) {
        evhttp_request_free(job->request);
        job_remove(jobs, job);
    } else if (job_write(jobs, job)) {
        jobs->env.finish(job->request, job->route, job->page.out, jobs->env.owner);
        job_remove(jobs, job);
    }
    jobs_next_turn(jobs);
}

struct admin_jobs *admin_jobs_create(const struct admin_jobs_env *env)
{
    struct admin_jobs *jobs = calloc(1, sizeof *jobs);
    if (jobs == NULL) {
        return NULL;
    }
    jobs->env = *env;
    TAILQ_INIT(&jobs->line);
    jobs->turn = evtimer_new(env->base, jobs_on_turn, jobs);
    if (jobs->turn == NULL) {
        admin_jobs_free(&jobs);
    }
    return jobs;
}

/* NULL: no memory. */
static struct admin_job *job_add(struct admin_jobs *jobs, struct evhttp_request *request,
                                 const void *route)
{
    struct admin_job *job = calloc(1, sizeof *job);
    if (job != NULL) {
        job->request = request;
        job->route = route;
        TAILQ_INSERT_TAIL(&jobs->line, job, link);
        jobs_next_turn(jobs);
    }
    return job;
}

bool admin_jobs_add(struct admin_jobs *jobs, struct evhttp_request *request, const void *route,
                    page_part_fn *const *parts, const char *only)
{
    struct admin_job *job = job_add(jobs, request, route);
    if (job != NULL) {
        page_init(&job->page, parts, only);
    }
    return job != NULL;
}

bool admin_jobs_add_members(struct admin_jobs *jobs, struct evhttp_request *request,
                            const void *route, const struct page_member *members,
                            struct evbuffer *head)
{
    struct evbuffer *copy = evbuffer_new();
    struct admin_job *job = NULL;
    if (copy != NULL &&
        evbuffer_add(copy, evbuffer_pullup(head, -1), evbuffer_get_length(head)) == 0) {
        job = job_add(jobs, request, route);
    }
    if (job == NULL) {
        if (copy != NULL) {
            evbuffer_free(copy);
        }
        return false;
    }
    job->head = copy;
    page_init_members(&job->page, members);
    return true;
}

void admin_jobs_free(struct admin_jobs **jobs_pointer)
{
    struct admin_jobs *jobs = *jobs_pointer;
    struct admin_job *job, *next;
    if (jobs == NULL) {
        return;
    }
    for (job = TAILQ_FIRST(&jobs->line); job != NULL; job = next) {
        next = TAILQ_NEXT(job, link);
        if (job_is_orphan(job)) {
            evhttp_request_free(job->request);
        }
        job_remove(jobs, job);
    }
    if (jobs->turn != NULL) {
        event_free(jobs->turn);
    }
    free(jobs);
    *jobs_pointer = NULL;
}
