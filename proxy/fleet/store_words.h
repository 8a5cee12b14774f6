/*
 * Questions on their way: commands in the Redis protocol, as bytes that have not been sent yet.
 *
 * Owns: the bytes. Private to fleet/. Thread: control. Errors: false: no memory, or too many bytes; nothing was added.
 * Source: the Redis serialization protocol, version 2: a command is a list of strings.
 */
#ifndef EVENKEEL_PROXY_FLEET_STORE_WORDS_H
#define EVENKEEL_PROXY_FLEET_STORE_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

#include "proxy/fleet/store.h"

struct store_words {
    char *bytes;
    size_t from, length, space;
};

__attribute__((warn_unused_result)) bool store_words_add(struct store_words *unsent,
                                                         const struct store_word *words,
                                                         size_t count, size_t most_bytes);
size_t store_words_left(const struct store_words *unsent);
struct iovec store_words_next(const struct store_words *unsent);
void store_words_sent(struct store_words *unsent, size_t bytes);
/* Forgets all of them. */
void store_words_release(struct store_words *unsent);

#endif
