/* What names remember, what services add up to, and who is let in when there are too many. */
#include "tests/unit/unit.h"

#include <netinet/in.h>

#include "pool/names.h"
#include "pool/route.h"
#include "steady/fault.h"

static void no_fire(struct wheel_timer *timer, uint64_t now_ms)
{
    (void)timer;
    (void)now_ms;
}

static void init(struct names *names, uint64_t limit)
{
    names_init(names, limit, 1, no_fire);
}

/* All of them, groups and targets too. */
static void end(struct names *names)
{
    struct name *name;
    TAILQ_FOREACH (name, &names->list, link) {
        (void)name_drop_services(name);
    }
    while ((name = TAILQ_FIRST(&names->list)) != NULL) {
        assert_int_equal(name->uses, 0);
        names_free(&name);
    }
    assert_int_equal(bound_used(&names->bound), 0);
}

static struct name *obtain(struct names *names, const char *host, bool service)
{
    struct name *name = names_obtain(names, host, service, 0);
    assert_non_null(name);
    return name;
}

/* 10.0.first.1 and so on; IPv6 the same bytes in front. */
static void answer(struct name *name, enum dns_type type, size_t count, uint8_t first)
{
    struct question *question = &name->questions[type == DNS_AAAA];
    struct dns_records records;
    dns_records_init(&records);
    for (size_t i = 0; i < count; i++) {
        dns_records_add(&records, type, &(struct dns_ip){{10, 0, first, (uint8_t)(i + 1)}});
    }
    if (count == 0) {
        (void)question_drop_ips(question);
    } else {
        assert_true(question_keep_ips(question, &records) != KEEP_NO_MEMORY);
    }
    question->state.ended = true;
}

static void asked(struct name *name)
{
    for (unsigned i = 0; i < name->question_count; i++) {
        name->questions[i].state.ended = true;
    }
}

static size_t count_of(const struct name *name, int family)
{
    struct named_address addresses[POOL_NAME_ADDRESSES];
    size_t count = name_addresses(name, 80, addresses, POOL_NAME_ADDRESSES), found = 0;
    for (size_t i = 0; i < count; i++) {
        found += addresses[i].address.any.sa_family == family;
    }
    return found;
}

/* ---- hosts ---- */

static void a_name_is_one_in_any_case_but_a_service_is_another(void **state)
{
    struct names names;
    (void)state;
    init(&names, 10);
    struct name *name = obtain(&names, "App.Test", false);
    assert_ptr_equal(obtain(&names, "aPP.test", false), name);
    assert_ptr_equal(names_find(&names, "app.test", false), name);
    assert_null(names_find(&names, "app.test", true));
    assert_ptr_not_equal(obtain(&names, "app.test", true), name);
    char longest[300];
    memset(longest, 'a', sizeof longest);
    longest[254] = '\0';
    assert_null(names_obtain(&names, longest, false, 0));
    longest[253] = '\0';
    assert_non_null(names_obtain(&names, longest, false, 0));
    end(&names);
}

static void beyond_the_bound_no_name_is_let_in(void **state)
{
    struct names names;
    (void)state;
    init(&names, 2);
    obtain(&names, "a", false);
    obtain(&names, "b", false);
    assert_null(names_obtain(&names, "c", false, 0));
    obtain(&names, "a", false);
    assert_int_equal(bound_refused(&names.bound), 1);
    end(&names);
}

static void addresses_of_both_families_carry_the_port(void **state)
{
    struct names names;
    struct named_address addresses[4];
    (void)state;
    init(&names, 10);
    struct name *name = obtain(&names, "a", false);
    answer(name, DNS_A, 1, 0);
    answer(name, DNS_AAAA, 1, 0);
    assert_int_equal(name_addresses(name, 81, addresses, 4), 2);
    assert_int_equal(ntohs(addresses[0].address.v4.sin_port), 81);
    assert_int_equal(ntohl(addresses[0].address.v4.sin_addr.s_addr), 0x0a000001);
    assert_int_equal(ntohs(addresses[1].address.v6.sin6_port), 81);
    assert_string_equal(addresses[1].hostname, "a");
    assert_int_equal(name_addresses(name, 81, addresses, 1), 1);
    end(&names);
}

static void of_too_many_addresses_both_families_keep_a_part(void **state)
{
    static const struct {
        size_t v4, v6, kept_v4, kept_v6;
    } rows[] = {{64, 0, 64, 0},   {0, 64, 0, 64},   {64, 64, 32, 32}, {60, 10, 54, 10},
                {10, 60, 10, 54}, {64, 1, 63, 1},   {1, 64, 1, 63},   {32, 32, 32, 32},
                {40, 40, 32, 32}, {20, 64, 20, 44}, {64, 20, 44, 20}};
    struct names names;
    (void)state;
    init(&names, 10);
    struct name *name = obtain(&names, "a", false);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        answer(name, DNS_A, rows[i].v4, 0);
        answer(name, DNS_AAAA, rows[i].v6, 0);
        assert_int_equal(count_of(name, AF_INET), rows[i].kept_v4);
        assert_int_equal(count_of(name, AF_INET6), rows[i].kept_v6);
        assert_true(name_cut(name) == (rows[i].v4 + rows[i].v6 > POOL_NAME_ADDRESSES));
    }
    end(&names);
}

static void a_family_without_a_route_is_used_only_when_there_is_no_other(void **state)
{
    struct names names;
    (void)state;
    init(&names, 10);
    struct name *name = obtain(&names, "a", false);
    answer(name, DNS_A, 3, 0);
    answer(name, DNS_AAAA, 2, 0);
    name->questions[1].routed = false;
    assert_int_equal(count_of(name, AF_INET), 3);
    assert_int_equal(count_of(name, AF_INET6), 0);
    name->questions[0].routed = false;
    assert_int_equal(count_of(name, AF_INET), 3);
    assert_int_equal(count_of(name, AF_INET6), 2);
    name->questions[1].routed = true;
    assert_int_equal(count_of(name, AF_INET), 0);
    assert_int_equal(count_of(name, AF_INET6), 2);
    name->questions[1].routed = false;
    assert_true(question_drop_ips(&name->questions[0]));
    assert_int_equal(count_of(name, AF_INET6), 2);
    end(&names);
}

static void the_loopback_has_a_route_and_what_no_machine_has_does_not(void **state)
{
    struct address address;
    (void)state;
    assert_true(address_parse("127.0.0.1:9", &address));
    assert_true(route_exists(&address));
    address.any.sa_family = AF_MAX;
    assert_false(route_exists(&address));
}

static void the_same_addresses_are_no_change(void **state)
{
    struct names names;
    struct dns_records records;
    (void)state;
    init(&names, 10);
    struct question *question = &obtain(&names, "a", false)->questions[0];
    dns_records_init(&records);
    dns_records_add(&records, DNS_A, &(struct dns_ip){{10, 0, 0, 1}});
    assert_int_equal(question_keep_ips(question, &records), KEEP_CHANGED);
    assert_int_equal(question_keep_ips(question, &records), KEEP_SAME);
    dns_records_add(&records, DNS_A, &(struct dns_ip){{10, 0, 0, 2}});
    assert_int_equal(question_keep_ips(question, &records), KEEP_CHANGED);
    assert_true(question_drop_ips(question));
    assert_false(question_drop_ips(question));
    end(&names);
}

/* ---- services ---- */

struct target {
    const char *host;
    uint16_t port, weight;
};

static enum keep_result services(struct name *name, const struct target *targets, size_t count)
{
    struct dns_records records;
    dns_records_init(&records);
    for (size_t i = 0; i < count; i++) {
        struct dns_service *service = &records.services[records.count++];
        service->port = targets[i].port;
        service->weight = targets[i].weight;
        snprintf(service->host, sizeof service->host, "%s", targets[i].host);
    }
    return name_keep_services(name, &records, 0);
}

static void weights_become_the_smallest_in_proportion(void **state)
{
    static const struct {
        uint16_t said[3], used[3];
    } rows[] = {{{0, 0, 0}, {1, 1, 1}},
                {{10, 20, 30}, {1, 2, 3}},
                {{65535, 65535, 65535}, {1, 1, 1}},
                {{0, 10, 10}, {1, 10, 10}},
                {{1, 65535, 0}, {1, 100, 1}},
                {{50, 100, 0}, {50, 100, 1}},
                {{200, 100, 300}, {67, 33, 100}}};
    (void)state;
    for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++) {
        struct names names;
        init(&names, 10);
        struct name *name = obtain(&names, "_s", true);
        const struct target targets[] = {
            {"a", 1, rows[r].said[0]}, {"b", 2, rows[r].said[1]}, {"c", 3, rows[r].said[2]}};
        assert_int_equal(services(name, targets, 3), KEEP_CHANGED);
        for (size_t i = 0; i < 3; i++) {
            assert_int_equal(name->coming->targets[i].weight, rows[r].used[i]);
        }
        end(&names);
    }
}

static void a_group_waits_for_its_targets_and_takes_over_with_the_first_address(void **state)
{
    struct names names;
    struct named_address addresses[8];
    (void)state;
    init(&names, 10);
    struct name *name = obtain(&names, "_s", true);
    asked(name);
    assert_int_equal(services(name, (struct target[]){{"a", 81, 0}, {"b", 82, 0}}, 2),
                     KEEP_CHANGED);
    struct name *a = names_find(&names, "a", false), *b = names_find(&names, "b", false);
    assert_false(name_settle_services(name));
    answer(a, DNS_A, 2, 0);
    assert_false(name_settle_services(name));
    assert_false(name_asked(name));
    asked(b);
    assert_true(name_settle_services(name));
    assert_true(name_asked(name));
    assert_int_equal(name_addresses(name, 0, addresses, 8), 2);
    assert_int_equal(ntohs(addresses[1].address.v4.sin_port), 81);
    assert_string_equal(addresses[1].hostname, "a");
    answer(b, DNS_AAAA, 1, 0);
    assert_int_equal(name_addresses(name, 0, addresses, 8), 3);
    assert_int_equal(name_addresses(name, 0, addresses, 2), 2);
    end(&names);
}

static void targets_without_an_address_do_not_take_over_from_such_that_have_one(void **state)
{
    struct names names;
    (void)state;
    init(&names, 10);
    struct name *name = obtain(&names, "_s", true);
    assert_int_equal(services(name, (struct target[]){{"a", 81, 0}}, 1), KEEP_CHANGED);
    struct name *a = names_find(&names, "a", false);
    answer(a, DNS_A, 1, 0);
    assert_true(name_settle_services(name));
    assert_int_equal(services(name, (struct target[]){{"b", 81, 0}}, 1), KEEP_CHANGED);
    struct name *b = names_find(&names, "b", false);
    asked(b);
    assert_false(name_settle_services(name));
    assert_int_equal(a->uses, 1);
    answer(b, DNS_A, 1, 0);
    assert_true(name_settle_services(name));
    assert_int_equal(a->uses, 0);
    assert_int_equal(b->uses, 1);
    end(&names);
}

static void an_answer_that_goes_back_forgets_what_was_coming(void **state)
{
    struct names names;
    (void)state;
    init(&names, 10);
    struct name *name = obtain(&names, "_s", true);
    const struct target first = {"a", 81, 3}, second = {"b", 81, 3};
    assert_int_equal(services(name, &first, 1), KEEP_CHANGED);
    assert_int_equal(services(name, &first, 1), KEEP_SAME);
    asked(names_find(&names, "a", false));
    assert_true(name_settle_services(name));
    assert_int_equal(services(name, &first, 1), KEEP_SAME);
    assert_int_equal(services(name, &second, 1), KEEP_CHANGED);
    assert_int_equal(services(name, &first, 1), KEEP_SAME);
    assert_null(name->coming);
    assert_int_equal(names_find(&names, "b", false)->uses, 0);
    end(&names);
}

static void targets_there_is_no_room_for_are_left_out(void **state)
{
    struct names names;
    (void)state;
    init(&names, 2);
    struct name *name = obtain(&names, "_s", true);
    assert_int_equal(services(name, (struct target[]){{"a", 81, 1}, {"b", 81, 2}}, 2),
                     KEEP_CHANGED);
    assert_int_equal(name->coming->count, 1);
    asked(names_find(&names, "a", false));
    assert_true(name_settle_services(name));
    assert_true(name_cut(name));
    end(&names);
}

#ifdef EVENKEEL_FAULT_INJECTION
static void without_memory_what_was_known_stays(void **state)
{
    struct names names;
    struct dns_records records;
    (void)state;
    init(&names, 10);
    fault_arm(FAULT_ALLOC, 1);
    assert_null(names_obtain(&names, "a", false, 0));
    assert_true(fault_disarm(FAULT_ALLOC));
    assert_int_equal(bound_used(&names.bound), 0);
    struct name *host = obtain(&names, "a", false), *service = obtain(&names, "_s", true);
    answer(host, DNS_A, 2, 0);
    dns_records_init(&records);
    dns_records_add(&records, DNS_A, &(struct dns_ip){{10, 0, 0, 9}});
    fault_arm(FAULT_ALLOC, 1);
    assert_int_equal(question_keep_ips(&host->questions[0], &records), KEEP_NO_MEMORY);
    assert_true(fault_disarm(FAULT_ALLOC));
    assert_int_equal(count_of(host, AF_INET), 2);
    fault_arm(FAULT_ALLOC, 1);
    assert_int_equal(services(service, (struct target[]){{"a", 81, 1}}, 1), KEEP_NO_MEMORY);
    assert_true(fault_disarm(FAULT_ALLOC));
    assert_int_equal(host->uses, 0);
    end(&names);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_is_one_in_any_case_but_a_service_is_another),
        cmocka_unit_test(beyond_the_bound_no_name_is_let_in),
        cmocka_unit_test(addresses_of_both_families_carry_the_port),
        cmocka_unit_test(of_too_many_addresses_both_families_keep_a_part),
        cmocka_unit_test(a_family_without_a_route_is_used_only_when_there_is_no_other),
        cmocka_unit_test(the_loopback_has_a_route_and_what_no_machine_has_does_not),
        cmocka_unit_test(the_same_addresses_are_no_change),
        cmocka_unit_test(weights_become_the_smallest_in_proportion),
        cmocka_unit_test(a_group_waits_for_its_targets_and_takes_over_with_the_first_address),
        cmocka_unit_test(targets_without_an_address_do_not_take_over_from_such_that_have_one),
        cmocka_unit_test(an_answer_that_goes_back_forgets_what_was_coming),
        cmocka_unit_test(targets_there_is_no_room_for_are_left_out),
#ifdef EVENKEEL_FAULT_INJECTION
        cmocka_unit_test(without_memory_what_was_known_stays),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
