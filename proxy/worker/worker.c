/* Making a worker, one pass of its loop, and its end. */
#include "proxy/worker/worker.h"

#include <stdlib.h>
#include <time.h>

#include "proxy/http/http_date.h"
#include "steady/enum_names.h"

static void worker_on_mail(evutil_socket_t fd, short what, void *arg);
static void worker_on_wheel(evutil_socket_t fd, short what, void *arg);
static void worker_arm_wheel(struct worker *worker);

ENUM_NAME_FUNCTION(worker_result_name, enum worker_result, WORKER_RESULTS)

static enum worker_result worker_build(struct worker *worker)
{
    struct event_config *config = event_config_new();
    if (config == NULL) {
        return WORKER_NO_MEMORY;
    }
    event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_NO_CACHE_TIME);
    worker->base = event_base_new_with_config(config);
    event_config_free(config);
    if (worker->base == NULL) {
        return WORKER_NO_FD;
    }
    worker->read_scratch = malloc(WORKER_READ_BYTES);
    worker->write_scratch = malloc(WORKER_HEAD_BYTES + WORKER_COMPOSE_BYTES + WORKER_FRAME_BYTES);
    worker->fields = calloc(WORKER_FIELDS_COUNT, sizeof *worker->fields);
    worker->trailer_fields = calloc(WORKER_FIELDS_COUNT, sizeof *worker->trailer_fields);
    worker->clients = slab_create(worker->env.client_bytes, NULL);
    worker->open.streams = slab_create(worker->env.stream_bytes, NULL);
    worker->exchanges = slab_create(worker->env.exchange_bytes, &worker->env.bounds->exchanges);
    worker->bufs = buf_pool_create(&worker->env.bounds->buffers_bytes);
    worker->tls_scratch =
        worker->bufs != NULL ? tls_scratch_create(worker->bufs, &worker->loop.clock) : NULL;
    if (worker->read_scratch == NULL || worker->write_scratch == NULL || worker->fields == NULL ||
        worker->trailer_fields == NULL || worker->clients == NULL || worker->open.streams == NULL ||
        worker->exchanges == NULL || worker->bufs == NULL || worker->tls_scratch == NULL) {
        return WORKER_NO_MEMORY;
    }
    worker->pool =
        pool_worker_create(worker->env.pools, &(struct pool_worker_env){
                                                  .index = worker->env.index,
                                                  .base = worker->base,
                                                  .loop = &worker->loop,
                                                  .tls_scratch = worker->tls_scratch,
                                                  .owner = worker,
                                                  .on_fds_asked = worker->env.on_fds_asked,
                                              });
    if (worker->pool == NULL) {
        return WORKER_NO_MEMORY;
    }
    event_assign(&worker->mail_event, worker->base, mailbox_fd(worker->loop.mailbox),
                 EV_READ | EV_PERSIST, worker_on_mail, worker);
    evtimer_assign(&worker->wheel_event, worker->base, worker_on_wheel, worker);
    return event_add(&worker->mail_event, NULL) == 0 ? WORKER_OK : WORKER_NO_FD;
}

enum worker_result worker_create(const struct worker_env *env, struct worker **ret_worker)
{
    struct worker *worker = calloc(1, sizeof *worker);
    if (worker == NULL) {
        return WORKER_NO_MEMORY;
    }
    worker->env = *env;
    worker->held = env->held;
    worker->wheel_armed_ms = UINT64_MAX;
    worker->access = log_access_ring(env->log, env->index);
    TAILQ_INIT(&worker->open.all);
    TAILQ_INIT(&worker->open.silent);
    TAILQ_INIT(&worker->open.shaking);
    TAILQ_INIT(&worker->open.detached);
    TAILQ_INIT(&worker->listeners);
    SLIST_INIT(&worker->pipes.list);
    enum worker_result result =
        loop_init(&worker->loop) == MAILBOX_OK ? worker_build(worker) : WORKER_NO_FD;
    if (result != WORKER_OK) {
        worker_free(&worker);
        return result;
    }
    *ret_worker = worker;
    return WORKER_OK;
}

void worker_free(struct worker **worker_pointer)
{
    struct worker *worker = *worker_pointer;
    if (worker == NULL) {
        return;
    }
    pool_worker_free(&worker->pool);
    loop_free_deferred(&worker->loop, worker);
    if (worker->base != NULL) {
        if (event_initialized(&worker->mail_event)) {
            event_del(&worker->mail_event);
            event_del(&worker->wheel_event);
        }
        event_base_free(worker->base);
    }
    slab_free(worker->clients);
    slab_free(worker->open.streams);
    slab_free(worker->exchanges);
    tls_scratch_free(&worker->tls_scratch);
    buf_pool_free(worker->bufs);
    loop_release(&worker->loop);
    free(worker->read_scratch);
    free(worker->write_scratch);
    free(worker->fields);
    free(worker->trailer_fields);
    free(worker);
    *worker_pointer = NULL;
}

struct worker_turns *worker_turns_of_pass(struct worker *worker)
{
    struct worker_turns *turns = &worker->open.turns;
    uint64_t pass = stat_read(&worker->stats.loop_passes);
    if (turns->pass != pass) {
        turns->pass = pass;
        turns->full_count = turns->discards_count = 0;
    }
    return turns;
}

void worker_pass(struct worker *worker)
{
    worker_arm_wheel(worker);
    loop_clock_expire(&worker->loop.clock);
    event_base_loop(worker->base,
                    EVLOOP_ONCE | (loop_has_deferred(&worker->loop) ? EVLOOP_NONBLOCK : 0));
    loop_run_deferred(&worker->loop);
    loop_free_deferred(&worker->loop, worker);
    stat_add(&worker->stats.loop_passes, 1);
}

uint64_t worker_wall_ms(struct worker *worker)
{
    worker_date(worker);
    return worker_now_ms(worker) + worker->date.offset_ms;
}

const char *worker_date(struct worker *worker)
{
    uint64_t now_s = worker_now_ms(worker) / 1000;
    if (now_s != worker->date.second) {
        struct timespec wall;
        clock_gettime(CLOCK_REALTIME, &wall);
        uint64_t wall_ms = (uint64_t)wall.tv_sec * 1000 + (uint64_t)wall.tv_nsec / 1000000;
        worker->date.offset_ms = wall_ms - worker_now_ms(worker);
        http_date_write(wall.tv_sec, worker->date.text);
        worker->date.second = now_s;
    }
    return worker->date.text;
}

void worker_give_fds(struct worker *worker, uint64_t count)
{
    bound_give(&worker->env.bounds->fds, count);
    pool_fds_given(worker->pool);
}

static void worker_on_mail(evutil_socket_t fd, short what, void *arg)
{
    struct worker *worker = arg;
    (void)fd;
    (void)what;
    mailbox_drain(worker->loop.mailbox, worker);
}

static void worker_on_wheel(evutil_socket_t fd, short what, void *arg)
{
    struct worker *worker = arg;
    (void)fd;
    (void)what;
    worker->wheel_armed_ms = UINT64_MAX;
    wheel_advance(&worker->loop.wheel, worker_now_ms(worker));
}

/* libevent's timer is armed only if the wheel is due earlier than what is armed. */
static void worker_arm_wheel(struct worker *worker)
{
    uint64_t next_ms = wheel_next_ms(&worker->loop.wheel);
    if (next_ms >= worker->wheel_armed_ms) {
        return;
    }
    uint64_t now_ms = worker_now_ms(worker);
    uint64_t wait_ms = next_ms > now_ms ? next_ms - now_ms : 0;
    struct timeval wait = {.tv_sec = (time_t)(wait_ms / 1000),
                           .tv_usec = (suseconds_t)(wait_ms % 1000) * 1000};
    event_add(&worker->wheel_event, &wait);
    worker->wheel_armed_ms = next_ms;
}
