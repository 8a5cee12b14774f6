/*
 * Addresses of clients whose connections were ended for what they sent, for a moment: who is cut off and comes again at once should not get
 * as much of a worker's time as before.
 *
 * Owns: nothing beyond the struct, which is embedded and zeroed; an address that shares a slot with a later one is forgotten early. Thread:
 * its owner's. Time base: monotonic milliseconds.
 */
#ifndef EVENKEEL_PROXY_WORKER_BLAME_H
#define EVENKEEL_PROXY_WORKER_BLAME_H

#include <stdbool.h>
#include <stdint.h>

#define BLAME_SLOTS 512
#define BLAME_MS 10000

struct blame_slot {
    uint64_t key_hash;
    uint64_t until_ms;
};

struct blame {
    struct blame_slot slots[BLAME_SLOTS];
};

/* key_hash: of the address, keyed by a secret. */
static inline void blame_note(struct blame *blame, uint64_t key_hash, uint64_t now_ms)
{
    blame->slots[key_hash % BLAME_SLOTS] = (struct blame_slot){key_hash, now_ms + BLAME_MS};
}

static inline bool blame_is_on(const struct blame *blame, uint64_t key_hash, uint64_t now_ms)
{
    const struct blame_slot *slot = &blame->slots[key_hash % BLAME_SLOTS];
    return slot->key_hash == key_hash && now_ms < slot->until_ms;
}

#endif
