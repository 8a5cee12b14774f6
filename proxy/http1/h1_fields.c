/* Field lines: name, colon, value, line end. Here any line is taken; the pass over plain ones is in its own file. */

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

/* RFC 9112 2.2 and RFC 9110 5.5: why a value does not end in CRLF, by the byte at which it ends. */
static enum h1_result bad_value(const struct h1_input *input, const char *at)
{
    const char *end = input->bytes + input->end;
    if (at == end || (*at == '\r' && at + 1 == end)) {
        return input->at_end;
    }
    return *at == '\r' || *at == '\n' ? H1_BAD_LINE_END : H1_BAD_FIELD_VALUE;
}

static inline bool is_line_end(const char *at)
{
    return memcmp(at, "\r\n", 2) == 0;
}

static bool is_space(char byte)
{
    return byte == ' ' || byte == '\t';
}

/* Position of the pass over the lines. */
struct lines {
    const struct h1_input *input;
    const struct h1_role *role;
    struct http_field *field;       /* the next one */
    const struct http_field *limit; /* behind the last field that is allowed */
    uint32_t at;                    /* where the next line begins */
    uint16_t facts;
    uint64_t seen[2];
};

/* Why a pass over plain lines ends. */
enum lines_end {
    LINES_ODD,      /* the next line is not plain */
    LINES_LISTENED, /* a rule needs the field before this one */
};

typedef enum lines_end take_plain_lines_fn(struct lines *lines);

/* Takes the name of the next line, which a colon ends. */
static enum h1_result take_name(struct lines *lines, bool first)
{
    const struct h1_input *input = lines->input;
    const char *name = input->bytes + lines->at;
    const char *end = input->bytes + input->end;
    const char *colon = h1_scan(name, end, H1_CHAR_TOKEN);
    size_t name_bytes = (size_t)(colon - name);
    if (name_bytes > UINT16_MAX) {
        return H1_HEAD_TOO_LARGE;
    }
    if (colon == end) {
        return input->at_end;
    }
    if (name_bytes == 0) {
        return no_name(input, lines->at, first);
    }
    if (*colon != ':') {
        return bad_name(*colon);
    }
    if (lines->field == lines->limit) {
        return H1_TOO_MANY_FIELDS;
    }
    lines->field->name_at = lines->at;
    lines->field->name_bytes = (uint16_t)name_bytes;
    lines->field->id = (uint8_t)field_id_of(name, name_bytes);
    lines->field->drop = lines->role->drops[lines->field->id];
    if (memchr(name, '_', name_bytes) != NULL) {
        lines->facts |= FACT_UNDERSCORE;
    }
    return H1_OK;
}

/* Takes the next line, of any form. */
static enum h1_result take_line(struct lines *lines, bool first)
{
    const struct h1_input *input = lines->input;
    const char *end = input->bytes + input->end;
    struct http_field *field = lines->field;
    enum h1_result result = take_name(lines, first);
    if (result != H1_OK) {
        return result;
    }
    const char *colon = input->bytes + field->name_at + field->name_bytes;
    const char *value = colon + 1;
    while (value < end && is_space(*value)) {
        value++;
    }
    const char *line_end = h1_scan(value, end, H1_CHAR_VALUE);
    if (end - line_end < 2 || !is_line_end(line_end)) {
        return bad_value(input, line_end);
    }
    const char *value_end = line_end;
    while (value_end > value && is_space(value_end[-1])) {
        value_end--;
    }
    field->value_at = (uint32_t)(value - input->bytes);
    field->value_bytes = (uint32_t)(value_end - value);
    if (value != colon + 2 || colon[1] != ' ' || value == value_end || value_end != line_end) {
        lines->facts &= (uint16_t)~FACT_CANONICAL;
    }
    lines->at = (uint32_t)(line_end - input->bytes) + 2;
    lines->field++;
    return H1_OK;
}

/* Gives the field before this one to its rule; `listened`: it has one. */
static inline __attribute__((always_inline)) enum h1_result note_field(struct lines *lines,
                                                                       struct h1_rules *rules,
                                                                       struct http_head *head,
                                                                       bool listened)
{
    struct http_field *field = lines->field - 1;
    uint64_t *seen = &lines->seen[FIELD_ID_COUNT > 64 ? field->id / 64 : 0];
    uint64_t bit = (uint64_t)1 << field->id % 64;
    bool again = *seen & bit;
    *seen |= bit;
    if (!listened && !rules->role->notes[field->id]) {
        return H1_OK;
    }
    if (field->id == FIELD_HOST) {
        rules->host_plain_bytes = h1_host_step_any(h1_input_at(lines->input, field->value_at));
    }
    return rules->role->notes[field->id](rules, head, field, again);
}

static bool is_empty_line(const struct lines *lines)
{
    const struct h1_input *input = lines->input;
    return input->end - lines->at >= 2 && is_line_end(input->bytes + lines->at);
}

static inline __attribute__((always_inline)) enum h1_result parse_fields(
    struct h1_input *input, struct h1_rules *rules, const struct http_field *limit,
    struct http_head *head, take_plain_lines_fn *take_plain_lines)
{
    struct lines lines = {.input = input,
                          .role = rules->role,
                          .field = head->fields,
                          .limit = limit,
                          .at = h1_input_offset(input, input->at),
                          .facts = FACT_CANONICAL};
    enum h1_result result = H1_OK;
    while (result == H1_OK) {
        enum lines_end end = take_plain_lines ? take_plain_lines(&lines) : LINES_ODD;
        if (end == LINES_ODD) {
            if (is_empty_line(&lines)) {
                break;
            }
            result = take_line(&lines, lines.field == head->fields);
        }
        if (result == H1_OK) {
            result = note_field(&lines, rules, head, end == LINES_LISTENED);
        }
    }
    head->seen[0] = lines.seen[0] & ~((uint64_t)1 << FIELD_OTHER);
    head->seen[1] = lines.seen[1];
    head->facts |= lines.facts;
    head->field_count = (uint16_t)(lines.field - head->fields);
    head->head_bytes = result == H1_OK ? lines.at + 2 : 0;
    return result;
}

enum h1_result h1_parse_fields_portable(struct h1_input *input, struct h1_rules *rules,
                                        const struct http_field *limit, struct http_head *head)
{
    return parse_fields(input, rules, limit, head, NULL);
}

#ifdef __x86_64__

#define H1_JOIN(name, kind) name##_##kind
#define H1_NAMED(name, kind) H1_JOIN(name, kind)
#define H1_USE(name) H1_NAMED(name, H1_FOR)
#define H1_TARGET(kind) H1_NAMED(H1_TARGET, kind)

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
    if (h1_has_avx2()) {
        return h1_parse_fields_avx2(input, rules, limit, head);
    }
    return h1_parse_fields_sse2(input, rules, limit, head);
#else
    return h1_parse_fields_portable(input, rules, limit, head);
#endif
}
