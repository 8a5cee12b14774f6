/*
 * Leases of a rate that holds over a fleet: what this replica may admit of each key without asking anybody.
 *
 * A key has a share, which is a token bucket at the replica's part of the rate, and tokens that were lent to the replica beyond it. A
 * worker takes from the share first, then from what was lent, and counts both and what it had to refuse. The control thread reads the
 * counts, lends and takes back. So nobody waits, and without anybody who lends the share remains.
 *
 * Owns: a bounded number of keys, eight in a set; a new key takes the place of the one that has used least of its share. Thread: any
 * worker takes; what is marked control is for the control thread. Errors: NULL from rate_leases_create() only. Time base:
 * microseconds, monotonic. Cost of nobody's key: none; a bit for each set tells control where to look.
 *
 * A key that takes another's place while control lends to that one may get what was meant for it, once.
 */
#ifndef EVENKEEL_BREAKER_RATE_LEASES_H
#define EVENKEEL_BREAKER_RATE_LEASES_H

#include <stddef.h>

#include "breaker/token_bucket.h"

/* What control remembers of a key; times are milliseconds that wrap. */
struct rate_lease_memory {
    uint64_t key; /* whose memory it is; another key begins anew */
    float demand; /* requests per second, a short while ago at least */
    float
        allowance; /* tokens that its own configuration allows this replica beyond what it has used */
    uint32_t looked_ms;   /* when the counts were read last */
    uint32_t demanded_ms; /* when there was a request last */
    uint32_t awaited_ms;  /* before this there is nothing to be lent */
    bool begun;           /* the rest is known */
};

/* One key. Counts are atomics. */
struct rate_lease {
    uint64_t key; /* 0: free */
    struct token_bucket share;
    uint32_t lent_count; /* tokens that were lent and are left */
    uint32_t used_count,
        missed_count;                /* of the share, and requests refused; since control looked */
    uint32_t lent_seen_count;        /* control: lent_count as it should be if nobody had taken */
    struct rate_lease_memory memory; /* control */
} __attribute__((aligned(64)));

struct rate_leases;

/* At least key_count keys, each with this share; NULL when memory is exhausted. */
struct rate_leases *rate_leases_create(size_t key_count, const struct token_rate *share);
/* NULL is fine. */
void rate_leases_free(struct rate_leases **leases);

/* Control: what this replica has of each key for itself from now on. */
void rate_leases_set_share(struct rate_leases *leases, const struct token_rate *share);

/* As token_bucket_take() for the key. Retries get nothing of what was lent. */
__attribute__((warn_unused_result)) bool rate_leases_take(struct rate_leases *leases, uint64_t key,
                                                          bool retry, uint64_t now_us,
                                                          uint64_t *ret_wait_ms);
/* A key that is no hash but one of the first key_count numbers: none of them ever takes another's place. */
#define RATE_LEASES_NUMBER(number) (2 * (uint64_t)(number))

enum rate_lease_visit {
    RATE_LEASE_IDLE, /* it need not be looked at before it is used again */
    RATE_LEASE_BUSY, /* it is looked at again the next time */
    RATE_LEASE_LATER /* it was not looked at: the next time begins here */
};
typedef enum rate_lease_visit rate_lease_visit_fn(struct rate_lease *lease, void *owner);
/* Control: visits the keys that were used since the last time, or were busy then. False: it was ended by RATE_LEASE_LATER. */
bool rate_leases_visit(struct rate_leases *leases, rate_lease_visit_fn *visit, void *owner);

/* What happened to a key since it was looked at. */
struct rate_lease_seen {
    uint32_t used_count;   /* of the share */
    uint32_t taken_count;  /* of what was lent */
    uint32_t missed_count; /* requests that got nothing */
    uint32_t lent_count;   /* left of what was lent */
    uint64_t share_count;  /* tokens that the share has now */
};
/* Control: reads the counts, which begin anew. */
struct rate_lease_seen rate_lease_look(const struct rate_leases *leases, struct rate_lease *lease,
                                       uint64_t now_us);
/* Control: lends to the key, if it is still the same. */
void rate_lease_lend(struct rate_lease *lease, uint64_t key, uint32_t count);
/* Control: takes back up to so many tokens; how many there were. */
uint32_t rate_lease_take_back(struct rate_lease *lease, uint32_t most_count);

struct rate_leases_figures {
    uint64_t room_count, pushed_out_count;
    uint64_t used_count; /* keys whose share is not full */
};
struct rate_leases_figures rate_leases_figures(const struct rate_leases *leases, uint64_t now_us);

#endif
