/* Shards with a lock each. Bytes are handled under the locks, OpenSSL's objects only outside. */
#include "tls/session_cache.h"

#include <openssl/ssl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "steady/address.h"
#include "steady/check.h"
#include "steady/fault.h"
#include "steady/hash.h"
#include "tls/session_cache_state.h"
#include "tls/session_der.h"

/* Names without sessions matter little: there are at most twice as many names as sessions, and at least a few in each
   shard. */
#define NAMES_PER_ENTRY 2
#define SHARD_NAMES_LEAST 16

/* ---- keys ---- */

bool session_key_init(struct session_key *key, const char *server_name, uint16_t port,
                      const char *alpn, const uint8_t trust[SESSION_TRUST_BYTES])
{
    size_t name_bytes = strlen(server_name), alpn_bytes = strlen(alpn);
    if (name_bytes > SESSION_NAME_MOST_BYTES || alpn_bytes > SESSION_ALPN_MOST_BYTES) {
        return false;
    }
    uint8_t *to = key->bytes;
    memcpy(to, trust, SESSION_TRUST_BYTES);
    to += SESSION_TRUST_BYTES;
    *to++ = (uint8_t)(port >> 8);
    *to++ = (uint8_t)port;
    *to++ = (uint8_t)alpn_bytes;
    memcpy(to, alpn, alpn_bytes);
    to += alpn_bytes;
    for (size_t i = 0; i < name_bytes; i++) {
        char c = server_name[i];
        *to++ = (uint8_t)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    }
    key->byte_count = (size_t)(to - key->bytes);
    return true;
}

static bool key_is_whole(const struct session_key *key)
{
    return key->byte_count >= KEY_ALPN && key->byte_count <= sizeof key->bytes &&
           key->bytes[KEY_ALPN_BYTES] <= SESSION_ALPN_MOST_BYTES &&
           key->byte_count >= KEY_ALPN + (size_t)key->bytes[KEY_ALPN_BYTES] &&
           key->byte_count - KEY_ALPN - key->bytes[KEY_ALPN_BYTES] <= SESSION_NAME_MOST_BYTES;
}

struct session_address session_address_of(const struct sockaddr *address)
{
    struct session_address plain = {0};
    if (!address_to_ipv6(address, plain.bytes)) {
        plain = (struct session_address){{0}};
    }
    return plain;
}

static struct shard *shard_of(struct session_cache *cache, const struct session_key *key)
{
    return &cache->shards[hash_bytes(cache->seed + 1, key->bytes, key->byte_count) % SHARDS];
}

/* ---- what happens under a shard's lock ---- */

static size_t held_bytes(const struct session *session)
{
    return sizeof *session + session->der_bytes;
}

static void free_session(struct session_cache *cache, struct session *session)
{
    bound_give(&cache->bytes, held_bytes(session));
    bound_give(&cache->entries, 1);
    OPENSSL_cleanse(session->der, session->der_bytes);
    free(session);
}

static void unlink_session(struct shard *shard, struct session_name *name, struct session *session)
{
    TAILQ_REMOVE(&shard->sessions, session, in_shard);
    session_name_remove(name, session);
}

static void remove_session(struct session_cache *cache, struct shard *shard,
                           struct session *session)
{
    unlink_session(shard, session->name, session);
    free_session(cache, session);
}

static void drop(struct session_cache *cache, struct shard *shard, struct session *session,
                 uint64_t *counter)
{
    ++*counter;
    remove_session(cache, shard, session);
}

static void forget_name(struct lru_entry *entry, void *owner)
{
    struct session_name *name = (struct session_name *)entry;
    struct session_cache *cache = owner;
    struct session_key key;
    key.byte_count = name->key_bytes;
    memcpy(key.bytes, name->key, name->key_bytes);
    struct shard *shard = shard_of(cache, &key);
    struct session *session;
    while ((session = TAILQ_FIRST(&name->sessions)) != NULL) {
        ++shard->evicted;
        unlink_session(shard, name, session);
        free_session(cache, session);
    }
    free(name);
}

static struct session_name *find_name(struct shard *shard, const struct session_key *key)
{
    return (struct session_name *)lru_find(shard->names, key->bytes, key->byte_count);
}

static struct session_name *obtain_name(struct shard *shard, const struct session_key *key)
{
    struct session_name *name = find_name(shard, key);
    if (name != NULL) {
        return name;
    }
    name = fault_hits(FAULT_ALLOC) ? NULL : calloc(1, sizeof *name + key->byte_count);
    if (name == NULL) {
        return NULL;
    }
    session_name_init(name);
    memcpy(name->key, key->bytes, key->byte_count);
    name->key_bytes = key->byte_count;
    lru_insert(shard->names, &name->entry, name->key, name->key_bytes);
    return name;
}

static void drop_expired(struct session_cache *cache, struct shard *shard,
                         struct session_name *name, uint64_t now_ms)
{
    struct session *session, *next;
    for (session = TAILQ_FIRST(&name->sessions); session != NULL; session = next) {
        next = TAILQ_NEXT(session, in_name);
        if (session->expires_ms <= now_ms) {
            drop(cache, shard, session, &shard->expired);
        }
    }
}

/* ---- creation and limits ---- */

static void take_limits(struct session_cache *cache, const struct session_limits *limits)
{
    uint64_t names_each = limits->entries_count * NAMES_PER_ENTRY / SHARDS;
    if (names_each < SHARD_NAMES_LEAST) {
        names_each = SHARD_NAMES_LEAST;
    }
    for (size_t i = 0; i < SHARDS; i++) {
        bound_set_limit(&cache->shards[i].name_bound, names_each);
    }
    bound_set_limit(&cache->names, names_each * SHARDS);
    bound_set_limit(&cache->entries, limits->entries_count);
    bound_set_limit(&cache->bytes, limits->bytes);
    __atomic_store_n(&cache->per_name_count, limits->per_name_count, __ATOMIC_RELAXED);
    __atomic_store_n(&cache->ttl_ms, limits->ttl_ms, __ATOMIC_RELAXED);
}

static bool init_shard(struct session_cache *cache, struct shard *shard)
{
    pthread_mutex_init(&shard->lock, NULL);
    TAILQ_INIT(&shard->sessions);
    bound_init(&shard->name_bound, "tls_session_names", NULL, 0);
    shard->names = lru_create(&shard->name_bound, cache->seed, forget_name, cache);
    return shard->names != NULL;
}

static void free_shards(struct session_cache *cache, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        lru_free(cache->shards[i].names);
        pthread_mutex_destroy(&cache->shards[i].lock);
    }
}

#define CACHE_BOUNDS(cache)                                 \
    {                                                       \
        &(cache)->entries, &(cache)->bytes, &(cache)->names \
    }

struct session_cache *session_cache_create(struct bound_registry *registry, uint64_t seed,
                                           const struct session_limits *limits)
{
    struct session_cache *cache =
        fault_hits(FAULT_ALLOC) ? NULL : aligned_alloc(CACHE_LINE_BYTES, sizeof *cache);
    if (cache == NULL) {
        return NULL;
    }
    memset(cache, 0, sizeof *cache);
    cache->registry = registry;
    cache->seed = seed;
    for (size_t i = 0; i < SHARDS; i++) {
        if (init_shard(cache, &cache->shards[i])) {
            continue;
        }
        free_shards(cache, i + 1);
        free(cache);
        return NULL;
    }
    bound_init(&cache->entries, "tls_sessions", NULL, 0);
    bound_init(&cache->bytes, "tls_session_bytes", NULL, 0);
    bound_init(&cache->names, "tls_session_names", NULL, 0);
    take_limits(cache, limits);
    struct bound *bounds[] = CACHE_BOUNDS(cache);
    for (size_t i = 0; i < sizeof bounds / sizeof bounds[0]; i++) {
        bound_register(registry, bounds[i]);
    }
    return cache;
}

void session_cache_free(struct session_cache **cache_pointer)
{
    struct session_cache *cache = *cache_pointer;
    if (cache == NULL) {
        return;
    }
    *cache_pointer = NULL;
    free_shards(cache, SHARDS);
    CHECK(bound_used(&cache->entries) == 0 && bound_used(&cache->bytes) == 0);
    struct bound *bounds[] = CACHE_BOUNDS(cache);
    for (size_t i = 0; i < sizeof bounds / sizeof bounds[0]; i++) {
        bound_remove(cache->registry, bounds[i]);
    }
    free(cache);
}

static bool over_limits(const struct session_cache *cache)
{
    return bound_used(&cache->entries) > bound_limit(&cache->entries) ||
           bound_used(&cache->bytes) > bound_limit(&cache->bytes);
}

void session_cache_set_limits(struct session_cache *cache, const struct session_limits *limits,
                              uint64_t now_ms)
{
    take_limits(cache, limits);
    session_cache_sweep(cache, now_ms);
    for (size_t i = 0; i < SHARDS; i++) {
        struct shard *shard = &cache->shards[i];
        pthread_mutex_lock(&shard->lock);
        while (over_limits(cache) && !TAILQ_EMPTY(&shard->sessions)) {
            drop(cache, shard, TAILQ_FIRST(&shard->sessions), &shard->evicted);
        }
        pthread_mutex_unlock(&shard->lock);
    }
}

/* ---- out of the cache ---- */

/* The bytes of the session to offer: the session itself if it may be used once, else a copy. */
static struct session *lend(struct shard *shard, struct session *session)
{
    if (session->single_use) {
        unlink_session(shard, session->name, session);
        return session;
    }
    TAILQ_REMOVE(&shard->sessions, session, in_shard);
    TAILQ_INSERT_TAIL(&shard->sessions, session, in_shard);
    size_t bytes = held_bytes(session);
    struct session *copy = fault_hits(FAULT_ALLOC) ? NULL : malloc(bytes);
    if (copy != NULL) {
        memcpy(copy, session, bytes);
    }
    return copy;
}

SSL_SESSION *session_cache_take(struct session_cache *cache, const struct session_key *key,
                                const struct session_address *address, uint64_t now_ms,
                                struct session_offer *ret_offer)
{
    struct shard *shard = shard_of(cache, key);
    struct session *lent = NULL;
    bool across = false;
    pthread_mutex_lock(&shard->lock);
    struct session_name *name = find_name(shard, key);
    if (name != NULL) {
        name->used_ms = now_ms;
        drop_expired(cache, shard, name, now_ms);
        struct session *session = session_name_choose(name, address, &across);
        if (session != NULL) {
            lent = lend(shard, session);
        }
    }
    pthread_mutex_unlock(&shard->lock);

    *ret_offer = (struct session_offer){0};
    if (lent == NULL) {
        return NULL;
    }
    SSL_SESSION *session = session_der_read(lent->der, lent->der_bytes);
    if (session != NULL) {
        *ret_offer = (struct session_offer){lent->id, lent->until_ms, across, lent->single_use};
    }
    if (lent->single_use) {
        free_session(cache, lent);
    } else {
        OPENSSL_cleanse(lent->der, lent->der_bytes);
        free(lent);
    }
    return session;
}

static void drop_by_id(struct session_cache *cache, struct shard *shard, struct session_name *name,
                       uint64_t id)
{
    struct session *session;
    TAILQ_FOREACH (session, &name->sessions, in_name) {
        if (session->id != id) {
            continue;
        }
        remove_session(cache, shard, session);
        return;
    }
}

void session_cache_judge(struct session_cache *cache, const struct session_key *key,
                         const struct session_offer *offer, enum session_verdict verdict)
{
    if (offer->id == 0) {
        return;
    }
    struct shard *shard = shard_of(cache, key);
    pthread_mutex_lock(&shard->lock);
    struct session_name *name = find_name(shard, key);
    if (verdict != SESSION_SPOILT) {
        shard->offered++;
        shard->accepted += verdict == SESSION_ACCEPTED;
        if (name != NULL) {
            session_name_judge(name, offer->across, verdict == SESSION_ACCEPTED);
        }
    }
    /* Another address may still accept a session that this one has declined. */
    bool spent = verdict == SESSION_SPOILT || (verdict == SESSION_DECLINED && !offer->across);
    if (name != NULL && !offer->single_use && spent) {
        drop_by_id(cache, shard, name, offer->id);
    }
    pthread_mutex_unlock(&shard->lock);
}

/* ---- into the cache ---- */

/* Makes room for a session by evicting the oldest, of its own shard first. No lock is held. */
static bool make_space(struct session_cache *cache, size_t home, size_t bytes)
{
    for (size_t i = 0; i < SHARDS; i++) {
        struct shard *shard = &cache->shards[(home + i) % SHARDS];
        pthread_mutex_lock(&shard->lock);
        /* Checked before taking: evicting is normal here, and not a refusal to be counted. */
        while ((bound_used(&cache->entries) >= bound_limit(&cache->entries) ||
                bound_used(&cache->bytes) + bytes > bound_limit(&cache->bytes)) &&
               !TAILQ_EMPTY(&shard->sessions)) {
            drop(cache, shard, TAILQ_FIRST(&shard->sessions), &shard->evicted);
        }
        pthread_mutex_unlock(&shard->lock);
        if (!bound_try(&cache->entries, 1)) {
            continue;
        }
        if (bound_try(&cache->bytes, bytes)) {
            return true;
        }
        bound_give(&cache->entries, 1);
    }
    bool lacks_bytes = bound_used(&cache->bytes) + bytes > bound_limit(&cache->bytes);
    bound_refuse(lacks_bytes ? &cache->bytes : &cache->entries, 1);
    return false;
}

/* Number of sessions that the name may keep: a ticket is good for one connection. */
static uint64_t room_of(const struct session_cache *cache, const struct session_name *name)
{
    uint64_t least = __atomic_load_n(&cache->per_name_count, __ATOMIC_RELAXED);
    uint64_t most =
        name->connections_count < SESSION_NAME_MOST ? name->connections_count : SESSION_NAME_MOST;
    return most > least ? most : least;
}

/* Takes the session over, for a name with this number of connections. */
static bool insert(struct session_cache *cache, const struct session_key *key,
                   struct session *session, uint64_t now_ms, uint64_t connections_count)
{
    struct shard *shard = shard_of(cache, key);
    size_t bytes = held_bytes(session);
    bool fits = bytes <= bound_limit(&cache->bytes) &&
                make_space(cache, (size_t)(shard - cache->shards), bytes);
    pthread_mutex_lock(&shard->lock);
    struct session_name *name = fits ? obtain_name(shard, key) : NULL;
    if (name != NULL) {
        name->used_ms = now_ms;
        session_name_add(name, session);
        TAILQ_INSERT_TAIL(&shard->sessions, session, in_shard);
        shard->stored++;
        if (name->connections_count < connections_count) {
            name->connections_count = connections_count;
        }
        struct session *surplus;
        while ((surplus = session_name_surplus(name, room_of(cache, name))) != NULL) {
            drop(cache, shard, surplus, &shard->evicted);
        }
    } else {
        shard->dropped++;
    }
    pthread_mutex_unlock(&shard->lock);
    if (name != NULL) {
        return true;
    }
    if (fits) {
        free_session(cache, session);
    } else {
        free(session);
    }
    return false;
}

/* RFC 8446 4.6.1: a ticket may not be kept longer than the server says, and one of 0 s not at all. Before TLS 1.3, 0
   means that the server says nothing. */
static uint64_t life_ms(const struct session_cache *cache, const SSL_SESSION *session)
{
    uint64_t life = __atomic_load_n(&cache->ttl_ms, __ATOMIC_RELAXED);
    uint64_t hint_ms = (uint64_t)SSL_SESSION_get_ticket_lifetime_hint(session) * 1000;
    bool says = hint_ms > 0 || SSL_SESSION_get_protocol_version(session) >= TLS1_3_VERSION;
    return says && hint_ms < life ? hint_ms : life;
}

struct lifetime {
    uint64_t expires_ms, until_ms;
};

static struct session *create_session(struct session_cache *cache,
                                      const SSL_SESSION *openssl_session,
                                      const struct session_address *address,
                                      struct lifetime lifetime, const uint8_t *der,
                                      size_t der_bytes)
{
    struct session *session = fault_hits(FAULT_ALLOC) ? NULL : malloc(sizeof *session + der_bytes);
    if (session == NULL) {
        return NULL;
    }
    *session = (struct session){
        .id = __atomic_add_fetch(&cache->next_id, 1, __ATOMIC_RELAXED),
        .expires_ms = lifetime.expires_ms,
        .until_ms = lifetime.until_ms,
        .address = *address,
        .single_use = SSL_SESSION_get_protocol_version(openssl_session) >= TLS1_3_VERSION,
        .der_bytes = der_bytes,
    };
    memcpy(session->der, der, der_bytes);
    return session;
}

static uint64_t earlier(uint64_t a_ms, uint64_t b_ms)
{
    return a_ms < b_ms ? a_ms : b_ms;
}

void session_cache_put(struct session_cache *cache, const struct session_key *key,
                       const struct session_address *address, const SSL_SESSION *openssl_session,
                       uint64_t now_ms, uint64_t until_ms, uint64_t connections_count)
{
    uint64_t expires_ms = earlier(now_ms + life_ms(cache, openssl_session), until_ms);
    uint8_t *der;
    size_t der_bytes;
    if (expires_ms <= now_ms || !SSL_SESSION_is_resumable(openssl_session) ||
        !session_der_write(openssl_session, &der, &der_bytes)) {
        return;
    }
    struct session *session = create_session(
        cache, openssl_session, address, (struct lifetime){expires_ms, until_ms}, der, der_bytes);
    session_der_free(der, der_bytes);
    if (session != NULL) {
        (void)insert(cache, key, session, now_ms, session->single_use ? connections_count : 0);
    }
}

/* ---- over time ---- */

void session_cache_sweep(struct session_cache *cache, uint64_t now_ms)
{
    uint64_t ttl_ms = __atomic_load_n(&cache->ttl_ms, __ATOMIC_RELAXED);
    for (size_t i = 0; i < SHARDS; i++) {
        struct shard *shard = &cache->shards[i];
        struct session *session, *next;
        pthread_mutex_lock(&shard->lock);
        for (session = TAILQ_FIRST(&shard->sessions); session != NULL; session = next) {
            next = TAILQ_NEXT(session, in_shard);
            if (session->expires_ms <= now_ms) {
                drop(cache, shard, session, &shard->expired);
            }
        }
        struct session_name *name;
        while ((name = (struct session_name *)lru_oldest(shard->names)) != NULL &&
               name->count == 0 && name->used_ms + ttl_ms < now_ms) {
            lru_remove(shard->names, &name->entry);
            free(name);
        }
        pthread_mutex_unlock(&shard->lock);
    }
}

/* ---- outside the process ---- */

void session_cache_save(struct session_cache *cache, uint64_t now_ms, session_record_fn *each,
                        void *owner)
{
    for (size_t i = 0; i < SHARDS; i++) {
        struct shard *shard = &cache->shards[i];
        const struct session *session;
        pthread_mutex_lock(&shard->lock);
        TAILQ_FOREACH (session, &shard->sessions, in_shard) {
            if (session->expires_ms <= now_ms) {
                continue;
            }
            struct session_record record = {
                .address = session->address,
                .left_ms = session->expires_ms - now_ms,
                .until_left_ms = session->until_ms - now_ms,
                .der = session->der,
                .der_bytes = session->der_bytes,
            };
            record.key.byte_count = session->name->key_bytes;
            memcpy(record.key.bytes, session->name->key, session->name->key_bytes);
            each(&record, owner);
        }
        pthread_mutex_unlock(&shard->lock);
    }
}

enum session_restore_result session_cache_restore(struct session_cache *cache,
                                                  const struct session_record *record,
                                                  uint64_t now_ms)
{
    SSL_SESSION *openssl_session =
        key_is_whole(&record->key) ? session_der_read(record->der, record->der_bytes) : NULL;
    if (openssl_session == NULL) {
        return SESSION_RESTORE_INVALID;
    }
    uint64_t until_ms = now_ms + record->until_left_ms;
    uint64_t expires_ms =
        earlier(now_ms + earlier(record->left_ms, life_ms(cache, openssl_session)), until_ms);
    struct session *session = NULL;
    if (expires_ms > now_ms) {
        session =
            create_session(cache, openssl_session, &record->address,
                           (struct lifetime){expires_ms, until_ms}, record->der, record->der_bytes);
    }
    SSL_SESSION_free(openssl_session);
    if (expires_ms <= now_ms) {
        return SESSION_RESTORE_EXPIRED;
    }
    if (session == NULL || !insert(cache, &record->key, session, now_ms, SESSION_NAME_MOST)) {
        return SESSION_RESTORE_NO_ROOM;
    }
    return SESSION_RESTORED;
}
