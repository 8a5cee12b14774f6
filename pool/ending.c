/* The rows of the table of endings. */
#include "pool/ending.h"

#include "steady/check.h"

static const struct ending_row rows[] = {
#define X(id, closed_as, reset, death) [ENDING_##id] = {LEASE_CLOSED_##closed_as, reset, death},
    ENDINGS(X)
#undef X
};

const struct ending_row *ending_row(enum ending ending)
{
    CHECK(ending > ENDING_NONE && ending < sizeof rows / sizeof rows[0]);
    return &rows[ending];
}

bool ending_is_death(enum ending ending)
{
    return ending != ENDING_NONE && ending_row(ending)->death != DEATH_NONE;
}
