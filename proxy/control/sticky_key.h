/*
 * The key of sticky cookies: from a file, from the process before this one, or new.
 *
 * Owns nothing: pool/ keeps the key. Thread: control. Errors: false, and a line in the log.
 */
#ifndef EVENKEEL_PROXY_CONTROL_STICKY_KEY_H
#define EVENKEEL_PROXY_CONTROL_STICKY_KEY_H

#include <stdbool.h>
#include <stddef.h>

struct control;
struct pack;
struct unpack;

/* Before the first set of upstreams is built. */
__attribute__((warn_unused_result)) bool sticky_key_begin(struct control *control);

/* For the next process; nothing if the key is of a file. */
void sticky_key_save(struct control *control, struct pack *pack);
/* Before the first set of upstreams is built. Returns how many keys were restored. */
size_t sticky_key_restore(struct control *control, struct unpack *unpack);

#endif
