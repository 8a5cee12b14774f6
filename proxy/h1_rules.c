/* One function per field that the protocol itself listens to, and the conclusions once the head is whole. */

#include "proxy/h1_rules.h"

#include <string.h>
#include <strings.h>

#include "proxy/h1_scan.h"
#include "proxy/h1_target.h"

#define DROPPED(flags, wanted) (((flags) & (wanted)) ? H1_KIND_DROPPED : 0)

/* What the rules listen to in requests, and in responses. */
#define TELLING_REQUEST(id)                                                                 \
    ((id) == FIELD_HOST || (id) == FIELD_EXPECT || (id) == FIELD_TE || TELLING_RESPONSE(id) \
         ? H1_KIND_TELLING                                                                  \
         : 0)
#define TELLING_RESPONSE(id)                                            \
    ((id) == FIELD_CONTENT_LENGTH || (id) == FIELD_TRANSFER_ENCODING || \
             (id) == FIELD_CONNECTION || (id) == FIELD_UPGRADE          \
         ? H1_KIND_TELLING                                              \
         : 0)

const struct h1_role h1_request_role = {{
#define X(id, name, request, response) \
    [FIELD_##id] =                     \
        DROPPED(request, FIELD_HOP | FIELD_FRAMING | FIELD_ROUTING) | TELLING_REQUEST(FIELD_##id),
    FIELD_NAMES(X)
#undef X
}};

const struct h1_role h1_response_role = {{
#define X(id, name, request, response) \
    [FIELD_##id] = DROPPED(response, FIELD_HOP | FIELD_FRAMING) | TELLING_RESPONSE(FIELD_##id),
    FIELD_NAMES(X)
#undef X
}};

/* Trailers do not say which way they go: what neither way may carry is dropped (RFC 9110 6.5.1). */
const struct h1_role h1_trailer_role = {{
#define X(id, name, request, response) \
    [FIELD_##id] = DROPPED((request) | (response), FIELD_HOP | FIELD_FRAMING | FIELD_NO_TRAILER),
    FIELD_NAMES(X)
#undef X
}};

struct element {
    const char *at;
    size_t bytes;
};

static bool is_space(char byte)
{
    return byte == ' ' || byte == '\t';
}

/* The next element of a comma-separated list (RFC 9110 5.6.1) in [*at, end), without white space around it, maybe
   empty; false after the last one. Start with *at at the list; it is NULL when the list is used up. Quoted strings are
   not known: nothing we read may hold one. */
static bool next_element(const char **at, const char *end, struct element *ret_element)
{
    if (!*at)
        return false;
    const char *from = *at;
    const char *comma = memchr(from, ',', (size_t)(end - from));
    const char *to = comma ? comma : end;
    *at = comma ? comma + 1 : NULL;
    while (from < to && is_space(*from))
        from++;
    while (to > from && is_space(to[-1]))
        to--;
    *ret_element = (struct element){from, (size_t)(to - from)};
    return true;
}

static bool element_is(const struct element *element, const char *word, size_t word_bytes)
{
    return element->bytes == word_bytes && strncasecmp(element->at, word, word_bytes) == 0;
}

#define ELEMENT_IS(element, word) element_is((element), (word), sizeof(word) - 1)

/* Whether it is this word in any case. A value holds no control that would become a "-" or a digit in lower case. */
static inline bool is_word(const char *at, const char *end, const char *word, size_t word_bytes)
{
    return (size_t)(end - at) == word_bytes && field_name_equal(at, word, word_bytes);
}

static bool is_token(const struct element *element)
{
    const char *end = element->at + element->bytes;
    return element->bytes && h1_scan(element->at, end, H1_CHAR_TOKEN) == end;
}

/* RFC 9112 3.2: exactly one, whatever the target says; an empty one names nobody, and http has no URI without a host
   (RFC 9110 4.2.1). The authority of an absolute-form target wins (RFC 9112 3.2.2). */
static enum h1_result note_host(const struct h1_rules *rules, struct http_head *head,
                                const char *at, const char *end)
{
    if (!h1_authority_valid(at, end, rules->host_plain_bytes))
        return H1_BAD_HOST;
    if (!(head->facts & FACT_ABSOLUTE_FORM))
        head->host = (struct span){(uint32_t)(at - head->base), (uint32_t)(end - at)};
    return H1_OK;
}

/* RFC 9110 8.6, RFC 9112 6.3: digits; lists and repetitions may be refused, so they are. At most 2^63-1, so that sums
   and offsets stay exact. */
static enum h1_result note_content_length(struct h1_rules *rules, bool again, const char *at,
                                          const char *end)
{
    uint64_t length = 0;
    if (at == end)
        return H1_BAD_CONTENT_LENGTH;
    for (; at < end; at++) {
        unsigned digit = (unsigned char)*at - (unsigned)'0';
        if (digit > 9 || length > INT64_MAX / 10)
            return H1_BAD_CONTENT_LENGTH;
        length = length * 10 + digit; /* below 2^63 + 2 */
    }
    if (length > INT64_MAX)
        return H1_BAD_CONTENT_LENGTH;
    if (again)
        return length == rules->content_length ? H1_BAD_CONTENT_LENGTH
                                               : H1_DIFFERING_CONTENT_LENGTHS;
    rules->content_length = length;
    return H1_OK;
}

/* RFC 9112 6.1, 7: codings over all Transfer-Encoding fields in order; judged once they are all known. */
static __attribute__((noinline)) enum h1_result note_codings(struct h1_rules *rules, const char *at,
                                                             const char *end)
{
    struct element coding;
    while (next_element(&at, end, &coding)) {
        rules->chunked_last = ELEMENT_IS(&coding, "chunked");
        if (rules->chunked_last)
            rules->chunked_count++;
        else if (is_token(&coding))
            rules->other_count++;
        else
            rules->bad_coding = true;
    }
    return H1_OK;
}

/* RFC 9110 7.6.1. What is no token names no field: it is skipped. */
static __attribute__((noinline)) enum h1_result note_option_list(struct h1_rules *rules,
                                                                 struct http_head *head,
                                                                 const char *at, const char *end)
{
    struct element option;
    while (next_element(&at, end, &option)) {
        if (ELEMENT_IS(&option, "keep-alive"))
            head->facts |= FACT_KEEP_ALIVE;
        else if (ELEMENT_IS(&option, "close"))
            head->facts |= FACT_CLOSE;
        else if (ELEMENT_IS(&option, "upgrade"))
            rules->upgrades = true;
        else if (option.bytes && !ELEMENT_IS(&option, "te"))
            rules->nominates = true;
        if (++rules->options_count > rules->options_limit)
            return H1_TOO_MANY_FIELDS;
    }
    return H1_OK;
}

static enum h1_result note_options(struct h1_rules *rules, struct http_head *head, const char *at,
                                   const char *end)
{
    if (!is_word(at, end, "keep-alive", 10)) /* what nearly all say */
        return note_option_list(rules, head, at, end);
    head->facts |= FACT_KEEP_ALIVE;
    return H1_OK;
}

/* RFC 9110 10.1.1: 100-continue is the only expectation there is; HTTP/1.0 has none, and it must not seem so to the
   next hop. */
static __attribute__((noinline)) enum h1_result note_expectations(struct http_head *head,
                                                                  struct http_field *field,
                                                                  const char *at, const char *end)
{
    struct element expectation;
    if (head->facts & FACT_HTTP_1_0) {
        field->drop = 1;
        return H1_OK;
    }
    while (next_element(&at, end, &expectation)) {
        if (!ELEMENT_IS(&expectation, "100-continue"))
            return H1_UNKNOWN_EXPECTATION;
    }
    head->facts |= FACT_EXPECT_CONTINUE;
    return H1_OK;
}

/* RFC 9110 10.1.4. */
static __attribute__((noinline)) enum h1_result note_te(struct http_head *head, const char *at,
                                                        const char *end)
{
    struct element coding;
    while (next_element(&at, end, &coding)) {
        if (ELEMENT_IS(&coding, "trailers"))
            head->facts |= FACT_TE_TRAILERS;
    }
    return H1_OK;
}

/* RFC 9110 7.8. */
static __attribute__((noinline)) enum h1_result note_protocols(struct http_head *head,
                                                               const char *at, const char *end)
{
    struct element protocol;
    while (next_element(&at, end, &protocol)) {
        if (ELEMENT_IS(&protocol, "websocket"))
            head->facts |= FACT_UPGRADE_WEBSOCKET;
    }
    return H1_OK;
}

enum h1_result h1_rules_field(struct h1_rules *rules, struct http_head *head,
                              struct http_field *field)
{
    const char *at = head->base + field->value_at;
    const char *end = at + field->value_bytes;
    uint64_t bit = (uint64_t)1 << field->id;
    bool again = rules->noted_ids & bit;
    rules->noted_ids |= bit;
    switch (field->id) {
    case FIELD_HOST: return again ? H1_SEVERAL_HOSTS : note_host(rules, head, at, end);
    case FIELD_CONNECTION: return note_options(rules, head, at, end);
    case FIELD_CONTENT_LENGTH: return note_content_length(rules, again, at, end);
    case FIELD_TRANSFER_ENCODING: return note_codings(rules, at, end);
    case FIELD_EXPECT: return note_expectations(head, field, at, end);
    case FIELD_TE: return note_te(head, at, end);
    case FIELD_UPGRADE: return note_protocols(head, at, end);
    default: return H1_OK;
    }
}

/* RFC 9112 6.1-6.3: chunked once and last, or nobody knows where the message ends; another coding before it we could
   only pass on blindly. */
static enum h1_result judge_transfer_encoding(const struct h1_rules *rules,
                                              const struct http_head *head)
{
    if (head->facts & FACT_HTTP_1_0)
        return H1_TRANSFER_ENCODING_IN_1_0;
    if (head_has(head, FIELD_CONTENT_LENGTH))
        return H1_LENGTH_AND_TRANSFER_ENCODING;
    if (rules->bad_coding || !rules->chunked_last || rules->chunked_count > 1)
        return H1_BAD_TRANSFER_ENCODING;
    return rules->other_count ? H1_UNKNOWN_TRANSFER_ENCODING : H1_OK;
}

/* RFC 9110 7.6.1: what is named is for this hop only. A field in our table is known to be end-to-end, and naming one is
   forbidden there: obeying would let a client take away what an earlier hop relies on (X-Forwarded-For). */
static void drop_nominated(struct http_head *head, const struct element *option)
{
    static const char forwarded[] = "x-forwarded-";
    if (field_id_of(option->at, option->bytes) != FIELD_OTHER ||
        (option->bytes >= sizeof forwarded - 1 &&
         strncasecmp(option->at, forwarded, sizeof forwarded - 1) == 0))
        return;
    for (unsigned i = 0; i < head->field_count; i++) {
        struct http_field *field = &head->fields[i];
        if (field->name_bytes == option->bytes &&
            field_name_equal(head->base + field->name_at, option->at, option->bytes))
            field->drop = 1;
    }
}

/* RFC 9112 9.3 (persistence), RFC 9110 7.8 (upgrade; none in HTTP/1.0), 7.6.1 (nominated fields). */
static void judge_connection(const struct h1_rules *rules, struct http_head *head)
{
    bool old = head->facts & FACT_HTTP_1_0;
    if (old && !(head->facts & FACT_KEEP_ALIVE))
        head->facts |= FACT_CLOSE;
    if (rules->upgrades && !old && head_has(head, FIELD_UPGRADE))
        head->facts |= FACT_UPGRADE;
    else
        head->facts &= (uint16_t)~FACT_UPGRADE_WEBSOCKET;
    if (!rules->nominates)
        return;
    h1_drop_nominated(head, head);
}

void h1_drop_nominated(const struct http_head *head, struct http_head *fields)
{
    struct element option;
    for (unsigned i = 0; i < head->field_count; i++) {
        const struct http_field *field = &head->fields[i];
        const char *at = head->base + field->value_at;
        const char *end = at + field->value_bytes;
        if (field->id != FIELD_CONNECTION)
            continue;
        while (next_element(&at, end, &option)) {
            if (is_token(&option))
                drop_nominated(fields, &option);
        }
    }
}

enum h1_result h1_rules_request(struct h1_rules *rules, struct http_head *head)
{
    if (!head_has(head, FIELD_HOST) && !(head->facts & FACT_HTTP_1_0))
        return H1_MISSING_HOST;   /* RFC 9112 3.2 */
    head->framing = FRAMING_NONE; /* RFC 9112 6.3 rule 7 */
    if (head_has(head, FIELD_TRANSFER_ENCODING)) {
        enum h1_result result = judge_transfer_encoding(rules, head);
        if (result != H1_OK)
            return result;
        head->framing = FRAMING_CHUNKED;
    } else if (head_has(head, FIELD_CONTENT_LENGTH)) {
        head->framing = FRAMING_LENGTH;
        head->content_length = rules->content_length;
    }
    judge_connection(rules, head);
    return H1_OK;
}

enum h1_result h1_rules_response(struct h1_rules *rules, enum http_method method,
                                 struct http_head *head)
{
    bool chunked = head_has(head, FIELD_TRANSFER_ENCODING);
    bool length = head_has(head, FIELD_CONTENT_LENGTH);
    bool interim_or_204 = head->status < 200 || head->status == 204;
    bool tunnel = method == METHOD_CONNECT && head->status / 100 == 2;
    if (chunked) {
        enum h1_result result = judge_transfer_encoding(rules, head);
        if (result != H1_OK)
            return result;
        if (interim_or_204) /* RFC 9112 6.1: must not be there */
            return H1_BAD_TRANSFER_ENCODING;
    }
    head->content_length = length && !interim_or_204 && !tunnel ? rules->content_length : 0;
    if (interim_or_204 || tunnel || head->status == 304 || method == METHOD_HEAD)
        head->framing = FRAMING_NONE; /* RFC 9112 6.3 rules 1 and 2 */
    else if (chunked)
        head->framing = FRAMING_CHUNKED;
    else
        head->framing = length ? FRAMING_LENGTH : FRAMING_CLOSE;
    judge_connection(rules, head);
    return H1_OK;
}
