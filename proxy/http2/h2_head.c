/* What a whole block says: which pseudo-header fields must be there, and what its fields mean for the message. */
#include "proxy/http2/h2_head.h"

#include <string.h>

#include "proxy/http1/h1_rules.h"
#include "proxy/http1/h1_target.h"

/* The head without what fields say of it. The empty line makes the text a head of HTTP/1 but for its start line. */
static bool head_of(struct h2_block *block, struct buf_pool *pool, struct http_head *head)
{
    if (!h2_block_join_cookies(block, pool) || !buf_widen(pool, &block->text, 2)) {
        return false;
    }
    struct buf *text = block->text;
    memcpy(text->bytes + text->end, "\r\n", 2);
    text->end += 2;
    *head = (struct http_head){.base = text->bytes,
                               .head_bytes = text->end,
                               .facts = block->facts,
                               .field_count = (uint16_t)block->field_count,
                               .fields = h2_block_fields(block),
                               .field_limit = block->field_count,
                               .seen = {block->seen[0], block->seen[1]}};
    return true;
}

/* Gives each field to the rule that listens to it. Returns the first that is not content. */
static enum h1_result note_fields(struct h1_rules *rules, struct http_head *head)
{
    uint64_t seen[2] = {0, 0};
    for (unsigned i = 0; i < head->field_count; i++) {
        struct http_field *field = &head->fields[i];
        uint64_t bit = (uint64_t)1 << field->id % 64;
        bool again = seen[field->id / 64] & bit;
        seen[field->id / 64] |= bit;
        if (rules->role->notes[field->id] != NULL) {
            enum h1_result result = rules->role->notes[field->id](rules, head, field, again);
            if (result != H1_OK) {
                return result;
            }
        }
    }
    return H1_OK;
}

#define BIT(pseudo) (1u << H2_PSEUDO_##pseudo)

/* RFC 9113 8.3.1, 8.5, RFC 8441 4: each kind of request has its own. :authority may be missing where Host stands for it. */
static bool pseudos_valid(const struct h2_block *block, enum http_method method)
{
    unsigned seen = block->pseudo_seen & ~BIT(AUTHORITY);
    bool authority = h2_block_has(block, H2_PSEUDO_AUTHORITY);
    if (method != METHOD_CONNECT) {
        return seen == (BIT(METHOD) | BIT(SCHEME) | BIT(PATH));
    }
    return authority &&
           (seen == BIT(METHOD) || seen == (BIT(METHOD) | BIT(PROTOCOL) | BIT(SCHEME) | BIT(PATH)));
}

/* RFC 8441 4: the request that asks for the same in HTTP/1 is an upgrade (RFC 6455 4.1). */
static bool make_upgrade(struct h2_block *block, struct buf_pool *pool)
{
    char protocol[HTTP_METHOD_MAX_BYTES];
    struct span span = block->pseudo[H2_PSEUDO_PROTOCOL];
    if (span.bytes > sizeof protocol) {
        block->fault = H2_FAULT_INVALID;
        return true;
    }
    memcpy(protocol, block->text->bytes + span.at, span.bytes);
    block->facts |= FACT_UPGRADE | FACT_EXTENDED_CONNECT;
    return h2_block_add_text(block, pool, "GET", 3, &block->pseudo[H2_PSEUDO_METHOD]) &&
           h2_block_add_line(block, pool, FIELD_UPGRADE, protocol, span.bytes);
}

/* RFC 9113 8.3.1: origin-form, or "*" of OPTIONS. CONNECT has an authority in its place (8.5). */
static enum h2_block_result judge_target(const struct h2_block *block, struct http_head *head,
                                         enum h2_fault *fault)
{
    if (head->method == METHOD_CONNECT) {
        struct span authority = block->pseudo[H2_PSEUDO_AUTHORITY];
        if (authority.bytes == 0 || h1_parse_target(authority, head) != H1_OK) {
            *fault = H2_FAULT_INVALID;
        }
        return H2_BLOCK_OK;
    }
    head->target = block->pseudo[H2_PSEUDO_PATH];
    const char *target = head_text(head, head->target);
    if (head->target.bytes == 1 && *target == '*') {
        head->facts |= FACT_ASTERISK;
        return head->method == METHOD_OPTIONS ? H2_BLOCK_OK : H2_BLOCK_MALFORMED;
    }
    return head->target.bytes == 0 || *target == '/' ? H2_BLOCK_OK : H2_BLOCK_MALFORMED;
}

static enum h2_fault fault_of(enum h1_result result)
{
    return result == H1_OK                    ? H2_FAULT_NONE
           : result == H1_UNKNOWN_EXPECTATION ? H2_FAULT_EXPECTATION
                                              : H2_FAULT_INVALID;
}

/* RFC 9110 8.6: a length that two fields tell differently, or that is no number, is malformed (RFC 9113 8.1.1). */
static bool is_malformed(enum h1_result result)
{
    return result == H1_BAD_CONTENT_LENGTH || result == H1_DIFFERING_CONTENT_LENGTHS ||
           result == H1_SEVERAL_HOSTS || result == H1_MISSING_HOST;
}

/* RFC 9113 8.1.1: the length must be that of DATA. A tunnel has no content (RFC 9110 9.3.6). */
static enum h2_block_result judge_framing(struct http_head *head, bool last)
{
    if (head->method == METHOD_CONNECT || (head->facts & FACT_EXTENDED_CONNECT)) {
        head->framing = FRAMING_NONE;
        head->content_length = 0;
        return H2_BLOCK_OK;
    }
    if (head->framing == FRAMING_LENGTH) {
        return last && head->content_length > 0 ? H2_BLOCK_MALFORMED : H2_BLOCK_OK;
    }
    head->framing = last ? FRAMING_NONE : FRAMING_CHUNKED;
    return H2_BLOCK_OK;
}

/* The fields and the target of a request of which all was kept. */
static enum h2_block_result judge_request(const struct h2_block *block, struct http_head *head,
                                          bool last, enum h2_fault *fault)
{
    struct h1_rules rules = {.role = &h1_request_role, .options_limit = head->field_count};
    enum h1_result result = note_fields(&rules, head);
    if (result == H1_OK) {
        result = h1_rules_request(&rules, head);
    }
    if (is_malformed(result)) {
        return H2_BLOCK_MALFORMED;
    }
    *fault = fault_of(result);
    enum h2_block_result judged = judge_target(block, head, fault);
    return judged == H2_BLOCK_OK ? judge_framing(head, last) : judged;
}

/* The texts of a request, which may not all have been kept. */
static void name_request(const struct h2_block *block, struct http_head *head)
{
    head->method_text = block->pseudo[H2_PSEUDO_METHOD];
    head->target = block->pseudo[H2_PSEUDO_PATH];
    if (h2_block_has(block, H2_PSEUDO_AUTHORITY)) {
        head->host = block->pseudo[H2_PSEUDO_AUTHORITY];
    }
}

enum h2_block_result h2_head_request(struct h2_block *block, struct buf_pool *pool, bool last,
                                     struct http_head *ret_head, enum h2_fault *ret_fault)
{
    struct span text = block->pseudo[H2_PSEUDO_METHOD];
    enum http_method method = METHOD_OTHER;
    if (text.bytes > 0) {
        method = http_method_of(block->text->bytes + text.at, text.bytes);
    }
    if (!pseudos_valid(block, method)) {
        return H2_BLOCK_MALFORMED;
    }
    if (text.bytes > HTTP_METHOD_MAX_BYTES && block->fault == H2_FAULT_NONE) {
        block->fault = H2_FAULT_INVALID;
    }
    if (h2_block_has(block, H2_PSEUDO_PROTOCOL) && block->fault == H2_FAULT_NONE) {
        if (!make_upgrade(block, pool)) {
            return H2_BLOCK_NO_MEMORY;
        }
        method = METHOD_GET;
    }
    if (!head_of(block, pool, ret_head)) {
        return H2_BLOCK_NO_MEMORY;
    }
    ret_head->method = (uint8_t)method;
    name_request(block, ret_head);
    *ret_fault = (enum h2_fault)block->fault;
    if (*ret_fault != H2_FAULT_NONE) {
        ret_head->facts |= FACT_GLIMPSED;
        return H2_BLOCK_OK;
    }
    return judge_request(block, ret_head, last, ret_fault);
}

/* RFC 9110 15: three digits; RFC 9113 8.6: not 101. */
static bool status_of(const struct h2_block *block, uint16_t *ret_status)
{
    unsigned status = 0;
    struct span span = block->pseudo[H2_PSEUDO_STATUS];
    for (unsigned i = 0; i < span.bytes; i++) {
        unsigned digit = (unsigned char)block->text->bytes[span.at + i] - (unsigned)'0';
        if (digit > 9) {
            return false;
        }
        status = status * 10 + digit;
    }
    *ret_status = (uint16_t)status;
    return status >= 100 && status <= 599 && status != 101;
}

enum h2_block_result h2_head_response(struct h2_block *block, struct buf_pool *pool,
                                      enum http_method method, bool last,
                                      struct http_head *ret_head)
{
    struct h1_rules rules = {.role = &h1_response_role, .options_limit = block->field_count};
    uint16_t status;
    if (!h2_block_has(block, H2_PSEUDO_STATUS) || !status_of(block, &status) ||
        (status < 200 && last)) {
        return H2_BLOCK_MALFORMED;
    }
    if (!head_of(block, pool, ret_head)) {
        return H2_BLOCK_NO_MEMORY;
    }
    ret_head->status = status;
    if (note_fields(&rules, ret_head) != H1_OK ||
        h1_rules_response(&rules, method, ret_head) != H1_OK) {
        return H2_BLOCK_MALFORMED;
    }
    ret_head->facts &= (uint16_t) ~(FACT_LAST | FACT_CLOSE);
    if (ret_head->framing == FRAMING_LENGTH) {
        return last && ret_head->content_length > 0 ? H2_BLOCK_MALFORMED : H2_BLOCK_OK;
    }
    if (ret_head->framing == FRAMING_CLOSE) {
        /* without content, which HTTP/1 must be told */
        ret_head->framing = last ? FRAMING_LENGTH : FRAMING_CHUNKED;
    }
    return H2_BLOCK_OK;
}

enum h2_block_result h2_head_trailers(struct h2_block *block, struct buf_pool *pool,
                                      struct http_head *ret_head)
{
    return head_of(block, pool, ret_head) ? H2_BLOCK_OK : H2_BLOCK_NO_MEMORY;
}
