/* Buffers come in the class that fits, count what they cost, and move their bytes right. */
#include "tests/unit/unit.h"

#include "steady/buf.h"
#include "steady/fault.h"
#include "steady/rng.h"

static const struct {
    size_t room;
    uint64_t counted_bytes;
} classes[] = {
    {992, 1 << 10}, {4064, 4 << 10}, {16352, 16 << 10}, {65520, 64 << 10}, {262128, 256 << 10},
};

#define CLASSES (sizeof classes / sizeof classes[0])

static void the_smallest_class_that_fits_is_lent_and_counted(void **state)
{
    (void)state;
    struct bound bytes;
    bound_init(&bytes, "buffers_bytes", NULL, 300 << 10);
    struct buf_pool *pool = buf_pool_create(&bytes);
    size_t below = 0;
    for (size_t i = 0; i < CLASSES; i++) {
        const size_t wanted[] = {below, classes[i].room};
        for (int k = 0; k < 2; k++) {
            struct buf *buf = buf_take(pool, wanted[k]);
            assert_non_null(buf);
            assert_int_equal(buf->capacity, classes[i].room);
            assert_int_equal(buf_length(buf), 0);
            assert_int_equal(buf_space(buf), classes[i].room);
            assert_int_equal(bound_used(&bytes), classes[i].counted_bytes);
            memset(buf->bytes, 0xa5, buf->capacity);
            buf_give(pool, &buf);
            assert_null(buf);
            assert_int_equal(bound_used(&bytes), 0);
        }
        below = classes[i].room + 1;
    }
    assert_int_equal(BUF_MAX_BYTES, classes[CLASSES - 1].room);
    assert_null(buf_take(pool, BUF_MAX_BYTES + 1));
    assert_null(buf_take(pool, SIZE_MAX));
    buf_pool_free(pool);
}

static void giving_or_freeing_null_is_fine(void **state)
{
    (void)state;
    struct bound bytes;
    bound_init(&bytes, "buffers_bytes", NULL, 1 << 20);
    struct buf_pool *pool = buf_pool_create(&bytes);
    struct buf *none = NULL;
    buf_give(pool, &none);
    buf_pool_free(pool);
    buf_pool_free(NULL);
}

static void nothing_is_lent_beyond_the_bound(void **state)
{
    (void)state;
    struct bound bytes;
    bound_init(&bytes, "buffers_bytes", NULL, 20 << 10);
    struct buf_pool *one = buf_pool_create(&bytes);
    struct buf_pool *other = buf_pool_create(&bytes);
    struct buf *large = buf_take(one, 10000);
    struct buf *middle = buf_take(other, 4000);
    assert_non_null(large);
    assert_non_null(middle);
    assert_null(buf_take(one, 1));
    assert_null(buf_take(other, 1));
    assert_int_equal(bound_refused(&bytes), 2);
    buf_give(other, &middle);
    struct buf *small = buf_take(one, 1);
    assert_non_null(small);
    buf_give(one, &small);
    buf_give(one, &large);
    assert_int_equal(bound_used(&bytes), 0);
    buf_pool_free(one);
    buf_pool_free(other);
}

/* Spare large buffers stay while many are in use, and go with them. */
static void memory_goes_back_to_the_system_after_a_peak(void **state)
{
    (void)state;
    enum { COUNT = 100 };
    struct bound bytes;
    bound_init(&bytes, "buffers_bytes", NULL, UINT64_C(1) << 30);
    struct buf_pool *pool = buf_pool_create(&bytes);
    struct buf *bufs[CLASSES][COUNT];
    for (size_t c = 0; c < CLASSES; c++) {
        for (int i = 0; i < COUNT; i++) {
            bufs[c][i] = buf_take(pool, classes[c].room);
            assert_non_null(bufs[c][i]);
            memset(bufs[c][i]->bytes, 1, classes[c].room);
        }
    }
    uint64_t peak = buf_pool_held_bytes(pool);
    assert_true(peak >= COUNT * (341 - 1) << 10);
    for (int i = 0; i < 10; i++) {
        buf_give(pool, &bufs[CLASSES - 1][i]);
    }
    uint64_t held = buf_pool_held_bytes(pool);
    for (int i = 0; i < 10; i++) {
        bufs[CLASSES - 1][i] = buf_take(pool, BUF_MAX_BYTES);
    }
    assert_int_equal(buf_pool_held_bytes(pool), peak);
    assert_int_equal(held < peak, SANITIZE_ADDRESS);
    for (size_t c = 0; c < CLASSES; c++) {
        for (int i = 0; i < COUNT; i++) {
            buf_give(pool, &bufs[c][i]);
        }
    }
    assert_true(buf_pool_held_bytes(pool) <= (3 * 64 + 2 * 64 + 2 * 256) << 10);
    assert_int_equal(bound_used(&bytes), 0);
    buf_pool_free(pool);
}

static void append_moves_to_the_front_only_when_needed(void **state)
{
    (void)state;
    struct bound bytes;
    bound_init(&bytes, "buffers_bytes", NULL, 1 << 20);
    struct buf_pool *pool = buf_pool_create(&bytes);
    struct buf *buf = buf_take(pool, 1);
    char fill[992];
    memset(fill, 'x', sizeof fill);
    assert_true(buf_append(buf, "abc", 3));
    assert_true(buf_append(buf, fill, 900));
    buf_consume(buf, 2);
    assert_int_equal(buf->begin, 2);
    assert_true(buf_append(buf, NULL, 0));
    assert_true(buf_append(buf, fill, 89)); /* fills the end exactly */
    assert_int_equal(buf->begin, 2);
    assert_int_equal(buf_space(buf), 0);
    assert_false(buf_append(buf, fill, 3)); /* would not fit even at the front */
    assert_int_equal(buf_length(buf), 990);
    assert_true(buf_append(buf, "yz", 2));
    assert_int_equal(buf->begin, 0);
    assert_int_equal(buf_length(buf), 992);
    assert_int_equal(buf->bytes[0], 'c');
    assert_memory_equal(buf->bytes + 990, "yz", 2);
    buf_consume(buf, 992);
    assert_int_equal(buf->begin, 0);
    assert_int_equal(buf->end, 0);
    buf_give(pool, &buf);
    buf_pool_free(pool);
}

/* A run of bytes through one buffer, in random pieces, comes out as it went in. */
static void bytes_come_out_in_the_order_they_went_in(void **state)
{
    (void)state;
    struct rng rng;
    rng_init(&rng, unit_seed());
    struct bound bytes;
    bound_init(&bytes, "buffers_bytes", NULL, 1 << 20);
    struct buf_pool *pool = buf_pool_create(&bytes);
    struct buf *buf = buf_take(pool, 1);
    uint64_t in = 0, out = 0;
    for (int round = 0; round < 20000; round++) {
        unsigned char piece[1200];
        size_t length = rng_below(&rng, sizeof piece);
        for (size_t i = 0; i < length; i++) {
            piece[i] = (unsigned char)((in + i) * 31 >> 3);
        }
        bool fits = length <= buf->capacity - buf_length(buf);
        assert_int_equal(buf_append(buf, piece, length), fits);
        if (fits) {
            in += length;
        }
        assert_int_equal(buf_length(buf), in - out);
        size_t drop = rng_below(&rng, buf_length(buf) + 1);
        for (size_t i = 0; i < drop; i++, out++) {
            assert_int_equal((unsigned char)buf->bytes[buf->begin + i],
                             (unsigned char)(out * 31 >> 3));
        }
        buf_consume(buf, drop);
    }
    assert_true(in > 100000);
    buf_give(pool, &buf);
    buf_pool_free(pool);
}

static void consume_too_much(void *argument)
{
    buf_consume(argument, 4);
}

static void free_the_pool(void *argument)
{
    buf_pool_free(argument);
}

static void misuse_is_fatal(void **state)
{
    (void)state;
    struct bound bytes;
    bound_init(&bytes, "buffers_bytes", NULL, 1 << 20);
    struct buf_pool *pool = buf_pool_create(&bytes);
    struct buf *buf = buf_take(pool, 1);
    assert_true(buf_append(buf, "abc", 3));
    assert_aborts(consume_too_much, buf, "steady/buf.c:");
    assert_aborts(free_the_pool, pool, "steady/buf.c:");
    buf_give(pool, &buf);
    buf_pool_free(pool);
}

#ifdef EVENKEEL_FAULT_INJECTION

static void without_memory_nothing_is_lent_nor_counted(void **state)
{
    (void)state;
    struct bound bytes;
    bound_init(&bytes, "buffers_bytes", NULL, 1 << 20);
    struct buf_pool *pool = NULL;
    int failures = 0;
    for (uint64_t n = 1; pool == NULL; n++) {
        fault_arm(FAULT_ALLOC, n);
        pool = buf_pool_create(&bytes);
        failures += pool == NULL;
        assert_int_equal(fault_disarm(FAULT_ALLOC), pool == NULL);
    }
    assert_int_equal(failures, 4);
    for (size_t i = 0; i < CLASSES; i++) {
        fault_arm(FAULT_ALLOC, 1);
        assert_null(buf_take(pool, classes[i].room));
        assert_true(fault_disarm(FAULT_ALLOC));
        assert_int_equal(bound_used(&bytes), 0);
        struct buf *buf = buf_take(pool, classes[i].room);
        assert_non_null(buf);
        buf_give(pool, &buf);
    }
    buf_pool_free(pool);
}

#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_smallest_class_that_fits_is_lent_and_counted),
        cmocka_unit_test(giving_or_freeing_null_is_fine),
        cmocka_unit_test(nothing_is_lent_beyond_the_bound),
        cmocka_unit_test(memory_goes_back_to_the_system_after_a_peak),
        cmocka_unit_test(append_moves_to_the_front_only_when_needed),
        cmocka_unit_test(bytes_come_out_in_the_order_they_went_in),
        cmocka_unit_test(misuse_is_fatal),
#ifdef EVENKEEL_FAULT_INJECTION
        cmocka_unit_test(without_memory_nothing_is_lent_nor_counted),
#endif
    };
    return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}
