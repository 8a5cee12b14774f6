/*
 * A file in the place of another, whole or not at all.
 *
 * Owns nothing. Thread: any that may wait for a disk. Errors: false, and errno.
 */
#ifndef EVENKEEL_STEADY_FILE_REPLACE_H
#define EVENKEEL_STEADY_FILE_REPLACE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Writes the bytes to a new file at `next`, and renames it to `path`. `durable`: they are on disk before that; the name is when the
   folder is. False: what was at `path` still is, and nothing is left at `next`. */
__attribute__((warn_unused_result)) bool file_replace(const char *path, const char *next,
                                                      mode_t mode, const void *bytes, size_t length,
                                                      bool durable);

#endif
