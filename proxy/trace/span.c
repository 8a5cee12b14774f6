/* OTLP's JSON of one span. */
#include "proxy/trace/span.h"

#include <string.h>

#include "proxy/log/line.h"
#include "steady/address.h"
#include "steady/check.h"

/* The most bytes of the tracestate that is passed on with a span (W3C Trace Context 3.3.1.5). */
#define STATE_ROOM 512
/* What stands around the value of an attribute, with its key, and a number. */
#define ATTRIBUTE_ROOM 128
/* Ids, times, the name and what stands around them. */
#define HEAD_ROOM 960
/* Of what is looked at of a text: a byte takes at least one. */
#define ROOM_OF(id, key, form, room) +ATTRIBUTE_ROOM + (room)
_Static_assert(HEAD_ROOM + STATE_ROOM SPAN_KEYS(ROOM_OF) <= SPAN_LINE_BYTES, "a span fits");

static const struct {
    const char *key;
    enum span_form form;
    size_t room;
} keys[] = {
#define X(id, key, form, room) [id] = {key, form, room},
    SPAN_KEYS(X)
#undef X
};

/* ---- attributes ---- */

static void add(struct trace_span *span, enum span_key key, const char *text, uint64_t value)
{
    CHECK(span->attribute_count < SPAN_KEY_COUNT);
    span->attributes[span->attribute_count++] = (struct span_attribute){(uint8_t)key, text, value};
}

void span_add_text(struct trace_span *span, enum span_key key, const char *text, size_t bytes)
{
    add(span, key, text, bytes);
}

void span_add_string(struct trace_span *span, enum span_key key, const char *text)
{
    if (text[0] != '\0') {
        add(span, key, text, strlen(text));
    }
}

void span_add(struct trace_span *span, enum span_key key, uint64_t value)
{
    add(span, key, NULL, value);
}

/* The digits behind the last colon; 0: there are none. */
static uint16_t port_of(const char *place, size_t bytes, size_t *ret_host_bytes)
{
    uint32_t port = 0;
    const char *colon = memrchr(place, ':', bytes);
    const char *bracket = memrchr(place, ']', bytes);
    *ret_host_bytes = bytes;
    if (colon == NULL || (bracket != NULL && bracket > colon) ||
        (bracket == NULL && memchr(place, ':', (size_t)(colon - place)) != NULL)) {
        return 0;
    }
    for (const char *at = colon + 1; at < place + bytes; at++) {
        if (*at < '0' || *at > '9' || port > UINT16_MAX) {
            return 0;
        }
        port = port * 10 + (uint32_t)(*at - '0');
    }
    *ret_host_bytes = (size_t)(colon - place);
    return port <= UINT16_MAX ? (uint16_t)port : 0;
}

void span_add_place(struct trace_span *span, enum span_key address, enum span_key port,
                    const char *place, size_t bytes)
{
    size_t host_bytes;
    uint16_t number = port_of(place, bytes, &host_bytes);
    if (host_bytes >= 2 && place[0] == '[' && place[host_bytes - 1] == ']') {
        place++;
        host_bytes -= 2;
    }
    if (host_bytes > 0) {
        span_add_text(span, address, place, host_bytes);
    }
    if (number != 0) {
        span_add(span, port, number);
    }
}

/* ---- writing ---- */

void span_id_write(uint64_t id, char text[16])
{
    for (unsigned i = 16; i > 0; i--) {
        text[i - 1] = "0123456789abcdef"[id & 15];
        id >>= 4;
    }
}

static void put_id(struct line *line, uint64_t id)
{
    char text[16];
    span_id_write(id, text);
    line_put(line, text, sizeof text);
}

/* A byte of a text takes at least one, so no more of it is looked at than there is room. */
static void put_text(struct line *line, const char *text, size_t bytes, size_t room)
{
    line_put_json(line, text, bytes < room ? bytes : room, room);
}

static void put_value(struct line *line, const struct span_attribute *attribute)
{
    switch (keys[attribute->key].form) {
    case SPAN_TEXT:
        line_put_literal(line, "\"stringValue\":");
        put_text(line, attribute->text, attribute->value, keys[attribute->key].room);
        break;
    case SPAN_UINT:
        line_put_literal(line, "\"intValue\":\"");
        line_put_uint(line, attribute->value);
        line_put_literal(line, "\"");
        break;
    case SPAN_MS:
        line_put_literal(line, "\"doubleValue\":");
        line_put_ms(line, attribute->value);
        break;
    case SPAN_FLAG:
        line_put_literal(line, "\"boolValue\":");
        line_put(line, attribute->value != 0 ? "true" : "false", attribute->value != 0 ? 4 : 5);
        break;
    }
}

static void put_attributes(struct line *line, const struct trace_span *span)
{
    line_put_literal(line, ",\"attributes\":[");
    for (unsigned i = 0; i < span->attribute_count; i++) {
        const struct span_attribute *attribute = &span->attributes[i];
        line_put(line, ",", i > 0);
        line_put_literal(line, "{\"key\":\"");
        line_put(line, keys[attribute->key].key, strlen(keys[attribute->key].key));
        line_put_literal(line, "\",\"value\":{");
        put_value(line, attribute);
        line_put_literal(line, "}}");
    }
    line_put_literal(line, "]");
}

static const struct span_attribute *find(const struct trace_span *span, enum span_key key)
{
    for (unsigned i = 0; i < span->attribute_count; i++) {
        if (span->attributes[i].key == key) {
            return &span->attributes[i];
        }
    }
    return NULL;
}

/* The method, and of a server the route: names have few values (conventions for HTTP spans). */
static void put_name(struct line *line, const struct trace_span *span)
{
    char name[32 + 1 + 256];
    struct line text = {name, name + sizeof name};
    const struct span_attribute *method = find(span, SPAN_METHOD);
    const struct span_attribute *route = span->kind == SPAN_SERVER ? find(span, SPAN_ROUTE) : NULL;
    bool known = method != NULL && method->text[0] != '_';
    line_put(&text, known ? method->text : "HTTP", known ? method->value : 4);
    if (route != NULL) {
        line_put_literal(&text, " ");
        line_put(&text, route->text, route->value);
    }
    line_put_literal(line, ",\"name\":");
    put_text(line, name, (size_t)(text.at - name), sizeof name);
}

static void put_times(struct line *line, const struct trace_span *span)
{
    line_put_literal(line, ",\"startTimeUnixNano\":\"");
    line_put_uint(line, span->start_ns);
    line_put_literal(line, "\",\"endTimeUnixNano\":\"");
    line_put_uint(line, span->end_ns > span->start_ns ? span->end_ns : span->start_ns);
    line_put_literal(line, "\"");
}

size_t span_write(const struct trace_span *span, char bytes[SPAN_LINE_BYTES])
{
    struct line line = {bytes, bytes + SPAN_LINE_BYTES};
    line_put_literal(&line, "{\"traceId\":\"");
    line_put(&line, span->trace_id, TRACE_ID_BYTES);
    line_put_literal(&line, "\",\"spanId\":\"");
    put_id(&line, span->id);
    if (span->parent_id != 0) {
        line_put_literal(&line, "\",\"parentSpanId\":\"");
        put_id(&line, span->parent_id);
    }
    line_put_literal(&line, "\"");
    if (span->state_bytes > 0) {
        line_put_literal(&line, ",\"traceState\":");
        put_text(&line, span->state, span->state_bytes, STATE_ROOM);
    }
    put_name(&line, span);
    line_put_literal(&line, ",\"kind\":");
    line_put_uint(&line, (uint64_t)span->kind);
    put_times(&line, span);
    put_attributes(&line, span);
    line_put_literal(&line, ",\"status\":{");
    if (span->failed) {
        line_put_literal(&line, "\"code\":2");
    }
    line_put_literal(&line, "}}\n");
    return (size_t)(line.at - bytes);
}
