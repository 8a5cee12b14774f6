/* The methods of balancing: round robin, least in flight, power of two choices, consistent hash. */
#include "pool/balance.h"

#include <stdlib.h>

#include "pool/endpoint.h"
#include "pool/health_status.h"
#include "pool/pools.h"
#include "pool/queue.h"
#include "steady/check.h"
#include "steady/fault.h"

/* Number of draws before all endpoints are looked at. */
#define DRAWS 4
#define TURNS 8
#define KEY_CHOICES 8
/* Costs whose ratio is above this are a tie: then an idle connection decides. */
#define NEAR_TIE 0.9
#define NOBODY SIZE_MAX

/* One choice, and the rules that still hold for it. */
struct choosing {
    struct pool_worker *worker;
    const struct upstream_view *view;
    const struct pick_options *options;
    bool avoiding; /* endpoints that were tried are avoided */
    bool starting; /* slow starts are respected */
    bool full,
        held_back; /* met during the choice: a full endpoint, one held back by its slow start */
};

bool pool_endpoint_spares(const struct endpoint *endpoint)
{
    for (unsigned i = 0; i < endpoint->pools->worker_count; i++) {
        if (local_spare_count(&endpoint->locals[i]) > 0 ||
            count_read(&endpoint->locals[i].sharing_count) > 0) {
            return true;
        }
    }
    return false;
}

bool endpoint_spares_for(const struct endpoint *endpoint, unsigned worker)
{
    if (count_read(&endpoint->locals[worker].sharing_count) > 0) {
        return true;
    }
    for (unsigned i = 0; i < endpoint->pools->worker_count; i++) {
        if (local_spare_count(&endpoint->locals[i]) > 0) {
            return true;
        }
    }
    return false;
}

static bool at_limit(const struct endpoint *endpoint)
{
    return bound_used(&endpoint->connections) >= bound_limit(&endpoint->connections);
}

bool pool_endpoint_full(const struct endpoint *endpoint)
{
    return at_limit(endpoint) && !pool_endpoint_spares(endpoint);
}

/* ---- weights ---- */

static uint64_t total_of(const struct upstream_view *view)
{
    return view->weight_ends[view->endpoint_count - 1];
}

static uint64_t weight_of(const struct upstream_view *view, size_t i)
{
    return view->weight_ends[i] - (i > 0 ? view->weight_ends[i - 1] : 0);
}

/* The endpoint whose share of the weights contains the position. */
static size_t at(const struct upstream_view *view, uint64_t position)
{
    size_t low = 0, high = view->endpoint_count - 1;
    if (total_of(view) == view->endpoint_count) {
        return position;
    }
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (position >= view->weight_ends[middle]) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static size_t by_share(const struct upstream_view *view, struct rng *rng)
{
    return at(view, rng_below(rng, total_of(view)));
}

/* A step without a common divisor with the total visits every position once in a round. A step near the golden section
   spreads the positions of each endpoint over the round. */
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
        if (a == 1) {
            return step;
        }
    }
    return 1;
}

/* ---- may it be taken? ---- */

static bool avoided(const struct choosing *choosing, const struct endpoint *endpoint)
{
    for (size_t i = 0; choosing->avoiding && i < choosing->options->avoid_count; i++) {
        if (choosing->options->avoid[i] == endpoint) {
            return true;
        }
    }
    return false;
}

static bool cold(const struct choosing *choosing, struct endpoint *endpoint)
{
    return __builtin_expect(count_read(&endpoint->upkeep.cold_until_ms) != 0, 0) &&
           endpoint_warms_up(endpoint, loop_clock_ms(&choosing->worker->env.loop->clock));
}

/* `draw`: 0..TRAFFIC_SHARE_WHOLE - 1; it decides while the endpoint may take only a part of its share. */
static bool fits_draw(struct choosing *choosing, size_t i, uint32_t draw)
{
    struct endpoint *endpoint = choosing->view->endpoints[i];
    const struct pick_options *options = choosing->options;
    uint32_t share = __atomic_load_n(&endpoint->verdict.traffic_share, __ATOMIC_RELAXED);
    if (share == 0 || avoided(choosing, endpoint)) {
        return false;
    }
    if (choosing->starting && (draw >= share || cold(choosing, endpoint))) {
        choosing->held_back = true;
        return false;
    }
    if ((options->idle_only || at_limit(endpoint)) &&
        !endpoint_spares_for(endpoint, choosing->worker->env.index)) {
        choosing->full = true;
        return false;
    }
    return options->usable == NULL || options->usable(endpoint, options->owner);
}

static bool fits(struct choosing *choosing, size_t i)
{
    const struct endpoint *endpoint = choosing->view->endpoints[i];
    bool whole =
        __atomic_load_n(&endpoint->verdict.traffic_share, __ATOMIC_RELAXED) == TRAFFIC_SHARE_WHOLE;
    return fits_draw(
        choosing, i,
        whole ? 0 : (uint32_t)rng_below(&choosing->worker->env.loop->rng, TRAFFIC_SHARE_WHOLE));
}

/* ---- the methods ---- */

/* Whether a has less load than b, each relative to its weight. */
static bool lighter(const struct upstream_view *view, size_t a, size_t b)
{
    uint64_t load_a = __atomic_load_n(&view->endpoints[a]->in_flight, __ATOMIC_RELAXED);
    uint64_t load_b = __atomic_load_n(&view->endpoints[b]->in_flight, __ATOMIC_RELAXED);
    return load_a * weight_of(view, b) < load_b * weight_of(view, a);
}

/* The endpoint with the least load that fits. Among equal ones the one that was drawn by share, else the first after
   it. */
static size_t least_loaded(struct choosing *choosing)
{
    const struct upstream_view *view = choosing->view;
    size_t first = 0, best = NOBODY;
    for (int n = 0; n < DRAWS && best == NOBODY; n++) {
        first = by_share(view, &choosing->worker->env.loop->rng);
        if (fits(choosing, first)) {
            best = first;
        }
    }
    for (size_t n = 0; n < view->endpoint_count; n++) {
        size_t i = (first + n) % view->endpoint_count;
        if (i != best && (best == NOBODY || lighter(view, i, best)) && fits(choosing, i)) {
            best = i;
        }
    }
    return best;
}

/* State of the view's round robin. */
struct turns {
    uint64_t step;
};

static bool make_turns(struct upstream_view *view)
{
    struct turns *turns = fault_hits(FAULT_ALLOC) ? NULL : malloc(sizeof *turns);
    if (turns == NULL) {
        return false;
    }
    turns->step = step_of(total_of(view));
    view->balance = turns;
    return true;
}

static void free_turns(struct upstream_view *view)
{
    free(view->balance);
    view->balance = NULL;
}

static size_t in_turn(struct choosing *choosing)
{
    const struct upstream_view *view = choosing->view;
    const struct turns *turns = view->balance;
    uint64_t total = total_of(view);
    for (int n = 0; n < TURNS; n++) {
        uint64_t turn = __atomic_fetch_add(&view->upstream->turn, 1, __ATOMIC_RELAXED);
        size_t i = at(view, turn % total * turns->step % total);
        if (fits(choosing, i)) {
            return i;
        }
    }
    return least_loaded(choosing);
}

static bool warm(const struct choosing *choosing, size_t i)
{
    const struct endpoint *endpoint = choosing->view->endpoints[i];
    unsigned own = choosing->worker->env.index;
    return endpoint->locals[own].idle_count > 0 || endpoint_spares_for(endpoint, own);
}

/* Estimates how long a request would take at the endpoint: the requests in flight for its weight, and this one, each as
   long as the latency. Idle endpoints cost the same whatever their weight, because they were drawn by weight. */
static double cost_of(const struct upstream_view *view, size_t i, double latency_us)
{
    double load = (double)__atomic_load_n(&view->endpoints[i]->in_flight, __ATOMIC_RELAXED);
    double mean = (double)total_of(view) / (double)view->endpoint_count;
    return (load * mean / (double)weight_of(view, i) + 1) * (latency_us + LATENCY_GRAIN_US);
}

/* Chooses b only if it is better by more than a tie, or if it has an idle connection and a has none. */
static size_t better(const struct choosing *choosing, size_t a, size_t b)
{
    const struct upstream_view *view = choosing->view;
    uint64_t now_us = loop_clock_us(&choosing->worker->env.loop->clock);
    double latency_a = latency_now_us(&view->endpoints[a]->latency, now_us);
    double latency_b = latency_now_us(&view->endpoints[b]->latency, now_us);
    if (latency_a == 0 ||
        latency_b == 0) { /* the latency of one of them is unknown: the load decides */
        latency_a = latency_b = 0;
    }
    double cost_a = cost_of(view, a, latency_a), cost_b = cost_of(view, b, latency_b);
    if (cost_b < cost_a * NEAR_TIE) {
        return b;
    }
    if (cost_a < cost_b * NEAR_TIE) {
        return a;
    }
    return !warm(choosing, a) && warm(choosing, b) ? b : a;
}

/* The second of two. Where weights differ both are drawn alike, so that they may be the same one: else load and latency would
   decide every choice between two endpoints, and the weights none. With equal weights the second is another one. */
static size_t second_of_two(const struct upstream_view *view, struct rng *rng, size_t first)
{
    if (total_of(view) != view->endpoint_count) {
        return by_share(view, rng);
    }
    size_t other = rng_below(rng, view->endpoint_count - 1);
    return other + (other >= first);
}

static size_t better_of_two(struct choosing *choosing)
{
    const struct upstream_view *view = choosing->view;
    struct rng *rng = &choosing->worker->env.loop->rng;
    for (int n = 0; n < DRAWS; n++) {
        size_t a = by_share(view, rng);
        size_t b = second_of_two(view, rng, a);
        bool a_fits = fits(choosing, a), b_fits = a == b ? a_fits : fits(choosing, b);
        if (a_fits && b_fits) {
            return a == b ? a : better(choosing, a, b);
        }
        if (a_fits || b_fits) {
            return a_fits ? a : b;
        }
    }
    return least_loaded(choosing);
}

static bool make_table(struct upstream_view *view)
{
    struct maglev_member *members =
        fault_hits(FAULT_ALLOC) ? NULL : calloc(view->endpoint_count, sizeof *members);
    if (members == NULL) {
        return false;
    }
    for (size_t i = 0; i < view->endpoint_count; i++) {
        members[i] =
            (struct maglev_member){view->endpoints[i]->names.label, (uint32_t)weight_of(view, i)};
    }
    view->balance = maglev_build(members, view->endpoint_count);
    free(members);
    return view->balance != NULL;
}

static void free_table(struct upstream_view *view)
{
    struct maglev *table = view->balance;
    maglev_free(&table);
    view->balance = NULL;
}

/* The key's first choice that fits. An endpoint in a slow start always takes the same part of its keys, which grows. */
static size_t by_key(struct choosing *choosing)
{
    const struct upstream_view *view = choosing->view;
    uint64_t key_hash = choosing->options->key_hash;
    uint32_t draw = (uint32_t)(key_hash >> 32) % TRAFFIC_SHARE_WHOLE;
    size_t first = 0;
    for (unsigned n = 0; n < KEY_CHOICES; n++) {
        first = maglev_choice(view->balance, key_hash, n);
        if (fits_draw(choosing, first, draw)) {
            return first;
        }
    }
    for (size_t n = 1; n < view->endpoint_count; n++) {
        size_t i = (first + n) % view->endpoint_count;
        if (fits_draw(choosing, i, draw)) {
            return i;
        }
    }
    return NOBODY;
}

/* ---- the table ---- */

/*
 * A method. `prepare` puts what choices need into view->balance, when the view's endpoints and weights are known
 * (false: no memory); `release` frees it; NULL: there is nothing to prepare. `choose` returns an index, or NOBODY if
 * no endpoint fits. The control thread calls prepare and release; any worker calls choose, on a view of two or more
 * endpoints.
 */
struct method {
    bool keyed; /* only for requests that have a key; others are balanced by p2c */
    bool (*prepare)(struct upstream_view *view);
    size_t (*choose)(struct choosing *choosing);
    void (*release)(struct upstream_view *view);
};

static const struct method p2c = {.choose = better_of_two};
static const struct method round_robin = {
    .prepare = make_turns, .choose = in_turn, .release = free_turns};
static const struct method least_in_flight = {.choose = least_loaded};
static const struct method by_hash = {
    .keyed = true, .prepare = make_table, .choose = by_key, .release = free_table};

#define METHOD_OF_ROW(id, word, follows, key_source, method, help) [id] = &(method),
static const struct method *const methods[] = {BALANCE_METHODS(METHOD_OF_ROW)};

static size_t choose(struct choosing *choosing)
{
    const struct upstream_view *view = choosing->view;
    if (view->endpoint_count == 1) {
        return fits(choosing, 0) ? 0 : NOBODY;
    }
    const struct method *method = methods[view->settings->balance];
    return method->keyed && !choosing->options->keyed ? p2c.choose(choosing)
                                                      : method->choose(choosing);
}

/* Rules are relaxed one by one: first slow starts, then endpoints that were tried already. */
enum pick_result upstream_pick(struct pool_worker *worker, const struct upstream_view *view,
                               const struct pick_options *options, struct endpoint **ret_endpoint)
{
    if (view->endpoint_count == 0) {
        return PICK_NONE;
    }
    struct choosing choosing = {worker, view,  options, options->avoid_count > 0,
                                true,   false, false};
    for (;;) {
        choosing.full = choosing.held_back = false;
        size_t i = choose(&choosing);
        if (i != NOBODY) {
            *ret_endpoint = view->endpoints[i];
            return PICK_OK;
        }
        if (choosing.held_back) {
            choosing.starting = false;
        } else if (choosing.avoiding) {
            choosing.avoiding = false;
        } else {
            return choosing.full ? PICK_FULL : PICK_NONE;
        }
    }
}

bool balance_prepare(struct upstream_view *view)
{
    const struct method *method = methods[view->settings->balance];
    CHECK(view->balance == NULL);
    return view->endpoint_count == 0 || method->prepare == NULL || method->prepare(view);
}

void balance_release(struct upstream_view *view)
{
    if (view->balance != NULL) {
        methods[view->settings->balance]->release(view);
    }
}
