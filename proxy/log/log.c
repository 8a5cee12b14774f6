/* The log thread and the ways in. */
#include "proxy/log/log.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "proxy/log/access_log.h"
#include "proxy/log/log_file.h"
#include "proxy/log/log_ring.h"
#include "steady/enum_names.h"

#define ACCESS_RING_BYTES (1024 * 1024)
#define ERROR_RING_BYTES (256 * 1024)
#define ERROR_LINE_BYTES 2048
/* Access lines are collected this long before they are written together. */
#define FLUSH_MS 50
/* What log_free() waits for the last lines, at most. */
#define END_MS 2000

struct access_ring {
    struct log_ring ring;
    struct log *log;
};

/* What the control thread asks of the log thread; answered under the lock. */
enum log_order {
    LOG_ORDER_NONE,
    LOG_ORDER_GIVE, /* to `heir` */
    LOG_ORDER_REOPEN,
    LOG_ORDER_SWAP,
    LOG_ORDER_END
};

struct log {
    pthread_t thread;
    pthread_mutex_t lock; /* error_ring's writers; orders */
    pthread_cond_t done;
    enum log_order order;
    int wake_fd;
    struct log_ring error_ring;
    struct log_file error_file, access_file;
    struct log_file next_error, next_access; /* of a swap */
    uid_t heir;
    struct access_ring *access;
    unsigned worker_count;
    atomic_uint level;
    atomic_uint format;
    atomic_bool access_on;
    atomic_uint_fast64_t reopened;
    struct bound_registry *registry;
    struct bound rings; /* log_ring_bytes: all rings together */
};

static uint64_t clock_ms(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

ENUM_NAME_FUNCTION(log_result_name, enum log_result, LOG_RESULTS)

/* ---- the thread ---- */

static void log_pour(struct log_ring *ring, struct log_file *file)
{
    const char *bytes;
    size_t length;
    while ((length = log_ring_peek(ring, &bytes)) > 0) {
        log_file_write(file, bytes, length, clock_ms(CLOCK_MONOTONIC));
        log_ring_consume(ring, length);
    }
}

static void log_pour_all(struct log *log)
{
    uint64_t used = log_ring_used(&log->error_ring);
    log_pour(&log->error_ring, &log->error_file);
    for (unsigned i = 0; i < log->worker_count; i++) {
        used += log_ring_used(&log->access[i].ring);
        log_pour(&log->access[i].ring, &log->access_file);
    }
    bound_set_used(&log->rings, used);
}

static bool same_path(const struct log_file *file, const char *path)
{
    return file->path != NULL && path != NULL && strcmp(file->path, path) == 0;
}

/* The figures go on; so does the file, where the next one has the same path and could not be opened. */
static void log_file_replace(struct log_file *file, struct log_file *next)
{
    if (next->fd < 0 && same_path(file, next->path)) {
        next->fd = file->fd;
        next->bytes = file->bytes;
        next->opened_ms = file->opened_ms;
        file->fd = -1;
    }
    next->written_bytes = file->written_bytes;
    next->write_errors = file->write_errors;
    next->rotations = file->rotations;
    log_file_close(file);
    *file = *next;
    *next = (struct log_file){.fd = -1};
}

static void log_give(struct log *log, struct log_file *file)
{
    if (!log_file_give(file, log->heir)) {
        log_warn(log,
                 "log %s stays its owner's: it is not a file of this process's own; it is not "
                 "opened again unless the user may",
                 file->path);
    }
}

/* Everything written before the order is out already. */
static void log_obey(struct log *log, enum log_order order)
{
    uint64_t now_ms = clock_ms(CLOCK_MONOTONIC);
    if (order == LOG_ORDER_GIVE) {
        log_give(log, &log->error_file);
        log_give(log, &log->access_file);
    } else if (order == LOG_ORDER_REOPEN) {
        log_file_reopen(&log->error_file, now_ms);
        log_file_reopen(&log->access_file, now_ms);
        log->reopened++;
    } else if (order == LOG_ORDER_SWAP) {
        log_file_replace(&log->error_file, &log->next_error);
        log_file_replace(&log->access_file, &log->next_access);
    }
}

static void *log_main(void *arg)
{
    struct log *log = arg;
    bool ending = false;
    while (!ending) {
        struct pollfd wake = {.fd = log->wake_fd, .events = POLLIN};
        uint64_t count;
        bool idle = !atomic_load(&log->access_on);
        (void)poll(&wake, 1, idle ? 1000 : FLUSH_MS);
        if (wake.revents != 0 && read(log->wake_fd, &count, sizeof count) < 0) {
            /* somebody else's wake-up was taken with the last one */
        }
        pthread_mutex_lock(&log->lock);
        enum log_order order = log->order;
        pthread_mutex_unlock(&log->lock);
        log_pour_all(log);
        if (order != LOG_ORDER_NONE) {
            log_obey(log, order);
            pthread_mutex_lock(&log->lock);
            log->order = LOG_ORDER_NONE;
            pthread_cond_broadcast(&log->done);
            pthread_mutex_unlock(&log->lock);
            ending = order == LOG_ORDER_END;
        }
    }
    return NULL;
}

static void log_wake(struct log *log)
{
    const uint64_t one = 1;
    ssize_t written = write(log->wake_fd, &one, sizeof one);
    (void)written; /* a full counter wakes just as well */
}

/* Gives an order and waits until it is carried out, at most END_MS (a disk that hangs must not hang the process). */
static void log_command(struct log *log, enum log_order order)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += END_MS / 1000;
    pthread_mutex_lock(&log->lock);
    log->order = order;
    log_wake(log);
    while (log->order != LOG_ORDER_NONE &&
           pthread_cond_timedwait(&log->done, &log->lock, &until) != ETIMEDOUT) {
    }
    pthread_mutex_unlock(&log->lock);
}

/* ---- life ---- */

/* `present` is the file it takes the place of. */
static bool log_open_file(struct log_file *file, const struct log_file *present, const char *path)
{
    if (log_file_open(file, path, clock_ms(CLOCK_MONOTONIC))) {
        return true;
    }
    int why = errno;
    if (same_path(present, path)) {
        file->path = strdup(path);
    }
    errno = why;
    return file->path != NULL;
}

static bool log_open_files(struct log *log, const struct log_settings *settings,
                           struct log_file *error, struct log_file *access)
{
    *error = *access = (struct log_file){.fd = -1};
    if (!log_open_file(error, &log->error_file, settings->path)) {
        return false;
    }
    if (!log_open_file(access, &log->access_file, settings->access.path)) {
        int why = errno;
        log_file_close(error);
        errno = why;
        return false;
    }
    access->rotate_size_bytes = settings->access.rotate_size_bytes;
    access->rotate_age_ms = settings->access.rotate_age_ms;
    access->keep_count = settings->access.keep_count;
    return true;
}

static void log_take_settings(struct log *log, const struct log_settings *settings)
{
    atomic_store(&log->level, (unsigned)settings->level);
    atomic_store(&log->format, (unsigned)settings->access.format);
    atomic_store(&log->access_on, settings->access.path != NULL);
}

static enum log_result log_build(struct log *log, const struct log_settings *settings,
                                 unsigned worker_count)
{
    log->access = calloc(worker_count, sizeof *log->access);
    if (log->access == NULL || !log_ring_init(&log->error_ring, ERROR_RING_BYTES)) {
        return LOG_NO_MEMORY;
    }
    for (unsigned i = 0; i < worker_count; i++) {
        log->access[i].log = log;
        if (!log_ring_init(&log->access[i].ring, ACCESS_RING_BYTES)) {
            return LOG_NO_MEMORY;
        }
        log->worker_count++;
    }
    log->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (log->wake_fd < 0 || !log_open_files(log, settings, &log->error_file, &log->access_file)) {
        return LOG_CANNOT_OPEN;
    }
    log_take_settings(log, settings);
    return LOG_OK;
}

static void log_destroy(struct log *log)
{
    log_file_close(&log->error_file);
    log_file_close(&log->access_file);
    if (log->wake_fd >= 0) {
        close(log->wake_fd);
    }
    for (unsigned i = 0; i < log->worker_count; i++) {
        log_ring_release(&log->access[i].ring);
    }
    log_ring_release(&log->error_ring);
    free(log->access);
    pthread_mutex_destroy(&log->lock);
    pthread_cond_destroy(&log->done);
    free(log);
}

enum log_result log_create(const struct log_settings *settings, unsigned worker_count,
                           struct bound_registry *registry, struct log **ret_log)
{
    struct log *log = calloc(1, sizeof *log);
    if (log == NULL) {
        return LOG_NO_MEMORY;
    }
    log->wake_fd = log->error_file.fd = log->access_file.fd = -1;
    log->registry = registry;
    pthread_mutex_init(&log->lock, NULL);
    pthread_cond_init(&log->done, NULL);
    /* the log thread counts against it from its first turn on */
    bound_init(&log->rings, "log_ring_bytes", NULL,
               ERROR_RING_BYTES + (uint64_t)worker_count * ACCESS_RING_BYTES);
    enum log_result result = log_build(log, settings, worker_count);
    int why = errno;
    if (result == LOG_OK) {
        why = pthread_create(&log->thread, NULL, log_main, log);
        result = why == 0 ? LOG_OK : LOG_NO_THREAD;
    }
    if (result != LOG_OK) {
        log_destroy(log);
        errno = why;
        return result;
    }
    pthread_setname_np(log->thread, "log");
    bound_register(registry, &log->rings);
    *ret_log = log;
    return LOG_OK;
}

void log_free(struct log **log_pointer)
{
    struct log *log = *log_pointer;
    if (log == NULL) {
        return;
    }
    *log_pointer = NULL;
    log_command(log, LOG_ORDER_END);
    if (log->order != LOG_ORDER_NONE) {
        return; /* the disk hangs: the process ends without the thread */
    }
    pthread_join(log->thread, NULL);
    bound_remove(log->registry, &log->rings);
    log_destroy(log);
}

enum log_result log_apply(struct log *log, const struct log_settings *settings)
{
    if (!log_open_files(log, settings, &log->next_error, &log->next_access)) {
        return LOG_CANNOT_OPEN;
    }
    log_command(log, LOG_ORDER_SWAP);
    log_take_settings(log, settings);
    return LOG_OK;
}

void log_give_files(struct log *log, uid_t user)
{
    log->heir = user;
    log_command(log, LOG_ORDER_GIVE);
}

void log_reopen(struct log *log)
{
    log_command(log, LOG_ORDER_REOPEN);
}

/* ---- lines ---- */

void log_write(struct log *log, enum log_level level, const char *format, ...)
{
    static const char *const names[] = {ENUM_NAMES(LOG_LEVELS)};
    char line[ERROR_LINE_BYTES];
    if ((unsigned)level > atomic_load_explicit(&log->level, memory_order_relaxed)) {
        return;
    }
    uint64_t wall_ms = clock_ms(CLOCK_REALTIME);
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm parts;
    gmtime_r(&seconds, &parts);
    size_t used = strftime(line, sizeof line, "%Y-%m-%dT%H:%M:%S", &parts);
    used += (size_t)snprintf(line + used, sizeof line - used,
                             ".%03uZ %s: ", (unsigned)(wall_ms % 1000), names[level]);
    va_list args;
    va_start(args, format);
    int more = vsnprintf(line + used, sizeof line - used - 1, format, args);
    va_end(args);
    if (more > 0) {
        used += (size_t)more < sizeof line - used - 1 ? (size_t)more : sizeof line - used - 2;
    }
    /* a text from elsewhere must not forge a line */
    for (size_t i = 0; i < used; i++) {
        if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f) {
            line[i] = ' ';
        }
    }
    line[used++] = '\n';
    pthread_mutex_lock(&log->lock);
    log_ring_put(&log->error_ring, line, used);
    pthread_mutex_unlock(&log->lock);
    log_wake(log);
}

struct access_ring *log_access_ring(struct log *log, unsigned index)
{
    return &log->access[index];
}

bool access_log_on(const struct access_ring *ring)
{
    return atomic_load_explicit(&ring->log->access_on, memory_order_relaxed);
}

void access_log_write(struct access_ring *ring, const struct access_record *record,
                      uint64_t wall_ms)
{
    char line[ACCESS_LINE_BYTES];
    bool json =
        atomic_load_explicit(&ring->log->format, memory_order_relaxed) == ACCESS_FORMAT_JSON;
    size_t length = json ? access_line_json(record, wall_ms, line)
                         : access_line_combined(record, wall_ms, line);
    size_t before = log_ring_used(&ring->ring);
    log_ring_put(&ring->ring, line, length);
    /* the thread comes by itself soon enough, unless lines come faster than that */
    if (before < ACCESS_RING_BYTES / 2 && before + length >= ACCESS_RING_BYTES / 2) {
        log_wake(ring->log);
    }
}

void log_figures(struct log *log, struct log_figures *ret_figures)
{
    struct log_figures figures = {.reopened = log->reopened};
    const struct log_file *const files[] = {&log->error_file, &log->access_file};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        figures.write_errors += __atomic_load_n(&files[i]->write_errors, __ATOMIC_RELAXED);
        figures.rotations += __atomic_load_n(&files[i]->rotations, __ATOMIC_RELAXED);
        figures.bytes += __atomic_load_n(&files[i]->written_bytes, __ATOMIC_RELAXED);
    }
    figures.lines = __atomic_load_n(&log->error_ring.lines, __ATOMIC_RELAXED);
    figures.dropped = __atomic_load_n(&log->error_ring.dropped, __ATOMIC_RELAXED);
    for (unsigned i = 0; i < log->worker_count; i++) {
        figures.lines += __atomic_load_n(&log->access[i].ring.lines, __ATOMIC_RELAXED);
        figures.dropped += __atomic_load_n(&log->access[i].ring.dropped, __ATOMIC_RELAXED);
    }
    *ret_figures = figures;
}
