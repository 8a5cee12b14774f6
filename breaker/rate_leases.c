/* A set-associative table of shares and of what was lent. */
#include "breaker/rate_leases.h"

#include <stdlib.h>
#include <string.h>

#include "steady/check.h"
#include "steady/fault.h"

#define WAYS 8
#define BITS 64

struct rate_leases {
    struct token_rate share; /* atomics */
    size_t set_count;        /* a power of two */
    uint64_t pushed_out_count;
    size_t word; /* control: of `marks`, where the next visit begins */
    size_t word_count;
    uint64_t *marks;         /* atomics: a bit for each set that control has to look at */
    struct rate_lease *keys; /* [set_count * WAYS] */
};

static uint64_t load(const uint64_t *word)
{
    return __atomic_load_n(word, __ATOMIC_RELAXED);
}

struct rate_leases *rate_leases_create(size_t key_count, const struct token_rate *share)
{
    struct rate_leases *leases = fault_hits(FAULT_ALLOC) ? NULL : calloc(1, sizeof *leases);
    if (leases == NULL) {
        return NULL;
    }
    CHECK(key_count > 0 && share->interval > 0);
    leases->share = *share;
    leases->set_count = 1;
    while (leases->set_count * WAYS < key_count) {
        leases->set_count *= 2;
    }
    size_t bytes = leases->set_count * WAYS * sizeof *leases->keys;
    leases->word_count = (leases->set_count + BITS - 1) / BITS;
    leases->marks = calloc(leases->word_count, sizeof *leases->marks);
    leases->keys = aligned_alloc(_Alignof(struct rate_lease), bytes);
    if (leases->marks == NULL || leases->keys == NULL) {
        rate_leases_free(&leases);
        return NULL;
    }
    memset(leases->keys, 0, bytes);
    return leases;
}

void rate_leases_free(struct rate_leases **leases)
{
    if (*leases != NULL) {
        free((*leases)->marks);
        free((*leases)->keys);
        free(*leases);
    }
    *leases = NULL;
}

void rate_leases_set_share(struct rate_leases *leases, const struct token_rate *share)
{
    __atomic_store_n(&leases->share.interval, share->interval, __ATOMIC_RELAXED);
    __atomic_store_n(&leases->share.fresh_depth, share->fresh_depth, __ATOMIC_RELAXED);
    __atomic_store_n(&leases->share.retry_depth, share->retry_depth, __ATOMIC_RELAXED);
}

/* Parts of two shares at the moment of a change do no harm. */
static struct token_rate share_of(const struct rate_leases *leases)
{
    return (struct token_rate){load(&leases->share.interval), load(&leases->share.fresh_depth),
                               load(&leases->share.retry_depth)};
}

/* ---- workers ---- */

static struct rate_lease *fullest(struct rate_lease *set)
{
    struct rate_lease *found = set;
    for (size_t i = 1; i < WAYS; i++) {
        if (load(&set[i].share.full_at) < load(&found->share.full_at)) {
            found = &set[i];
        }
    }
    return found;
}

static void begin_anew(struct rate_lease *lease)
{
    __atomic_store_n(&lease->share.full_at, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&lease->lent_count, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&lease->used_count, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&lease->missed_count, 0, __ATOMIC_RELAXED);
}

static struct rate_lease *find(struct rate_leases *leases, size_t set_index, uint64_t key,
                               uint64_t now_us)
{
    struct rate_lease *set = &leases->keys[set_index * WAYS];
    for (;;) {
        for (size_t i = 0; i < WAYS; i++) {
            if (load(&set[i].key) == key) {
                return &set[i];
            }
        }
        struct rate_lease *lease = fullest(set);
        uint64_t other = load(&lease->key);
        bool pushed_out = !token_bucket_full(&lease->share, now_us);
        if (__atomic_compare_exchange_n(&lease->key, &other, key, false, __ATOMIC_RELAXED,
                                        __ATOMIC_RELAXED)) {
            begin_anew(lease);
            __atomic_fetch_add(&leases->pushed_out_count, pushed_out, __ATOMIC_RELAXED);
            return lease;
        }
    }
}

static bool take_lent(struct rate_lease *lease)
{
    uint32_t count = __atomic_load_n(&lease->lent_count, __ATOMIC_RELAXED);
    while (count > 0) {
        if (__atomic_compare_exchange_n(&lease->lent_count, &count, count - 1, true,
                                        __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
            return true;
        }
    }
    return false;
}

/* Comes after the count, so that control sees the count when it has seen the mark. */
static void mark(struct rate_leases *leases, size_t set_index)
{
    uint64_t *word = &leases->marks[set_index / BITS];
    uint64_t bit = UINT64_C(1) << set_index % BITS;
    if ((__atomic_load_n(word, __ATOMIC_SEQ_CST) & bit) == 0) {
        __atomic_fetch_or(word, bit, __ATOMIC_SEQ_CST);
    }
}

bool rate_leases_take(struct rate_leases *leases, uint64_t key, bool retry, uint64_t now_us,
                      uint64_t *ret_wait_ms)
{
    const struct token_rate share = share_of(leases);
    size_t set_index = (key >> 1) & (leases->set_count - 1);
    struct rate_lease *lease = find(leases, set_index, key | 1, now_us);
    bool taken = token_bucket_take(&lease->share, &share, retry, now_us, ret_wait_ms);
    if (taken) {
        __atomic_fetch_add(&lease->used_count, 1, __ATOMIC_SEQ_CST);
    } else if (!retry) {
        taken = take_lent(lease);
        __atomic_fetch_add(&lease->missed_count, !taken, __ATOMIC_SEQ_CST);
    }
    mark(leases, set_index);
    return taken;
}

/* ---- control ---- */

static bool is_used(const struct rate_lease *lease)
{
    return load(&lease->key) != 0;
}

/* Of the sets of one word. False: it was ended; what was not visited stays marked. */
static bool visit_word(struct rate_leases *leases, size_t word, rate_lease_visit_fn *visit,
                       void *owner)
{
    uint64_t marked = __atomic_exchange_n(&leases->marks[word], 0, __ATOMIC_SEQ_CST), kept = 0;
    bool ended = false;
    for (uint64_t left = marked; left != 0 && !ended; left &= left - 1) {
        unsigned bit = (unsigned)__builtin_ctzll(left);
        struct rate_lease *set = &leases->keys[(word * BITS + bit) * WAYS];
        for (size_t i = 0; i < WAYS && !ended; i++) {
            enum rate_lease_visit visited =
                is_used(&set[i]) ? visit(&set[i], owner) : RATE_LEASE_IDLE;
            kept |= visited != RATE_LEASE_IDLE ? UINT64_C(1) << bit : 0;
            ended = visited == RATE_LEASE_LATER;
        }
        kept |= ended ? left : 0;
    }
    __atomic_fetch_or(&leases->marks[word], kept, __ATOMIC_SEQ_CST);
    return !ended;
}

bool rate_leases_visit(struct rate_leases *leases, rate_lease_visit_fn *visit, void *owner)
{
    for (size_t i = 0; i < leases->word_count; i++) {
        size_t word = (leases->word + i) % leases->word_count;
        if (load(&leases->marks[word]) != 0 && !visit_word(leases, word, visit, owner)) {
            leases->word = word;
            return false;
        }
    }
    return true;
}

struct rate_lease_seen rate_lease_look(const struct rate_leases *leases, struct rate_lease *lease,
                                       uint64_t now_us)
{
    const struct token_rate share = share_of(leases);
    uint64_t key = load(&lease->key);
    if (lease->memory.key != key) {
        lease->memory = (struct rate_lease_memory){.key = key};
        lease->lent_seen_count = 0;
    }
    uint32_t before = lease->lent_seen_count;
    uint32_t left = __atomic_load_n(&lease->lent_count, __ATOMIC_RELAXED);
    lease->lent_seen_count = left;
    return (struct rate_lease_seen){
        .used_count = __atomic_exchange_n(&lease->used_count, 0, __ATOMIC_SEQ_CST),
        .missed_count = __atomic_exchange_n(&lease->missed_count, 0, __ATOMIC_SEQ_CST),
        .taken_count = before > left ? before - left : 0,
        .lent_count = left,
        .share_count = token_bucket_left(&lease->share, &share, now_us),
    };
}

void rate_lease_lend(struct rate_lease *lease, uint64_t key, uint32_t count)
{
    if (load(&lease->key) == key && lease->memory.key == key) {
        lease->lent_seen_count += count;
        __atomic_fetch_add(&lease->lent_count, count, __ATOMIC_RELAXED);
    }
}

uint32_t rate_lease_take_back(struct rate_lease *lease, uint32_t most_count)
{
    uint32_t count = __atomic_load_n(&lease->lent_count, __ATOMIC_RELAXED), back;
    do {
        back = count < most_count ? count : most_count;
    } while (!__atomic_compare_exchange_n(&lease->lent_count, &count, count - back, true,
                                          __ATOMIC_RELAXED, __ATOMIC_RELAXED));
    lease->lent_seen_count -= back < lease->lent_seen_count ? back : lease->lent_seen_count;
    return back;
}

struct rate_leases_figures rate_leases_figures(const struct rate_leases *leases, uint64_t now_us)
{
    struct rate_leases_figures figures = {
        .room_count = leases->set_count * WAYS,
        .pushed_out_count = load(&leases->pushed_out_count),
    };
    for (size_t i = 0; i < figures.room_count; i++) {
        figures.used_count +=
            is_used(&leases->keys[i]) && !token_bucket_full(&leases->keys[i].share, now_us);
    }
    return figures;
}
