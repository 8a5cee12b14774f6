/*
 * What the files of pool/ share: the process-wide state and a worker's.
 *
 * Owns: struct pools: the lists of upstreams and sets (control thread), the bounds (any thread), the table of
 * workers (each writes its own entry). struct pool_worker: its worker's alone, but for env, which siblings read. Thread: as
 * said there.
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
#include "steady/waitlist.h"

/* Dials in flight at most: of a worker, and of a worker at one endpoint. A burst beyond waits in line:
   handshakes collapse rather than pile up. */
#define POOL_WORKER_DIALS 128
#define POOL_ENDPOINT_DIALS 32
/* A sibling that does not answer an ask for so long is not waited for. */
#define POOL_ASK_MS 50
/* Endpoints and upstreams of the whole process. */
#define POOL_ENDPOINTS 16384
#define POOL_UPSTREAMS 4096
#define POOL_RECHECK_MS 100
/* A new endpoint is spared traffic for so long at most while it gets warm. */
#define POOL_COLD_MS 3000

struct upstream_local;

TAILQ_HEAD(endpoint_local_list, endpoint_local);
TAILQ_HEAD(upstream_list, upstream_private);
TAILQ_HEAD(upstream_set_list, upstream_set_record);

struct pools {
    unsigned worker_count;
    struct bound_registry *registry;
    struct bound *fds;
    struct bound upstreams, endpoints;
    struct bound upstream_connections; /* any state with a descriptor */
    struct bound idle_connections;     /* counted by workers, published with the figures */
    struct bound dials_in_flight;
    struct bound fd_waiting; /* upstream_locals in this list */
    struct waitlist fd_waitlist;
    struct waitlist_local *fd_locals;              /* [worker] */
    struct pool_worker *workers[POOL_MAX_WORKERS]; /* atomic */
    struct upstream_list known;
    struct upstream_set_list sets; /* newest first, retired ones too */
    struct pools_hooks hooks;
    struct health *health; /* NULL: not started */
    struct tls_clients *tls;
    pools_names_fn *names; /* NULL: no name stands for anything */
    void *names_owner;
    /* Changed by tests only. */
    uint64_t recheck_ms; /* of the wait lists of upstreams */
};

struct pool_worker {
    struct pool_worker_env env;
    struct pools *pools;
    const struct upstream_set *set;    /* adopted */
    const struct upstream_set *coming; /* prewarmed, not yet adopted; NULL: none */
    uint64_t stamp;                    /* adoptions */
    bool draining;
    uint64_t dialling_count;
    uint64_t connection_count, request_count;
    struct slab *slab;
    struct connection_list connections; /* all */
    struct endpoint_local_list starved; /* locals whose line waits for a dial to end */
    struct message fd_asked;            /* from siblings: can it spare a descriptor? */
};

/* Serves the local's line, and what upkeep misses there, at the end of the loop's pass. */
void pool_worker_schedule_endpoint(struct pool_worker *worker, struct endpoint_local *local);
/* Serves the local's line when a dial of this worker has ended. */
void pool_worker_starve_endpoint(struct pool_worker *worker, struct endpoint_local *local);
/* A dial has ended: lines that wait for that go on. */
void pool_worker_dial_ended(struct pool_worker *worker);

static inline struct pool_worker *pools_worker(const struct pools *pools, unsigned index)
{
    return __atomic_load_n(&pools->workers[index], __ATOMIC_ACQUIRE);
}

#endif
