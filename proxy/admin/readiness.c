/* The state machine of readiness. */
#include "proxy/admin/readiness.h"

#include "steady/enum_names.h"

/* The loss has to last this long before readiness is withdrawn, and its end before readiness is given again. */
#define LOST_AFTER_MS 2000
#define BACK_AFTER_MS 1000

ENUM_NAME_FUNCTION(readiness_state_name, enum readiness_state, READINESS_STATES)

ENUM_NAME_FUNCTION(readiness_reason_name, enum readiness_reason, READINESS_REASONS)

ENUM_DETAIL_FUNCTION(readiness_reason_words, enum readiness_reason, READINESS_REASONS)

static bool enough(uint64_t count, uint64_t whole_count, double share)
{
    return (double)count >= (double)whole_count * share;
}

static bool lost(const struct readiness_figures *figures)
{
    return figures->required_count > 0 && figures->usable_count == 0;
}

static uint32_t missing_for_warmth(const struct readiness_settings *settings,
                                   const struct readiness_figures *figures)
{
    const bool missing[READINESS_REASON_COUNT] = {
        [READINESS_FOR_SETTINGS] = !figures->settings_live,
        [READINESS_FOR_UPSTREAMS] = figures->resolved_count < figures->required_count,
        [READINESS_FOR_POOLS] =
            !enough(figures->connections_count, figures->warm_level_count, settings->pools_share),
        [READINESS_FOR_SESSIONS] = !enough(figures->sessions_count, figures->sessions_usual_count,
                                           settings->sessions_share),
        [READINESS_FOR_MEMORY] = figures->memory_spent,
        [READINESS_FOR_LOST] = lost(figures),
        [READINESS_FOR_DRAINING] = figures->draining,
    };
    uint32_t bits = 0;
    for (unsigned i = 0; i < READINESS_REASON_COUNT; i++) {
        bits |= missing[i] ? UINT32_C(1) << i : 0;
    }
    return bits;
}

/* Whether `now` has been true for long enough. */
static bool lasting(struct readiness *readiness, bool now, uint64_t long_ms, uint64_t now_ms)
{
    if (!now) {
        readiness->changing_ms = 0;
        return false;
    }
    if (readiness->changing_ms == 0) {
        readiness->changing_ms = now_ms;
    }
    return now_ms - readiness->changing_ms >= long_ms;
}

/* Connections and sessions are not there in time. A process that cannot serve a single request is not ready in any
   case. */
static enum readiness_state without_warmth(const struct readiness_settings *settings,
                                           const struct readiness_figures *figures)
{
    if (settings->then != READINESS_READY_COLD) {
        return READINESS_GIVEN_UP;
    }
    return lost(figures) ? READINESS_LOST : READINESS_COLD;
}

static enum readiness_state next(struct readiness *readiness,
                                 const struct readiness_settings *settings, uint64_t now_ms)
{
    const struct readiness_figures *figures = &readiness->figures;
    if (figures->draining) {
        return READINESS_DRAINING;
    }
    switch (readiness->state) {
    case READINESS_WARMING:
        if (readiness->missing != 0 &&
            now_ms - readiness->started_ms >= settings->give_up_after_ms) {
            return without_warmth(settings, figures);
        }
        return readiness->missing == 0 ? READINESS_WARM : READINESS_WARMING;
    case READINESS_GIVEN_UP: return readiness->missing == 0 ? READINESS_WARM : READINESS_GIVEN_UP;
    case READINESS_WARM:
    case READINESS_COLD:
        if (lasting(readiness, lost(figures), LOST_AFTER_MS, now_ms)) {
            return READINESS_LOST;
        }
        return readiness->missing == 0 ? READINESS_WARM : readiness->state;
    case READINESS_LOST:
        if (!lasting(readiness, !lost(figures), BACK_AFTER_MS, now_ms)) {
            return READINESS_LOST;
        }
        return readiness->missing == 0 || readiness->ready_ms != 0 ? READINESS_WARM
                                                                   : READINESS_COLD;
    case READINESS_DRAINING:
    case READINESS_STATE_COUNT: break;
    }
    return readiness->state;
}

void readiness_init(struct readiness *readiness, uint64_t now_ms)
{
    *readiness =
        (struct readiness){.state = READINESS_WARMING, .since_ms = now_ms, .started_ms = now_ms};
}

bool readiness_step(struct readiness *readiness, const struct readiness_settings *settings,
                    const struct readiness_figures *figures, uint64_t now_ms)
{
    readiness->figures = *figures;
    readiness->missing = missing_for_warmth(settings, figures);
    enum readiness_state state = next(readiness, settings, now_ms);
    if (state == readiness->state) {
        return false;
    }
    bool gave_up = readiness->state == READINESS_WARMING && state != READINESS_WARM &&
                   state != READINESS_DRAINING;
    readiness->gave_up_count += gave_up;
    readiness->state = state;
    readiness->since_ms = now_ms;
    readiness->changing_ms = 0;
    if (readiness->ready_ms == 0 && readiness_is_ready(readiness)) {
        uint64_t took_ms = now_ms - readiness->started_ms;
        readiness->ready_ms = took_ms > 0 ? took_ms : 1;
    }
    return true;
}

bool readiness_is_ready(const struct readiness *readiness)
{
    return readiness->state == READINESS_WARM || readiness->state == READINESS_COLD;
}

bool readiness_settled(const struct readiness *readiness)
{
    return readiness->state != READINESS_WARMING;
}
