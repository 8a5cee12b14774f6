/*
 * The operator's words in a fleet: what is said at one replica holds at all, with who said it, where, since when and until when, and
 * outlives every process.
 *
 * Owns: the words that are known, and those that wait for the store (in struct fleet). Private to fleet/, but for fleet.h. Thread:
 * control. Time base: the store's clock. Bounds: WORDS_MOST; WORDS_WAITING_MOST said while the store is away.
 *
 * Each word is a sealed value of a hash in the store, by a keyed hash of what it is about, so that the last one about a thing counts: the
 * one that was said last, whenever it arrives. A counter beside it tells that one has come. What was taken back is kept for WORDS_KEPT_MS, so that every replica learns of it.
 */
#ifndef EVENKEEL_PROXY_FLEET_WORDS_H
#define EVENKEEL_PROXY_FLEET_WORDS_H

#include "proxy/fleet/fleet.h"

#define WORDS_MOST 1024
#define WORDS_WAITING_MOST 64
#define WORDS_KEPT_MS ((uint64_t)24 * 3600 * 1000)

struct words {
    struct fleet_word *known; /* up to WORDS_MOST */
    size_t known_count;
    struct operator_word *waiting; /* for the store */
    size_t waiting_count;
    long long version; /* of what is known; -1: nothing */
    uint64_t asked_ms;
    bool asked, telling; /* an answer has not come: to a question, to what is said */
    bool again;          /* a new generation may have what words are about */
};

void words_housekeeping(struct fleet *fleet, uint64_t now_ms);
void words_forget(struct fleet *fleet);

#endif
