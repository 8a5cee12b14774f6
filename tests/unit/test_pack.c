/* What is packed is read back on every host; what is not there is never read. */
#include "tests/unit/unit.h"

#include "steady/pack.h"

static void what_was_packed_is_read_back(void **state)
{
    (void)state;
    struct pack pack;
    struct unpack unpack;
    char text[8];
    size_t length;
    pack_init(&pack, 1024);
    pack_u8(&pack, 0xfe);
    pack_u16(&pack, 0x1234);
    pack_u32(&pack, 0x89abcdef);
    size_t at = pack_begin(&pack);
    pack_u64(&pack, UINT64_C(0x0123456789abcdef));
    pack_end(&pack, at);
    pack_text(&pack, "seven.7");
    pack_bytes(&pack, NULL, 0);
    assert_false(pack.failed);
    static const uint8_t start[] = {0xfe, 0x12, 0x34, 0x89, 0xab, 0xcd, 0xef, 0, 0, 0, 8, 1, 0x23};
    assert_memory_equal(pack.bytes, start, sizeof start);
    unpack_init(&unpack, pack.bytes, pack.length);
    assert_int_equal(unpack_u8(&unpack), 0xfe);
    assert_int_equal(unpack_u16(&unpack), 0x1234);
    assert_int_equal(unpack_u32(&unpack), 0x89abcdef);
    assert_non_null(unpack_bytes(&unpack, &length));
    assert_int_equal(length, 8);
    assert_true(unpack_text(&unpack, text, sizeof text));
    assert_string_equal(text, "seven.7");
    assert_true(unpack_more(&unpack));
    assert_non_null(unpack_bytes(&unpack, &length));
    assert_int_equal(length, 0);
    assert_false(unpack_more(&unpack));
    assert_false(unpack.failed);
    pack_release(&pack);
}

static void a_limit_is_kept_and_an_error_sticks(void **state)
{
    (void)state;
    struct pack pack;
    pack_init(&pack, 5000);
    pack_raw(&pack, (const char[4999]){0}, 4999);
    assert_false(pack.failed);
    pack_u16(&pack, 1);
    assert_true(pack.failed);
    pack_u8(&pack, 1);
    assert_int_equal(pack.length, 4999);
    pack_end(&pack, 0);
    assert_true(pack.failed);
    pack_release(&pack);
}

static void texts_that_are_none_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t length;
    } bad[] = {
        {"\0\0\0\0", 4},
        {"\0\0\0\1\0", 5},
        {"\0\0\0\2a\0", 6},
        {"\0\0\0\4abcd", 8}, /* no room */
        {"\0\0\0\3ab", 6},
        {"\xff\xff\xff\xff"
         "ab",
         6},
        {"\0\0\0", 3},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct unpack unpack;
        char text[4] = "xyz";
        unpack_init(&unpack, bad[i].bytes, bad[i].length);
        assert_false(unpack_text(&unpack, text, sizeof text));
        assert_true(unpack.failed);
        assert_string_equal(text, "xyz");
        assert_int_equal(unpack_u8(&unpack), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_packed_is_read_back),
        cmocka_unit_test(a_limit_is_kept_and_an_error_sticks),
        cmocka_unit_test(texts_that_are_none_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
