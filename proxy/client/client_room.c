/* Room for others: the connections that have been idle for longest give their descriptors and memory up. */
#include <string.h>

#include "proxy/client/client_state.h"
#include "steady/deadline.h"
#include "steady/fds.h"

/* A connection that has been idle for less may well be about to be used. */
#define ROOM_IDLE_MS 1000
/* The clients are searched once for so many of them. */
#define ROOM_BATCH 8
/* While memory is short: upstream connections, and batches of clients, that are closed each time. */
#define PRESSED_CONNECTIONS 64
#define PRESSED_BATCHES 8

/* The clients that have been idle longest, the oldest first. */
struct oldest {
    struct client *clients[ROOM_BATCH];
    unsigned count;
};

static void oldest_offer(struct oldest *oldest, struct client *client)
{
    unsigned at = oldest->count;
    while (at > 0 && oldest->clients[at - 1]->since_ms > client->since_ms) {
        at--;
    }
    if (at == ROOM_BATCH) {
        return;
    }
    oldest->count += oldest->count < ROOM_BATCH;
    memmove(oldest->clients + at + 1, oldest->clients + at,
            (oldest->count - at - 1) * sizeof oldest->clients[0]);
    oldest->clients[at] = client;
}

/* A request that is in the socket already is served. */
static bool client_can_go(struct client *client)
{
    if (client->state != CLIENT_IDLE || client->duplex.out != NULL) {
        return false;
    }
    if (stream_probe(&client->stream) == STREAM_BLOCKED) {
        return true;
    }
    client->duplex.readable = true;
    client_run_soon(client);
    return false;
}

static void find_oldest(struct worker *worker, uint64_t before_ms, struct oldest *ret_oldest)
{
    struct client *client;
    ret_oldest->count = 0;
    TAILQ_FOREACH (client, &worker->open.all, link) {
        if (client->state == CLIENT_IDLE && client->since_ms <= before_ms) {
            oldest_offer(ret_oldest, client);
        }
    }
}

bool clients_make_room(struct worker *worker)
{
    struct oldest oldest;
    uint64_t before_ms = worker_now_ms(worker) - ROOM_IDLE_MS;
    bool made = false;
    find_oldest(worker, before_ms, &oldest);
    for (unsigned i = 0; i < ROOM_BATCH; i++) {
        uint64_t client_ms = i < oldest.count ? oldest.clients[i]->since_ms : UINT64_MAX;
        uint64_t upstream_ms = pool_idle_since_ms(worker->pool);
        if (upstream_ms <= client_ms && upstream_ms <= before_ms) {
            made = pool_close_oldest_idle(worker->pool) || made;
        } else if (i < oldest.count && client_can_go(oldest.clients[i])) {
            stat_add(&worker->stats.clients_given_up, 1);
            client_close(oldest.clients[i], false);
            made = true;
        }
    }
    return made;
}

void clients_on_fds_asked(void *owner)
{
    struct worker *worker = owner;
    if (!fds_left(&worker->env.bounds->fds, FD_FOR_CLIENT)) {
        clients_make_room(worker);
    }
}

void clients_free_memory(struct worker *worker)
{
    for (unsigned i = 0; i < PRESSED_CONNECTIONS && pool_close_oldest_idle(worker->pool); i++) {
    }
    for (unsigned i = 0; worker->pressure >= PRESSURE_PAUSE && i < PRESSED_BATCHES; i++) {
        if (!clients_make_room(worker)) {
            break;
        }
    }
}
