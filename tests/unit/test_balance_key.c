/* Which requests have the same key: by field, cookie or client address. */
#include "tests/unit/unit.h"

#include <arpa/inet.h>

#include "proxy/http1/h1_parse.h"
#include "proxy/policy/balance_key.h"

/* 0: no key */
static uint64_t key_of(enum balance_method method, const char *name, const char *fields_text,
                       const char *client)
{
    const struct upstream_settings settings = {.balance = method, .balance_key = name};
    struct http_field fields[16];
    struct http_head head = {.fields = fields, .field_limit = 16};
    const struct h1_limits limits = {8192, 16};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(1)};
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)strlen(client))};
    char request[1024];
    size_t scanned = 0;
    uint64_t hash = 0;
    bool is_v6 = inet_pton(AF_INET6, client, &v6.sin6_addr) == 1;
    assert_true(is_v6 || inet_pton(AF_INET, client, &v4.sin_addr) == 1);
    snprintf(request, sizeof request, "GET / HTTP/1.1\r\nHost: h\r\n%s\r\n", fields_text);
    assert_int_equal(h1_parse_request(request, strlen(request), &limits, &scanned, &head), H1_OK);
    bool found =
        balance_key(&settings, &head,
                    is_v6 ? (const struct sockaddr *)&v6 : (const struct sockaddr *)&v4, &hash);
    assert_true(found == (hash != 0));
    return hash;
}

static uint64_t by_cookie(const char *fields)
{
    return key_of(BALANCE_HASH_COOKIE, "sid", fields, "10.0.0.1");
}

static void the_value_of_a_field_is_the_key(void **state)
{
    (void)state;
    uint64_t ann = key_of(BALANCE_HASH_HEADER, "X-User", "X-User: ann\r\n", "10.0.0.1");
    assert_true(ann != 0);
    assert_true(ann == key_of(BALANCE_HASH_HEADER, "X-User", "A: b\r\nx-uSER:  ann \r\n", "::1"));
    assert_true(ann != key_of(BALANCE_HASH_HEADER, "X-User", "X-User: Ann\r\n", "10.0.0.1"));
    assert_true(key_of(BALANCE_HASH_HEADER, "X-User", "X-Users: ann\r\n", "10.0.0.1") == 0);
    assert_true(key_of(BALANCE_HASH_HEADER, "X-User", "X-User:\r\n", "10.0.0.1") == 0);
}

static void the_value_of_a_cookie_is_the_key(void **state)
{
    (void)state;
    uint64_t key = by_cookie("Cookie: sid=42\r\n");
    assert_true(key != 0);
    assert_true(key == by_cookie("Cookie: a=1; sid=42; b=2\r\n"));
    assert_true(key == by_cookie("Cookie: a=1;sid=42\r\n"));
    assert_true(key == by_cookie("Cookie: xsid=41; sid=42; sid=43\r\n"));
    assert_true(key == by_cookie("Cookie: a=1\r\nCookie: sid=42\r\n"));
    assert_true(key != by_cookie("Cookie: sid=4\r\n"));
    static const char *const none[] = {"",
                                       "Cookie: \r\n",
                                       "Cookie: sid\r\n",
                                       "Cookie: sid=\r\n",
                                       "Cookie: sids=42\r\n",
                                       "Cookie: SID=42\r\n",
                                       "Cookie: a=sid=42\r\n",
                                       "Cookie: ;;; ;\r\n"};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        assert_true(by_cookie(none[i]) == 0);
    }
}

static void the_clients_address_without_its_port_is_the_key(void **state)
{
    (void)state;
    uint64_t one = key_of(BALANCE_HASH_CLIENT, NULL, "", "10.0.0.1");
    assert_true(one != 0);
    assert_true(one != key_of(BALANCE_HASH_CLIENT, NULL, "", "10.0.0.2"));
    assert_true(one == key_of(BALANCE_HASH_CLIENT, NULL, "", "::ffff:10.0.0.1"));
}

/* One client has all of its /64 and may change its address with every connection. */
static void a_v6_client_does_not_escape_its_key_within_its_64(void **state)
{
    (void)state;
    uint64_t one = key_of(BALANCE_HASH_CLIENT, NULL, "", "2001:db8:0:1::1");
    assert_true(one == key_of(BALANCE_HASH_CLIENT, NULL, "", "2001:db8:0:1::2"));
    assert_true(one == key_of(BALANCE_HASH_CLIENT, NULL, "", "2001:db8:0:1:ffff:ffff:ffff:ffff"));
    assert_true(one != key_of(BALANCE_HASH_CLIENT, NULL, "", "2001:db8:0:2::1"));
    assert_true(one != key_of(BALANCE_HASH_CLIENT, NULL, "", "2001:db8:1:1::1"));
}

static void other_methods_take_no_key(void **state)
{
    (void)state;
    assert_true(key_of(BALANCE_P2C, NULL, "Cookie: sid=42\r\n", "10.0.0.1") == 0);
    assert_true(key_of(BALANCE_ROUND_ROBIN, NULL, "", "10.0.0.1") == 0);
    assert_true(key_of(BALANCE_LEAST_IN_FLIGHT, NULL, "", "10.0.0.1") == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_value_of_a_field_is_the_key),
        cmocka_unit_test(the_value_of_a_cookie_is_the_key),
        cmocka_unit_test(the_clients_address_without_its_port_is_the_key),
        cmocka_unit_test(a_v6_client_does_not_escape_its_key_within_its_64),
        cmocka_unit_test(other_methods_take_no_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
