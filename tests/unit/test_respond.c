/* Our own responses say the status, the reason and, where waiting helps, when to come back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proxy/http/grpc_words.h"
#include "proxy/http/respond.h"

/* Answers about a file are those of an origin: no proxy stands between (RFC 9209 2). */
static bool is_of_a_file(size_t reason)
{
    switch (reason) {
    case REASON_METHOD_NOT_ALLOWED:
    case REASON_FILE_NOT_FOUND:
    case REASON_FILE_DENIED:
    case REASON_FILE_CONDITION:
    case REASON_FILE_RANGE: return true;
    default: return false;
    }
}

static void every_reason_with_a_status_makes_a_whole_response(void **state)
{
    (void)state;
    for (size_t i = 0; i < REASON_COUNT; i++) {
        struct own_response response;
        if (reason_rows[i].status == 0) {
            continue;
        }
        own_response_build(&response, (enum exchange_reason)i, "length_and_transfer_encoding", 7);
        assert_int_equal(response.head.status, reason_rows[i].status);
        assert_int_equal(response.head.content_length, response.body_bytes);
        assert_true(response.body_bytes > 0 && response.body[response.body_bytes - 1] == '\n');
        assert_true(http_reason_phrase(response.head.status)[0] != '\0');
        const struct http_field *field = head_find(&response.head, FIELD_PROXY_STATUS);
        if (reason_rows[i].status < 400 || is_of_a_file(i)) {
            assert_null(field);
            continue;
        }
        assert_non_null(field);
        const char *value = response.head.base + field->value_at;
        assert_non_null(
            memmem(value, field->value_bytes, reason_rows[i].name, strlen(reason_rows[i].name)));
        assert_non_null(memmem(value, field->value_bytes, "length_and_transfer_encoding", 28));
        assert_int_equal(head_find(&response.head, FIELD_RETRY_AFTER) != NULL,
                         reason_rows[i].retry_after_s > 0);
    }
}

/* A call that we refuse must never look like one that went well. */
static void every_reason_refuses_a_grpc_call_with_a_status(void **state)
{
    (void)state;
    for (size_t i = 0; i < REASON_COUNT; i++) {
        struct own_response response;
        enum grpc_status status = GRPC_OK;
        assert_true(reason_rows[i].grpc < GRPC_STATUS_COUNT);
        assert_int_equal(reason_rows[i].grpc == GRPC_OK,
                         i == REASON_COMPLETE || i == REASON_UPGRADED || i == REASON_READY ||
                             i == REASON_RESPONDED);
        own_response_build_grpc(&response, (enum exchange_reason)i, "50%", 7);
        assert_int_equal(response.head.status, 200);
        assert_int_equal(response.head.framing, FRAMING_LENGTH);
        assert_int_equal(response.head.content_length, 0);
        assert_int_equal(response.body_bytes, 0);
        assert_true(grpc_is_call(&response.head));
        assert_true(grpc_status_find(&response.head, &status));
        assert_int_equal(status, reason_rows[i].grpc);
        const struct http_field *message = head_find_name(&response.head, "grpc-message", 12);
        const char *value = response.head.base + message->value_at;
        assert_non_null(
            memmem(value, message->value_bytes, reason_rows[i].name, strlen(reason_rows[i].name)));
        assert_non_null(memmem(value, message->value_bytes, "50%25", 5));
        assert_int_equal(head_find(&response.head, FIELD_PROXY_STATUS) != NULL,
                         reason_rows[i].status >= 400 && !is_of_a_file(i));
    }
}

static void an_emptied_response_says_that_it_is_empty(void **state)
{
    (void)state;
    struct own_response response;
    own_response_build(&response, REASON_CLIENT_LIMIT, NULL, 1);
    own_response_empty(&response);
    assert_int_equal(response.body_bytes, 0);
    assert_int_equal(response.head.content_length, 0);
    assert_true(head_has(&response.head, FIELD_CONTENT_LENGTH));
}

static void names_are_label_values_and_differ(void **state)
{
    (void)state;
    for (size_t i = 0; i < REASON_COUNT; i++) {
        const char *name = reason_rows[i].name;
        assert_int_equal(strspn(name, "abcdefghijklmnopqrstuvwxyz_"), strlen(name));
        for (size_t j = 0; j < i; j++) {
            assert_string_not_equal(name, reason_rows[j].name);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_reason_with_a_status_makes_a_whole_response),
        cmocka_unit_test(every_reason_refuses_a_grpc_call_with_a_status),
        cmocka_unit_test(an_emptied_response_says_that_it_is_empty),
        cmocka_unit_test(names_are_label_values_and_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
