/*
 * A worker: one thread, one event base, and everything that serves requests on it.
 *
 * Owns: its clients, exchanges, listeners' events, buffers, scratch memory and its part of the pools. No other thread
 * touches them; other threads reach a worker through its mailbox. Thread: its own, which proxy/control/worker_thread
 * starts. Time base: the loop clock.
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
#include "proxy/worker/blame.h"
#include "proxy/worker/generation.h"
#include "proxy/worker/stats.h"
#include "steady/bound.h"
#include "steady/buf.h"
#include "steady/enum_names.h"
#include "steady/fair_bound.h"
#include "steady/loop.h"
#include "steady/pressure.h"
#include "steady/slab.h"
#include "tls/scratch.h"

struct client;
struct passwords;
struct side_request;
struct span_rings;
struct splice_pipe;
struct file_crowd;
struct task_pool;

/* Bytes of one read; the most that a direction holds back if the other side is slow. */
#define WORKER_READ_BYTES (128u * 1024)
/* Size of a read while buffers are scarce: fits a small buffer with its framing and its TLS records. */
#define WORKER_TIGHT_BYTES (15u * 1024)
/* Buffers are scarce if an eighth of those left is less than what one read may have to keep: its payload and its
   records, each in a buffer of the largest size. So the memory of a single connection shrinks with what is left for
   all. */
#define WORKER_AMPLE_BYTES (8u * 2 * 256 * 1024)
/* Space for a head of the highest size with everything that the proxy adds, and for the added fields, in which each
   part of such a head may occur twice. */
#define WORKER_HEAD_BYTES (256u * 1024)
#define WORKER_COMPOSE_BYTES (320u * 1024)
#define WORKER_FIELDS_COUNT 1024u
/* Reads of one connection in one pass before others get their turn. */
#define WORKER_TURN_READS 16u

TAILQ_HEAD(client_list, client);
TAILQ_HEAD(side_request_list, side_request);
TAILQ_HEAD(worker_listener_list, worker_listener);
SLIST_HEAD(splice_pipe_list, splice_pipe);

/* Bounds that all workers share. */
struct shared_bounds {
    struct bound clients;
    struct bound refusals;   /* clients that were answered with 503 and are not closed yet */
    struct bound handshakes; /* TLS handshakes with clients in progress */
    struct bound exchanges;
    struct bound buffers_bytes;
    struct bound replay_bytes;         /* payload of requests that is kept for a retry */
    struct fair_bound request_buffers; /* bytes of bodies that are taken in (buffer_request) */
    struct bound compress_bytes;       /* encoders of responses */
    struct bound fds;                  /* taken by fds_take() */
    struct bound pipes;
    struct bound password_checks;   /* hashes of passwords that wait or run */
    struct bound detached_requests; /* side requests that no exchange waits for */
    struct bound file_tasks;        /* requests that wait for a disk to find their file */
};

/* Words that all threads share; atomic. */
struct shared_words {
    uint32_t ready;            /* whether the process is */
    uint32_t pressure;         /* enum pressure_step: how short memory is */
    uint32_t underscores_told; /* the log has said that fields with "_" are dropped */
};

struct worker_env {
    unsigned index;
    unsigned worker_count;
    struct log *log;
    struct shared_bounds *bounds;
    struct pools *pools;
    struct task_pool *files; /* for what waits for disks */
    struct file_crowd *file_crowd;
    struct mailbox *control; /* mailbox for answers */
    struct shared_words *shared;
    uint64_t strata_seed; /* seed of the strata of requests; a secret of the process */
    bool held;            /* the worker does not accept until it is told to listen */
    size_t client_bytes, stream_bytes, exchange_bytes; /* sizes of the objects in its slabs */
    void (*on_fds_asked)(void *worker);                /* see struct pool_worker_env */
    struct task_pool *hashing;                         /* threads for hashes of passwords */
    struct passwords *passwords;
    struct span_rings *spans; /* of all workers */
};

/* The space of a frame that the HTTP/2 clients of a worker share. */
#define WORKER_FRAME_BYTES (17u * 1024)

/* Clients, oldest first. A client before or in its TLS handshake is also in a second list. */
/* Turns of HTTP/2 clients (proxy/client/h2_turn.h), and what is done little of in a pass. */
struct worker_turns {
    uint64_t suspect_ms;     /* when the last of the turns is that suspects wait for */
    uint64_t pass;           /* the pass of the loop of which the counts are */
    unsigned full_count;     /* turns that took all that a turn may */
    unsigned discards_count; /* reads of what nobody wants */
};

struct worker_clients {
    struct slab *streams;      /* of HTTP/2 clients */
    struct blame blame;        /* likewise */
    struct worker_turns turns; /* likewise */
    struct client_list all;
    struct client_list silent;         /* no byte of a handshake has arrived */
    struct client_list shaking;        /* the handshake is in progress */
    struct side_request_list detached; /* requests of our own that no client waits for */
};

/* Empty pipes that are kept for the next large body. */
struct worker_pipes {
    struct splice_pipe_list list;
    unsigned count;
};

/* The wall clock, read once a second. */
struct worker_date {
    uint64_t second;    /* second of the loop clock for which `text` is valid */
    uint64_t offset_ms; /* CLOCK_REALTIME minus CLOCK_MONOTONIC */
    char text[32];      /* IMF-fixdate (RFC 9110 5.6.7) */
};

struct worker {
    struct event_base *base;
    struct loop loop;
    struct pool_worker *pool;
    struct generation *generation; /* the generation that serves new requests */
    struct slab *clients;
    struct slab *exchanges;
    struct buf_pool *bufs;
    struct tls_scratch *tls_scratch;
    struct access_ring *access;
    char *read_scratch; /* WORKER_READ_BYTES */
    char *
        write_scratch; /* WORKER_HEAD_BYTES, and WORKER_COMPOSE_BYTES behind them, and WORKER_FRAME_BYTES */
    struct http_field *fields;         /* WORKER_FIELDS_COUNT fields, for the head being parsed */
    struct http_field *trailer_fields; /* WORKER_FIELDS_COUNT fields, for trailers */
    struct worker_stats stats;
    struct worker_clients open;
    struct worker_listener_list listeners;
    struct worker_pipes pipes;
    struct worker_date date;
    bool held;
    bool draining;
    uint8_t pressure; /* enum pressure_step, as this worker was told last */
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
/* Its thread has ended, or there was none; it has no clients, no messages and no deferred work. NULL is fine. */
void worker_free(struct worker **worker);

/* ---- on the worker's thread ---- */

/* One pass of its loop: waits, runs what is ready, then deferred work, then frees. */
void worker_pass(struct worker *worker);

static inline uint64_t worker_now_ms(struct worker *worker)
{
    return loop_now_ms(&worker->loop);
}
static inline char *worker_frame_space(const struct worker *worker)
{
    return worker->write_scratch + WORKER_HEAD_BYTES + WORKER_COMPOSE_BYTES;
}
static inline bool worker_ready(const struct worker *worker)
{
    return __atomic_load_n(&worker->env.shared->ready, __ATOMIC_RELAXED) != 0;
}
/* However short memory is, so many exchanges of a worker go on at a time: if what fills it is not theirs, it would not help to
   refuse them all. */
#define WORKER_PRESSED_EXCHANGES 16
/* Whether memory is so short that new requests are refused. */
static inline bool worker_refuses_work(const struct worker *worker)
{
    return __builtin_expect(worker->pressure >= PRESSURE_REFUSE, 0) &&
           stat_read(&worker->stats.exchanges_started) -
                   stat_read(&worker->stats.exchanges_finished) >
               WORKER_PRESSED_EXCHANGES;
}
static inline bool worker_has_ample_buffers(const struct worker *worker)
{
    const struct bound *bytes = &worker->env.bounds->buffers_bytes;
    return bound_used(bytes) + WORKER_AMPLE_BYTES <= bound_limit(bytes);
}
/* The current Date; refreshed once a second. */
const char *worker_date(struct worker *worker);
uint64_t worker_wall_ms(struct worker *worker);
/* Counted anew in each pass. */
struct worker_turns *worker_turns_of_pass(struct worker *worker);
/* Gives units of the bound on descriptors back, and calls a waiter for one. */
void worker_give_fds(struct worker *worker, uint64_t count);

#endif
