/* The field Priority: what it says of a response, and what of it is passed over (RFC 9218 4, RFC 8941 3.2). */
#include "proxy/http2/h2_priority.h"
#include "tests/unit/h2_rig.h"

static const struct row {
    const char *fields;
    uint32_t urgency;
    bool told, incremental;
} rows[] = {
    {"", 0, false, false},
    {"Priority: u=0\r\n", 0, true, false},
    {"Priority: u=7\r\n", 7, true, false},
    {"Priority: u=8\r\n", 3, true, false},
    {"Priority: u=-1\r\n", 3, true, false},
    {"Priority: u=10\r\n", 3, true, false},
    {"Priority: u\r\n", 3, true, false},
    {"Priority: i\r\n", 3, true, true},
    {"Priority: i=?1\r\n", 3, true, true},
    {"Priority: i, i=?0\r\n", 3, true, false},
    {"Priority: i=1\r\n", 3, true, false},
    {"Priority: u=1, i\r\n", 1, true, true},
    {"Priority: u=1,i,u=2\r\n", 2, true, true},
    {"Priority: u=5;x=1 , i;a\r\n", 5, true, true},
    {"Priority: x=\"u\", u=4\r\n", 4, true, false},
    {"Priority: =?!,,;\r\n", 3, true, false},
    {"Priority:\r\n", 3, true, false},
    {"Priority: u=6\r\nPriority: i\r\n", 6, true, true},
};

static void a_priority_is_what_its_members_say(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct rig_head parsed;
        struct h2_priority priority = {0, false};
        char text[256];
        snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: a\r\n%s\r\n", rows[i].fields);
        rig_parse(&parsed, text, false);
        print_message("%s", rows[i].fields);
        assert_int_equal(h2_priority_of(&parsed.head, &priority), rows[i].told);
        assert_int_equal(priority.urgency, rows[i].urgency);
        assert_int_equal(priority.incremental, rows[i].incremental);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_priority_is_what_its_members_say)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
