/*
 * Loss: whether what happens to an endpoint's connections means that all of them are in doubt (a failover, a firewall
 * that forgot them). Decisions only.
 *
 * Owns nothing; pure. Thread: its caller's. Time base: milliseconds, monotonic.
 */
#ifndef EVENKEEL_POOL_LOSS_H
#define EVENKEEL_POOL_LOSS_H

#include <stdbool.h>
#include <stdint.h>

/* Signs within this time belong together. */
#define LOSS_WINDOW_MS 1000
#define LOSS_SIGNS 2
/* An orderly end after so long a rest speaks of an idle limit, not of a loss. */
#define LOSS_REST_MS 1000

struct loss_watch {
    uint64_t since_ms; /* of the first sign; 0: none */
    uint64_t signs_count;
};

/* A connection died at rest, by a reset or by an orderly end after rested_ms. kept_count: how many rest on. True: so
   many have died that the others are not to be trusted. */
bool loss_on_death(struct loss_watch *watch, bool reset, uint64_t rested_ms, uint64_t kept_count,
                   uint64_t now_ms);
/* A dial failed where one has succeeded before. By itself it takes nothing away: a listener that is gone or full may
   well serve on what it has accepted. */
bool loss_on_dial_failure(struct loss_watch *watch, uint64_t kept_count, uint64_t now_ms);

/* What was needed before several connections that were in use lately died within the window. */
struct loss_need {
    uint64_t since_ms; /* of the first death; 0: none */
    uint64_t deaths_count, most_count;
};

/* One died; needed_count: connections in use now and lately, this one included. Returns how many are to be there again;
   0: one death alone asks for nothing. */
uint64_t loss_need_count(struct loss_need *need, uint64_t needed_count, uint64_t now_ms);

#endif
