/* Rows of failures. */
#include "steady/strata.h"

static uint32_t load(const uint32_t *value)
{
    return __atomic_load_n(value, __ATOMIC_RELAXED);
}

static void store(uint32_t *value, uint32_t n)
{
    __atomic_store_n(value, n, __ATOMIC_RELAXED);
}

static void begin(struct strata_row *row)
{
    store(&row->unreached_count, 0);
    for (unsigned side = 0; side < STRATA_SIDES; side++) {
        for (unsigned i = 0; i < STRATA_COUNT; i++) {
            store(&row->failed_counts[side][i], 0);
        }
    }
}

void strata_row_add(struct strata_row *row, struct strata strata, bool first)
{
    if (first) {
        begin(row);
    }
    __atomic_fetch_add(&row->failed_counts[STRATA_BY_CLIENT][strata.client], 1, __ATOMIC_RELAXED);
    __atomic_fetch_add(&row->failed_counts[STRATA_BY_PATH][strata.path], 1, __ATOMIC_RELAXED);
}

void strata_row_add_unreached(struct strata_row *row, bool first)
{
    if (first) {
        begin(row);
    }
    __atomic_fetch_add(&row->unreached_count, 1, __ATOMIC_RELAXED);
}

static bool is_of_most(const struct strata_row *row, enum strata_side side, uint64_t wanted,
                       uint64_t strata_count)
{
    uint64_t sum = 0, most = 0, touched = 0, unreached = load(&row->unreached_count);
    for (unsigned i = 0; i < STRATA_COUNT; i++) {
        uint64_t failed = load(&row->failed_counts[side][i]);
        sum += failed;
        most = failed > most ? failed : most;
        touched += failed > 0;
    }
    uint64_t touchable = strata_count < wanted ? strata_count : wanted;
    return touched + unreached > touchable / 2 && 4 * (sum - most + unreached) >= wanted;
}

bool strata_row_speaks_for_all(const struct strata_row *row, uint64_t wanted, uint32_t with_traffic)
{
    for (unsigned side = 0; side < STRATA_SIDES; side++) {
        unsigned count = strata_count(with_traffic, (enum strata_side)side);
        if (count > 1 && !is_of_most(row, (enum strata_side)side, wanted, count)) {
            return false;
        }
    }
    return true;
}
