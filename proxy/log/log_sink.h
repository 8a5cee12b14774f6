/*
 * A sink: where the lines of one log go, with a queue and a thread of its own, so that no log waits for another's reader or disk.
 *
 * Lines come in rings, one for each writing thread. The sink's thread moves them to a stage and writes whole lines from there. What
 * cannot be written stays in the stage and the rings until it can; what does not fit into a ring meanwhile is lost and counted
 * against the sink's bound. That lines are being lost, and how many were once it is over, is told through `say`.
 *
 * Owns: the file, the stage, the thread, its bound; not the rings. Thread: commands from the control thread; figures from any. Time
 * base: CLOCK_MONOTONIC in milliseconds. Errors: results with errno.
 */
#ifndef EVENKEEL_PROXY_LOG_LOG_SINK_H
#define EVENKEEL_PROXY_LOG_LOG_SINK_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proxy/log/log_file.h"
#include "proxy/log/log_ring.h"
#include "proxy/log/log_stage.h"
#include "steady/bound.h"
#include "steady/episode.h"

/* How the last writing ended. */
enum log_sink_state {
    LOG_SINK_CLEAR,  /* everything is out */
    LOG_SINK_BUSY,   /* the reader does not keep up */
    LOG_SINK_FAILED, /* see failure_errno */
};

/* What the control thread may ask for; a set. */
enum log_sink_order {
    LOG_ORDER_REOPEN = 1,
    LOG_ORDER_SWAP = 2,
    LOG_ORDER_GIVE = 4,
    LOG_ORDER_END = 8,
};

struct log_sink_figures {
    uint64_t lines, dropped, write_errors, rotations, bytes;
};

struct log_sink;
/* How the sink says something of itself; not called with a lock held. */
typedef void log_sink_say_fn(struct log_sink *sink, bool bad, const char *text, void *owner);

struct log_sink_env {
    const char *name;        /* "error", "access" */
    struct log_ring **rings; /* one for each thread that writes */
    unsigned ring_count;
    uint64_t pause_ms; /* at most so long lines wait for being written together */
    log_sink_say_fn *say;
    void *owner;
};

struct log_sink {
    struct log_sink_env env;
    pthread_t thread;
    int wake_fd;
    struct bound queue; /* log_ring_bytes: what waits; refused are the lines lost */

    /* the thread's */
    struct log_file file;
    enum log_sink_state state;
    int failure_errno;
    uint64_t complained_ms; /* 0: never */
    struct episode loss;
    struct log_stage stage;
    uint64_t write_errors, rotations, written_bytes; /* read by others */

    /* under the lock */
    pthread_mutex_t lock;
    pthread_cond_t obeyed;
    unsigned orders;      /* a set of enum log_sink_order */
    struct log_file next; /* of a swap */
    uid_t heir;           /* of a gift */
    uint64_t give_up_ms;  /* of an end: when to leave what cannot be written */
    uint64_t given_count, obeyed_count;
};

/* Takes the file over and starts the thread; false with errno. The sink has to stay where it is. */
__attribute__((warn_unused_result)) bool log_sink_start(struct log_sink *sink,
                                                        const struct log_sink_env *env,
                                                        struct log_file *file);
/* Writes out what is queued, for at most `within_ms`; says what is lost. False: its disk hangs, and so does the thread, which goes on
   using the sink and the rings. Else everything is released. */
__attribute__((warn_unused_result)) bool log_sink_end(struct log_sink *sink, uint64_t within_ms);

/* Opens the path anew, behind all lines queued before that can be written. Waits for it, within a bound. */
void log_sink_reopen(struct log_sink *sink);
/* Likewise goes on with another file, which it takes over; or with the one that is open, if that has only a name. */
void log_sink_swap(struct log_sink *sink, struct log_file *file);
/* Likewise gives the file to another user, who is to open it again. */
void log_sink_give(struct log_sink *sink, uid_t user);
/* Whether its file has this path. */
bool log_sink_has_path(struct log_sink *sink, const char *path);

/* There are lines to be written now. */
void log_sink_wake(struct log_sink *sink);
/* A line found no place in its ring. */
static inline void log_sink_lost(struct log_sink *sink)
{
    bound_refuse(&sink->queue, 1);
}
void log_sink_figures(const struct log_sink *sink, struct log_sink_figures *ret_figures);

#endif
