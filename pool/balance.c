/* Which endpoint is next: round robin, least in flight, or the better of two. */
#include "pool/balance.h"

#include "pool/endpoint.h"
#include "pool/pools.h"
#include "pool/queue.h"

const char *pick_result_name(enum pick_result result)
{
    switch (result) {
    case PICK_OK: return "ok";
    case PICK_FULL: return "full";
    case PICK_NONE: return "none";
    }
    return "unknown";
}

bool pool_endpoint_full(const struct endpoint *endpoint)
{
    if (bound_used(&endpoint->connections) < bound_limit(&endpoint->connections))
        return false;
    for (unsigned i = 0; i < endpoint->pools->worker_count; i++)
        if (slot_spare_count(&endpoint->slots[i]) > 0)
            return false;
    return true;
}

static uint64_t weight_of(const struct upstream_view *view, size_t i)
{
    return view->weight_ends[i] - (i > 0 ? view->weight_ends[i - 1] : 0);
}

/* Whose share of the weights the position is in. */
static size_t at(const struct upstream_view *view, uint64_t position)
{
    size_t i = 0;
    while (position >= view->weight_ends[i])
        i++;
    return i;
}

/* Is a loaded less than b, each for its weight? */
static bool lighter(const struct upstream_view *view, size_t a, size_t b)
{
    uint64_t load_a = __atomic_load_n(&view->endpoints[a]->in_flight, __ATOMIC_RELAXED);
    uint64_t load_b = __atomic_load_n(&view->endpoints[b]->in_flight, __ATOMIC_RELAXED);
    return load_a * weight_of(view, b) < load_b * weight_of(view, a);
}

enum fitness { FIT, FULL, AVOIDED, REFUSED };

static enum fitness fitness_of(const struct endpoint *endpoint, const struct endpoint_wish *wish)
{
    for (size_t i = 0; i < wish->avoid_count; i++)
        if (wish->avoid[i] == endpoint)
            return AVOIDED;
    if (pool_endpoint_full(endpoint))
        return FULL;
    if (wish->usable != NULL && !wish->usable(endpoint, wish->owner))
        return REFUSED;
    return FIT;
}

/* The least loaded that fits, of equals the first from `first` on, which was drawn by share. */
static enum pick_result least_in_flight(const struct upstream_view *view, size_t first,
                                        const struct endpoint_wish *wish,
                                        struct endpoint **ret_endpoint)
{
    size_t count = view->endpoint_count, best = count;
    bool full = false;
    for (size_t n = 0; n < count; n++) {
        size_t i = (first + n) % count;
        if (best != count && !lighter(view, i, best))
            continue;
        enum fitness fitness = fitness_of(view->endpoints[i], wish);
        full = full || fitness == FULL;
        if (fitness == FIT)
            best = i;
    }
    if (best == count)
        return full ? PICK_FULL : PICK_NONE;
    *ret_endpoint = view->endpoints[best];
    return PICK_OK;
}

/* A step that has no divisor in common with the total visits every position once a round, and one near the
   golden section spreads each endpoint's positions over the round. */
static uint64_t step_of(uint64_t total)
{
    uint64_t step = total * 618 / 1000;
    for (; step > 1; step--) {
        uint64_t a = total, b = step;
        while (b != 0) {
            uint64_t rest = a % b;
            a = b;
            b = rest;
        }
        if (a == 1)
            return step;
    }
    return 1;
}

static size_t next_in_turn(const struct upstream_view *view)
{
    uint64_t total = view->weight_ends[view->endpoint_count - 1];
    uint64_t turn = __atomic_fetch_add(&view->upstream->turn, 1, __ATOMIC_RELAXED);
    if (total == view->endpoint_count)
        return turn % total;
    return at(view, turn % total * step_of(total) % total);
}

static size_t by_share(const struct upstream_view *view, struct rng *rng)
{
    return at(view, rng_below(rng, view->weight_ends[view->endpoint_count - 1]));
}

/* The first by its share, the second by its share of the rest; the first if both carry the same. */
static size_t better_of_two(const struct upstream_view *view, struct rng *rng)
{
    uint64_t total = view->weight_ends[view->endpoint_count - 1];
    size_t a = by_share(view, rng);
    uint64_t weight = weight_of(view, a);
    uint64_t position = rng_below(rng, total - weight);
    if (position >= view->weight_ends[a] - weight)
        position += weight;
    size_t b = at(view, position);
    return lighter(view, b, a) ? b : a;
}

static size_t choose(const struct upstream_view *view, struct rng *rng)
{
    switch (view->settings->balance) {
    case BALANCE_ROUND_ROBIN: return next_in_turn(view);
    case BALANCE_LEAST_IN_FLIGHT: return by_share(view, rng);
    case BALANCE_P2C:
    case BALANCE_HASH_HEADER:
    case BALANCE_HASH_COOKIE:
    case BALANCE_HASH_CLIENT: break;
    }
    return better_of_two(view, rng);
}

enum pick_result upstream_pick(struct pool_worker *worker, const struct upstream_view *view,
                               const struct endpoint_wish *wish, struct endpoint **ret_endpoint)
{
    size_t i = view->endpoint_count > 1 ? choose(view, worker->env.rng) : 0;
    if (view->settings->balance != BALANCE_LEAST_IN_FLIGHT &&
        fitness_of(view->endpoints[i], wish) == FIT) {
        *ret_endpoint = view->endpoints[i];
        return PICK_OK;
    }
    enum pick_result result = least_in_flight(view, i, wish, ret_endpoint);
    if (result == PICK_OK || wish->avoid_count == 0)
        return result;
    struct endpoint_wish second = *wish;
    second.avoid_count = 0;
    return least_in_flight(view, i, &second, ret_endpoint);
}
