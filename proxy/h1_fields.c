/* One pass over the field lines: name, colon, value, line end; each byte is looked at once. */

#include "proxy/h1_fields.h"

#include "proxy/h1_scan.h"

/* RFC 9112 5 and 5.1: why a line is not a field, by the byte that ended its name. */
static enum h1_result bad_name(const struct h1_input *input, const char *at)
{
    if (at == input->end)
        return input->at_end;
    switch (*at) {
    case ' ':
    case '\t': return H1_SPACE_BEFORE_COLON;
    case '\n': return H1_BAD_LINE_END;
    default: return H1_BAD_FIELD_NAME;
    }
}

/* RFC 9112 2.2 and RFC 9110 5.5: why a value does not end in CRLF, by the byte that ended it. */
static enum h1_result bad_value(const struct h1_input *input, const char *at)
{
    if (at == input->end || (*at == '\r' && at + 1 == input->end))
        return input->at_end;
    return *at == '\r' || *at == '\n' ? H1_BAD_LINE_END : H1_BAD_FIELD_VALUE;
}

/* A line that begins with no name: the end of the fields, or nothing good. RFC 9112 5.2: obs-fold is refused in
   requests and responses alike; 2.2: so is white space before the first field. */
static enum h1_result no_name(struct h1_input *input, struct http_head *head)
{
    const char *at = input->at;
    switch (*at) {
    case '\r':
        if (at + 1 == input->end)
            return input->at_end;
        if (at[1] != '\n')
            return H1_BAD_LINE_END;
        input->at = at + 2;
        head->head_bytes = h1_input_offset(input, input->at);
        return H1_OK;
    case '\n': return H1_BAD_LINE_END;
    case ' ':
    case '\t': return head->field_count ? H1_OBS_FOLD : H1_BAD_FIELD_NAME;
    default: return H1_BAD_FIELD_NAME;
    }
}

/* The name at input->at, up to its colon. */
static enum h1_result parse_name(struct h1_input *input, struct http_field *field)
{
    const char *name = input->at;
    const char *at = h1_scan_plain(name, input->end);
    if (at < input->end && *at != ':')
        at = h1_scan_token(at, input->end);
    if (at - name > UINT16_MAX)
        return H1_HEAD_TOO_LARGE;
    if (at == input->end || *at != ':')
        return bad_name(input, at);
    field->name_at = h1_input_offset(input, name);
    field->name_bytes = (uint16_t)(at - name);
    field->id = (uint8_t)field_id_of(name, field->name_bytes);
    input->at = at + 1;
    return H1_OK;
}

/* The value at input->at without the white space around it, and its line end. */
static enum h1_result parse_value(struct h1_input *input, struct http_field *field)
{
    const char *value = input->at;
    while (value < input->end && (*value == ' ' || *value == '\t'))
        value++;
    const char *at = h1_scan_value(value, input->end);
    if (input->end - at < 2 || at[0] != '\r' || at[1] != '\n')
        return bad_value(input, at);
    input->at = at + 2;
    while (at > value && (at[-1] == ' ' || at[-1] == '\t'))
        at--;
    field->value_at = h1_input_offset(input, value);
    field->value_bytes = (uint32_t)(at - value);
    return H1_OK;
}

enum h1_result h1_parse_fields(struct h1_input *input, struct h1_rules *rules,
                               uint32_t fields_limit, struct http_head *head)
{
    const struct h1_role *role = rules->role;
    if (fields_limit > head->field_limit)
        fields_limit = head->field_limit;
    for (;;) {
        if (input->at == input->end)
            return input->at_end;
        if (!h1_char_is(*input->at, H1_CHAR_TOKEN))
            return no_name(input, head);
        if (head->field_count >= fields_limit)
            return H1_TOO_MANY_FIELDS;
        struct http_field *field = &head->fields[head->field_count];
        enum h1_result result = parse_name(input, field);
        if (result != H1_OK)
            return result;
        result = parse_value(input, field);
        if (result != H1_OK)
            return result;
        head->field_count++;
        head->seen[field->id / 64] |= (uint64_t)1 << field->id % 64;
        field->drop = role->dropped_ids >> field->id & 1;
        if (role->telling_ids >> field->id & 1) {
            result = h1_rules_field(rules, head, field);
            if (result != H1_OK)
                return result;
        }
    }
}
