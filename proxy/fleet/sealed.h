/*
 * Sealed values: what is kept in the store can be read and made only by whoever has the fleet's key, and stands for nothing else
 * than what it was sealed for.
 *
 * Owns nothing. Private to fleet/. Thread: control. Errors: false: no memory or randomness; or not ours: another key, another
 * name, changed bytes.
 */
#ifndef EVENKEEL_PROXY_FLEET_SEALED_H
#define EVENKEEL_PROXY_FLEET_SEALED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fleet;

/* Values are sealed beside "evenkeel VERSION NAME WHAT", so that one cannot be put in another's place. what: at most
   SEALED_WHAT_BYTES. *ret_bytes is the caller's to free. */
#define SEALED_WHAT_BYTES 512
__attribute__((warn_unused_result)) bool sealed_make(const struct fleet *fleet, const char *what,
                                                     const void *bytes, size_t length,
                                                     uint8_t **ret_bytes, size_t *ret_length);
__attribute__((warn_unused_result)) bool sealed_open(const struct fleet *fleet, const char *what,
                                                     const void *sealed, size_t sealed_length,
                                                     uint8_t **ret_bytes, size_t *ret_length);

#endif
