/* The map holds the most recently used entries, as many as its bound says. */
#include "tests/unit/unit.h"

#include "steady/fault.h"
#include "steady/lru.h"
#include "steady/rng.h"

enum { KEY_BYTES = 16, ENTRIES = 400 };

struct thing {
    struct lru_entry entry;
    char key[KEY_BYTES];
    uint64_t last_use; /* the model's clock */
    bool inserted;
};

struct owner {
    struct thing things[ENTRIES];
    struct thing *evicted[ENTRIES];
    size_t evicted_count;
    struct thing *remove_with; /* is removed along with whatever is evicted next */
    struct lru *lru;
};

static void evict(struct lru_entry *entry, void *argument)
{
    struct owner *owner = argument;
    struct thing *thing = (struct thing *)entry;
    owner->evicted[owner->evicted_count++] = thing;
    thing->inserted = false;
    if (owner->remove_with != NULL) {
        owner->remove_with->inserted = false;
        lru_remove(owner->lru, &owner->remove_with->entry);
        owner->remove_with = NULL;
    }
}

static struct owner *create(struct bound *bound, uint64_t limit)
{
    struct owner *owner = calloc(1, sizeof *owner);
    for (int i = 0; i < ENTRIES; i++) {
        snprintf(owner->things[i].key, KEY_BYTES, "key-%d", i);
    }
    bound_init(bound, "things", NULL, limit);
    owner->lru = lru_create(bound, 12345, evict, owner);
    assert_non_null(owner->lru);
    return owner;
}

static void destroy(struct owner *owner)
{
    owner->evicted_count = 0;
    lru_free(owner->lru);
    free(owner);
}

static void insert(struct owner *owner, int i)
{
    struct thing *thing = &owner->things[i];
    thing->inserted = true;
    lru_insert(owner->lru, &thing->entry, thing->key, strlen(thing->key));
}

static struct thing *find(struct owner *owner, int i)
{
    const char *key = owner->things[i].key;
    return (struct thing *)lru_find(owner->lru, key, strlen(key));
}

static void an_entry_is_found_by_equal_bytes(void **state)
{
    (void)state;
    struct bound bound;
    struct owner *owner = create(&bound, 10);
    char same[] = "key-3";
    assert_null(lru_oldest(owner->lru));
    assert_null(find(owner, 3));
    insert(owner, 3);
    assert_ptr_equal(lru_find(owner->lru, same, 5), &owner->things[3]);
    assert_null(lru_find(owner->lru, same, 4));
    assert_null(lru_find(owner->lru, "key-4", 5));
    assert_int_equal(lru_count(owner->lru), 1);
    assert_int_equal(bound_used(&bound), 1);
    lru_remove(owner->lru, &owner->things[3].entry);
    assert_null(find(owner, 3));
    assert_int_equal(bound_used(&bound), 0);
    assert_int_equal(owner->evicted_count, 0);
    destroy(owner);
}

static void keys_are_bytes_with_zeros_or_none_at_all(void **state)
{
    (void)state;
    struct bound bound;
    struct owner *owner = create(&bound, 10);
    lru_insert(owner->lru, &owner->things[0].entry, "a\0b", 3);
    lru_insert(owner->lru, &owner->things[1].entry, "a\0c", 3);
    lru_insert(owner->lru, &owner->things[2].entry, NULL, 0);
    assert_ptr_equal(lru_find(owner->lru, "a\0b", 3), &owner->things[0]);
    assert_ptr_equal(lru_find(owner->lru, "a\0c", 3), &owner->things[1]);
    assert_ptr_equal(lru_find(owner->lru, "", 0), &owner->things[2]);
    destroy(owner);
}

static void the_least_recently_used_entry_goes_when_full(void **state)
{
    (void)state;
    struct bound bound;
    struct owner *owner = create(&bound, 3);
    for (int i = 0; i < 3; i++) {
        insert(owner, i);
    }
    assert_ptr_equal(lru_oldest(owner->lru), &owner->things[0]);
    assert_non_null(find(owner, 0));
    assert_ptr_equal(lru_oldest(owner->lru), &owner->things[1]);
    insert(owner, 3);
    assert_int_equal(owner->evicted_count, 1);
    assert_ptr_equal(owner->evicted[0], &owner->things[1]);
    assert_null(find(owner, 1));
    assert_int_equal(lru_count(owner->lru), 3);
    assert_int_equal(bound_refused(&bound), 0);
    assert_int_equal(bound_peak(&bound), 3);
    destroy(owner);
}

static void a_lowered_limit_is_reached_at_the_next_insert(void **state)
{
    (void)state;
    struct bound bound;
    struct owner *owner = create(&bound, 10);
    for (int i = 0; i < 10; i++) {
        insert(owner, i);
    }
    bound_set_limit(&bound, 4);
    insert(owner, 10);
    assert_int_equal(lru_count(owner->lru), 4);
    assert_int_equal(owner->evicted_count, 7);
    for (int i = 0; i < 7; i++) {
        assert_ptr_equal(owner->evicted[i], &owner->things[i]);
    }
    destroy(owner);
}

static void without_any_room_the_new_entry_itself_is_evicted(void **state)
{
    (void)state;
    struct bound bound;
    struct owner *owner = create(&bound, 0);
    insert(owner, 0);
    assert_int_equal(owner->evicted_count, 1);
    assert_ptr_equal(owner->evicted[0], &owner->things[0]);
    assert_int_equal(lru_count(owner->lru), 0);
    assert_int_equal(bound_refused(&bound), 1);
    destroy(owner);
}

static void eviction_may_remove_others(void **state)
{
    (void)state;
    struct bound bound;
    struct owner *owner = create(&bound, 3);
    for (int i = 0; i < 3; i++) {
        insert(owner, i);
    }
    owner->remove_with = &owner->things[1];
    insert(owner, 3);
    assert_int_equal(lru_count(owner->lru), 2);
    assert_int_equal(bound_used(&bound), 2);
    assert_non_null(find(owner, 2));
    assert_non_null(find(owner, 3));
    destroy(owner);
}

static void freeing_evicts_everything_oldest_first(void **state)
{
    (void)state;
    struct bound bound;
    struct owner *owner = create(&bound, ENTRIES);
    for (int i = 0; i < ENTRIES; i++) {
        insert(owner, i);
    }
    lru_free(owner->lru);
    lru_free(NULL);
    assert_int_equal(owner->evicted_count, ENTRIES);
    for (int i = 0; i < ENTRIES; i++) {
        assert_ptr_equal(owner->evicted[i], &owner->things[i]);
    }
    assert_int_equal(bound_used(&bound), 0);
    free(owner);
}

static void insert_an_equal_key(void *argument)
{
    struct owner *owner = argument;
    memcpy(owner->things[1].key, owner->things[0].key, KEY_BYTES);
    insert(owner, 1);
}

static void remove_what_is_not_in(void *argument)
{
    struct owner *owner = argument;
    lru_remove(owner->lru, &owner->things[2].entry);
}

static void misuse_is_fatal(void **state)
{
    (void)state;
    struct bound bound;
    struct owner *owner = create(&bound, 10);
    insert(owner, 0);
    assert_aborts(insert_an_equal_key, owner, "steady/lru.c:");
    assert_aborts(remove_what_is_not_in, owner, "steady/lru.c:");
    destroy(owner);
}

/* The naive model: the time of the last use of each thing. */
static struct thing *model_oldest(struct owner *owner)
{
    struct thing *oldest = NULL;
    for (int i = 0; i < ENTRIES; i++) {
        struct thing *thing = &owner->things[i];
        if (thing->inserted && (oldest == NULL || thing->last_use < oldest->last_use)) {
            oldest = thing;
        }
    }
    return oldest;
}

static uint64_t model_count(struct owner *owner)
{
    uint64_t count = 0;
    for (int i = 0; i < ENTRIES; i++) {
        count += owner->things[i].inserted;
    }
    return count;
}

static void the_map_does_as_the_naive_model_says(void **state)
{
    (void)state;
    struct rng rng;
    struct bound bound;
    struct owner *owner = create(&bound, 100);
    rng_init(&rng, unit_seed());
    uint64_t clock = 0;
    for (int round = 0; round < 100000; round++) {
        int i = (int)rng_below(&rng, ENTRIES);
        struct thing *thing = &owner->things[i];
        struct thing *found = NULL;
        owner->evicted_count = 0;
        switch (rng_below(&rng, 8)) {
        case 0:
            if (thing->inserted) {
                lru_remove(owner->lru, &thing->entry);
                thing->inserted = false;
            }
            break;
        case 1:
            if (rng_below(&rng, 50) == 0) {
                bound_set_limit(&bound, 1 + rng_below(&rng, ENTRIES));
            }
            break;
        default:
            found = find(owner, i);
            assert_ptr_equal(found, thing->inserted ? thing : NULL);
            if (found == NULL) {
                struct thing *oldest = model_oldest(owner);
                bool full = model_count(owner) >= bound_limit(&bound);
                insert(owner, i);
                assert_int_equal(owner->evicted_count > 0, full);
                if (full) {
                    assert_ptr_equal(owner->evicted[0], oldest);
                }
            }
            thing->last_use = ++clock;
        }
        assert_ptr_equal(lru_oldest(owner->lru), model_oldest(owner));
        assert_int_equal(lru_count(owner->lru), model_count(owner));
        assert_int_equal(bound_used(&bound), lru_count(owner->lru));
    }
    destroy(owner);
}

#ifdef EVENKEEL_FAULT_INJECTION

static void without_memory_no_map_is_created(void **state)
{
    (void)state;
    struct bound bound;
    bound_init(&bound, "things", NULL, 10);
    for (uint64_t n = 1; n <= 2; n++) {
        fault_arm(FAULT_ALLOC, n);
        assert_null(lru_create(&bound, 1, evict, NULL));
        assert_true(fault_disarm(FAULT_ALLOC));
    }
}

static void without_memory_to_grow_the_map_still_works(void **state)
{
    (void)state;
    struct bound bound;
    struct owner *owner = create(&bound, ENTRIES);
    for (int i = 0; i < ENTRIES; i++) {
        fault_arm(FAULT_ALLOC, 1);
        insert(owner, i);
        fault_disarm(FAULT_ALLOC);
    }
    for (int i = 0; i < ENTRIES; i++) {
        assert_ptr_equal(find(owner, i), &owner->things[i]);
    }
    destroy(owner);
}

#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_entry_is_found_by_equal_bytes),
        cmocka_unit_test(keys_are_bytes_with_zeros_or_none_at_all),
        cmocka_unit_test(the_least_recently_used_entry_goes_when_full),
        cmocka_unit_test(a_lowered_limit_is_reached_at_the_next_insert),
        cmocka_unit_test(without_any_room_the_new_entry_itself_is_evicted),
        cmocka_unit_test(eviction_may_remove_others),
        cmocka_unit_test(freeing_evicts_everything_oldest_first),
        cmocka_unit_test(misuse_is_fatal),
        cmocka_unit_test(the_map_does_as_the_naive_model_says),
#ifdef EVENKEEL_FAULT_INJECTION
        cmocka_unit_test(without_memory_no_map_is_created),
        cmocka_unit_test(without_memory_to_grow_the_map_still_works),
#endif
    };
    return cmocka_run_group_tests_name("lru", tests, NULL, NULL);
}
