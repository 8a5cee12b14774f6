/*
 * Text of the metrics page: values of labels and of samples. Every label value is escaped by metric_escape(), and
 * nothing else is.
 *
 * Owns nothing; pure. Thread: any. Spec: Prometheus text format 0.0.4, "Text format details".
 */
#ifndef EVENKEEL_PROXY_ADMIN_METRIC_TEXT_H
#define EVENKEEL_PROXY_ADMIN_METRIC_TEXT_H

#include <stddef.h>

/* Longest escaped label value. */
#define METRIC_VALUE_BYTES 1024
/* Longest number. */
#define METRIC_NUMBER_BYTES 32

/* Escapes backslash, quotation mark and line feed. A byte that is not UTF-8 becomes U+FFFD. A text that is too long is
   cut between characters. Returns the bytes written, without a terminator. */
size_t metric_escape(char out[METRIC_VALUE_BYTES], const char *value);
/* Counts are exact to the last digit. Returns the bytes written, without a terminator. */
size_t metric_number(char out[METRIC_NUMBER_BYTES], double value);

#endif
