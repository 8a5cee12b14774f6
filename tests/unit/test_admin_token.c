/* Tokens of the admin listener: what files may contain, and who is let in. */
#include "tests/unit/unit.h"

#include "conf/admin_access.h"
#include "proxy/admin/admin_token.h"

#define GOOD "0123456789abcdef"
#define OTHER "fedcba9876543210-._~+/="

struct fixture {
    struct arena arena;
    struct admin_settings settings;
    char why[ADMIN_ACCESS_WHY_BYTES];
};

static bool parse(struct fixture *fixture, const char *text)
{
    char copy[8192];
    *fixture = (struct fixture){.settings = {.token_file = "tokens"}};
    snprintf(copy, sizeof copy, "%s", text);
    return admin_tokens_parse(&fixture->arena, copy, &fixture->settings, fixture->why);
}

static void a_file_has_a_token_a_line(void **state)
{
    struct fixture fixture;
    (void)state;
    assert_true(parse(&fixture, "# of Prometheus\n" GOOD "  \r\n\n" OTHER));
    assert_int_equal(fixture.settings.token_count, 2);
    assert_string_equal(fixture.settings.tokens[0].text, GOOD);
    assert_string_equal(fixture.settings.tokens[1].text, OTHER);
    arena_release(&fixture.arena);
}

static void a_file_that_protects_nothing_is_refused_and_its_tokens_are_not_told(void **state)
{
    static const struct {
        const char *text, *why;
    } rows[] = {
        {"", "tokens:1: there is no token"},
        {"\n# nothing\n", "tokens:1: there is no token"},
        {GOOD "\n0123456789abcde", "tokens:2: a token has at least 16 characters"},
        {"0123456789 abcdef", "tokens:1: a token consists of"},
        {"0123456789\"abcdef", "tokens:1: a token consists of"},
        {"\xc3\xa4 0123456789abcdef", "tokens:1: a token consists of"},
    };
    struct fixture fixture;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_false(parse(&fixture, rows[i].text));
        if (strstr(fixture.why, rows[i].why) != fixture.why ||
            strstr(fixture.why, "0123456789") != NULL) {
            fail_msg("row %zu: %s", i, fixture.why);
        }
        arena_release(&fixture.arena);
    }
}

static void tokens_have_a_longest_and_a_most(void **state)
{
    char text[ADMIN_TOKEN_MAX_BYTES + 2] = "";
    char many[(ADMIN_TOKENS_MAX + 1) * (sizeof GOOD) + 1] = "";
    struct fixture fixture;
    (void)state;
    memset(text, 'x', ADMIN_TOKEN_MAX_BYTES + 1);
    assert_false(parse(&fixture, text));
    arena_release(&fixture.arena);
    text[ADMIN_TOKEN_MAX_BYTES] = '\0';
    assert_true(parse(&fixture, text));
    char bearer[sizeof text + 8];
    snprintf(bearer, sizeof bearer, "Bearer %s", text);
    assert_int_equal(admin_token_judge(&fixture.settings, bearer), ADMIN_CLAIM_GOOD);
    snprintf(bearer, sizeof bearer, "Bearer %sx", text);
    assert_int_equal(admin_token_judge(&fixture.settings, bearer), ADMIN_CLAIM_WRONG);
    arena_release(&fixture.arena);
    for (unsigned i = 0; i <= ADMIN_TOKENS_MAX; i++) {
        memcpy(many + strlen(many), GOOD "\n", sizeof GOOD + 1);
    }
    assert_false(parse(&fixture, many));
    arena_release(&fixture.arena);
}

static void who_shows_a_token_is_let_in_and_nobody_else(void **state)
{
    static const struct {
        const char *authorization;
        enum admin_claim claim;
    } rows[] = {
        {"Bearer " GOOD, ADMIN_CLAIM_GOOD},
        {"bearer   " GOOD, ADMIN_CLAIM_GOOD},
        {"Bearer " OTHER, ADMIN_CLAIM_GOOD},
        {"Basic OjAxMjM0NTY3ODlhYmNkZWY=", ADMIN_CLAIM_GOOD},     /* ":" GOOD */
        {"Basic YW5uOjAxMjM0NTY3ODlhYmNkZWY=", ADMIN_CLAIM_GOOD}, /* "ann:" GOOD */
        {"Basic MDEyMzQ1Njc4OWFiY2RlZjo=", ADMIN_CLAIM_WRONG},    /* GOOD ":" */
        {"Basic MDEyMzQ1Njc4OWFiY2RlZg==", ADMIN_CLAIM_WRONG},    /* GOOD */
        {"Basic OjAxMjM0NTY3ODlhYmNkZWYA", ADMIN_CLAIM_WRONG},    /* ":" GOOD "\0" */
        {"Basic ****", ADMIN_CLAIM_WRONG},
        {NULL, ADMIN_CLAIM_NONE},
        {"", ADMIN_CLAIM_WRONG},
        {"Bearer", ADMIN_CLAIM_WRONG},
        {"Bearer ", ADMIN_CLAIM_WRONG},
        {"Bearer 0123456789abcde", ADMIN_CLAIM_WRONG},
        {"Bearer " GOOD "0", ADMIN_CLAIM_WRONG},
        {"Bearer 1123456789abcdef", ADMIN_CLAIM_WRONG},
        {"Bearer 0123456789abcdeg", ADMIN_CLAIM_WRONG},
        {"Bearer 0123456789ABCDEF", ADMIN_CLAIM_WRONG},
        {"Digest " GOOD, ADMIN_CLAIM_WRONG},
        {GOOD, ADMIN_CLAIM_WRONG},
    };
    struct fixture fixture;
    (void)state;
    assert_true(parse(&fixture, GOOD "\n" OTHER "\n"));
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        enum admin_claim claim = admin_token_judge(&fixture.settings, rows[i].authorization);
        if (claim != rows[i].claim) {
            fail_msg("row %zu: %s", i, rows[i].authorization);
        }
    }
    arena_release(&fixture.arena);
}

static void without_a_file_nobody_is_asked(void **state)
{
    const struct admin_settings settings = {.token_file = ""};
    (void)state;
    assert_int_equal(admin_token_judge(&settings, NULL), ADMIN_CLAIM_GOOD);
}

static void an_address_is_guarded_if_it_is_local_or_a_token_is_asked_for(void **state)
{
    static const struct {
        const char *listen;
        bool local;
    } rows[] = {{"127.0.0.1:1", true},         {"127.9.9.9:1", true},  {"[::1]:1", true},
                {"unix:/run/x", true},         {"0.0.0.0:1", false},   {"[::]:1", false},
                {"10.0.0.1:1", false},         {"192.0.2.1:1", false}, {"[2001:db8::1]:1", false},
                {"[::ffff:10.0.0.1]:1", false}};
    struct fixture fixture;
    struct address address;
    (void)state;
    assert_true(parse(&fixture, GOOD));
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_true(address_parse(rows[i].listen, &address));
        assert_int_equal(admin_is_local(&address), rows[i].local);
        assert_int_equal(admin_is_guarded(&address, &(struct admin_settings){.token_file = ""}),
                         rows[i].local);
        assert_true(admin_is_guarded(&address, &fixture.settings));
    }
    arena_release(&fixture.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_has_a_token_a_line),
        cmocka_unit_test(a_file_that_protects_nothing_is_refused_and_its_tokens_are_not_told),
        cmocka_unit_test(tokens_have_a_longest_and_a_most),
        cmocka_unit_test(who_shows_a_token_is_let_in_and_nobody_else),
        cmocka_unit_test(without_a_file_nobody_is_asked),
        cmocka_unit_test(an_address_is_guarded_if_it_is_local_or_a_token_is_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
