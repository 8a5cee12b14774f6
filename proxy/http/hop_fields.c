/* Reads and writes the fields that proxies send each other. */
#include "proxy/http/hop_fields.h"

#include <stdio.h>

/* Larger numbers are not realistic for a wait or a number of attempts. */
#define DIGITS_MAX 9
#define ATTEMPTS_MAX 255
/* Time for the answer on its way back; at most this part of the time that is left. */
#define WAY_BACK_MS 10
#define WAY_BACK_PART 10

/* Parses the digits at the start of a text; returns their number. 0: there are none, or too many. */
static uint32_t take_digits(const char *text, uint32_t bytes, uint64_t *ret_value)
{
    uint64_t value = 0;
    uint32_t count = 0;
    while (count < bytes && text[count] >= '0' && text[count] <= '9') {
        if (count == DIGITS_MAX) {
            return 0;
        }
        value = value * 10 + (uint64_t)(text[count++] - '0');
    }
    *ret_value = value;
    return count;
}

/* A bare number. */
static bool read_number(const char *text, uint32_t bytes, uint64_t *ret_value)
{
    return bytes > 0 && take_digits(text, bytes, ret_value) == bytes;
}

/* "250m": up to eight digits and a unit. Parts of a millisecond are rounded up, because 0 would already be over. */
static bool read_grpc(const char *text, uint32_t bytes, uint64_t *ret_ms)
{
    uint64_t value;
    uint32_t digits = take_digits(text, bytes, &value);
    if (digits == 0 || digits > 8 || bytes != digits + 1) {
        return false;
    }
    switch (text[digits]) {
    case 'H': *ret_ms = value * 3600000; return true;
    case 'M': *ret_ms = value * 60000; return true;
    case 'S': *ret_ms = value * 1000; return true;
    case 'm': *ret_ms = value; return true;
    case 'u': *ret_ms = (value + 999) / 1000; return true;
    case 'n': *ret_ms = (value + 999999) / 1000000; return true;
    default: return false;
    }
}

/* The smallest value of a field that may occur several times; UINT64_MAX: no valid value. */
static uint64_t smallest(const struct http_head *head, enum field_id id,
                         bool (*read)(const char *text, uint32_t bytes, uint64_t *ret_value))
{
    uint64_t least = UINT64_MAX;
    if (!head_has(head, id)) {
        return least;
    }
    for (size_t i = 0; i < head->field_count; i++) {
        const struct http_field *field = &head->fields[i];
        uint64_t value;
        if (field->id == id && read(head->base + field->value_at, field->value_bytes, &value) &&
            value < least) {
            least = value;
        }
    }
    return least;
}

uint64_t hop_grpc_wait_ms(const struct http_head *head)
{
    return smallest(head, FIELD_GRPC_TIMEOUT, read_grpc);
}

bool hop_grpc_valid(const struct http_head *head)
{
    if (!head_has(head, FIELD_GRPC_TIMEOUT)) {
        return true;
    }
    for (size_t i = 0; i < head->field_count; i++) {
        const struct http_field *field = &head->fields[i];
        uint64_t value;
        if (field->id == FIELD_GRPC_TIMEOUT &&
            !read_grpc(head->base + field->value_at, field->value_bytes, &value)) {
            return false;
        }
    }
    return true;
}

uint64_t hop_wait_ms(const struct http_head *head)
{
    uint64_t envoy_ms = smallest(head, FIELD_X_ENVOY_EXPECTED_RQ_TIMEOUT_MS, read_number);
    uint64_t grpc_ms = hop_grpc_wait_ms(head);
    return envoy_ms < grpc_ms ? envoy_ms : grpc_ms;
}

unsigned hop_attempts_count(const struct http_head *head)
{
    uint64_t count = smallest(head, FIELD_X_ENVOY_ATTEMPT_COUNT, read_number);
    if (count == UINT64_MAX || count == 0) {
        return 1;
    }
    return count < ATTEMPTS_MAX ? (unsigned)count : ATTEMPTS_MAX;
}

uint64_t hop_next_ms(uint64_t left_ms)
{
    uint64_t back_ms = left_ms / WAY_BACK_PART;
    return left_ms - (back_ms < WAY_BACK_MS ? back_ms : WAY_BACK_MS);
}

size_t hop_grpc_format(char text[HOP_GRPC_BYTES], uint64_t wait_ms)
{
    bool fits = wait_ms < 100000000;
    uint64_t seconds = wait_ms / 1000 < 99999999 ? wait_ms / 1000 : 99999999;
    return (size_t)snprintf(text, HOP_GRPC_BYTES, fits ? "%um" : "%uS",
                            (unsigned)(fits ? wait_ms : seconds));
}
