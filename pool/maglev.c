/* Builds and reads the table. */
#include "pool/maglev.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "steady/check.h"
#include "steady/fault.h"
#include "steady/hash.h"

/* Entries for each member. The more there are, the fewer keys move when a member goes. */
#define SLOTS_PER_MEMBER 100
#define OFFSET_SEED 1
#define SKIP_SEED 2
#define FREE UINT16_MAX

struct maglev {
    uint32_t size;
    uint16_t locals[];
};

/* A member while the table is built. */
struct builder {
    const struct maglev_member *member;
    uint16_t index; /* the caller's index */
    uint32_t next, skip;
    uint64_t taken_count;
};

/* Primes, so that every skip visits every entry. */
static uint32_t size_for(size_t count)
{
    static const uint32_t primes[] = {65521, 262139, 1048573, 8388593};
    size_t i = 0;
    while (i + 1 < sizeof primes / sizeof primes[0] && primes[i] < count * SLOTS_PER_MEMBER) {
        i++;
    }
    return primes[i];
}

static int by_name(const void *a, const void *b)
{
    const struct builder *one = a, *other = b;
    int order = strcmp(one->member->name, other->member->name);
    return order != 0 ? order : (one->index > other->index) - (one->index < other->index);
}

static void take_local(struct maglev *maglev, struct builder *builder)
{
    while (maglev->locals[builder->next] != FREE) {
        builder->next = (builder->next + builder->skip) % maglev->size;
    }
    maglev->locals[builder->next] = builder->index;
    builder->taken_count++;
}

/* In round r the member with the largest weight takes its r-th entry, a member with half that weight its r/2-th. */
static void fill(struct maglev *maglev, struct builder *builders, size_t count)
{
    uint64_t heaviest = 0;
    uint32_t left = maglev->size;
    for (size_t i = 0; i < count; i++) {
        if (builders[i].member->weight > heaviest) {
            heaviest = builders[i].member->weight;
        }
    }
    for (uint64_t round = 1; left > 0; round++) {
        for (size_t i = 0; i < count && left > 0; i++) {
            struct builder *builder = &builders[i];
            if (builder->taken_count * heaviest >= round * builder->member->weight) {
                continue;
            }
            take_local(maglev, builder);
            left--;
        }
    }
}

struct maglev *maglev_build(const struct maglev_member *members, size_t count)
{
    CHECK(count > 0 && count <= UINT16_MAX);
    uint32_t size = size_for(count);
    struct builder *builders = fault_hits(FAULT_ALLOC) ? NULL : calloc(count, sizeof *builders);
    struct maglev *maglev =
        fault_hits(FAULT_ALLOC) ? NULL : malloc(sizeof *maglev + size * sizeof maglev->locals[0]);
    if (builders == NULL || maglev == NULL) {
        free(builders);
        free(maglev);
        return NULL;
    }
    maglev->size = size;
    memset(maglev->locals, 0xff, size * sizeof maglev->locals[0]);
    for (size_t i = 0; i < count; i++) {
        size_t bytes = strlen(members[i].name);
        builders[i].member = &members[i];
        builders[i].index = (uint16_t)i;
        builders[i].next = (uint32_t)(hash_bytes(OFFSET_SEED, members[i].name, bytes) % size);
        builders[i].skip =
            (uint32_t)(hash_bytes(SKIP_SEED, members[i].name, bytes) % (size - 1) + 1);
    }
    qsort(builders, count, sizeof *builders, by_name);
    fill(maglev, builders, count);
    free(builders);
    return maglev;
}

void maglev_free(struct maglev **maglev)
{
    free(*maglev);
    *maglev = NULL;
}

size_t maglev_choice(const struct maglev *maglev, uint64_t key_hash, unsigned n)
{
    uint64_t mixed = (key_hash + n) * UINT64_C(0x9e3779b97f4a7c15);
    return maglev->locals[(mixed ^ mixed >> 32) % maglev->size];
}
