/* What a name's addresses do with each other's tickets decides what they are offered, whatever becomes of the addresses. */
#include "tests/unit/session_bench.h"

#include "steady/rng.h"
#include "tls/session_name.h"

/* ---- endpoints that do not share ticket keys ---- */

/* An offer across addresses; false: nothing was offered. */
static bool offer_across(struct bench *bench, enum session_verdict verdict)
{
    put(bench, "127.0.0.1", 1);
    return take_and_judge(bench, "127.0.0.2", verdict) != 0;
}

static bool is_apart(struct bench *bench)
{
    struct session_offer offer;
    put(bench, "127.0.0.1", 1);
    return take(bench, "127.0.0.2", &offer) == 0;
}

static void tickets_are_kept_apart_when_most_of_fifty_offers_are_declined(void **state)
{
    (void)state;
    struct bench bench;
    open_bench(&bench, &plenty);
    for (int i = 0; i < 24; i++) {
        assert_true(offer_across(&bench, SESSION_ACCEPTED));
    }
    for (int i = 0; i < 25; i++) {
        assert_true(offer_across(&bench, SESSION_DECLINED));
    }
    assert_false(is_apart(&bench));
    assert_true(offer_across(&bench, SESSION_DECLINED));
    assert_true(is_apart(&bench));
    close_bench(&bench);
}

static void half_of_fifty_offers_is_enough_to_share(void **state)
{
    (void)state;
    struct bench bench;
    open_bench(&bench, &plenty);
    for (int i = 0; i < 500; i++) {
        assert_true(offer_across(&bench, i % 2 == 0 ? SESSION_ACCEPTED : SESSION_DECLINED));
    }
    close_bench(&bench);
}

static void what_the_issuer_itself_declines_says_nothing_about_sharing(void **state)
{
    (void)state;
    struct bench bench;
    open_bench(&bench, &plenty);
    for (int i = 0; i < 200; i++) {
        put(&bench, "127.0.0.1", 1);
        assert_int_equal(take_and_judge(&bench, "127.0.0.1", SESSION_DECLINED), 1);
    }
    assert_false(is_apart(&bench));
    close_bench(&bench);
}

static void a_name_that_begins_to_share_is_found_out(void **state)
{
    (void)state;
    struct bench bench;
    int misses = 0, trials = 0;
    open_bench(&bench, &plenty);
    for (int i = 0; i < 26; i++) {
        assert_true(offer_across(&bench, SESSION_DECLINED));
    }
    for (int i = 0; i < 400; i++) {
        trials += offer_across(&bench, SESSION_DECLINED);
    }
    assert_int_equal(trials, 400 / SESSION_TRIAL_MISSES);
    while (!offer_across(&bench, SESSION_ACCEPTED) || misses < 3 * SESSION_TRIAL_MISSES) {
        misses++;
    }
    for (int i = 0; i < 3 * SESSION_TRIAL_MISSES; i++) {
        (void)offer_across(&bench, SESSION_ACCEPTED);
    }
    assert_false(is_apart(&bench));
    close_bench(&bench);
}

static void an_apart_name_has_a_session_for_each_of_its_addresses(void **state)
{
    (void)state;
    struct bench bench;
    char address[32];
    open_bench(&bench, &plenty);
    for (int i = 0; i < 26; i++) {
        assert_true(offer_across(&bench, SESSION_DECLINED));
    }
    for (uint32_t i = 0; i < 300; i++) {
        snprintf(address, sizeof address, "127.0.1.%u", i % 15);
        if (i >= 15) {
            assert_int_equal(take_and_judge(&bench, address, SESSION_ACCEPTED) % 15, i % 15);
        }
        put(&bench, address, 15000 + i);
        put(&bench, address, 15000 + i);
        assert_true(figures_of(&bench).entries <= plenty.per_name_count * SESSION_APART_FACTOR);
    }
    close_bench(&bench);
}

/* ---- six weeks of addresses that come and go ---- */

enum { NAMES = 40, ADDRESSES = 3, ROUNDS = 110, DIALS_PER_ROUND = 30 };

struct churn {
    struct bench bench;
    struct rng rng;
    bool shared;
    uint32_t addresses[NAMES][ADDRESSES];
    bool seen[NAMES][ADDRESSES]; /* dialled since it came */
    uint32_t next_address;
    uint64_t dials, resumed, dials_seen, resumed_seen;
};

/* What the origin does: a ticket is good at any address, or only where it came from. */
static void churn_dial(struct churn *churn, size_t n, size_t a)
{
    struct bench *bench = &churn->bench;
    char name[32];
    struct session_offer offer;
    snprintf(name, sizeof name, "name-%zu.internal", n);
    bench->key = key_of(name, 443, "http/1.1", 1);
    uint32_t number = churn->addresses[n][a];
    struct session_address address = address_number(number);
    SSL_SESSION *session =
        session_cache_take(bench->cache, &bench->key, &address, bench->now_ms, &offer);
    bool resumed = session != NULL && (churn->shared || session_rig_number(session) == number);
    session_cache_judge(bench->cache, &bench->key, &offer,
                        resumed ? SESSION_ACCEPTED : SESSION_DECLINED);
    SSL_SESSION_free(session);
    churn->dials++;
    churn->resumed += resumed;
    churn->dials_seen += churn->seen[n][a];
    churn->resumed_seen += churn->seen[n][a] && resumed;
    churn->seen[n][a] = true;
    session = session_rig_numbered(&tls13, number);
    for (int i = 0; i < 2; i++) { /* as servers do */
        session_cache_put(bench->cache, &bench->key, &address, session, bench->now_ms, FOREVER_MS,
                          0);
    }
    SSL_SESSION_free(session);
}

static void churn_move(struct churn *churn, size_t n, size_t a)
{
    churn->addresses[n][a] = churn->next_address++;
    churn->seen[n][a] = false;
}

static void run_churn(struct churn *churn, bool shared)
{
    *churn = (struct churn){.shared = shared, .next_address = 0x7f010000};
    rng_init(&churn->rng, unit_seed());
    open_bench(&churn->bench, &plenty);
    for (size_t n = 0; n < NAMES; n++) {
        for (size_t a = 0; a < ADDRESSES; a++) {
            churn_move(churn, n, a);
        }
    }
    uint64_t peak_bytes = 0;
    for (int round = 0; round < ROUNDS; round++) {
        churn->bench.now_ms += 42ull * 24 * 3600 * 1000 / ROUNDS / 40;
        for (size_t n = 0; n < NAMES; n++) {
            for (int i = 0; i < DIALS_PER_ROUND / ADDRESSES; i++) {
                churn_dial(churn, n, rng_below(&churn->rng, ADDRESSES));
            }
            churn_move(churn, n, rng_below(&churn->rng, ADDRESSES));
        }
        struct session_figures figures = figures_of(&churn->bench);
        assert_int_equal(figures.names, NAMES);
        assert_true(figures.entries <=
                    NAMES * plenty.per_name_count * (shared ? 1 : SESSION_APART_FACTOR));
        if (round == ROUNDS / 2) {
            peak_bytes = figures.bytes;
        } else if (round > ROUNDS / 2) {
            assert_true(figures.bytes <= peak_bytes + peak_bytes / 20);
        }
    }
    assert_true(churn->next_address - 0x7f010000 >= 4200);
    printf("# %" PRIu64 " dials, %" PRIu64 " resumed; at addresses seen before %" PRIu64
           ", %" PRIu64 "\n",
           churn->dials, churn->resumed, churn->dials_seen, churn->resumed_seen);
    close_bench(&churn->bench);
}

static void six_weeks_of_churn_leave_forty_names_that_resume(void **state)
{
    (void)state;
    struct churn churn;
    run_churn(&churn, true);
    assert_true(100 * churn.resumed > 95 * churn.dials);
}

static void six_weeks_of_churn_without_shared_keys_resume_where_they_can(void **state)
{
    (void)state;
    struct churn churn;
    run_churn(&churn, false);
    assert_true(100 * churn.resumed_seen > 80 * churn.dials_seen);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tickets_are_kept_apart_when_most_of_fifty_offers_are_declined),
        cmocka_unit_test(half_of_fifty_offers_is_enough_to_share),
        cmocka_unit_test(what_the_issuer_itself_declines_says_nothing_about_sharing),
        cmocka_unit_test(a_name_that_begins_to_share_is_found_out),
        cmocka_unit_test(an_apart_name_has_a_session_for_each_of_its_addresses),
        cmocka_unit_test(six_weeks_of_churn_leave_forty_names_that_resume),
        cmocka_unit_test(six_weeks_of_churn_without_shared_keys_resume_where_they_can),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
