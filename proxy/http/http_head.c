/* Lookups in a head, copying a head, and what RFC 9110 says about methods and status codes. */

#include "proxy/http/http_head.h"

#include <string.h>

const struct http_field *head_find(const struct http_head *head, enum field_id id)
{
    if (id != FIELD_OTHER && !head_has(head, id)) {
        return NULL;
    }
    for (unsigned i = 0; i < head->field_count; i++) {
        if (head->fields[i].id == id) {
            return &head->fields[i];
        }
    }
    return NULL;
}

const struct http_field *head_find_name(const struct http_head *head, const char *name,
                                        size_t name_bytes)
{
    enum field_id id = field_id_of(name, name_bytes);
    if (id != FIELD_OTHER) {
        return head_find(head, id);
    }
    for (unsigned i = 0; i < head->field_count; i++) {
        const struct http_field *field = &head->fields[i];
        if (field->name_bytes == name_bytes &&
            field_name_equal(head->base + field->name_at, name, name_bytes)) {
            return field;
        }
    }
    return NULL;
}

const struct http_field *head_find_next(const struct http_head *head,
                                        const struct http_field *field)
{
    const char *name = head->base + field->name_at;
    for (const struct http_field *other = field + 1; other < head->fields + head->field_count;
         other++) {
        if (other->name_bytes == field->name_bytes &&
            field_name_equal(head->base + other->name_at, name, field->name_bytes)) {
            return other;
        }
    }
    return NULL;
}

static const struct {
    const char *name;
    uint8_t name_bytes;
    uint8_t method;
} methods[] = {
    {"GET", 3, METHOD_GET},     {"HEAD", 4, METHOD_HEAD},     {"POST", 4, METHOD_POST},
    {"PUT", 3, METHOD_PUT},     {"DELETE", 6, METHOD_DELETE}, {"OPTIONS", 7, METHOD_OPTIONS},
    {"PATCH", 5, METHOD_PATCH}, {"TRACE", 5, METHOD_TRACE},   {"CONNECT", 7, METHOD_CONNECT},
};

enum http_method http_method_of(const char *name, size_t name_bytes)
{
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        if (methods[i].name_bytes == name_bytes && memcmp(methods[i].name, name, name_bytes) == 0) {
            return (enum http_method)methods[i].method;
        }
    }
    return METHOD_OTHER;
}

bool http_method_idempotent(enum http_method method)
{
    switch (method) {
    case METHOD_GET:
    case METHOD_HEAD:
    case METHOD_PUT:
    case METHOD_DELETE:
    case METHOD_OPTIONS:
    case METHOD_TRACE: return true;
    case METHOD_OTHER:
    case METHOD_POST:
    case METHOD_PATCH:
    case METHOD_CONNECT: return false;
    }
    return false;
}

/* RFC 9110 15 and the IANA registry of status codes. */
static const struct {
    uint16_t status;
    const char *phrase;
} reason_phrases[] = {
    {100, "Continue"},
    {101, "Switching Protocols"},
    {102, "Processing"},
    {103, "Early Hints"},
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {203, "Non-Authoritative Information"},
    {204, "No Content"},
    {205, "Reset Content"},
    {206, "Partial Content"},
    {207, "Multi-Status"},
    {208, "Already Reported"},
    {226, "IM Used"},
    {300, "Multiple Choices"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {305, "Use Proxy"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {402, "Payment Required"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {407, "Proxy Authentication Required"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {416, "Range Not Satisfiable"},
    {417, "Expectation Failed"},
    {421, "Misdirected Request"},
    {422, "Unprocessable Content"},
    {423, "Locked"},
    {424, "Failed Dependency"},
    {425, "Too Early"},
    {426, "Upgrade Required"},
    {428, "Precondition Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {451, "Unavailable For Legal Reasons"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
    {506, "Variant Also Negotiates"},
    {507, "Insufficient Storage"},
    {508, "Loop Detected"},
    {510, "Not Extended"},
    {511, "Network Authentication Required"},
};

const char *http_reason_phrase(unsigned status)
{
    for (size_t i = 0; i < sizeof reason_phrases / sizeof *reason_phrases; i++) {
        if (reason_phrases[i].status == status) {
            return reason_phrases[i].phrase;
        }
    }
    return "";
}

size_t head_copy_bytes(const struct http_head *head)
{
    return head->field_count * sizeof *head->fields + head->head_bytes;
}

/* Adds a missing "/": the host moves over the slash before it, which makes room for one behind it. `bytes` are the
   head's. */
static __attribute__((noinline)) void fill_path(struct http_head *head, char *bytes)
{
    char *host = bytes + head->host.at;
    memmove(host - 1, host, head->host.bytes);
    host[head->host.bytes - 1] = '/';
    head->host.at--;
    head->target.at--;
    head->target.bytes++;
    head->facts &= (uint16_t)~FACT_EMPTY_PATH;
}

void head_copy(const struct http_head *head, struct http_head *ret_head, void *space)
{
    size_t fields_bytes = head->field_count * sizeof *head->fields;
    struct http_field *fields = space;
    char *bytes = (char *)space + fields_bytes;
    if (fields_bytes) {
        memcpy(fields, head->fields, fields_bytes);
    }
    memcpy(bytes, head->base, head->head_bytes);
    *ret_head = *head;
    ret_head->base = bytes;
    ret_head->fields = fields;
    ret_head->field_limit = head->field_count;
    if (__builtin_expect(head->facts & FACT_EMPTY_PATH, 0)) {
        fill_path(ret_head, bytes);
    }
}
