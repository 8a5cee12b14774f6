/* The hosts file: what it says, and that changes are seen. */
#include "tests/unit/unit.h"

#include "pool/hosts.h"

static char path[64];

static void write_hosts(const char *text)
{
    char fresh[80];
    snprintf(fresh, sizeof fresh, "%s.new", path);
    FILE *file = fopen(fresh, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(rename(fresh, path), 0);
}

static size_t count_of(const struct hosts *hosts, const char *host, enum dns_type type)
{
    struct dns_records records;
    bool found = hosts_find(hosts, host, type, &records);
    assert_true(found == (records.count > 0));
    return records.count;
}

static void names_stand_for_all_their_lines_in_any_case(void **state)
{
    struct hosts hosts;
    struct dns_records records;
    (void)state;
    write_hosts("# a comment\n127.0.0.1\tlocalhost  Loop\n::1 localhost # not this: app\n\n"
                "10.0.0.2 other app app.test\r\n10.0.0.1 APP\nnot-an-address app\n10.0.0.3 #app\n"
                "fe80::1%lo app\n 10.0.0.4 app");
    hosts_init(&hosts, path);
    hosts_refresh(&hosts);
    assert_int_equal(count_of(&hosts, "app", DNS_A), 3);
    assert_int_equal(count_of(&hosts, "app", DNS_AAAA), 0);
    assert_int_equal(count_of(&hosts, "App.Test", DNS_A), 1);
    assert_int_equal(count_of(&hosts, "ap", DNS_A), 0);
    assert_int_equal(count_of(&hosts, "appp", DNS_A), 0);
    assert_int_equal(count_of(&hosts, "10.0.0.3", DNS_A), 0);
    assert_int_equal(count_of(&hosts, "loop", DNS_A), 1);
    assert_int_equal(count_of(&hosts, "localhost", DNS_AAAA), 1);
    assert_true(hosts_find(&hosts, "app", DNS_A, &records));
    assert_memory_equal(records.ips[0].bytes, "\x0a\0\0\x01", 4);
    hosts_release(&hosts);
}

static void a_change_of_the_file_is_seen_and_so_is_its_end(void **state)
{
    struct hosts hosts;
    (void)state;
    write_hosts("10.0.0.1 app\n");
    hosts_init(&hosts, path);
    assert_int_equal(count_of(&hosts, "app", DNS_A), 0);
    hosts_refresh(&hosts);
    assert_int_equal(count_of(&hosts, "app", DNS_A), 1);
    write_hosts("10.0.0.1 app\n10.0.0.2 app\n");
    assert_int_equal(count_of(&hosts, "app", DNS_A), 1);
    hosts_refresh(&hosts);
    assert_int_equal(count_of(&hosts, "app", DNS_A), 2);
    assert_int_equal(unlink(path), 0);
    hosts_refresh(&hosts);
    assert_int_equal(count_of(&hosts, "app", DNS_A), 0);
    hosts_release(&hosts);
}

static void what_is_no_file_has_no_names(void **state)
{
    struct hosts hosts;
    (void)state;
    hosts_init(&hosts, "/");
    hosts_refresh(&hosts);
    assert_int_equal(count_of(&hosts, "app", DNS_A), 0);
    hosts_release(&hosts);
}

static void localhost_is_known_without_a_line_for_it(void **state)
{
    struct hosts hosts;
    struct dns_records records;
    (void)state;
    hosts_init(&hosts, "/nowhere");
    hosts_refresh(&hosts);
    assert_true(hosts_find(&hosts, "LocalHost", DNS_A, &records));
    assert_memory_equal(records.ips[0].bytes, "\x7f\0\0\1", 4);
    assert_true(hosts_find(&hosts, "app.localhost", DNS_AAAA, &records));
    assert_memory_equal(records.ips[0].bytes, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 16);
    assert_int_equal(count_of(&hosts, "mylocalhost", DNS_A), 0);
    assert_int_equal(count_of(&hosts, "localhost.test", DNS_A), 0);
    assert_int_equal(count_of(&hosts, "host", DNS_A), 0);
    hosts_release(&hosts);
}

static void a_line_for_localhost_is_all_that_holds_for_it(void **state)
{
    struct hosts hosts;
    struct dns_records records;
    (void)state;
    write_hosts("127.0.0.7 localhost\n");
    hosts_init(&hosts, path);
    hosts_refresh(&hosts);
    assert_true(hosts_find(&hosts, "localhost", DNS_A, &records));
    assert_int_equal(records.count, 1);
    assert_memory_equal(records.ips[0].bytes, "\x7f\0\0\7", 4);
    assert_int_equal(count_of(&hosts, "localhost", DNS_AAAA), 0);
    hosts_release(&hosts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_stand_for_all_their_lines_in_any_case),
        cmocka_unit_test(a_change_of_the_file_is_seen_and_so_is_its_end),
        cmocka_unit_test(what_is_no_file_has_no_names),
        cmocka_unit_test(localhost_is_known_without_a_line_for_it),
        cmocka_unit_test(a_line_for_localhost_is_all_that_holds_for_it),
    };
    snprintf(path, sizeof path, "/tmp/evenkeel-hosts-%d", (int)getpid());
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    return failed;
}
