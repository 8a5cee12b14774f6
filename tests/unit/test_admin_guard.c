/* A browser that visits a hostile page is no way to the admin listener. */
#include "tests/unit/unit.h"

#include "proxy/admin/admin_guard.h"

static const char *const names[] = {"admin.example", "*.ops.example"};

static struct admin_settings settings_at(const char *listen)
{
    struct admin_settings settings = {.hosts = names, .hosts_count = 2};
    assert_true(address_parse(listen, &settings.listen));
    return settings;
}

struct row {
    const char *host, *origin, *fetch_site;
    bool acts;
    enum admin_verdict verdict;
};

static void judge(const char *listen, const struct row *rows, size_t count)
{
    const struct admin_settings settings = settings_at(listen);
    for (size_t i = 0; i < count; i++) {
        const struct admin_request_source source = {rows[i].host, rows[i].origin,
                                                    rows[i].fetch_site, rows[i].acts,
                                                    settings.listen.any.sa_family == AF_UNIX};
        enum admin_verdict verdict = admin_guard_judge(&settings, &source);
        if (verdict != rows[i].verdict) {
            fail_msg("row %zu: %s", i, admin_verdict_words(verdict));
        }
    }
}

#define JUDGE(listen, rows) judge(listen, rows, sizeof(rows) / sizeof((rows)[0]))
#define ALLOWED ADMIN_ALLOWED
#define HOST ADMIN_FOREIGN_HOST
#define ORIGIN ADMIN_FOREIGN_ORIGIN

static void a_name_that_may_have_been_rebound_is_refused(void **state)
{
    (void)state;
    const struct row rows[] = {
        {"127.0.0.1:9901", NULL, NULL, false, ALLOWED},
        {"10.1.2.3", NULL, NULL, true, ALLOWED},
        {"[::1]:9901", NULL, NULL, true, ALLOWED},
        {"localhost:9901", NULL, NULL, true, ALLOWED},
        {"LocalHost", NULL, NULL, false, ALLOWED},
        {"localhost.", NULL, NULL, false, ALLOWED},
        {"admin.example:9901", NULL, NULL, true, ALLOWED},
        {"Admin.Example.", NULL, NULL, true, ALLOWED},
        {"a.ops.example", NULL, NULL, true, ALLOWED},
        {"ops.example", NULL, NULL, false, HOST},
        {".ops.example", NULL, NULL, false, HOST},
        {"evilops.example", NULL, NULL, false, HOST},
        {"evil.example", NULL, NULL, false, HOST},
        {"evil.example:9901", NULL, NULL, true, HOST},
        {"127.0.0.1.evil.example", NULL, NULL, false, HOST},
        {"localhost.evil.example", NULL, NULL, false, HOST},
        {"admin.example.evil.example", NULL, NULL, false, HOST},
        {"[evil.example]", NULL, NULL, false, HOST},
        {"[::1", NULL, NULL, false, ALLOWED},
        {"", NULL, NULL, false, HOST},
        {":9901", NULL, NULL, false, HOST},
        {".", NULL, NULL, false, HOST},
    };
    JUDGE("127.0.0.1:9901", rows);
}

static void what_acts_says_for_whom_it_is(void **state)
{
    (void)state;
    const struct row rows[] = {
        {NULL, NULL, NULL, false, ALLOWED}, /* HTTP/1.0 */
        {NULL, NULL, NULL, true, HOST},
    };
    JUDGE("127.0.0.1:9901", rows);
}

static void a_page_of_elsewhere_is_refused(void **state)
{
    (void)state;
    const struct row rows[] = {
        {"127.0.0.1:9901", "http://127.0.0.1:9901", "same-origin", true, ALLOWED},
        {"127.0.0.1:9901", "http://127.0.0.1:3000", NULL, true, ORIGIN},
        {"127.0.0.1:9901", "http://127.0.0.1:3000", NULL, false, ORIGIN},
        {"127.0.0.1:9901", "http://localhost:9901", NULL, true, ORIGIN},
        {"127.0.0.1:9901", "https://evil.example", NULL, true, ORIGIN},
        {"127.0.0.1:9901", "null", NULL, true, ORIGIN},
        {"127.0.0.1:9901", "", NULL, true, ORIGIN},
        {"localhost", "https://LOCALHOST", NULL, true, ALLOWED},
        /* a proxy in front has changed Host */
        {"127.0.0.1:9901", "https://admin.example", NULL, true, ALLOWED},
        {"127.0.0.1:9901", "https://admin.example.evil.example", NULL, true, ORIGIN},
        /* no Origin, but the browser says where it comes from */
        {"127.0.0.1:9901", NULL, "cross-site", true, ORIGIN},
        {"127.0.0.1:9901", NULL, "same-site", true, ORIGIN},
        {"127.0.0.1:9901", NULL, "none", true, ALLOWED},
        {"127.0.0.1:9901", NULL, "cross-site", false, ALLOWED},
    };
    JUDGE("127.0.0.1:9901", rows);
}

static void no_name_leads_to_a_unix_socket_but_a_page_is_a_page(void **state)
{
    (void)state;
    const struct row rows[] = {
        {"any.name", NULL, NULL, true, ALLOWED},
        {NULL, NULL, NULL, true, ALLOWED},
        {"any.name", "https://evil.example", NULL, true, ORIGIN},
    };
    JUDGE("unix:/run/evenkeel.sock", rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_that_may_have_been_rebound_is_refused),
        cmocka_unit_test(what_acts_says_for_whom_it_is),
        cmocka_unit_test(a_page_of_elsewhere_is_refused),
        cmocka_unit_test(no_name_leads_to_a_unix_socket_but_a_page_is_a_page),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
