/* Weights of the codings that are known, in thousandths. */
#include "proxy/http/accept_encoding.h"

#include <string.h>
#include <strings.h>

#include "proxy/http/field_list.h"

#define WEIGHT_UNSAID (-1)
#define WEIGHT_MOST 1000

#define CODING_ROW(id, name, suffix) [id] = {name, suffix},
const struct coding_row coding_rows[CODING_COUNT] = {CONTENT_CODINGS(CODING_ROW)};

struct weights {
    int of[CODING_COUNT];
    int identity;
    int any; /* of "*" */
};

static bool word_is(const char *at, size_t bytes, const char *word)
{
    return strlen(word) == bytes && strncasecmp(at, word, bytes) == 0;
}

/* qvalue: "0" with up to three digits behind a point, or "1" with zeros there. */
static int parse_qvalue(const char *at, size_t bytes)
{
    int weight = 0, digit_worth = WEIGHT_MOST;
    bool shaped = bytes >= 1 && bytes <= 5 && (bytes == 1 || at[1] == '.');
    for (size_t i = 0; shaped && i < bytes; i++) {
        if (i == 1) {
            continue;
        }
        shaped = at[i] >= '0' && at[i] <= '9';
        weight += (at[i] - '0') * digit_worth;
        digit_worth /= 10;
    }
    return shaped && weight <= WEIGHT_MOST ? weight : 0;
}

static size_t skip_space(const char *at, size_t bytes)
{
    size_t skipped = 0;
    while (skipped < bytes && field_list_is_space(at[skipped])) {
        skipped++;
    }
    return skipped;
}

/* What follows the coding: nothing, or ";q=" and the weight, with space around ";". */
static int parse_weight(const char *at, size_t bytes)
{
    size_t space = skip_space(at, bytes);
    if (space == bytes) {
        return WEIGHT_MOST;
    }
    at += space;
    bytes -= space;
    if (at[0] != ';') {
        return 0;
    }
    space = 1 + skip_space(at + 1, bytes - 1);
    at += space;
    bytes -= space;
    bool weighs = bytes > 2 && (at[0] == 'q' || at[0] == 'Q') && at[1] == '=';
    return weighs ? parse_qvalue(at + 2, bytes - 2) : 0;
}

/* RFC 9110 8.4.1.3: "x-gzip" is "gzip". */
static void take_element(struct weights *weights, const struct field_element *element)
{
    size_t bytes = 0;
    while (bytes < element->bytes && element->at[bytes] != ';' &&
           !field_list_is_space(element->at[bytes])) {
        bytes++;
    }
    int weight = parse_weight(element->at + bytes, element->bytes - bytes);
    if (word_is(element->at, bytes, "*")) {
        weights->any = weight;
    }
    if (word_is(element->at, bytes, "identity")) {
        weights->identity = weight;
    }
    for (unsigned coding = 0; coding < CODING_COUNT; coding++) {
        if (word_is(element->at, bytes, coding_rows[coding].name) ||
            (coding == CODING_GZIP && word_is(element->at, bytes, "x-gzip"))) {
            weights->of[coding] = weight;
        }
    }
}

static struct weights weights_of(const struct http_head *request)
{
    struct weights weights = {.identity = WEIGHT_UNSAID, .any = WEIGHT_UNSAID};
    for (unsigned coding = 0; coding < CODING_COUNT; coding++) {
        weights.of[coding] = WEIGHT_UNSAID;
    }
    for (unsigned i = 0; i < request->field_count; i++) {
        const struct http_field *field = &request->fields[i];
        struct field_element element;
        if (field->drop ||
            !word_is(request->base + field->name_at, field->name_bytes, "accept-encoding")) {
            continue;
        }
        struct field_list list = field_list_of(request, field);
        while (field_list_next(&list, &element)) {
            take_element(&weights, &element);
        }
    }
    return weights;
}

unsigned accept_encodings(const struct http_head *request)
{
    const struct weights weights = weights_of(request);
    unsigned codings = 0;
    for (unsigned coding = 0; coding < CODING_COUNT; coding++) {
        codings |= weights.of[coding] > 0 ? CODING_BIT(coding) : 0;
    }
    return codings;
}

enum content_coding accept_encoding_choose(const struct http_head *request,
                                           const enum content_coding *offered, size_t count)
{
    const struct weights weights = weights_of(request);
    enum content_coding best = CODING_IDENTITY;
    int best_weight = 0;
    for (size_t i = 0; i < count; i++) {
        int own = weights.of[offered[i]];
        int weight = own != WEIGHT_UNSAID ? own : weights.any;
        if (weight > best_weight) {
            best = offered[i];
            best_weight = weight;
        }
    }
    return best_weight >= weights.identity ? best : CODING_IDENTITY;
}
