/* Access lines in JSON and in the combined format. */
#include "proxy/log/access_log.h"

#include <stdbool.h>
#include <string.h>
#include <time.h>

#include "proxy/log/line.h"

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

/* Cut to its room, and what is looked at to what would be worth it. */
static void put_json_text(struct line *line, struct access_text text, size_t room)
{
    size_t length = text.length < ACCESS_TEXT_BYTES ? text.length : ACCESS_TEXT_BYTES;
    line_put_json(line, text.bytes, length, room);
}

static void put_time(struct line *line, uint64_t wall_ms)
{
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm parts;
    gmtime_r(&seconds, &parts);
    line_put_literal(line, "\"");
    line_put_padded(line, (uint64_t)parts.tm_year + 1900, 4);
    line_put_literal(line, "-");
    line_put_padded(line, (uint64_t)parts.tm_mon + 1, 2);
    line_put_literal(line, "-");
    line_put_padded(line, (uint64_t)parts.tm_mday, 2);
    line_put_literal(line, "T");
    line_put_padded(line, (uint64_t)parts.tm_hour, 2);
    line_put_literal(line, ":");
    line_put_padded(line, (uint64_t)parts.tm_min, 2);
    line_put_literal(line, ":");
    line_put_padded(line, (uint64_t)parts.tm_sec, 2);
    line_put_literal(line, ".");
    line_put_padded(line, wall_ms % 1000, 3);
    line_put_literal(line, "Z\"");
}

static void put_optional_ms(struct line *line, int64_t us)
{
    if (us < 0) {
        line_put_literal(line, "null");
    } else {
        line_put_ms(line, (uint64_t)us);
    }
}

static void put_client_tls(struct line *line, const struct access_record *record)
{
    if (record->client_tls.length == 0) {
        line_put_literal(line, "null");
        return;
    }
    line_put_literal(line, "{\"version\":");
    put_json_text(line, record->client_tls, ROOM_client_tls);
    line_put_literal(line, ",\"cipher\":");
    put_json_text(line, record->client_cipher, ROOM_client_cipher);
    line_put_literal(line, ",\"sni\":");
    put_json_text(line, record->client_sni, ROOM_client_sni);
    line_put_literal(line, ",\"resumed\":");
    line_put(line, record->client_resumed ? "true}" : "false}", record->client_resumed ? 5 : 6);
}

/* Only of requests that auth was asked about. */
static void put_user(struct line *line, const struct access_record *record)
{
    if (record->user.length > 0) {
        line_put_literal(line, ",\"user\":");
        put_json_text(line, record->user, ROOM_user);
    }
}

static void put_ending(struct line *line, const struct access_record *record)
{
    line_put_literal(line, ",\"reason\":");
    put_json_text(line, record->reason, ROOM_reason);
    if (record->grpc_status.length > 0) {
        line_put_literal(line, ",\"grpc_status\":");
        put_json_text(line, record->grpc_status, ROOM_grpc_status);
    }
}

static void put_protocol(struct line *line, const struct access_record *record)
{
    line_put_literal(line, ",\"protocol\":\"");
    line_put(line, record->protocol.bytes, record->protocol.length);
    line_put_literal(line, "\"");
    if (record->stream >= 0) {
        line_put_literal(line, ",\"stream\":");
        line_put_uint(line, (uint64_t)record->stream);
    }
}

static void put_times(struct line *line, const struct access_record *record)
{
    line_put_literal(line, ",\"queue_ms\":");
    put_optional_ms(line, record->queue_us);
    line_put_literal(line, ",\"connect_ms\":");
    put_optional_ms(line, record->connect_us);
    line_put_literal(line, ",\"tls_ms\":");
    put_optional_ms(line, record->tls_us);
    line_put_literal(line, ",\"first_byte_ms\":");
    put_optional_ms(line, record->first_byte_us);
    line_put_literal(line, ",\"deadline_left_ms\":");
    if (record->deadline_left_ms < 0) {
        line_put_literal(line, "null");
    } else {
        line_put_uint(line, (uint64_t)record->deadline_left_ms);
    }
}

size_t access_line_json(const struct access_record *record, uint64_t wall_ms,
                        char line_bytes[ACCESS_LINE_BYTES])
{
    struct line line = {line_bytes, line_bytes + ACCESS_LINE_BYTES};
#define TEXT(key, field) \
    (line_put_literal(&line, ",\"" key "\":"), put_json_text(&line, record->field, ROOM_##field))
#define UINT(key, value) (line_put_literal(&line, ",\"" key "\":"), line_put_uint(&line, (value)))
    line_put_literal(&line, "{\"time\":");
    put_time(&line, wall_ms);
    TEXT("client", client);
    if (record->client_port != 0) {
        UINT("client_port", record->client_port);
    }
    put_user(&line, record);
    TEXT("method", method);
    TEXT("target", target);
    TEXT("host", host);
    line_put_literal(&line, ",\"client_tls\":");
    put_client_tls(&line, record);
    put_protocol(&line, record);
    UINT("status", record->status);
    put_ending(&line, record);
    UINT("request_bytes", record->request_body_bytes);
    UINT("response_bytes", record->response_body_bytes);
    line_put_literal(&line, ",\"duration_ms\":");
    line_put_ms(&line, record->duration_us);
    TEXT("listener", listener);
    TEXT("route", route);
    TEXT("upstream", upstream);
    TEXT("endpoint", endpoint);
    UINT("attempts", record->attempts_count);
    put_times(&line, record);
    line_put_literal(&line, ",\"reused\":");
    line_put(&line, record->reused ? "true" : "false", record->reused ? 4 : 5);
    line_put_literal(&line, ",\"resumed\":");
    line_put(&line, record->resumed ? "true" : "false", record->resumed ? 4 : 5);
    line_put_literal(&line, ",\"shard\":");
    if (record->shard < 0) {
        line_put_literal(&line, "null");
    } else {
        line_put_uint(&line, (uint64_t)record->shard);
    }
    TEXT("user_agent", user_agent);
    TEXT("referer", referer);
    TEXT("request_id", request_id);
    if (record->trace_id.length > 0) {
        TEXT("trace_id", trace_id);
    }
    line_put_literal(&line, "}\n");
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
        line_put_literal(line, "-");
    }
    for (size_t i = 0; i < length && line->at <= limit; i++) {
        unsigned char c = (unsigned char)text.bytes[i];
        if (c >= 0x20 && c < 0x7f && c != '"' && c != '\\') {
            *line->at++ = (char)c;
        } else {
            line_put(line, (const char[]){'\\', 'x', upper_hex[c >> 4], upper_hex[c & 15]}, 4);
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
    line_put_literal(&line, " - ");
    put_combined_text(&line, record->user, ROOM_user);
    line_put_literal(&line, " [");
    line_put_padded(&line, (uint64_t)parts.tm_mday, 2);
    line_put_literal(&line, "/");
    line_put(&line, months[parts.tm_mon], 3);
    line_put_literal(&line, "/");
    line_put_padded(&line, (uint64_t)parts.tm_year + 1900, 4);
    line_put_literal(&line, ":");
    line_put_padded(&line, (uint64_t)parts.tm_hour, 2);
    line_put_literal(&line, ":");
    line_put_padded(&line, (uint64_t)parts.tm_min, 2);
    line_put_literal(&line, ":");
    line_put_padded(&line, (uint64_t)parts.tm_sec, 2);
    line_put_literal(&line, " +0000] \"");
    put_combined_text(&line, record->method, ROOM_method);
    line_put_literal(&line, " ");
    put_combined_text(&line, record->target, ROOM_target);
    line_put_literal(&line, " ");
    line_put(&line, record->protocol.bytes, record->protocol.length);
    line_put_literal(&line, "\" ");
    line_put_uint(&line, record->status);
    line_put_literal(&line, " ");
    line_put_uint(&line, record->response_body_bytes);
    line_put_literal(&line, " \"");
    put_combined_text(&line, record->referer, ROOM_referer);
    line_put_literal(&line, "\" \"");
    put_combined_text(&line, record->user_agent, ROOM_user_agent);
    line_put_literal(&line, "\"\n");
    return (size_t)(line.at - line_bytes);
}
