/* What is sealed is opened with the same key only, and only unchanged. */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "tls/seal.h"

static const struct seal_key key = {{1, 2, 3}}, other = {{1, 2, 4}};

static void only_the_key_opens_it_and_only_unchanged(void **state)
{
    (void)state;
    static const char secret[] = "the secret of a session", beside[] = "head";
    uint8_t sealed[sizeof secret + SEAL_EXTRA_BYTES], again[sizeof sealed];
    char plain[sizeof secret];
    assert_int_equal(seal_close(&key, beside, 4, secret, sizeof secret, sealed), SEAL_OK);
    assert_int_equal(seal_close(&key, beside, 4, secret, sizeof secret, again), SEAL_OK);
    assert_memory_not_equal(sealed, again, sizeof sealed);
    assert_null(memmem(sealed, sizeof sealed, "secret", 6));
    assert_int_equal(seal_open(&key, beside, 4, sealed, sizeof sealed, plain), SEAL_OK);
    assert_string_equal(plain, secret);
    assert_int_equal(seal_open(&other, beside, 4, sealed, sizeof sealed, plain), SEAL_BROKEN);
    assert_int_equal(seal_open(&key, "heaD", 4, sealed, sizeof sealed, plain), SEAL_BROKEN);
    assert_int_equal(seal_open(&key, beside, 4, sealed, sizeof sealed - 1, plain), SEAL_BROKEN);
    for (size_t i = 0; i < sizeof sealed; i++) {
        sealed[i] ^= 1;
        assert_int_equal(seal_open(&key, beside, 4, sealed, sizeof sealed, plain), SEAL_BROKEN);
        sealed[i] ^= 1;
    }
    assert_int_equal(seal_close(&key, beside, 4, NULL, 0, sealed), SEAL_OK);
    assert_int_equal(seal_open(&key, beside, 4, sealed, SEAL_EXTRA_BYTES, plain), SEAL_OK);
}

static enum seal_result load(const char *text, size_t length, mode_t mode, struct seal_key *ret_key)
{
    char path[] = "/tmp/evenkeel-seal-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, length), length);
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
    enum seal_result result = seal_key_load(path, ret_key);
    unlink(path);
    return result;
}

static void a_key_file_is_32_bytes_or_64_digits_and_nobody_elses(void **state)
{
    (void)state;
    static const char digits[] =
        "000102030405060708090A0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n";
    struct seal_key loaded;
    uint8_t expected[SEAL_KEY_BYTES];
    for (size_t i = 0; i < sizeof expected; i++) {
        expected[i] = (uint8_t)i;
    }
    assert_int_equal(load(digits, 65, 0600, &loaded), SEAL_OK);
    assert_memory_equal(loaded.bytes, expected, sizeof expected);
    memset(&loaded, 0, sizeof loaded);
    assert_int_equal(load((const char *)expected, 32, 0640, &loaded), SEAL_OK);
    assert_memory_equal(loaded.bytes, expected, sizeof expected);
    assert_int_equal(load(digits, 65, 0644, &loaded), SEAL_KEY_EXPOSED);
    assert_int_equal(load(digits, 63, 0600, &loaded), SEAL_KEY_MALFORMED);
    assert_int_equal(load(digits, 0, 0600, &loaded), SEAL_KEY_MALFORMED);
    assert_int_equal(
        load("x00102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", 64, 0600, &loaded),
        SEAL_KEY_MALFORMED);
    assert_int_equal(seal_key_load("/nowhere/key", &loaded), SEAL_KEY_UNREADABLE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_key_opens_it_and_only_unchanged),
        cmocka_unit_test(a_key_file_is_32_bytes_or_64_digits_and_nobody_elses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
