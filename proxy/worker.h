/*
 * A worker: one thread, one event base, and everything that serves requests on it.
 *
 * Owns: its clients, exchanges, listeners' events, buffers, scratch memory and its side of the pools. Nobody else touches them;
 * other threads reach a worker through its mailbox. Thread: its own, after worker_start().
 */
#ifndef EVENKEEL_PROXY_WORKER_H
#define EVENKEEL_PROXY_WORKER_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "pool/lease.h"
#include "proxy/generation.h"
#include "proxy/http_head.h"
#include "proxy/log.h"
#include "proxy/stats.h"
#include "steady/bound.h"
#include "steady/buf.h"
#include "steady/graveyard.h"
#include "steady/loop_clock.h"
#include "steady/mailbox.h"
#include "steady/rng.h"
#include "steady/slab.h"
#include "steady/wheel.h"
#include "tls/room.h"

struct client;
struct splice_pipe;

/* One read's worth; what a direction may hold back at most when the far side is slow. */
#define WORKER_READ_BYTES (128u * 1024)
/* Room for a head at its limit with everything the proxy adds. */
#define WORKER_WRITE_BYTES (256u * 1024)
#define WORKER_FIELDS_COUNT 1024u
/* Reads one connection may do in one pass before others get their turn. */
#define WORKER_TURN_READS 16u

/* Work to be taken up after this pass, without waiting: how a busy connection lets others go first. */
struct again {
    TAILQ_ENTRY(again) link;
    void (*run)(struct again *again);
    bool queued;
};
TAILQ_HEAD(again_list, again);
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
    struct bound fds;
    uint64_t upstream_fds_count; /* of fds, not for clients: what is accepted can be served */
    struct bound pipes;
};

/* Beyond this the descriptors are left to upstream connections. */
static inline bool bounds_fds_left(const struct shared_bounds *bounds)
{
    return bound_used(&bounds->fds) + bounds->upstream_fds_count < bound_limit(&bounds->fds);
}

struct worker_env {
    unsigned index;
    unsigned worker_count;
    struct log *log;
    struct shared_bounds *bounds;
    struct pools *pools;
    struct mailbox *control; /* where answers go */
    const uint32_t *ready;   /* whether the process is; atomic */
    bool held;               /* does not accept before worker_post_listen() */
};

struct worker {
    struct event_base *base;
    struct loop_clock clock;
    struct wheel wheel;
    struct rng rng;
    struct graveyard graveyard;
    struct again_list again;
    struct pool_worker *pool;
    struct generation *generation; /* what new requests are served by */
    struct slab *clients;
    struct slab *exchanges;
    struct buf_pool *bufs;
    struct tls_room *tls_room;
    struct access_ring *access;
    char *read_scratch;                /* WORKER_READ_BYTES */
    char *write_scratch;               /* WORKER_WRITE_BYTES */
    struct http_field *fields;         /* WORKER_FIELDS_COUNT, of the head being parsed */
    struct http_field *trailer_fields; /* likewise, of trailers */
    struct worker_stats stats;
    struct client_list open; /* every client */
    struct worker_listener_list listeners;
    struct splice_pipe_list pipes; /* empty pipes kept for the next large body */
    unsigned pipe_count;
    uint64_t wall_offset_ms; /* CLOCK_REALTIME minus CLOCK_MONOTONIC, refreshed with the date */
    uint64_t date_s;         /* the second date_text stands for */
    char date_text[32];      /* IMF-fixdate (RFC 9110 5.6.7) */
    bool held;
    bool draining;
    bool stopping;
    bool drained_told;
    struct worker_env env;
    struct mailbox *mailbox;
    struct event mail_event;
    struct event wheel_event;
    uint64_t wheel_armed_ms;
    pthread_t thread;
    bool started;
    /* messages from the control thread, each in flight at most once */
    struct message prewarm, adopt, listen, drain, end_tunnels, stop, beat;
    const struct upstream_set *prewarm_set;
    struct generation *adopt_generation;
    /* answers to it */
    struct message adopted, listening, closed, drained, beaten;
};

enum worker_result { WORKER_OK, WORKER_NO_MEMORY, WORKER_NO_FD, WORKER_NO_THREAD };
const char *worker_result_name(enum worker_result result);

__attribute__((warn_unused_result)) enum worker_result worker_create(const struct worker_env *env,
                                                                     struct worker **ret_worker);
/* Starts the thread. */
__attribute__((warn_unused_result)) enum worker_result worker_start(struct worker *worker);
/* After all threads have ended, or none was started: delivers what the mailbox holds and does what was put off; returns how much
   that was. */
uint64_t worker_settle(struct worker *worker);
/* After worker_join() and once worker_settle() finds nothing at any worker. NULL is fine. */
void worker_free(struct worker **worker);

/* From the control thread. adopt: the worker answers with `adopted` to env.control; drain: with `closed` once it no
   longer listens, and with `drained` once no client is left. */
void worker_post_adopt(struct worker *worker, struct generation *generation,
                       message_fn *on_adopted);
/* Before an adoption: connections of upstreams that only the coming set has are made. No answer. */
void worker_post_prewarm(struct worker *worker, const struct upstream_set *coming);
void worker_post_drain(struct worker *worker, message_fn *on_closed, message_fn *on_drained);
/* It was held: from now on it accepts, and answers with `listening`. */
void worker_post_listen(struct worker *worker, message_fn *on_listening);
/* While draining: tunnels have had their time. */
void worker_post_end_tunnels(struct worker *worker);
/* Answered with `beaten`. */
void worker_post_beat(struct worker *worker, message_fn *on_beaten);
/* The thread ends, and with it every exchange. */
void worker_post_stop(struct worker *worker);
void worker_join(struct worker *worker);

/* On the worker's thread. */
static inline uint64_t worker_now_ms(struct worker *worker)
{
    return loop_clock_ms(&worker->clock);
}
static inline bool worker_ready(const struct worker *worker)
{
    return __atomic_load_n(worker->env.ready, __ATOMIC_RELAXED) != 0;
}
void worker_again(struct worker *worker, struct again *again);
void worker_again_cancel(struct worker *worker, struct again *again);
/* The Date of now; refreshed once a second. */
const char *worker_date(struct worker *worker);
uint64_t worker_wall_ms(struct worker *worker);
/* Gives units of the bound on descriptors back, and calls who waits for one. */
void worker_give_fds(struct worker *worker, uint64_t count);
/* A client has gone: tells control when that was the last one of a drain; resumes paused listeners. */
void worker_client_gone(struct worker *worker);

#endif
