/* The loop of a worker's thread, and how it takes what control asks. */
#include "proxy/control/worker_thread.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "proxy/client/client.h"
#include "proxy/client/client_census.h"
#include "proxy/client/listener.h"
#include "proxy/edge/password.h"
#include "proxy/exchange/exchange.h"
#include "proxy/exchange/side_request.h"
#include "proxy/upstream/splice.h"
#include "steady/check.h"

static void *worker_thread_main(void *arg);
static void worker_thread_take(struct message *message, void *receiver);
static void worker_thread_report_left(struct worker_thread *thread);
static void worker_thread_report_drained(struct worker_thread *thread);

static struct worker_message *worker_message_of(const struct message *message)
{
    return container_of(message, struct worker_message, message);
}

const struct worker_thread *worker_thread_of(const struct message *message)
{
    return worker_message_of(message)->thread;
}

enum worker_result worker_thread_create(const struct worker_env *env,
                                        struct worker_thread **ret_thread)
{
    struct worker_thread *thread = calloc(1, sizeof *thread);
    if (thread == NULL) {
        return WORKER_NO_MEMORY;
    }
    struct worker_env sized = *env;
    sized.client_bytes = client_object_bytes();
    sized.stream_bytes = client_stream_object_bytes();
    sized.on_fds_asked = clients_on_fds_asked;
    sized.exchange_bytes = sizeof(struct exchange);
    sized.passwords = passwords_create(env->hashing);
    enum worker_result result =
        sized.passwords != NULL ? worker_create(&sized, &thread->worker) : WORKER_NO_MEMORY;
    if (result != WORKER_OK) {
        passwords_free(&sized.passwords);
        free(thread);
        return result;
    }
    for (unsigned i = 0; i < WORKER_REQUEST_COUNT; i++) {
        thread->requests[i].thread = thread->answers[i].thread = thread;
    }
    thread->drained.thread = thread;
    *ret_thread = thread;
    return WORKER_OK;
}

enum worker_result worker_thread_start(struct worker_thread *thread)
{
    int error = pthread_create(&thread->handle, NULL, worker_thread_main, thread);
    if (error != 0) {
        errno = error;
        return WORKER_NO_THREAD;
    }
    char name[16]; /* the kernel's limit */
    snprintf(name, sizeof name, "worker %u", thread->worker->env.index);
    pthread_setname_np(thread->handle, name);
    thread->started = true;
    return WORKER_OK;
}

void worker_thread_stop(struct worker_thread *thread)
{
    if (thread->started) {
        worker_thread_ask(thread, WORKER_STOP, NULL);
        pthread_join(thread->handle, NULL);
        thread->started = false;
    }
}

uint64_t worker_thread_settle(struct worker_thread *thread)
{
    struct worker *worker = thread->worker;
    CHECK(!thread->started);
    uint64_t done_count = mailbox_drain(worker->loop.mailbox, worker);
    listeners_close(worker);
    clients_close_all(worker);
    side_requests_end_all(worker);
    /* places that became free were offered to waiters, and the deferred work keeps their line in memory */
    while (loop_has_deferred(&worker->loop)) {
        done_count += loop_run_deferred(&worker->loop);
    }
    loop_free_deferred(&worker->loop, worker);
    return done_count;
}

void worker_thread_free(struct worker_thread **thread_pointer)
{
    struct worker_thread *thread = *thread_pointer;
    if (thread == NULL) {
        return;
    }
    CHECK(!thread->started);
    splice_pipes_free(thread->worker);
    passwords_free(&thread->worker->env.passwords);
    worker_free(&thread->worker);
    free(thread);
    *thread_pointer = NULL;
}

/* ---- what control asks ---- */

void worker_thread_ask(struct worker_thread *thread, enum worker_request request,
                       message_fn *on_answer)
{
    thread->answers[request].message.deliver = on_answer;
    mailbox_post(thread->worker->loop.mailbox, &thread->requests[request].message,
                 worker_thread_take);
}

void worker_thread_prewarm(struct worker_thread *thread, const struct upstream_set *coming)
{
    thread->coming = coming;
    worker_thread_ask(thread, WORKER_PREWARM, NULL);
}

void worker_thread_adopt(struct worker_thread *thread, struct generation *generation,
                         message_fn *on_adopted)
{
    thread->generation = generation;
    worker_thread_ask(thread, WORKER_ADOPT, on_adopted);
}

void worker_thread_drain(struct worker_thread *thread, message_fn *on_closed,
                         message_fn *on_drained)
{
    thread->drained.message.deliver = on_drained;
    worker_thread_ask(thread, WORKER_DRAIN, on_closed);
}

void worker_thread_census(struct worker_thread *thread, struct census *census, message_fn *on_taken)
{
    thread->census = census;
    worker_thread_ask(thread, WORKER_CENSUS, on_taken);
}

/* ---- on the worker's thread ---- */

static void *worker_thread_main(void *arg)
{
    struct worker_thread *thread = arg;
    struct worker *worker = thread->worker;
    clockid_t cpu_clock;
    if (pthread_getcpuclockid(pthread_self(), &cpu_clock) == 0) {
        __atomic_store_n(&worker->stats.cpu_clock, cpu_clock, __ATOMIC_RELAXED);
    }
    while (!thread->stopping) {
        worker_pass(worker);
        worker_thread_report_left(thread);
        worker_thread_report_drained(thread);
    }
    clients_close_all(worker);
    side_requests_end_all(worker);
    listeners_close(worker);
    loop_free_deferred(&worker->loop, worker);
    return NULL;
}

static void worker_thread_answer(struct worker_thread *thread, size_t which)
{
    struct message *answer = &thread->answers[which].message;
    if (answer->deliver != NULL) {
        mailbox_post(thread->worker->env.control, answer, answer->deliver);
    }
}

static void worker_thread_report_left(struct worker_thread *thread)
{
    if (__builtin_expect(thread->postponed == 0, 1) || listeners_leaving(thread->worker)) {
        return;
    }
    for (size_t which = 0; which < WORKER_REQUEST_COUNT; which++) {
        if (thread->postponed & (1U << which)) {
            worker_thread_answer(thread, which);
        }
    }
    thread->postponed = 0;
}

static void worker_thread_report_drained(struct worker_thread *thread)
{
    struct worker *worker = thread->worker;
    if (__builtin_expect(!worker->draining, 1) || thread->drained_reported ||
        thread->postponed != 0 || !TAILQ_EMPTY(&worker->open.all)) {
        return;
    }
    thread->drained_reported = true;
    /* not before: the last requests are to find what is warm */
    pool_worker_drain(worker->pool);
    mailbox_post(worker->env.control, &thread->drained.message, thread->drained.message.deliver);
}

static void worker_thread_listen(struct worker *worker)
{
    if (!worker->draining && !worker->held) {
        listeners_adopt(worker);
    }
}

static void take_prewarm(struct worker_thread *thread)
{
    pool_worker_prewarm(thread->worker->pool, thread->coming);
}

static void take_adopt(struct worker_thread *thread)
{
    thread->worker->generation = thread->generation;
    pool_worker_adopt(thread->worker->pool, thread->generation->upstreams);
    worker_thread_listen(thread->worker);
}

static void take_listen(struct worker_thread *thread)
{
    thread->worker->held = false;
    worker_thread_listen(thread->worker);
}

static void take_drain(struct worker_thread *thread)
{
    thread->worker->draining = true;
    listeners_leave(thread->worker);
    clients_close_idle(thread->worker);
}

static void take_end_tunnels(struct worker_thread *thread)
{
    clients_end_tunnels(thread->worker);
}

static void take_beat(struct worker_thread *thread)
{
    (void)thread; /* the answer is all */
}

static void take_census(struct worker_thread *thread)
{
    census_take(thread->worker, thread->census);
}

static void take_pressure(struct worker_thread *thread)
{
    struct worker *worker = thread->worker;
    worker->pressure = (uint8_t)__atomic_load_n(&worker->env.shared->pressure, __ATOMIC_RELAXED);
    if (worker->pressure >= PRESSURE_SHRINK) {
        clients_free_memory(worker);
    }
}

static void take_stop(struct worker_thread *thread)
{
    thread->stopping = true;
}

/* The answer says that control may close sockets. */
static bool answers_for_listeners(size_t which)
{
    return which == WORKER_ADOPT || which == WORKER_DRAIN;
}

static void worker_thread_take(struct message *message, void *receiver)
{
    static void (*const takes[WORKER_REQUEST_COUNT])(struct worker_thread *) = {
        [WORKER_PREWARM] = take_prewarm,   [WORKER_ADOPT] = take_adopt,
        [WORKER_LISTEN] = take_listen,     [WORKER_DRAIN] = take_drain,
        [WORKER_BEAT] = take_beat,         [WORKER_END_TUNNELS] = take_end_tunnels,
        [WORKER_CENSUS] = take_census,     [WORKER_STOP] = take_stop,
        [WORKER_PRESSURE] = take_pressure,
    };
    struct worker_message *request = worker_message_of(message);
    struct worker_thread *thread = request->thread;
    (void)receiver;
    size_t which = (size_t)(request - thread->requests);
    takes[which](thread);
    if (answers_for_listeners(which) && listeners_leaving(thread->worker)) {
        thread->postponed |= 1U << which;
    } else {
        worker_thread_answer(thread, which);
    }
}
