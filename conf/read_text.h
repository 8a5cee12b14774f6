/*
 * A file of a configuration as one text.
 *
 * Owns nothing: the text is the caller's to free. Thread: the one that loads. Errors: NULL, and a text that says why. Private to
 * conf/.
 */
#ifndef EVENKEEL_CONF_READ_TEXT_H
#define EVENKEEL_CONF_READ_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "conf/reading.h"

/* Opens a regular file, and waits for no writer of a pipe. NULL: *ret_why says why not. */
FILE *read_open_regular(const char *path, const char **ret_why);

/* All that there is, with a NUL behind it. */
char *read_text(const char *path, bool only_regular, size_t most_bytes,
                const struct settings_reading *reading, size_t *ret_bytes, const char **ret_why);

#endif
