/* Signs within a window add up. */
#include "pool/loss.h"

/* A quarter of the idle connections must have died. */
#define LOSS_PART 4

static bool sign(struct loss_watch *watch, uint64_t kept_count, uint64_t now_ms)
{
    if (watch->since_ms == 0 || now_ms - watch->since_ms > LOSS_WINDOW_MS) {
        *watch = (struct loss_watch){.since_ms = now_ms};
    }
    watch->signs_count++;
    if (watch->signs_count < LOSS_SIGNS ||
        watch->signs_count * LOSS_PART < watch->signs_count + kept_count) {
        return false;
    }
    *watch = (struct loss_watch){0};
    return true;
}

bool loss_on_death(struct loss_watch *watch, bool reset, uint64_t rested_ms, uint64_t kept_count,
                   uint64_t now_ms)
{
    if (!reset && rested_ms >= LOSS_REST_MS) {
        return false;
    }
    return sign(watch, kept_count, now_ms);
}

bool loss_on_dial_failure(struct loss_watch *watch, uint64_t kept_count, uint64_t now_ms)
{
    if (watch->since_ms == 0 || now_ms - watch->since_ms > LOSS_WINDOW_MS) {
        return false;
    }
    return sign(watch, kept_count, now_ms);
}

uint64_t loss_need_count(struct loss_need *need, uint64_t needed_count, uint64_t now_ms)
{
    if (need->since_ms == 0 || now_ms - need->since_ms > LOSS_WINDOW_MS) {
        *need = (struct loss_need){.since_ms = now_ms};
    }
    need->deaths_count++;
    if (needed_count > need->most_count) {
        need->most_count = needed_count;
    }
    return need->deaths_count < LOSS_SIGNS ? 0 : need->most_count;
}
