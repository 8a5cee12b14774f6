/* Converts what is known of endpoints to bytes and back. */
#include "pool/endpoint_memory.h"

#include <string.h>
#include <time.h>

#include "pool/endpoint.h"
#include "pool/health_state.h"
#include "pool/pools.h"
#include "pool/queue.h"

#define TEXT_BYTES 512

static uint64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void save_endpoint(const struct endpoint *endpoint, uint64_t at_us, struct pack *pack)
{
    pack_text(pack, endpoint->names.text);
    pack_text(pack, endpoint->names.address_text);
    pack_u32(pack, (uint32_t)latency_now_us(&endpoint->latency, at_us));
    /* a connection that was not needed for pool.idle is closed, so the open ones are those that were needed recently */
    pack_u32(pack, (uint32_t)bound_used(&endpoint->connections));
}

void pools_save_endpoints(struct pools *pools, struct pack *pack)
{
    const struct upstream_private *own;
    const struct endpoint *endpoint;
    uint64_t at_us = now_us();
    TAILQ_FOREACH (own, &pools->known, link) {
        pack_text(pack, own->upstream.name);
        size_t at = pack_begin(pack);
        TAILQ_FOREACH (endpoint, &own->endpoints, link) {
            if (!endpoint_retired(endpoint)) {
                save_endpoint(endpoint, at_us, pack);
            }
        }
        pack_end(pack, at);
    }
}

/* The search continues behind the last endpoint found, because the order rarely changes. */
static struct endpoint *find_endpoint(const struct upstream_private *own, struct endpoint *last,
                                      const char *text, const char *address)
{
    struct endpoint *first = TAILQ_FIRST(&own->endpoints);
    struct endpoint *begin =
        last != NULL && TAILQ_NEXT(last, link) != NULL ? TAILQ_NEXT(last, link) : first;
    struct endpoint *endpoint = begin;
    while (endpoint != NULL) {
        if (strcmp(endpoint->names.text, text) == 0 &&
            strcmp(endpoint->names.address_text, address) == 0) {
            return endpoint;
        }
        endpoint = TAILQ_NEXT(endpoint, link) != NULL ? TAILQ_NEXT(endpoint, link) : first;
        if (endpoint == begin) {
            break;
        }
    }
    return NULL;
}

static size_t restore_upstream(struct upstream_private *own, struct unpack *unpack)
{
    struct endpoint *last = NULL;
    size_t restored_count = 0;
    while (unpack_more(unpack)) {
        char text[TEXT_BYTES], address[ADDRESS_TEXT_BYTES];
        if (!unpack_text(unpack, text, sizeof text) ||
            !unpack_text(unpack, address, sizeof address)) {
            break;
        }
        uint32_t latency_us = unpack_u32(unpack);
        uint32_t needed_count = unpack_u32(unpack);
        struct endpoint *endpoint = unpack->failed ? NULL : find_endpoint(own, last, text, address);
        if (endpoint == NULL) {
            continue;
        }
        endpoint->latency = (struct latency){
            .at_us = now_us(), .mean_us = latency_us, .deviation_us = latency_us / 2};
        __atomic_store_n(&endpoint->upkeep.needed_count, needed_count, __ATOMIC_RELAXED);
        last = endpoint;
        restored_count++;
    }
    return restored_count;
}

void pools_forget_needs(struct pools *pools)
{
    const struct upstream_private *own;
    struct endpoint *endpoint;
    TAILQ_FOREACH (own, &pools->known, link) {
        TAILQ_FOREACH (endpoint, &own->endpoints, link) {
            __atomic_store_n(&endpoint->upkeep.needed_count, 0, __ATOMIC_RELAXED);
        }
    }
}

size_t pools_restore_endpoints(struct pools *pools, struct unpack *unpack)
{
    size_t restored_count = 0;
    while (unpack_more(unpack)) {
        char name[TEXT_BYTES];
        struct unpack endpoints;
        size_t length;
        if (!unpack_text(unpack, name, sizeof name)) {
            break;
        }
        const uint8_t *bytes = unpack_bytes(unpack, &length);
        struct upstream_private *own =
            bytes != NULL ? text_index_find(&pools->known_by_name, name) : NULL;
        if (own == NULL) {
            continue;
        }
        unpack_init(&endpoints, bytes, length);
        restored_count += restore_upstream(own, &endpoints);
    }
    return restored_count;
}

/* ---- the operator's word ---- */

void pools_save_drained(struct pools *pools, struct pack *pack)
{
    const struct upstream_private *own;
    const struct endpoint *endpoint;
    TAILQ_FOREACH (own, &pools->known, link) {
        TAILQ_FOREACH (endpoint, &own->endpoints, link) {
            if (!endpoint_retired(endpoint) && endpoint->health->drained) {
                pack_text(pack, own->upstream.name);
                pack_text(pack, endpoint->names.text);
                pack_text(pack, endpoint->names.address_text);
            }
        }
    }
}

static void mark_drained(struct pools *pools, struct unpack *unpack)
{
    while (unpack_more(unpack)) {
        char name[TEXT_BYTES], text[TEXT_BYTES], address[ADDRESS_TEXT_BYTES];
        if (!unpack_text(unpack, name, sizeof name) || !unpack_text(unpack, text, sizeof text) ||
            !unpack_text(unpack, address, sizeof address)) {
            break;
        }
        const struct upstream_private *own = text_index_find(&pools->known_by_name, name);
        struct endpoint *endpoint = own != NULL ? find_endpoint(own, NULL, text, address) : NULL;
        if (endpoint != NULL) {
            endpoint->health->to_drain = true;
        }
    }
}

size_t pools_restore_drained(struct pools *pools, struct unpack *unpack)
{
    const struct upstream_private *own;
    struct endpoint *endpoint;
    size_t restored_count = 0;
    mark_drained(pools, unpack);
    TAILQ_FOREACH (own, &pools->known, link) {
        TAILQ_FOREACH (endpoint, &own->endpoints, link) {
            bool drains = endpoint->health->to_drain;
            endpoint->health->to_drain = false;
            restored_count += health_drain(endpoint, drains) && drains;
        }
    }
    return restored_count;
}
