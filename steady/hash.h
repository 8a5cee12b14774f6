/*
 * Keyed hash of byte strings (SipHash-1-3): without the seed nobody can choose keys that collide.
 *
 * Owns nothing; pure. Thread: any.
 */
#ifndef EVENKEEL_STEADY_HASH_H
#define EVENKEEL_STEADY_HASH_H

#include <stddef.h>
#include <stdint.h>

/* The same for the same seed and bytes on every machine; `bytes` may be NULL when byte_count is 0. */
__attribute__((pure)) uint64_t hash_bytes(uint64_t seed, const void *bytes, size_t byte_count);

#endif
