/* Sessions are found by name, port, ALPN and trust, never by address; used once where that is the rule; and bounded. */
#include "tests/unit/session_bench.h"

#include <pthread.h>

#include "steady/fault.h"
#include "steady/rng.h"
#include "tls/session_cache.h"
#include "tls/session_der.h"
#include "tls/session_name.h"

/* ---- keys ---- */

static void no_part_of_the_key_may_differ(void **state)
{
    (void)state;
    struct bench bench;
    const struct session_key others[] = {
        key_of("other.internal", 443, "http/1.1", 1),
        key_of("apt.internal", 443, "http/1.1", 1),
        key_of("", 443, "http/1.1", 1),
        key_of("app.internal", 443 + 1, "http/1.1", 1),
        key_of("app.internal", 443 + 256, "http/1.1", 1),
        key_of("app.internal", 443, "h2", 1),
        key_of("app.internal", 443, "http/1.0", 1),
        key_of("app.internal", 443, "", 1),
        key_of("1app.internal", 443, "http/1.", 1),
        key_of("app.internal", 443, "http/1.1", 2),
    };
    open_bench(&bench, &plenty);
    put(&bench, "127.0.0.1", 7);
    struct session_key own = bench.key;
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        struct session_offer offer;
        bench.key = others[i];
        assert_int_equal(take(&bench, "127.0.0.1", &offer), 0);
    }
    bench.key = own;
    assert_int_equal(take_and_judge(&bench, "127.0.0.1", SESSION_ACCEPTED), 7);
    close_bench(&bench);
}

static void every_byte_of_the_trust_counts(void **state)
{
    (void)state;
    struct bench bench;
    struct session_offer offer;
    open_bench(&bench, &plenty);
    put(&bench, "127.0.0.1", 7);
    for (size_t i = 0; i < SESSION_TRUST_BYTES; i++) {
        bench.key.bytes[i] ^= 0x80;
        assert_int_equal(take(&bench, "127.0.0.1", &offer), 0);
        bench.key.bytes[i] ^= 0x80;
    }
    assert_int_equal(take(&bench, "127.0.0.1", &offer), 7);
    close_bench(&bench);
}

static void names_are_equal_without_regard_to_case(void **state)
{
    (void)state;
    struct bench bench;
    struct session_offer offer;
    open_bench(&bench, &plenty);
    put(&bench, "127.0.0.1", 7);
    bench.key = key_of("App.INTERNAL", 443, "http/1.1", 1);
    assert_int_equal(take(&bench, "127.0.0.1", &offer), 7);
    close_bench(&bench);
}

static void words_that_are_too_long_make_no_key(void **state)
{
    (void)state;
    struct session_key key;
    const uint8_t trust[SESSION_TRUST_BYTES] = {0};
    char name[SESSION_NAME_MOST_BYTES + 2];
    memset(name, 'a', sizeof name);
    name[SESSION_NAME_MOST_BYTES] = '\0';
    assert_true(session_key_init(&key, name, 1, "http/1.1", trust));
    name[SESSION_NAME_MOST_BYTES] = 'a';
    name[SESSION_NAME_MOST_BYTES + 1] = '\0';
    assert_false(session_key_init(&key, name, 1, "http/1.1", trust));
    assert_false(session_key_init(&key, "a", 1, "a-protocol-name-longer-than-any-known", trust));
}

/* ---- what is offered ---- */

static void an_address_makes_no_entry_and_is_preferred(void **state)
{
    (void)state;
    struct bench bench;
    struct session_offer offer;
    open_bench(&bench, &plenty);
    put(&bench, "127.0.0.1", 1);
    put(&bench, "127.0.0.2", 2);
    put(&bench, "127.0.0.3", 3);
    assert_int_equal(figures_of(&bench).names, 1);
    assert_int_equal(take(&bench, "127.0.0.2", &offer), 2);
    assert_false(offer.across);
    /* An address never seen is offered the newest of another. */
    assert_int_equal(take(&bench, "127.0.9.9", &offer), 3);
    assert_true(offer.across);
    close_bench(&bench);
}

static void a_tls13_ticket_is_offered_once(void **state)
{
    (void)state;
    struct bench bench;
    open_bench(&bench, &plenty);
    put(&bench, "127.0.0.1", 1);
    assert_int_equal(take_and_judge(&bench, "127.0.0.1", SESSION_ACCEPTED), 1);
    assert_int_equal(take_and_judge(&bench, "127.0.0.1", SESSION_ACCEPTED), 0);
    assert_int_equal(figures_of(&bench).entries, 0);
    close_bench(&bench);
}

static void a_tls12_session_is_offered_until_it_is_declined(void **state)
{
    (void)state;
    struct bench bench;
    open_bench(&bench, &plenty);
    put_as(&bench, &tls12, "127.0.0.1", 1);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(take_and_judge(&bench, "127.0.0.1", SESSION_ACCEPTED), 1);
    }
    assert_int_equal(take_and_judge(&bench, "127.0.0.2", SESSION_DECLINED), 1);
    assert_int_equal(take_and_judge(&bench, "127.0.0.1", SESSION_DECLINED), 1);
    assert_int_equal(take_and_judge(&bench, "127.0.0.1", SESSION_ACCEPTED), 0);
    struct session_figures figures = figures_of(&bench);
    assert_int_equal(figures.offered, 5);
    assert_int_equal(figures.accepted, 3);
    close_bench(&bench);
}

static void a_session_whose_handshake_failed_is_not_offered_again(void **state)
{
    (void)state;
    struct bench bench;
    open_bench(&bench, &plenty);
    put_as(&bench, &tls12, "127.0.0.1", 1);
    assert_int_equal(take_and_judge(&bench, "127.0.0.1", SESSION_SPOILT), 1);
    assert_int_equal(take_and_judge(&bench, "127.0.0.1", SESSION_SPOILT), 0);
    assert_int_equal(figures_of(&bench).offered, 0);
    close_bench(&bench);
}

static void resume_without_certificate(struct session_rig *rig)
{
    uint8_t *der;
    size_t bytes;
    int whole_bytes = i2d_SSL_SESSION(rig->model, NULL);
    assert_non_null(SSL_SESSION_get0_peer(rig->model));
    assert_true(session_der_write(rig->model, &der, &bytes));
    assert_true(bytes + 200 < (size_t)whole_bytes);
    SSL_SESSION *session = session_der_read(der, bytes);
    session_der_free(der, bytes);
    assert_non_null(session);
    assert_null(SSL_SESSION_get0_peer(session));
    assert_true(session_rig_shake(rig, session));
    SSL_SESSION_free(session);
}

static void a_session_is_kept_without_the_certificate_and_resumes(void **state)
{
    (void)state;
    struct session_rig rig;
    const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    for (size_t i = 0; i < 2; i++) {
        session_rig_init(&rig, versions[i], HINT_S);
        resume_without_certificate(&rig);
        session_rig_release(&rig);
    }
}

/* ---- bounds ---- */

static void a_name_keeps_its_newest_and_something_for_each_address(void **state)
{
    (void)state;
    struct bench bench;
    struct session_offer offer;
    open_bench(&bench, &plenty);
    put(&bench, "127.0.0.1", 1);
    put(&bench, "127.0.0.2", 2);
    for (uint32_t number = 3; number < 10; number++) {
        put(&bench, "127.0.0.3", number);
    }
    assert_int_equal(figures_of(&bench).entries, 4);
    assert_int_equal(take(&bench, "127.0.0.1", &offer), 1);
    assert_int_equal(take(&bench, "127.0.0.2", &offer), 2);
    assert_int_equal(take(&bench, "127.0.0.3", &offer), 9);
    assert_int_equal(take(&bench, "127.0.0.3", &offer), 8);
    assert_int_equal(take(&bench, "127.0.0.3", &offer), 0);
    assert_int_equal(figures_of(&bench).evicted, 5);
    close_bench(&bench);
}

static void entries_are_bounded_and_the_oldest_goes(void **state)
{
    (void)state;
    struct bench bench;
    struct session_limits limits = plenty;
    limits.entries_count = 8;
    open_bench(&bench, &limits);
    for (uint32_t i = 0; i < 100; i++) {
        char name[32];
        snprintf(name, sizeof name, "name-%u", i);
        bench.key = key_of(name, 443, "http/1.1", 1);
        put(&bench, "127.0.0.1", i + 1);
        assert_true(figures_of(&bench).entries <= 8);
    }
    assert_int_equal(figures_of(&bench).entries, 8);
    assert_int_equal(figures_of(&bench).evicted, 92);
    struct session_offer offer;
    assert_int_equal(take(&bench, "127.0.0.1", &offer), 100);
    close_bench(&bench);
}

static void bytes_are_bounded(void **state)
{
    (void)state;
    struct bench bench;
    struct session_limits limits = plenty;
    limits.bytes = 16 * 1024;
    open_bench(&bench, &limits);
    for (uint32_t i = 0; i < 200; i++) {
        char name[32];
        snprintf(name, sizeof name, "name-%u", i);
        bench.key = key_of(name, 443, "http/1.1", 1);
        put(&bench, "127.0.0.1", i + 1);
        assert_true(figures_of(&bench).bytes <= limits.bytes);
    }
    assert_true(figures_of(&bench).entries > 5);
    limits.bytes = 10;
    session_cache_set_limits(bench.cache, &limits, bench.now_ms);
    assert_int_equal(figures_of(&bench).entries, 0);
    assert_int_equal(figures_of(&bench).bytes, 0);
    put(&bench, "127.0.0.1", 1);
    assert_int_equal(figures_of(&bench).dropped, 1);
    close_bench(&bench);
}

static void put_of_many(struct bench *bench, const struct session_rig *rig, uint32_t number,
                        uint64_t connections_count)
{
    struct session_address from = at("127.0.0.1");
    SSL_SESSION *session = session_rig_numbered(rig, number);
    session_cache_put(bench->cache, &bench->key, &from, session, bench->now_ms, FOREVER_MS,
                      connections_count);
    SSL_SESSION_free(session);
}

static void a_name_keeps_a_ticket_for_each_connection(void **state)
{
    (void)state;
    struct bench bench;
    struct session_limits limits = plenty;
    limits.per_name_count = 4;
    open_bench(&bench, &limits);
    for (uint32_t i = 1; i <= 20; i++) {
        put_of_many(&bench, &tls13, i, 8);
    }
    assert_int_equal(figures_of(&bench).entries, 8);
    put_of_many(&bench, &tls13, 21, 3); /* another upstream's, or after a loss */
    assert_int_equal(figures_of(&bench).entries, 8);
    for (uint32_t i = 22; i <= 600; i++) {
        put_of_many(&bench, &tls13, i, 100000);
    }
    assert_int_equal(figures_of(&bench).entries, 256);
    close_bench(&bench);
    /* one of TLS 1.2 is good for all of them */
    open_bench(&bench, &limits);
    for (uint32_t i = 1; i <= 20; i++) {
        put_of_many(&bench, &tls12, i, 8);
    }
    assert_int_equal(figures_of(&bench).entries, 4);
    close_bench(&bench);
}

static void lower_limits_hold_at_once(void **state)
{
    (void)state;
    struct bench bench;
    struct session_limits limits = plenty;
    open_bench(&bench, &limits);
    for (uint32_t i = 0; i < 40; i++) {
        char name[32];
        snprintf(name, sizeof name, "name-%u", i);
        bench.key = key_of(name, 443, "http/1.1", 1);
        put(&bench, "127.0.0.1", i + 1);
    }
    limits.entries_count = 3;
    session_cache_set_limits(bench.cache, &limits, bench.now_ms);
    assert_int_equal(figures_of(&bench).entries, 3);
    close_bench(&bench);
}

static void names_without_sessions_are_forgotten(void **state)
{
    (void)state;
    struct bench bench;
    open_bench(&bench, &plenty);
    for (uint32_t i = 0; i < 50; i++) {
        char name[32];
        snprintf(name, sizeof name, "name-%u", i);
        bench.key = key_of(name, 443, "http/1.1", 1);
        put(&bench, "127.0.0.1", i + 1);
    }
    bench.now_ms += plenty.ttl_ms - 1;
    session_cache_sweep(bench.cache, bench.now_ms);
    assert_int_equal(figures_of(&bench).entries, 0);
    assert_int_equal(figures_of(&bench).names, 50);
    bench.now_ms += 2;
    session_cache_sweep(bench.cache, bench.now_ms);
    assert_int_equal(figures_of(&bench).names, 0);
    close_bench(&bench);
}

/* ---- time ---- */

static void expires_after(uint64_t life_ms, const struct session_limits *limits, uint64_t most_ms)
{
    struct bench bench;
    struct session_offer offer;
    open_bench(&bench, limits);
    struct session_address from = at("127.0.0.1");
    for (uint32_t i = 1; i <= 2; i++) {
        SSL_SESSION *session = session_rig_numbered(&tls13, i);
        session_cache_put(bench.cache, &bench.key, &from, session, bench.now_ms,
                          bench.now_ms + most_ms, 0);
        SSL_SESSION_free(session);
    }
    bench.now_ms += life_ms - 1;
    assert_int_equal(take(&bench, "127.0.0.1", &offer), 2);
    bench.now_ms += 1;
    assert_int_equal(take(&bench, "127.0.0.1", &offer), 0);
    assert_int_equal(figures_of(&bench).expired, 1);
    close_bench(&bench);
}

static void a_session_lives_as_long_as_the_shortest_of_its_limits(void **state)
{
    (void)state;
    struct session_limits limits = plenty;
    expires_after(HINT_S * 1000, &limits, FOREVER_MS);
    expires_after(60000, &limits, 60000);
    limits.ttl_ms = 5000;
    expires_after(5000, &limits, FOREVER_MS);
}

static void what_a_resumed_connection_brings_is_verified_again_when_the_first_one_had_to_be(
    void **state)
{
    (void)state;
    struct bench bench;
    struct session_address from = at("127.0.0.1");
    struct session_offer offer;
    const uint64_t until_ms = 50000;
    open_bench(&bench, &plenty);
    session_cache_put(bench.cache, &bench.key, &from, tls13.model, bench.now_ms, until_ms, 0);
    for (; bench.now_ms < until_ms; bench.now_ms += 7000) {
        SSL_SESSION *session =
            session_cache_take(bench.cache, &bench.key, &from, bench.now_ms, &offer);
        assert_int_equal(offer.until_ms, until_ms);
        session_cache_put(bench.cache, &bench.key, &from, session, bench.now_ms, offer.until_ms, 0);
        SSL_SESSION_free(session);
    }
    assert_null(session_cache_take(bench.cache, &bench.key, &from, bench.now_ms, &offer));
    close_bench(&bench);
}

static void a_ticket_that_may_not_be_kept_is_not(void **state)
{
    (void)state;
    struct bench bench;
    struct session_address from = at("127.0.0.1");
    open_bench(&bench, &plenty);
    session_cache_put(bench.cache, &bench.key, &from, tls13.model, bench.now_ms, bench.now_ms, 0);
    SSL_SESSION *empty = SSL_SESSION_new();
    session_cache_put(bench.cache, &bench.key, &from, empty, bench.now_ms, FOREVER_MS, 0);
    SSL_SESSION_free(empty);
    assert_int_equal(figures_of(&bench).entries, 0);
    close_bench(&bench);
}

/* ---- outside the process ---- */

enum { RECORDS_MOST = 32 };

struct saved {
    struct session_record records[RECORDS_MOST];
    uint8_t der[RECORDS_MOST][4096];
    size_t count;
};

static void save_one(const struct session_record *record, void *owner)
{
    struct saved *saved = owner;
    assert_true(saved->count < RECORDS_MOST && record->der_bytes <= sizeof saved->der[0]);
    saved->records[saved->count] = *record;
    memcpy(saved->der[saved->count], record->der, record->der_bytes);
    saved->records[saved->count].der = saved->der[saved->count];
    saved->count++;
}

static void what_was_saved_comes_back_with_the_life_it_had_left(void **state)
{
    (void)state;
    struct bench bench;
    struct saved saved = {.count = 0};
    struct session_offer offer;
    open_bench(&bench, &plenty);
    put(&bench, "127.0.0.1", 1);
    put(&bench, "127.0.0.2", 2);
    put(&bench, "127.0.0.2", 3);
    bench.now_ms += 1000000;
    session_cache_save(bench.cache, bench.now_ms, save_one, &saved);
    assert_int_equal(saved.count, 3);
    assert_int_equal(saved.records[0].left_ms, HINT_S * 1000 - 1000000);
    close_bench(&bench);

    open_bench(&bench, &plenty);
    bench.now_ms = 5;
    for (size_t i = 0; i < saved.count; i++) {
        assert_int_equal(session_cache_restore(bench.cache, &saved.records[i], bench.now_ms),
                         SESSION_RESTORED);
    }
    assert_int_equal(take(&bench, "127.0.0.1", &offer), 1);
    assert_int_equal(take(&bench, "127.0.0.2", &offer), 3);
    bench.now_ms += HINT_S * 1000 - 1000000;
    assert_int_equal(take(&bench, "127.0.0.2", &offer), 0);
    close_bench(&bench);
}

static void what_is_no_session_is_not_restored(void **state)
{
    (void)state;
    struct bench bench;
    struct saved saved = {.count = 0};
    open_bench(&bench, &plenty);
    put(&bench, "127.0.0.1", 1);
    session_cache_save(bench.cache, bench.now_ms, save_one, &saved);
    struct session_record good = saved.records[0], bad = good;
    for (bad.der_bytes = 0; bad.der_bytes < good.der_bytes; bad.der_bytes++) {
        assert_int_equal(session_cache_restore(bench.cache, &bad, 1), SESSION_RESTORE_INVALID);
    }
    bad = good;
    bad.key.byte_count = 3;
    assert_int_equal(session_cache_restore(bench.cache, &bad, 1), SESSION_RESTORE_INVALID);
    bad = good;
    bad.key.bytes[SESSION_TRUST_BYTES + 2] = 200;
    assert_int_equal(session_cache_restore(bench.cache, &bad, 1), SESSION_RESTORE_INVALID);
    bad = good;
    bad.left_ms = 0;
    assert_int_equal(session_cache_restore(bench.cache, &bad, 1), SESSION_RESTORE_EXPIRED);
    assert_int_equal(session_cache_restore(bench.cache, &good, 1), SESSION_RESTORED);
    close_bench(&bench);
}

/* ---- threads, memory ---- */

enum { THREADS = 4, THREAD_STEPS = 3000 };

struct walker {
    pthread_t thread;
    struct session_cache *cache;
    uint64_t seed;
};

static void *walk(void *argument)
{
    struct walker *walker = argument;
    struct rng rng;
    rng_init(&rng, walker->seed);
    for (uint64_t step = 0; step < THREAD_STEPS; step++) {
        char name[32];
        snprintf(name, sizeof name, "name-%u", (unsigned)rng_below(&rng, 8));
        struct session_key key = key_of(name, 443, "http/1.1", 1);
        struct session_address address = address_number((uint32_t)rng_below(&rng, 5));
        struct session_offer offer;
        SSL_SESSION *session = session_cache_take(walker->cache, &key, &address, step, &offer);
        SSL_SESSION_free(session);
        session_cache_judge(walker->cache, &key, &offer, (enum session_verdict)rng_below(&rng, 3));
        const struct session_rig *rig = rng_below(&rng, 2) == 0 ? &tls13 : &tls12;
        session = session_rig_numbered(rig, (uint32_t)step);
        session_cache_put(walker->cache, &key, &address, session, step, FOREVER_MS, 0);
        SSL_SESSION_free(session);
        if (step % 100 == 0) {
            session_cache_sweep(walker->cache, step);
        }
    }
    return NULL;
}

static void workers_share_it_without_a_count_getting_lost(void **state)
{
    (void)state;
    struct bench bench;
    struct walker walkers[THREADS];
    struct session_limits limits = plenty;
    uint64_t seed = unit_seed();
    limits.entries_count = 20;
    open_bench(&bench, &limits);
    for (size_t i = 0; i < THREADS; i++) {
        walkers[i] = (struct walker){.cache = bench.cache, .seed = seed + i};
        assert_int_equal(pthread_create(&walkers[i].thread, NULL, walk, &walkers[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(walkers[i].thread, NULL);
    }
    struct session_figures figures = figures_of(&bench);
    assert_true(figures.entries <= 20);
    assert_int_equal(figures.stored + figures.dropped, THREADS * THREAD_STEPS);
    close_bench(&bench);
}

#ifdef EVENKEEL_FAULT_INJECTION

static void every_allocation_may_fail(void **state)
{
    (void)state;
    bool struck = true;
    for (uint64_t n = 1; struck; n++) {
        bound_registry_init(&registry);
        fault_arm(FAULT_ALLOC, n);
        struct bench bench = {session_cache_create(&registry, 1, &plenty), {0}, 1};
        bench.key = key_of("app.internal", 443, "http/1.1", 1);
        if (bench.cache != NULL) {
            struct session_offer offer;
            put_as(&bench, &tls12, "127.0.0.1", 1);
            put(&bench, "127.0.0.1", 2);
            (void)take(&bench, "127.0.0.1", &offer);
            (void)take(&bench, "127.0.0.1", &offer);
            session_cache_free(&bench.cache);
        }
        struck = fault_disarm(FAULT_ALLOC);
        assert_int_equal(registry.count, 0);
    }
}

#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_part_of_the_key_may_differ),
        cmocka_unit_test(every_byte_of_the_trust_counts),
        cmocka_unit_test(names_are_equal_without_regard_to_case),
        cmocka_unit_test(words_that_are_too_long_make_no_key),
        cmocka_unit_test(an_address_makes_no_entry_and_is_preferred),
        cmocka_unit_test(a_tls13_ticket_is_offered_once),
        cmocka_unit_test(a_tls12_session_is_offered_until_it_is_declined),
        cmocka_unit_test(a_session_whose_handshake_failed_is_not_offered_again),
        cmocka_unit_test(a_session_is_kept_without_the_certificate_and_resumes),
        cmocka_unit_test(a_name_keeps_its_newest_and_something_for_each_address),
        cmocka_unit_test(a_name_keeps_a_ticket_for_each_connection),
        cmocka_unit_test(entries_are_bounded_and_the_oldest_goes),
        cmocka_unit_test(bytes_are_bounded),
        cmocka_unit_test(lower_limits_hold_at_once),
        cmocka_unit_test(names_without_sessions_are_forgotten),
        cmocka_unit_test(a_session_lives_as_long_as_the_shortest_of_its_limits),
        cmocka_unit_test(
            what_a_resumed_connection_brings_is_verified_again_when_the_first_one_had_to_be),
        cmocka_unit_test(a_ticket_that_may_not_be_kept_is_not),
        cmocka_unit_test(what_was_saved_comes_back_with_the_life_it_had_left),
        cmocka_unit_test(what_is_no_session_is_not_restored),
        cmocka_unit_test(workers_share_it_without_a_count_getting_lost),
#ifdef EVENKEEL_FAULT_INJECTION
        cmocka_unit_test(every_allocation_may_fail),
#endif
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
