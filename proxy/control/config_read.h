/*
 * Reads the configuration of a reload on a thread of a pool, since the disk of any of its files may hang: includes, users, tokens,
 * error pages.
 *
 * Owns: what was read, until it is taken. Thread: control, but for the reading itself. Time base: CLOCK_MONOTONIC, ms. Errors: NULL at the
 * beginning; else what settings_load() says, or a disk that hangs. What hangs keeps its thread and its memory until the disk answers.
 */
#ifndef EVENKEEL_PROXY_CONTROL_CONFIG_READ_H
#define EVENKEEL_PROXY_CONTROL_CONFIG_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/settings.h"

struct config_read;
struct mailbox;
struct task_pool;

struct config_read_env {
    struct task_pool *pool;
    struct mailbox *home;
    void (*done)(void *owner); /* it can be taken */
    void *owner;
};

/* NULL: no memory, or no thread. */
struct config_read *config_read_begin(const char *path, const struct config_read_env *env);
/* Whether a disk hangs, as far as that can be known: `why` says which file is not read. */
bool config_read_hangs(struct config_read *read, uint64_t now_ms, char *why, size_t why_bytes);
/* What was read, once it is done. Results and messages are those of settings_load(). */
__attribute__((warn_unused_result)) enum settings_result config_read_take(
    struct config_read **read, struct settings **ret_settings,
    struct settings_messages *ret_messages);
/* Nobody waits for it any more. NULL is fine. The pool must not have stopped. */
void config_read_leave(struct config_read **read);

#endif
