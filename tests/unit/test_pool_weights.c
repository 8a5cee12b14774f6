/* Endpoints get the share of their weight by every method, whatever noise is in latencies and however many requests are in
   flight; one that is really slow gets less. Clients in simulated time, each with one request after the other. */
#include "tests/unit/pool_rig.h"

#include "pool/balance.h"
#include "pool/endpoint.h"

enum { MOST_ENDPOINTS = 4, MOST_CLIENTS = 40, REQUESTS = 10000 };

/* What a client is doing: a request that is over at some time. */
struct sim_request {
    struct endpoint *endpoint; /* NULL: none */
    uint64_t began_us, over_us;
};

struct sim {
    struct rig rig;
    const struct upstream_view *view;
    struct rng rng;
    uint64_t now_us;
    uint64_t service_us[MOST_ENDPOINTS];
    uint64_t counts[MOST_ENDPOINTS];
    bool outliers; /* one request of 50 takes 20 times as long */
    struct sim_request requests[MOST_CLIENTS];
};

static void sim_init(struct sim *sim, const char *endpoints, const char *method, uint64_t seed)
{
    *sim = (struct sim){.now_us = 1000000};
    rig_init(&sim->rig, 1, 100);
    rng_init(&sim->rng, seed);
    rng_init(&sim->rig.workers[0].loop.rng, seed + 1);
    rig_adopt(&sim->rig,
              rig_settings("upstreams = { app = { endpoints = [ %s ]; balance = \"%s\"; pool = { "
                           "warm_min = 0; max = 1000; }; }; };",
                           endpoints, method));
    sim->view = &sim->rig.set->views[0];
}

static void sim_end(struct sim *sim)
{
    for (size_t i = 0; i < sim->view->endpoint_count; i++) {
        sim->view->endpoints[i]->in_flight = 0;
    }
    loop_clock_expire(&sim->rig.workers[0].loop.clock);
    rig_end(&sim->rig);
}

static size_t sim_index(const struct sim *sim, const struct endpoint *endpoint)
{
    size_t i = 0;
    while (sim->view->endpoints[i] != endpoint) {
        i++;
    }
    return i;
}

/* From half to one and a half of the usual time. */
static uint64_t sim_takes_us(struct sim *sim, size_t i)
{
    uint64_t us = sim->service_us[i];
    us = us / 2 + rng_below(&sim->rng, us);
    return sim->outliers && rng_below(&sim->rng, 50) == 0 ? us * 20 : us;
}

static void sim_begin(struct sim *sim, struct sim_request *request)
{
    const struct pick_options options = {.keyed = true, .key_hash = rng_next(&sim->rng)};
    assert_int_equal(
        upstream_pick(sim->rig.workers[0].pool, sim->view, &options, &request->endpoint), PICK_OK);
    size_t i = sim_index(sim, request->endpoint);
    sim->counts[i]++;
    request->endpoint->in_flight++;
    request->began_us = sim->now_us;
    request->over_us = sim->now_us + sim_takes_us(sim, i);
}

static void sim_finish(struct sim_request *request)
{
    request->endpoint->in_flight--;
    latency_add(&request->endpoint->latency, request->over_us - request->began_us, false,
                request->over_us);
}

static void sim_run(struct sim *sim, size_t clients_count)
{
    memset(sim->requests, 0, sizeof sim->requests);
    for (int n = 0; n < REQUESTS; n++) {
        struct sim_request *next = &sim->requests[0];
        for (size_t i = 1; i < clients_count; i++) {
            next = sim->requests[i].over_us < next->over_us ? &sim->requests[i] : next;
        }
        if (next->endpoint != NULL) {
            sim->now_us = next->over_us;
            sim_finish(next);
        }
        loop_clock_set(&sim->rig.workers[0].loop.clock, ++sim->now_us);
        sim_begin(sim, next);
    }
}

/* Within five standard deviations of a fair draw. */
static void assert_share(const struct sim *sim, size_t i, uint64_t weight, uint64_t total,
                         const char *what)
{
    double share = (double)weight / (double)total, expected = REQUESTS * share;
    double distance = (double)sim->counts[i] - expected;
    if (distance * distance > 25 * expected * (1 - share)) {
        fail_msg("%s: endpoint %zu of weight %" PRIu64 " of %" PRIu64 " got %" PRIu64
                 " of %d requests",
                 what, i, weight, total, sim->counts[i], REQUESTS);
    }
}

static const struct {
    const char *endpoints;
    uint64_t weights[MOST_ENDPOINTS];
} fleets[] = {
    {"\"127.0.0.1:1 weight=95\", \"127.0.0.1:2 weight=5\"", {95, 5}},
    {"\"127.0.0.1:1 weight=3\", \"127.0.0.1:2\"", {3, 1}},
    {"\"127.0.0.1:1\", \"127.0.0.1:2\"", {1, 1}},
    {"\"127.0.0.1:1 weight=7\", \"127.0.0.1:2 weight=7\"", {7, 7}},
    {"\"127.0.0.1:1 weight=50\", \"127.0.0.1:2 weight=1\", \"127.0.0.1:3 weight=20\"", {50, 1, 20}},
    {"\"127.0.0.1:1 weight=9\", \"127.0.0.1:2 weight=7\", \"127.0.0.1:3 weight=5\", \"127.0.0.1:4 weight=2\"",
     {9, 7, 5, 2}},
};

static const char *const methods[] = {"p2c", "round_robin", "least_in_flight", "hash:client"};
static const size_t clients_counts[] = {1, 2, 8, MOST_CLIENTS};

/* service_us: of the endpoints in turn. */
static void shares_hold(size_t fleet, size_t method, size_t clients_count,
                        const uint64_t *service_us, uint64_t seed)
{
    struct sim sim;
    uint64_t total = 0;
    char what[128];
    sim_init(&sim, fleets[fleet].endpoints, methods[method], seed);
    memcpy(sim.service_us, service_us, sizeof sim.service_us);
    /* with more clients loads follow outliers, and shares those: by chance, but by more than draws */
    sim.outliers = clients_count == 1;
    sim_run(&sim, clients_count);
    for (size_t i = 0; i < sim.view->endpoint_count; i++) {
        total += fleets[fleet].weights[i];
    }
    snprintf(what, sizeof what, "%s, %zu at a time, about %" PRIu64 " us", methods[method],
             clients_count, service_us[0]);
    for (size_t i = 0; i < sim.view->endpoint_count; i++) {
        assert_share(&sim, i, fleets[fleet].weights[i], total, what);
    }
    sim_end(&sim);
}

static void each_gets_the_share_of_its_weight(void **state)
{
    static const uint64_t services_us[][MOST_ENDPOINTS] = {{300, 300, 300, 300},
                                                           {40000, 40000, 40000, 40000}};
    uint64_t seed = unit_seed();
    (void)state;
    for (size_t f = 0; f < sizeof fleets / sizeof fleets[0]; f++) {
        for (size_t m = 0; m < sizeof methods / sizeof methods[0]; m++) {
            for (size_t c = 0; c < sizeof clients_counts / sizeof clients_counts[0]; c++) {
                shares_hold(f, m, clients_counts[c], services_us[0], seed);
                shares_hold(f, m, clients_counts[c], services_us[1], seed);
            }
        }
    }
}

static void a_small_difference_of_latencies_decides_nothing(void **state)
{
    static const uint64_t services_us[][MOST_ENDPOINTS] = {
        {500, 300, 200, 250}, {300, 600, 500, 400}, {20000, 19000, 21000, 18000}};
    uint64_t seed = unit_seed();
    (void)state;
    for (size_t f = 0; f < sizeof fleets / sizeof fleets[0]; f++) {
        for (size_t m = 0; m < sizeof methods / sizeof methods[0]; m++) {
            for (size_t s = 0; s < sizeof services_us / sizeof services_us[0]; s++) {
                shares_hold(f, m, 1, services_us[s], seed);
            }
        }
    }
}

/* Twenty times as slow as the others: it is asked now and then, which tells whether it still is. */
static void a_slow_endpoint_gets_less_than_its_share(void **state)
{
    struct sim sim;
    uint64_t seed = unit_seed();
    (void)state;
    for (size_t c = 0; c < sizeof clients_counts / sizeof clients_counts[0]; c++) {
        sim_init(&sim, "\"127.0.0.1:1\", \"127.0.0.1:2\", \"127.0.0.1:3\"", "p2c", seed);
        memcpy(sim.service_us, (uint64_t[MOST_ENDPOINTS]){100000, 5000, 5000},
               sizeof sim.service_us);
        sim_run(&sim, clients_counts[c]);
        assert_in_range(sim.counts[0], 1, REQUESTS / 20);
        assert_in_range(sim.counts[1], REQUESTS * 2 / 5, REQUESTS * 3 / 5);
        sim_end(&sim);
    }
}

/* A share of p under load and latency is at least that of p both times, and at most that of p at least once. */
static void latency_moves_a_share_no_further_than_two_draws(void **state)
{
    struct sim sim;
    uint64_t seed = unit_seed();
    (void)state;
    for (size_t slow = 0; slow < 2; slow++) {
        sim_init(&sim, fleets[0].endpoints, "p2c", seed);
        sim.service_us[slow] = 50000;
        sim.service_us[1 - slow] = 2000;
        sim_run(&sim, 1);
        assert_in_range(sim.counts[1], slow == 0 ? 800 : 0, slow == 0 ? 1125 : 130);
        sim_end(&sim);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_gets_the_share_of_its_weight),
        cmocka_unit_test(a_small_difference_of_latencies_decides_nothing),
        cmocka_unit_test(a_slow_endpoint_gets_less_than_its_share),
        cmocka_unit_test(latency_moves_a_share_no_further_than_two_draws),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
