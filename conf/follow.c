/* An upstream's timeouts, and its TLS. */
#include "conf/follow.h"

#include <stdint.h>

/* Time for connecting in an attempt beside the wait for the response, and time for queue and retries beside one
   attempt: the differences between the defaults of first_byte, per_try and total. */
#define BESIDE_FIRST_BYTE_MS 5000
#define BESIDE_PER_TRY_MS 10000

/* What the file says of an upstream. */
static bool is_given(const config_setting_t *item, const char *key)
{
    return config_setting_lookup((config_setting_t *)(uintptr_t)item, key) != NULL;
}

/* A key that is not set is raised so that the part inside it fits. */
static void raise(uint64_t *whole_ms, uint64_t part_ms, uint64_t beside_ms)
{
    if (*whole_ms < part_ms + beside_ms) {
        *whole_ms = part_ms + beside_ms;
    }
}

/* A key that is not set is lowered to the whole that contains it. */
static void lower(uint64_t *part_ms, uint64_t whole_ms)
{
    if (*part_ms > whole_ms) {
        *part_ms = whole_ms;
    }
}

/* TLS is on if an endpoint says so; check.c finds what contradicts it. */
static void follow_schemes(const config_setting_t *item, struct upstream_settings *upstream)
{
    for (size_t i = 0; i < upstream->endpoint_count && !is_given(item, "tls.enabled"); i++) {
        upstream->tls.enabled =
            upstream->tls.enabled || upstream->endpoints[i].scheme == SCHEME_HTTPS;
    }
}

void follow_settings(const config_setting_t *item, struct upstream_settings *upstream)
{
    struct timeout_settings *timeouts = &upstream->timeouts;
    follow_schemes(item, upstream);
    const bool per_try = is_given(item, "timeouts.per_try");
    const bool total = is_given(item, "timeouts.total");
    if (!is_given(item, "timeouts.first_byte")) {
        lower(&timeouts->first_byte_ms, per_try ? timeouts->per_try_ms : UINT64_MAX);
        lower(&timeouts->first_byte_ms, total ? timeouts->total_ms : UINT64_MAX);
    }
    if (!per_try) {
        raise(&timeouts->per_try_ms, timeouts->first_byte_ms, BESIDE_FIRST_BYTE_MS);
        lower(&timeouts->per_try_ms, total ? timeouts->total_ms : UINT64_MAX);
    }
    if (!total) {
        raise(&timeouts->total_ms, timeouts->per_try_ms, BESIDE_PER_TRY_MS);
    }
    if (!is_given(item, "timeouts.stream")) {
        raise(&timeouts->stream_ms, timeouts->total_ms, 0);
    }
    if (!is_given(item, "timeouts.connect")) {
        lower(&timeouts->connect_ms, timeouts->total_ms);
    }
    if (!is_given(item, "limits.queue_wait")) {
        lower(&upstream->limits.queue_wait_ms, timeouts->total_ms);
    }
}
