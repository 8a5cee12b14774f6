/*
 * Standing of an endpoint: whether probes and attempts speak for it, and how much of its share it gets.
 *
 * Owns nothing; pure: time and randomness are arguments, nothing is done. Thread: control. Time base: monotonic ms.
 *
 *     UP ──(fall bad probes)──► DOWN ──(rise good probes)──► UP
 *     UP ──(failed attempts)──► EJECTED ──(time)──► UP
 *                               EJECTED ──(fall bad probes)──► DOWN
 *
 * Every way back to UP begins a slow start.
 */
#ifndef EVENKEEL_POOL_STANDING_H
#define EVENKEEL_POOL_STANDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/settings.h"
#include "steady/rng.h"

/* An endpoint's whole share; a part of it during a slow start. */
#define OFFER_WHOLE 256u
/* What a slow start begins with. */
#define OFFER_FIRST 26u

enum standing_state { STANDING_UP, STANDING_DOWN, STANDING_EJECTED };
const char *standing_state_name(enum standing_state state);

struct standing {
    enum standing_state state;
    uint64_t since_ms;         /* in this state */
    uint64_t until_ms;         /* EJECTED */
    uint64_t slow_start_ms;    /* UP: since when; 0: it has its whole share */
    uint64_t last_ejection_ms; /* when it ended; 0: never */
    uint32_t against_count;    /* probes in a row that speak against the state */
    uint32_t ejections_row;    /* ejections without a good while in between */
};

/* UP, with its whole share. */
void standing_init(struct standing *standing, uint64_t now_ms);

/* What was learned; true: the state has changed. */
bool standing_on_probe(struct standing *standing, const struct health_settings *settings, bool good,
                       uint64_t now_ms);
/* So many attempts failed in a row that it is to be ejected. */
bool standing_on_failures(struct standing *standing, const struct health_settings *settings,
                          struct rng *rng, uint64_t now_ms);
bool standing_on_time(struct standing *standing, uint64_t now_ms);
/* It is not probed any more, so nothing keeps it DOWN. */
bool standing_on_blindness(struct standing *standing, uint64_t now_ms);
/* The operator gives it back: a slow start, if it is UP. */
void standing_on_return(struct standing *standing, uint64_t now_ms);

/* Of OFFER_WHOLE, while it is UP. */
uint32_t standing_share(const struct standing *standing, const struct health_settings *settings,
                        uint64_t now_ms);
/* When to look again because of time; UINT64_MAX: never. */
uint64_t standing_due_ms(const struct standing *standing, const struct health_settings *settings,
                         uint64_t now_ms);
/* From the end of a probe to the next. */
uint64_t standing_probe_wait_ms(const struct standing *standing,
                                const struct health_settings *settings, struct rng *rng);

/* May one more of `count` endpoints be ejected, when so many are already? */
bool standing_may_eject(const struct health_settings *settings, size_t ejected_count, size_t count);
/* Are so few healthy that all are to be used? */
bool standing_panics(const struct health_settings *settings, size_t healthy_count, size_t count);

#endif
