/* Converts sessions to bytes and back. */
#include "tls/session_memory.h"

#include <string.h>

static void save_record(const struct session_record *record, void *owner)
{
    struct pack *pack = owner;
    pack_bytes(pack, record->key.bytes, record->key.byte_count);
    pack_raw(pack, record->address.bytes, sizeof record->address.bytes);
    pack_u64(pack, record->left_ms);
    pack_u64(pack, record->until_left_ms);
    pack_bytes(pack, record->der, record->der_bytes);
}

void session_memory_save(struct session_cache *cache, uint64_t now_ms, struct pack *pack)
{
    session_cache_save(cache, now_ms, save_record, pack);
}

static uint64_t left(uint64_t left_ms, uint64_t age_ms)
{
    return left_ms > age_ms ? left_ms - age_ms : 0;
}

/* False: the bytes are not a session. */
static bool read_record(struct unpack *unpack, uint64_t age_ms, struct session_record *ret_record)
{
    struct session_record record = {.key = {.byte_count = 0}};
    const uint8_t *key = unpack_bytes(unpack, &record.key.byte_count);
    const uint8_t *address = unpack_raw(unpack, sizeof record.address.bytes);
    record.left_ms = left(unpack_u64(unpack), age_ms);
    record.until_left_ms = left(unpack_u64(unpack), age_ms);
    record.der = unpack_bytes(unpack, &record.der_bytes);
    if (unpack->failed || record.key.byte_count > sizeof record.key.bytes) {
        unpack->failed = true;
        return false;
    }
    memcpy(record.key.bytes, key, record.key.byte_count);
    memcpy(record.address.bytes, address, sizeof record.address.bytes);
    *ret_record = record;
    return true;
}

size_t session_memory_restore(struct session_cache *cache, struct unpack *unpack, uint64_t age_ms,
                              uint64_t now_ms)
{
    struct session_record record;
    size_t restored_count = 0;
    while (unpack_more(unpack) && read_record(unpack, age_ms, &record)) {
        restored_count += session_cache_restore(cache, &record, now_ms) == SESSION_RESTORED;
    }
    return restored_count;
}
