/*
 * Text of the metrics page: values of labels and of samples. Every label value goes through metric_escape(), and nothing else
 * does.
 *
 * Owns nothing; pure. Thread: any. Spec: Prometheus text format 0.0.4, "Text format details".
 */
#ifndef EVENKEEL_PROXY_ADMIN_METRIC_TEXT_H
#define EVENKEEL_PROXY_ADMIN_METRIC_TEXT_H

#include <stddef.h>

/* Of an escaped label value at most. */
#define METRIC_VALUE_BYTES 1024
/* Of a number. */
#define METRIC_NUMBER_BYTES 32

/* Escapes backslash, quotation mark and line feed; a byte that is no UTF-8 becomes U+FFFD. What does not fit is cut between
   characters. Returns the bytes written, without a terminator. */
size_t metric_escape(char out[METRIC_VALUE_BYTES], const char *value);
/* Counts are whole to the last digit. Returns the bytes written, without a terminator. */
size_t metric_number(char out[METRIC_NUMBER_BYTES], double value);

#endif
