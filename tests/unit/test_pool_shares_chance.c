/* Whatever borrowers, the origin and reloads do by chance, connections that leases share are counted exactly. */
#include "tests/unit/shares_rig.h"

enum { STEPS = 4000, FAR_ENDS = 256 };

struct chance {
    struct shared shared;
    struct rng rng;
    bool pending[BORROWERS];
    int far[FAR_ENDS];
    size_t far_count;
};

static void accept_all(struct chance *chance)
{
    while (rig_readable(chance->shared.one.listener) && chance->far_count < FAR_ENDS) {
        chance->far[chance->far_count++] = rig_accept(chance->shared.one.listener);
    }
}

static void trouble(struct chance *chance)
{
    static const char bytes[] = {GO_AWAY, ALLOW_ONE, ALLOW_ONE + 1, ALLOW_ONE + 4};
    if (chance->far_count == 0) {
        return;
    }
    size_t i = rng_below(&chance->rng, chance->far_count);
    if (rng_below(&chance->rng, 3) == 0) {
        close(chance->far[i]);
        chance->far[i] = chance->far[--chance->far_count];
        return;
    }
    char byte = bytes[rng_below(&chance->rng, sizeof bytes)];
    (void)send(chance->far[i], &byte, 1, MSG_NOSIGNAL);
}

static void reload(struct chance *chance)
{
    char more[128];
    snprintf(more, sizeof more, "pool = { warm_min = %u; max = %u; max_requests = %u; };",
             (unsigned)rng_below(&chance->rng, 3), 2 + (unsigned)rng_below(&chance->rng, 3),
             5 + (unsigned)rng_below(&chance->rng, 20));
    adopt(&chance->shared, more);
}

static void step(struct chance *chance, int i)
{
    struct rig_attempt *borrower = &chance->shared.borrowers[i];
    if (borrower->lease != NULL) {
        chance->pending[i] = false;
        if (rng_below(&chance->rng, 3) == 0) {
            quit(&chance->shared, i, (enum lease_close_reason)rng_below(&chance->rng, 3));
        } else {
            give(&chance->shared, i);
        }
    } else if (chance->pending[i] && !borrower->failed) {
        if (rng_below(&chance->rng, 8) == 0) {
            pool_lease_cancel(pool_of(&chance->shared.one), &borrower->request);
            chance->pending[i] = false;
        }
    } else {
        chance->pending[i] = ask(&chance->shared, i) == LEASE_PENDING;
    }
}

/* What is counted is what can be counted by looking at every connection. */
static void look(struct chance *chance)
{
    const struct endpoint *endpoint = chance->shared.one.endpoint;
    const struct endpoint_local *local = &endpoint->locals[0];
    const struct connection *connection;
    uint64_t open = 0, leaving = 0, sharing = 0, idle = 0, lent = 0, leases = 0;
    TAILQ_FOREACH (connection, &pool_of(&chance->shared.one)->connections, link) {
        open += connection->has_place;
        leaving += connection->ending != ENDING_NONE;
        sharing += connection->state == CONNECTION_SHARING;
        idle += connection->state == CONNECTION_IDLE;
        lent += connection->loans.lent_count;
    }
    for (int i = 0; i < BORROWERS; i++) {
        leases += chance->shared.borrowers[i].lease != NULL;
    }
    assert_int_equal(lent, leases);
    assert_int_equal(open, bound_used(&endpoint->connections));
    assert_int_equal(open, local->open_count);
    assert_int_equal(leaving, endpoint->upkeep.leaving_count);
    assert_int_equal(leaving, local->leaving_count);
    assert_int_equal(sharing, local->sharing_count);
    assert_int_equal(idle, local->idle_count);
    assert_int_equal(endpoint->in_flight, leases + local->line.count);
}

static void come_back(struct chance *chance)
{
    for (int i = 0; i < BORROWERS; i++) {
        struct rig_attempt *borrower = &chance->shared.borrowers[i];
        if (chance->pending[i] && borrower->lease == NULL) {
            rig_await(&chance->shared.one.rig,
                      (accept_all(chance), borrower->lease != NULL || borrower->failed));
        }
        if (borrower->lease != NULL) {
            give(&chance->shared, i);
        }
    }
}

static void whatever_happens_counts_are_exact_and_everything_comes_back(void **state)
{
    struct chance *chance = calloc(1, sizeof *chance);
    (void)state;
    rng_init(&chance->rng, unit_seed());
    shared_init(&chance->shared, "");
    reload(chance);
    for (int n = 0; n < STEPS; n++) {
        step(chance, (int)rng_below(&chance->rng, BORROWERS));
        if (rng_below(&chance->rng, 3) == 0) {
            rig_pass(&chance->shared.one.rig.workers[0], false);
        }
        if (rng_below(&chance->rng, 20) == 0) {
            trouble(chance);
        }
        if (rng_below(&chance->rng, 200) == 0) {
            reload(chance);
        }
        accept_all(chance);
        look(chance);
    }
    come_back(chance);
    look(chance);
    pool_worker_drain(pool_of(&chance->shared.one));
    rig_await(&chance->shared.one.rig, (accept_all(chance), figures_of(&chance->shared).open == 0));
    while (chance->far_count > 0) {
        close(chance->far[--chance->far_count]);
    }
    shared_end(&chance->shared);
    free(chance);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whatever_happens_counts_are_exact_and_everything_comes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
