/* Which strata requests fall into: told by client and by route and path, and spread evenly. */
#include "tests/unit/unit.h"

#include <arpa/inet.h>

#include "proxy/policy/call_strata.h"
#include "steady/rng.h"

static const char route[] = "shop", other_route[] = "blog";

static struct ip_address address_of(const char *text)
{
    struct ip_address address = {.any.sa_family = AF_UNIX};
    if (strchr(text, ':') != NULL) {
        address.v6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = (in_port_t)*text};
        assert_int_equal(inet_pton(AF_INET6, text, &address.v6.sin6_addr), 1);
    } else {
        address.v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = 7};
        assert_int_equal(inet_pton(AF_INET, text, &address.v4.sin_addr), 1);
    }
    return address;
}

/* In a block of just its size, so that a byte read behind it is seen; `behind` is what follows the target there. */
static uint8_t path_stratum(uint64_t seed, const char *route_name, const char *target,
                            const char *behind)
{
    size_t target_bytes = strlen(target), bytes = target_bytes + strlen(behind);
    char *block = malloc(bytes);
    memcpy(block, target, target_bytes);
    memcpy(block + target_bytes, behind, bytes - target_bytes);
    const struct http_head head = {
        .base = block, .head_bytes = (uint32_t)bytes, .target = {0, (uint32_t)target_bytes}};
    uint8_t stratum = call_path_stratum(seed, route_name, &head);
    free(block);
    return stratum;
}

static void the_query_is_no_part_of_the_path(void **state)
{
    char path[40], with_query[60];
    (void)state;
    for (uint64_t seed = 1; seed < 50; seed++) {
        for (size_t length = 1; length < sizeof path; length++) {
            memset(path, 'a' + (int)(length % 26), length);
            path[0] = '/';
            path[length] = '\0';
            uint8_t stratum = path_stratum(seed, route, path, "");
            static const char *const queries[] = {"?", "?a", "?aaaaaaaaaaaaaaaaaaa", "?a?b"};
            for (size_t i = 0; i < sizeof queries / sizeof queries[0]; i++) {
                snprintf(with_query, sizeof with_query, "%s%s", path, queries[i]);
                assert_int_equal(path_stratum(seed, route, with_query, ""), stratum);
                assert_int_equal(path_stratum(seed, route, with_query, " HTTP/1.1\r\n"), stratum);
            }
            assert_int_equal(path_stratum(seed, route, path, " HTTP/1.1\r\n"), stratum);
        }
    }
}

/* Over many seeds what differs shares a stratum once in so many times, within five standard deviations. */
static void assert_collides(const char *what, unsigned collisions, unsigned rounds, double share)
{
    double off = collisions - share * rounds, variance = share * (1 - share) * rounds;
    if (off * off > 25 * variance) {
        fail_msg("%s: %u of %u in one stratum", what, collisions, rounds);
    }
}

static void what_differs_is_kept_apart_once_in_sixteen(void **state)
{
    static const struct {
        const char *one, *one_route, *other, *other_route;
    } pairs[] = {
        {"/a", route, "/b", route},
        {"/", route, "/", other_route},
        {"/a", route, "/aa", route},
        {"/aaaaaaa", route, "/aaaaaaab", route},
        {"/item/1000000/view", route, "/item/1000001/view", route},
        {"/item/view/1000000", route, "/item/view/2000000", route},
        {"/a-long-path-to-something/a", route, "/b-long-path-to-something/a", route},
    };
    enum { ROUNDS = 20000 };
    struct rng rng;
    (void)state;
    rng_init(&rng, unit_seed());
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        unsigned collisions = 0;
        for (unsigned round = 0; round < ROUNDS; round++) {
            uint64_t seed = rng_next(&rng);
            collisions += path_stratum(seed, pairs[i].one_route, pairs[i].one, " HTTP/1.1") ==
                          path_stratum(seed, pairs[i].other_route, pairs[i].other, " HTTP/1.1");
        }
        assert_collides(pairs[i].other, collisions, ROUNDS, 1.0 / STRATA_COUNT);
    }
}

static void clients_are_told_by_their_network_and_address(void **state)
{
    static const struct {
        const char *one, *other;
        double share; /* of the seeds for which they share a stratum */
    } pairs[] = {
        {"10.0.0.1", "10.0.0.1", 1},
        {"10.0.0.1", "::ffff:10.0.0.1", 1},
        {"10.0.0.1", "10.0.0.2", 0.25},
        {"10.0.0.1", "10.0.1.1", 1.0 / STRATA_COUNT},
        {"10.0.0.1", "192.0.2.1", 1.0 / STRATA_COUNT},
        {"2001:db8:1:1::1", "2001:db8:1:1:a:b:c:d", 1},
        {"2001:db8:1:1::1", "2001:db8:1:2::1", 0.25},
        {"2001:db8:1:1::1", "2001:db8:2:1::1", 1.0 / STRATA_COUNT},
    };
    enum { ROUNDS = 20000 };
    struct rng rng;
    (void)state;
    rng_init(&rng, unit_seed());
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        const struct ip_address one = address_of(pairs[i].one), other = address_of(pairs[i].other);
        unsigned collisions = 0;
        for (unsigned round = 0; round < ROUNDS; round++) {
            uint64_t seed = rng_next(&rng);
            collisions += call_client_stratum(seed, &one) == call_client_stratum(seed, &other);
        }
        assert_collides(pairs[i].other, collisions, ROUNDS, pairs[i].share);
    }
}

static void a_network_reaches_four_strata(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed < 200; seed++) {
        uint32_t v4 = 0, v6 = 0;
        for (unsigned i = 0; i < 256; i++) {
            char text[64];
            snprintf(text, sizeof text, "192.0.2.%u", i);
            struct ip_address address = address_of(text);
            v4 |= UINT32_C(1) << call_client_stratum(seed * 0x123456789abcdef, &address);
            snprintf(text, sizeof text, "2001:db8:5:%x::1", i * 255);
            address = address_of(text);
            v6 |= UINT32_C(1) << call_client_stratum(seed * 0x123456789abcdef, &address);
        }
        assert_int_equal(__builtin_popcount(v4), 4);
        assert_int_equal(__builtin_popcount(v6), 4);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_query_is_no_part_of_the_path),
        cmocka_unit_test(what_differs_is_kept_apart_once_in_sixteen),
        cmocka_unit_test(clients_are_told_by_their_network_and_address),
        cmocka_unit_test(a_network_reaches_four_strata),
    };
    return cmocka_run_group_tests_name("call_strata", tests, NULL, NULL);
}
