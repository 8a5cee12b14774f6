/*
 * Loss detection: whether events at an endpoint's connections mean that all of them are in doubt, because of a
 * failover or a firewall that has forgotten them. Decisions only.
 *
 * Owns nothing; pure. Thread: its caller's. Time base: milliseconds, monotonic.
 */
#ifndef EVENKEEL_POOL_LOSS_H
#define EVENKEEL_POOL_LOSS_H

#include <stdbool.h>
#include <stdint.h>

/* Signs within this time count together. */
#define LOSS_WINDOW_MS 1000
#define LOSS_SIGNS 2
/* An orderly end after a longer idleness is a sign of an idle limit, not of a loss. */
#define LOSS_REST_MS 1000

struct loss_watch {
    uint64_t since_ms; /* time of the first sign; 0: none */
    uint64_t signs_count;
};

/* An idle connection has died, by a reset or by an orderly end after rested_ms of idleness. kept_count: number of
   connections that are still idle. True: so many have died that the others are in doubt. */
bool loss_on_death(struct loss_watch *watch, bool reset, uint64_t rested_ms, uint64_t kept_count,
                   uint64_t now_ms);
/* A dial has failed where one has succeeded before. A failed dial alone closes nothing: a server whose listening socket
   is closed or full may still serve its open connections. */
bool loss_on_dial_failure(struct loss_watch *watch, uint64_t kept_count, uint64_t now_ms);

/* The number of connections that were needed before several of them died within the window. */
struct loss_need {
    uint64_t since_ms; /* time of the first death; 0: none */
    uint64_t deaths_count, most_count;
};

/* A connection has died. needed_count: connections in use now or recently, this one included. Returns how many
   connections are to be restored; 0: a single death restores none. */
uint64_t loss_need_count(struct loss_need *need, uint64_t needed_count, uint64_t now_ms);

#endif
