/* The transitions. */
#include "pool/standing.h"

/* While a probe speaks against the state, the next comes this much sooner. */
#define PROBE_HASTE 5
#define PROBE_JITTER 0.2
#define EJECTION_JITTER 0.1
/* A slow start has so many steps. */
#define SLOW_START_STEPS 20
#define SLOW_START_STEP_MIN_MS 10

const char *standing_state_name(enum standing_state state)
{
    switch (state) {
    case STANDING_UP: return "up";
    case STANDING_DOWN: return "down";
    case STANDING_EJECTED: return "ejected";
    }
    return "unknown";
}

/* The only writer of `state`. */
static void enter(struct standing *standing, enum standing_state state, uint64_t now_ms)
{
    if (standing->state == STANDING_EJECTED)
        standing->last_ejection_ms = now_ms;
    standing->state = state;
    standing->since_ms = now_ms;
    standing->against_count = 0;
    standing->slow_start_ms = state == STANDING_UP ? now_ms : 0;
}

void standing_init(struct standing *standing, uint64_t now_ms)
{
    *standing = (struct standing){.state = STANDING_UP, .since_ms = now_ms};
}

bool standing_on_probe(struct standing *standing, const struct health_settings *settings, bool good,
                       uint64_t now_ms)
{
    bool against = (standing->state == STANDING_DOWN) == good;
    uint64_t enough =
        standing->state == STANDING_DOWN ? settings->rise_count : settings->fall_count;
    standing->against_count = against ? standing->against_count + 1 : 0;
    if (standing->against_count < enough)
        return false;
    enter(standing, good ? STANDING_UP : STANDING_DOWN, now_ms);
    return true;
}

bool standing_on_failures(struct standing *standing, const struct health_settings *settings,
                          struct rng *rng, uint64_t now_ms)
{
    if (standing->state != STANDING_UP)
        return false;
    bool again = standing->last_ejection_ms != 0 &&
                 now_ms - standing->last_ejection_ms < settings->eject_max_ms;
    standing->ejections_row = again ? standing->ejections_row + 1 : 1;
    uint64_t wait_ms = settings->eject_base_ms;
    for (uint32_t i = 1; i < standing->ejections_row && wait_ms < settings->eject_max_ms; i++)
        wait_ms *= 2;
    wait_ms = wait_ms < settings->eject_max_ms ? wait_ms : settings->eject_max_ms;
    enter(standing, STANDING_EJECTED, now_ms);
    standing->until_ms = now_ms + rng_jitter(rng, wait_ms, EJECTION_JITTER);
    return true;
}

bool standing_on_time(struct standing *standing, uint64_t now_ms)
{
    if (standing->state != STANDING_EJECTED || now_ms < standing->until_ms)
        return false;
    enter(standing, STANDING_UP, now_ms);
    return true;
}

bool standing_on_blindness(struct standing *standing, uint64_t now_ms)
{
    standing->against_count = 0;
    if (standing->state != STANDING_DOWN)
        return false;
    enter(standing, STANDING_UP, now_ms);
    return true;
}

void standing_on_return(struct standing *standing, uint64_t now_ms)
{
    if (standing->state == STANDING_UP)
        enter(standing, STANDING_UP, now_ms);
}

uint32_t standing_share(const struct standing *standing, const struct health_settings *settings,
                        uint64_t now_ms)
{
    uint64_t past_ms = now_ms - standing->slow_start_ms;
    if (standing->slow_start_ms == 0 || past_ms >= settings->slow_start_ms)
        return OFFER_WHOLE;
    return OFFER_FIRST +
           (uint32_t)((OFFER_WHOLE - OFFER_FIRST) * past_ms / settings->slow_start_ms);
}

uint64_t standing_due_ms(const struct standing *standing, const struct health_settings *settings,
                         uint64_t now_ms)
{
    if (standing->state == STANDING_EJECTED)
        return standing->until_ms;
    if (standing->state != STANDING_UP || standing->slow_start_ms == 0 ||
        now_ms - standing->slow_start_ms >= settings->slow_start_ms)
        return UINT64_MAX;
    uint64_t step_ms = settings->slow_start_ms / SLOW_START_STEPS;
    return now_ms + (step_ms > SLOW_START_STEP_MIN_MS ? step_ms : SLOW_START_STEP_MIN_MS);
}

uint64_t standing_probe_wait_ms(const struct standing *standing,
                                const struct health_settings *settings, struct rng *rng)
{
    uint64_t wait_ms = settings->interval_ms;
    if (standing->against_count > 0)
        wait_ms /= PROBE_HASTE;
    return rng_jitter(rng, wait_ms, PROBE_JITTER);
}

/* Of two endpoints or more one may always go, unless none may at all. */
bool standing_may_eject(const struct health_settings *settings, size_t ejected_count, size_t count)
{
    if (count < 2 || !(settings->eject_share > 0))
        return false;
    return ejected_count == 0 ||
           (double)(ejected_count + 1) <= settings->eject_share * (double)count;
}

bool standing_panics(const struct health_settings *settings, size_t healthy_count, size_t count)
{
    return (double)healthy_count < settings->panic_share * (double)count;
}
