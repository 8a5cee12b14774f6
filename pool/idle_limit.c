/* Two signs that agree make a limit. */
#include "pool/idle_limit.h"

/* The margin is a fifth, for the network and the other side's clock. */
#define MARGIN_PART 5

static bool agree(uint64_t a_ms, uint64_t b_ms)
{
    uint64_t least_ms = a_ms < b_ms ? a_ms : b_ms;
    uint64_t most_ms = a_ms < b_ms ? b_ms : a_ms;
    return most_ms - least_ms <= least_ms / 10 + 20;
}

bool idle_limit_sign(struct idle_limit *limit, uint64_t age_ms, uint64_t now_ms)
{
    if (age_ms < IDLE_LIMIT_LEAST_MS) {
        return false;
    }
    uint64_t earlier_age_ms = limit->sign_age_ms;
    bool another_moment = earlier_age_ms == 0 || now_ms - limit->sign_at_ms >= age_ms / 4;
    if (!another_moment) {
        return false;
    }
    limit->sign_age_ms = age_ms;
    limit->sign_at_ms = now_ms;
    if (earlier_age_ms == 0 || !agree(earlier_age_ms, age_ms)) {
        return false;
    }
    uint64_t shortest_ms = earlier_age_ms < age_ms ? earlier_age_ms : age_ms;
    limit->learned_ms = shortest_ms - shortest_ms / MARGIN_PART;
    limit->learned_at_ms = now_ms;
    return true;
}

uint64_t idle_limit_ms(const struct idle_limit *limit, uint64_t configured_ms, uint64_t now_ms)
{
    if (limit->learned_ms == 0) {
        return configured_ms;
    }
    double doublings = (double)(now_ms - limit->learned_at_ms) / IDLE_LIMIT_DOUBLES_MS;
    double grown_ms = (double)limit->learned_ms * (1 + doublings);
    return grown_ms < (double)configured_ms ? (uint64_t)grown_ms : configured_ms;
}
