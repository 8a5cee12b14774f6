/* A token bucket that requests and time fill, and that empties within a window. */
#include "pool/redial_cap.h"

void redial_cap_init(struct redial_cap *cap, uint64_t leases_count, uint64_t now_ms)
{
    *cap = (struct redial_cap){now_ms, leases_count, REDIAL_CAP_LEAST};
}

bool redial_cap_take(struct redial_cap *cap, uint64_t leases_count, uint64_t now_ms)
{
    double windows = (double)(now_ms - cap->at_ms) / REDIAL_CAP_WINDOW_MS;
    double leases = (double)(leases_count - cap->leases_count);
    if (windows > 1) { /* older requests do not count */
        leases /= windows;
        windows = 1;
    }
    cap->left = cap->left * (1 - windows) + REDIAL_CAP_LEAST * windows + leases * REDIAL_CAP_SHARE;
    cap->at_ms = now_ms;
    cap->leases_count = leases_count;
    if (cap->left < 1) {
        return false;
    }
    cap->left--;
    return true;
}
