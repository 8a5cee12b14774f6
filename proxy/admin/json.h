/*
 * JSON into an evbuffer, with commas and escaping. Nesting is bounded.
 *
 * Owns nothing: the buffer is the caller's. Thread: any.
 */
#ifndef EVENKEEL_PROXY_ADMIN_JSON_H
#define EVENKEEL_PROXY_ADMIN_JSON_H

#include <event2/buffer.h>
#include <stdbool.h>
#include <stdint.h>

struct json {
    struct evbuffer *out;
    bool comma; /* the next value is not the first of its group */
};

/* Keys may be NULL: an element of an array. */
void json_open(struct json *json, const char *key, char bracket);     /* '{' or '[' */
void json_close(struct json *json, char bracket);                     /* '}' or ']' */
void json_text(struct json *json, const char *key, const char *text); /* NULL is null */
void json_uint(struct json *json, const char *key, uint64_t value);
void json_number(struct json *json, const char *key, double value);
void json_bool(struct json *json, const char *key, bool value);
/* CLOCK_REALTIME, in UTC; 0 is null. */
void json_time(struct json *json, const char *key, uint64_t wall_ms);

#endif
