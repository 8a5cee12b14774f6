/* Sessions and ticket keys outlive the process as bytes, and no bytes do harm. */
#include "tests/unit/session_rig.h"

#include "tls/session_memory.h"
#include "tls/tickets.h"

#define HINT_S 7200
#define ROTATE_MS (8u * 3600 * 1000)
#define FOREVER_MS (UINT64_MAX / 2)

static const struct session_limits limits = {
    .entries_count = 100, .per_name_count = 4, .bytes = 1u << 20, .ttl_ms = 24u * 3600 * 1000};
static const struct session_address somewhere;
static const uint8_t trust[SESSION_TRUST_BYTES] = {1}, other_trust[SESSION_TRUST_BYTES] = {2};

static struct session_rig rig;
static struct bound_registry registry;

static struct session_key key_of(const char *name, const uint8_t fingerprint[SESSION_TRUST_BYTES])
{
    struct session_key key;
    assert_true(session_key_init(&key, name, 443, "http/1.1", fingerprint));
    return key;
}

static struct session_cache *create(void)
{
    struct session_cache *cache = session_cache_create(&registry, 1, &limits);
    assert_non_null(cache);
    return cache;
}

/* The number of the session offered for the key; 0: none. */
static uint32_t take(struct session_cache *cache, const struct session_key *key, uint64_t now_ms)
{
    struct session_offer offer;
    SSL_SESSION *session = session_cache_take(cache, key, &somewhere, now_ms, &offer);
    uint32_t number = session != NULL ? session_rig_number(session) : 0;
    SSL_SESSION_free(session);
    return number;
}

static void save_two(struct pack *pack)
{
    struct session_cache *cache = create();
    for (uint32_t number = 1; number <= 2; number++) {
        struct session_key key = key_of(number == 1 ? "a.internal" : "b.internal", trust);
        SSL_SESSION *session = session_rig_numbered(&rig, number);
        session_cache_put(cache, &key, &somewhere, session, 1000, FOREVER_MS, 0);
        SSL_SESSION_free(session);
    }
    pack_init(pack, 1u << 20);
    session_memory_save(cache, 1000, pack);
    assert_false(pack->failed);
    session_cache_free(&cache);
}

static void sessions_come_back_where_the_trust_is_the_same(void **state)
{
    (void)state;
    struct pack pack;
    struct unpack unpack;
    save_two(&pack);
    struct session_cache *cache = create();
    unpack_init(&unpack, pack.bytes, pack.length);
    assert_int_equal(session_memory_restore(cache, &unpack, 60000, 5), 2);
    assert_false(unpack.failed);
    struct session_key a = key_of("a.internal", trust), b = key_of("b.internal", trust),
                       changed = key_of("a.internal", other_trust);
    assert_int_equal(take(cache, &changed, 5), 0);
    assert_int_equal(take(cache, &a, 5), 1);
    assert_int_equal(take(cache, &b, HINT_S * 1000 - 60000 + 6), 0);
    session_cache_free(&cache);
    pack_release(&pack);
}

static void age_counts_against_their_life(void **state)
{
    (void)state;
    struct pack pack;
    struct unpack unpack;
    save_two(&pack);
    struct session_cache *cache = create();
    unpack_init(&unpack, pack.bytes, pack.length);
    assert_int_equal(session_memory_restore(cache, &unpack, HINT_S * 1000, 5), 0);
    assert_false(unpack.failed);
    session_cache_free(&cache);
    pack_release(&pack);
}

static void torn_bytes_give_what_was_whole(void **state)
{
    (void)state;
    struct pack pack;
    struct unpack unpack;
    save_two(&pack);
    for (size_t length = 0; length < pack.length; length += 7) {
        struct session_cache *cache = create();
        unpack_init(&unpack, pack.bytes, length);
        assert_true(session_memory_restore(cache, &unpack, 0, 5) < 2);
        session_cache_free(&cache);
    }
    pack_release(&pack);
}

static void ticket_keys_go_over_whole_or_not_at_all(void **state)
{
    (void)state;
    struct tls_tickets *old = tls_tickets_create(1000), *fresh = tls_tickets_create(50);
    struct pack first, second;
    struct unpack unpack;
    assert_non_null(old);
    assert_non_null(fresh);
    tls_tickets_rotate(old, ROTATE_MS, 1000 + ROTATE_MS);
    pack_init(&first, 4096);
    pack_init(&second, 4096);
    tls_tickets_save(old, 1500 + ROTATE_MS, &first);
    assert_int_equal(first.length, 8 + 2 * 80);
    for (size_t length = 0; length < first.length; length++) {
        unpack_init(&unpack, first.bytes, length);
        assert_true(tls_tickets_restore(fresh, &unpack, 50) < 2);
    }
    unpack_init(&unpack, first.bytes, first.length);
    assert_int_equal(tls_tickets_restore(fresh, &unpack, 100000), 2);
    tls_tickets_save(fresh, 100000, &second);
    assert_int_equal(second.length, first.length);
    assert_memory_equal(second.bytes, first.bytes, first.length); /* the age, too */
    pack_release(&first);
    pack_release(&second);
    tls_tickets_free(&old);
    tls_tickets_free(&fresh);
}

static int set_up(void **state)
{
    (void)state;
    bound_registry_init(&registry);
    session_rig_init(&rig, TLS1_3_VERSION, HINT_S);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    session_rig_release(&rig);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sessions_come_back_where_the_trust_is_the_same),
        cmocka_unit_test(age_counts_against_their_life),
        cmocka_unit_test(torn_bytes_give_what_was_whole),
        cmocka_unit_test(ticket_keys_go_over_whole_or_not_at_all),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
