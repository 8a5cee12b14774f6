/*
 * The entries of the settings that are looked up: endpoints of upstreams, the collector of traces, the stores of a fleet.
 *
 * Owns nothing. Private to pool/. Thread: control. Errors: none.
 */
#ifndef EVENKEEL_POOL_RESOLVER_ENTRIES_H
#define EVENKEEL_POOL_RESOLVER_ENTRIES_H

#include <stdbool.h>
#include <stdint.h>

struct endpoint_settings;
struct resolver;

/* aside: it is no endpoint of an upstream. */
typedef void resolver_entry_fn(struct resolver *resolver, const struct endpoint_settings *entry,
                               uint64_t resolve_ms, bool aside);

/* Of the settings in use; those of upstreams first. */
void resolver_each_entry(struct resolver *resolver, resolver_entry_fn *each);

#endif
