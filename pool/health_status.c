/* The transitions of the health status. */
#include "pool/health_status.h"

#include "steady/enum_names.h"

/* While a probe contradicts the state, the next one runs sooner by this factor. */
#define PROBE_HASTE 5
#define PROBE_JITTER 0.2
#define EJECTION_JITTER 0.1
/* Number of steps of a slow start. */
#define SLOW_START_STEPS 20
#define SLOW_START_STEP_MIN_MS 10

ENUM_NAME_FUNCTION(health_status_state_name, enum health_state_kind, HEALTH_STATES)

/* The only writer of `state`. */
static void enter(struct status *status, enum health_state_kind state, uint64_t now_ms)
{
    if (status->state == HEALTH_STATUS_EJECTED) {
        status->last_ejection_ms = now_ms;
    }
    status->state = state;
    status->since_ms = now_ms;
    status->against_count = 0;
    status->slow_start_ms = state == HEALTH_STATUS_UP ? now_ms : 0;
}

void health_status_init(struct status *status, uint64_t now_ms)
{
    *status = (struct status){.state = HEALTH_STATUS_UP, .since_ms = now_ms};
}

bool health_status_on_probe(struct status *status, const struct health_settings *settings,
                            bool good, uint64_t now_ms)
{
    bool against = (status->state == HEALTH_STATUS_DOWN) == good;
    uint64_t enough =
        status->state == HEALTH_STATUS_DOWN ? settings->rise_count : settings->fall_count;
    status->against_count = against ? status->against_count + 1 : 0;
    if (status->against_count < enough) {
        return false;
    }
    enter(status, good ? HEALTH_STATUS_UP : HEALTH_STATUS_DOWN, now_ms);
    return true;
}

bool health_status_on_failures(struct status *status, const struct health_settings *settings,
                               struct rng *rng, uint64_t now_ms)
{
    if (status->state != HEALTH_STATUS_UP) {
        return false;
    }
    bool again =
        status->last_ejection_ms != 0 && now_ms - status->last_ejection_ms < settings->eject_max_ms;
    status->ejections_row = again ? status->ejections_row + 1 : 1;
    uint64_t wait_ms = settings->eject_base_ms;
    for (uint32_t i = 1; i < status->ejections_row && wait_ms < settings->eject_max_ms; i++) {
        wait_ms *= 2;
    }
    wait_ms = wait_ms < settings->eject_max_ms ? wait_ms : settings->eject_max_ms;
    enter(status, HEALTH_STATUS_EJECTED, now_ms);
    status->until_ms = now_ms + rng_jitter(rng, wait_ms, EJECTION_JITTER);
    return true;
}

bool health_status_on_time(struct status *status, uint64_t now_ms)
{
    if (status->state != HEALTH_STATUS_EJECTED || now_ms < status->until_ms) {
        return false;
    }
    enter(status, HEALTH_STATUS_UP, now_ms);
    return true;
}

bool health_status_on_blindness(struct status *status, uint64_t now_ms)
{
    status->against_count = 0;
    if (status->state != HEALTH_STATUS_DOWN) {
        return false;
    }
    enter(status, HEALTH_STATUS_UP, now_ms);
    return true;
}

void health_status_on_return(struct status *status, uint64_t now_ms)
{
    if (status->state == HEALTH_STATUS_UP) {
        enter(status, HEALTH_STATUS_UP, now_ms);
    }
}

uint32_t health_status_share(const struct status *status, const struct health_settings *settings,
                             uint64_t now_ms)
{
    uint64_t past_ms = now_ms - status->slow_start_ms;
    if (status->slow_start_ms == 0 || past_ms >= settings->slow_start_ms) {
        return TRAFFIC_SHARE_WHOLE;
    }
    return TRAFFIC_SHARE_FIRST + (uint32_t)((TRAFFIC_SHARE_WHOLE - TRAFFIC_SHARE_FIRST) * past_ms /
                                            settings->slow_start_ms);
}

uint64_t health_status_due_ms(const struct status *status, const struct health_settings *settings,
                              uint64_t now_ms)
{
    if (status->state == HEALTH_STATUS_EJECTED) {
        return status->until_ms;
    }
    if (status->state != HEALTH_STATUS_UP || status->slow_start_ms == 0 ||
        now_ms - status->slow_start_ms >= settings->slow_start_ms) {
        return UINT64_MAX;
    }
    uint64_t step_ms = settings->slow_start_ms / SLOW_START_STEPS;
    return now_ms + (step_ms > SLOW_START_STEP_MIN_MS ? step_ms : SLOW_START_STEP_MIN_MS);
}

uint64_t health_status_probe_wait_ms(const struct status *status,
                                     const struct health_settings *settings, struct rng *rng)
{
    uint64_t wait_ms = settings->interval_ms;
    if (status->against_count > 0) {
        wait_ms /= PROBE_HASTE;
    }
    return rng_jitter(rng, wait_ms, PROBE_JITTER);
}

/* Of two or more endpoints one can always be ejected, unless none may be at all. */
bool health_status_may_eject(const struct health_settings *settings, size_t ejected_count,
                             size_t count)
{
    if (count < 2 || !(settings->eject_share > 0)) {
        return false;
    }
    return ejected_count == 0 ||
           (double)(ejected_count + 1) <= settings->eject_share * (double)count;
}

bool health_status_panics(const struct health_settings *settings, size_t healthy_count,
                          size_t count)
{
    return (double)healthy_count < settings->panic_share * (double)count;
}
