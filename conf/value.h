/*
 * Values as users write them: durations and sizes with their unit, counts, shares.
 *
 * Pure. Errors: false; the caller knows what it expected.
 */
#ifndef EVENKEEL_CONF_VALUE_H
#define EVENKEEL_CONF_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* "250ms", "1.5s", "15m", "24h", "7d", "1h30m": numbers with units, the largest unit first. */
__attribute__((warn_unused_result)) bool value_duration(const char *text, uint64_t *ret_ms);
/* "512B", "64KiB", "1.5MiB", "2GiB", or in short "64k", "20M", "4G": powers of 1024. */
__attribute__((warn_unused_result)) bool value_size(const char *text, uint64_t *ret_bytes);
__attribute__((warn_unused_result)) bool value_count(const char *text, uint64_t *ret_count);
__attribute__((warn_unused_result)) bool value_number(const char *text, double *ret_number);

/* The shortest text that value_duration() / value_size() read back to the same value. */
#define VALUE_TEXT_BYTES 32
void value_print_duration(uint64_t ms, char text[VALUE_TEXT_BYTES]);
void value_print_size(uint64_t bytes, char text[VALUE_TEXT_BYTES]);

/* Edit distance, for suggestions; texts longer than 64 bytes are far from everything. */
size_t value_distance(const char *a, const char *b);

/* The first control character but tab, which a field's value may not have (RFC 9110 5.5); NULL: none. */
const char *value_control_in(const char *text);
/* A token of RFC 9110 5.6.2. */
bool value_is_token(const char *text, size_t bytes);

#endif
