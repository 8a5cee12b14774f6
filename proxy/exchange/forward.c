/* Request fields for the upstream. */
#include "proxy/exchange/forward.h"

#include <endian.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "proxy/exchange/exchange.h"
#include "proxy/http/hop_fields.h"
#include "proxy/http1/h1_write.h"
#include "steady/deadline.h"

/* Longer or stranger identifiers are replaced, even a trusted client's. */
#define REQUEST_ID_MAX_BYTES 128
#define TRACEPARENT_BYTES 55

#ifdef __SSE2__

/* Sixteen hex digits, all at once: each nibble gets a byte of its own, and the letters their distance. */
static inline void hex_of(char *space, uint64_t value)
{
    __m128i bytes = _mm_cvtsi64_si128((long long)htobe64(value));
    __m128i high = _mm_srli_epi16(bytes, 4);
    __m128i nibbles = _mm_and_si128(_mm_unpacklo_epi8(high, bytes), _mm_set1_epi8(0x0f));
    __m128i letters =
        _mm_and_si128(_mm_cmpgt_epi8(nibbles, _mm_set1_epi8(9)), _mm_set1_epi8('a' - '0' - 10));
    __m128i digits = _mm_add_epi8(_mm_add_epi8(nibbles, _mm_set1_epi8('0')), letters);
    _mm_storeu_si128((__m128i *)(void *)space, digits);
}

#else

static void hex_of_half(char *space, uint32_t value)
{
    uint64_t x = value;
    x = ((x << 16) | x) & 0x0000ffff0000ffff;
    x = ((x << 8) | x) & 0x00ff00ff00ff00ff;
    x = ((x << 4) | x) & 0x0f0f0f0f0f0f0f0f;
    uint64_t letters = ((x + 0x0606060606060606) >> 4) & 0x0101010101010101;
    x += 0x3030303030303030 + letters * ('a' - '0' - 10);
    x = htobe64(x);
    memcpy(space, &x, sizeof x);
}

static void hex_of(char *space, uint64_t value)
{
    hex_of_half(space, (uint32_t)(value >> 32));
    hex_of_half(space + 8, (uint32_t)value);
}

#endif

static bool request_id_valid(const char *text, size_t bytes)
{
    if (bytes == 0 || bytes > REQUEST_ID_MAX_BYTES) {
        return false;
    }
    for (size_t i = 0; i < bytes; i++) {
        char c = text[i];
        bool fine = (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') || c == '-' ||
                    c == '_' || c == '.' || c == ':' || c == '/' || c == '+' || c == '=';
        if (!fine) {
            return false;
        }
    }
    return true;
}

/* version "-" trace-id "-" parent-id "-" flags, all lower-case hex, ids not all zero (W3C Trace Context 3.2.2). */
static bool traceparent_valid(const char *text, size_t bytes)
{
    static const char form[] = "xx-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx-xxxxxxxxxxxxxxxx-xx";
    if (bytes < TRACEPARENT_BYTES || memcmp(text, "ff", 2) == 0) {
        return false;
    }
    bool trace = false, parent = false;
    for (size_t i = 0; i < TRACEPARENT_BYTES; i++) {
        bool is_hex = (text[i] >= '0' && text[i] <= '9') || (text[i] >= 'a' && text[i] <= 'f');
        if (form[i] == '-' ? text[i] != '-' : !is_hex) {
            return false;
        }
        trace = trace || (i >= 3 && i < 35 && text[i] != '0');
        parent = parent || (i >= 36 && i < 52 && text[i] != '0');
    }
    /* version 00 has exactly this length; later versions may go on after a dash */
    bool ends = bytes == TRACEPARENT_BYTES ||
                (memcmp(text, "00", 2) != 0 && text[TRACEPARENT_BYTES] == '-');
    return trace && parent && ends;
}

static const struct http_field *only_field(const struct http_head *head, enum field_id id)
{
    return head_has(head, id) ? head_find(head, id) : NULL;
}

static bool counts_forwards(const struct http_head *head)
{
    return head->method == METHOD_TRACE || head->method == METHOD_OPTIONS;
}

/* The value of Max-Forwards; a large one when there is none, or none that is a number. */
static uint64_t max_forwards(const struct http_head *head)
{
    const struct http_field *field = only_field(head, FIELD_MAX_FORWARDS);
    uint64_t value = 0;
    if (field == NULL || field->value_bytes == 0 || field->value_bytes > 9) {
        return UINT64_MAX;
    }
    for (uint32_t i = 0; i < field->value_bytes; i++) {
        char c = head->base[field->value_at + i];
        if (c < '0' || c > '9') {
            return UINT64_MAX;
        }
        value = value * 10 + (uint64_t)(c - '0');
    }
    return value;
}

bool forward_ends_here(const struct exchange *exchange)
{
    return counts_forwards(&exchange->request) && max_forwards(&exchange->request) == 0;
}

void forward_prepare(struct exchange *exchange, const struct header_settings *settings)
{
    struct http_head *head = &exchange->request;
    exchange->rules = (struct forward_rules){(uint8_t)settings->forwarded, settings->request_id,
                                             settings->traceparent, settings->via};
    const struct http_field *id = exchange->trusted ? only_field(head, FIELD_X_REQUEST_ID) : NULL;
    if (id != NULL && !request_id_valid(head->base + id->value_at, id->value_bytes)) {
        id = NULL;
    }
    const struct http_field *trace = only_field(head, FIELD_TRACEPARENT);
    exchange->trace_kept =
        trace != NULL && traceparent_valid(head->base + trace->value_at, trace->value_bytes);
    exchange->request_id_kept = id != NULL;
    if (id == NULL) {
        hex_of(exchange->request_id, rng_next(&exchange->worker->loop.rng));
        hex_of(exchange->request_id + 16, rng_next(&exchange->worker->loop.rng));
    }
    /* written anew, from what was there if it may be believed; what is not written is passed on only from trusted ones */
    bool writes_x = settings->forwarded == FORWARDED_X || settings->forwarded == FORWARDED_BOTH;
    bool writes_rfc =
        settings->forwarded == FORWARDED_RFC7239 || settings->forwarded == FORWARDED_BOTH;
    for (size_t i = 0; i < head->field_count; i++) {
        struct http_field *field = &head->fields[i];
        switch (field->id) {
        case FIELD_X_FORWARDED_FOR:
        case FIELD_X_FORWARDED_PROTO:
        case FIELD_X_FORWARDED_HOST: field->drop = writes_x || !exchange->trusted; break;
        case FIELD_FORWARDED: field->drop = writes_rfc || !exchange->trusted; break;
        case FIELD_X_REQUEST_ID: field->drop = field != id && exchange->rules.request_id; break;
        case FIELD_TRACEPARENT:
            field->drop = !exchange->trace_kept && exchange->rules.traceparent;
            break;
        case FIELD_MAX_FORWARDS:
            field->drop = counts_forwards(head) && max_forwards(head) != UINT64_MAX;
            break;
        case FIELD_VIA: field->drop = exchange->rules.via; break;
        case FIELD_X_ENVOY_ATTEMPT_COUNT:
        case FIELD_X_ENVOY_EXPECTED_RQ_TIMEOUT_MS:
        case FIELD_GRPC_TIMEOUT: field->drop = 1; break;
        default: break;
        }
    }
}

/* The values of a field that may occur several times, joined; then `more`. */
static void write_joined(struct h1_writer *writer, const struct exchange *exchange,
                         enum field_id id, bool keep)
{
    const struct http_head *head = &exchange->request;
    if (!keep || !head_has(head, id)) {
        return;
    }
    for (size_t i = 0; i < head->field_count; i++) {
        const struct http_field *field = &head->fields[i];
        if (field->id == id && field->value_bytes > 0) {
            h1_write_bytes(writer, head->base + field->value_at, field->value_bytes);
            h1_write_literal(writer, ", ");
        }
    }
}

/* A single value: the trusted client's own, else ours. */
static void write_kept_or(struct h1_writer *writer, const struct exchange *exchange,
                          enum field_id id, const char *name, size_t name_bytes, const char *value,
                          size_t value_bytes)
{
    const struct http_field *kept = exchange->trusted ? only_field(&exchange->request, id) : NULL;
    if (kept != NULL) {
        value = exchange->request.base + kept->value_at;
        value_bytes = kept->value_bytes;
    }
    h1_write_field(writer, name, name_bytes, value, value_bytes);
}

static void write_forwarded(const struct exchange *exchange, struct h1_writer *writer)
{
    const struct http_head *head = &exchange->request;
    const char *host = head_text(head, head->host);
    char ip[ADDRESS_TEXT_BYTES];
    size_t ip_bytes = address_format_ip(exchange->client_address, ip);
    enum forwarded_style style = exchange->rules.forwarded;
    if (style == FORWARDED_X || style == FORWARDED_BOTH) {
        h1_write_literal(writer, "X-Forwarded-For: ");
        write_joined(writer, exchange, FIELD_X_FORWARDED_FOR, exchange->trusted);
        h1_write_bytes(writer, ip, ip_bytes);
        h1_write_literal(writer, "\r\n");
        write_kept_or(writer, exchange, FIELD_X_FORWARDED_PROTO, "X-Forwarded-Proto", 17,
                      exchange->secure != NULL ? "https" : "http",
                      exchange->secure != NULL ? 5 : 4);
        write_kept_or(writer, exchange, FIELD_X_FORWARDED_HOST, "X-Forwarded-Host", 16, host,
                      head->host.bytes);
    }
    if (style == FORWARDED_RFC7239 || style == FORWARDED_BOTH) {
        bool v6 = memchr(ip, ':', ip_bytes) != NULL;
        h1_write_literal(writer, "Forwarded: ");
        write_joined(writer, exchange, FIELD_FORWARDED, exchange->trusted);
        h1_write_bytes(writer, v6 ? "for=\"[" : "for=", v6 ? 6 : 4);
        h1_write_bytes(writer, ip, ip_bytes);
        h1_write_bytes(writer, v6 ? "]\"" : "", v6 ? 2 : 0);
        if (head->host.bytes > 0) {
            h1_write_literal(writer, ";host=\"");
            h1_write_bytes(writer, host, head->host.bytes);
            h1_write_literal(writer, "\"");
        }
        h1_write_literal(writer, ";proto=http");
        if (exchange->secure != NULL) {
            h1_write_literal(writer, "s");
        }
        h1_write_literal(writer, "\r\n");
    }
}

static void write_traceparent(const struct exchange *exchange, struct h1_writer *writer)
{
    char text[TRACEPARENT_BYTES];
    memcpy(text, "00-", 3);
    /* the request's id doubles as the trace's, so that logs and traces meet */
    if (!exchange->request_id_kept) {
        memcpy(text + 3, exchange->request_id, 32);
    } else {
        hex_of(text + 3, rng_next(&exchange->worker->loop.rng));
        hex_of(text + 19, rng_next(&exchange->worker->loop.rng));
    }
    text[35] = '-';
    hex_of(text + 36, rng_next(&exchange->worker->loop.rng));
    memcpy(text + 52, "-01", 3);
    h1_write_field(writer, "traceparent", 11, text, sizeof text);
}

/* What the next hop is told of the time that is left, and of how often this was tried. */
static void write_hop(const struct exchange *exchange, struct h1_writer *writer)
{
    uint64_t now_ms = worker_now_ms(exchange->worker);
    uint64_t next_ms = hop_next_ms(deadline_left_ms(exchange->deadline_ms, now_ms));
    h1_write_literal(writer, "X-Envoy-Expected-Rq-Timeout-Ms: ");
    h1_write_uint(writer, next_ms);
    uint64_t attempt = (uint64_t)exchange->attempts_before + exchange->retries_count + 1;
    if (__builtin_expect(attempt == 1, 1)) {
        h1_write_literal(writer, "\r\nX-Envoy-Attempt-Count: 1\r\n");
    } else {
        h1_write_literal(writer, "\r\nX-Envoy-Attempt-Count: ");
        h1_write_uint(writer, attempt);
        h1_write_literal(writer, "\r\n");
    }
    if (__builtin_expect(head_has(&exchange->request, FIELD_GRPC_TIMEOUT), 0)) {
        /* a client that is not trusted asks nothing of us, but for the server what it waits stays what it waits */
        char text[HOP_GRPC_BYTES];
        uint64_t asked_ms = hop_grpc_wait_ms(&exchange->request);
        size_t bytes = hop_grpc_format(text, asked_ms < next_ms ? asked_ms : next_ms);
        h1_write_field(writer, "grpc-timeout", 12, text, bytes);
    }
}

/* HTTP/1.0 could do without a Host; what we send may not (RFC 9112 3.2): it names whom it is sent to. */
static void write_endpoint_host(const struct endpoint *endpoint, struct h1_writer *writer)
{
    const char *name = endpoint_hostname(endpoint);
    const char *port = strrchr(endpoint_address_text(endpoint), ':');
    bool v6 = strchr(name, ':') != NULL;
    h1_write_literal(writer, "Host: ");
    h1_write_bytes(writer, "[", v6);
    h1_write_bytes(writer, name, strlen(name));
    h1_write_bytes(writer, "]", v6);
    h1_write_bytes(writer, port, strlen(port));
    h1_write_literal(writer, "\r\n");
}

void forward_write_request(const struct exchange *exchange, struct h1_writer *writer)
{
    const struct http_head *head = &exchange->request;
    h1_write_request_line(writer, head);
    if (head->host.bytes == 0) {
        write_endpoint_host(exchange->attempt.lease->endpoint, writer);
    }
    h1_write_fields(writer, head);
    write_forwarded(exchange, writer);
    if (exchange->rules.request_id && !exchange->request_id_kept) {
        h1_write_field(writer, "X-Request-Id", 12, exchange->request_id, 32);
    }
    if (exchange->rules.traceparent && !exchange->trace_kept) {
        write_traceparent(exchange, writer);
    }
    write_hop(exchange, writer);
    if (exchange->client_certificate != NULL) {
        h1_write_field(writer, "X-Forwarded-Client-Cert", 23, exchange->client_certificate,
                       strlen(exchange->client_certificate));
    }
    if (counts_forwards(head) && max_forwards(head) != UINT64_MAX) {
        h1_write_literal(writer, "Max-Forwards: ");
        h1_write_uint(writer, max_forwards(head) - 1);
        h1_write_literal(writer, "\r\n");
    }
    if (exchange->rules.via) {
        h1_write_literal(writer, "Via: ");
        write_joined(writer, exchange, FIELD_VIA, true);
        h1_write_bytes(writer,
                       head->facts & FACT_HTTP_1_0 ? "1.0 evenkeel\r\n" : "1.1 evenkeel\r\n", 14);
    }
    if ((head->facts & FACT_UPGRADE_WEBSOCKET) && head->framing == FRAMING_NONE) {
        h1_write_field_literal(writer, "Connection", "Upgrade");
        h1_write_field_literal(writer, "Upgrade", "websocket");
    } else if (head->facts & FACT_TE_TRAILERS) {
        h1_write_field_literal(writer, "Connection", "TE");
        h1_write_field_literal(writer, "TE", "trailers");
    }
    h1_write_framing(writer, head->framing, head->content_length);
    h1_write_end(writer);
}
