/* Asking, giving, and the answer, which may be late. */
#include "pool/handover.h"

#include <unistd.h>

#include "pool/descriptor.h"
#include "pool/line.h"
#include "steady/check.h"

static struct connection *connection_of(struct message *message)
{
    return container_of(message, struct connection, message);
}

static bool find_richest(const struct endpoint_slot *slot, unsigned *ret_index)
{
    const struct endpoint *endpoint = slot->endpoint;
    const struct pools *pools = endpoint->pools;
    uint64_t most = 0;
    for (unsigned i = 0; i < pools->worker_count; i++) {
        if (i == slot->worker->env.index || pools_worker(pools, i) == NULL)
            continue;
        uint64_t count = slot_spare_count(&endpoint->slots[i]);
        if (count > most) {
            most = count;
            *ret_index = i;
        }
    }
    return most > 0;
}

static void no_longer_coming(struct connection *connection)
{
    struct endpoint_slot *slot = connection->slot;
    CHECK(slot->coming_count > 0);
    slot->coming_count--;
    slot->fresh_coming_count -= connection->for_fresh;
}

/* Back at the one who asked. */
static void on_answer(struct message *message, void *receiver)
{
    struct connection *connection = connection_of(message);
    struct endpoint_slot *slot = connection->slot;
    struct stream stream = connection->handed;
    (void)receiver;
    if (!connection->late)
        no_longer_coming(connection);
    slot->open_count += connection->has_place;
    connection->ready = connection->has_place;
    if (stream.fd >= 0 && !connection_watch(connection, &stream)) {
        stream_close(&stream, false);
        descriptor_give(slot->worker);
    }
    /* In vain, or wanted only for its place: then it goes and a dial takes that. */
    bool use =
        stream.fd >= 0 && (!connection->for_fresh || slot->line_count > slot->fresh_only_count);
    slot->vain_count = use ? 0 : slot->vain_count + 1;
    if (use)
        line_offer(slot, connection);
    else
        connection_drop(connection, false);
    line_bring(slot, true);
}

/* At the sibling. What its own line waits for it does not give away. */
static void on_ask(struct message *message, void *receiver)
{
    struct connection *asking = connection_of(message);
    struct endpoint_slot *slot = &asking->slot->endpoint->slots[asking->sibling];
    (void)receiver;
    __atomic_fetch_sub(&slot->asked_count, 1, __ATOMIC_RELAXED);
    struct connection *given = TAILQ_FIRST(&slot->idle);
    if (given != NULL && slot->line_count == slot->fresh_only_count &&
        stream_move(&given->lease.stream, asking->slot->worker->env.tls_room)) {
        asking->lease.exchanges_count = given->lease.exchanges_count;
        asking->has_place = true;
        asking->retire_ms = given->retire_ms;
        asking->lease.resumed = given->lease.resumed;
        asking->lease.introduce = given->lease.introduce;
        asking->unsecured = given->unsecured;
        asking->handed = connection_hand_over(given);
        asking->lease.reused = true;
    }
    mailbox_post(asking->slot->worker->env.loop->mailbox, message, on_answer);
}

static bool ask(struct endpoint_slot *slot, bool for_fresh, unsigned sibling)
{
    struct connection *connection = connection_create(slot, CONNECTION_ASKING);
    if (connection == NULL)
        return false;
    connection->sibling = sibling;
    connection->for_fresh = for_fresh;
    slot->coming_count++;
    slot->fresh_coming_count += for_fresh;
    struct pool_worker *worker = slot->worker;
    wheel_arm(&worker->env.loop->wheel, &connection->timer,
              loop_clock_ms(&worker->env.loop->clock) + POOL_ASK_MS);
    __atomic_fetch_add(&slot->endpoint->slots[sibling].asked_count, 1, __ATOMIC_RELAXED);
    mailbox_post(pools_worker(worker->pools, sibling)->env.loop->mailbox, &connection->message,
                 on_ask);
    return true;
}

bool handover_ask(struct endpoint_slot *slot, bool for_fresh)
{
    unsigned sibling;
    return find_richest(slot, &sibling) && ask(slot, for_fresh, sibling);
}

bool handover_ask_anyone(struct endpoint_slot *slot)
{
    const struct pools *pools = slot->endpoint->pools;
    unsigned own = slot->worker->env.index;
    for (unsigned i = 0; i + 1 < pools->worker_count; i++) {
        unsigned sibling =
            (own + 1 + (slot->asked_last + i) % (pools->worker_count - 1)) % pools->worker_count;
        if (pools_worker(pools, sibling) == NULL)
            continue;
        slot->asked_last += i + 1;
        return ask(slot, false, sibling);
    }
    return false;
}

void handover_ask_besides(struct endpoint_slot *slot)
{
    bool asked = handover_ask(slot, false);
    (void)asked;
}

void handover_late(struct connection *connection)
{
    struct endpoint_slot *slot = connection->slot;
    no_longer_coming(connection);
    connection->late = true;
    slot->vain_count = UINT32_MAX / 2;
    line_bring(slot, true);
}
