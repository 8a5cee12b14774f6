/* What a store may answer: the values that are asked for, others, and nothing that ends the process. */
#include "tests/unit/unit.h"

#include <string.h>

#include "proxy/fleet/store_reply.h"

static enum store_read_result read_reply(const char *bytes, struct store_reply **ret_reply)
{
    struct store_reader *reader = store_reader_create();
    assert_non_null(reader);
    assert_true(store_reader_feed(reader, bytes, strlen(bytes)));
    enum store_read_result result = store_reader_take(reader, ret_reply);
    store_reader_free(&reader);
    return result;
}

static void values_that_are_asked_for_are_read(void **state)
{
    struct store_reply *reply;
    (void)state;
    assert_int_equal(read_reply("*3\r\n:7\r\n$3\r\na\nb\r\n$-1\r\n", &reply), STORE_READ_WHOLE);
    assert_int_equal(reply->kind, STORE_REPLY_LIST);
    assert_int_equal(reply->count, 3);
    assert_int_equal(reply->items[0].number, 7);
    assert_string_equal(reply->items[1].text, "a\nb");
    assert_int_equal(reply->items[2].kind, STORE_REPLY_NIL);
    store_reply_free(&reply);
    assert_int_equal(read_reply("-NOAUTH no\r\n", &reply), STORE_READ_WHOLE);
    assert_int_equal(reply->kind, STORE_REPLY_ERROR);
    store_reply_free(&reply);
    assert_int_equal(read_reply("*2\r\n:7\r\n", &reply), STORE_READ_MORE);
}

/* Kinds of RESP3, which versions of hiredis read or not: each is a value, or no protocol. */
static void values_that_nobody_asks_for_are_values_or_rubbish(void **state)
{
    static const char *const texts[] = {",3.14\r\n",
                                        "#t\r\n",
                                        "(12345678901234567890\r\n",
                                        "%1\r\n+a\r\n#f\r\n",
                                        "~1\r\n,1.5\r\n",
                                        "_\r\n",
                                        "=5\r\ntxt:a\r\n",
                                        ">1\r\n+a\r\n",
                                        "*2\r\n,1\r\n#t\r\n",
                                        "!3\r\nERR\r\n",
                                        "|1\r\n+a\r\n+b\r\n:1\r\n",
                                        "*-1\r\n",
                                        "?\r\n",
                                        "*1\r\n?\r\n"};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct store_reply *reply = NULL;
        enum store_read_result result = read_reply(texts[i], &reply);
        if (result == STORE_READ_WHOLE) {
            assert_true(reply->kind <= STORE_REPLY_ERROR);
            for (size_t j = 0; j < reply->count; j++) {
                assert_true(reply->items[j].kind <= STORE_REPLY_ERROR);
            }
            store_reply_free(&reply);
        } else {
            assert_null(reply);
        }
    }
}

static void replies_beyond_the_bounds_are_rubbish(void **state)
{
    struct store_reply *reply;
    (void)state;
    assert_int_equal(read_reply("*16385\r\n", &reply), STORE_READ_RUBBISH);
    assert_int_equal(read_reply("*2\r\n*16380\r\n", &reply), STORE_READ_MORE);
    assert_int_equal(read_reply("HTTP/1.1 200 OK\r\n\r\n", &reply), STORE_READ_RUBBISH);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_that_are_asked_for_are_read),
        cmocka_unit_test(values_that_nobody_asks_for_are_values_or_rubbish),
        cmocka_unit_test(replies_beyond_the_bounds_are_rubbish),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
