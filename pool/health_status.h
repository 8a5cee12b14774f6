/*
 * Health status of an endpoint: whether it is in use, and which part of its share of requests it gets.
 *
 * Owns nothing; pure: time and randomness are arguments. Thread: control. Time base: monotonic ms.
 *
 *     UP ──(fall failed probes)──► DOWN ──(rise good probes)──► UP
 *     UP ──(failed attempts)──► EJECTED ──(time)──► UP
 *                               EJECTED ──(fall failed probes)──► DOWN
 *
 * Every return to UP begins a slow start.
 */
#ifndef EVENKEEL_POOL_HEALTH_STATUS_H
#define EVENKEEL_POOL_HEALTH_STATUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/settings.h"
#include "steady/enum_names.h"
#include "steady/rng.h"

/* The whole share of an endpoint; during a slow start it gets a part of it. */
#define TRAFFIC_SHARE_WHOLE 256u
/* The share at the beginning of a slow start. */
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
    uint64_t until_ms;         /* EJECTED: the end of the ejection */
    uint64_t slow_start_ms;    /* UP: start of the slow start; 0: it has its whole share */
    uint64_t last_ejection_ms; /* when the last ejection ended; 0: never */
    uint32_t against_count;    /* probes in a row that contradict the state */
    uint32_t ejections_row;    /* ejections in a row, each soon after the one before */
};

/* UP, with its whole share. */
void health_status_init(struct status *status, uint64_t now_ms);

/* A probe has ended. True: the state has changed. */
bool health_status_on_probe(struct status *status, const struct health_settings *settings,
                            bool good, uint64_t now_ms);
/* So many attempts in a row have failed that the endpoint is to be ejected. */
bool health_status_on_failures(struct status *status, const struct health_settings *settings,
                               struct rng *rng, uint64_t now_ms);
bool health_status_on_time(struct status *status, uint64_t now_ms);
/* Probes have ended by a reload, so nothing keeps the endpoint DOWN. */
bool health_status_on_blindness(struct status *status, uint64_t now_ms);
/* The operator gives it back: a slow start, if it is UP. */
void health_status_on_return(struct status *status, uint64_t now_ms);

/* Its part of TRAFFIC_SHARE_WHOLE while it is UP. */
uint32_t health_status_share(const struct status *status, const struct health_settings *settings,
                             uint64_t now_ms);
/* When the status next changes by time alone; UINT64_MAX: never. */
uint64_t health_status_due_ms(const struct status *status, const struct health_settings *settings,
                              uint64_t now_ms);
/* Time from the end of a probe to the next one. */
uint64_t health_status_probe_wait_ms(const struct status *status,
                                     const struct health_settings *settings, struct rng *rng);

/* Whether one more of `count` endpoints may be ejected while ejected_count are. */
bool health_status_may_eject(const struct health_settings *settings, size_t ejected_count,
                             size_t count);
/* Whether so few endpoints are healthy that all are to be used. */
bool health_status_panics(const struct health_settings *settings, size_t healthy_count,
                          size_t count);

#endif
