/* The question to a sibling, the sibling's answer, and answers that are late. */
#include "pool/handover.h"

#include <unistd.h>

#include "pool/descriptor.h"
#include "pool/line.h"
#include "steady/check.h"

static struct connection *connection_of(struct message *message)
{
    return container_of(message, struct connection, message);
}

static bool find_richest(const struct endpoint_local *local, unsigned *ret_index)
{
    const struct endpoint *endpoint = local->endpoint;
    const struct pools *pools = endpoint->pools;
    uint64_t most = 0;
    for (unsigned i = 0; i < pools->worker_count; i++) {
        if (i == local->worker->env.index || pools_worker(pools, i) == NULL) {
            continue;
        }
        uint64_t count = local_spare_count(&endpoint->locals[i]);
        if (count > most) {
            most = count;
            *ret_index = i;
        }
    }
    return most > 0;
}

static void no_longer_coming(struct connection *connection)
{
    struct endpoint_local *local = connection->local;
    uint32_t count = connection->ask.hoped_count;
    CHECK(local->coming.asking_count >= count && local->coming.count >= local->coming.asking_count);
    local->coming.count -= count;
    local->coming.asking_count -= count;
    if (connection->ask.for_fresh) {
        local->coming.fresh_count -= count;
    }
}

/* The answer is back at the worker that asked. */
static void on_answer(struct message *message, void *receiver)
{
    struct connection *connection = connection_of(message);
    struct endpoint_local *local = connection->local;
    struct stream stream = connection->ask.handed;
    (void)receiver;
    if (!connection->ask.late) {
        no_longer_coming(connection);
    }
    local->open_count += connection->has_place;
    connection->ready = connection->has_place;
    if (connection->session != NULL && connection->protocol->join != NULL) {
        connection->protocol->join(connection);
    }
    if (stream.fd >= 0 && !connection_watch(connection, &stream)) {
        stream_close(&stream, false);
        descriptor_give(local->worker);
    }
    /* If there was no connection, or it was wanted only for its place, it is closed and a dial takes the place. */
    bool use = stream.fd >= 0 &&
               (!connection->ask.for_fresh || local->line.count > local->line.fresh_only_count);
    local->coming.vain_count = use ? 0 : local->coming.vain_count + 1;
    if (use) {
        line_offer(local, connection);
    } else {
        connection_drop(connection, false);
    }
    line_bring(local, true);
}

/* All of this stays the same, whichever worker has the connection. */
static void move(struct connection *asking, struct connection *given)
{
    asking->facts = given->facts;
    asking->facts.reused = true;
    asking->protocol = given->protocol;
    asking->session = given->session;
    asking->lending = given->lending;
    asking->loans.allowed_count = given->loans.allowed_count;
    asking->loans.capacity_count = given->loans.capacity_count;
    asking->retire.at_ms = given->retire.at_ms;
    asking->has_place = true;
    asking->ask.handed = connection_hand_over(given);
}

static bool takes_leave(struct connection *given, const struct connection *asking)
{
    const struct connection_protocol *protocol = given->protocol;
    if (given->session != NULL && protocol->leave != NULL && !protocol->leave(given)) {
        return false;
    }
    if (stream_move(&given->stream, asking->local->worker->env.tls_scratch)) {
        return true;
    }
    if (given->session != NULL && protocol->join != NULL) {
        protocol->join(given);
    }
    return false;
}

/* At the sibling. It does not give away a connection that its own line waits for. */
static void on_ask(struct message *message, void *receiver)
{
    struct connection *asking = connection_of(message);
    struct endpoint_local *local = &asking->local->endpoint->locals[asking->ask.sibling];
    (void)receiver;
    __atomic_fetch_sub(&local->coming.asked_count, 1, __ATOMIC_RELAXED);
    struct connection *given = TAILQ_FIRST(&local->idle);
    if (given != NULL && local->line.count == local->line.fresh_only_count &&
        takes_leave(given, asking)) {
        move(asking, given);
    }
    mailbox_post(asking->local->worker->env.loop->mailbox, message, on_answer);
}

static bool ask(struct endpoint_local *local, bool for_fresh, unsigned sibling)
{
    struct connection *connection = connection_create(local, CONNECTION_ASKING);
    if (connection == NULL) {
        return false;
    }
    uint32_t hoped_count = connection->loans.capacity_count;
    connection->ask.sibling = sibling;
    connection->ask.for_fresh = for_fresh;
    connection->ask.hoped_count = hoped_count;
    local->coming.count += hoped_count;
    local->coming.asking_count += hoped_count;
    local->coming.fresh_count += for_fresh ? hoped_count : 0;
    struct pool_worker *worker = local->worker;
    wheel_arm(&worker->env.loop->wheel, &connection->timer,
              loop_clock_ms(&worker->env.loop->clock) + POOL_ASK_MS);
    __atomic_fetch_add(&local->endpoint->locals[sibling].coming.asked_count, 1, __ATOMIC_RELAXED);
    mailbox_post(pools_worker(worker->pools, sibling)->env.loop->mailbox, &connection->message,
                 on_ask);
    return true;
}

bool handover_ask(struct endpoint_local *local, bool for_fresh)
{
    unsigned sibling;
    return find_richest(local, &sibling) && ask(local, for_fresh, sibling);
}

bool handover_ask_anyone(struct endpoint_local *local)
{
    const struct pools *pools = local->endpoint->pools;
    unsigned own = local->worker->env.index;
    for (unsigned i = 0; i + 1 < pools->worker_count; i++) {
        unsigned sibling = (own + 1 + (local->coming.asked_last + i) % (pools->worker_count - 1)) %
                           pools->worker_count;
        if (pools_worker(pools, sibling) == NULL) {
            continue;
        }
        local->coming.asked_last += i + 1;
        return ask(local, false, sibling);
    }
    return false;
}

void handover_ask_besides(struct endpoint_local *local)
{
    bool asked = handover_ask(local, false);
    (void)asked;
}

void handover_late(struct connection *connection)
{
    struct endpoint_local *local = connection->local;
    no_longer_coming(connection);
    connection->ask.late = true;
    local->coming.vain_count = UINT32_MAX / 2;
    line_bring(local, true);
}
