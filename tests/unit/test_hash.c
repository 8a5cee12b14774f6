/* The keyed hash is SipHash-1-3, and depends on every bit of seed and bytes. */
#include "tests/unit/unit.h"

#include "steady/hash.h"
#include "steady/rng.h"

/* Seed 0 over the beginnings of the alphabet; computed with CPython 3.11, which hashes bytes with SipHash-1-3 and,
   under PYTHONHASHSEED=0, the key 0. */
static const int64_t alphabet[] = {
    4644417185603328019,  6148830537548944441,  -4594863902769663758, -2030606670787596663,
    2674923165546153122,  7070790388344807208,  7904145750247929094,  4574395652268504554,
    -532774252720507163,  -829746140550000655,  1450545860578130900,  -8996131201539021375,
    -7689147164244908826, -162833645092072998,  2293029479765367930,  -7712962755478248686,
    7044894726457044172,  -5590180170646591961, 8842182748088549034,
};

static void short_strings_hash_as_siphash_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof alphabet / sizeof alphabet[0]; i++) {
        assert_true(hash_bytes(0, "abcdefghijklmnopqrstuvwxyz", i + 1) == (uint64_t)alphabet[i]);
    }
}

static void the_empty_string_has_a_hash_too(void **state)
{
    (void)state;
    assert_true(hash_bytes(7, NULL, 0) == hash_bytes(7, "x", 0));
    assert_true(hash_bytes(7, NULL, 0) != hash_bytes(8, NULL, 0));
}

static void alignment_does_not_matter(void **state)
{
    (void)state;
    _Alignas(16) char space[64];
    for (size_t shift = 0; shift < 16; shift++) {
        memcpy(space + shift, "abcdefghijklmnopqrs", 19);
        assert_true(hash_bytes(0, space + shift, 19) == (uint64_t)alphabet[18]);
    }
}

/* Each flipped bit of seed or bytes flips about half the bits of the hash. */
static void every_bit_counts(void **state)
{
    (void)state;
    struct rng rng;
    rng_init(&rng, unit_seed());
    for (size_t length = 1; length < 40; length++) {
        unsigned char bytes[40];
        for (size_t i = 0; i < length; i++) {
            bytes[i] = (unsigned char)rng_next(&rng);
        }
        uint64_t seed = rng_next(&rng);
        uint64_t hash = hash_bytes(seed, bytes, length);
        for (size_t bit = 0; bit < length * 8 + 64; bit++) {
            uint64_t other_seed = seed;
            if (bit < 64) {
                other_seed ^= UINT64_C(1) << bit;
            } else {
                bytes[(bit - 64) / 8] ^= (unsigned char)(1 << bit % 8);
            }
            int flipped = __builtin_popcountll(hash ^ hash_bytes(other_seed, bytes, length));
            if (bit >= 64) {
                bytes[(bit - 64) / 8] ^= (unsigned char)(1 << bit % 8);
            }
            assert_in_range(flipped, 6, 58); /* 6.5 standard deviations */
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(short_strings_hash_as_siphash_says),
        cmocka_unit_test(the_empty_string_has_a_hash_too),
        cmocka_unit_test(alignment_does_not_matter),
        cmocka_unit_test(every_bit_counts),
    };
    return cmocka_run_group_tests_name("hash", tests, NULL, NULL);
}
