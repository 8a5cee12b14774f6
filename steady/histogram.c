/* Log-linear counting: the two bits below the highest one choose the bucket within an octave. */
#include "steady/histogram.h"

#define LAST (HISTOGRAM_BUCKETS - 1)

/* Values 0 to 3 have a bucket each; then four for every octave from 4 on. */
unsigned histogram_bucket(uint64_t value)
{
    if (value < 4) {
        return (unsigned)value;
    }
    unsigned octave = 63 - (unsigned)__builtin_clzll(value);
    unsigned bucket = 4 * (octave - 1) + (unsigned)(value >> (octave - 2) & 3);
    return bucket < LAST ? bucket : LAST;
}

static uint64_t width_of(unsigned bucket)
{
    return bucket < 4 ? 1 : UINT64_C(1) << (bucket / 4 - 1);
}

static uint64_t start_of(unsigned bucket)
{
    return bucket < 4 ? bucket : (4 + bucket % 4) * width_of(bucket);
}

uint64_t histogram_bucket_end(unsigned bucket)
{
    return bucket == LAST ? UINT64_MAX : start_of(bucket) + width_of(bucket) - 1;
}

static uint64_t load(const uint64_t *count)
{
    return __atomic_load_n(count, __ATOMIC_RELAXED);
}

/* With one writer no other addition can come between. */
static void add(uint64_t *count, uint64_t n)
{
    __atomic_store_n(count, load(count) + n, __ATOMIC_RELAXED);
}

void histogram_record_in(struct histogram *histogram, unsigned bucket, uint64_t value)
{
    add(&histogram->counts[bucket], 1);
    add(&histogram->sum, value);
}

void histogram_record(struct histogram *histogram, uint64_t value)
{
    histogram_record_in(histogram, histogram_bucket(value), value);
}

void histogram_add(struct histogram *into, const struct histogram *from)
{
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        into->counts[i] += load(&from->counts[i]);
    }
    into->sum += load(&from->sum);
}

uint64_t histogram_count(const struct histogram *histogram)
{
    return histogram_count_upto(histogram, UINT64_MAX);
}

uint64_t histogram_count_upto(const struct histogram *histogram, uint64_t limit)
{
    uint64_t count = 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS && histogram_bucket_end(i) <= limit; i++) {
        count += load(&histogram->counts[i]);
    }
    return count;
}

/* The middle of the bucket that holds the value of that rank. The counts may grow meanwhile, so the walk may end
   early but always ends. */
uint64_t histogram_quantile(const struct histogram *histogram, double q)
{
    uint64_t count = histogram_count(histogram);
    if (count == 0) {
        return 0;
    }
    double wanted = (q > 0 ? q < 1 ? q : 1 : 0) * (double)count;
    uint64_t rank = wanted < (double)count ? (uint64_t)wanted : count;
    if ((double)rank < wanted || rank == 0) {
        rank++;
    }

    unsigned bucket = 0;
    for (uint64_t seen = load(&histogram->counts[0]); seen < rank && bucket < LAST;) {
        seen += load(&histogram->counts[++bucket]);
    }
    return start_of(bucket) + width_of(bucket) / 2;
}
