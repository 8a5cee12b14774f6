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
#ifndef EVENKEEL_POOL_HEALTH_STATUS_H
#define EVENKEEL_POOL_HEALTH_STATUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/settings.h"
#include "steady/enum_names.h"
#include "steady/rng.h"

/* An endpoint's whole share; a part of it during a slow start. */
#define TRAFFIC_SHARE_WHOLE 256u
/* What a slow start begins with. */
#define TRAFFIC_SHARE_FIRST 26u

#define HEALTH_STATES(X)          \
    X(HEALTH_STATUS_UP, "up")     \
    X(HEALTH_STATUS_DOWN, "down") \
    X(HEALTH_STATUS_EJECTED, "ejected")
enum health_state_kind { ENUM_VALUES(HEALTH_STATES) };
const char *health_status_state_name(enum health_state_kind value);

struct status {
    enum health_state_kind state;
    uint64_t since_ms;         /* in this state */
    uint64_t until_ms;         /* EJECTED */
    uint64_t slow_start_ms;    /* UP: since when; 0: it has its whole share */
    uint64_t last_ejection_ms; /* when it ended; 0: never */
    uint32_t against_count;    /* probes in a row that speak against the state */
    uint32_t ejections_row;    /* ejections without a good while in between */
};

/* UP, with its whole share. */
void health_status_init(struct status *status, uint64_t now_ms);

/* What was learned; true: the state has changed. */
bool health_status_on_probe(struct status *status, const struct health_settings *settings,
                            bool good, uint64_t now_ms);
/* So many attempts failed in a row that it is to be ejected. */
bool health_status_on_failures(struct status *status, const struct health_settings *settings,
                               struct rng *rng, uint64_t now_ms);
bool health_status_on_time(struct status *status, uint64_t now_ms);
/* It is not probed any more, so nothing keeps it DOWN. */
bool health_status_on_blindness(struct status *status, uint64_t now_ms);
/* The operator gives it back: a slow start, if it is UP. */
void health_status_on_return(struct status *status, uint64_t now_ms);

/* Of TRAFFIC_SHARE_WHOLE, while it is UP. */
uint32_t health_status_share(const struct status *status, const struct health_settings *settings,
                             uint64_t now_ms);
/* When to look again because of time; UINT64_MAX: never. */
uint64_t health_status_due_ms(const struct status *status, const struct health_settings *settings,
                              uint64_t now_ms);
/* From the end of a probe to the next. */
uint64_t health_status_probe_wait_ms(const struct status *status,
                                     const struct health_settings *settings, struct rng *rng);

/* May one more of `count` endpoints be ejected, when so many are already? */
bool health_status_may_eject(const struct health_settings *settings, size_t ejected_count,
                             size_t count);
/* Are so few healthy that all are to be used? */
bool health_status_panics(const struct health_settings *settings, size_t healthy_count,
                          size_t count);

#endif
