/*
 * Rates over a fleet: the talk with the store about what each replica may admit beyond its share (rate_lease.h says how much).
 *
 * Owns: the limits of the generation that serves (in struct fleet), not their keys. Private to fleet/, but for fleet.h. Thread: control;
 * workers see only breaker/rate_leases.h. Time base: the store's clock in the store, CLOCK_MONOTONIC here. Bounds: a limit has one
 * question on its way, of at most RATES_BATCH_MOST keys; further keys are said the next time.
 *
 * A key in the store is the time at which the fleet's token bucket of that key is full again, in microseconds, and is gone at that time.
 * Its name is an HMAC: who reads the store learns no client's address. Who writes it can lend to a replica no more than it asks for,
 * which its own configuration bounds.
 */
#ifndef EVENKEEL_PROXY_FLEET_RATES_H
#define EVENKEEL_PROXY_FLEET_RATES_H

#include <event2/event.h>
#include <sys/queue.h>

#include "proxy/fleet/fleet.h"
#include "tls/sha1.h"

/* Keys of one question: a script of so many takes the store about a millisecond. */
#define RATES_BATCH_MOST 256

struct rate_limit;
TAILQ_HEAD(rate_limit_list, rate_limit);

/* How the script is said: sent whole until the store has it, then by its name, which the user may not be allowed to do. */
enum rate_script_use { RATE_SCRIPT_SENT, RATE_SCRIPT_NAMED, RATE_SCRIPT_ALWAYS_SENT };

struct rates {
    struct rate_limit_list limits;
    struct event *timer;
    struct rates_space *space; /* of a question while it is made */
    unsigned replica_count;    /* that share a rate; 0: the store has never said */
    char script_name[SHA1_TEXT_BYTES];
    enum rate_script_use script_use;
    bool leaving; /* nothing is asked for any more */
};

/* False: no memory. */
__attribute__((warn_unused_result)) bool rates_init(struct fleet *fleet);
void rates_release(struct fleet *fleet);
/* So many replicas have been seen, this one included. */
void rates_note_replicas(struct fleet *fleet, uint64_t count);
/* This process ends: what was lent is given back. */
void rates_leave(struct fleet *fleet);

#endif
