/*
 * An access record as a line: escaped and bounded.
 *
 * Owns nothing; pure. Thread: the worker's that writes it.
 */
#ifndef EVENKEEL_PROXY_LOG_ACCESS_LOG_H
#define EVENKEEL_PROXY_LOG_ACCESS_LOG_H

#include <stddef.h>

#include "proxy/log/log.h"

#define ACCESS_LINE_BYTES 8192
/* Longer texts are cut, each to a room of its own; escapes count. So a line always fits. */
#define ACCESS_TEXT_BYTES 1024

/* Returns the length, the newline included; never more than ACCESS_LINE_BYTES. */
size_t access_line_json(const struct access_record *record, uint64_t wall_ms,
                        char line[ACCESS_LINE_BYTES]);
size_t access_line_combined(const struct access_record *record, uint64_t wall_ms,
                            char line[ACCESS_LINE_BYTES]);

#endif
