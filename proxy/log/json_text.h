/*
 * Texts in JSON strings (RFC 8259 7).
 *
 * Owns nothing; pure. Thread: any. Errors: none.
 */
#ifndef EVENKEEL_PROXY_LOG_JSON_TEXT_H
#define EVENKEEL_PROXY_LOG_JSON_TEXT_H

#include <stddef.h>

/* How many bytes at the front can stand in a JSON string as they are: printable ASCII and whole UTF-8 sequences. What stops it is
   to be escaped as \u00XX, byte by byte, or behind a backslash. */
size_t json_plain_bytes(const char *text, size_t length);

#endif
