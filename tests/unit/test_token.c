/* Tokens are what any HMAC makes of the same key and text. */
#include "tests/unit/unit.h"

#include "tls/token.h"

static void a_token_is_the_hmac_in_base64url(void **state)
{
    static const struct {
        bool zeros;
        const char *text, *token;
    } rows[] = {
        {true, "app/127.0.0.1:80", "bRiD81970EMh3jScwUjdXQ"},
        {false, "app/app.internal:8080/10.0.0.7:8080", "2bSg7zcj1tyDRlZMDo7Ajg"},
        {false, "", "04tCCW2A9F-Ca0Sp1WB95w"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct seal_key key;
        char token[TOKEN_TEXT_BYTES];
        for (unsigned at = 0; at < sizeof key.bytes; at++) {
            key.bytes[at] = rows[i].zeros ? 0 : (uint8_t)at;
        }
        assert_true(token_make(&key, rows[i].text, token));
        assert_string_equal(token, rows[i].token);
    }
}

static void two_new_keys_differ(void **state)
{
    struct seal_key one, other;
    (void)state;
    assert_true(token_key_make(&one) && token_key_make(&other));
    assert_memory_not_equal(one.bytes, other.bytes, sizeof one.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_is_the_hmac_in_base64url),
        cmocka_unit_test(two_new_keys_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
