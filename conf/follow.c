/* An upstream's timeouts and its TLS, a route's timeouts. */
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

/* Which of the timeouts that contain each other are set. */
struct given_timeouts {
    bool first_byte, per_try, total, stream;
};

static void follow_timeouts(struct timeout_settings *timeouts, const struct given_timeouts *given)
{
    if (!given->first_byte) {
        lower(&timeouts->first_byte_ms, given->per_try ? timeouts->per_try_ms : UINT64_MAX);
        lower(&timeouts->first_byte_ms, given->total ? timeouts->total_ms : UINT64_MAX);
    }
    if (!given->per_try) {
        raise(&timeouts->per_try_ms, timeouts->first_byte_ms, BESIDE_FIRST_BYTE_MS);
        lower(&timeouts->per_try_ms, given->total ? timeouts->total_ms : UINT64_MAX);
    }
    if (!given->total) {
        raise(&timeouts->total_ms, timeouts->per_try_ms, BESIDE_PER_TRY_MS);
    }
    if (!given->stream) {
        raise(&timeouts->stream_ms, timeouts->total_ms, 0);
    }
}

void follow_settings(const config_setting_t *item, struct upstream_settings *upstream)
{
    struct timeout_settings *timeouts = &upstream->timeouts;
    const struct given_timeouts given = {
        is_given(item, "timeouts.first_byte"), is_given(item, "timeouts.per_try"),
        is_given(item, "timeouts.total"), is_given(item, "timeouts.stream")};
    follow_schemes(item, upstream);
    follow_timeouts(timeouts, &given);
    if (!is_given(item, "timeouts.connect")) {
        lower(&timeouts->connect_ms, timeouts->total_ms);
    }
    if (!is_given(item, "limits.queue_wait")) {
        lower(&upstream->limits.queue_wait_ms, timeouts->total_ms);
    }
}

void follow_compress(const config_setting_t *item, const struct compress_settings *top,
                     struct compress_settings *own)
{
    const struct compress_settings given = *own;
    *own = *top;
    own->given = is_given(item, "compress");
    if (is_given(item, "compress.enabled")) {
        own->enabled = given.enabled;
    }
    if (is_given(item, "compress.codings")) {
        own->codings = given.codings;
        own->coding_count = given.coding_count;
    }
    if (is_given(item, "compress.types")) {
        own->types = given.types;
        own->type_count = given.type_count;
    }
    if (is_given(item, "compress.min")) {
        own->min_bytes = given.min_bytes;
    }
    if (is_given(item, "compress.level")) {
        own->level = given.level;
    }
    if (is_given(item, "compress.secrets")) {
        own->secrets = given.secrets;
    }
}

/* A value of a route in place of the upstream's. True: there is one. */
static bool replace(uint64_t *timeout_ms, uint64_t given_ms)
{
    *timeout_ms = given_ms != 0 ? given_ms : *timeout_ms;
    return given_ms != 0;
}

bool follow_route(struct arena *arena, const struct upstream_settings *upstream,
                  const struct route_settings *route, struct route_upstream *ret_upstream)
{
    const struct timeout_settings *own = &route->given_timeouts;
    struct timeout_settings timeouts = upstream->timeouts;
    const struct given_timeouts given = {replace(&timeouts.first_byte_ms, own->first_byte_ms),
                                         replace(&timeouts.per_try_ms, own->per_try_ms),
                                         replace(&timeouts.total_ms, route->deadline_ms),
                                         replace(&timeouts.stream_ms, own->stream_ms)};
    bool any = given.first_byte || given.per_try || given.stream;
    any = replace(&timeouts.idle_ms, own->idle_ms) || any;
    any = replace(&timeouts.grpc_idle_ms, own->grpc_idle_ms) || any;
    any = replace(&timeouts.tunnel_idle_ms, own->tunnel_idle_ms) || any;
    any = replace(&timeouts.tunnel_total_ms, own->tunnel_total_ms) || any;
    if (!any) {
        return true;
    }
    follow_timeouts(&timeouts, &given);
    struct timeout_settings *kept = arena_take(arena, sizeof *kept);
    if (kept != NULL) {
        *kept = timeouts;
        ret_upstream->timeouts = kept;
    }
    return kept != NULL;
}
