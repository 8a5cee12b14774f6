/*
 * What the files of pool/ share: the state of the process and that of a worker.
 *
 * Owns: struct pools: the lists of upstreams and sets (control thread), the bounds (any thread), the table of workers
 * (each worker writes its own entry). struct pool_worker belongs to its worker alone, except `env`, which siblings
 * read. Thread: as said there.
 */
#ifndef EVENKEEL_POOL_POOLS_H
#define EVENKEEL_POOL_POOLS_H

#include <event2/event_struct.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "pool/endpoint.h"
#include "pool/lease.h"
#include "pool/upstream.h"
#include "steady/bound.h"
#include "steady/text_index.h"
#include "steady/waitlist.h"

/* Highest number of dials in progress: of a worker, and of a worker to one endpoint. Further requests wait in line, so
   that they share the connections of a burst. */
#define POOL_WORKER_DIALS 128
#define POOL_ENDPOINT_DIALS 32
/* After this time the answer of a sibling is not waited for. */
#define POOL_ASK_MS 50
/* Highest numbers of endpoints and upstreams in the process. */
#define POOL_ENDPOINTS 65536
#define POOL_UPSTREAMS 16384
#define POOL_RECHECK_MS 100
/* A new endpoint gets no traffic for at most this time while it warms up. */
#define POOL_COLD_MS 3000

struct connection_protocol;
struct probe_speech;
struct upstream_local;

TAILQ_HEAD(endpoint_local_list, endpoint_local);
TAILQ_HEAD(upstream_list, upstream_private);
TAILQ_HEAD(upstream_set_list, upstream_set_record);

/* Who finds the addresses of names. */
struct pools_names {
    pools_names_fn *find; /* NULL: no name has an address */
    void *owner;
};

struct pools {
    unsigned worker_count;
    struct bound_registry *registry;
    struct bound *fds;
    struct bound upstreams, endpoints;
    struct bound upstream_connections; /* connections in any state that has a descriptor */
    struct bound idle_connections;     /* counted by workers, published with the figures */
    struct bound dials_in_flight;
    struct bound fd_waiting; /* `upstream_local`s in the wait list for descriptors */
    struct waitlist fd_waitlist;
    struct waitlist_local *fd_locals;              /* [worker] */
    struct pool_worker *workers[POOL_MAX_WORKERS]; /* atomic */
    struct upstream_list known;
    struct text_index known_by_name;
    uint64_t known_count;          /* ever: the number of the latest one */
    struct upstream_set_list sets; /* newest first, retired ones included */
    struct pools_hooks hooks;
    uint32_t lean; /* atomic: memory is short, so nothing is dialled ahead of requests */
    const struct connection_protocol *http2; /* NULL: everything is HTTP/1 */
    const struct probe_speech *probe_http2;  /* NULL likewise */
    struct health *health;                   /* NULL: not started */
    struct tls_clients *tls;
    struct seal_key token_key; /* of the endpoints' tokens */
    struct pools_names names;
    /* Only tests change these. */
    uint64_t recheck_ms; /* interval of the checks in the wait lists of upstreams */
};

struct pool_worker {
    struct pool_worker_env env;
    struct pools *pools;
    const struct upstream_set *set;    /* adopted */
    const struct upstream_set *coming; /* prewarmed and not yet adopted; NULL: none */
    uint64_t stamp;                    /* number of adoptions */
    bool draining;
    uint64_t dialling_count;
    uint64_t connection_count, request_count;
    struct slab *slab;
    struct connection_list connections; /* all */
    struct endpoint_local_list starved; /* locals whose line waits until a dial ends */
    struct message fd_asked;            /* from siblings: can this worker spare a descriptor? */
};

/* Serves the local's line and its upkeep at the end of the loop's pass. */
void pool_worker_schedule_endpoint(struct pool_worker *worker, struct endpoint_local *local);
/* Serves the local's line when a dial of this worker has ended. */
void pool_worker_starve_endpoint(struct pool_worker *worker, struct endpoint_local *local);
/* A dial has ended: lines that waited for that continue. */
void pool_worker_dial_ended(struct pool_worker *worker);

static inline struct pool_worker *pools_worker(const struct pools *pools, unsigned index)
{
    return __atomic_load_n(&pools->workers[index], __ATOMIC_ACQUIRE);
}

#endif
