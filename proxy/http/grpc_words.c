/* Reads and writes the fields of gRPC. */
#include "proxy/http/grpc_words.h"

#include <string.h>
#include <strings.h>

#define PUSHBACK_DIGITS 9

ENUM_NAME_FUNCTION(grpc_status_name, enum grpc_status, GRPC_STATUSES)

static const struct http_field *find(const struct http_head *head, const char *name)
{
    return head_find_name(head, name, strlen(name));
}

/* A bare number of at most PUSHBACK_DIGITS digits. */
static bool read_number(const struct http_head *head, const struct http_field *field,
                        uint64_t *ret_value)
{
    const char *text = head->base + field->value_at;
    uint64_t value = 0;
    if (field->value_bytes == 0 || field->value_bytes > PUSHBACK_DIGITS) {
        return false;
    }
    for (uint32_t i = 0; i < field->value_bytes; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return false;
        }
        value = value * 10 + (uint64_t)(text[i] - '0');
    }
    *ret_value = value;
    return true;
}

bool grpc_is_call(const struct http_head *head)
{
    static const char type[] = "application/grpc";
    const size_t bytes = sizeof type - 1;
    const struct http_field *field =
        head_has(head, FIELD_CONTENT_TYPE) ? head_find(head, FIELD_CONTENT_TYPE) : NULL;
    if (field == NULL || field->value_bytes < bytes) {
        return false;
    }
    const char *value = head->base + field->value_at;
    return strncasecmp(value, type, bytes) == 0 &&
           (field->value_bytes == bytes || strchr("+; \t", value[bytes]) != NULL);
}

bool grpc_status_find(const struct http_head *head, enum grpc_status *ret_status)
{
    const struct http_field *field = find(head, "grpc-status");
    uint64_t value;
    if (field == NULL) {
        return false;
    }
    *ret_status = read_number(head, field, &value) && value < GRPC_STATUS_COUNT
                      ? (enum grpc_status)value
                      : GRPC_UNKNOWN;
    return true;
}

enum grpc_status grpc_status_of_http(unsigned status)
{
    switch (status) {
    case 400: return GRPC_INTERNAL;
    case 401: return GRPC_UNAUTHENTICATED;
    case 403: return GRPC_PERMISSION_DENIED;
    case 404: return GRPC_UNIMPLEMENTED;
    case 429:
    case 502:
    case 503:
    case 504: return GRPC_UNAVAILABLE;
    default: return GRPC_UNKNOWN;
    }
}

enum grpc_pushback grpc_pushback_find(const struct http_head *head, uint64_t *ret_wait_ms)
{
    const struct http_field *field = find(head, "grpc-retry-pushback-ms");
    if (field == NULL) {
        return GRPC_PUSHBACK_NONE;
    }
    return read_number(head, field, ret_wait_ms) ? GRPC_PUSHBACK_WAIT : GRPC_PUSHBACK_STOP;
}

static const char previous_attempts[] = "grpc-previous-rpc-attempts";

bool grpc_names_previous_attempts(const struct http_head *head, const struct http_field *field)
{
    return field->name_bytes == sizeof previous_attempts - 1 &&
           strncasecmp(head->base + field->name_at, previous_attempts, field->name_bytes) == 0;
}

uint64_t grpc_previous_attempts(const struct http_head *head)
{
    const struct http_field *field = find(head, previous_attempts);
    uint64_t count;
    return field != NULL && read_number(head, field, &count) ? count : 0;
}

/* "%" and what is not printable ASCII. */
void grpc_message_encode(char *space, size_t space_bytes, const char *text)
{
    static const char hex[] = "0123456789ABCDEF";
    char *at = space;
    const char *end = space + space_bytes - 1;
    for (; *text != '\0'; text++) {
        unsigned char byte = (unsigned char)*text;
        bool plain = byte >= 0x20 && byte <= 0x7e && byte != '%';
        if (end - at < (plain ? 1 : 3)) {
            break;
        }
        if (plain) {
            *at++ = (char)byte;
        } else {
            *at++ = '%';
            *at++ = hex[byte >> 4];
            *at++ = hex[byte & 15];
        }
    }
    *at = '\0';
}
