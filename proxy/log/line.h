/*
 * A line that is being written: numbers, times and texts, as far as there is room.
 *
 * Owns nothing: the bytes are the caller's. Thread: any. Errors: what does not fit is cut. Spec: RFC 8259 7.
 */
#ifndef EVENKEEL_PROXY_LOG_LINE_H
#define EVENKEEL_PROXY_LOG_LINE_H

#include <stddef.h>
#include <stdint.h>

struct line {
    char *at;
    char *end;
};

void line_put(struct line *line, const char *bytes, size_t length);
#define line_put_literal(line, text) line_put((line), (text), sizeof text - 1)
void line_put_uint(struct line *line, uint64_t value);
/* With zeros in front. */
void line_put_padded(struct line *line, uint64_t value, unsigned width);
/* Microseconds as milliseconds with three decimals. */
void line_put_ms(struct line *line, uint64_t us);
/* The text in the form of a JSON string, between quotes, of which it takes at most `room` bytes. A byte that is not UTF-8 becomes
   \u00XX, so the line is always valid JSON. */
void line_put_json(struct line *line, const char *bytes, size_t length, size_t room);

#endif
