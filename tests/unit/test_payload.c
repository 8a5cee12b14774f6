/* Pieces: what a socket did not take is kept whole and in order, and chunks are framed right. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "proxy/http/payload.h"
#include "proxy/http1/h1_frame.h"
#include "steady/rng.h"

static void what_is_kept_is_the_rest_in_order(void **state)
{
    struct bound bytes;
    struct rng rng;
    uint64_t seed = (uint64_t)time(NULL);
    (void)state;
    print_message("# seed %llu\n", (unsigned long long)seed);
    rng_init(&rng, seed);
    bound_init(&bytes, "buffers_bytes", NULL, 64 * 1024 * 1024);
    struct buf_pool *pool = buf_pool_create(&bytes);
    char source[3000];
    for (size_t i = 0; i < sizeof source; i++) {
        source[i] = (char)rng_next(&rng);
    }
    for (int round = 0; round < 2000; round++) {
        struct buf *buf = NULL;
        char wanted[64 * 1024];
        size_t wanted_bytes = 0, taken = 0;
        for (int turn = 0; turn < 6; turn++) {
            struct iovec iov[5];
            size_t count = 1 + rng_below(&rng, 5), total = 0;
            for (size_t i = 0; i < count; i++) {
                size_t at = rng_below(&rng, 1000), length = rng_below(&rng, 2000);
                iov[i] = (struct iovec){source + at, length};
                total += length;
            }
            size_t sent = turn == 0 ? rng_below(&rng, total + 1) : 0;
            if (total == sent) {
                continue;
            }
            assert_true(iov_keep(pool, &buf, iov, count, sent));
            size_t skip = sent;
            for (size_t i = 0; i < count; i++) {
                size_t s = skip < iov[i].iov_len ? skip : iov[i].iov_len;
                memcpy(wanted + wanted_bytes, (char *)iov[i].iov_base + s, iov[i].iov_len - s);
                wanted_bytes += iov[i].iov_len - s;
                skip -= s;
            }
            size_t eat = rng_below(&rng, buf_length(buf));
            buf_consume(buf, eat);
            taken += eat;
            assert_int_equal(buf_length(buf), wanted_bytes - taken);
            assert_memory_equal(buf->bytes + buf->begin, wanted + taken, wanted_bytes - taken);
        }
        buf_give(pool, &buf);
    }
    buf_pool_free(pool);
    assert_int_equal(bound_used(&bytes), 0);
}

static size_t flat(const struct iovec *iov, size_t count, char *room)
{
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        memcpy(room + used, iov[i].iov_base, iov[i].iov_len);
        used += iov[i].iov_len;
    }
    return used;
}

static void frame_is(const struct payload *payload, bool chunked, const char *wanted)
{
    char room[1024], text[1024], chunk_head[H1_CHUNK_HEAD_BYTES];
    struct iovec out[PAYLOAD_IOVS + FRAME_IOVS];
    struct h1_writer writer;
    h1_writer_init(&writer, room, sizeof room);
    size_t bytes = flat(out, payload_frame(payload, chunked, chunk_head, &writer, out), text);
    text[bytes] = '\0';
    assert_string_equal(text, wanted);
}

static void chunks_have_their_frame_and_only_the_last_ends_the_body(void **state)
{
    const struct iovec iov[] = {{"hello ", 6}, {"world", 5}};
    (void)state;
    frame_is(&(struct payload){iov, 2, false, NULL}, false, "hello world");
    frame_is(&(struct payload){iov, 2, false, NULL}, true, "b\r\nhello world\r\n");
    frame_is(&(struct payload){iov, 2, true, NULL}, true, "b\r\nhello world\r\n0\r\n\r\n");
    frame_is(&(struct payload){NULL, 0, true, NULL}, true, "0\r\n\r\n");
    /* an empty chunk would end the body: nothing at all instead */
    frame_is(&(struct payload){NULL, 0, false, NULL}, true, "");
    frame_is(&(struct payload){NULL, 0, true, NULL}, false, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_kept_is_the_rest_in_order),
        cmocka_unit_test(chunks_have_their_frame_and_only_the_last_ends_the_body),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
