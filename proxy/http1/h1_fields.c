/* One pass over the field lines: name, colon, value, line end. Here are the exceptions; the loop is in its own file. */

#include "proxy/http1/h1_fields.h"

#include "proxy/http1/h1_scan.h"

#define LIKELY(condition) __builtin_expect((condition), 1)

/* RFC 9112 5 and 5.1: why a line is not a field, by the byte at which its name ends. */
static enum h1_result bad_name(char byte)
{
    switch (byte) {
    case ' ':
    case '\t': return H1_SPACE_BEFORE_COLON;
    case '\n': return H1_BAD_LINE_END;
    default: return H1_BAD_FIELD_NAME;
    }
}

/* Why a line that is not empty begins with no name. RFC 9112 5.2: obs-fold is refused in requests and responses alike;
   2.2: so is white space before the first field. */
static enum h1_result no_name(const struct h1_input *input, uint32_t at, bool first)
{
    switch (input->bytes[at]) {
    case '\r': return at + 1 == input->end ? input->at_end : H1_BAD_LINE_END;
    case '\n': return H1_BAD_LINE_END;
    case ' ':
    case '\t': return first ? H1_BAD_FIELD_NAME : H1_OBS_FOLD;
    default: return H1_BAD_FIELD_NAME;
    }
}

/* A line that is not empty and that a step did not take for a field. OK: it is one, and its name is that long. */
static enum h1_result judge_odd_line(const struct h1_input *input, uint32_t at, bool first,
                                     uint32_t *ret_name_bytes)
{
    const char *name = input->bytes + at;
    const char *end = input->bytes + input->end;
    size_t name_bytes = (size_t)(h1_scan(name, end, H1_CHAR_TOKEN) - name);
    if (name_bytes > UINT16_MAX)
        return H1_HEAD_TOO_LARGE;
    if (at + name_bytes == input->end)
        return input->at_end;
    if (name_bytes == 0)
        return no_name(input, at, first);
    if (name[name_bytes] != ':')
        return bad_name(name[name_bytes]);
    *ret_name_bytes = (uint32_t)name_bytes;
    return H1_OK;
}

/* RFC 9112 2.2 and RFC 9110 5.5: why a value does not end in CRLF, by the byte at which it ends. */
static enum h1_result bad_value(const struct h1_input *input, uint32_t end)
{
    if (end == input->end)
        return input->at_end;
    char byte = input->bytes[end];
    if (byte == '\r' && end + 1 == input->end)
        return input->at_end;
    return byte == '\r' || byte == '\n' ? H1_BAD_LINE_END : H1_BAD_FIELD_VALUE;
}

/* Where the value begins behind more than one byte of white space (RFC 9110 5.5). */
static const char *skip_space(struct h1_input *input, const char *at)
{
    at = h1_input_ahead(input, at);
    while (*at == ' ' || *at == '\t')
        at = h1_input_ahead(input, at + 1);
    return at;
}

/* Where it ends before white space. */
static uint32_t trim(const struct h1_input *input, uint32_t value, uint32_t end)
{
    while (end > value && (input->bytes[end - 1] == ' ' || input->bytes[end - 1] == '\t'))
        end--;
    return end;
}

static inline bool is_line_end(const char *at)
{
    return memcmp(at, "\r\n", 2) == 0;
}

static inline enum h1_result known_field(struct h1_rules *rules, struct http_head *head,
                                         struct http_field *field, enum field_id id)
{
    const struct h1_role *role = rules->role;
    uint64_t *seen = &head->seen[FIELD_ID_COUNT > 64 ? id / 64 : 0];
    uint64_t bit = (uint64_t)1 << id % 64;
    bool again = *seen & bit;
    *seen |= bit;
    field->id = (uint8_t)id;
    field->drop = role->drops[id];
    return role->notes[id] ? role->notes[id](rules, head, field, again) : H1_OK;
}

#define H1_JOIN(name, kind) name##_##kind
#define H1_NAMED(name, kind) H1_JOIN(name, kind)
#define H1_USE(name) H1_NAMED(name, H1_FOR)
#define H1_TARGET(kind) H1_NAMED(H1_TARGET, kind)

#define H1_TARGET_portable
#define H1_FOR portable
#include "proxy/http1/h1_fields_loop.h"
#undef H1_FOR

#ifdef __x86_64__
#define H1_TARGET_sse2
#define H1_FOR sse2
#include "proxy/http1/h1_fields_loop.h"
#undef H1_FOR

#define H1_TARGET_avx2 H1_AVX2
#define H1_FOR avx2
#include "proxy/http1/h1_fields_loop.h"
#undef H1_FOR
#endif

enum h1_result h1_parse_fields(struct h1_input *input, struct h1_rules *rules,
                               uint32_t fields_limit, struct http_head *head)
{
    const struct http_field *limit =
        head->fields + (fields_limit < head->field_limit ? fields_limit : head->field_limit);
#ifdef __x86_64__
    if (h1_has_avx2())
        return h1_parse_fields_avx2(input, rules, limit, head);
    return h1_parse_fields_sse2(input, rules, limit, head);
#else
    return h1_parse_fields_portable(input, rules, limit, head);
#endif
}
