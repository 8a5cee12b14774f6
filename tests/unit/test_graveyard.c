/* What is buried is freed when the pass is over, also what its freeing buries. */
#include "tests/unit/unit.h"

#include "steady/graveyard.h"

struct thing {
    struct corpse corpse;
    struct graveyard *graveyard;
    struct thing *dependant; /* is buried by the freeing of this one */
};

static void free_thing(struct corpse *corpse, void *owner)
{
    struct thing *thing = (struct thing *)corpse;
    ++*(int *)owner;
    if (thing->dependant != NULL)
        graveyard_bury(thing->graveyard, &thing->dependant->corpse, free_thing);
    free(thing);
}

static void what_is_buried_lives_until_the_pass_is_over(void **state)
{
    (void)state;
    struct graveyard graveyard = SLIST_HEAD_INITIALIZER(graveyard);
    int freed_count = 0;
    graveyard_empty(&graveyard, &freed_count);
    for (int i = 0; i < 3; i++) {
        struct thing *thing = calloc(1, sizeof(*thing));
        graveyard_bury(&graveyard, &thing->corpse, free_thing);
    }
    assert_int_equal(freed_count, 0);
    graveyard_empty(&graveyard, &freed_count);
    assert_int_equal(freed_count, 3);
    graveyard_empty(&graveyard, &freed_count);
    assert_int_equal(freed_count, 3);
}

static void what_a_freeing_buries_is_freed_in_the_same_pass(void **state)
{
    (void)state;
    struct graveyard graveyard = SLIST_HEAD_INITIALIZER(graveyard);
    int freed_count = 0;
    struct thing *thing = calloc(1, sizeof(*thing));
    thing->graveyard = &graveyard;
    thing->dependant = calloc(1, sizeof(*thing));
    graveyard_bury(&graveyard, &thing->corpse, free_thing);
    graveyard_empty(&graveyard, &freed_count);
    assert_int_equal(freed_count, 2);
    assert_true(SLIST_EMPTY(&graveyard));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_buried_lives_until_the_pass_is_over),
        cmocka_unit_test(what_a_freeing_buries_is_freed_in_the_same_pass),
    };
    return cmocka_run_group_tests_name("graveyard", tests, NULL, NULL);
}
