/* One field at a time: is it allowed here, does it fit, and where does it go. */
#include "proxy/http2/h2_block.h"

#include <string.h>
#include <strings.h>

#include "proxy/http/append.h"
#include "proxy/http/field_list.h"
#include "proxy/http1/h1_rules.h"
#include "proxy/http1/h1_scan.h"
#include "proxy/http2/h2_session.h"
#include "steady/check.h"

/* A block that is this many times as large as allowed, or has as many more fields, is no mistake: HPACK makes thousands of bytes of
   one (RFC 7541 7.3), and each costs time even where it is not kept. */
#define FLOOD_FACTOR 4
/* At least so much of it is borne, so that a request that is a little too large is answered however small the limit is. */
#define FLOOD_MIN_BYTES (64u * 1024)
#define FLOOD_MIN_COUNT 256u

static const struct {
    const char *name;
    uint8_t name_bytes;
    uint8_t kind; /* enum h2_block_kind that it belongs to */
} pseudos[H2_PSEUDO_COUNT] = {
    [H2_PSEUDO_METHOD] = {":method", 7, H2_BLOCK_REQUEST},
    [H2_PSEUDO_SCHEME] = {":scheme", 7, H2_BLOCK_REQUEST},
    [H2_PSEUDO_AUTHORITY] = {":authority", 10, H2_BLOCK_REQUEST},
    [H2_PSEUDO_PATH] = {":path", 5, H2_BLOCK_REQUEST},
    [H2_PSEUDO_PROTOCOL] = {":protocol", 9, H2_BLOCK_REQUEST},
    [H2_PSEUDO_STATUS] = {":status", 7, H2_BLOCK_RESPONSE},
};

void h2_block_begin(struct h2_block *block, enum h2_block_kind kind)
{
    struct buf *text = block->text, *fields = block->fields;
    CHECK(text == NULL && fields == NULL);
    *block = (struct h2_block){.kind = (uint8_t)kind, .facts = FACT_CANONICAL};
}

void h2_block_release(struct h2_block *block, struct buf_pool *pool)
{
    buf_give(pool, &block->text);
    buf_give(pool, &block->fields);
    block->kind = H2_BLOCK_NONE;
}

/* ---- the text ---- */

static bool make_room(struct buf_pool *pool, struct buf **buf, size_t bytes)
{
    return (*buf != NULL && buf_space(*buf) >= bytes) || buf_widen(pool, buf, bytes);
}

bool h2_block_add_text(struct h2_block *block, struct buf_pool *pool, const char *text,
                       size_t bytes, struct span *ret_span)
{
    if (!make_room(pool, &block->text, bytes + 1)) {
        return false;
    }
    struct buf *buf = block->text;
    char *at = append(buf->bytes + buf->end, text, bytes);
    *at = ' '; /* so that a method and the target behind it are a request line */
    *ret_span = (struct span){buf->end, (uint32_t)bytes};
    buf->end += (uint32_t)bytes + 1;
    return true;
}

/* Where the next field is described; NULL: no memory. */
static struct http_field *next_field(struct h2_block *block, struct buf_pool *pool)
{
    if (!make_room(pool, &block->fields, sizeof(struct http_field))) {
        return NULL;
    }
    return &h2_block_fields(block)[block->field_count];
}

static const struct h1_role *role_of(const struct h2_block *block)
{
    switch ((enum h2_block_kind)block->kind) {
    case H2_BLOCK_REQUEST: return &h1_request_role;
    case H2_BLOCK_RESPONSE: return &h1_response_role;
    case H2_BLOCK_TRAILERS:
    case H2_BLOCK_NONE: break;
    }
    return &h1_trailer_role;
}

static bool add_line(struct h2_block *block, struct buf_pool *pool, enum field_id id,
                     const char *name, size_t name_bytes, const char *value, size_t value_bytes)
{
    struct http_field *field = next_field(block, pool);
    if (field == NULL || !make_room(pool, &block->text, name_bytes + value_bytes + 4)) {
        return false;
    }
    struct buf *buf = block->text;
    char *at = append(buf->bytes + buf->end, name, name_bytes);
    at = append_literal(at, ": ");
    at = append(at, value, value_bytes);
    append_literal(at, "\r\n");
    *field = (struct http_field){.name_at = buf->end,
                                 .value_at = buf->end + (uint32_t)name_bytes + 2,
                                 .value_bytes = (uint32_t)value_bytes,
                                 .name_bytes = (uint16_t)name_bytes,
                                 .id = (uint8_t)id,
                                 .drop = role_of(block)->drops[id]};
    buf->end += (uint32_t)(name_bytes + value_bytes) + 4;
    block->fields->end += sizeof *field;
    block->field_count++;
    block->seen[id / 64] |= (uint64_t)(id != FIELD_OTHER) << id % 64;
    return true;
}

bool h2_block_add_line(struct h2_block *block, struct buf_pool *pool, enum field_id id,
                       const char *value, size_t value_bytes)
{
    return add_line(block, pool, id, field_texts[id], strcspn(field_texts[id], ":"), value,
                    value_bytes);
}

static enum h2_block_result kept(bool fits)
{
    return fits ? H2_BLOCK_OK : H2_BLOCK_NO_MEMORY;
}

/* ---- Cookie (RFC 9113 8.2.3) ---- */

/* Appends to the value of the last field, which ends the text. */
static bool extend_cookie(struct h2_block *block, struct buf_pool *pool, const char *value,
                          size_t value_bytes)
{
    if (!make_room(pool, &block->text, value_bytes + 2)) {
        return false;
    }
    struct buf *buf = block->text;
    char *at = append_literal(buf->bytes + buf->end - 2, "; ");
    at = append(at, value, value_bytes);
    append_literal(at, "\r\n");
    buf->end += (uint32_t)value_bytes + 2;
    h2_block_fields(block)[block->field_count - 1].value_bytes += (uint32_t)value_bytes + 2;
    return true;
}

static enum h2_block_result add_cookie(struct h2_block *block, struct buf_pool *pool,
                                       const char *value, size_t value_bytes)
{
    bool again = (block->seen[FIELD_COOKIE / 64] >> FIELD_COOKIE % 64) & 1;
    if (again && h2_block_fields(block)[block->field_count - 1].id == FIELD_COOKIE) {
        return kept(extend_cookie(block, pool, value, value_bytes));
    }
    block->scattered = block->scattered || again;
    return kept(h2_block_add_line(block, pool, FIELD_COOKIE, value, value_bytes));
}

/* Takes the Cookie fields out of the table and appends their values to *buf, which has room. */
static uint32_t take_cookies(struct h2_block *block, struct buf *buf)
{
    struct http_field *fields = h2_block_fields(block);
    uint32_t left = 0, begin = buf->end;
    for (uint32_t i = 0; i < block->field_count; i++) {
        struct http_field field = fields[i];
        if (field.id != FIELD_COOKIE) {
            fields[left++] = field;
            continue;
        }
        if (buf->end > begin) {
            CHECK(buf_append(buf, "; ", 2));
        }
        CHECK(buf_append(buf, block->text->bytes + field.value_at, field.value_bytes));
    }
    block->fields->end -= (block->field_count - left) * (uint32_t)sizeof *fields;
    block->field_count = left;
    return buf->end - begin;
}

/* The lines that remain have gaps between them: they are not canonical. */
__attribute__((noinline)) static bool join_cookies(struct h2_block *block, struct buf_pool *pool)
{
    struct buf *joined = buf_take(pool, buf_length(block->text) + 2 * (size_t)block->field_count);
    if (joined == NULL) {
        return false;
    }
    uint32_t bytes = take_cookies(block, joined);
    bool fits = h2_block_add_line(block, pool, FIELD_COOKIE, joined->bytes + joined->begin, bytes);
    buf_give(pool, &joined);
    block->facts &= (uint16_t)~FACT_CANONICAL;
    block->scattered = false;
    return fits;
}

bool h2_block_join_cookies(struct h2_block *block, struct buf_pool *pool)
{
    return !block->scattered || join_cookies(block, pool);
}

/* ---- pseudo-header fields (RFC 9113 8.3) ---- */

/* Where the run of bytes that a value may have ends; a tab is the exception that steps do not know. */
static const char *scan_value(const char *at, const char *end)
{
    while (end - at >= H1_STEP_BYTES_any) {
        uint32_t stops = h1_text_stops_any(at);
        if (stops == 0) {
            at += H1_STEP_BYTES_any;
            continue;
        }
        at += __builtin_ctz(stops);
        if (*at != '\t') {
            return at;
        }
        at++;
    }
    return h1_scan(at, end, H1_CHAR_VALUE);
}

static bool value_valid(const char *value, size_t bytes)
{
    /* RFC 9113 8.2.1: no NUL, CR or LF (and no other control), no white space at either end */
    if (bytes == 0) {
        return true;
    }
    return !field_list_is_space(value[0]) && !field_list_is_space(value[bytes - 1]) &&
           scan_value(value, value + bytes) == value + bytes;
}

/* Of those that become a line, or a part of a request line. */
static bool pseudo_valid(enum h2_pseudo pseudo, const char *value, size_t bytes)
{
    const char *end = value + bytes;
    switch (pseudo) {
    case H2_PSEUDO_METHOD:
    case H2_PSEUDO_PROTOCOL: return bytes > 0 && h1_scan(value, end, H1_CHAR_TOKEN) == end;
    case H2_PSEUDO_PATH: /* RFC 9113 8.3.1: "must not be empty" */
        return bytes > 0 && h1_scan(value, end, H1_CHAR_TARGET) == end;
    case H2_PSEUDO_AUTHORITY: return bytes > 0 && h1_scan(value, end, H1_CHAR_TARGET) == end;
    case H2_PSEUDO_SCHEME: return bytes > 0 && h1_scan(value, end, H1_CHAR_TOKEN) == end;
    case H2_PSEUDO_STATUS: return bytes == 3;
    case H2_PSEUDO_COUNT: break;
    }
    return false;
}

static void note_scheme(struct h2_block *block, const char *value, size_t bytes)
{
    bool known = (bytes == 5 && strncasecmp(value, "https", 5) == 0) ||
                 (bytes == 4 && strncasecmp(value, "http", 4) == 0);
    if (!known) {
        block->fault = H2_FAULT_INVALID; /* a scheme that is not served here */
    }
}

static bool keep_pseudo(struct h2_block *block, struct buf_pool *pool, enum h2_pseudo pseudo,
                        const char *value, size_t bytes)
{
    if (pseudo == H2_PSEUDO_AUTHORITY) {
        struct span *span = &block->pseudo[pseudo];
        bool fits = h2_block_add_line(block, pool, FIELD_HOST, value, bytes);
        if (fits) {
            const struct http_field *host = &h2_block_fields(block)[block->field_count - 1];
            *span = (struct span){host->value_at, host->value_bytes};
        }
        return fits;
    }
    return h2_block_add_text(block, pool, value, bytes, &block->pseudo[pseudo]);
}

static enum h2_block_result add_pseudo(struct h2_block *block, struct buf_pool *pool, bool fits,
                                       const char *name, size_t name_bytes, const char *value,
                                       size_t value_bytes)
{
    for (unsigned i = 0; i < H2_PSEUDO_COUNT; i++) {
        if (pseudos[i].name_bytes != name_bytes || memcmp(pseudos[i].name, name, name_bytes) != 0) {
            continue;
        }
        bool misplaced =
            pseudos[i].kind != block->kind || h2_block_has(block, i) || block->fields_begun;
        if (misplaced || !pseudo_valid(i, value, value_bytes)) {
            return H2_BLOCK_MALFORMED;
        }
        block->pseudo_seen |= (uint8_t)(1 << i);
        if (i == H2_PSEUDO_SCHEME) {
            note_scheme(block, value, value_bytes);
        }
        if (!fits && i == H2_PSEUDO_PATH) {
            block->fault = H2_FAULT_TARGET_TOO_LONG;
        }
        return fits ? kept(keep_pseudo(block, pool, i, value, value_bytes)) : H2_BLOCK_OK;
    }
    return H2_BLOCK_MALFORMED; /* RFC 9113 8.3: undefined ones */
}

/* ---- other fields (RFC 9113 8.2) ---- */

/* RFC 9113 8.2.1: a token in lower case. A name of the table is one. */
static bool name_valid(enum field_id id, const char *name, size_t bytes)
{
    if (id != FIELD_OTHER) {
        return memcmp(field_texts[id], name, bytes) == 0;
    }
    for (size_t i = 0; i < bytes; i++) {
        if (!h1_char_is(name[i], H1_CHAR_TOKEN) || (name[i] >= 'A' && name[i] <= 'Z')) {
            return false;
        }
    }
    return bytes > 0 && bytes <= UINT16_MAX;
}

/* RFC 9113 8.2.2. */
static bool is_connection_specific(enum field_id id, const char *value, size_t bytes)
{
    switch ((unsigned)id) {
    case FIELD_CONNECTION:
    case FIELD_KEEP_ALIVE:
    case FIELD_PROXY_CONNECTION:
    case FIELD_TRANSFER_ENCODING:
    case FIELD_UPGRADE: return true;
    case FIELD_TE: return bytes != 8 || strncasecmp(value, "trailers", 8) != 0;
    default: return false;
    }
}

/* RFC 9112 3.2: there is one. RFC 9113 8.3.1: it must not differ from :authority, which stands for it. */
static enum h2_block_result add_host(struct h2_block *block, struct buf_pool *pool,
                                     const char *value, size_t value_bytes)
{
    bool again = block->host_seen;
    block->host_seen = true;
    if (again) {
        return H2_BLOCK_MALFORMED;
    }
    if (!h2_block_has(block, H2_PSEUDO_AUTHORITY)) {
        return kept(h2_block_add_line(block, pool, FIELD_HOST, value, value_bytes));
    }
    const struct span *authority = &block->pseudo[H2_PSEUDO_AUTHORITY];
    if (authority->bytes == 0) {
        return H2_BLOCK_OK; /* it did not fit: the request is refused anyway */
    }
    return authority->bytes == value_bytes &&
                   strncasecmp(block->text->bytes + authority->at, value, value_bytes) == 0
               ? H2_BLOCK_OK
               : H2_BLOCK_MALFORMED;
}

static enum h2_block_result add_field(struct h2_block *block, struct buf_pool *pool, bool fits,
                                      const char *name, size_t name_bytes, const char *value,
                                      size_t value_bytes)
{
    enum field_id id = field_id_of(name, name_bytes);
    block->fields_begun = true;
    if (!name_valid(id, name, name_bytes) || !value_valid(value, value_bytes) ||
        is_connection_specific(id, value, value_bytes)) {
        return H2_BLOCK_MALFORMED;
    }
    if (!fits) {
        return H2_BLOCK_OK;
    }
    if (id == FIELD_OTHER && memchr(name, '_', name_bytes) != NULL) {
        block->facts |= FACT_UNDERSCORE;
    }
    if (block->kind == H2_BLOCK_REQUEST && id == FIELD_HOST) {
        return add_host(block, pool, value, value_bytes);
    }
    if (block->kind == H2_BLOCK_REQUEST && id == FIELD_COOKIE) {
        return add_cookie(block, pool, value, value_bytes);
    }
    return kept(add_line(block, pool, id, name, name_bytes, value, value_bytes));
}

/* ---- how much of it ---- */

static bool is_flood(const struct h2_block *block, const struct h2_limits *limits)
{
    uint64_t bytes = (uint64_t)limits->head_bytes * FLOOD_FACTOR;
    uint64_t count = (uint64_t)limits->fields_count * FLOOD_FACTOR;
    return block->size_bytes > (bytes > FLOOD_MIN_BYTES ? bytes : FLOOD_MIN_BYTES) ||
           block->all_count > (count > FLOOD_MIN_COUNT ? count : FLOOD_MIN_COUNT);
}

/* Notes why a field is not kept. */
static bool fits_limits(struct h2_block *block, const struct h2_limits *limits)
{
    enum h2_fault fault = block->size_bytes > limits->head_bytes       ? H2_FAULT_HEAD_TOO_LARGE
                          : block->field_count >= limits->fields_count ? H2_FAULT_TOO_MANY_FIELDS
                                                                       : H2_FAULT_NONE;
    if (fault != H2_FAULT_NONE && block->fault == H2_FAULT_NONE) {
        block->fault = (uint8_t)fault;
    }
    return fault == H2_FAULT_NONE;
}

enum h2_block_result h2_block_add(struct h2_block *block, struct buf_pool *pool,
                                  const struct h2_limits *limits, const char *name,
                                  size_t name_bytes, const char *value, size_t value_bytes)
{
    block->size_bytes += name_bytes + value_bytes;
    block->all_count++;
    if (is_flood(block, limits)) {
        return H2_BLOCK_FLOOD;
    }
    bool fits = fits_limits(block, limits);
    if (name_bytes > 0 && name[0] == ':') {
        return add_pseudo(block, pool, fits, name, name_bytes, value, value_bytes);
    }
    return add_field(block, pool, fits, name, name_bytes, value, value_bytes);
}
