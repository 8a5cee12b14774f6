/* A sink's thread, and what others ask of it. */
#include "proxy/log/log_sink.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "steady/counter.h"
#include "steady/timed_wait.h"

/* What becomes of lines that cannot be written. */
#define WAITS "lines wait in the queue, those that do not fit are lost and counted"
/* Nothing comes into a log that is off. */
#define OFF_MS 1000
/* What could not be written is tried again this much later. */
#define RETRY_MS 250
/* A failure that lasts is told this often at most. */
#define COMPLAIN_EVERY_MS 60000
/* So long without a loss, and everything written: the losing is over. */
#define LOSS_REST_MS 1000
/* How long the control thread waits for an order, whatever the disk does. */
#define ORDER_MS 2000
/* An order waits for at most so many stages of lines that come faster than they are written. */
#define POUR_STAGES 256
/* How often a thread that ends looks at the time while its reader does not keep up. */
#define END_STEP_MS 50
/* The thread's own time to come back after it has given up. */
#define END_MARGIN_MS 250

static uint64_t monotonic_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* ---- saying ---- */

static void sink_say(struct log_sink *sink, bool bad, const char *text)
{
    sink->env.say(sink, bad, text, sink->env.owner);
}

static const char *sink_path(const struct log_sink *sink)
{
    return sink->file.path != NULL ? sink->file.path : "off";
}

static const char *sink_cause(const struct log_sink *sink)
{
    return sink->state == LOG_SINK_BUSY    ? "its reader does not keep up"
           : sink->state == LOG_SINK_CLEAR ? "they come faster than they can be written"
           : sink->failure_errno == EPIPE  ? "nobody reads it"
                                           : strerror(sink->failure_errno);
}

/* At most one line a minute. */
static void sink_fail(struct log_sink *sink, const char *what, const char *outcome, int why,
                      uint64_t now_ms)
{
    char text[512];
    stat_add(&sink->write_errors, 1);
    if (sink->complained_ms != 0 && now_ms - sink->complained_ms < COMPLAIN_EVERY_MS) {
        return;
    }
    sink->complained_ms = now_ms;
    snprintf(text, sizeof text, "%s log %s: cannot %s: %s; %s", sink->env.name, sink_path(sink),
             what, why == EPIPE ? "nobody reads it" : strerror(why), outcome);
    sink_say(sink, true, text);
}

static void sink_tell_losses(struct log_sink *sink, uint64_t now_ms)
{
    char text[512];
    if (sink->state != LOG_SINK_CLEAR) {
        episode_prolong(&sink->loss, now_ms);
    }
    switch (episode_note(&sink->loss, bound_refused(&sink->queue), LOSS_REST_MS, now_ms)) {
    case EPISODE_BEGINS:
        snprintf(text, sizeof text, "%s log %s: lines are being lost: %s", sink->env.name,
                 sink_path(sink), sink_cause(sink));
        sink_say(sink, true, text);
        break;
    case EPISODE_ENDS:
        snprintf(text, sizeof text,
                 "%s log %s: %" PRIu64 " lines were lost in %" PRIu64
                 " ms; lines are written again",
                 sink->env.name, sink_path(sink), episode_count(&sink->loss),
                 episode_length_ms(&sink->loss));
        sink_say(sink, false, text);
        break;
    case EPISODE_NO_EVENT: break;
    }
}

/* ---- writing ---- */

static void sink_rotate(struct log_sink *sink, uint64_t now_ms)
{
    bool rotated = false;
    if (!log_file_rotate(&sink->file, now_ms, &rotated)) {
        sink_fail(sink, "rotate", "it grows on", errno, now_ms);
    }
    stat_add(&sink->rotations, rotated);
}

/* A file changes only between two lines. */
static size_t sink_next_bytes(struct log_sink *sink, uint64_t now_ms)
{
    struct log_stage *stage = &sink->stage;
    struct log_file *file = &sink->file;
    bool between = log_stage_between(stage);
    if (between && log_file_due(file, log_stage_lines(stage, 0), now_ms)) {
        sink_rotate(sink, now_ms);
    }
    return log_stage_lines(stage, !log_file_rotates(file) ? UINT64_MAX
                                  : !between || file->bytes > file->rotation.size_bytes
                                      ? 0
                                      : file->rotation.size_bytes - file->bytes);
}

/* Writes what is in the stage, as far as it is taken. */
static enum log_sink_state sink_write(struct log_sink *sink, uint64_t now_ms)
{
    size_t bytes;
    while ((bytes = sink_next_bytes(sink, now_ms)) > 0) {
        size_t written = 0;
        switch (log_file_write(&sink->file, sink->stage.bytes + sink->stage.begin, bytes, now_ms,
                               &written)) {
        case LOG_FILE_OK:
            log_stage_written(&sink->stage, written);
            stat_add(&sink->written_bytes, written);
            break;
        case LOG_FILE_BUSY: return LOG_SINK_BUSY;
        case LOG_FILE_FAILED:
            sink->failure_errno = errno;
            sink_fail(sink, "write", WAITS, errno, now_ms);
            if (sink->file.fd < 0) {
                log_stage_begin_line_anew(&sink->stage); /* for the next reader of a FIFO */
            }
            return LOG_SINK_FAILED;
        }
    }
    return LOG_SINK_CLEAR;
}

static uint64_t sink_queued_bytes(const struct log_sink *sink)
{
    uint64_t used = 0;
    for (unsigned i = 0; i < sink->env.ring_count; i++) {
        used += log_ring_used(sink->env.rings[i]);
    }
    return used;
}

/* One stage of what is queued; returns whether there may be more that can be written. */
static bool sink_pour_stage(struct log_sink *sink)
{
    uint64_t now_ms = monotonic_ms();
    bound_set_used(&sink->queue, sink_queued_bytes(sink));
    log_stage_fill(&sink->stage, sink->env.rings, sink->env.ring_count);
    bool some = !log_stage_empty(&sink->stage);
    sink->state = some ? sink_write(sink, now_ms) : LOG_SINK_CLEAR;
    sink_tell_losses(sink, now_ms);
    return some && sink->state == LOG_SINK_CLEAR;
}

/* Everything that was queued before, unless more comes than can be written: then false. */
static bool sink_pour(struct log_sink *sink)
{
    unsigned stages = 0;
    while (stages < POUR_STAGES && sink_pour_stage(sink)) {
        stages++;
    }
    return stages < POUR_STAGES;
}

/* ---- orders ---- */

/* The open file may be another one than before. The rest of a line that is written in part goes where its beginning
   is; to another file, or to the next reader of a FIFO, the line goes as a whole. */
static void sink_check_line(struct log_sink *sink, const struct log_file_id *before)
{
    if (sink->file.fd < 0 || !log_file_id_equal(before, &sink->file.id)) {
        log_stage_begin_line_anew(&sink->stage);
    }
}

static void sink_obey_swap(struct log_sink *sink, struct log_file *next)
{
    struct log_file last = sink->file;
    log_file_inherit(next, &last);
    pthread_mutex_lock(&sink->lock);
    sink->file = *next;
    pthread_mutex_unlock(&sink->lock);
    sink_check_line(sink, &last.id);
    log_file_close(&last); /* after the swap, because others compare the path */
    sink->complained_ms = 0;
}

static void sink_obey_give(struct log_sink *sink, uid_t user)
{
    char text[512];
    if (!log_file_give(&sink->file, user)) {
        snprintf(text, sizeof text,
                 "log %s stays its owner's: it is not a file of this process's own; it is not "
                 "opened again unless the user may",
                 sink_path(sink));
        sink_say(sink, false, text);
    }
}

static void sink_obey_reopen(struct log_sink *sink)
{
    uint64_t now_ms = monotonic_ms();
    const struct log_file_id before = sink->file.id;
    if (!log_file_reopen(&sink->file, now_ms)) {
        sink_fail(sink, "reopen",
                  sink->file.fd >= 0 ? "the file that is open is written on" : WAITS, errno,
                  now_ms);
    } else {
        sink_check_line(sink, &before);
    }
}

/* Takes what is left from stage and rings; returns how many lines that were. */
static uint64_t sink_discard(struct log_sink *sink)
{
    struct log_stage *stage = &sink->stage;
    uint64_t count = 0;
    log_stage_fill(stage, sink->env.rings, sink->env.ring_count);
    while (!log_stage_empty(stage)) {
        count += log_stage_discard(stage);
        log_stage_fill(stage, sink->env.rings, sink->env.ring_count);
    }
    return count;
}

static void sink_obey_end(struct log_sink *sink, uint64_t give_up_ms)
{
    char text[512];
    bool poured = false;
    while ((!poured || sink->state == LOG_SINK_BUSY) && monotonic_ms() < give_up_ms) {
        struct pollfd room = {.fd = sink->file.fd, .events = POLLOUT};
        if (sink->state == LOG_SINK_BUSY) {
            (void)poll(&room, 1, END_STEP_MS);
        }
        poured = sink_pour(sink);
    }
    uint64_t lost_count = sink_discard(sink);
    bound_refuse(&sink->queue, lost_count);
    if (lost_count > 0) {
        snprintf(text, sizeof text, "%s log %s: %" PRIu64 " lines are lost at the end: %s",
                 sink->env.name, sink_path(sink), lost_count, sink_cause(sink));
        sink_say(sink, true, text);
    }
}

/* Returns whether the sink has ended. */
static bool sink_obey(struct log_sink *sink)
{
    pthread_mutex_lock(&sink->lock);
    unsigned orders = sink->orders;
    uint64_t given_count = sink->given_count, give_up_ms = sink->give_up_ms;
    struct log_file next = sink->next;
    uid_t heir = sink->heir;
    sink->orders = 0;
    sink->next = (struct log_file){.fd = -1};
    pthread_mutex_unlock(&sink->lock);
    if (orders == 0) {
        return false;
    }
    (void)sink_pour(sink);
    if (orders & LOG_ORDER_SWAP) {
        sink_obey_swap(sink, &next);
    }
    if (orders & LOG_ORDER_GIVE) {
        sink_obey_give(sink, heir);
    }
    if (orders & LOG_ORDER_REOPEN) {
        sink_obey_reopen(sink);
    }
    if (orders & LOG_ORDER_END) {
        sink_obey_end(sink, give_up_ms);
    }
    pthread_mutex_lock(&sink->lock);
    sink->obeyed_count = given_count;
    pthread_cond_broadcast(&sink->obeyed);
    pthread_mutex_unlock(&sink->lock);
    return orders & LOG_ORDER_END;
}

/* ---- the thread ---- */

/* Until lines are announced, are old enough, may be taken again, or are tried again. */
static void sink_wait(const struct log_sink *sink)
{
    struct pollfd fds[] = {{.fd = sink->wake_fd, .events = POLLIN},
                           {.fd = sink->file.fd, .events = POLLOUT}};
    bool busy = sink->state == LOG_SINK_BUSY;
    uint64_t pause_ms = sink->file.kind == LOG_FILE_OFF ? OFF_MS : sink->env.pause_ms;
    bool rests = sink->state == LOG_SINK_CLEAR && sink->loss.state == EPISODE_OVER;
    uint64_t count;
    (void)poll(fds, busy ? 2 : 1, rests ? (int)pause_ms : RETRY_MS);
    if (fds[0].revents != 0 && read(sink->wake_fd, &count, sizeof count) < 0) {
        return; /* another wake-up was taken with the last one */
    }
}

static void *sink_main(void *arg)
{
    struct log_sink *sink = arg;
    do {
        sink_wait(sink);
        (void)sink_pour(sink);
    } while (!sink_obey(sink));
    return NULL;
}

void log_sink_wake(struct log_sink *sink)
{
    const uint64_t one = 1;
    ssize_t written = write(sink->wake_fd, &one, sizeof one);
    (void)written; /* a full counter wakes just as well */
}

/* Gives an order and waits until it is carried out, for at most so long: a disk that hangs must not hang the process. Called under
   the lock, under which the order's argument was set: the thread takes both together. */
static bool sink_command(struct log_sink *sink, enum log_sink_order order, uint64_t within_ms)
{
    const struct timespec until = timed_wait_until(within_ms);
    sink->orders |= order;
    uint64_t number = ++sink->given_count;
    log_sink_wake(sink);
    while (sink->obeyed_count < number &&
           pthread_cond_timedwait(&sink->obeyed, &sink->lock, &until) != ETIMEDOUT) {
    }
    return sink->obeyed_count >= number;
}

void log_sink_reopen(struct log_sink *sink)
{
    pthread_mutex_lock(&sink->lock);
    (void)sink_command(sink, LOG_ORDER_REOPEN, ORDER_MS);
    pthread_mutex_unlock(&sink->lock);
}

void log_sink_swap(struct log_sink *sink, struct log_file *file)
{
    pthread_mutex_lock(&sink->lock);
    /* of an order that a hanging disk kept from being carried out */
    struct log_file left_over = sink->next;
    sink->next = *file;
    (void)sink_command(sink, LOG_ORDER_SWAP, ORDER_MS);
    pthread_mutex_unlock(&sink->lock);
    *file = (struct log_file){.fd = -1};
    log_file_close(&left_over);
}

void log_sink_give(struct log_sink *sink, uid_t user)
{
    pthread_mutex_lock(&sink->lock);
    sink->heir = user;
    (void)sink_command(sink, LOG_ORDER_GIVE, ORDER_MS);
    pthread_mutex_unlock(&sink->lock);
}

bool log_sink_has_path(struct log_sink *sink, const char *path)
{
    pthread_mutex_lock(&sink->lock);
    bool same = sink->file.path != NULL && path != NULL && strcmp(sink->file.path, path) == 0;
    pthread_mutex_unlock(&sink->lock);
    return same;
}

/* ---- life ---- */

static void sink_release(struct log_sink *sink)
{
    log_file_close(&sink->file);
    log_file_close(&sink->next);
    if (sink->wake_fd >= 0) {
        close(sink->wake_fd);
    }
    pthread_mutex_destroy(&sink->lock);
    pthread_cond_destroy(&sink->obeyed);
}

static void sink_init_lock(struct log_sink *sink)
{
    pthread_mutex_init(&sink->lock, NULL);
    timed_wait_init(&sink->obeyed);
}

bool log_sink_start(struct log_sink *sink, const struct log_sink_env *env, struct log_file *file)
{
    char name[16];
    uint64_t capacity_bytes = 0;
    for (unsigned i = 0; i < env->ring_count; i++) {
        capacity_bytes += env->rings[i]->capacity;
    }
    sink->env = *env;
    sink->file = *file;
    sink->next = (struct log_file){.fd = -1};
    *file = (struct log_file){.fd = -1};
    sink_init_lock(sink);
    bound_init(&sink->queue, "log_ring_bytes", env->name, capacity_bytes);
    sink->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    int why = sink->wake_fd < 0 ? errno : pthread_create(&sink->thread, NULL, sink_main, sink);
    if (why != 0) {
        sink_release(sink);
        errno = why;
        return false;
    }
    snprintf(name, sizeof name, "log-%s", env->name);
    pthread_setname_np(sink->thread, name);
    return true;
}

bool log_sink_end(struct log_sink *sink, uint64_t within_ms)
{
    pthread_mutex_lock(&sink->lock);
    sink->give_up_ms = monotonic_ms() + within_ms;
    bool ended = sink_command(sink, LOG_ORDER_END, within_ms + END_MARGIN_MS);
    pthread_mutex_unlock(&sink->lock);
    if (!ended) {
        return false;
    }
    pthread_join(sink->thread, NULL);
    sink_release(sink);
    return true;
}

void log_sink_figures(const struct log_sink *sink, struct log_sink_figures *ret_figures)
{
    struct log_sink_figures figures = {.dropped = bound_refused(&sink->queue),
                                       .write_errors = stat_read(&sink->write_errors),
                                       .rotations = stat_read(&sink->rotations),
                                       .bytes = stat_read(&sink->written_bytes)};
    for (unsigned i = 0; i < sink->env.ring_count; i++) {
        figures.lines += stat_read(&sink->env.rings[i]->lines);
    }
    *ret_figures = figures;
}
