/*
 * The pass over field lines, included once for each kind of processor: H1_FOR names the steps it takes.
 *
 * Owns nothing. Thread: any. Errors: enum h1_result. Spec: RFC 9112 5.
 */

/* The first byte from `at` on that no value may hold: of a good one, its line end. */
H1_TARGET(H1_FOR)
static inline __attribute__((always_inline)) const char *H1_USE(value_end)(struct h1_input *input,
                                                                           const char *at)
{
    for (;;) {
        uint32_t stops;
        while ((stops = H1_USE(h1_text_stops)(at)) == 0)
            at = h1_input_ahead(input, at + H1_USE(H1_STEP_BYTES));
        at += __builtin_ctz(stops);
        if (LIKELY(is_line_end(at)) || *at != '\t')
            return at;
        at = h1_input_ahead(input, at + 1);
    }
}

H1_TARGET(H1_FOR)
enum h1_result H1_USE(h1_parse_fields)(struct h1_input *input, struct h1_rules *rules,
                                       const struct http_field *limit, struct http_head *head)
{
    struct http_field *field = head->fields;
    const char *at = input->at;
    enum h1_result result;
    uint16_t facts = FACT_CANONICAL;
    for (;;) {
        at = h1_input_ahead(input, at);
        uint32_t name_at = h1_input_offset(input, at);
        uint32_t name_bytes = H1_USE(h1_name_step)(at);
        const char *value = at + name_bytes + 1;
        enum field_id id;
        if (LIKELY(name_bytes && value[-1] == ':')) {
            id = H1_USE(h1_name_id)(at, name_bytes);
        } else if (is_line_end(at)) {
            result = H1_OK;
            break;
        } else {
            uint32_t odd_bytes = 0;
            result = judge_odd_line(input, name_at, field == head->fields, &odd_bytes);
            if (result != H1_OK)
                break;
            id = field_id_of(input->bytes + name_at, odd_bytes);
            value = h1_input_ahead(input, at + odd_bytes + 1);
            name_bytes = odd_bytes;
        }
        if (field == limit) {
            result = H1_TOO_MANY_FIELDS;
            break;
        }

        value++;
        if (!LIKELY(value[-1] == ' ' && (unsigned char)*value > ' ')) {
            value = skip_space(input, value - 1);
            facts = 0;
        }
        uint32_t value_at = h1_input_offset(input, value);
        const char *end = H1_USE(value_end)(input, value);
        if (!LIKELY(is_line_end(end))) {
            result = bad_value(input, h1_input_offset(input, end));
            break;
        }
        uint32_t end_at = h1_input_offset(input, end);
        if (!LIKELY((unsigned char)end[-1] > ' ')) {
            end_at = trim(input, value_at, end_at);
            facts = 0;
        }
        at = end + 2;

        field->name_at = name_at;
        field->value_at = value_at;
        field->value_bytes = end_at - value_at;
        field->name_bytes = (uint16_t)name_bytes;
        field->id = FIELD_OTHER;
        field->drop = 0;
        if (id != FIELD_OTHER) {
            if (id == FIELD_HOST)
                rules->host_plain_bytes = H1_USE(h1_host_step)(value);
            result = known_field(rules, head, field, id);
            if (result != H1_OK)
                break;
        }
        field++;
    }
    head->facts |= facts;
    head->field_count = (uint16_t)(field - head->fields);
    head->head_bytes = result == H1_OK ? h1_input_offset(input, at) + 2 : 0;
    return result;
}
