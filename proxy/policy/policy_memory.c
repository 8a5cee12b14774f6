/* Converts what is known of breakers to bytes and back. */
#include "proxy/policy/policy_memory.h"

#include <string.h>

#include "proxy/policy/policy.h"

#define TEXT_BYTES 512
/* In place of an endpoint's address: the upstream itself. */
#define WHOLE "*"

static void save_one(struct breaker *breaker, const struct upstream_view *view, const char *address,
                     uint64_t now_ms, struct pack *pack)
{
    const struct breaker_figures figures =
        breaker_figures(breaker, &view->settings->breaker, now_ms);
    bool outage = figures.state == BREAKER_OPEN || figures.state == BREAKER_HALF_OPEN;
    if (!outage || figures.outage_since_ms == 0) {
        return;
    }
    pack_text(pack, view->upstream->name);
    pack_text(pack, address);
    pack_u64(pack, now_ms > figures.outage_since_ms ? now_ms - figures.outage_since_ms : 0);
}

static struct breaker *endpoint_breaker(const struct endpoint *endpoint)
{
    const struct endpoint_policy *policy = endpoint_companion(endpoint);
    return policy->breaker;
}

void policy_memory_save(const struct upstream_set *set, uint64_t now_ms, struct pack *pack)
{
    for (size_t i = 0; i < set->count; i++) {
        const struct upstream_view *view = &set->views[i];
        save_one(policy_of(view->upstream)->breaker, view, WHOLE, now_ms, pack);
        for (size_t e = 0; e < view->endpoint_count; e++) {
            save_one(endpoint_breaker(view->endpoints[e]), view,
                     endpoint_address_text(view->endpoints[e]), now_ms, pack);
        }
    }
}

static struct breaker *find_in(const struct upstream_view *view, const char *address)
{
    if (strcmp(address, WHOLE) == 0) {
        return policy_of(view->upstream)->breaker;
    }
    for (size_t i = 0; i < view->endpoint_count; i++) {
        if (strcmp(endpoint_address_text(view->endpoints[i]), address) == 0) {
            return endpoint_breaker(view->endpoints[i]);
        }
    }
    return NULL;
}

static bool restore_one(const struct upstream_set *set, const char *name, const char *address,
                        uint64_t outage_ms, uint64_t now_ms)
{
    const struct upstream_view *view = upstream_set_find(set, name);
    struct breaker *breaker = view != NULL ? find_in(view, address) : NULL;
    return breaker != NULL && breaker_resume(breaker, &view->settings->breaker, outage_ms, now_ms);
}

size_t policy_memory_restore(const struct upstream_set *set, struct unpack *unpack, uint64_t age_ms,
                             uint64_t now_ms)
{
    size_t restored_count = 0;
    while (unpack_more(unpack)) {
        char name[TEXT_BYTES], address[ADDRESS_TEXT_BYTES];
        if (!unpack_text(unpack, name, sizeof name) ||
            !unpack_text(unpack, address, sizeof address)) {
            break;
        }
        uint64_t outage_ms = unpack_u64(unpack);
        if (!unpack->failed && outage_ms < UINT64_MAX / 2) {
            restored_count += restore_one(set, name, address, outage_ms + age_ms, now_ms);
        }
    }
    return restored_count;
}

/* ---- the operator's word ---- */

static enum breaker_force force_of(const struct upstream *upstream)
{
    enum breaker_state state = breaker_state(policy_of(upstream)->breaker);
    return state == BREAKER_FORCED_OPEN     ? BREAKER_FORCE_OPEN
           : state == BREAKER_FORCED_CLOSED ? BREAKER_FORCE_CLOSED
                                            : BREAKER_FORCE_NONE;
}

void policy_memory_save_forced(const struct upstream_set *set, struct pack *pack)
{
    for (size_t i = 0; i < set->count; i++) {
        enum breaker_force force = force_of(set->views[i].upstream);
        if (force != BREAKER_FORCE_NONE) {
            pack_text(pack, set->views[i].upstream->name);
            pack_u8(pack, (uint8_t)force);
        }
    }
}

/* The next upstream and what was said of it; false: there is none, or the rest is malformed. */
static bool next_forced(struct unpack *unpack, char name[TEXT_BYTES], enum breaker_force *ret_force)
{
    if (!unpack_more(unpack) || !unpack_text(unpack, name, TEXT_BYTES)) {
        return false;
    }
    uint8_t force = unpack_u8(unpack);
    *ret_force = force == BREAKER_FORCE_OPEN     ? BREAKER_FORCE_OPEN
                 : force == BREAKER_FORCE_CLOSED ? BREAKER_FORCE_CLOSED
                                                 : BREAKER_FORCE_NONE;
    return !unpack->failed;
}

static enum breaker_force said_of(struct unpack content, const char *upstream)
{
    char name[TEXT_BYTES];
    enum breaker_force force;
    while (next_forced(&content, name, &force)) {
        if (strcmp(name, upstream) == 0) {
            return force;
        }
    }
    return BREAKER_FORCE_NONE;
}

static void force(const struct upstream_view *view, enum breaker_force force, uint64_t now_ms)
{
    if (force != force_of(view->upstream)) {
        policy_force(view->upstream, view->settings, force, now_ms);
    }
}

size_t policy_memory_restore_forced(const struct upstream_set *set, struct unpack *unpack,
                                    uint64_t now_ms)
{
    size_t restored_count = 0;
    char name[TEXT_BYTES];
    enum breaker_force said;
    for (size_t i = 0; i < set->count; i++) {
        const struct upstream_view *view = &set->views[i];
        if (force_of(view->upstream) != BREAKER_FORCE_NONE) {
            force(view, said_of(*unpack, view->upstream->name), now_ms);
        }
    }
    while (next_forced(unpack, name, &said)) {
        const struct upstream_view *view = upstream_set_find(set, name);
        if (view != NULL) {
            force(view, said, now_ms);
            restored_count += said != BREAKER_FORCE_NONE;
        }
    }
    return restored_count;
}
