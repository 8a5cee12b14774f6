/*
 * Paths of the admin listener against the patterns of its table.
 *
 * Owns nothing; pure. Thread: any. Errors: none.
 */
#ifndef EVENKEEL_PROXY_ADMIN_ADMIN_PATH_H
#define EVENKEEL_PROXY_ADMIN_ADMIN_PATH_H

#include <stdbool.h>
#include <stddef.h>

#include "proxy/admin/admin_acts.h"

/* Decodes the escapes of a segment. False: it is too long, or contains bytes that no name has. */
bool admin_path_name(const char *segment, size_t bytes, char name[ADMIN_NAME_BYTES]);
/* An asterisk of the pattern matches one segment, whose name is taken. */
bool admin_path_matches(const char *pattern, const char *path, struct admin_names *names);

#endif
