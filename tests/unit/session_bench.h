/* A session cache to try: sessions go in and out by number, addresses by text. */
#ifndef EVENKEEL_TESTS_UNIT_SESSION_BENCH_H
#define EVENKEEL_TESTS_UNIT_SESSION_BENCH_H

#include "tests/unit/session_rig.h"

#include <arpa/inet.h>

#include "tls/session_cache.h"

static struct session_rig tls13, tls12;
static struct bound_registry registry;

static const struct session_limits plenty = {
    .entries_count = 1000, .per_name_count = 4, .bytes = 4u << 20, .ttl_ms = 24u * 3600 * 1000};

struct bench {
    struct session_cache *cache;
    struct session_key key;
    uint64_t now_ms;
};

static inline struct session_address at(const char *text)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    assert_int_equal(inet_pton(AF_INET, text, &v4.sin_addr), 1);
    return session_address_of((const struct sockaddr *)&v4);
}

static inline struct session_address address_number(uint32_t number)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(number)};
    return session_address_of((const struct sockaddr *)&v4);
}

static inline struct session_key key_of(const char *name, uint16_t port, const char *alpn,
                                        uint8_t trust)
{
    struct session_key key;
    uint8_t fingerprint[SESSION_TRUST_BYTES];
    memset(fingerprint, trust, sizeof fingerprint);
    assert_true(session_key_init(&key, name, port, alpn, fingerprint));
    return key;
}

static inline void open_bench(struct bench *bench, const struct session_limits *limits)
{
    bound_registry_init(&registry);
    bench->cache = session_cache_create(&registry, 42, limits);
    assert_non_null(bench->cache);
    bench->key = key_of("app.internal", 443, "http/1.1", 1);
    bench->now_ms = 1000;
}

static inline void close_bench(struct bench *bench)
{
    session_cache_free(&bench->cache);
    assert_int_equal(registry.count, 0);
}

static inline void put_as(struct bench *bench, const struct session_rig *rig, const char *address,
                          uint32_t number)
{
    struct session_address from = at(address);
    SSL_SESSION *session = session_rig_numbered(rig, number);
    session_cache_put(bench->cache, &bench->key, &from, session, bench->now_ms, FOREVER_MS, 0);
    SSL_SESSION_free(session);
}

static inline void put(struct bench *bench, const char *address, uint32_t number)
{
    put_as(bench, &tls13, address, number);
}

/* The number of what is offered; 0: nothing. */
static inline uint32_t take(struct bench *bench, const char *address, struct session_offer *offer)
{
    struct session_address to = at(address);
    SSL_SESSION *session = session_cache_take(bench->cache, &bench->key, &to, bench->now_ms, offer);
    uint32_t number = session != NULL ? session_rig_number(session) : 0;
    assert_int_equal(session == NULL, offer->id == 0);
    SSL_SESSION_free(session);
    return number;
}

static inline uint32_t take_and_judge(struct bench *bench, const char *address,
                                      enum session_verdict verdict)
{
    struct session_offer offer;
    uint32_t number = take(bench, address, &offer);
    session_cache_judge(bench->cache, &bench->key, &offer, verdict);
    return number;
}

static inline struct session_figures figures_of(struct bench *bench)
{
    struct session_figures figures;
    session_cache_figures(bench->cache, &figures);
    return figures;
}

static inline int set_up(void **state)
{
    (void)state;
    session_rig_init(&tls13, TLS1_3_VERSION, HINT_S);
    session_rig_init(&tls12, TLS1_2_VERSION, HINT_S);
    return 0;
}

static inline int tear_down(void **state)
{
    (void)state;
    session_rig_release(&tls13);
    session_rig_release(&tls12);
    return 0;
}

#endif
