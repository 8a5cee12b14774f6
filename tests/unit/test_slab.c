/* Slabs lend distinct, aligned memory, count it, and give it back to the system. */
#include "tests/unit/unit.h"

#include <sys/mman.h>

#include "steady/budget.h"
#include "steady/fault.h"
#include "steady/rng.h"
#include "steady/slab.h"

static void an_object_is_aligned_writable_and_nulled_when_given(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 7, 8, 16, 17, 100, 336, 1000, 4096, SLAB_MAX_OBJECT_BYTES};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct bound bound;
        bound_init(&bound, "objects", NULL, 4);
        struct slab *slab = slab_create(sizes[i], &bound);
        assert_non_null(slab);
        char *object = slab_take(slab);
        assert_non_null(object);
        assert_int_equal((uintptr_t)object % SLAB_ALIGNMENT, 0);
        memset(object, 0xa5, sizes[i]);
        assert_int_equal(bound_used(&bound), 1);
        void *next = slab_take(slab);
        assert_int_equal((uintptr_t)next % SLAB_ALIGNMENT, 0);
        slab_give(slab, &object);
        assert_null(object);
        assert_int_equal(bound_used(&bound), 1);
        slab_give(slab, &next);
        assert_int_equal(bound_used(&bound), 0);
        slab_free(slab);
    }
}

static void giving_or_freeing_null_is_fine(void **state)
{
    (void)state;
    struct bound bound;
    bound_init(&bound, "objects", NULL, 4);
    struct slab *slab = slab_create(64, &bound);
    void *object = NULL;
    slab_give(slab, &object);
    assert_int_equal(bound_used(&bound), 0);
    slab_free(slab);
    slab_free(NULL);
}

static void the_bound_of_two_slabs_holds_for_both_together(void **state)
{
    (void)state;
    struct bound bound;
    bound_init(&bound, "things", NULL, 3);
    struct slab *one = slab_create(64, &bound);
    struct slab *other = slab_create(64, &bound);
    void *objects[3] = {slab_take(one), slab_take(other), slab_take(one)};
    for (int i = 0; i < 3; i++) {
        assert_non_null(objects[i]);
    }
    assert_null(slab_take(one));
    assert_null(slab_take(other));
    assert_int_equal(bound_used(&bound), 3);
    assert_int_equal(bound_refused(&bound), 2);
    slab_give(one, &objects[0]);
    objects[0] = slab_take(other);
    assert_non_null(objects[0]);
    slab_give(other, &objects[0]);
    slab_give(other, &objects[1]);
    slab_give(one, &objects[2]);
    assert_int_equal(bound_used(&bound), 0);
    slab_free(one);
    slab_free(other);
}

/* What the test knows of a lent object: every byte of it is `mark`. */
struct lent {
    unsigned char *object;
    unsigned char mark;
};

static void check_mark(const struct lent *lent, size_t bytes)
{
    if (lent->object == NULL) {
        fail_msg("no object");
        return;
    }
    for (size_t i = 0; i < bytes; i++) {
        if (lent->object[i] != lent->mark) {
            fail_msg("byte %zu of an object was written through another", i);
        }
    }
}

/* Takes and gives in random order, in waves that fill and empty the slab, against marks in every byte. Foreign pages
   mapped in between make mappings unaligned. */
static void lent_objects_never_overlap(void **state)
{
    (void)state;
    enum { MOST = 3000, FOREIGN = 64 };
    struct rng rng;
    rng_init(&rng, unit_seed());
    for (int pass = 0; pass < 6; pass++) {
        size_t bytes = 1 + rng_below(&rng, pass < 4 ? 600 : SLAB_MAX_OBJECT_BYTES);
        size_t most = pass < 4 ? MOST : MOST / 20;
        struct lent *all = calloc(most, sizeof *all);
        void *foreign[FOREIGN];
        size_t count = 0, foreign_count = 0;
        struct bound bound;
        bound_init(&bound, "objects", NULL, most);
        struct slab *slab = slab_create(bytes, &bound);
        for (int round = 0; round < 30000; round++) {
            bool filling = (round / 5000) % 2 == 0;
            if (count < most && (count == 0 || rng_below(&rng, 10) < (filling ? 7 : 2))) {
                struct lent *lent = &all[count++];
                lent->object = slab_take(slab);
                assert_non_null(lent->object);
                lent->mark = (unsigned char)rng_next(&rng);
                memset(lent->object, lent->mark, bytes);
            } else {
                size_t i = rng_below(&rng, count);
                check_mark(&all[i], bytes);
                slab_give(slab, &all[i].object);
                all[i] = all[--count];
            }
            assert_in_range(bound_used(&bound), count, count + most / BOUND_SHARE_PART);
            assert_true(slab_held_bytes(slab) >= count * bytes);
            if (foreign_count < FOREIGN && rng_below(&rng, 100) == 0) {
                foreign[foreign_count++] =
                    mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            }
        }
        while (count > 0) {
            check_mark(&all[--count], bytes);
            slab_give(slab, &all[count].object);
        }
        assert_true(slab_held_bytes(slab) <= SLAB_CHUNK_BYTES);
        slab_free(slab);
        while (foreign_count > 0) {
            munmap(foreign[--foreign_count], 4096);
        }
        free(all);
    }
}

static void an_object_costs_no_more_than_its_size(void **state)
{
    (void)state;
    enum { COUNT = 100000, BYTES = 336 };
    struct slab *slab = slab_create(BYTES, NULL);
    void **objects = calloc(COUNT, sizeof *objects);
    for (int i = 0; i < COUNT; i++) {
        objects[i] = slab_take(slab);
    }
    assert_true(slab_held_bytes(slab) <= COUNT * BYTES / 200 * 201 + SLAB_CHUNK_BYTES);
    for (int i = 0; i < COUNT; i++) {
        slab_give(slab, &objects[i]);
    }
    free(objects);
    slab_free(slab);
}

static void memory_goes_back_to_the_system_after_a_peak(void **state)
{
    (void)state;
    enum { COUNT = 32 * 1024, BYTES = 1024 };
    struct slab *slab = slab_create(BYTES, NULL);
    void **objects = calloc(COUNT, sizeof *objects);
    uint64_t before = budget_resident_bytes("");
    for (int i = 0; i < COUNT; i++) {
        objects[i] = slab_take(slab);
        memset(objects[i], 1, BYTES);
    }
    uint64_t peak = budget_resident_bytes("");
    assert_true(peak - before >= COUNT * BYTES);
    for (int i = 0; i < COUNT; i++) {
        slab_give(slab, &objects[i]);
    }
    assert_true(slab_held_bytes(slab) <= SLAB_CHUNK_BYTES);
#if !SANITIZE_ADDRESS && !SANITIZE_THREAD
    assert_true(budget_resident_bytes("") < before + 1024 * 1024);
#endif
    free(objects);
    slab_free(slab);
}

/* The fullest chunks are filled first: half the objects given at random, then used at a tenth, most chunks go. */
static void steady_use_after_a_peak_settles_in_few_chunks(void **state)
{
    (void)state;
    enum { PEAK = 20000, STEADY = 2000, BYTES = 512 };
    struct rng rng;
    rng_init(&rng, unit_seed());
    struct slab *slab = slab_create(BYTES, NULL);
    void **objects = calloc(PEAK, sizeof *objects);
    size_t count = 0;
    while (count < PEAK) {
        objects[count++] = slab_take(slab);
    }
    uint64_t peak_bytes = slab_held_bytes(slab);
    for (int i = 0; i < 200000; i++) {
        if (count < STEADY && rng_below(&rng, 2) == 0) {
            objects[count++] = slab_take(slab);
        } else if (count > 0) {
            size_t k = rng_below(&rng, count);
            slab_give(slab, &objects[k]);
            objects[k] = objects[--count];
        }
    }
    assert_true(slab_held_bytes(slab) < peak_bytes / 3);
    while (count > 0) {
        slab_give(slab, &objects[--count]);
    }
    free(objects);
    slab_free(slab);
}

/* One object more and one less at the edge of a chunk moves no memory. */
static void hovering_at_the_edge_of_a_chunk_keeps_the_spare(void **state)
{
    (void)state;
    struct slab *slab = slab_create(SLAB_MAX_OBJECT_BYTES, NULL);
    void *objects[5];
    for (int i = 0; i < 5; i++) {
        objects[i] = slab_take(slab);
    }
    uint64_t held = slab_held_bytes(slab);
    for (int i = 0; i < 10; i++) {
        slab_give(slab, &objects[4]);
        assert_true(slab_held_bytes(slab) == held || held % SLAB_CHUNK_BYTES != 0);
        objects[4] = slab_take(slab);
        assert_int_equal(slab_held_bytes(slab), held);
    }
    for (int i = 0; i < 5; i++) {
        slab_give(slab, &objects[i]);
    }
    slab_free(slab);
}

static void free_with_an_object_out(void *argument)
{
    slab_free(argument);
}

static void create_with_too_large_objects(void *argument)
{
    (void)argument;
    slab_free(slab_create(SLAB_MAX_OBJECT_BYTES + 1, NULL));
}

static void create_with_empty_objects(void *argument)
{
    (void)argument;
    slab_free(slab_create(0, NULL));
}

static void give_more_than_was_taken(void *argument)
{
    struct slab *other = slab_create(64, NULL);
    slab_give(other, argument);
}

static void give_twice(void *argument)
{
    void **objects = argument;
    void *again = objects[0];
    slab_give(objects[1], &objects[0]);
    slab_give(objects[1], &again);
}

static void misuse_is_fatal(void **state)
{
    (void)state;
    struct slab *slab = slab_create(64, NULL);
    void *object = slab_take(slab);
    void *second = slab_take(slab);
    assert_aborts(free_with_an_object_out, slab, "steady/slab.c:");
    assert_aborts(create_with_too_large_objects, NULL, "steady/slab.c:");
    assert_aborts(create_with_empty_objects, NULL, "steady/slab.c:");
    assert_aborts(give_more_than_was_taken, &object, "steady/slab.c:");
    if (slab_held_bytes(slab) % SLAB_CHUNK_BYTES == 0) { /* elsewhere ASan says it in its words */
        void *pair[] = {object, slab};
        assert_aborts(give_twice, pair, "steady/slab.c:");
    }
    slab_give(slab, &object);
    slab_give(slab, &second);
    slab_free(slab);
}

#ifdef EVENKEEL_FAULT_INJECTION

static void without_memory_nothing_is_lent_nor_counted(void **state)
{
    (void)state;
    struct bound bound;
    bound_init(&bound, "things", NULL, 100);
    fault_arm(FAULT_ALLOC, 1);
    assert_null(slab_create(64, &bound));
    assert_true(fault_disarm(FAULT_ALLOC));

    struct slab *slab = slab_create(64, &bound);
    fault_arm(FAULT_ALLOC, 1);
    assert_null(slab_take(slab));
    assert_true(fault_disarm(FAULT_ALLOC));
    assert_int_equal(bound_used(&bound), 0);
    assert_int_equal(bound_refused(&bound), 0);
    assert_int_equal(slab_held_bytes(slab), 0);

    void *object = slab_take(slab);
    assert_non_null(object);
    slab_give(slab, &object);
    slab_free(slab);
}

#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_object_is_aligned_writable_and_nulled_when_given),
        cmocka_unit_test(giving_or_freeing_null_is_fine),
        cmocka_unit_test(the_bound_of_two_slabs_holds_for_both_together),
        cmocka_unit_test(lent_objects_never_overlap),
        cmocka_unit_test(an_object_costs_no_more_than_its_size),
        cmocka_unit_test(memory_goes_back_to_the_system_after_a_peak),
        cmocka_unit_test(steady_use_after_a_peak_settles_in_few_chunks),
        cmocka_unit_test(hovering_at_the_edge_of_a_chunk_keeps_the_spare),
        cmocka_unit_test(misuse_is_fatal),
#ifdef EVENKEEL_FAULT_INJECTION
        cmocka_unit_test(without_memory_nothing_is_lent_nor_counted),
#endif
    };
    return cmocka_run_group_tests_name("slab", tests, NULL, NULL);
}
