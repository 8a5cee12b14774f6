/* Two logs and the ways in. */
#include "proxy/log/log.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "proxy/log/access_log.h"
#include "proxy/log/log_file.h"
#include "proxy/log/log_ring.h"
#include "steady/enum_names.h"

#define ACCESS_RING_BYTES (1024 * 1024)
#define ERROR_RING_BYTES (256 * 1024)
#define ERROR_LINE_BYTES 2048
/* Access lines are collected for this time before they are written together. An error line wakes its sink at once. */
#define ACCESS_PAUSE_MS 50
#define ERROR_PAUSE_MS 1000
/* How long log_free() waits for the last lines. */
#define ACCESS_END_MS 1000
#define ERROR_END_MS 500

struct access_ring {
    struct log_ring ring;
    struct log *log;
};

struct log {
    struct log_sink sinks[LOG_NAMES_COUNT];
    unsigned sink_count; /* that were started, in the order of their names */
    struct log_ring *error_rings[1];
    struct log_ring **access_rings;
    struct log_ring error_ring;
    pthread_mutex_t error_lock; /* error_ring's writers */
    struct access_ring *access;
    unsigned worker_count;
    atomic_uint level;
    atomic_uint format;
    atomic_bool access_on;
    struct bound_registry *registry;
    struct event_book events;
};

static const char *const log_names[] = {ENUM_NAMES(LOG_NAMES)};

ENUM_NAME_FUNCTION(log_result_name, enum log_result, LOG_RESULTS)

/* ---- what a sink says of itself ---- */

/* The last resort: standard error, unless nobody reads that. */
static void say_on_stderr(const char *text)
{
    struct pollfd room = {.fd = STDERR_FILENO, .events = POLLOUT};
    if (poll(&room, 1, 0) > 0) {
        dprintf(STDERR_FILENO, "evenkeel: %s\n", text);
    }
}

static void log_on_sink(struct log_sink *sink, bool bad, const char *text, void *owner)
{
    struct log *log = owner;
    const struct log_sink *error = &log->sinks[LOG_ERROR];
    if (sink == error && bad) {
        bool there_already = sink->file.standard && strcmp(sink->file.path, "stderr") == 0;
        if (!there_already) {
            say_on_stderr(text);
        }
        return;
    }
    log_warn(log, "%s", text);
}

/* ---- life ---- */

/* A file that already has the path need not be reopened. */
static bool log_open_file(struct log_file *file, struct log_sink *present, const char *path)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    uint64_t now_ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
    if (log_file_open(file, path, now_ms)) {
        return true;
    }
    int why = errno;
    bool open_already = present != NULL && log_sink_has_path(present, path);
    errno = why;
    return open_already && log_file_name(file, path);
}

/* Opens the files of both logs, or of none. */
static bool log_open_files(struct log *log, const struct log_settings *settings,
                           struct log_file files[LOG_NAMES_COUNT])
{
    const char *const paths[] = {
        [LOG_ERROR] = settings->path, [LOG_ACCESS] = settings->access.path};
    for (unsigned name = 0; name < LOG_NAMES_COUNT; name++) {
        struct log_sink *present = name < log->sink_count ? &log->sinks[name] : NULL;
        if (!log_open_file(&files[name], present, paths[name])) {
            int why = errno;
            while (name > 0) {
                log_file_close(&files[--name]);
            }
            errno = why;
            return false;
        }
    }
    files[LOG_ERROR].rotation = settings->rotation;
    files[LOG_ACCESS].rotation = settings->access.rotation;
    return true;
}

static void log_take_settings(struct log *log, const struct log_settings *settings)
{
    atomic_store(&log->level, (unsigned)settings->level);
    atomic_store(&log->format, (unsigned)settings->access.format);
    atomic_store(&log->access_on, settings->access.path != NULL);
}

static enum log_result log_make_rings(struct log *log, unsigned worker_count)
{
    log->access = calloc(worker_count, sizeof *log->access);
    log->access_rings = calloc(worker_count, sizeof *log->access_rings);
    if (log->access == NULL || log->access_rings == NULL ||
        !log_ring_init(&log->error_ring, ERROR_RING_BYTES)) {
        return LOG_NO_MEMORY;
    }
    log->error_rings[0] = &log->error_ring;
    for (unsigned i = 0; i < worker_count; i++) {
        log->access[i].log = log;
        log->access_rings[i] = &log->access[i].ring;
        if (!log_ring_init(&log->access[i].ring, ACCESS_RING_BYTES)) {
            return LOG_NO_MEMORY;
        }
        log->worker_count++;
    }
    return LOG_OK;
}

/* A sink may log from its first moment on, so the rings and the level are set before. */
static enum log_result log_start_sinks(struct log *log, const struct log_settings *settings)
{
    const struct log_sink_env envs[] = {
        [LOG_ERROR] = {log_names[LOG_ERROR], log->error_rings, 1, ERROR_PAUSE_MS, log_on_sink, log},
        [LOG_ACCESS] = {log_names[LOG_ACCESS], log->access_rings, log->worker_count,
                        ACCESS_PAUSE_MS, log_on_sink, log},
    };
    struct log_file files[LOG_NAMES_COUNT];
    if (!log_open_files(log, settings, files)) {
        return LOG_CANNOT_OPEN;
    }
    log_take_settings(log, settings);
    for (unsigned name = 0; name < LOG_NAMES_COUNT; name++) {
        if (!log_sink_start(&log->sinks[name], &envs[name], &files[name])) {
            int why = errno;
            log_file_close(&files[LOG_ACCESS]);
            errno = why;
            return LOG_NO_THREAD;
        }
        log->sink_count++;
    }
    return LOG_OK;
}

static void log_destroy(struct log *log)
{
    for (unsigned i = 0; i < log->worker_count; i++) {
        log_ring_release(&log->access[i].ring);
    }
    log_ring_release(&log->error_ring);
    free(log->access_rings);
    free(log->access);
    pthread_mutex_destroy(&log->error_lock);
    event_book_release(&log->events);
    free(log);
}

/* The error log ends last, because the access log reports its last errors there. False: a disk hangs, and so does the
   sink's thread. */
static bool log_end_sinks(struct log *log)
{
    static const uint64_t within_ms[] = {[LOG_ERROR] = ERROR_END_MS, [LOG_ACCESS] = ACCESS_END_MS};
    bool ended = true;
    while (log->sink_count > 0) {
        log->sink_count--;
        ended = log_sink_end(&log->sinks[log->sink_count], within_ms[log->sink_count]) && ended;
    }
    return ended;
}

enum log_result log_create(const struct log_settings *settings, unsigned worker_count,
                           struct bound_registry *registry, struct log **ret_log)
{
    struct log *log = calloc(1, sizeof *log);
    if (log == NULL) {
        return LOG_NO_MEMORY;
    }
    log->registry = registry;
    pthread_mutex_init(&log->error_lock, NULL);
    event_book_init(&log->events);
    enum log_result result = log_make_rings(log, worker_count);
    if (result == LOG_OK) {
        result = log_start_sinks(log, settings);
    }
    if (result != LOG_OK) {
        int why = errno;
        if (log_end_sinks(log)) {
            log_destroy(log);
        }
        errno = why;
        return result;
    }
    for (unsigned name = 0; name < LOG_NAMES_COUNT; name++) {
        bound_register(registry, &log->sinks[name].queue);
    }
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
    for (unsigned name = 0; name < LOG_NAMES_COUNT; name++) {
        bound_remove(log->registry, &log->sinks[name].queue);
    }
    if (log_end_sinks(log)) {
        log_destroy(log);
    } /* else the process ends without that thread, which may still use its memory */
}

enum log_result log_apply(struct log *log, const struct log_settings *settings)
{
    struct log_file files[LOG_NAMES_COUNT];
    if (!log_open_files(log, settings, files)) {
        return LOG_CANNOT_OPEN;
    }
    for (unsigned name = 0; name < LOG_NAMES_COUNT; name++) {
        log_sink_swap(&log->sinks[name], &files[name]);
    }
    log_take_settings(log, settings);
    return LOG_OK;
}

void log_give_files(struct log *log, uid_t user)
{
    for (unsigned name = 0; name < LOG_NAMES_COUNT; name++) {
        log_sink_give(&log->sinks[name], user);
    }
}

void log_reopen(struct log *log)
{
    for (unsigned name = 0; name < LOG_NAMES_COUNT; name++) {
        log_sink_reopen(&log->sinks[name]);
    }
}

/* ---- lines ---- */

void log_write(struct log *log, enum log_level level, const char *format, ...)
{
    static const char *const names[] = {ENUM_NAMES(LOG_LEVELS)};
    char line[ERROR_LINE_BYTES];
    if ((unsigned)level > atomic_load_explicit(&log->level, memory_order_relaxed)) {
        return;
    }
    struct timespec now;
    struct tm parts;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &parts);
    size_t used = strftime(line, sizeof line, "%Y-%m-%dT%H:%M:%S", &parts);
    used += (size_t)snprintf(line + used, sizeof line - used,
                             ".%03uZ %s: ", (unsigned)(now.tv_nsec / 1000000), names[level]);
    va_list args;
    va_start(args, format);
    int more = vsnprintf(line + used, sizeof line - used - 1, format, args);
    va_end(args);
    if (more > 0) {
        used += (size_t)more < sizeof line - used - 1 ? (size_t)more : sizeof line - used - 2;
    }
    /* a text from outside must not forge a line */
    for (size_t i = 0; i < used; i++) {
        if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f) {
            line[i] = ' ';
        }
    }
    line[used++] = '\n';
    struct log_sink *sink = &log->sinks[LOG_ERROR];
    pthread_mutex_lock(&log->error_lock);
    bool put = log_ring_put(&log->error_ring, line, used);
    pthread_mutex_unlock(&log->error_lock);
    if (!put) {
        log_sink_lost(sink);
    }
    log_sink_wake(sink);
}

void log_event(struct log *log, enum event_kind kind, enum log_level level, const char *format, ...)
{
    char text[ERROR_LINE_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    event_book_add(&log->events, kind, level, text);
    log_write(log, level, "%s", text);
}

struct event_book *log_events(struct log *log)
{
    return &log->events;
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
    struct log_sink *sink = &ring->log->sinks[LOG_ACCESS];
    if (!log_ring_put(&ring->ring, line, length)) {
        log_sink_lost(sink);
    } else if (before < ACCESS_RING_BYTES / 2 && before + length >= ACCESS_RING_BYTES / 2) {
        log_sink_wake(
            sink); /* it comes by itself soon enough, unless lines come faster than that */
    }
}

void log_figures(const struct log *log, enum log_name name, struct log_sink_figures *ret_figures)
{
    log_sink_figures(&log->sinks[name], ret_figures);
}
