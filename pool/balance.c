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
/* Costs whose ratio is above this are a tie: then the first draw decides. */
#define NEAR_TIE 0.9
#define NOBODY SIZE_MAX

/* One choice, and the rules that still hold for it. */
struct choosing {
    struct pool_worker *worker;
    const struct upstream_view *view;
    const struct endpoint_group *group; /* in question */
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

static uint64_t total_of(const struct endpoint_group *group)
{
    return group->weight_ends[group->endpoint_count - 1];
}

static uint64_t weight_of(const struct endpoint_group *group, size_t i)
{
    return group->weight_ends[i] - (i > 0 ? group->weight_ends[i - 1] : 0);
}

/* The endpoint whose share of the weights contains the position. */
static size_t at(const struct endpoint_group *group, uint64_t position)
{
    size_t low = 0, high = group->endpoint_count - 1;
    if (total_of(group) == group->endpoint_count) {
        return position;
    }
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (position >= group->weight_ends[middle]) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static size_t by_share(const struct endpoint_group *group, struct rng *rng)
{
    return at(group, rng_below(rng, total_of(group)));
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
static bool endpoint_fits(struct choosing *choosing, struct endpoint *endpoint, uint32_t draw)
{
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

static bool fits_draw(struct choosing *choosing, size_t i, uint32_t draw)
{
    return endpoint_fits(choosing, choosing->group->endpoints[i], draw);
}

static bool fits(struct choosing *choosing, size_t i)
{
    const struct endpoint *endpoint = choosing->group->endpoints[i];
    bool whole =
        __atomic_load_n(&endpoint->verdict.traffic_share, __ATOMIC_RELAXED) == TRAFFIC_SHARE_WHOLE;
    return fits_draw(
        choosing, i,
        whole ? 0 : (uint32_t)rng_below(&choosing->worker->env.loop->rng, TRAFFIC_SHARE_WHOLE));
}

/* ---- the methods ---- */

/*
 * Endpoints of different weights are compared as parts of equal weight: 95 against 5 are 19 parts against 1, and the
 * requests in flight at an endpoint are spread over its parts. One part of one is compared with one part of the other. So
 * each part has the same chances, and an endpoint gets as many requests as it has parts. Loads for their weights
 * would not do: one request is a small load for the heavy endpoint and a large one for the light one, so the light one
 * would win whenever it is idle, or lose whenever it is not.
 */
struct parts {
    uint64_t level;       /* requests at each part */
    uint64_t more_weight; /* weight of the parts that have one request more */
    uint64_t weight;
};

/* `unit`: weight of one part. */
static struct parts parts_of(const struct endpoint_group *group, size_t i, uint64_t unit)
{
    uint64_t load = __atomic_load_n(&group->endpoints[i]->in_flight, __ATOMIC_RELAXED);
    uint64_t weight = weight_of(group, i);
    if (weight == unit) {
        return (struct parts){load, 0, weight};
    }
    return (struct parts){load * unit / weight, load * unit % weight, weight};
}

/* Requests at one of the endpoint's parts, drawn at random. */
static uint64_t part_load(const struct endpoint_group *group, size_t i, uint64_t unit,
                          struct rng *rng)
{
    struct parts parts = parts_of(group, i, unit);
    return parts.level +
           (parts.more_weight != 0 && rng_below(rng, parts.weight) < parts.more_weight);
}

static uint64_t lightest_of(const struct endpoint_group *group)
{
    uint64_t lightest = total_of(group);
    if (lightest == group->endpoint_count) {
        return 1;
    }
    for (size_t i = 0; i < group->endpoint_count; i++) {
        lightest = weight_of(group, i) < lightest ? weight_of(group, i) : lightest;
    }
    return lightest;
}

/* An endpoint that fits, with a part that has the fewest requests of all parts; each such part has the same chance. */
static size_t least_loaded(struct choosing *choosing)
{
    const struct endpoint_group *group = choosing->group;
    struct rng *rng = &choosing->worker->env.loop->rng;
    uint64_t unit = lightest_of(group), least = UINT64_MAX, least_weight = 0;
    size_t best = NOBODY;
    for (size_t i = 0; i < group->endpoint_count; i++) {
        struct parts parts = parts_of(group, i, unit);
        if (parts.level > least || !fits(choosing, i)) {
            continue;
        }
        least_weight = parts.level < least ? 0 : least_weight;
        least = parts.level;
        least_weight += parts.weight - parts.more_weight;
        if (rng_below(rng, least_weight) < parts.weight - parts.more_weight) {
            best = i;
        }
    }
    return best;
}

/* State of the group's round robin. */
struct turns {
    uint64_t step;
};

static bool make_turns(struct endpoint_group *group)
{
    struct turns *turns = fault_hits(FAULT_ALLOC) ? NULL : malloc(sizeof *turns);
    if (turns == NULL) {
        return false;
    }
    turns->step = step_of(total_of(group));
    group->balance = turns;
    return true;
}

static void free_turns(struct endpoint_group *group)
{
    free(group->balance);
    group->balance = NULL;
}

static size_t in_turn(struct choosing *choosing)
{
    const struct endpoint_group *group = choosing->group;
    const struct turns *turns = group->balance;
    uint64_t total = total_of(group);
    for (int n = 0; n < TURNS; n++) {
        uint64_t turn = __atomic_fetch_add(&choosing->view->upstream->turn, 1, __ATOMIC_RELAXED);
        size_t i = at(group, turn % total * turns->step % total);
        if (fits(choosing, i)) {
            return i;
        }
    }
    return least_loaded(choosing);
}

/* It has lost all its connections, or has just begun, and they are being dialled. One that keeps none is always without: that is
   no reason to pass it over. */
static bool refills(const struct endpoint *endpoint)
{
    return count_read(&endpoint->upkeep.ready_count) == 0 && endpoint_warm_count(endpoint) > 0;
}

/* Chooses b only if requests take longer at a by more than a tie, or if a must first dial its connections and b has some. Estimates how
   long: the requests in flight at a part, and this one, each as long as the latency. */
static size_t better(const struct choosing *choosing, size_t a, size_t b)
{
    const struct endpoint_group *group = choosing->group;
    struct loop *loop = choosing->worker->env.loop;
    uint64_t now_us = loop_clock_us(&loop->clock);
    struct latency_view latency_a = latency_view(&group->endpoints[a]->latency, now_us);
    struct latency_view latency_b = latency_view(&group->endpoints[b]->latency, now_us);
    uint64_t weight_a = weight_of(group, a), weight_b = weight_of(group, b);
    uint64_t unit = weight_a < weight_b ? weight_a : weight_b;
    double cost_a =
        ((double)part_load(group, a, unit, &loop->rng) + 1) * latency_times(&latency_a, &latency_b);
    double cost_b =
        ((double)part_load(group, b, unit, &loop->rng) + 1) * latency_times(&latency_b, &latency_a);
    if (cost_b < cost_a * NEAR_TIE) {
        return b;
    }
    if (cost_a < cost_b * NEAR_TIE) {
        return a;
    }
    return refills(group->endpoints[a]) && !refills(group->endpoints[b]) ? b : a;
}

/* The second of two. Where weights differ both are drawn alike, so that they may be the same one: else load and latency would
   decide every choice between two endpoints, and the weights none. With equal weights the second is another one. */
static size_t second_of_two(const struct endpoint_group *group, struct rng *rng, size_t first)
{
    if (total_of(group) != group->endpoint_count) {
        return by_share(group, rng);
    }
    size_t other = rng_below(rng, group->endpoint_count - 1);
    return other + (other >= first);
}

static size_t better_of_two(struct choosing *choosing)
{
    const struct endpoint_group *group = choosing->group;
    struct rng *rng = &choosing->worker->env.loop->rng;
    for (int n = 0; n < DRAWS; n++) {
        size_t a = by_share(group, rng);
        size_t b = second_of_two(group, rng, a);
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

static bool make_table(struct endpoint_group *group)
{
    struct maglev_member *members =
        fault_hits(FAULT_ALLOC) ? NULL : calloc(group->endpoint_count, sizeof *members);
    if (members == NULL) {
        return false;
    }
    for (size_t i = 0; i < group->endpoint_count; i++) {
        members[i] =
            (struct maglev_member){group->endpoints[i]->names.label, (uint32_t)weight_of(group, i)};
    }
    group->balance = maglev_build(members, group->endpoint_count);
    free(members);
    return group->balance != NULL;
}

static void free_table(struct endpoint_group *group)
{
    struct maglev *table = group->balance;
    maglev_free(&table);
    group->balance = NULL;
}

/* The key's first choice that fits. An endpoint in a slow start always takes the same part of its keys, which grows. */
static size_t by_key(struct choosing *choosing)
{
    const struct endpoint_group *group = choosing->group;
    uint64_t key_hash = choosing->options->key_hash;
    uint32_t draw = (uint32_t)(key_hash >> 32) % TRAFFIC_SHARE_WHOLE;
    size_t first = 0;
    for (unsigned n = 0; n < KEY_CHOICES; n++) {
        first = maglev_choice(group->balance, key_hash, n);
        if (fits_draw(choosing, first, draw)) {
            return first;
        }
    }
    for (size_t n = 1; n < group->endpoint_count; n++) {
        size_t i = (first + n) % group->endpoint_count;
        if (fits_draw(choosing, i, draw)) {
            return i;
        }
    }
    return NOBODY;
}

/* ---- the table ---- */

/*
 * A method. `prepare` puts what choices need into group->balance, when the view's endpoints and weights are known
 * (false: no memory); `release` frees it; NULL: there is nothing to prepare. `choose` returns an index, or NOBODY if
 * no endpoint fits. The control thread calls prepare and release; any worker calls choose, on a group of two or more
 * endpoints.
 */
struct method {
    bool keyed; /* only for requests that have a key; others are balanced by p2c */
    bool (*prepare)(struct endpoint_group *group);
    size_t (*choose)(struct choosing *choosing);
    void (*release)(struct endpoint_group *group);
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
    const struct endpoint_group *group = choosing->group;
    if (group->endpoint_count == 1) {
        return fits(choosing, 0) ? 0 : NOBODY;
    }
    const struct method *method = methods[choosing->view->settings->balance];
    return method->keyed && !choosing->options->keyed ? p2c.choose(choosing)
                                                      : method->choose(choosing);
}

/* An endpoint of the group in question; slow starts are respected if that leaves any. */
static size_t choose_any(struct choosing *choosing)
{
    choosing->held_back = false;
    choosing->starting = true;
    size_t i = choosing->group->endpoint_count > 0 ? choose(choosing) : NOBODY;
    if (i == NOBODY && choosing->held_back) {
        choosing->starting = false;
        i = choose(choosing);
    }
    return i;
}

static bool is_backup(const struct choosing *choosing, const struct endpoint *endpoint)
{
    const struct endpoint_group *backups = &choosing->view->groups[GROUP_BACKUP];
    for (size_t i = 0; i < backups->endpoint_count; i++) {
        if (backups->endpoints[i] == endpoint) {
            return true;
        }
    }
    return false;
}

/* An endpoint in ordinary use that may take a request at once; while it starts slowly, with the share that it gets. NULL: none. */
static struct endpoint *choose_ordinary(struct choosing *choosing)
{
    choosing->group = &choosing->view->groups[GROUP_ORDINARY];
    choosing->starting = true;
    size_t i = choosing->group->endpoint_count > 0 ? choose(choosing) : NOBODY;
    return i != NOBODY ? choosing->group->endpoints[i] : NULL;
}

/* The preferred endpoint; a backup only while no other may take the request: a backup stands in, and nobody stays there. NULL: it
   may not be chosen. */
static struct endpoint *choose_preferred(struct choosing *choosing)
{
    const struct pick_options *options = choosing->options;
    struct endpoint *chosen =
        is_backup(choosing, options->preferred) ? choose_ordinary(choosing) : NULL;
    choosing->full = false; /* that is of the others */
    if (chosen == NULL && endpoint_fits(choosing, options->preferred, 0)) {
        chosen = options->preferred;
    }
    *options->ret_full = choosing->full;
    choosing->full = false; /* others may have room */
    return chosen;
}

/* Rules are relaxed one by one: first slow starts, then that backups wait, then that endpoints which were tried are avoided. One that
   has no free place is not out: then there is a wait, and no backup. */
enum pick_result upstream_pick(struct pool_worker *worker, const struct upstream_view *view,
                               const struct pick_options *options, struct endpoint **ret_endpoint)
{
    struct choosing choosing = {
        .worker = worker, .view = view, .options = options, .avoiding = options->avoid_count > 0};
    if (__builtin_expect(options->preferred != NULL, 0)) {
        *ret_endpoint = choose_preferred(&choosing);
        if (*ret_endpoint != NULL) {
            return PICK_OK;
        }
    }
    for (;;) {
        for (size_t i = 0; i < ENDPOINT_GROUPS && !choosing.full; i++) {
            choosing.group = &view->groups[i];
            size_t found = choose_any(&choosing);
            if (found != NOBODY) {
                *ret_endpoint = choosing.group->endpoints[found];
                return PICK_OK;
            }
        }
        if (!choosing.avoiding) {
            return choosing.full ? PICK_FULL : PICK_NONE;
        }
        choosing.avoiding = choosing.full = false;
    }
}

bool balance_prepare(struct upstream_view *view)
{
    const struct method *method = methods[view->settings->balance];
    for (size_t i = 0; i < ENDPOINT_GROUPS; i++) {
        struct endpoint_group *group = &view->groups[i];
        CHECK(group->balance == NULL);
        if (group->endpoint_count > 0 && method->prepare != NULL && !method->prepare(group)) {
            return false;
        }
    }
    return true;
}

void balance_release(struct upstream_view *view)
{
    for (size_t i = 0; i < ENDPOINT_GROUPS; i++) {
        if (view->groups[i].balance != NULL) {
            methods[view->settings->balance]->release(&view->groups[i]);
        }
    }
}
