/* Addresses survive the way through text, and what is no literal address is refused. */
#include "tests/unit/unit.h"

#include <arpa/inet.h>

#include "steady/address.h"
#include "steady/rng.h"

static void literal_addresses_parse_and_format_back(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *formatted; /* NULL: the same */
        const char *ip;
        int family;
    } cases[] = {
        {"10.0.0.7:8080", NULL, "10.0.0.7", AF_INET},
        {"0.0.0.0:0", NULL, "0.0.0.0", AF_INET},
        {"255.255.255.255:65535", NULL, "255.255.255.255", AF_INET},
        {"127.0.0.1:00080", "127.0.0.1:80", "127.0.0.1", AF_INET},
        {"[::1]:80", NULL, "::1", AF_INET6},
        {"[::]:443", NULL, "::", AF_INET6},
        {"[2001:DB8:0:0:1::2]:80", "[2001:db8::1:0:0:2]:80", "2001:db8::1:0:0:2", AF_INET6},
        {"[::ffff:10.0.0.7]:80", NULL, "10.0.0.7", AF_INET6},
        {"unix:/run/evenkeel/admin.sock", NULL, "unix", AF_UNIX},
        {"unix:relative", NULL, "unix", AF_UNIX},
        {"unix:80", NULL, "unix", AF_UNIX},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct address address;
        char text[ADDRESS_TEXT_BYTES];
        assert_true(address_parse(cases[i].text, &address));
        assert_int_equal(address.any.sa_family, cases[i].family);
        const char *formatted = cases[i].formatted ? cases[i].formatted : cases[i].text;
        assert_int_equal(address_format(&address.any, text), strlen(formatted));
        assert_string_equal(text, formatted);
        assert_int_equal(address_format_ip(&address.any, text), strlen(cases[i].ip));
        assert_string_equal(text, cases[i].ip);
    }
}

static void what_is_no_literal_address_is_refused_and_leaves_the_result_alone(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        ":",
        "10.0.0.7",
        "10.0.0.7:",
        "10.0.0.7:x",
        "10.0.0.7:80x",
        "10.0.0.7: 80",
        "10.0.0.7:-1",
        "10.0.0.7:+1",
        "10.0.0.7:65536",
        "10.0.0.7:000080",
        "10.0.0.7:4294967376",
        ":80",
        " 10.0.0.7:80",
        "10.0.0:80",
        "10.0.0.256:80",
        "010.0.0.1:80",
        "0x7f.0.0.1:80",
        "localhost:80",
        "::1:80",
        "[::1]",
        "[::1]:",
        "[::1]80",
        "[::1",
        "[]:80",
        "[10.0.0.7]:80",
        "[localhost]:80",
        "[::g]:80",
        "[::1%lo]:80",
        "[[::1]]:80",
        "[1:2:3:4:5:6:7:8:9]:80",
        "[0000:0000:0000:0000:0000:0000:0000:0000:0000:0000]:80",
        "unix:",
        "UNIX:/x",
        "http://10.0.0.7:80",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct address address, before;
        memset(&address, 0x5a, sizeof address);
        before = address;
        if (address_parse(texts[i], &address)) {
            fail_msg("\"%s\" was taken", texts[i]);
        }
        assert_memory_equal(&address, &before, sizeof address);
    }
}

static void the_longest_socket_path_fits_and_one_more_byte_does_not(void **state)
{
    (void)state;
    struct address address;
    char path[5 + sizeof address.local.sun_path + 1] = "unix:";
    char text[ADDRESS_TEXT_BYTES];
    memset(path + 5, 'p', sizeof address.local.sun_path - 1);
    assert_true(address_parse(path, &address));
    assert_int_equal(address.length, sizeof(struct sockaddr_un));
    assert_int_equal(address_format(&address.any, text), strlen(path));
    assert_string_equal(text, path);
    path[strlen(path)] = 'p';
    assert_false(address_parse(path, &address));
    /* The kernel may fill the path without an end. */
    memset(address.local.sun_path, 'q', sizeof address.local.sun_path);
    assert_int_equal(address_format(&address.any, text), 5 + sizeof address.local.sun_path);
}

static void unnamed_sockets_and_other_families_have_a_text(void **state)
{
    (void)state;
    struct address address = {.local = {.sun_family = AF_UNIX}};
    char text[ADDRESS_TEXT_BYTES];
    assert_int_equal(address_format(&address.any, text), 5);
    assert_string_equal(text, "unix:");
    address.any.sa_family = AF_UNSPEC;
    assert_int_equal(address_format(&address.any, text), 7);
    assert_string_equal(text, "unknown");
    assert_int_equal(address_format_ip(&address.any, text), 7);
    assert_string_equal(text, "unknown");
}

static void every_byte_of_an_ipv4_address_is_written_as_the_c_library_does(void **state)
{
    (void)state;
    for (unsigned value = 0; value < 256; value++) {
        struct sockaddr_in v4 = {.sin_family = AF_INET};
        const uint8_t bytes[4] = {(uint8_t)value, (uint8_t)(255 - value), (uint8_t)(value * 7),
                                  (uint8_t)value};
        char ours[ADDRESS_TEXT_BYTES], theirs[INET_ADDRSTRLEN];
        memcpy(&v4.sin_addr, bytes, sizeof bytes);
        assert_non_null(inet_ntop(AF_INET, bytes, theirs, sizeof theirs));
        assert_int_equal(address_format_ip((const struct sockaddr *)&v4, ours), strlen(theirs));
        assert_string_equal(ours, theirs);
    }
}

static void split_finds_host_and_port_of_names_too(void **state)
{
    (void)state;
    const char *host;
    size_t host_bytes;
    uint16_t port;
    assert_true(address_split("app-a.internal:8080", &host, &host_bytes, &port));
    assert_int_equal(host_bytes, 14);
    assert_memory_equal(host, "app-a.internal", 14);
    assert_int_equal(port, 8080);
    assert_true(address_split("[fe80::1]:1", &host, &host_bytes, &port));
    assert_int_equal(host_bytes, 7);
    assert_memory_equal(host, "fe80::1", 7);
    assert_int_equal(port, 1);
    assert_false(address_split("a:b:80", &host, &host_bytes, &port));
    assert_false(address_split(":80", &host, &host_bytes, &port));
    assert_false(address_split("[]:80", &host, &host_bytes, &port));
    assert_false(address_split("name", &host, &host_bytes, &port));
    assert_false(address_split("[name]:80", &host, &host_bytes, &port));
    assert_int_equal(port, 1);
}

static void a_host_is_taken_by_its_length(void **state)
{
    (void)state;
    struct address address;
    char text[ADDRESS_TEXT_BYTES];
    assert_true(address_from_host("10.0.0.77", 8, 1, &address));
    address_format(&address.any, text);
    assert_string_equal(text, "10.0.0.7:1");
    assert_int_equal(address.length, sizeof(struct sockaddr_in));
    assert_true(address_from_host("::1", 3, 65535, &address));
    assert_int_equal(address.length, sizeof(struct sockaddr_in6));
    assert_false(address_from_host("10.0.0.7\0x", 10, 1, &address));
    assert_false(address_from_host("", 0, 1, &address));
    assert_false(address_from_host("[::1]", 5, 1, &address));
}

static void equal_addresses_are_equal_in_every_part(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "10.0.0.7:80", "10.0.0.7:81",          "10.0.0.8:80", "[::1]:80", "[::1]:81",
        "[::2]:80",    "[::ffff:10.0.0.7]:80", "unix:/a",     "unix:/b",  "unix:/aa",
    };
    enum { COUNT = sizeof texts / sizeof texts[0] };
    struct address addresses[COUNT], again[COUNT];
    memset(again, 0x5a, sizeof again); /* what lies between the parts is not compared */
    for (size_t i = 0; i < COUNT; i++) {
        assert_true(address_parse(texts[i], &addresses[i]));
        assert_true(address_parse(texts[i], &again[i]));
    }
    for (size_t i = 0; i < COUNT; i++) {
        for (size_t k = 0; k < COUNT; k++) {
            assert_int_equal(address_equal(&addresses[i], &again[k]), i == k);
        }
    }
    again[3].v6.sin6_scope_id = 2;
    assert_false(address_equal(&addresses[3], &again[3]));
    struct address none = {.length = 0};
    assert_false(address_equal(&none, &none));
}

static void ip_addresses_hold_both_families(void **state)
{
    (void)state;
    struct ip_address small;
    assert_int_equal(sizeof small, 28);
    assert_ptr_equal(&small.any, &small.v6);
}

static struct address ip(const char *host)
{
    struct address address;
    assert_true(address_from_host(host, strlen(host), 0, &address));
    return address;
}

static void prefixes_hold_what_shares_their_bits(void **state)
{
    (void)state;
    static const struct {
        const char *prefix;
        const char *host;
        bool inside;
    } cases[] = {
        {"10.0.0.0/8", "10.255.1.2", true},
        {"10.0.0.0/8", "11.0.0.0", false},
        {"10.0.0.0/8", "::ffff:10.1.2.3", true},
        {"10.0.0.0/8", "::10.1.2.3", false},
        {"::ffff:10.0.0.0/104", "10.1.2.3", true},
        {"10.1.2.128/25", "10.1.2.127", false},
        {"10.1.2.128/25", "10.1.2.128", true},
        {"10.1.2.3", "10.1.2.3", true},
        {"10.1.2.3", "10.1.2.2", false},
        {"0.0.0.0/0", "203.0.113.9", true},
        {"0.0.0.0/0", "::ffff:1.2.3.4", true},
        {"0.0.0.0/0", "::1", false},
        {"::1/128", "::1", true},
        {"::1", "::2", false},
        {"2001:db8::/33", "2001:db8:7fff::1", true},
        {"2001:db8::/33", "2001:db8:8000::1", false},
        {"::/0", "2001:db8::1", true},
        {"::/0", "10.0.0.1", false},
        {"::/0", "::ffff:10.0.0.1", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct address_prefix prefix;
        assert_true(address_prefix_parse(cases[i].prefix, &prefix));
        struct address address = ip(cases[i].host);
        if (address_in_prefix(&address.any, &prefix) != cases[i].inside) {
            fail_msg("%s in %s", cases[i].host, cases[i].prefix);
        }
    }
}

static void a_local_socket_is_in_no_prefix(void **state)
{
    (void)state;
    struct address local;
    struct address_prefix prefix;
    assert_true(address_parse("unix:/x", &local));
    assert_true(address_prefix_parse("::/0", &prefix));
    assert_false(address_in_prefix(&local.any, &prefix));
    assert_true(address_prefix_parse("0.0.0.0/0", &prefix));
    assert_false(address_in_prefix(&local.any, &prefix));
}

static void prefixes_with_host_bits_or_bad_lengths_are_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "10.0.0.1/8",  "10.0.0.0/33", "10.0.0.0/",
        "10.0.0.0/-1", "10.0.0.0/8 ", "10.0.0.0/8/8",
        "10.0.0.0/x",  "/8",          "",
        "::1/127",     "::/129",      "[::1]/128",
        "localhost",   "10.0.0/8",    "10.0.0.0/256",
        "unix:/x",     "::/1000000",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct address_prefix prefix;
        memset(&prefix, 0x5a, sizeof prefix);
        if (address_prefix_parse(texts[i], &prefix)) {
            fail_msg("\"%s\" was taken", texts[i]);
        }
        assert_int_equal(prefix.bits, 0x5a);
    }
}

/* Against a bit-by-bit comparison. */
static void random_prefixes_hold_what_a_bitwise_comparison_says(void **state)
{
    (void)state;
    struct rng rng;
    rng_init(&rng, unit_seed());
    int inside_count = 0;
    for (int i = 0; i < 50000; i++) {
        int family = rng_below(&rng, 2) ? AF_INET6 : AF_INET;
        unsigned most = family == AF_INET6 ? 128 : 32;
        unsigned bits = (unsigned)rng_below(&rng, most + 1);
        unsigned char network[16], host[16];
        for (int k = 0; k < 16; k++) {
            network[k] = host[k] = (unsigned char)rng_next(&rng);
        }
        for (unsigned bit = bits; bit < 128; bit++) {
            network[bit / 8] &= (unsigned char)~(0x80 >> bit % 8);
        }
        unsigned flipped = (unsigned)rng_below(&rng, most);
        host[flipped / 8] ^= (unsigned char)(0x80 >> flipped % 8);

        char ip_text[INET6_ADDRSTRLEN], text[INET6_ADDRSTRLEN + 16];
        struct address_prefix prefix;
        assert_non_null(inet_ntop(family, network, ip_text, sizeof ip_text));
        snprintf(text, sizeof text, "%s/%u", ip_text, bits);
        assert_true(address_prefix_parse(text, &prefix));
        assert_non_null(inet_ntop(family, host, ip_text, sizeof ip_text));
        struct address address = ip(ip_text);

        bool inside = true;
        for (unsigned bit = 0; bit < bits; bit++) {
            inside &= ((network[bit / 8] ^ host[bit / 8]) & 0x80 >> bit % 8) == 0;
        }
        assert_int_equal(address_in_prefix(&address.any, &prefix), inside);
        inside_count += inside;
    }
    assert_in_range(inside_count, 10000, 40000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(literal_addresses_parse_and_format_back),
        cmocka_unit_test(what_is_no_literal_address_is_refused_and_leaves_the_result_alone),
        cmocka_unit_test(the_longest_socket_path_fits_and_one_more_byte_does_not),
        cmocka_unit_test(unnamed_sockets_and_other_families_have_a_text),
        cmocka_unit_test(every_byte_of_an_ipv4_address_is_written_as_the_c_library_does),
        cmocka_unit_test(split_finds_host_and_port_of_names_too),
        cmocka_unit_test(a_host_is_taken_by_its_length),
        cmocka_unit_test(equal_addresses_are_equal_in_every_part),
        cmocka_unit_test(ip_addresses_hold_both_families),
        cmocka_unit_test(prefixes_hold_what_shares_their_bits),
        cmocka_unit_test(a_local_socket_is_in_no_prefix),
        cmocka_unit_test(prefixes_with_host_bits_or_bad_lengths_are_refused),
        cmocka_unit_test(random_prefixes_hold_what_a_bitwise_comparison_says),
    };
    return cmocka_run_group_tests_name("address", tests, NULL, NULL);
}
