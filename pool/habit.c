/* One word for each endpoint, changed by the workers that see its responses. */
#include "pool/habit.h"

#include "pool/handover.h"
#include "pool/upkeep.h"

/* Ends the local's connections at rest that have carried nothing. */
static void clear_rest(struct endpoint_local *local)
{
    struct connection *connection, *next;
    for (connection = TAILQ_FIRST(&local->idle); connection != NULL; connection = next) {
        next = TAILQ_NEXT(connection, spare_link);
        if (connection->facts.exchanges_count == 0) {
            connection_end(connection, ENDING_SURPLUS);
        }
    }
}

static void enter(struct endpoint *endpoint, enum endpoint_habit habit)
{
    __atomic_store_n(&endpoint->upkeep.closes_row, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&endpoint->upkeep.habit, habit, __ATOMIC_RELAXED);
}

/* What siblings have at rest is asked for, and closed when it arrives. */
static void begin_to_close(struct endpoint_local *local)
{
    enter(local->endpoint, HABIT_CLOSES);
    clear_rest(local);
    while (handover_ask(local, false)) {
        ;
    }
}

/* Whether a response of this worker has left its connection open at or after this time. */
static bool has_kept_since(const struct endpoint_local *local, uint64_t since_ms)
{
    const struct connection *connection;
    TAILQ_FOREACH (connection, &local->worker->connections, link) {
        if (connection->local == local && connection->facts.exchanges_count > 0 &&
            connection->idle_since_ms >= since_ms) {
            return true;
        }
    }
    return false;
}

/* One more fresh connection was closed. True: they are a row that is long enough. Only a row of that length is looked at,
   because the look costs a pass over the connections. */
static bool row_is_full(struct endpoint_local *local)
{
    struct endpoint_upkeep *upkeep = &local->endpoint->upkeep;
    uint32_t row = __atomic_add_fetch(&upkeep->closes_row, 1, __ATOMIC_RELAXED);
    if (row == 1) {
        __atomic_store_n(&upkeep->row_since_ms, loop_clock_ms(&local->worker->env.loop->clock),
                         __ATOMIC_RELAXED);
    }
    if (row < HABIT_CLOSES_ROW) {
        return false;
    }
    bool kept = has_kept_since(local, count_read(&upkeep->row_since_ms));
    if (kept) {
        __atomic_store_n(&upkeep->closes_row, 0, __ATOMIC_RELAXED);
    }
    return !kept;
}

void habit_told_last(struct connection *connection)
{
    struct endpoint *endpoint = connection->local->endpoint;
    bool fresh = connection->facts.exchanges_count == 0;
    switch (endpoint_habit(endpoint)) {
    case HABIT_UNKNOWN: begin_to_close(connection->local); break;
    case HABIT_KEEPS:
        if (!fresh) {
            __atomic_store_n(&endpoint->upkeep.closes_row, 0, __ATOMIC_RELAXED);
        } else if (row_is_full(connection->local)) {
            begin_to_close(connection->local);
        }
        break;
    case HABIT_CLOSES: break;
    }
}

bool habit_limit_reached(struct connection *connection)
{
    struct endpoint_local *local = connection->local;
    if (endpoint_habit(local->endpoint) != HABIT_KEEPS) {
        enter(local->endpoint, HABIT_KEEPS);
        upkeep_fill(local);
    }
    connection->loans.exchanges_limit = connection_exchanges_limit(connection);
    return connection->facts.exchanges_count >= connection->loans.exchanges_limit;
}

bool habit_holds_back(const struct endpoint *endpoint)
{
    return endpoint_habit(endpoint) == HABIT_UNKNOWN && endpoint_waits(endpoint) &&
           count_read(&endpoint->in_flight) > 0;
}

bool habit_unwelcome(const struct connection *connection)
{
    const struct endpoint *endpoint = connection->local->endpoint;
    if (connection->facts.exchanges_count > 0 || connection->protocol->shares) {
        return false;
    }
    switch (endpoint_habit(endpoint)) {
    case HABIT_UNKNOWN: return habit_holds_back(endpoint);
    case HABIT_KEEPS: return false;
    case HABIT_CLOSES: return true;
    }
    return false;
}

void habit_shares(struct endpoint_local *local)
{
    if (endpoint_habit(local->endpoint) != HABIT_KEEPS) {
        enter(local->endpoint, HABIT_KEEPS);
        upkeep_fill(local);
    }
}

void habit_make_way(struct endpoint_local *local)
{
    const struct endpoint *endpoint = local->endpoint;
    if (endpoint_habit(endpoint) == HABIT_UNKNOWN && endpoint_waits(endpoint)) {
        clear_rest(local);
    }
}
