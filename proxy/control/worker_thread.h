/*
 * A worker's thread, and what the control thread asks of it.
 *
 * Owns: the worker, its thread, the messages between the two, each in flight at most once. Thread: everything here is called on
 * the control thread; the answers arrive in its mailbox, and worker_thread_of() tells whose they are.
 */
#ifndef EVENKEEL_PROXY_CONTROL_WORKER_THREAD_H
#define EVENKEEL_PROXY_CONTROL_WORKER_THREAD_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "proxy/worker/worker.h"

/* What a worker is asked; it answers with the same message. */
enum worker_request {
    WORKER_PREWARM, /* connections of upstreams that only the coming set has are made; no answer */
    WORKER_ADOPT, /* the generation serves from now on; answered once listeners that it drops are left */
    WORKER_LISTEN,      /* it was held: from now on it accepts */
    WORKER_DRAIN,       /* answered once it no longer listens */
    WORKER_END_TUNNELS, /* while draining: tunnels have had their time; no answer */
    WORKER_PRESSURE, /* what memory is short for is in shared_words; answered once room is made */
    WORKER_BEAT,     /* answered at once */
    WORKER_CENSUS,   /* answered once the census is taken */
    WORKER_STOP,     /* the thread ends, and with it every exchange; no answer */
    WORKER_REQUEST_COUNT
};

struct census;

struct worker_message {
    struct message message;
    struct worker_thread *thread;
};

struct worker_thread {
    struct worker *worker;
    pthread_t handle;
    bool started;
    bool stopping; /* the thread's own, as is the rest */
    bool drained_reported;
    unsigned postponed; /* requests that are answered once listeners have left: a bit each */
    const struct upstream_set *coming;
    struct generation *generation;
    struct census *census;
    struct worker_message requests[WORKER_REQUEST_COUNT];
    struct worker_message answers[WORKER_REQUEST_COUNT];
    struct worker_message drained; /* no client is left */
};

__attribute__((warn_unused_result)) enum worker_result worker_thread_create(
    const struct worker_env *env, struct worker_thread **ret_thread);
/* Starts the thread. On WORKER_NO_THREAD errno says why. */
__attribute__((warn_unused_result)) enum worker_result worker_thread_start(
    struct worker_thread *thread);
/* Posts WORKER_STOP and waits for the end of the thread; one that was not started is fine. */
void worker_thread_stop(struct worker_thread *thread);
/* After all threads have ended, or none was started: delivers what the mailbox holds and does what was deferred; returns how much
   that was. */
uint64_t worker_thread_settle(struct worker_thread *thread);
/* Once worker_thread_settle() finds nothing at any worker. NULL is fine. */
void worker_thread_free(struct worker_thread **thread);

/* LISTEN, END_TUNNELS, PRESSURE, BEAT; on_answer is NULL where there is no answer. */
void worker_thread_ask(struct worker_thread *thread, enum worker_request request,
                       message_fn *on_answer);
void worker_thread_prewarm(struct worker_thread *thread, const struct upstream_set *coming);
void worker_thread_adopt(struct worker_thread *thread, struct generation *generation,
                         message_fn *on_adopted);
/* on_drained: once no client is left. */
void worker_thread_drain(struct worker_thread *thread, message_fn *on_closed,
                         message_fn *on_drained);

/* The census is the worker's until it answers. */
void worker_thread_census(struct worker_thread *thread, struct census *census,
                          message_fn *on_taken);

/* Whose answer a message is. */
const struct worker_thread *worker_thread_of(const struct message *message);

#endif
