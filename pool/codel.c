/* Decides when a queue does not empty, and which entry goes first then. */
#include "pool/codel.h"

#include "steady/check.h"

void codel_init(struct codel *codel, uint64_t target_ms, uint64_t interval_ms)
{
    CHECK(target_ms > 0 && interval_ms > 0);
    *codel = (struct codel){.target_ms = target_ms, .interval_ms = interval_ms};
}

bool codel_stressed(const struct codel *codel, uint64_t now_ms)
{
    return codel->stressed && now_ms < codel->late_last_ms + codel->interval_ms;
}

enum codel_end codel_next(const struct codel *codel, uint64_t now_ms)
{
    return codel_stressed(codel, now_ms) ? CODEL_NEWEST : CODEL_OLDEST;
}

void codel_look(struct codel *codel, uint64_t now_ms, uint64_t oldest_wait_ms)
{
    if (oldest_wait_ms < codel->target_ms) {
        codel->late = false;
        return;
    }
    bool stressed = codel_stressed(codel, now_ms);
    if (!codel->late) {
        codel->late_since_ms = now_ms;
    }
    codel->late = true;
    codel->late_last_ms = now_ms;
    codel->stressed = stressed || now_ms >= codel->late_since_ms + codel->interval_ms;
}

bool codel_drops(const struct codel *codel, uint64_t now_ms, uint64_t wait_ms,
                 uint64_t queued_count)
{
    return queued_count > 1 && wait_ms >= codel->target_ms && codel_stressed(codel, now_ms);
}
