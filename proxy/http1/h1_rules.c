/* One function per field that the protocol itself listens to, and the conclusions once the head is whole. */

#include "proxy/http1/h1_rules.h"

#include <string.h>
#include <strings.h>

#include "proxy/http/field_list.h"
#include "proxy/http1/h1_scan.h"
#include "proxy/http1/h1_target.h"

#define DROPS(flags, wanted) (((flags) & (wanted)) != 0)

static h1_note_fn note_host;
static h1_note_fn note_content_length;
static h1_note_fn note_codings;
static h1_note_fn note_options;
static h1_note_fn note_expectations;
static h1_note_fn note_te;

const struct h1_role h1_request_role = {
    .drops =
        {
#define X(id, name, request, response) \
    [FIELD_##id] = DROPS(request, FIELD_HOP | FIELD_FRAMING | FIELD_ROUTING),
            FIELD_NAMES(X)
#undef X
        },
    .notes =
        {
            [FIELD_HOST] = note_host,
            [FIELD_CONTENT_LENGTH] = note_content_length,
            [FIELD_TRANSFER_ENCODING] = note_codings,
            [FIELD_CONNECTION] = note_options,
            [FIELD_EXPECT] = note_expectations,
            [FIELD_TE] = note_te,
        },
};

const struct h1_role h1_response_role = {
    .drops =
        {
#define X(id, name, request, response) [FIELD_##id] = DROPS(response, FIELD_HOP | FIELD_FRAMING),
            FIELD_NAMES(X)
#undef X
        },
    .notes =
        {
            [FIELD_CONTENT_LENGTH] = note_content_length,
            [FIELD_TRANSFER_ENCODING] = note_codings,
            [FIELD_CONNECTION] = note_options,
        },
    .tolerant = true,
};

/* Trailers do not say which way they go: what neither way may carry is dropped (RFC 9110 6.5.1). */
const struct h1_role h1_trailer_role = {
    .drops =
        {
#define X(id, name, request, response) \
    [FIELD_##id] = DROPS((request) | (response), FIELD_HOP | FIELD_FRAMING | FIELD_NO_TRAILER),
            FIELD_NAMES(X)
#undef X
        },
};

#define ELEMENT_IS(element, word) field_element_is((element), (word), sizeof word - 1)

static bool is_token(const struct field_element *element)
{
    const char *end = element->at + element->bytes;
    return element->bytes && h1_scan(element->at, end, H1_CHAR_TOKEN) == end;
}

/* RFC 9112 3.2: exactly one, whatever the target says; an empty one is refused, because http has no URI without a host
   (RFC 9110 4.2.1). The authority of an absolute-form target wins (RFC 9112 3.2.2). */
static enum h1_result note_host(struct h1_rules *rules, struct http_head *head,
                                struct http_field *field, bool again)
{
    const char *at = head->base + field->value_at;
    if (again) {
        return H1_SEVERAL_HOSTS;
    }
    if (!h1_authority_valid(at, at + field->value_bytes, rules->host_plain_bytes)) {
        return H1_BAD_HOST;
    }
    if (!(head->facts & FACT_ABSOLUTE_FORM)) {
        head->host = (struct span){field->value_at, field->value_bytes};
    }
    return H1_OK;
}

/* RFC 9110 8.6: digits, at most 2^63-1, so that sums and offsets stay exact. What is above that is no length. */
static inline __attribute__((always_inline)) uint64_t length_of(const char *at, const char *end)
{
    uint64_t length = 0;
    if (at == end) {
        return UINT64_MAX;
    }
    do {
        unsigned digit = (unsigned char)*at - (unsigned)'0';
        if (digit > 9 || length > INT64_MAX / 10) {
            return UINT64_MAX;
        }
        length = length * 10 + digit; /* below 2^63 + 2 */
    } while (++at < end);
    return length;
}

/* RFC 9112 6.3: several values, in fields or in a list, that all agree may be taken for one. From an origin they are; a
   request that has them is refused, since who reads it next may choose otherwise. `used`: it keeps its parameters, so that its
   caller calls it without moving them. */
static __attribute__((noinline, used)) enum h1_result note_lengths(struct h1_rules *rules,
                                                                   struct http_head *head,
                                                                   struct http_field *field,
                                                                   bool again)
{
    struct field_list list = field_list_of(head, field);
    struct field_element element;
    while (field_list_next(&list, &element)) {
        uint64_t length = length_of(element.at, element.at + element.bytes);
        if (length > INT64_MAX) {
            return H1_BAD_CONTENT_LENGTH;
        }
        if (again && length != rules->content_length) {
            return H1_DIFFERING_CONTENT_LENGTHS;
        }
        rules->content_length = length;
        again = true;
    }
    return rules->role->tolerant ? H1_OK : H1_BAD_CONTENT_LENGTH;
}

static enum h1_result note_content_length(struct h1_rules *rules, struct http_head *head,
                                          struct http_field *field, bool again)
{
    const char *at = head->base + field->value_at;
    uint64_t length = length_of(at, at + field->value_bytes);
    if (__builtin_expect(again || length > INT64_MAX, 0)) {
        return note_lengths(rules, head, field, again);
    }
    rules->content_length = length;
    return H1_OK;
}

/* RFC 9112 6.1, 7: codings over all Transfer-Encoding fields in order; judged once they are all known. */
static enum h1_result note_codings(struct h1_rules *rules, struct http_head *head,
                                   struct http_field *field, bool again)
{
    struct field_list list = field_list_of(head, field);
    struct field_element coding;
    (void)again;
    while (field_list_next(&list, &coding)) {
        rules->chunked_last = ELEMENT_IS(&coding, "chunked");
        if (rules->chunked_last) {
            rules->chunked_count++;
        } else if (is_token(&coding)) {
            rules->other_count++;
        } else {
            rules->bad_coding = true;
        }
    }
    return H1_OK;
}

/* RFC 9110 7.6.1. What is no token names no field: it is skipped. */
static __attribute__((noinline)) enum h1_result note_option_list(struct h1_rules *rules,
                                                                 struct http_head *head,
                                                                 const struct http_field *field)
{
    struct field_list list = field_list_of(head, field);
    struct field_element option;
    while (field_list_next(&list, &option)) {
        if (ELEMENT_IS(&option, "keep-alive")) {
            head->facts |= FACT_KEEP_ALIVE;
        } else if (ELEMENT_IS(&option, "close")) {
            head->facts |= FACT_CLOSE;
        } else if (ELEMENT_IS(&option, "upgrade")) {
            rules->upgrades = true;
        } else if (option.bytes && !ELEMENT_IS(&option, "te")) {
            rules->nominates = true;
        }
        if (++rules->options_count > rules->options_limit) {
            return H1_TOO_MANY_FIELDS;
        }
    }
    return H1_OK;
}

static enum h1_result note_options(struct h1_rules *rules, struct http_head *head,
                                   struct http_field *field, bool again)
{
    static const char usual[] = "keep-alive";
    const size_t usual_bytes = sizeof usual - 1;
    (void)again;
    if (field->value_bytes != usual_bytes ||
        !field_name_equal(head->base + field->value_at, usual, usual_bytes)) {
        return note_option_list(rules, head, field);
    }
    head->facts |= FACT_KEEP_ALIVE;
    return H1_OK;
}

/* RFC 9110 10.1.1: 100-continue is the only expectation there is; HTTP/1.0 has none, and it must not seem so to the
   next hop. */
static enum h1_result note_expectations(struct h1_rules *rules, struct http_head *head,
                                        struct http_field *field, bool again)
{
    struct field_list list = field_list_of(head, field);
    struct field_element expectation;
    (void)rules;
    (void)again;
    if (head->facts & FACT_HTTP_1_0) {
        field->drop = 1;
        return H1_OK;
    }
    while (field_list_next(&list, &expectation)) {
        if (!ELEMENT_IS(&expectation, "100-continue")) {
            return H1_UNKNOWN_EXPECTATION;
        }
    }
    head->facts |= FACT_EXPECT_CONTINUE;
    return H1_OK;
}

/* RFC 9110 10.1.4. */
static enum h1_result note_te(struct h1_rules *rules, struct http_head *head,
                              struct http_field *field, bool again)
{
    (void)rules;
    (void)again;
    struct field_list list = field_list_of(head, field);
    struct field_element coding;
    while (field_list_next(&list, &coding)) {
        if (ELEMENT_IS(&coding, "trailers")) {
            head->facts |= FACT_TE_TRAILERS;
        }
    }
    return H1_OK;
}

/* RFC 9112 6.1-6.3: chunked once and last, or nobody knows where the message ends; another coding before it we could
   only pass on blindly. An origin that says chunked twice, or a length beside it, means chunked (RFC 9112 6.3 rule 3). */
static enum h1_result judge_transfer_encoding(const struct h1_rules *rules,
                                              const struct http_head *head)
{
    bool tolerant = rules->role->tolerant;
    if (head->facts & FACT_HTTP_1_0) {
        return H1_TRANSFER_ENCODING_IN_1_0;
    }
    if (head_has(head, FIELD_CONTENT_LENGTH) && !tolerant) {
        return H1_LENGTH_AND_TRANSFER_ENCODING;
    }
    if (rules->bad_coding || !rules->chunked_last || (rules->chunked_count > 1 && !tolerant)) {
        return H1_BAD_TRANSFER_ENCODING;
    }
    return rules->other_count ? H1_UNKNOWN_TRANSFER_ENCODING : H1_OK;
}

/* RFC 9110 7.6.1: what is named is for this hop only. A field in our table is known to be end-to-end, and naming one is
   forbidden there: obeying would let a client take away what an earlier hop relies on (X-Forwarded-For). */
static void drop_nominated(struct http_head *head, const struct field_element *option)
{
    static const char forwarded[] = "x-forwarded-";
    if (field_id_of(option->at, option->bytes) != FIELD_OTHER ||
        (option->bytes >= sizeof forwarded - 1 &&
         strncasecmp(option->at, forwarded, sizeof forwarded - 1) == 0)) {
        return;
    }
    for (unsigned i = 0; i < head->field_count; i++) {
        struct http_field *field = &head->fields[i];
        if (field->name_bytes == option->bytes &&
            field_name_equal(head->base + field->name_at, option->at, option->bytes)) {
            field->drop = 1;
        }
    }
}

/* RFC 9112 9.3 (persistence), RFC 9110 7.8 (upgrade; none in HTTP/1.0), 7.6.1 (nominated fields). */
static void judge_connection(const struct h1_rules *rules, struct http_head *head)
{
    bool old = head->facts & FACT_HTTP_1_0;
    if (old && !(head->facts & FACT_KEEP_ALIVE)) {
        head->facts |= FACT_CLOSE;
    }
    if (rules->upgrades && !old && head_has(head, FIELD_UPGRADE)) {
        head->facts |= FACT_UPGRADE;
    }
    if (!rules->nominates) {
        return;
    }
    h1_drop_nominated(head, head);
}

__attribute__((noinline)) void h1_drop_nominated(const struct http_head *head,
                                                 struct http_head *fields)
{
    for (unsigned i = 0; i < head->field_count; i++) {
        struct field_list list = field_list_of(head, &head->fields[i]);
        struct field_element option;
        while (head->fields[i].id == FIELD_CONNECTION && field_list_next(&list, &option)) {
            if (is_token(&option)) {
                drop_nominated(fields, &option);
            }
        }
    }
}

enum h1_result h1_rules_request(struct h1_rules *rules, struct http_head *head)
{
    if (!head_has(head, FIELD_HOST) && !(head->facts & FACT_HTTP_1_0)) {
        return H1_MISSING_HOST; /* RFC 9112 3.2 */
    }
    head->framing = FRAMING_NONE; /* RFC 9112 6.3 rule 7 */
    if (head_has(head, FIELD_TRANSFER_ENCODING)) {
        enum h1_result result = judge_transfer_encoding(rules, head);
        if (result != H1_OK) {
            return result;
        }
        head->framing = FRAMING_CHUNKED;
    } else if (head_has(head, FIELD_CONTENT_LENGTH)) {
        head->framing = FRAMING_LENGTH;
        head->content_length = rules->content_length;
    }
    judge_connection(rules, head);
    return H1_OK;
}

/* Transfer-Encoding of a response: what it says wins over a length, which is then forgotten. Where the origin said more
   than one thing, or spoke of content that there cannot be, what follows on its connection is not trusted. */
static __attribute__((noinline)) enum h1_result judge_coded_response(struct h1_rules *rules,
                                                                     struct http_head *head)
{
    enum h1_result result = judge_transfer_encoding(rules, head);
    if (result != H1_OK) {
        return result;
    }
    if (head->status < 200) { /* RFC 9112 6.1: must not be there, and what comes next is a head */
        return H1_BAD_TRANSFER_ENCODING;
    }
    if (head_has(head, FIELD_CONTENT_LENGTH) || rules->chunked_count > 1 || head->status == 204) {
        head->facts |= FACT_LAST;
    }
    head_forget(head, FIELD_CONTENT_LENGTH);
    rules->content_length = head->content_length = 0;
    return H1_OK;
}

/* RFC 9112 6.3 rules 1 and 2: it ends with its head, whatever its fields say. */
static bool response_is_head(enum http_method method, unsigned status)
{
    return status < 200 || status == 204 || status == 304 || method == METHOD_HEAD ||
           (method == METHOD_CONNECT && status / 100 == 2);
}

/* The length of what ends with its head: of what a GET would have got (RFC 9110 8.6), but in 1xx, 204 and a tunnel nothing is
   meant. A 204 with one may be followed by it. */
static uint64_t length_of_head(const struct h1_rules *rules, enum http_method method,
                               struct http_head *head)
{
    if (head->status == 204 && rules->content_length > 0) {
        head->facts |= FACT_LAST;
    }
    return head->status == 304 ||
                   (method == METHOD_HEAD && head->status >= 200 && head->status != 204)
               ? rules->content_length
               : 0;
}

enum h1_result h1_rules_response(struct h1_rules *rules, enum http_method method,
                                 struct http_head *head)
{
    bool length = head_has(head, FIELD_CONTENT_LENGTH);
    head->framing = length ? FRAMING_LENGTH : FRAMING_CLOSE;
    head->content_length = rules->content_length;
    if (head_has(head, FIELD_TRANSFER_ENCODING)) {
        enum h1_result result = judge_coded_response(rules, head);
        if (result != H1_OK) {
            return result;
        }
        head->framing = FRAMING_CHUNKED;
    }
    if (response_is_head(method, head->status)) {
        head->framing = FRAMING_NONE;
        head->content_length = length_of_head(rules, method, head);
    }
    judge_connection(rules, head);
    return H1_OK;
}
