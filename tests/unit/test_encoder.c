/* Encoders against the libraries' own decoders: any cut of the input, any space for the output. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>
#include <zstd.h>
#include <cmocka.h>

#include "proxy/edge/encoder.h"
#include "steady/rng.h"

#define TEXT_BYTES 40000
#define OUT_BYTES (4 * TEXT_BYTES)

static const enum content_coding codings[] = {CODING_GZIP, CODING_ZSTD};

struct play {
    struct bound bound;
    struct rng rng;
    char text[TEXT_BYTES], coded[OUT_BYTES], read[TEXT_BYTES + 1];
    size_t coded_bytes;
};

static struct play *begin(uint64_t seed)
{
    struct play *play = calloc(1, sizeof *play);
    assert_non_null(play);
    bound_init(&play->bound, "compress_bytes", NULL, 64 << 20);
    rng_init(&play->rng, seed);
    for (size_t i = 0; i < TEXT_BYTES; i++) {
        play->text[i] = (char)(i % 100 < 60 ? i % 100 : rng_next(&play->rng));
    }
    return play;
}

/* How many bytes of the text what was written so far says; SIZE_MAX: it says something else. */
static size_t decode(struct play *play, enum content_coding coding, bool *ret_ended)
{
    size_t got;
    if (coding == CODING_GZIP) {
        z_stream stream = {.next_in = (Bytef *)play->coded,
                           .avail_in = (uInt)play->coded_bytes,
                           .next_out = (Bytef *)play->read,
                           .avail_out = sizeof play->read};
        assert_int_equal(inflateInit2(&stream, 15 + 16), Z_OK);
        *ret_ended = inflate(&stream, Z_SYNC_FLUSH) == Z_STREAM_END;
        got = stream.total_out;
        inflateEnd(&stream);
    } else {
        ZSTD_DCtx *zstd = ZSTD_createDCtx();
        ZSTD_inBuffer in = {play->coded, play->coded_bytes, 0};
        ZSTD_outBuffer out = {play->read, sizeof play->read, 0};
        size_t left = ZSTD_decompressStream(zstd, &out, &in);
        assert_false(ZSTD_isError(left));
        *ret_ended = left == 0;
        got = out.pos;
        ZSTD_freeDCtx(zstd);
    }
    return memcmp(play->read, play->text, got < TEXT_BYTES ? got : TEXT_BYTES) == 0 ? got
                                                                                    : SIZE_MAX;
}

/* One aim, with little space at a time. */
static void drive(struct play *play, struct encoder *encoder, const char *in, size_t in_bytes,
                  enum encoder_aim aim)
{
    struct encoder_work work = {.in = in, .in_bytes = in_bytes};
    bool done;
    do {
        size_t space = 1 + rng_next(&play->rng) % 3000;
        work.out = play->coded + play->coded_bytes;
        work.out_bytes = space;
        assert_true(play->coded_bytes + space <= OUT_BYTES);
        assert_true(encoder_step(encoder, &work, aim, &done));
        play->coded_bytes += space - work.out_bytes;
    } while (!done);
    assert_int_equal(work.in_bytes, 0);
}

static void what_is_decoded_is_what_was_encoded(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        enum content_coding coding = codings[seed % 2];
        struct play *play = begin(seed);
        struct encoder *encoder = encoder_create(coding, 1 + seed % 9, &play->bound);
        assert_non_null(encoder);
        bool ended;
        for (size_t at = 0; at < TEXT_BYTES;) {
            size_t bytes = rng_next(&play->rng) % 9000;
            bytes = bytes < TEXT_BYTES - at ? bytes : TEXT_BYTES - at;
            bool flushes = rng_next(&play->rng) % 3 == 0;
            drive(play, encoder, play->text + at, bytes, flushes ? ENCODER_FLUSH : ENCODER_GOES_ON);
            at += bytes;
            if (flushes && decode(play, coding, &ended) != at) {
                fail_msg("seed %u: a flush leaves bytes behind", (unsigned)seed);
            }
            if (decode(play, coding, &ended) > at || (play->coded_bytes > 0 && ended)) {
                fail_msg("seed %u: an end before the end", (unsigned)seed);
            }
        }
        drive(play, encoder, "", 0, ENCODER_END);
        if (decode(play, coding, &ended) != TEXT_BYTES || !ended) {
            fail_msg("seed %u: not the text", (unsigned)seed);
        }
        encoder_free(&encoder);
        assert_int_equal(bound_used(&play->bound), 0);
        free(play);
    }
}

static void memory_is_asked_for_and_given_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof codings / sizeof codings[0]; i++) {
        struct bound bound;
        bound_init(&bound, "compress_bytes", NULL, 600 << 10);
        struct encoder *one = encoder_create(codings[i], 1, &bound);
        assert_non_null(one);
        uint64_t used = bound_used(&bound);
        assert_in_range(used, 200 << 10, 400 << 10);
        struct encoder *other = encoder_create(codings[i], 1, &bound);
        struct encoder *third = encoder_create(codings[i], 1, &bound);
        assert_null(third);
        assert_true(bound_used(&bound) <= 600 << 10);
        encoder_free(&other);
        assert_int_equal(bound_used(&bound), used);
        encoder_free(&one);
        encoder_free(&one);
        assert_int_equal(bound_used(&bound), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_decoded_is_what_was_encoded),
        cmocka_unit_test(memory_is_asked_for_and_given_back),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
