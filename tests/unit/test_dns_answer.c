/* What DNS messages say, and that damaged and hostile ones are refused. */
#include "tests/unit/unit.h"

#include <string.h>

#include "pool/dns_answer.h"

/* ---- messages ---- */

struct text {
    uint8_t bytes[8192];
    size_t length;
};

static void put(struct text *text, const void *bytes, size_t count)
{
    assert_true(text->length + count <= sizeof text->bytes);
    memcpy(text->bytes + text->length, bytes, count);
    text->length += count;
}

static void put16(struct text *text, unsigned value)
{
    put(text, (uint8_t[]){(uint8_t)(value >> 8), (uint8_t)value}, 2);
}

static void put32(struct text *text, uint32_t value)
{
    put16(text, value >> 16);
    put16(text, value & 0xffff);
}

/* "a.b" as labels; "@N" as a pointer to N. */
static void put_name(struct text *text, const char *name)
{
    if (name[0] == '@') {
        put16(text, 0xc000u | (unsigned)atoi(name + 1));
        return;
    }
    while (*name != '\0') {
        size_t label = strcspn(name, ".");
        put(text, (uint8_t[]){(uint8_t)label}, 1);
        put(text, name, label);
        name += label + (name[label] == '.');
    }
    put(text, "", 1);
}

/* The question's name stands at 12. */
static struct text message(unsigned code, enum dns_type type, unsigned answers, unsigned authority)
{
    struct text text = {.length = 0};
    put16(&text, 0x1234);
    put16(&text, 0x8180u | code);
    put16(&text, 1);
    put16(&text, answers);
    put16(&text, authority);
    put16(&text, 0);
    put_name(&text, "App.Test");
    put16(&text, dns_type_code(type));
    put16(&text, 1);
    return text;
}

static void put_record(struct text *text, const char *owner, unsigned type, uint32_t ttl_s,
                       const void *bytes, size_t count)
{
    put_name(text, owner);
    put16(text, type);
    put16(text, 1);
    put32(text, ttl_s);
    put16(text, (unsigned)count);
    put(text, bytes, count);
}

static void put_a(struct text *text, const char *owner, uint32_t ttl_s, uint32_t ip)
{
    struct text data = {.length = 0};
    put32(&data, ip);
    put_record(text, owner, 1, ttl_s, data.bytes, data.length);
}

static void put_alias(struct text *text, const char *owner, uint32_t ttl_s, const char *target)
{
    struct text data = {.length = 0};
    put_name(&data, target);
    put_record(text, owner, 5, ttl_s, data.bytes, data.length);
}

static void put_srv(struct text *text, unsigned priority, unsigned weight, unsigned port,
                    const char *target)
{
    struct text data = {.length = 0};
    put16(&data, priority);
    put16(&data, weight);
    put16(&data, port);
    put_name(&data, target);
    put_record(text, "@12", 33, 30, data.bytes, data.length);
}

static void put_soa(struct text *text, uint32_t ttl_s, uint32_t minimum_s)
{
    struct text data = {.length = 0};
    put_name(&data, "ns.test");
    put_name(&data, "mail.test");
    for (uint32_t i = 1; i <= 4; i++) {
        put32(&data, i);
    }
    put32(&data, minimum_s);
    put_record(text, "test", 6, ttl_s, data.bytes, data.length);
}

/* A copy whose end is the end of its memory, so that a sanitizer sees a read beyond it. */
static enum lookup_result parse(const struct text *text, enum dns_type type,
                                struct dns_records *records)
{
    uint8_t *copy = malloc(text->length + (text->length == 0));
    memcpy(copy, text->bytes, text->length);
    enum lookup_result result = dns_answer_parse(copy, text->length, type, records);
    free(copy);
    return result;
}

#define expect(text, type, wanted, records)                                \
    assert_string_equal(lookup_result_name(parse(&(text), type, records)), \
                        lookup_result_name(wanted))

/* ---- addresses ---- */

static void addresses_come_sorted_once_and_with_the_least_ttl(void **state)
{
    struct dns_records records;
    (void)state;
    struct text text = message(0, DNS_A, 4, 0);
    put_a(&text, "@12", 60, 0x0a000003);
    put_a(&text, "app.TEST", 20, 0x0a000001);
    put_a(&text, "@12", 60, 0x0a000003);
    put_a(&text, "other.test", 1, 0x0a000009);
    expect(text, DNS_A, LOOKUP_FOUND, &records);
    assert_int_equal(records.count, 2);
    assert_int_equal(records.ttl_ms, 20000);
    assert_memory_equal(records.ips[0].bytes, "\x0a\0\0\x01", 4);
    assert_memory_equal(records.ips[1].bytes, "\x0a\0\0\x03", 4);
    assert_false(records.cut);
}

static void aliases_are_followed_in_any_order_and_their_ttl_counts(void **state)
{
    struct dns_records records;
    (void)state;
    struct text text = message(0, DNS_A, 3, 0);
    put_a(&text, "c.test", 60, 0x0a000003);
    put_alias(&text, "b.test", 7, "C.test");
    put_alias(&text, "@12", 30, "b.test");
    expect(text, DNS_A, LOOKUP_FOUND, &records);
    assert_int_equal(records.count, 1);
    assert_int_equal(records.ttl_ms, 7000);
}

static void aliases_in_a_circle_are_malformed(void **state)
{
    struct dns_records records;
    (void)state;
    struct text text = message(0, DNS_A, 2, 0);
    put_alias(&text, "@12", 30, "b.test");
    put_alias(&text, "b.test", 30, "app.test");
    expect(text, DNS_A, LOOKUP_MALFORMED, &records);
}

static void an_alias_to_nowhere_is_empty(void **state)
{
    struct dns_records records;
    (void)state;
    struct text text = message(0, DNS_A, 1, 1);
    put_alias(&text, "@12", 30, "b.test");
    put_soa(&text, 90, 40);
    expect(text, DNS_A, LOOKUP_EMPTY, &records);
    assert_int_equal(records.ttl_ms, 40000);
}

static void two_hundred_addresses_keep_the_same_lowest_in_whatever_order(void **state)
{
    struct dns_records up, down;
    (void)state;
    struct text text = message(0, DNS_A, 200, 0);
    for (uint32_t i = 0; i < 200; i++) {
        put_a(&text, "@12", 60, 0x0a000001 + i);
    }
    expect(text, DNS_A, LOOKUP_FOUND, &up);
    text = message(0, DNS_A, 200, 0);
    for (uint32_t i = 200; i > 0; i--) {
        put_a(&text, "@12", 60, 0x0a000000 + i);
    }
    expect(text, DNS_A, LOOKUP_FOUND, &down);
    assert_int_equal(up.count, DNS_RECORDS);
    assert_true(up.cut && down.cut);
    assert_memory_equal(up.ips, down.ips, sizeof up.ips);
    assert_memory_equal(up.ips[DNS_RECORDS - 1].bytes, "\x0a\0\0\x40", 4);
}

static void addresses_nothing_can_be_connected_to_are_left_out(void **state)
{
    struct dns_records records;
    (void)state;
    struct text text = message(0, DNS_A, 4, 0);
    put_a(&text, "@12", 60, 0);
    put_a(&text, "@12", 60, 0xe0000001);
    put_a(&text, "@12", 60, 0xffffffff);
    put_a(&text, "@12", 60, 0x7f000001);
    expect(text, DNS_A, LOOKUP_FOUND, &records);
    assert_int_equal(records.count, 1);
    text = message(0, DNS_AAAA, 2, 0);
    put_record(&text, "@12", 28, 60, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16);
    put_record(&text, "@12", 28, 60, "\xff\2\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 16);
    expect(text, DNS_AAAA, LOOKUP_EMPTY, &records);
}

static void a_ttl_with_its_highest_bit_set_is_none(void **state)
{
    struct dns_records records;
    (void)state;
    struct text text = message(0, DNS_A, 1, 0);
    put_a(&text, "@12", 0x80000000, 0x0a000001);
    expect(text, DNS_A, LOOKUP_FOUND, &records);
    assert_int_equal(records.ttl_ms, 0);
}

/* ---- no ---- */

static void a_no_says_how_long_it_holds(void **state)
{
    struct dns_records records;
    (void)state;
    struct text text = message(3, DNS_A, 0, 1);
    put_soa(&text, 10, 40);
    expect(text, DNS_A, LOOKUP_UNKNOWN, &records);
    assert_int_equal(records.ttl_ms, 10000);
    assert_int_equal(records.count, 0);
    text = message(0, DNS_AAAA, 0, 0);
    expect(text, DNS_AAAA, LOOKUP_EMPTY, &records);
    assert_int_equal(records.ttl_ms, 0);
}

static void a_server_that_failed_says_nothing(void **state)
{
    struct dns_records records;
    (void)state;
    for (unsigned code = 1; code < 16; code++) {
        struct text text = message(code, DNS_A, 1, 0);
        put_a(&text, "@12", 60, 0x0a000001);
        expect(text, DNS_A, code == 3 ? LOOKUP_UNKNOWN : LOOKUP_FAILED, &records);
    }
}

/* ---- services ---- */

static void services_of_the_lowest_priority_are_taken(void **state)
{
    struct dns_records records;
    (void)state;
    struct text text = message(0, DNS_SRV, 5, 0);
    put_srv(&text, 20, 1, 80, "z.test");
    put_srv(&text, 10, 5, 81, "B.test");
    put_srv(&text, 30, 1, 80, "y.test");
    put_srv(&text, 10, 7, 80, "b.test");
    put_srv(&text, 10, 0, 80, "a.test");
    expect(text, DNS_SRV, LOOKUP_FOUND, &records);
    assert_int_equal(records.count, 3);
    assert_int_equal(records.ttl_ms, 30000);
    assert_string_equal(records.services[0].host, "a.test");
    assert_string_equal(records.services[1].host, "b.test");
    assert_int_equal(records.services[1].port, 80);
    assert_int_equal(records.services[1].weight, 7);
    assert_int_equal(records.services[2].port, 81);
}

static void a_service_that_is_none_or_has_no_proper_host_is_left_out(void **state)
{
    struct dns_records records;
    (void)state;
    static const char *const bad[] = {"", "a\nb.test", "a b.test", "a/b.test", "\x80.test"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct text text = message(0, DNS_SRV, 1, 0);
        put_srv(&text, 10, 1, 80, bad[i]);
        expect(text, DNS_SRV, LOOKUP_EMPTY, &records);
    }
    struct text text = message(0, DNS_SRV, 2, 0);
    put_srv(&text, 10, 1, 0, "no-port.test");
    put_srv(&text, 10, 1, 80, "@12");
    expect(text, DNS_SRV, LOOKUP_FOUND, &records);
    assert_int_equal(records.count, 1);
    assert_string_equal(records.services[0].host, "app.test");
}

/* ---- damage ---- */

static void data_of_the_wrong_length_is_malformed(void **state)
{
    struct dns_records records;
    (void)state;
    struct text text = message(0, DNS_A, 1, 0);
    put_record(&text, "@12", 1, 60, "\x0a\0\0", 3);
    expect(text, DNS_A, LOOKUP_MALFORMED, &records);
    text = message(0, DNS_AAAA, 1, 0);
    put_record(&text, "@12", 28, 60, "\x0a\0\0\1", 4);
    expect(text, DNS_AAAA, LOOKUP_MALFORMED, &records);
    text = message(0, DNS_SRV, 1, 0);
    put_record(&text, "@12", 33, 60, "\0\1\0\1\0\x50", 6);
    expect(text, DNS_SRV, LOOKUP_MALFORMED, &records);
}

static void pointers_that_do_not_lead_to_the_front_are_malformed(void **state)
{
    struct dns_records records;
    (void)state;
    static const char *const pointers[] = {"@26", "@27", "@200", "@9999"};
    for (size_t i = 0; i < sizeof pointers / sizeof pointers[0]; i++) {
        struct text text = message(0, DNS_A, 1, 0);
        assert_int_equal(text.length, 26);
        put_a(&text, pointers[i], 60, 0x0a000001);
        expect(text, DNS_A, LOOKUP_MALFORMED, &records);
    }
}

static void questions_and_other_answers_are_malformed(void **state)
{
    struct dns_records records;
    (void)state;
    struct text text = message(0, DNS_A, 0, 0);
    text.bytes[2] = 0x01;
    expect(text, DNS_A, LOOKUP_MALFORMED, &records);
    text = message(0, DNS_A, 0, 0);
    text.bytes[2] |= 0x02; /* cut short by the server */
    expect(text, DNS_A, LOOKUP_MALFORMED, &records);
    text = message(0, DNS_A, 0, 0);
    expect(text, DNS_AAAA, LOOKUP_MALFORMED, &records);
    text.bytes[5] = 2;
    expect(text, DNS_A, LOOKUP_MALFORMED, &records);
}

static struct text whole_message(void)
{
    struct text text = message(0, DNS_SRV, 3, 0);
    put_alias(&text, "@12", 30, "b.test");
    put_srv(&text, 10, 1, 80, "a.test");
    put_record(&text, "b.test", 33, 60, "\0\1\0\2\0\x50\1a\0", 9);
    return text;
}

static void a_message_cut_short_anywhere_is_malformed(void **state)
{
    struct dns_records records;
    (void)state;
    struct text text = whole_message();
    expect(text, DNS_SRV, LOOKUP_FOUND, &records);
    for (size_t length = text.length; length-- > 0;) {
        text.length = length;
        expect(text, DNS_SRV, LOOKUP_MALFORMED, &records);
    }
}

static void any_byte_changed_is_survived(void **state)
{
    struct dns_records records;
    (void)state;
    struct text text = whole_message();
    for (size_t i = 0; i < text.length; i++) {
        for (unsigned value = 0; value < 256; value++) {
            struct text changed = text;
            changed.bytes[i] = (uint8_t)value;
            (void)parse(&changed, DNS_SRV, &records);
        }
    }
}

static void failure_leaves_the_result_alone(void **state)
{
    struct dns_records records = {.count = 7};
    (void)state;
    struct text text = message(2, DNS_A, 0, 0);
    expect(text, DNS_A, LOOKUP_FAILED, &records);
    assert_int_equal(records.count, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_come_sorted_once_and_with_the_least_ttl),
        cmocka_unit_test(aliases_are_followed_in_any_order_and_their_ttl_counts),
        cmocka_unit_test(aliases_in_a_circle_are_malformed),
        cmocka_unit_test(an_alias_to_nowhere_is_empty),
        cmocka_unit_test(two_hundred_addresses_keep_the_same_lowest_in_whatever_order),
        cmocka_unit_test(addresses_nothing_can_be_connected_to_are_left_out),
        cmocka_unit_test(a_ttl_with_its_highest_bit_set_is_none),
        cmocka_unit_test(a_no_says_how_long_it_holds),
        cmocka_unit_test(a_server_that_failed_says_nothing),
        cmocka_unit_test(services_of_the_lowest_priority_are_taken),
        cmocka_unit_test(a_service_that_is_none_or_has_no_proper_host_is_left_out),
        cmocka_unit_test(data_of_the_wrong_length_is_malformed),
        cmocka_unit_test(pointers_that_do_not_lead_to_the_front_are_malformed),
        cmocka_unit_test(questions_and_other_answers_are_malformed),
        cmocka_unit_test(a_message_cut_short_anywhere_is_malformed),
        cmocka_unit_test(any_byte_changed_is_survived),
        cmocka_unit_test(failure_leaves_the_result_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
