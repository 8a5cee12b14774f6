/*
 * The environment in texts of a configuration: "${NAME}", "${NAME:-default}"; "$${" stands for "${".
 *
 * Owns nothing: texts are made in the arena. Thread: the one that loads, and nobody changes the environment meanwhile. Errors:
 * a text that says what is wrong. Private to conf/.
 */
#ifndef EVENKEEL_CONF_ENVIRONMENT_H
#define EVENKEEL_CONF_ENVIRONMENT_H

#include <stddef.h>

#include "conf/arena.h"

/* Of a text with its quotes: the same with the values in place, quoted as the library wants it, and no longer on more lines than before;
   NULL: *ret_error says why. */
const char *environment_expand(struct arena *arena, const char *quoted, size_t bytes,
                               const char **ret_error);

#endif
