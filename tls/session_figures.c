/* What a session cache counts, in all and by name. */
#include <string.h>

#include "tls/session_cache_state.h"

void session_cache_figures(struct session_cache *cache, struct session_figures *ret_figures)
{
    struct session_figures figures = {
        .entries = bound_used(&cache->entries),
        .bytes = bound_used(&cache->bytes),
    };
    for (size_t i = 0; i < SHARDS; i++) {
        struct shard *shard = &cache->shards[i];
        pthread_mutex_lock(&shard->lock);
        figures.names += lru_count(shard->names);
        figures.stored += shard->stored;
        figures.offered += shard->offered;
        figures.accepted += shard->accepted;
        figures.evicted += shard->evicted;
        figures.expired += shard->expired;
        figures.dropped += shard->dropped;
        pthread_mutex_unlock(&shard->lock);
    }
    *ret_figures = figures;
}

void session_cache_publish(struct session_cache *cache)
{
    uint64_t names_count = 0;
    for (size_t i = 0; i < SHARDS; i++) {
        names_count += bound_used(&cache->shards[i].name_bound);
    }
    bound_set_used(&cache->names, names_count);
}

static void report_name(const struct session_name *name, session_name_fn *each, void *owner)
{
    const uint8_t *key = name->key;
    size_t alpn_bytes = key[KEY_ALPN_BYTES];
    size_t text_bytes = name->key_bytes - KEY_ALPN - alpn_bytes;
    char text[SESSION_NAME_MOST_BYTES + 1];
    memcpy(text, key + KEY_ALPN + alpn_bytes, text_bytes);
    text[text_bytes] = '\0';
    const struct session_name_figures figures = {
        .name = text,
        .port = (uint16_t)(key[KEY_PORT] << 8 | key[KEY_PORT + 1]),
        .trust = key,
        .entries = name->count,
        .offered = name->offered,
        .accepted = name->accepted,
        .apart = name->apart,
    };
    each(&figures, owner);
}

void session_cache_each_name(struct session_cache *cache, session_name_fn *each, void *owner)
{
    for (size_t i = 0; i < SHARDS; i++) {
        struct shard *shard = &cache->shards[i];
        pthread_mutex_lock(&shard->lock);
        for (const struct lru_entry *entry = lru_oldest(shard->names); entry != NULL;
             entry = TAILQ_NEXT(entry, order)) {
            report_name((const struct session_name *)entry, each, owner);
        }
        pthread_mutex_unlock(&shard->lock);
    }
}
