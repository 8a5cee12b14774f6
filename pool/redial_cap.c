/* A token bucket that requests and time fill, and that empties within a window. */
#include "pool/redial_cap.h"

void redial_cap_init(struct redial_cap *cap, uint64_t requests_count, uint64_t now_ms)
{
    *cap = (struct redial_cap){now_ms, requests_count, REDIAL_CAP_LEAST};
}

bool redial_cap_take(struct redial_cap *cap, uint64_t requests_count, uint64_t now_ms)
{
    double windows = (double)(now_ms - cap->at_ms) / REDIAL_CAP_WINDOW_MS;
    double requests = (double)(requests_count - cap->requests_count);
    if (windows > 1) { /* older requests do not count */
        requests /= windows;
        windows = 1;
    }
    cap->left =
        cap->left * (1 - windows) + REDIAL_CAP_LEAST * windows + requests * REDIAL_CAP_SHARE;
    cap->at_ms = now_ms;
    cap->requests_count = requests_count;
    if (cap->left < 1) {
        return false;
    }
    cap->left--;
    return true;
}
