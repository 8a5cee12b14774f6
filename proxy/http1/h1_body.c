/* Lengths are counted. The chunked decoder is a state machine whose only loop over single bytes is the chunk-size line. */

#include "proxy/http1/h1_body.h"

#include <string.h>

#include "proxy/http1/h1_fields.h"
#include "proxy/http1/h1_input.h"
#include "proxy/http1/h1_rules.h"
#include "proxy/http1/h1_scan.h"

#define CHUNK_LINE_MAX_BYTES 4096
#define CHUNK_SIZE_MAX_DIGITS 16

/* Sizes and their sum stay below 2^63, like lengths. */
#define BODY_MAX_BYTES ((uint64_t)INT64_MAX)

/* The end of a chunk's payload, and the last chunk without trailers: "\r\n0\r\n\r\n". */
#define BEHIND_PAYLOAD_BYTES 7
/* The least that follows any byte of a line that begins a chunk, which may be the last chunk: "\n\r\n". */
#define BEHIND_CHUNK_LINE_BYTES 3
/* No trailers: "\r\n". */
#define LEAST_TRAILERS_BYTES 2

static const uint8_t first_states[] = {
    [FRAMING_NONE] = H1_BODY_DONE,
    [FRAMING_LENGTH] = H1_BODY_LENGTH,
    [FRAMING_CHUNKED] = H1_BODY_CHUNK_SIZE,
    [FRAMING_CLOSE] = H1_BODY_CLOSE,
};

void h1_body_init(struct h1_body *body, enum http_framing framing, uint64_t content_length)
{
    bool counted = framing == FRAMING_LENGTH;
    bool empty = counted && content_length == 0;
    *body = (struct h1_body){.left_bytes = counted ? content_length : 0,
                             .state = empty ? H1_BODY_DONE : first_states[framing]};
}

void h1_body_init_response(struct h1_body *body, enum http_framing framing, uint64_t content_length)
{
    h1_body_init(body, framing, content_length);
    body->tolerant = true;
}

static int hex_digit(char byte)
{
    if (byte >= '0' && byte <= '9') {
        return byte - '0';
    }
    byte |= 0x20;
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

/* The byte behind the digits of a chunk size, or behind the white space that may stand before an extension (RFC 9112
   7.1, 7.1.1). */
static bool end_chunk_size(struct h1_body *body, char byte)
{
    if (body->digits == 0) {
        return false;
    }
    if (byte == '\r' && (body->state == H1_BODY_CHUNK_SIZE || body->tolerant)) {
        body->state = H1_BODY_CHUNK_SIZE_LF;
    } else if (byte == ';') {
        body->state = body->tolerant ? H1_BODY_EXTENSION : H1_BODY_EXTENSION_NAME;
        body->begun = false;
    } else if (byte == ' ' || byte == '\t') {
        body->state = H1_BODY_CHUNK_SPACE;
    } else {
        return false;
    }
    return body->left_bytes <= BODY_MAX_BYTES - body->total_bytes;
}

/* Takes the digits of a chunk size, and the byte behind them if it is there. */
static bool take_chunk_size(struct h1_body *body, const char **at, const char *end)
{
    const char *next = *at;
    uint64_t size = body->left_bytes;
    unsigned digits = body->digits;
    int digit = 0;
    for (; next < end && (digit = hex_digit(*next)) >= 0; next++) {
        if (digits++ == CHUNK_SIZE_MAX_DIGITS) {
            return false;
        }
        size = size << 4 | (unsigned)digit;
    }
    body->left_bytes = size;
    body->digits = (uint8_t)digits;
    body->line_bytes = digits;
    *at = next;
    if (next == end) {
        return true;
    }
    body->line_bytes++;
    *at = next + 1;
    return end_chunk_size(body, *next);
}

static bool is_white(char byte)
{
    return byte == ' ' || byte == '\t';
}

/* The byte behind a name or a value, or behind the white space there, which no line end may follow: the state is `behind`
   then. */
static bool end_extension_part(struct h1_body *body, char byte, enum h1_body_state behind)
{
    bool spaced = !body->begun;
    bool named = behind == H1_BODY_EXTENSION_SPACE;
    body->begun = false;
    if (is_white(byte)) {
        body->state = (uint8_t)behind;
    } else if (byte == ';') {
        body->state = H1_BODY_EXTENSION_NAME;
    } else if (byte == '=' && named) {
        body->state = H1_BODY_EXTENSION_VALUE;
    } else if (byte == '\r' && !spaced) {
        body->state = H1_BODY_CHUNK_SIZE_LF;
    } else {
        return false;
    }
    return true;
}

/* A byte of a token, or before it: white space may be there. */
static bool take_extension_token(struct h1_body *body, char byte, enum h1_body_state behind)
{
    if (h1_char_is(byte, H1_CHAR_TOKEN)) {
        body->begun = true;
        return true;
    }
    if (body->begun) {
        return end_extension_part(body, byte, behind);
    }
    if (byte == '"' && body->state == H1_BODY_EXTENSION_VALUE) {
        body->state = H1_BODY_EXTENSION_QUOTED;
        return true;
    }
    return is_white(byte);
}

/* A byte of a quoted string (RFC 9110 5.6.4). */
static bool take_quoted(struct h1_body *body, char byte)
{
    if (body->state == H1_BODY_EXTENSION_ESCAPE) {
        body->state = H1_BODY_EXTENSION_QUOTED;
    } else if (byte == '\\') {
        body->state = H1_BODY_EXTENSION_ESCAPE;
    } else if (byte == '"') {
        body->state = H1_BODY_EXTENSION_BEHIND;
        body->begun = true; /* nothing is between this byte and the end of the line yet */
    }
    return h1_char_is(byte, H1_CHAR_VALUE);
}

/* A byte of a chunk extension: *( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] ). */
static bool take_extension_byte(struct h1_body *body, char byte)
{
    switch (body->state) {
    case H1_BODY_EXTENSION_NAME: return take_extension_token(body, byte, H1_BODY_EXTENSION_SPACE);
    case H1_BODY_EXTENSION_VALUE: return take_extension_token(body, byte, H1_BODY_EXTENSION_BEHIND);
    case H1_BODY_EXTENSION_SPACE: return end_extension_part(body, byte, H1_BODY_EXTENSION_SPACE);
    case H1_BODY_EXTENSION_BEHIND: return end_extension_part(body, byte, H1_BODY_EXTENSION_BEHIND);
    default: return take_quoted(body, byte);
    }
}

/* Takes one byte of the rest of the line that begins a chunk, or of the line end behind its payload. */
static bool take_chunk_byte(struct h1_body *body, char byte)
{
    switch (body->state) {
    case H1_BODY_CHUNK_SPACE: return end_chunk_size(body, byte);
    case H1_BODY_EXTENSION:
        if (byte == '\r') {
            body->state = H1_BODY_CHUNK_SIZE_LF;
        }
        return byte == '\r' || h1_char_is(byte, H1_CHAR_VALUE);
    case H1_BODY_CHUNK_SIZE_LF:
        body->state = body->left_bytes ? H1_BODY_CHUNK_PAYLOAD : H1_BODY_TRAILERS;
        body->line_bytes = 0;
        return byte == '\n';
    case H1_BODY_CHUNK_CR: body->state = H1_BODY_CHUNK_LF; return byte == '\r';
    case H1_BODY_CHUNK_LF:
        body->state = H1_BODY_CHUNK_SIZE;
        body->digits = 0;
        return byte == '\n';
    default: return take_extension_byte(body, byte);
    }
}

/* Reads framing until payload or trailers follow, or no bytes are left. False: malformed. */
static bool take_chunk_line(struct h1_body *body, const char **at, const char *end)
{
    while (*at < end && body->state != H1_BODY_CHUNK_PAYLOAD && body->state != H1_BODY_TRAILERS) {
        bool good;
        if (body->state == H1_BODY_CHUNK_SIZE) {
            good = take_chunk_size(body, at, end);
        } else {
            good = ++body->line_bytes <= CHUNK_LINE_MAX_BYTES && take_chunk_byte(body, *(*at)++);
        }
        if (!good) {
            return false;
        }
    }
    return true;
}

/* As many payload bytes as there are. */
static size_t take_payload(struct h1_body *body, const char *at, const char *end,
                           struct iovec *ret_piece)
{
    size_t bytes = (size_t)(end - at);
    if (body->state != H1_BODY_CLOSE) {
        if (bytes > body->left_bytes) {
            bytes = (size_t)body->left_bytes;
        }
        body->left_bytes -= bytes;
        if (body->left_bytes == 0) {
            body->state = body->state == H1_BODY_LENGTH ? H1_BODY_DONE : H1_BODY_CHUNK_CR;
        }
    }
    body->total_bytes += bytes;
    *ret_piece = (struct iovec){.iov_base = (void *)at, .iov_len = bytes};
    return bytes;
}

/* Not inlined, because most bodies are not chunked. */
static __attribute__((noinline)) enum h1_result take_chunks(struct h1_body *body, const char *bytes,
                                                            size_t length, struct iovec *iov,
                                                            size_t space, size_t *ret_piece_count,
                                                            size_t *ret_consumed)
{
    const char *at = bytes;
    const char *end = bytes + length;
    size_t count = 0;
    while (at < end && body->state != H1_BODY_DONE && body->state != H1_BODY_TRAILERS) {
        bool payload = body->state == H1_BODY_CHUNK_PAYLOAD;
        if (payload && count == space) {
            break;
        }
        if (payload) {
            at += take_payload(body, at, end, &iov[count++]);
        } else if (!take_chunk_line(body, &at, end)) {
            return H1_BAD_CHUNK;
        }
    }
    *ret_piece_count = count;
    *ret_consumed = (size_t)(at - bytes);
    return H1_OK;
}

enum h1_result h1_body_take(struct h1_body *body, const char *bytes, size_t length,
                            struct iovec *iov, size_t space, size_t *ret_piece_count,
                            size_t *ret_consumed)
{
    if (body->state != H1_BODY_LENGTH && body->state != H1_BODY_CLOSE) {
        return take_chunks(body, bytes, length, iov, space, ret_piece_count, ret_consumed);
    }
    bool takes = length > 0 && space > 0;
    *ret_piece_count = takes;
    *ret_consumed = takes ? take_payload(body, bytes, bytes + length, iov) : 0;
    return H1_OK;
}

enum h1_result h1_body_trailers(struct h1_body *body, const char *bytes, size_t length,
                                const struct h1_limits *limits, struct http_head *head,
                                size_t *ret_consumed)
{
    struct h1_input input;
    struct h1_rules rules = {.role = &h1_trailer_role};
    size_t scanned = body->line_bytes;
    if (!h1_input_grown(bytes, length, limits->head_bytes, &scanned)) {
        body->line_bytes = (uint32_t)scanned;
        return H1_INCOMPLETE;
    }
    *head =
        (struct http_head){.base = bytes, .fields = head->fields, .field_limit = head->field_limit};
    h1_input_init(&input, bytes, length, limits->head_bytes);
    enum h1_result result = h1_parse_fields(&input, &rules, limits->fields_count, head);
    if (result == H1_INCOMPLETE) {
        body->line_bytes = (uint32_t)h1_input_scanned(bytes, length);
    }
    if (result == H1_OK) {
        body->state = H1_BODY_DONE;
        *ret_consumed = head->head_bytes;
    }
    return result == H1_OK || result == H1_INCOMPLETE || result == H1_HEAD_TOO_LARGE ||
                   result == H1_TOO_MANY_FIELDS
               ? result
               : H1_BAD_TRAILER;
}

/* ---- how it may end ---- */

uint64_t h1_body_least_bytes(const struct h1_body *body)
{
    switch (body->state) {
    case H1_BODY_DONE:
    case H1_BODY_CLOSE: return 0;
    case H1_BODY_LENGTH: return body->left_bytes;
    case H1_BODY_CHUNK_PAYLOAD: return body->left_bytes + BEHIND_PAYLOAD_BYTES;
    case H1_BODY_TRAILERS: return LEAST_TRAILERS_BYTES;
    default: return BEHIND_CHUNK_LINE_BYTES;
    }
}

/* Whether a trailer section at the bytes ends in them, in an empty line. */
static bool trailers_end_within(const char *bytes, size_t length)
{
    return length >= 2 && (memcmp(bytes, "\r\n", 2) == 0 || memmem(bytes, length, "\r\n\r\n", 4));
}

bool h1_body_ends_within(const struct h1_body *body, const char *bytes, size_t length)
{
    struct h1_body rest = *body;
    size_t at = 0, consumed = 0, count;
    do {
        struct iovec piece;
        enum h1_result result =
            h1_body_take(&rest, bytes + at, length - at, &piece, 1, &count, &consumed);
        if (result != H1_OK) {
            return true;
        }
        at += consumed;
    } while (consumed > 0);
    return rest.state == H1_BODY_TRAILERS ? trailers_end_within(bytes + at, length - at)
                                          : h1_body_done(&rest);
}
