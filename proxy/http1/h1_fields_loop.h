/*
 * The pass over plain field lines, included once for each kind of vector instructions: H1_FOR names the steps that it
 * uses. It calls no function, so that its variables stay in registers.
 *
 * Owns nothing. Thread: any. Errors: none; its caller judges the line where it ends. Spec: RFC 9112 5.
 */

H1_TARGET(H1_FOR)
static inline __attribute__((always_inline)) enum lines_end H1_USE(take_plain_lines)(
    struct lines *lines)
{
    const struct h1_role *role = lines->role;
    const char *base = lines->input->bytes;
    size_t safe_at = lines->input->safe_at;
    size_t at = lines->at;
    struct http_field *field = lines->field;
    uint64_t *seen = lines->seen;
    enum lines_end end = LINES_ODD;
    while (end == LINES_ODD) {
        if (!LIKELY(at < safe_at)) {
            base = lines->input->tail;
            safe_at = SIZE_MAX;
        }
        const char *line = base + at;
        struct h1_name name = H1_USE(h1_name)(line);
        if (!LIKELY(name.bytes) || field == lines->limit) {
            break;
        }
        const char *value = line + name.bytes + 2;
        if (!LIKELY(value[-1] == ' ' && (unsigned char)*value > ' ')) {
            break;
        }
        size_t value_at = at + name.bytes + 2;
        size_t end_at = value_at;
        uint32_t stops;
        while ((stops = H1_USE(h1_text_stops)(base + end_at)) == 0) {
            end_at += H1_USE(H1_STEP_BYTES);
            if (end_at >= safe_at) {
                base = lines->input->tail;
                safe_at = SIZE_MAX;
            }
        }
        end_at += (size_t)__builtin_ctz(stops);
        if (!LIKELY(is_line_end(base + end_at) && (unsigned char)base[end_at - 1] > ' ')) {
            break;
        }
        field->name_at = (uint32_t)at;
        field->value_at = (uint32_t)value_at;
        field->value_bytes = (uint32_t)(end_at - value_at);
        field->name_bytes = (uint16_t)name.bytes;
        field->id = (uint8_t)name.id;
        field->drop = role->drops[name.id];
        at = end_at + 2;
        field++;
        if (role->notes[name.id]) {
            end = LINES_LISTENED;
        } else {
            seen[FIELD_ID_COUNT > 64 ? name.id / 64 : 0] |= (uint64_t)1 << name.id % 64;
        }
    }
    lines->at = (uint32_t)at;
    lines->field = field;
    return end;
}

/* Not inlined, because its caller would save registers for all variants. */
H1_TARGET(H1_FOR)
__attribute__((noinline)) enum h1_result H1_USE(h1_parse_fields)(struct h1_input *input,
                                                                 struct h1_rules *rules,
                                                                 const struct http_field *limit,
                                                                 struct http_head *head)
{
    return parse_fields(input, rules, limit, head, H1_USE(take_plain_lines));
}
