/* Request fields for the upstream. */
#include "proxy/exchange/forward.h"

#include <endian.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "proxy/exchange/exchange.h"
#include "proxy/exchange/exchange_trace.h"
#include "proxy/exchange/field_trust.h"
#include "proxy/exchange/told_client.h"
#include "proxy/http/added_fields.h"
#include "proxy/http/append.h"
#include "proxy/http/believed_fields.h"
#include "proxy/http/grpc_words.h"
#include "proxy/http/hop_fields.h"
#include "steady/check.h"
#include "steady/deadline.h"

/* Longer or unusual identifiers are replaced, even from a trusted client. */
#define REQUEST_ID_MAX_BYTES 128
#define TRACEPARENT_BYTES 55

/* More bytes than all added fields that come neither from the request nor from a certificate: names, addresses,
   numbers, identifiers. */
#define OWN_BYTES 1024

#ifdef __SSE2__

/* Sixteen hex digits at once: each nibble gets a byte of its own, and letters get their offset. */
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

static inline char *add_hex(char *at, uint64_t value)
{
    hex_of(at, value);
    return at + 16;
}

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
    /* version 00 has exactly this length; later versions may continue after a dash */
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

/* The value of Max-Forwards; a large one if there is none, or if it is not a number. */
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

#define ID(name) ((uint64_t)1 << FIELD_##name)
/* The fields that forward_mark() knows. */
static const uint64_t marked_ids =
    ID(X_FORWARDED_FOR) | ID(X_FORWARDED_PROTO) | ID(X_FORWARDED_HOST) | ID(FORWARDED) |
    ID(X_REQUEST_ID) | ID(TRACEPARENT) | ID(TRACESTATE) | ID(MAX_FORWARDS) | ID(VIA) |
    ID(X_ENVOY_ATTEMPT_COUNT) | ID(X_ENVOY_EXPECTED_RQ_TIMEOUT_MS) | ID(GRPC_TIMEOUT);
static const uint64_t telling_ids = ID(X_FORWARDED_FOR) | ID(FORWARDED);
#undef ID
_Static_assert(FIELD_ID_COUNT <= 64, "the masks are of the first word of head->seen");

/* Whether the trace of the request goes on, rather than begins here or is none of Evenkeel's. */
static bool forward_continues(const struct exchange *exchange)
{
    return exchange->forward.trace_kept ||
           (exchange->trace != NULL && exchange->trace->parent_id != 0);
}

/* What is written anew, from what was there if it may be believed, is dropped; what is not written is passed on only from trusted
   ones. */
static void forward_mark(const struct exchange *exchange, struct http_field *field,
                         const struct http_field *id)
{
    const struct forward *forward = &exchange->forward;
    bool trusted = exchange->trusted;
    switch (field->id) {
    case FIELD_X_FORWARDED_FOR:
    case FIELD_X_FORWARDED_PROTO:
    case FIELD_X_FORWARDED_HOST:
        field->drop = forward->style == FORWARDED_X || forward->style == FORWARDED_BOTH || !trusted;
        break;
    case FIELD_FORWARDED:
        field->drop =
            forward->style == FORWARDED_RFC7239 || forward->style == FORWARDED_BOTH || !trusted;
        break;
    case FIELD_X_REQUEST_ID: field->drop = field != id && forward->adds_id; break;
    case FIELD_TRACEPARENT:
        field->drop = !forward->trace_kept && forward->trace_flag != '\0';
        break;
    case FIELD_TRACESTATE: /* it belongs to that trace (W3C Trace Context 3.3) */
        field->drop = !forward_continues(exchange) && forward->trace_flag != '\0';
        break;
    case FIELD_MAX_FORWARDS:
        field->drop =
            counts_forwards(&exchange->request) && max_forwards(&exchange->request) != UINT64_MAX;
        break;
    case FIELD_VIA: field->drop = forward->adds_via; break;
    case FIELD_X_ENVOY_ATTEMPT_COUNT:
    case FIELD_X_ENVOY_EXPECTED_RQ_TIMEOUT_MS:
    case FIELD_GRPC_TIMEOUT: field->drop = 1; break;
    default: break;
    }
}

/* Of a trusted peer that sends none of the fields we know of, everything stays as it is. */
static void forward_mark_all(struct exchange *exchange, const struct header_settings *settings,
                             const struct http_field *id)
{
    struct http_head *head = &exchange->request;
    bool trusted = exchange->trusted;
    bool known = (head->seen[0] & marked_ids) != 0;
    if (trusted && !known) {
        return;
    }
    for (size_t i = 0; i < head->field_count; i++) {
        struct http_field *field = &head->fields[i];
        if (field->id == FIELD_OTHER) {
            if (believed_may_begin(head->base[field->name_at]) && !trusted) {
                field_trust_judge(exchange, settings, field);
            }
        } else if (__builtin_expect(known, 0)) {
            forward_mark(exchange, field, id);
        }
    }
}

void forward_prepare(struct exchange *exchange, const struct settings *all)
{
    const struct header_settings *settings = &all->headers;
    struct http_head *head = &exchange->request;
    struct forward *forward = &exchange->forward;
    forward->style = (uint8_t)settings->forwarded;
    forward->adds_id = settings->request_id;
    forward->trace_flag = settings->trace_flag;
    forward->adds_via = settings->via;
    const struct http_field *id = exchange->trusted ? only_field(head, FIELD_X_REQUEST_ID) : NULL;
    if (id != NULL && !request_id_valid(head->base + id->value_at, id->value_bytes)) {
        id = NULL;
    }
    const struct http_field *trace = only_field(head, FIELD_TRACEPARENT);
    forward->trace_kept =
        trace != NULL && traceparent_valid(head->base + trace->value_at, trace->value_bytes);
    forward->request_id_kept = id != NULL;
    if (id == NULL || (forward->trace_flag != '\0' && !forward->trace_kept)) {
        hex_of(forward->request_id, rng_next(&exchange->worker->loop.rng));
        hex_of(forward->request_id + 16, rng_next(&exchange->worker->loop.rng));
    }
    if (__builtin_expect(all->tracing.on, 0)) {
        exchange_trace_begin(exchange, &all->tracing, forward->trace_kept ? trace : NULL);
    }
    if (__builtin_expect(head->seen[0] & telling_ids, 0) && exchange->trusted) {
        told_client_find(exchange);
    }
    forward_mark_all(exchange, settings, id);
}

/* Joins the values of a field that may occur several times, with a separator behind each. */
static char *add_joined(char *at, const struct http_head *head, enum field_id id)
{
    if (!head_has(head, id)) {
        return at;
    }
    for (size_t i = 0; i < head->field_count; i++) {
        const struct http_field *field = &head->fields[i];
        if (field->id == id && field->value_bytes > 0) {
            at = append(at, head->base + field->value_at, field->value_bytes);
            at = append_literal(at, ", ");
        }
    }
    return at;
}

/* A single value: the trusted client's own, else Evenkeel's. */
static char *add_kept_or(char *at, const struct exchange *exchange, enum field_id id,
                         const char *value, size_t value_bytes)
{
    const struct http_field *kept = exchange->trusted ? only_field(&exchange->request, id) : NULL;
    if (__builtin_expect(kept != NULL, 0)) {
        value = exchange->request.base + kept->value_at;
        value_bytes = kept->value_bytes;
    }
    return append(at, value, value_bytes);
}

/* What other hops are told of who is connected: a UNIX socket has no address (RFC 7239 6.2). */
static char *add_peer(char *at, const struct exchange *exchange)
{
    const struct sockaddr *peer = &exchange->origin->address.any;
    if (__builtin_expect(peer->sa_family == AF_UNIX, 0)) {
        return append_literal(at, "unknown");
    }
    return at + address_format_ip(peer, at);
}

static char *add_x_forwarded(char *at, const struct exchange *exchange)
{
    const struct http_head *head = &exchange->request;
    bool secure = origin_secure(exchange->origin) != NULL;
    at = append_literal(at, "X-Forwarded-For: ");
    if (exchange->trusted) {
        at = add_joined(at, head, FIELD_X_FORWARDED_FOR);
    }
    at = add_peer(at, exchange);
    at = append_literal(at, "\r\nX-Forwarded-Proto: ");
    at = add_kept_or(at, exchange, FIELD_X_FORWARDED_PROTO, secure ? "https" : "http",
                     secure ? 5 : 4);
    at = append_literal(at, "\r\nX-Forwarded-Host: ");
    const struct span host = exchange_came_host(exchange);
    at = add_kept_or(at, exchange, FIELD_X_FORWARDED_HOST, head_text(head, host), host.bytes);
    return append_literal(at, "\r\n");
}

/* RFC 7239 4: an IPv6 address is in brackets and quoted. */
static char *add_forwarded(char *at, const struct exchange *exchange)
{
    const struct http_head *head = &exchange->request;
    char ip[ADDRESS_TEXT_BYTES];
    size_t ip_bytes = (size_t)(add_peer(ip, exchange) - ip);
    bool v6 = memchr(ip, ':', ip_bytes) != NULL;
    at = append_literal(at, "Forwarded: ");
    if (exchange->trusted) {
        at = add_joined(at, head, FIELD_FORWARDED);
    }
    at = append(at, v6 ? "for=\"[" : "for=", v6 ? 6 : 4);
    at = append(at, ip, ip_bytes);
    at = append(at, v6 ? "]\"" : "", v6 ? 2 : 0);
    const struct span host = exchange_came_host(exchange);
    if (host.bytes > 0) {
        at = append_literal(at, ";host=\"");
        at = append(at, head_text(head, host), host.bytes);
        at = append_literal(at, "\"");
    }
    at = append_literal(at, ";proto=http");
    if (origin_secure(exchange->origin) != NULL) {
        at = append_literal(at, "s");
    }
    return append_literal(at, "\r\n");
}

static char *add_client(char *at, const struct exchange *exchange)
{
    enum forwarded_style style = exchange->forward.style;
    if (style == FORWARDED_X || style == FORWARDED_BOTH) {
        at = add_x_forwarded(at, exchange);
    }
    if (style == FORWARDED_RFC7239 || style == FORWARDED_BOTH) {
        at = add_forwarded(at, exchange);
    }
    return at;
}

static char *add_request_id(char *at, const struct forward *forward)
{
    at = append_literal(at, "X-Request-Id: ");
    at = append(at, forward->request_id, FORWARD_ID_BYTES);
    return append_literal(at, "\r\n");
}

/* The request's id is also the trace's id, so that logs and traces can be matched. */
static char *add_traceparent(char *at, const struct exchange *exchange)
{
    struct rng *rng = &exchange->worker->loop.rng;
    if (__builtin_expect(exchange->trace != NULL, 0)) {
        at = append_literal(at, "traceparent: ");
        at = exchange_trace_parent((struct exchange *)(uintptr_t)exchange, at);
        return append_literal(at, "\r\n");
    }
    at = append_literal(at, "traceparent: 00-");
    at = append(at, exchange->forward.request_id, FORWARD_ID_BYTES);
    at = append_literal(at, "-");
    at = add_hex(at, rng_next(rng));
    at = append_literal(at, "-01\r\n");
    at[-3] = exchange->forward.trace_flag;
    return at;
}

const char *forward_trace_id(const struct exchange *exchange)
{
    const struct forward *forward = &exchange->forward;
    if (exchange->trace != NULL) {
        return exchange->trace->id;
    }
    const struct http_field *trace =
        forward->trace_kept ? only_field(&exchange->request, FIELD_TRACEPARENT) : NULL;
    if (trace != NULL) {
        return exchange->request.base + trace->value_at + strlen("00-");
    }
    return forward->trace_flag != '\0' ? forward->request_id : NULL;
}

/* The number of an attempt that is not the first. The client's side may have tried a gRPC call before (gRFC A6). */
static char *add_attempt(char *at, const struct exchange *exchange, uint64_t attempt)
{
    at = append_literal(at, "\r\nX-Envoy-Attempt-Count: ");
    at = append_uint(at, attempt);
    if (exchange_is_call(exchange) && exchange->tries.retries_count > 0) {
        at = append_literal(at, "\r\ngrpc-previous-rpc-attempts: ");
        at = append_uint(at, grpc_previous_attempts(&exchange->request) +
                                 exchange->tries.retries_count);
    }
    return append_literal(at, "\r\n");
}

/* Tells the next hop how much time is left, and how often the request was tried. */
static char *add_hop(char *at, const struct exchange *exchange)
{
    uint64_t now_ms = worker_now_ms(exchange->worker);
    uint64_t next_ms = hop_next_ms(deadline_left_ms(exchange->times.deadline_ms, now_ms));
    uint64_t attempt =
        (uint64_t)exchange->tries.attempts_before + exchange->tries.retries_count + 1;
    at = append_literal(at, "X-Envoy-Expected-Rq-Timeout-Ms: ");
    at = append_uint(at, next_ms);
    if (__builtin_expect(attempt == 1, 1)) {
        at = append_literal(at, "\r\nX-Envoy-Attempt-Count: 1\r\n");
    } else {
        at = add_attempt(at, exchange, attempt);
    }
    if (__builtin_expect(head_has(&exchange->request, FIELD_GRPC_TIMEOUT), 0)) {
        /* The deadline of a call holds beyond the response's head, so it is told by itself. A client that is not trusted
           cannot shorten ours, but the server still gets the time that it asked for. */
        uint64_t asked_ms = hop_grpc_wait_ms(&exchange->request);
        uint64_t end_ms = hop_next_ms(deadline_left_ms(exchange->times.end_ms, now_ms));
        at = append_literal(at, "grpc-timeout: ");
        at += hop_grpc_format(at, asked_ms < end_ms ? asked_ms : end_ms);
        at = append_literal(at, "\r\n");
    }
    return at;
}

static char *add_certificate(char *at, const char *certificate, size_t bytes)
{
    at = append_literal(at, "X-Forwarded-Client-Cert: ");
    at = append(at, certificate, bytes);
    return append_literal(at, "\r\n");
}

static char *add_max_forwards(char *at, const struct exchange *exchange)
{
    uint64_t left = max_forwards(&exchange->request);
    if (left != UINT64_MAX) {
        at = append_literal(at, "Max-Forwards: ");
        at = append_uint(at, left - 1);
        at = append_literal(at, "\r\n");
    }
    return at;
}

/* RFC 9110 7.6.3: the version in which the request was received. */
static char *add_via(char *at, const struct exchange *exchange)
{
    const struct http_head *head = &exchange->request;
    at = append_literal(at, "Via: ");
    at = add_joined(at, head, FIELD_VIA);
    at = append(at, exchange_protocol(exchange) + sizeof "HTTP/" - 1, 3);
    return append_literal(at, " evenkeel\r\n");
}

bool forward_add_fields(const struct exchange *exchange, char *space, size_t space_bytes,
                        struct added_fields *ret_added)
{
    const struct http_head *head = &exchange->request;
    const struct forward *forward = &exchange->forward;
    const char *certificate = exchange->origin->certificate;
    size_t certificate_bytes = certificate != NULL ? strlen(certificate) : 0;
    /* The copied values are different parts of the head, none longer than its line; the host may be written twice. */
    size_t most_bytes = OWN_BYTES + 2 * (size_t)head->head_bytes + certificate_bytes;
    if (__builtin_expect(most_bytes > space_bytes, 0)) {
        return false;
    }
    char *at = add_client(space, exchange);
    if (forward->adds_id && !forward->request_id_kept) {
        at = add_request_id(at, forward);
    }
    if (forward->trace_flag != '\0' && !forward->trace_kept) {
        at = add_traceparent(at, exchange);
    }
    at = add_hop(at, exchange);
    if (certificate != NULL) {
        at = add_certificate(at, certificate, certificate_bytes);
    }
    if (__builtin_expect(counts_forwards(head), 0)) {
        at = add_max_forwards(at, exchange);
    }
    if (forward->adds_via) {
        at = add_via(at, exchange);
    }
    *ret_added = (struct added_fields){space, (size_t)(at - space)};
    CHECK(ret_added->bytes <= most_bytes);
    return __builtin_expect(exchange->edge.lines == NULL, 1) ||
           exchange_edge_add_lines(exchange, space, space_bytes, ret_added);
}
