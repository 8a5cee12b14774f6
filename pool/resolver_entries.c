/* Going through the settings. */
#include "pool/resolver_entries.h"

#include "pool/resolver_state.h"

/* Longest time of a lookup of a fleet's stores. */
#define STORES_RESOLVE_MS 5000

static void each_of(struct resolver *resolver, resolver_entry_fn *each,
                    const struct endpoint_settings *entries, size_t count, uint64_t resolve_ms,
                    bool aside)
{
    for (size_t i = 0; i < count; i++) {
        if (!entries[i].literal) {
            each(resolver, &entries[i], resolve_ms, aside);
        }
    }
}

void resolver_each_entry(struct resolver *resolver, resolver_entry_fn *each)
{
    const struct settings *settings = resolver->settings;
    const struct fleet_settings *fleet = &settings->fleet;
    for (size_t u = 0; u < settings->upstream_count; u++) {
        const struct upstream_settings *upstream = &settings->upstreams[u];
        each_of(resolver, each, upstream->endpoints, upstream->endpoint_count,
                upstream->timeouts.resolve_ms, false);
    }
    each_of(resolver, each, &settings->tracing.collector, settings->tracing.on,
            settings->tracing.timeout_ms, true);
    each_of(resolver, each, fleet->stores, fleet->store_count, STORES_RESOLVE_MS, true);
    each_of(resolver, each, fleet->sentinels, fleet->sentinel_count, STORES_RESOLVE_MS, true);
}
