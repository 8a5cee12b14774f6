/*
 * Who may use the admin listener: whether its address can be reached from other machines, and the tokens of
 * admin.token_file, one a line.
 *
 * Owns nothing: tokens are in the arena of the settings. Thread: the one that loads; admin_is_local(): any. Errors: a
 * text that says what to write. Spec: RFC 6750 2.1 (the characters of a token).
 */
#ifndef EVENKEEL_CONF_ADMIN_ACCESS_H
#define EVENKEEL_CONF_ADMIN_ACCESS_H

#include <stdbool.h>

#include "conf/admin_settings.h"
#include "conf/arena.h"
#include "conf/reading.h"

#define ADMIN_ACCESS_WHY_BYTES 512

/* A UNIX socket, or a loopback address. */
bool admin_is_local(const struct address *address);
/* Whether everyone who reaches this address is asked for a token, or need not be. */
bool admin_is_guarded(const struct address *address, const struct admin_settings *settings);

/* Reads the file into the settings. False: `why` says why not, beginning with the file's name. */
__attribute__((warn_unused_result)) bool admin_tokens_read(struct arena *arena,
                                                           const struct settings_reading *reading,
                                                           struct admin_settings *settings,
                                                           char why[ADMIN_ACCESS_WHY_BYTES]);
/* The same of a text that is there, which is changed. */
__attribute__((warn_unused_result)) bool admin_tokens_parse(struct arena *arena, char *text,
                                                            struct admin_settings *settings,
                                                            char why[ADMIN_ACCESS_WHY_BYTES]);

#endif
