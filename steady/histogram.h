/*
 * Histogram: counts of values in log-linear buckets (4 per octave), for latencies in microseconds.
 *
 * Owns nothing. Thread: one writer; any thread may read (relaxed atomics: a reading may be a few events old, never
 * torn). Relative error of a quantile: at most 1/8, for values below 2^33 (2.4 hours); larger ones are in the last
 * bucket.
 */
#ifndef EVENKEEL_STEADY_HISTOGRAM_H
#define EVENKEEL_STEADY_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_BUCKETS 128

/* Zeroed is empty. */
struct histogram {
    uint64_t counts[HISTOGRAM_BUCKETS];
    uint64_t sum;
};

void histogram_record(struct histogram *histogram, uint64_t value);
/* The same in two steps, for a value that several histograms record. */
unsigned histogram_bucket(uint64_t value);
/* The last value of the bucket. */
uint64_t histogram_bucket_end(unsigned bucket);
void histogram_record_in(struct histogram *histogram, unsigned bucket, uint64_t value);
/* Adds what `from` holds now to `into`, which only the caller uses. */
void histogram_add(struct histogram *into, const struct histogram *from);
uint64_t histogram_count(const struct histogram *histogram);
/* Values <= limit, with the resolution of the buckets: those in buckets that end at or below the limit. Exact for the
   last value of a bucket. */
uint64_t histogram_count_upto(const struct histogram *histogram, uint64_t limit);
/* q in 0..1; 0 when empty. */
uint64_t histogram_quantile(const struct histogram *histogram, double q);

#endif
