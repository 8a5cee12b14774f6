/*
 * Files of users and the hashes of their passwords, as htpasswd writes them: a line "name:hash" each.
 *
 * Only hashes that are slow to guess are taken: bcrypt, yescrypt, SHA-512-crypt.
 *
 * Owns nothing: users are in the arena of the settings. Thread: the one that loads. Errors: a text that says what to write.
 */
#ifndef EVENKEEL_CONF_USERS_H
#define EVENKEEL_CONF_USERS_H

#include <stdbool.h>
#include <stddef.h>

#include "conf/arena.h"
#include "conf/reading.h"
#include "conf/settings.h"

#define USERS_WHY_BYTES 384
/* No hash is longer: that is the longest text of crypt(3). */
#define USERS_HASH_BYTES 383

/* Reads the file into the settings, by name. False: `why` says why not, beginning with the file's name. */
__attribute__((warn_unused_result)) bool users_read(struct arena *arena,
                                                    const struct settings_reading *reading,
                                                    struct auth_basic_settings *basic,
                                                    char why[USERS_WHY_BYTES]);
/* The same of a text that is there, which is changed. */
__attribute__((warn_unused_result)) bool users_parse(struct arena *arena, char *text,
                                                     struct auth_basic_settings *basic,
                                                     char why[USERS_WHY_BYTES]);

#endif
