/* Whatever the processor, a step stops at the same byte. */
#include "tests/unit/unit.h"

#include "proxy/http1/h1_scan.h"
#include "steady/rng.h"

#define ROUNDS 200000

/* The twins of one step, NULL where there is none. */
struct twins {
    const char *name;
    unsigned (*steps[3])(const char *at);
};

/* Text steps tell their stops; as a number of bytes, at most what the narrowest looks at. */
#define TEXT_STEP(kind)                                     \
    static unsigned text_step_##kind(const char *at)        \
    {                                                       \
        uint32_t stops = h1_text_stops_##kind(at) & 0xffff; \
        return stops ? (unsigned)__builtin_ctz(stops) : 16; \
    }
#define NARROW_STEP(step, kind)                        \
    static unsigned step##_step_##kind(const char *at) \
    {                                                  \
        unsigned bytes = h1_##step##_step_##kind(at);  \
        return bytes < 16 ? bytes : 16;                \
    }

TEXT_STEP(portable)
NARROW_STEP(target, portable)
NARROW_STEP(host, portable)
#ifdef __x86_64__
TEXT_STEP(sse2)
NARROW_STEP(target, sse2)
NARROW_STEP(host, sse2)

H1_AVX2 static unsigned text_step_avx2(const char *at)
{
    uint32_t stops = h1_text_stops_avx2(at) & 0xffff;
    return stops ? (unsigned)__builtin_ctz(stops) : 16;
}

H1_AVX2 static struct h1_name name_avx2(const char *at)
{
    return h1_name_avx2(at);
}

/* What a name must be found as: `kind` is what its bytes may be. One with "_" is left to others. */
static struct h1_name wanted_name(const char *at, enum h1_char kind)
{
    size_t bytes = (size_t)(h1_scan(at, at + H1_SCAN_BYTES, kind) - at);
    if (bytes == 0 || bytes == H1_SCAN_BYTES || at[bytes] != ':' || memchr(at, '_', bytes)) {
        return (struct h1_name){0, FIELD_OTHER};
    }
    return (struct h1_name){bytes, field_id_of(at, bytes)};
}

static void check_names(const char *at)
{
    struct h1_name wanted = wanted_name(at, H1_CHAR_PLAIN);
    struct h1_name found = h1_name_sse2(at);
    assert_true(found.bytes == wanted.bytes && found.id == wanted.id);
    if (!h1_has_avx2()) {
        return;
    }
    wanted = wanted_name(at, H1_CHAR_TOKEN);
    found = name_avx2(at);
    assert_true(found.bytes == wanted.bytes && found.id == wanted.id);
}
#endif

static const struct twins *all_twins(size_t *ret_count)
{
    static struct twins twins[] = {
        {"text", {text_step_portable}},
        {"target", {target_step_portable}},
        {"host", {host_step_portable}},
    };
#ifdef __x86_64__
    twins[0].steps[1] = text_step_sse2;
    twins[1].steps[1] = target_step_sse2;
    twins[2].steps[1] = host_step_sse2;
    if (h1_has_avx2()) {
        twins[0].steps[2] = text_step_avx2;
    }
#endif
    *ret_count = sizeof twins / sizeof *twins;
    return twins;
}

static void check_twins(const char *at)
{
    size_t count;
    const struct twins *twins = all_twins(&count);
    for (size_t i = 0; i < count; i++) {
        unsigned wanted = twins[i].steps[0](at);
        for (size_t kind = 1; kind < 3; kind++) {
            if (twins[i].steps[kind] && twins[i].steps[kind](at) != wanted) {
                fail_msg("%s step %zu stops at %u, not %u", twins[i].name, kind,
                         twins[i].steps[kind](at), wanted);
            }
        }
    }
#ifdef __x86_64__
    check_names(at);
#endif
}

static void every_byte_stops_a_step_where_it_should(void **state)
{
    (void)state;
    static const char fillers[] = {'a', '-', '7', ' ', '\x80', '/', '_', ':'};
    char *block = malloc(H1_SCAN_BYTES); /* exactly what a step may read */
    assert_non_null(block);
    for (size_t filler = 0; filler < sizeof fillers; filler++) {
        for (unsigned byte = 0; byte < 256; byte++) {
            for (size_t place = 0; place < H1_SCAN_BYTES; place++) {
                memset(block, fillers[filler], H1_SCAN_BYTES);
                block[place] = (char)byte;
                check_twins(block);
                block[H1_SCAN_BYTES - 1] = ':';
                check_twins(block);
            }
        }
    }
    free(block);
}

static void random_bytes_stop_all_twins_alike(void **state)
{
    (void)state;
    static const char likely[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.";
    struct rng rng;
    char block[H1_SCAN_BYTES];
    rng_init(&rng, unit_seed());
    for (unsigned round = 0; round < ROUNDS; round++) {
        uint64_t strangeness = 1 + rng_below(&rng, 64);
        for (size_t i = 0; i < sizeof block; i++) {
            block[i] = rng_below(&rng, 64) < strangeness
                           ? (char)rng_below(&rng, 256)
                           : likely[rng_below(&rng, sizeof likely - 1)];
        }
        check_twins(block);
    }
}

static void all_twins_know_the_same_names(void **state)
{
    (void)state;
    struct rng rng;
    rng_init(&rng, unit_seed());
    for (unsigned round = 0; round < ROUNDS; round++) {
        char block[H1_SCAN_BYTES];
        unsigned id = 1 + (unsigned)rng_below(&rng, FIELD_ID_COUNT - 1);
        unsigned bytes = (unsigned)strlen(field_texts[id]);
        for (size_t i = 0; i < sizeof block; i++) {
            block[i] = (char)rng_below(&rng, 256);
        }
        memcpy(block, field_texts[id], bytes);
        for (size_t i = 0; i < bytes; i++) {
            if (block[i] >= 'a' && rng_below(&rng, 2)) {
                block[i] = (char)(block[i] & ~0x20);
            }
        }
        check_twins(block);
        block[rng_below(&rng, bytes)] ^= (char)(1 << rng_below(&rng, 8));
        check_twins(block);
    }
}

/* The tables against the grammar, spelt out. */
static void bytes_are_what_the_grammar_says(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 256; i++) {
        char byte = (char)i;
        bool alpha = (i >= 'a' && i <= 'z') || (i >= 'A' && i <= 'Z');
        bool digit = i >= '0' && i <= '9';
        bool token = alpha || digit || (i && strchr("!#$%&'*+-.^_`|~", byte));
        bool plain = alpha || digit || byte == '-';
        bool visible = i > 0x20 && i < 0x7f;
        bool host = alpha || digit || (i && strchr("-._~!$&'()*+;=", byte));
        assert_int_equal(h1_char_is(byte, H1_CHAR_TOKEN), token);
        assert_int_equal(h1_char_is(byte, H1_CHAR_PLAIN), plain);
        assert_int_equal(h1_char_is(byte, H1_CHAR_DOTTED), plain || byte == '.');
        assert_int_equal(h1_char_is(byte, H1_CHAR_VALUE),
                         visible || i >= 0x80 || byte == ' ' || byte == '\t');
        assert_int_equal(h1_char_is(byte, H1_CHAR_TEXT), visible || i >= 0x80 || byte == ' ');
        assert_int_equal(h1_char_is(byte, H1_CHAR_TARGET), visible && byte != '#');
        assert_int_equal(h1_char_is(byte, H1_CHAR_HOST), host);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_byte_stops_a_step_where_it_should),
        cmocka_unit_test(random_bytes_stop_all_twins_alike),
        cmocka_unit_test(all_twins_know_the_same_names),
        cmocka_unit_test(bytes_are_what_the_grammar_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
