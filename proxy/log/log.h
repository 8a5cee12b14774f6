/*
 * Logs: each has a sink with a thread of its own (log_sink.h). All other threads hand over finished lines and never
 * wait.
 *
 * Owns: rings of bytes (bounded; a line that does not fit is lost, counted for its sink and reported in the error log)
 * and the sinks. Thread: log_write from any; an access ring belongs to one worker. Files are reopened on log_reopen()
 * (SIGUSR1) and rotated by size and age. Errors of the access log are reported in the error log; those of the error
 * log on stderr, if it goes elsewhere.
 */
#ifndef EVENKEEL_PROXY_LOG_LOG_H
#define EVENKEEL_PROXY_LOG_LOG_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "conf/settings.h"
#include "proxy/http/http_head.h"
#include "proxy/log/event_book.h"
#include "proxy/log/log_sink.h"
#include "steady/bound.h"
#include "steady/enum_names.h"

struct log;
struct access_ring;

#define LOG_RESULTS(X)                        \
    X(LOG_OK, "ok")                           \
    X(LOG_CANNOT_OPEN, "cannot open")         \
    X(LOG_NO_THREAD, "cannot start a thread") \
    X(LOG_NO_MEMORY, "no memory")
enum log_result { ENUM_VALUES(LOG_RESULTS) };
const char *log_result_name(enum log_result value);

/* The logs there are, each with its sink. */
#define LOG_NAMES(X)      \
    X(LOG_ERROR, "error") \
    X(LOG_ACCESS, "access")
enum log_name { ENUM_VALUES(LOG_NAMES) };
#define LOG_NAMES_COUNT ENUM_COUNT(LOG_NAMES)

/* Opens the files and starts the threads. On LOG_CANNOT_OPEN and LOG_NO_THREAD errno says why. */
__attribute__((warn_unused_result)) enum log_result log_create(const struct log_settings *settings,
                                                               unsigned worker_count,
                                                               struct bound_registry *registry,
                                                               struct log **ret_log);
/* Writes out what is in the rings, for at most 2 s, and ends the threads. NULL is fine. */
void log_free(struct log **log);

/* To be called before the process changes its user: gives the files to that user, who will reopen them. */
void log_give_files(struct log *log, uid_t user);
/* New settings after a reload: opens new files first. If one cannot be opened, the old ones stay and the result says
   so. A file whose path has not changed need not be reopened: if it cannot be, the open one is used. */
__attribute__((warn_unused_result)) enum log_result log_apply(struct log *log,
                                                              const struct log_settings *settings);
/* Reopens every file, after everything that was written before the call is out. If one cannot be opened, its old file
   is used. */
void log_reopen(struct log *log);

/* One line: time, level, text. Cheap when the level is off. */
__attribute__((format(printf, 3, 4))) void log_write(struct log *log, enum log_level level,
                                                     const char *format, ...);

/* A line that is also kept as an event, whatever the level of the log. */
__attribute__((format(printf, 4, 5))) void log_event(struct log *log, enum event_kind kind,
                                                     enum log_level level, const char *format, ...);
struct event_book *log_events(struct log *log);

#define log_error(log, ...) log_write((log), LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(log, ...) log_write((log), LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(log, ...) log_write((log), LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(log, ...) log_write((log), LOG_LEVEL_DEBUG, __VA_ARGS__)

/* Everything that the access log says about one exchange. Texts need not be terminated, and are escaped by the writer. */
struct access_text {
    const char *bytes;
    uint32_t length;
};

struct access_record {
    struct access_text client;   /* IP */
    unsigned client_port;        /* 0: unknown */
    struct access_text trace_id; /* empty: none */
    struct access_text method, target, host, user_agent, referer, request_id;
    struct access_text listener, route, upstream, endpoint, user; /* empty: none */
    struct access_text client_tls, client_cipher, client_sni;     /* empty: no TLS; no name */
    bool client_resumed;
    struct access_text grpc_status; /* empty: no gRPC call */
    struct access_text reason;      /* how it ended, from the table of reasons */
    unsigned status;                /* 0: nothing was sent */
    struct access_text protocol;    /* "HTTP/1.1" */
    int64_t stream;                 /* of HTTP/2; -1: none */
    int shard;                      /* -1: none */
    bool reused;                    /* served on a connection that was used before */
    bool resumed;                   /* its TLS session was resumed */
    unsigned attempts_count;
    uint64_t request_body_bytes, response_body_bytes;
    uint64_t duration_us;
    int64_t queue_us, connect_us, tls_us, first_byte_us, deadline_left_ms; /* -1: did not happen */
};

/* The ring of worker `index`. */
struct access_ring *log_access_ring(struct log *log, unsigned index);
/* False when the access log is off: build no record. */
bool access_log_on(const struct access_ring *ring);
/* Formats and hands over; drops and counts if the ring is full. No allocation, no lock, no system call except, rarely,
   a wake-up. wall_ms: CLOCK_REALTIME, cached by the caller. */
void access_log_write(struct access_ring *ring, const struct access_record *record,
                      uint64_t wall_ms);

void log_figures(const struct log *log, enum log_name name, struct log_sink_figures *ret_figures);

#endif
