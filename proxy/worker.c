/* The worker's loop: events, timers, messages, and what happens between two passes. */
#include "proxy/worker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "proxy/client.h"
#include "proxy/exchange.h"
#include "proxy/listener.h"
#include "proxy/splice.h"
#include "steady/check.h"

static void worker_on_mail(evutil_socket_t fd, short what, void *arg);
static void worker_on_wheel(evutil_socket_t fd, short what, void *arg);
static void worker_arm_wheel(struct worker *worker);
static void worker_run_again(struct worker *worker);
static void *worker_main(void *arg);
static void worker_tell_drained(struct worker *worker);
static void worker_take_prewarm(struct message *message, void *receiver);
static void worker_take_adopt(struct message *message, void *receiver);
static void worker_take_drain(struct message *message, void *receiver);
static void worker_take_listen(struct message *message, void *receiver);
static void worker_take_end_tunnels(struct message *message, void *receiver);
static void worker_take_beat(struct message *message, void *receiver);
static void worker_take_stop(struct message *message, void *receiver);

const char *worker_result_name(enum worker_result result)
{
    switch (result) {
    case WORKER_OK: return "ok";
    case WORKER_NO_MEMORY: return "no_memory";
    case WORKER_NO_FD: return "no_descriptors";
    case WORKER_NO_THREAD: return "no_thread";
    }
    return "?";
}

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
    if (mailbox_create(&worker->mailbox) != MAILBOX_OK) {
        return WORKER_NO_FD;
    }
    worker->read_scratch = malloc(WORKER_READ_BYTES);
    worker->write_scratch = malloc(WORKER_WRITE_BYTES);
    worker->fields = calloc(WORKER_FIELDS_COUNT, sizeof *worker->fields);
    worker->trailer_fields = calloc(WORKER_FIELDS_COUNT, sizeof *worker->trailer_fields);
    worker->clients = slab_create(client_object_bytes(), NULL);
    worker->exchanges = slab_create(sizeof(struct exchange), &worker->env.bounds->exchanges);
    worker->bufs = buf_pool_create(&worker->env.bounds->buffers_bytes);
    worker->tls_room = worker->bufs != NULL ? tls_room_create(worker->bufs, &worker->clock) : NULL;
    if (worker->read_scratch == NULL || worker->write_scratch == NULL || worker->fields == NULL ||
        worker->trailer_fields == NULL || worker->clients == NULL || worker->exchanges == NULL ||
        worker->bufs == NULL || worker->tls_room == NULL) {
        return WORKER_NO_MEMORY;
    }
    wheel_init(&worker->wheel, worker_now_ms(worker));
    worker->pool = pool_worker_create(worker->env.pools, &(struct pool_worker_env){
                                                             .index = worker->env.index,
                                                             .base = worker->base,
                                                             .wheel = &worker->wheel,
                                                             .clock = &worker->clock,
                                                             .graveyard = &worker->graveyard,
                                                             .mailbox = worker->mailbox,
                                                             .rng = &worker->rng,
                                                             .tls_room = worker->tls_room,
                                                             .owner = worker,
                                                         });
    if (worker->pool == NULL) {
        return WORKER_NO_MEMORY;
    }
    event_assign(&worker->mail_event, worker->base, mailbox_fd(worker->mailbox),
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
    rng_init_random(&worker->rng);
    SLIST_INIT(&worker->graveyard);
    TAILQ_INIT(&worker->again);
    TAILQ_INIT(&worker->open);
    TAILQ_INIT(&worker->listeners);
    SLIST_INIT(&worker->pipes);
    enum worker_result result = worker_build(worker);
    if (result != WORKER_OK) {
        worker_free(&worker);
        return result;
    }
    *ret_worker = worker;
    return WORKER_OK;
}

enum worker_result worker_start(struct worker *worker)
{
    if (pthread_create(&worker->thread, NULL, worker_main, worker) != 0) {
        return WORKER_NO_THREAD;
    }
    char name[16]; /* the kernel's limit */
    snprintf(name, sizeof name, "worker %u", worker->env.index);
    pthread_setname_np(worker->thread, name);
    worker->started = true;
    return WORKER_OK;
}

uint64_t worker_settle(struct worker *worker)
{
    CHECK(!worker->started);
    uint64_t done_count = mailbox_drain(worker->mailbox, worker);
    listeners_close(worker);
    clients_close_all(worker);
    /* who left a place has offered it to those in line, and what is put off keeps that line in memory */
    for (; !TAILQ_EMPTY(&worker->again); done_count++) {
        worker_run_again(worker);
    }
    graveyard_empty(&worker->graveyard, worker);
    return done_count;
}

void worker_free(struct worker **worker_pointer)
{
    struct worker *worker = *worker_pointer;
    if (worker == NULL) {
        return;
    }
    CHECK(!worker->started);
    splice_pipes_free(worker);
    pool_worker_free(&worker->pool);
    graveyard_empty(&worker->graveyard, worker);
    if (worker->base != NULL) {
        if (event_initialized(&worker->mail_event)) {
            event_del(&worker->mail_event);
            event_del(&worker->wheel_event);
        }
        event_base_free(worker->base);
    }
    slab_free(worker->clients);
    slab_free(worker->exchanges);
    tls_room_free(&worker->tls_room);
    buf_pool_free(worker->bufs);
    mailbox_free(worker->mailbox);
    free(worker->read_scratch);
    free(worker->write_scratch);
    free(worker->fields);
    free(worker->trailer_fields);
    free(worker);
    *worker_pointer = NULL;
}

void worker_post_adopt(struct worker *worker, struct generation *generation, message_fn *on_adopted)
{
    worker->adopt_generation = generation;
    worker->adopted.deliver = on_adopted;
    mailbox_post(worker->mailbox, &worker->adopt, worker_take_adopt);
}

void worker_post_prewarm(struct worker *worker, const struct upstream_set *coming)
{
    worker->prewarm_set = coming;
    mailbox_post(worker->mailbox, &worker->prewarm, worker_take_prewarm);
}

void worker_post_drain(struct worker *worker, message_fn *on_closed, message_fn *on_drained)
{
    worker->closed.deliver = on_closed;
    worker->drained.deliver = on_drained;
    mailbox_post(worker->mailbox, &worker->drain, worker_take_drain);
}

void worker_post_listen(struct worker *worker, message_fn *on_listening)
{
    worker->listening.deliver = on_listening;
    mailbox_post(worker->mailbox, &worker->listen, worker_take_listen);
}

void worker_post_end_tunnels(struct worker *worker)
{
    mailbox_post(worker->mailbox, &worker->end_tunnels, worker_take_end_tunnels);
}

void worker_post_beat(struct worker *worker, message_fn *on_beaten)
{
    worker->beaten.deliver = on_beaten;
    mailbox_post(worker->mailbox, &worker->beat, worker_take_beat);
}

void worker_post_stop(struct worker *worker)
{
    mailbox_post(worker->mailbox, &worker->stop, worker_take_stop);
}

void worker_join(struct worker *worker)
{
    if (worker->started) {
        pthread_join(worker->thread, NULL);
        worker->started = false;
    }
}

void worker_again(struct worker *worker, struct again *again)
{
    if (!again->queued) {
        again->queued = true;
        TAILQ_INSERT_TAIL(&worker->again, again, link);
    }
}

void worker_again_cancel(struct worker *worker, struct again *again)
{
    if (again->queued) {
        again->queued = false;
        TAILQ_REMOVE(&worker->again, again, link);
    }
}

uint64_t worker_wall_ms(struct worker *worker)
{
    worker_date(worker);
    return worker_now_ms(worker) + worker->wall_offset_ms;
}

const char *worker_date(struct worker *worker)
{
    uint64_t now_s = worker_now_ms(worker) / 1000;
    if (now_s != worker->date_s) {
        struct timespec wall;
        clock_gettime(CLOCK_REALTIME, &wall);
        uint64_t wall_ms = (uint64_t)wall.tv_sec * 1000 + (uint64_t)wall.tv_nsec / 1000000;
        worker->wall_offset_ms = wall_ms - worker_now_ms(worker);
        struct tm parts;
        gmtime_r(&wall.tv_sec, &parts);
        strftime(worker->date_text, sizeof worker->date_text, "%a, %d %b %Y %H:%M:%S GMT", &parts);
        worker->date_s = now_s;
    }
    return worker->date_text;
}

void worker_give_fds(struct worker *worker, uint64_t count)
{
    bound_give(&worker->env.bounds->fds, count);
    pool_fds_given(worker->pool);
}

void worker_client_gone(struct worker *worker)
{
    listeners_resume(worker);
    worker_tell_drained(worker);
}

static void worker_tell_drained(struct worker *worker)
{
    if (worker->draining && !worker->drained_told && TAILQ_EMPTY(&worker->open)) {
        worker->drained_told = true;
        /* not before: the last requests are to find what is warm */
        pool_worker_drain(worker->pool);
        mailbox_post(worker->env.control, &worker->drained, worker->drained.deliver);
    }
}

static void *worker_main(void *arg)
{
    struct worker *worker = arg;
    while (!worker->stopping) {
        worker_arm_wheel(worker);
        loop_clock_expire(&worker->clock);
        event_base_loop(worker->base,
                        EVLOOP_ONCE | (TAILQ_EMPTY(&worker->again) ? 0 : EVLOOP_NONBLOCK));
        worker_run_again(worker);
        graveyard_empty(&worker->graveyard, worker);
        stat_add(&worker->stats.loop_passes, 1);
    }
    clients_close_all(worker);
    listeners_close(worker);
    graveyard_empty(&worker->graveyard, worker);
    return NULL;
}

/* Only what was queued before this pass runs: what queues itself anew waits for the next one. */
static void worker_run_again(struct worker *worker)
{
    struct again *last = TAILQ_LAST(&worker->again, again_list);
    while (last != NULL) {
        struct again *again = TAILQ_FIRST(&worker->again);
        if (again == NULL) {
            break;
        }
        bool is_last = again == last;
        worker_again_cancel(worker, again);
        again->run(again);
        if (is_last) {
            break;
        }
    }
}

static void worker_on_mail(evutil_socket_t fd, short what, void *arg)
{
    struct worker *worker = arg;
    (void)fd;
    (void)what;
    mailbox_drain(worker->mailbox, worker);
}

static void worker_on_wheel(evutil_socket_t fd, short what, void *arg)
{
    struct worker *worker = arg;
    (void)fd;
    (void)what;
    worker->wheel_armed_ms = UINT64_MAX;
    wheel_advance(&worker->wheel, worker_now_ms(worker));
}

/* libevent's timer follows the wheel only when the wheel's next look is earlier than what is armed. */
static void worker_arm_wheel(struct worker *worker)
{
    uint64_t next_ms = wheel_next_ms(&worker->wheel);
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

static void worker_listen(struct worker *worker)
{
    if (!worker->draining && !worker->held) {
        listeners_adopt(worker);
    }
}

static void worker_take_prewarm(struct message *message, void *receiver)
{
    const struct worker *worker = receiver;
    (void)message;
    pool_worker_prewarm(worker->pool, worker->prewarm_set);
}

static void worker_take_adopt(struct message *message, void *receiver)
{
    struct worker *worker = receiver;
    (void)message;
    worker->generation = worker->adopt_generation;
    pool_worker_adopt(worker->pool, worker->generation->upstreams);
    worker_listen(worker);
    mailbox_post(worker->env.control, &worker->adopted, worker->adopted.deliver);
}

static void worker_take_drain(struct message *message, void *receiver)
{
    struct worker *worker = receiver;
    (void)message;
    worker->draining = true;
    listeners_close(worker);
    mailbox_post(worker->env.control, &worker->closed, worker->closed.deliver);
    clients_close_idle(worker);
    worker_tell_drained(worker);
}

static void worker_take_listen(struct message *message, void *receiver)
{
    struct worker *worker = receiver;
    (void)message;
    worker->held = false;
    worker_listen(worker);
    mailbox_post(worker->env.control, &worker->listening, worker->listening.deliver);
}

static void worker_take_end_tunnels(struct message *message, void *receiver)
{
    (void)message;
    clients_end_tunnels(receiver);
}

static void worker_take_beat(struct message *message, void *receiver)
{
    struct worker *worker = receiver;
    (void)message;
    mailbox_post(worker->env.control, &worker->beaten, worker->beaten.deliver);
}

static void worker_take_stop(struct message *message, void *receiver)
{
    struct worker *worker = receiver;
    (void)message;
    worker->stopping = true;
}
