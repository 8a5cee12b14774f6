/* JSON as /status and the others write it: commas, nesting, and texts that no reader may choke on. */
#include "tests/unit/unit.h"

#include <math.h>

#include "proxy/admin/json.h"
#include "proxy/log/json_text.h"

static struct json begin(void)
{
    return (struct json){.out = evbuffer_new()};
}

/* What was written is exactly this; ends the writer. */
static void written(struct json *json, const char *wanted)
{
    evbuffer_add(json->out, "", 1);
    assert_string_equal((const char *)evbuffer_pullup(json->out, -1), wanted);
    evbuffer_free(json->out);
}

static void values_are_set_apart_and_groups_begin_without_a_comma(void **state)
{
    struct json json = begin();
    (void)state;
    json_open(&json, NULL, '{');
    json_uint(&json, "a", UINT64_MAX);
    json_open(&json, "b", '[');
    json_bool(&json, NULL, true);
    json_bool(&json, NULL, false);
    json_open(&json, NULL, '{');
    json_close(&json, '}');
    json_text(&json, NULL, NULL);
    json_close(&json, ']');
    json_number(&json, "c", 0.25);
    json_close(&json, '}');
    written(&json, "{\"a\":18446744073709551615,\"b\":[true,false,{},null],\"c\":0.25}");
}

static void numbers_that_json_does_not_know_are_zero(void **state)
{
    struct json json = begin();
    (void)state;
    json_number(&json, NULL, (double)NAN);
    json_number(&json, NULL, (double)INFINITY);
    written(&json, "0,0");
}

static void texts_are_escaped_where_they_must_be(void **state)
{
    struct json json = begin();
    (void)state;
    json_text(&json, "k\"", "say \"\\\" \n\x7f");
    written(&json, "\"k\\\"\":\"say \\\"\\\\\\\" \\u000a\\u007f\"");
}

static void utf8_stays_and_what_only_looks_like_it_is_escaped(void **state)
{
    struct json json = begin();
    (void)state;
    json_text(&json, NULL, "\xc3\xa9 \xf0\x9f\x9a\xa2 \xff \xc3");
    written(&json, "\"\xc3\xa9 \xf0\x9f\x9a\xa2 \\u00ff \\u00c3\"");
}

/* RFC 3629 3: neither overlong forms nor surrogates, nor anything beyond U+10FFFF. */
static void forms_that_utf8_forbids_are_not_plain(void **state)
{
    static const char *const bad[] = {
        "\xc0\xaf",         "\xe0\x80\xaf",     "\xed\xa0\x80", "\xf0\x80\x80\xaf",
        "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\x80"};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(json_plain_bytes(bad[i], strlen(bad[i])), 0);
    }
    assert_int_equal(json_plain_bytes("ab\xe2\x82\xac\"", 6), 5);
    assert_int_equal(json_plain_bytes("\xe2\x82\xac", 2), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_set_apart_and_groups_begin_without_a_comma),
        cmocka_unit_test(numbers_that_json_does_not_know_are_zero),
        cmocka_unit_test(texts_are_escaped_where_they_must_be),
        cmocka_unit_test(utf8_stays_and_what_only_looks_like_it_is_escaped),
        cmocka_unit_test(forms_that_utf8_forbids_are_not_plain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
