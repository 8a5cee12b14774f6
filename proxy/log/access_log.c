/* Access lines in JSON and in the combined format. */
#include "proxy/log/access_log.h"

#include <stdbool.h>
#include <string.h>
#include <time.h>

#include "proxy/log/json_text.h"

/* The most bytes that the keys, numbers and words of a line take. */
#define NUMBERS_ROOM 992

/* The most bytes of each text of a record when it is escaped: so none can push another out of the line. */
#define TEXT_ROOMS(X)    \
    X(client, 64)        \
    X(method, 64)        \
    X(target, 2048)      \
    X(host, 512)         \
    X(client_tls, 12)    \
    X(client_cipher, 64) \
    X(client_sni, 384)   \
    X(grpc_status, 20)   \
    X(reason, 32)        \
    X(listener, 256)     \
    X(route, 256)        \
    X(upstream, 256)     \
    X(endpoint, 256)     \
    X(user, 128)         \
    X(user_agent, 1280)  \
    X(referer, 1024)     \
    X(request_id, 512)   \
    X(trace_id, 32)

#define TEXT_ROOM(field, bytes) ROOM_##field = (bytes),
#define TEXT_ROOM_PLUS(field, bytes) +(bytes)
enum { TEXT_ROOMS(TEXT_ROOM) };
_Static_assert(NUMBERS_ROOM + (TEXT_ROOMS(TEXT_ROOM_PLUS)) <= ACCESS_LINE_BYTES, "a line fits");

struct line {
    char *at;
    char *end;
};

static void put(struct line *line, const char *bytes, size_t length)
{
    size_t space = (size_t)(line->end - line->at);
    length = length < space ? length : space;
    memcpy(line->at, bytes, length);
    line->at += length;
}

#define put_literal(line, text) put((line), (text), sizeof text - 1)

static void put_uint(struct line *line, uint64_t value)
{
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    put(line, digits + at, sizeof digits - at);
}

static void put_padded(struct line *line, uint64_t value, unsigned width)
{
    char digits[20];
    for (unsigned i = width; i > 0; i--) {
        digits[i - 1] = (char)('0' + value % 10);
        value /= 10;
    }
    put(line, digits, width);
}

/* Microseconds as milliseconds with three decimals. */
static void put_ms(struct line *line, uint64_t us)
{
    put_uint(line, us / 1000);
    put_literal(line, ".");
    put_padded(line, us % 1000, 3);
}

static const char hex[] = "0123456789abcdef";

/* At most `most` of these plain bytes, without an incomplete UTF-8 sequence at the end. */
static size_t cut_plain(const char *bytes, size_t length, size_t most)
{
    if (length <= most) {
        return length;
    }
    while (most > 0 && ((unsigned char)bytes[most] & 0xc0) == 0x80) {
        most--;
    }
    return most;
}

/* Writes the next bytes of the text in the form of a JSON string, at most `space` of them; returns how many it took. A
   byte that is not UTF-8 becomes \u00XX, so the line is always valid JSON. */
static size_t put_json_part(struct line *line, const char *bytes, size_t left, size_t space)
{
    size_t run = cut_plain(bytes, json_plain_bytes(bytes, left), space);
    if (run > 0) {
        put(line, bytes, run);
        return run;
    }
    unsigned char c = (unsigned char)*bytes;
    bool short_escape = c == '"' || c == '\\';
    if (space < (short_escape ? 2 : 6)) {
        return 0;
    }
    if (short_escape) {
        put(line, (const char[]){'\\', (char)c}, 2);
    } else {
        put(line, (const char[]){'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]}, 6);
    }
    return 1;
}

/* Cut to its room. */
static void put_json_text(struct line *line, struct access_text text, size_t room)
{
    size_t left = text.length < ACCESS_TEXT_BYTES ? text.length : ACCESS_TEXT_BYTES;
    const char *bytes = text.bytes;
    put_literal(line, "\"");
    const char *limit = line->at + room;
    while (left > 0) {
        size_t taken = put_json_part(line, bytes, left, (size_t)(limit - line->at));
        if (taken == 0) {
            break;
        }
        bytes += taken;
        left -= taken;
    }
    put_literal(line, "\"");
}

static void put_time(struct line *line, uint64_t wall_ms)
{
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm parts;
    gmtime_r(&seconds, &parts);
    put_literal(line, "\"");
    put_padded(line, (uint64_t)parts.tm_year + 1900, 4);
    put_literal(line, "-");
    put_padded(line, (uint64_t)parts.tm_mon + 1, 2);
    put_literal(line, "-");
    put_padded(line, (uint64_t)parts.tm_mday, 2);
    put_literal(line, "T");
    put_padded(line, (uint64_t)parts.tm_hour, 2);
    put_literal(line, ":");
    put_padded(line, (uint64_t)parts.tm_min, 2);
    put_literal(line, ":");
    put_padded(line, (uint64_t)parts.tm_sec, 2);
    put_literal(line, ".");
    put_padded(line, wall_ms % 1000, 3);
    put_literal(line, "Z\"");
}

static void put_optional_ms(struct line *line, int64_t us)
{
    if (us < 0) {
        put_literal(line, "null");
    } else {
        put_ms(line, (uint64_t)us);
    }
}

static void put_client_tls(struct line *line, const struct access_record *record)
{
    if (record->client_tls.length == 0) {
        put_literal(line, "null");
        return;
    }
    put_literal(line, "{\"version\":");
    put_json_text(line, record->client_tls, ROOM_client_tls);
    put_literal(line, ",\"cipher\":");
    put_json_text(line, record->client_cipher, ROOM_client_cipher);
    put_literal(line, ",\"sni\":");
    put_json_text(line, record->client_sni, ROOM_client_sni);
    put_literal(line, ",\"resumed\":");
    put(line, record->client_resumed ? "true}" : "false}", record->client_resumed ? 5 : 6);
}

/* Only of requests that auth was asked about. */
static void put_user(struct line *line, const struct access_record *record)
{
    if (record->user.length > 0) {
        put_literal(line, ",\"user\":");
        put_json_text(line, record->user, ROOM_user);
    }
}

static void put_ending(struct line *line, const struct access_record *record)
{
    put_literal(line, ",\"reason\":");
    put_json_text(line, record->reason, ROOM_reason);
    if (record->grpc_status.length > 0) {
        put_literal(line, ",\"grpc_status\":");
        put_json_text(line, record->grpc_status, ROOM_grpc_status);
    }
}

static void put_protocol(struct line *line, const struct access_record *record)
{
    put_literal(line, ",\"protocol\":\"");
    put(line, record->protocol.bytes, record->protocol.length);
    put_literal(line, "\"");
    if (record->stream >= 0) {
        put_literal(line, ",\"stream\":");
        put_uint(line, (uint64_t)record->stream);
    }
}

static void put_times(struct line *line, const struct access_record *record)
{
    put_literal(line, ",\"queue_ms\":");
    put_optional_ms(line, record->queue_us);
    put_literal(line, ",\"connect_ms\":");
    put_optional_ms(line, record->connect_us);
    put_literal(line, ",\"tls_ms\":");
    put_optional_ms(line, record->tls_us);
    put_literal(line, ",\"first_byte_ms\":");
    put_optional_ms(line, record->first_byte_us);
    put_literal(line, ",\"deadline_left_ms\":");
    if (record->deadline_left_ms < 0) {
        put_literal(line, "null");
    } else {
        put_uint(line, (uint64_t)record->deadline_left_ms);
    }
}

size_t access_line_json(const struct access_record *record, uint64_t wall_ms,
                        char line_bytes[ACCESS_LINE_BYTES])
{
    struct line line = {line_bytes, line_bytes + ACCESS_LINE_BYTES};
#define TEXT(key, field) \
    (put_literal(&line, ",\"" key "\":"), put_json_text(&line, record->field, ROOM_##field))
#define UINT(key, value) (put_literal(&line, ",\"" key "\":"), put_uint(&line, (value)))
    put_literal(&line, "{\"time\":");
    put_time(&line, wall_ms);
    TEXT("client", client);
    if (record->client_port != 0) {
        UINT("client_port", record->client_port);
    }
    put_user(&line, record);
    TEXT("method", method);
    TEXT("target", target);
    TEXT("host", host);
    put_literal(&line, ",\"client_tls\":");
    put_client_tls(&line, record);
    put_protocol(&line, record);
    UINT("status", record->status);
    put_ending(&line, record);
    UINT("request_bytes", record->request_body_bytes);
    UINT("response_bytes", record->response_body_bytes);
    put_literal(&line, ",\"duration_ms\":");
    put_ms(&line, record->duration_us);
    TEXT("listener", listener);
    TEXT("route", route);
    TEXT("upstream", upstream);
    TEXT("endpoint", endpoint);
    UINT("attempts", record->attempts_count);
    put_times(&line, record);
    put_literal(&line, ",\"reused\":");
    put(&line, record->reused ? "true" : "false", record->reused ? 4 : 5);
    put_literal(&line, ",\"resumed\":");
    put(&line, record->resumed ? "true" : "false", record->resumed ? 4 : 5);
    put_literal(&line, ",\"shard\":");
    if (record->shard < 0) {
        put_literal(&line, "null");
    } else {
        put_uint(&line, (uint64_t)record->shard);
    }
    TEXT("user_agent", user_agent);
    TEXT("referer", referer);
    TEXT("request_id", request_id);
    if (record->trace_id.length > 0) {
        TEXT("trace_id", trace_id);
    }
    put_literal(&line, "}\n");
#undef TEXT
#undef UINT
    return (size_t)(line.at - line_bytes);
}

/* Escaped as nginx does in its combined format: \xXX for what is not printable ASCII, quotes and backslashes; "-" for
   nothing. */
static void put_combined_text(struct line *line, struct access_text text, size_t room)
{
    static const char upper_hex[] = "0123456789ABCDEF";
    size_t length = text.length < ACCESS_TEXT_BYTES ? text.length : ACCESS_TEXT_BYTES;
    const char *limit = line->at + room - 4;
    if (length == 0) {
        put_literal(line, "-");
    }
    for (size_t i = 0; i < length && line->at <= limit; i++) {
        unsigned char c = (unsigned char)text.bytes[i];
        if (c >= 0x20 && c < 0x7f && c != '"' && c != '\\') {
            *line->at++ = (char)c;
        } else {
            put(line, (const char[]){'\\', 'x', upper_hex[c >> 4], upper_hex[c & 15]}, 4);
        }
    }
}

size_t access_line_combined(const struct access_record *record, uint64_t wall_ms,
                            char line_bytes[ACCESS_LINE_BYTES])
{
    struct line line = {line_bytes, line_bytes + ACCESS_LINE_BYTES};
    static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm parts;
    gmtime_r(&seconds, &parts);
    put_combined_text(&line, record->client, ROOM_client);
    put_literal(&line, " - ");
    put_combined_text(&line, record->user, ROOM_user);
    put_literal(&line, " [");
    put_padded(&line, (uint64_t)parts.tm_mday, 2);
    put_literal(&line, "/");
    put(&line, months[parts.tm_mon], 3);
    put_literal(&line, "/");
    put_padded(&line, (uint64_t)parts.tm_year + 1900, 4);
    put_literal(&line, ":");
    put_padded(&line, (uint64_t)parts.tm_hour, 2);
    put_literal(&line, ":");
    put_padded(&line, (uint64_t)parts.tm_min, 2);
    put_literal(&line, ":");
    put_padded(&line, (uint64_t)parts.tm_sec, 2);
    put_literal(&line, " +0000] \"");
    put_combined_text(&line, record->method, ROOM_method);
    put_literal(&line, " ");
    put_combined_text(&line, record->target, ROOM_target);
    put_literal(&line, " ");
    put(&line, record->protocol.bytes, record->protocol.length);
    put_literal(&line, "\" ");
    put_uint(&line, record->status);
    put_literal(&line, " ");
    put_uint(&line, record->response_body_bytes);
    put_literal(&line, " \"");
    put_combined_text(&line, record->referer, ROOM_referer);
    put_literal(&line, "\" \"");
    put_combined_text(&line, record->user_agent, ROOM_user_agent);
    put_literal(&line, "\"\n");
    return (size_t)(line.at - line_bytes);
}
