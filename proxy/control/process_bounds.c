/* What there may be. */
#include "proxy/control/process_bounds.h"

#include "proxy/control/control_state.h"
#include "proxy/edge/file_search.h"
#include "steady/budget.h"

/* Descriptors that are reserved for uncounted uses: connections of the admin listener; logs, DNS, signals and the files
   that a reload reads; and for each worker its epoll and its mailbox. */
#define FD_RESERVE \
    (ADMIN_CONNECTIONS + 32 + (FILE_THREADS_LIMIT + FILE_SPARE_THREADS_LIMIT) * FILE_SEARCH_FDS)
#define FD_RESERVE_PER_WORKER 4
/* Clients beyond limits.clients that are being answered with 503. */
#define REFUSALS_LIMIT 256
/* Share of the memory budget that buffers may take. */
#define BUFFERS_MEMORY_SHARE 0.5
/* Part of that memory that may be used for payload that is kept for retries. */
#define REPLAY_MEMORY_SHARE 0.05
/* Share of the memory budget for bodies of requests that are taken in before they are forwarded. */
#define REQUEST_MEMORY_SHARE 0.2
/* Part of the memory budget that may be used for compressing responses. */
#define COMPRESS_MEMORY_SHARE 0.1
#define PIPES_PER_WORKER 256
/* Requests of our own that nobody waits for, over all workers. */
#define DETACHED_LIMIT 1024
/* Hashes of passwords that wait or run: at a tenth of a second each they wait for seconds. */
#define PASSWORD_CHECKS 128

void process_bounds_init(struct control *control)
{
    struct settings *settings = control->generations.settings;
    struct shared_bounds *bounds = &control->limits.shared;
    uint64_t fds = budget_raise_fds();
    uint64_t reserve = FD_RESERVE + (uint64_t)settings->worker_count * FD_RESERVE_PER_WORKER;
    uint64_t usable = fds > reserve * 2 ? fds - reserve : fds / 2;
    control->limits.memory_budget_bytes = settings->limits.memory_bytes != 0
                                              ? settings->limits.memory_bytes
                                              : budget_memory_bytes("", NULL);
    bound_init(&bounds->clients, "clients", NULL, settings->limits.clients_count);
    bound_init(&bounds->refusals, "refusals", NULL, REFUSALS_LIMIT);
    bound_init(&bounds->handshakes, "handshakes", NULL, settings->limits.handshakes_count);
    bound_init(&bounds->exchanges, "exchanges", NULL,
               exchanges_limit(settings, bound_limit(&bounds->refusals)));
    bound_init(&bounds->buffers_bytes, "buffers_bytes", NULL,
               (uint64_t)((double)control->limits.memory_budget_bytes * BUFFERS_MEMORY_SHARE));
    bound_init(&bounds->replay_bytes, "replay_bytes", NULL,
               (uint64_t)((double)control->limits.memory_budget_bytes * REPLAY_MEMORY_SHARE));
    fair_bound_init(&bounds->request_buffers, "request_buffer_bytes",
                    (uint64_t)((double)control->limits.memory_budget_bytes * REQUEST_MEMORY_SHARE));
    bound_init(&bounds->compress_bytes, "compress_bytes", NULL,
               (uint64_t)((double)control->limits.memory_budget_bytes * COMPRESS_MEMORY_SHARE));
    bound_init(&bounds->fds, "fds", NULL, usable);
    bound_init(&bounds->pipes, "pipes", NULL, (uint64_t)settings->worker_count * PIPES_PER_WORKER);
    bound_init(&bounds->password_checks, "password_checks", NULL, PASSWORD_CHECKS);
    bound_init(&bounds->detached_requests, "detached_requests", NULL, DETACHED_LIMIT);
    bound_init(&bounds->file_tasks, "file_tasks", NULL, FILE_TASKS_LIMIT);
    bound_init(&control->limits.generations, "generations", NULL, 2);
    bound_registry_init(&control->limits.registry);
    struct bound *const all[] = {&bounds->clients,
                                 &bounds->refusals,
                                 &bounds->exchanges,
                                 &bounds->buffers_bytes,
                                 &bounds->fds,
                                 &bounds->pipes,
                                 &bounds->handshakes,
                                 &bounds->replay_bytes,
                                 &bounds->request_buffers.bound,
                                 &bounds->detached_requests,
                                 &bounds->compress_bytes,
                                 &bounds->file_tasks,
                                 &bounds->password_checks,
                                 &control->limits.generations};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        bound_register(&control->limits.registry, all[i]);
    }
}
