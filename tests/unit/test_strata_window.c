/* The strata's shares are what remembering every call would give. */
#include "tests/unit/unit.h"

#include "breaker/strata_window.h"
#include "steady/rng.h"

#define WINDOW_MS 10000
#define WORKERS 3

enum { CALLS_MAX = 20000 };

struct note {
    uint64_t ms;
    struct strata strata;
    enum strata_sum sum;
};

struct model {
    struct strata_window window;
    struct strata_calls locals[WORKERS];
    struct note notes[CALLS_MAX];
    size_t notes_from, notes_count;
    uint64_t start_ms; /* of the present span */
};

static struct strata_calls good_of(const struct model *m)
{
    struct strata_calls sum = {{{0}}};
    for (unsigned i = 0; i < WORKERS; i++) {
        strata_gather(&sum, &m->locals[i]);
    }
    return sum;
}

static void add(struct model *m, unsigned worker, struct strata strata, enum strata_sum sum,
                uint64_t now_ms)
{
    const struct strata_calls good = good_of(m);
    if (now_ms >= m->window.end_ms) {
        strata_window_turn(&m->window, &good, now_ms, WINDOW_MS);
        m->start_ms = now_ms - now_ms % WINDOW_MS;
    }
    if (sum == STRATA_GOOD) {
        strata_add_good(&m->locals[worker], strata);
    } else {
        strata_window_add_bad(&m->window, strata, sum);
    }
    m->notes[m->notes_count++] = (struct note){now_ms, strata, sum};
}

/* How much a call counts. */
static double weight_of(const struct model *m, const struct note *note, uint64_t now_ms)
{
    double left = (double)(m->start_ms + WINDOW_MS - now_ms) / WINDOW_MS;
    if (note->ms >= m->start_ms) {
        return 1;
    }
    return note->ms + WINDOW_MS >= m->start_ms ? left : 0;
}

static double share_by_hand(const struct model *m, enum strata_side side, enum strata_sum sum,
                            uint64_t now_ms, uint32_t *set)
{
    double all[STRATA_COUNT] = {0}, bad[STRATA_COUNT] = {0}, total = 0, worst = 0;
    unsigned count = 0;
    for (size_t i = m->notes_from; i < m->notes_count; i++) {
        const struct note *note = &m->notes[i];
        unsigned at = side == STRATA_BY_CLIENT ? note->strata.client : note->strata.path;
        double weight = weight_of(m, note, now_ms);
        all[at] += weight;
        bad[at] += note->sum == sum ? weight : 0;
    }
    for (unsigned i = 0; i < STRATA_COUNT; i++) {
        if (all[i] > 0) {
            double share = bad[i] / all[i];
            *set |= STRATA_BIT(side, i);
            total += share;
            worst = share > worst ? share : worst;
            count++;
        }
    }
    return count > 1 ? (total - worst) / (count - 1) : 1;
}

static double smaller_by_hand(const struct model *m, enum strata_sum sum, uint64_t now_ms,
                              uint32_t *set)
{
    double by_client = share_by_hand(m, STRATA_BY_CLIENT, sum, now_ms, set);
    double by_path = share_by_hand(m, STRATA_BY_PATH, sum, now_ms, set);
    return by_client < by_path ? by_client : by_path;
}

static void compare(const struct model *m, uint64_t now_ms)
{
    const struct strata_calls good = good_of(m);
    const struct strata_shares shares = strata_window_shares(&m->window, &good, now_ms, WINDOW_MS);
    uint32_t set = 0;
    assert_float_equal(shares.failed, smaller_by_hand(m, STRATA_FAILED, now_ms, &set), 1e-6);
    assert_float_equal(shares.slow, smaller_by_hand(m, STRATA_SLOW, now_ms, &set), 1e-6);
    assert_int_equal(strata_window_set(&m->window, &good, now_ms, WINDOW_MS), set);
}

static void random_calls_have_the_shares_of_the_model(void **state)
{
    struct rng rng;
    struct model *m = malloc(sizeof *m);
    (void)state;
    rng_init(&rng, unit_seed());
    for (unsigned round = 0; round < 20; round++) {
        uint64_t now_ms = rng_below(&rng, 1000000), limit = 1 + rng_below(&rng, STRATA_COUNT);
        *m = (struct model){.start_ms = 0};
        for (unsigned i = 0; i < 1000; i++) {
            const struct strata strata = {(uint8_t)rng_below(&rng, limit),
                                          (uint8_t)rng_below(&rng, STRATA_COUNT)};
            now_ms += rng_below(&rng, rng_below(&rng, 100) == 0 ? 30000 : 100);
            add(m, (unsigned)rng_below(&rng, WORKERS), strata,
                (enum strata_sum)rng_below(&rng, STRATA_SUMS), now_ms);
            if (rng_below(&rng, 200) == 0) {
                const struct strata_calls good = good_of(m);
                strata_window_clear(&m->window, &good, now_ms, WINDOW_MS);
                m->start_ms = now_ms - now_ms % WINDOW_MS;
                m->notes_from = m->notes_count;
            }
            compare(m, now_ms);
        }
    }
    free(m);
}

/* A worker that has done so many calls goes on at zero. */
static void sums_that_wrap_around_do_not_matter(void **state)
{
    struct model *m = calloc(1, sizeof *m);
    const struct strata strata = {1, 2}, other = {3, 4};
    (void)state;
    m->locals[0].of[STRATA_BY_CLIENT][1] = m->locals[0].of[STRATA_BY_PATH][2] = UINT32_MAX - 5;
    for (unsigned i = 0; i < 30; i++) {
        add(m, 0, strata, STRATA_GOOD, 100000 + i);
        add(m, 0, other, STRATA_FAILED, 100000 + i);
        compare(m, 100000 + i);
    }
    free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_calls_have_the_shares_of_the_model),
        cmocka_unit_test(sums_that_wrap_around_do_not_matter),
    };
    return cmocka_run_group_tests_name("strata_window", tests, NULL, NULL);
}
