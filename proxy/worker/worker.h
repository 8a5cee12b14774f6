/*
 * A worker: one thread, one event base, and everything that serves requests on it.
 *
 * Owns: its clients, exchanges, listeners' events, buffers, scratch memory and its side of the pools. Nobody else touches them;
 * other threads reach a worker through its mailbox. Thread: its own, which proxy/control/worker_thread starts. Time base: the loop clock.
 */
#ifndef EVENKEEL_PROXY_WORKER_WORKER_H
#define EVENKEEL_PROXY_WORKER_WORKER_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "pool/lease.h"
#include "proxy/http/http_head.h"
#include "proxy/log/log.h"
#include "proxy/worker/generation.h"
#include "proxy/worker/stats.h"
#include "steady/bound.h"
#include "steady/buf.h"
#include "steady/enum_names.h"
#include "steady/loop.h"
#include "steady/slab.h"
#include "tls/scratch.h"

struct client;
struct splice_pipe;

/* One read's worth; what a direction may hold back at most when the far side is slow. */
#define WORKER_READ_BYTES (128u * 1024)
/* While buffers are scarce: what fits a small one with its framing and its TLS records. */
#define WORKER_TIGHT_BYTES (15u * 1024)
/* Buffers are scarce when an eighth of those left is less than what one read may have to keep: its payload and its records, each in
   a buffer of the largest kind. So what a single connection may hold shrinks with what is left for all. */
#define WORKER_AMPLE_BYTES (8u * 2 * 256 * 1024)
/* Space for a head at its limit with everything the proxy adds, and for what is added, where each part of such a head may occur twice. */
#define WORKER_HEAD_BYTES (256u * 1024)
#define WORKER_COMPOSE_BYTES (320u * 1024)
#define WORKER_FIELDS_COUNT 1024u
/* Reads one connection may do in one pass before others get their turn. */
#define WORKER_TURN_READS 16u

TAILQ_HEAD(client_list, client);
TAILQ_HEAD(worker_listener_list, worker_listener);
SLIST_HEAD(splice_pipe_list, splice_pipe);

/* Bounds that all workers share. */
struct shared_bounds {
    struct bound clients;
    struct bound refusals;   /* clients told 503 that are still listening */
    struct bound handshakes; /* TLS handshakes with clients under way */
    struct bound exchanges;
    struct bound buffers_bytes;
    struct bound replay_bytes; /* payload of requests kept to be sent again */
    struct bound fds;          /* taken by fds_take() */
    struct bound pipes;
};

struct worker_env {
    unsigned index;
    unsigned worker_count;
    struct log *log;
    struct shared_bounds *bounds;
    struct pools *pools;
    struct mailbox *control;             /* where answers go */
    const uint32_t *ready;               /* whether the process is; atomic */
    uint64_t strata_seed;                /* of requests; secret, the process's */
    bool held;                           /* does not accept before it is told to listen */
    size_t client_bytes, exchange_bytes; /* of the objects in its slabs */
};

/* Clients, oldest first. Who has not begun TLS, or not ended its handshake, stands in a second list. */
struct worker_clients {
    struct client_list all;
    struct client_list silent;  /* nothing of a handshake has come */
    struct client_list shaking; /* part of one has */
};

/* The wall clock, read once a second. */
struct worker_date {
    uint64_t second;    /* of the loop clock, that `text` stands for */
    uint64_t offset_ms; /* CLOCK_REALTIME minus CLOCK_MONOTONIC */
    char text[32];      /* IMF-fixdate (RFC 9110 5.6.7) */
};

struct worker {
    struct event_base *base;
    struct loop loop;
    struct pool_worker *pool;
    struct generation *generation; /* what new requests are served by */
    struct slab *clients;
    struct slab *exchanges;
    struct buf_pool *bufs;
    struct tls_scratch *tls_scratch;
    struct access_ring *access;
    char *read_scratch;                /* WORKER_READ_BYTES */
    char *write_scratch;               /* WORKER_HEAD_BYTES, and WORKER_COMPOSE_BYTES behind them */
    struct http_field *fields;         /* WORKER_FIELDS_COUNT, of the head being parsed */
    struct http_field *trailer_fields; /* likewise, of trailers */
    struct worker_stats stats;
    struct worker_clients open;
    struct worker_listener_list listeners;
    struct splice_pipe_list pipes; /* empty pipes kept for the next large body */
    unsigned pipe_count;
    struct worker_date date;
    bool held;
    bool draining;
    struct worker_env env;
    struct event mail_event;
    struct event wheel_event;
    uint64_t wheel_armed_ms;
};

#define WORKER_RESULTS(X)             \
    X(WORKER_OK, "ok")                \
    X(WORKER_NO_MEMORY, "no_memory")  \
    X(WORKER_NO_FD, "no_descriptors") \
    X(WORKER_NO_THREAD, "no_thread")
enum worker_result { ENUM_VALUES(WORKER_RESULTS) };
const char *worker_result_name(enum worker_result value);

__attribute__((warn_unused_result)) enum worker_result worker_create(const struct worker_env *env,
                                                                     struct worker **ret_worker);
/* Its thread has ended, or there was none; it has no client, no mail and nothing deferred. NULL is fine. */
void worker_free(struct worker **worker);

/* ---- on the worker's thread ---- */

/* One pass of its loop: waits, runs what is ready, then what was deferred, then frees. */
void worker_pass(struct worker *worker);

static inline uint64_t worker_now_ms(struct worker *worker)
{
    return loop_now_ms(&worker->loop);
}
static inline bool worker_ready(const struct worker *worker)
{
    return __atomic_load_n(worker->env.ready, __ATOMIC_RELAXED) != 0;
}
static inline bool worker_has_ample_buffers(const struct worker *worker)
{
    const struct bound *bytes = &worker->env.bounds->buffers_bytes;
    return bound_used(bytes) + WORKER_AMPLE_BYTES <= bound_limit(bytes);
}
/* The Date of now; refreshed once a second. */
const char *worker_date(struct worker *worker);
uint64_t worker_wall_ms(struct worker *worker);
/* Gives units of the bound on descriptors back, and calls who waits for one. */
void worker_give_fds(struct worker *worker, uint64_t count);

#endif
