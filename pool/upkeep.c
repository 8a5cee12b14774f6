/* Dials missing connections, replaces overdue ones, and restores lost ones. */
#include "pool/upkeep.h"

#include "pool/descriptor.h"
#include "pool/dial.h"
#include "pool/habit.h"
#include "pool/warmth.h"
#include "steady/check.h"

/* A connection that has carried a request within this time counts as needed. */
#define RECENT_MS 1500
/* A connection that ends this soon and has carried no request counts as a failed dial. */
#define YOUNG_MS 1000
#define YOUNG_FORGOTTEN_MS 5000
/* How long the number of connections before a loss stays the target. */
#define TARGET_MS 30000
/* Wait when the process lacks what a dial needs. */
#define SHORTAGE_MS 1000
/* Wait while an endpoint has not answered its first request, whose end may tell nobody. */
#define HELD_BACK_MS 1000

static void on_timer(struct wheel_timer *timer, uint64_t now_ms);

static struct endpoint_local *local_of(struct upkeep *upkeep)
{
    return container_of(upkeep, struct endpoint_local, upkeep);
}

static uint64_t now_of(const struct endpoint_local *local)
{
    return loop_clock_ms(&local->worker->env.loop->clock);
}

static uint64_t read_shared(const uint64_t *value)
{
    return __atomic_load_n(value, __ATOMIC_RELAXED);
}

static void write_shared(uint64_t *value, uint64_t to)
{
    __atomic_store_n(value, to, __ATOMIC_RELAXED);
}

void upkeep_init(struct endpoint_local *local)
{
    TAILQ_INIT(&local->upkeep.overdue);
    wheel_timer_init(&local->upkeep.timer, on_timer);
}

/* ---- when to look again ---- */

/* An armed timer keeps the endpoint in memory. */
static void arm(struct endpoint_local *local, uint64_t due_ms)
{
    struct wheel_timer *timer = &local->upkeep.timer;
    if (wheel_timer_armed(timer) && timer->due_ms <= due_ms) {
        return;
    }
    if (!wheel_timer_armed(timer)) {
        endpoint_local_use(local);
    }
    wheel_arm(&local->worker->env.loop->wheel, timer, due_ms);
}

static void disarm(struct endpoint_local *local)
{
    if (!wheel_timer_armed(&local->upkeep.timer)) {
        return;
    }
    wheel_disarm(&local->worker->env.loop->wheel, &local->upkeep.timer);
    endpoint_local_leave(local);
}

static void on_timer(struct wheel_timer *timer, uint64_t now_ms)
{
    struct upkeep *upkeep = container_of(timer, struct upkeep, timer);
    struct endpoint_local *local = local_of(upkeep);
    (void)now_ms;
    pool_worker_schedule_endpoint(local->worker, local);
    endpoint_local_leave(local);
}

static void retire_at(struct connection *connection, uint64_t retire_ms)
{
    struct endpoint_local *local = connection->local;
    connection->retire.at_ms = retire_ms;
    wheel_arm(&local->worker->env.loop->wheel, &connection->retire.timer, retire_ms);
    if (connection->retire.place > 0) {
        retirements_change(&local->retirements, connection->retire.place - 1, (uint32_t)-1);
    }
    connection->retire.place = 1 + retirements_add(&local->retirements, retire_ms);
}

/* A restart is a loss of every connection: the number that was needed before it is dialled again. */
static void recall(struct endpoint_local *local)
{
    struct upkeep *upkeep = &local->upkeep;
    const struct endpoint *endpoint = local->endpoint;
    uint64_t needed_count = endpoint_needed_count(endpoint);
    if (upkeep->recalled || needed_count == 0) {
        return;
    }
    upkeep->recalled = true;
    uint64_t share_count = warmth_share_count(needed_count, local->worker->env.index,
                                              endpoint->pools->worker_count, endpoint->turn);
    write_shared(&upkeep->target_count, share_count);
    upkeep->target_until_ms = now_of(local) + TARGET_MS;
}

void upkeep_adopt(struct endpoint_local *local, const struct upstream_settings *settings)
{
    struct upkeep *upkeep = &local->upkeep;
    const struct pool_settings *pool = &settings->pool;
    struct endpoint *endpoint = local->endpoint;
    uint64_t level_count =
        pool->warm_min_count < pool->max_count ? pool->warm_min_count : pool->max_count;
    upkeep->shortened = pool->lifetime_ms < upkeep->lifetime_ms;
    upkeep->lifetime_ms = pool->lifetime_ms;
    upkeep->jitter_share = pool->jitter_share;
    retirements_init(&local->retirements, pool->lifetime_ms, pool->jitter_share);
    upkeep->idle_configured_ms = pool->idle_ms;
    local->limits.idle_ms = idle_limit_ms(&upkeep->idle_limit, pool->idle_ms, now_of(local));
    write_shared(&endpoint->upkeep.warm_count, level_count);
    __atomic_store_n(&endpoint->upkeep.warm_waits, pool->warm_auto, __ATOMIC_RELAXED);
    if (!local->kept) {
        return;
    }
    upkeep->fill_upto_count = warmth_share_count(level_count, local->worker->env.index,
                                                 endpoint->pools->worker_count, endpoint->turn);
    recall(local);
    if (local->open_count < upkeep->fill_upto_count || local->open_count < upkeep->target_count) {
        pool_worker_schedule_endpoint(local->worker, local);
    }
}

void upkeep_shorten(struct connection *connection)
{
    struct endpoint_local *local = connection->local;
    const struct upkeep *upkeep = &local->upkeep;
    if (!upkeep->shortened || !connection->ready) {
        return;
    }
    uint64_t retire_ms =
        now_of(local) + warmth_lifetime_ms(upkeep->lifetime_ms, upkeep->jitter_share,
                                           &local->worker->env.loop->rng);
    if (retire_ms < connection->retire.at_ms) {
        retire_at(connection, retire_ms);
    }
}

void upkeep_stop(struct endpoint_local *local)
{
    local->upkeep.fill_upto_count = 0;
    write_shared(&local->upkeep.target_count, 0);
    disarm(local);
}

/* ---- dialling ahead ---- */

enum ahead_result {
    AHEAD_STARTED,
    AHEAD_ENOUGH, /* no place below the level */
    AHEAD_LATER,  /* too many dials are in progress, or descriptors are short */
};

static enum ahead_result dial_ahead(struct endpoint_local *local, uint64_t level_count)
{
    struct pool_worker *worker = local->worker;
    struct bound *connections = &local->endpoint->connections;
    if (bound_used(connections) >= level_count) {
        return AHEAD_ENOUGH;
    }
    if (local->dialling_count >= POOL_ENDPOINT_DIALS ||
        worker->dialling_count >= POOL_WORKER_DIALS) {
        pool_worker_starve_endpoint(worker, local);
        return AHEAD_LATER;
    }
    if (!bound_take_below(connections, 1, level_count)) {
        return AHEAD_ENOUGH;
    }
    if (dial_start(local, FD_FOR_STOCK)) {
        return AHEAD_STARTED;
    }
    bound_give(connections, 1);
    arm(local, now_of(local) + SHORTAGE_MS);
    return AHEAD_LATER;
}

/* Places that may be taken for the warm level: connections that leave keep their places until they are gone. */
static uint64_t warm_level_count(const struct endpoint *endpoint)
{
    return endpoint_warm_count(endpoint) + read_shared(&endpoint->upkeep.leaving_count);
}

static enum ahead_result fill_warm(struct endpoint_local *local)
{
    struct upkeep *upkeep = &local->upkeep;
    uint64_t level_count = warm_level_count(local->endpoint);
    enum ahead_result result = AHEAD_ENOUGH;
    while (local_lasting_count(local) < upkeep->fill_upto_count) {
        result = dial_ahead(local, level_count);
        if (result != AHEAD_STARTED) {
            break;
        }
    }
    if (result != AHEAD_LATER) {
        upkeep->fill_upto_count = 0;
    }
    return result;
}

static enum ahead_result fill_target(struct endpoint_local *local)
{
    struct upkeep *upkeep = &local->upkeep;
    if (now_of(local) >= upkeep->target_until_ms ||
        endpoint_habit(local->endpoint) == HABIT_CLOSES) {
        write_shared(&upkeep->target_count, 0);
    }
    while (local_lasting_count(local) < upkeep->target_count) {
        enum ahead_result result = dial_ahead(local, UINT64_MAX);
        if (result != AHEAD_STARTED) {
            return result;
        }
    }
    if (local->dialling_count == 0) {
        write_shared(&upkeep->target_count, 0);
    }
    return AHEAD_ENOUGH;
}

/* ---- replacing ---- */

/* Takes a connection off the count of ready ones if the warm level allows. */
static bool spare(struct connection *connection)
{
    struct endpoint *endpoint = connection->local->endpoint;
    uint64_t left_count = __atomic_sub_fetch(&endpoint->upkeep.ready_count, 1, __ATOMIC_ACQ_REL);
    if ((int64_t)left_count >= (int64_t)endpoint_warm_count(endpoint)) {
        connection->ready = false;
        return true;
    }
    __atomic_fetch_add(&endpoint->upkeep.ready_count, 1, __ATOMIC_ACQ_REL);
    return false;
}

/* One at a time, so that the dials of replacements space the retirements. */
static void replace(struct endpoint_local *local)
{
    struct connection *connection;
    while ((connection = TAILQ_FIRST(&local->upkeep.overdue)) != NULL && spare(connection)) {
        connection_stop(connection, connection->overdue.reason);
    }
    if (connection == NULL || local->dialling_count > 0) {
        return;
    }
    if (dial_ahead(local, UINT64_MAX) == AHEAD_ENOUGH) {
        connection_stop(
            connection,
            connection->overdue.reason); /* pool.max leaves no room for its replacement */
    }
}

void upkeep_forget(struct connection *connection)
{
    if (!connection->overdue.queued) {
        return;
    }
    TAILQ_REMOVE(&connection->local->upkeep.overdue, connection, overdue.link);
    connection->overdue.queued = false;
}

void upkeep_not_ready(struct connection *connection)
{
    if (!connection->ready) {
        return;
    }
    connection->ready = false;
    __atomic_fetch_sub(&connection->local->endpoint->upkeep.ready_count, 1, __ATOMIC_ACQ_REL);
}

void upkeep_overdue(struct connection *connection, enum ending ending)
{
    struct endpoint_local *local = connection->local;
    if (connection->overdue.queued || connection->ending != ENDING_NONE) {
        return;
    }
    connection->overdue.queued = true;
    connection->overdue.reason = ending;
    TAILQ_INSERT_TAIL(&local->upkeep.overdue, connection, overdue.link);
    pool_worker_schedule_endpoint(local->worker, local);
}

void upkeep_idle_over(struct connection *connection)
{
    struct endpoint_local *local = connection->local;
    uint64_t limit_ms =
        idle_limit_ms(&local->upkeep.idle_limit, local->upkeep.idle_configured_ms, now_of(local));
    local->limits.idle_ms = limit_ms;
    if (spare(connection)) {
        connection_end(connection, ENDING_IDLE);
    } else {
        upkeep_overdue(connection, ENDING_IDLE);
    }
}

/* No dial ahead of requests before this time. */
static uint64_t not_before(const struct endpoint_local *local)
{
    return habit_holds_back(local->endpoint)
               ? now_of(local) + HELD_BACK_MS
               : read_shared(&local->endpoint->upkeep.redial_not_before_ms);
}

void upkeep_run(struct endpoint_local *local)
{
    const struct upkeep *upkeep = &local->upkeep;
    if (!local->kept) {
        return;
    }
    uint64_t not_before_ms = not_before(local);
    if (now_of(local) < not_before_ms) {
        if (upkeep->fill_upto_count > 0 || upkeep->target_count > 0 ||
            !TAILQ_EMPTY(&upkeep->overdue)) {
            arm(local, not_before_ms);
        }
        return;
    }
    if (fill_warm(local) == AHEAD_LATER || fill_target(local) == AHEAD_LATER) {
        return;
    }
    replace(local);
}

/* ---- what happens ---- */

void upkeep_on_ready(struct connection *connection)
{
    struct endpoint_local *local = connection->local;
    struct endpoint *endpoint = local->endpoint;
    struct upkeep *upkeep = &local->upkeep;
    struct pool_worker *worker = local->worker;
    if (!connection->ready) {
        connection->ready = true;
        __atomic_fetch_add(&endpoint->upkeep.ready_count, 1, __ATOMIC_ACQ_REL);
        write_shared(&endpoint->upkeep.redial_failures_count, 0);
        write_shared(&endpoint->upkeep.redial_not_before_ms, 0);
        connection->retire.at_ms =
            now_of(local) +
            warmth_lifetime_ms(upkeep->lifetime_ms, upkeep->jitter_share, &worker->env.loop->rng);
    }
    connection->loans.exchanges_limit = connection_exchanges_limit(connection);
    retire_at(connection, connection->retire.at_ms);
    if (upkeep->fill_upto_count > 0 || upkeep->target_count > 0 || !TAILQ_EMPTY(&upkeep->overdue)) {
        pool_worker_schedule_endpoint(worker, local);
    }
}

void upkeep_fill(struct endpoint_local *local)
{
    if (!local->kept ||
        bound_used(&local->endpoint->connections) >= warm_level_count(local->endpoint)) {
        return;
    }
    local->upkeep.fill_upto_count = UINT64_MAX;
    pool_worker_schedule_endpoint(local->worker, local);
}

void upkeep_on_gone(struct endpoint_local *local)
{
    upkeep_fill(local);
}

/* The connections that are still idle are older than those that were lost. */
static void lose(struct endpoint_local *local, const struct connection *dying)
{
    struct connection *connection, *next;
    count_add(&local->stats.losses, 1);
    write_shared(&local->endpoint->upkeep.lost_ms, now_of(local));
    for (connection = TAILQ_FIRST(&local->idle); connection != NULL; connection = next) {
        next = TAILQ_NEXT(connection, spare_link);
        if (connection != dying) {
            connection_end(connection, ENDING_LOST);
        }
    }
}

/* Dials that began together fail together, and cause one step. */
static void step_back(struct endpoint *endpoint, struct rng *rng, uint64_t now_ms)
{
    uint64_t not_before_ms = read_shared(&endpoint->upkeep.redial_not_before_ms);
    if (now_ms < not_before_ms) {
        return;
    }
    uint64_t failures_count =
        __atomic_add_fetch(&endpoint->upkeep.redial_failures_count, 1, __ATOMIC_RELAXED);
    write_shared(&endpoint->upkeep.redial_not_before_ms,
                 now_ms + warmth_backoff_ms(failures_count, rng));
}

void upkeep_hold_back(struct endpoint_local *local)
{
    step_back(local->endpoint, &local->worker->env.loop->rng, now_of(local));
}

void upkeep_on_dial_failed(struct endpoint_local *local, enum dial_result result)
{
    uint64_t now_ms = now_of(local);
    if (!local->kept) {
        return;
    }
    step_back(local->endpoint, &local->worker->env.loop->rng, now_ms);
    if (result != DIAL_TIMEOUT &&
        loss_on_dial_failure(&local->upkeep.loss, local->idle_count, now_ms)) {
        lose(local, NULL);
    }
    if (local->upkeep.target_count > 0 || !TAILQ_EMPTY(&local->upkeep.overdue)) {
        pool_worker_schedule_endpoint(local->worker, local);
    }
}

/* Number of connections of the local that were needed recently, the dying one included. */
static uint64_t needed_count(const struct endpoint_local *local, uint64_t now_ms)
{
    const struct connection *connection;
    uint64_t count = local->open_count - local->idle_count - local->dialling_count;
    TAILQ_FOREACH (connection, &local->idle, spare_link) {
        if (connection->idle_since_ms + RECENT_MS < now_ms) {
            break;
        }
        count++;
    }
    return count;
}

static void note_need(struct endpoint_local *local, uint64_t now_ms)
{
    uint64_t count = loss_need_count(&local->upkeep.need, needed_count(local, now_ms), now_ms);
    if (count == 0) {
        return;
    }
    if (count > local->upkeep.target_count) {
        write_shared(&local->upkeep.target_count, count);
    }
    local->upkeep.target_until_ms = now_ms + TARGET_MS;
    pool_worker_schedule_endpoint(local->worker, local);
}

/* The limit is learned here, or by a sibling, whose limit is used when there is a sign here too. */
static void learn(struct endpoint_local *local, uint64_t rested_ms, uint64_t now_ms)
{
    struct idle_limit *limit = &local->upkeep.idle_limit;
    uint64_t *shared = &local->endpoint->upkeep.learned_idle_ms;
    struct connection *connection;
    bool learned = idle_limit_sign(limit, rested_ms, now_ms);
    if (learned) {
        write_shared(shared, limit->learned_ms);
    } else if (limit->learned_ms == 0 && read_shared(shared) != 0 &&
               read_shared(shared) < rested_ms) {
        limit->learned_ms = read_shared(shared);
        limit->learned_at_ms = now_ms;
    } else {
        return;
    }
    local->limits.idle_ms = idle_limit_ms(limit, local->upkeep.idle_configured_ms, now_ms);
    TAILQ_FOREACH (connection, &local->idle, spare_link) {
        wheel_arm(&local->worker->env.loop->wheel, &connection->timer,
                  connection->idle_since_ms + local->limits.idle_ms);
    }
}

/* An endpoint that accepts connections and ends them at once, or lets them carry nothing, would be dialled without end, so this counts
   as a failed dial. The connection is idle. */
static void note_young(const struct connection *connection, uint64_t now_ms)
{
    struct endpoint_local *local = connection->local;
    struct upkeep *upkeep = &local->upkeep;
    if (connection->facts.exchanges_count > 0 || now_ms >= connection->idle_since_ms + YOUNG_MS) {
        return;
    }
    if (now_ms >= upkeep->young_ms + YOUNG_FORGOTTEN_MS) {
        upkeep->young_count = 0;
    }
    upkeep->young_ms = now_ms;
    uint64_t not_before_ms =
        now_ms + warmth_backoff_ms(++upkeep->young_count, &local->worker->env.loop->rng);
    if (read_shared(&local->endpoint->upkeep.redial_not_before_ms) < not_before_ms) {
        write_shared(&local->endpoint->upkeep.redial_not_before_ms, not_before_ms);
    }
}

void upkeep_on_withdrawn(const struct connection *connection)
{
    if (connection->local->kept && connection->state == CONNECTION_IDLE) {
        note_young(connection, now_of(connection->local));
    }
}

void upkeep_on_death(struct connection *connection, bool reset)
{
    struct endpoint_local *local = connection->local;
    uint64_t now_ms = now_of(local);
    bool lent = connection->state != CONNECTION_IDLE;
    uint64_t rested_ms = lent ? 0 : now_ms - connection->idle_since_ms;
    if (!local->kept) {
        return;
    }
    if (rested_ms <= RECENT_MS) {
        note_need(local, now_ms);
    }
    if (lent) {
        return;
    }
    note_young(connection, now_ms);
    if (!reset) {
        learn(local, rested_ms, now_ms);
    }
    uint64_t lost_ms = read_shared(&local->endpoint->upkeep.lost_ms);
    bool elsewhere = reset && lost_ms != 0 && now_ms < lost_ms + LOSS_WINDOW_MS &&
                     local->upkeep.loss.since_ms == 0;
    if (loss_on_death(&local->upkeep.loss, reset, rested_ms, local->idle_count - 1, now_ms) ||
        elsewhere) {
        lose(local, connection);
    }
}
